//! Stems: children of a zygote inside sandboxes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kiln_sandbox::{
    Error, Exit, Image, Limits, Mount, PoolConfig, Program, Request, Sandbox, Start,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::rig::{LIMITS, LISTENERS, PATIENCE, Rig, plain_image, until};

/// The machine's Python with our zygote, and a loop that evaluates expressions.
pub fn image(directory: &Path) -> Image {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes/python/kiln_runtime");
    let inside = directory.join("runtime/kiln_runtime");
    fs::create_dir_all(&inside).expect("the directory is ours");
    for file in [
        "__init__.py",
        "zygote.py",
        "channel.py",
        "lockdown.py",
        "birth.py",
        "pages.py",
        "snapshot.py",
        "descriptors.py",
    ] {
        fs::copy(ours.join(file), inside.join(file)).expect("the runtime is in the repository");
    }
    let stand_in = include_str!("stand_in_loop.py");
    fs::write(inside.join("loop.py"), stand_in).expect("the directory is ours");
    let zygote = [
        "/usr/bin/python3",
        "-I",
        "-S",
        "-B",
        "/var/runtime/kiln_runtime/zygote.py",
    ];
    Image {
        name: "python".into(),
        mounts: vec![Mount {
            source: directory.join("runtime"),
            target: PathBuf::from("/var/runtime"),
        }],
        zygote: Some(zygote.map(str::to_owned).to_vec()),
        env: vec![("RIG".into(), directory.display().to_string())],
        ahead: vec![],
    }
}

pub struct Stems {
    pub rig: Rig,
    pub directory: tempfile::TempDir,
}

impl Stems {
    pub async fn start(stems_per_image: usize) -> Self {
        Self::start_with(image, stems_per_image).await
    }

    pub async fn start_with(image: impl FnOnce(&Path) -> Image, stems_per_image: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // Sandboxes are other users.
        rustix::fs::chmod(directory.path(), 0o755.into()).expect("the directory is ours");
        let images = vec![image(directory.path()), plain_image()];
        let rig = Rig::start_with(
            images,
            PoolConfig {
                shells: 0,
                stems_per_image,
            },
        )
        .await;
        let sandboxes = rig.sandboxes.clone();
        let filled = || sandboxes.statistics().stems_ready["python"] == stems_per_image;
        until("the pool is full", filled).await;
        Self { rig, directory }
    }

    pub async fn lease(&self, limits: Limits, mounts: Vec<Mount>) -> Python {
        self.lease_with(Start::Zygote, limits, mounts).await
    }

    pub async fn lease_with(&self, start: Start, limits: Limits, mounts: Vec<Mount>) -> Python {
        let request = Request {
            image: "python".into(),
            start,
            limits,
            mounts,
            volumes: vec![],
            listeners: LISTENERS.to_vec(),
            network: false,
            companions: false,
        };
        let leased = timeout(PATIENCE, self.rig.sandboxes.lease(request)).await;
        let mut sandbox = leased.expect("a lease does not hang").expect("a sandbox");
        let channel = sandbox.take_channel();
        Python {
            sandbox,
            channel,
            has_booted: false,
        }
    }
}

pub struct Python {
    pub sandbox: Sandbox,
    channel: UnixStream,
    has_booted: bool,
}

impl Python {
    pub async fn eval(&mut self, expression: &str) -> String {
        timeout(PATIENCE, self.ask(expression))
            .await
            .expect("an answer")
    }

    async fn ask(&mut self, expression: &str) -> String {
        if !self.has_booted {
            assert_eq!(self.channel.read_u8().await.expect("it boots"), b'R');
            self.has_booted = true;
        }
        self.channel
            .write_all(expression.as_bytes())
            .await
            .expect("it listens");
        let mut answer = Vec::new();
        loop {
            match self.channel.read_u8().await {
                Ok(0) => return String::from_utf8(answer).expect("text"),
                Ok(byte) => answer.push(byte),
                Err(_) => return "ended".into(),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stem_is_an_ordinary_user_without_any_right() {
    let stems = Stems::start(1).await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert!(python.sandbox.was_pooled());
    let status = python.eval("open('/proc/self/status').read()").await;
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            status.contains(&format!("{line}:\\t0000000000000000\\n")),
            "{line}: {status}"
        );
    }
    assert!(status.contains("NoNewPrivs:\\t1"), "{status}");
    assert!(status.contains("Seccomp:\\t2"), "{status}");
    assert!(status.contains("Groups:\\t \\n"), "{status}");
    let uid: u32 = python.eval("os.getuid()").await.parse().expect("a number");
    assert!(uid >= 1_900_000_000);
    assert_eq!(
        python.eval("os.getresuid()").await,
        format!("({uid}, {uid}, {uid})")
    );
    assert_eq!(
        python.eval("os.getresgid()").await,
        format!("({uid}, {uid}, {uid})")
    );
    assert_eq!(
        python
            .eval("sorted(map(int, os.listdir('/proc/self/fd')))[:4]")
            .await,
        "[0, 1, 2, 3]"
    );
    // The listing itself has the fifth descriptor.
    assert_eq!(python.eval("len(os.listdir('/proc/self/fd'))").await, "5");
    assert!(
        python
            .eval("os.listdir('/root')")
            .await
            .starts_with("raised FileNotFoundError")
    );
    stems.rig.end().await;
}

/// The zygote whose image is in this directory.
fn zygote_of(directory: &Path) -> Option<Pid> {
    let is_ours = |process: &PathBuf| {
        let read = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
        // Its children have another uid.
        read("environ").contains(&format!("RIG={}", directory.display()))
            && read("status").contains("\nUid:\t0\t")
            && read("cmdline").contains("zygote.py")
    };
    let processes = fs::read_dir("/proc")
        .expect("readable")
        .flatten()
        .map(|entry| entry.path());
    let found = processes.into_iter().find(is_ours)?;
    found
        .file_name()?
        .to_str()?
        .parse()
        .ok()
        .and_then(Pid::from_raw)
}

#[tokio::test(flavor = "multi_thread")]
async fn stem_has_its_own_namespaces_and_cannot_leave_them() {
    let stems = Stems::start(1).await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    for kind in ["mnt", "pid", "ipc", "uts", "net", "cgroup"] {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).expect("readable");
        let theirs = python
            .eval(&format!("os.readlink('/proc/self/ns/{kind}')"))
            .await;
        assert_ne!(theirs, format!("{:?}", ours).replace('"', "'"), "{kind}");
    }
    assert_eq!(python.eval("os.getpid()").await, "2");
    let groups = python.eval("open('/proc/self/cgroup').read()").await;
    assert!(!groups.contains("kiln"), "{groups}");
    let unshare = "__import__('ctypes').CDLL(None).unshare(0x10000000)";
    assert_eq!(python.eval(unshare).await, "-1");
    assert!(
        python
            .eval("open('/proc/1/environ').read()")
            .await
            .starts_with("raised")
    );
    assert!(python.eval("os.kill(1, 9)").await.starts_with("raised"));
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_draw_different_random_numbers() {
    let stems = Stems::start(3).await;
    let sources = [
        "__import__('random').random()",
        "__import__('ssl').RAND_bytes(16)",
        "str(__import__('uuid').uuid4())",
        "__import__('secrets').token_hex(16)",
    ];
    let mut drawn = BTreeSet::new();
    for _ in 0..4 {
        let mut python = stems.lease(LIMITS, vec![]).await;
        for source in sources {
            drawn.insert(python.eval(source).await);
        }
    }
    assert_eq!(drawn.len(), 4 * sources.len(), "{drawn:?}");
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leased_stem_sees_its_code_and_its_limits() {
    let stems = Stems::start(1).await;
    let code = stems.directory.path().join("code");
    fs::create_dir(&code).expect("the directory is ours");
    fs::write(code.join("app.py"), "answer = 42\n").expect("the directory is ours");
    let mounts = vec![Mount {
        source: code,
        target: "/var/task".into(),
    }];
    let limits = Limits {
        memory_bytes: 64 << 20,
        tmp_bytes: 1 << 20,
        ..LIMITS
    };
    let mut python = stems.lease(limits, mounts).await;
    assert_eq!(
        python.eval("open('/var/task/app.py').read()").await,
        "'answer = 42\\n'"
    );
    let write = "open('/var/task/new', 'w')";
    let refused = python.eval(write).await;
    assert!(
        refused.contains("OSError(30") || refused.contains("PermissionError"),
        "{refused}"
    );
    let full = python
        .eval("open('/tmp/big', 'wb').write(bytes(2 << 20))")
        .await;
    assert!(full.contains("OSError(28"), "{full}");
    assert_eq!(
        python.eval("len(bytearray(8 << 20))").await,
        (8 << 20).to_string()
    );
    assert_eq!(python.eval("len(bytearray(100 << 20))").await, "ended");
    assert_eq!(python.sandbox.exited().await, Exit::Signal(9));
    assert_eq!(python.sandbox.out_of_memory_kills(), 1);
    assert!(python.sandbox.memory_peak_bytes() > 60 << 20);
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_pool_forks_at_need() {
    let stems = Stems::start(0).await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert!(!python.sandbox.was_pooled());
    assert_eq!(python.eval("6 * 7").await, "42");
    assert_eq!(stems.rig.sandboxes.statistics().forked_on_demand, 1);
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_of_a_stem_is_reported() {
    let stems = Stems::start(1).await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert_eq!(python.eval("os._exit(7)").await, "ended");
    assert_eq!(python.sandbox.exited().await, Exit::Code(7));
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert_eq!(python.eval("os.kill(os.getpid(), 15)").await, "ended");
    assert_eq!(python.sandbox.exited().await, Exit::Signal(15));
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_zygote_is_replaced_and_its_children_live_on() {
    let stems = Stems::start(1).await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert_eq!(python.eval("1").await, "1");
    let zygote = zygote_of(stems.directory.path()).expect("it runs");
    kill_process(zygote, Signal::KILL).expect("it runs");
    assert_eq!(python.eval("2").await, "2");
    assert_eq!(python.eval("os._exit(5)").await, "ended");
    assert_eq!(python.sandbox.exited().await, Exit::Code(5));
    let is_new = |pid: Pid| pid != zygote;
    until("a new one runs", || {
        zygote_of(stems.directory.path()).is_some_and(is_new)
    })
    .await;
    let mut python = stems.lease(LIMITS, vec![]).await;
    assert_eq!(python.eval("3").await, "3");
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stem_is_heard_by_its_listeners_whether_pooled_or_not() {
    for pooled in [1, 0] {
        let stems = Stems::start(pooled).await;
        let mut python = stems.lease(LIMITS, vec![]).await;
        assert_eq!(python.sandbox.was_pooled(), pooled == 1);
        for address in LISTENERS {
            let listener = python.sandbox.take_listener(address).expect("asked for");
            let at = (address.ip().to_string(), address.port());
            let connect = format!("__import__('socket').create_connection({at:?}).getpeername()");
            let accepted = timeout(PATIENCE, listener.accept());
            let (accepted, peer) = tokio::join!(accepted, python.eval(&connect));
            let (_, from) = accepted.expect("it connects").expect("a connection");
            assert!(from.ip().is_loopback());
            assert_eq!(peer, format!("('{}', {})", at.0, at.1));
        }
        drop(python);
        stems.rig.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn image_without_a_zygote_has_no_stems() {
    let rig = Rig::start().await;
    let request = Request {
        image: "plain".into(),
        start: Start::Zygote,
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions: false,
    };
    assert!(matches!(
        rig.sandboxes.lease(request).await,
        Err(Error::NoZygote(_))
    ));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_zygote_says_why_and_keeps_no_other_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    rustix::fs::chmod(directory.path(), 0o755.into()).expect("the directory is ours");
    let broken = |name: &str| Image {
        name: name.into(),
        zygote: Some(vec!["/bin/false".into()]),
        ..plain_image()
    };
    let images = vec![
        broken("a"),
        broken("b"),
        broken("c"),
        image(directory.path()),
    ];
    let pool = PoolConfig {
        shells: 0,
        stems_per_image: 1,
    };
    let rig = Rig::start_with(images, pool).await;
    until("the good one is full", || {
        rig.sandboxes.statistics().stems_ready["python"] == 1
    })
    .await;
    let request = |image: &str| Request {
        image: image.into(),
        start: Start::Zygote,
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions: false,
    };
    let refused = timeout(PATIENCE, rig.sandboxes.lease(request("b"))).await;
    let error = refused.expect("no hang").expect_err("it cannot fork");
    let expected = "the zygote of image `b` does not run: it ended while starting; its error \
                    output says why";
    assert_eq!(error.to_string(), expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stem_has_companions_where_asked_for_and_is_asked_to_end_either_way() {
    // One from the pool, and one that is forked on demand.
    for stems_per_image in [1, 0] {
        let stems = Stems::start(stems_per_image).await;
        for companions in [true, false] {
            let request = Request {
                image: "python".into(),
                start: Start::Zygote,
                limits: LIMITS,
                mounts: vec![],
                volumes: vec![],
                listeners: vec![],
                network: false,
                companions,
            };
            let leased = timeout(PATIENCE, stems.rig.sandboxes.lease(request)).await;
            let mut sandbox = leased.expect("a lease does not hang").expect("a sandbox");
            let program = Program {
                argv: ["/bin/sh", "-c", "echo beside"].map(str::to_owned).to_vec(),
                env: vec![],
                cwd: "/tmp".into(),
            };
            match sandbox.start_beside(program).await {
                Ok(mut companion) if companions => {
                    let mut said = String::new();
                    let mut output = companion.take_output();
                    let read = timeout(PATIENCE, output.read_to_string(&mut said)).await;
                    read.expect("it ends").expect("text");
                    assert_eq!(said, "beside\n");
                }
                Err(Error::NoCompanions) if !companions => {}
                other => panic!("companions: {companions}, {other:?}"),
            }
            let mut python = Python {
                channel: sandbox.take_channel(),
                sandbox,
                has_booted: false,
            };
            assert_eq!(python.eval("1 + 1").await, "2");
            python.sandbox.terminate();
            let exit = timeout(PATIENCE, python.sandbox.exited()).await;
            assert_eq!(exit.expect("it ends"), Exit::Signal(15));
        }
        stems.rig.end().await;
    }
}
