//! Whom a function's policy lets in from elsewhere.

use kiln_types::policy::ResourcePolicy;
use kiln_types::{AccountId, Function};

use super::*;

const OTHER: &str = "111122223333";
const GATEWAY: &str = "apigateway.amazonaws.com";

/// A function with this policy.
async fn function(scene: &Scene, statements: Value) -> Arc<Function> {
    let id = scene.fixture.create("sum").await;
    let store = &scene.fixture.context.deps.store;
    let policy = ResourcePolicy {
        document: Some(document(&statements)),
        ..ResourcePolicy::default()
    };
    let changed = store.update_function(&id, move |function| {
        function.policy = policy;
        function.tags = [("stage".to_owned(), "internal".to_owned())].into();
        Ok::<(), ApiError>(())
    });
    changed.await.unwrap()
}

fn invoke() -> Need {
    Need::new("lambda:InvokeFunction", FUNCTION)
}

fn says(effect: &str, principal: &Value, more: Value) -> Value {
    let mut statement = json!({
        "Effect": effect, "Principal": principal, "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
    });
    let more = more.as_object().unwrap().clone();
    statement.as_object_mut().unwrap().extend(more);
    statement
}

#[tokio::test]
async fn everybody_and_services_come_in_as_the_policy_says_and_a_denial_counts_more() {
    let service = json!({"Service": GATEWAY});
    let from = |source: &str| json!({"Condition": {"ArnLike": {"aws:SourceArn": source}}});
    let none = json!({});
    let everybody = says("Allow", &json!("*"), none.clone());
    let of_tag = json!({"Condition": {"StringEquals": {"aws:ResourceTag/stage": "internal"}}});
    let insecure = json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}});
    for (statements, anonymous, api) in [
        (
            json!([says("Allow", &json!({"AWS": OTHER}), none.clone())]),
            false,
            false,
        ),
        (json!([everybody]), true, true),
        (
            json!([everybody, says("Deny", &service, none.clone())]),
            true,
            false,
        ),
        (
            json!([everybody, says("Deny", &json!("*"), of_tag)]),
            false,
            false,
        ),
        (json!([says("Allow", &service, none.clone())]), false, true),
        (
            json!([says(
                "Allow",
                &service,
                from("arn:aws:execute-api:*:*:abc/*")
            )]),
            false,
            true,
        ),
        (
            json!([says(
                "Allow",
                &service,
                from("arn:aws:execute-api:*:*:abd/*")
            )]),
            false,
            false,
        ),
        // It is the server itself that asks for an API: no request came from anywhere.
        (
            json!([
                says("Allow", &service, none),
                says("Deny", &service, insecure)
            ]),
            false,
            true,
        ),
    ] {
        let scene = Scene::new().await;
        let function = function(&scene, statements.clone()).await;
        let asking = scene.fixture.context.asking();
        let of = (&*function, None);
        let comes = |guest, need| lets_in(asking, guest, of, &[need]);
        assert_eq!(comes(Guest::Anonymous, invoke()), anonymous, "{statements}");
        let source = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets";
        let need = invoke().with(keys::SOURCE_ARN, Some(source));
        assert_eq!(comes(Guest::Service(GATEWAY), need), api, "{statements}");
        let other = Guest::Service("s3.amazonaws.com");
        assert_eq!(comes(other, invoke()), anonymous, "{statements}");
    }
}

#[tokio::test]
async fn somebody_of_another_account_needs_the_leave_of_both() {
    let let_in = says("Allow", &json!({"AWS": OTHER}), json!({}));
    for (statements, own, may) in [
        (json!([let_in]), json!([allow("lambda:*", "*")]), true),
        (json!([let_in]), json!([allow("sqs:*", "*")]), false),
        (
            json!([says("Allow", &json!({"AWS": "444455556666"}), json!({}))]),
            json!([allow("lambda:*", "*")]),
            false,
        ),
    ] {
        let mut scene = Scene::new().await;
        let function = function(&scene, statements.clone()).await;
        let account: AccountId = OTHER.parse().unwrap();
        let caller = &mut scene.fixture.context.caller;
        caller.account = account.clone();
        let ada = user("ada", grants(&own));
        caller.identity = Identity::User(ada.id.clone());
        caller.arn = ada.arn(&account);
        scene.change(|to| to.add_user(ada).map(|_| ())).await;
        let asking = scene.fixture.context.asking();
        let comes = lets_in(asking, Guest::Caller, (&function, None), &[invoke()]);
        assert_eq!(comes, may, "{statements} {own}");
    }
}

#[tokio::test]
async fn a_grant_of_old_that_names_nobody_closes_no_door() {
    use kiln_types::policy::{Principal, Statement};
    let scene = Scene::new().await;
    let id = scene.fixture.create("sum").await;
    let store = &scene.fixture.context.deps.store;
    let grant = |sid: &str, principal| Statement {
        sid: sid.to_owned(),
        principal,
        action: "lambda:InvokeFunction".to_owned(),
        resource: FUNCTION.to_owned(),
        conditions: Vec::new(),
    };
    let nobody = Principal::Aws("arn:aws:iam::111122223333:user/*".to_owned());
    let statements = vec![grant("all", Principal::Any), grant("none", nobody)];
    let changed = store.update_function(&id, move |function| {
        function.policy.statements = statements;
        Ok::<(), ApiError>(())
    });
    let function = changed.await.unwrap();
    let asking = scene.fixture.context.asking();
    for _ in 0..2 {
        let comes = lets_in(asking, Guest::Anonymous, (&function, None), &[invoke()]);
        assert!(comes);
    }
}
