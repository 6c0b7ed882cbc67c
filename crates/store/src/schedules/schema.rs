//! The tables of schedules, in the database of the queue of events.

/// What leads to them from the format before.
pub(crate) const TABLES: &str = "
    CREATE TABLE schedule_group (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        is_deleting INTEGER NOT NULL,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        tags TEXT NOT NULL,
        schedules INTEGER NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    -- What changes with every tick. Numbers are never used again: who has read a schedule that is deleted
    -- and made again by the same name cannot take one for the other.
    CREATE TABLE schedule (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        space INTEGER NOT NULL,
        grp TEXT NOT NULL,
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        anchor INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        due INTEGER,
        wake INTEGER,
        attempts INTEGER NOT NULL,
        UNIQUE (account, space, grp, name)
    ) STRICT;
    CREATE INDEX schedule_wake ON schedule (wake) WHERE wake IS NOT NULL;
    -- What does not, and may be large.
    CREATE TABLE schedule_document (id INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT;
    -- Changes that a caller may ask for a second time, by the caller's token.
    CREATE TABLE schedule_token (
        account TEXT NOT NULL,
        token TEXT NOT NULL,
        done TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (account, token)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX schedule_token_at ON schedule_token (at);
    CREATE TABLE schedule_total (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        fired INTEGER NOT NULL,
        dead INTEGER NOT NULL,
        lost INTEGER NOT NULL
    ) STRICT;
    INSERT INTO schedule_total VALUES (1, 0, 0, 0);
";
