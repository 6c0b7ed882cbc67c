//! Images of a registry: pulled, pinned, updated, published, and what becomes of a function whose image
//! does not come.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kiln_testkit::image::{Image, Layer};
use kiln_testkit::registry::Registry;
use kiln_testkit::{Server, wait_for};
use serde_json::{Value, json};

use super::{get, run, shell, update_code};

#[test]
fn an_image_is_pulled_pinned_updated_and_published() {
    let registry = Registry::start();
    let home_of = |image: &Image| registry.push("me/app", "latest", image);
    let digest = home_of(&shell());
    let server = Server::start();
    let uri = registry.name("me/app:latest");
    let created = server
        .function("app", "")
        .image(&uri)
        .set("Publish", json!(true))
        .create();
    assert_eq!(created["CodeSha256"], digest.replace("sha256:", ""));
    let code = &get(&server, "app")["Code"];
    assert_eq!(
        code["ResolvedImageUri"],
        registry.name(&format!("me/app@{digest}")).as_str()
    );
    assert_eq!(run(&server, "app", "echo $COLOUR"), "blue");
    // The tag moves on; the function does not, until it is told.
    let newer = shell().layer(Layer::default().file("srv/newer", b"newer"));
    let newer_digest = home_of(&newer);
    assert_eq!(run(&server, "app", "ls"), "gone\nhere");
    let asked_before = registry.asked();
    let dry = update_code(&server, "app", json!({"ImageUri": uri, "DryRun": true}));
    assert_eq!(
        dry.expect_status(200).json()["CodeSha256"],
        newer_digest.replace("sha256:", "")
    );
    assert_eq!(run(&server, "app", "ls"), "gone\nhere");
    let updated = update_code(&server, "app", json!({"ImageUri": uri, "Publish": true}));
    let updated = updated.expect_status(200).json();
    assert_eq!(updated["Version"], "2");
    server.wait_until_active("app");
    assert_eq!(run(&server, "app", "ls"), "gone\nhere\nnewer");
    // Versions keep theirs.
    assert_eq!(run(&server, "app:1", "ls"), "gone\nhere");
    assert_eq!(run(&server, "app:2", "ls"), "gone\nhere\nnewer");
    // Layers that are here are not fetched again.
    let asked = registry.asked().split_off(asked_before.len());
    let blobs: Vec<_> = asked
        .iter()
        .filter(|path| path.contains("/blobs/"))
        .collect();
    let configs = 3; // found twice, and again to fetch
    assert_eq!(blobs.len(), configs + 1, "{blobs:?}");
    // The registry is not needed any more, also not after a restart.
    registry.forget("me/app");
    let home = server.stop();
    let server = Server::builder().home(home).start();
    assert_eq!(run(&server, "app", "ls"), "gone\nhere\nnewer");
}

#[test]
fn an_image_whose_layers_do_not_come_leaves_the_function_as_it_was() {
    let registry = Registry::start();
    let server = Server::start();
    let good = shell();
    registry.push("app", "good", &good);
    let bad = shell().layer(Layer::default().file("srv/bad", b"bad"));
    registry.push("app", "bad", &bad);
    // What is behind the digest of its top layer is another one's content.
    let blobs = bad.blobs();
    let known = good.blobs().others;
    let new = blobs
        .others
        .iter()
        .filter(|(name, _)| !known.contains_key(*name));
    for (name, content) in new {
        if serde_json::from_slice::<Value>(content).is_err() {
            let other = vec![7; content.len()];
            registry.put_blob("app", name, other);
        }
    }
    let create = |name: &str, uri: &str| {
        let created = server.function(name, "").image(uri).try_create();
        assert_eq!(created.expect_status(201).json()["State"], "Pending");
    };
    let settled = |name: &str| {
        wait_for(
            "the function to be settled",
            Duration::from_secs(20),
            || {
                let found = get(&server, name)["Configuration"].clone();
                let is_open =
                    found["State"] == "Pending" || found["LastUpdateStatus"] == "InProgress";
                (!is_open).then_some(found)
            },
        )
    };
    create("broken", &registry.name("app:bad"));
    let broken = settled("broken");
    assert_eq!(broken["State"], "Failed");
    assert_eq!(broken["StateReasonCode"], "InvalidImage");
    let reason = broken["StateReason"].as_str().unwrap();
    assert!(reason.contains("is not what its digest says"), "{reason}");
    // One that runs goes on running what it had.
    server
        .function("app", "")
        .image(&registry.name("app:good"))
        .create();
    update_code(
        &server,
        "app",
        json!({"ImageUri": registry.name("app:bad")}),
    )
    .expect_status(200);
    let updated = settled("app");
    assert_eq!(updated["State"], "Active");
    assert_eq!(updated["LastUpdateStatus"], "Failed");
    assert_eq!(updated["LastUpdateStatusReasonCode"], "InvalidImage");
    assert_eq!(run(&server, "app", "ls"), "gone\nhere");
    // And a good one mends the other.
    update_code(
        &server,
        "broken",
        json!({"ImageUri": registry.name("app:good")}),
    )
    .expect_status(200);
    assert_eq!(settled("broken")["State"], "Active");
    assert_eq!(run(&server, "broken", "ls"), "gone\nhere");
}

#[test]
fn a_registry_may_want_a_login_and_lead_elsewhere() {
    let registry = Registry::start();
    registry.push("me/app", "1", &shell());
    registry.require_login("me", "secret");
    registry.move_blobs();
    let uri = registry.name("me/app:1");
    let server = Server::start();
    let refused = server.function("app", "").image(&uri).try_create();
    let message = refused.expect_status(400).json()["message"].to_string();
    assert!(message.contains("token"), "{message}");
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let auths = json!({"auths": {registry.host(): {"username": "me", "password": "secret"}}});
    fs::write(&file, auths.to_string()).unwrap();
    let server = Server::builder()
        .args(&["--registry-credentials", file.to_str().unwrap()])
        .start();
    server.function("app", "").image(&uri).create();
    assert_eq!(run(&server, "app", "echo $COLOUR"), "blue");
}

#[test]
fn a_registry_on_another_machine_is_trusted_by_the_certificate_of_its_authority() {
    let (registry, certificate) = Registry::start_with_tls("registry.test");
    registry.push("me/app", "1", &shell());
    let uri = registry.name("me/app:1");
    let folder = tempfile::tempdir().unwrap();
    let [hosts, authority] = ["hosts", "authority.pem"].map(|name| folder.path().join(name));
    fs::write(&hosts, "127.0.0.1 localhost registry.test\n").unwrap();
    fs::write(&authority, certificate).unwrap();
    // The name leads here for the server alone.
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let command = ["unshare", "--mount", "sh", "-c", script];
    let in_its_network = || {
        let command = [&command[..], &[hosts.to_str().unwrap()]].concat();
        Server::builder().behind(&command)
    };
    let server = in_its_network().start();
    let refused = server.function("app", "").image(&uri).try_create();
    let message = refused.expect_status(400).json()["message"].to_string();
    assert!(message.contains("invalid peer certificate"), "{message}");
    assert!(registry.asked().is_empty(), "nothing is told to a stranger");
    let home = server.stop();
    let trusting = in_its_network().env("SSL_CERT_FILE", authority.to_str().unwrap());
    let server = trusting.home(home).start();
    server.function("app", "").image(&uri).create();
    assert_eq!(run(&server, "app", "echo $COLOUR"), "blue");
}

#[test]
fn an_index_leads_to_the_image_for_this_machine() {
    let registry = Registry::start();
    let (here, other) = (shell(), shell().architecture("riscv64"));
    let mut entries = Vec::new();
    for (image, name) in [(&other, "riscv64"), (&here, machine())] {
        let digest = registry.push("app", name, image);
        entries.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": image.blobs().manifest.len(),
            "platform": {"os": "linux", "architecture": name},
        }));
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries});
    registry.push_manifest("app", "1", kind, index.to_string().into_bytes());
    let server = Server::start();
    let created = server
        .function("app", "")
        .image(&registry.name("app:1"))
        .create();
    let digest = here.blobs().digest.replace("sha256:", "");
    assert_eq!(created["CodeSha256"], digest.as_str());
    assert_eq!(run(&server, "app", "echo $COLOUR"), "blue");
}

fn machine() -> &'static str {
    match cfg!(target_arch = "aarch64") {
        true => "arm64",
        false => "amd64",
    }
}

#[test]
fn a_layer_that_is_damaged_keeps_its_function_from_starting_until_it_is_fetched_again() {
    let registry = Registry::start();
    registry.push("app", "1", &shell());
    let server = Server::start();
    let uri = registry.name("app:1");
    server.function("app", "").image(&uri).create();
    assert_eq!(run(&server, "app", "ls"), "gone\nhere");
    let home = server.stop();
    let children = |dir: PathBuf| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let groups = children(home.data_dir().join("images/sha256"));
    let layer = groups.flat_map(children).next().unwrap();
    fs::write(layer.join("manifest.json"), "{").unwrap();
    let server = Server::builder()
        .home(home)
        .expect_log("a layer of an image is damaged")
        .expect_log("code on disk is not what was uploaded")
        .start();
    for _ in 0..2 {
        let refused = server
            .lambda("POST", "/2015-03-31/functions/app/invocations")
            .json(&json!("ls"))
            .send()
            .expect_status(400);
        assert_eq!(
            refused.header("x-amzn-errortype"),
            "CodeVerificationFailedException"
        );
        let name = layer.file_name().unwrap().to_str().unwrap();
        let message = refused.message();
        assert!(message.contains(name), "{message}");
        assert!(message.contains("update the function's code"), "{message}");
    }
    let updated = update_code(&server, "app", json!({"ImageUri": uri}));
    updated.expect_status(200);
    server.wait_until_active("app");
    assert_eq!(run(&server, "app", "ls"), "gone\nhere");
}
