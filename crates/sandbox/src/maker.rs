//! How sandboxes come into being: shells by the spawner, main processes by a zygote or by init.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::{UnixStream, unix::pipe};
use tokio::time::timeout;

use crate::cgroup::Entrance;
use crate::config::{Image, Mount};
use crate::error::Error;
use crate::injector::Injection;
use crate::network::{Descriptors, Uplink};
use crate::pool::{Control, Shell, Stem};
use crate::programs::Programs;
use crate::protocol::{FromInit, ToInit};
use crate::request::{Limits, Program, Request, Volume};
use crate::sandbox::Body;
use crate::server::Server;
use crate::wire::{self, Link};
use crate::zygote::Child;

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

/// What a shell is given before its main process begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filling<'a> {
    /// Beside those of the image.
    pub mounts: &'a [Mount],
    pub volumes: &'a [Volume],
    pub limits: Option<&'a Limits>,
    /// Whether the way out is taken away.
    pub without_network: bool,
}

impl<'a> From<&'a Request> for Filling<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            mounts: &request.mounts,
            volumes: &request.volumes,
            limits: Some(&request.limits),
            without_network: !request.network,
        }
    }
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
        let of_uplink = self.uplink.map_or(0, |_| Uplink::DESCRIPTORS);
        if fds.len() < addresses.len() + of_uplink {
            return Err(Error::Shell("its init sent too few descriptors".into()));
        }
        let ruleset = fds.split_off(addresses.len() + of_uplink).pop();
        let uplink = fds.split_off(addresses.len());
        Ok(Shell {
            body: Arc::new(body),
            control,
            exit: admitted.exit,
            ruleset,
            listeners: addresses.iter().copied().zip(fds).collect(),
            uplink: Descriptors::try_from(uplink).ok(),
        })
    }

    /// Forks the image's zygote into a shell. The child warms up before it is ready, or is there
    /// sooner.
    pub async fn fork(
        &self,
        image: &Image,
        shell: Shell,
        filling: Filling<'_>,
        warm: bool,
    ) -> Result<Stem, Error> {
        self.fill_shell(image, &shell, filling).await?;
        let zygote = self.zygote(&image.name)?.running().await?;
        let pipes = Pipes::new().map_err(Error::system("make a channel"))?;
        let id = shell.body.id;
        let (birth, tasks) = open(&shell.body.group.entrance())
            .map_err(Error::system("open the control groups of a sandbox"))?;
        let mut fds = vec![
            shell.body.init.as_fd(),
            pipes.their_channel.as_fd(),
            pipes.their_output.as_fd(),
        ];
        fds.extend(shell.ruleset.as_ref().map(AsFd::as_fd));
        fds.extend(birth.as_ref().map(AsFd::as_fd));
        fds.extend(tasks.iter().map(AsFd::as_fd));
        let child = Child {
            uid: shell.body.uid,
            landlock: shell.ruleset.is_some(),
            birth: birth.is_some(),
            warm,
        };
        let pid = zygote.fork(id, child, &fds).await?;
        self.registry.set_main(id, pid);
        let Pipes {
            channel,
            output,
            their_channel,
            their_output,
        } = pipes;
        drop((their_channel, their_output));
        Ok(Stem {
            body: shell.body,
            control: Control::Quiet(shell.control),
            channel,
            output,
            exit: shell.exit,
            listeners: shell.listeners,
            uplink: shell.uplink,
            unstarted: None,
        })
    }

    /// Starts a program in a shell; with `companions`, prepares to.
    pub async fn execute(
        &self,
        image: &Image,
        shell: Shell,
        filling: Filling<'_>,
        program: Program,
        companions: bool,
    ) -> Result<Stem, Error> {
        self.fill_shell(image, &shell, filling).await?;
        let Pipes {
            channel,
            output,
            their_channel,
            their_output,
        } = Pipes::new().map_err(Error::system("make a channel"))?;
        let programs = self.programs(&shell.body, shell.control);
        let theirs = [their_channel, their_output];
        let unstarted = if companions {
            Some((program, theirs))
        } else {
            programs.start_main(program, theirs).await?;
            None
        };
        Ok(Stem {
            body: shell.body,
            control: Control::Programs(programs),
            channel,
            output,
            exit: shell.exit,
            listeners: shell.listeners,
            uplink: shell.uplink,
            unstarted,
        })
    }

    async fn fill_shell(
        &self,
        image: &Image,
        shell: &Shell,
        filling: Filling<'_>,
    ) -> Result<(), Error> {
        let mounts = [&image.mounts, filling.mounts].concat();
        let ruleset = match shell.ruleset.as_ref() {
            Some(ruleset) if mounts.iter().any(Mount::is_root) => Some(ruleset.try_clone()),
            _ => None,
        };
        let ruleset = ruleset
            .transpose()
            .map_err(Error::system("keep a sandbox's rules"))?;
        self.inject(&shell.body, mounts, filling, ruleset).await
    }

    /// Who starts programs in a sandbox from now on.
    pub fn programs(&self, body: &Arc<Body>, control: Link) -> Arc<Programs> {
        let registry = Arc::clone(&self.registry);
        Programs::new(body.id, control, registry, &self.tracker)
    }

    /// Leaves an init that has nothing more to start to itself: the connection would cost a
    /// descriptor for nothing.
    pub fn detach(&self, control: Link) {
        self.tracker.spawn(async move {
            // An init that has ended needs no telling.
            let _ = control.send(&ToInit::Detach, &[]).await;
        });
    }

    /// These mounts, and everything else of the filling.
    pub async fn inject(
        &self,
        body: &Arc<Body>,
        mounts: Vec<Mount>,
        filling: Filling<'_>,
        ruleset: Option<OwnedFd>,
    ) -> Result<(), Error> {
        let limits = filling.limits;
        let volumes = self.map(filling.volumes, body.uid).await?;
        let tmp_bytes = limits
            .map(|limits| limits.tmp_bytes)
            .filter(|b| *b != POOLED_TMP_BYTES);
        let body = Arc::clone(body);
        self.injector
            .inject(Injection {
                body,
                mounts,
                volumes,
                ruleset,
                limits: limits.copied(),
                tmp_bytes,
                without_network: filling.without_network && self.uplink.is_some(),
            })
            .await
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

/// The group to be born in, and the files of those to join.
fn open(entrance: &Entrance) -> io::Result<(Option<OwnedFd>, Vec<OwnedFd>)> {
    let directory = entrance.birth.as_ref().map(File::open).transpose()?;
    let open = |path: &PathBuf| OpenOptions::new().write(true).open(path);
    let tasks = entrance
        .tasks
        .iter()
        .map(|path| open(path).map(OwnedFd::from));
    Ok((
        directory.map(OwnedFd::from),
        tasks.collect::<io::Result<_>>()?,
    ))
}
