//! What was kept ready, as rows and as sums.

use kiln_types::account::AccountId;
use kiln_types::{FunctionId, FunctionName, ProvisionedRecord, Timestamp};
use rusqlite::{Connection, params};

use super::UsageSummary;
use super::record::{architecture, number, text, whole};
use crate::error::{Doing, Error};

/// How long before a period something may have begun that reaches into it: records are an hour long, and
/// what it takes to write the last of them down.
const REACH_MS: i64 = 2 * 3_600_000;

pub(super) fn insert(connection: &Connection, records: &[ProvisionedRecord]) -> Result<(), Error> {
    let doing = "append provisioned usage";
    let insert = "INSERT INTO provisioned_usage
            (account, name, version, started, duration_ms, instances, memory_mb, architecture)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT DO UPDATE SET duration_ms = max(duration_ms, excluded.duration_ms)";
    let mut statement = connection.prepare_cached(insert).doing(doing)?;
    for record in records {
        let values = params![
            record.function.account.as_str(),
            record.function.name.as_str(),
            record.version.to_string(),
            record.started.as_millis(),
            whole(record.duration_ms),
            record.instances,
            record.memory.get(),
            record.architecture.as_str(),
        ];
        statement.execute(values).doing(doing)?;
    }
    Ok(())
}

/// Adds what an account's functions had kept ready to the sums of their invocations, which are in the
/// order of names. A function that was not invoked gets a sum of its own.
pub(super) fn add(
    connection: &Connection,
    mut sums: Vec<UsageSummary>,
    account: &AccountId,
    since: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Vec<UsageSummary>> {
    // A period is read by its time and by nothing else, as that of invocations is.
    let select = "SELECT name, architecture, started, duration_ms, instances, memory_mb
        FROM provisioned_usage INDEXED BY provisioned_usage_by_time
        WHERE account = ?1 AND started >= ?2 AND started < ?3";
    let mut statement = connection.prepare_cached(select)?;
    let (since, until) = (since.as_millis(), until.as_millis());
    let period = params![account.as_str(), since.saturating_sub(REACH_MS), until];
    let mut rows = statement.query(period)?;
    while let Some(row) = rows.next()? {
        let name: FunctionName = text(row, 0)?;
        let architecture = architecture(row, 1)?;
        let started: i64 = row.get(2)?;
        let ended = started.saturating_add(row.get(3)?);
        let within_ms = ended.min(until).saturating_sub(started.max(since));
        let Some(within_ms) = u64::try_from(within_ms).ok().filter(|ms| *ms > 0) else {
            continue;
        };
        let memory_mb = number(row, 4)?.saturating_mul(number(row, 5)?);
        let mb_ms = memory_mb.saturating_mul(within_ms);
        let first = sums.partition_point(|sum| sum.function.name < name);
        let mut of_name = sums[first..]
            .iter()
            .take_while(|sum| sum.function.name == name);
        let place = of_name.position(|sum| sum.architecture == architecture);
        if place.is_none() {
            let account = account.clone();
            let sum = UsageSummary::new(FunctionId { account, name }, architecture);
            sums.insert(first, sum);
        }
        let index = first + place.unwrap_or(0);
        let total = &mut sums[index].provisioned_mb_ms;
        *total = total.saturating_add(mb_ms);
    }
    Ok(sums)
}
