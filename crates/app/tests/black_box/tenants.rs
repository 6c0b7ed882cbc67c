//! Tenants: two of them, what limits one, and that nothing is left of one that was erased.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kiln_testkit::{Home, Server, clients, programs, wait_for};
use serde_json::Value;

use crate::client;

/// How long something may take to happen.
const LIMIT: Duration = Duration::from_secs(60);
const PROGRAM: &str = "boto3_tenants.py";

/// An account that the operator made.
struct Tenant {
    name: &'static str,
    id: String,
    key: String,
    secret: String,
}

impl Tenant {
    fn create(server: &Server, name: &'static str) -> Self {
        let made = kiln(server, &["tenant", "create", name]);
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Self {
            name,
            id: text("id"),
            key: text("accessKeyId"),
            secret: text("secretAccessKey"),
        }
    }

    fn argument(&self) -> String {
        format!("{}:{}:{}:{}", self.name, self.id, self.key, self.secret)
    }

    fn mark(&self) -> String {
        format!("marker-of-{}-abcdefghijklmnop", self.name)
    }
}

fn kiln(server: &Server, arguments: &[&str]) -> Value {
    let arguments = [&["--output", "json"], arguments].concat();
    let output = programs::run(&mut server.kiln(&arguments)).stdout;
    serde_json::from_slice(&output).unwrap()
}

fn python(server: &Server, what: &str, tenants: &[&Tenant; 2]) {
    let tenants = tenants.map(Tenant::argument);
    client::python(server, PROGRAM, &[what, &tenants[0], &tenants[1]]);
}

/// The same, in the background.
fn python_command(server: &Server, what: &str, tenants: &[&Tenant; 2]) -> Command {
    let mut command = clients::python();
    command
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/black_box/clients")
                .join(PROGRAM),
        )
        .arg(what)
        .args(tenants.map(Tenant::argument))
        .envs(server.client_environment())
        .env("KILN_TEST_RUNTIME", server.runtime())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// All files below a directory in which a text stands, but those of the audit log.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holding(&path, text));
        } else if !path.to_string_lossy().contains("audit.db")
            && let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

fn ids(server: &Server) -> Vec<String> {
    let listed = kiln(server, &["tenant", "list"]);
    let tenants = listed["tenants"].as_array().unwrap().iter();
    tenants
        .map(|tenant| tenant["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Neither may look after the other, nor itself; and nothing is erased by mistake.
fn assert_only_the_operator_may(server: &Server, [one, other]: &[&Tenant; 2]) {
    let own_keys = [
        ("AWS_ACCESS_KEY_ID", &one.key),
        ("AWS_SECRET_ACCESS_KEY", &one.secret),
    ];
    let refused = server
        .kiln(&["tenant", "list"])
        .envs(own_keys)
        .output()
        .unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("which is the server's own"), "{told}");
    let refused = server
        .kiln(&["tenant", "erase", &one.id, "--yes-erase", &other.id])
        .output();
    assert!(!refused.unwrap().status.success());
    let refused = server
        .kiln(&[
            "tenant",
            "erase",
            "000000000000",
            "--yes-erase",
            "000000000000",
        ])
        .output();
    let told = String::from_utf8(refused.unwrap().stderr).unwrap();
    assert!(
        told.contains("the server's own and cannot be erased"),
        "{told}"
    );
}

#[test]
fn tenants_see_nothing_of_each_other_and_nothing_is_left_of_one_that_is_erased() {
    let server = Server::start();
    let (one, other) = (
        Tenant::create(&server, "one"),
        Tenant::create(&server, "other"),
    );
    let both = [&one, &other];
    python(&server, "fill", &both);
    let shown = kiln(&server, &["tenant", "show", &one.id]);
    for (kind, count) in [
        ("functions", 1),
        ("queues", 2),
        ("buckets", 1),
        ("secrets", 1),
        ("accessKeys", 1),
    ] {
        assert_eq!(shown["has"][kind], count, "{shown}");
    }
    let data = server.home().data_dir();
    assert!(
        !holding(&data, &one.mark()).is_empty(),
        "what is looked for is there"
    );
    assert_only_the_operator_may(&server, &both);
    // One is busy while it is erased.
    let sleeping = python_command(&server, "sleep", &both).spawn().unwrap();
    wait_for("the function runs", LIMIT, || {
        let busy = &kiln(&server, &["status"])["instances"]["busy"];
        (*busy == 1).then_some(())
    });
    let report = kiln(
        &server,
        &["tenant", "erase", &one.id, "--yes-erase", &one.id],
    );
    sleeping.wait_with_output().unwrap();
    assert_eq!(report["removed"]["functions"], 1, "{report}");
    assert_eq!(report["removed"]["secrets"], 1, "{report}");
    assert_eq!(report["dataKeys"].as_array().unwrap().len(), 1, "{report}");
    assert!(report["searched"]["files"].as_u64() > Some(20), "{report}");
    let kept = report["kept"].as_array().unwrap().iter();
    let kept: Vec<&str> = kept.map(|kept| kept["what"].as_str().unwrap()).collect();
    assert!(
        kept.iter().all(|what| what.starts_with("audit.db")),
        "{report}"
    );
    for text in [&one.mark(), &one.id, &one.key] {
        assert_eq!(holding(&data, text), Vec::<String>::new(), "{text}");
    }
    python(&server, "erased", &both);
    assert_eq!(ids(&server), ["000000000000", &other.id]);
    let audit = kiln(&server, &["audit", "show"]).to_string();
    assert!(
        audit.contains("TenantErased") && audit.contains("EraseTenant"),
        "{audit}"
    );
    let server = Server::builder().home(server.stop()).start();
    python(&server, "erased", &both);
    for text in [&one.mark(), &one.id, &one.key] {
        assert_eq!(
            holding(&data, text),
            Vec::<String>::new(),
            "{text}, after a restart"
        );
    }
    kiln(&server, &["audit", "verify"]);
}

#[test]
fn a_tenant_is_held_to_its_limits_and_more_is_in_force_at_once() {
    let server = Server::start();
    let (one, other) = (
        Tenant::create(&server, "one"),
        Tenant::create(&server, "other"),
    );
    let limit = |limits: &[&str]| kiln(&server, &[&["tenant", "limit", &one.id], limits].concat());
    limit(&[
        "--concurrency",
        "2",
        "--functions",
        "2",
        "--code-bytes",
        "2000",
    ]);
    let limited = limit(&["--queues", "1", "--buckets", "1"]);
    assert_eq!(limited["limits"]["concurrency"], 2);
    let mut command = python_command(&server, "limits", &[&one, &other]);
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut said)
        .unwrap();
    if said == "raise\n" {
        limit(&["--concurrency", "3"]);
        child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"raised\n")
            .unwrap();
    }
    assert!(child.wait().unwrap().success());
    // They outlive the server.
    let server = Server::builder().home(server.stop()).start();
    let shown = kiln(&server, &["tenant", "show", &one.id]);
    assert_eq!(shown["limits"]["concurrency"], 3, "{shown}");
    let mut settings = clients::aws_cli();
    let settings = settings
        .args(["lambda", "get-account-settings"])
        .envs(server.client_environment())
        .env("AWS_ACCESS_KEY_ID", &one.key)
        .env("AWS_SECRET_ACCESS_KEY", &one.secret);
    let settings: Value = serde_json::from_slice(&programs::run(settings).stdout).unwrap();
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 3);
}

/// Writes down that an account is being erased, as a server does before anything else of it.
fn begin_erasure(home: &Home, id: &str) {
    let note = r#"{"begun": 1, "removed": {}, "data_keys": [], "packages": [], "layers": [], "markers": []}"#;
    let program = "import sqlite3, sys\n\
                   with sqlite3.connect(sys.argv[1]) as meta:\n    \
                   meta.execute('INSERT INTO erasure VALUES (?, ?)', sys.argv[2:])\n";
    let meta = home.data_dir().join("meta.db");
    let mut command = clients::python();
    programs::run(command.args(["-c", program]).arg(meta).args([id, note]));
}

#[test]
fn an_erasure_that_a_crash_interrupted_goes_on_at_the_next_start() {
    let server = Server::start();
    let (one, other) = (
        Tenant::create(&server, "one"),
        Tenant::create(&server, "other"),
    );
    let both = [&one, &other];
    python(&server, "fill", &both);
    let home = server.stop();
    begin_erasure(&home, &one.id);
    let server = Server::builder().home(home).start();
    wait_for("the erasure is done", LIMIT, || {
        (!ids(&server).contains(&one.id)).then_some(())
    });
    let data = server.home().data_dir();
    for text in [&one.mark(), &one.id, &one.key] {
        assert_eq!(holding(&data, text), Vec::<String>::new(), "{text}");
    }
    python(&server, "erased", &both);
    let audit = kiln(&server, &["audit", "show"]).to_string();
    assert!(audit.contains("TenantErased"), "{audit}");
}
