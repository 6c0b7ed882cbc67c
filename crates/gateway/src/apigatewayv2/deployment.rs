//! Operations on deployments, and how they are shown.

use kiln_types::Api;
use kiln_types::api::Deployment;

use super::lookup::{missing, part};
use super::{generated as wire, time};
use crate::error::Result;

pub(crate) mod create_deployment;
pub(crate) mod delete_deployment;
pub(crate) mod get_deployment;
pub(crate) mod get_deployments;
pub(crate) mod update_deployment;

/// What these operations call what they are about.
const KIND: &str = "Deployment";

/// A deployment of an API.
fn find<'a>(api: &'a Api, id: &str) -> Result<&'a Deployment> {
    let deployment = api.deployments.get(&part(KIND, id)?);
    deployment.ok_or_else(|| missing(KIND, id))
}

/// Shows a deployment: it is served from the moment it is made.
fn render(deployment: &Deployment) -> wire::Deployment {
    wire::Deployment {
        auto_deployed: Some(deployment.is_automatic),
        created_date: time(deployment.created),
        deployment_id: Some(deployment.id.to_string()),
        deployment_status: Some("DEPLOYED".to_owned()),
        description: deployment.description.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
