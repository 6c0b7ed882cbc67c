//! Packets become records; what is done is acknowledged.

use std::collections::VecDeque;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{
    Packet, PubAck, Publish, RetainForwardRule, SubAck, Subscribe, SubscribeFilter,
    SubscribeReasonCode,
};

use super::Mqtt;
use super::connection::{Connection, lost};
use super::record::record;
use super::session::Session;
use crate::record::Position;
use crate::source::{Feed, Item, Trouble};
use crate::sources::published::Origin;

/// How often the broker is asked whether it is there.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// After so many of these without a word the connection is given up.
const SILENT_MAX: u32 = 3;
/// The number of the one subscription.
const SUBSCRIPTION: u16 = 1;
/// What is kept once the broker has had a session.
const HAD_SESSION: &str = "session";

/// Feeds what is published until it is told to stop or cannot.
pub(super) async fn listen(mqtt: &Mqtt, feed: Feed) -> Result<(), Trouble> {
    let (mut connection, login) = mqtt.connect().await?;
    feed.make().await?;
    let resumed = connection.resume(&mqtt.name, login, mqtt.open_max);
    let was_there = resumed.await.map_err(Trouble::from)?;
    let mut outbox = VecDeque::new();
    let had_session = mqtt.kept.read().await?.is_some();
    if !had_session {
        mqtt.kept.keep(HAD_SESSION).await?;
    }
    match was_there {
        true => mqtt.session().resume(),
        false => mqtt.session().forget(),
    }
    if was_there {
        // What it holds comes before it answers.
        outbox.push_back(Item::Opened);
    } else if had_session {
        let text = "the server has forgotten the mapping's session: what was published meanwhile was not heard";
        outbox.push_back(Item::Health(Some(text.to_owned())));
    }
    connection.send(&subscribe(mqtt)).await?;
    let listener = Listener {
        mqtt,
        connection,
        origin: mqtt.origin(),
        feed,
        outbox,
        is_open: was_there,
        silent: 0,
    };
    listener.run().await
}

/// What was published before the mapping is none of its business: no retained messages.
fn subscribe(mqtt: &Mqtt) -> Packet {
    let filters = mqtt.source.filters.iter().map(|filter| SubscribeFilter {
        path: filter.as_str().to_owned(),
        qos: QoS::AtLeastOnce,
        nolocal: false,
        preserve_retain: true,
        retain_forward_rule: RetainForwardRule::Never,
    });
    let mut subscribe = Subscribe::new_many(filters, None);
    subscribe.pkid = SUBSCRIPTION;
    Packet::Subscribe(subscribe)
}

struct Listener<'a> {
    mqtt: &'a Mqtt,
    connection: Connection,
    origin: Origin,
    feed: Feed,
    outbox: VecDeque<Item>,
    /// Whether it was said that it listens.
    is_open: bool,
    silent: u32,
}

impl Mqtt {
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        let session = self.session.lock();
        session.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Trouble> {
        let mut beat = tokio::time::interval(BEAT_EVERY);
        let items = self.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            let feed = &mut self.feed;
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = feed.stop.cancelled() => {
                    self.acknowledge().await?;
                    self.connection.leave().await;
                    return Ok(());
                }
                changed = feed.confirmed.changed() => match changed {
                    Ok(()) => self.acknowledge().await?,
                    Err(_) => return Ok(()),
                },
                _ = beat.tick() => self.beat().await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                packet = self.connection.receive(), if !has_news => {
                    let packet = packet?;
                    self.silent = 0;
                    self.hear(packet).await?;
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
            return Err(lost("the server does not answer"));
        }
        self.connection.send(&Packet::PingReq).await
    }

    async fn hear(&mut self, packet: Packet) -> Result<(), Trouble> {
        match packet {
            Packet::Publish(publish) => {
                self.take(&publish);
                // What was done while nobody was connected is acknowledged at once.
                self.acknowledge().await
            }
            Packet::SubAck(answer) => {
                self.check(&answer)?;
                if !std::mem::replace(&mut self.is_open, true) {
                    self.outbox.push_back(Item::Opened);
                }
                Ok(())
            }
            Packet::Disconnect(why) => {
                let why = why.reason_code;
                Err(Trouble::new(format!(
                    "the server closed the connection: {why:?}"
                )))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, answer: &SubAck) -> Result<(), Trouble> {
        let filters = self.mqtt.source.filters.iter();
        let refused = filters
            .zip(&answer.return_codes)
            .find(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)));
        match refused {
            Some((filter, code)) => Err(Trouble::new(format!(
                "the server does not let the mapping hear of {}: {code:?}",
                filter.as_str()
            ))),
            None => Ok(()),
        }
    }

    fn take(&mut self, publish: &Publish) {
        let (at, next) = self.mqtt.arrivals.next();
        let number = self.mqtt.session().take(publish, next);
        let record = record(publish, at, number, &self.origin);
        let place = Position(record.id.clone());
        self.outbox.push_back(Item::Record(record));
        self.outbox.push_back(Item::Mark(place));
    }

    /// Acknowledges all up to where all is done.
    async fn acknowledge(&mut self) -> Result<(), Trouble> {
        let confirmed = self.feed.confirmed.borrow_and_update().clone();
        let Some(done) = confirmed.and_then(|position| position.0.parse().ok()) else {
            return Ok(());
        };
        loop {
            let Some(id) = self.mqtt.session().close_first(done) else {
                return Ok(());
            };
            let done = PubAck::new(id, None);
            self.connection.send(&Packet::PubAck(done)).await?;
        }
    }
}
