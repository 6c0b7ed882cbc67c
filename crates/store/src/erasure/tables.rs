//! Every table of every database, and what becomes of an account's rows in it.

use std::collections::BTreeMap;

use kiln_types::AccountId;
use rusqlite::Connection;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Meta,
    Queue,
    Logs,
    Usage,
    Audit,
}

/// Whose a table's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of the account in a column of this name; removed.
    Column(&'static str),
    /// Those that this counts; removed with what they belong to.
    Counted(&'static str),
    /// Parts of what other tables have; removed with it, and not counted.
    Part,
    /// The server's own.
    Nobodys,
    /// Kept: the audit log, and the note that an account is being erased.
    Kept,
}

use Of::{Audit, Logs, Meta, Queue, Usage};
use Whose::{Column, Counted, Kept, Nobodys, Part};

const ACCOUNT: Whose = Column("account");

/// A new table has a line here, and where its rows are not removed with others a line in [`rows`](super::rows).
pub(crate) const TABLES: &[(Of, &str, Whose)] = &[
    (Meta, "function_url", ACCOUNT),
    (Meta, "function", ACCOUNT),
    (Meta, "access_key", ACCOUNT),
    (Meta, "layer", ACCOUNT),
    (Meta, "layer_version", ACCOUNT),
    (
        Meta,
        "event_source_place",
        Counted(
            "SELECT count(*) FROM event_source_place
             WHERE mapping IN (SELECT id FROM event_source_mapping WHERE account = ?1)",
        ),
    ),
    (Meta, "event_source_mapping", ACCOUNT),
    (Meta, "api", ACCOUNT),
    (Meta, "bus", ACCOUNT),
    (Meta, "bus_rule", ACCOUNT),
    (Meta, "topic", ACCOUNT),
    (Meta, "subscription", ACCOUNT),
    (Meta, "identity", ACCOUNT),
    (Meta, "identity_change", ACCOUNT),
    (Meta, "secret_value", ACCOUNT),
    (Meta, "secret", ACCOUNT),
    (Meta, "parameter_version", ACCOUNT),
    (Meta, "parameter", ACCOUNT),
    (Meta, "signing_profile", ACCOUNT),
    (Meta, "code_signing_config", ACCOUNT),
    (Meta, "package", ACCOUNT),
    (Meta, "tenant", ACCOUNT),
    (Meta, "data_key", Column("owner")),
    (Meta, "erasure", Kept),
    (Meta, "sealed_column", Nobodys),
    (Meta, "server_secret", Nobodys),
    (Meta, "topic_signer", Nobodys),
    (Queue, "lane", ACCOUNT),
    (
        Queue,
        "event",
        Counted(
            "SELECT count(*) FROM event
             WHERE (id >> 49) IN (SELECT no FROM lane WHERE account = ?1)",
        ),
    ),
    (Queue, "running", Part),
    (Queue, "dead", ACCOUNT),
    (Queue, "body", Part),
    (Queue, "total", Nobodys),
    (Queue, "message_queue", ACCOUNT),
    (Queue, "message_epoch", Part),
    (Queue, "message_lane", Part),
    (
        Queue,
        "message",
        Counted(
            "SELECT coalesce(sum(messages), 0) FROM message_epoch
             WHERE id IN (SELECT epoch FROM message_queue WHERE account = ?1)",
        ),
    ),
    (Queue, "message_held", Part),
    (Queue, "message_sent", Part),
    (Queue, "message_move", ACCOUNT),
    (Queue, "schedule_group", ACCOUNT),
    (Queue, "schedule", ACCOUNT),
    (Queue, "schedule_document", Part),
    (Queue, "schedule_token", ACCOUNT),
    (Queue, "schedule_total", Nobodys),
    (Queue, "published", ACCOUNT),
    (Queue, "published_last", ACCOUNT),
    (
        Queue,
        "bucket",
        Counted("SELECT count(*) FROM bucket WHERE json_extract(document, '$.account') = ?1"),
    ),
    (
        Queue,
        "object",
        Counted(
            "SELECT count(*) FROM object WHERE bucket IN
             (SELECT id FROM bucket WHERE json_extract(document, '$.account') = ?1)",
        ),
    ),
    (Queue, "upload", Part),
    (Queue, "part", Part),
    (Queue, "object_content", Part),
    (Queue, "object_seq", Nobodys),
    (Queue, "post", ACCOUNT),
    (Queue, "archive", ACCOUNT),
    (
        Queue,
        "archived",
        Counted(
            "SELECT count(*) FROM archived
             WHERE archive IN (SELECT id FROM archive WHERE account = ?1)",
        ),
    ),
    (Queue, "replay", ACCOUNT),
    (Logs, "log_group", ACCOUNT),
    (
        Logs,
        "log_stream",
        Counted(
            "SELECT count(*) FROM log_stream
             WHERE group_id IN (SELECT id FROM log_group WHERE account = ?1)",
        ),
    ),
    (
        Logs,
        "log_event",
        Counted(
            "SELECT count(*) FROM log_event
             WHERE group_id IN (SELECT id FROM log_group WHERE account = ?1)",
        ),
    ),
    (Logs, "event_count", Nobodys),
    (Usage, "usage", ACCOUNT),
    (Usage, "provisioned_usage", ACCOUNT),
    (Audit, "audit", Kept),
    (Audit, "audit_start", Nobodys),
    (Meta, "format", Nobodys),
    (Queue, "format", Nobodys),
    (Logs, "format", Nobodys),
    (Usage, "format", Nobodys),
    (Audit, "format", Nobodys),
];

/// What an account has in a database, by table; what it has nothing of is left out.
pub(crate) fn count(
    from: &Connection,
    of: Of,
    account: &AccountId,
) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for (_, table, whose) in TABLES.iter().filter(|(database, ..)| *database == of) {
        let select = match whose {
            Column(column) => format!("SELECT count(*) FROM {table} WHERE {column} = ?1"),
            Counted(select) => (*select).to_owned(),
            Part | Nobodys | Kept => continue,
        };
        let count: i64 = from.query_row(&select, [account.as_str()], |row| row.get(0))?;
        if count > 0 {
            found.insert((*table).to_owned(), count.unsigned_abs());
        }
    }
    Ok(found)
}

/// All tables of a database as it is.
pub(super) fn all(from: &Connection) -> rusqlite::Result<Vec<String>> {
    let select = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
                  ORDER BY name";
    let mut select = from.prepare(select)?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Those of them that say whose their rows are, whatever is known of them here; not the notes of erasures.
pub(crate) fn of_accounts(from: &Connection) -> rusqlite::Result<Vec<String>> {
    let select = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                  WHERE m.type = 'table' AND c.name = 'account' AND m.name <> 'erasure' ORDER BY m.name";
    let mut select = from.prepare(select)?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use kiln_types::ManualClock;

    use super::*;
    use crate::{Config, Store};

    const FILES: [(Of, &str); 5] = [
        (Meta, "meta.db"),
        (Queue, "queue.db"),
        (Logs, "logs.db"),
        (Usage, "usage.db"),
        (Audit, "audit.db"),
    ];

    fn with_files(check: impl Fn(Of, &Connection)) {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let _store = Store::open(Config::new(dir.path()), clock).unwrap();
        let is_database = |path: &Path| path.extension().is_some_and(|end| end == "db");
        let files = std::fs::read_dir(dir.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        assert_eq!(files.filter(|path| is_database(path)).count(), FILES.len());
        for (of, file) in FILES {
            check(of, &Connection::open(dir.path().join(file)).unwrap());
        }
    }

    /// Whoever adds a table says what an erasure makes of it.
    #[test]
    fn every_table_of_every_database_is_known_to_the_erasure() {
        with_files(|of, database| {
            let known = TABLES.iter().filter(|(known, ..)| *known == of);
            let mut known: Vec<String> = known.map(|(_, table, _)| (*table).to_owned()).collect();
            known.sort_unstable();
            assert_eq!(all(database).unwrap(), known, "{of:?}");
        });
    }

    #[test]
    fn a_table_with_an_account_is_removed_by_it_or_kept_as_evidence() {
        with_files(|of, database| {
            for table in of_accounts(database).unwrap() {
                let is_it = |known: &&(Of, &str, Whose)| known.0 == of && known.1 == table;
                let (_, _, whose) = TABLES.iter().find(is_it).unwrap();
                let expected = match of {
                    Audit => Kept,
                    _ => ACCOUNT,
                };
                assert_eq!(*whose, expected, "{table}");
            }
        });
    }

    #[test]
    fn what_is_counted_can_be_counted() {
        let account: AccountId = "123456789012".parse().unwrap();
        with_files(|of, database| {
            assert_eq!(count(database, of, &account).unwrap(), BTreeMap::new());
        });
    }
}
