//! What operations on parameters need to be allowed. In an ARN a parameter's name has no slash in front, and a path none behind:
//! what a policy says of one must hold however a request writes it.
//!
//! Source: "Actions, resources, and condition keys for AWS Systems Manager" in the service authorization reference.

use super::generated::Operation;
use super::{name, reference};
use crate::access::{Guarded, Members, Need};
use crate::secretsmanager;

impl Guarded for Operation {
    const SERVICE: &'static str = "ssm";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            GetParameter => {
                let named = of.text_or_empty("Name");
                let secret = reference::secret(named);
                let secret = secret.map(|secret| secretsmanager::to_read(of.context, secret));
                let own = of.need(parameter(of, name::split(named).0));
                std::iter::once(own).chain(secret).collect()
            }
            GetParameters => {
                let names = of.texts("Names");
                let names = names.iter().map(|named| name::split(named).0);
                names.map(|named| of.need(parameter(of, named))).collect()
            }
            DeleteParameters => {
                let names = of.texts("Names");
                names
                    .iter()
                    .map(|named| of.need(parameter(of, named)))
                    .collect()
            }
            GetParametersByPath => {
                let path = parameter(of, name::path(of.text_or_empty("Path")));
                vec![of.need(path).with("ssm:Recursive", of.plain("Recursive"))]
            }
            PutParameter => {
                let own = of.need(parameter(of, of.text_or_empty("Name")));
                vec![own.with("ssm:Overwrite", of.plain("Overwrite"))]
            }
            DeleteParameter
            | GetParameterHistory
            | LabelParameterVersion
            | UnlabelParameterVersion => vec![of.need(parameter(of, of.text_or_empty("Name")))],
            AddTagsToResource | RemoveTagsFromResource | ListTagsForResource => {
                let id = of.text_or_empty("ResourceId");
                vec![match of.text("ResourceType") {
                    Some("Parameter") => of.need(parameter(of, id)),
                    _ => of.need("*"),
                }]
            }
            _ => vec![of.need("*")],
        }
    }
}

/// The ARN of a parameter or a path that is named, or whose ARN this is; that of another's parameter is no other's.
fn parameter(of: &Members<'_>, text: &str) -> String {
    let name = match text.starts_with("arn:") {
        true => name::resource(of.context, text),
        false => Some(text.trim_start_matches('/')),
    };
    match name {
        Some(name) => of.arn(format_args!("parameter/{name}")),
        None => text.to_owned(),
    }
}
