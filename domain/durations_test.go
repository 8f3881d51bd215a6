package domain

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		text string
		want time.Duration
		iso  string
	}{
		{"P2D", 2 * day, "P2D"}, {"2d", 2 * day, "P2D"},
		{"PT1H30M", 90 * time.Minute, "PT1H30M"}, {"1h30m", 90 * time.Minute, "PT1H30M"}, {"90m", 90 * time.Minute, "PT1H30M"},
		{"PT0.5S", 500 * time.Millisecond, "PT0.5S"}, {"500ms", 500 * time.Millisecond, "PT0.5S"}, {"0.5s", 500 * time.Millisecond, "PT0.5S"},
		{"P1W", 7 * day, "P7D"}, {"1w", 7 * day, "P7D"}, {"1w2d3h4m5s6ms", 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond, "P9DT3H4M5.006S"},
		{"521w", 3647 * day, "P3647D"}, {"P1DT12H", 36 * time.Hour, "P1DT12H"}, {"P0D", 0, "PT0S"}, {"PT0S", 0, "PT0S"}, {"0s", 0, "PT0S"},
		{"PT36H", 36 * time.Hour, "P1DT12H"}, {"PT90S", 90 * time.Second, "PT1M30S"}, {"1.5h", 90 * time.Minute, "PT1H30M"},
		{"P3650D", MaxDuration, "P3650D"}, {"PT0.000001S", time.Microsecond, "PT0.000001S"}, {"P3649DT23H59M59.999999S", MaxDuration - time.Microsecond, "P3649DT23H59M59.999999S"},
		{"PT59.999999S", time.Minute - time.Microsecond, "PT59.999999S"}, {"0.001ms", time.Microsecond, "PT0.000001S"},
	}
	for _, tt := range tests {
		got, err := ParseDuration(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
		if iso := FormatDuration(got); iso != tt.iso {
			t.Errorf("%q prints as %s, want %s", tt.text, iso, tt.iso)
		}
	}
}

func TestParseDurationRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                         "is empty; write",
		"P":                        "has no amount; write PT0S",
		"PT":                       "has no amount",
		"P2DT":                     "has no amount",
		"P1Y":                      "write days instead",
		"P1M":                      "write days instead",
		"P1Y2M3DT4H":               "write days instead",
		"2y":                       "write days instead",
		"3mo":                      "write days instead",
		"3 months":                 "write days instead",
		"-PT5S":                    "is negative",
		"P-2D":                     "is negative",
		"-5s":                      "is negative",
		"P3651D":                   "longer than 10 years",
		"P3650DT0.000001S":         "longer than 10 years",
		"522w":                     "longer than 10 years",
		"999999999999999w":         "longer than 10 years",
		"999999999999999h":         "longer than 10 years",
		"999999999999999m":         "longer than 10 years",
		"999999999999999s":         "longer than 10 years",
		"999999999999999ms":        "longer than 10 years",
		"99999999999999999999999d": "is not a duration",
		"60":                       `has no unit; write "PT60S" or "60s"`,
		"1.5":                      "has no unit",
		"pt5s":                     "ISO 8601 is in capitals",
		"5S":                       "the short form in small letters",
		"P5S":                      "after it",
		"PT2D":                     "write days before T",
		"P1D2W":                    "write days before T",
		"PP1D":                     "write days before T",
		"30m1h":                    "large units first",
		"1 h":                      "is not a duration",
		" 1h":                      "is not a duration",
		"soon":                     "is not a duration",
		"P1,5D":                    "is not a duration",
		"٣s":                       "is not a duration",
		strings.Repeat("9", 10000): "has no unit",
	} {
		d, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseDuration(%.30q) = %v, %v, want an error with %q", text, d, err, says)
		} else if len(err.Error()) > 200 {
			t.Errorf("the error for %.30q has %d bytes", text, len(err.Error()))
		}
	}
}

func TestDurationInJSON(t *testing.T) {
	var v struct{ Wait *Duration }
	if err := json.Unmarshal([]byte(`{"Wait":"1h30m"}`), &v); err != nil || time.Duration(*v.Wait) != 90*time.Minute {
		t.Fatalf("%v, %v", v.Wait, err)
	}
	if out, _ := json.Marshal(v); string(out) != `{"Wait":"PT1H30M"}` {
		t.Errorf("Marshal gives %s", out)
	}
	for in, says := range map[string]string{`{"Wait":60}`: `write "PT60S"`, `{"Wait":[]}`: "a duration is a string", `{"Wait":"P1Y"}`: "write days"} {
		if err := json.Unmarshal([]byte(in), &v); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s gives %v", in, err)
		}
	}
}

// FuzzDuration: what is read is in range, prints as ISO 8601 and reads back to itself.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"P2D", "PT1H30M", "PT0.5S", "P1W", "2d", "1h30m", "500ms", "1w", "P1Y", "-PT5S", "P", "PT", "P3650D", "0.1ms", "1.0000005s", "1.700001s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 || d > MaxDuration || d%time.Microsecond != 0 {
			t.Fatalf("ParseDuration(%q) = %v", text, d)
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %v, prints %s, which is %v, %v", text, d, FormatDuration(d), again, err)
		}
	})
}
