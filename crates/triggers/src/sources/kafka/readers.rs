//! Questions to all leaders at the same time: each broker is asked by a connection of its own what is new, and waits a while
//! when nothing is.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::cluster::Place;
use super::connection::{Connection, Way};
use super::errors::refused;
use super::fetch::{Fetch, Fetched};
use super::identity::TopicId;
use crate::source::Trouble;

/// How long a broker waits for something new.
const WAIT: Duration = Duration::from_millis(500);
/// What one answer may hold. A batch is sent whole however large it is.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// The least that is asked for.
const ANSWER_BYTES_MIN: usize = 64 * 1024;
/// What it may hold of one partition.
pub(super) const PARTITION_BYTES: i32 = 1024 * 1024;

/// One broker's answer.
pub(super) struct Heard {
    pub(super) broker: i32,
    pub(super) answer: Result<Vec<Fetched>, Trouble>,
    connection: Option<Connection>,
}

type Asked = Pin<Box<dyn Future<Output = Heard> + Send>>;

/// Connections to leaders.
pub(super) struct Readers {
    way: Way,
    topic: String,
    idle: BTreeMap<i32, Connection>,
    /// Those that are asked, and for how much.
    busy: BTreeMap<i32, usize>,
    asked: FuturesUnordered<Asked>,
    /// Who is asked for first, so that none is always last.
    turn: usize,
}

impl Readers {
    pub(super) fn new(way: Way, topic: &str) -> Self {
        Self {
            way,
            topic: topic.to_owned(),
            idle: BTreeMap::new(),
            busy: BTreeMap::new(),
            asked: FuturesUnordered::new(),
            turn: 0,
        }
    }

    pub(super) fn is_busy(&self, broker: i32) -> bool {
        self.busy.contains_key(&broker)
    }

    /// What may come of those that are asked.
    pub(super) fn expected(&self) -> usize {
        self.busy.values().sum()
    }

    /// Whether somebody is asked.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Asks a broker that is not busy for what is new in partitions: number, offset, and bytes at most; for no more than
    /// there is room for.
    pub(super) fn ask(
        &mut self,
        broker: i32,
        at: &Place,
        id: Option<TopicId>,
        mut partitions: Vec<(i32, i64, i32)>,
        room: usize,
    ) {
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % partitions.len().max(1);
        partitions.rotate_left(first);
        // One whose next batch is larger than usual is sent whole only when it is the first.
        partitions.sort_by_key(|(_, _, bytes_max)| *bytes_max <= PARTITION_BYTES);
        let bytes_max = room.clamp(ANSWER_BYTES_MIN, ANSWER_BYTES);
        let question = Fetch {
            topic: self.topic.clone(),
            id,
            partitions,
            wait_ms: WAIT.as_millis() as i32,
            bytes_max: bytes_max as i32,
        };
        let open = self.idle.remove(&broker);
        let (way, (host, port)) = (self.way.clone(), at.clone());
        self.busy.insert(broker, bytes_max);
        self.asked.push(Box::pin(async move {
            let asked = async {
                let mut connection = match open {
                    Some(connection) => connection,
                    None => Connection::open(&way, &host, port).await?,
                };
                let (error, of) = connection.ask_and_wait(&question, WAIT).await?;
                match error {
                    0 => Ok((connection, of)),
                    error => Err(refused(error)),
                }
            };
            match asked.await {
                Ok((connection, of)) => Heard {
                    broker,
                    answer: Ok(of),
                    connection: Some(connection),
                },
                Err(trouble) => Heard {
                    broker,
                    answer: Err(trouble),
                    connection: None,
                },
            }
        }));
    }

    /// The next answer of anybody; it stays when this is given up.
    pub(super) async fn next(&mut self) -> Heard {
        let Some(mut heard) = self.asked.next().await else {
            return std::future::pending().await;
        };
        self.busy.remove(&heard.broker);
        if let Some(connection) = heard.connection.take() {
            self.idle.insert(heard.broker, connection);
        }
        heard
    }
}
