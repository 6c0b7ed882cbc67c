//! `CreateAuthorizer`: names who says who may use routes: the signer of tokens, or a function.
//!
//! AWS differs: the issuer of tokens is asked for its keys when the first token comes, not now; it may be
//! reached without TLS. The role of `AuthorizerCredentialsArn` is taken for the permission itself.

use kiln_types::PartId;
use kiln_types::api::Authorizer;

use super::{Sent, find, read_identity, render};
use crate::apigatewayv2::generated::{Authorizer as Output, CreateAuthorizerRequest as Input};
use crate::apigatewayv2::{lookup, uri};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    // Without places to look at there is nothing to keep an answer under.
    let is_uncached = input.identity_source.is_empty() && input.authorizer_type == "REQUEST";
    let ttl_secs = input.authorizer_result_ttl_in_seconds;
    let sent = Sent {
        kind: Some(input.authorizer_type),
        name: None,
        identity: None,
        jwt: input.jwt_configuration,
        uri: input.authorizer_uri,
        format: input.authorizer_payload_format_version,
        is_simple: input.enable_simple_responses,
        ttl_secs: ttl_secs.or(is_uncached.then_some(0)),
        credentials: input.authorizer_credentials_arn,
    };
    uri::check_role(sent.credentials.as_deref(), &context.caller.account)?;
    let kind = sent.over(None, &context.config.region)?;
    let authorizer = Authorizer {
        id: PartId::random(),
        name: input.name,
        identity: read_identity(&input.identity_source, &kind)?,
        kind,
    };
    let (id, now) = (authorizer.id.clone(), context.now);
    let edited = lookup::edit(context, &input.api_id, move |api| {
        Ok(api.put_authorizer(authorizer, now)?)
    });
    let (api, ()) = edited.await?;
    find(&api, id.as_str()).map(render)
}
