CREATE TABLE IF NOT EXISTS geneva_drive_idempotency_keys (
    scope           VARCHAR(255) NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    fingerprint     VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    workflow_id     VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status          INT NOT NULL,
    created_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (scope, idempotency_key),
    KEY geneva_drive_idempotency_keys_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
