-- secrets are sealed; timeout is in microseconds; 0 as timeout or max_in_flight says nothing.
CREATE TABLE IF NOT EXISTS geneva_drive_endpoints (
    name          VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    url           TEXT NOT NULL,
    headers       MEDIUMTEXT NOT NULL,
    timeout       BIGINT NOT NULL,
    max_in_flight BIGINT NOT NULL,
    secrets       TEXT NOT NULL,
    lock_version  BIGINT NOT NULL,
    rotated_at    DATETIME(6),
    created_at    DATETIME(6) NOT NULL,
    updated_at    DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
