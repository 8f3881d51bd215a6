-- What a step costs is largely its entries in indexes: an execution enters each one anew whose columns change when it
-- ends. So here they are few, and hold what is asked for (docs/decisions/0076). A history is read through
-- geneva_drive_step_executions_one_open.
ALTER TABLE geneva_drive_step_executions
    ADD KEY geneva_drive_step_executions_listed (listed, id),
    ADD KEY geneva_drive_step_executions_claims (claimed_by, deadline),
    DROP KEY geneva_drive_step_executions_seq,
    DROP KEY geneva_drive_step_executions_claimed_by,
    DROP KEY geneva_drive_step_executions_deadline,
    DROP KEY geneva_drive_step_executions_state;
