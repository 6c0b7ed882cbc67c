//! Changes of keys, as the server publishes them ("Redis keyspace notifications").

use std::collections::VecDeque;
use std::time::Duration;

use kiln_types::mapping::redis::KeyName;

use super::Redis;
use super::connection::{Connection, Failure, lost};
use super::record::{Change, Origin};
use super::resp::Value;
use crate::source::{Feed, Item, Trouble};

/// How often the server is asked whether it is there.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// After so many of these without a word the connection is given up.
const SILENT_MAX: u32 = 3;

/// Feeds what is published until it is told to stop or cannot.
pub(super) async fn listen(redis: &Redis, patterns: &[KeyName], feed: Feed) -> Result<(), Trouble> {
    let mut connection = redis.connect().await?;
    check(&mut connection).await?;
    let database = redis.source.endpoint.database;
    let prefix = format!("__keyspace@{database}__:");
    let channels = patterns
        .iter()
        .map(|pattern| format!("{prefix}{}", pattern.as_str()));
    let channels: Vec<String> = channels.collect();
    let mut words = vec!["PSUBSCRIBE"];
    words.extend(channels.iter().map(String::as_str));
    connection.send(&words).await?;
    for _ in &channels {
        let answer = tokio::time::timeout(BEAT_EVERY, connection.receive()).await;
        answer.map_err(|_| lost("the server did not answer in time"))??;
    }
    let listener = Listener {
        redis,
        connection,
        origin: redis.origin(),
        prefix,
        feed,
        outbox: VecDeque::from([Item::Opened]),
        silent: 0,
    };
    listener.run().await.map_err(Trouble::from)
}

/// Whether the server publishes changes at all. Who may not ask is not told.
async fn check(connection: &mut Connection) -> Result<(), Trouble> {
    let answer = connection
        .ask(&["CONFIG", "GET", "notify-keyspace-events"])
        .await;
    let set = match answer {
        Err(Failure::Refused(_)) => return Ok(()),
        answer => answer?,
    };
    let set = set.find("notify-keyspace-events").and_then(Value::text);
    let set = set.unwrap_or_default();
    match set.contains('K') && set.len() > 1 {
        true => Ok(()),
        false => Err(Trouble::new(format!(
            "the server publishes no changes of keys: its notify-keyspace-events is '{set}'; CONFIG SET notify-keyspace-events KA, or K with the classes that are wanted"
        ))),
    }
}

struct Listener<'a> {
    redis: &'a Redis,
    connection: Connection,
    origin: Origin,
    /// What channels begin with, before the key.
    prefix: String,
    feed: Feed,
    outbox: VecDeque<Item>,
    silent: u32,
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Failure> {
        let mut beat = tokio::time::interval(BEAT_EVERY);
        let items = self.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            let feed = &mut self.feed;
            tokio::select! {
                () = feed.stop.cancelled() => return Ok(()),
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                said = self.connection.receive(), if !has_news => {
                    let said = said?;
                    self.silent = 0;
                    self.hear(&said);
                }
                _ = beat.tick() => self.beat().await?,
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Failure> {
        // While nothing is read nothing can be heard.
        if self.outbox.is_empty() {
            self.silent += 1;
        }
        if self.silent > SILENT_MAX {
            return Err(lost("the server does not answer").into());
        }
        Ok(self.connection.send(&["PING"]).await?)
    }

    /// `pmessage`, the pattern, the channel, and what happened.
    fn hear(&mut self, said: &Value) {
        let [kind, _, channel, event] = said.list() else {
            return;
        };
        let channel = channel.bytes().cloned().unwrap_or_default();
        let (Some("pmessage"), Some(event)) = (kind.text(), event.text()) else {
            return;
        };
        let Some(key) = channel.strip_prefix(self.prefix.as_bytes()) else {
            return;
        };
        let (at, number) = self.redis.arrivals.next();
        let change = Change {
            key,
            event,
            at,
            number,
        };
        self.outbox
            .push_back(Item::Record(change.record(&self.origin)));
    }
}
