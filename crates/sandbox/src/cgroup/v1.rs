//! The files of cgroup version 1.

use std::fs;
use std::io;
use std::path::Path;

/// The period over which processor time is counted, in microseconds (the kernel's default).
const PERIOD_US: u64 = 100_000;
/// The kernel takes no smaller quota.
const QUOTA_MIN_US: u64 = 1_000;

pub(super) fn limit_memory(directory: &Path, bytes: u64) -> io::Result<()> {
    let plain = directory.join("memory.limit_in_bytes");
    let with_swap = directory.join("memory.memsw.limit_in_bytes");
    let bytes = bytes.to_string();
    if !with_swap.exists() {
        return fs::write(plain, bytes);
    }
    // The kernel keeps memory <= memory+swap at every step, so the order depends on the direction.
    if fs::write(&plain, &bytes).is_err() {
        fs::write(&with_swap, &bytes)?;
        fs::write(&plain, &bytes)?;
    }
    fs::write(with_swap, bytes)
}

pub(super) fn limit_cpu(directory: &Path, cpu_millis: u32) -> io::Result<()> {
    let quota = (u64::from(cpu_millis) * PERIOD_US / 1_000).max(QUOTA_MIN_US);
    fs::write(directory.join("cpu.cfs_quota_us"), quota.to_string())
}

pub(super) fn freeze(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("freezer.state"), "FROZEN")
}

/// Whether all processes stand still; before that, the state is `FREEZING`.
pub(super) fn is_frozen(directory: &Path) -> io::Result<bool> {
    let state = fs::read_to_string(directory.join("freezer.state"))?;
    Ok(state.trim() == "FROZEN")
}

pub(super) fn thaw(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("freezer.state"), "THAWED")
}
