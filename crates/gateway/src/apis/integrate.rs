//! Runs the function behind a route: event, invocation, response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use kiln_invoke::{Kind, Request};
use kiln_types::api::PayloadFormat;
use kiln_types::{FunctionArn, FunctionId, InvocationReport, RequestId};
use tokio::time::timeout;

use super::{Call, answer, permission};
use crate::apigatewayv2::uri;
use crate::lambda::invocation::{run as invoke, whole_seconds};
use crate::proxy::answer::put;
use crate::proxy::failure::Failure;
use crate::proxy::response::Dialect;
use crate::proxy::{Who, v1, v2};
use crate::server::Shared;

/// Why a function was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAsked {
    #[error("its URI names no function with the variables of the stage")]
    NoFunction,
    #[error("there is no such function")]
    Unknown,
    #[error(
        "the function's policy does not let apigateway.amazonaws.com invoke it for this source"
    )]
    NotGranted,
}

/// Answers a request with what its route's function says.
pub(super) async fn run(
    gateway: &Arc<Shared>,
    call: &Call,
    who: Who<'_>,
    body: &[u8],
) -> Response<Bytes> {
    let target = &call.target;
    let integration = target.route().and_then(|route| route.target.as_ref());
    let integration = integration.and_then(|id| target.definition.integrations.get(id));
    let Some(integration) = integration else {
        tracing::info!(api = %target.api.id, route = target.route_key, "a route leads nowhere");
        return answer::internal_server_error();
    };
    let source = source(gateway, call);
    let role = integration.credentials.as_deref();
    let arn = match granted(gateway, call, &integration.uri, role, &source) {
        Ok(arn) => arn,
        Err(why) => {
            tracing::info!(
                api = %target.api.id, route = target.route_key, uri = integration.uri, source, %why,
                "an API could not ask its function"
            );
            return answer::internal_server_error();
        }
    };
    let (incoming, place) = (
        call.incoming(gateway.config.endpoint.scheme(), body),
        call.place(who),
    );
    let (event, dialect) = match integration.format {
        PayloadFormat::V1 => (v1::event(&incoming, &place), Dialect::V1),
        PayloadFormat::V2 => (v2::event(&incoming, &place), Dialect::V2),
    };
    let function = arn.id();
    let within = Duration::from_millis(integration.timeout_ms.into());
    let outcome = invoke(&gateway.deps, request(arn, &function, event, &call.trace));
    match timeout(within, outcome).await {
        Err(_) => answer::unavailable(),
        Ok(Ok(outcome)) => rendered(&function, dialect, outcome.report),
        Ok(Err(error)) => refused(Failure::of(error, &function)),
    }
}

/// The function that a URI names in a stage, if the API may invoke it for `source`.
pub(super) fn granted(
    gateway: &Shared,
    call: &Call,
    uri: &str,
    role: Option<&str>,
    source: &str,
) -> Result<FunctionArn, NotAsked> {
    let target = &call.target;
    let arn = uri::function(uri, &target.stage().variables);
    let is_here = |arn: &FunctionArn| arn.region == gateway.config.region;
    let arn = arn.filter(is_here).ok_or(NotAsked::NoFunction)?;
    let function = gateway.deps.store.function(&arn.id());
    let function = function.ok_or(NotAsked::Unknown)?;
    match permission::is_granted(gateway, &target.api, &function, &arn, role, source) {
        true => Ok(arn),
        false => Err(NotAsked::NotGranted),
    }
}

/// One invocation of a function.
pub(super) fn request(
    arn: FunctionArn,
    function: &FunctionId,
    event: Vec<u8>,
    trace: &str,
) -> Request {
    Request {
        function: function.clone(),
        qualifier: arn.qualifier.clone(),
        payload: event.into(),
        kind: Kind::RequestResponse,
        client_context: None,
        tenant: None,
        trace: Some(trace.to_owned()),
        wants_log_tail: false,
        request_id: RequestId::random(),
        invoked_arn: arn,
    }
}

/// What policies call a route: with its own path, whose variables are not filled in.
fn source(gateway: &Shared, call: &Call) -> String {
    let (target, region) = (&call.target, &gateway.config.region);
    let (account, api) = (&target.api.account, &target.api.id);
    let place = match target.resource.starts_with('/') {
        true => format!("{}{}", call.head.method, target.resource),
        false => target.resource.clone(),
    };
    format!(
        "arn:aws:execute-api:{region}:{account}:{api}/{}/{place}",
        target.stage
    )
}

fn rendered(
    function: &FunctionId,
    dialect: Dialect,
    report: Option<InvocationReport>,
) -> Response<Bytes> {
    let Some(report) = report.filter(|report| report.status.function_error().is_none()) else {
        return answer::internal_server_error();
    };
    dialect.render(&report.payload).unwrap_or_else(|unusable| {
        tracing::info!(%function, unusable = ?unusable.to_string(), "a function's result is no HTTP response");
        answer::internal_server_error()
    })
}

/// Recorded from AWS: a function without room makes the API unavailable, not the caller too fast.
fn refused(failure: Failure) -> Response<Bytes> {
    match failure {
        Failure::Throttled { retry_after, .. } => {
            let mut response = answer::unavailable();
            let seconds = whole_seconds(retry_after).to_string();
            put(&mut response, header::RETRY_AFTER, &seconds);
            response
        }
        Failure::NotNow => answer::unavailable(),
        Failure::TooLarge => answer::too_large(),
        Failure::NotFound | Failure::Internal => answer::internal_server_error(),
    }
}
