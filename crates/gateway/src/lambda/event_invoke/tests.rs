//! How asynchronous events are handled, through the operations.

use super::*;
use crate::error::Exception;
use crate::lambda::fixture::Fixture;

fn put(name: &str) -> wire::PutFunctionEventInvokeConfigRequest {
    wire::PutFunctionEventInvokeConfigRequest {
        function_name: name.into(),
        ..Default::default()
    }
}

fn to(success: Option<&str>, failure: Option<&str>) -> Option<wire::DestinationConfig> {
    Some(wire::DestinationConfig {
        on_success: success.map(|arn| wire::OnSuccess {
            destination: Some(arn.into()),
        }),
        on_failure: failure.map(|arn| wire::OnFailure {
            destination: Some(arn.into()),
        }),
    })
}

fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

#[tokio::test]
async fn what_is_put_is_shown_changed_listed_and_deleted() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let id = fixture.create("sum").await;
    fixture.create("told").await;
    let shown = put_function_event_invoke_config::handle(
        context,
        wire::PutFunctionEventInvokeConfigRequest {
            maximum_retry_attempts: Some(0),
            destination_config: to(None, Some(&arn("told"))),
            ..put("sum")
        },
    )
    .await
    .unwrap();
    assert_eq!(shown.function_arn, Some(format!("{}:$LATEST", arn("sum"))));
    assert_eq!(shown.maximum_retry_attempts, Some(0));
    assert_eq!(shown.maximum_event_age_in_seconds, None);
    let update = wire::UpdateFunctionEventInvokeConfigRequest {
        function_name: "sum".into(),
        maximum_event_age_in_seconds: Some(60),
        ..Default::default()
    };
    update_function_event_invoke_config::handle(context, update)
        .await
        .unwrap();
    let get = || wire::GetFunctionEventInvokeConfigRequest {
        function_name: "sum:$LATEST".into(),
        ..Default::default()
    };
    let shown = get_function_event_invoke_config::handle(context, get())
        .await
        .unwrap();
    assert_eq!(
        shown.maximum_retry_attempts,
        Some(0),
        "an update leaves the rest"
    );
    assert_eq!(shown.maximum_event_age_in_seconds, Some(60));
    let destinations = shown.destination_config.unwrap();
    assert_eq!(
        destinations.on_failure.unwrap().destination,
        Some(arn("told"))
    );
    let config = fixture.function(&id).event_invoke(None);
    assert_eq!((config.retries(), config.age_max().as_secs()), (0, 60));

    let list = wire::ListFunctionEventInvokeConfigsRequest {
        function_name: "sum".into(),
        ..Default::default()
    };
    let listed = list_function_event_invoke_configs::handle(context, list)
        .await
        .unwrap();
    assert_eq!(listed.function_event_invoke_configs.unwrap().len(), 1);
    let delete = || wire::DeleteFunctionEventInvokeConfigRequest {
        function_name: "sum".into(),
        ..Default::default()
    };
    delete_function_event_invoke_config::handle(context, delete())
        .await
        .unwrap();
    let gone = get_function_event_invoke_config::handle(context, get())
        .await
        .unwrap_err();
    assert_eq!(
        gone.message,
        format!(
            "The function {}:$LATEST doesn't have an EventInvokeConfig",
            arn("sum")
        )
    );
    let again = delete_function_event_invoke_config::handle(context, delete()).await;
    assert_eq!(again.unwrap_err().exception, Exception::ResourceNotFound);
}

#[tokio::test]
async fn a_put_replaces_and_an_empty_destination_is_none() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let id = fixture.create("sum").await;
    fixture.create("told").await;
    for destinations in [
        to(Some(&arn("told")), Some(&arn("told"))),
        to(Some(""), None),
    ] {
        let request = wire::PutFunctionEventInvokeConfigRequest {
            destination_config: destinations,
            ..put("sum")
        };
        put_function_event_invoke_config::handle(context, request)
            .await
            .unwrap();
    }
    let config = fixture.function(&id).event_invoke(None);
    assert_eq!((config.on_success, config.on_failure), (None, None));
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    fixture.create("sum").await;
    let refused = async |request| {
        let refused = put_function_event_invoke_config::handle(context, request).await;
        refused.unwrap_err()
    };
    let nothing = refused(put("sum")).await;
    assert_eq!(
        nothing.message,
        "You must specify at least one of error handling or destination setting."
    );
    let with = |arn: &str| wire::PutFunctionEventInvokeConfigRequest {
        destination_config: to(None, Some(arn)),
        ..put("sum")
    };
    let own = refused(with(&arn("sum"))).await;
    assert_eq!(
        own.message,
        "You can't specify the function as a destination for itself."
    );
    fixture.make_queue("ordered.fifo").await;
    fixture.make_bucket("lost", "000000000000").await;
    fixture.make_bucket("somebody-elses", "111111111111").await;
    for missing in [
        arn("absent"),
        arn("sum").replace("us-east-1", "eu-west-1"),
        "arn:aws:sqs:us-east-1:000000000000:absent".to_owned(),
        "arn:aws:sqs:us-east-1:000000000000:ordered.fifo".to_owned(),
        "arn:aws:sns:us-east-1:000000000000:absent".to_owned(),
        "arn:aws:events:us-east-1:000000000000:event-bus/absent".to_owned(),
        "arn:aws:s3:::absent".to_owned(),
        "arn:aws:s3:::somebody-elses".to_owned(),
        "arn:aws:s3:us-east-1:000000000000:lost".to_owned(),
    ] {
        let told = refused(with(&missing)).await;
        assert_eq!(told.exception, Exception::InvalidParameterValue);
        assert_eq!(
            told.message,
            format!("The destination ARN {missing} is invalid.")
        );
    }
    fixture.make_topic("ends").await;
    for there in [
        "arn:aws:sns:us-east-1:000000000000:ends",
        "arn:aws:events:us-east-1:000000000000:event-bus/default",
        "arn:aws:s3:::lost",
    ] {
        let request = with(there);
        let set = put_function_event_invoke_config::handle(&fixture.context, request);
        let set = set.await.unwrap().destination_config.unwrap();
        let shown = [
            set.on_success.and_then(|to| to.destination),
            set.on_failure.and_then(|to| to.destination),
        ];
        assert!(shown.contains(&Some(there.to_owned())), "{shown:?}");
    }
    // Of successes no bucket is told.
    for wrong in [
        "arn:aws:iam:us-east-1:000000000000:function:told",
        "arn:aws:s3:::lost",
    ] {
        let told = refused(wire::PutFunctionEventInvokeConfigRequest {
            destination_config: to(Some(wrong), None),
            ..put("sum")
        });
        assert_eq!(
            told.await.message,
            format!(
                "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={wrong}), onFailure=null) is invalid."
            )
        );
    }
}

#[tokio::test]
async fn functions_and_qualifiers_must_be_there() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    fixture.create("sum").await;
    for (name, qualifier) in [("other", None), ("sum", Some("live")), ("sum", Some("7"))] {
        let request = wire::PutFunctionEventInvokeConfigRequest {
            qualifier: qualifier.map(Into::into),
            maximum_retry_attempts: Some(1),
            ..put(name)
        };
        let refused = put_function_event_invoke_config::handle(context, request).await;
        assert_eq!(refused.unwrap_err().message, "The function doesn't exist.");
    }
    let update = wire::UpdateFunctionEventInvokeConfigRequest {
        function_name: "sum".into(),
        maximum_retry_attempts: Some(1),
        ..Default::default()
    };
    let refused = update_function_event_invoke_config::handle(context, update)
        .await
        .unwrap_err();
    assert!(
        refused
            .message
            .ends_with("sum:$LATEST doesn't have an EventInvokeConfig")
    );
}

#[tokio::test]
async fn a_standard_queue_that_is_there_may_be_told() {
    let fixture = Fixture::new().await;
    fixture.create("sum").await;
    fixture.make_queue("ends").await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:ends";
    let config = wire::PutFunctionEventInvokeConfigRequest {
        destination_config: to(Some(queue), Some(queue)),
        ..put("sum")
    };
    let shown = put_function_event_invoke_config::handle(&fixture.context, config);
    let shown = shown.await.unwrap().destination_config.unwrap();
    assert_eq!(
        shown.on_success.unwrap().destination.as_deref(),
        Some(queue)
    );
}
