//! Why an image cannot be had.

use std::io;

/// What was wrong, and with what. Each names the image or the place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is none.
    #[error("'{uri}' does not name an image: {why}")]
    BadName {
        /// What was asked for.
        uri: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The place has no such image.
    #[error("there is no image {0}")]
    NotFound(String),
    /// The operator has not named a directory above it.
    #[error(
        "{0} is not below a directory that the operator of this server has named with --image-dir"
    )]
    NotAllowed(String),
    /// The registry refuses.
    #[error("the registry does not let this server read {0}")]
    AccessDenied(String),
    /// It is built for other machines.
    #[error("{uri} has no image for {wanted}")]
    OtherArchitecture {
        /// The image.
        uri: String,
        /// This machine.
        wanted: &'static str,
    },
    /// It is of a kind that Kiln does not run.
    #[error("{uri} cannot be run: {why}")]
    Unsupported {
        /// The image.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
    /// Content is not what its digest says.
    #[error("{what} is not what its digest says: expected sha256:{expected}, found sha256:{found}")]
    WrongDigest {
        /// Of what.
        what: String,
        /// What the image says.
        expected: String,
        /// What the content has.
        found: String,
    },
    /// The registry does not answer as registries do, or not at all. A retry may help.
    #[error("{doing}: {why}")]
    Registry {
        /// What was tried.
        doing: String,
        /// Why it failed.
        why: String,
    },
    /// Others are looked for, and their registries take long. Its own was not asked; a retry may help.
    #[error("the turn of {0} did not come, because others are looked for; try again")]
    NoTurn(String),
    /// A file could not be read or written.
    #[error("{doing}: {source}")]
    File {
        /// What was tried, and on what.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::File { doing, source }
    }
}
