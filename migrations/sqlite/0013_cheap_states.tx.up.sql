-- SQLite evaluates IN with more than two constants by making a table of them, each time it writes a row: a quarter to
-- a third of the cost of a write. What follows says the same of states in comparisons. A CHECK can only be written anew in
-- the schema itself (https://www.sqlite.org/lang_altertable.html, section 7); making the index changes the schema's
-- version, by which other connections read it again.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (''ready'', ''performing'', ''paused'', ''finished'', ''canceled''))',
    'CHECK (state = ''ready'' OR state = ''performing'' OR state = ''paused'' OR state = ''finished'' OR state = ''canceled'')')
    WHERE type = 'table' AND name = 'geneva_drive_workflows';
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (''scheduled'', ''executing'', ''completed'', ''failed'', ''canceled'', ''skipped''))',
    'CHECK (state = ''scheduled'' OR state = ''executing'' OR state = ''completed'' OR state = ''failed'' OR state = ''canceled'' OR state = ''skipped'')')
    WHERE type = 'table' AND name = 'geneva_drive_step_executions';
PRAGMA writable_schema = RESET;

DROP INDEX IF EXISTS geneva_drive_workflows_one_active;
CREATE UNIQUE INDEX geneva_drive_workflows_one_active
    ON geneva_drive_workflows (type, subject_type, subject_id)
    WHERE state NOT IN ('finished', 'canceled') AND NOT allow_multiple;

DROP INDEX IF EXISTS geneva_drive_workflows_open_multiple;
CREATE INDEX geneva_drive_workflows_open_multiple
    ON geneva_drive_workflows (type, subject_type, subject_id)
    WHERE state NOT IN ('finished', 'canceled') AND allow_multiple;
