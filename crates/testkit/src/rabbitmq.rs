//! A RabbitMQ broker for one test: real, on ports and in a directory of its own, gone with the test.
//!
//! It is Debian's, run by whoever runs the test. The Erlang runtime would start a daemon that knows the ports of all brokers of
//! a machine and outlives them; here each has one of its own, started before it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::{clients, private_server, programs};

/// Until it takes connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(120);
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
const NAMES: &str = "/usr/bin/epmd";

/// A broker, running until it is dropped.
#[derive(Debug)]
pub struct RabbitMq {
    dir: TempDir,
    port: u16,
    /// Of the traffic between brokers, and of the daemon that knows it.
    inner_ports: [u16; 2],
    names: Option<Child>,
    child: Option<Child>,
}

impl RabbitMq {
    /// The password of the user `kiln`.
    pub const PASSWORD: &'static str = private_server::PASSWORD;

    /// A fresh broker.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-rabbitmq-").tempdir();
        let mut broker = Self {
            dir: dir.expect("a temporary folder can be made"),
            port: 0,
            inner_ports: [0; 2],
            names: None,
            child: None,
        };
        // Whoever had a port meanwhile has it, and the next ones may be free.
        while broker.child.is_none() {
            [broker.port, broker.inner_ports[0], broker.inner_ports[1]] =
                private_server::free_ports();
            broker.run();
        }
        broker
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It as an event source has it.
    pub fn endpoint(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    /// Runs a program in Python that has a `channel` of pika, and `pika` itself; gives what it prints.
    pub fn run_python(&self, program: &str) -> String {
        let head = format!(
            "import pika\n\
             login = pika.PlainCredentials('kiln', '{}')\n\
             parameters = pika.ConnectionParameters('127.0.0.1', {}, '/', login)\n\
             connection = pika.BlockingConnection(parameters)\n\
             channel = connection.channel()\n",
            Self::PASSWORD,
            self.port,
        );
        let mut python = clients::python_with_pika();
        let output =
            programs::run(python.args(["-c", &format!("{head}{program}\nconnection.close()")]));
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Makes a queue that survives the broker.
    pub fn make_queue(&self, name: &str) {
        self.run_python(&format!("channel.queue_declare('{name}', durable=True)"));
    }

    /// Puts the numbers into a queue, on disk before this returns.
    pub fn send(&self, queue: &str, from: u32, to: u32) {
        self.run_python(&format!(
            "channel.confirm_delivery()\n\
             kept = pika.BasicProperties(delivery_mode=2)\n\
             for n in range({from}, {to} + 1):\n    \
                 channel.basic_publish('', '{queue}', str(n).encode(), kept)"
        ));
    }

    /// How many messages wait in a queue that are with nobody, and how many consumers it has.
    pub fn waiting(&self, queue: &str) -> (u32, u32) {
        let asked = self.run_python(&format!(
            "found = channel.queue_declare('{queue}', passive=True).method\n\
             print(found.message_count, found.consumer_count)"
        ));
        let (messages, consumers) = asked.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        (number(messages), number(consumers))
    }

    /// Ends the connections that it has.
    pub fn close_connections(&self) {
        let mut command = Command::new(CONTROL);
        let name = self.name();
        self.set_up(&mut command);
        programs::run(command.args(["--node", &name, "close_all_connections", "test"]));
    }

    /// Ends it as a power cut would, but for what the machine had yet to write.
    pub fn crash(&mut self) {
        for child in [&mut self.child, &mut self.names] {
            if let Some(mut child) = child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    /// Starts it again, on the same ports.
    pub fn start_again(&mut self) {
        let runs = private_server::start_again(|| {
            self.run();
            self.child.is_some()
        });
        assert!(
            runs,
            "RabbitMQ does not start again; its log:\n{}",
            self.log()
        );
    }

    /// Puts a secret with the user's name and password into a directory of secrets.
    pub fn write_secret(&self, dir: &Path, name: &str) {
        private_server::write_secret(dir, name);
    }

    /// Starts it and waits until it answers; when a port is somebody else's it is not running.
    fn run(&mut self) {
        assert!(
            Path::new(SERVER).exists(),
            "RabbitMQ is installed: script/test does it"
        );
        self.write_settings();
        let [_, names_port] = self.inner_ports;
        let mut names = Command::new("setpriv");
        names.args(["--pdeathsig", "KILL", "--", NAMES]);
        names.args(["-address", "127.0.0.1", "-port", &names_port.to_string()]);
        self.names = Some(self.start_quietly(&mut names));
        let child = self.start_quietly(&mut self.server());
        self.child = private_server::when_ready(child, ("RabbitMQ", START_MAX), || {
            let started = fs::read_to_string(self.dir.path().join("out"));
            started.is_ok_and(|text| text.contains("Starting broker... completed"))
        });
        if self.child.is_none() {
            self.crash();
        }
    }

    fn write_settings(&self) {
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             default_user = kiln\n\
             default_pass = {}\n\
             disk_free_limit.absolute = 1MB\n",
            self.port,
            Self::PASSWORD,
        );
        let write = |name: &str, text: &str| {
            fs::write(self.dir.path().join(name), text).expect("the folder is ours");
        };
        write("rabbitmq.conf", &settings);
        write("enabled_plugins", "[].");
        // What an earlier start said.
        write("out", "");
    }

    fn server(&self) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new("setpriv");
        self.set_up(&mut command);
        command
            .args(["--pdeathsig", "KILL", "--", SERVER])
            // So that the script becomes the broker and does not start it beside itself.
            .env("RUNNING_UNDER_SYSTEMD", "1")
            .env("RABBITMQ_BASE", dir)
            .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
            .env("RABBITMQ_DIST_PORT", self.inner_ports[0].to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }

    /// What it and whoever speaks to it know.
    fn set_up(&self, command: &mut Command) {
        command
            .env("HOME", self.dir.path())
            .env("RABBITMQ_NODENAME", self.name())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_PORT", self.inner_ports[1].to_string());
    }

    fn name(&self) -> String {
        format!("kiln{}@localhost", self.port)
    }

    fn start_quietly(&self, command: &mut Command) -> Child {
        let command = command.current_dir(self.dir.path());
        private_server::start(command, &self.dir.path().join("out"))
    }

    fn log(&self) -> String {
        let log = format!("log/{}.log", self.name());
        ["out", &log]
            .map(|file| fs::read_to_string(self.dir.path().join(file)).unwrap_or_default())
            .concat()
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("RabbitMQ's log:\n{}", self.log());
        }
        self.crash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;

    #[test]
    fn it_keeps_what_it_was_told_over_a_crash_and_ends_with_its_test() {
        let mut broker = RabbitMq::start();
        broker.make_queue("orders");
        broker.send("orders", 1, 3);
        assert_eq!(broker.waiting("orders"), (3, 0));
        broker.crash();
        broker.start_again();
        assert_eq!(broker.waiting("orders"), (3, 0));
        let children = [&broker.child, &broker.names];
        let children = children.map(|child| Process::find(child.as_ref().unwrap().id()).unwrap());
        let below: Vec<_> = children
            .iter()
            .flat_map(|child| child.descendants())
            .collect();
        drop(broker);
        assert!(!children.iter().any(|child| child.is_alive()));
        crate::wait_for("what the broker started to end", START_MAX, || {
            (!below.iter().any(|process| process.is_alive())).then_some(())
        });
    }
}
