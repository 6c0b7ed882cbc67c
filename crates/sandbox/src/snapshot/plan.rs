//! How a process becomes the copy of another: the list of system calls that replaces its memory.
//!
//! Both descend from the same zygote, so the kernel put the same things at the same places in them:
//! libraries that neither wrote to, the vdso, the stack. Those stay. Everything else is unmapped or
//! replaced: pages of the original come out of one file, of which every copy has a private mapping,
//! so copies share what none of them writes.

use std::collections::HashMap;

use super::effort::{Effort, Refusal};
use super::memory::{PAGE, Process, Region};
use super::scan;

/// Where the plan is mapped while it is carried out: far from where the kernel puts anything.
pub(super) const ADDRESS: u64 = 0x1000_0000_0000;
/// The end of the addresses that a process may use.
const ADDRESS_END: u64 = 0x7FFF_FFFF_F000;
/// Room below a stack that a process may have grown into.
const STACK_BYTES: u64 = 64 << 20;
/// The descriptors that a plan uses: the pages, then files. Whoever carries it out opens them.
pub(super) const PAGES_FD: u32 = 511;
const FILES_FIRST: u32 = 512;
const FILES_MAX: usize = 500;
/// Runs of pages with fewer than this many empty ones between them become one mapping: a mapping
/// costs as much as a few pages.
const GAP_PAGES_MAX: u64 = 16;
/// More would make every start slow.
const STEPS_MAX: usize = 16 * 1024;
/// Where a sandbox has files of its own, which another sandbox has not.
const OWN_DIRECTORIES: [&str; 3] = ["/tmp/", "/dev/shm/", "/mnt/"];

/// The entries of a plan, and the files that it needs.
#[derive(Debug)]
pub(super) struct Plan {
    pub steps: Vec<[u64; 8]>,
    /// A descriptor and the path of what it must be.
    pub files: Vec<(u32, String)>,
    /// What the file of pages consists of, in order: ranges of the original's memory.
    pub copied: Vec<(u64, u64)>,
    /// How much that is.
    pub bytes: u64,
}

/// Makes a plan. Copies nothing: whether the process is fit is known before a byte is written.
pub(super) struct Planner<'a> {
    original: &'a Process,
    parent: &'a Process,
    bytes_max: u64,
    effort: &'a mut Effort,
    plan: Plan,
    numbers: HashMap<String, u32>,
    /// What stays, and what is replaced: sorted, as the original's memory is.
    covered: Vec<(u64, u64)>,
    last: Vec<[u64; 8]>,
}

impl<'a> Planner<'a> {
    /// Of a process and the zygote that it descends from.
    pub fn new(
        original: &'a Process,
        parent: &'a Process,
        bytes_max: u64,
        effort: &'a mut Effort,
    ) -> Self {
        let plan = Plan {
            steps: Vec::new(),
            files: Vec::new(),
            copied: Vec::new(),
            bytes: 0,
        };
        Self {
            original,
            parent,
            bytes_max,
            effort,
            plan,
            numbers: HashMap::new(),
            covered: Vec::new(),
            last: Vec::new(),
        }
    }

    pub fn plan(mut self) -> Result<Plan, Refusal> {
        let regions = self.original.regions()?;
        let inherited = self.parent.regions()?;
        for region in &regions {
            if region.start < ADDRESS + STACK_BYTES && ADDRESS < region.end {
                return Err(Refusal::unfit("its memory lies where none should"));
            }
            self.region(region, &inherited)?;
            if self.plan.steps.len() > STEPS_MAX {
                return Err(Refusal::unfit("its memory is in too many pieces"));
            }
        }
        self.covered.push((ADDRESS, ADDRESS + STACK_BYTES));
        self.covered.sort_unstable();
        let mut steps = gaps(&self.covered)
            .map(|(start, end)| call(libc::SYS_munmap, [start, end - start, 0, 0, 0, 0], 0))
            .collect::<Vec<_>>();
        let heap = regions.iter().find(|region| region.name == "[heap]");
        steps.extend(heap.map(|heap| call(libc::SYS_brk, [heap.end, 0, 0, 0, 0, 0], heap.end)));
        steps.append(&mut self.plan.steps);
        steps.append(&mut self.last);
        let used = self.plan.files.iter().map(|(number, _)| *number);
        for fd in used.chain([PAGES_FD]) {
            steps.push(call(libc::SYS_close, [fd.into(), 0, 0, 0, 0, 0], 0));
        }
        self.plan.steps = steps;
        Ok(self.plan)
    }

    fn region(&mut self, region: &Region, inherited: &[Region]) -> Result<(), Refusal> {
        match region.name.as_str() {
            // Beyond what a process may map.
            "[vsyscall]" => return Ok(()),
            "[stack]" => return self.stack(region),
            name if name == "[vdso]" || name.starts_with("[vvar") => {
                self.covered.push((region.start, region.end));
                return Ok(());
            }
            _ => {}
        }
        self.covered.push((region.start, region.end));
        if region.is_shared && region.is_writable() {
            let what = match region.name.as_str() {
                "" => "memory",
                name => name,
            };
            return Err(Refusal::Unfit(format!(
                "it shares memory with other processes ({what})"
            )));
        }
        if region.is_file() && !region.is_writable() && can_be_opened(region) {
            let same = inherited.binary_search_by_key(&region.start, |of| of.start);
            let is_inherited = same.is_ok_and(|index| inherited[index] == *region);
            return self.file(region, is_inherited);
        }
        match region.is_file() {
            // All of it: what the file holds there is not looked for in the copy's sandbox.
            true => self.replace(region, (region.start, region.end)),
            false => self.anonymous(region),
        }
    }

    /// A stack stays where it is and is written to: a mapping in its place would not grow.
    fn stack(&mut self, region: &Region) -> Result<(), Refusal> {
        let lowest = region.end.saturating_sub(STACK_BYTES).min(region.start);
        self.covered.push((lowest, region.end));
        let own = self.own_pages(region)?;
        let Some((start, _)) = own.first().copied() else {
            return Ok(());
        };
        let (length, offset) = (region.end - start, self.copy(start, region.end)?);
        let arguments = [PAGES_FD.into(), start, length, offset, 0, 0];
        self.plan
            .steps
            .push(call(libc::SYS_pread64, arguments, length));
        Ok(())
    }

    /// A file that nobody writes to, apart from the pages that somebody did write to.
    fn file(&mut self, region: &Region, is_inherited: bool) -> Result<(), Refusal> {
        let own = self.own_pages(region)?;
        if !is_inherited {
            let Some(fd) = self.open(&region.name) else {
                return self.replace(region, (region.start, region.end));
            };
            let sharing = if region.is_shared {
                libc::MAP_SHARED
            } else {
                libc::MAP_PRIVATE
            };
            let range = (region.start, region.end);
            self.map(region, range, sharing, Some((fd, region.offset)));
        }
        for run in own {
            if !is_inherited || !self.is_as_inherited(run)? {
                self.replace(region, run)?;
            }
        }
        Ok(())
    }

    fn anonymous(&mut self, region: &Region) -> Result<(), Refusal> {
        let runs = merge(&self.own_pages(region)?);
        let whole = (region.start, region.end);
        if runs != [whole] {
            self.map(region, whole, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None);
        }
        for run in runs {
            self.replace(region, run)?;
        }
        Ok(())
    }

    /// Pages of the original in place of whatever is there.
    fn replace(&mut self, region: &Region, run: (u64, u64)) -> Result<(), Refusal> {
        let offset = self.copy(run.0, run.1)?;
        self.map(region, run, libc::MAP_PRIVATE, Some((PAGES_FD, offset)));
        Ok(())
    }

    fn map(
        &mut self,
        region: &Region,
        (start, end): (u64, u64),
        flags: i32,
        of: Option<(u32, u64)>,
    ) {
        let flags = (flags | libc::MAP_FIXED | libc::MAP_NORESERVE) as u64;
        let (fd, offset) = of.map_or((u64::MAX, 0), |(fd, offset)| (fd.into(), offset));
        let arguments = [start, end - start, region.protection, flags, fd, offset];
        self.plan.steps.push(call(libc::SYS_mmap, arguments, start));
    }

    fn own_pages(&mut self, region: &Region) -> Result<Vec<(u64, u64)>, Refusal> {
        scan::own_pages(self.original.pages(), region, self.effort)
    }

    /// Has memory of the original copied into the file and says where to.
    fn copy(&mut self, start: u64, end: u64) -> Result<u64, Refusal> {
        let offset = self.plan.bytes;
        self.plan.bytes += end - start;
        if self.plan.bytes > self.bytes_max {
            let most = self.bytes_max >> 20;
            return Err(Refusal::Unfit(format!("it uses more than {most} MiB")));
        }
        // One region can have more pieces than there may be steps.
        if self.plan.copied.len() >= STEPS_MAX {
            return Err(Refusal::unfit("its memory is in too many pieces"));
        }
        self.plan.copied.push((start, end));
        Ok(offset)
    }

    fn is_as_inherited(&self, (start, end): (u64, u64)) -> Result<bool, Refusal> {
        let (mut ours, mut theirs) = ([0; PAGE as usize], [0; PAGE as usize]);
        for page in (start..end).step_by(PAGE as usize) {
            self.effort.go_on()?;
            self.original.read(page, &mut ours)?;
            self.parent.read(page, &mut theirs)?;
            if ours != theirs {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The descriptor of a file; none when there are too many.
    fn open(&mut self, path: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(path) {
            return Some(*number);
        }
        let number = FILES_FIRST + self.plan.files.len() as u32;
        (self.plan.files.len() < FILES_MAX).then(|| {
            self.plan.files.push((number, path.to_owned()));
            self.numbers.insert(path.to_owned(), number);
            number
        })
    }
}

/// One entry: the number, the arguments, what it must give.
fn call(number: libc::c_long, arguments: [u64; 6], result: u64) -> [u64; 8] {
    let [a, b, c, d, e, f] = arguments;
    [number as u64, a, b, c, d, e, f, result]
}

/// Whether another sandbox of the function has the same file at this path.
fn can_be_opened(region: &Region) -> bool {
    let name = &region.name;
    let is_own = OWN_DIRECTORIES.iter().any(|own| name.starts_with(own));
    // The kernel writes special characters as `\012`.
    name.starts_with('/') && !is_own && !name.ends_with(" (deleted)") && !name.contains('\\')
}

fn merge(runs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for &(start, end) in runs {
        match merged.last_mut() {
            Some((_, last)) if start - *last <= GAP_PAGES_MAX * PAGE => *last = end,
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// What lies between sorted ranges, from the first address to the last.
fn gaps(covered: &[(u64, u64)]) -> impl Iterator<Item = (u64, u64)> {
    let starts = std::iter::once(PAGE).chain(covered.iter().map(|(_, end)| *end));
    let ends = covered.iter().map(|(start, _)| *start).chain([ADDRESS_END]);
    starts.zip(ends).filter(|(start, end)| start < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_runs_become_one() {
        let near = 3 * PAGE;
        let far = (GAP_PAGES_MAX + 4) * PAGE;
        let runs = [
            (0, PAGE),
            (near, near + PAGE),
            (far + near, far + near + PAGE),
        ];
        let merged = merge(&runs);
        assert_eq!(merged, [(0, near + PAGE), (far + near, far + near + PAGE)]);
    }

    #[test]
    fn gaps_are_all_that_is_not_covered() {
        let covered = [
            (2 * PAGE, 3 * PAGE),
            (3 * PAGE, 5 * PAGE),
            (8 * PAGE, 9 * PAGE),
        ];
        let found: Vec<_> = gaps(&covered).collect();
        let expected = [
            (PAGE, 2 * PAGE),
            (5 * PAGE, 8 * PAGE),
            (9 * PAGE, ADDRESS_END),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn files_of_one_sandbox_alone_are_copied_and_not_opened() {
        let region = |name: &str| Region {
            end: PAGE,
            protection: 1,
            inode: 1,
            name: name.to_owned(),
            ..Region::default()
        };
        for (name, expected) in [
            ("/usr/lib/libc.so.6", true),
            ("/var/task/native.so", true),
            ("/tmp/native.so", false),
            ("/var/task/native.so (deleted)", false),
            ("/dev/shm/sem.x", false),
            ("anon_inode:x", false),
        ] {
            assert_eq!(can_be_opened(&region(name)), expected, "{name}");
        }
    }
}
