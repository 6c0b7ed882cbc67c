//! Memory that runs short: the server ends idle instances before the kernel has to choose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_testkit::Server;
use serde_json::{Value, json};

const LIMIT_BYTES: u64 = 512 << 20;
/// Functions that hold more memory together than the limit leaves them.
const FUNCTIONS: usize = 24;

/// Holds 24 MiB; says which instance it is and how often it ran.
const HOLDER: &str = "import time, uuid\nME, RUNS, HELD = str(uuid.uuid4()), 0, b'x' * (24 << 20)\n\n\
                      def handler(event, context):\n    global RUNS\n    RUNS += 1\n    \
                      time.sleep(event.get('sleep', 0))\n    return [ME, RUNS]\n";

/// Enters the control group `$1` as a container does, so that nothing around it is seen: `$2` is the
/// version of its hierarchy, `$3` where that is mounted. Executes the rest.
const ENTER: &str = r#"
echo $$ > "$1/cgroup.procs"
export VERSION="$2" MOUNT="$3"
shift 3
exec unshare --cgroup --mount sh -ec '
    umount "$MOUNT"
    case "$VERSION" in
        1) mount -t cgroup -o memory none "$MOUNT" ;;
        2) mount -t cgroup2 none "$MOUNT" ;;
    esac
    mkdir "$MOUNT/server"
    echo $$ > "$MOUNT/server/cgroup.procs"
    exec "$@"
' sh "$@"
"#;

/// A control group with a memory limit, for a server and its sandboxes.
struct Container {
    dir: PathBuf,
    mount: PathBuf,
    version: &'static str,
}

impl Container {
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let (mount, version) = memory_mount(&mounts).expect("a hierarchy that limits memory");
        let dir = mount.join(format!("kiln-pressure-{}", std::process::id()));
        fs::create_dir(&dir).expect("control groups can be made: the tests run as root");
        let limit = match version {
            "1" => "memory.limit_in_bytes",
            _ => "memory.max",
        };
        fs::write(dir.join(limit), LIMIT_BYTES.to_string()).unwrap();
        Self {
            dir,
            mount,
            version,
        }
    }

    fn enter(&self) -> [&str; 7] {
        let [dir, mount] = [&self.dir, &self.mount].map(|path| path.to_str().unwrap());
        ["sh", "-ec", ENTER, "sh", dir, self.version, mount]
    }

    /// What the kernel says of processes that it ended because this group had no memory left.
    fn ended_by_the_kernel(&self) -> Vec<String> {
        let output = Command::new("dmesg").output().expect("dmesg runs");
        assert!(output.status.success(), "the kernel's log can be read");
        let group = self.dir.strip_prefix(&self.mount).unwrap();
        let of_this = format!("oom_memcg=/{},", group.display());
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| line.contains(&of_this))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Where memory is limited, and by which version of control groups.
fn memory_mount(mounts: &str) -> Option<(PathBuf, &'static str)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mount = PathBuf::from(left.split(' ').nth(4)?);
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup" if right.nth(1)?.split(',').any(|name| name == "memory") => "1",
            "cgroup2" => {
                let names = fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
                names.split_whitespace().find(|name| *name == "memory")?;
                "2"
            }
            _ => return None,
        };
        Some((mount, version))
    })
}

/// Control groups are removed as empty folders, the innermost first.
fn remove(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

#[test]
fn idle_instances_that_are_worth_least_end_before_the_kernel_has_to_choose() {
    let container = Container::new();
    let server = Server::builder()
        .behind(&container.enter())
        // What was promised never runs out here: only what is really used does.
        .args(&["--memory-budget-mb", "65536"])
        .expect_log("memory is short: idle instances are ended")
        .start();
    let call = |name: &str, event: Value| server.invoke(name, &event).success();
    server.function("busy", HOLDER).create();
    let busy = call("busy", json!({}));
    for _ in 0..30 {
        call("busy", json!({}));
    }
    let mut rare = Vec::new();
    for no in 0..FUNCTIONS {
        let name = format!("rare-{no}");
        server.function(&name, HOLDER).create();
        // The server looks at its memory more often than one of them takes.
        rare.push(call(&name, json!({"sleep": 0.5})));
    }
    assert_eq!(container.ended_by_the_kernel(), Vec::<String>::new());
    assert_eq!(
        call("busy", json!({})),
        json!([busy[0], 32]),
        "what is called often is kept"
    );
    // Which of them: those that started fastest, as far as that was measured. The first to answer
    // anew had ended before; whoever is asked after it may have made room for it.
    let mut called_once = (0..FUNCTIONS).map(|no| call(&format!("rare-{no}"), json!({})));
    assert!(
        rare.iter()
            .any(|before| called_once.next().unwrap()[0] != before[0]),
        "what was called once has ended"
    );
    assert!(server.home().log().contains("memory is short"));
    server.stop();
}
