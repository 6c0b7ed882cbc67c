//! Without root: the server is an ordinary user's, its sandboxes are the user's subordinate ids, and what it
//! cannot give is refused. What the sandboxes keep out then is in `crates/sandbox/tests/sandboxes/rootless.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use kiln_testkit::process::{self, Process};
use kiln_testkit::{Builder, OrdinaryUser, Server, programs, runtimes, wait_for};
use serde_json::{Value, json};

use crate::{client, layers, snap_start};

/// Says who it is, and can take memory, time, and a way to a port of the host.
const SOURCE: &str = "import os, socket, time\n\
    def handler(event, context):\n    \
        time.sleep(event.get('sleep', 0))\n    \
        block = bytearray(event.get('mib', 0) << 20)\n    \
        for i in range(0, len(block), 4096):\n        block[i] = 1\n    \
        answer = {'uid': os.getuid(), 'gid': os.getgid(), 'pid': os.getpid(), 'groups': os.getgroups()}\n    \
        answer['map'] = open('/proc/self/uid_map').read().split()\n    \
        answer['devices'] = len(os.urandom(8)) + open('/dev/null', 'w').write('x') + len(open('/dev/zero', 'rb').read(3))\n    \
        if 'port' in event:\n        \
            try:\n            socket.create_connection(('127.0.0.1', event['port']), 5)\n            answer['connected'] = True\n        \
            except OSError as error:\n            answer['connected'] = type(error).__name__\n    \
        return answer\n";

fn server() -> (Server, Arc<OrdinaryUser>) {
    let user = Arc::new(OrdinaryUser::new());
    (builder(&user).start(), user)
}

fn builder(user: &Arc<OrdinaryUser>) -> Builder {
    Server::builder().as_user(user)
}

/// Everything of a server, with the process that its user started.
fn processes(server: &Server) -> Vec<Process> {
    let outside = server.process();
    [outside].into_iter().chain(outside.descendants()).collect()
}

/// Every user and group that a process is, and whether it has a capability where the machine's root has it.
fn rights(process: Process) -> Option<(BTreeSet<u32>, bool)> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let ids = [line("Uid:")?, line("Gid:")?, line("Groups:")?].join(" ");
    let ids = ids
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/user")).ok();
    let is_of_the_machine = namespace(&process.pid.to_string())? == namespace("self")?;
    let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"];
    let has_some = sets
        .iter()
        .any(|set| line(set).is_some_and(|bits| bits.trim() != "0000000000000000"));
    Some((ids, is_of_the_machine && has_some))
}

#[test]
fn functions_run_as_subordinate_ids_and_nothing_is_root() {
    let (server, user) = server();
    for name in ["who", "else"] {
        server.function(name, SOURCE).create();
    }
    server.invoke("else", &json!({})).success();
    let answer = server.invoke("who", &json!({})).success();
    assert_eq!(answer["groups"], json!([]), "{answer}");
    assert_eq!(answer["devices"], 12, "{answer}");
    let subordinate = user.subordinate();
    let of_sandboxes = |id: &u32| subordinate.contains(id);
    let mut sandboxes = BTreeSet::new();
    let mut count = 0;
    for process in processes(&server) {
        let is_ending_its_birth = |found: &(BTreeSet<u32>, bool)| found.0.len() > 1;
        let mut found = rights(process);
        if found.as_ref().is_some_and(is_ending_its_birth) {
            // The pool makes more at any time, and a stem becomes its user step by step.
            std::thread::sleep(Duration::from_secs(1));
            found = rights(process);
        }
        let Some((ids, has_rights)) = found else {
            continue;
        };
        count += 1;
        assert!(!has_rights, "{process:?} has a capability");
        // What its user started keeps its user's other group; nothing inside has it.
        let is_outside = process.pid == server.process().pid;
        assert_eq!(
            ids.contains(&user.supplementary_group()),
            is_outside,
            "{process:?} is {ids:?}"
        );
        let is_ours = |id: &u32| {
            *id == user.uid()
                || of_sandboxes(id)
                || (is_outside && *id == user.supplementary_group())
        };
        assert!(ids.iter().all(is_ours), "{process:?} is {ids:?}");
        // Nothing is both: a sandbox's process is no longer its user.
        if ids.iter().any(of_sandboxes) {
            assert_eq!(ids.len(), 1, "{process:?} is {ids:?}");
            sandboxes.extend(ids);
        }
    }
    assert!(count > 4, "the server is more than {count} processes");
    // Each function's is another.
    assert!(sandboxes.len() > 1, "{sandboxes:?}");
    let inside = answer["uid"].as_u64().unwrap();
    let first = u64::from(kiln_sandbox::Config::UID_BASE);
    let outside = u64::from(subordinate.start) + inside - first;
    let outside = u32::try_from(outside).unwrap();
    assert!(sandboxes.contains(&outside), "{outside} {sandboxes:?}");
}

#[test]
fn the_missions_example_runs_unchanged() {
    let (server, _user) = server();
    client::python(&server, "mission.py", &[]);
}

#[test]
fn limits_act() {
    let (server, _user) = server();
    server
        .function("greedy", SOURCE)
        .memory(128)
        .timeout(60)
        .create();
    server.function("late", SOURCE).timeout(1).create();
    server.invoke("greedy", &json!({"mib": 20})).success();
    let killed = server.invoke("greedy", &json!({"mib": 300})).failure();
    assert_eq!(killed["errorType"], "Runtime.OutOfMemory", "{killed}");
    let late = server.invoke("late", &json!({"sleep": 10})).failure();
    assert!(late.to_string().contains("timed out after 1"), "{late}");
    server.invoke("greedy", &json!({})).success();
}

#[test]
fn the_network_is_what_the_policy_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let user = Arc::new(OrdinaryUser::new());
    let service = format!("db=127.0.0.1:{port}");
    let server = builder(&user).args(&["--host-service", &service]).start();
    server.function("loopback", SOURCE).create();
    let answer = server.invoke("loopback", &json!({"port": port})).success();
    assert_eq!(answer["connected"], "ConnectionRefusedError", "{answer}");
    let source = "import socket\n\
        def handler(event, context):\n    \
            s = socket.create_connection(('db.host.kiln.internal', event['port']), 5)\n    \
            return s.recv(10).decode()\n";
    let named = server.function("named", source);
    named
        .set("Tags", json!({"kiln:network": "host-services db"}))
        .create();
    let greeting = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello").unwrap();
    });
    let answer = server.invoke("named", &json!({"port": port})).success();
    assert_eq!(answer, "hello");
    greeting.join().unwrap();
}

#[test]
fn layers_and_snapshots_work() {
    let (server, _user) = server();
    layers::check_programs_and_libraries(&server);
    snap_start::deploy(&server, snap_start::SOURCE);
    let first = server.invoke("snapped:1", &json!({}));
    assert!(first.success().is_string());
    assert!(first.log.contains("Restore Duration"), "{}", first.log);
}

#[test]
fn node_runs() {
    let user = Arc::new(OrdinaryUser::new());
    let node = runtimes::newest_node();
    let runtime = node.runtime();
    let server = builder(&user).nodes(vec![node]).start();
    let source = "exports.handler = async (event) => event.a + event.b\n";
    let zip = kiln_testkit::archive::zip(&[("index.js", source.as_bytes())]);
    let function = server.function("adds", "").zip(zip);
    function.set("Runtime", json!(runtime)).create();
    let answer = server.invoke("adds", &json!({"a": 2, "b": 3})).success();
    assert_eq!(answer, 5);
}

#[test]
fn nothing_is_left_when_it_is_stopped_or_killed() {
    for is_killed in [false, true] {
        let (server, user) = server();
        server.function("who", SOURCE).timeout(60).create();
        server.invoke("who", &json!({})).success();
        let all = processes(&server);
        assert!(!user.server_groups().is_empty());
        let home = if is_killed {
            server.kill9()
        } else {
            server.stop()
        };
        wait_for("all to be gone", Duration::from_secs(20), || {
            let is_gone = all.iter().all(|process| !process.is_alive());
            (is_gone && user.server_groups().is_empty()).then_some(())
        });
        let of_ids = |process: &Process| {
            let uid = process.uid();
            uid.is_some_and(|uid| uid == user.uid() || user.subordinate().contains(&uid))
        };
        assert_eq!(process::all().into_iter().find(of_ids), None);
        // What it kept is the next one's.
        let next = Server::builder().home(home).start();
        next.invoke("who", &json!({})).success();
    }
}

#[test]
fn the_server_inside_may_be_killed_too() {
    let (server, user) = server();
    server.function("who", SOURCE).create();
    server.invoke("who", &json!({})).success();
    let all = processes(&server);
    // Outside, the first inside, the server.
    let inside = all
        .iter()
        .find(|process| {
            let name = |pid| fs::read_to_string(format!("/proc/{pid}/status"));
            let status = name(process.pid).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with("NSpid:") && line.ends_with("\t2"))
        })
        .expect("it is the second of its namespace");
    let pid = rustix::process::Pid::from_raw(inside.pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_for("all to be gone", Duration::from_secs(20), || {
        let is_gone = all.iter().all(|process| !process.is_alive());
        (is_gone && user.server_groups().is_empty()).then_some(())
    });
    server.kill9();
}

/// What a command says, and how it ends, as a user.
fn as_user(user: &OrdinaryUser, args: &[&str]) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    user.own_directory(folder.path());
    let bin = folder.path().join("programs");
    user.own_directory(&bin);
    let kiln = programs::kiln();
    let mut command = user.command(&[(kiln.parent().unwrap(), &bin)]);
    command
        .arg(bin.join("kiln"))
        .args(args)
        .env("HOME", folder.path())
        .env("KILN_DATA_DIR", folder.path().join("data"))
        .env("XDG_RUNTIME_DIR", folder.path())
        .env_remove("KILN_RUNTIMES");
    (command.output().unwrap(), folder)
}

fn doctor(user: &OrdinaryUser) -> (Vec<Value>, bool) {
    let (output, _folder) = as_user(user, &["doctor", "--output", "json"]);
    let found = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (found, output.status.success())
}

#[test]
fn doctor_says_what_a_user_lacks() {
    let status = |found: &[Value], name: &str| {
        let row = found.iter().find(|row| row["name"] == name);
        row.map(|row| row["status"].as_str().unwrap().to_owned())
    };
    let (found, is_good) = doctor(&OrdinaryUser::new());
    assert!(is_good, "{found:?}");
    for name in [
        "user",
        "user namespaces",
        "subordinate ids",
        "newuidmap",
        "uids of sandboxes",
        "memory controller",
    ] {
        assert_eq!(
            status(&found, name).as_deref(),
            Some("good"),
            "{name}: {found:?}"
        );
    }
    for (without, name) in [
        ("subids", "subordinate ids"),
        ("groups", "memory controller"),
    ] {
        let (found, is_good) = doctor(&OrdinaryUser::without(without));
        assert!(!is_good, "{found:?}");
        assert_eq!(
            status(&found, name).as_deref(),
            Some("missing"),
            "{found:?}"
        );
    }
}

#[test]
fn a_start_that_cannot_be_is_refused_with_what_to_do() {
    let cases: [(&str, &[&str], &str); 4] = [
        ("subids", &[], "usermod --add-subuids"),
        ("groups", &[], "Delegate=yes"),
        (
            "",
            &["--file-system", "shared=/srv"],
            "--file-system needs root",
        ),
        ("", &["--sandboxes-max", "20000"], "--sandboxes-max"),
    ];
    for (without, args, says) in cases {
        let user = OrdinaryUser::without(without);
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let (output, _folder) = as_user(&user, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
