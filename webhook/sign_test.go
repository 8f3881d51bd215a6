package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var signedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

func testSecret(t testing.TB, fill byte) Secret {
	t.Helper()
	s, err := NewSecret(bytes.NewReader(bytes.Repeat([]byte{fill}, newSecretBytes)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func oracleVerify(t testing.TB, secret Secret, id string, at time.Time, body []byte, signature string) error {
	t.Helper()
	wh, err := oracle.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return wh.VerifyIgnoringTimestamp(body, http.Header{
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature},
	})
}

func TestSignEqualsTheStandardLibraryOfWebhooks(t *testing.T) {
	secret := testSecret(t, 7)
	wh, err := oracle.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "{}", `{"type":"step.perform"}`, strings.Repeat("x", 100_000)} {
		want, err := wh.Sign("0190-id", signedAt, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := Sign("0190-id", signedAt, []byte(body), secret); got != want {
			t.Errorf("body of %d bytes: signature %s, want %s", len(body), got, want)
		}
	}
}

func TestSignDuringRotation(t *testing.T) {
	newer, older, stranger := testSecret(t, 1), testSecret(t, 2), testSecret(t, 3)
	body := []byte(`{"a":1}`)
	signature := Sign("msg", signedAt, body, newer, Secret{}, older)
	if n := len(strings.Fields(signature)); n != 2 {
		t.Fatalf("%d signatures in %q, want one for each of the 2 secrets", n, signature)
	}
	for name, s := range map[string]Secret{"newer": newer, "older": older} {
		if err := oracleVerify(t, s, "msg", signedAt, body, signature); err != nil {
			t.Errorf("a receiver with the %s secret: %v", name, err)
		}
	}
	if oracleVerify(t, stranger, "msg", signedAt, body, signature) == nil {
		t.Error("a receiver with another secret accepts the signature")
	}
	if oracleVerify(t, newer, "msg", signedAt.Add(time.Second), body, signature) == nil {
		t.Error("the signature does not cover the timestamp")
	}
	if oracleVerify(t, newer, "other", signedAt, body, signature) == nil {
		t.Error("the signature does not cover the id")
	}
	if got := Sign("msg", signedAt, body); got != "" {
		t.Errorf("without secrets: %q, want none", got)
	}
	if got := Sign("msg", signedAt, body, Secret{}); got != "" {
		t.Errorf("with the zero secret: %q, want none", got)
	}
}

func TestSignConcurrently(t *testing.T) {
	secret := testSecret(t, 9)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				id := fmt.Sprintf("%d-%d", i, j)
				if err := oracleVerify(t, secret, id, signedAt, []byte(id), Sign(id, signedAt, []byte(id), secret)); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestParseSecret(t *testing.T) {
	written := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n))
	}
	for _, n := range []int{24, 25, 26, 32, 64} {
		s, err := ParseSecret(written(n))
		if err != nil || s.Reveal() != written(n) {
			t.Errorf("%d bytes: %v, %v", n, s, err)
		}
	}
	for name, text := range map[string]string{
		"empty":         "",
		"prefix alone":  "whsec_",
		"no prefix":     strings.TrimPrefix(written(32), "whsec_"),
		"wrong case":    "WHSEC_" + strings.TrimPrefix(written(32), "whsec_"),
		"public key":    "whpk_" + strings.TrimPrefix(written(32), "whsec_"),
		"too short":     written(23),
		"too long":      written(65),
		"no padding":    strings.TrimRight(written(32), "="),
		"url alphabet":  strings.ReplaceAll(written(32), "+", "-"),
		"line end":      written(32) + "\n",
		"line inside":   written(32)[:20] + "\r\n" + written(32)[20:],
		"loose bits":    "whsec_" + strings.Repeat("A", 42) + "B=",
		"space":         " " + written(32),
		"not base64":    "whsec_" + strings.Repeat("!", 44),
		"trailing data": written(32) + written(32),
	} {
		s, err := ParseSecret(text)
		if err == nil {
			t.Errorf("%s: accepted as %s", name, s.Reveal())
			continue
		}
		if rest := strings.TrimPrefix(text, "whsec_"); len(rest) > 8 && strings.Contains(err.Error(), rest[:8]) {
			t.Errorf("%s: the error repeats the secret: %v", name, err)
		}
	}
}

func TestNewSecret(t *testing.T) {
	s := testSecret(t, 5)
	if again, err := ParseSecret(s.Reveal()); err != nil || again.Reveal() != s.Reveal() {
		t.Errorf("a new secret does not parse: %v", err)
	}
	if _, err := NewSecret(io.LimitReader(bytes.NewReader(make([]byte, 64)), 10)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("with too little randomness: %v, want an error", err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := testSecret(t, 0x41)
	holder := struct {
		Secret  Secret
		private []Secret
	}{s, []Secret{s}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "secret", s, "holder", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "secret", s, "holder", holder)
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s) +
		fmt.Sprintf("%v %+v %#v", holder, holder, holder) + fmt.Sprint(&s) + log.String() + string(asJSON)
	for _, leak := range []string{"AAAAAAAA", "QUFBQUFB", "41414141", "65 65 65", "0x41, 0x41"} {
		if strings.Contains(printed, leak) {
			t.Errorf("%q leaks in %s", leak, printed)
		}
	}
	if (Secret{}).Reveal() != "" {
		t.Error("the zero secret reveals something")
	}
}
