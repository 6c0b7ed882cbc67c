//! The control groups that this process is in. Without root they are all that it may divide: whoever
//! started it gave them to its user (delegation, cgroups(7)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::mounts::{self, Kind, Mounted};
use crate::error::Error;
use crate::examine::DELEGATE;

/// Where in a group of version 2 the processes are that were in it: a group with limits below it may
/// have none itself.
const LEAF: &str = "supervisor";

/// Those trees in which the group of this process is its user's, with that group in the place of the
/// mount point.
pub(super) fn groups(mounted: Vec<Mounted>, cgroup: &str) -> Vec<Mounted> {
    let own = mounted.into_iter().filter_map(|tree| {
        let point = group(&tree, cgroup)?;
        let is_own = access(&point, Access::WRITE_OK).is_ok()
            && access(point.join("cgroup.procs"), Access::WRITE_OK).is_ok();
        is_own.then_some(Mounted { point, ..tree })
    });
    own.collect()
}

/// The directory of the group that a process is in, by what its `/proc/<pid>/cgroup` says.
fn group(tree: &Mounted, cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let is_of_tree = match &tree.kind {
            Kind::V2 => controllers.is_empty(),
            Kind::V1(options) => {
                let mut names = controllers.split(',');
                names.any(|name| options.iter().any(|option| option == name))
            }
        };
        is_of_tree.then_some(path)
    })?;
    let mut group = tree.directories(path).into_iter().next()?;
    if tree.kind == Kind::V2 && group.ends_with(LEAF) {
        group.pop();
    }
    Some(group)
}

/// The trees that this process may divide.
pub(super) fn detect() -> io::Result<Vec<Mounted>> {
    let cgroup = fs::read_to_string("/proc/self/cgroup")?;
    Ok(groups(mounts::read()?, &cgroup))
}

/// Moves this process out of its group of version 2 into one below it, so that it can be divided. Where that tree has no
/// controllers, or the group is not this user's, there is nothing to do.
///
/// # Errors
/// Others are in the group too: it was not given to Kiln alone, and they are not Kiln's to move.
pub(crate) fn leave() -> Result<(), Error> {
    let failed = || Error::system("move into a control group below this one");
    let trees = detect().map_err(failed())?;
    let Some(group) = trees.into_iter().find(|tree| tree.kind == Kind::V2) else {
        return Ok(());
    };
    let read = |file| fs::read_to_string(group.point.join(file)).map_err(failed());
    if read("cgroup.controllers")?.trim().is_empty() {
        return Ok(());
    }
    let processes = read("cgroup.procs")?;
    let others = others(&processes, std::process::id());
    if !others.is_empty() {
        return Err(Error::Refused {
            finding: format!(
                "control group: other processes are in {} ({}), which could not be divided then",
                group.point.display(),
                others.join(", ")
            ),
            remedy: DELEGATE.to_owned(),
        });
    }
    leave_group(&group.point).map_err(failed())
}

/// Those in a group who are not this process, as its `cgroup.procs` names them. Who is not in this pid namespace is 0 there.
fn others(processes: &str, own: u32) -> Vec<&str> {
    let own = own.to_string();
    processes
        .lines()
        .filter(|process| *process != own)
        .collect()
}

fn leave_group(group: &Path) -> io::Result<()> {
    let leaf = group.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::write(leaf.join("cgroup.procs"), "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_in_trees_of_both_versions_and_the_leaf_is_passed_over() {
        let mountinfo = "\
            32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";
        let trees = mounts::parse(mountinfo);
        let cgroup = "3:name=systemd:/a\n2:cpu,cpuacct:/b/supervisor\n0::/c/supervisor\n";
        let found: Vec<_> = trees.iter().map(|tree| group(tree, cgroup)).collect();
        let expected = ["/cg/cpu/b/supervisor", "/cg/systemd/a", "/cg/unified/c"];
        assert_eq!(found, expected.map(|path| Some(PathBuf::from(path))));
        assert_eq!(group(&trees[0], "0::/c\n"), None);
    }

    #[test]
    fn everybody_else_in_the_group_is_another() {
        assert_eq!(others("12\n", 12), [] as [&str; 0]);
        assert_eq!(others("", 12), [] as [&str; 0]);
        assert_eq!(others("0\n1\n12\n120\n", 12), ["0", "1", "120"]);
    }
}
