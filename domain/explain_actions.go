package domain

import "time"

// actions lists the verbs that are possible now and would change something. Each is decided by the rule that
// the call itself would ask, so that nothing is offered which would be refused.
func (x explainer) actions() []ExplainedAction {
	list := []ExplainedAction{} // shown as [], not as null
	if x.def == nil {
		return list // a server that can read the definition takes the calls
	}
	for _, verb := range Verbs {
		var e *Execution
		if x.e != nil {
			copied := *x.e
			e = &copied
		}
		c, err := Control(x.def, x.w, e, Command{Verb: verb}, x.now)
		switch {
		case err == nil && !c.Unchanged:
			list = append(list, ExplainedAction{string(verb), x.effect(verb, &c) + "."})
		case verb == VerbResume && CodeOf(err) == CodeUnknownStep:
			list = append(list, ExplainedAction{string(verb), `With {"step": …}, runs a step that this version of the definition has; without it, it is refused.`})
		}
	}
	return list
}

// effect says what a verb would do, from the change it would make.
func (x explainer) effect(verb Verb, c *Change) string {
	inFlight := ""
	if x.e.State == ExecutionExecuting {
		inFlight = "; an answer that comes late changes nothing"
	}
	switch verb {
	case VerbPause:
		if x.e.State == ExecutionExecuting {
			return "Lets the attempt under way end, and holds whatever comes after it"
		}
		return "Holds " + x.step() + ", which keeps its due time"
	case VerbResume:
		if c.Workflow.State == WorkflowPerforming {
			return "Takes the pause back; the attempt under way goes on"
		}
		if c.Next == nil {
			return "Releases " + x.step() + ", which starts " + x.when(c.Execution.ScheduledFor)
		}
		return "Runs " + x.step() + " again, as a new step execution with all its attempts"
	case VerbSkip:
		if c.Next == nil {
			return "Leaves out " + x.step() + ", the last one, so the workflow finishes" + inFlight
		}
		if c.Next.Held {
			return "Leaves out " + x.step() + " and goes on to " + c.Next.StepName + ", which is held until the workflow is resumed" + inFlight
		}
		return "Leaves out " + x.step() + " and goes on to " + c.Next.StepName + ", which starts " + x.when(c.Next.ScheduledFor) + inFlight
	case VerbReattempt:
		if c.Next != nil {
			return "Runs " + x.step() + " again now, as a new step execution with all its attempts" + inFlight
		}
		if x.e.ScheduledFor.After(x.now) {
			return "Starts " + x.step() + " now instead of at " + stamp(x.e.ScheduledFor)
		}
		if x.e.Held {
			return "Releases " + x.step() + ", which starts now"
		}
		return "Makes " + x.step() + " due now, which it already is"
	case VerbCancel:
		return "Ends the workflow as canceled" + inFlight
	}
	return "Ends the workflow as finished, whatever steps are left" + inFlight
}

// when tells when a step starts.
func (x explainer) when(due time.Time) string {
	if due.After(x.now) {
		return x.at(due)
	}
	return "now"
}
