-- For erasing a subject: the keys of a workflow. What stands in /*M! */ only MariaDB reads.
ALTER TABLE geneva_drive_idempotency_keys
    ADD KEY /*M! IF NOT EXISTS */ geneva_drive_idempotency_keys_workflow (workflow_id);
