//! `InvokeWithResponseStream`: runs a function and sends its answer while it is made, as a stream of events.
//!
//! What a function streams comes as `PayloadChunk`s, and the answer of one that does not as one of them; `InvokeComplete`
//! is the end, with the error and the log's tail if there are any. An error is the caller's to see there: the status was
//! sent.
//!
//! AWS differs: it slows down what comes after the first 6 MB. An error document comes up to its first 256 KiB: clients read no
//! events of any size. A caller who wants the answer of a function that is still
//! `Pending` waits for it, two seconds at most.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, header};
use kiln_invoke::{Kind, Next, Part, Request};
use kiln_types::{InvocationReport, Version};
use serde::Serialize;

use super::{read_client_context, read_tenant, refusal, start, trace, waited_for};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{InvokeWithResponseStreamRequest as Input, Operation};
use crate::lambda::target::Target;
use crate::proxy::answer::put;
use crate::server::{CutOff, Outgoing, Streamed};
use crate::wire::{self, event_stream};

/// How much of an error document is sent. Escaped twice it may be six times as long, and botocore reads events of 24 MB.
const ERROR_DETAILS_BYTES_MAX: usize = 256 * 1024;

/// The end of a stream.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeComplete {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_result: Option<String>,
}

/// Reads the request and answers it.
pub(crate) async fn serve(context: &Context, request: wire::Request) -> Result<Response<Outgoing>> {
    let input = wire::read(request, context, Operation::InvokeWithResponseStream).await?;
    handle(context, input).await
}

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Response<Outgoing>> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = target.version(context)?;
    let client_context = input.client_context.as_deref();
    let request = Request {
        function: target.id(),
        qualifier: named.qualifier,
        client_context: client_context.map(read_client_context).transpose()?,
        tenant: input.tenant_id.as_deref().map(read_tenant).transpose()?,
        payload: waited_for(input.payload)?,
        kind: match input.invocation_type.as_deref() {
            Some("DryRun") => Kind::DryRun,
            _ => Kind::RequestResponse,
        },
        trace: Some(trace(context)),
        wants_log_tail: input.log_type.as_deref() == Some("Tail"),
        request_id: context.request_id,
        invoked_arn: named.arn,
    };
    let refused = |error| refusal(error, &target.qualified_arn());
    let mut stream = start(&context.deps, request).await.map_err(refused)?;
    let version = stream.version();
    // What prevents the invocation is told by the status: it is sent when something has come of it.
    let first = match stream.next().await {
        Next::End(Err(error)) => return Err(refused(error)),
        Next::End(Ok(outcome)) if outcome.report.is_none() => return Ok(checked(version)),
        first => first,
    };
    let is_all = matches!(first, Next::End(_));
    let streamed = Streamed::new(stream, events, written(first));
    let body = match is_all {
        true => streamed.ended(),
        false => streamed,
    };
    let mut response = Response::new(Outgoing::Streamed(Box::new(body)));
    put(
        &mut response,
        header::CONTENT_TYPE,
        event_stream::CONTENT_TYPE,
    );
    put_version(&mut response, version);
    Ok(response)
}

/// The answer to a dry run.
fn checked(version: Version) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    put_version(&mut response, version);
    response
}

fn put_version(response: &mut Response<Outgoing>, version: Version) {
    let name = HeaderName::from_static("x-amz-executed-version");
    put(response, name, &version.to_string());
}

/// Never cut off: the end of a stream says how it ended.
fn events(next: Next) -> std::result::Result<Bytes, CutOff> {
    Ok(written(next))
}

/// What comes next, as events.
fn written(next: Next) -> Bytes {
    let mut events = Vec::new();
    match next {
        Next::Part(Part::Head { .. }) => {}
        Next::Part(Part::Body(bytes)) => chunk(bytes, &mut events),
        Next::End(Ok(outcome)) => match outcome.report {
            Some(report) => end(report, &mut events),
            None => complete(&InvokeComplete::default(), &mut events),
        },
        Next::End(Err(error)) => {
            let error = refusal(error, "");
            let failed = InvokeComplete {
                error_code: Some(error.exception.name().to_owned()),
                error_details: Some(error.message.into_owned()),
                log_result: None,
            };
            complete(&failed, &mut events);
        }
    }
    events.into()
}

/// The rest of an answer, and how the invocation ended.
fn end(report: InvocationReport, events: &mut Vec<u8>) {
    let mut last = InvokeComplete {
        log_result: report.log_tail.map(|tail| BASE64_STANDARD.encode(tail)),
        ..Default::default()
    };
    match report.status.function_error() {
        None if report.payload.is_empty() => {}
        None => chunk(report.payload, events),
        Some(error) => {
            last.error_code = Some(error.as_str().to_owned());
            let details = String::from_utf8_lossy(&report.payload);
            let end = details.floor_char_boundary(ERROR_DETAILS_BYTES_MAX);
            last.error_details = Some(details[..end].to_owned());
        }
    }
    complete(&last, events);
}

fn chunk(bytes: Bytes, events: &mut Vec<u8>) {
    event_stream::write("PayloadChunk", "application/octet-stream", bytes, events);
}

fn complete(complete: &InvokeComplete, events: &mut Vec<u8>) {
    let document = serde_json::to_vec(complete).expect("texts have a JSON form");
    event_stream::write(
        "InvokeComplete",
        "application/json",
        document.into(),
        events,
    );
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;
    use http_body_util::BodyExt as _;
    use kiln_invoke::Error;
    use kiln_types::{InvocationStatus, Outcome, State};
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::{Fixture, outcome};

    fn input(payload: &'static str) -> Input {
        Input {
            function_name: "sum".into(),
            payload: Some(Bytes::from_static(payload.as_bytes())),
            ..Default::default()
        }
    }

    async fn fixture() -> Fixture {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        fixture
    }

    fn streams(fixture: &Fixture, pieces: &[&'static str]) {
        let head = Part::Head { content_type: None };
        let body = pieces.iter().map(|piece| Part::Body(Bytes::from(*piece)));
        *fixture.invoker.streamed.lock().unwrap() = Some([head].into_iter().chain(body).collect());
    }

    /// The payloads of the chunks, and the end.
    async fn read(response: Response<Outgoing>) -> (Vec<String>, Value) {
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(
            headers["content-type"],
            "application/vnd.amazon.eventstream"
        );
        assert_eq!(headers["x-amz-executed-version"], "$LATEST");
        let mut bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut events: Vec<(String, String)> = Vec::new();
        while !bytes.is_empty() {
            let message = read_message_from(&mut bytes).unwrap();
            let header = &message.headers()[0];
            let name = header.value().as_string().unwrap().as_str().to_owned();
            let payload = String::from_utf8(message.payload().to_vec()).unwrap();
            events.push((name, payload));
        }
        let (name, complete) = events.pop().unwrap();
        assert_eq!(name, "InvokeComplete");
        assert!(events.iter().all(|(name, _)| name == "PayloadChunk"));
        let chunks = events.into_iter().map(|(_, payload)| payload).collect();
        (chunks, serde_json::from_str(&complete).unwrap())
    }

    #[tokio::test]
    async fn what_is_streamed_comes_in_chunks_and_the_end_last() {
        let fixture = fixture().await;
        streams(&fixture, &["one", "two"]);
        fixture.answer(Ok(outcome(InvocationStatus::Success, "")));
        let response = handle(&fixture.context, input("1")).await.unwrap();
        let expected = (vec!["one".to_owned(), "two".to_owned()], json!({}));
        assert_eq!(read(response).await, expected);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_streamed_is_one_chunk() {
        let fixture = fixture().await;
        let response = handle(&fixture.context, input("{\"a\":1}")).await.unwrap();
        let expected = (vec!["{\"a\":1}".to_owned()], json!({}));
        assert_eq!(read(response).await, expected);
        let asked = fixture.invoker.asked.lock().unwrap();
        assert_eq!(asked[0].request_id, fixture.context.request_id);
    }

    #[tokio::test]
    async fn an_error_and_the_log_come_with_the_end() {
        let fixture = fixture().await;
        for pieces in [&["half"][..], &[]] {
            streams(&fixture, pieces);
            let mut failed = outcome(InvocationStatus::Timeout, r#"{"errorType":"E"}"#);
            failed.report.as_mut().unwrap().log_tail = Some("END".into());
            fixture.answer(Ok(failed));
            let tail = Input {
                log_type: Some("Tail".into()),
                ..input("1")
            };
            let (chunks, end) = read(handle(&fixture.context, tail).await.unwrap()).await;
            assert_eq!(chunks, pieces);
            let expected = json!({
                "ErrorCode": "Unhandled",
                "ErrorDetails": r#"{"errorType":"E"}"#,
                "LogResult": "RU5E",
            });
            assert_eq!(end, expected);
        }
        assert!(fixture.invoker.asked.lock().unwrap()[0].wants_log_tail);
    }

    #[tokio::test]
    async fn an_end_is_no_longer_than_clients_read() {
        let fixture = fixture().await;
        streams(&fixture, &["half"]);
        let long = "é".repeat(ERROR_DETAILS_BYTES_MAX);
        fixture.answer(Ok(outcome(InvocationStatus::Error, long)));
        let (_, end) = read(handle(&fixture.context, input("1")).await.unwrap()).await;
        let details = end["ErrorDetails"].as_str().unwrap();
        assert_eq!(details, "é".repeat(ERROR_DETAILS_BYTES_MAX / 2));
    }

    #[tokio::test]
    async fn what_does_not_run_is_refused_by_the_status() {
        let fixture = fixture().await;
        fixture.answer(Err(Error::NotReady(State::Failed)));
        let refused = handle(&fixture.context, input("1")).await.err().unwrap();
        assert_eq!(refused.exception, Exception::ResourceConflict);
        let wrong = handle(&fixture.context, input("{")).await.err().unwrap();
        assert_eq!(wrong.exception, Exception::InvalidRequestContent);
        streams(&fixture, &[]);
        *fixture.invoker.streamed.lock().unwrap() = Some(Vec::new());
        fixture.answer(Err(Error::Unavailable("it is full")));
        let later = handle(&fixture.context, input("1")).await.err().unwrap();
        assert_eq!(later.exception, Exception::ServiceUnavailable);
    }

    #[tokio::test]
    async fn a_dry_run_has_no_content() {
        let fixture = fixture().await;
        fixture.answer(Ok(Outcome {
            report: None,
            ..outcome(InvocationStatus::Success, "")
        }));
        let dry = Input {
            invocation_type: Some("DryRun".into()),
            ..input("1")
        };
        let response = handle(&fixture.context, dry).await.unwrap();
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
        assert_eq!(fixture.invoker.asked.lock().unwrap()[0].kind, Kind::DryRun);
    }
}
