CREATE TABLE IF NOT EXISTS geneva_drive_attempts (
    execution_id     TEXT NOT NULL,
    attempt          INTEGER NOT NULL,
    started_at       INTEGER NOT NULL,
    duration_ms      INTEGER NOT NULL,
    status           INTEGER,
    error_code       TEXT NOT NULL,
    error_message    TEXT NOT NULL,
    error_backtrace  TEXT,
    error_status     INTEGER,
    response_excerpt TEXT,
    PRIMARY KEY (execution_id, attempt)
) STRICT;
