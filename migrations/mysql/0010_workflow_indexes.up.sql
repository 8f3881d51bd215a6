-- What retention deletes, in its order. For presence geneva_drive_workflows_one_active does: here it holds every
-- workflow.
ALTER TABLE geneva_drive_workflows
    ADD COLUMN ended_at DATETIME(6) GENERATED ALWAYS AS (COALESCE(finished_at, canceled_at)) VIRTUAL,
    ADD KEY geneva_drive_workflows_ended (ended_at);
