//! What is published to topics of an MQTT broker.
//!
//! The broker keeps a session for the mapping: what is published at QoS 1 and not yet acknowledged, also while nobody listens.
//! A message is acknowledged only once it is done, so that nothing is lost whatever ends. Messages at QoS 0 nobody keeps.
//!
//! ```text
//! connection   bytes: TLS, packets; rumqttc reads and writes those
//! listener     packets become records; what is done is acknowledged
//! session      which messages are open, over connections
//! record       a message as a record
//! ```

use std::sync::{Arc, Mutex};

use kiln_store::Store;
use kiln_types::mapping::mqtt::MqttSource;
use kiln_types::{Clock, Mapping, MappingSettings, Region};

use crate::config::Config;
use crate::place_kept::PlaceKept;
use crate::secrets::Secrets;
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::arrivals::Arrivals;
use crate::sources::dial::Dialer;
use crate::sources::published::Origin;
use crate::sources::tls;

mod connection;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod listener;
mod record;
mod session;

use connection::{Connection, Failure, Login, Target};
use session::Session;

#[cfg(test)]
mod tests;

/// Messages that the broker may hand out before some are acknowledged: at least, and at most.
const OPEN_MIN: u32 = 1_000;
const OPEN_MAX: u32 = 65_535;

/// One mapping's broker.
pub(crate) struct Mqtt {
    source: MqttSource,
    /// Of the client, and so of its session.
    name: String,
    secrets: Secrets,
    dialer: Dialer,
    region: Region,
    arn: String,
    arrivals: Arrivals,
    open_max: u16,
    /// Whether the broker has had a session for the mapping.
    kept: PlaceKept,
    session: Mutex<Session>,
}

impl Mqtt {
    pub(crate) fn new(
        mapping: &Mapping,
        source: MqttSource,
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
            open_max: open_max(&mapping.settings),
            kept: PlaceKept::new(store, mapping.id),
            session: Mutex::default(),
        }
    }

    /// A connection on which nobody has logged in yet, and who will.
    async fn connect(&self) -> Result<(Connection, Login), Trouble> {
        let endpoint = &self.source.endpoint;
        let login = match &self.source.credentials {
            Some(arn) => {
                let secret = self.secrets.read(arn).await?;
                secret.check_server(&endpoint.host, endpoint.port)?;
                Login::user(secret.get("username")?, secret.get("password")?)
            }
            None => Login::nobody(),
        };
        // This protocol sends the password itself.
        let is_secret = self.source.credentials.is_some();
        if is_secret {
            tls::check_secrecy(endpoint.tls, endpoint.is_loopback())?;
        }
        let roots = self.source.root_certificates.as_ref();
        let tls = tls::read(&self.secrets, endpoint.tls, roots).await?;
        let target = Target {
            dialer: &self.dialer,
            host: &endpoint.host,
            port: endpoint.port,
            tls,
        };
        Ok((Connection::open(target).await?, login))
    }

    fn origin(&self) -> Origin {
        Origin {
            region: self.region.to_string(),
            arn: self.arn.clone(),
            source: "kiln:mqtt",
            under: "mqtt",
        }
    }

    /// Has the broker forget the session.
    async fn remove(&self) -> Result<(), Trouble> {
        let (mut connection, login) = self.connect().await?;
        match connection.forget(&self.name, login).await {
            Ok(()) => Ok(()),
            // Who was never let in has left nothing.
            Err(Failure::Refused(_)) if self.kept.read().await?.is_none() => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Twice what may be in flight, so that one batch can fill while another runs.
fn open_max(settings: &MappingSettings) -> u16 {
    let wanted = settings.batch_size.saturating_mul(settings.parallel * 2);
    let open = wanted.clamp(OPEN_MIN, OPEN_MAX);
    u16::try_from(open).expect("it is within its limits")
}

impl Source for Mqtt {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        Box::pin(listener::listen(self, feed))
    }

    /// A session can be asked of only by taking it up.
    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.remove())
    }

    fn shard(&self) -> &str {
        &self.name
    }
}
