//! A server of sandboxes with Python in them, and functions to run there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_instance::{CUSTOM_IMAGE, Config, RUNTIME_API, Spec};
use kiln_sandbox::{Image, LayersOff, Mount, PoolConfig, Sandboxes};
use kiln_types::function::{Code, StartMode};
use kiln_types::{
    Configuration, FunctionArn, FunctionId, Invocation, LoggingConfig, MemoryMb, Region, RequestId,
    RevisionId, Sha256, SystemClock, TimeoutSecs,
};

/// One Python with its runtime pack.
#[derive(Debug, Clone)]
pub struct Installed {
    /// `python3.11`.
    pub name: String,
    /// The interpreter as a sandbox sees it.
    pub inside: String,
    mounts: Vec<Mount>,
}

impl Installed {
    /// Reads what `build-pack` wrote.
    pub fn read(pack: &Path) -> Self {
        let text = fs::read(pack.join("pack.json")).expect("build-pack made this directory");
        let about: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
        let name = format!("python{}", about["python"].as_str().expect("a version"));
        let mount = |source: &Path, target: &str| Mount {
            source: source.to_owned(),
            target: PathBuf::from(target),
        };
        let mut mounts = vec![mount(pack, "/var/runtime")];
        let prefix = pack.join(about["prefix"].as_str().expect("a path"));
        let lang = if prefix == Path::new("/usr") {
            "/usr"
        } else {
            mounts.push(mount(&prefix, "/var/lang"));
            "/var/lang"
        };
        let inside = format!("{lang}/bin/{name}");
        Self {
            name,
            inside,
            mounts,
        }
    }

    fn command(&self, program: &str) -> Vec<String> {
        let program = format!("/var/runtime/kiln_runtime/{program}");
        let all = [&self.inside, "-I", "-S", "-B", &program];
        all.map(str::to_owned).to_vec()
    }

    fn image(&self) -> Image {
        Image {
            name: self.name.clone(),
            mounts: self.mounts.clone(),
            zygote: Some(self.command("zygote.py")),
            env: vec![("LD_LIBRARY_PATH".to_owned(), "/var/lang/lib".to_owned())],
            ahead: vec![],
        }
    }
}

/// These Pythons, and what custom runtimes start from.
fn images(pythons: &[Installed]) -> Vec<Image> {
    let custom = Image {
        name: CUSTOM_IMAGE.to_owned(),
        mounts: vec![],
        zygote: None,
        env: vec![],
        ahead: vec![],
    };
    let pythons = pythons.iter().map(Installed::image);
    pythons.chain([custom]).collect()
}

/// Starts sandboxes for these Pythons.
pub async fn start(exe: PathBuf, directory: &Path, pythons: &[Installed]) -> (Sandboxes, Config) {
    let name = format!("instance-{}-{:x}", std::process::id(), unique());
    let config = kiln_sandbox::Config {
        exe,
        state_dir: directory.join("state"),
        name,
        uid_base: kiln_sandbox::Config::UID_BASE,
        sandboxes_max: 100,
        images: images(pythons),
        pool: PoolConfig {
            shells: 2,
            stems_per_image: 2,
        },
        listeners: vec![RUNTIME_API],
        network: true,
        layers_off: LayersOff::default(),
    };
    let sandboxes = Sandboxes::start(config, Arc::new(SystemClock::start()))
        .await
        .expect("the server of sandboxes starts");
    let runtimes = pythons
        .iter()
        .map(|python| {
            let fresh = python.command("fresh.py");
            let installed = kiln_instance::Installed { fresh, ahead: None };
            (python.name.clone(), installed)
        })
        .collect();
    let config = Config {
        runtimes,
        ..Config::default()
    };
    (sandboxes, config)
}

/// A function `index.handler` with this code: 512 MB, three seconds.
pub fn spec(python: &Installed, directory: &Path, code: &str) -> Spec {
    let code_dir = directory.join(format!("code-{:x}", unique()));
    fs::create_dir_all(&code_dir).expect("the directory is ours");
    fs::write(code_dir.join("index.py"), code).expect("the directory is ours");
    // Sandboxes are other users.
    for path in [directory, &code_dir] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let id = FunctionId {
        account: Default::default(),
        name: "sum".parse().expect("a name"),
    };
    let configuration = Configuration {
        version: Default::default(),
        revision: RevisionId::random(),
        modified: Default::default(),
        runtime: Some(python.name.parse().expect("a runtime")),
        handler: Some("index.handler".to_owned()),
        role: "arn:aws:iam::000000000000:role/any".to_owned(),
        description: String::new(),
        timeout: TimeoutSecs::default(),
        memory: MemoryMb::new(512).expect("in range"),
        ephemeral: Default::default(),
        environment: BTreeMap::new(),
        architecture: Default::default(),
        logging: LoggingConfig::of(&id),
        code: Code {
            sha256: Sha256::from_bytes([0; 32]),
            zipped_bytes: 1,
            unzipped_bytes: 1,
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: kiln_types::State::Active,
        update: kiln_types::UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: BTreeMap::new(),
    };
    Spec {
        arn: FunctionArn::new(Region::default(), &id),
        id,
        tenant: None,
        configuration: Arc::new(configuration),
        code_dir,
        compiled_dir: None,
        layer_dirs: Vec::new(),
        image_dirs: Vec::new(),
        file_systems: Vec::new(),
        start: StartMode::Zygote,
        network: kiln_types::Network::None,
        guard: Default::default(),
    }
}

/// An invocation with this event.
pub fn invocation(event: &str) -> Invocation {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:sum";
    Invocation {
        request_id: RequestId::random(),
        payload: bytes::Bytes::copy_from_slice(event.as_bytes()),
        invoked_arn: arn.parse().expect("an ARN"),
        client_context: None,
        tenant: None,
        trace: None,
        wants_log_tail: false,
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
