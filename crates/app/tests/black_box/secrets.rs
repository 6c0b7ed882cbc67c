//! Secrets and parameters: what AWS's client and ours make of them, and that what they say is nowhere else.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use kiln_testkit::{Server, programs};
use serde_json::{Value, json};

use crate::client;

const SAYS: &str = "correct horse battery staple";

/// Runs our client, which reads this from stdin.
fn put(server: &Server, arguments: &[&str], says: &str) -> String {
    let mut command = server.kiln(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(says.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn ok(server: &Server, arguments: &[&str]) -> String {
    String::from_utf8(programs::run(&mut server.kiln(arguments)).stdout).unwrap()
}

fn failed(server: &Server, arguments: &[&str]) -> String {
    let output = server.kiln(arguments).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// All files below a directory in which a text stands.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn boto3_makes_reads_labels_deletes_and_restores_secrets() {
    let server = Server::start();
    client::python(&server, "boto3_secrets.py", &[]);
}

#[test]
fn boto3_makes_reads_labels_lists_and_deletes_parameters() {
    let server = Server::start();
    client::python(&server, "boto3_parameters.py", &[]);
}

#[test]
fn kiln_keeps_secrets_that_it_reads_from_stdin_and_from_files() {
    let server = Server::start();
    let told = put(&server, &["secrets", "put", "shop/db"], "hunter2\n");
    assert!(told.starts_with("shop/db is kept, version "), "{told}");
    assert_eq!(ok(&server, &["secrets", "get", "shop/db"]), "hunter2\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, [0, 159, 146, 150]).unwrap();
    let file = file.to_str().unwrap();
    ok(&server, &["secrets", "put", "shop/db", "--file", file]);
    let bytes = programs::run(&mut server.kiln(&["secrets", "get", "shop/db"])).stdout;
    assert_eq!(bytes, [0, 159, 146, 150]);
    let before = ["secrets", "get", "shop/db", "--stage", "AWSPREVIOUS"];
    assert_eq!(ok(&server, &before), "hunter2\n");
    let listed = ok(&server, &["--output", "json", "secrets", "list"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["versions"]),
        (&json!("shop/db"), &json!(2))
    );
    let told = ok(&server, &["secrets", "delete", "shop/db", "--days", "7"]);
    assert!(told.contains("kiln secrets restore shop/db"), "{told}");
    assert!(failed(&server, &["secrets", "get", "shop/db"]).contains("marked for deletion"));
    ok(&server, &["secrets", "restore", "shop/db"]);
    ok(&server, &["secrets", "delete", "shop/db", "--now"]);
    assert!(failed(&server, &["secrets", "get", "shop/db"]).contains("can't find"));
}

#[test]
fn kiln_keeps_parameters_as_what_they_were() {
    let server = Server::start();
    let key = "/shop/mail/key";
    put(
        &server,
        &["parameters", "put", key, "--kind", "secret"],
        "hunter1\n",
    );
    put(&server, &["parameters", "put", key], "hunter2\n");
    put(&server, &["parameters", "put", "/shop/url"], "https://a");
    assert_eq!(ok(&server, &["parameters", "get", key]), "hunter2\n");
    assert_eq!(
        ok(&server, &["parameters", "get", "/shop/mail/key:1"]),
        "hunter1\n"
    );
    let list = ["--output", "json", "parameters", "list", "--path", "/shop"];
    let listed: Value = serde_json::from_str(&ok(&server, &list)).unwrap();
    let kinds = listed.as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|one| (&one["name"], &one["type"])).collect();
    let expected = [
        (&json!(key), &json!("SecureString")),
        (&json!("/shop/url"), &json!("String")),
    ];
    assert_eq!(kinds, expected);
    ok(&server, &["parameters", "delete", key]);
    assert!(failed(&server, &["parameters", "get", key]).contains("not found"));
}

#[test]
fn what_secrets_say_outlives_the_server_and_is_nowhere_in_its_files() {
    let server = Server::builder().args(&["--audit-data"]).start();
    put(&server, &["secrets", "put", "shop/db"], SAYS);
    put(&server, &["parameters", "put", "/shop/db"], SAYS);
    ok(&server, &["secrets", "get", "shop/db"]);
    ok(&server, &["parameters", "get", "/shop/db"]);
    let refused = ["secrets", "get", "shop/db", "--stage", "mine"];
    assert!(!failed(&server, &refused).contains(SAYS));
    let audit = ok(&server, &["--output", "json", "audit", "show"]);
    for name in [
        "CreateSecret",
        "GetSecretValue",
        "PutParameter",
        "GetParameter",
    ] {
        assert!(audit.contains(&format!("\"{name}\"")), "{name}: {audit}");
    }
    assert!(!audit.contains(SAYS), "{audit}");
    let home = server.stop();
    assert_eq!(holding(&home.data_dir(), SAYS), [""; 0]);
    assert!(!home.log().contains(SAYS));
    let server = Server::builder().home(home).start();
    assert_eq!(
        ok(&server, &["secrets", "get", "shop/db"]),
        format!("{SAYS}\n")
    );
    assert_eq!(
        ok(&server, &["parameters", "get", "/shop/db"]),
        format!("{SAYS}\n")
    );
}
