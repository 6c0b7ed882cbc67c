//! What code inside a sandbox can see, reach and do: probes that a hostile function would try.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use kiln_testkit::Server;
use serde_json::{Value, json};

const PROBE: &str = include_str!("probes/probe.py");

fn probe(server: &Server, what: &str, more: Value) -> Value {
    let mut event = json!({"probe": what});
    event
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    server.invoke("probe", &event).success()
}

fn server() -> Server {
    let server = Server::start();
    server
        .function("probe", PROBE)
        .timeout(20)
        .memory(256)
        .create();
    server
}

#[test]
fn no_privileges_are_left() {
    let server = server();
    let found = probe(&server, "privileges", json!({}));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(found[set], "0000000000000000", "{set}: {found}");
    }
    assert_eq!(found["NoNewPrivs"], "1", "{found}");
    assert_eq!(found["Seccomp"], "2", "{found}");
    let ids: Vec<u64> = ["ruid", "euid", "suid", "rgid", "egid", "sgid"]
        .iter()
        .map(|name| found[name].as_u64().unwrap())
        .collect();
    assert!(
        ids.iter().all(|id| *id == ids[0] && *id >= 1_000),
        "{found}"
    );
    assert!(found["groups"].as_array().unwrap().is_empty(), "{found}");
    assert_eq!(found["nofile"], json!([1024, 1024]), "{found}");
    assert_eq!(found["nproc"], json!([1024, 1024]), "{found}");
    assert_eq!(found["core"], json!([1, 1]), "{found}");
}

#[test]
fn dangerous_calls_of_the_kernel_are_refused() {
    let server = server();
    let found = probe(&server, "syscalls", json!({}));
    let results = found.as_object().unwrap();
    assert!(results.len() >= 15, "{found}");
    for (call, result) in results {
        let refused = ["EPERM", "ENOSYS", "EACCES", "killed"];
        assert!(
            refused.contains(&result.as_str().unwrap()),
            "{call}: {result}"
        );
    }
}

#[test]
fn the_hosts_files_are_not_there() {
    let server = server();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let secret = tempfile::NamedTempFile::new().unwrap();
    let paths = [
        server.home().data_dir().to_str().unwrap().to_owned(),
        server
            .home()
            .data_dir()
            .parent()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        kiln_testkit::programs::kiln().to_str().unwrap().to_owned(),
        kiln_testkit::programs::repository()
            .to_str()
            .unwrap()
            .to_owned(),
        secret.path().to_str().unwrap().to_owned(),
        format!("{home}/.bashrc"),
        format!("{home}/.aws"),
        "/etc/shadow".to_owned(),
        "/etc/sudoers".to_owned(),
        "/var/log".to_owned(),
        "/run/docker.sock".to_owned(),
        "/boot".to_owned(),
        ["/proc/1/root", "/etc/shadow"].concat(),
    ];
    let found = probe(&server, "readable", json!({"paths": paths}));
    assert_eq!(found, json!([]), "readable inside the sandbox");
}

#[test]
fn nothing_but_tmp_can_be_written() {
    let server = server();
    let found = probe(&server, "writable", json!({}));
    // AWS has no /dev/shm at all; here it is a small tmpfs that counts as the function's memory.
    assert_eq!(found, json!(["/dev/shm", "/tmp"]));
}

#[test]
fn mounts_are_few_and_read_only() {
    let server = server();
    let mounts = probe(&server, "mounts", json!({}));
    for mount in mounts.as_array().unwrap() {
        let target = mount[0].as_str().unwrap();
        let options: Vec<&str> = mount[1].as_str().unwrap().split(',').collect();
        // In /mnt only root may make what file systems are attached to.
        let may_be_written = ["/tmp", "/dev/shm", "/mnt"].contains(&target);
        assert!(
            may_be_written || options.contains(&"ro"),
            "{target} is writable: {options:?}"
        );
        assert!(options.contains(&"nosuid"), "{target}: {options:?}");
        assert!(!target.starts_with("/sys"), "{target}");
    }
    assert!(mounts.as_array().unwrap().len() < 40, "{mounts}");
}

#[test]
fn only_its_own_processes_are_seen() {
    let server = server();
    let found = probe(
        &server,
        "processes",
        json!({"host_pid": server.process().pid}),
    );
    assert!(found["pids"].as_array().unwrap().len() <= 3, "{found}");
    assert_eq!(found["kill_host"], "ESRCH", "{found}");
    assert!(!found["hostname"].as_str().unwrap().is_empty());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_ne!(found["hostname"].as_str().unwrap(), host.trim());
    for namespace in ["pid", "mnt", "ipc", "uts", "net", "cgroup"] {
        let ours = std::fs::metadata(format!("/proc/self/ns/{namespace}"))
            .unwrap()
            .ino();
        assert_ne!(
            found["namespaces"][namespace].as_u64().unwrap(),
            ours,
            "{namespace}: {found}"
        );
    }
}

#[test]
fn without_a_network_there_is_loopback_only() {
    let server = Server::builder().args(&["--network", "none"]).start();
    server.function("probe", PROBE).timeout(20).create();
    let port: u16 = server
        .authority()
        .split_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let found = probe(&server, "network", json!({"port": port}));
    assert_eq!(found["interfaces"], json!(["lo"]), "{found}");
    assert_eq!(
        found["kiln"], "ECONNREFUSED",
        "the server is not reachable: {found}"
    );
    for reach in ["internet", "internet6", "metadata"] {
        assert!(
            [
                "ENETUNREACH",
                "EPERM",
                "EACCES",
                "EADDRNOTAVAIL",
                "EAFNOSUPPORT"
            ]
            .contains(&found[reach].as_str().unwrap()),
            "{found}"
        );
    }
    assert_eq!(found["own_loopback"], "connected", "{found}");
    assert!(
        ["EPERM", "EACCES"].contains(&found["raw_socket"].as_str().unwrap()),
        "{found}"
    );
    assert_eq!(found["abstract_sockets"], json!([]), "{found}");
}

#[test]
fn no_descriptor_of_the_server_is_open() {
    let server = server();
    let found = probe(&server, "descriptors", json!({}));
    let targets: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|descriptor| descriptor[1].as_str().unwrap())
        .collect();
    let output = targets[1];
    assert!(output.starts_with("pipe:"), "{found}");
    for target in &targets {
        let is_known = *target == output
            || target.starts_with("socket:")
            || target.starts_with("/proc/")
            || *target == "/dev/null";
        assert!(is_known, "{target} in {found}");
    }
    let sockets = targets
        .iter()
        .filter(|target| target.starts_with("socket:"))
        .count();
    assert_eq!(sockets, 1, "the channel is the only socket: {found}");
}

#[test]
fn devices_are_the_harmless_ones() {
    let server = server();
    let found = probe(&server, "devices", json!({}));
    let allowed: BTreeSet<&str> = [
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    ]
    .into();
    for device in found.as_array().unwrap() {
        assert!(allowed.contains(device.as_str().unwrap()), "{device}");
    }
}

#[test]
fn two_instances_are_two_users_and_cannot_meet() {
    let server = server();
    server.function("neighbour", PROBE).timeout(20).create();
    let one = probe(&server, "privileges", json!({}));
    let two = server
        .invoke("neighbour", &json!({"probe": "privileges"}))
        .success();
    assert_ne!(one["ruid"], two["ruid"]);
    let found = server
        .invoke("neighbour", &json!({"probe": "processes", "host_pid": 1}))
        .success();
    let mine = probe(&server, "processes", json!({"host_pid": 1}));
    for namespace in ["pid", "mnt", "ipc", "uts", "net"] {
        assert_ne!(
            found["namespaces"][namespace], mine["namespaces"][namespace],
            "{namespace}"
        );
    }
}

#[test]
fn a_fork_bomb_stays_inside() {
    let server = Server::start();
    // Memory enough for a thousand forks of a Python: the limit of processes must come first.
    server
        .function("probe", PROBE)
        .timeout(60)
        .memory(4096)
        .create();
    let found = probe(&server, "fork_bomb", json!({}));
    let forked = found["forked"].as_u64().unwrap();
    assert!((10..=1_024).contains(&forked), "{found}");
    assert_eq!(found["stopped_by"], "EAGAIN", "{found}");
    // The server and its other functions go on, and so does this one.
    assert_eq!(
        server
            .invoke("probe", &json!({"probe": "nothing"}))
            .success(),
        Value::Null
    );
}

#[test]
fn a_fork_bomb_without_memory_takes_nobody_along() {
    let server = server();
    server.function("neighbour", PROBE).create();
    server
        .invoke("neighbour", &json!({"probe": "nothing"}))
        .success();
    server.invoke("probe", &json!({"probe": "fork_bomb"}));
    let neighbour = server.invoke("neighbour", &json!({"probe": "nothing"}));
    neighbour.success();
    assert!(
        !neighbour.log.contains("Init Duration"),
        "{}",
        neighbour.log
    );
    assert_eq!(
        server
            .invoke("probe", &json!({"probe": "nothing"}))
            .success(),
        Value::Null
    );
}

#[test]
fn processes_left_behind_end_with_the_instance() {
    let server = server();
    probe(&server, "daemonize", json!({}));
    let uid = probe(&server, "privileges", json!({}))["ruid"]
        .as_u64()
        .unwrap() as u32;
    let inside = server.processes_of(uid);
    assert!(
        inside.len() >= 2,
        "the handler's process and the one it left behind: {inside:?}"
    );
    server
        .lambda("DELETE", "/2015-03-31/functions/probe")
        .send();
    kiln_testkit::wait_for(
        "them to be gone",
        std::time::Duration::from_secs(10),
        || {
            inside
                .iter()
                .all(|process| !process.is_alive())
                .then_some(())
        },
    );
}

#[test]
fn processor_time_is_limited_by_memory() {
    let server = Server::start();
    let source = "import time\n\ndef handler(event, context):\n    start = time.process_time()\n    \
                  end = time.monotonic() + 1.5\n    while time.monotonic() < end:\n        pass\n    \
                  return (time.process_time() - start) / 1.5\n";
    server
        .function("spin", source)
        .memory(177)
        .timeout(10)
        .create();
    let share = server
        .invoke("spin", &json!({}))
        .success()
        .as_f64()
        .unwrap();
    // A tenth of a core for a tenth of 1,769 MB; a period of 100 ms may be granted at each end.
    assert!(share < 0.25, "{share}");
}
