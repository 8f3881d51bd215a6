-- claimed_by and deadline are set while executing only, so their partial indexes hold what is in flight.
CREATE TABLE IF NOT EXISTS geneva_drive_step_executions (
    id              uuid PRIMARY KEY,
    workflow_id     uuid NOT NULL,
    seq             integer NOT NULL,
    step_name       text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL
        CHECK (state IN ('scheduled', 'executing', 'completed', 'failed', 'canceled', 'skipped')),
    outcome         text COLLATE "C",
    scheduled_for   timestamptz(6) NOT NULL,
    held            boolean NOT NULL,
    attempt         integer NOT NULL DEFAULT 0,
    failures        integer NOT NULL DEFAULT 0,
    interruptions   integer NOT NULL DEFAULT 0,
    fence           text COLLATE "C" NOT NULL DEFAULT '',
    claimed_by      uuid,
    deadline        timestamptz(6),
    queue           text COLLATE "C" NOT NULL,
    priority        integer NOT NULL,
    reason          text,
    error_code      text COLLATE "C",
    error_message   text,
    error_backtrace text,
    error_status    integer,
    job_id          text,
    status          integer,
    duration_ms     bigint,
    started_at      timestamptz(6),
    completed_at    timestamptz(6),
    failed_at       timestamptz(6),
    canceled_at     timestamptz(6),
    skipped_at      timestamptz(6),
    created_at      timestamptz(6) NOT NULL
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 200);

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
