//! Becoming a role.

use kiln_types::Timestamp;
use kiln_types::iam::{EntityId, EntityPath, Grants, Kind, Role, Tags};
use serde_json::{Value, json};

use super::generated::{AssumeRoleRequest, GetSessionTokenRequest, Tag};
use super::*;
use crate::context::Identity;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::fixture::Fixture;

const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

fn trust(principal: Value, condition: Value) -> String {
    let actions = ["sts:AssumeRole", "sts:TagSession"];
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

async fn fixture(trust: String) -> Fixture {
    let fixture = Fixture::new().await;
    let role = Role {
        id: EntityId::random(Kind::Role),
        path: EntityPath::default(),
        name: "worker".parse().unwrap(),
        created: Timestamp::default(),
        trust,
        description: None,
        session_secs_max: 7_200,
        tags: Tags::new(),
        boundary: None,
        grants: Grants::default(),
    };
    let context = &fixture.context;
    let identities = context.deps.store.identities();
    let added = identities.change(&context.caller.account, |to| {
        to.add_role(role).map(|_| ()).map_err(ApiError::from)
    });
    added.await.unwrap();
    fixture
}

fn request() -> AssumeRoleRequest {
    AssumeRoleRequest {
        role_arn: ROLE.to_owned(),
        role_session_name: "work".to_owned(),
        ..Default::default()
    }
}

async fn assume(
    fixture: &Fixture,
    request: AssumeRoleRequest,
) -> Result<generated::AssumeRoleResponse> {
    assume_role::handle(&fixture.context, request).await
}

fn everybody_of_the_account() -> Value {
    json!({"AWS": "arn:aws:iam::000000000000:root"})
}

#[tokio::test]
async fn whom_the_trust_policy_names_becomes_the_role() {
    let fixture = fixture(trust(everybody_of_the_account(), json!({}))).await;
    let made = assume(&fixture, request()).await.unwrap();
    let user = made.assumed_role_user.unwrap();
    assert_eq!(
        user.arn,
        "arn:aws:sts::000000000000:assumed-role/worker/work"
    );
    assert!(user.assumed_role_id.ends_with(":work"));
    let credentials = made.credentials.unwrap();
    assert!(credentials.access_key_id.starts_with("ASIA"));
    assert_eq!(
        credentials.expiration,
        (fixture.context.now + Duration::from_secs(3_600)).to_seconds()
    );
}

#[tokio::test]
async fn whom_it_does_not_name_is_told_nothing_of_the_role() {
    let fixture = fixture(trust(json!({"Service": "lambda.amazonaws.com"}), json!({}))).await;
    let refused = assume(&fixture, request()).await.unwrap_err();
    assert_eq!(refused.exception, Exception::AccessDenied);
    let missing = AssumeRoleRequest {
        role_arn: "arn:aws:iam::000000000000:role/none".to_owned(),
        ..request()
    };
    let refused = assume(&fixture, missing).await.unwrap_err();
    assert_eq!(refused.exception, Exception::AccessDenied);
}

#[tokio::test]
async fn conditions_of_the_trust_policy_hold() {
    let wants = json!({"StringEquals": {"sts:ExternalId": "7"}});
    let fixture = fixture(trust(everybody_of_the_account(), wants)).await;
    assert!(assume(&fixture, request()).await.is_err());
    let told = |id: &str| AssumeRoleRequest {
        external_id: Some(id.to_owned()),
        ..request()
    };
    assert!(assume(&fixture, told("8")).await.is_err());
    assert!(assume(&fixture, told("7")).await.is_ok());
}

#[tokio::test]
async fn a_session_lasts_no_longer_than_its_role_allows() {
    let fixture = fixture(trust(everybody_of_the_account(), json!({}))).await;
    let lasting = |secs| AssumeRoleRequest {
        duration_seconds: Some(secs),
        ..request()
    };
    assert!(assume(&fixture, lasting(7_200)).await.is_ok());
    let refused = assume(&fixture, lasting(7_201)).await.unwrap_err();
    assert_eq!(refused.exception, Exception::Validation);
}

#[tokio::test]
async fn a_policy_that_cannot_narrow_is_refused() {
    let fixture = fixture(trust(everybody_of_the_account(), json!({}))).await;
    let with = |policy: String| AssumeRoleRequest {
        policy: Some(policy),
        ..request()
    };
    let refused = assume(&fixture, with("{".into())).await.unwrap_err();
    assert_eq!(refused.exception, Exception::MalformedPolicyDocument);
    let refused = assume(&fixture, with(" ".repeat(2_049))).await.unwrap_err();
    assert_eq!(refused.exception, Exception::PackedPolicyTooLarge);
    let twice = |key: &str| Tag {
        key: key.to_owned(),
        value: String::new(),
    };
    let tagged = AssumeRoleRequest {
        tags: Some(vec![twice("a"), twice("a")]),
        ..request()
    };
    assert!(assume(&fixture, tagged).await.is_err());
    let cased = AssumeRoleRequest {
        tags: Some(vec![twice("team"), twice("Team")]),
        ..request()
    };
    assert!(
        assume(&fixture, cased).await.is_err(),
        "conditions read keys in any case"
    );
}

#[tokio::test]
async fn credentials_of_a_session_get_no_others_but_by_a_role() {
    let mut fixture = fixture(trust(everybody_of_the_account(), json!({}))).await;
    let ask = |fixture: &Fixture| {
        let context = fixture.context.clone();
        async move { get_session_token::handle(&context, GetSessionTokenRequest::default()).await }
    };
    assert!(ask(&fixture).await.unwrap().credentials.is_some());
    fixture.context.caller.access_key_id = "ASIAEXAMPLE".to_owned();
    assert_eq!(fixture.context.caller.identity, Identity::Account);
    let refused = ask(&fixture).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Cannot call GetSessionToken with session credentials"
    );
}
