//! The AWS SDK for Rust, unmodified, with only endpoint and keys set.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{Config, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, LogType, Runtime, State};
use kiln_testkit::{Server, archive};

use crate::MISSION;

pub(crate) fn client(server: &Server) -> Client {
    let keys = server.keys();
    let credentials = Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        None,
        None,
        "test",
    );
    let config = Config::builder()
        .behavior_version(aws_sdk_lambda::config::BehaviorVersion::latest())
        .region(Region::new(keys.region.clone()))
        .endpoint_url(&keys.endpoint)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

#[test]
fn the_missions_example_runs_unchanged() {
    let server = Server::start();
    let client = client(&server);
    let zip = archive::zip(&[("lambda_function.py", MISSION.as_bytes())]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        client
            .create_function()
            .function_name("sum")
            .runtime(Runtime::from(server.runtime()))
            .role("arn:aws:iam::123456789012:role/r")
            .handler("lambda_function.lambda_handler")
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .send()
            .await
            .expect("create");
        wait_until_active(&client).await;
        let answer = client
            .invoke()
            .function_name("sum")
            .payload(Blob::new(r#"{"num1": 1, "num2": 2}"#))
            .log_type(LogType::Tail)
            .send()
            .await
            .expect("invoke");
        assert_eq!(answer.status_code(), 200);
        assert_eq!(answer.function_error(), None);
        assert_eq!(answer.executed_version(), Some("$LATEST"));
        let result: serde_json::Value =
            serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
        assert_eq!(result, serde_json::json!({"result": 3}));
        assert!(answer.log_result().is_some_and(|log| !log.is_empty()));

        client
            .delete_function()
            .function_name("sum")
            .send()
            .await
            .expect("delete");
        let error = client
            .get_function()
            .function_name("sum")
            .send()
            .await
            .unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception());
    });
}

async fn wait_until_active(client: &Client) {
    for _ in 0..200 {
        let found = client
            .get_function_configuration()
            .function_name("sum")
            .send()
            .await;
        if found.expect("get").state() == Some(&State::Active) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the function did not become active");
}
