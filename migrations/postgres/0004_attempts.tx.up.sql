CREATE TABLE IF NOT EXISTS geneva_drive_attempts (
    execution_id     uuid NOT NULL,
    attempt          integer NOT NULL,
    started_at       timestamptz(6) NOT NULL,
    duration_ms      bigint NOT NULL,
    status           integer,
    error_code       text COLLATE "C" NOT NULL,
    error_message    text NOT NULL,
    error_backtrace  text,
    error_status     integer,
    response_excerpt text,
    PRIMARY KEY (execution_id, attempt)
);
