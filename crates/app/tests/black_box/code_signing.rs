//! Signed code, and code that is altered on disk.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use kiln_testkit::{Home, Server, archive, programs};
use serde_json::{Value, json};

use crate::client;

const SOURCE: &str =
    "import os\n\ndef handler(event, context):\n    return open('/var/task/data.txt').read()\n";

#[test]
fn code_is_signed_verified_warned_of_and_refused() {
    let server = Server::builder()
        .expect_log("code was deployed whose signature is not accepted")
        .expect_log("code must not run whose signature is not trusted")
        .start();
    let kiln = programs::kiln();
    client::python(&server, "boto3_code_signing.py", &[kiln.to_str().unwrap()]);
}

/// Where packages are unpacked.
fn packages(home: &Home) -> Vec<PathBuf> {
    let children = |dir: PathBuf| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let groups = children(home.data_dir().join("artifacts/sha256"));
    groups.flat_map(children).collect()
}

/// The one that has this file.
fn package_with(home: &Home, file: &str) -> PathBuf {
    let all = packages(home).into_iter();
    let mut having = all.filter(|package| package.join("code").join(file).exists());
    having.next().unwrap()
}

fn create(server: &Server) {
    let zip = base64::prelude::BASE64_STANDARD.encode(archive::zip(&[("layer.txt", b"layer")]));
    let published = server
        .lambda("POST", "/2018-10-31/layers/deps/versions")
        .json(&json!({"Content": {"ZipFile": zip}}))
        .send()
        .expect_status(201)
        .json();
    let files: &[(&str, &[u8])] = &[
        ("index.py", SOURCE.as_bytes()),
        ("data.txt", b"as uploaded"),
    ];
    server
        .function("kept", "")
        .zip(archive::zip(files))
        .set("Layers", json!([published["LayerVersionArn"]]))
        .create();
    assert_eq!(
        server.invoke("kept", &json!({})).success(),
        json!("as uploaded")
    );
}

/// Starts the server again, has it told once that code was altered, and finds it restored.
fn refuses_once(home: Home, told: &str) -> Home {
    let server = Server::builder()
        .home(home)
        .expect_log("code on disk is not what was uploaded")
        .expect_log("a package is damaged; it is unpacked anew")
        .start();
    let refused = server
        .lambda("POST", "/2015-03-31/functions/kept/invocations")
        .json(&json!({}))
        .send()
        .expect_status(400);
    assert_eq!(
        refused.header("x-amzn-errortype"),
        "CodeVerificationFailedException"
    );
    assert!(refused.message().contains(told), "{}", refused.message());
    assert_eq!(
        server.invoke("kept", &json!({})).success(),
        json!("as uploaded")
    );
    let shown = [
        "--output",
        "json",
        "audit",
        "show",
        "--name",
        "ArtifactNotIntact",
        "--limit",
        "1",
    ];
    let shown = programs::run(&mut server.kiln(&shown)).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    let message = &shown[0]["record"]["serviceEventDetails"]["message"];
    assert!(message.as_str().unwrap().contains(told), "{message}");
    server.stop()
}

#[test]
fn what_is_altered_on_disk_does_not_run_and_is_restored_from_the_zip() {
    let server = Server::start();
    create(&server);
    let home = server.stop();
    let alter = |home: &Home, has: &str, file: &str, content: &str| {
        let path = package_with(home, has).join("code").join(file);
        fs::write(path, content).unwrap();
    };
    alter(&home, "data.txt", "data.txt", "as I like it");
    let home = refuses_once(home, "'data.txt' was altered");
    alter(&home, "data.txt", "json.py", "raise SystemExit");
    let home = refuses_once(home, "'json.py' was added");
    alter(&home, "layer.txt", "layer.txt", "other");
    let home = refuses_once(home, "'layer.txt' was altered");
    let manifest = package_with(&home, "data.txt").join("manifest.json");
    fs::write(manifest, "{").unwrap();
    refuses_once(home, "its manifest.json was altered");
}

#[test]
fn what_is_altered_with_its_zip_runs_again_when_it_is_uploaded_again() {
    let server = Server::start();
    create(&server);
    let home = server.stop();
    let package = package_with(&home, "data.txt");
    let zip = fs::read(package.join("zip.zip")).unwrap();
    for file in ["code/data.txt", "zip.zip"] {
        fs::write(package.join(file), "as I like it").unwrap();
    }
    let server = Server::builder()
        .home(home)
        .expect_log("code on disk is not what was uploaded")
        .expect_log("a package that was altered could not be unpacked anew")
        .start();
    for _ in 0..2 {
        let refused = server
            .lambda("POST", "/2015-03-31/functions/kept/invocations")
            .json(&json!({}))
            .send()
            .expect_status(400);
        assert!(
            refused.message().contains("upload the code again"),
            "{}",
            refused.message()
        );
    }
    let zip = base64::prelude::BASE64_STANDARD.encode(zip);
    server
        .lambda("PUT", "/2015-03-31/functions/kept/code")
        .json(&json!({"ZipFile": zip}))
        .send()
        .expect_status(200);
    server.wait_until_active("kept");
    assert_eq!(
        server.invoke("kept", &json!({})).success(),
        json!("as uploaded")
    );
}

#[test]
fn packages_of_an_earlier_version_run_and_are_recorded() {
    let server = Server::start();
    create(&server);
    let home = server.stop();
    // As earlier versions wrote them.
    for (number, package) in packages(&home).iter().enumerate() {
        match number % 2 {
            0 => fs::remove_file(package.join("content")).unwrap(),
            _ => unseal(package),
        }
    }
    let server = Server::builder().home(home).start();
    assert_eq!(
        server.invoke("kept", &json!({})).success(),
        json!("as uploaded")
    );
    let home = server.stop();
    for name in ["data.txt", "layer.txt"] {
        let record = package_with(&home, name).join("content");
        let record = fs::read_to_string(record).unwrap();
        assert!(record.starts_with("sealed "), "{record}");
    }
}

/// Takes the seal from the record of a package.
fn unseal(package: &Path) {
    let path = package.join("content");
    let record = fs::read_to_string(&path).unwrap();
    let (_, lines) = record.split_once('\n').unwrap();
    fs::write(&path, lines).unwrap();
}
