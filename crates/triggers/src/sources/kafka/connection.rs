//! A connection to a broker: TLS, what it knows, login, and one question at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use kiln_types::mapping::is_loopback;
use kiln_types::mapping::kafka::Mechanism;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::api::{ApiVersions, Request};
use super::errors::refused;
use super::login;
use super::wire::{Reader, Writer};
use crate::source::Trouble;
pub(super) use crate::sources::dial::lost;
use crate::sources::dial::{Dialer, Stream};

/// How long a connection may take, login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take beyond what its question waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Largest answer that is taken to a question for records.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an answer begins with: its length, and the number of its question.
const LENGTH_BYTES: usize = 4;
/// Room for one read.
const READ_BYTES: usize = 64 * 1024;
/// How we call ourselves.
const CLIENT: &str = "kiln";

/// As whom brokers are spoken to, and how that is protected.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) dialer: Dialer,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) login: Option<Arc<Login>>,
}

/// A user.
pub(super) struct Login {
    pub(super) mechanism: Mechanism,
    pub(super) user: String,
    pub(super) password: String,
}

/// A connection whose user is known. After a question that was given up it is of no use.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
    /// Messages and their versions: the first and the last.
    known: Vec<(i16, i16, i16)>,
    asked: i32,
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(way: &Way, host: &str, port: u16) -> Result<Self, Trouble> {
        let late = |_| Err(lost(format!("{host}:{port} did not answer in time")));
        tokio::time::timeout(CONNECT_WITHIN, Self::open_slowly(way, host, port))
            .await
            .unwrap_or_else(late)
    }

    async fn open_slowly(way: &Way, host: &str, port: u16) -> Result<Self, Trouble> {
        // Whoever answers on this machine is believed, and nobody else without proof.
        if way.login.is_some() && way.tls.is_none() && !is_loopback(host) {
            return Err(lost(format!(
                "the brokers on this machine tell of one elsewhere, {host}, which a login reaches only over TLS: name certificates with SERVER_ROOT_CA_CERTIFICATE"
            )));
        }
        let mut connection = Self {
            stream: way.dialer.dial(host, port, way.tls.as_ref()).await?,
            inbox: BytesMut::new(),
            known: vec![(ApiVersions::KEY, 0, 0)],
            asked: 0,
        };
        let (error, known) = connection.ask(&ApiVersions).await?;
        if error != 0 {
            return Err(refused(error));
        }
        connection.known = known;
        if let Some(user) = &way.login {
            login::log_in(&mut connection, user).await?;
        }
        Ok(connection)
    }

    /// Whether the broker knows a message.
    pub(super) fn knows<R: Request>(&self) -> bool {
        self.version::<R>(R::VERSIONS).is_some()
    }

    /// The best of these versions of a message that the broker knows.
    fn version<R: Request>(&self, of: &[i16]) -> Option<i16> {
        let known = self.known.iter().find(|(key, _, _)| *key == R::KEY);
        let (_, first, last) = *known?;
        let mut versions = of.iter().copied();
        versions.find(|version| (first..=last).contains(version))
    }

    /// What the broker answers.
    pub(super) async fn ask<R: Request>(&mut self, question: &R) -> Result<R::Answer, Trouble> {
        self.ask_and_wait(question, Duration::ZERO).await
    }

    /// The same of a question that may wait for so long itself.
    pub(super) async fn ask_and_wait<R: Request>(
        &mut self,
        question: &R,
        wait: Duration,
    ) -> Result<R::Answer, Trouble> {
        let late = |_| Err(lost("the broker did not answer in time"));
        tokio::time::timeout(ANSWER_WITHIN + wait, self.ask_slowly(question))
            .await
            .unwrap_or_else(late)
    }

    async fn ask_slowly<R: Request>(&mut self, question: &R) -> Result<R::Answer, Trouble> {
        let version = self.version::<R>(question.versions()).ok_or_else(|| {
            lost("the broker speaks no version of Kafka's protocol that Kiln does: it must be 0.11 or later")
        })?;
        let is_flexible = version >= R::FLEXIBLE_FROM;
        self.asked = self.asked.wrapping_add(1);
        let bytes = written(question, version, is_flexible, self.asked);
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| lost(error.to_string()))?;
        let mut answer = Reader::new(
            self.receive(R::ANSWER_BYTES_MAX).await?.freeze(),
            is_flexible,
        );
        if answer.i32()? != self.asked {
            return Err(lost("the broker answered another question"));
        }
        answer.tags()?;
        Ok(R::read(&mut answer, version)?)
    }

    /// One answer. Memory is taken as bytes come, not as they are announced.
    async fn receive(&mut self, bytes_max: usize) -> Result<BytesMut, Trouble> {
        loop {
            if let Some((length, _)) = self.inbox.split_first_chunk::<LENGTH_BYTES>() {
                let length = usize::try_from(i32::from_be_bytes(*length));
                let length = length.ok().filter(|length| *length <= bytes_max);
                let length =
                    length.ok_or_else(|| lost("the broker's answer is larger than any may be"))?;
                if self.inbox.len() >= LENGTH_BYTES + length {
                    self.inbox.advance(LENGTH_BYTES);
                    return Ok(self.inbox.split_to(length));
                }
            }
            // As much again as is there, so that a large answer is not copied too often.
            self.inbox.reserve(READ_BYTES.max(self.inbox.len()));
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(lost("the broker closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(lost(error.to_string())),
            }
        }
    }
}

fn written<R: Request>(question: &R, version: i16, is_flexible: bool, number: i32) -> BytesMut {
    // The client's name has a long length in all versions.
    let mut head = Writer::new(false);
    head.i16(R::KEY);
    head.i16(version);
    head.i32(number);
    head.text(CLIENT);
    let mut body = Writer::new(is_flexible);
    body.tags();
    question.write(&mut body, version);
    let (head, body) = (head.done(), body.done());
    let mut bytes = Writer::new(false);
    bytes.i32((head.len() + body.len()) as i32);
    bytes.raw(&head);
    bytes.raw(&body);
    bytes.done()
}
