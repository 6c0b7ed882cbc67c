//! Ways around policies that were tried, and lead nowhere.

use super::*;
use crate::lambda::function::{create_function, update_function_configuration};
use crate::lambda::generated as functions;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:secret";

#[tokio::test]
async fn an_arn_of_another_partition_is_the_same_resource() {
    let statements = json!([allow("*", "*"), deny("*", TOPIC), deny("*", QUEUE)]);
    let scene = Scene::user("ada", statements).await;
    for arn in [TOPIC.to_owned(), TOPIC.replace("arn:aws:", "arn:aws-x:")] {
        let publish = json!({"TopicArn": arn, "Message": "m"});
        scene.may_not(sns::generated::Operation::Publish, publish);
        let tags = json!({"ResourceArn": arn});
        scene.may_not(sns::generated::Operation::TagResource, tags);
        let schedule = json!({"Name": "s", "Target": {"Arn": arn}});
        scene.may_not(scheduler::generated::Operation::CreateSchedule, schedule);
    }
    let queue = QUEUE.replace("arn:aws:", "arn:aws-us-gov:");
    let listen = json!({"FunctionName": "sum", "EventSourceArn": queue});
    scene.may_not(
        lambda::generated::Operation::CreateEventSourceMapping,
        listen,
    );
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_makes_no_other_api_of_it() {
    let statements = json!([allow(
        "apigateway:*",
        "arn:aws:apigateway:us-east-1::/apis/abc/*"
    )]);
    let mut scene = Scene::user("ada", statements).await;
    let origin = &mut scene.fixture.context.origin;
    origin.method = http::Method::DELETE;
    for path in ["/v2/apis/abc", "/v2/apis/abc/"] {
        scene.fixture.context.origin.uri = path.parse().unwrap();
        let api = json!({"ApiId": "abc"});
        scene.may_not(apigatewayv2::generated::Operation::DeleteApi, api);
    }
}

#[tokio::test]
async fn a_mapping_of_another_s_function_is_not_taken_over() {
    let mine = "arn:aws:lambda:us-east-1:000000000000:function:mine";
    let statements = json!([
        {"Effect": "Allow", "Action": "lambda:*", "Resource": "*",
            "Condition": {"StringEquals": {"lambda:FunctionArn": mine}}},
        allow("sqs:*", "*"),
    ]);
    let mut scene = Scene::user("ada", statements).await;
    for name in ["mine", "theirs"] {
        scene.fixture.create(name).await;
    }
    scene.fixture.make_queue("orders").await;
    let make = functions::CreateEventSourceMappingRequest {
        function_name: "theirs".to_owned(),
        event_source_arn: Some(QUEUE.to_owned()),
        ..Default::default()
    };
    let context = &scene.fixture.context;
    let made = lambda::event_source::create_event_source_mapping::handle(context, make);
    let uuid = made.await.unwrap().uuid.unwrap();
    let update = |name: &str| json!({"UUID": uuid, "FunctionName": name});
    scene.may_not(
        lambda::generated::Operation::UpdateEventSourceMapping,
        update("mine"),
    );
    scene.may_not(
        lambda::generated::Operation::UpdateEventSourceMapping,
        update("theirs"),
    );
    // Whoever may have both must be allowed to read the queue, or its function's role.
    let bob = user("bob", grants(&json!([allow("lambda:*", "*")])));
    scene.fixture.context.caller.identity = Identity::User(bob.id.clone());
    scene.change(|to| to.add_user(bob).map(|_| ())).await;
    let told = scene.may_not(
        lambda::generated::Operation::UpdateEventSourceMapping,
        update("mine"),
    );
    assert!(told.contains("sqs:ReceiveMessage"), "{told}");
}

#[tokio::test]
async fn what_failed_is_sent_to_no_bucket_that_one_may_not_write_to() {
    let scene = Scene::user("ada", json!([allow("lambda:*", "*")])).await;
    scene.fixture.create("sum").await;
    let to = json!({"OnFailure": {"Destination": "arn:aws:s3:::payroll"}});
    let put = json!({"FunctionName": "sum", "DestinationConfig": to});
    let told = scene.may_not(
        lambda::generated::Operation::PutFunctionEventInvokeConfig,
        put,
    );
    assert!(
        told.contains("s3:PutObject on resource: arn:aws:s3:::payroll/*"),
        "{told}"
    );
}

#[tokio::test]
async fn one_event_that_may_be_put_brings_no_other_with_it() {
    let statements = json!([{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*",
        "Condition": {"StringEquals": {"events:source": "app.a"}}}]);
    let scene = Scene::user("ada", statements).await;
    let put = |sources: &[&str]| {
        let entries: Vec<Value> = sources
            .iter()
            .map(|source| json!({"Source": source}))
            .collect();
        json!({ "Entries": entries })
    };
    scene.may(
        events::generated::Operation::PutEvents,
        put(&["app.a", "app.a"]),
    );
    scene.may_not(
        events::generated::Operation::PutEvents,
        put(&["app.a", "billing"]),
    );
}

#[tokio::test]
async fn a_policy_spelled_otherwise_is_the_same_policy() {
    let arn = "arn:aws:iam::000000000000:policy/BreakGlass";
    let statements = json!([allow("iam:*", "*"), {"Effect": "Deny", "Action": "iam:Attach*", "Resource": "*",
        "Condition": {"ArnEquals": {"iam:PolicyARN": arn}}}]);
    let scene = Scene::user("ada", statements).await;
    let policy = managed("BreakGlass", &json!([allow("*", "*")]));
    scene.change(|to| to.add_policy(policy).map(|_| ())).await;
    for arn in [arn, "arn:aws:iam::000000000000:policy/BREAKGLASS"] {
        let attach = json!({"UserName": "ada", "PolicyArn": arn});
        scene.may_not(iam::generated::Operation::AttachUserPolicy, attach);
    }
}

#[tokio::test]
async fn a_rule_of_the_default_bus_has_one_name() {
    let rule = "arn:aws:events:us-east-1:000000000000:rule/secret";
    let scene = Scene::user("ada", json!([allow("*", "*"), deny("events:*", rule)])).await;
    for arn in [rule.to_owned(), rule.replace("rule/", "rule/default/")] {
        let tags = json!({"ResourceARN": arn});
        scene.may_not(events::generated::Operation::TagResource, tags);
    }
}

#[tokio::test]
async fn a_queue_s_policy_is_asked_on_every_road_to_it() {
    let scene = Scene::user("ada", json!([allow("*", "*")])).await;
    scene.fixture.make_queue("orders").await;
    let denies = json!([{"Effect": "Deny", "Principal": "*", "Action": "sqs:ReceiveMessage", "Resource": QUEUE}]);
    let request = sqs::generated::SetQueueAttributesRequest {
        queue_url: QUEUE_URL.to_owned(),
        attributes: [("Policy".to_owned(), document(&denies))].into(),
    };
    let context = &scene.fixture.context;
    sqs::queue::set_queue_attributes::handle(context, request)
        .await
        .unwrap();
    let moved = json!({"SourceArn": QUEUE});
    scene.may_not(sqs::generated::Operation::StartMessageMoveTask, moved);
    let listen = json!({"FunctionName": "sum", "EventSourceArn": QUEUE});
    scene.may_not(
        lambda::generated::Operation::CreateEventSourceMapping,
        listen,
    );
}

#[tokio::test]
async fn a_role_that_trusts_others_than_lambda_is_no_functions() {
    let scene = Scene::new().await;
    let trusts = |service: &str| json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"});
    let others = role("others", &trusts("ec2.amazonaws.com"), Grants::default());
    let own = role("own", &trusts("lambda.amazonaws.com"), Grants::default());
    scene.change(|to| to.add_role(others).map(|_| ())).await;
    scene.change(|to| to.add_role(own).map(|_| ())).await;
    let request = |scene: &Scene, name: &str, role: &str| {
        let role = format!("arn:aws:iam::000000000000:role/{role}");
        functions::CreateFunctionRequest {
            role,
            ..scene.fixture.create_request(name)
        }
    };
    let refused = create_function::handle(&scene.fixture.context, request(&scene, "one", "others"));
    let refused = refused.await.unwrap_err();
    assert_eq!(
        refused.message,
        "The role defined for the function cannot be assumed by Lambda."
    );
    for (name, role) in [("two", "own"), ("three", "nobody")] {
        let made = create_function::handle(&scene.fixture.context, request(&scene, name, role));
        made.await.unwrap();
    }
    scene.fixture.settle().await;
    let update = functions::UpdateFunctionConfigurationRequest {
        function_name: "two".to_owned(),
        role: Some("arn:aws:iam::000000000000:role/others".to_owned()),
        ..Default::default()
    };
    let updated = update_function_configuration::handle(&scene.fixture.context, update);
    assert!(updated.await.is_err());
}

#[tokio::test]
async fn a_parameter_and_a_path_are_the_same_however_they_are_written() {
    use ssm::generated::Operation::*;
    let below = "arn:aws:ssm:us-east-1:000000000000:parameter/prod/*";
    let path = below.trim_end_matches("/*");
    let statements = json!([allow("*", "*"), deny("ssm:*", below), deny("ssm:*", path)]);
    let scene = Scene::user("ada", statements).await;
    let arn = below.replace('*', "db");
    for name in [
        "/prod/db",
        "prod/db",
        "//prod/db",
        "/prod/db:3",
        &arn,
        &format!("{arn}:live"),
        &arn.replace("arn:aws:", "arn:aws-cn:"),
    ] {
        scene.may_not(GetParameter, json!({"Name": name}));
        scene.may_not(GetParameters, json!({"Names": ["/a", name]}));
    }
    for path in ["/prod", "/prod/", "/prod//", "/prod/a", "/prod/a/"] {
        scene.may_not(GetParametersByPath, json!({"Path": path}));
    }
    // Names nothing, also to the operation.
    let twice = arn.replace("parameter/", "parameter//");
    let input = ssm::generated::GetParameterRequest {
        name: twice,
        with_decryption: None,
    };
    let refused = ssm::get_parameter::handle(&scene.fixture.context, input).await;
    assert_eq!(refused.unwrap_err().exception, Exception::ParameterNotFound);
}

#[tokio::test]
async fn each_secret_of_a_batch_that_is_refused_is_written_down() {
    let statements = json!([allow("secretsmanager:BatchGetSecretValue", "*")]);
    let scene = Scene::user("ada", statements).await;
    let context = &scene.fixture.context;
    let input = secretsmanager::generated::BatchGetSecretValueRequest {
        secret_id_list: Some(vec!["db".to_owned(), "mail".to_owned()]),
        ..Default::default()
    };
    let read = secretsmanager::batch_get_secret_value::handle(context, input).await;
    assert_eq!(read.unwrap().errors.unwrap().len(), 2);
    let query = kiln_store::audit::AuditQuery {
        account: context.caller.account.clone(),
        before: None,
        since: Timestamp::from_millis(0),
        until: Timestamp::from_millis(i64::MAX),
        count_max: 9,
    };
    let records = context.deps.store.audit().list(query).await.unwrap();
    let told = records.iter().map(|record| {
        let record: Value = serde_json::from_str(&record.record).unwrap();
        assert_eq!(record["errorCode"], "AccessDeniedException");
        assert_eq!(record["eventName"], "GetSecretValue");
        record["requestParameters"]["secretId"].clone()
    });
    assert_eq!(told.collect::<Vec<_>>(), ["mail", "db"]);
}
