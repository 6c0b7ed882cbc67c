//! A PostgreSQL server for one test: real, on a port and in a directory of its own, gone with the test.
//!
//! It is Debian's (`postgresql`, which `script/test` installs), run as somebody without rights, as it refuses root. Its
//! database `shop` belongs to the user `kiln`, who may replicate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::{private_server, programs};

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
/// What it has beside the defaults. Nothing here must survive a power cut.
const SETTINGS: [&str; 9] = [
    "wal_level=logical",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_connections=40",
    "max_wal_senders=20",
    "max_replication_slots=20",
];

/// A server, running until it is dropped.
#[derive(Debug)]
pub struct Postgres {
    dir: TempDir,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Postgres {
    /// The password of the user `kiln`.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server with more settings, which win.
    pub fn start_with(settings: &[&str]) -> Self {
        let own = |text: &&str| (*text).to_owned();
        let dir = tempfile::Builder::new().prefix("kiln-postgres-").tempdir();
        let mut server = Self {
            dir: dir.expect("a temporary folder can be made"),
            port: 0,
            settings: SETTINGS.iter().chain(settings).map(own).collect(),
            child: None,
        };
        private_server::give(server.dir.path());
        server.initialise();
        // Whoever had the port meanwhile has it, and the next one may be free.
        while server.child.is_none() {
            server.port = private_server::free_port();
            server.run();
        }
        let password = Self::PASSWORD;
        server.sql_as_admin(
            "postgres",
            &format!("CREATE ROLE kiln LOGIN REPLICATION PASSWORD '{password}'"),
        );
        server.sql_as_admin("postgres", "CREATE DATABASE shop OWNER kiln");
        server.sql_as_admin("shop", "GRANT ALL ON SCHEMA public TO kiln");
        server
    }

    /// A fresh server that also speaks TLS under the name `localhost`. Gives the certificate, as PEM, that vouches for it.
    pub fn start_with_tls() -> (Self, String) {
        let (certificate, key) = private_server::certificate();
        let files = tempfile::tempdir().expect("a temporary folder can be made");
        let (cert, secret) = (files.path().join("cert.pem"), files.path().join("key.pem"));
        fs::write(&cert, &certificate).expect("the folder is ours");
        fs::write(&secret, key).expect("the folder is ours");
        let mut server = Self::start();
        server.stop();
        for file in [&cert, &secret] {
            let name = file.file_name().expect("it was given one");
            let own = server.dir.path().join(name);
            fs::copy(file, &own).expect("the folder is ours");
            fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).expect("it is ours");
            private_server::give(&own);
        }
        let of = |name: &str| server.dir.path().join(name).display().to_string();
        let own = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", of("cert.pem")),
            format!("ssl_key_file={}", of("key.pem")),
        ];
        server.settings.extend(own);
        server.start_again();
        (server, certificate)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database `shop` as an event source has it.
    pub fn endpoint(&self) -> String {
        format!("postgres://127.0.0.1:{}/shop", self.port)
    }

    /// Runs statements in `shop` as `kiln`; gives what they say, a row a line, columns between `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.psql("kiln", "shop", sql)
    }

    /// The same as somebody who may do everything.
    pub fn sql_as_admin(&self, database: &str, sql: &str) -> String {
        self.psql("admin", database, sql)
    }

    /// Stops it as an administrator would.
    pub fn stop(&mut self) {
        self.end(rustix::process::Signal::INT);
    }

    /// Ends it as a power cut would, but for what the machine had yet to write.
    pub fn crash(&mut self) {
        self.end(rustix::process::Signal::QUIT);
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        let runs = private_server::start_again(|| {
            self.run();
            self.child.is_some()
        });
        assert!(
            runs,
            "PostgreSQL does not start again; its log:\n{}",
            self.log()
        );
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    fn initialise(&self) {
        let password = self.dir.path().join("password");
        fs::write(&password, "admin").expect("the folder is ours");
        private_server::give(&password);
        let mut initdb = self.command("initdb");
        initdb
            .args(["--no-sync", "--auth=scram-sha-256", "--username=admin"])
            .args(["--encoding=UTF8", "--locale=C", "--pwfile"])
            .arg(password)
            .arg("--pgdata")
            .arg(self.data());
        programs::run(&mut initdb);
    }

    /// Starts it and waits until it answers; when its port is somebody else's it is not running.
    fn run(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let child = private_server::start(&mut command, &self.log_file());
        self.child = private_server::when_ready(child, ("PostgreSQL", START_MAX), || {
            let mut client = self.client("admin", "postgres");
            let answers = client.args(["-c", "SELECT 1"]).output();
            answers.is_ok_and(|answers| answers.status.success())
        });
    }

    fn end(&mut self, signal: rustix::process::Signal) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal);
        let _ = child.wait();
    }

    fn psql(&self, user: &str, database: &str, sql: &str) -> String {
        let output = programs::run(self.client(user, database).args(["-c", sql]));
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    fn client(&self, user: &str, database: &str) -> Command {
        let password = match user {
            "admin" => "admin",
            _ => Self::PASSWORD,
        };
        let mut command = Command::new(bin().join("psql"));
        command
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
            ])
            .args(["-p", &self.port.to_string(), "-U", user, "-d", database])
            .env("PGPASSWORD", password)
            .env("PGSSLMODE", "disable")
            .env("PGCONNECT_TIMEOUT", "5")
            .current_dir("/");
        command
    }

    /// A program of the server's, as somebody who may run it, that ends with the test.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        private_server::as_nobody(&mut command);
        command.args(["--pdeathsig", "QUIT", "--"]);
        command
            .arg(bin().join(program))
            .current_dir(self.dir.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("PostgreSQL's log:\n{}", self.log());
        }
        self.crash();
    }
}

/// Where the newest server's programs are: Debian has them outside of the path.
fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let number = |path: &Path| -> Option<u32> {
        let version = path.file_name()?.to_str()?.parse().ok()?;
        path.join("bin/initdb").exists().then_some(version)
    };
    let newest = versions
        .map(|entry| entry.path())
        .filter_map(|path| Some((number(&path)?, path)))
        .max();
    let (_, newest) = newest
        .expect("PostgreSQL is installed: script/test does it, or apt-get install postgresql");
    newest.join("bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut server = Postgres::start();
        server.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)");
        server.crash();
        server.start_again();
        assert_eq!(server.sql("SELECT n FROM t ORDER BY n"), "1\n2");
        assert_eq!(server.sql("SHOW wal_level"), "logical");
        let port = server.port();
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
