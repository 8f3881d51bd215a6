CREATE TABLE IF NOT EXISTS geneva_drive_servers (
    id           VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    name         VARCHAR(255) NOT NULL,
    role         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queues       TEXT NOT NULL,
    version      VARCHAR(255) NOT NULL,
    started_at   DATETIME(6) NOT NULL,
    heartbeat_at DATETIME(6) NOT NULL,
    dead_at      DATETIME(6)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
