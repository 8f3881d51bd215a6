-- For lists by state: set for all but what a server executes and what is completed. By itself the column is added
-- while steps go on, and so are its index and the others of the next migration.
ALTER TABLE geneva_drive_step_executions
    ADD COLUMN listed VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
        GENERATED ALWAYS AS (CASE WHEN claimed_by IS NULL AND state <> 'completed' THEN state END) VIRTUAL;
