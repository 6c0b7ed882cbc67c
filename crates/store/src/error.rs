//! What the store could not do, and to what.

use std::io;
use std::path::{Path, PathBuf};

use kiln_types::{AccountId, ApiId, FunctionId, LayerName, MappingId, UrlId};

/// Why a method of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is taken. Nothing was changed.
    #[error("function {0} exists already")]
    AlreadyExists(FunctionId),
    /// There is no such function. Nothing was changed.
    #[error("function {0} does not exist")]
    NotFound(FunctionId),
    /// There is no such version of a layer. Nothing was changed.
    #[error("version {version} of layer {name} does not exist")]
    NoLayer {
        /// The layer.
        name: LayerName,
        /// The version.
        version: u64,
    },
    /// There is no such event source mapping. Nothing was changed.
    #[error("event source mapping {0} does not exist")]
    NoMapping(MappingId),
    /// Another mapping brings the same events to the same function. Nothing was changed.
    #[error("event source mapping {0} brings the same events to the same function")]
    MappingExists(MappingId),
    /// The account has no such HTTP API. Nothing was changed.
    #[error("HTTP API {id} of {account} does not exist")]
    NoApi {
        /// The account.
        account: AccountId,
        /// The API.
        id: ApiId,
    },
    /// The account has as many HTTP APIs as it may have. Nothing was changed.
    #[error("there are {0} HTTP APIs, which is all an account may have")]
    TooManyApis(usize),
    /// The account has as many functions as it may have. Nothing was changed.
    #[error("there are {0} functions, which is all the account may have")]
    TooManyFunctions(u32),
    /// The account's code would take more than it may. Nothing was changed.
    #[error("the account's code may take {0} bytes")]
    CodeStorageFull(u64),
    /// The account has as many message queues as it may have. Nothing was changed.
    #[error("there are {0} message queues, which is all the account may have")]
    TooManyQueues(u32),
    /// The account has as many event source mappings as it may have. Nothing was changed.
    #[error("there are {0} event source mappings, which is all the account may have")]
    TooManyEventSources(u32),
    /// Another function has this URL id. Nothing was changed.
    #[error("URL id {0} belongs to another function")]
    UrlTaken(UrlId),
    /// A function is to have, or has, a code-signing configuration that is not there. Nothing was changed.
    #[error(
        "code-signing configuration {0} does not exist; give the function one that does (PutFunctionCodeSigningConfig) \
         or none (DeleteFunctionCodeSigningConfig)"
    )]
    NoCodeSigningConfig(String),
    /// Another process has the data directory open.
    #[error("data directory {dir} is in use by process {pid}; stop it or choose another directory")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The holder's process id, or `unknown`.
        pid: String,
    },
    /// The data directory has layers of images that were marked for another kind of server.
    #[error(
        "data directory {dir} was used by Kiln {before}, and the layers of container images in it cannot be used {now}; start Kiln \
         as before, or choose another directory"
    )]
    OtherMarks {
        /// The directory.
        dir: PathBuf,
        /// By whom.
        before: &'static str,
        /// By whom it was to be.
        now: &'static str,
    },
    /// Another user owns the data directory.
    #[error(
        "data directory {dir} belongs to another user (uid {owner}), who could read and replace what is in it; choose another \
         directory, or chown this one"
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The data was written by a newer Kiln.
    #[error(
        "{file} has format {found}, this version of Kiln knows up to {known}; use a newer Kiln"
    )]
    Newer {
        /// The database file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this build reads.
        known: u32,
    },
    /// A file could not be read, written or made.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// As many functions have events waiting as may. Nothing was changed.
    #[error("{0} functions have events waiting, which is as many as may; try again later")]
    Crowded(u16),
    /// The database refused. The change was not made.
    #[error("{doing}: {source}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored data cannot be read back.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// Which data.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The change panicked. It was not made; the same change will panic again.
    #[error("{0}: the change panicked")]
    Panicked(&'static str),
    /// No randomness for a new key.
    #[error("draw random bytes: {0}")]
    Random(String),
    /// The data was sealed with another master key.
    #[error(
        "the data was sealed with another master key: start Kiln with that one, or give it as the former one \
         (--former-master-key-file) to have the new one take its place"
    )]
    WrongMasterKey,
    /// The data was sealed with a master key that was given, and none is.
    #[error(
        "the data was sealed with a master key that is not in {0}: start Kiln with the key that it was given \
         (--master-key-file, KILN_MASTER_KEY or the credential kiln-master-key)"
    )]
    NoMasterKey(PathBuf),
    /// The cryptographic library refused.
    #[error("could not {0}")]
    Sealing(String),
    /// The disk failed under a change, now or earlier: nothing more is written to that file until the
    /// next start. Whether the change under which it failed was made shows only then.
    #[error(
        "{0}: the disk failed under a change and nothing more is written; see to the disk and start Kiln again"
    )]
    Stopped(&'static str),
    /// The store has been closed. The change was not made.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// Says what was being done when the database failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Database {
            doing: what,
            source: Box::new(source),
        })
    }
}
