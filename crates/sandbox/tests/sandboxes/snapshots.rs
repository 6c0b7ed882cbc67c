//! Snapshots: the memory of one sandbox's process in others.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_sandbox::{Error, Limits, Mount, Point, SNAPSHOT_DIR, Snapshot, waiting_code};
use tempfile::TempDir;

use crate::rig::LIMITS;
use crate::stem::{Python, Stems};

const MIB: u64 = 1 << 20;

/// Stems, and a place for a snapshot.
struct Copies {
    stems: Stems,
    directory: TempDir,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Copies {
    async fn start() -> Self {
        let stems = Stems::start(1).await;
        let directory = tempfile::tempdir().expect("a directory");
        Self { stems, directory }
    }

    async fn original(&self, preparations: &[&str]) -> Python {
        let mut python = self.stems.lease(LIMITS, vec![]).await;
        for preparation in preparations {
            let answer = python.eval(preparation).await;
            assert!(!answer.starts_with("raised"), "{preparation}: {answer}");
        }
        python
    }

    /// The snapshot of a process, which is gone then.
    async fn take(&self, mut original: Python, bytes_max: u64) -> Result<Snapshot, Error> {
        let code = hexadecimal(waiting_code().expect("this machine has snapshots"));
        let announced = original.eval(&format!("take('{code}')")).await;
        let (state, lineage) = announced
            .split_once(' ')
            .unwrap_or_else(|| panic!("it does not wait: {announced}"));
        let point = Point {
            state: state.parse().expect("an address"),
            lineage: lineage.to_owned(),
        };
        let dir = self.directory.path().join("snapshot");
        tokio::task::spawn_blocking(move || original.sandbox.snapshot(&point, &dir, bytes_max))
            .await
            .expect("it does not panic")
    }

    async fn prepared(preparations: &[&str]) -> (Self, Snapshot) {
        let copies = Self::start().await;
        let original = copies.original(preparations).await;
        let snapshot = copies.take(original, 512 * MIB).await.expect("a snapshot");
        (copies, snapshot)
    }

    async fn candidate(&self, dir: &Path, limits: Limits) -> Python {
        let mount = Mount {
            source: dir.to_owned(),
            target: PathBuf::from(SNAPSHOT_DIR),
        };
        self.stems.lease(limits, vec![mount]).await
    }

    async fn copy(&self, snapshot: &Snapshot) -> Python {
        let mut python = self.candidate(&snapshot.dir, LIMITS).await;
        assert_eq!(python.eval("become()").await, "'a copy'");
        python
    }

    async fn end(self) {
        self.stems.rig.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_memory_of_the_original() {
    let (copies, snapshot) = Copies::prepared(&[
        "kept.update(list=list(range(100000)), text='x' * 10_000_000)",
        "kept.update(decimal=__import__('decimal').Decimal('1.1'), deep=[[['end']]])",
        "kept.update(module=__import__('xmlrpc.client', fromlist=['x']))",
    ])
    .await;
    for _ in 0..2 {
        let mut copy = copies.copy(&snapshot).await;
        assert_eq!(copy.eval("sum(kept['list'])").await, "4999950000");
        assert_eq!(copy.eval("len(kept['text'])").await, "10000000");
        assert_eq!(copy.eval("kept['decimal'] * 2").await, "Decimal('2.2')");
        assert_eq!(
            copy.eval("kept['module'].dumps((1,))[:8]").await,
            "'<params>'"
        );
        // It goes on as any interpreter does: memory, imports, threads, children.
        assert_eq!(copy.eval("len(bytearray(50_000_000))").await, "50000000");
        assert_eq!(
            copy.eval("kept.update(new=[str(i) for i in range(300000)])")
                .await,
            "None"
        );
        assert_eq!(copy.eval("__import__('gc').collect() >= 0").await, "True");
        let thread = "[t.start() or t.join() for t in \
                      [__import__('threading').Thread(target=kept.update, kwargs={'ran': 1})]]";
        assert_eq!(copy.eval(thread).await, "[None]");
        assert_eq!(copy.eval("kept['ran']").await, "1");
        let child = "__import__('subprocess').run(['/bin/echo', 'hello'], \
                     capture_output=True).stdout";
        assert_eq!(copy.eval(child).await, "b'hello\\n'");
        assert_eq!(
            copy.eval("(lambda f: f(f, 900))(lambda f, n: n and f(f, n - 1))")
                .await,
            "0"
        );
    }
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_sandboxes_of_their_own() {
    let (copies, snapshot) = Copies::prepared(&["kept.update(n=1)"]).await;
    let mut first = copies.copy(&snapshot).await;
    let mut second = copies.copy(&snapshot).await;
    for kind in ["mnt", "pid", "ipc", "uts", "net", "cgroup"] {
        let namespace = format!("os.readlink('/proc/self/ns/{kind}')");
        assert_ne!(
            first.eval(&namespace).await,
            second.eval(&namespace).await,
            "{kind}"
        );
    }
    assert_ne!(
        first.eval("os.getuid()").await,
        second.eval("os.getuid()").await
    );
    let processes = "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())";
    for copy in [&mut first, &mut second] {
        // Init is another user and hidden.
        assert_eq!(copy.eval(processes).await, "[2]");
        let status = copy.eval("open('/proc/self/status').read()").await;
        for line in [
            "CapInh:\\t0000000000000000\\n",
            "CapPrm:\\t0000000000000000\\n",
            "CapEff:\\t0000000000000000\\n",
            "CapBnd:\\t0000000000000000\\n",
            "CapAmb:\\t0000000000000000\\n",
            "NoNewPrivs:\\t1",
            "Seccomp:\\t2",
            "Threads:\\t1\\n",
        ] {
            assert!(status.contains(line), "{line}: {status}");
        }
        // Nothing of the plan stays open.
        assert_eq!(copy.eval("len(os.listdir('/proc/self/fd'))").await, "5");
        let namespaces = "__import__('ctypes').CDLL(None).unshare(0x10000000)";
        assert_eq!(copy.eval(namespaces).await, "-1");
        for forbidden in [
            "os.kill(1, 9)",
            "os.kill(3, 0)",
            "open('/proc/1/mem', 'rb')",
            "open('/var/snapshot/pages', 'r+b')",
            "open('/var/snapshot/new', 'w')",
            "open('/usr/new', 'w')",
        ] {
            assert!(
                copy.eval(forbidden).await.starts_with("raised"),
                "{forbidden}"
            );
        }
    }
    assert_eq!(first.eval("open('/tmp/mine', 'w').write('x')").await, "1");
    assert_eq!(second.eval("os.path.exists('/tmp/mine')").await, "False");
    assert_eq!(first.eval("kept.update(n=2)").await, "None");
    assert_eq!(second.eval("kept['n']").await, "1");
    let mut third = copies.copy(&snapshot).await;
    assert_eq!(third.eval("kept['n']").await, "1");
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_draw_different_random_numbers() {
    let modules = ["random", "ssl", "uuid", "secrets", "tempfile"];
    let imports = modules.map(|module| format!("kept.update({module}=__import__('{module}'))"));
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let draws = [
        "kept['random'].random()",
        "kept['ssl'].RAND_bytes(16)",
        "str(kept['uuid'].uuid4())",
        "kept['secrets'].token_hex(16)",
        "kept['tempfile'].mktemp()",
    ];
    let (copies, snapshot) = Copies::prepared(&[&imports[..], &draws[..]].concat()).await;
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mut copy = copies.copy(&snapshot).await;
        for draw in draws {
            drawn.insert(copy.eval(draw).await);
        }
    }
    assert_eq!(drawn.len(), 3 * draws.len(), "{drawn:?}");
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_the_process_is_put_back() {
    let (copies, snapshot) = Copies::prepared(&[
        "os.makedirs('/tmp/a/b') or open('/tmp/a/b/file', 'w').write('one two three')",
        "os.symlink('b/file', '/tmp/a/link')",
        "kept.update(file=open('/tmp/a/b/file')) or kept['file'].read(4)",
        "kept.update(usr=os.open('/usr', os.O_RDONLY))",
        "kept.update(pipe=os.pipe(), pair=__import__('socket').socketpair())",
        "kept.update(tcp=__import__('socket').create_server(('127.0.0.1', 0)))",
        "kept.update(loop=__import__('asyncio').new_event_loop())",
        "__import__('signal').signal(10, lambda *_: kept.update(signalled=True))",
        "os.chdir('/tmp/a')",
        "os.umask(0o027)",
        "os.environ.update(COLOUR='green')",
    ])
    .await;
    let mut copy = copies.copy(&snapshot).await;
    assert_eq!(copy.eval("kept['file'].read()").await, "'two three'");
    assert_eq!(copy.eval("os.readlink('/tmp/a/link')").await, "'b/file'");
    assert_eq!(copy.eval("'bin' in os.listdir(kept['usr'])").await, "True");
    assert_eq!(copy.eval("os.write(kept['pipe'][1], b'x')").await, "1");
    assert_eq!(copy.eval("os.read(kept['pipe'][0], 9)").await, "b'x'");
    assert_eq!(copy.eval("kept['pair'][0].send(b'yz')").await, "2");
    assert_eq!(copy.eval("kept['pair'][1].recv(9)").await, "b'yz'");
    let gone = copy.eval("kept['tcp'].accept()").await;
    assert!(gone.starts_with("raised"), "{gone}");
    let sleep = "kept['loop'].run_until_complete(__import__('asyncio').sleep(0.01, 'slept'))";
    assert_eq!(copy.eval(sleep).await, "'slept'");
    let called = "kept['loop'].run_until_complete(\
                  kept['loop'].run_in_executor(None, os.getpid))";
    assert_eq!(copy.eval(called).await, "2");
    assert_eq!(copy.eval("os.kill(os.getpid(), 10)").await, "None");
    assert_eq!(copy.eval("kept['signalled']").await, "True");
    assert_eq!(copy.eval("os.getcwd()").await, "'/tmp/a'");
    assert_eq!(copy.eval("os.umask(0)").await, "23");
    assert_eq!(copy.eval("os.environ['COLOUR']").await, "'green'");
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_is_refused_and_leaves_nothing() {
    let copies = Copies::start().await;
    let sleeper = "kept.update(t=__import__('threading').Thread(\
                   target=__import__('time').sleep, args=(600,), daemon=True)) \
                   or kept['t'].start()";
    let child = "kept.update(c=__import__('subprocess').Popen(['/bin/sleep', '600'])) \
                 or kept['c'].pid";
    let shared = "kept.update(m=__import__('mmap').mmap(-1, 4096))";
    let large = "kept.update(b=bytearray(os.urandom(80_000_000)))";
    for (preparation, why) in [
        (sleeper, "it has 1 more threads"),
        (child, "it has child processes"),
        (shared, "it shares memory with other processes"),
        (large, "it uses more than 64 MiB"),
    ] {
        let original = copies.original(&[preparation]).await;
        let refused = copies.take(original, 64 * MIB).await;
        let error = refused.expect_err("it cannot be copied").to_string();
        assert!(error.contains(why), "{preparation}: {error}");
        assert!(!copies.directory.path().join("snapshot").exists());
    }
    for (preparation, why) in [
        (
            "kept.update(s=__import__('socket').socket(1, 1))",
            "a local socket",
        ),
        (
            "kept.update(p=os.pipe()) or os.close(kept['p'][1])",
            "a pipe",
        ),
        (
            "kept.update(f=open('/tmp/x', 'w')) or os.unlink('/tmp/x')",
            "deleted",
        ),
        ("open('/tmp/x', 'wb').truncate(33 << 20)", "in /tmp"),
    ] {
        let mut original = copies
            .stems
            .lease(
                Limits {
                    tmp_bytes: 64 << 20,
                    ..LIMITS
                },
                vec![],
            )
            .await;
        original.eval(preparation).await;
        let answer = original.eval("take('c3')").await;
        assert!(
            answer.contains("Unfit") && answer.contains(why),
            "{preparation}: {answer}"
        );
    }
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_come_again_when_nobody_has_copied_it() {
    let copies = Copies::start().await;
    let mut original = copies.original(&[]).await;
    let blocked = "__import__('signal').pthread_sigmask(0, [10])";
    assert_eq!(original.eval(blocked).await, "set()");
    // Code that returns nothing and does not wait.
    let answer = original.eval("take('31c0c3')").await;
    assert!(answer.contains("it was not wanted"), "{answer}");
    assert_eq!(original.eval(blocked).await, "{<Signals.SIGUSR1: 10>}");
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_addresses_are_passed_over_and_kept() {
    // Tebibytes of which a page was written: read page by page, that is a minute.
    let (copies, snapshot) = Copies::prepared(&[
        "kept.update(c=__import__('ctypes'), size=32 << 40)",
        "kept.update(libc=kept['c'].CDLL(None))",
        "setattr(kept['libc'].mmap, 'restype', kept['c'].c_void_p)",
        "kept.update(at=kept['libc'].mmap(None, kept['c'].c_size_t(kept['size']), 0, 0x4022, -1, \
         kept['c'].c_long(0)) + (1 << 40))",
        "kept['libc'].mprotect(kept['c'].c_void_p(kept['at']), 4096, 3)",
        "kept['c'].memset(kept['at'], 7, 1)",
    ])
    .await;
    assert!(snapshot.bytes < 64 * MIB, "{snapshot:?}");
    let mut copy = copies.copy(&snapshot).await;
    let read = "kept['c'].string_at(kept['at'], 2)";
    assert_eq!(copy.eval(read).await, "b'\\x07\\x00'");
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_in_countless_pieces_is_refused_before_any_is_copied() {
    let copies = Copies::start().await;
    let prepare =
        "kept.update(c=__import__('ctypes'), m=__import__('mmap').mmap(-1, 30000 * 65536, 0x4022))";
    let libc = "kept.update(libc=kept['c'].CDLL(None), \
                at=kept['c'].addressof(kept['c'].c_char.from_buffer(kept['m'])))";
    // Every second page has a protection of its own, and so a mapping.
    let mappings = "[kept['libc'].mprotect(kept['c'].c_void_p(kept['at'] + 8192 * n), 4096, 1) \
                    for n in range(10000)][0]";
    // Too far from each other to be one piece.
    let pieces = "[kept['c'].memset(kept['at'] + 18 * 4096 * n, 7, 1) for n in range(17000)][0]";
    for (preparation, why) in [
        (mappings, "it has more than 16384 mappings"),
        (pieces, "its memory is in too many pieces"),
    ] {
        let original = copies.original(&[prepare, libc, preparation]).await;
        let refused = copies.take(original, 128 * MIB).await;
        let error = refused.expect_err("it cannot be copied").to_string();
        assert!(error.contains(why), "{error}");
    }
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_zygote_is_not_for_this_one() {
    let (copies, snapshot) = Copies::prepared(&["kept.update(n=1)"]).await;
    let other = Copies::start().await;
    let mut python = other.candidate(&snapshot.dir, LIMITS).await;
    let answer = python.eval("become()").await;
    assert!(answer.contains("started anew"), "{answer}");
    assert_eq!(python.eval("1 + 1").await, "2");
    // What cannot be read leaves the process as it was.
    let broken = other.directory.path().join("broken");
    fs::create_dir(&broken).expect("the directory is ours");
    let mut python = other.candidate(&broken, LIMITS).await;
    assert!(python.eval("become()").await.starts_with("raised"));
    assert_eq!(python.eval("1 + 1").await, "2");
    other.end().await;
    copies.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_keeps_to_its_own_limits() {
    let (copies, snapshot) = Copies::prepared(&["kept.update(b=bytearray(60_000_000))"]).await;
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..LIMITS
    };
    let mut python = copies.candidate(&snapshot.dir, limits).await;
    assert_eq!(python.eval("become()").await, "'a copy'");
    // What it does not write is the snapshot's, and what it does is its own.
    assert_eq!(python.eval("len(kept['b'])").await, "60000000");
    let written = "kept['b'].__setitem__(slice(None, None, 4096), b'x' * 14649)";
    assert_eq!(python.eval(written).await, "None");
    let more = "kept.update(c=b'x' * 60_000_000)";
    assert_eq!(python.eval(more).await, "ended");
    copies.end().await;
}
