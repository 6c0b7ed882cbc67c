//! Nothing is left of an instance: no process, no control group, no mount, no file, no descriptor.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln_testkit::{Server, process, wait_for};
use serde_json::json;

/// Ends its instance at every invocation, each in another way.
const FRAGILE: &str = "import os, time\n\ndef handler(event, context):\n    open('/tmp/file', 'w').write('x' * 100000)\n    \
                       if event['end'] == 'exit':\n        os._exit(1)\n    if event['end'] == 'timeout':\n        \
                       time.sleep(60)\n    if event['end'] == 'memory':\n        x = bytearray(400 << 20)\n        \
                       for i in range(0, len(x), 4096):\n            x[i] = 1\n    if event['end'] == 'child':\n        \
                       if os.fork() == 0:\n            time.sleep(600)\n        os._exit(1)\n";

fn open_descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.process().pid))
        .unwrap()
        .count()
}

fn files_below(folder: &std::path::Path) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()));
        }
        found.insert(entry.path());
    }
    found
}

#[test]
fn instances_that_ended_leave_nothing() {
    let server = Server::start();
    server.function("fragile", FRAGILE).timeout(1).create();
    server.invoke("fragile", &json!({"end": "exit"}));
    settle(&server, None);
    let (processes, descriptors) = (
        server.process().descendants().len(),
        open_descriptors(&server),
    );
    let groups = control_groups(&server);
    let mounts = process::mounts_in(&server.home().data_dir()).len();
    let files = files_below(&server.home().data_dir()).len();
    for round in 0..15 {
        for end in ["exit", "memory", "child"] {
            server.invoke("fragile", &json!({"end": end})).failure();
        }
        if round == 0 {
            server
                .invoke("fragile", &json!({"end": "timeout"}))
                .failure();
        }
    }
    settle(&server, Some(processes));
    assert_eq!(server.process().descendants().len(), processes);
    assert!(
        open_descriptors(&server) <= descriptors + 2,
        "{} {descriptors}",
        open_descriptors(&server)
    );
    assert!(
        control_groups(&server) <= groups,
        "{} {groups}",
        control_groups(&server)
    );
    assert_eq!(process::mounts_in(&server.home().data_dir()).len(), mounts);
    assert!(files_below(&server.home().data_dir()).len() <= files + 2);
}

#[test]
fn a_stopped_server_leaves_no_process_group_or_mount() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return 1\n";
    for number in 0..10 {
        server.function(&format!("f-{number}"), source).create();
        server.invoke(&format!("f-{number}"), &json!({})).success();
    }
    let below = server.process().descendants();
    let groups: BTreeSet<_> = below
        .iter()
        .flat_map(|process| process.control_groups())
        .filter(|group| group.to_string_lossy().contains("kiln"))
        .collect();
    assert!(below.len() > 10);
    assert!(
        !groups.is_empty(),
        "sandboxes have control groups of their own"
    );
    let home = server.stop();
    let alive: Vec<_> = below.iter().filter(|process| process.is_alive()).collect();
    assert!(alive.is_empty(), "{alive:?}");
    let left: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        process::mounts_in(home.data_dir().parent().unwrap()),
        Vec::<String>::new()
    );
    assert!(
        !home.data_dir().join("server.json").exists(),
        "nobody is told of a server that is gone"
    );
}

#[test]
fn code_that_no_function_uses_is_removed_on_the_next_start() {
    let server = Server::start();
    server
        .function("kept", "def handler(e, c):\n    return 'kept'\n")
        .create();
    for number in 0..5 {
        let name = format!("gone-{number}");
        let source = format!("def handler(e, c):\n    return {number}\n");
        server.function(&name, &source).create();
        server.invoke(&name, &json!({})).success();
        server
            .lambda("DELETE", &format!("/2015-03-31/functions/{name}"))
            .send();
    }
    let server = Server::builder().home(server.stop()).start();
    let code = |server: &Server| {
        let files = files_below(&server.home().data_dir());
        files
            .iter()
            .filter(|path| path.ends_with("index.py"))
            .count()
    };
    wait_for("unused code to be removed", Duration::from_secs(10), || {
        (code(&server) == 1).then_some(())
    });
    assert_eq!(server.invoke("kept", &json!({})).success(), json!("kept"));
}

/// Waits until the pools are full again and dead instances are gone: the number of processes stands
/// still, at the expected one when there is one.
fn settle(server: &Server, expected: Option<usize>) {
    let mut last = (0, 0);
    wait_for(
        "the processes to stand still",
        Duration::from_secs(20),
        || {
            std::thread::sleep(Duration::from_millis(200));
            let count = server.process().descendants().len();
            last = if count == last.0 {
                (count, last.1 + 1)
            } else {
                (count, 0)
            };
            (last.1 >= 5 && expected.is_none_or(|expected| expected == count)).then_some(())
        },
    );
}

fn control_groups(server: &Server) -> usize {
    let below = server.process().descendants();
    let all: BTreeSet<_> = below
        .iter()
        .flat_map(|process| process.control_groups())
        .collect();
    let parents: BTreeSet<_> = all
        .iter()
        .filter(|group| group.to_string_lossy().contains("kiln"))
        .filter_map(|group| group.parent().map(std::path::Path::to_path_buf))
        .collect();
    parents
        .iter()
        .map(|parent| std::fs::read_dir(parent).map_or(0, Iterator::count))
        .sum()
}
