//! Both versions' files, read and written in directories that stand for the kernel's.

use std::time::Duration;

use super::*;

const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:4 - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const PURE_V2: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";
const PURE_V1: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
";

fn place(version: Version, mount: &str) -> Option<Place> {
    Some(Place {
        version,
        mount: mount.into(),
    })
}

#[test]
fn hybrid_machine_limits_on_v1_and_freezes_on_v2() {
    let layout = Layout::of(&mounts::parse(HYBRID), |_| "hugetlb".into());
    assert_eq!(layout.memory, place(Version::V1, "/sys/fs/cgroup/memory"));
    assert_eq!(layout.cpu, place(Version::V1, "/sys/fs/cgroup/cpu"));
    assert_eq!(
        layout.cpu_time,
        place(Version::V1, "/sys/fs/cgroup/cpuacct")
    );
    assert_eq!(layout.pids, place(Version::V1, "/sys/fs/cgroup/pids"));
    assert_eq!(layout.freezer, place(Version::V2, "/sys/fs/cgroup/unified"));
}

#[test]
fn pure_v2_machine_uses_one_directory_for_everything() {
    let layout = Layout::of(&mounts::parse(PURE_V2), |_| {
        "cpuset cpu io memory hugetlb pids".into()
    });
    let tree = layout.tree("test").expect("every controller is there");
    assert_eq!(
        tree.places(),
        [place(Version::V2, "/sys/fs/cgroup/kiln-test").unwrap()]
    );
    assert_eq!(layout.freezer, place(Version::V2, "/sys/fs/cgroup"));
}

#[test]
fn pure_v1_machine_freezes_with_the_v1_freezer() {
    let layout = Layout::of(&mounts::parse(PURE_V1), |_| String::new());
    assert_eq!(layout.freezer, place(Version::V1, "/sys/fs/cgroup/freezer"));
    assert_eq!(layout.cpu, layout.cpu_time);
    assert_eq!(
        layout
            .tree("a")
            .expect("every controller is there")
            .places()
            .len(),
        4
    );
}

#[test]
fn machine_without_a_memory_controller_has_no_tree() {
    let layout = Layout::of(&mounts::parse(PURE_V2), |_| "cpu pids".into());
    assert_eq!(layout.memory, None);
    assert!(layout.tree("test").is_none());
}

/// A directory with the files that a v2 kernel would show for one group.
fn v2_group(directory: &Path) -> Group {
    let group = directory.join("kiln-test/7");
    fs::create_dir_all(&group).expect("the directory is ours");
    for (file, content) in [
        ("memory.max", "max\n"),
        ("memory.swap.max", "max\n"),
        ("memory.current", "4096\n"),
        ("memory.peak", "8192\n"),
        (
            "memory.events",
            "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n",
        ),
        ("cpu.max", "max 100000\n"),
        (
            "cpu.stat",
            "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n",
        ),
        ("pids.max", "max\n"),
        ("cgroup.freeze", "0\n"),
        ("cgroup.events", "populated 1\nfrozen 0\n"),
    ] {
        fs::write(group.join(file), content).expect("the directory is ours");
    }
    let mountinfo = format!(
        "30 22 0:26 / {} rw - cgroup2 cgroup2 rw",
        directory.display()
    );
    let layout = Layout::of(&mounts::parse(&mountinfo), |_| "cpu memory pids".into());
    Arc::new(layout.tree("test").expect("every controller is there")).group(7)
}

#[test]
fn all_sandboxes_together_leave_the_machine_some_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let group = v2_group(directory.path());
    group.tree.limit_all().expect("the file is there");
    let written = fs::read_to_string(directory.path().join("kiln-test/memory.max"));
    let most: u64 = written.expect("it is there").parse().expect("a number");
    let machine = machine_memory().expect("a machine has memory");
    assert!(
        (machine / 2..machine).contains(&most),
        "{most} of {machine}"
    );
}

#[test]
fn v2_limits_are_written_in_the_kernels_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let group = v2_group(directory.path());
    let limits = Limits {
        memory_bytes: 128 << 20,
        cpu_millis: 72,
        processes: 1024,
        tmp_bytes: 1 << 20,
    };
    group.limit(&limits).expect("the files are there");
    group.freeze().expect("the file is there");

    let read = |file: &str| {
        fs::read_to_string(directory.path().join("kiln-test/7").join(file)).expect("it is there")
    };
    assert_eq!(read("memory.max"), "134217728");
    assert_eq!(read("memory.swap.max"), "0");
    assert_eq!(read("cpu.max"), "7200 100000");
    assert_eq!(read("pids.max"), "1025");
    assert_eq!(read("cgroup.freeze"), "1");
}

/// The same of a v1 kernel, as far as its freezer goes.
fn v1_group(directory: &Path) -> Group {
    fs::create_dir_all(directory.join("kiln-test/7")).expect("the directory is ours");
    let names = "memory,cpu,cpuacct,pids,freezer";
    let mountinfo = format!(
        "30 22 0:26 / {} rw - cgroup cgroup rw,{names}",
        directory.display()
    );
    let layout = Layout::of(&mounts::parse(&mountinfo), |_| String::new());
    Arc::new(layout.tree("test").expect("every controller is there")).group(7)
}

#[test]
fn a_group_is_frozen_when_the_kernel_says_so() {
    let v2_directory = tempfile::tempdir().expect("a directory");
    let v1_directory = tempfile::tempdir().expect("a directory");
    let (v2, v1) = (v2_group(v2_directory.path()), v1_group(v1_directory.path()));
    for (group, directory, file, [before, after]) in [
        (
            &v2,
            v2_directory.path(),
            "cgroup.events",
            ["populated 1\nfrozen 0\n", "populated 1\nfrozen 1\n"],
        ),
        (
            &v1,
            v1_directory.path(),
            "freezer.state",
            ["FREEZING\n", "FROZEN\n"],
        ),
    ] {
        let path = directory.join("kiln-test/7").join(file);
        fs::write(&path, before).expect("the directory is ours");
        let waited = group.await_frozen(Duration::from_millis(2));
        let error = waited.expect_err("a process still moves");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        thread::scope(|scope| {
            scope.spawn(|| {
                group
                    .await_frozen(Duration::from_secs(60))
                    .expect("in time")
            });
            // At once, as the kernel does it.
            fs::write(path.with_extension("new"), after).expect("the directory is ours");
            fs::rename(path.with_extension("new"), &path).expect("the directory is ours");
        });
    }
}

#[test]
fn v2_usage_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let group = v2_group(directory.path());
    let meters = group.meters().expect("the files are there");
    assert_eq!(meters.memory_peak_bytes().expect("readable"), 8192);
    assert_eq!(meters.cpu().expect("readable"), Duration::from_micros(1500));
    assert_eq!(group.out_of_memory_kills().expect("readable"), 2);
    fs::remove_file(directory.path().join("kiln-test/7/memory.peak")).expect("it is ours");
    let meters = group.meters().expect("falls back to the present use");
    assert_eq!(meters.memory_peak_bytes().expect("readable"), 4096);
}
