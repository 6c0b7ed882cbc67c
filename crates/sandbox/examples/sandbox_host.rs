//! The program that tests start: as the spawner, or as a server that can be killed.
//!
//! `sandbox_host __spawner`: what `kiln __spawner` does.
//! `sandbox_host hold NAME STATE_DIR COUNT`: leases COUNT sandboxes that sleep, prints `ready`, and
//! keeps them until it is killed.
//! `sandbox_host rootless PROGRAM ARGUMENT...`: executes a program as the root of a user namespace.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use kiln_sandbox::{
    Config, Image, LayersOff, Limits, PoolConfig, Program, Request, Sandboxes, Start, rootless,
};
use kiln_types::SystemClock;

const LISTENER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("__spawner") => kiln_sandbox::spawner_main(),
        Some("rootless") => rootless(&arguments[2..]),
        Some("hold") => hold(&arguments[2], PathBuf::from(&arguments[3]), &arguments[4]),
        _ => {
            eprintln!(
                "usage: sandbox_host __spawner | hold NAME STATE_DIR COUNT | rootless PROGRAM ..."
            );
            ExitCode::FAILURE
        }
    }
}

/// As many uids as any test has sandboxes.
const UIDS: u32 = 10_000;

fn rootless(command: &[String]) -> ExitCode {
    let uids = Config::UID_BASE..Config::UID_BASE + UIDS;
    let entered = rootless::leave_group(&uids).and_then(|()| rootless::enter(uids));
    if let Err(error) = entered {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    // Numbers of processes that no sandbox has, as outside of a new namespace.
    std::fs::write("/proc/sys/kernel/ns_last_pid", "10000").expect("the namespace is ours");
    match Command::new(&command[0]).args(&command[1..]).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", command[0]);
            ExitCode::FAILURE
        }
    }
}

fn hold(name: &str, state_dir: PathBuf, count: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let count: usize = count.parse().expect("COUNT is a number");
    runtime.block_on(async {
        let image = Image {
            name: "plain".into(),
            mounts: vec![],
            zygote: None,
            env: vec![],
            ahead: vec![],
        };
        let config = Config {
            exe: "/proc/self/exe".into(),
            state_dir,
            name: name.into(),
            uid_base: Config::UID_BASE,
            sandboxes_max: 100,
            images: vec![image],
            pool: PoolConfig {
                shells: 2,
                stems_per_image: 0,
            },
            listeners: vec![LISTENER],
            network: true,
            layers_off: LayersOff::default(),
        };
        let clock = Arc::new(SystemClock::start());
        let sandboxes = match Sandboxes::start(config, clock).await {
            Ok(sandboxes) => sandboxes,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        let mut held = Vec::new();
        for _ in 0..count {
            let start = Start::Exec(Program {
                argv: vec!["/bin/sleep".into(), "1000".into()],
                env: vec![],
                cwd: "/".into(),
            });
            let limits = Limits {
                memory_bytes: 64 << 20,
                cpu_millis: 1000,
                processes: 16,
                tmp_bytes: 1 << 20,
            };
            let request = Request {
                image: "plain".into(),
                start,
                limits,
                mounts: vec![],
                volumes: vec![],
                listeners: vec![LISTENER],
                network: false,
                companions: false,
            };
            held.push(sandboxes.lease(request).await.expect("a sandbox"));
        }
        println!("ready");
        std::future::pending::<()>().await;
        drop(held);
        ExitCode::SUCCESS
    })
}
