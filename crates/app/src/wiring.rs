//! What each component is told, made from the settings.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kiln_gateway::{Auth, FunctionRights};
use kiln_types::function::StartMode;
use kiln_types::runtime::WASM;
use kiln_types::{AccessPoint, FileSystem, FileSystems, HostServices};
use sha2::{Digest, Sha256};

use crate::aws::FunctionAccess;
use crate::packs::Pack;
use crate::serve::Mode;
use crate::settings::{Idle, NetworkSettings, Scaling, Settings, Start};
use crate::wasm::Wasm;

/// Where this machine names its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// For whom layers of images are marked.
pub(crate) fn layer_marks() -> kiln_store::LayerMarks {
    match kiln_sandbox::rootless::is_mapped() {
        true => kiln_store::LayerMarks::User,
        false => kiln_store::LayerMarks::Trusted,
    }
}

pub(crate) fn sandbox(
    settings: &Settings,
    mode: Mode,
    packs: &[Pack],
    wasm: Option<&Wasm>,
) -> kiln_sandbox::Config {
    let aws = settings.function_access(mode) != FunctionAccess::None;
    let aws = aws.then_some(kiln_instance::AWS_ENDPOINT);
    kiln_sandbox::Config {
        exe: "/proc/self/exe".into(),
        state_dir: settings.places.data_dir.join("sandboxes"),
        name: server_name(settings),
        uid_base: settings.range.uid_base,
        sandboxes_max: settings.range.sandboxes_max,
        images: packs
            .iter()
            .map(Pack::image)
            .chain([custom_image()])
            .chain(wasm.map(Wasm::image))
            .collect(),
        pool: kiln_sandbox::PoolConfig {
            shells: settings.shells,
            stems_per_image: settings.stems,
        },
        listeners: [kiln_instance::RUNTIME_API]
            .into_iter()
            .chain(aws)
            .collect(),
        network: true,
        layers_off: kiln_sandbox::LayersOff::default(),
    }
}

/// What functions run in that bring their own runtime: the machine's software and their package.
fn custom_image() -> kiln_sandbox::Image {
    kiln_sandbox::Image {
        name: kiln_instance::CUSTOM_IMAGE.to_owned(),
        mounts: Vec::new(),
        zygote: None,
        env: Vec::new(),
        ahead: Vec::new(),
    }
}

/// Names the server's cgroups by its data directory, which only one server can have open, so that
/// the next server of the same directory finds what a crashed one left.
fn server_name(settings: &Settings) -> String {
    let dir = &settings.places.data_dir;
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.clone());
    let digest = Sha256::digest(dir.as_os_str().as_bytes());
    hex::encode(&digest[..8])
}

pub(crate) fn instance(
    settings: &Settings,
    packs: &[Pack],
    wasm: Option<&Wasm>,
) -> anyhow::Result<kiln_instance::Config> {
    let packs = packs.iter();
    Ok(kiln_instance::Config {
        region: settings.region()?,
        snapshots_dir: Some(settings.places.data_dir.join("snapshots")),
        network: network(&settings.network)?,
        runtimes: packs
            .map(|pack| (pack.name.to_string(), pack.installed()))
            .chain(wasm.map(|wasm| (WASM.to_owned(), wasm.installed())))
            .collect(),
        ..Default::default()
    })
}

pub(crate) fn scheduler(settings: &Settings) -> anyhow::Result<kiln_scheduler::Config> {
    Ok(kiln_scheduler::Config {
        memory_budget_bytes: settings.memory_budget_bytes()?,
        // Pools hold sandboxes too: instances may take what is left.
        instances_max: settings.range.sandboxes_max,
        policy: settings.keep_alive.into(),
        freeze_after: Duration::from_millis(settings.freeze_after_ms),
        ..scaling(&settings.scaling, &settings.idle)
    })
}

/// What the server and its simulation have in common.
pub(crate) fn scaling(scaling: &Scaling, idle: &Idle) -> kiln_scheduler::Config {
    kiln_scheduler::Config {
        account_concurrency: scaling.concurrency,
        burst_starts: scaling.burst_starts,
        starts_per_second: scaling.starts_per_second,
        wait_max: Duration::from_millis(scaling.wait_max_ms),
        keep_alive: idle.keep_alive_secs.map(Duration::from_secs),
        ..Default::default()
    }
}

pub(crate) fn invoke(
    settings: &Settings,
    wasm: Option<&Wasm>,
) -> anyhow::Result<kiln_invoke::Config> {
    Ok(kiln_invoke::Config {
        region: settings.region()?,
        start: match settings.start {
            Start::Zygote => StartMode::Zygote,
            Start::Fresh => StartMode::Fresh,
        },
        network: settings.network.network.clone(),
        file_systems: file_systems(settings)?,
        compiled_by: wasm.map(|wasm| wasm.maker().to_owned()),
    })
}

/// What topics may reach over HTTP.
pub(crate) fn reach(settings: &Settings, mode: Mode) -> kiln_invoke::Reach {
    kiln_invoke::Reach {
        is_own: Some(kiln_network::is_own),
        ranges: settings.network.network_egress.clone(),
        loopback: mode == Mode::Development,
    }
}

fn network(settings: &NetworkSettings) -> anyhow::Result<kiln_network::Config> {
    let nameservers = match settings.nameserver.as_slice() {
        [] => kiln_network::host_nameservers(Path::new(RESOLV_CONF)).unwrap_or_else(|error| {
            let file = RESOLV_CONF;
            tracing::warn!(%error, file, "functions cannot look up names: no name servers are known");
            Vec::new()
        }),
        named => named.iter().map(|server| server.0).collect(),
    };
    Ok(kiln_network::Config {
        nameservers,
        services: host_services(settings)?,
        egress: settings.network_egress.clone(),
        connections_max: settings.network_connections,
        connections_per_second: settings.network_connections_per_second,
        bytes_per_second: settings.network_bytes_per_second,
    })
}

/// The services of this machine that functions may use.
fn host_services(settings: &NetworkSettings) -> anyhow::Result<HostServices> {
    let mut services = HostServices::new();
    for (name, target) in &settings.host_service {
        if services.insert(name.clone(), target.clone()).is_some() {
            anyhow::bail!("--host-service {name} is given twice");
        }
    }
    Ok(services)
}

/// The directories that functions may mount. A name that is wrong today would fail invocations
/// tomorrow, so all must be there.
fn file_systems(settings: &Settings) -> anyhow::Result<FileSystems> {
    let mut systems = FileSystems::new();
    for (name, system) in &settings.file_system {
        let dir = system.dir.canonicalize().ok().filter(|dir| dir.is_dir());
        let dir = dir.with_context(|| {
            let dir = system.dir.display();
            format!("--file-system {name}={dir}: there is no such directory")
        })?;
        let is_read_only = system.is_read_only;
        systems.insert(AccessPoint::named(name), FileSystem { dir, is_read_only });
    }
    Ok(systems)
}

/// Where clients reach the server.
pub(crate) fn endpoint(settings: &Settings, port: u16) -> anyhow::Result<kiln_gateway::Endpoint> {
    match &settings.url_base {
        Some(endpoint) => Ok(endpoint.clone()),
        None => {
            let scheme = settings.perimeter.scheme();
            let endpoint = format!("{scheme}://{}:{port}", settings.url_host);
            endpoint.parse().context("read --url-host")
        }
    }
}

pub(crate) fn gateway(
    settings: &Settings,
    mode: Mode,
    port: u16,
) -> anyhow::Result<kiln_gateway::Config> {
    Ok(kiln_gateway::Config {
        region: settings.region()?,
        account: settings.account.clone(),
        auth: match mode {
            Mode::Production => Auth::Enforce,
            Mode::Development => Auth::AnyCredentials,
        },
        audits_data: settings.audit_data,
        functions: match settings.function_access(mode) {
            FunctionAccess::Account => FunctionRights::Account,
            FunctionAccess::None | FunctionAccess::Role => FunctionRights::Role,
        },
        endpoint: endpoint(settings, port)?,
        account_concurrency: settings.scaling.concurrency,
        memory_budget_mb: settings.memory_budget_bytes()? >> 20,
        file_systems: file_systems(settings)?,
        host_services: host_services(&settings.network)?.into_keys().collect(),
        is_administered_apart: settings.perimeter.admin_listen.is_some(),
        limits: kiln_gateway::Limits {
            shutdown_timeout: settings.drain(),
            ..Default::default()
        },
    })
}
