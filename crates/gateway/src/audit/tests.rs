//! What is written down, and what is not.

use kiln_store::audit::AuditQuery;
use kiln_types::Timestamp;

use super::*;
use crate::lambda::fixture::Fixture;

async fn noted(fixture: &Fixture, deed: Deed, outcome: Outcome<'_>) -> Vec<Value> {
    let context = &fixture.context;
    let names = json!({"functionName": "sum"});
    note(context, deed, names, outcome).await.unwrap();
    let all = context.deps.store.audit().list(AuditQuery {
        account: context.caller.account.clone(),
        before: None,
        since: Timestamp::from_millis(0),
        until: Timestamp::from_millis(i64::MAX),
        count_max: 10,
    });
    let records = all.await.unwrap().into_iter();
    records
        .map(|record| serde_json::from_str(&record.record).unwrap())
        .collect()
}

const fn deed(service: &'static str, name: &'static str) -> Deed {
    Deed { service, name }
}

const DENIED: Outcome<'_> = Outcome::Failed {
    code: "AccessDeniedException",
    message: "no",
    is_denied: true,
};

#[tokio::test]
async fn a_change_is_written_down_as_cloudtrail_does() {
    let fixture = Fixture::new().await;
    let records = noted(&fixture, deed("lambda", "CreateFunction"), Outcome::Done).await;
    let record = &records[0];
    assert_eq!(record["eventSource"], "lambda.amazonaws.com");
    assert_eq!(record["userIdentity"]["type"], "IAMUser");
    assert_eq!(record["userIdentity"]["userName"], "administrator");
    assert_eq!(record["requestParameters"], json!({"functionName": "sum"}));
    assert_eq!(record["sourceIPAddress"], "192.0.2.1");
    assert_eq!(
        (&record["readOnly"], &record["managementEvent"]),
        (&json!(false), &json!(true))
    );
    assert!(record.get("errorCode").is_none());
}

#[tokio::test]
async fn reading_and_data_are_written_down_when_they_are_refused() {
    let mut fixture = Fixture::new().await;
    for (service, name) in [
        ("lambda", "GetFunction"),
        ("lambda", "Invoke"),
        ("sqs", "SendMessage"),
    ] {
        assert!(
            noted(&fixture, deed(service, name), Outcome::Done)
                .await
                .is_empty()
        );
    }
    let records = noted(&fixture, deed("lambda", "Invoke"), DENIED).await;
    assert_eq!(records[0]["errorCode"], "AccessDeniedException");
    assert_eq!(records[0]["eventCategory"], "Data");
    std::sync::Arc::make_mut(&mut fixture.context.config).audits_data = true;
    assert_eq!(
        noted(&fixture, deed("sqs", "SendMessage"), Outcome::Done)
            .await
            .len(),
        2
    );
    assert_eq!(
        noted(&fixture, deed("lambda", "GetFunction"), Outcome::Done)
            .await
            .len(),
        2
    );
}

#[test]
fn only_names_are_kept_of_what_was_asked() {
    let members = json!({
        "FunctionName": "sum",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Environment": {"Variables": {"PASSWORD": "secret"}},
        "MessageBody": "secret",
        "PolicyDocument": "secret",
        "SecretId": "s".repeat(600),
        "Description": "secret",
    });
    let expected = json!({"functionName": "sum", "role": "arn:aws:iam::000000000000:role/r"});
    assert_eq!(names(members.as_object().unwrap()), expected);
}

#[test]
fn what_is_said_to_be_of_data_is_an_operation() {
    let names: Vec<String> = crate::coverage()
        .into_iter()
        .filter(|found| found.is_handled)
        .map(|found| found.operation.to_string())
        .collect();
    for name in OF_DATA {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}
