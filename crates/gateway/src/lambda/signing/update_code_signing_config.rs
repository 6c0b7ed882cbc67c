//! `UpdateCodeSigningConfig`: changes a code-signing configuration; what is absent stays.
//!
//! As on AWS it counts from the next deployment on; and from the next start on where it says `Enforce`.

use super::{find, no_config, policy, publishers, render};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{
    UpdateCodeSigningConfigRequest as Input, UpdateCodeSigningConfigResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = input.code_signing_config_arn;
    let found = find(context, &arn)?;
    let publishers = input.allowed_publishers.map(publishers).transpose()?;
    let (policy, description) = (policy(input.code_signing_policies), input.description);
    let now = context.now;
    let signing = context.deps.store.signing();
    let updated = signing.update_config(&found.account, &found.id, move |config| {
        if let Some(publishers) = publishers {
            config.publishers = publishers;
        }
        if let Some(policy) = policy {
            config.policy = policy;
        }
        if let Some(description) = description {
            config.description = description;
        }
        config.modified = now;
        Ok::<(), ApiError>(())
    });
    let config = updated.await?.ok_or_else(|| no_config(&arn))?;
    Ok(Output {
        code_signing_config: render(context, &config),
    })
}
