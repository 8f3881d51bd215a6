-- content is the resolved definition, source what was registered; both are kept as TEXT, byte for byte.
-- Times are microseconds since 1970, UTC, in every table.
CREATE TABLE IF NOT EXISTS geneva_drive_definitions (
    type       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    format     INTEGER NOT NULL,
    content    TEXT NOT NULL,
    source     TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (type, version)
) STRICT;
