//! What is published, as it is published: nobody keeps it.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::{Message as Sent, Subscriber};
use futures_util::StreamExt as _;
use futures_util::stream::{SelectAll, select_all};
use kiln_types::Timestamp;
use kiln_types::mapping::nats::Heard;

use super::Nats;
use super::connection::{Connection, lost};
use super::record::Message;
use crate::source::{Feed, Item, Trouble};
use crate::sources::published::Origin;

/// What is heard and waits for its turn, at most. What is published then is dropped, and counted.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often what was dropped is told of.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long the server may take to say that it has heard of the subscriptions.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(10);

/// Feeds what is published until it is told to stop or cannot.
pub(super) async fn listen(nats: &Nats, heard: &Heard, feed: Feed) -> Result<(), Trouble> {
    let connection = nats.connect().await?;
    let messages = subscribe(&connection, heard).await?;
    let listener = Listener {
        nats,
        connection,
        messages,
        origin: nats.origin(),
        feed,
        outbox: VecDeque::from([Item::Opened]),
        held: VecDeque::new(),
        held_bytes: 0,
        dropped: 0,
        told: 0,
    };
    listener.run().await
}

/// Subscribes, and waits until the server has heard of that.
async fn subscribe(
    connection: &Connection,
    heard: &Heard,
) -> Result<SelectAll<Subscriber>, Trouble> {
    let client = &connection.client;
    let mut subscribers = Vec::new();
    for subject in heard.subjects() {
        let subject = subject.as_str().to_owned();
        let subscribed = match heard {
            Heard::Subjects {
                queue_group: Some(group),
                ..
            } => {
                client
                    .queue_subscribe(subject, group.as_str().to_owned())
                    .await
            }
            _ => client.subscribe(subject).await,
        };
        subscribers.push(subscribed.map_err(lost)?);
    }
    // It does one after the other: what was sent before this is done once this is back.
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.map_err(lost)?;
    client
        .publish(inbox, bytes::Bytes::new())
        .await
        .map_err(lost)?;
    tokio::select! {
        why = connection.lost() => Err(why),
        _ = echo.next() => Ok(select_all(subscribers)),
        () = tokio::time::sleep(SUBSCRIBE_WITHIN) => Err(lost("the server did not answer in time")),
    }
}

struct Listener<'a> {
    nats: &'a Nats,
    connection: Connection,
    messages: SelectAll<Subscriber>,
    origin: Origin,
    feed: Feed,
    outbox: VecDeque<Item>,
    /// Messages behind what is in the outbox: when they came, and their numbers. Records are made of them when there is room.
    held: VecDeque<(Sent, Timestamp, u64)>,
    /// What they take.
    held_bytes: usize,
    /// Messages for which there was no room.
    dropped: u64,
    /// How many of these were told of.
    told: u64,
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Trouble> {
        let mut beat = tokio::time::interval(TELL_EVERY);
        let items = self.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty() || !self.held.is_empty();
            tokio::select! {
                () = self.feed.stop.cancelled() => return Ok(()),
                why = self.connection.lost() => return Err(why),
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.take()),
                    Err(_) => return Ok(()),
                },
                said = self.messages.next() => match said {
                    Some(said) => self.hear(said),
                    None => return Err(self.connection.lost().await),
                },
                _ = beat.tick() => self.tell(),
            }
        }
    }

    /// The next that waits.
    fn take(&mut self) -> Item {
        if let Some(item) = self.outbox.pop_front() {
            return item;
        }
        let (said, at, number) = self.held.pop_front().expect("it has news");
        self.held_bytes -= said.length;
        let message = Message {
            subject: said.subject.as_str(),
            reply: said.reply.as_ref().map(|reply| reply.as_str()),
            headers: said.headers.as_ref(),
            payload: &said.payload,
            at,
        };
        Item::Record(message.heard(&self.origin, number))
    }

    fn hear(&mut self, said: Sent) {
        if self.held_bytes >= HELD_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        let (at, number) = self.nats.arrivals.next();
        self.held_bytes += said.length;
        self.held.push_back((said, at, number));
    }

    fn tell(&mut self) {
        let dropped = self.dropped + self.connection.dropped();
        if dropped > self.told {
            self.told = dropped;
            let text = format!(
                "{dropped} messages were not heard: they come faster than the function takes them; use a stream of JetStream"
            );
            self.outbox.push_back(Item::Health(Some(text)));
        }
    }
}
