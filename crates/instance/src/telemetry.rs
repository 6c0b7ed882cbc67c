//! AWS's Telemetry API of 2022-07-01, and the Logs API of 2020-08-15 that it replaced: what the
//! platform, the function and extensions say, delivered to the extensions that subscribe.
//!
//! Records wait in a bounded `buffer` for each subscriber until there are enough of them or the oldest
//! has waited long enough; a `courier` takes them into the sandbox, one batch at a time. Whoever does
//! not take them loses some and is told how many (`platform.logsDropped`); nothing else waits for it.
//!
//! AWS differs: subscribers of the Logs API get the records of the Telemetry API, which say the same in
//! the same fields and more.

mod buffer;
mod courier;
mod routes;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};

use kiln_types::{Clock, Initialization, LogFormat, Timestamp};
use serde_json::{Value, json};

use crate::isolation::Network;
use crate::report::record;
use crate::spec::Spec;
use buffer::Buffer;
use courier::Courier;
#[cfg(feature = "fuzzing")]
pub(crate) use routes::TELEMETRY_SCHEMAS;
pub(crate) use routes::respond;
pub(crate) use subscription::{Source, Subscription};

/// The first step of its paths.
pub(crate) const VERSION: &str = "2022-07-01";
/// The same of the Logs API.
pub(crate) const LOGS_VERSION: &str = "2020-08-15";

/// What may wait for all subscribers of one instance together, on its way included. Beyond it records
/// are dropped and counted, so that functions cannot fill the daemon's memory.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Serves the subscribers of one instance.
pub(crate) struct Telemetry {
    subscribers: Vec<Subscriber>,
    network: Arc<dyn Network>,
    clock: Arc<dyn Clock>,
    spec: Arc<Spec>,
    how: Initialization,
    /// When the instance began, before anybody could subscribe.
    begun: Timestamp,
}

struct Subscriber {
    subscription: Subscription,
    buffer: Buffer,
    courier: Courier,
    carried_bytes: usize,
}

impl Telemetry {
    /// For an instance of this function that begins now.
    pub(crate) fn new(
        network: Box<dyn Network>,
        clock: Arc<dyn Clock>,
        spec: Arc<Spec>,
        how: Initialization,
    ) -> Self {
        Self {
            subscribers: Vec::new(),
            network: network.into(),
            begun: clock.timestamp(),
            clock,
            spec,
            how,
        }
    }

    /// Serves another subscriber.
    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        let mut buffer = Buffer::new(subscription.buffering);
        if subscription.wants(Source::Platform) {
            let record = record::init_start(&self.spec, self.how);
            let record = document(self.begun, "platform.initStart", record);
            buffer.push(record, self.clock.now());
        }
        let courier = Courier::new(&subscription.destination, Arc::clone(&self.network));
        let name = subscription.name.clone();
        self.subscribers
            .retain(|other| other.subscription.name != name);
        self.subscribers.push(Subscriber {
            subscription,
            buffer,
            courier,
            carried_bytes: 0,
        });
    }

    /// Whether anybody wants to have records of this kind.
    pub(crate) fn wants(&self, source: Source) -> bool {
        let mut subscribers = self.subscribers.iter();
        subscribers.any(|one| one.subscription.wants(source))
    }

    /// The platform says this, of a kind such as `platform.start`.
    pub(crate) fn platform(&mut self, time: Timestamp, kind: &str, record: impl FnOnce() -> Value) {
        if self.wants(Source::Platform) {
            let record = document(time, kind, record());
            self.push(Source::Platform, &record, None);
        }
    }

    /// The function or an extension has printed a line.
    pub(crate) fn line(&mut self, source: Source, time: Timestamp, line: &str) {
        if !self.wants(source) {
            return;
        }
        let format = self.spec.configuration.logging.format;
        let may_be_json = format == LogFormat::Json && source == Source::Function;
        let parsed = may_be_json.then(|| serde_json::from_str(line).ok());
        let structured = parsed
            .flatten()
            .filter(Value::is_object)
            .map(|record| document(time, source.as_str(), record));
        let text = document(time, source.as_str(), line.into());
        self.push(source, &text, structured.as_deref());
    }

    fn push(&mut self, source: Source, text: &str, structured: Option<&str>) {
        let now = self.clock.now();
        let held = self.subscribers.iter().map(Subscriber::held_bytes);
        let mut held: usize = held.sum();
        for subscriber in &mut self.subscribers {
            if !subscriber.subscription.wants(source) {
                continue;
            }
            let record = structured
                .filter(|_| subscriber.subscription.structured)
                .unwrap_or(text);
            if held + record.len() > HELD_BYTES_MAX {
                subscriber.buffer.drop_record(record);
                continue;
            }
            held += record.len();
            subscriber.buffer.push(record.to_owned(), now);
        }
    }

    /// Delivers what waits as soon as possible.
    pub(crate) fn flush(&mut self) {
        for subscriber in &mut self.subscribers {
            subscriber.buffer.flush();
        }
    }

    /// Delivers as far as that is possible without waiting, and has the task woken when there is more.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) {
        for subscriber in &mut self.subscribers {
            subscriber.poll(context, &*self.clock);
        }
    }
}

impl Subscriber {
    fn held_bytes(&self) -> usize {
        self.buffer.held_bytes() + self.carried_bytes
    }

    fn poll(&mut self, context: &mut Context<'_>, clock: &dyn Clock) {
        loop {
            match self.courier.poll(context) {
                Poll::Pending => return,
                Poll::Ready(lost) => self.buffer.count_lost(lost),
            }
            self.carried_bytes = 0;
            let now = clock.now();
            if let Some(batch) = self.buffer.take(now, clock.timestamp()) {
                self.carried_bytes = batch.iter().map(String::len).sum();
                self.courier.carry(batch);
                continue;
            }
            match self.buffer.due(now) {
                Some(wait) if self.courier.wait(wait, context).is_ready() => {}
                _ => return,
            }
        }
    }
}

fn document(time: Timestamp, kind: &str, record: Value) -> String {
    json!({ "time": time.to_string(), "type": kind, "record": record }).to_string()
}
