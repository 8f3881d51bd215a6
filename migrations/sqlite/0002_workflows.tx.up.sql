CREATE TABLE IF NOT EXISTS geneva_drive_workflows (
    id                   TEXT NOT NULL PRIMARY KEY,
    type                 TEXT NOT NULL,
    definition_version   INTEGER NOT NULL,
    subject_type         TEXT NOT NULL,
    subject_id           TEXT NOT NULL,
    state                TEXT NOT NULL
        CHECK (state IN ('ready', 'performing', 'paused', 'finished', 'canceled')),
    current_step_name    TEXT,
    current_execution_id TEXT,
    allow_multiple       INTEGER NOT NULL CHECK (allow_multiple IN (0, 1)),
    data                 TEXT NOT NULL,
    exceptions_in_row    INTEGER NOT NULL DEFAULT 0,
    paused_by            TEXT,
    pause_reason         TEXT,
    paused_at            INTEGER,
    traceparent          TEXT,
    lock_version         INTEGER NOT NULL,
    started_at           INTEGER,
    finished_at          INTEGER,
    canceled_at          INTEGER,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS geneva_drive_workflows_one_active
    ON geneva_drive_workflows (type, subject_type, subject_id)
    WHERE state IN ('ready', 'performing', 'paused') AND NOT allow_multiple;

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_subject
    ON geneva_drive_workflows (subject_type, subject_id, id);

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_type_state
    ON geneva_drive_workflows (type, state, id);

CREATE INDEX IF NOT EXISTS geneva_drive_workflows_state
    ON geneva_drive_workflows (state, id);
