//! The AWS CLI, version 1, unmodified, with only endpoint and keys set.

use kiln_testkit::{Server, archive, clients};
use serde_json::{Value, json};

use crate::{MISSION, client};

fn aws(server: &Server, args: &[&str]) -> Value {
    let output = client::run(server, clients::aws_cli().args(args));
    serde_json::from_str(&output).unwrap_or(Value::Null)
}

#[test]
fn the_missions_example_runs_unchanged() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("sum.zip");
    std::fs::write(
        &zip,
        archive::zip(&[("lambda_function.py", MISSION.as_bytes())]),
    )
    .unwrap();
    let out = folder.path().join("out.json");
    let (code, out_file) = (format!("fileb://{}", zip.display()), out.to_str().unwrap());

    let created = aws(
        &server,
        &[
            "lambda",
            "create-function",
            "--function-name",
            "sum",
            "--runtime",
            server.runtime(),
            "--role",
            "arn:aws:iam::123456789012:role/r",
            "--handler",
            "lambda_function.lambda_handler",
            "--zip-file",
            &code,
        ],
    );
    assert_eq!(created["FunctionName"], "sum");
    aws(
        &server,
        &[
            "lambda",
            "wait",
            "function-active-v2",
            "--function-name",
            "sum",
        ],
    );
    let payload = r#"{"num1": 1, "num2": 2}"#;
    let answer = aws(
        &server,
        &[
            "lambda",
            "invoke",
            "--function-name",
            "sum",
            "--payload",
            payload,
            out_file,
        ],
    );
    assert_eq!(
        answer,
        json!({"StatusCode": 200, "ExecutedVersion": "$LATEST"})
    );
    let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(result, json!({"result": 3}));

    let listed = aws(&server, &["lambda", "list-functions"]);
    assert_eq!(listed["Functions"].as_array().unwrap().len(), 1);
    aws(
        &server,
        &["lambda", "delete-function", "--function-name", "sum"],
    );
    assert_eq!(
        aws(&server, &["lambda", "list-functions"]),
        json!({"Functions": []})
    );
}

#[test]
fn a_refusal_is_printed_as_aws_prints_it() {
    let server = Server::start();
    let output = clients::aws_cli()
        .envs(server.client_environment())
        .args(["lambda", "get-function", "--function-name", "absent"])
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    let expected = "An error occurred (ResourceNotFoundException) when calling the GetFunction \
                    operation: Function not found: \
                    arn:aws:lambda:us-east-1:000000000000:function:absent";
    assert!(says.contains(expected), "{says}");
    assert!(
        matches!(output.status.code(), Some(254 | 255)),
        "{:?}",
        output.status
    );
}
