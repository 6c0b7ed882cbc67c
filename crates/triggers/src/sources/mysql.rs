//! Changes of tables of a MariaDB or MySQL database, by its binary log, which is read as a replica would.
//!
//! The server keeps nothing for a mapping: the place up to which all is done is kept in Kiln's own store, and only once
//! every change of the transaction before it, and of all before that, is done. So nothing is lost whatever ends, and a
//! transaction that was under way comes again. With MariaDB the place is a GTID position, which other servers of the same
//! history know; with MySQL it is a file and an offset.
//!
//! ```text
//! connection   bytes: TLS, login (login), queries, and the log
//! setup        what the server must log, where its log begins and ends
//! event        events of the log; table, cell, decimal, json, text: what is in them; statement: what its SQL means
//! place        places in the log, and their order
//! session      transactions become records; the place that is done is kept
//! record       a change in DynamoDB's shape, with plain JSON beside it
//! ```

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use kiln_store::Store;
use kiln_types::mapping::TlsMode;
use kiln_types::mapping::mysql::MysqlSource;
use kiln_types::{Mapping, Region};

use crate::config::Config;
use crate::place_kept::PlaceKept;
use crate::secrets::Secrets;
use crate::source::{Feed, Source, Task, Trouble};
use crate::sources::dial::Dialer;
use crate::sources::tls;

mod cell;
mod connection;
mod decimal;
mod event;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod json;
mod login;
mod place;
mod reader;
mod record;
mod session;
mod setup;
mod statement;
mod table;
mod text;

use connection::{Connection, Target};
use place::Place;
use session::{Ask, Session, Setting};
use setup::{JsonColumns, Tables};

#[cfg(test)]
mod tests;

/// How long the server is given to end its side of a connection.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// One mapping's database.
pub(crate) struct Mysql {
    source: MysqlSource,
    /// What events call the part of the source that they are from.
    name: String,
    /// The number by which the server knows its replicas: each has another.
    server_id: u32,
    secrets: Secrets,
    dialer: Dialer,
    region: Region,
    arn: String,
    lag_bytes_max: u64,
    kept: PlaceKept,
}

impl Mysql {
    pub(crate) fn new(
        mapping: &Mapping,
        source: MysqlSource,
        secrets: Secrets,
        config: &Config,
        store: Store,
    ) -> Self {
        let region = config.region.clone();
        let mut hasher = DefaultHasher::new();
        mapping.id.hash(&mut hasher);
        Self {
            name: format!("kiln_{}", mapping.id.simple()),
            // People number their servers from 1 on.
            server_id: hasher.finish() as u32 | 0x8000_0000,
            arn: mapping.arn(&region),
            source,
            secrets,
            dialer: Dialer::of(&mapping.account, config),
            region,
            lag_bytes_max: config.lag_bytes_max,
            kept: PlaceKept::new(store, mapping.id),
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
        let kept = self.place(&feed).await?;
        let is_new = kept.is_none();
        let prepared = setup::prepare(&mut connection, &self.source, kept).await?;
        if is_new {
            // Nothing is made at the server, but from here on it is looked whether it keeps its log.
            feed.make().await?;
        }
        // Also when a place is the same one in another history: records' ids depend on which.
        self.kept.keep(&prepared.place.to_string()).await?;
        let stream = setup::start(connection, &prepared.place, self.server_id).await?;
        let id = stream.id();
        let stop = feed.stop.clone();
        let setting = Setting {
            feed,
            origin: record::Origin {
                region: self.region.to_string(),
                arn: self.arn.clone(),
                brand: self.source.endpoint.brand,
            },
            kept: self.kept.clone(),
            prepared,
        };
        let asking = Asking {
            mysql: self,
            tables: setting.prepared.tables.clone(),
        };
        let ended = Session::new(stream, setting).run(&asking).await;
        if stop.is_cancelled() {
            let _ = tokio::time::timeout(KILL_WITHIN, self.end_at_server(id)).await;
        }
        ended
    }

    /// The place to go on from: what is on disk, or what is done since.
    async fn place(&self, feed: &Feed) -> Result<Option<Place>, Trouble> {
        let kept = self.kept.read().await?;
        let told = feed.confirmed.borrow().as_ref().map(|at| at.0.to_string());
        let places = [kept, told].into_iter().flatten().map(|text| text.parse());
        let places: Vec<Place> = places.collect::<Result<_, _>>()?;
        Ok(places.into_iter().max_by_key(Place::order))
    }

    /// Otherwise the server notices that we are gone when it next has something to say.
    async fn end_at_server(&self, id: u32) -> Result<(), Trouble> {
        let mut connection = self.connect().await?;
        connection.query(&format!("KILL {id}")).await?;
        connection.close().await;
        Ok(())
    }

    async fn look_after(&self) -> Result<Option<String>, Trouble> {
        let Some(kept) = self.kept.read().await? else {
            return Ok(None);
        };
        self.look_behind(kept.parse()?).await
    }

    async fn look_behind(&self, place: Place) -> Result<Option<String>, Trouble> {
        let mut connection = self.connect().await?;
        let found = setup::look(&mut connection, &place, self.lag_bytes_max).await;
        connection.close().await;
        found
    }
}

impl Source for Mysql {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.listen_to(feed))
    }

    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(self.look_after())
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        // There is nothing at the server, and the place goes with the mapping.
        Box::pin(async { Ok(()) })
    }

    fn shard(&self) -> &str {
        &self.name
    }
}

/// Asks the server while its log is read.
struct Asking<'a> {
    mysql: &'a Mysql,
    tables: Tables,
}

impl Ask for Asking<'_> {
    async fn json_columns(&self) -> Result<JsonColumns, Trouble> {
        let mut connection = self.mysql.connect().await?;
        let columns = setup::json_columns(&mut connection, &self.tables).await;
        connection.close().await;
        columns
    }

    async fn look(&self, place: Place) -> Result<Option<String>, Trouble> {
        self.mysql.look_behind(place).await
    }
}
