//! What is published to a NATS server: as it is published, or as a stream of JetStream keeps it.
//!
//! A stream is read by a durable consumer of the mapping's own, in which the server remembers what was handed out and not
//! yet acknowledged. That happens only once a message is done, so that nothing is lost whatever ends. What is published
//! without a stream nobody keeps: what is published while nobody listens is not heard.
//!
//! ```text
//! connection   async-nats: TLS, login, and its end as soon as something is lost
//! subjects     what is published becomes records
//! consumer     the durable consumer: made, found again, removed
//! stream       what a stream keeps becomes records; what is done is acknowledged
//! record       a message as a record
//! ```

use std::sync::Arc;

use kiln_types::mapping::TlsMode;
use kiln_types::mapping::nats::{Heard, NatsSource};
use kiln_types::{Clock, Mapping, Region};

use crate::config::Config;
use crate::secrets::Secrets;
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::arrivals::Arrivals;
use crate::sources::dial::Dialer;
use crate::sources::published::Origin;
use crate::sources::tls;

mod connection;
mod consumer;
mod record;
mod stream;
mod subjects;

use connection::{Connection, Login, Target};
use consumer::Durable;

#[cfg(test)]
mod tests;

/// One mapping's server.
pub(crate) struct Nats {
    source: NatsSource,
    /// Of the consumer.
    name: String,
    secrets: Secrets,
    dialer: Dialer,
    region: Region,
    arn: String,
    arrivals: Arrivals,
}

impl Nats {
    pub(crate) fn new(
        mapping: &Mapping,
        source: NatsSource,
        secrets: Secrets,
        config: &Config,
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
                match secret.find("token") {
                    Some(token) => Some(Login::Token(token)),
                    None => Some(Login::User(
                        secret.get("username")?,
                        secret.get("password")?,
                    )),
                }
            }
            None => None,
        };
        // This protocol sends the password itself.
        if login.is_some() {
            tls::check_secrecy(endpoint.tls, endpoint.is_loopback())?;
        }
        let roots = self.source.root_certificates.as_ref();
        let is_verified = match endpoint.tls {
            TlsMode::VerifyFull => true,
            TlsMode::Require => roots.is_some(),
            TlsMode::Disable => false,
        };
        let tls = tls::read(&self.secrets, endpoint.tls, roots).await?;
        Connection::open(Target {
            dialer: &self.dialer,
            host: &endpoint.host,
            port: endpoint.port,
            name: &self.name,
            login,
            tls,
            is_verified,
        })
        .await
    }

    fn origin(&self) -> Origin {
        Origin {
            region: self.region.to_string(),
            arn: self.arn.clone(),
            source: match self.source.heard {
                Heard::Subjects { .. } => "kiln:nats",
                Heard::Stream { .. } => "kiln:nats-jetstream",
            },
            under: "nats",
        }
    }

    /// The consumer of the stream, if it is one that is heard of.
    fn durable(&self) -> Option<Durable<'_>> {
        match &self.source.heard {
            Heard::Stream {
                stream,
                subject,
                begin,
            } => Some(Durable {
                stream: stream.as_str(),
                subject: subject.as_str(),
                name: &self.name,
                begin: *begin,
            }),
            Heard::Subjects { .. } => None,
        }
    }

    async fn listen_to(&self, feed: Feed) -> Result<(), Trouble> {
        match (&self.source.heard, self.durable()) {
            (_, Some(durable)) => stream::listen(self, &durable, feed).await,
            (heard, None) => subjects::listen(self, heard, feed).await,
        }
    }

    async fn look_after(&self) -> Result<Option<String>, Trouble> {
        match self.durable() {
            Some(durable) => durable.look(&self.connect().await?).await,
            None => Ok(None),
        }
    }

    async fn remove(&self) -> Result<(), Trouble> {
        match self.durable() {
            Some(durable) => durable.remove(&self.connect().await?).await,
            None => Ok(()),
        }
    }
}

impl Source for Nats {
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
