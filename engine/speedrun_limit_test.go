package engine

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genevadrive/genevadrive/queue"
)

// TestASpeedrunHasAMinute has one wait for a step that somebody else performs, and never ends.
func TestASpeedrunHasAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := awayEngine(t, &atomic.Bool{}, make(heard, 100))
		e.TestMode, e.runs = true, t.Context()
		x := oneStep(t, e, nil)
		if e.claim(t.Context(), queue.Item{WorkflowID: x.WorkflowID, ExecutionID: x.ID}, nil) == nil {
			t.Fatal("the step is not claimed")
		}
		began := time.Now()
		out, err := e.Speedrun(t.Context(), x.WorkflowID, SpeedrunRequest{})
		if took := time.Since(began); err != nil || out.StoppedBy != StoppedByTimeLimit || took != time.Minute {
			t.Errorf("stopped by %q after %s, %v", out.StoppedBy, took, err)
		}
	})
}
