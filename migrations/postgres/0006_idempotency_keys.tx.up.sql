CREATE TABLE IF NOT EXISTS geneva_drive_idempotency_keys (
    scope           text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    fingerprint     text COLLATE "C" NOT NULL,
    workflow_id     uuid NOT NULL,
    status          integer NOT NULL,
    created_at      timestamptz(6) NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);

CREATE INDEX IF NOT EXISTS geneva_drive_idempotency_keys_created_at
    ON geneva_drive_idempotency_keys (created_at);
