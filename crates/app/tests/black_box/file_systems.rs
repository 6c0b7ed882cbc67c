//! Directories that the operator lets functions mount.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use kiln_testkit::{Server, programs};
use serde_json::{Value, json};

use crate::client;

/// Owns the directory; nobody on this machine.
const OWNER: u32 = 1_234_567;

/// A directory that an ordinary user owns.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    chown(dir.path(), Some(OWNER), Some(OWNER)).unwrap();
    dir
}

fn arn(name: &str) -> String {
    let id = kiln_types::AccessPoint::named(name);
    format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}")
}

fn mount(name: &str, path: &str) -> Value {
    json!([{ "Arn": arn(name), "LocalMountPath": path }])
}

/// Appends to a file and says what is in it.
const APPEND: &str = "def handler(event, context):\n    \
    with open('/mnt/shared/log', 'a') as log:\n        log.write(event['line'] + '\\n')\n    \
    return open('/mnt/shared/log').read()\n";

#[test]
fn functions_share_files_with_each_other_and_the_machine() {
    let dir = directory();
    let setting = format!("shared={}", dir.path().display());
    let server = Server::builder().args(&["--file-system", &setting]).start();
    for (name, start) in [("one", "zygote"), ("two", "fresh")] {
        let function = server
            .function(name, APPEND)
            .set("Tags", json!({"kiln:start": start}));
        let created = function
            .set("FileSystemConfigs", mount("shared", "/mnt/shared"))
            .create();
        assert_eq!(created["FileSystemConfigs"], mount("shared", "/mnt/shared"));
    }
    assert_eq!(server.invoke("one", &json!({"line": "a"})).success(), "a\n");
    assert_eq!(
        server.invoke("two", &json!({"line": "b"})).success(),
        "a\nb\n"
    );
    let log = dir.path().join("log");
    assert_eq!(fs::metadata(&log).unwrap().uid(), OWNER);
    fs::write(&log, "").unwrap();
    assert_eq!(server.invoke("one", &json!({"line": "c"})).success(), "c\n");
}

#[test]
fn a_read_only_file_system_comes_from_the_configuration_file() {
    let dir = directory();
    fs::write(dir.path().join("model"), "weights").unwrap();
    let config = dir.path().join("kiln.toml");
    let table = format!("[file-system]\nmodels = '{}:ro'\n", dir.path().display());
    fs::write(&config, table).unwrap();
    let server = Server::builder()
        .args(&["--config", config.to_str().unwrap()])
        .start();
    let source = "def handler(event, context):\n    \
        try:\n        open('/mnt/models/new', 'w')\n    \
        except OSError as error:\n        \
            return [open('/mnt/models/model').read(), error.strerror]\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), source).unwrap();
    let deploy = [
        "deploy",
        folder.path().to_str().unwrap(),
        "--name",
        "user",
        "--runtime",
        server.runtime(),
        "--file-system",
        "models:/mnt/models",
    ];
    programs::run(&mut server.kiln(&deploy));
    let result = server.invoke("user", &json!({})).success();
    assert_eq!(result, json!(["weights", "Read-only file system"]));
    let described = programs::run(&mut server.kiln(&["describe", "user"])).stdout;
    assert!(
        String::from_utf8(described)
            .unwrap()
            .contains("/mnt/models")
    );
}

#[test]
fn what_is_not_there_is_refused_with_boto3s_exceptions() {
    let server = Server::start();
    client::python(&server, "boto3_file_systems.py", &[&arn("unknown")]);
}

#[test]
fn a_file_system_that_the_operator_takes_away_fails_its_functions_only() {
    let dir = directory();
    let setting = format!("shared={}", dir.path().display());
    let server = Server::builder().args(&["--file-system", &setting]).start();
    let function = server.function("user", APPEND);
    function
        .set("FileSystemConfigs", mount("shared", "/mnt/shared"))
        .create();
    let home = server.stop();
    let server = Server::builder()
        .home(home)
        .expect_log("a function's file system is gone")
        .start();
    let path = "/2015-03-31/functions/user/invocations";
    let refused = server
        .lambda("POST", path)
        .body("{}")
        .send()
        .expect_status(403);
    assert_eq!(refused.error_type(), "EFSMountFailureException");
    assert_eq!(
        server.result_of("other", "def handler(e, c): return 1"),
        json!(1)
    );
}
