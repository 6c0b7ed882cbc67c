//! Seals what is kept of an account.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln_types::AccountId;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::error::Error;

/// Seals what is kept of an account by the account's data key. `what` names the row.
#[derive(Clone, Default)]
pub(crate) struct Vault;

impl Vault {
    /// Within a transaction: makes the account's key if it has none.
    pub(crate) fn seal(
        &self,
        _to: &Connection,
        account: &AccountId,
        what: &str,
        plain: &[u8],
    ) -> Result<String, Error> {
        Ok(format!(
            "{}.{}",
            STANDARD.encode(format!("{account}/{what}")),
            STANDARD.encode(plain)
        ))
    }

    /// Opens what was sealed as this.
    pub(crate) fn open(
        &self,
        account: &AccountId,
        what: &str,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let damaged = || Error::Damaged {
            what: what.to_owned(),
            why: "it was sealed as something else".to_owned(),
        };
        let (named, plain) = sealed.split_once('.').ok_or_else(damaged)?;
        if named != STANDARD.encode(format!("{account}/{what}")) {
            return Err(damaged());
        }
        let plain = STANDARD.decode(plain).map_err(|_| damaged())?;
        Ok(Zeroizing::new(plain))
    }
}
