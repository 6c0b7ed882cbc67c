//! A MariaDB server for one test: real, on a port and in a directory of its own, gone with the test.
//!
//! It is Debian's (`mariadb-server-core`, which `script/test` installs and which starts nothing itself), run as somebody
//! without rights. Its database `shop` belongs to the user `kiln`, who may read its binary log.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{private_server, programs};

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
const SERVER: &str = "/usr/sbin/mariadbd";
/// What it has beside the defaults. Nothing here must survive a power cut.
const SETTINGS: [&str; 16] = [
    "--log-bin=bin",
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=2",
    "--aria-pagecache-buffer-size=2M",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--max-connections=40",
    "--default-time-zone=+03:00",
];

/// A server, running until it is dropped.
#[derive(Debug)]
pub struct MariaDb {
    dir: TempDir,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl MariaDb {
    /// The password of the user `kiln`.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server with more settings, which win.
    pub fn start_with(settings: &[&str]) -> Self {
        let own = |text: &&str| (*text).to_owned();
        let dir = tempfile::Builder::new().prefix("kiln-mariadb-").tempdir();
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
        server.sql_as_admin(&format!(
            "SET SESSION sql_log_bin = 0; CREATE DATABASE shop; \
             CREATE USER kiln@'127.0.0.1' IDENTIFIED BY '{password}'; \
             GRANT ALL ON shop.* TO kiln@'127.0.0.1'; \
             GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO kiln@'127.0.0.1'"
        ));
        server
    }

    /// A fresh server that also speaks TLS under the name `localhost`. Gives the certificate, as PEM, that vouches for it.
    pub fn start_with_tls() -> (Self, String) {
        let (certificate, key) = private_server::certificate();
        let mut server = Self::start();
        server.stop();
        for (name, text) in [("cert.pem", &certificate), ("key.pem", &key)] {
            let own = server.dir.path().join(name);
            fs::write(&own, text).expect("the folder is ours");
            fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).expect("it is ours");
            private_server::give(&own);
        }
        let of = |name: &str| server.dir.path().join(name).display().to_string();
        let own = [
            format!("--ssl-cert={}", of("cert.pem")),
            format!("--ssl-key={}", of("key.pem")),
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
        format!("mariadb://127.0.0.1:{}/shop", self.port)
    }

    /// Runs statements in `shop` as `kiln`; gives what they say, a row a line, columns between tabs.
    pub fn sql(&self, sql: &str) -> String {
        run(&mut self.user(), sql)
    }

    /// Begins to run statements in `shop` as `kiln`, of which the last may be that before the server ended.
    pub fn begin_sql(&self, sql: &str) -> Child {
        let mut file = tempfile::tempfile().expect("a temporary file can be made");
        file.write_all(sql.as_bytes())
            .and_then(|()| file.rewind())
            .expect("the file is ours");
        let mut client = self.user();
        let client = client.stdin(file).stdout(Stdio::null());
        client
            .stderr(Stdio::null())
            .spawn()
            .expect("the client is installed")
    }

    /// The same as somebody who may do everything, in no database.
    pub fn sql_as_admin(&self, sql: &str) -> String {
        run(&mut self.admin(), sql)
    }

    /// Stops it as an administrator would.
    pub fn stop(&mut self) {
        self.end(rustix::process::Signal::TERM);
    }

    /// Ends it as a power cut would, but for what the machine had yet to write.
    pub fn crash(&mut self) {
        self.end(rustix::process::Signal::KILL);
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        let runs = private_server::start_again(|| {
            self.run();
            self.child.is_some()
        });
        assert!(
            runs,
            "MariaDB does not start again; its log:\n{}",
            self.log()
        );
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    fn initialise(&self) {
        let mut install = self.command("/usr/bin/mariadb-install-db");
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve"])
            .arg(format!("--datadir={}", self.data().display()));
        programs::run(&mut install);
    }

    /// Starts it and waits until it answers; when its port is somebody else's it is not running.
    fn run(&mut self) {
        let mut command = self.command(SERVER);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.data().display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!(
                "--pid-file={}",
                self.dir.path().join("pid").display()
            ))
            .arg(format!("--port={}", self.port))
            .args(&self.settings);
        let child = private_server::start(&mut command, &self.log_file());
        self.child = private_server::when_ready(child, ("MariaDB", START_MAX), || {
            let answers = self.admin().args(["-e", "SELECT 1"]).output();
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

    fn user(&self) -> Command {
        let mut client = self.client();
        client
            .args(["--protocol=TCP", "--host=127.0.0.1", "--user=kiln", "shop"])
            .args(["--port", &self.port.to_string()])
            .env("MYSQL_PWD", Self::PASSWORD);
        client
    }

    fn admin(&self) -> Command {
        let mut client = self.client();
        client
            .arg(format!("--socket={}", self.socket().display()))
            .arg("--user=root");
        client
    }

    fn client(&self) -> Command {
        let mut command = Command::new("/usr/bin/mariadb");
        command
            .args(["--no-defaults", "--batch", "--skip-column-names", "--raw"])
            .args(["--default-character-set=utf8mb4", "--skip-ssl"])
            .current_dir("/");
        command
    }

    /// A program of the server's, as somebody who may run it, that ends with the test.
    fn command(&self, program: &str) -> Command {
        assert!(
            Path::new(program).exists(),
            "MariaDB is installed: script/test does it, or apt-get install mariadb-server-core mariadb-client-core"
        );
        let mut command = Command::new("setpriv");
        private_server::as_nobody(&mut command);
        command.args(["--pdeathsig", "KILL", "--"]);
        // Servers that are made at the same time take each other's temporary tables away.
        command.env("TMPDIR", self.dir.path());
        command.arg(program).current_dir(self.dir.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MariaDB's log:\n{}", self.log());
        }
        self.crash();
    }
}

fn run(client: &mut Command, sql: &str) -> String {
    let output = programs::run(client.args(["-e", sql]));
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut server = MariaDb::start();
        server.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)");
        server.crash();
        server.start_again();
        assert_eq!(server.sql("SELECT n FROM t ORDER BY n"), "1\n2");
        assert_eq!(server.sql("SELECT @@binlog_format"), "ROW");
        let port = server.port();
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
