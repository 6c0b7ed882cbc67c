//! Functions that call their own server: who they are there, and that nobody else can be.

use kiln_testkit::Server;
use serde_json::{Value, json};

const CALLER: &str = "import boto3, os
lambda_client = boto3.client('lambda')
def handler(event, context):
    identity = boto3.client('sts').get_caller_identity()
    answer = {'arn': identity['Arn'], 'account': identity['Account']}
    if 'call' in event:
        invoked = lambda_client.invoke(FunctionName=event['call'], Payload=b'{\"x\": 20}')
        answer['answer'] = invoked['Payload'].read().decode()
    if event.get('tell'):
        names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']
        answer['keys'] = [os.environ[name] for name in names]
    return answer
";
const CALLED: &str = "def handler(event, context):\n    return event['x'] + 1\n";
const TRIES: &str = "import boto3
from botocore.exceptions import ClientError, EndpointConnectionError
def handler(event, context):
    keys = dict(zip(['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token'], event))
    try:
        return boto3.client('sts', **keys).get_caller_identity()['Arn']
    except ClientError as error:
        return error.response['Error']['Code']
";

fn access() -> Server {
    let server = Server::builder();
    server.args(&["--function-access", "account"]).start()
}

#[test]
fn a_function_is_its_role_and_calls_others_whatever_its_network_is() {
    let service = ["--host-service", "db=127.0.0.1:5432"];
    let server = Server::builder().args(&["--function-access", "account"]);
    let server = server.args(&service).start();
    server.function("called", CALLED).create();
    let networks = ["none", "egress", "allow 203.0.113.0/24", "host-services db"];
    for (number, network) in networks.into_iter().enumerate() {
        let name = format!("caller-{number}");
        let caller = server.function(&name, CALLER).timeout(30);
        caller
            .set("Tags", json!({ "kiln:network": network }))
            .create();
        let answer = server.invoke(&name, &json!({ "call": "called" }));
        let expected = json!({
            "arn": format!("arn:aws:sts::000000000000:assumed-role/lambda/{name}"),
            "account": "000000000000",
            "answer": "21",
        });
        assert_eq!(answer.success(), expected, "{network}");
    }
}

#[test]
fn a_function_s_keys_are_of_no_use_to_anybody_else() {
    let server = access();
    server.function("caller", CALLER).timeout(30).create();
    server.function("thief", TRIES).timeout(30).create();
    let told = server.invoke("caller", &json!({ "tell": true })).success();
    let keys: Vec<String> = serde_json::from_value(told["keys"].clone()).unwrap();
    assert!(keys[0].starts_with("ASIA"), "{keys:?}");
    let code = server.invoke("thief", &json!(keys)).success();
    assert_eq!(code, "InvalidClientTokenId");
    let outside = server
        .request("GET", "/2015-03-31/functions")
        .keys(&keys[0], &keys[1])
        .header("x-amz-security-token", &keys[2])
        .signed("lambda")
        .send();
    assert_eq!(outside.status, 403, "{}", outside.text());
    // What is signed without the token is nobody's either.
    let code = server.invoke("thief", &json!(keys[..2])).success();
    assert_eq!(code, "InvalidClientTokenId");
}

#[test]
fn a_key_of_the_account_works_inside_too() {
    let server = access();
    server.function("caller", TRIES).timeout(30).create();
    let keys = server.keys();
    let own = json!([keys.access_key_id, keys.secret_access_key]);
    let arn = server.invoke("caller", &own).success();
    assert_eq!(arn, "arn:aws:iam::000000000000:user/administrator");
}

#[test]
fn where_there_is_no_access_functions_have_neither_keys_nor_an_endpoint() {
    const SOURCE: &str = "import os, socket
def handler(event, context):
    try:
        socket.create_connection(('127.0.0.1', 4566), 5)
        reached = True
    except OSError:
        reached = False
    return [reached] + sorted(name for name in os.environ if name.startswith('AWS_') and ('KEY' in name or 'URL' in name))
";
    let server = Server::builder().args(&["--function-access", "none"]);
    let server = server.start();
    server.function("plain", SOURCE).create();
    let answer = server.invoke("plain", &Value::Null).success();
    assert_eq!(answer, json!([false]));
}

#[test]
fn unless_told_functions_may_what_their_roles_allow_also_in_development_if_told() {
    const SOURCE: &str = "import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    try:
        boto3.client('sqs').list_queues()
        return 'allowed'
    except ClientError as error:
        return error.response['Error']['Message']
";
    let production = Server::builder();
    let development = Server::builder().dev().args(&["--function-access", "role"]);
    for server in [production, development] {
        let server = server.start();
        server.function("asks", SOURCE).timeout(30).create();
        let told = server.invoke("asks", &Value::Null).success();
        let why = "because the role arn:aws:iam::000000000000:role/lambda does not exist";
        assert!(told.as_str().unwrap().ends_with(why), "{told}");
    }
}

#[test]
fn a_client_made_before_a_snapshot_works_in_its_copies() {
    let server = access();
    let snapped = server.function("snapped", CALLER).timeout(30);
    snapped
        .set("SnapStart", json!({ "ApplyOn": "PublishedVersions" }))
        .create();
    server.function("called", CALLED).create();
    crate::snap_start::publish(&server, "snapped");
    let invoked = server.invoke("snapped:1", &json!({ "call": "called" }));
    assert!(invoked.log.contains("RESTORE_REPORT"), "{}", invoked.log);
    assert_eq!(invoked.success()["answer"], "21");
}
