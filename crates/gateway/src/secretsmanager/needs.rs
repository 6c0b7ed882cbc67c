//! What operations on secrets need to be allowed. A secret's policy has a say.
//!
//! A secret is named by its whole ARN, however the request names it; one that is not there by its ARN without the characters at
//! the end, which no policy for secrets matches. One that is to be made has six of them that stand for those it will get.
//!
//! Source: "Actions, resources, and condition keys for AWS Secrets Manager" in the service authorization reference.

use kiln_types::secret::CURRENT;

use super::generated::Operation;
use crate::access::{Guarded, Members, Need};
use crate::context::Context;

/// What stands for the characters at the end of an ARN that are not drawn yet.
const SUFFIX: &str = "XXXXXX";

impl Guarded for Operation {
    const SERVICE: &'static str = "secretsmanager";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            // Each secret of a batch is asked for by the operation.
            BatchGetSecretValue | ListSecrets | GetRandomPassword => vec![of.need("*")],
            CreateSecret => {
                let name = of.text_or_empty("Name");
                let need = of.need(of.arn(format_args!("secret:{name}-{SUFFIX}")));
                vec![described(of, need.with("secretsmanager:Name", Some(name)))]
            }
            ValidateResourcePolicy if of.text("SecretId").is_none() => vec![of.need("*")],
            GetSecretValue => vec![versioned(of, on_secret(of))],
            UpdateSecret => vec![described(of, on_secret(of))],
            UpdateSecretVersionStage => {
                vec![on_secret(of).with("secretsmanager:VersionStage", of.text("VersionStage"))]
            }
            DeleteSecret => vec![
                on_secret(of)
                    .with(
                        "secretsmanager:RecoveryWindowInDays",
                        of.plain("RecoveryWindowInDays"),
                    )
                    .with(
                        "secretsmanager:ForceDeleteWithoutRecovery",
                        of.plain("ForceDeleteWithoutRecovery"),
                    ),
            ],
            PutResourcePolicy => {
                let blocks = of.plain("BlockPublicPolicy");
                vec![on_secret(of).with("secretsmanager:BlockPublicPolicy", blocks)]
            }
            _ => vec![on_secret(of)],
        }
    }
}

/// That a secret may be read, by its name or its ARN.
pub(crate) fn to_read(context: &Context, text: &str) -> Need {
    let arn = arn(context, text);
    Need::new("secretsmanager:GetSecretValue", arn.clone())
        .with("secretsmanager:SecretId", Some(arn))
        .with("secretsmanager:VersionStage", Some(CURRENT))
}

fn on_secret(of: &Members<'_>) -> Need {
    let arn = arn(of.context, of.text_or_empty("SecretId"));
    of.need(arn.clone())
        .with("secretsmanager:SecretId", Some(arn))
}

/// The ARN of the secret that is called so; where there is none, without the characters at its end.
pub(super) fn arn(context: &Context, text: &str) -> String {
    let (account, region) = (&context.caller.account, &context.config.region);
    match context.deps.store.secrets().find(account, region, text) {
        Some(secret) => secret.arn(region),
        None if text.starts_with("arn:") => text.to_owned(),
        None => format!("arn:aws:secretsmanager:{region}:{account}:secret:{text}"),
    }
}

fn described(of: &Members<'_>, need: Need) -> Need {
    need.with("secretsmanager:Description", of.text("Description"))
        .with("secretsmanager:KmsKeyId", of.text("KmsKeyId"))
}

/// What is asked for by neither version nor label is what is current.
fn versioned(of: &Members<'_>, need: Need) -> Need {
    let version = of.text("VersionId");
    let label = of.text("VersionStage");
    let label = label.or_else(|| version.is_none().then_some(CURRENT));
    need.with("secretsmanager:VersionId", version)
        .with("secretsmanager:VersionStage", label)
}
