//! The command line, verb by verb, as people and scripts use it.

use std::process::{Command, Output, Stdio};

use kiln_testkit::{Server, programs};
use serde_json::{Value, json};

use crate::MISSION;

fn run(server: &Server, args: &[&str]) -> Output {
    server.kiln(args).output().unwrap()
}

fn ok(server: &Server, args: &[&str]) -> String {
    String::from_utf8(programs::run(&mut server.kiln(args)).stdout).unwrap()
}

fn json_of(server: &Server, args: &[&str]) -> Value {
    let mut args = args.to_vec();
    args.extend(["--output", "json"]);
    let text = ok(server, &args);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[test]
fn a_folder_is_deployed_invoked_read_and_deleted() {
    let server = Server::start();
    let folder = project(&[("lambda_function.py", MISSION), ("notes.txt", "x")]);
    let path = folder.path().to_str().unwrap();
    let deploy = [
        "deploy",
        path,
        "--name",
        "sum",
        "--runtime",
        server.runtime(),
    ];
    ok(&server, &deploy);
    let result = ok(
        &server,
        &["invoke", "sum", "--payload", r#"{"num1": 1, "num2": 2}"#],
    );
    assert_eq!(
        serde_json::from_str::<Value>(&result).unwrap(),
        json!({"result": 3})
    );

    let listed = json_of(&server, &["list"]);
    assert!(listed.to_string().contains("\"sum\""), "{listed}");
    assert!(ok(&server, &["list"]).contains("sum"));
    let described = json_of(&server, &["describe", "sum"]);
    assert!(
        described
            .to_string()
            .contains("lambda_function.lambda_handler"),
        "{described}"
    );
    kiln_testkit::wait_for("logs", std::time::Duration::from_secs(10), || {
        ok(&server, &["logs", "sum"])
            .contains("REPORT RequestId")
            .then_some(())
    });
    kiln_testkit::wait_for("usage", std::time::Duration::from_secs(10), || {
        ok(&server, &["usage"]).contains("sum").then_some(())
    });

    // A second deployment of the same changes nothing; another handler's code changes the answer.
    ok(&server, &deploy);
    std::fs::write(
        folder.path().join("lambda_function.py"),
        MISSION.replace("num1 + num2", "num1 * num2"),
    )
    .unwrap();
    ok(&server, &deploy);
    let result = ok(
        &server,
        &["invoke", "sum", "-p", r#"{"num1": 3, "num2": 4}"#],
    );
    assert_eq!(
        serde_json::from_str::<Value>(&result).unwrap(),
        json!({"result": 12})
    );

    ok(&server, &["delete", "sum", "--yes"]);
    assert_eq!(run(&server, &["invoke", "sum"]).status.code(), Some(2));
}

#[test]
fn a_single_file_with_a_url_is_on_the_web_at_once() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return {'path': event['rawPath']}\n";
    let folder = project(&[("web.py", source)]);
    let path = folder.path().join("web.py");
    let deployed = run(&server, &["deploy", path.to_str().unwrap(), "--url"]);
    assert!(
        deployed.status.success(),
        "{}",
        String::from_utf8_lossy(&deployed.stderr)
    );
    let says = String::from_utf8_lossy(&deployed.stdout).into_owned()
        + &String::from_utf8_lossy(&deployed.stderr);
    let url = says
        .split_whitespace()
        .find(|word| word.contains(".lambda-url."))
        .unwrap_or_else(|| panic!("{says}"));
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let answer = server
        .request("GET", "/hello")
        .host(host)
        .send()
        .expect_status(200);
    assert_eq!(answer.json(), json!({"path": "/hello"}));
}

#[test]
fn a_failing_function_ends_with_status_1_and_everything_else_with_2() {
    let server = Server::start();
    server
        .function("fails", "def handler(e, c):\n    raise ValueError('no')\n")
        .create();
    let failed = run(&server, &["invoke", "fails", "--tail"]);
    assert_eq!(failed.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(document["errorType"], "ValueError");
    let says = String::from_utf8_lossy(&failed.stderr);
    assert!(says.contains("REPORT RequestId"), "{says}");
    let absent = run(&server, &["describe", "absent"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(absent.stdout.is_empty(), "errors are not results");
    let says = String::from_utf8_lossy(&absent.stderr);
    assert!(
        says.contains("absent") && says.contains("kiln list"),
        "says what to do next: {says}"
    );
}

#[test]
fn the_server_is_found_by_flag_environment_and_file() {
    let server = Server::start();
    server
        .function("found", "def handler(e, c):\n    return 7\n")
        .create();
    let ready = server.home().data_dir().join("server.json");
    let by_file = Command::new(programs::kiln())
        .args(["invoke", "found", "--ready-file"])
        .arg(&ready)
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&by_file.stdout).trim(), "7");
    let nobody = Command::new(programs::kiln())
        .args(["list", "--endpoint-url", "http://127.0.0.1:1"])
        .envs(server.client_environment())
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    let says = String::from_utf8_lossy(&nobody.stderr);
    assert!(
        says.contains("127.0.0.1:1") && says.contains("kiln serve"),
        "{says}"
    );
}

#[test]
fn an_event_is_read_from_standard_input() {
    let server = Server::start();
    server
        .function("echo", "def handler(e, c):\n    return e\n")
        .create();
    let mut child = server
        .kiln(&["invoke", "echo", "--event", "-", "--raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"{\"a\": [1]}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({"a": [1]})
    );
}

#[test]
fn doctor_says_what_the_machine_gives() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(programs::kiln())
        .args(["doctor", "--output", "json"])
        .env("KILN_DATA_DIR", folder.path())
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    for word in ["seccomp", "cgroup", "namespace", "promised up to"] {
        assert!(says.to_lowercase().contains(word), "{word}: {says}");
    }
}

#[test]
fn doctor_reads_the_configuration_file_that_the_server_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    let settings = "data-dir = '/nonexistent/of-the-file'\nstems = 9\n";
    std::fs::write(&file, settings).unwrap();
    let output = Command::new(programs::kiln())
        .arg("doctor")
        .env_remove("KILN_DATA_DIR")
        .env_remove("KILN_RUNTIMES")
        .env("KILN_CONFIG", &file)
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(
        says.contains("none in /nonexistent/of-the-file/runtimes"),
        "{says}"
    );
}

#[test]
fn completions_know_every_verb() {
    let output = programs::run(Command::new(programs::kiln()).args(["completions", "bash"]));
    let script = String::from_utf8_lossy(&output.stdout);
    for verb in [
        "serve", "dev", "deploy", "invoke", "logs", "list", "describe", "delete", "usage",
        "status", "doctor",
    ] {
        assert!(script.contains(verb), "{verb}");
    }
}
