//! What happens in a Redis or Valkey server: entries of a stream, or that keys change.
//!
//! A stream is read by a consumer group of the mapping's own, in which the server remembers what was handed out and not
//! yet acknowledged. That happens only once an entry is done, so that nothing is lost whatever ends. Changes of keys are
//! published to whoever listens, and nobody keeps them: what happens while nobody does is not heard.
//!
//! ```text
//! resp         the protocol
//! connection   bytes: TLS, login, commands
//! group        the consumer group: made, found again, removed
//! stream       entries become records; done ones are acknowledged
//! keyspace     published changes of keys become records
//! record       an entry and a change in DynamoDB's shape, with plain JSON beside it
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use kiln_store::Store;
use kiln_types::mapping::redis::{Heard, RedisSource};
use kiln_types::{Clock, Mapping, Region};

use crate::config::Config;
use crate::place_kept::PlaceKept;
use crate::secrets::Secrets;
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::arrivals::Arrivals;
use crate::sources::dial::Dialer;
use crate::sources::tls;

mod connection;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod group;
mod keyspace;
mod record;
mod resp;
mod stream;

use connection::{Connection, Target};
use group::Group;

#[cfg(test)]
mod tests;

/// Who is meant where a secret names no user.
const DEFAULT_USER: &str = "default";

/// One mapping's server.
pub(crate) struct Redis {
    source: RedisSource,
    /// Of the consumer group.
    name: String,
    secrets: Secrets,
    dialer: Dialer,
    region: Region,
    arn: String,
    arrivals: Arrivals,
    /// Whether the stream was made with the group, so that it goes with it if nobody has used it.
    kept: PlaceKept,
    /// Entries that are asked for at a time: fewer where they are large.
    at_a_time: AtomicUsize,
}

impl Redis {
    pub(crate) fn new(
        mapping: &Mapping,
        source: RedisSource,
        secrets: Secrets,
        config: &Config,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let region = config.region.clone();
        Self {
            name: format!("kiln_{}", mapping.id.simple()),
            arn: mapping.arn(&region),
            source,
            secrets,
            dialer: Dialer::of(&mapping.account, config),
            region,
            arrivals: Arrivals::new(clock),
            kept: PlaceKept::new(store, mapping.id),
            at_a_time: AtomicUsize::new(stream::ENTRIES_MAX),
        }
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let endpoint = &self.source.endpoint;
        let credentials = match &self.source.credentials {
            Some(arn) => Some(self.secrets.read(arn).await?),
            None => None,
        };
        let login = match &credentials {
            Some(secret) => {
                secret.check_server(&endpoint.host, endpoint.port)?;
                let user = secret.find("username").unwrap_or(DEFAULT_USER);
                Some((user, secret.get("password")?))
            }
            None => None,
        };
        // This protocol sends the password itself.
        if login.is_some() {
            tls::check_secrecy(endpoint.tls, endpoint.is_loopback())?;
        }
        let roots = self.source.root_certificates.as_ref();
        let tls = tls::read(&self.secrets, endpoint.tls, roots).await?;
        Connection::open(Target {
            dialer: &self.dialer,
            host: &endpoint.host,
            port: endpoint.port,
            database: endpoint.database,
            login,
            tls,
        })
        .await
    }

    fn origin(&self) -> record::Origin {
        record::Origin {
            region: self.region.to_string(),
            arn: self.arn.clone(),
            database: self.source.endpoint.database,
        }
    }

    /// The group of the stream, if it is one that is heard of.
    fn group(&self) -> Option<Group<'_>> {
        match &self.source.heard {
            Heard::Stream {
                key,
                starting_position,
            } => Some(Group {
                key: key.as_str(),
                name: &self.name,
                from: *starting_position,
                kept: &self.kept,
            }),
            Heard::Keys { .. } => None,
        }
    }

    async fn listen_to(&self, feed: Feed) -> Result<(), Trouble> {
        match (&self.source.heard, self.group()) {
            (_, Some(group)) => stream::listen(self, &group, feed).await,
            (heard, None) => keyspace::listen(self, heard.names(), feed).await,
        }
    }

    async fn look_after(&self) -> Result<Option<String>, Trouble> {
        let Some(group) = self.group() else {
            return Ok(None);
        };
        let mut connection = self.connect().await?;
        group.look(&mut connection).await
    }

    async fn remove(&self) -> Result<(), Trouble> {
        let Some(group) = self.group() else {
            return Ok(());
        };
        let mut connection = self.connect().await?;
        group.remove(&mut connection).await
    }
}

impl Source for Redis {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.listen_to(feed))
    }

    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(self.look_after())
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.remove())
    }

    fn shard(&self) -> &str {
        &self.name
    }
}
