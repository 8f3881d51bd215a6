CREATE TABLE IF NOT EXISTS geneva_drive_subjects (
    subject_type VARCHAR(100) NOT NULL,
    subject_id   VARCHAR(190) NOT NULL,
    attributes   MEDIUMTEXT NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    updated_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (subject_type, subject_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
