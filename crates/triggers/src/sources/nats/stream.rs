//! What a stream keeps: what was handed out and not acknowledged first, then what is new.
//!
//! The server hands out again what was not acknowledged, but when it likes to, which may be behind what came later. So what
//! a mapping has not done yet is read from the stream itself, in its order, each time that it begins to listen; that it is
//! handed out again is no news then. Each handing out has a number, one more than the one before: as long as that is so,
//! none has gone to somebody who is not there any more. As soon as it is not, the mapping begins to listen again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{Message as Sent, StatusCode, Subject, Subscriber, jetstream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use kiln_types::Timestamp;

use super::Nats;
use super::connection::{Connection, lost};
use super::consumer::{ACKNOWLEDGE_WITHIN, Durable, Prepared, said};
use super::record::{Message, Place};
use crate::record::Position;
use crate::source::{Feed, Item, Trouble};
use crate::sources::published::Origin;

/// Messages that are asked for at a time.
const MESSAGES_MAX: usize = 100;
/// What they may take together.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the server waits for messages before it says that there are none.
const WAIT: Duration = Duration::from_secs(5);
/// How often the server is told that messages are still worked on.
const EXTEND_EVERY: Duration = ACKNOWLEDGE_WITHIN
    .checked_div(3)
    .expect("three is not none");
/// After so many of these without an answer the connection is given up.
const SILENT_MAX: u32 = 2;

const ACKNOWLEDGED: Bytes = Bytes::from_static(b"+ACK");
const IN_PROGRESS: Bytes = Bytes::from_static(b"+WPI");

/// Feeds a stream's messages until it is told to stop or cannot.
pub(super) async fn listen(nats: &Nats, durable: &Durable<'_>, feed: Feed) -> Result<(), Trouble> {
    let connection = nats.connect().await?;
    let prepared = tokio::select! {
        prepared = durable.prepare(&connection, &feed) => prepared?,
        why = connection.lost() => return Err(why),
    };
    let inbox: Subject = connection.client.new_inbox().into();
    let subscriber = connection.client.subscribe(inbox.clone()).await;
    let listener = Listener {
        before: Before::of(&prepared, &feed),
        delivered: prepared.consumer.cached_info().delivered.consumer_sequence,
        puller: Puller {
            inbox,
            subscriber: subscriber.map_err(lost)?,
            asked: 0,
            is_alone: false,
        },
        durable,
        connection,
        prepared,
        origin: nats.origin(),
        feed,
        open: BTreeMap::new(),
        last: 0,
        outbox: VecDeque::from([Item::Opened]),
        silent: 0,
    };
    listener.run().await
}

/// What was handed out before, and is not done.
struct Before {
    next: u64,
    until: u64,
}

/// Asks for messages, and hears them.
struct Puller {
    inbox: Subject,
    subscriber: Subscriber,
    /// Messages that are asked for and have not come.
    asked: usize,
    /// Whether the next one is asked for by itself, as large as it is.
    is_alone: bool,
}

struct Listener<'a> {
    durable: &'a Durable<'a>,
    connection: Connection,
    prepared: Prepared,
    before: Before,
    puller: Puller,
    feed: Feed,
    origin: Origin,
    /// Messages that are not acknowledged, and where that is told.
    open: BTreeMap<u64, Subject>,
    /// The last message that was fed.
    last: u64,
    /// The number of the last handing out.
    delivered: u64,
    outbox: VecDeque<Item>,
    silent: u32,
}

impl Before {
    fn of(prepared: &Prepared, feed: &Feed) -> Self {
        let info = prepared.consumer.cached_info();
        let until = match info.num_ack_pending {
            0 => 0,
            _ => info.delivered.stream_sequence,
        };
        let done = done(feed.confirmed.borrow().as_ref(), prepared.made_ms);
        Self {
            next: info.ack_floor.stream_sequence.max(done) + 1,
            until,
        }
    }

    fn is_over(&self) -> bool {
        self.next > self.until
    }
}

/// The number of the last message that is done, if it is one of this stream.
fn done(confirmed: Option<&Position>, made_ms: u64) -> u64 {
    let place = confirmed.and_then(|position| position.0.parse::<Place>().ok());
    place
        .filter(|place| place.made_ms == made_ms)
        .map_or(0, |place| place.number)
}

impl Puller {
    /// Asks for messages, if it has not. It must not be given up half-way.
    async fn ask(&mut self, prepared: &Prepared) -> Result<(), Trouble> {
        if self.asked > 0 {
            return Ok(());
        }
        let (batch, max_bytes) = match std::mem::take(&mut self.is_alone) {
            true => (1, 0),
            false => (MESSAGES_MAX, BYTES_MAX),
        };
        let request = BatchConfig {
            batch,
            max_bytes,
            expires: Some(WAIT),
            ..BatchConfig::default()
        };
        self.asked = batch;
        let asked = prepared.consumer.request_batch(request, self.inbox.clone());
        asked.await.map_err(|error| said(&error))
    }
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Trouble> {
        let mut beat = tokio::time::interval(EXTEND_EVERY);
        let items = self.feed.items.clone();
        loop {
            if self.outbox.is_empty() {
                match self.before.is_over() {
                    true => self.puller.ask(&self.prepared).await?,
                    false => self.read_before().await?,
                }
            }
            let has_news = !self.outbox.is_empty();
            let is_listening = !has_news && self.puller.asked > 0;
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = self.feed.stop.cancelled() => {
                    self.acknowledge().await?;
                    return self.connection.client.flush().await.map_err(lost);
                }
                why = self.connection.lost() => return Err(why),
                changed = self.feed.confirmed.changed() => match changed {
                    Ok(()) => self.acknowledge().await?,
                    Err(_) => return Ok(()),
                },
                _ = beat.tick() => self.beat(is_listening).await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                sent = self.puller.subscriber.next(), if is_listening => match sent {
                    Some(sent) => self.hear(&sent).await?,
                    None => return Err(self.connection.lost().await),
                },
                // What was handed out before comes one by one, and the next is asked for, without waiting.
                () = std::future::ready(()), if !has_news && !is_listening => {}
            }
        }
    }

    /// The next message that was handed out before, from the stream itself.
    async fn read_before(&mut self) -> Result<(), Trouble> {
        let wanted = self
            .prepared
            .stream
            .raw_message_builder()
            .sequence(self.before.next)
            .next_by_subject(self.durable.subject);
        let read = tokio::select! {
            read = wanted.send() => read,
            why = self.connection.lost() => return Err(why),
        };
        let found = match read {
            Ok(found) if found.sequence <= self.before.until => found,
            Err(error) if error.kind() != LastRawMessageErrorKind::NoMessageFound => {
                return Err(said(&error));
            }
            // The rest has been removed from the stream meanwhile.
            _ => {
                self.before.next = self.before.until + 1;
                return Ok(());
            }
        };
        self.before.next = found.sequence + 1;
        let message = Message {
            subject: found.subject.as_str(),
            reply: None,
            headers: Some(&found.headers),
            payload: &found.payload,
            at: milliseconds(found.time.unix_timestamp_nanos()),
        };
        let reply = format!(
            "$JS.ACK.{}.{}.1.{}.{}.{}.0",
            self.durable.stream,
            self.durable.name,
            found.sequence,
            self.delivered,
            found.time.unix_timestamp_nanos()
        );
        self.feed_on(found.sequence, reply.into(), &message);
        Ok(())
    }

    fn feed_on(&mut self, number: u64, reply: Subject, message: &Message<'_>) {
        let place = Place {
            made_ms: self.prepared.made_ms,
            number,
        };
        self.last = number;
        self.open.insert(number, reply);
        let record = message.kept(&self.origin, self.durable.stream, place);
        self.outbox.push_back(Item::Record(record));
        self.outbox.push_back(Item::Mark(place.into()));
    }

    async fn hear(&mut self, sent: &Sent) -> Result<(), Trouble> {
        self.silent = 0;
        match sent.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => {
                self.puller.asked = 0;
                return Ok(());
            }
            Some(status) => return self.refused(status, sent.description.as_deref()),
        }
        self.puller.asked = self.puller.asked.saturating_sub(1);
        let reply = sent.reply.clone();
        let reply = reply.ok_or_else(|| lost("the server sent a message that has no number"))?;
        let message = jetstream::Message {
            message: sent.clone(),
            context: jetstream::new(self.connection.client.clone()),
        };
        let info = message.info().map_err(lost)?;
        if info.consumer_sequence != self.delivered + 1 {
            return Err(lost(
                "messages were handed to somebody else: does anybody else use the mapping's consumer?",
            ));
        }
        self.delivered = info.consumer_sequence;
        let number = info.stream_sequence;
        if number > self.last {
            let message = Message {
                subject: sent.subject.as_str(),
                reply: None,
                headers: sent.headers.as_ref(),
                payload: &sent.payload,
                at: milliseconds(info.published.unix_timestamp_nanos()),
            };
            self.feed_on(number, reply, &message);
            // What was done while nobody was connected is acknowledged at once.
            return self.acknowledge().await;
        }
        // It was handed out before.
        match self.open.get_mut(&number) {
            Some(place) => *place = reply,
            None => self.tell(reply, ACKNOWLEDGED).await?,
        }
        Ok(())
    }

    /// What has a status is no message.
    fn refused(&mut self, status: StatusCode, why: Option<&str>) -> Result<(), Trouble> {
        let why = why.unwrap_or_default();
        // Of what was asked for something came, or the next one is larger than all that was asked for.
        if status.as_u16() == 409 && why.contains("MaxBytes") {
            self.puller.is_alone = self.puller.asked == MESSAGES_MAX;
            self.puller.asked = 0;
            return Ok(());
        }
        Err(Trouble::new(format!("the server says: {why} ({status})")))
    }

    /// Acknowledges all up to where all is done.
    async fn acknowledge(&mut self) -> Result<(), Trouble> {
        let made_ms = self.prepared.made_ms;
        let done = done(self.feed.confirmed.borrow_and_update().as_ref(), made_ms);
        while let Some(first) = self.open.first_entry() {
            if *first.key() > done {
                break;
            }
            let reply = first.remove();
            self.tell(reply, ACKNOWLEDGED).await?;
        }
        Ok(())
    }

    async fn beat(&mut self, is_listening: bool) -> Result<(), Trouble> {
        // While nothing is read nothing can be heard.
        if is_listening {
            self.silent += 1;
        }
        if self.silent > SILENT_MAX {
            return Err(lost("the server does not answer"));
        }
        let open: Vec<Subject> = self.open.values().cloned().collect();
        for reply in open {
            self.tell(reply, IN_PROGRESS).await?;
        }
        Ok(())
    }

    async fn tell(&self, reply: Subject, what: Bytes) -> Result<(), Trouble> {
        let told = self.connection.client.publish(reply, what);
        tokio::select! {
            told = told => told.map_err(lost),
            why = self.connection.lost() => Err(why),
        }
    }
}

fn milliseconds(nanos: i128) -> Timestamp {
    Timestamp::from_millis(i64::try_from(nanos / 1_000_000).unwrap_or(0))
}
