-- For erasing a subject: the keys of a workflow.
ALTER TABLE geneva_drive_idempotency_keys
    ADD KEY geneva_drive_idempotency_keys_workflow (workflow_id);
