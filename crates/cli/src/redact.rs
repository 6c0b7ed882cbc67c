//! `kiln redact`: what is masked in a function's logs.

use std::process::ExitCode;

use anyhow::{Result, bail};
use kiln_types::Timestamp;
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, logs, output};

const AFTER_HELP: &str = r"Examples:
  kiln redact sum --mask EmailAddress --mask CreditCardNumber
  kiln redact sum --mask 'order=ORD-\d{6}'    what a regular expression finds, under a name of yours
  kiln redact sum                             what is masked
  kiln redact sum --off                       nothing any more

What is masked is masked before it is kept: nobody can read it afterwards.";

/// What AWS's own data identifiers begin with.
const MANAGED: &str = "arn:aws:dataprotection::aws:data-identifier/";

/// What to mask.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name
    name: String,
    /// Mask one of AWS's managed data identifiers, or NAME=REGEX; what was masked before and is not named is not masked any more
    #[arg(long, value_name = "WHAT")]
    mask: Vec<String>,
    /// Mask nothing any more
    #[arg(long, conflicts_with = "mask")]
    off: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let (group, exists) = logs::group(client, &args.name).await?;
    if !exists {
        bail!(
            "there is no function {}\n  next: `kiln list` shows what exists",
            args.name
        );
    }
    if args.off {
        client.delete_data_protection(&group).await?;
    } else if !args.mask.is_empty() {
        client
            .put_data_protection(&group, &document(&args.mask))
            .await?;
    }
    let policy = client.data_protection(&group).await?;
    let masked = policy
        .as_ref()
        .map(|policy| masked(&policy["policyDocument"]));
    let masked = masked.unwrap_or_default();
    let since = policy.and_then(|policy| policy["lastUpdatedTime"].as_i64());
    let whole = json!({"logGroup": group, "masked": masked, "since": since});
    output::tell(format, &whole, || match masked.is_empty() {
        true => format!("nothing is masked in {group}\n"),
        false => table(&group, &masked, since),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The policy that masks these.
fn document(masks: &[String]) -> Value {
    let (mut names, mut custom) = (Vec::new(), Vec::new());
    for mask in masks {
        match mask.split_once('=') {
            Some((name, regex)) => {
                names.push(name.to_owned());
                custom.push(json!({"Name": name, "Regex": regex}));
            }
            None => names.push(format!("{MANAGED}{mask}")),
        }
    }
    let mut document = json!({
        "Name": "kiln-redact",
        "Version": "2021-06-01",
        "Statement": [
            {"DataIdentifier": names, "Operation": {"Audit": {"FindingsDestination": {}}}},
            {"DataIdentifier": names, "Operation": {"Deidentify": {"MaskConfig": {}}}},
        ],
    });
    if !custom.is_empty() {
        document["Configuration"] = json!({"CustomDataIdentifier": custom});
    }
    document
}

/// What a policy masks, as `--mask` names it.
fn masked(document: &Value) -> Vec<String> {
    let text = document.as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let custom = &document["Configuration"]["CustomDataIdentifier"];
    let custom = custom.as_array().map_or(&[][..], Vec::as_slice);
    let named = document["Statement"][1]["DataIdentifier"].as_array();
    let named = named.into_iter().flatten().filter_map(Value::as_str);
    let shown = named.map(|name| {
        let found = custom.iter().find(|custom| custom["Name"] == name);
        match found {
            Some(custom) => format!("{name}={}", show(&custom["Regex"])),
            None => name.strip_prefix(MANAGED).unwrap_or(name).to_owned(),
        }
    });
    shown.collect()
}

fn table(group: &str, masked: &[String], since: Option<i64>) -> String {
    let mut rows = Rows::pairs();
    rows.push(["Log group".to_owned(), group.to_owned()]);
    rows.push(["Masked".to_owned(), masked.join(", ")]);
    let since = since.map(|since| Timestamp::from_millis(since).to_seconds());
    rows.push(["Since".to_owned(), since.unwrap_or_default()]);
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_masks_is_shown_as_it_was_asked_for() {
        let asked = ["EmailAddress".to_owned(), r"order=ORD=\d{6}".to_owned()];
        let document = document(&asked);
        assert_eq!(masked(&document.to_string().into()), asked);
        let custom = &document["Configuration"]["CustomDataIdentifier"][0];
        assert_eq!(*custom, json!({"Name": "order", "Regex": r"ORD=\d{6}"}));
    }
}
