//! A server of sandboxes for one test, and programs run in its sandboxes.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kiln_sandbox::{
    Config, Exit, Image, LayersOff, Limits, Mount, PoolConfig, Program, Request, Sandbox,
    Sandboxes, Start,
};
use kiln_types::SystemClock;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// Longer than anything takes on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
    cpu_millis: 2000,
    processes: 64,
    tmp_bytes: 16 << 20,
};
/// Where every sandbox is listened on.
pub const LISTENERS: [SocketAddr; 2] = [
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001)),
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9002)),
];

pub struct Rig {
    pub sandboxes: Sandboxes,
    pub name: String,
    pub directory: TempDir,
}

/// What a program in a sandbox did.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub output: String,
}

/// A name that no other test of this machine has.
pub fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!(
        "test-{}-{}",
        test_number(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

/// A number that no other test of this machine has at this time.
pub fn test_number() -> u32 {
    let told = std::env::var("KILN_TEST_NUMBER").ok();
    let told = told.and_then(|number| number.parse().ok());
    told.unwrap_or_else(std::process::id)
}

/// The program built from `examples/sandbox_host.rs`.
pub fn host() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let build = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug/deps/<test>");
    let host = build.join("examples/sandbox_host");
    assert!(
        host.exists(),
        "{} is not built: cargo build --examples",
        host.display()
    );
    host
}

pub fn plain_image() -> Image {
    Image {
        name: "plain".into(),
        mounts: vec![],
        zygote: None,
        env: vec![],
        ahead: vec![],
    }
}

impl Rig {
    pub async fn start() -> Self {
        Self::start_with(
            vec![plain_image()],
            PoolConfig {
                shells: 1,
                stems_per_image: 0,
            },
        )
        .await
    }

    pub async fn start_with(images: Vec<Image>, pool: PoolConfig) -> Self {
        Self::start_without(images, pool, LayersOff::default()).await
    }

    pub async fn start_without(
        images: Vec<Image>,
        pool: PoolConfig,
        layers_off: LayersOff,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = unique_name();
        let state = directory.path().join("state");
        let sandboxes = start(&name, &state, images, pool, layers_off).await;
        Self {
            sandboxes,
            name,
            directory,
        }
    }

    pub async fn exec(&self, argv: &[&str], limits: Limits, mounts: Vec<Mount>) -> Sandbox {
        self.exec_with(argv, limits, mounts, &[]).await
    }

    pub async fn exec_with(
        &self,
        argv: &[&str],
        limits: Limits,
        mounts: Vec<Mount>,
        listeners: &[SocketAddr],
    ) -> Sandbox {
        let start = Start::Exec(Program {
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            env: vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("COLOUR".into(), "blue".into()),
            ],
            cwd: "/tmp".into(),
        });
        let request = Request {
            image: "plain".into(),
            start,
            limits,
            mounts,
            volumes: vec![],
            listeners: listeners.to_vec(),
            network: false,
            companions: false,
        };
        let leased = timeout(PATIENCE, self.sandboxes.lease(request)).await;
        leased.expect("a lease does not hang").expect("a sandbox")
    }

    /// Runs a shell script to its end.
    pub async fn sh(&self, script: &str) -> Ran {
        self.run(&["/bin/sh", "-c", script], LIMITS).await
    }

    /// Runs a Python program to its end.
    pub async fn python(&self, program: &str) -> Ran {
        self.run(
            &["/usr/bin/python3", "-I", "-S", "-B", "-c", program],
            LIMITS,
        )
        .await
    }

    pub async fn run(&self, argv: &[&str], limits: Limits) -> Ran {
        finish(self.exec(argv, limits, vec![]).await).await
    }

    /// Shuts down and checks that nothing is left.
    pub async fn end(self) {
        timeout(PATIENCE, self.sandboxes.shutdown())
            .await
            .expect("the shutdown does not hang");
        assert_eq!(self.sandboxes.statistics().live, 0);
        assert_eq!(cgroups(&self.name), Vec::<PathBuf>::new());
    }
}

pub async fn start(
    name: &str,
    state_dir: &Path,
    images: Vec<Image>,
    pool: PoolConfig,
    layers_off: LayersOff,
) -> Sandboxes {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test requires root: run it with sudo"
    );
    let config = Config {
        exe: host(),
        state_dir: state_dir.to_owned(),
        name: name.to_owned(),
        uid_base: Config::UID_BASE,
        sandboxes_max: 500,
        images,
        pool,
        listeners: LISTENERS.to_vec(),
        network: true,
        layers_off,
    };
    let clock = Arc::new(SystemClock::start());
    Sandboxes::start(config, clock)
        .await
        .expect("the server starts")
}

/// Waits for the end of the main process and reads all it wrote.
pub async fn finish(mut sandbox: Sandbox) -> Ran {
    let exit = timeout(PATIENCE, sandbox.exited())
        .await
        .expect("the program ends");
    let mut output = Vec::new();
    let mut pipe = sandbox.take_output();
    // Processes left behind would hold the pipe open.
    sandbox.kill();
    timeout(PATIENCE, pipe.read_to_end(&mut output))
        .await
        .expect("it ends")
        .expect("readable");
    Ran {
        exit,
        output: String::from_utf8_lossy(&output).into_owned(),
    }
}

/// Every control group of the server with this name, in all trees of this machine.
pub fn cgroups(name: &str) -> Vec<PathBuf> {
    let own = format!("kiln-{name}");
    let mut found = Vec::new();
    let trees = [PathBuf::from("/sys/fs/cgroup")]
        .into_iter()
        .chain(inside("/sys/fs/cgroup"));
    // And those that belong to an ordinary user, for tests without root.
    let users = |tree: &PathBuf| {
        let is_users = |path: &PathBuf| path.to_string_lossy().contains("/kiln-user-");
        inside(tree)
            .into_iter()
            .filter(is_users)
            .collect::<Vec<_>>()
    };
    for tree in trees.flat_map(|tree| [users(&tree), vec![tree]].concat()) {
        found.extend(inside(tree).into_iter().filter(|path| path.ends_with(&own)));
    }
    found
}

fn inside(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

/// Polls until the condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, poll)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
