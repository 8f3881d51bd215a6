package persistence

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// Candidate is a scheduled execution that may be claimed once it is due.
type Candidate struct {
	ExecutionID       uuid.UUID
	WorkflowID        uuid.UUID
	Type              string
	DefinitionVersion int
	StepName          string
	Queue             string
	Priority          int
	Due               time.Time
}

// Lane is what is due of one queue and priority, in the order of its due times.
type Lane struct {
	Queue    string
	Priority int
}

// Lane is the one that the candidate waits in.
func (c Candidate) Lane() Lane { return Lane{c.Queue, c.Priority} }

// Mark is a place in a lane: behind so many of the rows that are due at this moment, which may be the same one
// for very many.
type Mark struct {
	Due    time.Time
	Passed int
}

// Due gives the executions that are due within ahead (negative: that have been due for so long), at most
// limit for each queue and priority, earliest first, and the database's time: of the queues given, and of those that
// no living server performs. Each lane is read through the index by itself, so that a backlog in one never hides
// another (DESIGN section 2).
func (s *Store) Due(ctx context.Context, queues []string, ahead time.Duration, limit int) ([]Candidate, time.Time, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, now, err
	}
	used, err := s.usedLanes(ctx)
	if err != nil {
		return nil, now, err
	}
	others, err := s.othersQueues(ctx, used, queues)
	if err != nil {
		return nil, now, err
	}
	var lanes []*bun.SelectQuery
	for _, lane := range used {
		if !others[lane.Queue] {
			lanes = append(lanes, s.lane("e.id", lane, now.Add(ahead), limit))
		}
	}
	list, err := s.candidates(ctx, lanes)
	return list, now, err
}

// othersQueues gives the queues that living servers perform and that are not among the own ones, if any of the lanes
// is of such a queue: where all servers have the same queues, nothing is asked.
func (s *Store) othersQueues(ctx context.Context, lanes []Lane, own []string) (map[string]bool, error) {
	if !slices.ContainsFunc(lanes, func(lane Lane) bool { return !slices.Contains(own, lane.Queue) }) {
		return nil, nil
	}
	servers, _, err := s.Servers(ctx, uuid.Nil)
	if err != nil {
		return nil, err
	}
	others := map[string]bool{}
	for _, server := range servers {
		if server.Performs() {
			for _, queue := range server.Queues {
				others[queue] = !slices.Contains(own, queue)
			}
		}
	}
	return others, nil
}

// usedLanes gives the lanes that may have anything scheduled. It walks the index from lane to lane, which costs a
// probe or two for each: far less than to look into every lane that there could be, each second.
func (s *Store) usedLanes(ctx context.Context) (lanes []Lane, err error) {
	var last Lane
	for within := false; ; {
		next, err := collect(ctx, s, s.laneAfter(last, within), 2, func(r *record) Lane { return Lane{Queue: r.text(), Priority: r.int()} })
		switch {
		case err != nil, len(next) == 0 && !within:
			return lanes, err
		case len(next) == 0:
			within = false
		default:
			last, within = next[0], true
			lanes = append(lanes, last)
		}
	}
}

// laneAfter is the query of the next lane in the index of due rows: within the same queue, or of the queues after it.
// SQLite would sort all that is scheduled if it were not told which index to walk; MySQL would read all that has ended if
// it were told to pass that over.
func (s *Store) laneAfter(last Lane, within bool) *bun.SelectQuery {
	table := executionsTable + " AS e"
	if s.dialect.oneFile {
		table += " INDEXED BY " + executionsTable + "_due"
	}
	q := s.read.NewSelect().ColumnExpr("e.queue, e.priority").TableExpr(table).
		OrderExpr("e.queue, e.priority").Limit(1)
	if s.dialect.inDueIndex != "" {
		q.Where(s.dialect.inDueIndex)
	}
	if within {
		return q.Where("e.queue = ?", last.Queue).Where("e.priority > ?", last.Priority)
	}
	return q.Where("e.queue > ?", last.Queue)
}

// DueBehind gives what stands behind the marks of lanes and is due by until, at most limit for each, earliest
// first.
func (s *Store) DueBehind(ctx context.Context, marks map[Lane]Mark, until time.Time, limit int) ([]Candidate, error) {
	var lanes []*bun.SelectQuery
	for lane, mark := range marks {
		lanes = append(lanes, s.lane("e.id", lane, until, limit).Where(s.dialect.dueColumn+" >= ?", mark.Due).Offset(int64(mark.Passed)))
	}
	return s.candidates(ctx, lanes)
}

// lane is the query of a column of what may be claimed of a lane and is due by until, earliest first, at most limit.
func (s *Store) lane(column string, lane Lane, until time.Time, limit int) *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr(column).TableExpr(executionsTable+" AS e").
		Where("e.state = 'scheduled'").Where("NOT e.held").
		Where("e.queue = ?", lane.Queue).Where("e.priority = ?", lane.Priority).
		Where(s.dialect.dueColumn+" <= ?", until).
		OrderExpr(s.dialect.dueColumn).Limit(int64(limit))
}

// candidates reads the rows of lanes.
func (s *Store) candidates(ctx context.Context, lanes []*bun.SelectQuery) ([]Candidate, error) {
	if len(lanes) == 0 {
		return nil, nil
	}
	return collect(ctx, s, s.selectCandidates().Join("JOIN (?) AS due ON due.id = e.id", s.together(lanes)), candidateWidth, (*record).candidate)
}

// Candidates gives those of the executions that are scheduled and not held, and the database's time.
func (s *Store) Candidates(ctx context.Context, ids []uuid.UUID) ([]Candidate, time.Time, error) {
	now, err := s.Now(ctx)
	if err != nil || len(ids) == 0 {
		return nil, now, err
	}
	q := s.selectCandidates().Where("e.id IN (?)", bun.List(ids)).
		Where(s.dialect.guard("e.state") + " = 'scheduled'").Where("NOT e.held")
	list, err := collect(ctx, s, q, candidateWidth, (*record).candidate)
	return list, now, err
}

func (s *Store) selectCandidates() *bun.SelectQuery {
	return s.read.NewSelect().
		ColumnExpr("e.id, e.workflow_id, w.type, w.definition_version, e.step_name, e.queue, e.priority, e.scheduled_for").
		TableExpr(executionsTable + " AS e").Join("JOIN " + workflowsTable + " AS w ON w.id = e.workflow_id")
}

const candidateWidth = 8

func (r *record) candidate() Candidate {
	return Candidate{ExecutionID: r.uuid(), WorkflowID: r.uuid(), Type: r.text(), DefinitionVersion: r.int(),
		StepName: r.text(), Queue: r.text(), Priority: r.int(), Due: r.time()}
}
