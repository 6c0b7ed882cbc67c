//! `CreateCodeSigningConfig`: says whose code functions may have.
//!
//! AWS differs: profiles need not exist yet; until they do nothing is signed by them.

use kiln_types::{CodeSigningConfig, RequestId};

use super::{policy, publishers, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    CreateCodeSigningConfigRequest as Input, CreateCodeSigningConfigResponse as Output,
};
use crate::lambda::tag;

/// Letters and digits of an id, after `csc-`.
const ID_LENGTH: usize = 17;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tags = input.tags.unwrap_or_default();
    tag::check_plain(&tags)?;
    let random = RequestId::random().to_string().replace('-', "");
    let config = CodeSigningConfig {
        account: context.caller.account.clone(),
        id: format!("csc-{}", &random[..ID_LENGTH]),
        description: input.description.unwrap_or_default(),
        publishers: publishers(input.allowed_publishers)?,
        policy: policy(input.code_signing_policies).unwrap_or_default(),
        modified: context.now,
        tags,
    };
    let config = context.deps.store.signing().add_config(config).await?;
    Ok(Output {
        code_signing_config: render(context, &config),
    })
}
