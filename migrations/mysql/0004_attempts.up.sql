CREATE TABLE IF NOT EXISTS geneva_drive_attempts (
    execution_id     VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt          INT NOT NULL,
    started_at       DATETIME(6) NOT NULL,
    duration_ms      BIGINT NOT NULL,
    status           INT,
    error_code       VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    error_message    MEDIUMTEXT NOT NULL,
    error_backtrace  MEDIUMTEXT,
    error_status     INT,
    response_excerpt MEDIUMTEXT,
    PRIMARY KEY (execution_id, attempt)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
