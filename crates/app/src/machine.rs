//! The machine's memory: how much there is, and what to do when it runs short.
//!
//! Instances are promised more memory together than the machine has, because functions rarely use
//! what they were given and idle instances hardly any. So the server watches what is really left
//! and ends idle instances, the least recently used first, before the kernel has to choose.

use std::time::Duration;

use anyhow::Context;
use kiln_scheduler::Scheduler;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Memory that instances may be promised together, as a multiple of what the machine has.
const OVERCOMMIT: u64 = 4;
/// Below this share of the machine's memory, idle instances are ended: one in so many bytes.
const RESERVE: u64 = 10;
/// How often to look.
const EVERY: Duration = Duration::from_secs(1);

/// What the kernel says of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
}

/// How much memory instances may be promised together unless configured.
pub(crate) fn budget_bytes() -> anyhow::Result<u64> {
    Ok(read()?.total * OVERCOMMIT)
}

/// Watches the memory until told to stop.
pub(crate) async fn watch(scheduler: Scheduler, stop: CancellationToken) {
    let mut short = false;
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        let memory = match read() {
            Ok(memory) => memory,
            Err(error) => {
                error!(%error, "memory cannot be watched: the kernel decides when it runs short");
                return;
            }
        };
        let missing = missing_bytes(memory);
        if missing > 0 {
            if !short {
                warn!(
                    available = memory.available,
                    "memory is short: idle instances are ended"
                );
            }
            // What an idle instance was promised is more than it holds: ask for a multiple.
            scheduler.relieve(missing * OVERCOMMIT);
        }
        short = missing > 0;
    }
}

fn missing_bytes(memory: Memory) -> u64 {
    (memory.total / RESERVE).saturating_sub(memory.available)
}

fn read() -> anyhow::Result<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    parse(&text).context("find MemTotal and MemAvailable in /proc/meminfo")
}

fn parse(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib << 10)
    };
    Some(Memory {
        total: bytes("MemTotal:")?,
        available: bytes("MemAvailable:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_text_is_read_in_bytes() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   12000000 kB\n";
        let expected = Memory {
            total: 24_000_000 << 10,
            available: 12_000_000 << 10,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn only_what_is_below_the_reserve_is_missing() {
        assert_eq!(
            missing_bytes(Memory {
                total: 1_000,
                available: 100
            }),
            0
        );
        assert_eq!(
            missing_bytes(Memory {
                total: 1_000,
                available: 40
            }),
            60
        );
    }
}
