//! `Invoke`: runs a function and waits for its result, keeps an event for later, or only checks that
//! the function could run.
//!
//! AWS differs: an event is kept for a function that is still `Pending` too; a caller who wants the
//! result waits for such a function, two seconds at most.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_invoke::{Kind, Request};
use kiln_types::Outcome;

use super::{accept, payload, read_client_context, read_tenant, refusal, run, trace, waited_for};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{InvocationRequest as Input, InvocationResponse as Output};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = target.version(context)?;
    let kind = kind(&input)?;
    let client_context = input.client_context.as_deref();
    let client_context = client_context.map(read_client_context).transpose()?;
    let tenant = input.tenant_id.as_deref().map(read_tenant).transpose()?;
    let Some(kind) = kind else {
        let payload = payload(input.payload)?;
        accept(context, &target, named, payload, client_context, tenant).await?;
        return Ok(Output {
            status_code: Some(202),
            ..Default::default()
        });
    };
    let payload = waited_for(input.payload)?;
    let request = Request {
        function: target.id(),
        qualifier: named.qualifier,
        payload,
        kind,
        client_context,
        tenant,
        trace: Some(trace(context)),
        wants_log_tail: input.log_type.as_deref() == Some("Tail"),
        request_id: context.request_id,
        invoked_arn: named.arn,
    };
    match run(&context.deps, request).await {
        Ok(outcome) => Ok(output(outcome)),
        Err(error) => Err(refusal(error, &target.qualified_arn())),
    }
}

/// What is wanted of the function now; nothing where an event is to be kept.
fn kind(input: &Input) -> Result<Option<Kind>> {
    if input.durable_execution_name.is_some() {
        return Err(ApiError::not_implemented("durable executions"));
    }
    match input.invocation_type.as_deref() {
        Some("Event") => Ok(None),
        Some("DryRun") => Ok(Some(Kind::DryRun)),
        _ => Ok(Some(Kind::RequestResponse)),
    }
}

fn output(outcome: Outcome) -> Output {
    let executed_version = Some(outcome.executed_version.to_string());
    let Some(report) = outcome.report else {
        return Output {
            status_code: Some(204),
            executed_version,
            ..Default::default()
        };
    };
    Output {
        status_code: Some(200),
        function_error: report
            .status
            .function_error()
            .map(|error| error.as_str().to_owned()),
        log_result: report.log_tail.map(|tail| BASE64_STANDARD.encode(tail)),
        payload: Some(report.payload),
        executed_version,
        durable_execution_arn: None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kiln_types::{InvocationStatus, State, limits};

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::{Fixture, outcome};
    use crate::lambda::function::{create_function, prepare};
    use crate::lambda::generated::{CreateFunctionUrlConfigRequest, TenancyConfig};
    use crate::lambda::url::create_function_url_config;

    fn invoke(payload: &'static str) -> Input {
        Input {
            function_name: "sum".into(),
            payload: Some(Bytes::from_static(payload.as_bytes())),
            ..Default::default()
        }
    }

    async fn refused(input: Input) -> ApiError {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let error = handle(&fixture.context, input).await.unwrap_err();
        assert!(
            fixture.invoker.asked.lock().unwrap().is_empty(),
            "it must not run"
        );
        error
    }

    #[tokio::test]
    async fn the_event_and_the_result_go_through_unchanged() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let output = handle(&fixture.context, invoke("{\"b\" : 1,\n\"a\":2}"))
            .await
            .unwrap();
        assert_eq!(output.payload.unwrap(), "{\"b\" : 1,\n\"a\":2}");
        assert_eq!(output.status_code, Some(200));
        assert_eq!(output.executed_version.as_deref(), Some("$LATEST"));
        assert_eq!(output.function_error, None);
        assert_eq!(output.log_result, None);
        let asked = fixture.invoker.asked.lock().unwrap();
        assert_eq!(asked[0].function, id);
        assert_eq!(asked[0].request_id, fixture.context.request_id);
        assert!(asked[0].invoked_arn.to_string().ends_with(":function:sum"));
        assert!(!asked[0].wants_log_tail);
    }

    #[tokio::test]
    async fn no_event_is_an_empty_document() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        for payload in [None, Some(Bytes::new())] {
            let output = handle(
                &fixture.context,
                Input {
                    payload,
                    ..invoke("")
                },
            )
            .await
            .unwrap();
            assert_eq!(output.payload.unwrap(), "{}");
        }
    }

    #[tokio::test]
    async fn a_function_error_is_a_success_with_a_header() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let mut failed = outcome(InvocationStatus::Error, r#"{"errorType":"E"}"#);
        failed.report.as_mut().unwrap().log_tail = Some("END".into());
        fixture.answer(Ok(failed));
        let tail = Input {
            log_type: Some("Tail".into()),
            ..invoke("1")
        };
        let output = handle(&fixture.context, tail).await.unwrap();
        assert_eq!(output.status_code, Some(200));
        assert_eq!(output.function_error.as_deref(), Some("Unhandled"));
        assert_eq!(output.log_result.as_deref(), Some("RU5E"));
        assert_eq!(output.payload.unwrap(), r#"{"errorType":"E"}"#);
        assert!(fixture.invoker.asked.lock().unwrap()[0].wants_log_tail);
    }

    #[tokio::test]
    async fn a_dry_run_has_no_content() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        fixture.answer(Ok(Outcome {
            report: None,
            ..outcome(InvocationStatus::Success, "")
        }));
        let dry = Input {
            invocation_type: Some("DryRun".into()),
            ..invoke("1")
        };
        let output = handle(&fixture.context, dry).await.unwrap();
        assert_eq!((output.status_code, output.payload), (Some(204), None));
        assert_eq!(fixture.invoker.asked.lock().unwrap()[0].kind, Kind::DryRun);
    }

    #[tokio::test]
    async fn events_that_are_not_json_or_too_large_are_refused() {
        let text = refused(invoke("{'a': 1}")).await;
        assert_eq!(text.exception, Exception::InvalidRequestContent);
        assert!(text.message.starts_with(
            "Could not parse request body into json: Could not parse payload into json: "
        ));
        let large = Bytes::from(vec![b'1'; limits::SYNC_PAYLOAD_BYTES_MAX + 1]);
        let large = refused(Input {
            payload: Some(large),
            ..invoke("")
        })
        .await;
        assert_eq!(large.exception, Exception::RequestEntityTooLarge);
        assert_eq!(
            large.message,
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
        );
    }

    #[tokio::test]
    async fn what_kiln_cannot_do_yet_is_not_pretended() {
        let durable = Input {
            durable_execution_name: Some("e".into()),
            ..invoke("1")
        };
        assert_eq!(refused(durable).await.exception, Exception::NotImplemented);
    }

    #[tokio::test]
    async fn tenants_are_named_where_a_function_tells_them_apart_and_nowhere_else() {
        let fixture = Fixture::new().await;
        fixture.create("plain").await;
        let mut request = fixture.create_request("sum");
        request.tenancy_config = Some(TenancyConfig {
            tenant_isolation_mode: "PER_TENANT".into(),
        });
        let made = create_function::handle(&fixture.context, request).await;
        let shown = made.unwrap().tenancy_config.unwrap();
        assert_eq!(shown.tenant_isolation_mode, "PER_TENANT");
        fixture.settle().await;
        let event = |name: &str, tenant: Option<&str>| Input {
            function_name: name.into(),
            invocation_type: Some("Event".into()),
            tenant_id: tenant.map(str::to_owned),
            ..invoke("1")
        };
        for (name, tenant, told) in [
            ("sum", None, "Add a valid tenant ID"),
            ("plain", Some("a"), "Remove the tenant ID"),
            ("sum", Some("a\nb"), "tenant id"),
        ] {
            let refused = handle(&fixture.context, event(name, tenant)).await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert!(refused.message.contains(told), "{}", refused.message);
        }
        handle(&fixture.context, event("sum", Some("Shop 7")))
            .await
            .unwrap();
        let queue = fixture.context.deps.store.queue();
        let account = &fixture.context.caller.account;
        let kept = queue.show(account, fixture.context.request_id).await;
        let tenant = kept.unwrap().unwrap().event.tenant.unwrap();
        assert_eq!(tenant.as_str(), "Shop 7");
        let url = CreateFunctionUrlConfigRequest {
            function_name: "sum".into(),
            auth_type: "NONE".into(),
            ..Default::default()
        };
        let refused = create_function_url_config::handle(&fixture.context, url).await;
        let told = refused.unwrap_err().message;
        assert!(told.contains("tenant isolation"), "{told}");
    }

    #[tokio::test]
    async fn an_event_is_kept_and_not_run() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let event = Input {
            invocation_type: Some("Event".into()),
            client_context: Some(BASE64_STANDARD.encode(r#"{"custom":{}}"#)),
            ..invoke("{\"b\" : 1}")
        };
        let output = handle(&fixture.context, event).await.unwrap();
        assert_eq!((output.status_code, output.payload), (Some(202), None));
        assert_eq!(output.executed_version, None);
        assert!(fixture.invoker.asked.lock().unwrap().is_empty());
        let queue = fixture.context.deps.store.queue();
        let kept = queue.show(&id.account, fixture.context.request_id).await;
        let kept = kept.unwrap().unwrap().event;
        assert_eq!(
            (kept.payload.as_ref(), kept.function),
            (&b"{\"b\" : 1}"[..], id)
        );
        assert_eq!(kept.client_context.as_deref(), Some(r#"{"custom":{}}"#));
    }

    #[tokio::test]
    async fn an_event_has_a_megabyte_at_most() {
        let event = |bytes: usize| Input {
            invocation_type: Some("Event".into()),
            payload: Some(Bytes::from(vec![b'1'; bytes])),
            ..invoke("")
        };
        let error = refused(event(limits::ASYNC_PAYLOAD_BYTES_MAX + 1)).await;
        assert_eq!(error.exception, Exception::RequestEntityTooLarge);
        assert_eq!(
            error.message,
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        );
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let largest = event(limits::ASYNC_PAYLOAD_BYTES_MAX);
        assert!(handle(&fixture.context, largest).await.is_ok());
    }

    #[tokio::test]
    async fn the_callers_trace_goes_on() {
        let mut fixture = Fixture::new().await;
        fixture.create("sum").await;
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:1";
        fixture.context.trace = Some(header.to_owned());
        handle(&fixture.context, invoke("1")).await.unwrap();
        let asked = fixture.invoker.asked.lock().unwrap();
        assert_eq!(asked[0].trace.as_deref(), Some(header));
    }

    #[tokio::test]
    async fn a_loop_that_was_stopped_is_awss_exception() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        fixture.answer(Err(kiln_invoke::Error::Recursive));
        let error = handle(&fixture.context, invoke("1")).await.unwrap_err();
        assert_eq!(error.exception, Exception::RecursiveInvocation);
    }

    #[tokio::test]
    async fn client_contexts_are_decoded_and_checked() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let with = |context: String| Input {
            client_context: Some(context),
            ..invoke("1")
        };
        let good = BASE64_STANDARD.encode(r#"{"custom":{}}"#);
        handle(&fixture.context, with(good)).await.unwrap();
        let asked = fixture.invoker.asked.lock().unwrap()[0].clone();
        assert_eq!(asked.client_context.as_deref(), Some(r#"{"custom":{}}"#));
        for bad in [
            "%%%".to_owned(),
            BASE64_STANDARD.encode("[1]"),
            "A".repeat(3_584),
        ] {
            let error = refused(with(bad)).await;
            assert_eq!(error.exception, Exception::InvalidRequestContent);
        }
    }

    #[tokio::test]
    async fn a_new_function_is_waited_for() {
        let fixture = Fixture::new().await;
        let id = fixture.create_pending("sum").await;
        fixture.answer(Err(kiln_invoke::Error::NotReady(State::Pending)));
        prepare::start(&fixture.context.deps, &fixture.function(&id));
        let output = handle(&fixture.context, invoke("1")).await.unwrap();
        assert_eq!(output.payload.unwrap(), "1");
        assert_eq!(fixture.invoker.asked.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_stays_pending_is_a_conflict() {
        let fixture = Fixture::new().await;
        fixture.create_pending("sum").await;
        for _ in 0..2 {
            fixture.answer(Err(kiln_invoke::Error::NotReady(State::Pending)));
        }
        let error = handle(&fixture.context, invoke("1")).await.unwrap_err();
        assert_eq!(error.exception, Exception::ResourceConflict);
        assert_eq!(
            error.message,
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        );
    }

    #[tokio::test]
    async fn unknown_functions_and_versions_are_not_found() {
        let missing = Input {
            function_name: "other".into(),
            ..invoke("1")
        };
        assert!(refused(missing).await.message.ends_with(":function:other"));
        let version = Input {
            qualifier: Some("3".into()),
            ..invoke("1")
        };
        assert!(refused(version).await.message.ends_with(":function:sum:3"));
    }
}
