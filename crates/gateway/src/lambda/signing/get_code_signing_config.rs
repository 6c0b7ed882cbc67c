//! `GetCodeSigningConfig`: shows a code-signing configuration.

use super::{find, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetCodeSigningConfigRequest as Input, GetCodeSigningConfigResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let config = find(context, &input.code_signing_config_arn)?;
    Ok(Output {
        code_signing_config: render(context, &config),
    })
}
