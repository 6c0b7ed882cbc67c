//! The tables of message queues, in the database of the queue of events.

/// What leads to them from the format before.
pub(crate) const TABLES: &str = "
    -- Which queues there are. Their numbers are never used again.
    CREATE TABLE message_queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        epoch INTEGER NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        settings TEXT NOT NULL,
        tags TEXT NOT NULL,
        UNIQUE (account, name)
    ) STRICT;
    -- What lies in a queue between two purges. That of a queue that was purged or deleted is no longer
    -- current, and is removed bit by bit.
    CREATE TABLE message_epoch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        is_current INTEGER NOT NULL,
        next INTEGER NOT NULL,
        messages INTEGER NOT NULL
    ) STRICT;
    -- A standard queue has one lane without a name, a FIFO queue one for each group that has messages.
    -- `ready` is when the group may be received from again.
    CREATE TABLE message_lane (
        id INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        name TEXT NOT NULL,
        ready INTEGER NOT NULL,
        UNIQUE (epoch, name)
    ) STRICT;
    CREATE INDEX message_lane_ready ON message_lane (epoch, ready);
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        message_id BLOB NOT NULL,
        sent INTEGER NOT NULL,
        head TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        body_id INTEGER,
        body BLOB
    ) STRICT;
    -- Messages that were received, or are delayed: until when nobody gets them, how often they were
    -- received, and when first and last.
    CREATE TABLE message_held (
        id INTEGER PRIMARY KEY,
        lane INTEGER NOT NULL,
        due INTEGER NOT NULL,
        received INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX message_held_due ON message_held (lane, due);
    -- What was sent to FIFO queues, to know it when it is sent again: by spans of time, so that what is
    -- over is removed without an index.
    CREATE TABLE message_sent (
        span INTEGER NOT NULL,
        queue INTEGER NOT NULL,
        digest BLOB NOT NULL,
        sent INTEGER NOT NULL,
        message_id BLOB NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (span, queue, digest)
    ) STRICT, WITHOUT ROWID;
    -- Moving the messages of a dead-letter queue on.
    CREATE TABLE message_move (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        task TEXT NOT NULL
    ) STRICT;
    CREATE INDEX message_move_of ON message_move (account, name);
";

/// What leads to them from the tables above: the groups of a queue in their order, and the epochs that are over.
pub(crate) const LANES: &str = "
    CREATE INDEX message_lane_of ON message_lane (epoch);
    CREATE INDEX message_epoch_over ON message_epoch (id) WHERE NOT is_current;
";
