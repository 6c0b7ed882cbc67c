//! A connection to a RabbitMQ broker: TLS, login, one channel that consumes.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::frame::{self, FRAME_BYTES_MAX, Frame, Kind};
use super::method::{self, Asked, Method};
use super::table::Writer;
use crate::source::Trouble;
use crate::sources::dial::{Dialer, Stream, lost};

/// How long a connection may take, login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take, and the broker to take what is sent.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often each side is to be heard of.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);
/// Room for one read.
const READ_BYTES: usize = 16 * 1024;
/// The code of what is not there.
const NOT_FOUND: u16 = 404;

/// Whom to connect to, and as whom.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) virtual_host: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// A connection with one channel.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
}

impl Connection {
    /// Connects, logs in and opens the channel.
    pub(super) async fn open(target: Target<'_>) -> Result<Self, Trouble> {
        let late = |_| Err(lost("the broker did not answer in time"));
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
        connection.log_in(target).await?;
        Ok(connection)
    }

    async fn log_in(&mut self, target: &Target<'_>) -> Result<(), Trouble> {
        self.write(frame::PROTOCOL).await?;
        let Method::Start { mechanisms } = self.next_method().await? else {
            return Err(unexpected());
        };
        if !mechanisms.split(' ').any(|name| name == "PLAIN") {
            return Err(Trouble::new(format!(
                "the broker does not let anybody log in by PLAIN, only by {mechanisms}"
            )));
        }
        let (user, password) = (target.user, target.password);
        self.send(0, method::start_ok(user, password)).await?;
        let Method::Tune {
            frame_max,
            heartbeat,
        } = self.next_method().await?
        else {
            return Err(unexpected());
        };
        let own = u32::try_from(FRAME_BYTES_MAX).expect("it is small");
        let frame_max = match frame_max {
            0 => own,
            theirs => theirs.min(own),
        };
        let own = u16::try_from(HEARTBEAT.as_secs()).expect("it is short");
        let heartbeat = match heartbeat {
            0 => own,
            theirs => theirs.min(own),
        };
        self.send(0, method::tune_ok(frame_max, heartbeat)).await?;
        let open = method::open(target.virtual_host);
        self.ask(0, open, Asked::Open).await?;
        self.ask(1, method::open_channel(), Asked::OpenChannel)
            .await
    }

    /// Has the messages of a queue sent, so many of them at a time.
    pub(super) async fn consume(&mut self, queue: &str, count: u16) -> Result<(), Trouble> {
        self.ask(1, method::declare(queue), Asked::Declare).await?;
        self.ask(1, method::qos(count), Asked::Qos).await?;
        let consume = method::consume(queue, "kiln");
        self.ask(1, consume, Asked::Consume).await
    }

    /// Ends the connection; what is still on its way from the broker goes back to its queue.
    pub(super) async fn close(mut self) -> Result<(), Trouble> {
        self.send(0, method::close()).await?;
        let closed = async {
            loop {
                let frame = self.receive().await?;
                if frame.kind == Kind::Method
                    && Method::read(&frame.payload)? == Method::Ok(Asked::Close)
                {
                    return Ok(());
                }
            }
        };
        let late = |_| Err(lost("the broker did not answer in time"));
        tokio::time::timeout(ANSWER_WITHIN, closed)
            .await
            .unwrap_or_else(late)
    }

    /// Says that somebody is there.
    pub(super) async fn beat(&mut self) -> Result<(), Trouble> {
        self.write(&frame::written(Kind::Heartbeat, 0, b"")).await
    }

    /// Acknowledges all messages up to this one.
    pub(super) async fn acknowledge(&mut self, tag: u64) -> Result<(), Trouble> {
        self.send(1, method::ack(tag)).await
    }

    /// Agrees to end.
    pub(super) async fn agree_to_close(&mut self) {
        // Whoever closed a connection may not listen any more.
        let _ = self.send(0, method::close_ok()).await;
    }

    /// The next frame. What came so far stays when this is given up.
    pub(super) async fn receive(&mut self) -> Result<Frame, Trouble> {
        loop {
            if let Some(frame) = frame::take(&mut self.inbox)? {
                return Ok(frame);
            }
            self.inbox.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(lost("the broker closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Asks for something, and waits until it is so.
    async fn ask(&mut self, channel: u16, what: Writer, expected: Asked) -> Result<(), Trouble> {
        self.send(channel, what).await?;
        let late = |_| Err(lost("the broker did not answer in time"));
        let answered = tokio::time::timeout(ANSWER_WITHIN, self.next_method()).await;
        match answered.unwrap_or_else(late)? {
            Method::Ok(asked) if asked == expected => Ok(()),
            _ => Err(unexpected()),
        }
    }

    async fn next_method(&mut self) -> Result<Method, Trouble> {
        loop {
            let frame = self.receive().await?;
            if frame.kind != Kind::Method {
                continue;
            }
            match Method::read(&frame.payload)? {
                Method::Closed {
                    code: NOT_FOUND,
                    text,
                    ..
                } => {
                    return Err(Trouble::new(format!(
                        "the broker says: {text}. Declare the queue first: Kiln makes none"
                    )));
                }
                Method::Closed { code, text, .. } => return Err(method::refused(code, &text)),
                Method::Other => {}
                method => return Ok(method),
            }
        }
    }

    async fn send(&mut self, channel: u16, method: Writer) -> Result<(), Trouble> {
        let frame = frame::written(Kind::Method, channel, &method.0);
        self.write(&frame).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(ANSWER_WITHIN, written).await {
            Ok(written) => written.map_err(lost),
            Err(_) => Err(lost("the broker takes nothing")),
        }
    }
}

fn unexpected() -> Trouble {
    lost("the broker did not answer what it was asked")
}
