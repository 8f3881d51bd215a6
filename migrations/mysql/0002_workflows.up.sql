-- active is 1 or NULL: there is one active workflow for a type and subject, and any number of others.
-- An index ends with the primary key here, so that (type, state) also orders by id.
CREATE TABLE IF NOT EXISTS geneva_drive_workflows (
    id                   VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    type                 VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    definition_version   INT NOT NULL,
    subject_type         VARCHAR(100) NOT NULL,
    subject_id           VARCHAR(190) NOT NULL,
    state                VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        CHECK (state IN ('ready', 'performing', 'paused', 'finished', 'canceled')),
    current_step_name    VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
    current_execution_id VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    allow_multiple       TINYINT NOT NULL CHECK (allow_multiple IN (0, 1)),
    data                 MEDIUMTEXT NOT NULL,
    exceptions_in_row    INT NOT NULL DEFAULT 0,
    paused_by            VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    pause_reason         MEDIUMTEXT,
    paused_at            DATETIME(6),
    traceparent          TEXT,
    lock_version         BIGINT NOT NULL,
    started_at           DATETIME(6),
    finished_at          DATETIME(6),
    canceled_at          DATETIME(6),
    created_at           DATETIME(6) NOT NULL,
    updated_at           DATETIME(6) NOT NULL,
    active               TINYINT GENERATED ALWAYS AS
        (CASE WHEN state IN ('ready', 'performing', 'paused') AND allow_multiple = 0 THEN 1 END) VIRTUAL,
    UNIQUE KEY geneva_drive_workflows_one_active (type, subject_type, subject_id, active),
    KEY geneva_drive_workflows_subject (subject_type, subject_id, id),
    KEY geneva_drive_workflows_type_state (type, state, id),
    KEY geneva_drive_workflows_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
