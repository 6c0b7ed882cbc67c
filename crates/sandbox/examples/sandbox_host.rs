//! The program that tests start: as the spawner, or as a server that can be killed.
//!
//! `sandbox_host __spawner`: what `kiln __spawner` does.
//! `sandbox_host hold NAME STATE_DIR COUNT`: leases COUNT sandboxes that sleep, prints `ready`, and
//! keeps them until it is killed.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use kiln_sandbox::{
    Config, Image, LayersOff, Limits, PoolConfig, Program, Request, Sandboxes, Start,
};
use kiln_types::SystemClock;

const LISTENER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("__spawner") => kiln_sandbox::spawner_main(),
        Some("hold") => hold(&arguments[2], PathBuf::from(&arguments[3]), &arguments[4]),
        _ => {
            eprintln!("usage: sandbox_host __spawner | hold NAME STATE_DIR COUNT");
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
