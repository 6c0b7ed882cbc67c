//! A connection to a broker: TLS, login, packets.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::Error as Unread;
use rumqttc::mqttbytes::v5::{
    ConnAck, Connect, ConnectAuth, ConnectProperties, ConnectReturnCode, Disconnect,
    DisconnectReasonCode, Packet,
};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::source::Trouble;
pub(super) use crate::sources::dial::lost;
use crate::sources::dial::{Dialer, Stream};

/// How long TLS may take, and a login.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Room for one read.
const READ_BYTES: usize = 16 * 1024;
/// The largest packet that is taken. The broker is told, and sends no larger one.
const PACKET_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// After this long without a word the broker thinks that nobody is there any more, in seconds.
const KEEP_ALIVE: u16 = 30;
/// A session that lasts until somebody ends it.
const FOR_EVER: u32 = u32::MAX;

/// Whom to connect to.
pub(super) struct Target<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// As whom.
pub(super) struct Login(ConnectAuth);

/// A connection that takes packets.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
}

/// Why a broker does not let somebody in.
#[derive(Debug)]
pub(super) enum Failure {
    /// Its reason.
    Refused(ConnectReturnCode),
    Lost(Trouble),
}

impl Login {
    pub(super) fn user(name: &str, password: &str) -> Self {
        Self(ConnectAuth::UsernamePassword {
            username: name.to_owned(),
            password: Bytes::copy_from_slice(password.as_bytes()),
        })
    }

    pub(super) fn nobody() -> Self {
        Self(ConnectAuth::None)
    }
}

impl Connection {
    pub(super) async fn open(target: Target<'_>) -> Result<Self, Trouble> {
        let dialed = target
            .dialer
            .dial(target.host, target.port, target.tls.as_ref());
        let late = |_| Err(lost("the server did not answer in time"));
        let dialed = tokio::time::timeout(CONNECT_WITHIN, dialed).await;
        Ok(Self {
            stream: dialed.unwrap_or_else(late)?,
            inbox: BytesMut::new(),
        })
    }

    /// Takes up the session of this name, or begins it. Gives whether it was there.
    pub(super) async fn resume(
        &mut self,
        name: &str,
        login: Login,
        open_max: u16,
    ) -> Result<bool, Failure> {
        let mut connect = connect(name, FOR_EVER);
        if let Some(properties) = &mut connect.properties {
            properties.receive_maximum = Some(open_max);
        }
        let answer = self.log_in(connect, login).await?;
        Ok(answer.session_present)
    }

    /// Ends the session of this name.
    pub(super) async fn forget(&mut self, name: &str, login: Login) -> Result<(), Failure> {
        let mut connect = connect(name, 0);
        connect.clean_start = true;
        self.log_in(connect, login).await?;
        self.leave().await;
        Ok(())
    }

    async fn log_in(&mut self, connect: Connect, login: Login) -> Result<ConnAck, Failure> {
        let logged_in = async {
            self.send(&Packet::Connect(connect, None, login.0)).await?;
            self.receive().await
        };
        let late = |_| Err(lost("the server did not answer in time"));
        let answer = tokio::time::timeout(CONNECT_WITHIN, logged_in).await;
        match answer.unwrap_or_else(late).map_err(Failure::Lost)? {
            Packet::ConnAck(answer) if answer.code == ConnectReturnCode::Success => Ok(answer),
            Packet::ConnAck(answer) => Err(Failure::Refused(answer.code)),
            _ => Err(Failure::Lost(lost("the server does not speak MQTT 5"))),
        }
    }

    pub(super) async fn send(&mut self, packet: &Packet) -> Result<(), Trouble> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).map_err(lost)?;
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error: std::io::Error| lost(error))
    }

    /// The next packet. What came so far stays when this is given up.
    pub(super) async fn receive(&mut self) -> Result<Packet, Trouble> {
        loop {
            if !self.inbox.is_empty() {
                match Packet::read(&mut self.inbox, Some(PACKET_BYTES_MAX)) {
                    Ok(packet) => return Ok(packet),
                    Err(Unread::InsufficientBytes(_)) => {}
                    Err(error) => return Err(lost(error)),
                }
            }
            // As much again as is there, so that a large packet is not looked at too often.
            self.inbox.reserve(READ_BYTES.max(self.inbox.len()));
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(lost("the server closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Says good-bye. Whether that is heard is of no account.
    pub(super) async fn leave(&mut self) {
        let goodbye = Disconnect {
            reason_code: DisconnectReasonCode::NormalDisconnection,
            properties: None,
        };
        let _ = self.send(&Packet::Disconnect(goodbye)).await;
        let _ = self.stream.shutdown().await;
    }
}

fn connect(name: &str, session_expiry: u32) -> Connect {
    let properties = ConnectProperties {
        session_expiry_interval: Some(session_expiry),
        max_packet_size: Some(PACKET_BYTES_MAX),
        ..ConnectProperties::default()
    };
    Connect {
        keep_alive: KEEP_ALIVE,
        client_id: name.to_owned(),
        clean_start: false,
        properties: Some(properties),
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(code) => {
                Trouble::new(format!("the server does not let the mapping in: {code:?}"))
            }
            Failure::Lost(trouble) => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Brokers may be anybody.
        #[test]
        fn whatever_is_sent_is_read_or_refused(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 1..8)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (mut broker, own) = tokio::io::duplex(4_096);
                for part in &parts {
                    broker.write_all(part).await.unwrap();
                }
                drop(broker);
                let mut connection = Connection { stream: Box::new(own), inbox: BytesMut::new() };
                while connection.receive().await.is_ok() {}
            });
        }
    }
}
