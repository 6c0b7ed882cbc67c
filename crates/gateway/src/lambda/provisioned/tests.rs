//! Provisioned concurrency through its operations.

use super::*;
use crate::lambda::account::get_account_settings;
use crate::lambda::alias::{create_alias, update_alias};
use crate::lambda::concurrency::put_function_concurrency;
use crate::lambda::fixture::Fixture;
use crate::lambda::function::{delete_function, update_function_configuration};
use crate::lambda::generated as wire;
use crate::lambda::version::publish_version;

/// A function with versions 1 and 2, and the alias `live` for 1.
async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create("sum").await;
    for handler in ["index.one", "index.two"] {
        let update = wire::UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            handler: Some(handler.into()),
            ..Default::default()
        };
        update_function_configuration::handle(&fixture.context, update)
            .await
            .unwrap();
        fixture.settle().await;
        let publish = wire::PublishVersionRequest {
            function_name: "sum".into(),
            ..Default::default()
        };
        publish_version::handle(&fixture.context, publish)
            .await
            .unwrap();
    }
    alias(&fixture, "live", "1").await;
    fixture
}

async fn alias(fixture: &Fixture, name: &str, version: &str) {
    let create = wire::CreateAliasRequest {
        function_name: "sum".into(),
        name: name.into(),
        function_version: version.into(),
        ..Default::default()
    };
    create_alias::handle(&fixture.context, create)
        .await
        .unwrap();
}

async fn put(
    fixture: &Fixture,
    qualifier: &str,
    count: i64,
) -> Result<wire::PutProvisionedConcurrencyConfigResponse> {
    let input = wire::PutProvisionedConcurrencyConfigRequest {
        function_name: "sum".into(),
        qualifier: qualifier.into(),
        provisioned_concurrent_executions: count,
    };
    put_provisioned_concurrency_config::handle(&fixture.context, input).await
}

async fn get(
    fixture: &Fixture,
    qualifier: &str,
) -> Result<wire::GetProvisionedConcurrencyConfigResponse> {
    let input = wire::GetProvisionedConcurrencyConfigRequest {
        function_name: "sum".into(),
        qualifier: qualifier.into(),
    };
    get_provisioned_concurrency_config::handle(&fixture.context, input).await
}

fn says(fixture: &Fixture, readiness: Readiness) {
    *fixture.invoker.readiness.lock().unwrap() = Some(readiness);
}

#[tokio::test]
async fn what_is_asked_for_is_in_progress_and_then_ready() {
    let fixture = fixture().await;
    let asked = put(&fixture, "live", 5).await.unwrap();
    assert_eq!(asked.requested_provisioned_concurrent_executions, Some(5));
    assert_eq!(asked.allocated_provisioned_concurrent_executions, Some(0));
    assert_eq!(asked.status.as_deref(), Some("IN_PROGRESS"));
    let wanted = 5;
    let states = [
        (3, 0, false, "IN_PROGRESS"),
        (3, 2, false, "FAILED"),
        (3, 0, true, "FAILED"),
        (5, 0, false, "READY"),
    ];
    for (ready, failures, lacks_memory, status) in states {
        says(
            &fixture,
            Readiness {
                wanted,
                ready,
                failures,
                lacks_memory,
            },
        );
        let shown = get(&fixture, "live").await.unwrap();
        assert_eq!(
            shown.available_provisioned_concurrent_executions,
            Some(ready.into())
        );
        assert_eq!(shown.status.as_deref(), Some(status));
        assert_eq!(shown.status_reason.is_some(), status == "FAILED");
        assert_eq!(
            shown.last_modified.as_deref(),
            Some("2026-11-23T13:23:00.000+0000")
        );
    }
}

#[tokio::test]
async fn only_published_versions_have_instances_kept_ready() {
    let fixture = fixture().await;
    alias(&fixture, "dev", "$LATEST").await;
    for qualifier in ["$LATEST", "dev"] {
        let refused = put(&fixture, qualifier, 1).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        );
    }
    let missing = put(&fixture, "7", 1).await.unwrap_err();
    assert!(missing.message.starts_with("Function not found:"));
    let missing = put(&fixture, "other", 1).await.unwrap_err();
    assert_eq!(
        missing.message,
        "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:sum:other"
    );
    let none = get(&fixture, "1").await.unwrap_err();
    assert_eq!(
        none.exception,
        Exception::ProvisionedConcurrencyConfigNotFound
    );
}

#[tokio::test]
async fn a_version_is_provisioned_under_one_name() {
    let fixture = fixture().await;
    put(&fixture, "live", 1).await.unwrap();
    let refused = put(&fixture, "1", 1).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Version is pointed by a Provisioned Concurrency alias"
    );
    put(&fixture, "2", 1).await.unwrap();
    let to = |version: &str| wire::UpdateAliasRequest {
        function_name: "sum".into(),
        name: "live".into(),
        function_version: Some(version.into()),
        ..Default::default()
    };
    let refused = update_alias::handle(&fixture.context, to("2"))
        .await
        .unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
    let share = wire::UpdateAliasRequest {
        routing_config: Some(wire::AliasRoutingConfiguration {
            additional_version_weights: Some([("2".to_owned(), 0.1)].into()),
        }),
        ..to("1")
    };
    let refused = update_alias::handle(&fixture.context, share)
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Invalid alias configuration for Provisioned Concurrency"
    );
}

#[tokio::test]
async fn what_is_provisioned_is_taken_from_the_reservation_or_the_account() {
    let fixture = fixture().await;
    let refused = put(&fixture, "live", 901).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
    );
    put(&fixture, "live", 20).await.unwrap();
    let settings = get_account_settings::handle(&fixture.context, Default::default());
    let limit = settings.await.unwrap().account_limit.unwrap();
    assert_eq!(limit.unreserved_concurrent_executions, Some(980));
    let reserve = |count| wire::PutFunctionConcurrencyRequest {
        function_name: "sum".into(),
        reserved_concurrent_executions: count,
    };
    let refused = put_function_concurrency::handle(&fixture.context, reserve(19))
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        " ReservedConcurrentExecutions  19 should not be lower than function's total provisioned concurrency [20]."
    );
    put_function_concurrency::handle(&fixture.context, reserve(20))
        .await
        .unwrap();
    let refused = put(&fixture, "2", 1).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    );
}

#[tokio::test]
async fn more_than_the_server_s_memory_is_refused() {
    let fixture = fixture().await;
    let refused = put(&fixture, "live", 33).await.unwrap_err();
    assert!(
        refused.message.contains("needs 4224 MB"),
        "{}",
        refused.message
    );
    put(&fixture, "live", 32).await.unwrap();
}

#[tokio::test]
async fn what_is_kept_ready_is_listed_and_forgotten() {
    let fixture = fixture().await;
    for qualifier in ["live", "2"] {
        put(&fixture, qualifier, 1).await.unwrap();
    }
    let list = |marker: Option<String>| {
        let input = wire::ListProvisionedConcurrencyConfigsRequest {
            function_name: "sum".into(),
            max_items: Some(1),
            marker,
        };
        list_provisioned_concurrency_configs::handle(&fixture.context, input)
    };
    let first = list(None).await.unwrap();
    let arn = |page: &wire::ListProvisionedConcurrencyConfigsResponse| {
        let items = page.provisioned_concurrency_configs.as_ref().unwrap();
        items[0].function_arn.clone().unwrap()
    };
    assert!(arn(&first).ends_with(":sum:2"));
    let second = list(first.next_marker).await.unwrap();
    assert!(arn(&second).ends_with(":sum:live"));
    assert_eq!(second.next_marker, None);

    let delete = || {
        let input = wire::DeleteProvisionedConcurrencyConfigRequest {
            function_name: "sum".into(),
            qualifier: "live".into(),
        };
        delete_provisioned_concurrency_config::handle(&fixture.context, input)
    };
    delete().await.unwrap();
    let again = delete().await.unwrap_err();
    assert_eq!(
        again.exception,
        Exception::ProvisionedConcurrencyConfigNotFound
    );
    let version = wire::DeleteFunctionRequest {
        function_name: "sum".into(),
        qualifier: Some("2".into()),
    };
    delete_function::handle(&fixture.context, version)
        .await
        .unwrap();
    let function = fixture.function(&fixture.id("sum"));
    assert!(function.provisioned.is_empty());
}
