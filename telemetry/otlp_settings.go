package telemetry

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// otlpSettings say where spans go, as the OpenTelemetry specification of the OTLP exporter has it.
type otlpSettings struct {
	url         string
	headers     map[string]string
	timeout     time.Duration
	gzip        bool
	certificate string // of the receiver's authority; "": the system's

	clientCertificate, clientKey string
}

const otlpPrefix = "OTEL_EXPORTER_OTLP_"

// readOTLP reads OTEL_*. wanted is false when nothing asks for traces. Errors name the variable and what to
// write.
func readOTLP(getenv func(string) string) (s otlpSettings, wanted bool, err error) {
	get := func(name string) string { return strings.TrimSpace(getenv(name)) }
	// either gives the variable for traces, else the one for everything.
	either := func(name string) string { return cmp.Or(get(otlpPrefix+"TRACES_"+name), get(otlpPrefix+name)) }

	exporter := get("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(get("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && either("ENDPOINT") == "":
		return s, false, nil
	case exporter != "" && exporter != "otlp":
		return s, false, fmt.Errorf("OTEL_TRACES_EXPORTER=%q: traces are sent over OTLP only; write otlp or none", exporter)
	}
	if p := either("PROTOCOL"); p != "" && p != "http/protobuf" {
		return s, false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q: only http/protobuf is spoken, which collectors take on port 4318", p)
	}
	s = otlpSettings{timeout: 10 * time.Second, certificate: either("CERTIFICATE"),
		clientCertificate: either("CLIENT_CERTIFICATE"), clientKey: either("CLIENT_KEY")}
	if s.url, err = otlpURL(get(otlpPrefix+"TRACES_ENDPOINT"), get(otlpPrefix+"ENDPOINT")); err != nil {
		return s, false, err
	}
	if text := either("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms < 1 {
			return s, false, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%q: write a number of milliseconds", text)
		}
		s.timeout = time.Duration(ms) * time.Millisecond
	}
	switch c := either("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		s.gzip = true
	default:
		return s, false, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION=%q: write gzip or none", c)
	}
	s.headers, err = otlpHeaders(either("HEADERS"))
	return s, err == nil, err
}

// otlpURL takes the endpoint for traces as it is, and puts the path of traces behind the general one.
func otlpURL(traces, general string) (string, error) {
	variable, text := otlpPrefix+"TRACES_ENDPOINT", traces
	if traces == "" {
		variable, text = otlpPrefix+"ENDPOINT", strings.TrimRight(cmp.Or(general, "http://localhost:4318"), "/")+"/v1/traces"
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("%s: write a URL such as http://collector:4318", variable) // it may hold a password
	}
	return u.String(), nil
}

// otlpHeaders reads name=value,…; values are percent-encoded. An error shows none of them: they are secrets.
func otlpHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || strings.TrimSpace(name) == "" || strings.ContainsAny(decoded, "\r\n") {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: write name=value,name=value, with values percent-encoded")
		}
		headers[strings.TrimSpace(name)] = decoded
	}
	return headers, nil
}
