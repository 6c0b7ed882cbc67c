//! The tables of `logs.db`.

use crate::database::{Checkpoint, Durability, Spec};

use super::LINGER;

/// Events lie in the order in which a group is read; an index leads to those of one stream.
/// `seq` counts all events ever written and makes equal times distinct.
pub(super) const LOGS: Spec = Spec {
    file: "logs.db",
    durability: Durability::Kernel,
    linger: LINGER,
    checkpoint: Checkpoint::Inline,
    wipes: false,
    migrations: &[
        "
        CREATE TABLE log_group (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            created INTEGER NOT NULL,
            retention_days INTEGER,
            UNIQUE (account, name)
        ) STRICT;
        CREATE TABLE log_stream (
            id INTEGER PRIMARY KEY,
            group_id INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            created INTEGER NOT NULL,
            first_event INTEGER NOT NULL,
            last_event INTEGER NOT NULL,
            last_ingestion INTEGER NOT NULL,
            stored_bytes INTEGER NOT NULL,
            UNIQUE (group_id, name)
        ) STRICT;
        CREATE INDEX log_stream_by_time ON log_stream (group_id, last_event, name);
        CREATE TABLE log_event (
            group_id INTEGER NOT NULL,
            time INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            stream_id INTEGER NOT NULL,
            ingested INTEGER NOT NULL,
            message TEXT NOT NULL,
            PRIMARY KEY (group_id, time, seq)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX log_event_of_stream ON log_event (stream_id, time, seq);
        CREATE TABLE event_count (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            seq INTEGER NOT NULL
        ) STRICT;
        INSERT INTO event_count (id, seq) VALUES (1, 0);
    ",
        super::protection::COLUMNS,
    ],
};
