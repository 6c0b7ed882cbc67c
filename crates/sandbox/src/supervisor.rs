//! Starts the spawner, listens to it, and starts it again when it ends unexpectedly.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::protocol::{FromSpawner, ToSpawner};
use crate::server::Server;
use crate::wire::{self, Link};

/// How long to wait before a spawner that ended is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

type Waiting<T> = Mutex<HashMap<u64, oneshot::Sender<Result<T, Error>>>>;

/// The connection to a running spawner.
#[derive(Debug)]
pub(crate) struct Spawner {
    link: Link,
    shells: Waiting<OwnedFd>,
    zygotes: Waiting<i32>,
    namespaces: Waiting<(i32, OwnedFd)>,
    number_last: AtomicU64,
}

/// The spawner's process.
#[derive(Debug)]
pub(crate) struct Process {
    child: std::process::Child,
    ended: AsyncFd<OwnedFd>,
}

impl Spawner {
    /// Has a shell made; gives the pidfd of its init.
    pub async fn shell(
        &self,
        id: u64,
        uid: u32,
        tmp_bytes: u64,
        control: OwnedFd,
    ) -> Result<OwnedFd, Error> {
        let answer = wait_for(&self.shells, id);
        let message = ToSpawner::Shell { id, uid, tmp_bytes };
        self.send(&message, &[control]).await?;
        answer.await.unwrap_or(Err(Error::SpawnerLost))
    }

    /// Has a zygote's process made; gives its pid.
    pub async fn zygote(
        &self,
        message: impl FnOnce(u64) -> ToSpawner,
        fds: &[OwnedFd],
    ) -> Result<i32, Error> {
        let number = self.number_last.fetch_add(1, Ordering::Relaxed);
        let answer = wait_for(&self.zygotes, number);
        self.send(&message(number), fds).await?;
        answer.await.unwrap_or(Err(Error::SpawnerLost))
    }

    /// Has a user namespace made; gives the pid and the pidfd of the process that keeps it.
    pub async fn namespace(&self) -> Result<(i32, OwnedFd), Error> {
        let number = self.number_last.fetch_add(1, Ordering::Relaxed);
        let answer = wait_for(&self.namespaces, number);
        self.send(&ToSpawner::Namespace { number }, &[]).await?;
        answer.await.unwrap_or(Err(Error::SpawnerLost))
    }

    /// Ends the connection, upon which the spawner ends everything and itself.
    pub fn close(&self) {
        self.link.close();
    }

    async fn send(&self, message: &ToSpawner, fds: &[OwnedFd]) -> Result<(), Error> {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        self.link
            .send(message, &fds)
            .await
            .map_err(|_| Error::SpawnerLost)
    }
}

impl Server {
    /// Clears away what an earlier spawner left, starts a new one and waits until it is prepared.
    pub async fn launch(&self) -> Result<(Arc<Spawner>, Process), Error> {
        self.clear_groups().await?;
        let tree = Arc::clone(&self.tree);
        tree.create()
            .map_err(Error::system("create the control groups"))?;
        let root = self.config.state_dir.join("root");
        std::fs::create_dir_all(&root)
            .map_err(Error::system(format!("create {}", root.display())))?;
        let (ours, theirs) = wire::pair().map_err(Error::system("make a connection"))?;
        // The connection is the spawner's standard input. Its environment is empty: the daemon's
        // may hold secrets, and everything in sandboxes descends from the spawner.
        let child = Command::new(&self.config.exe)
            .arg0("kiln")
            .arg("__spawner")
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::system(format!(
                "start {}",
                self.config.exe.display()
            )))?;
        let process = Process::new(child).map_err(Error::system("watch the spawner"))?;
        let link = Link::new(ours).map_err(Error::system("register a connection"))?;
        let message = ToSpawner::Prepare {
            root,
            cgroups: self.tree.places(),
            uids: self.config.uids().expect("checked at start"),
            listeners: self.config.listeners.clone(),
            uplink: self.uplink,
            layers_off: self.config.layers_off,
        };
        let lock = self.share_name_lock()?;
        link.send(&message, &[lock.as_fd()])
            .await
            .map_err(|_| Error::SpawnerLost)?;
        let refusal = match link.receive::<FromSpawner>().await {
            Ok(Some((FromSpawner::Ready, _))) => None,
            Ok(Some((FromSpawner::Refused { reason }, _))) => Some(Error::Shell(reason)),
            _ => Some(Error::SpawnerLost),
        };
        if let Some(error) = refusal {
            drop(link);
            process.ended().await;
            return Err(error);
        }
        let spawner = Spawner {
            link,
            shells: Mutex::default(),
            zygotes: Mutex::default(),
            namespaces: Mutex::default(),
            number_last: AtomicU64::new(0),
        };
        Ok((Arc::new(spawner), process))
    }

    fn share_name_lock(&self) -> Result<OwnedFd, Error> {
        let lock = self.name_lock.lock().expect("no holder panics");
        let lock = lock.as_ref().ok_or(Error::ShutDown)?;
        lock.try_clone()
            .map_err(Error::system("share the lock on the server's name"))
    }

    /// Listens to the spawner, and replaces it when it ends, until the server closes.
    pub async fn supervise(self: Arc<Self>, spawner: Arc<Spawner>, process: Process) {
        let mut running = Some((spawner, process));
        while let Some((spawner, process)) = running.take() {
            self.current.send_replace(Some(Arc::clone(&spawner)));
            if self.closing.is_cancelled() {
                // The server closed before this spawner could be seen.
                spawner.close();
            }
            self.listen(&spawner).await;
            self.current.send_replace(None);
            spawner.fail_all();
            self.pool.clear();
            process.ended().await;
            if self.closing.is_cancelled() {
                break;
            }
            tracing::warn!("the spawner ended unexpectedly; all sandboxes ended with it");
            self.restarts.fetch_add(1, Ordering::Relaxed);
            running = self.relaunch().await;
        }
        if let Err(error) = self.clear_groups().await {
            tracing::warn!(%error, "control groups could not be removed");
        }
        self.registry.all_gone();
    }

    async fn relaunch(&self) -> Option<(Arc<Spawner>, Process)> {
        while !self.closing.is_cancelled() {
            match self.launch().await {
                Ok(launched) => return Some(launched),
                Err(error) => tracing::error!(%error, "the spawner cannot be started"),
            }
            tokio::time::sleep(RESTART_PAUSE).await;
        }
        None
    }

    /// Kills and removes what is in this server's control groups; then no sandbox is left.
    async fn clear_groups(&self) -> Result<(), Error> {
        let tree = Arc::clone(&self.tree);
        let cleared = self
            .tracker
            .spawn_blocking(move || tree.remove_leftovers())
            .await;
        let groups = cleared.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let groups = groups.map_err(Error::system("clear away an earlier server's sandboxes"))?;
        if groups > 0 {
            tracing::info!(groups, "cleared away what an earlier server left");
        }
        self.registry.all_gone();
        Ok(())
    }

    /// Returns when the spawner's connection has ended.
    async fn listen(&self, spawner: &Spawner) {
        loop {
            let message = match spawner.link.receive::<FromSpawner>().await {
                Ok(Some((message, fds))) => (message, fds),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "the spawner cannot be understood");
                    return spawner.close();
                }
            };
            match message {
                (FromSpawner::Shell { id }, mut fds) => {
                    answer(&spawner.shells, id, fds.pop().ok_or(Error::SpawnerLost));
                }
                (FromSpawner::ShellFailed { id, reason }, _) => {
                    answer(&spawner.shells, id, Err(Error::Shell(reason)));
                }
                (FromSpawner::Gone { id }, _) => self.registry.gone(id),
                (FromSpawner::Zygote { number, pid }, _) => {
                    answer(&spawner.zygotes, number, Ok(pid));
                }
                (FromSpawner::ZygoteFailed { number, reason }, _) => {
                    answer(&spawner.zygotes, number, Err(Error::Shell(reason)));
                }
                (FromSpawner::Namespace { number, pid }, mut fds) => {
                    let made = fds.pop().map(|process| (pid, process));
                    answer(&spawner.namespaces, number, made.ok_or(Error::SpawnerLost));
                }
                (FromSpawner::NamespaceFailed { number, reason }, _) => {
                    answer(&spawner.namespaces, number, Err(Error::Shell(reason)));
                }
                (FromSpawner::Reaped { pid, exit }, _) => self.registry.process_exited(pid, exit),
                (FromSpawner::Ready | FromSpawner::Refused { .. }, _) => {}
            }
        }
    }
}

impl Spawner {
    /// Tells all who wait that no answer will come.
    fn fail_all(&self) {
        self.shells.lock().expect("no holder panics").clear();
        self.zygotes.lock().expect("no holder panics").clear();
        self.namespaces.lock().expect("no holder panics").clear();
    }
}

impl Process {
    fn new(child: std::process::Child) -> std::io::Result<Self> {
        let pid = Pid::from_raw(child.id() as i32).expect("no child has pid 0");
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        // SAFETY: an OwnedFd always gives the same descriptor and keeps it open.
        let ended = unsafe { AsyncFd::register(pidfd) }?;
        Ok(Self { child, ended })
    }

    /// Waits until the process has ended, and reaps it.
    async fn ended(mut self) {
        // An error means that the runtime shuts down; then there is nothing to wait for.
        let _ = self.ended.readable().await;
        let _ = self.child.wait();
    }
}

fn wait_for<T>(waiting: &Waiting<T>, key: u64) -> oneshot::Receiver<Result<T, Error>> {
    let (sender, receiver) = oneshot::channel();
    waiting
        .lock()
        .expect("no holder panics")
        .insert(key, sender);
    receiver
}

fn answer<T>(waiting: &Waiting<T>, key: u64, result: Result<T, Error>) {
    if let Some(sender) = waiting.lock().expect("no holder panics").remove(&key) {
        // Whoever asked may have given up; what was made ends when its descriptor closes.
        let _ = sender.send(result);
    }
}
