//! Which parameter a request is about, and which version of it.

use std::sync::Arc;

use kiln_types::limits::PARAMETER_LEVELS_MAX;
use kiln_types::parameter::begins_as_reserved;
use kiln_types::{Parameter, ParameterId, ParameterName};

use super::refusal::{invalid, no_parameter, no_version};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// A version of a parameter.
pub(super) struct Selected {
    pub(super) parameter: Arc<Parameter>,
    pub(super) version: u64,
    /// What chose the version, with the colon in front; none: it is the latest.
    pub(super) selector: Option<String>,
}

/// The version that a request names: by a name or an ARN, and after a colon the version's number or a label.
pub(super) fn select(context: &Context, text: &str) -> Result<Selected> {
    let (named, selector) = split(text);
    let parameter = find(context, named)?;
    let version = match selector {
        None => parameter.version,
        Some(selector) => {
            let number = match selector.parse() {
                Ok(number) => parameter.has(number).then_some(number),
                Err(_) => parameter.labels.get(selector).copied(),
            };
            number.ok_or_else(|| no_version(named, selector))?
        }
    };
    Ok(Selected {
        parameter,
        version,
        selector: selector.map(|selector| format!(":{selector}")),
    })
}

/// The caller's parameter with a name or an ARN.
pub(super) fn find(context: &Context, text: &str) -> Result<Arc<Parameter>> {
    let parameters = context.deps.store.parameters();
    let found = match resource(context, text) {
        Some(name) => parameters.find(&context.caller.account, name),
        None if text.starts_with("arn:") => None,
        None => id(context, text).ok().and_then(|id| parameters.get(&id)),
    };
    found.ok_or_else(|| no_parameter(text))
}

/// The parameter with a name, where an ARN will not do.
pub(super) fn find_by_name(context: &Context, name: &str) -> Result<Arc<Parameter>> {
    match name.starts_with("arn:") {
        true => Err(invalid("Parameter ARN is not supported for this operation")),
        false => find(context, name),
    }
}

/// What names the caller's parameter in an ARN, which has no slash in front.
pub(super) fn resource<'t>(context: &Context, arn: &'t str) -> Option<&'t str> {
    let own = format!(
        ":ssm:{}:{}:parameter/",
        context.config.region, context.caller.account
    );
    let (partition, name) = arn.strip_prefix("arn:")?.split_once(&own)?;
    (!partition.contains(':') && !name.starts_with('/')).then_some(name)
}

/// A name or an ARN, and what stands after it.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let colons = if text.starts_with("arn:") { 5 } else { 0 };
    match text.match_indices(':').nth(colons) {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// A path without slashes behind.
pub(super) fn path(text: &str) -> &str {
    text.trim_end_matches('/')
}

/// Which parameter of the caller's.
pub(super) fn id(context: &Context, name: &str) -> Result<ParameterId> {
    let name: ParameterName = name.parse().map_err(|_| no_parameter(name))?;
    Ok(ParameterId {
        account: context.caller.account.clone(),
        name,
    })
}

/// A name that a parameter may be given.
pub(super) fn new(context: &Context, name: &str) -> Result<ParameterId> {
    if name.starts_with("arn:") {
        return Err(invalid("Parameter ARN is not supported for this operation"));
    }
    if begins_as_reserved(name.trim_start_matches('/')) {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    let mut levels = name.strip_prefix('/').unwrap_or(name).split('/');
    if levels.clone().count() > PARAMETER_LEVELS_MAX {
        let message = format!(
            "Hierarchy level limit exceeded: the name of a parameter has at most {PARAMETER_LEVELS_MAX} levels."
        );
        return Err(ApiError::new(
            Exception::HierarchyLevelLimitExceeded,
            message,
        ));
    }
    let has_gap = levels.any(str::is_empty);
    match id(context, name) {
        Ok(id) if !has_gap => Ok(id),
        _ => Err(invalid(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can consist of \
             sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 \
             symbols .-_",
        )),
    }
}
