-- claimed_by and deadline are set while executing only, so their partial indexes hold what is in flight.
CREATE TABLE IF NOT EXISTS geneva_drive_step_executions (
    id              TEXT NOT NULL PRIMARY KEY,
    workflow_id     TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    step_name       TEXT NOT NULL,
    state           TEXT NOT NULL
        CHECK (state IN ('scheduled', 'executing', 'completed', 'failed', 'canceled', 'skipped')),
    outcome         TEXT,
    scheduled_for   INTEGER NOT NULL,
    held            INTEGER NOT NULL CHECK (held IN (0, 1)),
    attempt         INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,
    interruptions   INTEGER NOT NULL DEFAULT 0,
    fence           TEXT NOT NULL DEFAULT '',
    claimed_by      TEXT,
    deadline        INTEGER,
    queue           TEXT NOT NULL,
    priority        INTEGER NOT NULL,
    reason          TEXT,
    error_code      TEXT,
    error_message   TEXT,
    error_backtrace TEXT,
    error_status    INTEGER,
    job_id          TEXT,
    status          INTEGER,
    duration_ms     INTEGER,
    started_at      INTEGER,
    completed_at    INTEGER,
    failed_at       INTEGER,
    canceled_at     INTEGER,
    skipped_at      INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS geneva_drive_step_executions_seq
    ON geneva_drive_step_executions (workflow_id, seq);

CREATE UNIQUE INDEX IF NOT EXISTS geneva_drive_step_executions_one_active
    ON geneva_drive_step_executions (workflow_id)
    WHERE state IN ('scheduled', 'executing');

CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_due
    ON geneva_drive_step_executions (queue, priority, scheduled_for)
    WHERE state = 'scheduled' AND NOT held;

CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_claimed_by
    ON geneva_drive_step_executions (claimed_by)
    WHERE claimed_by IS NOT NULL;

CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_deadline
    ON geneva_drive_step_executions (deadline)
    WHERE deadline IS NOT NULL;

CREATE INDEX IF NOT EXISTS geneva_drive_step_executions_state
    ON geneva_drive_step_executions (state, id);
