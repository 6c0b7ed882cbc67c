//! A cluster of Kafka brokers for one test: on ports of its own, in memory, gone with the test.
//!
//! No package of Debian's has a broker. `kcat`'s library has one of its makers' own tests in it: brokers that take and give
//! records, keep the places of groups, and know neither users nor the removal of groups. They are in the process of a
//! producer that never ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::wait_for;

/// Until they take connections, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
/// Longer than anything takes that they are asked for.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const KCAT: &str = "/usr/bin/kcat";
/// What its log says before the brokers' addresses.
const ADDRESSES: &str = "bootstrap.servers=";

/// A cluster of three brokers, running until it is dropped. A topic is there, with four partitions, as soon as somebody
/// names it.
#[derive(Debug)]
pub struct Kafka {
    dir: TempDir,
    servers: String,
    child: Child,
}

impl Kafka {
    /// A fresh cluster.
    pub fn start() -> Self {
        assert!(
            fs::exists(KCAT).unwrap_or(false),
            "kcat is installed: script/test does it"
        );
        let dir = tempfile::Builder::new().prefix("kiln-kafka-").tempdir();
        let dir = dir.expect("a temporary folder can be made");
        let log = fs::File::create(dir.path().join("log")).expect("the folder is ours");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", KCAT, "-P", "-t", "unused"])
            // The address is not used either.
            .args(["-b", "127.0.0.1:1", "-X", "test.mock.num.brokers=3"])
            .args(["-X", "debug=mock"])
            // It ends with its input.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("kcat runs");
        let servers = wait_for("the brokers' addresses", START_MAX, || {
            let log = fs::read(dir.path().join("log")).ok()?;
            let log = String::from_utf8_lossy(&log).into_owned();
            let (_, behind) = log.split_once(ADDRESSES)?;
            let (servers, _) = behind.split_once('\n')?;
            Some(servers.trim().to_owned())
        });
        Self {
            dir,
            servers,
            child,
        }
    }

    /// The brokers, as `host:port`.
    pub fn servers(&self) -> Vec<String> {
        self.servers.split(',').map(str::to_owned).collect()
    }

    /// Has a topic be there.
    pub fn make_topic(&self, topic: &str) {
        let kcat = Command::new(KCAT)
            .args(["-L", "-b", &self.servers, "-t", topic])
            .output();
        assert!(kcat.is_ok_and(|output| output.status.success()), "{topic}");
    }

    /// Puts lines into a partition, as kcat's further arguments say.
    pub fn produce_with(&self, topic: &str, partition: u32, lines: &[String], more: &[&str]) {
        let mut kcat = Command::new(KCAT)
            .args(["-P", "-b", &self.servers, "-t", topic])
            .args(["-p", &partition.to_string()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kcat runs");
        let mut input = kcat.stdin.take().expect("it has an input");
        let text = lines.join("\n") + "\n";
        input.write_all(text.as_bytes()).expect("kcat reads");
        drop(input);
        assert!(kcat.wait().expect("it ends").success(), "produce {topic}");
    }

    /// Puts lines into a partition.
    pub fn produce(&self, topic: &str, partition: u32, lines: &[String]) {
        self.produce_with(topic, partition, lines, &[]);
    }

    /// Puts the numbers into a partition.
    pub fn send(&self, topic: &str, partition: u32, from: u32, to: u32) {
        let lines: Vec<_> = (from..=to).map(|number| number.to_string()).collect();
        self.produce(topic, partition, &lines);
    }

    /// Where a group has got to in a partition; none when it has got nowhere.
    pub fn place(&self, group: &str, topic: &str, partition: u32) -> Option<i64> {
        let places = self.servers().into_iter();
        let mut answers = places.filter_map(|server| ask_place(&server, group, topic, partition));
        let place = answers.next().expect("one of them keeps the group");
        (place >= 0).then_some(place)
    }

    /// What it logged last.
    fn log(&self) -> String {
        let log = fs::read(self.dir.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(20_000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the cluster's log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a broker by OffsetFetch, version 3; none when it does not keep the group.
fn ask_place(server: &str, group: &str, topic: &str, partition: u32) -> Option<i64> {
    let mut question = [0, 9, 0, 3, 0, 0, 0, 1, 0, 0].to_vec();
    let put = |to: &mut Vec<u8>, text: &str| {
        to.extend((text.len() as u16).to_be_bytes());
        to.extend(text.as_bytes());
    };
    put(&mut question, group);
    question.extend([0, 0, 0, 1]);
    put(&mut question, topic);
    question.extend([0, 0, 0, 1]);
    question.extend(partition.to_be_bytes());
    let mut stream = TcpStream::connect(server).expect("the broker runs");
    let limit = Some(ANSWER_MAX);
    stream.set_read_timeout(limit).expect("there is a limit");
    let length = (question.len() as u32).to_be_bytes();
    let sent = stream.write_all(&[&length[..], &question].concat());
    sent.expect("the broker reads");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("the broker answers");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("the broker answers");
    // The last two bytes are the group's error. Before the offset: the question's number, a time, a list with one name and one
    // partition.
    if !answer.ends_with(&[0, 0]) {
        return None;
    }
    let at = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
    let offset = answer.get(at..at + 8)?.try_into().ok()?;
    Some(i64::from_be_bytes(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;

    #[test]
    fn it_takes_records_and_ends_with_its_test() {
        let cluster = Kafka::start();
        assert_eq!(cluster.servers().len(), 3);
        cluster.send("orders", 2, 1, 3);
        let consumed = Command::new(KCAT)
            .args([
                "-C",
                "-e",
                "-b",
                &cluster.servers,
                "-t",
                "orders",
                "-p",
                "2",
            ])
            .output()
            .expect("kcat runs");
        assert_eq!(consumed.stdout, b"1\n2\n3\n");
        assert_eq!(cluster.place("nobody", "orders", 2), None);
        let child = Process::find(cluster.child.id()).unwrap();
        drop(cluster);
        assert!(!child.is_alive());
    }
}
