package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// exampleRun is what becomes of one of the seed's example workflows: what is pushed for the subject, what the
// receiver answers, and the history.
type exampleRun struct {
	name, file, typ     string
	attributes, answers string
	stoppedBy           string
	history             []string
}

var exampleRuns = []exampleRun{
	{"Signup", "signup.yaml", "SignupWorkflow", "",
		`{"send_welcome_email": [{}], "send_reminder": [{}], "complete_onboarding": [{}]}`, "finished",
		[]string{"send_welcome_email completed/completed", "send_reminder completed/completed", "complete_onboarding completed/completed"}},
	{"Onboarding", "onboarding.yaml", "OnboardingWorkflow", `{"profile": null}`,
		`{"setup_profile": [{}], "send_email": [{}], "call_api": [{"action": "reattempt", "wait": "PT5M", "reason": "rate limited"}, {"action": "fail"}, {}]}`, "finished",
		[]string{"setup_profile completed/completed", "send_email completed/completed",
			"call_api completed/reattempted", "call_api failed/reattempted", "call_api completed/completed"}},
	{"Onboarding of somebody with a profile", "onboarding.yaml", "OnboardingWorkflow", `{"profile": {"name": "Ada"}}`,
		`{"send_email": [{}], "call_api": [{"action": "cancel"}]}`, "canceled",
		[]string{"setup_profile skipped/skipped", "send_email completed/completed", "call_api canceled/canceled"}},
	{"Onboarding of somebody who has left", "onboarding.yaml", "OnboardingWorkflow", `{"closed": true}`, `{}`, "canceled",
		[]string{"setup_profile canceled/canceled"}},
	{"CheckResponse that never comes", "check_response.yaml", "CheckResponseWorkflow", "", answerAll(checks()), "finished", completed(checks())},
	{"CheckResponse that comes after five hours", "check_response.yaml", "CheckResponseWorkflow", "",
		`{"check_first": [{}], "check_hourly": [{}], "check_hourly_2": [{"action": "cancel", "reason": "there is a response"}]}`, "canceled",
		[]string{"check_first completed/completed", "check_hourly completed/completed", "check_hourly_2 canceled/canceled"}},
	{"CheckResponse that is there already", "check_response.yaml", "CheckResponseWorkflow", `{"response": "yes"}`, `{}`, "canceled",
		[]string{"check_first canceled/canceled"}},
	{"EmailProcessing", "email_processing.yaml", "EmailProcessingWorkflow", "",
		`{"classify_email": [{"data": {"category": "invoice", "needs_summary": true, "needs_response": false}}],
		  "generate_summary": [{}], "create_embeddings": [{}], "sync_with_external": [{}]}`, "finished",
		[]string{"classify_email completed/completed", "generate_summary completed/completed", "create_embeddings completed/completed",
			"generate_response skipped/skipped", "sync_with_external completed/completed"}},
	{"EmailProcessing of one that is archived", "email_processing.yaml", "EmailProcessingWorkflow", `{"archived": true}`,
		`{"classify_email": [{"data": {"needs_response": true}}], "generate_response": [{"action": "fail", "retryable": true}, {}], "sync_with_external": [{}]}`, "finished",
		[]string{"classify_email completed/completed", "generate_summary skipped/skipped", "create_embeddings skipped/skipped",
			"generate_response completed/completed", "sync_with_external completed/completed"}},
}

// checks are the steps of check_response.yaml: once, every two hours for a day, daily for a week.
func checks() []string {
	steps := []string{"check_first", "check_hourly"}
	for _, n := range []string{"2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"} {
		steps = append(steps, "check_hourly_"+n)
	}
	steps = append(steps, "check_daily")
	for _, n := range []string{"2", "3", "4", "5", "6", "7"} {
		steps = append(steps, "check_daily_"+n)
	}
	return steps
}

func answerAll(steps []string) string {
	answers := "{"
	for i, step := range steps {
		if i > 0 {
			answers += ","
		}
		answers += `"` + step + `": [{}]`
	}
	return answers + "}"
}

func completed(steps []string) []string {
	history := make([]string, len(steps))
	for i, step := range steps {
		history[i] = step + " completed/completed"
	}
	return history
}

// TestExamplesRun registers every file of examples/definitions as it is and speedruns it, with no receiver.
func TestExamplesRun(t *testing.T) {
	const directory = "../examples/definitions"
	eachWorld(t, func(w *world) {
		e := w.start(testMode)
		files, err := filepath.Glob(directory + "/*.yaml")
		if err != nil || len(files) < 4 {
			w.t.Fatalf("%d examples, %v", len(files), err)
		}
		for _, file := range files {
			if !slices.ContainsFunc(exampleRuns, func(r exampleRun) bool { return r.file == filepath.Base(file) }) {
				w.t.Errorf("%s is not run", file)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				w.t.Fatal(err)
			}
			if _, _, err := e.RegisterDefinition(w.t.Context(), "", text, domain.SourceYAML); err != nil {
				w.t.Fatalf("%s: %v", file, err)
			}
		}
		for _, run := range exampleRuns {
			wf := w.create(e, run.typ)
			if run.attributes != "" {
				w.push(e, wf, run.attributes)
			}
			w.t.Log(run.name)
			w.speedrun(e, wf.ID, engine.SpeedrunRequest{Answers: canned(run.answers)}, run.stoppedBy, run.history...)
		}
	})
}
