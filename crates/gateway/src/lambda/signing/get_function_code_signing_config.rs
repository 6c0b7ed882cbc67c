//! `GetFunctionCodeSigningConfig`: which code-signing configuration a function has. Without one the answer is empty, as AWS's is.

use serde::Serialize;

use super::of_function;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::GetFunctionCodeSigningConfigRequest as Input;
use crate::lambda::target::Target;
use crate::wire::{self, Reply};

/// The model says that both are always there, and AWS leaves them out.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_signing_config_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_name: Option<String>,
}

impl wire::Output for Output {
    fn render(self, reply: &mut Reply) {
        reply.body(&self);
    }
}

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.function(context)?;
    Ok(match of_function(context, &function)? {
        Some(config) => Output {
            code_signing_config_arn: Some(config.arn(&context.config.region)),
            function_name: Some(target.arn.name.to_string()),
        },
        None => Output::default(),
    })
}
