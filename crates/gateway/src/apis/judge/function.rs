//! Functions that judge callers (`REQUEST` authorizers).
//!
//! Source: API Gateway developer guide, "Control access to HTTP APIs with AWS Lambda authorizers". A request
//! that lacks an identity source is refused with 401, before the function is asked; whom it does not let in,
//! with 403; and with 500 when the function fails, takes too long or says something else.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::api::{Authorizer, AuthorizerKind, PayloadFormat};
use kiln_types::{FunctionArn, limits};
use tokio::time::timeout;

use super::judgement::Judgement;
use super::kept::{Basis, RESULT_BYTES_MAX};
use super::{Refused, identity};
use crate::apis::integrate::{granted, request};
use crate::apis::{Call, answer};
use crate::lambda::invocation::run;
use crate::proxy::failure::Failure;
use crate::proxy::{Who, v1, v2};
use crate::server::Shared;

/// How a function that judges is asked.
struct Question<'a> {
    authorizer: &'a Authorizer,
    uri: &'a str,
    format: PayloadFormat,
    is_simple: bool,
    role: Option<&'a str>,
    /// What stands at the identity sources.
    identity: &'a [String],
    /// What policies call the route, with the path of the request.
    route_arn: &'a str,
}

/// Has a request's caller judged, or remembers what was said of it.
pub(super) async fn judge(
    gateway: &Shared,
    call: &Call,
    authorizer: &Authorizer,
) -> Result<Arc<Judgement>, Refused> {
    let AuthorizerKind::Function {
        uri,
        format,
        is_simple,
        ttl_secs,
        credentials,
    } = &authorizer.kind
    else {
        return Err(answer::internal_server_error().into());
    };
    let Some(identity) = identity::values(call, &authorizer.identity) else {
        return Err(answer::unauthorized().into());
    };
    let route_arn = route_arn(gateway, call);
    let question = Question {
        authorizer,
        uri,
        format: *format,
        is_simple: *is_simple,
        role: credentials.as_deref(),
        identity: &identity,
        route_arn: &route_arn,
    };
    let basis = question.basis(call);
    let (kept, now) = (&gateway.apis.judgements, gateway.deps.clock.now());
    let ttl = Duration::from_secs((*ttl_secs).into());
    let judgement = match kept.get(&basis, ttl, now) {
        Some(judgement) => judgement,
        None => {
            let (judgement, bytes) = question.ask(gateway, call).await?;
            if !ttl.is_zero() && bytes <= RESULT_BYTES_MAX {
                kept.put(basis, judgement.clone(), gateway.deps.clock.now());
            }
            judgement
        }
    };
    match judgement.lets_in(&route_arn) {
        true => Ok(judgement),
        false => Err(answer::forbidden().into()),
    }
}

impl Question<'_> {
    /// What the answer is kept under: all that it may depend on.
    fn basis(&self, call: &Call) -> Basis {
        let (target, stage) = (&call.target, call.target.stage());
        let forgotten = stage.forgotten.to_string();
        let fixed = [
            target.api.id.as_str(),
            target.stage.as_str(),
            &forgotten,
            self.authorizer.id.as_str(),
            self.uri,
            match (self.format, self.is_simple) {
                (PayloadFormat::V1, _) => "1.0",
                (PayloadFormat::V2, false) => "2.0",
                (PayloadFormat::V2, true) => "2.0, simple",
            },
        ];
        let variables = stage.variables.iter();
        let variables = variables.flat_map(|(name, value)| [name.as_str(), value]);
        let identity = self.identity.iter().map(String::as_str);
        Basis::of(fixed.into_iter().chain(identity).chain(variables))
    }

    /// Asks the function. Returns the size of its answer too.
    async fn ask(&self, gateway: &Shared, call: &Call) -> Result<(Arc<Judgement>, usize), Refused> {
        let api = &call.target.api.id;
        let authorizer = self.authorizer.name.as_str();
        let failed = || Refused::new(answer::internal_server_error());
        let source = source(gateway, call, self.authorizer);
        let arn = granted(gateway, call, self.uri, self.role, &source).map_err(|why| {
            tracing::info!(%api, authorizer, uri = self.uri, source, %why, "an API could not ask its authorizer");
            failed()
        })?;
        let result = self.invoke(gateway, call, arn).await.map_err(|why| {
            tracing::info!(%api, authorizer, why, "an authorizer gave no answer");
            failed()
        })?;
        let judgement = Judgement::read(&result, self.is_simple).map_err(|why| {
            tracing::info!(%api, authorizer, %why, "an authorizer's answer is no judgement");
            failed()
        })?;
        Ok((Arc::new(judgement), result.len()))
    }

    async fn invoke(
        &self,
        gateway: &Shared,
        call: &Call,
        arn: FunctionArn,
    ) -> Result<bytes::Bytes, &'static str> {
        let incoming = call.incoming(gateway.config.endpoint.scheme(), b"");
        let place = call.place(Who::Anybody);
        let event = match self.format {
            PayloadFormat::V1 => v1::question(&incoming, &place, self.route_arn, self.identity),
            PayloadFormat::V2 => v2::question(&incoming, &place, self.route_arn, self.identity),
        };
        let function = arn.id();
        let outcome = run(&gateway.deps, request(arn, &function, event, &call.trace));
        let within = Duration::from_millis(limits::AUTHORIZER_TIMEOUT_MS);
        let outcome = timeout(within, outcome)
            .await
            .map_err(|_| "it took too long")?;
        let outcome = outcome.map_err(|error| match Failure::of(error, &function) {
            Failure::Throttled { .. } => "it is throttled",
            Failure::NotNow => "it cannot run now",
            _ => "it could not be invoked",
        })?;
        let report = outcome.report.ok_or("it did not run")?;
        match report.status.function_error() {
            None => Ok(report.payload),
            Some(_) => Err("it failed"),
        }
    }
}

/// What an authorizer is called in policies of functions.
fn source(gateway: &Shared, call: &Call, authorizer: &Authorizer) -> String {
    let (api, region) = (&call.target.api, &gateway.config.region);
    let (account, id) = (&api.account, &authorizer.id);
    format!(
        "arn:aws:execute-api:{region}:{account}:{}/authorizers/{id}",
        api.id
    )
}

/// What an authorizer's policies call a request: with the path that was sent.
pub(super) fn route_arn(gateway: &Shared, call: &Call) -> String {
    let (target, region) = (&call.target, &gateway.config.region);
    let (account, api, stage) = (&target.api.account, &target.api.id, &target.stage);
    let (method, path) = (&call.head.method, &target.inner_path);
    format!("arn:aws:execute-api:{region}:{account}:{api}/{stage}/{method}{path}")
}
