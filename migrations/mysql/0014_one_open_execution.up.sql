-- The unique index of the open execution of a workflow, in another order. InnoDB looks for duplicates of an entry that
-- takes the place of one just ended by locking from there to the next entry that is another. That was one of the
-- next workflow, which another batch was about to change, so that every sixth batch ended in a deadlock. Now the
-- executions that have ended follow the open one: whoever has the workflow's lock looks no further than its own.
ALTER TABLE geneva_drive_step_executions
    ADD COLUMN slot INT GENERATED ALWAYS AS (CASE WHEN state IN ('scheduled', 'executing') THEN 0 ELSE seq END) VIRTUAL,
    ADD UNIQUE KEY geneva_drive_step_executions_one_open (workflow_id, slot),
    DROP KEY geneva_drive_step_executions_one_active;
