CREATE TABLE IF NOT EXISTS geneva_drive_servers (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    role         text NOT NULL,
    queues       text NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz(6) NOT NULL,
    heartbeat_at timestamptz(6) NOT NULL,
    dead_at      timestamptz(6)
) WITH (fillfactor = 50);
