-- secrets are sealed; timeout is in microseconds; 0 as timeout or max_in_flight says nothing.
CREATE TABLE IF NOT EXISTS geneva_drive_endpoints (
    name          TEXT NOT NULL PRIMARY KEY,
    url           TEXT NOT NULL,
    headers       TEXT NOT NULL,
    timeout       INTEGER NOT NULL,
    max_in_flight INTEGER NOT NULL,
    secrets       TEXT NOT NULL,
    lock_version  INTEGER NOT NULL,
    rotated_at    INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
