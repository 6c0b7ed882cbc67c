//! One connection's messages: they become records, and are acknowledged once they are done.
//!
//! What is not read waits at the broker: bodies are read piece by piece, and nothing is while the worker has no room.

use std::collections::VecDeque;
use std::sync::Arc;

use kiln_types::Clock;

use super::connection::{Connection, HEARTBEAT};
use super::frame::{Frame, Kind};
use super::known::{Known, Open};
use super::method::{self, Method};
use super::properties::Properties;
use super::record::{BODY_BYTES_MAX, Message};
use crate::record::Position;
use crate::source::{Feed, Item, Trouble};
use crate::sources::dial::lost;

/// Beats without a sign of life after which the broker is gone.
const SILENT_MAX: u32 = 6;

/// Who hears the messages of one connection.
pub(super) struct Listener {
    pub(super) connection: Connection,
    /// Names the connection: a place of another one means nothing in this one.
    pub(super) session: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) feed: Feed,
    pub(super) known: Known,
    outbox: VecDeque<Item>,
    coming: Option<Coming>,
    silent: u32,
}

/// A message of which not all has come.
struct Coming {
    tag: u64,
    is_redelivered: bool,
    /// As it came, to know the message by if it comes again.
    head: Option<(Properties, u64)>,
    body: Vec<u8>,
    missing: u64,
}

impl Listener {
    pub(super) fn new(
        connection: Connection,
        session: u64,
        clock: Arc<dyn Clock>,
        feed: Feed,
        known: Known,
    ) -> Self {
        Self {
            connection,
            session,
            clock,
            feed,
            known,
            outbox: VecDeque::from([Item::Opened]),
            coming: None,
            silent: 0,
        }
    }

    /// Feeds messages until it is told to stop or cannot; gives back what it knows for the next connection.
    pub(super) async fn run(mut self) -> (Known, Result<(), Trouble>) {
        let ended = self.listen().await;
        let closed = match ended {
            Ok(()) => self.connection.close().await,
            Err(trouble) => Err(trouble),
        };
        (self.known, closed)
    }

    async fn listen(&mut self) -> Result<(), Trouble> {
        // Twice in the time after which the broker would miss it.
        let mut beat = tokio::time::interval(HEARTBEAT / 2);
        let items = self.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            let feed = &mut self.feed;
            tokio::select! {
                // What is done is acknowledged whatever else there is.
                biased;
                () = feed.stop.cancelled() => return self.acknowledge().await,
                changed = feed.confirmed.changed() => match changed {
                    Ok(()) => self.acknowledge().await?,
                    Err(_) => return Ok(()),
                },
                _ = beat.tick() => self.beat().await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                frame = self.connection.receive(), if !has_news => {
                    let frame = frame?;
                    self.silent = 0;
                    self.hear(&frame).await?;
                }
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Trouble> {
        // While nothing is read nothing can be heard.
        if self.outbox.is_empty() {
            self.silent += 1;
        }
        if self.silent > SILENT_MAX {
            return Err(lost("the broker does not answer"));
        }
        self.connection.beat().await
    }

    /// Acknowledges all up to where all is done.
    async fn acknowledge(&mut self) -> Result<(), Trouble> {
        let confirmed = self.feed.confirmed.borrow_and_update().clone();
        let Some(tag) = confirmed.and_then(|position| self.tag(&position)) else {
            return Ok(());
        };
        match self.known.done(tag) {
            true => self.connection.acknowledge(tag).await,
            false => Ok(()),
        }
    }

    /// A place as the worker knows it.
    fn position(&self, tag: u64) -> Position {
        Position(format!("{}:{tag}", self.session).into())
    }

    fn tag(&self, position: &Position) -> Option<u64> {
        let (session, tag) = position.0.split_once(':')?;
        let is_own = session.parse() == Ok(self.session);
        tag.parse().ok().filter(|_| is_own)
    }

    async fn hear(&mut self, frame: &Frame) -> Result<(), Trouble> {
        match frame.kind {
            Kind::Heartbeat => {}
            Kind::Method => self.hear_method(Method::read(&frame.payload)?).await?,
            Kind::Header => self.hear_head(&frame.payload)?,
            Kind::Body => self.hear_body(&frame.payload)?,
        }
        Ok(())
    }

    async fn hear_method(&mut self, method: Method) -> Result<(), Trouble> {
        match method {
            Method::Deliver {
                tag,
                is_redelivered,
            } => {
                self.coming = Some(Coming {
                    tag,
                    is_redelivered,
                    head: None,
                    body: Vec::new(),
                    missing: 0,
                });
                Ok(())
            }
            Method::Cancelled => Err(Trouble::new(
                "the broker sends no more messages: the queue was deleted, or its node is gone",
            )),
            Method::Closed {
                is_connection,
                code,
                text,
            } => {
                if is_connection {
                    self.connection.agree_to_close().await;
                }
                Err(method::refused(code, &text))
            }
            _ => Ok(()),
        }
    }

    fn hear_head(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        let digest = self.known.digest(payload);
        let coming = self.coming.as_mut().ok_or_else(out_of_place)?;
        let properties = Properties::read(payload)?;
        coming.missing = properties.body_size;
        coming.head = Some((properties, digest));
        self.take_if_whole();
        Ok(())
    }

    fn hear_body(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        let coming = self.coming.as_mut().ok_or_else(out_of_place)?;
        let (_, digest) = coming.head.as_mut().ok_or_else(out_of_place)?;
        *digest = self.known.digest((*digest, payload));
        let missing = coming.missing.checked_sub(payload.len() as u64);
        coming.missing = missing.ok_or_else(out_of_place)?;
        // What is too large is read to its end all the same, as what comes after it is wanted.
        if coming.body.len() + payload.len() <= BODY_BYTES_MAX {
            coming.body.extend_from_slice(payload);
        }
        self.take_if_whole();
        Ok(())
    }

    fn take_if_whole(&mut self) {
        let is_whole = |coming: &mut Coming| coming.head.is_some() && coming.missing == 0;
        let Some(coming) = self.coming.take_if(is_whole) else {
            return;
        };
        let (properties, digest) = coming.head.expect("it is whole");
        let now = self.clock.timestamp();
        let number = self.known.number(digest, coming.is_redelivered, now);
        self.known.open(Open {
            tag: coming.tag,
            number,
            digest,
        });
        let is_all = properties.body_size == coming.body.len() as u64;
        let message = Message {
            properties,
            is_redelivered: coming.is_redelivered,
            body: is_all.then_some(coming.body),
        };
        let record = message.record(number, now);
        self.outbox.push_back(Item::Record(record));
        let position = self.position(coming.tag);
        self.outbox.push_back(Item::Mark(position));
    }
}

fn out_of_place() -> Trouble {
    lost("the broker sent a part of a message out of place")
}
