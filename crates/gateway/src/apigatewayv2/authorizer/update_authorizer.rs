//! `UpdateAuthorizer`: changes what is named and leaves the rest. AWS differs as in `CreateAuthorizer`.

use super::{Sent, find, read_identity, render, source_text};
use crate::apigatewayv2::generated::{Authorizer as Output, UpdateAuthorizerRequest as Input};
use crate::apigatewayv2::{lookup, uri};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (region, now) = (context.config.region.clone(), context.now);
    let mut sent = Sent {
        kind: input.authorizer_type,
        name: input.name,
        identity: input.identity_source,
        jwt: input.jwt_configuration,
        uri: input.authorizer_uri,
        format: input.authorizer_payload_format_version,
        is_simple: input.enable_simple_responses,
        ttl_secs: input.authorizer_result_ttl_in_seconds,
        credentials: input.authorizer_credentials_arn,
    };
    uri::check_role(sent.credentials.as_deref(), &context.caller.account)?;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let mut authorizer = find(api, &input.authorizer_id)?.clone();
        let id = authorizer.id.clone();
        authorizer.name = sent.name.take().unwrap_or(authorizer.name);
        let identity = sent.identity.take();
        authorizer.kind = sent.over(Some(&authorizer.kind), &region)?;
        let identity =
            identity.unwrap_or_else(|| authorizer.identity.iter().map(source_text).collect());
        authorizer.identity = read_identity(&identity, &authorizer.kind)?;
        api.put_authorizer(authorizer, now)?;
        Ok(id)
    });
    let (api, id) = edited.await?;
    find(&api, id.as_str()).map(render)
}
