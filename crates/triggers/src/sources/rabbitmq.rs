//! Messages of a queue of a RabbitMQ broker, by AMQP 0-9-1.
//!
//! The broker sends as many as may be on their way, and keeps each until it is acknowledged, which happens only once it is
//! done: whatever ends before that, the broker has it and sends it again. Nothing is made at the broker, so that nothing
//! is left there.
//!
//! ```text
//! frame        the protocol's frames
//! table        its values
//! method       what is said in them
//! properties   what stands before a message's body
//! connection   bytes: TLS, login, one channel
//! known        which messages the worker has already
//! listener     messages become records; done ones are acknowledged
//! record       a message in the shape of Amazon MQ's events
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kiln_types::mapping::TlsMode;
use kiln_types::mapping::rabbitmq::RabbitMqSource;
use kiln_types::{Clock, Mapping};

use crate::config::Config;
use crate::envelope::Shape;
use crate::secrets::Secrets;
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::dial::Dialer;
use crate::sources::tls;

mod connection;
mod frame;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod known;
mod listener;
mod method;
mod properties;
mod record;
mod table;

use connection::{Connection, Target};
use known::Known;
use listener::Listener;

#[cfg(test)]
mod tests;

/// Batches' worth of messages that the broker sends ahead.
const BATCHES_AHEAD: u32 = 2;

/// One mapping's queue.
pub(crate) struct RabbitMq {
    source: RabbitMqSource,
    secrets: Secrets,
    dialer: Dialer,
    clock: Arc<dyn Clock>,
    /// Messages that are on their way at a time.
    count: u16,
    sessions: AtomicU64,
    known: Mutex<Known>,
}

impl RabbitMq {
    pub(crate) fn new(
        mapping: &Mapping,
        source: RabbitMqSource,
        secrets: Secrets,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let settings = &mapping.settings;
        let count = settings.batch_size.saturating_mul(settings.parallel);
        let count = count.saturating_mul(BATCHES_AHEAD).max(1);
        Self {
            source,
            secrets,
            dialer: Dialer::of(&mapping.account, config),
            clock,
            count: u16::try_from(count).unwrap_or(u16::MAX),
            sessions: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let endpoint = &self.source.endpoint;
        let secret = self.secrets.read(&self.source.credentials).await?;
        secret.check_server(&endpoint.host, endpoint.port)?;
        let mode = match endpoint.is_encrypted {
            true => TlsMode::VerifyFull,
            false => TlsMode::Disable,
        };
        let roots = self.source.root_certificates.as_ref();
        let tls = tls::read(&self.secrets, mode, roots).await?;
        Connection::open(Target {
            dialer: &self.dialer,
            host: &endpoint.host,
            port: endpoint.port,
            virtual_host: self.source.virtual_host(),
            user: secret.get("username")?,
            password: secret.get("password")?,
            tls,
        })
        .await
    }

    async fn listen_to(&self, feed: Feed) -> Result<(), Trouble> {
        let mut connection = self.connect().await?;
        let queue = self.source.queue.as_str();
        connection.consume(queue, self.count).await?;
        let mut known = std::mem::take(&mut *self.known());
        known.begin();
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        let clock = self.clock.clone();
        let listener = Listener::new(connection, session, clock, feed, known);
        let (known, ended) = listener.run().await;
        *self.known() = known;
        ended
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for RabbitMq {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.listen_to(feed))
    }

    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(async { Ok(None) })
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }

    fn shard(&self) -> &str {
        self.source.queue.as_str()
    }

    fn shape(&self) -> Shape {
        let (queue, virtual_host) = (self.source.queue.as_str(), self.source.virtual_host());
        Shape::RabbitMq(format!("{queue}::{virtual_host}"))
    }
}
