package domain

import (
	"fmt"
	"strings"
	"time"
)

// The words that the sentences of an explanation are made of.

func (x explainer) step() string { return "the step " + x.e.StepName }

// cause is the code and message of the step's last error.
func (x explainer) cause() string {
	if x.e.Error == nil {
		return "an error that was not recorded"
	}
	message := strings.Join(strings.Fields(x.e.Error.Message), " ")
	return fmt.Sprintf("%s (%s)", x.e.Error.Code, strings.TrimSuffix(shorten(message, 200), "."))
}

// attempts counts the failed attempts against those there may be.
func (x explainer) attempts() string {
	if x.e.Failures == 0 {
		return "An attempt"
	}
	if step, _, ok := x.def.Step(x.e.StepName); ok {
		return fmt.Sprintf("Attempt %d of %d", x.e.Failures, step.Retry.MaxAttempts)
	}
	return fmt.Sprintf("Attempt %d", x.e.Failures)
}

// at tells when something happens: the time, and how far that is.
func (x explainer) at(t time.Time) string {
	switch d := t.Sub(x.now); {
	case d <= -time.Second:
		return "at " + stamp(t) + ", " + span(-d) + " ago"
	case d <= 0:
		return "now"
	default:
		return "at " + stamp(t) + ", in " + span(d)
	}
}

// moment is at without a preposition.
func (x explainer) moment(t time.Time) string {
	if d := t.Sub(x.now); d > 0 {
		return stamp(t) + ", in " + span(d)
	}
	return stamp(t)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (reason: %s)", strings.TrimSuffix(shorten(strings.Join(strings.Fields(reason), " "), 200), "."))
}

// span writes a duration as definitions do, with at most two units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "less than 1s"
	case d < time.Hour:
		return trimZero(d.Truncate(time.Second).String())
	case d < day:
		return trimZero(d.Truncate(time.Minute).String())
	}
	days := fmt.Sprintf("%dd", d/day)
	if hours := d % day / time.Hour; hours > 0 {
		days += fmt.Sprintf("%dh", hours)
	}
	return days
}

func trimZero(s string) string {
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
