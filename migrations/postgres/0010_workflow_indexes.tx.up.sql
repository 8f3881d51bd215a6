-- What retention deletes, in its order; a workflow enters this index once, when it ends.
CREATE INDEX IF NOT EXISTS geneva_drive_workflows_ended
    ON geneva_drive_workflows ((coalesce(finished_at, canceled_at)))
    WHERE coalesce(finished_at, canceled_at) IS NOT NULL;

-- For presence: the open workflows that geneva_drive_workflows_one_active leaves out.
CREATE INDEX IF NOT EXISTS geneva_drive_workflows_open_multiple
    ON geneva_drive_workflows (type, subject_type, subject_id)
    WHERE state IN ('ready', 'performing', 'paused') AND allow_multiple;
