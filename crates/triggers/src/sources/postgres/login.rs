//! Proves to the server who we are, without giving away more than it must know.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::connection::{Connection, Target, lost, read_error, refused};
use crate::source::Trouble;
use crate::sources::scram::check_rounds;

/// Logs in and waits until the server takes queries.
pub(super) async fn log_in(
    connection: &mut Connection,
    target: &Target<'_>,
) -> Result<(), Trouble> {
    loop {
        match connection.receive().await? {
            Message::AuthenticationOk | Message::BackendKeyData(_) => {}
            Message::ReadyForQuery(_) => return Ok(()),
            Message::AuthenticationSasl(offered) => {
                let mut offers = offered.mechanisms();
                let mut has_scram = false;
                while let Ok(Some(offer)) = offers.next() {
                    has_scram |= offer == SCRAM_SHA_256;
                }
                if !has_scram {
                    return Err(lost(
                        "the server knows no way to log in but SCRAM with channel binding",
                    ));
                }
                scram(connection, target.password).await?;
            }
            Message::AuthenticationMd5Password(asked) => {
                let (user, password) = (target.user.as_bytes(), target.password.as_bytes());
                let hash = md5_hash(user, password, asked.salt());
                send_password(connection, hash.as_bytes()).await?;
            }
            Message::AuthenticationCleartextPassword if target.is_trusted => {
                send_password(connection, target.password.as_bytes()).await?;
            }
            Message::AuthenticationCleartextPassword => {
                return Err(lost(
                    "the server asks for the password itself, which is sent only over TLS with sslmode=verify-full",
                ));
            }
            Message::ErrorResponse(error) => return Err(refused(&read_error(&error))),
            _ => {
                return Err(lost(
                    "the server wants a way to log in that Kiln does not have",
                ));
            }
        }
    }
}

async fn scram(connection: &mut Connection, password: &str) -> Result<(), Trouble> {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let mut message = BytesMut::new();
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut message)
        .map_err(|error| lost(error.to_string()))?;
    connection.send(&message).await?;
    let challenge = match connection.receive().await? {
        Message::AuthenticationSaslContinue(challenge) => challenge,
        Message::ErrorResponse(error) => return Err(refused(&read_error(&error))),
        _ => return Err(lost("the server broke off the login")),
    };
    // PostgreSQL may be told to ask for a single round.
    check_rounds(challenge.data(), 1)?;
    let challenge = challenge.data().to_vec();
    // Many rounds of hashing: by a thread that holds up nobody else.
    let answered = tokio::task::spawn_blocking(move || {
        let answered = scram.update(&challenge);
        answered.map(|()| scram)
    });
    let answered = answered.await.map_err(|error| lost(error.to_string()))?;
    let mut scram = answered.map_err(|error| lost(error.to_string()))?;
    message.clear();
    frontend::sasl_response(scram.message(), &mut message)
        .map_err(|error| lost(error.to_string()))?;
    connection.send(&message).await?;
    match connection.receive().await? {
        Message::AuthenticationSaslFinal(proof) => scram
            .finish(proof.data())
            .map_err(|_| lost("the server does not know the password itself")),
        Message::ErrorResponse(error) => Err(refused(&read_error(&error))),
        _ => Err(lost("the server broke off the login")),
    }
}

async fn send_password(connection: &mut Connection, password: &[u8]) -> Result<(), Trouble> {
    let mut message = BytesMut::new();
    frontend::password_message(password, &mut message)
        .map_err(|_| Trouble::new("the password holds a null byte"))?;
    connection.send(&message).await
}
