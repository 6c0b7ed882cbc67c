//! Programs of web frameworks, unmodified behind their adapters: Starlette through Mangum, Express through
//! serverless-http; and the examples that are made of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_testkit::{Server, archive, clients, programs, runtimes};
use serde_json::{Value, json};

use super::Api;
use crate::client;

/// The folder of an example.
fn example(name: &str) -> PathBuf {
    programs::repository().join("examples").join(name)
}

/// Calls what both examples have in the same way.
fn visit(api: &Api<'_>) {
    let get = |path: &str| api.get(path);
    let home = get("/").send().expect_status(200);
    assert!(
        home.header("content-type").starts_with("text/html"),
        "{home:?}"
    );
    let languages = get("/greetings?limit=2").send().expect_status(200).json();
    assert_eq!(languages, json!(["de", "en"]));
    let made = api
        .request("POST", "/greetings")
        .json(&json!({"lang": "zh", "name": "Ad\u{e9}"}))
        .send()
        .expect_status(201);
    assert_eq!(made.json(), json!({"text": "\u{4f60}\u{597d}, Ad\u{e9}!"}));
    let read = get("/greetings/fr?name=A%20B")
        .send()
        .expect_status(200)
        .json();
    assert_eq!(read, json!({"text": "Bonjour, A B!"}));
    assert_eq!(get("/greetings/xx").send().status, 404);
    // Two cookies are two headers, and what is no text arrives as it was.
    let login = api.request("POST", "/login").send().expect_status(200);
    let cookies = login.headers.get_all("set-cookie").iter().count();
    assert_eq!(cookies, 2, "{login:?}");
    let back = get("/whoami").header("cookie", "name=ann; theme=dark");
    assert_eq!(back.send().expect_status(200).text(), "ann");
    let bytes: Vec<u8> = (0..=255).collect();
    let reversed = api
        .request("POST", "/reverse")
        .header("content-type", "application/octet-stream")
        .body(bytes.clone())
        .send()
        .expect_status(200);
    let expected: Vec<u8> = bytes.into_iter().rev().collect();
    assert_eq!(reversed.body, expected);
}

/// An API with a stage `$default` whose every request goes to a function in this format.
fn api_in<'a>(server: &'a Server, function: &str, format: &str) -> Api<'a> {
    let api = Api::create(server, &json!({}));
    let target = api.integrate(function, format);
    api.route("$default", &target);
    api.stage("$default");
    api
}

fn starlette(server: &Server, name: &str) {
    let packages = clients::mangum_packages(&runtimes::newest_python());
    let zip = archive::folders(&[&example("http-api-starlette"), &packages]);
    let function = server.function(name, "").zip(zip);
    let function = function.set("Handler", json!("app.handler")).memory(256);
    function.create();
}

fn express(server: &Server, name: &str) {
    let zip = archive::folders(&[&example("http-api-express"), &clients::express_folder()]);
    let function = server.function(name, "").zip(zip);
    let runtime = runtimes::newest_node().runtime();
    let function = function.set("Runtime", json!(runtime));
    let function = function.set("Handler", json!("app.handler")).memory(256);
    function.create();
}

#[test]
fn a_starlette_program_runs_unmodified() {
    let server = Server::start();
    for format in ["2.0", "1.0"] {
        let name = format!("notes-{}", &format[..1]);
        starlette(&server, &name);
        visit(&api_in(&server, &name, format));
    }
}

#[test]
fn an_express_program_runs_unmodified() {
    let server = Server::builder()
        .nodes(vec![runtimes::newest_node()])
        .start();
    for format in ["2.0", "1.0"] {
        let name = format!("notes-{}", &format[..1]);
        express(&server, &name);
        visit(&api_in(&server, &name, format));
    }
}

/// A copy of an example with what it would install.
fn prepared(name: &str, installed: &Path, as_name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        programs::run(Command::new("cp").args(["-r", "-T"]).arg(from).arg(to));
    };
    copy(&example(name), folder.path());
    copy(installed, &folder.path().join(as_name));
    folder
}

#[test]
fn the_starlette_example_is_deployed_with_one_command() {
    let server = Server::start();
    let packages = clients::mangum_packages(&runtimes::newest_python());
    let folder = prepared("http-api-starlette", &packages, "packages");
    let mut test = clients::python();
    let path = format!(
        "{}:{}",
        packages.display(),
        clients::python_packages().display()
    );
    test.args(["-m", "unittest", "-q"]).env("PYTHONPATH", &path);
    programs::run(test.current_dir(folder.path()));
    let deploy = || {
        let mut deploy = clients::python();
        deploy.arg(folder.path().join("deploy.py"));
        client::run(&server, &mut deploy)
    };
    let id = api_of(&deploy());
    // A second time it is brought up to date.
    assert_eq!(api_of(&deploy()), id);
    let api = Api {
        server: &server,
        id,
    };
    visit(&api);
    let origin = api
        .get("/")
        .header("origin", "http://localhost:3000")
        .send();
    assert_eq!(origin.header("access-control-allow-origin"), "*");
}

#[test]
fn the_express_example_is_deployed_with_one_command() {
    let server = Server::builder()
        .nodes(vec![runtimes::newest_node()])
        .start();
    let modules = clients::express_folder().join("node_modules");
    let folder = prepared("http-api-express", &modules, "node_modules");
    let mut test = Command::new("node");
    programs::run(test.arg("--test").current_dir(folder.path()));
    let scripts = std::fs::read(folder.path().join("package.json")).unwrap();
    let scripts: Value = serde_json::from_slice(&scripts).unwrap();
    // What `npm run deploy` runs, once the packages are there.
    let script = scripts["scripts"]["deploy"].as_str().unwrap();
    let (_, deploy) = script.split_once("&& kiln ").unwrap();
    let mut kiln = Command::new(programs::kiln());
    kiln.args(deploy.split(' ')).current_dir(folder.path());
    let printed = client::run(&server, &mut kiln);
    let api = Api {
        server: &server,
        id: api_of(&printed),
    };
    visit(&api);
}

/// The id in the address that a deployment prints.
fn api_of(printed: &str) -> String {
    let (before, _) = printed.split_once(".execute-api.").unwrap();
    before.rsplit('/').next().unwrap().to_owned()
}
