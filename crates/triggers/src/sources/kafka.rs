//! Records of a topic of a Kafka cluster, by Kafka's own protocol.
//!
//! Kiln reads all partitions itself and is no member of a consumer group. How far it has got in each is kept by the cluster,
//! under a group's name, and moves only once records are done: whatever ends before that, they come again. A partition has
//! an order of its own, and one whose records fail holds up no other.
//!
//! ```text
//! wire, api     the protocol's values, and its messages
//! fetch         the one that asks for records
//! errors        what brokers refuse
//! connection    a broker: TLS, login, one question at a time
//! cluster       which brokers there are, and who leads what
//! group         the places that are kept
//! identity      which topic they are in
//! start         where partitions begin
//! batches       what logs hold, transactions that came to nothing left out
//! decompress    what it is compressed by
//! readers       questions to all leaders at the same time
//! listener      what comes is taken, and who does not answer is left alone for a while
//! reading       what came becomes records
//! house         what is done moves the group; who leads what, and what is new
//! record        a record in the shape of AWS's events
//! ```

use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_types::mapping::TlsMode;
use kiln_types::mapping::kafka::{KafkaServer, KafkaSource};
use kiln_types::{Clock, Mapping};

use crate::config::Config;
use crate::envelope::Shape;
use crate::place_kept::PlaceKept;
use crate::secrets::{Secret, Secrets};
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::dial::Dialer;
use crate::sources::tls;

mod api;
mod batches;
mod cluster;
mod connection;
mod decompress;
mod errors;
mod fetch;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod group;
mod house;
mod identity;
mod listener;
mod login;
mod partition;
mod readers;
mod reading;
mod record;
mod start;
mod wire;

use cluster::Cluster;
use connection::{Login, Way};
use group::Group;
use identity::Identity;

#[cfg(test)]
mod tests;

/// How old what is known of the topic may become: partitions that are added are heard of by then.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// One mapping's topic.
pub(crate) struct Kafka {
    source: KafkaSource,
    /// The group that the places are kept under.
    group: String,
    identity: Identity,
    secrets: Secrets,
    dialer: Dialer,
    clock: Arc<dyn Clock>,
    look_every: Duration,
}

impl Kafka {
    pub(crate) fn new(
        mapping: &Mapping,
        source: KafkaSource,
        secrets: Secrets,
        config: &Config,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let group = source.group.as_ref().map(|group| group.as_str().to_owned());
        Self {
            group: group.unwrap_or_else(|| mapping.id.to_string()),
            identity: Identity::new(PlaceKept::new(store, mapping.id)),
            source,
            secrets,
            dialer: Dialer::of(&mapping.account, config),
            clock,
            look_every: LOOK_EVERY,
        }
    }

    async fn cluster(&self) -> Result<Cluster, Trouble> {
        let source = &self.source;
        let login = match &source.login {
            Some(login) => {
                let secret = self.secrets.read(&login.secret).await?;
                check_servers(&secret, &source.servers)?;
                Some(Arc::new(Login {
                    mechanism: login.mechanism,
                    user: secret.get("username")?.to_owned(),
                    password: secret.get("password")?.to_owned(),
                }))
            }
            None => None,
        };
        let mode = match source.is_encrypted() {
            true => TlsMode::VerifyFull,
            false => TlsMode::Disable,
        };
        let roots = source.root_certificates.as_ref();
        let tls = tls::read(&self.secrets, mode, roots).await?;
        let dialer = self.dialer.clone();
        let way = Way { dialer, tls, login };
        Ok(Cluster::new(way, &source.servers, source.topic.as_str()))
    }

    fn group(&self) -> Group {
        Group::new(&self.group, self.source.topic.as_str())
    }

    /// Whether the group is there for this mapping alone.
    fn has_own_group(&self) -> bool {
        self.source.group.is_none()
    }

    async fn remove(&self) -> Result<(), Trouble> {
        if !self.has_own_group() {
            return Ok(());
        }
        let mut cluster = self.cluster().await?;
        self.group().remove(&mut cluster).await
    }
}

/// Refuses a secret unless it is for all of these: its `host` holds their names, with ports or without, between commas.
fn check_servers(secret: &Secret, servers: &[KafkaServer]) -> Result<(), Trouble> {
    let Some(hosts) = secret.hosts()? else {
        return Ok(());
    };
    let is_for = |server: &KafkaServer| {
        hosts.split(',').map(str::trim).any(|host| {
            host.eq_ignore_ascii_case(&server.host)
                || host.eq_ignore_ascii_case(&server.to_string())
        })
    };
    match servers.iter().find(|server| !is_for(server)) {
        None => Ok(()),
        // The secret itself says so, in the same words as for other sources.
        Some(server) => secret.check("host", &server.host),
    }
}

impl Source for Kafka {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        Box::pin(listener::listen(self, feed))
    }

    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(async { Ok(None) })
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.remove())
    }

    fn shard(&self) -> &str {
        self.source.topic.as_str()
    }

    fn shape(&self) -> Shape {
        let servers: Vec<_> = self
            .source
            .servers
            .iter()
            .map(ToString::to_string)
            .collect();
        Shape::Kafka(servers.join(","))
    }
}
