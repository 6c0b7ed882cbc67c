//! What a mapping has at the server, a publication and a slot: made, repaired, looked after, removed.

use std::time::Duration;

use kiln_types::mapping::postgres::{PostgresSource, TableName};

use super::PrimaryKeys;
use super::connection::{ChangeStream, Connection, QueryError, Row};
use super::lsn::Lsn;
use crate::source::{Feed, Trouble};

/// The oldest version whose publications publish partitions as their table.
const VERSION_MIN: u32 = 130_000;
/// How long a slot may be in use by a connection that is gone before that is told.
const IN_USE_FOR: Duration = Duration::from_secs(10);
/// How long to wait before such a slot is tried again.
const IN_USE_REST: Duration = Duration::from_millis(250);
/// The server's code for what is in use.
const OBJECT_IN_USE: &str = "55006";
/// What a slot is for that was given up by its server.
const LOST: &str = "lost";

/// What is there before the stream begins.
pub(super) struct Prepared {
    pub(super) keys: PrimaryKeys,
    /// Up to where all is done, as far as the slot knows.
    pub(super) done: Lsn,
    /// Whether the slot was made just now.
    pub(super) is_new: bool,
}

/// Which cluster the server is, and in which of its histories: one that was restored or promoted is in another.
pub(super) async fn identity(connection: &mut Connection) -> Result<String, Trouble> {
    let rows = query(connection, "IDENTIFY_SYSTEM").await?;
    match rows.first().map(Vec::as_slice) {
        Some([Some(system), Some(timeline), ..]) => Ok(format!("{system} {timeline}")),
        _ => Err(Trouble::new("the database does not say which it is")),
    }
}

/// Has the publication and the slot there, made before anything that is to be heard of.
pub(super) async fn prepare(
    connection: &mut Connection,
    source: &PostgresSource,
    name: &str,
    feed: &Feed,
) -> Result<Prepared, Trouble> {
    check_server(connection).await?;
    let keys = primary_keys(connection, &source.tables).await?;
    let is_published_anew = publish(connection, &source.tables, name, feed).await?;
    // The slot comes second: what is decoded sees only publications that were there.
    let found = format!(
        "SELECT confirmed_flush_lsn, wal_status FROM pg_replication_slots WHERE slot_name = {}",
        literal(name)
    );
    let slot = query(connection, &found).await?;
    let is_new = slot.is_empty();
    let done = match slot.first().map(Vec::as_slice) {
        Some([_, Some(status)]) if status == LOST => {
            return Err(Trouble::new(format!(
                "the database gave up the replication slot {name}, as it held back more than \
                 max_slot_wal_keep_size: changes are lost; delete the mapping and create it again"
            )));
        }
        Some([done, ..]) => done.clone(),
        _ => {
            if !is_published_anew {
                tracing::warn!(
                    slot = name,
                    "the replication slot of an event source mapping is gone and is made again: changes since may be missed"
                );
            }
            feed.make().await?;
            let make = format!(
                "SELECT lsn FROM pg_create_logical_replication_slot({}, 'pgoutput')",
                literal(name)
            );
            query(connection, &make).await?.into_iter().find_map(first)
        }
    };
    let done = done.map_or(Ok(Lsn::default()), |done| done.parse())?;
    Ok(Prepared { keys, done, is_new })
}

/// Begins to stream, from where the slot is or from a later place.
pub(super) async fn start(
    mut connection: Connection,
    name: &str,
    from: Lsn,
) -> Result<ChangeStream, Trouble> {
    let sql = format!(
        "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '1', publication_names {})",
        identifier(name),
        literal(&identifier(name))
    );
    let mut waited = Duration::ZERO;
    loop {
        match connection.stream(&sql).await {
            Ok(stream) => return Ok(stream),
            // The server notices a little later than we that a connection is gone.
            Err((again, QueryError::Refused(refusal)))
                if refusal.code == OBJECT_IN_USE && waited < IN_USE_FOR =>
            {
                connection = again;
            }
            Err((_, error)) => return Err(error.into()),
        }
        tokio::time::sleep(IN_USE_REST).await;
        waited += IN_USE_REST;
    }
}

/// What is wrong with the slot while nobody listens.
pub(super) async fn look(
    connection: &mut Connection,
    name: &str,
    lag_bytes_max: u64,
) -> Result<Option<String>, Trouble> {
    let found = format!(
        "SELECT wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8 \
         FROM pg_replication_slots WHERE slot_name = {}",
        literal(name)
    );
    let rows = query(connection, &found).await?;
    let Some([status, lag]) = rows.first().map(Vec::as_slice) else {
        return Ok(Some(format!("the replication slot {name} is gone")));
    };
    if status.as_deref() == Some(LOST) {
        return Ok(Some(format!(
            "the database gave up the replication slot {name}"
        )));
    }
    let lag = lag.as_ref().and_then(|lag| lag.parse().ok());
    Ok(lag
        .filter(|lag| *lag > lag_bytes_max)
        .map(|lag| held_back(name, lag)))
}

/// Says how much of its log a server keeps for a slot.
pub(super) fn held_back(name: &str, bytes: u64) -> String {
    format!(
        "the replication slot {name} holds back {} MiB of the database's log",
        bytes >> 20
    )
}

/// Removes slot and publication.
pub(super) async fn remove(connection: &mut Connection, name: &str) -> Result<(), Trouble> {
    let drop_slot = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {}",
        literal(name)
    );
    let mut waited = Duration::ZERO;
    loop {
        match connection.query(&drop_slot).await {
            Ok(_) => break,
            Err(QueryError::Refused(refusal))
                if refusal.code == OBJECT_IN_USE && waited < IN_USE_FOR => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(IN_USE_REST).await;
        waited += IN_USE_REST;
    }
    let drop_publication = format!("DROP PUBLICATION IF EXISTS {}", identifier(name));
    query(connection, &drop_publication).await.map(|_| ())
}

/// The columns of the tables' primary keys, in the keys' order. Fails when there is no such table.
pub(super) async fn primary_keys(
    connection: &mut Connection,
    tables: &[TableName],
) -> Result<PrimaryKeys, Trouble> {
    let mut keys = PrimaryKeys::new();
    for table in tables {
        let of_table = format!(
            "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p')",
            literal(&table.schema),
            literal(&table.table)
        );
        let rows = query(connection, &of_table).await?;
        let oid = rows
            .first()
            .and_then(|row| row.first()?.as_ref()?.parse().ok());
        let oid: u32 =
            oid.ok_or_else(|| Trouble::new(format!("the database has no table {table}")))?;
        let of_key = format!(
            "SELECT a.attname FROM pg_index i \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k (number, place) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE i.indrelid = {oid} AND i.indisprimary ORDER BY k.place"
        );
        let columns = query(connection, &of_key).await?;
        keys.insert(oid, columns.into_iter().filter_map(first).collect());
    }
    Ok(keys)
}

async fn check_server(connection: &mut Connection) -> Result<(), Trouble> {
    let version = show(connection, "server_version_num").await?;
    if version
        .parse()
        .is_ok_and(|version: u32| version < VERSION_MIN)
    {
        return Err(Trouble::new(format!(
            "the database is PostgreSQL {version}, and changes are heard of from 13 on"
        )));
    }
    match show(connection, "wal_level").await?.as_str() {
        "logical" => Ok(()),
        level => Err(Trouble::new(format!(
            "the database does not log changes: its wal_level is {level}; set wal_level = logical and restart it"
        ))),
    }
}

/// Has the publication publish just these tables; whether it was made.
async fn publish(
    connection: &mut Connection,
    tables: &[TableName],
    name: &str,
    feed: &Feed,
) -> Result<bool, Trouble> {
    let list: Vec<_> = tables.iter().map(qualified).collect();
    let list = list.join(", ");
    let found = format!(
        "SELECT 1 FROM pg_publication WHERE pubname = {}",
        literal(name)
    );
    if query(connection, &found).await?.is_empty() {
        feed.make().await?;
        let make = format!(
            "CREATE PUBLICATION {} FOR TABLE {list} \
             WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)",
            identifier(name)
        );
        query(connection, &make).await?;
        return Ok(true);
    }
    let published = format!(
        "SELECT n.nspname, c.relname FROM pg_publication_rel r \
         JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = {}",
        literal(name)
    );
    let published = query(connection, &published).await?;
    let has = |table: &TableName| {
        let row: Row = vec![Some(table.schema.clone()), Some(table.table.clone())];
        published.contains(&row)
    };
    // A table that was dropped and made again is no longer in it.
    if !tables.iter().all(has) {
        let repair = format!("ALTER PUBLICATION {} SET TABLE {list}", identifier(name));
        query(connection, &repair).await?;
    }
    Ok(false)
}

async fn show(connection: &mut Connection, setting: &str) -> Result<String, Trouble> {
    let rows = query(connection, &format!("SHOW {setting}")).await?;
    rows.into_iter()
        .find_map(first)
        .ok_or_else(|| Trouble::new(format!("the database does not show its {setting}")))
}

async fn query(connection: &mut Connection, sql: &str) -> Result<Vec<Row>, Trouble> {
    Ok(connection.query(sql).await?)
}

fn first(row: Row) -> Option<String> {
    row.into_iter().next().flatten()
}

fn qualified(table: &TableName) -> String {
    format!("{}.{}", identifier(&table.schema), identifier(&table.table))
}

/// A name as SQL has it, whatever is in it.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it, with standard_conforming_strings.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_end_where_they_end() {
        assert_eq!(
            identifier("a\"; DROP TABLE x; --"),
            "\"a\"\"; DROP TABLE x; --\""
        );
        assert_eq!(literal("it's \\ x"), "'it''s \\ x'");
        let table: TableName = "Sales.Order Items".parse().unwrap();
        assert_eq!(qualified(&table), "\"Sales\".\"Order Items\"");
    }
}
