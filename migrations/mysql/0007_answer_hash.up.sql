-- Of the answer that ended an execution that takes late answers, so that its repeat is known as one.
ALTER TABLE geneva_drive_step_executions
    ADD COLUMN answer_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin;
