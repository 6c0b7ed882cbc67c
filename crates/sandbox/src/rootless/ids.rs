//! Subordinate ids: whose they are (subuid(5)), and how they are mapped (user_namespaces(7)).

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

/// Who says which ids are subordinate to whom, and who maps them: of users first, then of groups.
pub(super) const FILES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
pub(super) const PROGRAMS: [&str; 2] = ["newuidmap", "newgidmap"];
/// Where they are looked for before `PATH`, in which others may have put theirs, and which is short for a service.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"];

/// Ids that follow each other inside and outside of a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// What users and groups of a namespace are outside.
#[derive(Debug)]
pub(super) struct Mapping {
    users: Vec<Extent>,
    groups: Vec<Extent>,
}

/// Where a program is.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut directories = DIRECTORIES.into_iter().chain(path.split(':'));
    directories.find_map(|directory| {
        let program = Path::new(directory).join(name);
        let is_one = program.is_absolute() && program.is_file();
        (is_one && access(&program, Access::EXEC_OK).is_ok()).then_some(program)
    })
}

/// Reads `uid_map` or `gid_map`.
pub(super) fn parse_map(text: &str) -> Vec<Extent> {
    let extent = |line: &str| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        Some(Extent {
            inside: numbers.next()?,
            outside: numbers.next()?,
            count: numbers.next()?,
        })
    };
    text.lines().filter_map(extent).collect()
}

/// Whether a map is that of the machine itself.
pub(super) fn is_whole(map: &[Extent]) -> bool {
    let whole = Extent {
        inside: 0,
        outside: 0,
        count: u32::MAX,
    };
    map == [whole]
}

/// Whether all these are somebody outside.
pub(crate) fn covers(map: &[Extent], ids: &Range<u32>) -> bool {
    let mut next = ids.start;
    while next < ids.end {
        let holds = |extent: &&Extent| next >= extent.inside && next - extent.inside < extent.count;
        match map.iter().find(holds) {
            Some(extent) => next = extent.inside.saturating_add(extent.count),
            None => return false,
        }
    }
    true
}

/// The subordinate ids that a file gives to a user, by name or number, each once, in order.
pub(super) fn subordinate(file: &str, name: Option<&str>, uid: u32) -> Vec<Range<u32>> {
    let number = uid.to_string();
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let is_own = Some(owner) == name || owner == number;
        let end = u32::checked_add(start, count)?;
        is_own.then_some(start..end)
    };
    merged(file.lines().filter_map(range).collect())
}

/// The same ids, in order and each once: ranges may overlap, and lines may be repeated.
fn merged(mut ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The name of a user, as `passwd` has it.
pub(super) fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let line = passwd.lines().find(|line| {
        let field = line.split(':').nth(2);
        field.and_then(|field| field.parse().ok()) == Some(uid)
    })?;
    line.split(':').next().map(str::to_owned)
}

/// The name of this process's user: whom a directory service knows is not in the file, and whom nothing here knows has a name in
/// the environment. `newuidmap` looks for itself.
fn name_of_this_user(uid: u32) -> Option<String> {
    let in_file = || name_of(&fs::read_to_string("/etc/passwd").ok()?, uid);
    let in_service = || {
        let mut getent = Command::new(find_program("getent")?);
        let output = getent
            .arg("passwd")
            .arg(uid.to_string())
            .stdin(Stdio::null())
            .output();
        name_of(&String::from_utf8_lossy(&output.ok()?.stdout), uid)
    };
    let in_environment = || {
        let mut names = ["USER", "LOGNAME"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        names.find(|name| !name.is_empty())
    };
    in_file().or_else(in_service).or_else(in_environment)
}

/// The subordinate ids of this process's user: of users, or of groups.
pub(super) fn of_this_user(file: &str) -> Vec<Range<u32>> {
    let uid = rustix::process::getuid().as_raw();
    let name = name_of_this_user(uid);
    let text = fs::read_to_string(file).unwrap_or_default();
    subordinate(&text, name.as_deref(), uid)
}

/// The map in which 0 is `own` and `wanted` are the first of `given`. `None` when those are too few.
fn map(own: u32, wanted: &Range<u32>, given: &[Range<u32>]) -> Option<Vec<Extent>> {
    let mut extents = vec![Extent {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut next = wanted.start;
    for range in given.iter().filter(|range| !range.is_empty()) {
        let count = (wanted.end - next).min(range.end - range.start);
        if count > 0 {
            extents.push(Extent {
                inside: next,
                outside: range.start,
                count,
            });
            next += count;
        }
    }
    (next == wanted.end).then_some(extents)
}

impl Mapping {
    pub(super) fn of_this_user(wanted: &Range<u32>) -> io::Result<Self> {
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let [users, groups] = FILES.map(of_this_user);
        let few = || io::Error::other("there are too few subordinate ids");
        Ok(Self {
            users: map(uid, wanted, &users).ok_or_else(few)?,
            groups: map(gid, wanted, &groups).ok_or_else(few)?,
        })
    }

    /// Has the maps of a process's namespace written.
    pub(super) fn write(&self, pid: i32) -> io::Result<()> {
        for (program, extents) in PROGRAMS.iter().zip([&self.users, &self.groups]) {
            let numbers = extents
                .iter()
                .flat_map(|extent| [extent.inside, extent.outside, extent.count]);
            let path = find_program(program).ok_or(io::ErrorKind::NotFound)?;
            let output = Command::new(path)
                .arg(pid.to_string())
                .args(numbers.map(|number| number.to_string()))
                .stdin(Stdio::null())
                .output()
                .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(io::Error::other(format!("{program}: {}", said.trim())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBUID: &str = "ann:100000:65536\nbob:165536:10\n# a comment\nbob:x:10\n1001:300000:5\n";

    #[test]
    fn ids_are_those_of_the_name_and_of_the_number() {
        let of = |name, uid| subordinate(SUBUID, name, uid);
        let whole = 100_000..165_536;
        assert_eq!(of(Some("ann"), 1_000), [whole]);
        assert_eq!(of(Some("bob"), 1_001), [165_536..165_546, 300_000..300_005]);
        assert_eq!(of(None, 1_002), []);
    }

    #[test]
    fn ids_that_are_given_twice_count_once() {
        let file = "ann:300:10\nann:100:50\nann:120:50\nann:300:10\nann:310:5\nann:400:0\n";
        assert_eq!(subordinate(file, Some("ann"), 1_000), [100..170, 300..315]);
    }

    #[test]
    fn name_is_found_by_the_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/srv/ann:/bin/sh\n";
        assert_eq!(name_of(passwd, 1_000).as_deref(), Some("ann"));
        assert_eq!(name_of(passwd, 100), None);
    }

    #[test]
    fn map_takes_what_it_needs_of_one_range_after_the_other() {
        let extent = |inside, outside, count| Extent {
            inside,
            outside,
            count,
        };
        let given = [500..503, 900..900, 700..710];
        let expected = vec![extent(0, 1_000, 1), extent(70, 500, 3), extent(73, 700, 2)];
        assert_eq!(map(1_000, &(70..75), &given), Some(expected.clone()));
        assert_eq!(map(1_000, &(70..84), &given), None);
        assert!(covers(&expected, &(70..75)) && covers(&expected, &(0..1)));
        assert!(!covers(&expected, &(70..76)) && !covers(&expected, &(69..72)));
    }

    #[test]
    fn the_machines_own_map_is_known() {
        assert!(is_whole(&parse_map("         0          0 4294967295\n")));
        assert!(!is_whole(&parse_map("0 1000 1\n1 100000 65536\n")));
        assert!(!is_whole(&parse_map("")));
    }
}
