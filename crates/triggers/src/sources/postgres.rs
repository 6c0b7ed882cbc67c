//! Changes of tables of a PostgreSQL database, by logical replication (PostgreSQL manual, "Logical Streaming
//! Replication Protocol").
//!
//! A mapping has a publication, which says what tables, and a slot, in which the server remembers up to where all is
//! done. Both have the same name, made of the mapping's id, and go when the mapping goes. The place in the stream is the
//! server's log sequence number (LSN) behind a transaction: the server is told of it only once every change of the
//! transaction, and of all before it, is done. So nothing is lost whatever ends, and a transaction that was under way
//! comes again.
//!
//! ```text
//! connection   bytes: TLS, login, queries, and the stream
//! setup        publication and slot: made, repaired, looked after, removed
//! pgoutput     messages of the stream
//! session      transactions become records; the server hears how far we are
//! record       a change in DynamoDB's shape, with plain JSON beside it (value, array)
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kiln_types::mapping::TlsMode;
use kiln_types::mapping::postgres::PostgresSource;
use kiln_types::{Clock, Mapping, Region};

use crate::config::Config;
use crate::secrets::Secrets;
use crate::source::{Feed, Item, Source, Task, Trouble};
use crate::sources::dial::Dialer;
use crate::sources::tls;

mod array;
mod connection;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod login;
mod lsn;
mod pgoutput;
mod record;
mod session;
mod setup;
mod value;

use connection::{Connection, Target};
use session::{Session, Setting};

#[cfg(test)]
mod tests;

/// The primary keys of tables, by the tables' numbers.
type PrimaryKeys = HashMap<u32, Vec<String>>;

/// One mapping's database.
pub(crate) struct Postgres {
    source: PostgresSource,
    /// Of the slot and the publication.
    name: String,
    secrets: Secrets,
    dialer: Dialer,
    region: Region,
    arn: String,
    lag_bytes_max: u64,
    clock: Arc<dyn Clock>,
    /// Which database it was that was listened to.
    identity: Mutex<Option<String>>,
}

impl Postgres {
    pub(crate) fn new(
        mapping: &Mapping,
        source: PostgresSource,
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
            lag_bytes_max: config.lag_bytes_max,
            clock,
            identity: Mutex::default(),
        }
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let endpoint = &self.source.endpoint;
        let credentials = self.secrets.read(&self.source.credentials).await?;
        credentials.check_server(&endpoint.host, endpoint.port)?;
        let roots = self.source.root_certificates.as_ref();
        let tls = tls::read(&self.secrets, endpoint.tls, roots).await?;
        Connection::open(Target {
            dialer: &self.dialer,
            host: &endpoint.host,
            port: endpoint.port,
            database: &endpoint.database,
            user: credentials.get("username")?,
            password: credentials.get("password")?,
            tls,
            // What nobody on the way can read, or has nobody on its way, may be a password.
            is_trusted: endpoint.tls == TlsMode::VerifyFull || endpoint.is_loopback(),
        })
        .await
    }

    async fn listen_to(&self, feed: Feed) -> Result<(), Trouble> {
        let mut connection = self.connect().await?;
        let told = feed.confirmed.borrow().clone();
        let identity = setup::identity(&mut connection).await?;
        let before = self.replace_identity(identity.clone());
        let is_other = before.is_some_and(|before| before != identity);
        let prepared = setup::prepare(&mut connection, &self.source, &self.name, &feed).await?;
        let done = match told {
            None => prepared.done,
            // Its places are not comparable to those of before: compared, they could hide every change of a long time.
            Some(_) if is_other || prepared.is_new => {
                let _ = feed.say(Item::Anew).await;
                return Err(Trouble::new(
                    "the database is another one than before, or was set back, or its replication slot was removed: \
                     changes are heard from where its slot is, and some of before may be missed",
                ));
            }
            // The server may not know yet what it was told last.
            Some(told) => prepared.done.max(told.0.parse()?),
        };
        let stream = setup::start(connection, &self.name, done).await?;
        let setting = Setting {
            feed,
            origin: record::Origin {
                region: self.region.to_string(),
                arn: self.arn.clone(),
                database: self.source.endpoint.database.clone(),
            },
            keys: prepared.keys,
            name: self.name.clone(),
            lag_bytes_max: self.lag_bytes_max,
            clock: self.clock.clone(),
        };
        let look_up = || async {
            let mut connection = self.connect().await?;
            setup::primary_keys(&mut connection, &self.source.tables).await
        };
        Session::new(stream, setting, done).run(look_up).await
    }

    /// Remembers which database it is; tells which it was.
    fn replace_identity(&self, identity: String) -> Option<String> {
        let mut kept = self.identity.lock().expect("no holder panics");
        kept.replace(identity)
    }

    async fn look_after(&self) -> Result<Option<String>, Trouble> {
        let mut connection = self.connect().await?;
        setup::look(&mut connection, &self.name, self.lag_bytes_max).await
    }

    async fn remove(&self) -> Result<(), Trouble> {
        let mut connection = self.connect().await?;
        setup::remove(&mut connection, &self.name).await
    }
}

impl Source for Postgres {
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
