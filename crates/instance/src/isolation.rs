//! What the driver needs of a sandbox, so that its tests can run a process without one.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use kiln_sandbox::{
    Companion, Error, Exit, Point, Program, Request, Sandbox, Sandboxes, Snapshot, UplinkSockets,
};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};

pub(crate) type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

/// Where cells come from.
pub(crate) trait Isolation: Send + Sync + 'static {
    /// A process in a sandbox of its own.
    fn lease(&self, request: Request) -> Future<'static, Result<Box<dyn Cell>, NoCell>>;
}

/// Why there is no cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoCell {
    /// The program cannot be executed: its function's fault. The text is AWS's.
    NotExecutable(String),
    /// Its working directory is not there: likewise.
    NoWorkingDirectory(String),
    /// An extension cannot be launched: class and text.
    Extension(&'static str, String),
    /// Its code must not run: why, for the function's owner.
    Untrusted(String),
    /// Anything else.
    Other(String),
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The process has something that cannot be kept.
    Process(String),
    /// Anything else.
    Other(String),
}

/// One sandbox with its main process. Dropping it kills and removes everything.
pub(crate) trait Cell: Send + Sync {
    /// The socket whose other end is the process's fd 3. Once.
    fn take_channel(&mut self) -> UnixStream;
    /// Accepts what its processes connect to at this address. Once, and when it was asked for.
    fn take_listener(&mut self, address: SocketAddr) -> Result<TcpListener, String>;
    /// What its processes want of the world, where it was asked for and can be had. Once.
    fn take_uplink(&mut self) -> Option<UplinkSockets>;
    /// What the process writes to stdout and stderr. Once.
    fn take_output(&mut self) -> pipe::Receiver;
    /// Starts a program beside the main process.
    fn start_beside(&self, program: Program) -> Future<'static, Result<Box<dyn Beside>, NoCell>>;
    /// Starts the main process, where it waits for that because programs may run beside it.
    fn begin(&mut self) -> Future<'static, Result<(), NoCell>>;
    /// The network that its processes see.
    fn network(&self) -> Box<dyn Network>;
    /// Asks the main process to end.
    fn terminate(&self);
    /// Kills the main process alone.
    fn kill_main(&self);
    /// Changes its share of processor time, in thousandths of a core.
    fn limit_cpu(&self, millis: u32) -> Result<(), String>;
    /// Stops all its processes where they are.
    fn freeze(&self) -> Result<(), String>;
    /// Lets them go on.
    fn thaw(&self) -> Result<(), String>;
    /// The most memory it ever used.
    fn memory_peak_bytes(&self) -> u64;
    /// CPU time of all its processes so far.
    fn cpu(&self) -> Duration;
    /// How often the kernel killed one of its processes for memory.
    fn out_of_memory_kills(&self) -> u64;
    /// Writes the memory of its main process, which waits, to a new directory.
    fn snapshot(&self, point: &Point, dir: &Path, bytes_max: u64) -> Result<Snapshot, Unfit>;
    /// Kills all its processes.
    fn kill(&self);
    /// Waits until the main process has ended.
    fn exited(&mut self) -> Future<'_, Exit>;
}

/// A program beside the main process.
pub(crate) trait Beside: Send + Sync {
    /// What it writes to stdout and stderr. Once.
    fn take_output(&mut self) -> pipe::Receiver;
    /// Kills it alone.
    fn kill(&self);
    /// Waits until it has ended.
    fn exited(&self) -> Future<'static, Exit>;
}

/// The network in a cell. Does not keep the cell alive.
pub(crate) trait Network: Send + Sync {
    /// Connects to a program there.
    fn connect(&self, address: SocketAddr) -> Future<'static, Result<TcpStream, String>>;
}

impl Network for kiln_sandbox::Network {
    fn connect(&self, address: SocketAddr) -> Future<'static, Result<TcpStream, String>> {
        let network = self.clone();
        Box::pin(async move {
            let connected = kiln_sandbox::Network::connect(&network, address).await;
            connected.map_err(|error| chain(&error))
        })
    }
}

impl Isolation for Sandboxes {
    fn lease(&self, request: Request) -> Future<'static, Result<Box<dyn Cell>, NoCell>> {
        let sandboxes = self.clone();
        Box::pin(async move {
            match Sandboxes::lease(&sandboxes, request).await {
                Ok(sandbox) => Ok(Box::new(sandbox) as Box<dyn Cell>),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl From<Error> for NoCell {
    fn from(error: Error) -> Self {
        match error {
            // It was looked for where `PATH` says.
            Error::NotExecutable { program, source }
                if !program.contains('/') && source.kind() == ErrorKind::NotFound =>
            {
                let why = format!("exec: \"{program}\": executable file not found in $PATH");
                Self::NotExecutable(why)
            }
            Error::NotExecutable { program, source } => {
                Self::NotExecutable(format!("fork/exec {program}: {}", kernel_text(&source)))
            }
            Error::NoWorkingDirectory { directory, source } => {
                let why = format!("chdir {}: {}", directory.display(), kernel_text(&source));
                Self::NoWorkingDirectory(why)
            }
            error => Self::Other(chain(&error)),
        }
    }
}

impl Beside for Companion {
    fn take_output(&mut self) -> pipe::Receiver {
        Companion::take_output(self)
    }

    fn kill(&self) {
        Companion::kill(self);
    }

    fn exited(&self) -> Future<'static, Exit> {
        Box::pin(Companion::exited(self))
    }
}

impl Cell for Sandbox {
    fn take_channel(&mut self) -> UnixStream {
        Sandbox::take_channel(self)
    }

    fn take_listener(&mut self, address: SocketAddr) -> Result<TcpListener, String> {
        Sandbox::take_listener(self, address).map_err(|error| chain(&error))
    }

    fn take_uplink(&mut self) -> Option<UplinkSockets> {
        Sandbox::take_uplink(self)
    }

    fn take_output(&mut self) -> pipe::Receiver {
        Sandbox::take_output(self)
    }

    fn start_beside(&self, program: Program) -> Future<'static, Result<Box<dyn Beside>, NoCell>> {
        let started = Sandbox::start_beside(self, program);
        Box::pin(async {
            let companion = started.await?;
            Ok(Box::new(companion) as Box<dyn Beside>)
        })
    }

    fn begin(&mut self) -> Future<'static, Result<(), NoCell>> {
        let begun = Sandbox::begin(self);
        Box::pin(async { begun.await.map_err(NoCell::from) })
    }

    fn network(&self) -> Box<dyn Network> {
        Box::new(Sandbox::network(self))
    }

    fn terminate(&self) {
        Sandbox::terminate(self);
    }

    fn kill_main(&self) {
        Sandbox::kill_main(self);
    }

    fn limit_cpu(&self, millis: u32) -> Result<(), String> {
        Sandbox::limit_cpu(self, millis).map_err(|error| chain(&error))
    }

    fn freeze(&self) -> Result<(), String> {
        Sandbox::freeze(self).map_err(|error| chain(&error))
    }

    fn thaw(&self) -> Result<(), String> {
        Sandbox::thaw(self).map_err(|error| chain(&error))
    }

    fn memory_peak_bytes(&self) -> u64 {
        Sandbox::memory_peak_bytes(self)
    }

    fn cpu(&self) -> Duration {
        Sandbox::cpu(self)
    }

    fn out_of_memory_kills(&self) -> u64 {
        Sandbox::out_of_memory_kills(self)
    }

    fn snapshot(&self, point: &Point, dir: &Path, bytes_max: u64) -> Result<Snapshot, Unfit> {
        Sandbox::snapshot(self, point, dir, bytes_max).map_err(|error| match error {
            Error::NotSnapshottable(why) => Unfit::Process(why),
            error => Unfit::Other(chain(&error)),
        })
    }

    fn kill(&self) {
        Sandbox::kill(self);
    }

    fn exited(&mut self) -> Future<'_, Exit> {
        Box::pin(Sandbox::exited(self))
    }
}

/// `permission denied` of `Permission denied (os error 13)`: as Go, and so AWS, writes it.
fn kernel_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
