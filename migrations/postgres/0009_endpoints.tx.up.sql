-- secrets are sealed; timeout is in microseconds; 0 as timeout or max_in_flight says nothing.
CREATE TABLE IF NOT EXISTS geneva_drive_endpoints (
    name          text COLLATE "C" PRIMARY KEY,
    url           text NOT NULL,
    headers       text NOT NULL,
    timeout       bigint NOT NULL,
    max_in_flight bigint NOT NULL,
    secrets       text NOT NULL,
    lock_version  bigint NOT NULL,
    rotated_at    timestamptz(6),
    created_at    timestamptz(6) NOT NULL,
    updated_at    timestamptz(6) NOT NULL
);
