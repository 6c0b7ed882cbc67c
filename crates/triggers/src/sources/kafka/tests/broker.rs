//! Brokers that do what they are told: moves, ends, users, transactions, groups with members.
//!
//! They speak the newest versions that Kiln does, where the mock cluster speaks older ones. All partitions of `orders` are in
//! one place, and every broker gives them, if it is their leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::super::identity::TopicId;
use super::super::wire::{Read, Reader, Writer};
use super::batches::Written;

/// Messages whose versions are flexible here.
const FETCH: i16 = 1;
const METADATA: i16 = 3;

/// What the brokers hold, and how they answer.
#[derive(Debug)]
pub(super) struct State {
    pub(super) topic: TopicId,
    pub(super) logs: BTreeMap<i32, Vec<Written>>,
    /// The first offset that is there.
    pub(super) first: BTreeMap<i32, i64>,
    pub(super) aborted: Vec<(i64, i64)>,
    pub(super) leaders: BTreeMap<i32, i32>,
    /// Partitions whose leader says that it is none, whatever is said of it.
    pub(super) refuse: BTreeSet<i32>,
    pub(super) places: BTreeMap<i32, i64>,
    /// What is answered to whoever moves a group.
    pub(super) commit_error: i16,
    /// How often the group was removed.
    pub(super) removed: Vec<String>,
    /// The user's name and password, if one must log in, and by what.
    pub(super) user: Option<(&'static str, &'static str, &'static str)>,
    /// Whether connections are closed before anything is answered.
    pub(super) is_down: bool,
    pub(super) fetches: usize,
}

/// Some brokers.
pub(super) struct Brokers {
    pub(super) state: Arc<Mutex<State>>,
    ports: Vec<u16>,
    tracker: TaskTracker,
}

impl Brokers {
    /// Two brokers and a topic of so many partitions, led by one after the other.
    pub(super) async fn start(partitions: i32) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..2 {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let state = State {
            topic: TopicId([1; 16]),
            logs: (0..partitions).map(|number| (number, Vec::new())).collect(),
            first: BTreeMap::new(),
            aborted: Vec::new(),
            leaders: (0..partitions).map(|number| (number, number % 2)).collect(),
            refuse: BTreeSet::new(),
            places: BTreeMap::new(),
            commit_error: 0,
            removed: Vec::new(),
            user: None,
            is_down: false,
            fetches: 0,
        };
        let brokers = Self {
            ports: listeners.iter().map(port).collect(),
            state: Arc::new(Mutex::new(state)),
            tracker: TaskTracker::new(),
        };
        for (id, listener) in listeners.into_iter().enumerate() {
            let (state, ports) = (brokers.state.clone(), brokers.ports.clone());
            let tracker = brokers.tracker.clone();
            brokers.tracker.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let broker = Broker {
                        id: id as i32,
                        ports: ports.clone(),
                        state: state.clone(),
                        login: Login::None,
                    };
                    tracker.spawn(broker.serve(stream));
                }
            });
        }
        brokers
    }

    pub(super) fn servers(&self) -> Vec<String> {
        let server = |port: &u16| format!("127.0.0.1:{port}");
        self.ports.iter().map(server).collect()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// Puts values into a partition.
    pub(super) fn write(&self, partition: i32, values: &[&str]) {
        self.change(|state| {
            let base = state.end(partition);
            let log = state.logs.entry(partition).or_default();
            log.push(Written::of(base, values));
        });
    }
}

impl State {
    fn end(&self, partition: i32) -> i64 {
        let last = self.logs.get(&partition).and_then(|log| log.last());
        last.map_or(0, |batch| batch.base + i64::from(batch.last) + 1)
    }

    fn first(&self, partition: i32) -> i64 {
        self.first.get(&partition).copied().unwrap_or(0)
    }
}

/// How far somebody is with its login.
enum Login {
    None,
    Begun,
    /// What is to be said next, and what is answered.
    Challenged(String, String),
    Done,
}

/// One connection to one broker.
struct Broker {
    id: i32,
    ports: Vec<u16>,
    state: Arc<Mutex<State>>,
    login: Login,
}

impl Broker {
    async fn serve(mut self, mut stream: TcpStream) {
        loop {
            let Ok(length) = stream.read_u32().await else {
                return;
            };
            let mut question = vec![0; length as usize];
            if stream.read_exact(&mut question).await.is_err() {
                return;
            }
            if self.state.lock().unwrap().is_down {
                return;
            }
            let Ok((answer, waits)) = self.answer(question.into()) else {
                return;
            };
            if waits {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let mut bytes = BytesMut::new();
            bytes.put_i32(answer.len() as i32);
            bytes.extend_from_slice(&answer);
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, question: Bytes) -> Read<(BytesMut, bool)> {
        let mut from = Reader::new(question, false);
        let (key, version, number) = (from.i16()?, from.i16()?, from.i32()?);
        assert_eq!(from.text()?, "kiln");
        let is_flexible = [FETCH, METADATA].contains(&key);
        let mut from = Reader::new(from.rest(), is_flexible);
        from.tags()?;
        let mut to = Writer::new(is_flexible);
        to.i32(number);
        to.tags();
        let has_user = self.state.lock().unwrap().user.is_some();
        let is_in = !has_user || matches!(self.login, Login::Done);
        assert!(is_in || [17, 18, 36].contains(&key), "{key} before a login");
        let mut waits = false;
        match key {
            18 => known(&mut to),
            17 => self.begin_login(&from.text()?, &mut to),
            36 => self.go_on_with_login(&from.data()?, &mut to),
            METADATA => self.describe(version, &mut to),
            10 => self.coordinator(&mut to),
            9 => self.places(&mut to),
            8 => self.commit(&mut from, &mut to)?,
            2 => self.offsets(&mut from, &mut to)?,
            FETCH => waits = self.fetch(version, &mut from, &mut to)?,
            42 => self.remove(&mut from, &mut to)?,
            other => panic!("message {other}"),
        }
        Ok((to.done(), waits))
    }

    fn begin_login(&mut self, by: &str, to: &mut Writer) {
        let (known, _, _) = self.state.lock().unwrap().user.unwrap();
        to.i16(if by == known { 0 } else { 33 });
        to.list(&[known], |to, name| to.text(name));
        self.login = Login::Begun;
    }

    fn go_on_with_login(&mut self, word: &[u8], to: &mut Writer) {
        let (by, name, password) = self.state.lock().unwrap().user.unwrap();
        let word = String::from_utf8(word.to_vec()).unwrap();
        let answer = match &self.login {
            Login::Begun if by == "PLAIN" => {
                let is_right = word == format!("\0{name}\0{password}");
                is_right.then(|| (String::new(), Login::Done))
            }
            Login::Begun => {
                let expected = super::scripted::scram(by, name, password, &word);
                Some((expected.0, Login::Challenged(expected.1, expected.2)))
            }
            Login::Challenged(expected, answer) => {
                (*expected == word).then(|| (answer.clone(), Login::Done))
            }
            Login::None | Login::Done => None,
        };
        match answer {
            Some((answer, login)) => {
                to.i16(0);
                to.i16(-1);
                to.data(answer.as_bytes());
                self.login = login;
            }
            None => {
                to.i16(58);
                to.text("Authentication failed: Invalid username or password");
                to.data(&[]);
            }
        }
    }

    fn describe(&self, version: i16, to: &mut Writer) {
        assert_eq!(version, 12);
        let state = self.state.lock().unwrap();
        to.i32(0);
        let brokers: Vec<_> = self.ports.iter().enumerate().collect();
        to.list(&brokers, |to, (id, port)| {
            to.i32(*id as i32);
            to.text("127.0.0.1");
            to.i32(i32::from(**port));
            to.i8(0);
            to.tags();
        });
        to.i8(0);
        to.i32(0);
        to.list(&[()], |to, ()| {
            to.i16(if state.logs.is_empty() { 3 } else { 0 });
            to.text("orders");
            to.raw(&state.topic.0);
            to.i8(0);
            let partitions: Vec<_> = state.leaders.iter().collect();
            to.list(&partitions, |to, (number, leader)| {
                to.i16(0);
                to.i32(**number);
                to.i32(**leader);
                to.i32(0);
                for _ in 0..3 {
                    to.list(&[0], |to, id| to.i32(*id));
                }
                to.tags();
            });
            to.i32(0);
            to.tags();
        });
        to.tags();
    }

    fn coordinator(&self, to: &mut Writer) {
        to.i32(0);
        to.i16(0);
        to.i16(-1);
        to.i32(1);
        to.text("127.0.0.1");
        to.i32(i32::from(self.ports[1]));
    }

    fn places(&self, to: &mut Writer) {
        let state = self.state.lock().unwrap();
        to.i32(0);
        to.list(&["orders"], |to, topic| {
            to.text(topic);
            let numbers: Vec<_> = state.logs.keys().collect();
            to.list(&numbers, |to, number| {
                to.i32(**number);
                to.i64(state.places.get(*number).copied().unwrap_or(-1));
                to.text("");
                to.i16(0);
            });
        });
        to.i16(0);
    }

    fn commit(&self, from: &mut Reader, to: &mut Writer) -> Read<()> {
        let mut state = self.state.lock().unwrap();
        from.text()?;
        assert_eq!(
            (from.i32()?, from.text()?, from.i64()?),
            (-1, String::new(), -1)
        );
        let topics = from.list(|from| {
            assert_eq!(from.text()?, "orders");
            from.list(|from| {
                let place = (from.i32()?, from.i64()?);
                from.text()?;
                Ok(place)
            })
        })?;
        let error = state.commit_error;
        to.list(&topics, |to, places| {
            to.text("orders");
            to.list(places, |to, (number, offset)| {
                to.i32(*number);
                to.i16(error);
                if error == 0 {
                    state.places.insert(*number, *offset);
                }
            });
        });
        Ok(())
    }

    fn offsets(&self, from: &mut Reader, to: &mut Writer) -> Read<()> {
        let state = self.state.lock().unwrap();
        assert_eq!((from.i32()?, from.i8()?), (-1, 1), "what is committed");
        let topics = from.list(|from| {
            from.text()?;
            from.list(|from| Ok((from.i32()?, from.i64()?)))
        })?;
        to.i32(0);
        to.list(&topics, |to, asked| {
            to.text("orders");
            to.list(asked, |to, (number, time)| {
                to.i32(*number);
                to.i16(0);
                to.i64(-1);
                to.i64(match time {
                    -1 => state.end(*number),
                    -2 => state.first(*number),
                    // All is of the time 1,000.
                    time if *time <= 1_000 => state.first(*number),
                    _ => -1,
                });
            });
        });
        Ok(())
    }

    fn fetch(&self, version: i16, from: &mut Reader, to: &mut Writer) -> Read<bool> {
        assert_eq!(version, 13);
        let mut state = self.state.lock().unwrap();
        state.fetches += 1;
        from.take(4 * 4 + 1 + 4 + 4)?;
        let topics = from.list(|from| {
            let is_ours = from.topic_id()? == Some(state.topic);
            let asked = from.list(|from| {
                let (number, _, offset) = (from.i32()?, from.i32()?, from.i64()?);
                assert_eq!((from.i32()?, from.i64()?), (-1, -1));
                from.i32()?;
                from.tags()?;
                Ok((is_ours, number, offset))
            })?;
            from.tags()?;
            Ok(asked)
        })?;
        assert!(from.list(Reader::i8)?.is_empty() && from.text()?.is_empty());
        from.tags()?;
        assert!(from.rest().is_empty());
        to.i32(0);
        to.i16(0);
        to.i32(0);
        let mut waits = true;
        to.list(&topics, |to, asked| {
            to.raw(&state.topic.0);
            to.list(asked, |to, (is_ours, number, offset)| {
                let (first, end) = (state.first(*number), state.end(*number));
                let is_leader = state.leaders.get(number) == Some(&self.id);
                let error = match (first..=end).contains(offset) {
                    _ if !is_ours => 100,
                    _ if !is_leader || state.refuse.contains(number) => 6,
                    true => 0,
                    false => 1,
                };
                let log = state.logs.get(number).into_iter().flatten();
                let rest = log.filter(|batch| batch.base + i64::from(batch.last) >= *offset);
                let batches: Vec<u8> = match error {
                    0 => rest.flat_map(Written::bytes).collect(),
                    _ => Vec::new(),
                };
                waits &= batches.is_empty();
                to.i32(*number);
                to.i16(error);
                to.i64(end);
                to.i64(end);
                to.i64(first);
                to.list(&state.aborted, |to, (producer, at)| {
                    to.i64(*producer);
                    to.i64(*at);
                    to.tags();
                });
                to.i32(-1);
                to.data(&batches);
                to.tags();
            });
            to.tags();
        });
        to.tags();
        Ok(waits)
    }

    fn remove(&self, from: &mut Reader, to: &mut Writer) -> Read<()> {
        let mut state = self.state.lock().unwrap();
        let groups = from.list(Reader::text)?;
        let error = match (state.commit_error, state.removed.is_empty()) {
            (0, true) => 0,
            (0, false) => 69,
            _ => 68,
        };
        to.i32(0);
        to.list(&groups, |to, group| {
            to.text(group);
            to.i16(error);
        });
        state.removed.extend(groups);
        Ok(())
    }
}

fn known(to: &mut Writer) {
    to.i16(0);
    let known = [
        (1, 4, 17),
        (2, 1, 10),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 9),
        (10, 0, 6),
        (17, 0, 1),
        (18, 0, 4),
        (36, 0, 2),
        (42, 0, 2),
    ];
    to.list(&known, |to, (key, first, last)| {
        to.i16(*key);
        to.i16(*first);
        to.i16(*last);
    });
}
