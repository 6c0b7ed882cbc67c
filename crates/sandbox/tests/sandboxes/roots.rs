//! Sandboxes whose root is a container image.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_sandbox::{Error, Exit, Mount, PoolConfig, Program, Request, Sandbox, Start, rootless};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};

use crate::rig::{LIMITS, Rig, finish, plain_image};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it lies in a layer")).expect("the layer is ours");
    fs::write(path, text).expect("the layer is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the layer is ours");
}

/// A program of this machine and the libraries that it needs, where they are here.
fn copy_program(layer: &Path, program: &str) {
    let listed = Command::new("ldd").arg(program).output().expect("ldd runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let to = layer.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("below the root")).expect("the layer is ours");
        fs::copy(file, to).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// A layer with a shell and some tools, and nothing else of this machine.
fn tools(rig: &Rig) -> PathBuf {
    let layer = rig.directory.path().join("tools");
    for program in [
        "/bin/sh",
        "/bin/cat",
        "/bin/ls",
        "/usr/bin/id",
        "/bin/mount",
    ] {
        copy_program(&layer, program);
    }
    // What an image must not be able to turn into a way out.
    for (link, target) in [("tmp", "/"), ("proc", "/bin"), ("etc", "/nowhere")] {
        symlink(target, layer.join(link)).expect("the layer is ours");
    }
    write(&layer.join("opt/lower"), "lower\n");
    write(&layer.join("opt/hidden"), "hidden\n");
    write(&layer.join("srv/covered"), "covered\n");
    layer
}

fn program(argv: &[&str], cwd: &str) -> Program {
    Program {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: vec![("PATH".into(), "/nowhere:/usr/bin:/bin".into())],
        cwd: cwd.into(),
    }
}

async fn lease(rig: &Rig, layers: &[PathBuf], program: Program) -> Result<Sandbox, Error> {
    let mount = |layer: &PathBuf| Mount {
        source: layer.clone(),
        target: "/".into(),
    };
    let request = Request {
        image: "plain".into(),
        start: Start::Exec(program),
        limits: LIMITS,
        mounts: layers.iter().map(mount).collect(),
        volumes: vec![],
        listeners: vec![],
        companions: false,
        network: false,
    };
    rig.sandboxes.lease(request).await
}

async fn sh(rig: &Rig, layers: &[PathBuf], script: &str) -> String {
    let sandbox = lease(rig, layers, program(&["sh", "-c", script], "/srv")).await;
    finish(sandbox.expect("it starts")).await.output
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_see_the_image_and_nothing_of_the_machine() {
    let rig = Rig::start().await;
    let layers = [tools(&rig)];
    let script = "ls /; ls /usr/bin; cat /etc/hosts; id -u; echo $PWD; ls /var 2>&1; \
                  echo made > /tmp/a && cat /tmp/a; echo x > /dev/null && echo null; \
                  cat /proc/1/comm; ls /dev; echo x > /opt/new || echo kept";
    let output = sh(&rig, &layers, script).await;
    for expected in [
        "dev\netc\n",
        "lib",
        "127.0.0.1 localhost",
        "/srv\n",
        "made\n",
        "null\n",
        "kept\n",
        "/var': No such file or directory",
        "id\n",
        "shm\n",
    ] {
        assert!(output.contains(expected), "{expected:?} in {output}");
    }
    for absent in ["python3", "passwd"] {
        assert!(!output.contains(absent), "{absent} in {output}");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_layer_deletes_is_gone() {
    let rig = Rig::start().await;
    let lower = tools(&rig);
    let upper = rig.directory.path().join("upper");
    write(&upper.join("opt/upper"), "upper\n");
    fs::create_dir(upper.join("srv")).expect("the layer is ours");
    let mark = match rootless::is_mapped() {
        true => "user.overlay.opaque",
        false => "trusted.overlay.opaque",
    };
    let opaque = setxattr(upper.join("srv"), mark, b"y", XattrFlags::empty());
    opaque.expect("tests run as root");
    let whiteout = upper.join("opt/hidden");
    mknodat(
        CWD,
        whiteout,
        FileType::CharacterDevice,
        Mode::empty(),
        makedev(0, 0),
    )
    .expect("tests run as root");
    let output = sh(&rig, &[lower, upper], "ls /opt /srv").await;
    assert_eq!(output, "/opt:\nlower\nupper\n\n/srv:\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_layers_are_one_root() {
    let rig = Rig::start().await;
    let mut layers = vec![tools(&rig)];
    for number in 0..126 {
        let layer = rig.directory.path().join(format!("layer{number}"));
        write(&layer.join(format!("many/{number:03}")), "");
        layers.push(layer);
    }
    let output = sh(&rig, &layers, "ls /many").await;
    assert_eq!(output.lines().count(), 126, "{output}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walls_hold_in_an_image() {
    // Without a pool, so that a shell made at need is filled too.
    let pool = PoolConfig {
        shells: 0,
        stems_per_image: 0,
    };
    let rig = Rig::start_with(vec![plain_image()], pool).await;
    let layers = [tools(&rig)];
    let script = "cat /proc/self/status; mount -t tmpfs none /tmp 2>&1; cat /proc/self/mountinfo";
    let output = sh(&rig, &layers, script).await;
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(output.contains(line), "{line} in {output}");
    }
    assert_eq!(output.matches(" /tmp ").count(), 1, "{output}");
    // Of the former root no mount is left but those that the sandbox keeps.
    for gone in [" /usr/lib ", " /usr/bin "] {
        assert!(!output.contains(gone), "{output}");
    }
    let host: OsString = rig.directory.path().into();
    assert!(!output.contains(&*host.to_string_lossy()), "{output}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_and_a_missing_directory_are_told_apart() {
    let rig = Rig::start().await;
    let layers = [tools(&rig)];
    let missing = lease(&rig, &layers, program(&["/no/program"], "/")).await;
    assert!(
        matches!(&missing, Err(Error::NotExecutable { program, .. }) if program == "/no/program"),
        "{missing:?}"
    );
    let nowhere = lease(&rig, &layers, program(&["/bin/sh"], "/nowhere")).await;
    assert!(
        matches!(&nowhere, Err(Error::NoWorkingDirectory { .. })),
        "{nowhere:?}"
    );
    let unnamed = lease(&rig, &layers, program(&["nothing"], "/")).await;
    assert!(
        matches!(&unnamed, Err(Error::NotExecutable { .. })),
        "{unnamed:?}"
    );
    let ran = finish(
        lease(&rig, &layers, program(&["id", "-u"], "/"))
            .await
            .expect("it starts"),
    );
    assert_eq!(ran.await.exit, Exit::Code(0));
    rig.end().await;
}
