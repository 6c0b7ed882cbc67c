//! Layers: what a function sees at `/opt`, and what of them is kept.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use kiln_testkit::{Server, archive, programs};
use serde_json::{Value, json};

use crate::client;

/// Publishes the next version of a layer and gives its ARN.
fn publish(server: &Server, name: &str, zip: &[u8]) -> String {
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    let path = format!("/2018-10-31/layers/{name}/versions");
    let request = server.lambda("POST", &path);
    let published = request.json(&json!({"Content": {"ZipFile": zip}})).send();
    let published = published.expect_status(201).json();
    published["LayerVersionArn"].as_str().unwrap().to_owned()
}

/// How many packages are kept on disk.
fn packages(server: &Server) -> usize {
    let groups = fs::read_dir(server.home().data_dir().join("artifacts/sha256")).unwrap();
    let children = |group: fs::DirEntry| fs::read_dir(group.path()).unwrap().count();
    groups.map(|group| children(group.unwrap())).sum()
}

#[test]
fn layers_live_their_whole_life() {
    let server = Server::start();
    client::python(&server, "boto3_layers.py", &[]);
}

#[test]
fn programs_and_libraries_of_layers_are_found() {
    check_programs_and_libraries(&Server::start());
}

/// Whoever the server is.
pub(crate) fn check_programs_and_libraries(server: &Server) {
    let library = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ]
    .map(|dir| Path::new(dir).join("libz.so.1"));
    let library = library.iter().find_map(|path| fs::read(path).ok());
    let library = library.expect("this machine has zlib");
    let files: &[(&str, &[u8])] = &[
        ("bin/greet", b"#!/bin/sh\necho hello from a layer\n"),
        ("lib/libofthelayer.so", &library),
    ];
    let layer = publish(server, "tools", &archive::programs(files));
    let source = "import ctypes, subprocess\n\
        def handler(event, context):\n    \
            ctypes.CDLL('libofthelayer.so').zlibVersion\n    \
            return subprocess.run(['greet'], capture_output=True, text=True).stdout\n";
    for start in ["zygote", "fresh"] {
        let function = server.function(start, source).set("Layers", json!([layer]));
        function.set("Tags", json!({"kiln:start": start})).create();
        let result = server.invoke(start, &json!({})).success();
        assert_eq!(result, json!("hello from a layer\n"), "{start}");
    }
}

#[test]
fn a_layer_brings_a_custom_runtime() {
    let server = Server::start();
    let bootstrap = fs::read(programs::repository().join("examples/shell/bootstrap")).unwrap();
    let greet = fs::read(programs::repository().join("examples/shell/greet.sh")).unwrap();
    let layer = publish(
        &server,
        "shell",
        &archive::programs(&[("bootstrap", &bootstrap)]),
    );
    let function = server
        .function("greet", "")
        .zip(archive::programs(&[("greet.sh", &greet)]));
    let function = function.set("Runtime", json!("provided.al2023"));
    let function = function.set("Handler", json!("greet.hello"));
    function.set("Layers", json!([layer])).create();
    let result = server.invoke("greet", &json!({"name": "Ada"})).success();
    assert_eq!(result, json!({"greeting": "Hello, Ada!"}));
}

#[test]
fn a_layer_is_kept_once_and_read_only_and_survives_a_restart() {
    let server = Server::start();
    let zip = archive::zip(&[("python/dep.py", b"VALUE = 7")]);
    let before = packages(&server);
    let arns: Vec<String> = ["a", "b", "a"]
        .map(|name| publish(&server, name, &zip))
        .into();
    assert_eq!(packages(&server), before + 1);
    let source = "def handler(event, context):\n    \
        import dep\n    \
        try:\n        \
            open('/opt/python/new', 'w')\n    \
        except OSError as error:\n        \
            return [dep.VALUE, error.strerror]\n";
    let layers = json!([arns[1], arns[2]]);
    server
        .function("user", source)
        .set("Layers", layers.clone())
        .create();
    let expected = json!([7, "Read-only file system"]);
    assert_eq!(server.invoke("user", &json!({})).success(), expected);
    let home = server.stop();
    let server = Server::builder().home(home).start();
    let path = "/2015-03-31/functions/user/configuration";
    let found = server.lambda("GET", path).send().expect_status(200).json();
    let attached = found["Layers"].as_array().unwrap().iter();
    let attached: Vec<Value> = attached.map(|layer| layer["Arn"].clone()).collect();
    assert_eq!(json!(attached), layers);
    assert_eq!(server.invoke("user", &json!({})).success(), expected);
}

#[test]
fn the_command_line_publishes_attaches_lists_and_deletes() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let (layer, function) = (folder.path().join("layer"), folder.path().join("function"));
    fs::create_dir_all(layer.join("python")).unwrap();
    fs::write(layer.join("python/dep.py"), "VALUE = 5\n").unwrap();
    fs::create_dir(&function).unwrap();
    let source = "import dep\ndef handler(event, context):\n    return dep.VALUE\n";
    fs::write(function.join("app.py"), source).unwrap();
    let ok = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let (layer, function) = (layer.to_str().unwrap(), function.to_str().unwrap());
    for version in 1..=2 {
        let published = ok(&[
            "layer",
            "publish",
            "deps",
            layer,
            "--runtime",
            server.runtime(),
        ]);
        assert!(
            published.contains(&format!(":layer:deps:{version}")),
            "{published}"
        );
    }
    assert!(ok(&["layer", "list"]).contains("deps"));
    assert_eq!(ok(&["layer", "list", "deps"]).lines().count(), 3);
    let runtime = server.runtime();
    let deploy = |layer: &str| {
        ok(&[
            "deploy",
            function,
            "--name",
            "app",
            "--runtime",
            runtime,
            "--layer",
            layer,
        ]);
        ok(&["describe", "app"])
    };
    assert!(deploy("deps").contains(":layer:deps:2"));
    assert!(deploy("deps:1").contains(":layer:deps:1"));
    assert_eq!(ok(&["invoke", "app", "--payload", "{}"]).trim(), "5");
    ok(&["layer", "delete", "deps", "1"]);
    assert_eq!(ok(&["layer", "list", "deps"]).lines().count(), 2);
}
