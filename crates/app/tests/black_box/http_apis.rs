//! HTTP APIs: made through API Gateway's API, called by host and by path.

use std::process::Command;

use kiln_testkit::{Request, Server, programs};
use serde_json::{Value, json};

use crate::client;

mod authorizers;
mod events;
mod frameworks;

/// An API of a server.
struct Api<'a> {
    server: &'a Server,
    id: String,
}

impl<'a> Api<'a> {
    /// An API with nothing but these settings.
    fn create(server: &'a Server, settings: &Value) -> Self {
        let mut request = json!({"name": "api", "protocolType": "HTTP"});
        let more = settings.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        let made = ask(server, "POST", "/v2/apis", &request);
        Self {
            server,
            id: made["apiId"].as_str().unwrap().to_owned(),
        }
    }

    /// An API all of whose requests go to a function that lets it in.
    fn quick(server: &'a Server, function: &str) -> Self {
        let api = Self::create(server, &json!({"target": arn(function)}));
        api.permit(function);
        api
    }

    /// Makes a part of the API: `/routes`, `/stages`.
    fn make(&self, parts: &str, part: &Value) -> Value {
        let path = format!("/v2/apis/{}{parts}", self.id);
        ask(self.server, "POST", &path, part)
    }

    /// Makes an integration with a function, and lets the API in; gives the target for routes.
    fn integrate(&self, function: &str, format: &str) -> String {
        let integration = json!({
            "integrationType": "AWS_PROXY",
            "integrationUri": arn(function),
            "payloadFormatVersion": format,
        });
        let made = self.make("/integrations", &integration);
        self.permit(function);
        format!("integrations/{}", made["integrationId"].as_str().unwrap())
    }

    fn route(&self, key: &str, target: &str) {
        self.make("/routes", &json!({"routeKey": key, "target": target}));
    }

    fn stage(&self, name: &str) {
        self.make("/stages", &json!({"stageName": name, "autoDeploy": true}));
    }

    /// Lets the API invoke a function.
    fn permit(&self, function: &str) {
        let source = format!("arn:aws:execute-api:us-east-1:000000000000:{}/*", self.id);
        let statement = json!({
            "StatementId": format!("api-{}", self.id),
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": source,
        });
        let path = format!("/2015-03-31/functions/{function}/policy");
        let permitted = self.server.lambda("POST", &path).json(&statement).send();
        permitted.expect_status(201);
    }

    fn host(&self) -> String {
        format!("{}.execute-api.us-east-1.localhost:4566", self.id)
    }

    /// A request to the API, by its host.
    fn request(&self, method: &str, target: &str) -> Request<'a> {
        self.server.request(method, target).host(&self.host())
    }

    fn get(&self, target: &str) -> Request<'a> {
        self.request("GET", target)
    }
}

fn arn(function: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let request = server.request(method, path).json(body);
    request
        .signed("apigateway")
        .send()
        .expect_status(201)
        .json()
}

#[test]
fn boto3_makes_changes_and_deletes_every_part_of_an_api() {
    let server = Server::start();
    client::python(&server, "boto3_http_apis.py", &[]);
}

#[test]
fn the_command_line_deploys_shows_and_keeps_an_api() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let source = "def handler(event, context):\n    return event['rawPath']\n";
    std::fs::write(folder.path().join("index.py"), source).unwrap();
    let deploy = || {
        let mut command = Command::new(programs::kiln());
        command.args(["--output", "json", "deploy", "--name", "paths", "--api"]);
        let printed = client::run(&server, command.arg(folder.path()));
        serde_json::from_str::<Value>(&printed).unwrap()
    };
    let first = deploy();
    let url = first["ApiEndpoint"].as_str().unwrap().to_owned();
    let id = url
        .strip_prefix("http://")
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    let api = Api {
        server: &server,
        id: id.clone(),
    };
    let answer = api.get("/some/where").send().expect_status(200);
    assert_eq!(answer.text(), "/some/where");
    // A second time changes nothing.
    assert_eq!(deploy()["ApiEndpoint"], url);
    let mut list = Command::new(programs::kiln());
    let listed = client::run(&server, list.args(["--output", "json", "apis"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["apiId"], id);
    let mut show = Command::new(programs::kiln());
    let shown = client::run(&server, show.args(["apis", "paths"]));
    assert!(
        shown.contains("$default") && shown.contains("function:paths"),
        "{shown}"
    );
}

#[test]
fn an_api_outlives_its_server() {
    let server = Server::start();
    server.function("echo", events::ECHO).create();
    let api = Api::quick(&server, "echo");
    let id = api.id.clone();
    let home = server.stop();
    let server = Server::builder().home(home).start();
    let api = Api {
        server: &server,
        id,
    };
    let event = api.get("/again").send().expect_status(200).json();
    assert_eq!(event["rawPath"], "/again");
}

#[test]
fn pages_of_other_origins_may_call_an_api_of_a_server_for_development() {
    let server = Server::builder().dev().start();
    server.function("echo", events::ECHO).create();
    let rules = json!({"allowOrigins": ["http://localhost:3000"], "allowMethods": ["GET"]});
    let api = Api::create(
        &server,
        &json!({"target": arn("echo"), "corsConfiguration": rules}),
    );
    api.permit("echo");
    let origin = "http://localhost:3000";
    let preflight = api
        .request("OPTIONS", "/x")
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .send()
        .expect_status(204);
    assert_eq!(preflight.header("access-control-allow-origin"), origin);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET");
    let answer = api
        .get("/x")
        .header("origin", origin)
        .send()
        .expect_status(200);
    assert_eq!(answer.header("access-control-allow-origin"), origin);
}
