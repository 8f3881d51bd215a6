-- What a step costs is largely its entries in indexes: an execution enters each one anew when it ends. So here they are
-- few, and hold what is asked for (docs/decisions/0076).

-- The open execution of a workflow, of which there is one, and behind it those that have ended, by seq.
CREATE UNIQUE INDEX IF NOT EXISTS geneva_drive_step_executions_one_open
    ON geneva_drive_step_executions (workflow_id, (CASE WHEN state = 'scheduled' OR state = 'executing' THEN 0 ELSE seq END));
DROP INDEX IF EXISTS geneva_drive_step_executions_one_active;
DROP INDEX IF EXISTS geneva_drive_step_executions_seq;

-- What executes: by its server, or no server's while it awaits a callback. The predicate is one that either column implies.
CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_claims
    ON geneva_drive_step_executions (claimed_by, deadline)
    WHERE claimed_by IS NOT NULL OR deadline IS NOT NULL;
DROP INDEX IF EXISTS geneva_drive_step_executions_claimed_by;
DROP INDEX IF EXISTS geneva_drive_step_executions_deadline;

-- For lists by state, of all but what a server executes and what is completed.
CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_listed
    ON geneva_drive_step_executions (state, id)
    WHERE claimed_by IS NULL AND state <> 'completed';
DROP INDEX IF EXISTS geneva_drive_step_executions_state;
