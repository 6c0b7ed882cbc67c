//! `/_kiln/tenants`: accounts that the operator makes, limits and erases. For the server's own account alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_metering::{PriceSheet, cost};
use kiln_store::TenantError;
use kiln_types::{AccountId, Tenant, TenantLimits, Timestamp};
use serde::Serialize;

use super::parameter;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::account::get_account_settings::code_bytes;
use crate::lambda::refusal::{conflict, invalid, not_found};

mod erasure;
mod kinds;

pub(crate) use erasure::resume;
use kinds::of_tables;

/// What paths of single ones begin with.
pub(super) const PREFIX: &str = "tenants/";
/// Days whose usage is shown.
const USAGE_DAYS: u32 = 30;
/// What takes a limit away.
const NO_LIMIT: &str = "none";
/// How often an id is drawn before that is given up.
const DRAWS_MAX: u32 = 16;
/// What an account is called that nobody has named.
const UNNAMED: &str = "account";

/// An account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Milliseconds since 1970 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    /// `active` or `erasing`.
    state: &'static str,
    /// Whether it is the server's own.
    is_own: bool,
    limits: Limits,
}

/// What it may have; none is what the server allows every account.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    concurrency: Option<u32>,
    functions: Option<u32>,
    code_bytes: Option<u64>,
    queues: Option<u32>,
    buckets: Option<u32>,
    event_sources: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    tenants: Vec<Shown>,
}

/// A new one, with the one time that the secret of its key is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    #[serde(flatten)]
    tenant: Shown,
    access_key_id: String,
    secret_access_key: String,
}

/// One with what it has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    #[serde(flatten)]
    tenant: Shown,
    has: BTreeMap<String, u64>,
    /// What counts as code storage.
    code_bytes: u64,
    usage: Usage,
}

/// What was used in the last 30 days.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    since: i64,
    invocations: u64,
    errors: u64,
    billed_ms: u64,
    cost_usd: String,
}

/// `GET /_kiln/tenants`.
pub(super) async fn list(context: &Context) -> Result<Listed> {
    let erasing = context.deps.store.tenants().erasing().await?;
    let mut known = context.deps.store.accounts().await?;
    known.insert(context.config.account.clone());
    let shown = known.iter().map(|id| Shown::of(context, id, &erasing));
    Ok(Listed {
        tenants: shown.collect(),
    })
}

/// `GET /_kiln/tenants/ID`.
pub(super) async fn show(context: &Context, id: &str) -> Result<Described> {
    let id = account(id)?;
    let store = &context.deps.store;
    known(context, &id).await?;
    let erasing = store.tenants().erasing().await?;
    let since = context.now.days_before(USAGE_DAYS);
    let until = Timestamp::from_millis(context.now.as_millis() + 1);
    let used = store.usage().summary(&id, since, until).await?;
    Ok(Described {
        has: of_tables(store.inventory(&id).await?),
        code_bytes: code_bytes(context, &id),
        usage: Usage {
            since: since.as_millis(),
            invocations: used.iter().map(|one| one.count).sum(),
            errors: used.iter().map(|one| one.errors).sum(),
            billed_ms: used.iter().map(|one| one.billed_ms).sum(),
            cost_usd: cost(&used, &PriceSheet::default()).total().to_string(),
        },
        tenant: Shown::of(context, &id, &erasing),
    })
}

/// `POST /_kiln/tenants?name=NAME&id=ID`.
pub(super) async fn create(context: &Context, query: &str) -> Result<Created> {
    let name = wanted(query, "name")?;
    if !Tenant::is_name(&name) {
        return Err(invalid(
            "A tenant's name has 1 to 128 characters, and no control characters.",
        ));
    }
    let given = parameter(query, "id");
    let given = given.as_deref().map(account).transpose()?;
    for _ in 0..DRAWS_MAX {
        let id = given.clone().unwrap_or_else(random_id);
        if id == context.config.account {
            return Err(exists(&id));
        }
        let tenant = Tenant {
            id,
            name: name.clone(),
            created: context.now,
            limits: TenantLimits::default(),
        };
        match context.deps.store.create_tenant(tenant).await {
            Err(TenantError::Exists(_)) if given.is_none() => {}
            Err(error) => return Err(refused(error)),
            Ok((tenant, key)) => {
                return Ok(Created {
                    tenant: Shown::of(context, &tenant.id, &[]),
                    access_key_id: key.id.clone(),
                    secret_access_key: key.secret.clone(),
                });
            }
        }
    }
    Err(conflict(
        "No account id is free that was drawn; say one with id.",
    ))
}

/// `POST /_kiln/tenants/limit?id=ID&concurrency=N&functions=N&codeBytes=N&queues=N&buckets=N&eventSources=N`.
pub(super) async fn limit(context: &Context, query: &str) -> Result<Shown> {
    let id = account(&wanted(query, "id")?)?;
    let concurrency = number::<u32>(query, "concurrency")?;
    let functions = number::<u32>(query, "functions")?;
    let code_bytes = number::<u64>(query, "codeBytes")?;
    let queues = number::<u32>(query, "queues")?;
    let buckets = number::<u32>(query, "buckets")?;
    let event_sources = number::<u32>(query, "eventSources")?;
    let small = [concurrency, functions, queues, buckets, event_sources];
    if small.iter().all(Option::is_none) && code_bytes.is_none() {
        return Err(invalid(
            "Say what to limit: concurrency, functions, codeBytes, queues, buckets or eventSources, each a number or none.",
        ));
    }
    let change = move |limits: &mut TenantLimits| {
        set(&mut limits.concurrency, concurrency);
        set(&mut limits.functions, functions);
        set(&mut limits.code_bytes, code_bytes);
        set(&mut limits.queues, queues);
        set(&mut limits.buckets, buckets);
        set(&mut limits.event_sources, event_sources);
    };
    let is_own = id == context.config.account;
    let name = if is_own { "the server's own" } else { UNNAMED };
    let store = &context.deps.store;
    let limited = store.limit_tenant(&id, name, change).await;
    let limited = limited.map_err(refused)?;
    Ok(Shown::of(context, &limited.id, &[]))
}

/// `POST /_kiln/tenants/erase?id=ID&confirm=ID`.
pub(super) async fn erase(context: &Context, query: &str) -> Result<erasure::Report> {
    let id = account(&wanted(query, "id")?)?;
    if id == context.config.account {
        return Err(invalid(format!(
            "Account {id} is the server's own and cannot be erased."
        )));
    }
    if parameter(query, "confirm").as_deref() != Some(id.as_str()) {
        return Err(invalid(format!(
            "Nothing was erased: confirm must be the id, {id}. What is erased cannot be had back."
        )));
    }
    known(context, &id).await?;
    let (deps, config) = (context.deps.clone(), context.config.clone());
    // Whoever asked may leave; what was begun goes on.
    let erasing = context
        .deps
        .tracker
        .spawn(async move { erasure::run(&deps, &config, &id).await });
    erasing.await.map_err(|_| ApiError::internal())?
}

impl Shown {
    fn of(context: &Context, id: &AccountId, erasing: &[AccountId]) -> Self {
        let tenant = context.deps.store.tenants().get(id);
        let limits = tenant.as_ref().map(|tenant| tenant.limits.clone());
        let limits = limits.unwrap_or_default();
        Self {
            id: id.to_string(),
            name: tenant.as_ref().map(|tenant| tenant.name.clone()),
            created: tenant.map(|tenant: Arc<Tenant>| tenant.created.as_millis()),
            state: match erasing.contains(id) {
                true => "erasing",
                false => "active",
            },
            is_own: *id == context.config.account,
            limits: Limits {
                concurrency: limits.concurrency,
                functions: limits.functions,
                code_bytes: limits.code_bytes,
                queues: limits.queues,
                buckets: limits.buckets,
                event_sources: limits.event_sources,
            },
        }
    }
}

/// Refuses an account of which nothing is known.
async fn known(context: &Context, id: &AccountId) -> Result<()> {
    let is_known = *id == context.config.account || {
        let store = &context.deps.store;
        store.accounts().await?.contains(id) || !store.inventory(id).await?.is_empty()
    };
    match is_known {
        true => Ok(()),
        false => Err(no_tenant(id)),
    }
}

fn set<T>(limit: &mut Option<T>, to: Option<Option<T>>) {
    if let Some(to) = to {
        *limit = to;
    }
}

/// Twelve digits, the first of which is not 0: what is drawn is told from what is counted.
fn random_id() -> AccountId {
    const FIRST: u64 = 100_000_000_000;
    let drawn = uuid::Uuid::new_v4().as_u64_pair().0 % (9 * FIRST);
    let text = (FIRST + drawn).to_string();
    text.parse().expect("twelve digits are an account id")
}

fn account(text: &str) -> Result<AccountId> {
    text.parse().map_err(|_| {
        invalid(format!(
            "An account id has twelve digits, and '{text}' is none."
        ))
    })
}

fn wanted(query: &str, name: &str) -> Result<String> {
    parameter(query, name).ok_or_else(|| invalid(format!("The parameter {name} is missing.")))
}

/// What a limit is set to, if it is: a number, or none.
fn number<T: std::str::FromStr>(query: &str, name: &str) -> Result<Option<Option<T>>> {
    match parameter(query, name).as_deref() {
        None => Ok(None),
        Some(NO_LIMIT) => Ok(Some(None)),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(Some(number))),
            Err(_) => Err(invalid(format!(
                "{name} must be {NO_LIMIT} or a number that is not too large to count, not '{text}'."
            ))),
        },
    }
}

fn refused(error: TenantError) -> ApiError {
    match error {
        TenantError::Exists(id) => exists(&id),
        TenantError::NoTenant(id) => no_tenant(&id),
        TenantError::Erasing(id) => conflict(format!("Account {id} is being erased.")),
        TenantError::Store(error) => error.into(),
    }
}

fn exists(id: &AccountId) -> ApiError {
    conflict(format!("Account {id} exists already."))
}

fn no_tenant(id: &AccountId) -> ApiError {
    not_found(format!("There is no account {id}."))
}

/// An erasure that found something it should not have found, for whoever asked.
pub(super) fn incomplete(id: &AccountId, left: &[String]) -> ApiError {
    let message = format!(
        "Account {id} is not erased: this is left: {}. See to it and erase it again.",
        left.join("; ")
    );
    ApiError::new(Exception::Service, message)
}

#[cfg(test)]
mod tests;
