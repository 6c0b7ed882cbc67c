//! The tables of buckets, in the database of the queue of events.

/// What leads to them from the format before.
pub(crate) const TABLES: &str = "
    CREATE TABLE bucket (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        document TEXT NOT NULL
    ) STRICT;
    -- All versions of all objects. `seq` grows with every change of any object; `version` is what the API calls the
    -- version, 'null' where versions are not kept. Keys are compared byte by byte, which is the order of S3.
    CREATE TABLE object (
        bucket INTEGER NOT NULL,
        key TEXT NOT NULL,
        seq INTEGER NOT NULL,
        version TEXT NOT NULL,
        is_latest INTEGER NOT NULL,
        is_marker INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (bucket, key, seq DESC)
    ) STRICT, WITHOUT ROWID;
    -- What lists read: one entry a key, however many versions it has.
    CREATE UNIQUE INDEX object_latest ON object (bucket, key) WHERE is_latest = 1;
    CREATE TABLE upload (
        id TEXT PRIMARY KEY,
        bucket INTEGER NOT NULL,
        key TEXT NOT NULL,
        started INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX upload_of ON upload (bucket, key, id);
    CREATE TABLE part (
        upload TEXT NOT NULL,
        number INTEGER NOT NULL,
        content TEXT NOT NULL,
        modified INTEGER NOT NULL,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        checksum TEXT,
        PRIMARY KEY (upload, number)
    ) STRICT, WITHOUT ROWID;
    -- The files that objects and parts are made of: what is not here is nobody's.
    CREATE TABLE object_content (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE object_seq (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL) STRICT;
    INSERT INTO object_seq VALUES (1, 0);
";

/// What leads to them from the tables above: how a version of a key is found that has many.
pub(crate) const VERSIONS: &str = "CREATE INDEX object_version ON object (bucket, key, version);";
