//! `DeleteCodeSigningConfig`: removes a configuration that no function has.
//!
//! AWS differs: the message of the conflict is Kiln's.

use kiln_store::RemovedConfig;

use super::{find, no_config};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::DeleteCodeSigningConfigRequest as Input;
use crate::lambda::refusal::conflict;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = input.code_signing_config_arn;
    let found = find(context, &arn)?;
    let signing = context.deps.store.signing();
    let removed = signing.remove_config(&found.account, &found.id);
    match removed.await? {
        RemovedConfig::Gone => Ok(()),
        RemovedConfig::Absent => Err(no_config(&arn)),
        RemovedConfig::InUse => Err(conflict(format!(
            "The code signing configuration {arn} is used by functions and cannot be deleted; take it from them first."
        ))),
    }
}
