//! A PostgreSQL database as an event source: where it is, which tables, and who asks.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, TlsMode};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The port of a database whose address names none.
const PORT_DEFAULT: u16 = 5_432;
/// Longest identifier of PostgreSQL.
const IDENTIFIER_BYTES_MAX: usize = 63;

/// Changes of tables of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresSource {
    /// The database.
    pub endpoint: PostgresEndpoint,
    /// Its tables.
    pub tables: Vec<TableName>,
    /// The secret with the user's name and password.
    pub credentials: SecretArn,
    /// The secret with the certificates that vouch for the server's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// `postgres://<host>[:<port>]/<database>[?sslmode=disable|require|verify-full]`. It holds no user and
/// no password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PostgresEndpoint {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// How the connection is protected.
    pub tls: TlsMode,
}

/// A table with its schema: `public.orders`, or `orders` of the schema `public`. Both are meant as written,
/// upper case included. Two that mean the same table are equal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    text: Arc<str>,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl PostgresSource {
    /// Whether both are the same tables of the same database, in whatever order they are named.
    pub fn is_same(&self, other: &PostgresSource) -> bool {
        let is_same_database = (
            &self.endpoint.host,
            self.endpoint.port,
            &self.endpoint.database,
        ) == (
            &other.endpoint.host,
            other.endpoint.port,
            &other.endpoint.database,
        );
        is_same_database && self.sorted_tables() == other.sorted_tables()
    }

    fn sorted_tables(&self) -> Vec<&TableName> {
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort();
        tables
    }
}

impl PostgresEndpoint {
    /// Whether the server is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl FromStr for PostgresEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("PostgreSQL endpoint", text, rule);
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| wrong("must be postgres://<host>:<port>/<database>"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest
            .split_once('/')
            .ok_or_else(|| wrong("names no database"))?;
        let (host, port) = endpoint::host_and_port(authority, PORT_DEFAULT).ok_or_else(|| {
            wrong("must have a host and perhaps a port before the database, and nothing else")
        })?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.$~".contains(&b) || !b.is_ascii();
        if !(1..=IDENTIFIER_BYTES_MAX).contains(&database.len()) || !database.bytes().all(is_name) {
            return Err(wrong(
                "must name a database of letters, digits and _-.$~, 63 bytes at most",
            ));
        }
        let tls = TlsMode::read(&host, query).ok_or_else(|| {
            wrong("may end with ?sslmode=disable, require or verify-full, and nothing else")
        })?;
        Ok(Self {
            text: text.into(),
            host,
            port,
            database: database.to_owned(),
            tls,
        })
    }
}

impl FromStr for TableName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        let is_name = |name: &str| (1..=IDENTIFIER_BYTES_MAX).contains(&name.len());
        let is_known = |name: &str| !name.contains(['.', '"', '\0']);
        if [schema, table]
            .into_iter()
            .all(|name| is_name(name) && is_known(name))
        {
            return Ok(Self {
                text: text.into(),
                schema: schema.to_owned(),
                table: table.to_owned(),
            });
        }
        let rule =
            "must be <schema>.<table> or <table>, each of 1 to 63 bytes without dots and quotes";
        Err(InvalidName::new("table", text, rule))
    }
}

impl TableName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> (&str, &str) {
        (&self.schema, &self.table)
    }
}

impl PartialEq for TableName {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for TableName {}

impl Hash for TableName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialOrd for TableName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TableName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// With its schema.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

impl fmt::Debug for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for TableName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> String {
        name.text.to_string()
    }
}

text_type!(PostgresEndpoint, text);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresEndpoint {
        text.parse().unwrap()
    }

    #[test]
    fn an_endpoint_names_host_port_and_database() {
        let endpoint = read("postgres://db.example.com:6432/shop");
        assert_eq!(
            (
                endpoint.host.as_str(),
                endpoint.port,
                endpoint.database.as_str()
            ),
            ("db.example.com", 6_432, "shop")
        );
        assert_eq!(read("postgresql://db/shop").port, 5_432);
        assert_eq!(read("postgres://[2001:db8::7]:5/shop").host, "2001:db8::7");
        let text = "postgres://db:1/shop?sslmode=require";
        assert_eq!(read(text).to_string(), text);
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_verified_unless_told() {
        for (text, tls) in [
            ("postgres://db/shop", TlsMode::VerifyFull),
            ("postgres://localhost/shop", TlsMode::Disable),
            ("postgres://127.0.0.1/shop", TlsMode::Disable),
            ("postgres://[::1]/shop", TlsMode::Disable),
            (
                "postgres://localhost/shop?sslmode=verify-full",
                TlsMode::VerifyFull,
            ),
            ("postgres://db/shop?sslmode=disable", TlsMode::Disable),
        ] {
            assert_eq!(read(text).tls, tls, "{text}");
        }
    }

    #[test]
    fn users_passwords_and_other_things_are_refused() {
        for text in [
            "db:5432/shop",
            "mysql://db/shop",
            "postgres://db",
            "postgres://db/",
            "postgres://user@db/shop",
            "postgres://user:secret@db/shop",
            "postgres://db:0/shop",
            "postgres://db:65536/shop",
            "postgres://db:x/shop",
            "postgres:///shop",
            "postgres://[::1/shop",
            "postgres://[db]/shop",
            "postgres://db/a/b",
            "postgres://db/shop?sslmode=prefer",
            "postgres://db/shop?user=me",
        ] {
            assert!(text.parse::<PostgresEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_table_without_schema_is_public() {
        let read = |text: &str| text.parse::<TableName>().map(|name| name.to_string());
        assert_eq!(read("orders").unwrap(), "public.orders");
        assert_eq!(read("Sales.Orders").unwrap(), "Sales.Orders");
        for text in ["", ".", "a.", ".a", "a.b.c", "a\"b", &"x".repeat(64)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
