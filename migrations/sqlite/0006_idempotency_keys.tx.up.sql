CREATE TABLE IF NOT EXISTS geneva_drive_idempotency_keys (
    scope           TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    workflow_id     TEXT NOT NULL,
    status          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
) STRICT;

CREATE INDEX IF NOT EXISTS geneva_drive_idempotency_keys_created_at
    ON geneva_drive_idempotency_keys (created_at);
