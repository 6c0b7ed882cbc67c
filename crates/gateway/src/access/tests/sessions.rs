//! Sessions of roles.

use super::*;

fn session(role: &Role, policies: Option<Vec<Narrowing>>) -> Identity {
    let account = "000000000000".parse().unwrap();
    Identity::Role(Arc::new(Session {
        role: role.arn(&account),
        role_id: Some(role.id.clone()),
        name: "work".into(),
        policies,
        tags: Tags::from([("team".into(), "red".into())]),
        issued: None,
        function: Some(FUNCTION.into()),
    }))
}

/// A session of a role with these statements, which asks from here on.
async fn scene(statements: Value, policies: Option<Vec<Narrowing>>) -> Scene {
    let mut scene = Scene::new().await;
    let role = role("worker", &json!([]), grants(&statements));
    let identity = session(&role, policies);
    scene.change(|to| to.add_role(role).map(|_| ())).await;
    let caller = &mut scene.fixture.context.caller;
    caller.identity = identity;
    caller.arn = "arn:aws:sts::000000000000:assumed-role/worker/work".into();
    scene
}

#[tokio::test]
async fn a_session_may_what_its_role_may() {
    let scene = scene(json!([allow("sqs:SendMessage", QUEUE)]), None).await;
    let queue = || json!({"QueueUrl": QUEUE_URL});
    scene.may(sqs::generated::Operation::SendMessage, queue());
    let told = scene.may_not(sqs::generated::Operation::DeleteQueue, queue());
    assert!(
        told.starts_with("User: arn:aws:sts::000000000000:assumed-role/worker/work is"),
        "{told}"
    );
}

#[tokio::test]
async fn a_session_s_policies_narrow_its_role() {
    let narrow = document(&json!([allow("sqs:Get*", "*"), allow("logs:*", "*")]));
    let policies = vec![Narrowing::Document(narrow)];
    let scene = scene(json!([allow("sqs:*", "*")]), Some(policies)).await;
    let queue = || json!({"QueueUrl": QUEUE_URL});
    scene.may(sqs::generated::Operation::GetQueueAttributes, queue());
    let told = scene.may_not(sqs::generated::Operation::SendMessage, queue());
    assert!(told.contains("no session policy allows"), "{told}");
    scene.may_not(logs::generated::Operation::DescribeLogGroups, json!({}));
}

#[tokio::test]
async fn conditions_know_a_session_s_tags_and_the_function_it_is_of() {
    let when = |key: &str, value: &str| {
        json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*",
            "Condition": {"StringEquals": {key: value}}}])
    };
    for (key, value, may) in [
        ("aws:PrincipalTag/team", "red", true),
        ("aws:PrincipalTag/team", "blue", false),
        ("lambda:SourceFunctionArn", FUNCTION, true),
        (
            "aws:PrincipalArn",
            "arn:aws:iam::000000000000:role/worker",
            true,
        ),
        ("aws:username", "work", false),
    ] {
        let scene = scene(when(key, value), None).await;
        let asked = scene.asks(sqs::generated::Operation::ListQueues, json!({}));
        assert_eq!(asked.is_ok(), may, "{key} {value}");
    }
}

#[tokio::test]
async fn a_role_that_does_not_exist_allows_nothing_and_says_so() {
    let mut scene = Scene::new().await;
    let context = &mut scene.fixture.context;
    let directory = Directory::new(context.caller.account.clone());
    let session = Session::of(&directory, ROLE, "sum");
    context.caller.identity = Identity::Role(Arc::new(session));
    let told = scene.may_not(sqs::generated::Operation::ListQueues, json!({}));
    assert!(
        told.ends_with(&format!("because the role {ROLE} does not exist")),
        "{told}"
    );
    scene.may(sts::generated::Operation::GetCallerIdentity, json!({}));
}
