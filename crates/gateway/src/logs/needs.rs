//! What operations on logs need to be allowed.
//!
//! AWS writes the resource of a group with an empty stream, so that `log-group:NAME:*` is what policies name.
//!
//! Source: "Actions, resources, and condition keys for Amazon CloudWatch Logs" in the service authorization reference, and
//! AWS's refusals.

use super::generated::Operation;
use super::group;
use crate::access::{Guarded, Members, Need};

impl Guarded for Operation {
    const SERVICE: &'static str = "logs";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        let text = |name: &str| of.text(name).map(str::to_owned);
        let group = group::named(of.context, text("logGroupName"), text("logGroupIdentifier"));
        // Where none is named, or two, the operation says so.
        let group = group.unwrap_or_default();
        let stream = match self {
            Operation::GetLogEvents => of.text_or_empty("logStreamName"),
            _ => "",
        };
        vec![of.need(of.arn(format_args!("log-group:{group}:log-stream:{stream}")))]
    }
}
