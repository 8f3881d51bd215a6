package domain

import (
	"context"
	"strings"
)

// cancelReason begins the reason of a workflow that a cancel_if has canceled.
const cancelReason = "cancel_if:"

// Guarded tells whether any condition is to be asked before the step.
func (d *Definition) Guarded(step *Step) bool {
	return len(d.CancelIf) > 0 || step.SkipIf != nil || step.If != nil
}

// ReadsSubject tells whether one of the conditions before the step may read the subject's attributes.
func (d *Definition) ReadsSubject(step *Step) bool {
	reads := func(c Condition) bool {
		if c.Named != "" {
			c = d.Conditions[c.Named]
		}
		return strings.Contains(c.Expression, "subject")
	}
	for _, c := range d.CancelIf {
		if reads(c) {
			return true
		}
	}
	return step.SkipIf != nil && reads(*step.SkipIf) || step.If != nil && reads(*step.If)
}

// Guard asks the conditions before a step: any of cancel_if cancels, then skip_if or if may skip. It gives
// the answer in the step's place, with a reason that names the condition, or nil when the step shall run. The
// error is a *ConditionError.
func (d *Definition) Guard(ctx context.Context, step *Step, a *Activation) (*Answer, error) {
	vars := newVariables(a)
	because := func(action Action, kind string, c Condition) *Answer {
		return &Answer{Action: action, Reason: cut(kind+" "+c.String(), maxReason)}
	}
	if c, err := d.anyOf(ctx, d.CancelIf, vars); err != nil {
		return nil, err
	} else if c != nil {
		return because(ActionCancel, cancelReason, *c), nil
	}
	if c := step.SkipIf; c != nil {
		if holds, err := d.evaluate(ctx, *c, vars); err != nil {
			return nil, err
		} else if holds {
			return because(ActionSkip, "skip_if:", *c), nil
		}
	}
	if c := step.If; c != nil {
		if holds, err := d.evaluate(ctx, *c, vars); err != nil {
			return nil, err
		} else if !holds {
			return because(ActionSkip, "not if:", *c), nil
		}
	}
	return nil, nil
}
