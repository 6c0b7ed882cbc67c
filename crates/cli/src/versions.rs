//! `kiln versions`: a function's published versions and the aliases that lead to them.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, output};

/// Of which function.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function's name or ARN
    name: String,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let versions = client.versions(&args.name).await?;
    let aliases = client.aliases(&args.name).await?;
    match format {
        Format::Json => {
            output::print_json(&json!({ "Versions": versions, "Aliases": aliases }))?;
        }
        Format::Table => output::print(&table(&versions, &aliases))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(versions: &[Value], aliases: &[Value]) -> String {
    let mut rows = Rows::new(&["VERSION", "ALIASES", ">CODE", "MODIFIED", "DESCRIPTION"]);
    for version in versions {
        let number = version["Version"].as_str().unwrap_or_default();
        let names: Vec<String> = aliases
            .iter()
            .filter_map(|alias| leading_to(alias, number))
            .collect();
        rows.push([
            number.to_owned(),
            names.join(", "),
            show_bytes(version["CodeSize"].as_u64().unwrap_or(0)),
            show(&version["LastModified"]),
            show(&version["Description"]),
        ]);
    }
    rows.render()
}

/// The alias's name, with its part when it leads to two versions.
fn leading_to(alias: &Value, version: &str) -> Option<String> {
    let name = show(&alias["Name"]);
    let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
    let share = weights.and_then(|weights| weights.iter().next());
    let share = share.and_then(|(version, part)| Some((version, part.as_f64()?)));
    let is_first = alias["FunctionVersion"] == *version;
    match share {
        None => is_first.then_some(name),
        Some((_, part)) if is_first => Some(format!("{name} {:.0} %", (1.0 - part) * 100.0)),
        Some((second, part)) if second == version => Some(format!("{name} {:.0} %", part * 100.0)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_stand_beside_the_versions_they_lead_to() {
        let versions = ["$LATEST", "1", "2"].map(|version| json!({ "Version": version }));
        let aliases = [
            json!({"Name": "beta", "FunctionVersion": "2"}),
            json!({"Name": "live", "FunctionVersion": "1",
                "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}),
        ];
        let text = table(&versions, &aliases);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("live 90 %"), "{text}");
        assert!(lines[3].contains("beta, live 10 %"), "{text}");
        assert!(!lines[1].contains("live"), "{text}");
    }
}
