//! The durable consumer of a mapping: made when it first listens, found again, removed with it.

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info, PullConsumer};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::Stream;
use kiln_types::mapping::Begin;
use std::time::Duration;

use super::connection::Connection;
use super::record::Place;
use crate::source::{Feed, Trouble};

/// After this long without a word about a message the server hands it out again.
pub(super) const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);
/// Messages that are handed out and not acknowledged, at most.
const OPEN_MAX: i64 = 100_000;
/// The subject that is all of them.
const ALL: &str = ">";

/// The consumer of a mapping.
pub(super) struct Durable<'a> {
    pub(super) stream: &'a str,
    pub(super) subject: &'a str,
    pub(super) name: &'a str,
    pub(super) begin: Begin,
}

/// A consumer that is there.
pub(super) struct Prepared {
    pub(super) stream: Stream,
    pub(super) consumer: PullConsumer,
    /// Which stream of its name it is, by when that was made.
    pub(super) made_ms: u64,
}

impl Durable<'_> {
    /// Finds the consumer, or makes it.
    pub(super) async fn prepare(
        &self,
        connection: &Connection,
        feed: &Feed,
    ) -> Result<Prepared, Trouble> {
        let stream = self.stream(connection).await?;
        let stream = stream
            .ok_or_else(|| Trouble::new(format!("the server has no stream {}", self.stream)))?;
        let made = stream.cached_info().created.unix_timestamp_nanos() / 1_000_000;
        let made_ms = u64::try_from(made).unwrap_or(0);
        if self.find(&stream).await?.is_none() {
            feed.make().await?;
            let confirmed = feed.confirmed.borrow().clone();
            let done = confirmed.and_then(|position| position.0.parse::<Place>().ok());
            let config = self.config(deliver(self.begin, done, made_ms)?);
            let made = stream.create_consumer(config).await;
            made.map_err(|error| said(&error))?;
        }
        let consumer = stream.get_consumer(self.name).await;
        Ok(Prepared {
            consumer: consumer.map_err(|error| said(&error))?,
            stream,
            made_ms,
        })
    }

    fn config(&self, deliver_policy: DeliverPolicy) -> Config {
        Config {
            durable_name: Some(self.name.to_owned()),
            description: Some("Kiln's, of an event source mapping".to_owned()),
            deliver_policy,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGE_WITHIN,
            max_deliver: -1,
            filter_subject: match self.subject {
                ALL => String::new(),
                subject => subject.to_owned(),
            },
            max_ack_pending: OPEN_MAX,
            ..Config::default()
        }
    }

    /// What is wrong while nobody listens.
    pub(super) async fn look(&self, connection: &Connection) -> Result<Option<String>, Trouble> {
        let found = match self.stream(connection).await? {
            Some(stream) => self.find(&stream).await?,
            None => None,
        };
        Ok(found.is_none().then(|| {
            format!(
                "the consumer {} of the stream {} is gone",
                self.name, self.stream
            )
        }))
    }

    /// Removes the consumer.
    pub(super) async fn remove(&self, connection: &Connection) -> Result<(), Trouble> {
        let Some(stream) = self.stream(connection).await? else {
            return Ok(());
        };
        if self.find(&stream).await?.is_some() {
            let removed = stream.delete_consumer(self.name).await;
            removed.map_err(|error| said(&error))?;
        }
        Ok(())
    }

    /// None when there is none of this name.
    async fn stream(&self, connection: &Connection) -> Result<Option<Stream>, Trouble> {
        let jetstream = async_nats::jetstream::new(connection.client.clone());
        match jetstream.get_stream(self.stream).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(told) if told.code() == 404 => Ok(None),
                _ => Err(said(&error)),
            },
        }
    }

    /// None when the stream has none of this name.
    async fn find(&self, stream: &Stream) -> Result<Option<Info>, Trouble> {
        match stream.consumer_info(self.name).await {
            Ok(info) => Ok(Some(info)),
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => Ok(None),
                ConsumerInfoErrorKind::JetStream(told) if told.code() == 404 => Ok(None),
                _ => Err(said(&error)),
            },
        }
    }
}

/// Where a new consumer begins: behind what is known to be done, if there was one before it.
fn deliver(begin: Begin, done: Option<Place>, made_ms: u64) -> Result<DeliverPolicy, Trouble> {
    Ok(match (done, begin) {
        (Some(done), _) if done.made_ms == made_ms => DeliverPolicy::ByStartSequence {
            start_sequence: done.number + 1,
        },
        // The stream itself was made again: all that is in it is new.
        (Some(_), _) | (None, Begin::TrimHorizon) => DeliverPolicy::All,
        (None, Begin::Latest) => DeliverPolicy::New,
        (None, Begin::At(time)) => {
            let nanos = i128::from(time.as_millis()) * 1_000_000;
            let start_time = async_nats::datetime::from_nanos(nanos);
            let start_time =
                start_time.map_err(|_| Trouble::new("the time to begin at is none"))?;
            DeliverPolicy::ByStartTime { start_time }
        }
    })
}

/// What the server, or the way to it, says.
pub(super) fn said(error: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(format!("the server says: {error}"))
}

#[cfg(test)]
mod tests {
    use kiln_types::Timestamp;

    use super::*;

    #[test]
    fn a_consumer_that_is_made_again_begins_behind_what_is_done() {
        let place = |made_ms, number| Some(Place { made_ms, number });
        let deliver = |begin, done| deliver(begin, done, 5).unwrap();
        let behind = DeliverPolicy::ByStartSequence { start_sequence: 8 };
        assert_eq!(deliver(Begin::Latest, place(5, 7)), behind);
        assert_eq!(deliver(Begin::Latest, place(4, 7)), DeliverPolicy::All);
        assert_eq!(deliver(Begin::Latest, None), DeliverPolicy::New);
        assert_eq!(deliver(Begin::TrimHorizon, None), DeliverPolicy::All);
        let at = deliver(Begin::At(Timestamp::from_millis(1_500)), None);
        let DeliverPolicy::ByStartTime { start_time } = at else {
            panic!("{at:?}");
        };
        assert_eq!(start_time.unix_timestamp_nanos(), 1_500_000_000);
    }
}
