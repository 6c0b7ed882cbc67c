//! What can go wrong, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a sandbox could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine lacks something that isolation needs.
    #[error("this machine cannot isolate functions: {finding}; {remedy}")]
    Refused {
        /// What is missing.
        finding: String,
        /// What a person can do about it.
        remedy: String,
    },
    /// Another running server has the same name.
    #[error("another server named `{0}` is running; stop it or choose another name")]
    NameInUse(String),
    /// The name cannot name a cgroup.
    #[error("`{0}` cannot name a server: use 1 to 40 letters, digits, `-` and `_`")]
    BadName(String),
    /// Sandboxes would run as root, as a service, or as no user at all.
    #[error(
        "uids of sandboxes cannot be {count} from {base} on: begin at {} or above and end below {}",
        crate::Config::UID_BASE_MIN,
        u32::MAX
    )]
    BadUids {
        /// The first one.
        base: u32,
        /// How many sandboxes there may be.
        count: usize,
    },
    /// More listeners than a sandbox may have.
    #[error("{0} listeners are more than a sandbox can have, {max}", max = crate::Config::LISTENERS_MAX)]
    TooManyListeners(usize),
    /// Sandboxes do not listen there.
    #[error("sandboxes do not listen on {0}; name it in the configuration")]
    NotListening(SocketAddr),
    /// No image has this name.
    #[error("there is no image named `{0}`")]
    UnknownImage(String),
    /// The image has no zygote to fork from.
    #[error("image `{0}` has no zygote; start a program in it instead")]
    NoZygote(String),
    /// The zygote of the image could not be started.
    #[error("the zygote of image `{image}` does not run: {reason}")]
    ZygoteFailed {
        /// The image's name.
        image: String,
        /// What the zygote or the kernel said.
        reason: String,
    },
    /// As many sandboxes exist as the configuration allows. Retry when one has ended.
    #[error("all {0} sandboxes are in use; retry when one has ended")]
    Full(usize),
    /// The main process cannot be copied as it is.
    #[error("the process cannot be kept as a snapshot: {0}")]
    NotSnapshottable(String),
    /// A directory cannot be mounted.
    #[error("mount {} at {}", source_dir.display(), target.display())]
    Mount {
        /// The directory on the host.
        source_dir: PathBuf,
        /// Where the sandbox was to see it.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program is not there, not executable, or not for this machine.
    #[error("execute `{program}`: {source}")]
    NotExecutable {
        /// The program's path inside the sandbox.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program's working directory is not there, or cannot be entered.
    #[error("enter `{}`: {source}", directory.display())]
    NoWorkingDirectory {
        /// The directory inside the sandbox.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program cannot be started in the sandbox, for a reason that is not its own.
    #[error("start `{program}` in a sandbox: {reason}")]
    Exec {
        /// The program's path inside the sandbox.
        program: String,
        /// What the kernel said.
        reason: String,
    },
    /// The sandbox was leased without companions.
    #[error("the sandbox was not leased for programs beside its main process")]
    NoCompanions,
    /// A sandbox could not be made.
    #[error("make a sandbox: {0}")]
    Shell(String),
    /// The process that makes sandboxes ended; all sandboxes ended with it. A retry is safe.
    #[error("the spawner ended unexpectedly and is being restarted; a retry is safe")]
    SpawnerLost,
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// The server of sandboxes was shut down.
    #[error("the sandboxes are shut down")]
    ShutDown,
    /// A request to the kernel failed.
    #[error("{doing}: {source}")]
    System {
        /// What was being done, and to what.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// Names what was being done when the kernel refused.
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Error::System { doing, source }
    }
}
