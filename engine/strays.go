package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// strays are claims that may have been committed though nobody was told so: the acknowledgement was lost, and
// the database then stayed away for longer than the store asks about it. Such a step would look as if this
// server performed it, until its deadline, so this server hands it back as soon as the database is there.
//
// A claim becomes a stray once nothing here will ever perform or settle it. Whether it was committed is read
// under the workflow's lock, which the claim's own transaction held from before it decided until it ended, so
// that no claim is committed after it has been looked for. Only one that came with its workflow may be: as long as
// there is no such workflow it is looked for again, until its deadline (docs/decisions/0064).
type strays struct {
	mu     sync.Mutex
	claims map[domain.Fence]stray
}

type stray struct {
	persistence.Lost
	deadline time.Time // by this server's clock, of one that came with its workflow
}

func (s *strays) add(claim stray) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims == nil {
		s.claims = map[domain.Fence]stray{}
	}
	s.claims[claim.Fence] = claim
}

func (s *strays) list() []stray {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.claims))
}

func (s *strays) remove(fence domain.Fence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.claims, fence)
}

// handBackStrays hands back what was committed of them, and forgets the others.
func (e *Engine) handBackStrays(ctx context.Context) error {
	for _, claim := range e.strays.list() {
		err := e.release(ctx, claim.Lost)
		if errors.Is(err, persistence.ErrUnavailable) {
			return err
		}
		if domain.CodeOf(err) != domain.CodeExecutionNotFound || e.Now().After(claim.deadline) {
			e.strays.remove(claim.Fence)
		}
	}
	return nil
}

// release gives up a claim of this server.
func (e *Engine) release(ctx context.Context, claim persistence.Lost) error {
	var p *plan
	result := e.decide(ctx, persistence.Op{WorkflowID: claim.WorkflowID, ExecutionID: claim.ExecutionID,
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			var err error
			if p, err = e.plans.of(&row.Workflow); err != nil {
				return domain.Change{}, err
			}
			return domain.HandBack(row.Workflow, *row.Execution, claim.Fence, now)
		}})
	if result.Err != nil {
		return result.Err
	}
	e.moved(slog.LevelInfo, "step handed back", result)
	e.announce(p, result)
	return nil
}
