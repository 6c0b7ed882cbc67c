//! The machine's memory: how much there is, and what to do when it runs short. What a container or
//! a service may have counts as the machine's when it is less.
//!
//! Instances are promised more memory together than the machine has, because functions rarely use
//! what they were given and idle instances hardly any. So the server watches what is really left
//! and ends idle instances, those that are worth least first, before the kernel has to choose. It
//! also watches the time that is lost waiting for memory ([`stall`]): a machine that throws out what
//! it needs over and over calls that memory available.

mod stall;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kiln_sandbox::{Allowance, Finding, MemoryGroup, Status};
use kiln_scheduler::Scheduler;
use kiln_types::Clock;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::stall::Stall;

/// Memory that instances may be promised together, as a multiple of what the machine has.
const OVERCOMMIT: u64 = 4;
/// Below this share of the machine's memory, idle instances are ended: one in so many bytes.
const RESERVE: u64 = 10;
/// When time is lost, so many more bytes of the machine's are missing, one in so many: how much would
/// help is unknown, so a little at a time.
const STALL_STEP: u64 = 40;
/// With more left than this share of the machine's memory, one in so many bytes, time that is lost is
/// not for want of it: a function that has used up its own waits for memory too, and would have its
/// neighbours ended.
const STALL_BELOW: u64 = 4;
/// How often to look: instances that use up the reserve at once take longer.
const EVERY: Duration = Duration::from_millis(250);

/// What there is of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
}

/// How much memory instances may be promised together unless configured.
pub(crate) fn budget_bytes() -> anyhow::Result<u64> {
    Ok(read(&MemoryGroup::of_this_process())?.total * OVERCOMMIT)
}

/// What `kiln doctor` says of the memory.
pub(crate) fn examine() -> anyhow::Result<Finding> {
    let machine = read(&[])?;
    let groups = MemoryGroup::of_this_process();
    let tightest = groups
        .iter()
        .filter_map(|group| Some((group.dir(), group.allowance()?.limit)))
        .filter(|(_, limit)| *limit < machine.total)
        .min_by_key(|(_, limit)| *limit);
    Ok(Finding {
        name: "memory",
        status: Status::Good,
        detail: detail(machine.total, tightest),
        remedy: None,
    })
}

fn detail(total: u64, tightest: Option<(&Path, u64)>) -> String {
    let limit = match tightest {
        Some((dir, limit)) => format!(", limited to {} MiB by {}", limit >> 20, dir.display()),
        None => String::new(),
    };
    let counted = tightest.map_or(total, |(_, limit)| limit);
    format!(
        "{} MiB{limit}; instances are promised up to {} MiB together, unless --memory-budget-mb says otherwise",
        total >> 20,
        (counted * OVERCOMMIT) >> 20
    )
}

/// Watches the memory until told to stop.
pub(crate) async fn watch(scheduler: Scheduler, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let groups = MemoryGroup::of_this_process();
    let mut stalls = Stall::around(&groups);
    let mut short = false;
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        let memory = match read(&groups) {
            Ok(memory) => memory,
            Err(error) => {
                error!(%error, "memory cannot be watched: the kernel decides when it runs short");
                return;
            }
        };
        let now = clock.now();
        // Each is read each time: what it says is the time lost since then.
        let stalled = stalls
            .iter_mut()
            .fold(false, |any, stall| any | stall.loses_time(now));
        let missing = missing_bytes(memory, stalled);
        if missing > 0 {
            if !short {
                say(memory, stalled);
            }
            // What an idle instance was promised is more than it holds: ask for a multiple.
            scheduler.relieve(missing * OVERCOMMIT);
        }
        short = missing > 0;
    }
}

/// That time is lost may be somebody else's doing and over in a second: then nobody must act.
fn say(memory: Memory, stalled: bool) {
    let available = memory.available;
    if missing_bytes(memory, false) > 0 {
        warn!(
            available,
            stalled, "memory is short: idle instances are ended"
        );
    } else {
        info!(
            available,
            stalled, "time is lost waiting for memory: idle instances are ended"
        );
    }
}

fn missing_bytes(memory: Memory, stalled: bool) -> u64 {
    let below_reserve = (memory.total / RESERVE).saturating_sub(memory.available);
    let is_scarce = memory.available < memory.total / STALL_BELOW;
    below_reserve
        + if stalled && is_scarce {
            memory.total / STALL_STEP
        } else {
            0
        }
}

/// What the machine has, or what these groups leave of it.
fn read(groups: &[MemoryGroup]) -> anyhow::Result<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let machine = parse(&text).context("find MemTotal and MemAvailable in /proc/meminfo")?;
    Ok(within(
        machine,
        groups.iter().filter_map(MemoryGroup::allowance),
    ))
}

fn within(machine: Memory, allowances: impl Iterator<Item = Allowance>) -> Memory {
    allowances.fold(machine, |memory, allowed| Memory {
        total: memory.total.min(allowed.limit),
        available: memory.available.min(allowed.available),
    })
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
    fn the_tightest_limit_around_the_server_counts() {
        let machine = Memory {
            total: 1_000,
            available: 500,
        };
        let allowance = |limit, available| Allowance { limit, available };
        let unlimited = allowance(u64::MAX >> 1, u64::MAX >> 2);
        assert_eq!(within(machine, [unlimited].into_iter()), machine);
        let nested = [allowance(200, 150), allowance(300, 10), unlimited];
        let expected = Memory {
            total: 200,
            available: 10,
        };
        assert_eq!(within(machine, nested.into_iter()), expected);
    }

    #[test]
    fn doctor_names_the_group_that_limits() {
        assert_eq!(
            detail(8 << 30, None),
            "8192 MiB; instances are promised up to 32768 MiB together, unless --memory-budget-mb says otherwise"
        );
        let limited = detail(8 << 30, Some((Path::new("/sys/fs/cgroup/a"), 1 << 30)));
        assert_eq!(
            limited,
            "8192 MiB, limited to 1024 MiB by /sys/fs/cgroup/a; instances are promised up to 4096 MiB together, unless --memory-budget-mb says otherwise"
        );
    }

    #[test]
    fn what_is_below_the_reserve_is_missing_and_more_when_time_is_lost() {
        let memory = |available| Memory {
            total: 1_000,
            available,
        };
        assert_eq!(missing_bytes(memory(100), false), 0);
        assert_eq!(missing_bytes(memory(40), false), 60);
        assert_eq!(missing_bytes(memory(200), true), 25);
        assert_eq!(missing_bytes(memory(500), true), 0);
        assert_eq!(missing_bytes(memory(40), true), 85);
    }
}
