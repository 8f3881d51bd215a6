-- For erasing a subject: the keys of a workflow.
CREATE INDEX IF NOT EXISTS geneva_drive_idempotency_keys_workflow
    ON geneva_drive_idempotency_keys (workflow_id);
