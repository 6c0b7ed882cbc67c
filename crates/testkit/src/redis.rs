//! A Redis server for one test: real, on a port and in a directory of its own, gone with the test.
//!
//! It is Debian's: `redis-tools`, which `script/test` installs and which starts nothing, has the whole server under the name
//! `redis-check-rdb`; it is told by the name that it is called by.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::{private_server, programs};

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
const SERVERS: [&str; 2] = ["/usr/bin/redis-server", "/usr/bin/redis-check-rdb"];
const CLIENT: &str = "/usr/bin/redis-cli";

/// A server, running until it is dropped.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// The password of the user `kiln` and of the default one.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh server, which writes down what it was told before it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server with more settings, in pairs, which win.
    pub fn start_with(settings: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-redis-").tempdir();
        let mut server = Self {
            dir: dir.expect("a temporary folder can be made"),
            port: 0,
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            child: None,
        };
        // Whoever had the port meanwhile has it, and the next one may be free.
        while server.child.is_none() {
            server.port = private_server::free_port();
            server.run();
        }
        server
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its first database as an event source has it.
    pub fn endpoint(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Runs a command; gives what it says, a line for each part.
    pub fn ask(&self, words: &[&str]) -> String {
        let output = programs::run(self.client().args(words));
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Runs a program in Lua.
    pub fn run_lua(&self, program: &str) -> String {
        self.ask(&["EVAL", program, "0"])
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
        assert!(runs, "Redis does not start again; its log:\n{}", self.log());
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    /// Starts it and waits until it answers; when its port is somebody else's it is not running.
    fn run(&mut self) {
        let program = SERVERS.iter().find(|path| Path::new(path).exists());
        let program = program
            .expect("Redis is installed: script/test does it, or apt-get install redis-tools");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "/bin/bash", "-c"])
            .args(["exec -a redis-server \"$0\" \"$@\"", program])
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", &self.dir.path().display().to_string()])
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "no"])
            .args(["--requirepass", Self::PASSWORD])
            .args([
                "--user",
                "kiln",
                "on",
                &format!(">{}", Self::PASSWORD),
                "~*",
                "&*",
                "+@all",
            ])
            .args(&self.settings)
            .current_dir(self.dir.path());
        let child = private_server::start(&mut command, &self.dir.path().join("log"));
        self.child = private_server::when_ready(child, ("Redis", START_MAX), || {
            let answers = self.client().arg("PING").output();
            answers.is_ok_and(|answers| answers.stdout.starts_with(b"PONG"))
        });
    }

    fn client(&self) -> Command {
        let mut command = Command::new(CLIENT);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .env("REDISCLI_AUTH", Self::PASSWORD)
            .current_dir("/");
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Redis' log:\n{}", self.log());
        }
        self.crash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut server = Redis::start();
        server.ask(&["SET", "a", "1"]);
        server.crash();
        server.start_again();
        assert_eq!(server.ask(&["GET", "a"]), "1");
        let port = server.port();
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
