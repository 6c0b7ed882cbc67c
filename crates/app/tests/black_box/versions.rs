//! Published versions and aliases: what was published stays, and a name leads to it.

use kiln_testkit::{Server, archive};
use serde_json::{Value, json};

fn source(answer: &str) -> String {
    format!(
        "def handler(event, context):\n    return ['{answer}', context.function_version, \
         context.invoked_function_arn.split(':')[7:]]\n"
    )
}

fn function(server: &Server, method: &str, rest: &str, body: Value) -> Value {
    let path = format!("/2015-03-31/functions/answer{rest}");
    server.lambda(method, &path).json(&body).send().json()
}

/// Gives the function this answer and publishes it.
fn publish(server: &Server, answer: &str) -> String {
    use base64::Engine as _;
    let zip = archive::python(&source(answer));
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    function(server, "PUT", "/code", json!({"ZipFile": zip}));
    server.wait_until_active("answer");
    let published = function(server, "POST", "/versions", json!({}));
    published["Version"].as_str().unwrap().to_owned()
}

/// A function with the versions 1 (`one`) and 2 (`two`) and another `$LATEST`.
fn with_two_versions() -> Server {
    let server = Server::start();
    server.function("answer", &source("none")).create();
    assert_eq!(publish(&server, "one"), "1");
    assert_eq!(publish(&server, "two"), "2");
    let zip = archive::python(&source("latest"));
    use base64::Engine as _;
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    function(&server, "PUT", "/code", json!({"ZipFile": zip}));
    server.wait_until_active("answer");
    server
}

#[test]
fn every_version_runs_its_own_code() {
    let server = with_two_versions();
    for (name, answer, version) in [
        ("answer", json!(["latest", "$LATEST", []]), "$LATEST"),
        (
            "answer:$LATEST",
            json!(["latest", "$LATEST", ["$LATEST"]]),
            "$LATEST",
        ),
        ("answer:1", json!(["one", "1", ["1"]]), "1"),
        ("answer:2", json!(["two", "2", ["2"]]), "2"),
    ] {
        let invoked = server.invoke(name, &json!({}));
        assert_eq!(invoked.success(), answer, "{name}");
        assert_eq!(invoked.executed_version, version);
    }
    let missing = server
        .lambda("POST", "/2015-03-31/functions/answer:3/invocations")
        .body("{}")
        .send()
        .expect_status(404);
    assert!(missing.message().ends_with(":function:answer:3"));
}

#[test]
fn an_alias_leads_to_its_versions_in_their_parts() {
    let server = with_two_versions();
    let live = json!({"Name": "live", "FunctionVersion": "1"});
    function(&server, "POST", "/aliases", live);
    let invoked = server.invoke("answer:live", &json!({}));
    assert_eq!(invoked.success(), json!(["one", "1", ["live"]]));
    let split = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}});
    function(&server, "PUT", "/aliases/live", split);
    let mut seen = std::collections::BTreeSet::new();
    // All alike: once in 2 to the 39th.
    for _ in 0..40 {
        seen.insert(server.invoke("answer:live", &json!({})).executed_version);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn versions_and_aliases_survive_a_restart() {
    let server = with_two_versions();
    let live = json!({"Name": "live", "FunctionVersion": "2"});
    function(&server, "POST", "/aliases", live);
    let home = server.kill9();
    let server = Server::builder().home(home).start();
    let answer = server.invoke("answer:live", &json!({})).success();
    assert_eq!(answer[0], "two");
    assert_eq!(server.invoke("answer:1", &json!({})).success()[0], "one");
    assert_eq!(publish(&server, "three"), "3");
}

#[test]
fn a_version_in_use_by_an_alias_stays_and_another_can_go() {
    let server = with_two_versions();
    let live = json!({"Name": "live", "FunctionVersion": "2"});
    function(&server, "POST", "/aliases", live);
    let delete = |version| {
        let path = format!("/2015-03-31/functions/answer?Qualifier={version}");
        server.lambda("DELETE", &path).send().status
    };
    assert_eq!(delete(2), 409);
    assert_eq!(delete(1), 200);
    assert_eq!(delete(1), 404);
    let listed = function(&server, "GET", "/versions", json!(null));
    let versions = listed["Versions"].as_array().unwrap();
    let versions: Vec<_> = versions.iter().map(|v| v["Version"].clone()).collect();
    assert_eq!(versions, ["$LATEST", "2"]);
}

#[test]
fn an_alias_has_a_url_and_a_policy_of_its_own() {
    let server = with_two_versions();
    let live = json!({"Name": "live", "FunctionVersion": "1"});
    function(&server, "POST", "/aliases", live);
    let made = server
        .lambda("POST", "/2021-10-31/functions/answer/url?Qualifier=live")
        .json(&json!({"AuthType": "NONE"}))
        .send()
        .expect_status(201)
        .json();
    let url = made["FunctionUrl"].as_str().unwrap();
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    assert_eq!(server.request("GET", "/").host(host).send().status, 403);
    for (action, key, value) in [
        (
            "lambda:InvokeFunctionUrl",
            "FunctionUrlAuthType",
            json!("NONE"),
        ),
        (
            "lambda:InvokeFunction",
            "InvokedViaFunctionUrl",
            json!(true),
        ),
    ] {
        let statement = json!({"StatementId": key, "Action": action, "Principal": "*", key: value});
        let path = "/2015-03-31/functions/answer/policy?Qualifier=live";
        server
            .lambda("POST", path)
            .json(&statement)
            .send()
            .expect_status(201);
    }
    let answer = server.request("GET", "/").host(host).send().json();
    assert_eq!(answer[0], "one");
    let policy = function(&server, "GET", "/policy", json!(null));
    assert_eq!(
        policy["Message"],
        "The resource you requested does not exist."
    );
}

#[test]
fn the_command_line_publishes_and_points() {
    let server = Server::start();
    server.function("answer", &source("one")).create();
    let kiln = |args: &[&str]| {
        let output = kiln_testkit::programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(kiln(&["publish", "answer", "--alias", "live"]), "1\n");
    assert_eq!(kiln(&["publish", "answer"]), "1\n");
    assert_eq!(publish(&server, "two"), "2");
    kiln(&["alias", "answer", "live", "1", "--share", "2=0.25"]);
    let table = kiln(&["versions", "answer"]);
    assert!(
        table.contains("live 75 %") && table.contains("live 25 %"),
        "{table}"
    );
}
