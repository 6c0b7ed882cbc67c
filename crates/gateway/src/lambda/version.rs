//! Operations on published versions.

use std::sync::Arc;

use kiln_types::{Configuration, FunctionArn, Qualifier};

use super::function::configuration::render;
use super::generated::FunctionConfiguration;

pub(crate) mod list_versions_by_function;
pub(crate) mod publish_version;

/// Shows a published version under its own ARN.
pub(crate) fn render_published(
    arn: &FunctionArn,
    version: &Arc<Configuration>,
) -> FunctionConfiguration {
    let qualifier = Qualifier::Version(version.version);
    render(&arn.clone().qualified(Some(qualifier)), version)
}
