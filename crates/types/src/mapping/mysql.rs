//! A MariaDB or MySQL database as an event source: where it is, which tables, and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, StartingPosition, TlsMode};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The port of a database whose address names none.
const PORT_DEFAULT: u16 = 3_306;
/// Longest identifier of either server.
const IDENTIFIER_CHARS_MAX: usize = 64;

/// Changes of tables of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MysqlSource {
    /// The database.
    pub endpoint: MysqlEndpoint,
    /// Its tables.
    pub tables: Vec<MysqlTable>,
    /// The secret with the user's name and password.
    pub credentials: SecretArn,
    /// The secret with the certificates that vouch for the server's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
    /// Where it begins.
    pub starting_position: StartingPosition,
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Brand {
    /// `mariadb://`.
    MariaDb,
    /// `mysql://`.
    MySql,
}

/// `mariadb://<host>[:<port>]/<database>[?sslmode=disable|require|verify-full]`, or `mysql://`. It holds no user and no
/// password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MysqlEndpoint {
    text: Arc<str>,
    /// What its scheme says.
    pub brand: Brand,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database of tables that name none.
    pub database: String,
    /// How the connection is protected.
    pub tls: TlsMode,
}

/// A table: `orders` of the endpoint's database, or `shop.orders`. Both are meant as written, upper case included.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MysqlTable {
    text: Arc<str>,
    /// Its database, where it is named.
    pub database: Option<String>,
    /// The table.
    pub table: String,
}

impl MysqlSource {
    /// The tables with their databases, each once.
    pub fn tables(&self) -> Vec<(String, String)> {
        let database = |table: &MysqlTable| match &table.database {
            Some(database) => database.clone(),
            None => self.endpoint.database.clone(),
        };
        let tables = self.tables.iter();
        let mut tables: Vec<_> = tables
            .map(|table| (database(table), table.table.clone()))
            .collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// Whether both are the same tables of the same server, in whatever order they are named.
    pub fn is_same(&self, other: &MysqlSource) -> bool {
        let (one, another) = (&self.endpoint, &other.endpoint);
        (&one.host, one.port) == (&another.host, another.port) && self.tables() == other.tables()
    }
}

impl Brand {
    /// Its name, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Brand::MariaDb => "MariaDB",
            Brand::MySql => "MySQL",
        }
    }
}

impl MysqlEndpoint {
    /// Whether the server is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl FromStr for MysqlEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("MariaDB or MySQL endpoint", text, rule);
        let schemes = [("mariadb://", Brand::MariaDb), ("mysql://", Brand::MySql)];
        let found = schemes.into_iter().find_map(|(scheme, brand)| {
            let rest = text.strip_prefix(scheme)?;
            Some((rest, brand))
        });
        let (rest, brand) = found.ok_or_else(|| {
            wrong("must be mariadb://<host>:<port>/<database> or mysql://<host>:<port>/<database>")
        })?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest
            .split_once('/')
            .ok_or_else(|| wrong("names no database"))?;
        let (host, port) = endpoint::host_and_port(authority, PORT_DEFAULT).ok_or_else(|| {
            wrong("must have a host and perhaps a port before the database, and nothing else")
        })?;
        let is_name = |c: char| c.is_alphanumeric() || "_-$~".contains(c);
        let length = database.chars().count();
        if !(1..=IDENTIFIER_CHARS_MAX).contains(&length) || !database.chars().all(is_name) {
            return Err(wrong(
                "must name a database of letters, digits and _-$~, 64 characters at most",
            ));
        }
        let tls = TlsMode::read(&host, query).ok_or_else(|| {
            wrong("may end with ?sslmode=disable, require or verify-full, and nothing else")
        })?;
        Ok(Self {
            text: text.into(),
            brand,
            host,
            port,
            database: database.to_owned(),
            tls,
        })
    }
}

impl FromStr for MysqlTable {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (database, table) = match text.split_once('.') {
            Some((database, table)) => (Some(database), table),
            None => (None, text),
        };
        let is_name = |name: &str| {
            (1..=IDENTIFIER_CHARS_MAX).contains(&name.chars().count())
                && !name.contains(['.', '`', '/', '\\', '\0'])
        };
        if database.into_iter().chain([table]).all(is_name) {
            return Ok(Self {
                text: text.into(),
                database: database.map(str::to_owned),
                table: table.to_owned(),
            });
        }
        let rule = "must be <database>.<table> or <table>, each of 1 to 64 characters without dots, quotes and slashes";
        Err(InvalidName::new("table", text, rule))
    }
}

impl MysqlTable {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

text_type!(MysqlEndpoint, text);
text_type!(MysqlTable, text);

#[cfg(test)]
mod tests {
    use super::*;

    fn source(endpoint: &str, tables: &[&str]) -> MysqlSource {
        let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
        MysqlSource {
            endpoint: endpoint.parse().unwrap(),
            tables: tables.iter().map(|table| table.parse().unwrap()).collect(),
            credentials: secret.parse().unwrap(),
            root_certificates: None,
            starting_position: StartingPosition::Latest,
        }
    }

    #[test]
    fn an_endpoint_names_brand_host_port_and_database() {
        let endpoint: MysqlEndpoint = "mysql://db:3307/shop?sslmode=require".parse().unwrap();
        assert_eq!((&*endpoint.host, endpoint.port), ("db", 3_307));
        assert_eq!(
            (endpoint.brand, endpoint.tls),
            (Brand::MySql, TlsMode::Require)
        );
        let endpoint: MysqlEndpoint = "mariadb://127.0.0.1/shop".parse().unwrap();
        assert_eq!((endpoint.brand, endpoint.port), (Brand::MariaDb, 3_306));
        assert_eq!(endpoint.tls, TlsMode::Disable);
        for text in [
            "postgres://db/shop",
            "mariadb://db",
            "mariadb://db/",
            "mariadb://u:p@db/shop",
            "mariadb://db/a b",
            "mariadb://db/shop?x=1",
        ] {
            assert!(text.parse::<MysqlEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_tables_are_the_same_however_they_are_named() {
        let one = source("mariadb://db/shop", &["orders", "other.items"]);
        let same = source(
            "mysql://db:3306/other",
            &["items", "shop.orders", "other.items"],
        );
        assert!(one.is_same(&same));
        assert!(!one.is_same(&source("mariadb://db/shop", &["orders"])));
        for text in ["", ".", "a.b.c", "a`", "a/b", &"x".repeat(65)] {
            assert!(text.parse::<MysqlTable>().is_err(), "{text}");
        }
    }
}
