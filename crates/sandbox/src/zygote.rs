//! The zygotes, one per image that has one: started again when they end, asked for children.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_types::limits;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::config::Image;
use crate::error::Error;
use crate::mount;
use crate::protocol::{FromZygote, ToSpawner, ToZygote};
use crate::sandbox::Exit;
use crate::server::Server;
use crate::wire::{self, Link};

/// How long a zygote may take to import everything; many may start at once on few processors.
const WARM_UP_MAX: Duration = Duration::from_secs(120);
/// How long one fork may take before the lease that waits for it fails.
const FORK_MAX: Duration = Duration::from_secs(30);
/// The pause before a zygote that failed is started again; doubled each time up to the second.
const RESTART_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The zygote of one image, through all its restarts.
#[derive(Debug)]
pub(crate) struct Zygote {
    image: String,
    state: watch::Sender<State>,
}

#[derive(Debug)]
enum State {
    Starting,
    Running(Arc<Running>),
    Failed(String),
}

/// What a child of a zygote is to be.
pub(crate) struct Child {
    pub uid: u32,
    pub landlock: bool,
    pub birth: bool,
    pub warm: bool,
}

/// A zygote's process that answers.
#[derive(Debug)]
pub(crate) struct Running {
    image: String,
    link: Link,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<i32, String>>>>,
}

impl Zygote {
    pub fn new(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            state: watch::Sender::new(State::Starting),
        }
    }

    /// The process; waits while it is being started.
    pub async fn running(&self) -> Result<Arc<Running>, Error> {
        let mut state = self.state.subscribe();
        let known = state
            .wait_for(|state| !matches!(state, State::Starting))
            .await;
        match &*known.map_err(|_| Error::ShutDown)? {
            State::Running(running) => Ok(Arc::clone(running)),
            State::Failed(reason) => Err(self.failed(reason)),
            State::Starting => unreachable!("waited until it is not"),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(*self.state.borrow(), State::Running(_))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::ZygoteFailed {
            image: self.image.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Running {
    /// Has a child made in a sandbox; gives its pid on the host.
    pub async fn fork(&self, id: u64, child: Child, fds: &[BorrowedFd<'_>]) -> Result<i32, Error> {
        let (sender, answer) = oneshot::channel();
        self.waiting().insert(id, sender);
        let failed = |reason: String| Error::ZygoteFailed {
            image: self.image.clone(),
            reason,
        };
        let message = ToZygote::Fork {
            id,
            uid: child.uid,
            landlock: child.landlock,
            birth: child.birth,
            warm: child.warm,
            files_max: limits::OPEN_FILES_MAX,
            processes_max: limits::PROCESSES_MAX,
        };
        self.link
            .send(&message, fds)
            .await
            .map_err(|error| failed(error.to_string()))?;
        match timeout(FORK_MAX, answer).await {
            Ok(Ok(result)) => result.map_err(failed),
            Ok(Err(_)) => Err(failed("it ended".into())),
            Err(_) => Err(failed("it does not answer".into())),
        }
    }

    fn waiting(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<i32, String>>>> {
        self.waiting.lock().expect("no holder panics")
    }
}

impl Server {
    /// Keeps the zygote of an image running until the server closes.
    pub async fn keep_zygote(self: Arc<Self>, zygote: Arc<Zygote>) {
        let (shortest, longest) = RESTART_PAUSES;
        let mut pause = shortest;
        while !self.closing.is_cancelled() {
            match self.start_zygote(&zygote).await {
                Ok(running) => {
                    pause = shortest;
                    zygote
                        .state
                        .send_replace(State::Running(Arc::clone(&running)));
                    self.pool.changed.notify_one();
                    self.listen_to_zygote(&running).await;
                    zygote.state.send_replace(State::Starting);
                    running.waiting().clear();
                    if !self.closing.is_cancelled() && self.current.borrow().is_some() {
                        tracing::warn!(image = zygote.image, "a zygote ended and is restarted");
                    }
                }
                Err(Error::ShutDown) => break,
                // Shutting down ended it: that is no failure of its own.
                Err(_) if self.closing.is_cancelled() => break,
                Err(Error::SpawnerLost) => {}
                // It ended with the spawner, as everything does then.
                Err(_) if self.closing.is_cancelled() => break,
                Err(error) => {
                    tracing::warn!(image = zygote.image, %error, "a zygote does not start");
                    let reason = match error {
                        Error::ZygoteFailed { reason, .. } => reason,
                        error => error.to_string(),
                    };
                    zygote.state.send_replace(State::Failed(reason));
                    pause = (pause * 2).min(longest);
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.closing.cancelled() => {}
            }
        }
        zygote
            .state
            .send_replace(State::Failed("the server is shut down".into()));
    }

    async fn start_zygote(&self, zygote: &Zygote) -> Result<Arc<Running>, Error> {
        let spawner = self.spawner().await?;
        let image = self.image(&zygote.image)?;
        let (ours, theirs) = wire::pair().map_err(Error::system("make a connection"))?;
        let link = Link::new(ours).map_err(Error::system("register a connection"))?;
        let fds = descriptors(image, theirs)?;
        let message = |number| ToSpawner::Zygote {
            number,
            argv: image.zygote.clone().unwrap_or_default(),
            env: image.env.clone(),
            targets: image
                .mounts
                .iter()
                .map(|mount| mount.target.clone())
                .collect(),
        };
        spawner.zygote(message, &fds).await?;
        // Its end must be ours alone, so that the end of the process is the end of the connection.
        drop(fds);
        let ready = timeout(WARM_UP_MAX, link.receive::<FromZygote>()).await;
        let failed = |reason: &str| Err(zygote.failed(reason));
        match ready {
            Ok(Ok(Some((FromZygote::Ready, _)))) => {}
            Ok(Ok(None)) => return failed("it ended while starting; its error output says why"),
            Ok(Ok(Some(_))) => return failed("it answered before it was asked"),
            Ok(Err(error)) => return failed(&error.to_string()),
            Err(_) => return failed("it does not become ready"),
        }
        let waiting = Mutex::default();
        Ok(Arc::new(Running {
            image: zygote.image.clone(),
            link,
            waiting,
        }))
    }

    /// Returns when the zygote's connection has ended.
    async fn listen_to_zygote(&self, running: &Running) {
        loop {
            let message = match running.link.receive::<FromZygote>().await {
                Ok(Some((message, _))) => message,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(image = running.image, %error, "a zygote talks nonsense");
                    return running.link.close();
                }
            };
            let (id, result) = match message {
                FromZygote::Ready => continue,
                FromZygote::Forked { id, pid } => (id, Ok(pid)),
                FromZygote::Failed { id, reason } => (id, Err(reason)),
                FromZygote::Exited { id, code, signal } => {
                    let exit = signal.map_or(Exit::Code(code.unwrap_or(-1)), Exit::Signal);
                    self.registry.exited(id, exit);
                    continue;
                }
            };
            if let Some(sender) = running.waiting().remove(&id) {
                // Whoever asked may have given up; dropping the sandbox ends the child.
                let _ = sender.send(result);
            }
        }
    }
}

/// The zygote's connection and its image's mounts.
fn descriptors(image: &Image, control: OwnedFd) -> Result<Vec<OwnedFd>, Error> {
    let mut fds = vec![control];
    for wanted in &image.mounts {
        let mount = mount::detached(&wanted.source, false).map_err(|source| Error::Mount {
            source_dir: wanted.source.clone(),
            target: wanted.target.clone(),
            source,
        })?;
        fds.push(mount);
    }
    Ok(fds)
}
