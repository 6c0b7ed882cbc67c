//! How sandboxes come into being: shells by the spawner, main processes by a zygote or by init.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::{UnixStream, unix::pipe};
use tokio::time::timeout;

use crate::config::{Image, Mount};
use crate::error::Error;
use crate::injector::Injection;
use crate::pool::{Shell, Stem};
use crate::protocol::{FromInit, ToInit};
use crate::request::{Limits, Program, Volume};
use crate::sandbox::{Body, Exit};
use crate::server::Server;
use crate::wire::{self, Link};

/// What a pooled sandbox may use until it is leased: enough to boot any interpreter.
pub(crate) const POOLED_TMP_BYTES: u64 = 512 << 20;
/// How long a stem may take to boot and warm up before it is given up.
const WARM_UP_MAX: Duration = Duration::from_secs(30);
/// How long the spawner or an init may take over one step before the sandbox it is for fails.
const STEP_MAX: Duration = Duration::from_secs(30);
/// Room for a response of 6 MB to leave the sandbox in few writes; memory is taken only when used.
const CHANNEL_BUFFER_BYTES: usize = 4 << 20;

/// The daemon's and the sandbox's ends of the channel and of the output.
struct Pipes {
    channel: UnixStream,
    output: pipe::Receiver,
    their_channel: OwnedFd,
    their_output: OwnedFd,
}

impl Server {
    /// Makes a shell. Not cancelled by dropping the future halfway: run it as a task.
    pub async fn make_shell(self: &Arc<Self>) -> Result<Shell, Error> {
        let spawner = in_time("the spawner does not start", self.spawner()).await??;
        let admitted = self.registry.admit().await?;
        let (id, uid) = (admitted.id, admitted.uid);
        let asked = async {
            let (ours, theirs) = wire::pair().map_err(Error::system("make a connection"))?;
            let control = Link::new(ours).map_err(Error::system("register a connection"))?;
            let making = spawner.shell(id, uid, POOLED_TMP_BYTES, theirs);
            Ok((
                control,
                in_time("the spawner does not answer", making).await,
            ))
        };
        let (control, init) = match asked.await {
            Ok((control, Ok(Ok(init)))) => (control, init),
            Ok((_, Err(late))) => {
                // It may yet be made, and then ends because its connection has: the uid is free
                // only when the spawner says so.
                self.registry.killed(id);
                return Err(late);
            }
            Err(error) | Ok((_, Ok(Err(error)))) => {
                self.registry.gone(id);
                return Err(error);
            }
        };
        let control = Arc::new(control);
        let registry = Arc::clone(&self.registry);
        let body = Body {
            id,
            uid,
            init,
            group: self.tree.group(id),
            registry,
        };
        let answer = control.receive::<FromInit>();
        let mut fds = match in_time("its init does not answer", answer).await? {
            Ok(Some((FromInit::Ready, fds))) => fds,
            Ok(Some((FromInit::Failed { reason }, _))) => return Err(Error::Shell(reason)),
            Ok(_) => return Err(Error::Shell("its init ended".into())),
            Err(error) => return Err(Error::Shell(error.to_string())),
        };
        let addresses = &self.config.listeners;
        if fds.len() < addresses.len() {
            return Err(Error::Shell("its init sent too few listeners".into()));
        }
        let ruleset = fds.split_off(addresses.len()).pop();
        Ok(Shell {
            body: Arc::new(body),
            control,
            uid,
            exit: admitted.exit,
            ruleset,
            listeners: addresses.iter().copied().zip(fds).collect(),
        })
    }

    /// Forks the image's zygote into a shell. The child warms up before it is ready, or is there
    /// sooner.
    pub async fn fork(
        &self,
        image: &Image,
        shell: Shell,
        mounts: Vec<Mount>,
        volumes: &[Volume],
        limits: Option<&Limits>,
        warm: bool,
    ) -> Result<Stem, Error> {
        let mounts = [image.mounts.clone(), mounts].concat();
        self.inject(&shell.body, mounts, volumes, limits).await?;
        let zygote = self.zygote(&image.name)?.running().await?;
        let pipes = Pipes::new().map_err(Error::system("make a channel"))?;
        let id = shell.body.id;
        let groups = open_all(&shell.body.group.join_files())
            .map_err(Error::system("open the control groups of a sandbox"))?;
        let mut fds = vec![
            shell.body.init.as_fd(),
            pipes.their_channel.as_fd(),
            pipes.their_output.as_fd(),
        ];
        fds.extend(shell.ruleset.as_ref().map(AsFd::as_fd));
        fds.extend(groups.iter().map(AsFd::as_fd));
        let pid = zygote
            .fork(id, shell.uid, shell.ruleset.is_some(), warm, &fds)
            .await?;
        self.registry.set_main(id, pid);
        // From here on init only reaps: the connection would cost a descriptor for nothing.
        shell
            .control
            .send(&ToInit::Detach, &[])
            .await
            .map_err(|_| Error::Ended)?;
        let Pipes {
            channel,
            output,
            their_channel,
            their_output,
        } = pipes;
        drop((their_channel, their_output));
        Ok(Stem {
            body: shell.body,
            channel,
            output,
            exit: shell.exit,
            listeners: shell.listeners,
        })
    }

    /// Starts a program in a shell.
    pub async fn execute(
        &self,
        image: &Image,
        shell: Shell,
        mounts: Vec<Mount>,
        volumes: &[Volume],
        limits: Option<&Limits>,
        program: Program,
    ) -> Result<Stem, Error> {
        let mounts = [image.mounts.clone(), mounts].concat();
        self.inject(&shell.body, mounts, volumes, limits).await?;
        let pipes = Pipes::new().map_err(Error::system("make a channel"))?;
        let control = shell.control;
        let name = program.argv.first().cloned().unwrap_or_default();
        let Program { argv, env, cwd } = program;
        let fds: [BorrowedFd<'_>; 2] = [pipes.their_channel.as_fd(), pipes.their_output.as_fd()];
        let message = ToInit::Exec { argv, env, cwd };
        let failed = |reason: String| Error::Exec {
            program: name.clone(),
            reason,
        };
        control
            .send(&message, &fds)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let answer = control.receive::<FromInit>();
        match in_time("its init does not start the program", answer).await? {
            Ok(Some((FromInit::Started, _))) => {}
            Ok(Some((FromInit::ExecFailed { reason, errno }, _))) => {
                return Err(match errno {
                    Some(errno) => Error::NotExecutable {
                        program: name,
                        source: io::Error::from_raw_os_error(errno),
                    },
                    None => failed(reason),
                });
            }
            Ok(_) => return Err(failed("the sandbox ended".into())),
            Err(error) => return Err(failed(error.to_string())),
        }
        self.watch_main(shell.body.id, control);
        let Pipes {
            channel, output, ..
        } = pipes;
        Ok(Stem {
            body: shell.body,
            channel,
            output,
            exit: shell.exit,
            listeners: shell.listeners,
        })
    }

    /// Mounts and limits.
    pub async fn inject(
        &self,
        body: &Arc<Body>,
        mounts: Vec<Mount>,
        volumes: &[Volume],
        limits: Option<&Limits>,
    ) -> Result<(), Error> {
        let volumes = self.map(volumes, body.uid).await?;
        let tmp_bytes = limits
            .map(|limits| limits.tmp_bytes)
            .filter(|b| *b != POOLED_TMP_BYTES);
        let body = Arc::clone(body);
        self.injector
            .inject(Injection {
                body,
                mounts,
                volumes,
                limits: limits.copied(),
                tmp_bytes,
            })
            .await
    }

    /// Listens to init until the main process has ended.
    fn watch_main(&self, id: u64, control: Arc<Link>) {
        let registry = Arc::clone(&self.registry);
        self.tracker.spawn(async move {
            let exit = match control.receive::<FromInit>().await {
                Ok(Some((FromInit::Exited { exit }, _))) => exit,
                // Init ended, and with it everything.
                _ => Exit::Signal(libc::SIGKILL),
            };
            // An init whose connection ends ends the sandbox, and what it used could not be read
            // any more. Where init has ended there is nobody to tell.
            let _ = control.send(&ToInit::Detach, &[]).await;
            registry.exited(id, exit);
        });
    }
}

impl Stem {
    /// Waits for the first byte that the booted program sends, without taking it.
    pub async fn warmed(&self) -> Result<(), Error> {
        match timeout(WARM_UP_MAX, self.channel.readable()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::Shell(format!("a stem's channel: {error}"))),
            Err(_) => return Err(Error::Shell("a stem does not boot".into())),
        }
        let mut byte = [0];
        let peeked = rustix::net::recv(
            self.channel.as_fd(),
            &mut byte,
            rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT,
        );
        match peeked {
            Ok((0, _)) | Err(_) => Err(self.why_not()),
            Ok(_) => Ok(()),
        }
    }

    /// What a stem that did not boot has said about it.
    fn why_not(&self) -> Error {
        let mut said = vec![0; 4096];
        let length = self.output.try_read(&mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..length]);
        Error::Shell(format!("a stem ended while booting: {}", said.trim_end()))
    }
}

impl Pipes {
    fn new() -> io::Result<Self> {
        let cloexec = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, cloexec, None)?;
        for end in [&ours, &theirs] {
            // Beyond the system's limit only with CAP_NET_ADMIN; a smaller buffer works too.
            let _ = sockopt::set_socket_send_buffer_size_force(end, CHANNEL_BUFFER_BYTES);
        }
        let channel = std::os::unix::net::UnixStream::from(ours);
        channel.set_nonblocking(true)?;
        let (output, their_output) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self {
            channel: UnixStream::from_std(channel)?,
            output: pipe::Receiver::from_owned_fd(output)?,
            their_channel: theirs,
            their_output,
        })
    }
}

/// Waits for one step of making a sandbox, which fails with this reason when it takes too long.
async fn in_time<T>(reason: &str, step: impl Future<Output = T>) -> Result<T, Error> {
    let waited = timeout(STEP_MAX, step).await;
    waited.map_err(|_| Error::Shell(format!("{reason} within {} s", STEP_MAX.as_secs())))
}

fn open_all(paths: &[PathBuf]) -> io::Result<Vec<OwnedFd>> {
    let open = |path: &PathBuf| std::fs::OpenOptions::new().write(true).open(path);
    paths
        .iter()
        .map(|path| open(path).map(OwnedFd::from))
        .collect()
}
