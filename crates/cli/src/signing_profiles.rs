//! `kiln signing-profiles`: whose signatures of code the server knows, each by a public key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use kiln_types::{ProfileArn, Timestamp};
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln signing-profiles add ci --key public.pem    the ARN that it tells goes into code-signing configurations
  kiln signing-profiles list
  kiln signing-profiles revoke ci/0a1b2c3d4e       nothing that this key signed is deployed, or started, any more

Functions ask for signatures by a code-signing configuration of AWS's API: aws lambda create-code-signing-config.";

/// What to do with profiles.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a public key known, as a version of a profile
    Add {
        /// The profile's name: 2 to 64 letters, digits and _
        name: String,
        /// The public key, Ed25519 or P-256, as PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// List the profiles
    #[command(visible_alias = "ls")]
    List,
    /// Trust nothing any more that a version of a profile signed; there is no way back
    Revoke {
        /// NAME/VERSION, or the ARN
        version: String,
    },
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Add { name, key } => {
            let pem = std::fs::read_to_string(key);
            let pem = pem.with_context(|| format!("read {}", key.display()))?;
            // A private key has no business on the way.
            if pem.contains("PRIVATE KEY") {
                bail!(
                    "{} is a private key, which stays where it is\n  next: `openssl pkey -in {0} -pubout` gives the public one",
                    key.display()
                );
            }
            let added = client.add_signing_profile(name, &pem).await?;
            tell(format, &added)?;
        }
        What::List => list(format, client.signing_profiles().await?)?,
        What::Revoke { version } => {
            let (name, version) = named(version)?;
            let revoked = client.revoke_signing_profile(&name, &version).await?;
            tell(format, &revoked)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Name and version, however they are written.
fn named(text: &str) -> Result<(String, String)> {
    if let Ok(arn) = text.parse::<ProfileArn>() {
        return Ok((arn.name, arn.version));
    }
    match text.split_once('/') {
        Some((name, version)) if !text.starts_with("arn:") => {
            Ok((name.to_owned(), version.to_owned()))
        }
        _ => bail!("{text} is neither NAME/VERSION nor the ARN of a signing profile's version"),
    }
}

fn tell(format: Format, profile: &Value) -> Result<()> {
    match format {
        Format::Json => output::print_json(profile),
        Format::Table => {
            let mut rows = Rows::pairs();
            rows.push(["Profile".to_owned(), show(&profile["arn"])]);
            rows.push(["Status".to_owned(), show(&profile["status"])]);
            output::print(&rows.render())
        }
    }
}

fn list(format: Format, profiles: Vec<Value>) -> Result<()> {
    match format {
        Format::Json => output::print_json(&Value::Array(profiles)),
        Format::Table if profiles.is_empty() => {
            eprintln!(
                "no signing profiles yet: `kiln signing-profiles add NAME --key FILE` makes one"
            );
            Ok(())
        }
        Format::Table => output::print(&table(&profiles)),
    }
}

fn table(profiles: &[Value]) -> String {
    let mut rows = Rows::new(&["PROFILE", "STATUS", "KEY", "ADDED", "ARN"]);
    for profile in profiles {
        let added = profile["added"].as_i64().map(Timestamp::from_millis);
        rows.push([
            format!("{}/{}", show(&profile["name"]), show(&profile["version"])),
            show(&profile["status"]),
            show(&profile["algorithm"]),
            added.map_or_else(String::new, Timestamp::to_seconds),
            show(&profile["arn"]),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted;

    const ARN: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e";

    #[test]
    fn a_version_is_named_in_two_ways() {
        for text in ["ci/0a1b2c3d4e", ARN] {
            let expected = ("ci".to_owned(), "0a1b2c3d4e".to_owned());
            assert_eq!(named(text).unwrap(), expected);
        }
        for text in ["ci", "arn:aws:signer:x/y"] {
            assert!(named(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_private_key_is_never_sent() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        std::fs::write(&key, "-----BEGIN PRIVATE KEY-----").unwrap();
        let args = Args {
            what: What::Add {
                name: "ci".into(),
                key,
            },
        };
        let script = |_: &scripted::Asked| scripted::ok(&json!({}));
        let (ran, asked) = scripted::serve(script, async |client| {
            run(&client, Format::Table, &args).await
        })
        .await;
        assert!(ran.is_err() && asked.is_empty());
    }

    #[test]
    fn a_line_has_what_configurations_need() {
        let profile = json!({
            "arn": ARN, "name": "ci", "version": "0a1b2c3d4e", "status": "Active",
            "algorithm": "Ed25519", "added": 1_795_888_800_000_i64,
        });
        let shown = table(&[profile]);
        let line = shown.lines().nth(1).unwrap();
        assert!(
            line.contains("ci/0a1b2c3d4e") && line.contains(ARN),
            "{line}"
        );
        assert!(line.contains("2026-11-28T18:00:00Z"), "{line}");
    }
}
