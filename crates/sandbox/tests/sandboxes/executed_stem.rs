//! Stems that are programs executed ahead of need, for interpreters that cannot fork.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kiln_sandbox::{Exit, Image, Limits, Mount, PoolConfig, Program, Request, Start};

use crate::rig::{LIMITS, Rig, plain_image, until};
use crate::stem::{self, Stems};

const BOOT: &str =
    "import sys; sys.path.insert(0, '/var/runtime'); from kiln_runtime import loop; loop.boot(3)";

/// An interpreter that evaluates expressions.
fn program(colour: &str) -> Program {
    let argv = ["/usr/bin/python3", "-I", "-S", "-B", "-c", BOOT];
    Program {
        argv: argv.map(str::to_owned).to_vec(),
        env: vec![("COLOUR".into(), colour.into())],
        cwd: "/".into(),
    }
}

fn image(directory: &Path) -> Image {
    Image {
        zygote: None,
        ahead: vec![program("of the stem")],
        ..stem::image(directory)
    }
}

fn ahead(colour: &str) -> Start {
    Start::Ahead {
        stem: program(colour),
        otherwise: program("of the user"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_stem_is_locked_down_and_knows_nothing_of_its_user() {
    let stems = Stems::start_with(image, 1).await;
    let mut python = stems.lease_with(ahead("of the stem"), LIMITS, vec![]).await;
    assert!(python.sandbox.was_pooled());
    assert_eq!(python.eval("os.environ['COLOUR']").await, "'of the stem'");
    // Python itself sets LC_CTYPE.
    let names = python
        .eval("sorted(os.environ.keys() - {'LC_CTYPE'})")
        .await;
    assert_eq!(names, "['COLOUR']");
    let status = python.eval("open('/proc/self/status').read()").await;
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let none = format!("{line}:\\t0000000000000000\\n");
        assert!(status.contains(&none), "{line}: {status}");
    }
    assert!(status.contains("NoNewPrivs:\\t1"), "{status}");
    assert!(status.contains("Seccomp:\\t2"), "{status}");
    let uid: u32 = python.eval("os.getuid()").await.parse().expect("a number");
    assert!(uid >= 1_900_000_000);
    // The listing itself has the fifth descriptor.
    assert_eq!(python.eval("len(os.listdir('/proc/self/fd'))").await, "5");
    let written = python.eval("open('/etc/new', 'w')").await;
    assert!(written.starts_with("raised"), "{written}");
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_stem_sees_its_code_and_its_limits_from_the_lease_on() {
    let stems = Stems::start_with(image, 1).await;
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
    let mut python = stems.lease_with(ahead("of the stem"), limits, mounts).await;
    assert_eq!(
        python.eval("open('/var/task/app.py').read()").await,
        "'answer = 42\\n'"
    );
    let full = python
        .eval("open('/tmp/big', 'wb').write(bytes(2 << 20))")
        .await;
    assert!(full.contains("OSError(28"), "{full}");
    assert_eq!(python.eval("len(bytearray(100 << 20))").await, "ended");
    assert_eq!(python.sandbox.exited().await, Exit::Signal(9));
    assert!(python.sandbox.out_of_memory_kills() > 0);
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_stems_share_no_randomness_not_even_the_hash_seed() {
    let stems = Stems::start_with(image, 3).await;
    let mut drawn = BTreeSet::new();
    for _ in 0..3 {
        let mut python = stems.lease_with(ahead("of the stem"), LIMITS, vec![]).await;
        drawn.insert(python.eval("hash('seed')").await);
        drawn.insert(python.eval("__import__('random').random()").await);
    }
    assert_eq!(drawn.len(), 6, "{drawn:?}");
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_pool_executes_the_program_of_the_request() {
    let stems = Stems::start_with(image, 0).await;
    let mut python = stems.lease_with(ahead("of the stem"), LIMITS, vec![]).await;
    assert!(!python.sandbox.was_pooled());
    assert_eq!(python.eval("os.environ['COLOUR']").await, "'of the user'");
    assert_eq!(stems.rig.sandboxes.statistics().forked_on_demand, 1);
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_learns_the_programs_that_are_asked_for_and_forgets_the_oldest() {
    let stems = Stems::start_with(image, 1).await;
    let ready = || stems.rig.sandboxes.statistics().stems_ready["python"];
    for (number, colour) in ["red", "green", "blue"].into_iter().enumerate() {
        let mut first = stems.lease_with(ahead(colour), LIMITS, vec![]).await;
        assert!(!first.sandbox.was_pooled());
        assert_eq!(first.eval("os.environ['COLOUR']").await, "'of the user'");
        until("there is one of the new kind", || ready() == number + 2).await;
        let mut next = stems.lease_with(ahead(colour), LIMITS, vec![]).await;
        assert!(next.sandbox.was_pooled());
        assert_eq!(
            next.eval("os.environ['COLOUR']").await,
            format!("'{colour}'")
        );
    }
    // A fifth takes the place of the first, which nobody asked for.
    stems.lease_with(ahead("white"), LIMITS, vec![]).await;
    until("there is one of each", || ready() == 4).await;
    let mut forgotten = stems.lease_with(ahead("of the stem"), LIMITS, vec![]).await;
    assert!(!forgotten.sandbox.was_pooled());
    assert_eq!(forgotten.eval("1 + 1").await, "2");
    stems.rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stem_that_cannot_boot_leaves_other_images_and_its_own_leases_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    rustix::fs::chmod(directory.path(), 0o755.into()).expect("the directory is ours");
    let cannot = Program {
        argv: vec!["/bin/false".into()],
        ..program("of the stem")
    };
    let broken = Image {
        name: "broken".into(),
        ahead: vec![cannot.clone()],
        ..plain_image()
    };
    let pool = PoolConfig {
        shells: 0,
        stems_per_image: 1,
    };
    let rig = Rig::start_with(vec![broken, image(directory.path())], pool).await;
    until("the good one is full", || {
        rig.sandboxes.statistics().stems_ready["python"] == 1
    })
    .await;
    let request = Request {
        image: "broken".into(),
        start: Start::Ahead {
            stem: cannot,
            otherwise: Program {
                argv: vec!["/bin/true".into()],
                ..program("of the user")
            },
        },
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions: false,
    };
    let mut sandbox = rig.sandboxes.lease(request).await.expect("a sandbox");
    assert_eq!(sandbox.exited().await, Exit::Code(0));
    rig.end().await;
}
