//! Victims, an attacker, and sandboxes with layers left out.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use kiln_sandbox::{Config, Layer, LayersOff, Mount, PoolConfig, Sandbox, Sandboxes, rootless};
use kiln_types::SystemClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader as AsyncBufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Results;
use super::table::Probe;
use crate::rig::{
    LIMITS, LISTENERS, PATIENCE, Rig, finish, host, plain_image, test_number, unique_name,
};
use crate::stem::Stems;

/// Every layer that can be left out.
pub const LAYERS: [Layer; 8] = [
    Layer::User,
    Layer::Seccomp,
    Layer::Landlock,
    Layer::PidNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::NetworkNamespace,
    Layer::CgroupNamespace,
];
const PYTHON: [&str; 4] = ["/usr/bin/python3", "-I", "-S", "-B"];

/// What is on the host.
pub struct Stage {
    directory: TempDir,
    name: String,
    has_own_network: bool,
    victim: Child,
    told: Value,
    server: TcpListener,
    address: TcpListener,
    _socket: UnixListener,
}

/// The sandbox beside the attacker's. It cleans up when its channel ends.
struct Neighbour {
    sandbox: Sandbox,
    channel: UnixStream,
    told: Value,
}

impl Stage {
    /// Makes these attacks in a program, in a sandbox without some layers.
    pub async fn attack_without(off: &[Layer], probes: &[&Probe]) -> Results {
        let stage = Self::set(!off.contains(&Layer::NetworkNamespace));
        let rig = stage.rig(LayersOff::of(off)).await;
        let neighbour = stage.neighbour(&rig).await;
        stage.describe(&rig, &neighbour, spawner());
        let argv: Vec<&str> = PYTHON
            .into_iter()
            .chain(["/var/task/attacks.py"])
            .chain(probes.iter().map(|probe| probe.name))
            .collect();
        let attacker = rig.exec(&argv, LIMITS, stage.code("attacker")).await;
        let ran = finish(attacker).await;
        neighbour.end().await;
        rig.end().await;
        parse(&ran.output)
    }

    /// Makes these attacks in a process that was forked from a zygote.
    pub async fn attack_from_a_stem(probes: &[&Probe]) -> Results {
        let stage = Self::set(true);
        let stems = Stems::start(1).await;
        let neighbour = stage.neighbour(&stems.rig).await;
        stage.describe(
            &stems.rig,
            &neighbour,
            child_of(spawner(), "kiln_runtime/zygote.py"),
        );
        let mut stem = stems.lease(LIMITS, stage.code("attacker")).await;
        for address in LISTENERS {
            // Another's is looked for.
            drop(stem.sandbox.take_listener(address));
        }
        let names: Vec<&str> = probes.iter().map(|probe| probe.name).collect();
        let attack = format!(
            "print(__import__('runpy').run_path('/var/task/attacks.py')['report']({names:?}), flush=True)"
        );
        assert_eq!(stem.eval(&attack).await, "None");
        let said = line(&mut AsyncBufReader::new(stem.sandbox.take_output())).await;
        drop(stem);
        neighbour.end().await;
        stems.rig.end().await;
        parse(&said)
    }

    fn set(has_own_network: bool) -> Self {
        // Not below /tmp, of which every sandbox has its own.
        let directory = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let name = unique_name();
        // Other users shall be able to read all of it where they can see it.
        open_to_all(directory.path());
        for (folder, of) in [
            ("attacker", "attacks"),
            ("neighbour", "victim"),
            ("host", "victim"),
        ] {
            copy(&ours(of), &directory.path().join(folder));
        }
        programs_with_rights(&directory.path().join("attacker"));
        let socket = UnixListener::bind(directory.path().join("host/socket")).expect("a socket");
        let victim = victim(directory.path(), &name);
        let (victim, told) = victim;
        Self {
            victim,
            told,
            server: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"),
            address: TcpListener::bind((own_address(), 0)).expect("a port"),
            _socket: socket,
            directory,
            name,
            has_own_network,
        }
    }

    async fn rig(&self, layers_off: LayersOff) -> Rig {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config {
            exe: host(),
            state_dir: directory.path().join("state"),
            name: self.name.clone(),
            // Of its own: without a pid namespace, sandboxes of other tests with the same user would be seen.
            uid_base: match rootless::is_mapped() {
                true => Config::UID_BASE,
                false => Config::UID_BASE + 1_000 + std::process::id() % 100_000 * 10,
            },
            sandboxes_max: 10,
            images: vec![plain_image()],
            pool: PoolConfig {
                shells: 0,
                stems_per_image: 0,
            },
            listeners: match self.has_own_network {
                true => LISTENERS.to_vec(),
                false => vec![],
            },
            network: self.has_own_network,
            layers_off,
        };
        let started = Sandboxes::start(config, Arc::new(SystemClock::start())).await;
        Rig {
            sandboxes: started.expect("the server starts"),
            name: self.name.clone(),
            directory,
        }
    }

    fn code(&self, folder: &str) -> Vec<Mount> {
        vec![Mount {
            source: self.directory.path().join(folder),
            target: "/var/task".into(),
        }]
    }

    async fn neighbour(&self, rig: &Rig) -> Neighbour {
        let name = format!("{}-neighbour", self.name);
        let key = key(1).to_string();
        let argv = [&PYTHON[..], &["/var/task/victim.py", &name, &key, "0", "3"]].concat();
        let listeners = match self.has_own_network {
            true => &LISTENERS[..],
            false => &[],
        };
        let code = self.code("neighbour");
        let mut sandbox = rig.exec_with(&argv, LIMITS, code, listeners).await;
        let channel = sandbox.take_channel();
        let mut output = AsyncBufReader::new(sandbox.take_output());
        let said = line(&mut output).await;
        Neighbour {
            sandbox,
            channel,
            told: known(&said, &name, 1),
        }
    }

    /// Tells the attacker where everything is.
    fn describe(&self, rig: &Rig, neighbour: &Neighbour, zygote: u32) {
        let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
        let address = self.address.local_addr().expect("it is bound");
        let path = |rest: &str| self.directory.path().join(rest);
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").expect("this host has one");
        let runtime_api = match self.has_own_network {
            true => LISTENERS[0].port().into(),
            false => neighbour.told["port"].clone(),
        };
        let scene = json!({
            "host": self.told,
            "neighbour": neighbour.told,
            "file": path("host/victim.py"),
            "socket": path("host/socket"),
            "directories": [rig.directory.path(), path("host")],
            "others": [path("neighbour")],
            "server": std::process::id(),
            "server_name": rig.name,
            "spawner": spawner(),
            "zygote": zygote,
            "hostname": hostname.trim(),
            "server_port": port(&self.server),
            "address": [address.ip().to_string(), address.port()],
            "runtime_api": runtime_api,
            "interfaces": interfaces(),
        });
        fs::write(path("attacker/scene.json"), scene.to_string()).expect("the directory is ours");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.victim.stdin.take());
        // It cleans up first.
        let _ = self.victim.wait();
    }
}

impl Neighbour {
    async fn end(mut self) {
        drop(self.channel);
        let ended = timeout(PATIENCE, self.sandbox.exited()).await;
        ended.expect("it ends with its channel");
    }
}

/// The first line, or all of it where that is no JSON.
async fn line(output: &mut (impl AsyncBufRead + Unpin)) -> String {
    let read = async {
        let mut said = String::new();
        while !said.ends_with("}\n") && output.read_line(&mut said).await.expect("text") > 0 {}
        said
    };
    timeout(PATIENCE, read).await.expect("it does not hang")
}

fn parse(output: &str) -> Results {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// The victim on the host, and what it says of itself.
fn victim(directory: &Path, name: &str) -> (Child, Value) {
    let mut child = Command::new(PYTHON[0])
        .args(&PYTHON[1..])
        .arg(directory.join("neighbour/victim.py"))
        .args([name, &key(0).to_string(), "0", "0"])
        .env("SECRET", "of the host")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test requires /usr/bin/python3");
    let mut said = String::new();
    let output = child.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut said).expect("text");
    let told = known(&said, name, 0);
    (child, told)
}

fn known(said: &str, name: &str, number: u32) -> Value {
    let mut told: Value =
        serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    told["name"] = name.into();
    told["key"] = key(number).into();
    told
}

/// A key of System V that no other test of this machine has.
fn key(number: u32) -> u32 {
    0x4000_0000 | test_number() << 2 | number
}

/// Programs that would give rights to whoever executes them.
fn programs_with_rights(folder: &Path) {
    let setuid = folder.join("setuid");
    fs::copy("/usr/bin/id", &setuid).expect("this host has /usr/bin/id");
    fs::set_permissions(&setuid, PermissionsExt::from_mode(0o4755)).expect("it is ours");
    let capable = folder.join("capable");
    fs::copy("/bin/cat", &capable).expect("this host has /bin/cat");
    fs::set_permissions(&capable, PermissionsExt::from_mode(0o755)).expect("it is ours");
    // `struct vfs_cap_data` of revision 2, effective: CAP_SETUID.
    let rights: Vec<u8> = [0x0200_0001u32, 1 << 7, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&capable, "security.capability", &rights, flags)
        .expect("this test needs a file system with extended attributes at /var/tmp");
}

/// The Python beside this file.
pub fn ours(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sandboxes/probes")
        .join(folder)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the directory is ours");
    open_to_all(to);
    for entry in fs::read_dir(from).expect("it is in the repository") {
        let file = entry.expect("readable").path();
        if file.extension().is_some_and(|ending| ending == "py") {
            let name = file.file_name().expect("a file has a name");
            fs::copy(&file, to.join(name)).expect("the directory is ours");
        }
    }
}

fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).expect("it is ours");
}

/// An address of this machine that is not loopback's usual one.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // Nothing is sent.
    let found = socket
        .connect("203.0.113.1:9")
        .and_then(|()| socket.local_addr());
    found.map_or(Ipv4Addr::new(127, 0, 0, 2).into(), |address| address.ip())
}

fn interfaces() -> Vec<String> {
    let devices = fs::read_to_string("/proc/net/dev").expect("this host has interfaces");
    let names = devices
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned());
    names.filter(|name| name != "lo").collect()
}

/// The spawner of this test's only server.
fn spawner() -> u32 {
    child_of(std::process::id(), "__spawner")
}

fn child_of(parent: u32, word: &str) -> u32 {
    let of = |process: &PathBuf, file: &str| {
        let content = fs::read(process.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&content).into_owned()
    };
    let found = fs::read_dir("/proc")
        .expect("this host has processes")
        .flatten()
        .map(|entry| entry.path())
        .find(|process| {
            let is_child = of(process, "status").contains(&format!("\nPPid:\t{parent}\n"));
            is_child && of(process, "cmdline").contains(word)
        });
    let number = found.and_then(|process| process.file_name()?.to_str()?.parse().ok());
    number.unwrap_or_else(|| panic!("no child of {parent} is called {word}"))
}
