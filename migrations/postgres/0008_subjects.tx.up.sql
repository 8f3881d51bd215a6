-- Attributes are kept as text, byte for byte.
CREATE TABLE IF NOT EXISTS geneva_drive_subjects (
    subject_type text COLLATE "C" NOT NULL,
    subject_id   text COLLATE "C" NOT NULL,
    attributes   text NOT NULL,
    created_at   timestamptz(6) NOT NULL,
    updated_at   timestamptz(6) NOT NULL,
    PRIMARY KEY (subject_type, subject_id)
);
