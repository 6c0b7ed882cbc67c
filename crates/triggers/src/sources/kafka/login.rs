//! Proves to a broker who we are, without giving away more than it must know.

use bytes::Bytes;
use kiln_types::mapping::kafka::Mechanism;

use super::api::{SaslAuthenticate, SaslHandshake};
use super::connection::{Connection, Login, lost};
use super::errors::refused;
use crate::source::Trouble;
use crate::sources::scram::{Hash, Scram};

/// Logs in. `PLAIN` says the password itself: the way there is encrypted, or stays on this machine.
pub(super) async fn log_in(connection: &mut Connection, login: &Login) -> Result<(), Trouble> {
    let name = match login.mechanism {
        Mechanism::Plain => "PLAIN",
        Mechanism::Scram256 => "SCRAM-SHA-256",
        Mechanism::Scram512 => "SCRAM-SHA-512",
    };
    if !connection.knows::<SaslHandshake>() {
        return Err(lost(
            "the broker has no way to log in: name one of its listeners that has, or no secret",
        ));
    }
    let (error, known) = connection.ask(&SaslHandshake(name)).await?;
    if error != 0 {
        return Err(lost(format!(
            "the broker does not know the way to log in {name}, but {}",
            known.join(", ")
        )));
    }
    let (user, password) = (&login.user, &login.password);
    let hash = match login.mechanism {
        Mechanism::Plain => {
            if user.contains('\0') || password.contains('\0') {
                return Err(Trouble::new("a name or password holds a null byte"));
            }
            let word = format!("\0{user}\0{password}");
            return say(connection, word.as_bytes()).await.map(|_| ());
        }
        Mechanism::Scram256 => Hash::Sha256,
        Mechanism::Scram512 => Hash::Sha512,
    };
    let scram = Scram::new(hash, user, password)?;
    let challenge = say(connection, scram.first().as_bytes()).await?;
    let (answer, expected) = scram.answer_apart(challenge).await?;
    let proof = say(connection, answer.as_bytes()).await?;
    expected.check(&proof)
}

/// Says a word, and gives the broker's.
async fn say(connection: &mut Connection, word: &[u8]) -> Result<Bytes, Trouble> {
    let said = connection.ask(&SaslAuthenticate(word)).await?;
    match (said.error, said.message) {
        (0, _) => Ok(said.word),
        (_, Some(message)) => Err(Trouble::new(format!("the broker says: {message}"))),
        (error, None) => Err(refused(error)),
    }
}
