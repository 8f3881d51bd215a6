package domain

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	iso8601 "github.com/sosodev/duration"
)

// Duration is a time.Duration that is ISO 8601 in JSON. It reads the short form too.
type Duration time.Duration

// MarshalText gives ISO 8601.
func (d Duration) MarshalText() ([]byte, error) { return []byte(FormatDuration(time.Duration(d))), nil }

// UnmarshalJSON reads a string as ParseDuration does; a number is an error that says what to write.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return notADuration(string(data))
	}
	parsed, err := ParseDuration(text)
	*d = Duration(parsed)
	return err
}

// notADuration is the error for a value that is no string.
func notADuration(shown string) error {
	if _, err := strconv.ParseUint(shown, 10, 32); err == nil {
		return fmt.Errorf(`a duration is a string with a unit: write "PT%[1]sS" or "%[1]ss" for %[1]s seconds`, shown)
	}
	return fmt.Errorf(`a duration is a string such as "PT30S", "PT1H30M" or "2d"`)
}

const (
	decimal = `\d{1,15}(?:\.\d{1,9})?`
	isoTime = `(?:` + decimal + `H)?(?:` + decimal + `M)?(?:` + decimal + `S)?`
)

var (
	isoForm    = regexp.MustCompile(`^P(?:` + decimal + `W)?(?:` + decimal + `D)?(?:T` + isoTime + `)?$`)
	shortForm  = regexp.MustCompile(`^((?:` + decimal + `w)?(?:` + decimal + `d)?)(` + strings.ToLower(isoTime) + `)(?:(` + decimal + `)ms)?$`)
	bareNumber = regexp.MustCompile(`^\d+(?:\.\d+)?$`)
	calendar   = regexp.MustCompile(`^P[^T]*\d[YM]|^[\d.]+\s*(?:y|mo)`)
)

// ParseDuration reads a duration in ISO 8601 (P2D, PT1H30M, PT0.5S, P1W) or the short form (2d, 1h30m,
// 500ms, 1w), to the microsecond. Units go from large to small. Years and months, negative ones and those
// longer than MaxDuration are errors; the error says what to write instead.
func ParseDuration(text string) (time.Duration, error) {
	shown := strconv.Quote(shorten(text, 40))
	var period string
	var millis float64
	switch {
	case text == "":
		return 0, fmt.Errorf("the duration is empty; write for example PT30S, PT1H30M or 2d")
	case strings.HasPrefix(text, "-") || strings.HasPrefix(text, "P-") || strings.HasPrefix(text, "PT-"):
		return 0, fmt.Errorf("%s is negative; a duration is zero or more", shown)
	case calendar.MatchString(text):
		return 0, fmt.Errorf("%s counts in years or months, which differ in length; write days instead, P30D or 30d", shown)
	case strings.HasSuffix(text, "P") || strings.HasSuffix(text, "T"):
		return 0, fmt.Errorf("%s has no amount; write PT0S for zero, or for example PT30S", shown)
	case isoForm.MatchString(text):
		period = text
	default:
		parts := shortForm.FindStringSubmatch(text)
		if parts == nil {
			return 0, unreadableDuration(text, shown)
		}
		if parts[3] != "" {
			millis, _ = strconv.ParseFloat(parts[3], 64)
		}
		period = "P" + strings.ToUpper(parts[1]) + "T" + strings.ToUpper(parts[2])
	}
	d, err := iso8601.Parse(period)
	if err != nil {
		return 0, unreadableDuration(text, shown)
	}
	hours := d.Weeks*7*24 + d.Days*24 + d.Hours + d.Minutes/60 + d.Seconds/3600 + millis/3600e3
	if hours > MaxDuration.Hours() {
		return 0, fmt.Errorf("%s is longer than 10 years (P3650D)", shown)
	}
	total := d.ToTimeDuration() + time.Duration(millis*float64(time.Millisecond))
	return min(total.Round(time.Microsecond), MaxDuration), nil
}

func unreadableDuration(text, shown string) error {
	switch {
	case bareNumber.MatchString(text):
		return fmt.Errorf(`%s has no unit; write "PT%[2]sS" or "%[2]ss" for seconds`, shown, shorten(text, 20))
	case strings.HasPrefix(text, "p") || shortForm.MatchString(strings.ToLower(text)):
		return fmt.Errorf("%s is not a duration: ISO 8601 is in capitals (PT1H30M), the short form in small letters (1h30m)", shown)
	case strings.HasPrefix(text, "P"):
		return fmt.Errorf("%s is not a duration; write days before T and hours, minutes and seconds after it: P2D, PT1H30M, P1DT12H", shown)
	}
	return fmt.Errorf("%s is not a duration; write ISO 8601 (P2D, PT1H30M, PT0.5S) or the short form (2d, 1h30m, 500ms), large units first", shown)
}

// FormatDuration prints a duration in ISO 8601, in days and smaller: P2D, PT1H30M, PT0.5S, PT0S.
func FormatDuration(d time.Duration) string {
	out := iso8601.Duration{Negative: d < 0}
	d = d.Abs()
	const day = 24 * time.Hour
	out.Days, d = float64(d/day), d%day
	out.Hours, d = float64(d/time.Hour), d%time.Hour
	out.Minutes, d = float64(d/time.Minute), d%time.Minute
	out.Seconds = float64(d) / float64(time.Second) // not d.Seconds(), which adds two floats: 1.7000009999999999
	return out.String()
}
