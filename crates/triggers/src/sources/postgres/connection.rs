//! A connection to the server: queries first, then perhaps the stream of changes.
//!
//! It is a replication connection (`replication=database`), which takes SQL as well, so that one does for both.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ErrorResponseBody, Header, Message};
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::login;
use crate::source::Trouble;
pub(super) use crate::sources::dial::lost;
use crate::sources::dial::{self, Dialer, Stream};

/// How long a connection may take, login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one query may take. A slot is made once all transactions that run have ended.
const QUERY_WITHIN: Duration = Duration::from_secs(60);
/// The largest message of the server: a change with all columns of its row, old and new. It is in memory as a whole.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room for one read.
const READ_BYTES: usize = 16 * 1024;
/// Rows of an answer; those asked for here are few.
const ROWS_MAX: usize = 10_000;
/// The tag of the message that begins a stream in both directions.
const COPY_BOTH_TAG: u8 = b'W';
/// What sessions are like, whatever the server's defaults: texts of values depend on it.
const SESSION: [(&str, &str); 9] = [
    ("replication", "database"),
    ("application_name", "kiln"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("standard_conforming_strings", "on"),
];

/// Whom to connect to, and as whom.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
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
}

/// A connection on which the server sends what happens.
pub(super) struct ChangeStream {
    connection: Connection,
}

/// A row of an answer; none is NULL.
pub(super) type Row = Vec<Option<String>>;

/// What the server refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The SQLSTATE.
    pub(super) code: String,
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
        let tcp = target.dialer.connect(target.host, target.port).await?;
        let stream: Box<dyn Stream> = match &target.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(encrypt(tcp, target.host, tls).await?),
        };
        let mut connection = Self {
            stream,
            inbox: BytesMut::new(),
        };
        let mut startup = BytesMut::new();
        let own = [("user", target.user), ("database", target.database)];
        frontend::startup_message(own.into_iter().chain(SESSION), &mut startup)
            .map_err(|_| Trouble::new("the user's name is not one that PostgreSQL can have"))?;
        connection.send(&startup).await?;
        login::log_in(&mut connection, target).await?;
        Ok(connection)
    }

    /// Runs statements and gives the rows of the last one that has any.
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
        self.send_query(sql).await?;
        let mut rows = Vec::new();
        let mut refusal = None;
        loop {
            match self.receive().await? {
                Message::RowDescription(_) => rows.clear(),
                Message::DataRow(row) if rows.len() < ROWS_MAX => rows.push(read_row(&row)?),
                Message::DataRow(_) => {
                    return Err(QueryError::Lost(lost("the server sent too many rows")));
                }
                Message::ErrorResponse(error) => refusal = Some(read_error(&error)),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        match refusal {
            Some(refusal) => Err(QueryError::Refused(refusal)),
            None => Ok(rows),
        }
    }

    /// Has the server begin to stream.
    pub(super) async fn stream(mut self, sql: &str) -> Result<ChangeStream, (Self, QueryError)> {
        let begun = tokio::time::timeout(QUERY_WITHIN, self.begin(sql)).await;
        let late = |_| {
            Err(QueryError::Lost(lost(
                "the server did not begin to stream in time",
            )))
        };
        match begun.unwrap_or_else(late) {
            Ok(()) => Ok(ChangeStream { connection: self }),
            Err(error) => Err((self, error)),
        }
    }

    async fn begin(&mut self, sql: &str) -> Result<(), QueryError> {
        self.send_query(sql).await?;
        let mut refusal = None;
        loop {
            if self.await_message().await? == COPY_BOTH_TAG {
                self.take_message();
                return Ok(());
            }
            match self.receive().await? {
                Message::ErrorResponse(error) => refusal = Some(read_error(&error)),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        Err(match refusal {
            Some(refusal) => QueryError::Refused(refusal),
            None => QueryError::Lost(lost("the server did not begin to stream")),
        })
    }

    async fn send_query(&mut self, sql: &str) -> Result<(), QueryError> {
        let mut message = BytesMut::new();
        let written = frontend::query(sql, &mut message);
        written.map_err(|_| QueryError::Lost(Trouble::new("a name holds a null byte")))?;
        Ok(self.send(&message).await?)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| lost(error.to_string()))
    }

    /// The next message that is not about something else.
    pub(super) async fn receive(&mut self) -> Result<Message, Trouble> {
        loop {
            self.await_message().await?;
            let message = Message::parse(&mut self.inbox);
            let message = message.map_err(|error| lost(error.to_string()))?;
            match message {
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_)) => {}
                Some(message) => return Ok(message),
                None => return Err(lost("the server sent a broken message")),
            }
        }
    }

    /// Waits until a whole message is there and says which. What came so far stays when this is given up.
    async fn await_message(&mut self) -> Result<u8, Trouble> {
        loop {
            let header = Header::parse(&self.inbox).map_err(|error| lost(error.to_string()))?;
            if let Some(header) = header {
                // It is at least 4, as the parser has checked.
                let total = header.len() as usize + 1;
                if total > MESSAGE_BYTES_MAX {
                    return Err(Trouble::new(format!(
                        "the server sent a message of {total} bytes, and {MESSAGE_BYTES_MAX} are read at most: a row is too large to be heard of"
                    )));
                }
                if self.inbox.len() >= total {
                    return Ok(header.tag());
                }
                self.inbox.reserve(total - self.inbox.len());
            }
            self.inbox.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut self.inbox).await;
            if read.map_err(|error| lost(error.to_string()))? == 0 {
                return Err(lost("the server closed the connection"));
            }
        }
    }

    /// Takes the message that is there, without its header.
    fn take_message(&mut self) -> Bytes {
        let length = (&self.inbox[1..5]).get_u32() as usize;
        let mut message = self.inbox.split_to(length + 1).freeze();
        message.advance(5);
        message
    }
}

impl ChangeStream {
    /// The next message of the stream; none when the server ends it. What came so far stays when this is given up.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            self.connection.await_message().await?;
            match self.connection.receive().await? {
                Message::CopyData(data) => return Ok(Some(data.into_bytes())),
                Message::CopyDone => return Ok(None),
                Message::ErrorResponse(error) => return Err(refused(&read_error(&error))),
                _ => {}
            }
        }
    }

    /// Tells the server something.
    pub(super) async fn send(&mut self, data: &[u8]) -> Result<(), Trouble> {
        let mut message = BytesMut::new();
        let copied = frontend::CopyData::new(data).map_err(|error| lost(error.to_string()))?;
        copied.write(&mut message);
        self.connection.send(&message).await
    }

    /// Ends the stream and the connection.
    pub(super) async fn close(mut self) {
        let mut message = BytesMut::new();
        frontend::copy_done(&mut message);
        frontend::terminate(&mut message);
        // The server notices in any case.
        let _ = self.connection.send(&message).await;
        let _ = self.connection.stream.shutdown().await;
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

pub(super) fn read_error(error: &ErrorResponseBody) -> Refusal {
    let (mut code, mut message) = (String::new(), String::new());
    let mut fields = error.fields();
    while let Ok(Some(field)) = fields.next() {
        let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = text(),
            b'M' => message = text(),
            _ => {}
        }
    }
    Refusal { code, message }
}

fn read_row(row: &postgres_protocol::message::backend::DataRowBody) -> Result<Row, Trouble> {
    let text = |range: Option<std::ops::Range<usize>>| {
        range.map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned())
    };
    let read = row.ranges().map(|range| Ok(text(range))).collect();
    read.map_err(|error| lost(error.to_string()))
}

async fn encrypt(
    mut tcp: TcpStream,
    host: &str,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Trouble> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let asked = async {
        tcp.write_all(&request).await?;
        tcp.read_u8().await
    };
    let answer = asked.await.map_err(|error| lost(error.to_string()))?;
    if answer != b'S' {
        return Err(lost(
            "the server does not speak TLS; sslmode=disable does without",
        ));
    }
    dial::encrypt(tcp, host, tls).await
}
