-- Attributes are kept as TEXT, byte for byte.
CREATE TABLE IF NOT EXISTS geneva_drive_subjects (
    subject_type TEXT NOT NULL,
    subject_id   TEXT NOT NULL,
    attributes   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (subject_type, subject_id)
) STRICT;
