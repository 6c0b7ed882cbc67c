//! A certificate authority with ACME for one test: real, on ports and in a directory of its own, gone with the test.
//!
//! It is Debian's `pebble`, Let's Encrypt's own server for tests, with the name server of the same package, by which all
//! names mean 127.0.0.1; `script/test` installs it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::private_server::{self, free_ports};
use crate::programs;

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
const SERVER: &str = "/usr/bin/pebble";
const NAMES: &str = "/usr/bin/pebble-challtestsrv";

/// An authority, running until it is dropped.
#[derive(Debug)]
pub struct Pebble {
    dir: TempDir,
    ports: Ports,
    /// More of its configuration.
    settings: Value,
    children: Vec<Child>,
    /// How often its root was another.
    generation: u32,
}

#[derive(Debug, Default)]
struct Ports {
    directory: u16,
    management: u16,
    names: u16,
    names_management: u16,
    tls: u16,
    http: u16,
}

impl Pebble {
    /// A fresh authority.
    pub fn start() -> Self {
        Self::start_with(json!({}))
    }

    /// A fresh authority with more settings, such as `certificateValidityPeriod` in seconds.
    pub fn start_with(settings: Value) -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-pebble-").tempdir();
        let mut server = Self {
            dir: dir.expect("a temporary folder can be made"),
            ports: Ports::default(),
            settings,
            children: Vec::new(),
            generation: 0,
        };
        let authority = Authority::new();
        for name in ["ca.pem", "server.pem", "server.key"] {
            let copied = fs::copy(authority.path(name), server.path(name));
            copied.expect("the folder is ours");
        }
        // Whoever had a port meanwhile has it, and the next ones may be free.
        while server.children.is_empty() {
            let [directory, management, names, names_management, tls, http] = free_ports();
            server.ports = Ports {
                directory,
                management,
                names,
                names_management,
                tls,
                http,
            };
            server.run();
        }
        server
    }

    /// The port at which it looks by TLS whether a name is whose it should be.
    pub fn tls_port(&self) -> u16 {
        self.ports.tls
    }

    /// The port at which it looks by HTTP.
    pub fn http_port(&self) -> u16 {
        self.ports.http
    }

    /// What a server is told.
    pub fn server_args(&self) -> [String; 5] {
        [
            "--acme-terms-agreed".to_owned(),
            "--acme-directory".to_owned(),
            format!("https://localhost:{}/dir", self.ports.directory),
            "--acme-ca-bundle".to_owned(),
            self.path("ca.pem").display().to_string(),
        ]
    }

    /// A file with the authority of the certificates that it issues.
    pub fn root(&self) -> PathBuf {
        let url = format!("https://localhost:{}/roots/0", self.ports.management);
        let root = self.path(&format!("root-{}.pem", self.generation));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"])
            .arg(self.path("ca.pem"))
            .args(["--output".as_ref(), root.as_os_str()])
            .arg(url);
        programs::run(&mut curl);
        root
    }

    /// All names but `localhost` mean this address from now on.
    pub fn lead_to(&self, address: &str) {
        let url = format!(
            "http://127.0.0.1:{}/set-default-ipv4",
            self.ports.names_management
        );
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--data"])
            .arg(json!({ "ip": address }).to_string())
            .arg(url);
        programs::run(&mut curl);
    }

    /// How many orders it was given since its start.
    pub fn orders(&self) -> usize {
        self.log().matches("POST /order-plz").count()
    }

    /// What it and its name server said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts it anew: it forgets everything, its own root too.
    pub fn forget(&mut self) {
        self.end();
        self.generation += 1;
        let runs = private_server::start_again(|| {
            self.run();
            !self.children.is_empty()
        });
        assert!(
            runs,
            "Pebble does not start again; its log:\n{}",
            self.log()
        );
    }

    /// Starts both and waits until they answer; when a port is somebody else's neither is running.
    fn run(&mut self) {
        for program in [SERVER, NAMES] {
            assert!(
                Path::new(program).exists(),
                "Pebble is installed: script/test does it, or apt-get install pebble"
            );
        }
        let _ = fs::remove_file(self.path("log"));
        let Some(names) = self.run_names() else {
            return;
        };
        self.children.push(names);
        match self.run_server() {
            Some(server) => self.children.push(server),
            None => self.end(),
        }
    }

    fn run_names(&self) -> Option<Child> {
        let ports = &self.ports;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut command = self.command(NAMES);
        command
            .args(["-defaultIPv6", "", "-http01", "", "-https01", ""])
            .args(["-tlsalpn01", "", "-dns01", &local(ports.names)])
            .args(["-management", &local(ports.names_management)]);
        self.when_reached(&mut command, ports.names_management)
    }

    fn run_server(&self) -> Option<Child> {
        let ports = &self.ports;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut settings = json!({
            "listenAddress": local(ports.directory),
            "managementListenAddress": local(ports.management),
            "certificate": self.path("server.pem"),
            "privateKey": self.path("server.key"),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
        });
        let more = self.settings.as_object().into_iter().flatten();
        for (name, value) in more {
            settings[name] = value.clone();
        }
        let settings = json!({ "pebble": settings }).to_string();
        fs::write(self.path("settings.json"), settings).expect("the folder is ours");
        let mut command = self.command(SERVER);
        command
            .arg("-config")
            .arg(self.path("settings.json"))
            .args(["-dnsserver", &local(ports.names)])
            // Looks at once, and each time; a nonce is refused by chance otherwise, three times in a row too.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .env("PEBBLE_WFE_NONCEREJECT", "0");
        self.when_reached(&mut command, ports.directory)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", program])
            .current_dir(self.dir.path());
        command
    }

    fn when_reached(&self, command: &mut Command, port: u16) -> Option<Child> {
        let child = private_server::start(command, &self.path("log"));
        private_server::when_ready(child, ("Pebble", START_MAX), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn end(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Pebble's log:\n{}", self.log());
        }
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_root_of_its_own_and_ends_with_its_test() {
        let mut server = Pebble::start();
        let first = fs::read(server.root()).unwrap();
        assert!(first.starts_with(b"-----BEGIN CERTIFICATE-----"));
        assert_eq!(server.orders(), 0);
        server.lead_to("127.0.0.9");
        server.forget();
        assert_ne!(fs::read(server.root()).unwrap(), first);
        let port = server.ports.directory;
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
