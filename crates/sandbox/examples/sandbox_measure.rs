//! Measures sandboxes on this machine: `sandbox_measure PYTHON PACK_DIR [LANG_DIR]`, as root.
//!
//! PYTHON is the interpreter's path inside a sandbox, PACK_DIR a runtime pack made by
//! `runtimes/python/build-pack`, LANG_DIR what to mount at `/var/lang`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kiln_sandbox::{
    Config, Image, LayersOff, Limits, Mount, PoolConfig, Program, Request, Sandboxes, Start,
};
use kiln_types::{Clock, SystemClock};

const STEMS: usize = 100;
const LEASES: usize = 300;
const LISTENERS: [SocketAddr; 2] = [
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001)),
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9002)),
];
const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
    cpu_millis: 1000,
    processes: 1024,
    tmp_bytes: 512 << 20,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("__spawner") => return kiln_sandbox::spawner_main(),
        Some(_) if arguments.len() >= 3 => {}
        _ => {
            eprintln!("usage: sandbox_measure PYTHON PACK_DIR [LANG_DIR]");
            return ExitCode::FAILURE;
        }
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(&arguments));
    ExitCode::SUCCESS
}

async fn measure(arguments: &[String]) {
    let clock = Arc::new(SystemClock::start());
    let pool = PoolConfig {
        shells: 0,
        stems_per_image: STEMS,
    };
    let sandboxes = start(arguments, pool, &clock).await;
    let first = || sandboxes.statistics().stems_ready["python"] > 0;
    until(first).await;
    let (begun, had) = (clock.now(), sandboxes.statistics().stems_ready["python"]);
    until(|| sandboxes.statistics().stems_ready["python"] == STEMS).await;
    let took = clock.now().since(begun).as_secs_f64();
    println!("stems made per second: {:.0}", (STEMS - had) as f64 / took);
    memory();

    let code = tempfile::tempdir().expect("a directory");
    let mounts = vec![Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    }];
    let mut times = Vec::new();
    for _ in 0..LEASES {
        until(|| sandboxes.statistics().stems_ready["python"] > STEMS / 2).await;
        let begun = clock.now();
        let request = Request {
            image: "python".into(),
            start: Start::Zygote,
            limits: LIMITS,
            mounts: mounts.clone(),
            volumes: vec![],
            listeners: vec![],
            network: false,
            companions: false,
        };
        let sandbox = sandboxes.lease(request).await.expect("a stem");
        times.push(clock.now().since(begun));
        assert!(sandbox.was_pooled());
    }
    report("lease of a stem, pool refilling meanwhile", &mut times);
    let begun = clock.now();
    let live = sandboxes.statistics().live;
    sandboxes.shutdown().await;
    let took = clock.now().since(begun);
    println!("shutdown of {live} sandboxes: {} ms", took.as_millis());

    let sandboxes = start(
        arguments,
        PoolConfig {
            shells: 0,
            stems_per_image: 0,
        },
        &clock,
    )
    .await;
    exec_and_fork(&sandboxes, &clock).await;
    sandboxes.shutdown().await;
    let sandboxes = start(
        arguments,
        PoolConfig {
            shells: 300,
            stems_per_image: 0,
        },
        &clock,
    )
    .await;
    let begun = clock.now();
    until(|| sandboxes.statistics().shells_ready == 300).await;
    println!(
        "shells made per second: {:.0}",
        300.0 / clock.now().since(begun).as_secs_f64()
    );
    let begun = clock.now();
    sandboxes.shutdown().await;
    println!(
        "shutdown of 300 shells: {} ms",
        clock.now().since(begun).as_millis()
    );
}

/// Leases with empty pools: a program, and a fork.
async fn exec_and_fork(sandboxes: &Sandboxes, clock: &SystemClock) {
    for (what, start) in [
        (
            "lease of a program, dry",
            Start::Exec(Program {
                argv: vec!["/bin/true".into()],
                env: vec![],
                cwd: "/".into(),
            }),
        ),
        ("lease of a fork, dry", Start::Zygote),
    ] {
        let (mut times, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let request = Request {
                image: "python".into(),
                start: start.clone(),
                limits: LIMITS,
                mounts: vec![],
                volumes: vec![],
                listeners: vec![],
                network: false,
                companions: false,
            };
            let begun = clock.now();
            let sandbox = sandboxes.lease(request).await.expect("a sandbox");
            times.push(clock.now().since(begun));
            let begun = clock.now();
            drop(sandbox);
            until(|| sandboxes.statistics().live == 0).await;
            ends.push(clock.now().since(begun));
        }
        report(what, &mut times);
        report("  its teardown", &mut ends);
    }
}

async fn start(arguments: &[String], pool: PoolConfig, clock: &Arc<SystemClock>) -> Sandboxes {
    let mut mounts = vec![Mount {
        source: (&arguments[2]).into(),
        target: "/var/runtime".into(),
    }];
    if let Some(lang) = arguments.get(3) {
        mounts.push(Mount {
            source: lang.into(),
            target: "/var/lang".into(),
        });
    }
    let zygote = [
        &arguments[1],
        "-I",
        "-S",
        "-B",
        "/var/runtime/kiln_runtime/zygote.py",
    ];
    let image = Image {
        name: "python".into(),
        mounts,
        zygote: Some(zygote.map(str::to_owned).to_vec()),
        env: vec![("LD_LIBRARY_PATH".into(), "/var/lang/lib".into())],
        ahead: vec![],
    };
    let config = Config {
        exe: "/proc/self/exe".into(),
        state_dir: PathBuf::from(format!("/tmp/sandbox-measure-{}", std::process::id())),
        name: format!("measure-{}", std::process::id()),
        uid_base: Config::UID_BASE,
        sandboxes_max: 1_000,
        images: vec![image],
        pool,
        listeners: LISTENERS.to_vec(),
        network: true,
        layers_off: LayersOff::default(),
    };
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Sandboxes::start(config, clock)
        .await
        .expect("the server starts")
}

/// What one idle stem costs: its own process, its init, and what the kernel charged.
fn memory() {
    let mut totals = std::collections::BTreeMap::<&str, (u64, u64, u64)>::new();
    for entry in fs::read_dir("/proc").expect("readable").flatten() {
        let path = entry.path();
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        if !read("cgroup").contains(&format!("kiln-measure-{}", std::process::id())) {
            continue;
        }
        let kind = if read("cmdline").contains("zygote.py") {
            "stem"
        } else {
            "init"
        };
        let rollup = read("smaps_rollup");
        let field = |name: &str| -> u64 {
            let lines = rollup.lines().filter_map(|line| line.strip_prefix(name));
            lines
                .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .sum()
        };
        let total = totals.entry(kind).or_default();
        total.0 += 1;
        total.1 += field("Pss:");
        total.2 += field("Private_Dirty:");
    }
    for (kind, (count, pss, dirty)) in totals {
        println!(
            "{kind}: {count}, PSS {} KiB, private dirty {} KiB",
            pss / count,
            dirty / count
        );
    }
    let own = format!("/sys/fs/cgroup/memory/kiln-measure-{}", std::process::id());
    let usage = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let groups = fs::read_dir(own).into_iter().flatten().flatten();
    let charged: Vec<u64> = groups
        .filter_map(|group| usage(group.path().join("memory.usage_in_bytes")))
        .collect();
    if !charged.is_empty() {
        let mean = charged.iter().sum::<u64>() / charged.len() as u64 / 1024;
        println!("charged to a stem's control group: {mean} KiB");
    }
    let own = format!("/sys/fs/cgroup/cpuacct/kiln-measure-{}", std::process::id());
    let groups = fs::read_dir(own).into_iter().flatten().flatten();
    let used: Vec<u64> = groups
        .filter_map(|group| usage(group.path().join("cpuacct.usage")))
        .collect();
    if !used.is_empty() {
        let mean = used.iter().sum::<u64>() / used.len() as u64 / 1000;
        println!("processor time inside a stem until it is ready: {mean} µs");
    }
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros();
    println!("{what}: p50 {} µs, p99 {} µs", at(0.5), at(0.99));
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}
