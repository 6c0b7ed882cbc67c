//! Layer versions as the API shows them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::LayerVersion;

use crate::admin::artifact;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::function::configuration::last_modified;
use crate::lambda::generated as wire;
use crate::lambda::signing::render_signer;

/// A version in full, with an address from which its content can be downloaded.
pub(super) fn version(
    context: &Context,
    of: &LayerVersion,
) -> Result<wire::GetLayerVersionResponse> {
    let arn = of.arn(&context.config.region);
    let code = &of.code;
    let (signing_profile_version_arn, signing_job_arn) = render_signer(code);
    Ok(wire::GetLayerVersionResponse {
        content: Some(wire::LayerVersionContentOutput {
            location: Some(artifact::location(context, &code.sha256)?),
            code_sha256: Some(BASE64_STANDARD.encode(code.sha256.to_bytes())),
            code_size: Some(code.zipped_bytes as i64),
            signing_profile_version_arn,
            signing_job_arn,
            ..Default::default()
        }),
        layer_arn: Some(arn.layer.to_string()),
        layer_version_arn: Some(arn.to_string()),
        description: Some(of.description.clone()),
        created_date: Some(last_modified(of.created)),
        version: Some(of.version as i64),
        compatible_architectures: named(&of.architectures),
        compatible_runtimes: named(&of.runtimes),
        license_info: of.license.clone(),
    })
}

/// A version as lists show it.
pub(super) fn item(context: &Context, of: &LayerVersion) -> wire::LayerVersionsListItem {
    wire::LayerVersionsListItem {
        layer_version_arn: Some(of.arn(&context.config.region).to_string()),
        version: Some(of.version as i64),
        description: Some(of.description.clone()),
        created_date: Some(last_modified(of.created)),
        compatible_architectures: named(&of.architectures),
        compatible_runtimes: named(&of.runtimes),
        license_info: of.license.clone(),
    }
}

fn named(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}
