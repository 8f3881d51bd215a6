package persistence

import "strings"

// texts are the statements of the write path that are the same each time: those of one row, and on PostgreSQL
// those of any number.
type texts struct {
	updateOne, updateMany map[*update]string
	insertOne, insertMany map[*insert]string

	lockOne       string // a workflow and the named one of its executions
	lockFree      string // the same, passing over it if it is locked
	lockMany      string // workflows and the newest execution of each, passing over what is locked; PostgreSQL
	checkKnown    string // workflows that are known, and the clock; PostgreSQL
	checkExpected string // the clock, and the newest versions of types; PostgreSQL
	lockWorkflow  string
	lockExecution string // of a workflow that is locked
	insertKey     string
	openMany      string // the open workflows of subjects, without allow_multiple; PostgreSQL
	newest        string // the newest version of one type, on PostgreSQL of any number, and the clock
	clock         string // "" where the clock is the injected one

	fixed map[string]bool // all of them: each is prepared once for a connection, where that pays
}

func (d *dialect) texts() texts {
	t := texts{
		updateOne: map[*update]string{}, updateMany: map[*update]string{},
		insertOne: map[*insert]string{}, insertMany: map[*insert]string{},
		lockOne: d.lockBoth("e.workflow_id = w.id AND e.id = ?", "= ?"),
		lockWorkflow: d.bind("SELECT " + workflowColumns + ", " + d.rowClockColumn() +
			" FROM " + workflowsTable + " AS w WHERE w.id = ? " + d.forUpdateW),
		lockExecution: d.bind("SELECT " + executionColumns + " FROM " + executionsTable + " AS e WHERE e.id = ? " + d.forUpdateE),
		fixed:         map[string]bool{},
	}
	stamp := d.statementClock
	if stamp == "" {
		stamp = "?"
	} else {
		t.clock = "SELECT " + d.rowClock
	}
	t.insertKey = d.bind("INSERT INTO " + keysTable +
		" (scope, idempotency_key, fingerprint, workflow_id, status, created_at) VALUES (?, ?, ?, ?, ?, " + stamp + ")")
	t.newest = d.newestOf("= ?")
	if d.counted {
		t.newest = d.newestOf("= ANY (?::text[])")
	}
	t.lockFree = strings.TrimSpace(t.lockOne + " " + d.skipLocked)
	all := []string{t.newest, t.lockOne, t.lockFree, t.lockWorkflow, t.lockExecution, t.insertKey}
	if t.clock != "" {
		all = append(all, t.clock)
	}
	for _, u := range []*update{updateWorkflow, moveWorkflow, updateExecution, endExecution} {
		t.updateOne[u] = d.updateOne(u)
		all = append(all, t.updateOne[u])
		if d.counted {
			t.updateMany[u] = d.updateMany(u)
			all = append(all, t.updateMany[u])
		}
	}
	for _, in := range []*insert{insertWorkflow, insertExecution, insertAttempt, insertKeyRow} {
		t.insertOne[in] = d.insertOne(in)
		all = append(all, t.insertOne[in])
		if d.counted {
			t.insertMany[in] = d.insertMany(in, 1)
			all = append(all, t.insertMany[in])
		}
		if d.oneFile {
			t.insertMany[in] = d.insertMany(in, insertedTogether)
		}
	}
	if d.counted {
		t.lockMany = d.lockBoth(newestExecution, "= ANY (?::uuid[])") + " " + d.skipLocked
		t.checkKnown = d.checkKnown()
		t.checkExpected = d.checkExpected()
		t.openMany = d.openMany()
		all = append(all, t.lockMany, t.checkKnown, t.checkExpected, t.openMany)
	}
	for _, text := range all {
		t.fixed[text] = true
	}
	return t
}

// newestExecution joins a workflow with the execution it stands at, which is found by primary key on every
// database.
const newestExecution = "e.id = w.current_execution_id"

// lockBoth is the query that locks workflows and an execution of each, given how they are joined and how the
// ids of the workflows are compared.
func (d *dialect) lockBoth(joined, workflows string) string {
	return d.bind("SELECT " + workflowColumns + ", " + executionColumns + ", " + d.rowClockColumn() +
		" FROM " + workflowsTable + " AS w " + d.join + " " + executionsTable + " AS e ON " + joined +
		" WHERE w.id " + workflows + " ORDER BY w.id " + d.forUpdate)
}

// checkKnown is the text of stillKnown on PostgreSQL. Dividing by zero is how it fails.
func (d *dialect) checkKnown() string {
	return d.bind("SELECT 1 / (count(*) = ? AND clock_timestamp() >= ? AND clock_timestamp() < ?::timestamptz + interval '1 second')::int" +
		" FROM (SELECT FROM " + workflowsTable + " AS w WHERE w.id = ANY (?::uuid[]) ORDER BY w.id " + d.forUpdateW + " " + d.skipLocked + ") AS locked")
}

// checkKnownOf is the text of stillKnown for n workflows on MySQL, which takes them in the order of the primary key.
func (d *dialect) checkKnownOf(n int) string {
	return "SELECT " + unless("COUNT(*) = ? AND "+d.rowClock+" >= ? AND "+d.rowClock+" < ? + INTERVAL 1 SECOND") +
		" FROM " + workflowsTable + " AS w WHERE w.id IN (" + marks(n) + ") " + d.forUpdateW + " " + d.skipLocked
}

// checkExpected is the text of asExpected on PostgreSQL.
func (d *dialect) checkExpected() string {
	return d.bind("SELECT 1 / (clock_timestamp() >= ? AND clock_timestamp() < ?::timestamptz + interval '1 second'" +
		" AND NOT EXISTS (SELECT FROM unnest(?::text[], ?::bigint[]) AS v(type, version) WHERE v.version IS DISTINCT FROM" +
		" (SELECT max(d.version) FROM " + definitionsTable + " AS d WHERE d.type = v.type)))::int")
}

// checkExpectedOf is the text of asExpected for n types on MySQL.
func (d *dialect) checkExpectedOf(n int) string {
	return "SELECT " + unless(d.rowClock+" >= ? AND "+d.rowClock+" < ? + INTERVAL 1 SECOND"+
		strings.Repeat(" AND (SELECT MAX(d.version) FROM "+definitionsTable+" AS d WHERE d.type = ?) <=> ?", n))
}

// openOf is the query of the open workflows without allow_multiple of subjects of a type, given how their ids
// are compared. The unique index answers it: MySQL, asked for many, would else now and then walk through all
// workflows of the type.
func (d *dialect) openOf(subjects string) string {
	return d.bind("SELECT w.type, w.subject_type, w.subject_id, w.id FROM " + workflowsTable + " AS w" + d.byIndex(workflowsTable+"_one_active") +
		" WHERE w.type = ? AND w.subject_type = ? AND w.subject_id " + subjects + " AND " + d.active)
}

// openMany is openOf for any subjects on PostgreSQL. It looks each up by itself, since the planner, while its
// statistics think the index small, would walk through all open workflows of a type in place of that.
func (d *dialect) openMany() string {
	return "SELECT v.type, v.subject_type, v.subject_id, w.id FROM unnest($1::text[], $2::text[], $3::text[]) AS v(type, subject_type, subject_id)" +
		" CROSS JOIN LATERAL (SELECT o.id FROM " + workflowsTable + " AS o WHERE o.type = v.type AND o.subject_type = v.subject_type" +
		" AND o.subject_id = v.subject_id AND o.state IN ('ready', 'performing', 'paused') AND NOT o.allow_multiple LIMIT 1) AS w"
}

// newestOf is the query of the newest versions of types, given how those are compared, and the clock.
func (d *dialect) newestOf(types string) string {
	return d.bind("SELECT d.type, MAX(d.version), " + d.rowClockColumn() + " FROM " + definitionsTable +
		" AS d WHERE d.type " + types + " GROUP BY d.type")
}

// rowClockColumn is the clock column of a locking read; where the clock is the injected one there is none to
// read.
func (d *dialect) rowClockColumn() string {
	if d.rowClock == "" {
		return "NULL"
	}
	return d.rowClock
}
