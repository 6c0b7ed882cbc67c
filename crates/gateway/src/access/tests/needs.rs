//! What operations need.

use super::*;

/// The operations of a service that need nothing, whatever they are asked.
fn open<O: Guarded>(context: &Context, handled: &[O]) -> Vec<&'static str> {
    let nothing = Map::new();
    let mut open = Vec::new();
    for operation in handled {
        let of = Members::new(context, O::SERVICE, operation.name(), &nothing);
        if operation.needs(&of).is_empty() {
            open.push(operation.name());
        }
    }
    open
}

#[tokio::test]
async fn every_operation_needs_something_but_those_that_say_why_not() {
    let scene = Scene::user("ada", json!([allow("*", "*")])).await;
    let context = &scene.fixture.context;
    assert!(open(context, lambda::HANDLED).is_empty());
    assert!(open(context, apigatewayv2::HANDLED).is_empty());
    assert!(open(context, iam::HANDLED).is_empty());
    assert!(open(context, logs::HANDLED).is_empty());
    assert!(open(context, scheduler::HANDLED).is_empty());
    assert!(open(context, secretsmanager::HANDLED).is_empty());
    assert!(open(context, sns::HANDLED).is_empty());
    assert!(open(context, sqs::HANDLED).is_empty());
    // Nothing is read or deleted where there are no names.
    assert_eq!(
        open(context, ssm::HANDLED),
        ["DeleteParameters", "GetParameters"]
    );
    // Nothing is put where there are no entries.
    assert_eq!(open(context, events::HANDLED), ["PutEvents"]);
    let of_sts = ["AssumeRole", "GetCallerIdentity", "GetSessionToken"];
    assert_eq!(open(context, sts::HANDLED), of_sts);
}

/// An operation's needs as `action resource`.
fn needs<O: Guarded>(context: &Context, operation: O, members: &Value) -> Vec<String> {
    let members = members.as_object().unwrap();
    let of = Members::new(context, O::SERVICE, operation.name(), members);
    let needs = operation.needs(&of).into_iter();
    needs
        .map(|need| format!("{} {}", need.action, need.resource))
        .collect()
}

#[tokio::test]
async fn functions_are_named_with_their_qualifier_where_it_counts() {
    use lambda::generated::Operation::*;
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let named = json!({"FunctionName": "sum", "Qualifier": "prod"});
    for (operation, expected) in [
        (Invoke, format!("lambda:InvokeFunction {FUNCTION}:prod")),
        (
            InvokeWithResponseStream,
            format!("lambda:InvokeFunction {FUNCTION}:prod"),
        ),
        (GetFunction, format!("lambda:GetFunction {FUNCTION}")),
        (
            AddPermission,
            format!("lambda:AddPermission {FUNCTION}:prod"),
        ),
        (
            GetProvisionedConcurrencyConfig,
            format!("lambda:GetProvisionedConcurrencyConfig {FUNCTION}:prod"),
        ),
        (PublishVersion, format!("lambda:PublishVersion {FUNCTION}")),
    ] {
        assert_eq!(needs(context, operation, &named), [expected]);
    }
    let by_arn = json!({"FunctionName": format!("{FUNCTION}:7")});
    let expected = format!("lambda:InvokeFunction {FUNCTION}:7");
    assert_eq!(needs(context, Invoke, &by_arn), [expected]);
    for spelled in ["arn:aws-cn:", "arn::", "arn:aws:"] {
        let arn = FUNCTION.replace("arn:aws:", spelled) + ":prod";
        let expected = format!("lambda:PutResourcePolicy {FUNCTION}:prod");
        let put = needs(context, PutResourcePolicy, &json!({"ResourceArn": arn}));
        assert_eq!(put, [expected]);
    }
    let layer = json!({"LayerName": "tools", "VersionNumber": 3});
    let expected = "lambda:GetLayerVersion arn:aws:lambda:us-east-1:000000000000:layer:tools:3";
    assert_eq!(needs(context, GetLayerVersion, &layer), [expected]);
}

#[tokio::test]
async fn batches_are_the_actions_of_which_they_are_many() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let queue = json!({"QueueUrl": QUEUE_URL});
    let send = needs(context, sqs::generated::Operation::SendMessageBatch, &queue);
    assert_eq!(send, [format!("sqs:SendMessage {QUEUE}")]);
    let topic = json!({"TopicArn": "arn:aws:sns:us-east-1:000000000000:t"});
    let publish = needs(context, sns::generated::Operation::PublishBatch, &topic);
    assert_eq!(
        publish,
        ["sns:Publish arn:aws:sns:us-east-1:000000000000:t"]
    );
    let entries =
        json!({"Entries": [{"Source": "a"}, {"EventBusName": "b"}, {"EventBusName": "b"}]});
    let put = needs(context, events::generated::Operation::PutEvents, &entries);
    let bus = |name: &str| {
        format!("events:PutEvents arn:aws:events:us-east-1:000000000000:event-bus/{name}")
    };
    assert_eq!(put, [bus("default"), bus("b")]);
}

#[tokio::test]
async fn no_other_spelling_of_a_name_gets_around_a_policy() {
    let statements = json!([
        allow("*", "*"),
        deny("iam:*", "arn:aws:iam::000000000000:user/Root"),
        deny("apigateway:*", "arn:aws:apigateway:us-east-1::/apis/abc"),
        deny("sns:Unsubscribe", "*:7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11"),
        deny(
            "lambda:DeleteEventSourceMapping",
            "*:7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11"
        ),
        deny(
            "logs:*",
            "arn:aws:logs:us-east-1:000000000000:log-group:/g:*"
        ),
        deny("events:*", "arn:aws:events:us-east-1:000000000000:rule/r"),
    ]);
    let mut scene = Scene::user("ada", statements).await;
    let root = user("Root", Grants::default());
    scene.change(|to| to.add_user(root).map(|_| ())).await;
    for name in ["Root", "root", "ROOT"] {
        scene.may_not(
            iam::generated::Operation::DeleteUser,
            json!({"UserName": name}),
        );
    }
    for uuid in [
        "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
        "7F5F2A0C-1C47-4F0E-9A6E-0D0F5A3F9D11",
    ] {
        let arn = format!("arn:aws:sns:us-east-1:000000000000:t:{uuid}");
        scene.may_not(
            sns::generated::Operation::Unsubscribe,
            json!({"SubscriptionArn": arn}),
        );
        scene.may_not(
            lambda::generated::Operation::DeleteEventSourceMapping,
            json!({"UUID": uuid}),
        );
    }
    for group in [
        json!({"logGroupName": "/g"}),
        json!({"logGroupIdentifier": "/g"}),
        json!({"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:/g"}),
        json!({"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:/g:*"}),
    ] {
        scene.may_not(logs::generated::Operation::FilterLogEvents, group);
    }
    for bus in [
        json!("default"),
        json!("arn:aws:events:us-east-1:000000000000:event-bus/default"),
    ] {
        let rule = json!({"Name": "r", "EventBusName": bus});
        scene.may_not(events::generated::Operation::DeleteRule, rule);
    }
    scene.may_not(
        events::generated::Operation::DeleteRule,
        json!({"Name": "r"}),
    );
    for path in ["/v2/apis/abc", "/v2/apis/%61bc"] {
        scene.fixture.context.origin.uri = path.parse().unwrap();
        scene.may_not(
            apigatewayv2::generated::Operation::DeleteApi,
            json!({"ApiId": "abc"}),
        );
    }
}

#[tokio::test]
async fn a_role_is_given_to_a_function_by_whoever_may_pass_it() {
    let pass = |service: &str| {
        json!([allow("lambda:*", "*"), {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE,
            "Condition": {"StringEquals": {"iam:PassedToService": service}}}])
    };
    let make = || json!({"FunctionName": "sum", "Role": ROLE});
    let may = Scene::user("ada", pass("lambda.amazonaws.com")).await;
    may.may(lambda::generated::Operation::CreateFunction, make());
    let other = json!({"FunctionName": "sum", "Role": "arn:aws:iam::000000000000:role/other"});
    let told = may.may_not(lambda::generated::Operation::CreateFunction, other);
    assert!(
        told.contains("iam:PassRole on resource: arn:aws:iam::000000000000:role/other"),
        "{told}"
    );
    let may_not = Scene::user("ada", pass("events.amazonaws.com")).await;
    may_not.may_not(lambda::generated::Operation::CreateFunction, make());
}

#[tokio::test]
async fn what_is_sent_in_somebody_s_name_that_one_may_send_or_the_role_that_acts() {
    let statements = json!([
        allow("lambda:*", "*"),
        allow("scheduler:*", "*"),
        allow("iam:PassRole", "*")
    ]);
    let scene = Scene::user("ada", statements).await;
    scene.fixture.create("sum").await;
    let listen = || json!({"FunctionName": "sum", "EventSourceArn": QUEUE});
    let told = scene.may_not(
        lambda::generated::Operation::CreateEventSourceMapping,
        listen(),
    );
    assert!(told.contains("sqs:ReceiveMessage"), "{told}");
    let schedule = || json!({"Name": "s", "Target": {"Arn": QUEUE, "RoleArn": ROLE}});
    scene.may_not(scheduler::generated::Operation::CreateSchedule, schedule());
    let acts = role("r", &json!([]), grants(&json!([allow("sqs:*", QUEUE)])));
    scene.change(|to| to.add_role(acts).map(|_| ())).await;
    scene.may(
        lambda::generated::Operation::CreateEventSourceMapping,
        listen(),
    );
    scene.may(scheduler::generated::Operation::CreateSchedule, schedule());
}

#[tokio::test]
async fn the_log_of_another_is_written_by_whom_that_is_allowed() {
    use lambda::generated::Operation::UpdateFunctionConfiguration;
    let into = |group: &str| json!({"FunctionName": "sum", "LoggingConfig": {"LogGroup": group}});
    let scene = Scene::user("ada", json!([allow("lambda:*", "*")])).await;
    scene.fixture.create("sum").await;
    scene.may(UpdateFunctionConfiguration, into("/aws/lambda/sum"));
    let told = scene.may_not(UpdateFunctionConfiguration, into("/aws/lambda/other"));
    assert!(told.contains("logs:PutLogEvents"), "{told}");
    let acts = grants(&json!([allow("logs:*", "*")]));
    let acts = role("r", &json!([]), acts);
    scene.change(|to| to.add_role(acts).map(|_| ())).await;
    scene.may(UpdateFunctionConfiguration, into("/shared"));
}

#[tokio::test]
async fn a_secret_is_sent_where_somebody_says_who_may_read_it() {
    let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db";
    let listen = json!({
        "FunctionName": "sum",
        "SelfManagedEventSource": {"Endpoints": {"POSTGRES": ["db.example:5432"]}},
        "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}],
    });
    let scene = Scene::user("ada", json!([allow("lambda:*", "*")])).await;
    scene.fixture.create("sum").await;
    let acts = role("r", &json!([]), grants(&json!([allow("*", "*")])));
    scene.change(|to| to.add_role(acts).map(|_| ())).await;
    use lambda::generated::Operation::CreateEventSourceMapping;
    let told = scene.may_not(CreateEventSourceMapping, listen.clone());
    assert!(told.contains("secretsmanager:GetSecretValue"), "{told}");
    let both = json!([allow("lambda:*", "*"), allow("secretsmanager:*", "*")]);
    let scene = Scene::user("ada", both).await;
    scene.may(CreateEventSourceMapping, listen);
}

#[tokio::test]
async fn conditions_know_the_tags_of_what_is_asked_for() {
    let when = |tag: &str, effect: &str| {
        json!([allow("*", "*"), {"Effect": effect, "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {format!("aws:ResourceTag/{tag}"): "prod"}}}])
    };
    let scene = Scene::user("ada", when("stage", "Deny")).await;
    let context = &scene.fixture.context;
    let mut tagged = scene.fixture.create_request("sum");
    tagged.tags = Some([("stage".to_owned(), "prod".to_owned())].into());
    lambda::function::create_function::handle(context, tagged)
        .await
        .unwrap();
    scene.fixture.create("other").await;
    let named = |name: &str| json!({"FunctionName": name});
    scene.may_not(lambda::generated::Operation::DeleteFunction, named("sum"));
    scene.may(lambda::generated::Operation::DeleteFunction, named("other"));
    let mut acts = role("tagged", &json!([]), Grants::default());
    acts.tags.insert("stage".into(), "prod".into());
    scene.change(|to| to.add_role(acts).map(|_| ())).await;
    scene.may_not(
        iam::generated::Operation::DeleteRole,
        json!({"RoleName": "tagged"}),
    );
    scene.may(
        iam::generated::Operation::DeleteRole,
        json!({"RoleName": "other"}),
    );
}
