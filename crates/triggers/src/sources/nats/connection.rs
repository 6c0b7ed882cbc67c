//! A connection to a NATS server: TLS, login, and its end as soon as something is lost.
//!
//! The client connects again behind one's back. Here that would hide what was missed meanwhile, so that a connection is
//! given up when it is lost for the first time; the mapping's supervisor opens the next one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr, ServerError};
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::source::Trouble;
use crate::sources::dial::Dialer;
pub(super) use crate::sources::dial::lost;

/// How long TLS and login may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often the server is asked whether it is there; after two of these without an answer the connection is given up.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Messages that a subscription holds until somebody takes them.
const HELD_MAX: usize = 1_024;

/// Where and who.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// What the server shows its operator.
    pub(super) name: &'a str,
    pub(super) login: Option<Login<'a>>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Whether the server has to prove its name.
    pub(super) is_verified: bool,
}

/// How somebody says who it is.
pub(super) enum Login<'a> {
    /// A name and a password.
    User(&'a str, &'a str),
    /// A token.
    Token(&'a str),
}

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    pub(super) client: Client,
    fate: Arc<Fate>,
}

/// What became of a connection.
#[derive(Default)]
struct Fate {
    is_lost: CancellationToken,
    why: Mutex<Option<String>>,
    /// How often a message had no room.
    dropped: AtomicU64,
}

impl Connection {
    pub(super) async fn open(target: Target<'_>) -> Result<Self, Trouble> {
        let fate = Arc::new(Fate::default());
        let told = fate.clone();
        let mut options = ConnectOptions::new()
            .name(target.name)
            .connection_timeout(CONNECT_WITHIN)
            .ping_interval(PING_EVERY)
            .subscription_capacity(HELD_MAX)
            // The secret is for this server and for no other.
            .ignore_discovered_servers()
            .max_reconnects(1)
            .event_callback(move |event| {
                told.hear(&event);
                std::future::ready(())
            });
        options = match target.login {
            Some(Login::User(user, password)) => {
                options.user_and_password(user.to_owned(), password.to_owned())
            }
            Some(Login::Token(token)) => options.token(token.to_owned()),
            None => options,
        };
        if let Some(tls) = target.tls {
            options = options
                .require_tls(true)
                .tls_client_config(ClientConfig::clone(&tls));
        }
        // The client looks the name up once more, and again when it connects again. Where that could lead elsewhere it
        // gets the address, unless the server has to prove that it has the name.
        let found = target.dialer.address(target.host, target.port).await?;
        let host = match found.filter(|_| !target.is_verified) {
            Some(address) => address.to_string(),
            None => target.host.to_owned(),
        };
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host,
        };
        let address: ServerAddr = format!("nats://{host}:{}", target.port)
            .parse()
            .map_err(lost)?;
        let client = options.connect(address).await;
        let refused = |error| lost(format!("{}:{}: {error}", target.host, target.port));
        Ok(Self {
            client: client.map_err(refused)?,
            fate,
        })
    }

    /// Waits until it is lost, and says why.
    pub(super) async fn lost(&self) -> Trouble {
        self.fate.is_lost.cancelled().await;
        let why = self.fate.why.lock();
        let why = why.unwrap_or_else(PoisonError::into_inner).clone();
        match why {
            Some(text) => Trouble::new(format!("the server says: {text}")),
            None => lost("the server closed the connection, or does not answer"),
        }
    }

    /// How often a message had no room.
    pub(super) fn dropped(&self) -> u64 {
        self.fate.dropped.load(Ordering::Relaxed)
    }
}

impl Fate {
    fn hear(&self, event: &Event) {
        match event {
            Event::Disconnected | Event::Closed => self.is_lost.cancel(),
            Event::SlowConsumer(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Event::ServerError(error) => {
                let text = match error {
                    ServerError::Other(text) => text.trim_matches('\'').to_owned(),
                    error => error.to_string(),
                };
                let why = self.why.lock();
                why.unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(text);
                self.is_lost.cancel();
            }
            _ => {}
        }
    }
}
