-- fillfactor leaves room on the page for the next version of a row that changes with every step.
CREATE TABLE IF NOT EXISTS geneva_drive_workflows (
    id                   uuid PRIMARY KEY,
    type                 text COLLATE "C" NOT NULL,
    definition_version   integer NOT NULL,
    subject_type         text COLLATE "C" NOT NULL,
    subject_id           text COLLATE "C" NOT NULL,
    state                text COLLATE "C" NOT NULL
        CHECK (state IN ('ready', 'performing', 'paused', 'finished', 'canceled')),
    current_step_name    text COLLATE "C",
    current_execution_id uuid,
    allow_multiple       boolean NOT NULL,
    data                 text NOT NULL,
    exceptions_in_row    integer NOT NULL DEFAULT 0,
    paused_by            text COLLATE "C",
    pause_reason         text,
    paused_at            timestamptz(6),
    traceparent          text,
    lock_version         bigint NOT NULL,
    started_at           timestamptz(6),
    finished_at          timestamptz(6),
    canceled_at          timestamptz(6),
    created_at           timestamptz(6) NOT NULL,
    updated_at           timestamptz(6) NOT NULL
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 200);

CREATE UNIQUE INDEX IF NOT EXISTS geneva_drive_workflows_one_active
    ON geneva_drive_workflows (type, subject_type, subject_id)
    WHERE state IN ('ready', 'performing', 'paused') AND NOT allow_multiple;

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_subject
    ON geneva_drive_workflows (subject_type, subject_id, id);

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_type_state
    ON geneva_drive_workflows (type, state, id);

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_state
    ON geneva_drive_workflows (state, id);
