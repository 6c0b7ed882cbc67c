//! What is started for a function, and how it is talked to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kiln_sandbox::{Limits, Mount, Program, Request, SNAPSHOT_DIR, Start, Volume};
use kiln_types::function::StartMode;
use kiln_types::{Container, FileSystem, Language, Network, limits};

use super::Driver;
use super::process::Process;
use crate::api::RUNTIME_API;
use crate::api::desk::Desk;
use crate::api::server::Server;
use crate::aws::{self, AWS_ENDPOINT, Door};
use crate::channel::Channel;
use crate::config::Installed;
use crate::ensemble::Ensemble;
use crate::environment;
use crate::extensions;
use crate::extensions::external::{self, External};
use crate::host::Context;
use crate::interpreter;
use crate::isolation::{Cell, Future, NoCell};
use crate::runtime::Runtime;
use crate::runtime_api::RuntimeApi;
use crate::snapshots::Kept;
use crate::spec::Spec;
use crate::telemetry::Telemetry;

const TASK_ROOT: &str = "/var/task";
const LAYERS_ROOT: &str = "/opt";
const IMAGE_ROOT: &str = "/";
/// Where a runtime that compiles ahead finds what it made; interpreters lie there otherwise.
const COMPILED_ROOT: &str = "/var/lang";
/// Where the program of a custom runtime is looked for, the first that is there.
const BOOTSTRAPS: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

/// The processor time that init may use whatever the function's memory, in thousandths of a core:
/// loading code under the share of a small function would take seconds. AWS too lets init run
/// faster than invocations. The limit of ten seconds bounds what a function can gain by it.
pub(super) const INIT_CPU_MILLIS: u32 = 1_000;

/// How long an instance whose code must not run waits with saying so: the invocation that it is started for is told if it has come by
/// then, and whoever tries again and again is slowed.
const REFUSAL_PAUSE: Duration = Duration::from_millis(20);

/// How to talk to a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interface {
    /// Frames on descriptor 3: the runtimes that Kiln brings.
    Frames,
    /// AWS's Runtime API: whatever the package brings.
    RuntimeApi,
}

/// A sandbox with the function in it, and its external extensions.
pub(super) struct Leased {
    cell: Box<dyn Cell>,
    externals: Vec<External>,
}

impl Driver {
    /// Gets a sandbox and launches the extensions in it.
    pub(super) fn lease(&mut self) {
        let request = match self.request() {
            Ok(request) => request,
            Err(why) => return self.leasing = Some(Box::pin(std::future::ready(Err(why)))),
        };
        self.leasing = Some(match self.spec.guard.known() {
            Some(Ok(())) => leased(&self.context, request, &self.variables),
            Some(Err(why)) => Box::pin(untrusted(why)),
            None => {
                let guard = self.spec.guard.clone();
                let (context, variables) = (Arc::clone(&self.context), self.variables.clone());
                Box::pin(async move {
                    match guard.check().await {
                        Ok(()) => leased(&context, request, &variables).await,
                        Err(why) => untrusted(why).await,
                    }
                })
            }
        });
    }

    /// What to ask of the sandboxes.
    fn request(&self) -> Result<Request, NoCell> {
        let (image, start) = self.program()?;
        Ok(Request {
            image,
            start,
            limits: limits_of(&self.spec),
            mounts: mounts(&self.spec, self.restoring.as_deref()),
            volumes: self.volumes(),
            // Extensions of either kind need the first, whatever the runtime.
            listeners: [RUNTIME_API]
                .into_iter()
                .chain(aws_listener(&self.context))
                .collect(),
            network: self.spec.network != Network::None,
            companions: false,
        })
    }

    /// Everybody in a sandbox that was leased.
    pub(super) fn enter(&self, leased: Leased) -> Result<Process, NoCell> {
        let Leased {
            mut cell,
            externals,
        } = leased;
        let has_runtime_api = self.interface() == Interface::RuntimeApi;
        let names = externals.iter().map(|one| one.name().to_owned());
        let names: Vec<_> = names.collect();
        let desk = Arc::new(Desk::new(Arc::clone(&self.spec), &names, has_runtime_api));
        let runtime = self.runtime(&mut *cell, &desk);
        let listener = cell.take_listener(RUNTIME_API).map_err(NoCell::Other)?;
        let spare = Arc::clone(&self.context.spare_connections);
        let server = Server::new(listener, Arc::clone(&desk), spare);
        let clock = Arc::clone(&self.context.clock);
        let spec = Arc::clone(&self.spec);
        let networks = &self.context.networks;
        let uplink = cell.take_uplink();
        let line = uplink.map(|uplink| networks.open(uplink, &self.spec.network));
        let how = self.reporter.how();
        let telemetry = Telemetry::new(cell.network(), Arc::clone(&clock), spec, how);
        let door = open_door(&self.context, &self.spec, &mut *cell)?;
        let ensemble = Ensemble::new(runtime, desk, server, externals, telemetry, clock);
        Ok(Process::new(cell, ensemble, line, door))
    }

    fn runtime(&self, cell: &mut dyn Cell, desk: &Arc<Desk>) -> Box<dyn Runtime> {
        let channel = cell.take_channel();
        match self.interface() {
            Interface::Frames => Box::new(Channel::new(channel)),
            // One descriptor less for each instance.
            Interface::RuntimeApi => {
                drop(channel);
                let clock = Arc::clone(&self.context.clock);
                Box::new(RuntimeApi::new(Arc::clone(desk), clock))
            }
        }
    }

    /// The file systems.
    fn volumes(&self) -> Vec<Volume> {
        let file_systems = self.spec.file_systems.iter();
        let volume = |(system, path): &(FileSystem, PathBuf)| Volume {
            source: system.dir.clone(),
            target: path.clone(),
            is_read_only: system.is_read_only,
        };
        file_systems.map(volume).collect()
    }

    fn interface(&self) -> Interface {
        if self.spec.configuration.container.is_some() {
            return Interface::RuntimeApi;
        }
        let runtime = self.spec.configuration.runtime.as_ref();
        match runtime.map(|runtime| runtime.language()) {
            Some(Language::Provided) => Interface::RuntimeApi,
            _ => Interface::Frames,
        }
    }

    /// The sandbox image, and how its main process begins.
    fn program(&self) -> Result<(String, Start), NoCell> {
        if let Some(container) = &self.spec.configuration.container {
            let program = self.program_of(container)?;
            return Ok((environment::CUSTOM_IMAGE.to_owned(), Start::Exec(program)));
        }
        let runtime = self.spec.configuration.runtime.as_ref();
        let name = runtime.map_or("", |runtime| runtime.as_str());
        let missing = || NoCell::Other(format!("Runtime {name} is not installed on this server"));
        let runtime = runtime.ok_or_else(missing)?;
        let start = match self.interface() {
            Interface::RuntimeApi => {
                let bootstrap = bootstrap(&self.spec)?;
                Start::Exec(self.execute(vec![bootstrap.to_owned()]))
            }
            Interface::Frames => {
                let installed = self.context.config.runtimes.get(name);
                self.start(runtime.language(), installed.ok_or_else(missing)?)
            }
        };
        Ok((environment::image(runtime).to_owned(), start))
    }

    /// How the process of a built-in runtime begins, by the function's mode and what its language
    /// can.
    fn start(&self, language: Language, installed: &Installed) -> Start {
        let configuration = &self.spec.configuration;
        let (memory, own) = (configuration.memory, &configuration.environment);
        let fresh = interpreter::command(language, &installed.fresh, memory, own);
        match (self.spec.start, installed.stem(language, memory)) {
            (StartMode::Zygote, None) => Start::Zygote,
            (StartMode::Zygote, Some(stem)) if interpreter::can_be_booted_ahead(language, own) => {
                let otherwise = self.execute(fresh);
                Start::Ahead { stem, otherwise }
            }
            (StartMode::Zygote | StartMode::Fresh, _) => Start::Exec(self.execute(fresh)),
        }
    }

    /// What a container image, or its function's configuration, says.
    fn program_of(&self, container: &Container) -> Result<Program, NoCell> {
        let Container { image, config, .. } = container;
        let argv = image.command_line(config);
        if argv.is_empty() {
            let why = "the image has neither an entry point nor a command";
            return Err(NoCell::NotExecutable(why.to_owned()));
        }
        Ok(Program {
            cwd: PathBuf::from(image.directory(config)),
            ..self.execute(argv)
        })
    }

    fn execute(&self, argv: Vec<String>) -> Program {
        Program {
            argv,
            env: self.variables.clone().into_iter().collect(),
            cwd: PathBuf::from(TASK_ROOT),
        }
    }
}

/// Refuses code that must not run.
async fn untrusted(why: String) -> Result<Leased, NoCell> {
    tokio::time::sleep(REFUSAL_PAUSE).await;
    Err(NoCell::Untrusted(why))
}

/// Gets a sandbox of code that may run.
fn leased(
    context: &Context,
    request: Request,
    variables: &BTreeMap<String, String>,
) -> Future<'static, Result<Leased, NoCell>> {
    let names = extensions::names(&request.mounts);
    let variables = match names.is_empty() {
        true => Vec::new(),
        false => environment::of_extensions(variables),
    };
    let leased = context.isolation.lease(Request {
        companions: !names.is_empty(),
        ..request
    });
    Box::pin(async move {
        let cell = leased.await?;
        let externals = external::launch(&*cell, names, &variables).await?;
        Ok(Leased { cell, externals })
    })
}

/// A sandbox in which a snapshot of this version is taken.
pub(crate) fn template_request(context: &Context, spec: &Spec) -> Option<Request> {
    let runtime = spec.configuration.runtime.as_ref()?;
    spec.snapshot_key()?;
    Some(Request {
        image: environment::image(runtime).to_owned(),
        start: Start::Zygote,
        limits: limits_of(spec),
        mounts: mounts(spec, None),
        volumes: Vec::new(),
        listeners: aws_listener(context).into_iter().collect(),
        companions: false,
        network: spec.network != Network::None,
    })
}

/// Where to listen for the function's AWS clients, if that is served.
fn aws_listener(context: &Context) -> Option<SocketAddr> {
    context.aws().map(|_| AWS_ENDPOINT)
}

/// Serves the function's AWS clients, if anything does.
pub(crate) fn open_door(
    context: &Context,
    spec: &Spec,
    cell: &mut dyn Cell,
) -> Result<Option<Door>, NoCell> {
    let Some(endpoint) = context.aws() else {
        return Ok(None);
    };
    let listener = cell.take_listener(AWS_ENDPOINT).map_err(NoCell::Other)?;
    Ok(Some(Door::open(
        listener,
        Arc::clone(endpoint),
        aws::caller(spec),
        Arc::clone(&context.aws_connections),
        &context.tracker,
    )))
}

/// What a function may use while it is initialised.
fn limits_of(spec: &Spec) -> Limits {
    let configuration = &spec.configuration;
    Limits {
        memory_bytes: configuration.memory.bytes(),
        cpu_millis: configuration.memory.cpu_millis().max(INIT_CPU_MILLIS),
        processes: limits::PROCESSES_MAX,
        tmp_bytes: configuration.ephemeral.bytes(),
    }
}

/// The code, what was compiled of it, the layers, and the snapshot to be made a copy of; or the layers
/// of the image.
fn mounts(spec: &Spec, kept: Option<&Kept>) -> Vec<Mount> {
    let mount = |source: &PathBuf, target: &str| Mount {
        source: source.clone(),
        target: PathBuf::from(target),
    };
    if spec.configuration.container.is_some() {
        let of_image = spec.image_dirs.iter();
        return of_image.map(|layer| mount(layer, IMAGE_ROOT)).collect();
    }
    let layers = spec.layer_dirs.iter();
    let layers = layers.map(|layer| mount(layer, LAYERS_ROOT));
    // Looked for each time: it may be made anew while the server runs.
    let compiled = spec.compiled_dir.iter().filter(|dir| dir.is_dir());
    let compiled = compiled.map(|dir| mount(dir, COMPILED_ROOT));
    [mount(&spec.code_dir, TASK_ROOT)]
        .into_iter()
        .chain(compiled)
        .chain(layers)
        .chain(kept.map(|kept| mount(&kept.snapshot.dir, SNAPSHOT_DIR)))
        .collect()
}

/// The program of a custom runtime. Whether it can be executed is for the kernel to say.
fn bootstrap(spec: &Spec) -> Result<&'static str, NoCell> {
    // A link is followed by the kernel inside the sandbox, where it may lead somewhere else.
    let is_in = |dir: &PathBuf| {
        let found = dir.join("bootstrap").symlink_metadata();
        found.is_ok_and(|found| !found.is_dir())
    };
    let [in_package, in_layers] = BOOTSTRAPS;
    if is_in(&spec.code_dir) {
        Ok(in_package)
    } else if spec.layer_dirs.iter().any(is_in) {
        Ok(in_layers)
    } else {
        Err(NoCell::NotExecutable(format!(
            "Couldn't find valid bootstrap(s): [{}]",
            BOOTSTRAPS.join(" ")
        )))
    }
}
