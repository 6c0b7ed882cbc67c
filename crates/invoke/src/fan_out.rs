//! Who is sent what is published: an event on a bus, or a message to a topic, becomes events of functions and messages
//! in queues.
//!
//! A publication is expanded in memory ([`expand`], pure: the publication and what there is come to a list of
//! deliveries), and all that it comes to is kept in one synced transaction before its publisher is told. So
//! nothing that was accepted is lost, and a bus adds nothing that could wait or fail later.
//!
//! ```text
//!  publication ──► rules of its bus ──► function ──► asynchronous event
//!                   ▲         │    └──► queue ─────► message, or message in the dead-letter queue
//!                   └── bus ◄─┤
//!                             └──► topic ─────► a message to it
//!  message ──► subscriptions of its topic ──► function, queue, post to an HTTP endpoint
//! ```
//!
//! Invariants: all of what is published together is kept, or what is not is refused by itself; whatever
//! rules there are, the work ends (`expand.rs` has the limits). What has nowhere to go, as its target is gone
//! and no dead-letter queue takes it, is counted and logged.

mod archives;
mod directory;
mod expand;
mod notices;
mod order;
mod rules;
mod subscriptions;
mod tell;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use kiln_events::envelope::{Envelope, Origin};
use kiln_events::posted::Asking;
use kiln_store::Store;
use kiln_store::posts::NewPost;
use kiln_store::queue::{DeliverError, Delivery};
use kiln_types::{BusId, MessageId, Region, RequestId, RuleId, Subscription, Timestamp, TopicId};

pub use expand::{BYTES_MAX, DELIVERIES_MAX, DEPTH_MAX};
pub use notices::{Notice, Says};
pub use order::sequence_number;

use archives::ReadArchives;
use directory::InStore;
use expand::{Dropped, Expanding, Expansion, Surroundings};
use notices::{Place, Placed};
use order::Turns;
use rules::Rules;
use subscriptions::Subscriptions;

use crate::posts::{Reach, Signer};

/// How often a publication is expanded anew because a queue went away in between.
const ATTEMPTS_MAX: u32 = 4;
/// Where a server is reached that was not told: only tests have none.
const ENDPOINT: &str = "http://localhost:4566";

/// What is published, and where.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The bus.
    pub bus: BusId,
    /// The event.
    pub event: Envelope,
    /// The tracing header it came with.
    pub trace: Option<String>,
}

/// What is sent together with something else that its caller keeps: when a rule runs by itself, or a schedule or a bucket
/// tells a topic.
#[derive(Debug, Default)]
pub struct Tick {
    /// To whom, and what.
    pub deliveries: Vec<Delivery>,
    dropped: Vec<Dropped>,
}

/// A message that was published to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noticed {
    /// Names it: where it was published before, the one of then.
    pub id: MessageId,
    /// Its place in the order of a FIFO topic.
    pub number: Option<u64>,
}

/// Why a publication was not accepted. Nobody was sent anything of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such bus.
    #[error("event bus {0} does not exist")]
    NoBus(BusId),
    /// There is no such topic.
    #[error("topic {0} does not exist")]
    NoTopic(TopicId),
    /// It would come to more than may be delivered at once.
    #[error(
        "it would be delivered more than {DELIVERIES_MAX} times, or with more than {BYTES_MAX} bytes, together with what was published with it"
    )]
    TooMuch,
    /// The queue has no room.
    #[error("the queue of events is full ({bytes_max} bytes); try again later")]
    Full {
        /// What it may take.
        bytes_max: u64,
    },
    /// The archives of its bus have no room.
    #[error(
        "the archives of event buses are full ({bytes_max} bytes); delete some, or have them keep events for fewer days"
    )]
    ArchivesFull {
        /// What they may hold.
        bytes_max: u64,
    },
    /// The store could not keep it.
    #[error("it could not be kept: {0}")]
    NotKept(String),
}

/// Publishes. Clones mean the same.
#[derive(Clone)]
pub struct FanOut {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    region: Region,
    /// Rules that were read, by their bus: reading a pattern costs more than asking it.
    rules: RwLock<HashMap<BusId, Arc<Rules>>>,
    /// Archives that were read, by their bus.
    archives: RwLock<HashMap<BusId, Arc<ReadArchives>>>,
    /// Subscriptions that were read, by their topic.
    subscriptions: RwLock<HashMap<TopicId, Arc<Subscriptions>>>,
    turns: Turns,
    endpoint: OnceLock<String>,
    signer: Signer,
    reach: OnceLock<Reach>,
    dropped: AtomicU64,
}

impl FanOut {
    /// Publishes to what is in a store.
    pub fn new(store: Store, region: Region) -> Self {
        Self {
            shared: Arc::new(Shared {
                signer: Signer::new(store.clone()),
                reach: OnceLock::new(),
                store,
                region,
                rules: RwLock::default(),
                archives: RwLock::default(),
                subscriptions: RwLock::default(),
                turns: Turns::default(),
                endpoint: OnceLock::new(),
                dropped: AtomicU64::new(0),
            }),
        }
    }

    /// Says where this server is reached, as messages of topics tell their receivers. Only the first call counts.
    pub fn set_endpoint(&self, endpoint: String) {
        self.shared.endpoint.get_or_init(|| endpoint);
    }

    /// Says which addresses HTTP endpoints may have; public ones unless told. Only the first call counts.
    pub fn set_reach(&self, reach: Reach) {
        self.shared.reach.get_or_init(|| reach);
    }

    /// Which addresses HTTP endpoints may have.
    pub fn reach(&self) -> &Reach {
        self.shared.reach.get_or_init(Reach::default)
    }

    /// Publishes all that is given, each for itself; what was accepted is on disk when this returns, in
    /// functions' and queues' names.
    pub async fn publish(&self, all: &[Publication], now: Timestamp) -> Vec<Result<(), Refusal>> {
        self.keep(now, |around| expand::expand(all, around)).await
    }

    /// Publishes messages to a topic, each for itself; what was accepted is on disk when this returns, in functions' and
    /// queues' names. What a FIFO topic knows already is not sent again.
    pub async fn notify(
        &self,
        topic: &TopicId,
        all: Vec<Notice>,
        now: Timestamp,
    ) -> Vec<Result<Noticed, Refusal>> {
        let store = &self.shared.store;
        let Some(live) = store.topics().get(topic) else {
            return vec![Err(Refusal::NoTopic(topic.clone())); all.len()];
        };
        let mut places = vec![Place::Anywhere; all.len()];
        let mut turn = None;
        if let Some(fifo) = live.topic.fifo {
            turn = Some(self.shared.turns.take(topic).await);
            let digest = |notice| order::digest(&live.topic, fifo, notice);
            let digests: Vec<[u8; 16]> = all.iter().map(digest).collect();
            let known = store.queue().published(topic, digests.clone(), now).await;
            let (last, known) = match known {
                Ok(known) => known,
                Err(error) => return vec![Err(Refusal::NotKept(error.to_string())); all.len()],
            };
            let ids = all.iter().map(|notice| notice.id);
            let asked = ids.zip(digests).zip(known);
            let asked = asked.map(|((id, digest), known)| (id, digest, known));
            places = order::places(topic, last, asked);
        }
        let placed = all.into_iter().zip(places);
        let placed = placed.map(|(notice, place)| Placed { notice, place });
        let placed: Vec<Placed> = placed.collect();
        let results = self.keep(now, |around| notices::expand(topic, &placed, around));
        let results = results.await;
        drop(turn);
        let noticed = |(one, result): (&Placed, Result<(), Refusal>)| {
            result.map(|()| match &one.place {
                Place::Anywhere => Noticed {
                    id: one.notice.id,
                    number: None,
                },
                Place::New(published) | Place::Known(published) => Noticed {
                    id: published.id,
                    number: Some(published.number),
                },
            })
        };
        placed.iter().zip(results).map(noticed).collect()
    }

    /// Keeps what something comes to, and says of each part what became of it.
    async fn keep(
        &self,
        now: Timestamp,
        expand: impl Fn(&Surroundings<'_>) -> Expansion,
    ) -> Vec<Result<(), Refusal>> {
        let mut attempt = 1;
        loop {
            let Expansion {
                deliveries,
                dropped,
                results,
            } = self.around(now, &expand);
            let delivered = match deliveries.is_empty() {
                true => Ok(()),
                false => self.shared.store.queue().deliver(deliveries, now).await,
            };
            let refusal = match delivered {
                Ok(()) => {
                    self.count(&dropped);
                    return results;
                }
                // A queue went away, or takes less, since it was looked at: what is left of it now?
                Err(DeliverError::Refused(_)) if attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    continue;
                }
                Err(DeliverError::Refused(refusal)) => Refusal::NotKept(refusal.to_string()),
                Err(DeliverError::Full(full)) => Refusal::Full {
                    bytes_max: full.bytes_max,
                },
                Err(DeliverError::Store(error)) => Refusal::NotKept(error.to_string()),
            };
            let refused = |result: Result<(), Refusal>| result.and(Err(refusal.clone()));
            return results.into_iter().map(refused).collect();
        }
    }

    /// What a rule sends when it runs by itself, to be delivered by the caller, who then says so:
    /// [`Self::was_delivered`].
    pub fn tick(&self, rule: &RuleId, due: Timestamp, now: Timestamp) -> Result<Tick, Refusal> {
        let origin = Origin {
            account: &rule.bus.account,
            region: &self.shared.region,
            now: due,
        };
        let arn = rule.arn(&self.shared.region);
        let id = RequestId::random().to_string();
        let publication = Publication {
            bus: rule.bus.clone(),
            event: Envelope::scheduled(id, &arn, due, &origin),
            trace: None,
        };
        let made = self.around(now, |around| expand::tick(rule, &publication, around))?;
        Ok(Tick {
            deliveries: made.deliveries,
            dropped: made.dropped,
        })
    }

    /// What publications come to for these rules, or for all when none are named, as far as they may go together: how many
    /// of them, and what they send, to be delivered by the caller, who then says so: [`Self::was_delivered`].
    pub fn replay(
        &self,
        all: &[Publication],
        rules: &[String],
        now: Timestamp,
    ) -> Result<(usize, Tick), Refusal> {
        self.around(now, |around| {
            let mut expanding = Expanding::new(around);
            expanding.only = rules;
            let mut count = 0;
            for publication in all {
                let mark = expanding.mark();
                match expanding.publication(publication) {
                    Ok(()) => count += 1,
                    Err(Refusal::TooMuch) if count > 0 => {
                        expanding.go_back(mark);
                        break;
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            let tick = Tick {
                deliveries: expanding.made.deliveries,
                dropped: expanding.made.dropped,
            };
            Ok((count, tick))
        })
    }

    /// What a message to a topic that keeps no order comes to, to be delivered by the caller, who then says so:
    /// [`Self::was_delivered`].
    pub fn message(
        &self,
        topic: &TopicId,
        notice: Notice,
        now: Timestamp,
    ) -> Result<Tick, Refusal> {
        let one = Placed::anywhere(notice);
        self.around(now, |around| {
            let mut expanding = Expanding::new(around);
            expanding.notice(topic, &one)?;
            Ok(Tick {
                deliveries: expanding.made.deliveries,
                dropped: expanding.made.dropped,
            })
        })
    }

    /// A tick's deliveries are on disk: what it could not deliver is counted.
    pub fn was_delivered(&self, tick: &Tick) {
        self.count(&tick.dropped);
    }

    /// What a publication comes to, for whoever keeps it together with what it tells of. What cannot be delivered
    /// is counted, as nobody is there to be told.
    pub fn deliveries(&self, publication: &Publication, now: Timestamp) -> Vec<Delivery> {
        let one = std::slice::from_ref(publication);
        let expansion = self.around(now, |around| expand::expand(one, around));
        self.count(&expansion.dropped);
        for refusal in expansion.results.into_iter().filter_map(Result::err) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(event = %publication.event.id, %refusal, "an event could not be published");
        }
        expansion.deliveries
    }

    /// Asks an HTTP endpoint whether it subscribes; that it will be asked is on disk when this returns.
    pub async fn ask(
        &self,
        subscription: &Subscription,
        token: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let asking = Asking {
            id: &MessageId::random().to_string(),
            topic_arn: &subscription.topic.arn(&self.shared.region).to_string(),
            token,
            timestamp: &now.to_string(),
            endpoint: self.endpoint(),
        };
        let post = NewPost {
            topic: subscription.topic.clone(),
            subscription: subscription.id,
            document: asking.posted().text().into(),
        };
        let deliveries = vec![Delivery::Post(post)];
        let delivered = self.shared.store.queue().deliver(deliveries, now).await;
        delivered.map_err(|error| match error {
            DeliverError::Full(full) => Refusal::Full {
                bytes_max: full.bytes_max,
            },
            other => Refusal::NotKept(other.to_string()),
        })
    }

    /// Where this server is reached.
    pub fn endpoint(&self) -> &str {
        self.shared.endpoint.get().map_or(ENDPOINT, String::as_str)
    }

    /// What signs messages to HTTP endpoints.
    pub fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    /// An HTTP endpoint did not take a message, and nobody else did.
    pub(crate) fn lost_one(&self) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// What had nowhere to go since the server started.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn around<T>(&self, now: Timestamp, work: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let directory = InStore {
            store: &self.shared.store,
            rules: &self.shared.rules,
            archives: &self.shared.archives,
            subscriptions: &self.shared.subscriptions,
            region: &self.shared.region,
        };
        let surroundings = Surroundings {
            directory: &directory,
            endpoint: self.endpoint(),
            now,
        };
        work(&surroundings)
    }

    fn count(&self, dropped: &[Dropped]) {
        let Some(first) = dropped.first() else {
            return;
        };
        let count = dropped.len() as u64;
        self.shared.dropped.fetch_add(count, Ordering::Relaxed);
        tracing::warn!(
            count, by = %first.by, target = %first.target, event = %first.event, why = first.why.code(),
            "an event could not be delivered and no dead-letter queue takes it"
        );
    }
}
