//! Finds the pages that a process has written.
//!
//! Since Linux 6.7 the kernel does the looking and passes over what is not mapped (`PAGEMAP_SCAN`):
//! 100 TiB of reserved addresses cost it nothing. Older ones have `pagemap` only, with eight bytes for
//! each page, mapped or not: 200 GiB for the same reservation, for which there is not the time.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::effort::{Effort, Refusal};
use super::memory::{PAGE, Region};
use crate::sys;

/// What the kernel looks through before the time is looked at: page tables of 128 MiB at most, which
/// take it some 50 ms.
const WINDOW_BYTES: u64 = 64 << 30;
/// Ranges that it gives at once.
const FOUND_MAX: usize = 1024;

/// The pages of a region that are the process's own, not a file's, as sorted ranges. `pages` is the
/// process's `pagemap`.
pub(super) fn own_pages(
    pages: &File,
    region: &Region,
    effort: &mut Effort,
) -> Result<Vec<(u64, u64)>, Refusal> {
    match scan(pages, region, effort) {
        Err(Refusal::Io(error)) if error.raw_os_error() == Some(libc::ENOTTY) => {
            read(pages, region, effort)
        }
        scanned => scanned,
    }
}

fn scan(pages: &File, region: &Region, effort: &mut Effort) -> Result<Vec<(u64, u64)>, Refusal> {
    let mut runs = Vec::new();
    let mut found = [sys::Pages::default(); FOUND_MAX];
    let mut at = region.start;
    while at < region.end {
        effort.go_on()?;
        let end = region.end.min(at.saturating_add(WINDOW_BYTES));
        // Where there is no file, what was read and never written is zero in the copy too.
        let count = sys::own_pages(pages, (at, end), !region.is_file(), &mut found)?;
        for pages in &found[..count] {
            effort.add(&mut runs, (pages.start, pages.end))?;
        }
        // Where it says that it stopped can lie before what it found (seen with Linux 6.18).
        at = match found[..count].last() {
            Some(last) if count == FOUND_MAX => last.end,
            _ => end,
        };
    }
    Ok(runs)
}

/// The same on kernels without it.
fn read(pages: &File, region: &Region, effort: &mut Effort) -> Result<Vec<(u64, u64)>, Refusal> {
    const ENTRY: u64 = 8;
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;
    let mut runs = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut page = region.start / PAGE;
    let last = region.end / PAGE;
    while page < last {
        effort.go_on()?;
        let wanted = ((last - page) * ENTRY).min(buffer.len() as u64) as usize;
        pages.read_exact_at(&mut buffer[..wanted], page * ENTRY)?;
        for entry in buffer[..wanted].chunks_exact(ENTRY as usize) {
            let entry = u64::from_ne_bytes(entry.try_into().expect("eight bytes"));
            if entry & SWAPPED != 0 || entry & PRESENT != 0 && entry & OF_FILE == 0 {
                let start = page * PAGE;
                effort.add(&mut runs, (start, start + PAGE))?;
            }
            page += 1;
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::memory::Process;
    use super::*;

    /// Addresses of this process, of which every `nth` page is written.
    struct Sparse {
        region: Region,
        _memory: Vec<u8>,
    }

    impl Sparse {
        fn new(pages: usize, nth: usize) -> Self {
            let bytes = PAGE as usize;
            // From the allocator they come as zeroes that nobody has touched.
            let mut memory = vec![0_u8; (pages + 1) * bytes];
            let start = (memory.as_ptr() as u64).next_multiple_of(PAGE);
            let skip = (start - memory.as_ptr() as u64) as usize;
            for page in (0..pages).step_by(nth) {
                memory[skip + page * bytes] = 7;
            }
            let region = Region {
                start,
                end: start + (pages * bytes) as u64,
                ..Region::default()
            };
            Self {
                region,
                _memory: memory,
            }
        }
    }

    fn this_process() -> Process {
        Process::open(std::process::id() as i32).expect("this process")
    }

    #[test]
    fn both_ways_find_what_was_written() {
        let (process, sparse) = (this_process(), Sparse::new(4096, 2));
        let read = read(process.pages(), &sparse.region, &mut Effort::new());
        let found = own_pages(process.pages(), &sparse.region, &mut Effort::new());
        let found = found.expect("they are few");
        assert!(found == read.expect("they are few"));
        let start = sparse.region.start;
        let every_second = |index: u64| start + 2 * index * PAGE;
        let expected = (0..2048).map(|index| (every_second(index), every_second(index) + PAGE));
        assert!(found == expected.collect::<Vec<_>>());
    }

    #[test]
    fn runs_and_time_have_an_end() {
        let (process, sparse) = (this_process(), Sparse::new(64, 2));
        let reason = |mut effort: Effort| {
            let of = [own_pages, read].map(|way| way(process.pages(), &sparse.region, &mut effort));
            of.map(|found| match found {
                Err(Refusal::Unfit(why)) => why,
                other => panic!("it is not refused: {other:?}"),
            })
        };
        let pieces = reason(Effort::with(31, Duration::from_secs(60)));
        assert_eq!(pieces, ["its memory is in too many pieces"; 2]);
        let time = reason(Effort::with(1024, Duration::ZERO));
        assert_eq!(time, ["looking through its memory takes too long"; 2]);
    }
}
