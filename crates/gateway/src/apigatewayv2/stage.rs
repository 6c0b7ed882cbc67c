//! Operations on stages, and how they are read and shown.

use std::collections::BTreeMap;

use kiln_types::api::{RouteSettings, Stage};
use kiln_types::{Api, PartId, limits};

use super::lookup::no_stage;
use super::refusal::{bad, of_websockets};
use super::{generated as wire, lookup, time};
use crate::error::{ApiError, Result};

pub(crate) mod create_stage;
pub(crate) mod delete_route_settings;
pub(crate) mod delete_stage;
pub(crate) mod get_stage;
pub(crate) mod get_stages;
pub(crate) mod reset_authorizers_cache;
pub(crate) mod update_stage;

/// A stage of an API.
fn find<'a>(api: &'a Api, name: &str) -> Result<&'a Stage> {
    let stage = api.stages.get(&lookup::stage(name)?);
    stage.ok_or_else(no_stage)
}

/// Shows a stage.
fn render(stage: &Stage) -> wire::Stage {
    let settings = stage.settings.iter();
    let settings = settings.map(|(key, settings)| (key.clone(), render_settings(settings)));
    wire::Stage {
        api_gateway_managed: stage.is_managed.then_some(true),
        auto_deploy: Some(stage.is_automatic),
        created_date: time(stage.created),
        default_route_settings: Some(render_settings(&stage.default_settings)),
        deployment_id: stage.deployment.as_ref().map(PartId::to_string),
        description: stage.description.clone(),
        last_deployment_status_message: last_deployment(stage),
        last_updated_date: time(stage.modified),
        route_settings: Some(settings.collect()),
        stage_name: stage.name.to_string(),
        stage_variables: Some(stage.variables.clone()),
        tags: Some(stage.tags.clone()),
        ..Default::default()
    }
}

fn last_deployment(stage: &Stage) -> Option<String> {
    if stage.is_without_routes {
        return Some(
            "Deployment attempt failed: Unable to deploy API because no routes exist in this API"
                .to_owned(),
        );
    }
    let id = stage.deployment.as_ref()?;
    Some(format!(
        "Successfully deployed stage with deployment ID '{id}'"
    ))
}

fn render_settings(settings: &RouteSettings) -> wire::RouteSettings {
    wire::RouteSettings {
        detailed_metrics_enabled: Some(settings.detailed_metrics.unwrap_or(false)),
        throttling_burst_limit: settings.burst.map(i64::from),
        throttling_rate_limit: settings.rate,
        ..Default::default()
    }
}

fn read_settings(sent: &wire::RouteSettings, before: RouteSettings) -> Result<RouteSettings> {
    let logs = sent
        .logging_level
        .as_deref()
        .is_some_and(|level| level != "OFF");
    if logs || sent.data_trace_enabled == Some(true) {
        return Err(bad("Execution logs are not supported on protocolType HTTP"));
    }
    let burst = sent.throttling_burst_limit.map(|burst| {
        u32::try_from(burst).map_err(|_| bad("Invalid throttlingBurstLimit: it must be 0 or more"))
    });
    let rate = sent.throttling_rate_limit;
    if rate.is_some_and(|rate| !rate.is_finite() || rate < 0.0) {
        return Err(bad("Invalid throttlingRateLimit: it must be 0 or more"));
    }
    Ok(RouteSettings {
        detailed_metrics: sent.detailed_metrics_enabled.or(before.detailed_metrics),
        burst: burst.transpose()?.or(before.burst),
        rate: rate.or(before.rate),
    })
}

/// Puts what is sent over a stage. Variables go when they are set to nothing; routes' settings have an
/// operation for that.
fn change(stage: &mut Stage, sent: Sent) -> Result<()> {
    stage.description = sent.description.or(stage.description.take());
    stage.is_automatic = sent.is_automatic.unwrap_or(stage.is_automatic);
    if let Some(id) = sent.deployment {
        let id = id.parse().map_err(|_| no_deployment(&id))?;
        stage.deployment = Some(id);
    }
    if let Some(settings) = &sent.default_settings {
        stage.default_settings = read_settings(settings, stage.default_settings)?;
    }
    for (key, settings) in sent.settings.unwrap_or_default() {
        let before = stage.settings.get(&key).copied().unwrap_or_default();
        stage
            .settings
            .insert(key, read_settings(&settings, before)?);
    }
    for (name, value) in sent.variables.unwrap_or_default() {
        check_variable(&name, &value)?;
        match value.is_empty() {
            true => stage.variables.remove(&name),
            false => stage.variables.insert(name, value),
        };
    }
    if stage.variables.len() > limits::STAGE_VARIABLES_MAX {
        return Err(bad(format!(
            "A stage can have at most {} stage variables",
            limits::STAGE_VARIABLES_MAX
        )));
    }
    Ok(())
}

fn no_deployment(id: &str) -> ApiError {
    bad(format!("Invalid Deployment identifier specified {id}"))
}

fn check_variable(name: &str, value: &str) -> Result<()> {
    let (name_max, max) = (
        limits::STAGE_VARIABLE_NAME_LENGTH_MAX,
        limits::STAGE_VARIABLE_LENGTH_MAX,
    );
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > name_max || !name.chars().all(is_name) {
        return Err(bad(format!(
            "Invalid stage variable name {name}: it must be 1-{name_max} letters, digits and _"
        )));
    }
    let is_value = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
    if value.chars().count() > max || !value.chars().all(is_value) {
        return Err(bad(format!(
            "Invalid value of the stage variable {name}: it must have at most {max} of A-Z a-z 0-9 - . _ ~ : / ? # & = ,"
        )));
    }
    Ok(())
}

/// What a caller sends of a stage, in either operation.
struct Sent {
    description: Option<String>,
    is_automatic: Option<bool>,
    deployment: Option<String>,
    default_settings: Option<wire::RouteSettings>,
    settings: Option<BTreeMap<String, wire::RouteSettings>>,
    variables: Option<BTreeMap<String, String>>,
    logs_access: bool,
    has_certificate: bool,
}

impl Sent {
    /// Refuses what HTTP APIs do not have, and what Kiln does not.
    fn check(&self) -> Result<()> {
        if self.logs_access {
            return Err(ApiError::not_implemented("access logs of HTTP APIs"));
        }
        of_websockets(&[("clientCertificateId", self.has_certificate)])
    }
}

#[cfg(test)]
mod tests;
