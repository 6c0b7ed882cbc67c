//! Identities: a deploy tool's story, and that they and their keys outlive the server.

use kiln_testkit::{Server, clients};
use serde_json::Value;

use crate::client;

fn aws(server: &Server, args: &[&str]) -> Value {
    let output = client::run(server, clients::aws_cli().args(args));
    serde_json::from_str(&output).unwrap_or(Value::Null)
}

#[test]
fn boto3_makes_roles_policies_users_and_keys_and_removes_them() {
    let server = Server::start();
    client::python(&server, "boto3_iam.py", &[]);
}

#[test]
fn boto3_may_what_policies_allow_and_nothing_else() {
    let server = Server::start();
    client::python(&server, "boto3_access.py", &[]);
}

#[test]
fn identities_and_keys_made_by_the_aws_cli_outlive_the_server() {
    let server = Server::start();
    let made = aws(&server, &["iam", "create-user", "--user-name", "deploy"]);
    assert_eq!(made["User"]["Arn"], "arn:aws:iam::000000000000:user/deploy");
    let key = aws(
        &server,
        &["iam", "create-access-key", "--user-name", "deploy"],
    );
    let key = &key["AccessKey"];
    for policy in ["AWSLambda_FullAccess", "IAMFullAccess"] {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        let attach = ["iam", "attach-user-policy", "--user-name", "deploy"];
        aws(&server, &[&attach[..], &["--policy-arn", &arn]].concat());
    }
    let server = Server::builder().home(server.stop()).start();
    let by_user = |args: &[&str]| {
        let mut command = clients::aws_cli();
        let keys = |name: &str| key[name].as_str().unwrap().to_owned();
        let command = command
            .args(args)
            .envs(server.client_environment())
            .env("AWS_ACCESS_KEY_ID", keys("AccessKeyId"))
            .env("AWS_SECRET_ACCESS_KEY", keys("SecretAccessKey"));
        let output = kiln_testkit::programs::run(command).stdout;
        serde_json::from_slice::<Value>(&output).unwrap()
    };
    let who = by_user(&["sts", "get-caller-identity"]);
    assert_eq!(who["Arn"], made["User"]["Arn"]);
    assert_eq!(who["UserId"], made["User"]["UserId"]);
    let attached = by_user(&[
        "iam",
        "list-attached-user-policies",
        "--user-name",
        "deploy",
    ]);
    let attached = &attached["AttachedPolicies"][0];
    assert_eq!(attached["PolicyName"], "AWSLambda_FullAccess");
}

#[test]
fn kiln_iam_replaces_a_key_without_a_gap() {
    let server = Server::start();
    aws(&server, &["iam", "create-user", "--user-name", "deploy"]);
    let kiln = |arguments: &[&str]| -> Value {
        let arguments = [&["--output", "json", "iam"], arguments].concat();
        let output = kiln_testkit::programs::run(&mut server.kiln(&arguments)).stdout;
        serde_json::from_slice(&output).unwrap()
    };
    let id = |key: &Value| key["accessKeyId"].as_str().unwrap().to_owned();
    let of_deploy = ["--user", "deploy"];
    let old = id(&kiln(&[&["keys", "create"], &of_deploy[..]].concat()));
    let new = id(&kiln(&[&["keys", "rotate"], &of_deploy[..]].concat()));
    let listed = || kiln(&[&["keys", "list"], &of_deploy[..]].concat());
    let active = |listed: &Value| -> Vec<(String, bool)> {
        let keys = listed.as_array().unwrap().iter();
        let shown = |key: &Value| {
            (
                key["id"].as_str().unwrap().to_owned(),
                key["active"] == true,
            )
        };
        keys.map(shown).collect()
    };
    let both = active(&listed());
    assert!(both.contains(&(old.clone(), true)) && both.contains(&(new.clone(), true)));
    let third = server
        .kiln(&["iam", "keys", "rotate", "--user", "deploy"])
        .output();
    let third = String::from_utf8(third.unwrap().stderr).unwrap();
    assert!(third.contains("both are good"), "{third}");
    kiln(&["keys", "disable", &old]);
    assert!(active(&listed()).contains(&(old.clone(), false)));
    kiln(&["keys", "delete", &old]);
    assert_eq!(active(&listed()), [(new, true)]);
    let own = kiln(&["keys", "list"]);
    assert_eq!(own[0]["lastService"], "iam");
    assert_eq!(kiln(&["users"])[0]["name"], "deploy");
}

#[test]
fn kiln_iam_simulate_names_the_statement_that_decides() {
    let server = Server::start();
    aws(&server, &["iam", "create-user", "--user-name", "deploy"]);
    let policy = "{\"Version\": \"2012-10-17\", \"Statement\": [\n  \
                  {\"Effect\": \"Allow\", \"Action\": \"sqs:Send*\", \"Resource\": \"*\"},\n  \
                  {\"Effect\": \"Deny\", \"Action\": \"sqs:PurgeQueue\", \"Resource\": \"*\",\n   \
                  \"Condition\": {\"StringEquals\": {\"aws:RequestedRegion\": \"us-east-1\"}}}]}";
    let put = ["iam", "put-user-policy", "--user-name", "deploy"];
    let own = ["--policy-name", "own", "--policy-document", policy];
    aws(&server, &[&put[..], &own].concat());
    let simulate = |context: &[&str]| -> Value {
        let asked = [
            "iam",
            "simulate",
            "user/deploy",
            "sqs:SendMessage",
            "sqs:PurgeQueue",
        ];
        let json = ["--output", "json"];
        let output =
            kiln_testkit::programs::run(&mut server.kiln(&[&json[..], &asked, context].concat()));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let here = simulate(&["--context", "aws:RequestedRegion=us-east-1"]);
    assert_eq!(here[0]["decision"], "allowed", "{here}");
    assert_eq!(here[0]["by"][0]["policy"], "policy own of user/deploy");
    assert_eq!(
        (&here[0]["by"][0]["line"], &here[1]["by"][0]["line"]),
        (&"2".into(), &"3".into())
    );
    assert_eq!(here[1]["decision"], "explicitDeny", "{here}");
    let elsewhere = simulate(&[]);
    assert_eq!(elsewhere[1]["decision"], "implicitDeny", "{elsewhere}");
    let nobody = server
        .kiln(&["iam", "simulate", "deploy", "sqs:SendMessage"])
        .output();
    let told = String::from_utf8(nobody.unwrap().stderr).unwrap();
    assert!(told.contains("write user/NAME"), "{told}");
}

#[test]
fn kiln_audit_shows_who_changed_what_and_whether_the_record_is_whole() {
    let server = Server::start();
    aws(&server, &["iam", "create-user", "--user-name", "deploy"]);
    server
        .function("sum", "def handler(e, c): return e")
        .create();
    server.invoke("sum", &Value::Null).success();
    let kiln = |server: &Server, arguments: &[&str]| -> (bool, Value) {
        let json = ["--output", "json", "audit"];
        let output = server
            .kiln(&[&json[..], arguments].concat())
            .output()
            .unwrap();
        (
            output.status.success(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    };
    let (_, shown) = kiln(&server, &["show"]);
    let names: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["record"]["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["CreateFunction", "CreateUser"], "{shown}");
    let record = &shown[0]["record"];
    assert_eq!(
        record["requestParameters"]["functionName"], "sum",
        "{record}"
    );
    assert!(!record.to_string().contains("ZipFile"), "{record}");
    let (is_whole, verified) = kiln(&server, &["verify"]);
    assert!(is_whole, "{verified}");
    let head = verified["head"].as_str().unwrap().to_owned();
    let home = server.stop();
    let file = home.data_dir().join("audit.db");
    let edit = "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); \
                file.execute(\"DELETE FROM audit WHERE number = 2\"); file.commit()";
    let python = kiln_testkit::runtimes::newest_python();
    let status = std::process::Command::new(&python.executable)
        .args(["-c", edit])
        .arg(&file)
        .status();
    assert!(status.unwrap().success());
    let server = Server::builder().home(home).start();
    let (is_whole, verified) = kiln(&server, &["verify", "--head", &head]);
    assert!(!is_whole && verified["isIntact"] == false, "{verified}");
}
