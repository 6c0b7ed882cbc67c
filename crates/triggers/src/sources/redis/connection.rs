//! A connection to a Redis or Valkey server: TLS, login, commands and their answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::resp::{self, Unread, Value};
use crate::source::Trouble;
pub(super) use crate::sources::dial::lost;
use crate::sources::dial::{Dialer, Stream};

/// How long a connection may take, login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take beyond what its command waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Room for one read.
const READ_BYTES: usize = 16 * 1024;

/// Whom to connect to, and as whom.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: u32,
    /// A user, who may be the default one, and a password.
    pub(super) login: Option<(&'a str, &'a str)>,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// A connection that takes commands.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server's own words: a code and a sentence.
    Refused(String),
    /// There is one, and it is larger than any may be.
    TooLarge,
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
            stream: target
                .dialer
                .dial(target.host, target.port, target.tls.as_ref())
                .await?,
            inbox: BytesMut::new(),
        };
        if let Some((user, password)) = target.login {
            let words = ["AUTH", user, password];
            // Servers before 6 know no users.
            let words = if user == "default" {
                &[words[0], words[2]]
            } else {
                &words[..]
            };
            connection.ask(words).await?;
        }
        let database = target.database.to_string();
        connection.ask(&["SELECT", &database]).await?;
        connection.ask(&["CLIENT", "SETNAME", "kiln"]).await?;
        Ok(connection)
    }

    /// Runs a command, and gives what the server answers.
    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Value, Failure> {
        self.ask_and_wait(words, Duration::ZERO).await
    }

    /// The same of a command that may wait for so long itself.
    pub(super) async fn ask_and_wait(
        &mut self,
        words: &[&str],
        wait: Duration,
    ) -> Result<Value, Failure> {
        let asked = async {
            self.send(words).await?;
            self.receive().await
        };
        let late = |_| Err(Failure::Lost(lost("the server did not answer in time")));
        let answered = tokio::time::timeout(ANSWER_WITHIN + wait, asked).await;
        answered.unwrap_or_else(late)
    }

    pub(super) async fn send(&mut self, words: &[&str]) -> Result<(), Trouble> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let sent = async {
            self.stream.write_all(&resp::command(&words)).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| lost(error.to_string()))
    }

    /// The next answer. What came so far stays when this is given up.
    pub(super) async fn receive(&mut self) -> Result<Value, Failure> {
        loop {
            match resp::take(&mut self.inbox) {
                Ok(Value::Error(text)) => return Err(Failure::Refused(text)),
                Ok(value) => return Ok(value),
                Err(Unread::More) => {}
                Err(Unread::TooLarge) => return Err(Failure::TooLarge),
                Err(unread) => return Err(Failure::Lost(unread.into())),
            }
            // As much again as is there, so that a large answer is not looked through too often.
            self.inbox.reserve(READ_BYTES.max(self.inbox.len()));
            let read = self.stream.read_buf(&mut self.inbox).await;
            match read {
                Ok(0) => return Err(Failure::Lost(lost("the server closed the connection"))),
                Ok(_) => {}
                Err(error) => return Err(Failure::Lost(lost(error.to_string()))),
            }
        }
    }
}

impl Failure {
    /// Whether the server refused with this code.
    pub(super) fn is(&self, code: &str) -> bool {
        matches!(self, Failure::Refused(text) if text.split(' ').next() == Some(code))
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Lost(trouble)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(text) => Trouble::new(format!("the server says: {text}")),
            Failure::TooLarge => Unread::TooLarge.into(),
            Failure::Lost(trouble) => trouble,
        }
    }
}
