-- A subject that is being forgotten: what it had up to moment. The row goes when all of that is gone.
CREATE TABLE IF NOT EXISTS geneva_drive_erasures (
    id           uuid PRIMARY KEY,
    subject_type text COLLATE "C" NOT NULL,
    subject_id   text COLLATE "C" NOT NULL,
    moment       timestamptz(6) NOT NULL,
    worked_at    timestamptz(6) NOT NULL
);
