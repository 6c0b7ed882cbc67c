//! The programs that the init of one sandbox starts: the main one, and those beside it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::protocol::{Fault, FromInit, MAIN, ToInit};
use crate::registry::Registry;
use crate::request::Program;
use crate::sandbox::Exit;
use crate::wire::Link;

/// How long an init may take to start a program.
const START_MAX: Duration = Duration::from_secs(30);

/// A program that runs beside the main process of a sandbox. It ends with the sandbox at the latest.
#[derive(Debug)]
pub struct Companion {
    number: u32,
    programs: Arc<Programs>,
    output: Option<pipe::Receiver>,
    exit: watch::Receiver<Option<Exit>>,
}

/// The connection to one init, and who waits for its news.
#[derive(Debug)]
pub(crate) struct Programs {
    id: u64,
    control: Link,
    registry: Arc<Registry>,
    /// Whether programs may be started beside the main one, and after it has ended.
    companions: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether init has ended, and with it every program.
    ended: bool,
    last: u32,
    /// Init answers in the order in which it was asked.
    asked: VecDeque<oneshot::Sender<Result<(), NotStarted>>>,
    beside: HashMap<u32, watch::Sender<Option<Exit>>>,
}

#[derive(Debug)]
struct NotStarted {
    reason: String,
    errno: Option<i32>,
    on: Fault,
}

impl Companion {
    /// What it writes to standard output and standard error.
    ///
    /// # Panics
    /// When taken a second time.
    pub fn take_output(&mut self) -> pipe::Receiver {
        self.output.take().expect("the output is taken once")
    }

    /// Kills it and the processes of its group; the rest of the sandbox goes on.
    pub fn kill(&self) {
        self.programs.signal(self.number, libc::SIGKILL);
    }

    /// Waits until it has ended.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        let mut exit = self.exit.clone();
        async move {
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.expect("waited until it is there"),
                // The sandbox has ended, which kills everything.
                Err(_) => Exit::Signal(libc::SIGKILL),
            }
        }
    }
}

impl Programs {
    /// Over a connection to an init. It lasts until the main process has ended; with companions,
    /// until the sandbox has.
    pub fn new(
        id: u64,
        control: Link,
        registry: Arc<Registry>,
        tracker: &TaskTracker,
    ) -> Arc<Self> {
        let programs = Arc::new(Self {
            id,
            control,
            registry,
            companions: AtomicBool::new(false),
            state: Mutex::default(),
        });
        tracker.spawn(Arc::clone(&programs).listen());
        programs
    }

    /// From now on programs may be started beside the main one.
    pub fn allow_companions(&self) {
        self.companions.store(true, Ordering::Relaxed);
    }

    fn has_companions(&self) -> bool {
        self.companions.load(Ordering::Relaxed)
    }

    /// Starts the main program on its channel and output.
    pub async fn start_main(&self, program: Program, fds: [OwnedFd; 2]) -> Result<(), Error> {
        self.start(MAIN, program, &fds).await
    }

    /// Starts another program beside it.
    pub async fn start_beside(self: Arc<Self>, program: Program) -> Result<Companion, Error> {
        if !self.has_companions() {
            return Err(Error::NoCompanions);
        }
        let doing = "make a pipe for a program";
        let (ours, theirs) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| Error::system(doing)(error.into()))?;
        let output = pipe::Receiver::from_owned_fd(ours).map_err(Error::system(doing))?;
        let (sender, exit) = watch::channel(None);
        let number = {
            let mut state = self.state();
            state.last += 1;
            let number = state.last;
            // Before it is started: it may have ended before the answer is seen.
            state.beside.insert(number, sender);
            number
        };
        let started = self.start(number, program, &[theirs]).await;
        if started.is_err() {
            self.state().beside.remove(&number);
        }
        started.map(|()| Companion {
            number,
            output: Some(output),
            exit,
            programs: self,
        })
    }

    /// Sends a signal to a program and the processes of its group. One that has ended is left alone.
    pub fn signal(&self, number: u32, signal: i32) {
        let message = ToInit::Signal { number, signal };
        if let Err(error) = self.control.try_send(&message, &[]) {
            // An init that has ended has killed all.
            tracing::debug!(%error, "a signal could not be sent to a program");
        }
    }

    async fn start(&self, number: u32, program: Program, fds: &[OwnedFd]) -> Result<(), Error> {
        let name = program.argv.first().cloned().unwrap_or_default();
        let Program { argv, env, cwd } = program;
        let directory = cwd.clone();
        let failed = |reason: String| Error::Exec {
            program: name.clone(),
            reason,
        };
        let (sender, answer) = oneshot::channel();
        let message = ToInit::Exec {
            number,
            argv,
            env,
            cwd,
        };
        {
            // Both under one lock: the order of the answers is that of the messages.
            let mut state = self.state();
            if state.ended {
                return Err(Error::Ended);
            }
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            self.control
                .try_send(&message, &fds)
                .map_err(|error| failed(error.to_string()))?;
            state.asked.push_back(sender);
        }
        match timeout(START_MAX, answer).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(NotStarted { reason, errno, on }))) => Err(match (errno, on) {
                (Some(errno), Fault::Program) => Error::NotExecutable {
                    program: name,
                    source: io::Error::from_raw_os_error(errno),
                },
                (Some(errno), Fault::WorkingDirectory) => Error::NoWorkingDirectory {
                    directory,
                    source: io::Error::from_raw_os_error(errno),
                },
                (None, _) => failed(reason),
            }),
            Ok(Err(_)) => Err(failed("the sandbox ended".into())),
            Err(_) => Err(failed(format!(
                "its init does not start it within {} s",
                START_MAX.as_secs()
            ))),
        }
    }

    /// Listens to init until it has ended or nobody needs it any more.
    async fn listen(self: Arc<Self>) {
        while let Ok(Some((message, _))) = self.control.receive::<FromInit>().await {
            match message {
                FromInit::Started => self.answer(Ok(())),
                FromInit::ExecFailed { reason, errno, on } => {
                    self.answer(Err(NotStarted { reason, errno, on }));
                }
                FromInit::Exited { number: MAIN, exit } if !self.has_companions() => {
                    // An init whose connection ends ends the sandbox, and what it used could not be
                    // read any more.
                    let _ = self.control.send(&ToInit::Detach, &[]).await;
                    self.end();
                    return self.registry.exited(self.id, exit);
                }
                FromInit::Exited { number: MAIN, exit } => self.registry.exited(self.id, exit),
                FromInit::Exited { number, exit } => {
                    if let Some(sender) = self.state().beside.remove(&number) {
                        sender.send_replace(Some(exit));
                    }
                }
                FromInit::Ready | FromInit::Failed { .. } => {}
            }
        }
        self.end();
        self.registry.exited(self.id, Exit::Signal(libc::SIGKILL));
    }

    fn answer(&self, result: Result<(), NotStarted>) {
        if let Some(sender) = self.state().asked.pop_front() {
            // Whoever asked may have given up; dropping the sandbox ends the program.
            let _ = sender.send(result);
        }
    }

    /// Tells all who wait that no news will come.
    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.asked.clear();
        state.beside.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}
