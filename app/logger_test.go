package app_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/app"
)

func TestTheLogIsInUTC(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for name, derive := range map[string]func(*slog.Logger) *slog.Logger{
			"plain":      func(l *slog.Logger) *slog.Logger { return l },
			"with":       func(l *slog.Logger) *slog.Logger { return l.With("a", 1) },
			"with group": func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") },
		} {
			var out strings.Builder
			derive(app.NewLogger(&out, app.Config{LogFormat: format})).Info("said", "b", 2)
			if text := out.String(); !strings.Contains(text, "said") || !strings.Contains(text, time.Now().UTC().Format("2006-01-02T15:")) || strings.Contains(text, "+05:45") {
				t.Errorf("%s, %s: %s", format, name, text)
			}
		}
	}
}

// BenchmarkAttemptLine is what the line of one attempt costs.
func BenchmarkAttemptLine(b *testing.B) {
	for _, format := range []string{"text", "json"} {
		b.Run(format, func(b *testing.B) {
			log := app.NewLogger(io.Discard, app.Config{LogFormat: format})
			for b.Loop() {
				record := slog.NewRecord(time.Now(), slog.LevelInfo, "attempt", 0)
				record.AddAttrs(
					slog.String("workflow_id", "0198c1f4-7b1e-7c3a-9d55-0a1b2c3d4e5f"), slog.String("workflow_type", "SignupWorkflow"),
					slog.Int("definition_version", 3), slog.String("step_execution_id", "0198c1f4-7b1e-7c3a-9d55-0a1b2c3d4e60"),
					slog.String("step", "send_reminder"), slog.Int("attempt", 1), slog.Duration("duration", 3*time.Millisecond),
					slog.Duration("late", 400*time.Microsecond), slog.Int("status", 200), slog.String("action", "complete"),
					slog.String("execution_state", "completed"), slog.String("outcome", "completed"), slog.String("workflow_state", "ready"))
				_ = log.Handler().Handle(context.Background(), record)
			}
		})
	}
}
