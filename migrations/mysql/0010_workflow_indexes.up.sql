-- What retention deletes, in its order. What stands in /*M! */ only MariaDB reads. For presence
-- geneva_drive_workflows_one_active does: here it holds every workflow.
ALTER TABLE geneva_drive_workflows
    ADD COLUMN /*M! IF NOT EXISTS */ ended_at DATETIME(6) GENERATED ALWAYS AS (COALESCE(finished_at, canceled_at)) VIRTUAL,
    ADD KEY /*M! IF NOT EXISTS */ geneva_drive_workflows_ended (ended_at);
