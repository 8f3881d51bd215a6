-- A subject that is being forgotten: what it had up to moment. The row goes when all of that is gone.
CREATE TABLE IF NOT EXISTS geneva_drive_erasures (
    id           TEXT NOT NULL PRIMARY KEY,
    subject_type TEXT NOT NULL,
    subject_id   TEXT NOT NULL,
    moment       INTEGER NOT NULL,
    worked_at    INTEGER NOT NULL
) STRICT;
