//! Who we are: the server greets, we encrypt if wanted, and prove to know the password (MySQL's protocol, "Connection
//! Phase").
//!
//! A password is proven without being sent, by `mysql_native_password` or `caching_sha2_password`. The second wants the
//! password itself now and then; it gets it where nobody else can read it, and nowhere else.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use bytes::Bytes;

use super::connection::{Connection, Target, lost, read_error, refused};
use super::reader::{Reader, Short};
use crate::source::Trouble;

/// What a client can: LONG_PASSWORD, LONG_FLAG, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const CAN_TLS: u32 = 0x800;
/// `utf8mb4_general_ci`: what texts of answers are in.
const CHARACTER_SET: u8 = 45;
const PACKET_BYTES_MAX: u32 = 0x100_0000;
/// Steps of a login, at most.
const STEPS_MAX: u32 = 8;
const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";
/// What `caching_sha2_password` says of a proof: it is enough, or the password itself is wanted.
const PROVEN: u8 = 3;
const WANTS_PASSWORD: u8 = 4;

/// What the server says first.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) connection: u32,
    capabilities: u32,
    plugin: String,
    nonce: Vec<u8>,
}

impl Greeting {
    pub(super) fn read(packet: Bytes) -> Result<Self, Trouble> {
        if packet.first() == Some(&0xFF) {
            return Err(refused(&read_error(packet)));
        }
        let broken = |_| lost("what answers is no MySQL or MariaDB server");
        let greeting = Self::parse(packet).map_err(broken)?;
        // A replica of an old server, or one that cannot be asked who it is.
        if greeting.capabilities & CAPABILITIES & 0x8200 != 0x8200 {
            return Err(lost("the server is too old"));
        }
        Ok(greeting)
    }

    fn parse(packet: Bytes) -> Result<Self, Short> {
        let mut reader = Reader::new(packet);
        if reader.u8()? != 10 {
            return Err(Short);
        }
        let version = reader.until_null();
        let connection = reader.u32()?;
        let mut nonce = reader.take(8)?.to_vec();
        reader.take(1)?;
        let low = reader.u16()?;
        reader.take(3)?;
        let high = reader.u16()?;
        let nonce_bytes = usize::from(reader.u8()?);
        reader.take(10)?;
        let rest = reader.take(nonce_bytes.saturating_sub(8).max(13))?;
        nonce.extend_from_slice(&rest);
        let plugin = reader.until_null();
        Ok(Self {
            version: String::from_utf8_lossy(&version).into_owned(),
            connection,
            capabilities: u32::from(high) << 16 | u32::from(low),
            plugin: String::from_utf8_lossy(&plugin).into_owned(),
            nonce: without_null(nonce),
        })
    }
}

/// Asks for encryption.
pub(super) fn tls_request(greeting: &Greeting) -> Result<Vec<u8>, Trouble> {
    match greeting.capabilities & CAN_TLS {
        0 => Err(lost(
            "the server does not speak TLS; sslmode=disable does without",
        )),
        _ => Ok(header(true)),
    }
}

/// Logs in.
pub(super) async fn log_in(
    connection: &mut Connection,
    greeting: &Greeting,
    target: &Target<'_>,
) -> Result<(), Trouble> {
    // Another plugin than these two may be this server's default and not the user's: it says so.
    let mut plugin = match greeting.plugin.as_str() {
        CACHING => CACHING.to_owned(),
        _ => NATIVE.to_owned(),
    };
    let answer = proof(&plugin, target.password, &greeting.nonce)?;
    let mut response = header(target.tls.is_some());
    response.extend_from_slice(target.user.as_bytes());
    response.push(0);
    response.push(answer.len() as u8);
    response.extend_from_slice(&answer);
    response.extend_from_slice(plugin.as_bytes());
    response.push(0);
    connection.send(&response).await?;
    for _ in 0..STEPS_MAX {
        let packet = connection.receive().await?;
        match packet.first() {
            Some(0x00) => return Ok(()),
            Some(0xFF) => return Err(refused(&read_error(packet))),
            Some(0xFE) => {
                let mut reader = Reader::new(packet.slice(1..));
                plugin = String::from_utf8_lossy(&reader.until_null()).into_owned();
                let nonce = without_null(reader.rest().to_vec());
                let answer = proof(&plugin, target.password, &nonce)?;
                connection.send(&answer).await?;
            }
            Some(0x01) if plugin == CACHING => match packet.get(1) {
                Some(&PROVEN) => {}
                Some(&WANTS_PASSWORD) => send_password(connection, target).await?,
                _ => return Err(lost("the server sent a broken message")),
            },
            _ => return Err(lost("the server sent a broken message")),
        }
    }
    Err(lost("the server does not come to an end with the login"))
}

async fn send_password(connection: &mut Connection, target: &Target<'_>) -> Result<(), Trouble> {
    // Without TLS the server takes no password as it is.
    if !(target.is_trusted && target.tls.is_some()) {
        return Err(Trouble::new(
            "the database wants the password itself (caching_sha2_password), which is sent only to a server \
             that has proven its name: use ?sslmode=verify-full, or a user with mysql_native_password",
        ));
    }
    let mut password = target.password.as_bytes().to_vec();
    password.push(0);
    connection.send(&password).await
}

fn header(is_encrypted: bool) -> Vec<u8> {
    let capabilities = CAPABILITIES | if is_encrypted { CAN_TLS } else { 0 };
    let mut header = Vec::with_capacity(128);
    header.extend(capabilities.to_le_bytes());
    header.extend(PACKET_BYTES_MAX.to_le_bytes());
    header.push(CHARACTER_SET);
    header.extend([0; 23]);
    header
}

fn proof(plugin: &str, password: &str, nonce: &[u8]) -> Result<Vec<u8>, Trouble> {
    let hash =
        |with: &'static Algorithm, parts: &[&[u8]]| digest(with, &parts.concat()).as_ref().to_vec();
    let mixed = |one: Vec<u8>, other: Vec<u8>| one.iter().zip(other).map(|(a, b)| a ^ b).collect();
    if ![NATIVE, CACHING].contains(&plugin) {
        return Err(Trouble::new(format!(
            "the database has its user log in by {plugin}, and {NATIVE} and {CACHING} are known"
        )));
    }
    if password.is_empty() {
        return Ok(Vec::new());
    }
    let secret = password.as_bytes();
    if plugin == NATIVE {
        let with = &SHA1_FOR_LEGACY_USE_ONLY;
        let once = hash(with, &[secret]);
        let twice = hash(with, &[&once]);
        return Ok(mixed(hash(with, &[nonce, &twice]), once));
    }
    let once = hash(&SHA256, &[secret]);
    let twice = hash(&SHA256, &[&once]);
    Ok(mixed(hash(&SHA256, &[&twice, nonce]), once))
}

fn without_null(mut nonce: Vec<u8>) -> Vec<u8> {
    nonce.pop_if(|last| *last == 0);
    nonce
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeting() -> Vec<u8> {
        let mut packet = vec![10];
        packet.extend(b"5.5.5-10.11.14-MariaDB\0");
        packet.extend(7u32.to_le_bytes());
        packet.extend(b"12345678\0");
        packet.extend(0xFFFEu16.to_le_bytes());
        packet.extend([45, 2, 0]);
        packet.extend(0x81FFu16.to_le_bytes());
        packet.push(21);
        packet.extend([0; 10]);
        packet.extend(b"abcdefghijkl\0mysql_native_password\0");
        packet
    }

    #[test]
    fn a_server_says_who_it_is_and_what_to_prove() {
        let read = Greeting::read(greeting().into()).unwrap();
        assert_eq!(read.version, "5.5.5-10.11.14-MariaDB");
        assert_eq!((read.connection, read.plugin.as_str()), (7, NATIVE));
        assert_eq!(read.nonce, b"12345678abcdefghijkl");
        let other = Greeting::read(Bytes::from_static(b"SSH-2.0")).unwrap_err();
        assert!(
            other.to_string().contains("no MySQL or MariaDB server"),
            "{other}"
        );
    }

    #[test]
    fn proofs_are_those_that_servers_expect() {
        // Of the servers' own formulas, computed apart from this.
        let native = proof(NATIVE, "secret", b"12345678abcdefghijkl").unwrap();
        assert_eq!(
            hex::encode(native),
            "4f1522d6eb54737eda413b3e219ca6caebe3df2c"
        );
        let caching = proof(CACHING, "secret", b"12345678abcdefghijkl").unwrap();
        assert_eq!(
            hex::encode(caching),
            "7f7e3878fe488ed45081455d0d6e89e26d4ef86ef6c6aeed02397b6fe8ad5422"
        );
        assert_eq!(proof(NATIVE, "", b"1").unwrap(), b"");
        let unknown = proof("client_ed25519", "secret", b"1").unwrap_err();
        assert!(
            unknown.to_string().contains("log in by client_ed25519"),
            "{unknown}"
        );
    }

    proptest! {
        #[test]
        fn whatever_greets_is_a_server_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let _ = Greeting::read(bytes.clone().into());
            if let Some(first) = bytes.first_mut() {
                *first = 10;
            }
            let _ = Greeting::read(bytes.into());
        }
    }
}
