//! The files that are read after every invocation, held open: reading an open one is one system
//! call, reading it by path five.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::Version;

/// More than any of these files has.
const FILE_BYTES_MAX: usize = 512;

/// What one sandbox used, as the kernel counts it. Its reads fail once the group is removed.
#[derive(Debug)]
pub(crate) struct Meters {
    peak: File,
    cpu: File,
    cpu_version: Version,
}

impl Meters {
    pub(super) fn open(
        (memory, memory_version): (&Path, Version),
        (cpu, cpu_version): (&Path, Version),
    ) -> io::Result<Self> {
        let peak = match memory_version {
            Version::V1 => File::open(memory.join("memory.max_usage_in_bytes")),
            // Kernels before 5.19 have no memory.peak.
            Version::V2 => File::open(memory.join("memory.peak"))
                .or_else(|_| File::open(memory.join("memory.current"))),
        };
        let cpu = match cpu_version {
            Version::V1 => cpu.join("cpuacct.usage"),
            Version::V2 => cpu.join("cpu.stat"),
        };
        Ok(Self {
            peak: peak?,
            cpu: File::open(cpu)?,
            cpu_version,
        })
    }

    /// The most memory that was ever in use at once.
    pub fn memory_peak_bytes(&self) -> io::Result<u64> {
        read(&self.peak, |text| text.trim().parse().ok())
    }

    /// Time that processors spent on the sandbox.
    pub fn cpu(&self) -> io::Result<Duration> {
        match self.cpu_version {
            Version::V1 => {
                read(&self.cpu, |text| text.trim().parse().ok()).map(Duration::from_nanos)
            }
            Version::V2 => {
                let usage = |text: &str| {
                    let line = text
                        .lines()
                        .find_map(|line| line.strip_prefix("usage_usec "))?;
                    line.trim().parse().ok()
                };
                read(&self.cpu, usage).map(Duration::from_micros)
            }
        }
    }
}

fn read(file: &File, parse: impl Fn(&str) -> Option<u64>) -> io::Result<u64> {
    let mut buffer = [0; FILE_BYTES_MAX];
    let length = file.read_at(&mut buffer, 0)?;
    let text = std::str::from_utf8(&buffer[..length]).map_err(io::Error::other)?;
    parse(text).ok_or_else(|| io::Error::other("not what the kernel documents"))
}
