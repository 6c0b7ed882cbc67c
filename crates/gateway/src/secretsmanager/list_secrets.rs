//! `ListSecrets`: the secrets of the account, the oldest first unless told otherwise.

use kiln_types::{Secret, Timestamp};

use super::generated::{ListSecretsRequest as Input, ListSecretsResponse as Output};
use super::{filter, page, shown};
use crate::context::Context;
use crate::error::Result;
use crate::page::{Order, size};

/// Secrets of a page, at most.
const PAGE_MAX: usize = 100;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let filters = input.filters.unwrap_or_default();
    filter::check(&filters)?;
    let (account, region) = (&context.caller.account, &context.config.region);
    let with_deleted = input.include_planned_deletion == Some(true);
    let all = context.deps.store.secrets().list(account);
    let wanted = all.into_iter().filter(|secret| {
        let is_there = with_deleted || secret.deletion.is_none();
        is_there && filter::lets_through(&filters, secret, region)
    });
    let by = input.sort_by.as_deref().unwrap_or("created-date");
    let ordered = wanted.map(|secret| (key(by, &secret), secret)).collect();
    let order = match input.sort_order.as_deref() {
        Some("desc") => Order::Descending,
        _ => Order::Ascending,
    };
    let (secrets, next_token) = page::page(
        ordered,
        order,
        input.next_token.as_deref(),
        size(input.max_results, PAGE_MAX),
    )?;
    let entries = secrets.iter().map(|secret| shown::entry(context, secret));
    Ok(Output {
        secret_list: Some(entries.collect()),
        next_token,
    })
}

/// What a secret is ordered by; its name tells it from the others.
fn key(by: &str, secret: &Secret) -> String {
    let name = &secret.id.name;
    let at = |time: Timestamp| format!("{:020} {name}", time.as_millis().max(0));
    match by {
        "name" => name.to_string(),
        "last-accessed-date" => at(secret.accessed.unwrap_or(Timestamp::from_millis(0))),
        "last-changed-date" => at(secret.changed),
        _ => at(secret.created),
    }
}
