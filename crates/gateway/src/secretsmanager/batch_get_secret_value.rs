//! `BatchGetSecretValue`: what several secrets say now. Those that the caller may not read, or that cannot be read, are told
//! beside the others.

use std::sync::Arc;

use kiln_types::Secret;
use serde_json::json;

use super::generated::{
    APIErrorType, BatchGetSecretValueRequest as Input, BatchGetSecretValueResponse as Output,
    SecretValueEntry,
};
use super::refusal::invalid;
use super::{filter, find, get_secret_value, page, to_read};
use crate::access;
use crate::audit::{self, Deed, Outcome};
use crate::context::Context;
use crate::error::Result;
use crate::page::{Order, size};

/// What is written down of each secret.
const READ: Deed = Deed {
    service: "secretsmanager",
    name: "GetSecretValue",
};
/// Secrets of a page, at most.
const PAGE_MAX: usize = 20;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (asked, next_token): (Asked, Option<String>) = match (&input.secret_id_list, &input.filters)
    {
        (Some(ids), None) => {
            if input.next_token.is_some() || input.max_results.is_some() {
                return Err(invalid(
                    "You can't specify MaxResults or NextToken with SecretIdList.",
                ));
            }
            let found = ids.iter().map(|id| (id.clone(), find(context, id)));
            (found.collect(), None)
        }
        (None, Some(_)) => filtered(context, &input)?,
        _ => {
            return Err(invalid(
                "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
            ));
        }
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for (id, found) in asked {
        let answered = read(context, &id, found).await;
        let outcome = Outcome::of(&answered);
        audit::note(context, READ, json!({"secretId": id}), outcome).await?;
        match answered {
            Ok(value) => values.push(value),
            Err(error) => errors.push(APIErrorType {
                secret_id: Some(id),
                error_code: Some(error.exception.name().to_owned()),
                message: Some(error.message.into_owned()),
            }),
        }
    }
    Ok(Output {
        secret_values: Some(values),
        next_token,
        errors: Some(errors),
    })
}

/// Secrets as they were asked for, if they are there.
type Asked = Vec<(String, Result<Arc<Secret>>)>;

fn filtered(context: &Context, input: &Input) -> Result<(Asked, Option<String>)> {
    let filters = input.filters.as_deref().unwrap_or_default();
    filter::check(filters)?;
    let (account, region) = (&context.caller.account, &context.config.region);
    let all = context.deps.store.secrets().list(account).into_iter();
    let wanted = all.filter(|secret| {
        secret.deletion.is_none() && filter::lets_through(filters, secret, region)
    });
    let named = wanted.map(|secret| (secret.id.name.to_string(), secret));
    let max = size(input.max_results, PAGE_MAX);
    let (secrets, next) = page::page(
        named.collect(),
        Order::Ascending,
        input.next_token.as_deref(),
        max,
    )?;
    let asked = secrets
        .into_iter()
        .map(|secret| (secret.arn(region), Ok(secret)));
    Ok((asked.collect(), next))
}

async fn read(context: &Context, id: &str, found: Result<Arc<Secret>>) -> Result<SecretValueEntry> {
    access::check(context.asking(), &[to_read(context, id)])?;
    let secret = found?;
    get_secret_value::read(context, &secret, None, None).await
}
