-- A subject that is being forgotten: what it had up to moment. The row goes when all of that is gone.
CREATE TABLE IF NOT EXISTS geneva_drive_erasures (
    id           VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    subject_type VARCHAR(100) NOT NULL,
    subject_id   VARCHAR(190) NOT NULL,
    moment       DATETIME(6) NOT NULL,
    worked_at    DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
