//! Whether code may be deployed, and run: whether it is what was uploaded, who signed it, and whether that is accepted.
//!
//! When code is deployed to a function with a code-signing configuration, [`judge`] says what is wrong with its signature. Before an
//! instance starts, a [`CodeGuard`] has the files of the code and the layers compared with what was uploaded, once in the life of the
//! server; and where the configuration says `Enforce`, what was signed when it was deployed is verified again, and must not be by
//! somebody who was revoked since. As on AWS, code that was there before its function had a configuration goes on, and so does code
//! whose signature expires later.

use std::sync::Arc;

use kiln_signing::{PublicKey, Sealed, Statement, Unreadable, Unverified};
use kiln_store::{ArtifactError, Checked, Store};
use kiln_types::{CodeSigningConfig, ProfileArn, Sha256, Signer, SigningProfile, Timestamp};

mod guard;
mod layers;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use guard::CodeGuard;
pub(crate) use layers::LayersGuard;
pub use record::{Happened, note};

/// What is wrong with a package's signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It has none.
    #[error("it is not signed")]
    Unsigned,
    /// It has one that is worth nothing.
    #[error("{0}")]
    Broken(Broken),
    /// It is by somebody who is not known here, and cannot be verified.
    #[error("it is signed by {0}, which this server does not know")]
    Unknown(ProfileArn),
    /// It is by somebody whose signatures the function does not accept.
    #[error("it is signed by {0}, which the function's code-signing configuration does not allow")]
    NotAllowed(ProfileArn),
    /// It was good until then.
    #[error("its signature expired at {0}")]
    Expired(Timestamp),
    /// What this profile signed is not trusted any more.
    #[error("it is signed by {0}, which was revoked")]
    Revoked(ProfileArn),
}

/// Why a signature is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// One of its two files is missing.
    #[error("it has one of the two files of a signature only")]
    Half,
    /// It cannot be verified.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// The key that is known of the profile cannot be used.
    #[error("the key of its signing profile cannot be used")]
    NoKey,
}

impl From<Unverified> for Flaw {
    fn from(why: Unverified) -> Self {
        Self::Broken(why.into())
    }
}

impl From<Unreadable> for Flaw {
    fn from(why: Unreadable) -> Self {
        Unverified::from(why).into()
    }
}

/// What is wrong with the signature of a package that is to be deployed, if anything is.
///
/// # Errors
/// The package is not there, or is not what was uploaded.
pub async fn judge(
    store: &Store,
    config: &CodeSigningConfig,
    package: &Sha256,
    now: Timestamp,
) -> Result<Option<Flaw>, ArtifactError> {
    let checked = store.artifacts().check(package).await?;
    Ok(flaw(store, config, &checked, now))
}

/// Who signed a package, if that can be verified; whether it is accepted is another question.
///
/// # Errors
/// The package is not there, or is not what was uploaded.
pub async fn signer(store: &Store, package: &Sha256) -> Result<Option<Signer>, ArtifactError> {
    let checked = store.artifacts().check(package).await?;
    let verified = verify(store, &checked).ok();
    Ok(verified.map(|(statement, _)| Signer {
        job: statement.profile.job(&statement.job),
        profile: statement.profile,
    }))
}

fn flaw(
    store: &Store,
    config: &CodeSigningConfig,
    checked: &Checked,
    now: Timestamp,
) -> Option<Flaw> {
    let (statement, profile) = match verify(store, checked) {
        Ok(verified) => verified,
        Err(flaw) => return Some(flaw),
    };
    let arn = statement.profile;
    if !config.publishers.contains(&arn.to_string()) {
        return Some(Flaw::NotAllowed(arn));
    }
    if profile.revoked.is_some() {
        return Some(Flaw::Revoked(arn));
    }
    let expires = statement.expires.filter(|expires| *expires <= now)?;
    Some(Flaw::Expired(expires))
}

/// What was signed, and by whom.
fn verify(store: &Store, checked: &Checked) -> Result<(Statement, Arc<SigningProfile>), Flaw> {
    let (statement, signature) = match (&checked.statement, &checked.signature) {
        (None, None) => return Err(Flaw::Unsigned),
        (Some(statement), Some(signature)) => (statement.clone(), signature.clone()),
        _ => return Err(Flaw::Broken(Broken::Half)),
    };
    let sealed = Sealed {
        statement,
        signature,
    };
    let claimed = sealed.claim()?.profile;
    let profile = store.signing().profile(&claimed);
    let profile = profile.ok_or(Flaw::Unknown(claimed))?;
    let key = PublicKey::from_pem(&profile.key).map_err(|_| Flaw::Broken(Broken::NoKey))?;
    let statement = sealed.verify(&key, &checked.covered)?;
    Ok((statement, profile))
}
