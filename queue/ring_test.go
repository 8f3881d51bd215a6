package queue

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestBellsThatWaitAreAllRung has more bells wait than go into one message, at a Redis that has to be given the script
// first and then is made to forget it.
func TestBellsThatWaitAreAllRung(t *testing.T) {
	url := testenv.Redis(t)
	client := connect(t, url)
	a := openAsynq(t, AsynqConfig{URL: url})
	due, rung := time.Now().Add(time.Hour), 0
	for range 2 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for range 2*maxTogether + 1 {
			rung++
			a.Ring(Bell{ExecutionID: id(rung), Queue: "critical", Due: due})
		}
		eventually(t, "rung", func() bool { return a.Stats().Rung == uint64(rung) })
	}
	info, err := asynq.NewInspectorFromRedisClient(client).GetQueueInfo("critical")
	if err != nil || info.Scheduled != rung || a.Stats().Dropped != 0 {
		t.Errorf("%+v scheduled (%v), %d bells dropped, want %d and none", info, err, a.Stats().Dropped, rung)
	}
}
