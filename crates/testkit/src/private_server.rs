//! What private servers of tests have in common: ports, a user, logs, starts, a certificate.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};

use crate::wait_for;

/// The password of the user `kiln`.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Who runs a server that may not be root's.
const NOBODY: (&str, u32) = ("nobody", 65_534);

/// Ports of 127.0.0.1 that were free a moment ago: whoever is given one may find it taken.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// One of them.
pub(crate) fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Puts a secret with the user's name and password into a directory of secrets.
pub(crate) fn write_secret(dir: &Path, name: &str) {
    let text =
        format!("{{\"username\":\"kiln\",\"password\":\"{PASSWORD}\",\"host\":\"127.0.0.1\"}}");
    fs::write(dir.join(name), text).expect("the folder is ours");
}

/// A certificate of the name `localhost`, and its key, as PEM.
pub(crate) fn certificate() -> (String, String) {
    let key = KeyPair::generate().expect("keys can be made");
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).and_then(|params| params.self_signed(&key));
    let certificate = certificate.expect("a certificate can be made");
    (certificate.pem(), key.serialize_pem())
}

/// Starts a program whose output goes to the end of a file.
pub(crate) fn start(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(log);
    let log = log.expect("the log can be made");
    let started = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a descriptor can be copied"))
        .stderr(log)
        .spawn();
    started.unwrap_or_else(|error| panic!("start {command:?}: {error}"))
}

/// Waits until a server answers; none when it has ended, as its port is somebody else's.
pub(crate) fn when_ready(
    mut child: Child,
    (what, patience): (&str, Duration),
    mut is_ready: impl FnMut() -> bool,
) -> Option<Child> {
    let is_running = wait_for(&format!("{what} to be ready"), patience, || {
        if child.try_wait().expect("a child can be asked").is_some() {
            return Some(false);
        }
        is_ready().then_some(true)
    });
    is_running.then_some(child)
}

/// Tries to start a server on the port that it had; whether it runs.
pub(crate) fn start_again(mut runs: impl FnMut() -> bool) -> bool {
    for _ in 0..10 {
        if runs() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// Has a command run as somebody without rights, where root runs the tests.
pub(crate) fn as_nobody(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.args([
            "--reuid",
            NOBODY.0,
            "--regid",
            &NOBODY.1.to_string(),
            "--clear-groups",
        ]);
    }
}

/// Gives a file to who that is.
pub(crate) fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY.1), Some(NOBODY.1)).expect("root may give");
    }
}
