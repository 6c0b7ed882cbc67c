//! What a server finds again: after a clean stop, and after a power cut.

use kiln_testkit::{Keys, Server, process};
use serde_json::{Value, json};

const SOURCE: &str =
    "import os\n\ndef handler(event, context):\n    return os.environ.get('NAME')\n";

fn create(server: &Server) {
    server
        .function("kept", SOURCE)
        .environment(json!({"NAME": "1"}))
        .set("Tags", json!({"a": "b"}))
        .create();
    let url = json!({"AuthType": "AWS_IAM"});
    server
        .lambda("POST", "/2021-10-31/functions/kept/url")
        .json(&url)
        .send()
        .expect_status(201);
    let reserved = json!({"ReservedConcurrentExecutions": 5});
    server
        .lambda("PUT", "/2017-10-31/functions/kept/concurrency")
        .json(&reserved)
        .send()
        .expect_status(200);
}

/// Everything about the function but its URL's port, which is another one each time.
fn read(server: &Server) -> (Value, Value, Value) {
    let get = |path: &str| server.lambda("GET", path).send().expect_status(200).json();
    let mut function = get("/2015-03-31/functions/kept");
    function["Code"]["Location"] = Value::Null;
    let mut url = get("/2021-10-31/functions/kept/url");
    let id = url["FunctionUrl"]
        .as_str()
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    url["FunctionUrl"] = json!(id);
    (function, url, get("/2019-09-30/functions/kept/concurrency"))
}

fn assert_same_keys(one: &Keys, two: &Keys) {
    assert_eq!(one.access_key_id, two.access_key_id);
    assert_eq!(one.secret_access_key, two.secret_access_key);
}

#[test]
fn functions_and_keys_survive_a_clean_stop() {
    let server = Server::start();
    create(&server);
    let (before, keys) = (read(&server), server.keys().clone());
    let server = Server::builder().home(server.stop()).start();
    assert_same_keys(&keys, server.keys());
    assert_eq!(read(&server), before);
    assert_eq!(server.invoke("kept", &json!({})).success(), json!("1"));
}

#[test]
fn what_was_answered_survives_kill_9() {
    let server = Server::start();
    create(&server);
    let (before, keys) = (read(&server), server.keys().clone());
    // Killed right after the answer: the last function must be there too.
    server.function("last", SOURCE).create();
    let server = Server::builder().home(server.kill9()).start();
    assert_same_keys(&keys, server.keys());
    assert_eq!(read(&server), before);
    assert_eq!(server.invoke("last", &json!({})).success(), Value::Null);
}

#[test]
fn the_next_start_cleans_up_after_kill_9() {
    let server = Server::start();
    let source = "import time\n\ndef handler(event, context):\n    time.sleep(event['sleep'])\n";
    for number in 0..5 {
        server
            .function(&format!("left-{number}"), source)
            .timeout(60)
            .create();
        server.invoke(&format!("left-{number}"), &json!({"sleep": 0}));
    }
    let path = "/2015-03-31/functions/left-0/invocations";
    server
        .lambda("POST", path)
        .body("{\"sleep\": 60}")
        .send_and_hang_up(std::time::Duration::from_millis(300));
    let left = server.process().descendants();
    let groups: std::collections::BTreeSet<_> = left
        .iter()
        .flat_map(|process| process.control_groups())
        .collect();
    assert!(left.len() > 5, "{left:?}");
    assert!(!groups.is_empty());

    let home = server.kill9();
    let server = Server::builder().home(home).start();
    let alive: Vec<_> = left.iter().filter(|process| process.is_alive()).collect();
    assert!(
        alive.is_empty(),
        "processes of the killed server: {alive:?}"
    );
    let now = server.process().descendants();
    let used: std::collections::BTreeSet<_> = now
        .iter()
        .flat_map(|process| process.control_groups())
        .collect();
    server.invoke("left-1", &json!({"sleep": 0})).success();
    let home = server.stop();
    let ours = |group: &&std::path::PathBuf| group.to_string_lossy().contains("kiln");
    let remaining: Vec<_> = groups
        .union(&used)
        .filter(ours)
        .filter(|group| group.exists())
        .collect();
    assert!(remaining.is_empty(), "control groups: {remaining:?}");
    let mounts = process::mounts_in(home.data_dir().parent().unwrap());
    assert!(mounts.is_empty(), "{mounts:?}");
}

#[test]
fn two_servers_on_one_machine_leave_each_other_alone() {
    let one = Server::start();
    let two = Server::start();
    create(&one);
    create(&two);
    assert_eq!(one.invoke("kept", &json!({})).success(), json!("1"));
    assert_eq!(two.invoke("kept", &json!({})).success(), json!("1"));
    let home = one.kill9();
    let one = Server::builder().home(home).start();
    assert!(
        !two.invoke("kept", &json!({})).log.contains("Init Duration"),
        "its instance was not touched"
    );
    one.invoke("kept", &json!({})).success();
}

#[test]
fn a_data_directory_belongs_to_one_server() {
    let server = Server::start();
    let output = std::process::Command::new(kiln_testkit::programs::kiln())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.home().data_dir())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(
        says.contains(server.home().data_dir().to_str().unwrap()),
        "{says}"
    );
    server
        .lambda("GET", "/2015-03-31/functions")
        .send()
        .expect_status(200);
}
