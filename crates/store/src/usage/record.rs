//! Usage records as rows.

use kiln_types::{
    Architecture, EphemeralMb, FunctionId, InvocationStatus, MemoryMb, RestoreUsage, Timestamp,
    Traffic, UsageRecord,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use crate::error::{Doing, Error};

const STATUSES: [InvocationStatus; 8] = [
    InvocationStatus::Success,
    InvocationStatus::Error,
    InvocationStatus::Timeout,
    InvocationStatus::Crash,
    InvocationStatus::OutOfMemory,
    InvocationStatus::InitError,
    InvocationStatus::RestoreError,
    InvocationStatus::RestoreTimeout,
];

pub(super) fn insert(connection: &Connection, records: &[UsageRecord]) -> Result<(), Error> {
    let insert = "INSERT INTO usage (account, name, version, request_id, started, init_us,
            duration_us, billed_ms, memory_mb, memory_peak_mb, ephemeral_mb, architecture,
            cpu_us, status, received_bytes, sent_bytes, provisioned, restore_us, restore_billed_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    let mut statement = connection.prepare_cached(insert).doing("append usage")?;
    for record in records {
        let values = params![
            record.function.account.as_str(),
            record.function.name.as_str(),
            record.version.to_string(),
            record.request_id.to_string(),
            record.started.as_millis(),
            record.init_us.map(whole),
            whole(record.duration_us),
            whole(record.billed_ms),
            record.memory.get(),
            record.memory_peak_mb,
            record.ephemeral.get(),
            record.architecture.as_str(),
            whole(record.cpu_us),
            record.status.as_str(),
            whole(record.traffic.received_bytes),
            whole(record.traffic.sent_bytes),
            record.provisioned,
            record.restore.map(|restore| whole(restore.duration_us)),
            record.restore.map_or(0, |restore| whole(restore.billed_ms)),
        ];
        statement.execute(values).doing("append usage")?;
    }
    Ok(())
}

pub(super) fn recent(
    connection: &Connection,
    function: &FunctionId,
    count_max: u32,
) -> rusqlite::Result<Vec<UsageRecord>> {
    let select = "SELECT version, request_id, started, init_us, duration_us, billed_ms, memory_mb,
            memory_peak_mb, ephemeral_mb, architecture, cpu_us, status, received_bytes, sent_bytes,
            provisioned, restore_us, restore_billed_ms
        FROM usage WHERE account = ?1 AND name = ?2 ORDER BY started DESC, seq DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(select)?;
    let key = params![function.account.as_str(), function.name.as_str(), count_max];
    let rows = statement.query_map(key, |row| {
        Ok(UsageRecord {
            request_id: text(row, 1)?,
            function: function.clone(),
            version: text(row, 0)?,
            started: Timestamp::from_millis(row.get(2)?),
            init_us: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
            restore: restore(row, 15, 16)?,
            duration_us: number(row, 4)?,
            billed_ms: number(row, 5)?,
            memory: MemoryMb::new(number(row, 6)?).map_err(damaged(6))?,
            memory_peak_mb: row.get(7)?,
            ephemeral: EphemeralMb::new(number(row, 8)?).map_err(damaged(8))?,
            architecture: text(row, 9)?,
            cpu_us: number(row, 10)?,
            status: status(row, 11)?,
            traffic: Traffic {
                received_bytes: number(row, 12)?,
                sent_bytes: number(row, 13)?,
            },
            provisioned: row.get(14)?,
        })
    })?;
    rows.collect()
}

fn restore(
    row: &Row<'_>,
    duration_us: usize,
    billed_ms: usize,
) -> rusqlite::Result<Option<RestoreUsage>> {
    let billed_ms = number(row, billed_ms)?;
    let duration_us = row.get::<_, Option<i64>>(duration_us)?;
    Ok(duration_us.map(|duration_us| RestoreUsage {
        duration_us: duration_us.cast_unsigned(),
        billed_ms,
    }))
}

/// SQL's integers are signed: a count of more than 2^63 - 1 is kept as that many.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn architecture(row: &Row<'_>, column: usize) -> rusqlite::Result<Architecture> {
    text(row, column)
}

pub(super) fn text<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str().map_err(damaged(column))?;
    text.parse().map_err(damaged(column))
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<InvocationStatus> {
    let name = row.get_ref(column)?.as_str().map_err(damaged(column))?;
    let known = STATUSES.into_iter().find(|status| status.as_str() == name);
    known.ok_or_else(|| rusqlite::Error::InvalidColumnType(column, name.to_owned(), Type::Text))
}

fn damaged<E>(column: usize) -> impl FnOnce(E) -> rusqlite::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
