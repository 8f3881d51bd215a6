package api

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimeIsFixedWidthUTC(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	tests := map[string]time.Time{
		`"2026-01-02T03:04:05.000006Z"`: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		`"2026-01-02T03:04:05.000000Z"`: time.Date(2026, 1, 2, 5, 4, 5, 999, zone),
		`"2026-01-02T03:04:05.500000Z"`: time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC),
	}
	for want, at := range tests {
		got, err := json.Marshal(struct{ At *Time }{NewTimePtr(&at)})
		if err != nil || string(got) != `{"At":`+want+`}` {
			t.Errorf("%v is written as %s, %v; want %s", at, got, err, want)
		}
		var back Time
		if err := json.Unmarshal([]byte(want), &back); err != nil || !back.Time.Equal(at.Truncate(time.Microsecond)) {
			t.Errorf("%s is read as %v, %v", want, back, err)
		}
	}
	if got := NewTimePtr(nil); got != nil {
		t.Errorf("NewTimePtr(nil) = %v", got)
	}
}

func TestTimeReadsLowerCase(t *testing.T) {
	var at Time
	if err := at.Bind("2026-01-02t03:04:05z"); err != nil || at.String() != "2026-01-02T03:04:05.000000Z" {
		t.Errorf("it is read as %v, %v", at, err)
	}
}

func TestTimeRefusesWhatIsNoTime(t *testing.T) {
	for _, text := range []string{`"2026-02-30T00:00:00Z"`, `"2026-01-02"`, `"2026-01-02 03:04:05Z"`, `17`, `""`, `"`} {
		var at Time
		if err := json.Unmarshal([]byte(text), &at); err == nil {
			t.Errorf("%s is read as %v", text, at)
		}
	}
}
