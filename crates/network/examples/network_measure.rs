//! Measures the network of functions on this machine, as root, with `ip` and `/usr/bin/python3`:
//! `network_measure`.
//!
//! How fast shells are made with a way out and without; then what one and the same client sees, at the
//! host's own loopback, over a veth pair, and from a sandbox through Kiln to the same server.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use kiln_network::{Config, Networks};
use kiln_sandbox::{Image, LayersOff, Limits, PoolConfig, Program, Request, Sandboxes, Start};
use kiln_types::{Clock, Network, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

const SHELLS: usize = 100;
const ROUNDS: usize = 3;
const NAMESPACE: &str = "kiln-measure";
/// The ends of the veth pair: the server's and the client's.
const VETH: [&str; 2] = ["198.18.77.1", "198.18.77.2"];
const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
    cpu_millis: 2_000,
    processes: 64,
    tmp_bytes: 16 << 20,
};
/// Connects, has a byte echoed, closes; then sends for two seconds and is told how much arrived.
const CLIENT: &str = "import socket, sys, time
place = sys.argv[2], int(sys.argv[3])
connects, echoes = [], []
for _ in range(1000):
    s = socket.socket(); began = time.perf_counter(); s.connect(place); connected = time.perf_counter()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(b'e'); s.recv(1); echoed = time.perf_counter(); s.close()
    connects.append(connected - began); echoes.append(echoed - connected)
    time.sleep(0.002)
at = lambda times, share: sorted(times)[int((len(times) - 1) * share)] * 1e6
s = socket.create_connection(place); block = b's' * 262144; began = time.perf_counter()
while time.perf_counter() - began < 2: s.sendall(block)
s.shutdown(socket.SHUT_WR); arrived = int(s.makefile().read()); took = time.perf_counter() - began
print(f'{sys.argv[1]}: connect p50 {at(connects, .5):.0f} us, p99 {at(connects, .99):.0f} us; '
      f'echo p50 {at(echoes, .5):.0f} us; {arrived / took / 1e6:.0f} MB/s')";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("__spawner") {
        return kiln_sandbox::spawner_main();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    for _ in 0..ROUNDS {
        for network in [false, true] {
            let begun = clock.now();
            let sandboxes = start(network, SHELLS, &clock).await;
            let ready = || sandboxes.statistics().shells_ready;
            until(|| ready() > 0).await;
            let first = clock.now();
            until(|| ready() == SHELLS).await;
            let rate = (SHELLS - 1) as f64 / clock.now().since(first).as_secs_f64();
            let until_first = first.since(begun).as_millis();
            println!(
                "shells, way out {network}: {rate:.0} per second; the first after {until_first} ms"
            );
            sandboxes.shutdown().await;
        }
    }
    let tracker = TaskTracker::new();
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tracker.spawn(serve(listener, tracker.clone()));
    let config = Config {
        services: [(
            "echo".parse().expect("a name"),
            format!("127.0.0.1:{port}").parse().expect("a target"),
        )]
        .into(),
        connections_per_second: 100_000,
        ..Config::default()
    };
    let networks = Networks::new(config, Arc::clone(&clock), tracker.clone());
    let sandboxes = start(true, 1, &clock).await;
    let has_veth = veth();
    let echo: Network = "host-services echo".parse().expect("a network");
    for _ in 0..ROUNDS {
        run(python(&["loopback", "127.0.0.1", &port.to_string()])).await;
        if has_veth {
            let client = python(&["veth pair", VETH[0], &port.to_string()]);
            let inside = ["ip", "netns", "exec", NAMESPACE].map(str::to_owned);
            run(inside.into_iter().chain(client).collect()).await;
        }
        let client = python(&["through Kiln", "169.254.64.1", &port.to_string()]);
        in_sandbox(&sandboxes, &networks, &echo, client).await;
    }
    if has_veth {
        ip(&format!("netns del {NAMESPACE}"));
    }
    sandboxes.shutdown().await;
}

fn python(arguments: &[&str]) -> Vec<String> {
    let command = ["/usr/bin/python3", "-I", "-S", "-B", "-c", CLIENT];
    command
        .iter()
        .chain(arguments)
        .map(|&word| word.to_owned())
        .collect()
}

async fn run(argv: Vec<String>) {
    let ran = tokio::task::spawn_blocking(move || Command::new(&argv[0]).args(&argv[1..]).output());
    let output = ran.await.expect("it does not panic").expect("it runs");
    print!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn in_sandbox(
    sandboxes: &Sandboxes,
    networks: &Networks,
    network: &Network,
    argv: Vec<String>,
) {
    let program = Program {
        argv,
        env: vec![],
        cwd: "/tmp".into(),
    };
    let request = Request {
        image: "plain".into(),
        start: Start::Exec(program),
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: true,
        companions: false,
    };
    let mut sandbox = sandboxes.lease(request).await.expect("a sandbox");
    let uplink = sandbox.take_uplink().expect("a way out");
    let line = networks.open(uplink, network);
    let mut output = sandbox.take_output();
    sandbox.exited().await;
    sandbox.kill();
    let mut said = String::new();
    output.read_to_string(&mut said).await.expect("text");
    print!("{said}");
    drop(line);
}

async fn serve(listener: TcpListener, tracker: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        tracker.spawn(answer(stream));
    }
}

/// Echoes an `e`; of what else comes, says how much it was.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        match buffer[..read] {
            [] if total > 0 => return stream.write_all(total.to_string().as_bytes()).await,
            [] => return Ok(()),
            [b'e'] => stream.write_all(b"e").await?,
            _ => total += read,
        }
    }
}

/// A pair of virtual devices, as sandboxes elsewhere have them.
fn veth() -> bool {
    ip(&format!("netns add {NAMESPACE}"))
        && ip(&format!(
            "link add kiln-m0 type veth peer name kiln-m1 netns {NAMESPACE}"
        ))
        && ip(&format!("addr add {}/30 dev kiln-m0", VETH[0]))
        && ip("link set kiln-m0 up")
        && ip(&format!(
            "-n {NAMESPACE} addr add {}/30 dev kiln-m1",
            VETH[1]
        ))
        && ip(&format!("-n {NAMESPACE} link set kiln-m1 up"))
}

fn ip(arguments: &str) -> bool {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    status.is_ok_and(|status| status.success())
}

async fn start(network: bool, shells: usize, clock: &Arc<dyn Clock>) -> Sandboxes {
    let config = kiln_sandbox::Config {
        exe: "/proc/self/exe".into(),
        state_dir: PathBuf::from(format!("/tmp/network-measure-{}", std::process::id())),
        name: format!("measure-{}", std::process::id()),
        uid_base: kiln_sandbox::Config::UID_BASE,
        sandboxes_max: 500,
        images: vec![Image {
            name: "plain".into(),
            mounts: vec![],
            zygote: None,
            env: vec![],
            ahead: vec![],
        }],
        pool: PoolConfig {
            shells,
            stems_per_image: 0,
        },
        listeners: vec![],
        network,
        layers_off: LayersOff::default(),
    };
    let started = Sandboxes::start(config, Arc::clone(clock)).await;
    started.expect("the server starts")
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
