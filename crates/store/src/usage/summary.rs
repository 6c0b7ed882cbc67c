//! Sums over usage records.

use kiln_types::account::AccountId;
use kiln_types::{Architecture, FunctionId, FunctionName, InvocationStatus, Timestamp, limits};
use rusqlite::{Connection, Row, params};

use super::UsageSummary;
use super::record::{architecture, number, text};

/// Ordered, so that the sums of a function are complete when the next name comes. Sorting a period
/// costs less than reading all there ever was in the order of an index, which is what SQLite
/// chooses unless it is told.
const SELECT: &str = "
    SELECT name, architecture, status, init_us IS NOT NULL, duration_us, billed_ms, memory_mb,
        ephemeral_mb, cpu_us, memory_peak_mb, received_bytes, sent_bytes, provisioned,
        restore_us IS NOT NULL, restore_billed_ms
    FROM usage INDEXED BY usage_by_time
    WHERE account = ?1 AND started >= ?2 AND started < ?3 ORDER BY name";

/// One function's sums on one architecture while its records are read.
struct Sum {
    summary: UsageSummary,
    durations_us: Vec<u64>,
}

pub(super) fn read(
    connection: &Connection,
    account: &AccountId,
    since: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Vec<UsageSummary>> {
    let mut statement = connection.prepare_cached(SELECT)?;
    let period = params![account.as_str(), since.as_millis(), until.as_millis()];
    let mut rows = statement.query(period)?;
    let mut finished = Vec::new();
    let mut open: Vec<Sum> = Vec::new();
    while let Some(row) = rows.next()? {
        let name: FunctionName = text(row, 0)?;
        let architecture = architecture(row, 1)?;
        if open
            .first()
            .is_some_and(|sum| sum.summary.function.name != name)
        {
            finished.extend(open.drain(..).map(Sum::finish));
        }
        let known = open
            .iter()
            .position(|sum| sum.summary.architecture == architecture);
        let index = known.unwrap_or_else(|| {
            let function = FunctionId {
                account: account.clone(),
                name,
            };
            open.push(Sum::new(function, architecture));
            open.len() - 1
        });
        open[index].add(row)?;
    }
    finished.extend(open.into_iter().map(Sum::finish));
    Ok(finished)
}

impl Sum {
    fn new(function: FunctionId, architecture: Architecture) -> Self {
        let summary = UsageSummary::new(function, architecture);
        Self {
            summary,
            durations_us: Vec::new(),
        }
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let succeeded =
            row.get_ref(2)?.as_bytes()? == InvocationStatus::Success.as_str().as_bytes();
        let (billed_ms, memory_mb) = (number(row, 5)?, number(row, 6)?);
        let extra_mb = number(row, 7)?.saturating_sub(u64::from(limits::EPHEMERAL_MB_MIN));
        let sum = &mut self.summary;
        let add = |total: &mut u64, amount: u64| *total = total.saturating_add(amount);
        add(&mut sum.count, 1);
        add(&mut sum.errors, u64::from(!succeeded));
        add(&mut sum.inits, u64::from(row.get::<_, bool>(3)?));
        add(&mut sum.restores, u64::from(row.get::<_, bool>(13)?));
        add(&mut sum.restore_billed_ms, number(row, 14)?);
        add(&mut sum.billed_ms, billed_ms);
        let mb_ms = memory_mb.saturating_mul(billed_ms);
        add(&mut sum.memory_mb_ms, mb_ms);
        if row.get(12)? {
            add(&mut sum.memory_on_provisioned_mb_ms, mb_ms);
        }
        add(
            &mut sum.ephemeral_extra_mb_ms,
            extra_mb.saturating_mul(billed_ms),
        );
        add(&mut sum.cpu_us, number(row, 8)?);
        add(&mut sum.traffic.received_bytes, number(row, 10)?);
        add(&mut sum.traffic.sent_bytes, number(row, 11)?);
        sum.memory_peak_mb = sum.memory_peak_mb.max(row.get(9)?);
        self.durations_us.push(number(row, 4)?);
        Ok(())
    }

    fn finish(mut self) -> UsageSummary {
        self.summary.duration_p50_us = percentile(&mut self.durations_us, 50);
        self.summary.duration_p99_us = percentile(&mut self.durations_us, 99);
        self.summary
    }
}

/// The nearest rank: of `n` sorted values the `⌈n·percent/100⌉`-th.
fn percentile(values: &mut [u64], percent: usize) -> u64 {
    let rank = (values.len() * percent).div_ceil(100);
    if rank == 0 {
        return 0;
    }
    *values.select_nth_unstable(rank - 1).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut hundred, 50), 50);
        assert_eq!(percentile(&mut hundred, 99), 99);
        assert_eq!(percentile(&mut [7], 99), 7);
        assert_eq!(percentile(&mut [], 50), 0);
        assert_eq!(percentile(&mut [9, 1, 5], 50), 5);
    }
}
