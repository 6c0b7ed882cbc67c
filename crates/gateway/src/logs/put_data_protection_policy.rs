//! `PutDataProtectionPolicy`: says what is masked in a group's events.
//!
//! AWS differs: events are masked before they are kept, from the answer on, so that nobody can unmask them; findings go nowhere,
//! and of AWS's data identifiers those are known that [`kiln_store::MANAGED_IDENTIFIERS`] lists.

use kiln_store::DataProtection;

use super::generated::{
    PutDataProtectionPolicyRequest as Input, PutDataProtectionPolicyResponse as Output,
};
use super::group::{invalid, named, refusal};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let group = named(context, None, Some(input.log_group_identifier.clone()))?;
    let protection = DataProtection::parse(&input.policy_document)
        .map_err(|why| invalid(format!("Invalid data protection policy: {why}.")))?;
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    let kept = logs.set_protection(account, &group, Some(protection)).await;
    let kept = kept.map_err(refusal)?;
    Ok(Output {
        log_group_identifier: Some(input.log_group_identifier),
        policy_document: Some(input.policy_document),
        last_updated_time: kept.map(|kept| kept.changed.as_millis()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::logs::fixture::write;
    use crate::logs::generated::*;
    use crate::logs::{
        delete_data_protection_policy, delete_log_group, describe_log_groups, filter_log_events,
        get_data_protection_policy,
    };

    fn document() -> String {
        let email = "arn:aws:dataprotection::aws:data-identifier/EmailAddress";
        let statement = |operation| json!({"DataIdentifier": [email], "Operation": operation});
        let document = json!({"Name": "p", "Version": "2021-06-01", "Statement": [
            statement(json!({"Audit": {"FindingsDestination": {}}})),
            statement(json!({"Deidentify": {"MaskConfig": {}}})),
        ]});
        document.to_string()
    }

    fn put(group: &str, document: &str) -> Input {
        Input {
            log_group_identifier: group.into(),
            policy_document: document.into(),
        }
    }

    async fn messages(fixture: &Fixture) -> Vec<String> {
        let input = FilterLogEventsRequest {
            log_group_name: Some("/g".into()),
            ..Default::default()
        };
        let found = filter_log_events::handle(&fixture.context, input).await;
        let events = found.unwrap().events.unwrap().into_iter();
        events.map(|event| event.message.unwrap()).collect()
    }

    async fn get(fixture: &Fixture) -> GetDataProtectionPolicyResponse {
        let input = GetDataProtectionPolicyRequest {
            log_group_identifier: "/g".into(),
        };
        let read = get_data_protection_policy::handle(&fixture.context, input).await;
        read.unwrap()
    }

    #[tokio::test]
    async fn what_a_policy_names_is_never_kept_while_it_stands() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["1 a@example.org"]);
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/g";
        let output = handle(&fixture.context, put(arn, &document())).await;
        assert_eq!(output.unwrap().policy_document, Some(document()));
        write(&fixture, "/g", "s", &["2 a@example.org", "3 b"]);
        write(&fixture, "/h", "s", &["a@example.org"]);
        let masked = ["1 a@example.org", "2 *************", "3 b"];
        let mut all = messages(&fixture).await;
        all.sort();
        assert_eq!(all, masked);
        assert_eq!(get(&fixture).await.policy_document, Some(document()));
        let groups = describe_log_groups::handle(&fixture.context, Default::default()).await;
        let groups = groups.unwrap().log_groups.unwrap();
        let status = |n: usize| groups[n].data_protection_status.as_deref();
        assert_eq!((status(0), status(1)), (Some("ACTIVATED"), None));
        let delete = DeleteDataProtectionPolicyRequest {
            log_group_identifier: "/g".into(),
        };
        let deleted = delete_data_protection_policy::handle(&fixture.context, delete);
        deleted.await.unwrap();
        write(&fixture, "/g", "s", &["4 a@example.org"]);
        assert!(
            messages(&fixture)
                .await
                .contains(&"4 a@example.org".to_owned())
        );
        assert_eq!(get(&fixture).await.policy_document, None);
    }

    #[tokio::test]
    async fn a_group_that_is_made_anew_has_no_policy() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["x"]);
        handle(&fixture.context, put("/g", &document()))
            .await
            .unwrap();
        let delete = DeleteLogGroupRequest {
            log_group_name: "/g".into(),
        };
        delete_log_group::handle(&fixture.context, delete)
            .await
            .unwrap();
        write(&fixture, "/g", "s", &["a@example.org"]);
        assert_eq!(messages(&fixture).await, ["a@example.org"]);
    }

    #[tokio::test]
    async fn what_is_no_policy_and_groups_that_are_not_there_are_refused() {
        let fixture = Fixture::new().await;
        write(&fixture, "/g", "s", &["x"]);
        let refused = handle(&fixture.context, put("/g", "{}")).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameter);
        let refused = handle(&fixture.context, put("/h", &document())).await;
        assert_eq!(refused.unwrap_err().exception, Exception::ResourceNotFound);
    }
}
