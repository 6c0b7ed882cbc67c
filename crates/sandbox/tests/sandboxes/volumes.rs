//! Directories of the host that sandboxes share.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use kiln_sandbox::{Error, Program, Request, Sandbox, Start, Volume};

use crate::rig::{LIMITS, Rig, finish};

/// Owns the directory on the host; nobody on this machine.
const OWNER: u32 = 1_234_567;

/// A directory that belongs to an ordinary user and is closed to all others.
fn shared(rig: &Rig) -> PathBuf {
    let dir = rig.directory.path().join("shared");
    fs::create_dir(&dir).expect("the directory is ours");
    fs::write(dir.join("greeting"), "hello\n").expect("the directory is ours");
    for path in [&dir, &dir.join("greeting")] {
        chown(path, Some(OWNER), Some(OWNER)).expect("tests run as root");
    }
    rustix::fs::chmod(&dir, 0o700.into()).expect("the directory is ours");
    dir
}

fn volume(source: &Path, target: &str, is_read_only: bool) -> Volume {
    Volume {
        source: source.to_owned(),
        target: target.into(),
        is_read_only,
    }
}

async fn lease(rig: &Rig, script: &str, volume: Volume) -> Result<Sandbox, Error> {
    let start = Start::Exec(Program {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/tmp".into(),
    });
    let request = Request {
        image: "plain".into(),
        start,
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![volume],
        listeners: vec![],
        network: false,
        companions: false,
    };
    rig.sandboxes.lease(request).await
}

async fn run(rig: &Rig, script: &str, volume: Volume) -> String {
    let sandbox = lease(rig, script, volume).await.expect("it starts");
    finish(sandbox).await.output
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_share_files_as_the_directorys_owner() {
    let rig = Rig::start().await;
    let dir = shared(&rig);
    let data = || volume(&dir, "/mnt/data", false);
    let script = "cd /mnt/data; cat greeting; echo one > made; chmod 600 made; mkdir -p a/b; \\
                  stat -c %u made; id -u";
    let output = run(&rig, script, data()).await;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "hello");
    assert_eq!(lines[1], lines[2], "its files are its own: {output}");
    let made = fs::metadata(dir.join("made")).expect("the sandbox has made it");
    assert_eq!((made.uid(), made.gid()), (OWNER, OWNER));
    // Another sandbox is another user, and owns the same files.
    let script =
        "cd /mnt/data; cat made; echo two >> made; mv made a/b/moved; rm greeting; ls -A; id -u";
    let output = run(&rig, script, data()).await;
    assert!(output.starts_with("one\na\n"), "{output}");
    assert_ne!(output.lines().last(), lines.last().copied());
    let moved = fs::read_to_string(dir.join("a/b/moved")).expect("the sandbox has moved it");
    assert_eq!(moved, "one\ntwo\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_read_only_can_be_read_only() {
    let rig = Rig::start().await;
    let dir = shared(&rig);
    let script = "cat /mnt/data/greeting; for f in new greeting; do echo x 2>&1 > /mnt/data/$f; done 2>&1; \\
                  rm -f /mnt/data/greeting 2>&1; mount | grep /mnt/data";
    let output = run(&rig, script, volume(&dir, "/mnt/data", true)).await;
    assert!(output.starts_with("hello\n"), "{output}");
    assert_eq!(
        output.matches("Read-only file system").count(),
        3,
        "{output}"
    );
    assert!(output.contains("(ro,nosuid,nodev"), "{output}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_below_mnt_can_be_written_and_no_right_is_gained() {
    let rig = Rig::start().await;
    let dir = shared(&rig);
    let script = "touch /mnt/new 2>&1; mkdir /mnt/dir 2>&1; ls /mnt; cd /mnt/data; cp /bin/sh .; \\
                  chmod u+s sh; mount | grep /mnt/data; ls /mnt/data/..";
    let output = run(&rig, script, volume(&dir, "/mnt/data", false)).await;
    assert_eq!(output.matches("Permission denied").count(), 2, "{output}");
    assert!(output.contains("(rw,nosuid,nodev"), "{output}");
    assert!(output.ends_with("data\n"), "{output}");
    // What it made is the owner's: no more than the owner could do without Kiln.
    let made = fs::metadata(dir.join("sh")).expect("the sandbox has made it");
    assert_eq!(made.uid(), OWNER);
    let output = rig.sh("ls -A /mnt").await.output;
    assert_eq!(output, "", "a sandbox without volumes has none");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_that_would_give_too_much_are_refused() {
    let rig = Rig::start().await;
    let dir = shared(&rig);
    let roots = rig.directory.path().join("roots");
    fs::create_dir(&roots).expect("the directory is ours");
    let table = [
        (volume(&roots, "/mnt/data", false), "root"),
        (volume(&dir, "/opt/data", false), "below /mnt"),
        (volume(&dir, "/mnt/..", false), "below /mnt"),
        (volume(&dir, "/mnt/a/b", false), "below /mnt"),
        (
            volume(Path::new("/no/such/place"), "/mnt/data", true),
            "No such file",
        ),
    ];
    for (volume, why) in table {
        let error = lease(&rig, "true", volume).await.expect_err(why);
        assert!(matches!(error, Error::Mount { .. }), "{error}");
        let source = std::error::Error::source(&error).expect("a mount has a reason");
        assert!(source.to_string().contains(why), "{source}");
    }
    rig.end().await;
}
