//! What the server must log, where its log begins and ends, and what tables are like: asked before the log is read, and
//! while nobody reads it.

use std::collections::{HashMap, HashSet};

use kiln_types::mapping::StartingPosition;
use kiln_types::mapping::mysql::MysqlSource;

use super::connection::{Connection, LogStream, QueryError, Row};
use super::place::{Place, number};
use super::text::Charsets;
use crate::source::Trouble;

/// The server's code for a variable that it does not have.
const NO_VARIABLE: u16 = 1_193;
/// Its code for a log that cannot be sent.
pub(super) const LOG_REFUSED: u16 = 1_236;
/// How often the server is heard of while nothing happens, in nanoseconds.
const HEARTBEAT_NS: u64 = 10_000_000_000;
/// How long the server waits for us to read on. A function that is slow must not look like a replica that is gone.
const WAIT_SECS: u32 = 86_400;

/// Tables by their schemas and names.
pub(super) type Tables = HashSet<(String, String)>;
/// The columns of tables that hold JSON as text.
pub(super) type JsonColumns = HashMap<(String, String), HashSet<String>>;

/// What is known before the log is read.
pub(super) struct Prepared {
    pub(super) tables: Tables,
    pub(super) charsets: Charsets,
    pub(super) json: JsonColumns,
    /// Whether events end with a checksum.
    pub(super) is_summed: bool,
    /// Where it is read from.
    pub(super) place: Place,
}

/// Checks the server and finds the place to go on from: the one that was kept, or where the mapping is to begin.
pub(super) async fn prepare(
    connection: &mut Connection,
    source: &MysqlSource,
    kept: Option<Place>,
) -> Result<Prepared, Trouble> {
    let server = check_server(connection).await?;
    let tables = find_tables(connection, &source.tables()).await?;
    let place = match kept {
        Some(kept) => go_on(connection, kept, server).await?,
        None => begin(connection, source.starting_position, server).await?,
    };
    Ok(Prepared {
        charsets: charsets(connection).await?,
        json: json_columns(connection, &tables).await?,
        is_summed: is_summed(connection).await?,
        tables,
        place,
    })
}

/// Has the server send its log, as to a replica with this number.
pub(super) async fn start(
    mut connection: Connection,
    place: &Place,
    server_id: u32,
) -> Result<LogStream, Trouble> {
    let mut settings = vec![
        "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum".to_owned(),
        format!("SET @master_heartbeat_period = {HEARTBEAT_NS}, @source_heartbeat_period = {HEARTBEAT_NS}"),
        format!("SET SESSION net_write_timeout = {WAIT_SECS}"),
    ];
    let Some(gtids) = &place.gtids else {
        let at = u32::try_from(place.at).map_err(|_| Trouble::new("a binary log is too large"))?;
        run(&mut connection, &settings).await?;
        return connection.dump(server_id, &place.file, at).await;
    };
    // Below 4 the server rewrites its events for replicas that do not know GTIDs.
    settings.push("SET @mariadb_slave_capability = 4".to_owned());
    settings.push(format!("SET @slave_connect_state = '{gtids}'"));
    settings.push("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0".to_owned());
    run(&mut connection, &settings).await?;
    connection.dump(server_id, "", 4).await
}

/// What is wrong with the log behind a place while nobody reads it.
pub(super) async fn look(
    connection: &mut Connection,
    place: &Place,
    lag_bytes_max: u64,
) -> Result<Option<String>, Trouble> {
    let logs = logs(connection).await?;
    let at = number(&place.file);
    if logs.first().is_some_and(|(first, _)| number(first) > at) {
        return Ok(Some(purged(place)));
    }
    let behind = logs.iter().map(|(file, size)| match number(file) {
        file if file < at => 0,
        file if file == at => size.saturating_sub(place.at),
        _ => *size,
    });
    let behind: u64 = behind.sum();
    let text = format!(
        "the mapping is {} MiB of the database's binary log behind: it must not be purged before",
        behind >> 20
    );
    Ok((behind > lag_bytes_max).then_some(text))
}

/// Says that changes are lost.
pub(super) fn purged(place: &Place) -> String {
    format!(
        "the database purged its binary log before the mapping was done with it, which was at {} {}: changes are lost; \
         delete the mapping and create it again, and raise binlog_expire_logs_seconds",
        place.file, place.at
    )
}

/// The columns that MariaDB keeps JSON in are texts with a check.
pub(super) async fn json_columns(
    connection: &mut Connection,
    tables: &Tables,
) -> Result<JsonColumns, Trouble> {
    let mut found = JsonColumns::new();
    if !connection.is_mariadb() {
        return Ok(found);
    }
    for (schema, table) in tables {
        let ask = format!(
            "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {} AND CHECK_CLAUSE LIKE 'json_valid(`%`)'",
            literal(schema),
            literal(table)
        );
        let rows = connection.query(&ask).await?;
        let columns = rows.into_iter().filter_map(first).filter_map(|clause| {
            let name = clause.strip_prefix("json_valid(`")?.strip_suffix("`)")?;
            Some(name.replace("``", "`"))
        });
        found.insert((schema.clone(), table.clone()), columns.collect());
    }
    Ok(found)
}

/// Checks what the server logs; gives what it calls itself.
async fn check_server(connection: &mut Connection) -> Result<String, Trouble> {
    let identity = match connection.is_mariadb() {
        true => "@@global.server_id",
        false => "@@global.server_uuid",
    };
    let ask = format!(
        "SELECT @@global.log_bin, @@global.binlog_format, @@global.binlog_row_image, @@global.binlog_row_metadata, {identity}"
    );
    let rows = match connection.query(&ask).await {
        Err(QueryError::Refused(refusal)) if refusal.code == NO_VARIABLE => {
            return Err(Trouble::new(format!(
                "the database is {}, and changes are heard of from MariaDB 10.5 and MySQL 8.0.1 on",
                connection.version
            )));
        }
        rows => rows?,
    };
    let row: Vec<String> = rows.into_iter().flatten().flatten().collect();
    let [log, format, image, metadata, identity] = &row[..] else {
        return Err(Trouble::new("the database does not show its settings"));
    };
    if log != "1" && !log.eq_ignore_ascii_case("ON") {
        return Err(Trouble::new(
            "the database does not log changes: its log_bin is off; set log_bin and restart it",
        ));
    }
    let wanted = [
        ("binlog_format", format, "ROW"),
        ("binlog_row_image", image, "FULL"),
        ("binlog_row_metadata", metadata, "FULL"),
    ];
    let wrong = wanted
        .iter()
        .filter(|(_, is, wanted)| !is.eq_ignore_ascii_case(wanted));
    let wrong: Vec<String> = wrong
        .map(|(name, is, wanted)| format!("{name} is {is} and must be {wanted}"))
        .collect();
    match wrong.is_empty() {
        true => Ok(identity.clone()),
        false => Err(Trouble::new(format!(
            "the database does not log changes as whole rows with names: its {}; set that with SET GLOBAL and in its configuration",
            wrong.join(", its ")
        ))),
    }
}

/// The tables as the server has them, whose names it may write in lower case.
async fn find_tables(
    connection: &mut Connection,
    wanted: &[(String, String)],
) -> Result<Tables, Trouble> {
    let mut tables = Tables::new();
    for (schema, table) in wanted {
        let ask = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            literal(schema),
            literal(table)
        );
        let rows = connection.query(&ask).await?;
        let found = rows.into_iter().find_map(pair);
        let found = found.ok_or_else(|| {
            Trouble::new(format!(
                "the database has no table {schema}.{table}, or its user may not SELECT from it"
            ))
        })?;
        tables.insert(found);
    }
    Ok(tables)
}

/// Where a mapping begins that has not begun.
async fn begin(
    connection: &mut Connection,
    from: StartingPosition,
    server: String,
) -> Result<Place, Trouble> {
    let (file, at) = match from {
        StartingPosition::Latest => end_of_log(connection).await?,
        StartingPosition::TrimHorizon => beginning_of_log(connection).await?,
    };
    let gtids = match connection.is_mariadb() {
        true => Some(
            gtids_at(connection, &file, at)
                .await?
                .unwrap_or_default()
                .parse()?,
        ),
        false => None,
    };
    Ok(Place {
        era: 0,
        server,
        file,
        at,
        gtids,
    })
}

/// The place that was kept, as the place that it is with the server that answers now.
async fn go_on(connection: &mut Connection, kept: Place, server: String) -> Result<Place, Trouble> {
    let Some(gtids) = &kept.gtids else {
        return match kept.server == server {
            true => Ok(kept),
            false => Err(Trouble::new(
                "another MySQL server answers than the one whose binary log was read, and a place in that one's log means nothing to it: \
                 delete the mapping and create it again",
            )),
        };
    };
    if !connection.is_mariadb() {
        return Err(Trouble::new(
            "a MySQL server answers where MariaDB did: delete the mapping and create it again",
        ));
    }
    let there = gtids_at(connection, &kept.file, kept.at).await?;
    let is_same = there.and_then(|text| text.parse().ok()).as_ref() == Some(gtids);
    if is_same && kept.server == server {
        return Ok(kept);
    }
    let (file, _) = beginning_of_log(connection).await?;
    Ok(kept.in_next_era(server, file, 0))
}

/// MariaDB's GTID position at a place of a file; none when it has no such.
async fn gtids_at(
    connection: &mut Connection,
    file: &str,
    at: u64,
) -> Result<Option<String>, Trouble> {
    let ask = format!("SELECT BINLOG_GTID_POS({}, {at})", literal(file));
    match connection.query(&ask).await {
        Ok(rows) => Ok(rows.into_iter().find_map(first)),
        Err(QueryError::Refused(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn end_of_log(connection: &mut Connection) -> Result<(String, u64), Trouble> {
    // MySQL 8.4 has only the first, MariaDB and older ones only the second.
    let rows = match connection.query("SHOW BINARY LOG STATUS").await {
        Err(QueryError::Refused(_)) => connection.query("SHOW MASTER STATUS").await?,
        rows => rows?,
    };
    let found = rows.into_iter().find_map(|row| {
        let (file, at) = pair(row)?;
        Some((file, at.parse().ok()?))
    });
    found.ok_or_else(|| Trouble::new("the database has no binary log yet"))
}

async fn beginning_of_log(connection: &mut Connection) -> Result<(String, u64), Trouble> {
    let logs = logs(connection).await?;
    let first = logs.into_iter().next().map(|(file, _)| (file, 4));
    first.ok_or_else(|| Trouble::new("the database has no binary log yet"))
}

/// The log's files, from the oldest on, and their sizes.
async fn logs(connection: &mut Connection) -> Result<Vec<(String, u64)>, Trouble> {
    let rows = connection.query("SHOW BINARY LOGS").await?;
    let logs = rows.into_iter().filter_map(|row| {
        let (file, size) = pair(row)?;
        Some((file, size.parse().ok()?))
    });
    Ok(logs.collect())
}

/// Which character set each collation is of.
async fn charsets(connection: &mut Connection) -> Result<Charsets, Trouble> {
    // MariaDB from 10.10 on has some under more than one name, and their numbers only there.
    let newer = "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL";
    let older =
        "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID IS NOT NULL";
    let rows = match connection.query(newer).await {
        Err(QueryError::Refused(_)) => connection.query(older).await?,
        rows => rows?,
    };
    let names = rows.into_iter().filter_map(|row| {
        let (number, name) = pair(row)?;
        Some((number.parse().ok()?, name))
    });
    Ok(Charsets::new(names))
}

async fn is_summed(connection: &mut Connection) -> Result<bool, Trouble> {
    let rows = connection.query("SELECT @@global.binlog_checksum").await?;
    let set = rows.into_iter().find_map(first);
    Ok(set.is_some_and(|set| set.eq_ignore_ascii_case("CRC32")))
}

async fn run(connection: &mut Connection, statements: &[String]) -> Result<(), Trouble> {
    for statement in statements {
        connection.query(statement).await?;
    }
    Ok(())
}

fn first(row: Row) -> Option<String> {
    row.into_iter().next().flatten()
}

fn pair(row: Row) -> Option<(String, String)> {
    let mut row = row.into_iter();
    Some((row.next()??, row.next()??))
}

/// A text as SQL has it, whatever the server makes of backslashes.
fn literal(text: &str) -> String {
    format!("CONVERT(0x{} USING utf8mb4)", hex::encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_where_they_end() {
        assert_eq!(literal("it's \\"), "CONVERT(0x69742773205c USING utf8mb4)");
    }
}
