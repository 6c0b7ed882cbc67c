//! A connection to the server: queries first, then perhaps its binary log (MySQL's client/server protocol, "Packets" and
//! "Text Protocol", which MariaDB shares).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::login;
use super::reader::Reader;
use crate::source::Trouble;
pub(super) use crate::sources::dial::lost;
use crate::sources::dial::{self, Dialer, Stream};

/// How long a connection may take, login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one query may take.
const QUERY_WITHIN: Duration = Duration::from_secs(30);
/// The largest message of the server: an event with a row, old and new. It is in memory as a whole.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A packet of this length goes on in the next one.
const PART_BYTES_MAX: usize = 0xFF_FFFF;
/// Room for one read.
const READ_BYTES: usize = 16 * 1024;
/// Rows of an answer; those asked for here are few.
const ROWS_MAX: usize = 10_000;
const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;
/// First bytes of the server's packets.
const OK: u8 = 0x00;
const NULL: u8 = 0xFB;
const END: u8 = 0xFE;
const ERROR: u8 = 0xFF;
/// A packet that begins like this one and is shorter ends a list.
const END_BYTES_MAX: usize = 9;

/// Whom to connect to, and as whom.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Whether the password itself may be sent.
    pub(super) is_trusted: bool,
}

/// A connection that takes queries.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
    /// What came of a message that has more parts.
    partial: BytesMut,
    /// Counts the packets of one exchange, in both directions.
    sequence: u8,
    /// What the server calls the connection.
    pub(super) id: u32,
    /// What the server calls itself.
    pub(super) version: String,
}

/// A connection on which the server sends its log.
pub(super) struct LogStream {
    connection: Connection,
}

/// A row of an answer; none is NULL.
pub(super) type Row = Vec<Option<String>>;

/// What the server refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) message: String,
}

/// Why a query has no answer.
#[derive(Debug)]
pub(super) enum QueryError {
    Refused(Refusal),
    Lost(Trouble),
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(target: Target<'_>) -> Result<Self, Trouble> {
        let late = |_| Err(lost("the server did not answer in time"));
        tokio::time::timeout(CONNECT_WITHIN, Self::open_slowly(&target))
            .await
            .unwrap_or_else(late)
    }

    async fn open_slowly(target: &Target<'_>) -> Result<Self, Trouble> {
        let mut connection = Self {
            stream: Box::new(target.dialer.connect(target.host, target.port).await?),
            inbox: BytesMut::new(),
            partial: BytesMut::new(),
            sequence: 0,
            id: 0,
            version: String::new(),
        };
        let greeting = connection.receive().await?;
        let greeting = login::Greeting::read(greeting)?;
        (connection.id, connection.version) = (greeting.connection, greeting.version.clone());
        if let Some(tls) = &target.tls {
            let request = login::tls_request(&greeting)?;
            connection.send(&request).await?;
            connection = connection.encrypt(target.host, tls).await?;
        }
        login::log_in(&mut connection, &greeting, target).await?;
        Ok(connection)
    }

    async fn encrypt(self, host: &str, tls: &Arc<ClientConfig>) -> Result<Self, Trouble> {
        // What somebody on the way put before the encryption is not the server's.
        if !self.inbox.is_empty() {
            return Err(lost("the server spoke before the connection was encrypted"));
        }
        Ok(Self {
            stream: Box::new(dial::encrypt(self.stream, host, tls).await?),
            ..self
        })
    }

    /// Whether the server is MariaDB and not MySQL.
    pub(super) fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, QueryError> {
        let late = |_| {
            Err(QueryError::Lost(lost(
                "the server did not answer a query in time",
            )))
        };
        tokio::time::timeout(QUERY_WITHIN, self.query_slowly(sql))
            .await
            .unwrap_or_else(late)
    }

    async fn query_slowly(&mut self, sql: &str) -> Result<Vec<Row>, QueryError> {
        self.command(COM_QUERY, sql.as_bytes()).await?;
        let first = self.answer().await?;
        if first.first() == Some(&OK) {
            return Ok(Vec::new());
        }
        let mut reader = Reader::new(first);
        let columns = reader.length().map_err(|_| broken())?;
        let columns = columns.filter(|count| *count <= 4_096).ok_or_else(broken)?;
        for _ in 0..columns {
            self.answer().await?;
        }
        self.answer().await?;
        let mut rows = Vec::new();
        loop {
            let packet = self.answer().await?;
            if packet.first() == Some(&END) && packet.len() < END_BYTES_MAX {
                return Ok(rows);
            }
            if rows.len() >= ROWS_MAX {
                return Err(QueryError::Lost(lost("the server sent too many rows")));
            }
            rows.push(read_row(packet, columns).map_err(|_| broken())?);
        }
    }

    /// Has the server send its log from here on, as to a replica of this number.
    pub(super) async fn dump(
        mut self,
        server_id: u32,
        file: &str,
        at: u32,
    ) -> Result<LogStream, Trouble> {
        let mut command = Vec::with_capacity(10 + file.len());
        command.extend(at.to_le_bytes());
        command.extend(0u16.to_le_bytes());
        command.extend(server_id.to_le_bytes());
        command.extend(file.as_bytes());
        self.command(COM_BINLOG_DUMP, &command).await?;
        Ok(LogStream { connection: self })
    }

    async fn command(&mut self, command: u8, rest: &[u8]) -> Result<(), Trouble> {
        self.sequence = 0;
        let mut packet = Vec::with_capacity(1 + rest.len());
        packet.push(command);
        packet.extend_from_slice(rest);
        self.send(&packet).await
    }

    /// Sends a packet, which is short.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        if payload.len() >= PART_BYTES_MAX {
            return Err(Trouble::new("a query is too long"));
        }
        let mut packet = Vec::with_capacity(4 + payload.len());
        packet.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
        packet.push(self.sequence);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        let sent = async {
            self.stream.write_all(&packet).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| lost(error.to_string()))
    }

    async fn answer(&mut self) -> Result<Bytes, QueryError> {
        let packet = self.receive().await?;
        match packet.first() {
            Some(&ERROR) => Err(QueryError::Refused(read_error(packet))),
            Some(_) => Ok(packet),
            None => Err(broken()),
        }
    }

    /// The next message. What came so far stays when this is given up.
    pub(super) async fn receive(&mut self) -> Result<Bytes, Trouble> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            self.inbox.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut self.inbox).await;
            if read.map_err(|error| lost(error.to_string()))? == 0 {
                return Err(lost("the server closed the connection"));
            }
        }
    }

    /// Takes the message that is there, if it is there as a whole.
    fn take(&mut self) -> Result<Option<Bytes>, Trouble> {
        while let Some(header) = self.inbox.first_chunk::<4>() {
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            let sequence = header[3];
            let total = self.partial.len() + length;
            if total > MESSAGE_BYTES_MAX {
                return Err(Trouble::new(format!(
                    "the server sent a message of {total} bytes, and {MESSAGE_BYTES_MAX} are read at most: a row is too large to be heard of"
                )));
            }
            if self.inbox.len() < 4 + length {
                self.inbox.reserve(4 + length - self.inbox.len());
                return Ok(None);
            }
            self.inbox.advance(4);
            self.sequence = sequence.wrapping_add(1);
            let part = self.inbox.split_to(length);
            if length == PART_BYTES_MAX {
                self.partial.extend_from_slice(&part);
            } else if self.partial.is_empty() {
                return Ok(Some(part.freeze()));
            } else {
                self.partial.extend_from_slice(&part);
                return Ok(Some(std::mem::take(&mut self.partial).freeze()));
            }
        }
        Ok(None)
    }

    /// Ends the connection.
    pub(super) async fn close(mut self) {
        // The server notices in any case.
        let _ = self.command(COM_QUIT, &[]).await;
        let _ = self.stream.shutdown().await;
    }
}

impl LogStream {
    /// The next event of the log; none when the server ends it. What came so far stays when this is given up.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, QueryError> {
        let mut packet = self.connection.receive().await?;
        match packet.first() {
            Some(&OK) => {
                packet.advance(1);
                Ok(Some(packet))
            }
            Some(&END) if packet.len() < END_BYTES_MAX => Ok(None),
            Some(&ERROR) => Err(QueryError::Refused(read_error(packet))),
            _ => Err(broken()),
        }
    }

    /// What the server calls the connection.
    pub(super) fn id(&self) -> u32 {
        self.connection.id
    }
}

impl From<Trouble> for QueryError {
    fn from(trouble: Trouble) -> Self {
        Self::Lost(trouble)
    }
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refusal) => refused(&refusal),
            QueryError::Lost(trouble) => trouble,
        }
    }
}

/// The server does not do what it was asked.
pub(super) fn refused(refusal: &Refusal) -> Trouble {
    Trouble::new(format!(
        "the database says: {} ({})",
        refusal.message, refusal.code
    ))
}

fn broken() -> QueryError {
    QueryError::Lost(lost("the server sent a broken message"))
}

pub(super) fn read_error(packet: Bytes) -> Refusal {
    let rest = packet.get(1..).unwrap_or_default();
    let (code, text) = match rest.split_first_chunk::<2>() {
        Some((code, text)) => (u16::from_le_bytes(*code), text),
        None => (0, rest),
    };
    // The SQLSTATE says less than the code.
    let text = match text.first() {
        Some(b'#') => text.get(6..).unwrap_or_default(),
        _ => text,
    };
    Refusal {
        code,
        message: String::from_utf8_lossy(text).into_owned(),
    }
}

fn read_row(packet: Bytes, columns: u64) -> Result<Row, super::reader::Short> {
    let mut reader = Reader::new(packet);
    let mut row = Row::new();
    for _ in 0..columns {
        if reader.peek() == Some(NULL) {
            reader.take(1)?;
            row.push(None);
            continue;
        }
        let text = reader.prefixed()?;
        row.push(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(row)
}
