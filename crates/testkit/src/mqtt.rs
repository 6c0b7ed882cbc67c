//! An MQTT broker for one test: real, on a port and in a directory of its own, gone with the test.
//!
//! It is Debian's `mosquitto`, and what publishes its `mosquitto-clients`; `script/test` installs both.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{private_server, programs, wait_for};

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
const SERVER: &str = "/usr/sbin/mosquitto";
const PASSWORDS: &str = "/usr/bin/mosquitto_passwd";
const PUBLISHER: &str = "/usr/bin/mosquitto_pub";
const SUBSCRIBER: &str = "/usr/bin/mosquitto_sub";

/// A broker, running until it is dropped.
#[derive(Debug)]
pub struct Mqtt {
    dir: TempDir,
    port: u16,
    /// Lines of its configuration.
    settings: String,
    child: Option<Child>,
}

impl Mqtt {
    /// The password of the user `kiln`.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh broker, which writes down what it has each time that this changes.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A fresh broker with more lines of configuration.
    pub fn start_with(settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-mqtt-").tempdir();
        let mut server = Self {
            dir: dir.expect("a temporary folder can be made"),
            port: 0,
            settings: settings.to_owned(),
            child: None,
        };
        let passwords = server.dir.path().join("passwords");
        programs::run(
            Command::new(PASSWORDS)
                .args(["-b", "-c"])
                .arg(&passwords)
                .args(["kiln", Self::PASSWORD]),
        );
        // Whoever had the port meanwhile has it, and the next one may be free.
        while server.child.is_none() {
            server.port = private_server::free_port();
            server.run();
        }
        server
    }

    /// A fresh broker that also speaks TLS under the name `localhost`. Gives the port for that, and the certificate, as
    /// PEM, that vouches for it.
    pub fn start_with_tls() -> (Self, u16, String) {
        let (certificate, key) = private_server::certificate();
        let mut server = Self::start();
        server.crash();
        let path = |name: &str| server.dir.path().join(name).display().to_string();
        for (name, text) in [("cert.pem", &certificate), ("key.pem", &key)] {
            fs::write(path(name), text).expect("the folder is ours");
        }
        let port = private_server::free_port();
        server.settings = format!(
            "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
            path("cert.pem"),
            path("key.pem")
        );
        server.start_again();
        (server, port, certificate)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The broker as an event source has it.
    pub fn endpoint(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Publishes these lines to a topic, and waits until the broker has each of them.
    pub fn publish(&self, topic: &str, lines: &[&str]) {
        self.publish_with(topic, lines, &["-q", "1"]);
    }

    /// The same with options of `mosquitto_pub`.
    pub fn publish_with(&self, topic: &str, lines: &[&str], options: &[&str]) {
        let mut publisher = self
            .client(PUBLISHER)
            .args(["-t", topic, "-l"])
            .args(options)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("publish: {error}"));
        let mut stdin = publisher.stdin.take().expect("it reads");
        for line in lines {
            writeln!(stdin, "{line}").expect("it reads all");
        }
        drop(stdin);
        assert!(publisher.wait().expect("it ends").success());
    }

    /// How many sessions it keeps of clients that are not there.
    pub fn sessions(&self) -> String {
        let topic = "$SYS/broker/clients/disconnected";
        let output = programs::run(self.client(SUBSCRIBER).args(["-t", topic, "-C", "1"]));
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Has it write down what it keeps, which it does by itself only now and then.
    pub fn write_down(&self) {
        let file = self.dir.path().join("mosquitto.db");
        let which = || fs::metadata(&file).map(|found| found.ino()).ok();
        let before = which();
        let child = self.child.as_ref().expect("it runs");
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).expect("it is ours");
        // It writes another file, and puts that in the place of the one before.
        wait_for("what Mosquitto keeps on disk", START_MAX, || {
            (which() != before).then_some(())
        });
    }

    /// Ends it as a power cut would, but for what the machine had yet to write.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        let runs = private_server::start_again(|| {
            self.run();
            self.child.is_some()
        });
        assert!(
            runs,
            "Mosquitto does not start again; its log:\n{}",
            self.log()
        );
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    /// Starts it and waits until it answers; when its port is somebody else's it is not running.
    fn run(&mut self) {
        assert!(
            Path::new(SERVER).exists(),
            "Mosquitto is installed: script/test does it, or apt-get install mosquitto mosquitto-clients"
        );
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        // Whoever starts it stays who it is; what it keeps is written at each change.
        let settings = format!(
            "user root\nper_listener_settings false\nallow_anonymous false\npassword_file {}\npersistence true\n\
             persistence_location {}/\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n\
             sys_interval 1\nlistener {} 127.0.0.1\n{}",
            path("passwords"),
            self.dir.path().display(),
            self.port,
            self.settings
        );
        fs::write(path("settings"), settings).expect("the folder is ours");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", SERVER])
            .args(["-c", &path("settings")])
            .current_dir(self.dir.path());
        let child = private_server::start(&mut command, &self.dir.path().join("log"));
        self.child = private_server::when_ready(child, ("Mosquitto", START_MAX), || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-V", "5", "-u", "kiln", "-P", Self::PASSWORD])
            .current_dir("/");
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Mosquitto's log:\n{}", self.log());
        }
        self.crash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut server = Mqtt::start();
        server.publish_with("a", &["1"], &["-q", "1", "-r"]);
        server.crash();
        server.start_again();
        let output = programs::run(server.client(SUBSCRIBER).args(["-t", "a", "-C", "1"]));
        assert_eq!(output.stdout, b"1\n");
        let port = server.port();
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
