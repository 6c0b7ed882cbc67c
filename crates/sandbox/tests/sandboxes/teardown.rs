//! Nothing is left of a sandbox, however it or its server ended.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use kiln_sandbox::{Config, Error, Exit, LayersOff, PoolConfig, Sandboxes};
use kiln_types::SystemClock;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::rig::{self, LIMITS, PATIENCE, Rig, cgroups, host, plain_image, until};

/// Pids of processes whose command line or environment mentions `text`.
fn processes_with(file: &str, text: &str) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").expect("readable").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if fs::read_to_string(entry.path().join(file)).is_ok_and(|content| content.contains(text)) {
            found.insert(pid);
        }
    }
    found
}

/// Pids of all processes in the control groups of the server with this name.
fn processes_of(name: &str) -> BTreeSet<i32> {
    processes_with("cgroup", &format!("/kiln-{name}/"))
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("readable").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sandboxes_leave_nothing() {
    leave_nothing(1_000).await;
}

/// Makes and drops ten sandboxes per round.
async fn leave_nothing(rounds: usize) {
    let rig = Rig::start().await;
    rig.sh("true").await;
    until("the pool is full again", || {
        rig.sandboxes.statistics().shells_ready == 1
    })
    .await;
    let mounts_before = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    let descriptors_before = open_descriptors();
    for round in 0..rounds {
        let mut batch = Vec::new();
        for _ in 0..10 {
            batch.push(rig.exec(&["/bin/sleep", "1000"], LIMITS, vec![]).await);
        }
        assert!(rig.sandboxes.statistics().leased >= 10, "round {round}");
    }
    let only_the_pool = || {
        let now = rig.sandboxes.statistics();
        now.live == 1 && now.shells_ready == 1 && now.leased == 0
    };
    until("all are torn down", only_the_pool).await;
    assert!(rig.sandboxes.statistics().torn_down >= rounds as u64 * 10);
    for directory in cgroups(&rig.name) {
        let groups = fs::read_dir(&directory).expect("readable").flatten();
        let groups = groups.filter(|entry| entry.path().is_dir()).count();
        assert_eq!(
            groups,
            1,
            "only the pooled shell's in {}",
            directory.display()
        );
    }
    assert_eq!(
        processes_of(&rig.name).len(),
        1,
        "only the pooled shell's init"
    );
    until("descriptors are closed", || {
        open_descriptors() <= descriptors_before
    })
    .await;
    let mounts_after = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    assert_eq!(mounts_after, mounts_before);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_spawner_is_replaced_and_its_sandboxes_are_reported() {
    let rig = Rig::start().await;
    let mut sandbox = rig.exec(&["/bin/sleep", "1000"], LIMITS, vec![]).await;
    let spawner = spawner_of(&rig);
    kill_process(spawner, Signal::KILL).expect("it runs");
    let exit = timeout(PATIENCE, sandbox.exited())
        .await
        .expect("it ended too");
    assert_eq!(exit, Exit::Signal(9));
    until("a new spawner runs", || {
        rig.sandboxes.statistics().spawner_restarts == 1
    })
    .await;
    let ran = rig.sh("echo still here").await;
    assert_eq!(ran.output, "still here\n");
    drop(sandbox);
    rig.end().await;
}

/// The parent of the init of a sandbox.
fn spawner_of(rig: &Rig) -> Pid {
    let inside = processes_of(&rig.name);
    let parent = |pid: &i32| -> Option<i32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:\t"))?
            .parse()
            .ok()
    };
    let parents: BTreeSet<i32> = inside.iter().filter_map(parent).collect();
    let outside = parents
        .difference(&inside)
        .next()
        .expect("inits have a parent outside");
    Pid::from_raw(*outside).expect("a pid")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_daemon_takes_everything_with_it() {
    let name = rig::unique_name();
    let directory = tempfile::tempdir().expect("a directory");
    let mut daemon = hold(&name, &directory, 5);
    assert!(
        processes_of(&name).len() >= 10,
        "five inits and five programs"
    );
    daemon.kill().expect("it runs");
    daemon.wait().expect("it ends");
    until("its spawner has cleared up", || cgroups(&name).is_empty()).await;
    assert_eq!(processes_of(&name), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn start_clears_what_a_killed_daemon_and_spawner_left() {
    let name = rig::unique_name();
    let directory = tempfile::tempdir().expect("a directory");
    let mut daemon = hold(&name, &directory, 3);
    let mut family = processes_with("cmdline", "__spawner");
    family.retain(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(&format!(") S {} ", daemon.id()))
    });
    let spawner = family
        .first()
        .copied()
        .and_then(Pid::from_raw)
        .expect("the daemon's child");
    // The spawner cannot clear up: it is stopped, and killed after its daemon.
    kill_process(spawner, Signal::STOP).expect("it runs");
    daemon.kill().expect("it runs");
    daemon.wait().expect("it ends");
    kill_process(spawner, Signal::KILL).expect("it is there");
    assert!(
        !cgroups(&name).is_empty(),
        "the test left nothing to clear up"
    );
    let pool = PoolConfig {
        shells: 1,
        stems_per_image: 0,
    };
    let off = LayersOff::default();
    let sandboxes = rig::start(&name, directory.path(), vec![plain_image()], pool, off).await;
    until("it works", || sandboxes.statistics().shells_ready == 1).await;
    // The machine's init may take its time to reap the dead.
    until("only the new shell's init is left", || {
        processes_of(&name).len() == 1
    })
    .await;
    timeout(PATIENCE, sandboxes.shutdown())
        .await
        .expect("the shutdown does not hang");
    assert!(cgroups(&name).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn name_of_a_running_server_is_refused() {
    let rig = Rig::start().await;
    let config = Config {
        exe: host(),
        state_dir: rig.directory.path().join("other"),
        name: rig.name.clone(),
        uid_base: Config::UID_BASE,
        sandboxes_max: 1,
        images: vec![],
        pool: PoolConfig {
            shells: 0,
            stems_per_image: 0,
        },
        listeners: vec![],
        network: true,
        layers_off: LayersOff::default(),
    };
    let clock = std::sync::Arc::new(SystemClock::start());
    let refused = Sandboxes::start(config, clock).await;
    assert!(matches!(refused, Err(Error::NameInUse(name)) if name == rig.name));
    assert_eq!(rig.sh("echo unharmed").await.output, "unharmed\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uids_that_are_not_for_sandboxes_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for uid_base in [0, 1_000, 65_535, u32::MAX - 9, u32::MAX] {
        let config = Config {
            exe: host(),
            state_dir: directory.path().to_owned(),
            name: rig::unique_name(),
            uid_base,
            sandboxes_max: 10,
            images: vec![],
            pool: PoolConfig {
                shells: 0,
                stems_per_image: 0,
            },
            listeners: vec![],
            network: true,
            layers_off: LayersOff::default(),
        };
        let clock = std::sync::Arc::new(SystemClock::start());
        let refused = Sandboxes::start(config, clock).await;
        assert!(
            matches!(refused, Err(Error::BadUids { .. })),
            "{uid_base}: {refused:?}"
        );
    }
}

#[test]
fn ordinary_user_is_told_to_use_root() {
    // A copy: the build directory need not be readable by others.
    let directory = tempfile::tempdir().expect("a directory");
    rustix::fs::chmod(directory.path(), 0o755.into()).expect("the directory is ours");
    let copy = directory.path().join("host");
    fs::copy(host(), &copy).expect("the helper can be copied");
    let ran = Command::new(copy)
        .args(["hold", &rig::unique_name(), "/nonexistent", "1"])
        .uid(65_534)
        .gid(65_534)
        .output()
        .expect("the helper runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("user: uid 65534"), "{said}");
    assert!(
        said.contains("run Kiln as root, for example with sudo"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_in_use_holds_five_descriptors() {
    // Its init, the connection to it, its channel, its output, and one listener.
    const EACH: usize = 5;
    let (few, many) = (rig::unique_name(), rig::unique_name());
    let directory = || tempfile::tempdir().expect("a directory");
    let (first, second) = (directory(), directory());
    let mut daemons = [hold(&few, &first, 2), hold(&many, &second, 22)];
    let descriptors = |daemon: &std::process::Child| {
        let listed = fs::read_dir(format!("/proc/{}/fd", daemon.id()));
        listed.expect("it runs").count()
    };
    // Not at once: their pools may still be filling up.
    until("twenty more hold five each", || {
        let [few, many] = [descriptors(&daemons[0]), descriptors(&daemons[1])];
        many == few + 20 * EACH
    })
    .await;
    for daemon in &mut daemons {
        daemon.kill().expect("it runs");
        daemon.wait().expect("it ends");
    }
    for name in [few, many] {
        until("its spawner has cleared up", || cgroups(&name).is_empty()).await;
    }
}

/// A daemon of its own with `count` sandboxes.
fn hold(name: &str, directory: &tempfile::TempDir, count: usize) -> std::process::Child {
    let mut daemon = Command::new(host())
        .args(["hold", name])
        .arg(directory.path())
        .arg(count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the helper runs");
    let mut line = String::new();
    let output = daemon.stdout.take().expect("it is piped");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("it talks");
    assert_eq!(line, "ready\n");
    // Pooled shells may still be coming.
    std::thread::sleep(Duration::from_millis(50));
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processor_time_of_what_has_ended_can_still_be_limited() {
    let rig = Rig::start().await;
    let sandbox = rig.exec(&["sleep", "60"], LIMITS, vec![]).await;
    sandbox.kill();
    // Its cgroup goes some time after its last process.
    until("its cgroups are gone", || {
        sandbox.limit_cpu(100).expect("there is nothing to limit");
        cgroups(&rig.name)
            .iter()
            .all(|own| !own.join(sandbox.id().to_string()).exists())
    })
    .await;
    sandbox.limit_cpu(100).expect("there is nothing to limit");
}
