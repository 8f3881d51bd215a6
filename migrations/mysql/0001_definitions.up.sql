CREATE TABLE IF NOT EXISTS geneva_drive_definitions (
    type       VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version    INT NOT NULL,
    format     INT NOT NULL,
    content    LONGTEXT NOT NULL,
    source     LONGTEXT NOT NULL,
    hash       VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (type, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
