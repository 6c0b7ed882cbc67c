//! The time that is lost waiting for memory: the kernel's pressure stall information.
//!
//! That of the machine, and that of the server's own control group where it counts (version 2).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_sandbox::MemoryGroup;
use kiln_types::Moment;

/// More than one in so many parts of the time is too much.
const PARTS: u32 = 10;

/// A file of stall information, and what it said last.
pub(super) struct Stall {
    file: PathBuf,
    /// When it was read, and for how long somebody had been stalled by then in all.
    last: Option<(Moment, Duration)>,
}

impl Stall {
    /// That of the machine and of the innermost group.
    pub(super) fn around(groups: &[MemoryGroup]) -> Vec<Self> {
        let own = groups
            .iter()
            .map(|group| group.dir().join("memory.pressure"));
        let own = own.filter(|file| file.exists()).take(1);
        let machine = std::iter::once("/proc/pressure/memory".into());
        machine
            .chain(own)
            .map(|file| Self { file, last: None })
            .collect()
    }

    /// Whether too much of the time since the last call was lost. Not at the first call, and not
    /// on a kernel that does not say.
    pub(super) fn loses_time(&mut self, now: Moment) -> bool {
        let Some(total) = stalled_in_all(&self.file) else {
            return false;
        };
        let Some((then, before)) = self.last.replace((now, total)) else {
            return false;
        };
        total.saturating_sub(before) * PARTS > now.since(then)
    }
}

/// The time in which at least one task was stalled, ever.
fn stalled_in_all(file: &Path) -> Option<Duration> {
    let text = fs::read_to_string(file).ok()?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let micros = some.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_tenth_of_the_time_since_the_last_look_is_not_too_much_and_more_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memory");
        let lost = |micros: u64| {
            let text = format!(
                "some avg10=0.00 avg60=0.00 avg300=0.00 total={micros}\n\
                 full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
            );
            fs::write(&file, text).unwrap();
        };
        let mut stall = Stall {
            file: file.clone(),
            last: None,
        };
        assert!(!stall.loses_time(seconds(1)), "the kernel does not say");
        lost(5_000_000);
        assert!(!stall.loses_time(seconds(2)), "it may be long ago");
        lost(5_100_000);
        assert!(!stall.loses_time(seconds(3)));
        lost(5_300_001);
        assert!(stall.loses_time(seconds(5)));
        assert!(!stall.loses_time(seconds(6)));
    }
}
