//! The files of cgroup version 2.

use std::fs;
use std::io;
use std::path::Path;

/// The period over which processor time is counted, in microseconds (the kernel's default).
const PERIOD_US: u64 = 100_000;
/// The kernel takes no smaller quota.
const QUOTA_MIN_US: u64 = 1_000;

/// Lets the groups inside `directory` use a controller; the parents must let `directory` have it.
pub(super) fn enable(directory: &Path, controller: &str) -> io::Result<()> {
    let available = fs::read_to_string(directory.join("cgroup.controllers"))?;
    if !available.split_whitespace().any(|name| name == controller)
        && let Some(parent) = directory.parent()
    {
        fs::write(
            parent.join("cgroup.subtree_control"),
            format!("+{controller}"),
        )?;
    }
    fs::write(
        directory.join("cgroup.subtree_control"),
        format!("+{controller}"),
    )
}

pub(super) fn limit_memory(directory: &Path, bytes: u64) -> io::Result<()> {
    let swap = directory.join("memory.swap.max");
    if swap.exists() {
        fs::write(swap, "0")?;
    }
    fs::write(directory.join("memory.max"), bytes.to_string())
}

pub(super) fn limit_cpu(directory: &Path, cpu_millis: u32) -> io::Result<()> {
    let quota = (u64::from(cpu_millis) * PERIOD_US / 1_000).max(QUOTA_MIN_US);
    fs::write(directory.join("cpu.max"), format!("{quota} {PERIOD_US}"))
}

pub(super) fn freeze(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.freeze"), "1")
}

/// Whether all processes stand still.
pub(super) fn is_frozen(directory: &Path) -> io::Result<bool> {
    Ok(super::value_of(&directory.join("cgroup.events"), "frozen")? == 1)
}

pub(super) fn thaw(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.freeze"), "0")
}
