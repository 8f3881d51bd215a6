package telemetry

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

var fqName = regexp.MustCompile(`fqName: "([a-z0-9_]+)"`)

// names are those of every metric there is: ours, and what the two collectors of the client library bring.
func names() []string {
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		New().registry.Describe(ch)
		figures{}.Describe(ch)
		(&census{}).Describe(ch)
	}()
	all := []string{"genevadrive_build_info"}
	for d := range ch {
		all = append(all, fqName.FindStringSubmatch(d.String())[1])
	}
	return all
}

func TestEveryMetricIsInTheOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("`genevadrive_[a-z_]+").FindAllString(string(page), -1)
	all := names()
	for _, name := range all {
		if strings.HasPrefix(name, namespace) && !slices.Contains(documented, "`"+name) {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(all, strings.Trim(name, "`")) {
			t.Errorf("docs/operations.md explains %s, which does not exist", name)
		}
	}
}

type alertRules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func TestAlertRules(t *testing.T) {
	file, err := os.Open("../examples/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var rules alertRules
	if err := decoder.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	all := names()
	metric := regexp.MustCompile(`\b(?:genevadrive|process|go)_[a-z0-9_]+`)
	suffix := regexp.MustCompile(`_(bucket|count|sum)$`)
	var alerts []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if !strings.HasPrefix(r.Alert, "GenevaDrive") || slices.Contains(alerts, r.Alert) {
				t.Errorf("%q is no name of its own that begins with GenevaDrive", r.Alert)
			}
			alerts = append(alerts, r.Alert)
			if !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, summary or description", r.Alert)
			}
			if r.For != "" && !regexp.MustCompile(`^[1-9][0-9]*[smh]$`).MatchString(r.For) {
				t.Errorf("%s: for is %q", r.Alert, r.For)
			}
			for _, pair := range []string{"()", "[]", "{}"} {
				if strings.Count(r.Expr, pair[:1]) != strings.Count(r.Expr, pair[1:]) {
					t.Errorf("%s: unbalanced %s in %s", r.Alert, pair, r.Expr)
				}
			}
			found := metric.FindAllString(r.Expr, -1)
			if len(found) == 0 {
				t.Errorf("%s looks at no metric: %s", r.Alert, r.Expr)
			}
			for _, name := range found {
				if !slices.Contains(all, name) && !slices.Contains(all, suffix.ReplaceAllString(name, "")) {
					t.Errorf("%s looks at %s, which does not exist", r.Alert, name)
				}
			}
		}
	}
	for _, want := range []string{"BacklogGrows", "StepsLate", "ServerDied", "StepsTakenOver", "WorkflowsPausedByFailure", "DatabasePoolSaturated", "DoorbellUnhealthy"} {
		if !slices.Contains(alerts, "GenevaDrive"+want) {
			t.Errorf("there is no alert GenevaDrive%s", want)
		}
	}
}
