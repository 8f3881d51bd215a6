-- content is the resolved definition, source what was registered; both are kept as text, byte for byte.
CREATE TABLE IF NOT EXISTS geneva_drive_definitions (
    type       text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    format     integer NOT NULL,
    content    text NOT NULL,
    source     text NOT NULL,
    hash       text COLLATE "C" NOT NULL,
    created_at timestamptz(6) NOT NULL,
    PRIMARY KEY (type, version)
);
