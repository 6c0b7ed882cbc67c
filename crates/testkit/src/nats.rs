//! A NATS server with JetStream for one test: real, on a port and in a directory of its own, gone with the test.
//!
//! `nats-server` is Debian's package, which `script/test` installs. It is spoken to in its own words, as no package there
//! has a client.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::private_server;

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
/// Longer than anything takes that it is asked for.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const SERVER: &str = "/usr/sbin/nats-server";
const INBOX: &str = "_INBOX.testkit";

/// A server, running until it is dropped.
#[derive(Debug)]
pub struct Nats {
    dir: TempDir,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

/// A connection of somebody who publishes and asks.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Nats {
    /// The password of the user `kiln`.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server with more settings.
    pub fn start_with(settings: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-nats-").tempdir();
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

    /// A fresh server that also speaks TLS under the name `localhost`. Gives the certificate, as PEM, that vouches for it.
    pub fn start_with_tls() -> (Self, String) {
        let (certificate, key) = private_server::certificate();
        let mut server = Self::start();
        server.crash();
        // No option has the first of these.
        let settings = "allow_non_tls: true\ntls { cert_file: cert.pem, key_file: key.pem }\n";
        for (name, text) in [
            ("cert.pem", &*certificate),
            ("key.pem", &key),
            ("settings", settings),
        ] {
            fs::write(server.dir.path().join(name), text).expect("the folder is ours");
        }
        server.settings = vec!["--config".to_owned(), "settings".to_owned()];
        server.start_again();
        (server, certificate)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server as an event source has it.
    pub fn endpoint(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Publishes these to a subject, and waits until the server has them.
    pub fn publish(&self, subject: &str, payloads: &[&str]) {
        let mut client = self.client().expect("the server answers");
        for payload in payloads {
            client.send(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
        }
        client.send("PING\r\n");
        assert!(client.line().starts_with("PONG"), "it has heard of it");
    }

    /// Publishes these to a subject of a stream, and waits until the stream has each of them.
    pub fn store(&self, subject: &str, payloads: &[&str]) {
        let mut client = self.client().expect("the server answers");
        for payload in payloads {
            let kept = client.ask(subject, payload);
            assert!(kept["seq"].is_u64(), "it is kept: {kept}");
        }
    }

    /// Publishes something with a header, and a subject to answer to.
    pub fn publish_with(&self, subject: &str, reply: &str, header: &str, payload: &str) {
        let head = format!("NATS/1.0\r\n{header}\r\n\r\n");
        let (head_length, length) = (head.len(), head.len() + payload.len());
        let mut client = self.client().expect("the server answers");
        client.send(&format!(
            "HPUB {subject} {reply} {head_length} {length}\r\n{head}{payload}\r\nPING\r\n"
        ));
        assert!(client.line().starts_with("PONG"), "it has heard of it");
    }

    /// Asks something of JetStream's API.
    pub fn ask(&self, what: &str, document: &Value) -> Value {
        let mut client = self.client().expect("the server answers");
        client.ask(&format!("$JS.API.{what}"), &document.to_string())
    }

    /// Makes a stream that keeps subjects.
    pub fn make_stream(&self, name: &str, subjects: &[&str]) {
        let document = json!({"name": name, "subjects": subjects, "storage": "file"});
        let made = self.ask(&format!("STREAM.CREATE.{name}"), &document);
        assert_eq!(made["error"], Value::Null, "the stream is made");
    }

    /// The names of a stream's consumers.
    pub fn consumers(&self, stream: &str) -> Vec<String> {
        let found = self.ask(&format!("CONSUMER.NAMES.{stream}"), &json!({}));
        let names = found["consumers"].as_array().cloned().unwrap_or_default();
        let names = names.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
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
        assert!(runs, "NATS does not start again; its log:\n{}", self.log());
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    /// Starts it and waits until it answers; when its port is somebody else's it is not running.
    fn run(&mut self) {
        assert!(
            Path::new(SERVER).exists(),
            "NATS is installed: script/test does it, or apt-get install nats-server"
        );
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", SERVER])
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(self.dir.path().join("store"))
            .args(["--user", "kiln", "--pass", Self::PASSWORD])
            .args(&self.settings)
            .current_dir(self.dir.path());
        let child = private_server::start(&mut command, &self.dir.path().join("log"));
        self.child = private_server::when_ready(child, ("NATS", START_MAX), || {
            // JetStream comes after the port.
            self.client()
                .is_some_and(|mut client| client.ask("$JS.API.INFO", "")["streams"].is_u64())
        });
    }

    fn client(&self) -> Option<Client> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        let greeting = client.line();
        if !greeting.starts_with("INFO ") {
            return None;
        }
        let login = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "user": "kiln", "pass": Self::PASSWORD,
        });
        client.send(&format!("CONNECT {login}\r\nSUB {INBOX} 1\r\nPING\r\n"));
        client.line().starts_with("PONG").then_some(client)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Client {
    fn send(&mut self, text: &str) {
        let sent = self.stream.get_mut().write_all(text.as_bytes());
        sent.expect("the server takes it");
    }

    /// The next line; none is left when the server has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.stream.read_line(&mut line);
        line
    }

    /// Asks, and reads what is answered as JSON; null when nobody does.
    fn ask(&mut self, subject: &str, payload: &str) -> Value {
        self.send(&format!(
            "PUB {subject} {INBOX} {}\r\n{payload}\r\n",
            payload.len()
        ));
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["MSG", .., length] => {
                    let length: usize = length.parse().expect("a length is a number");
                    let mut body = vec![0; length + 2];
                    let read = self.stream.read_exact(&mut body);
                    read.expect("the server sends it all");
                    return serde_json::from_slice(&body[..length]).unwrap_or_default();
                }
                ["PING"] => self.send("PONG\r\n"),
                _ => return Value::Null,
            }
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("NATS' log:\n{}", self.log());
        }
        self.crash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut server = Nats::start();
        server.make_stream("ORDERS", &["orders.>"]);
        server.store("orders.new", &["1", "2"]);
        server.crash();
        server.start_again();
        let info = server.ask("STREAM.INFO.ORDERS", &json!({}));
        assert_eq!(info["state"]["messages"], 2);
        let port = server.port();
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
