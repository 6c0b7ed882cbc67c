//! `kiln sign`: puts a signature into a package, on this machine. The private key goes nowhere.
//!
//! What is signed is a statement of six lines with the digest of the package's content; both lie in the package then, where every client
//! uploads them. `docs/guide/code-signing.md` has the format.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kiln_signing::{PrivateKey, Sealed, Statement};
use kiln_types::{Clock as _, ProfileArn, RequestId, SystemClock, Timestamp};
use serde_json::json;

use crate::output::{Rows, print, print_bytes};
use crate::{Format, output};

mod archive;
#[cfg(test)]
mod tests;

const AFTER_HELP: &str = "\
Examples:
  openssl genpkey -algorithm ed25519 -out private.pem
  openssl pkey -in private.pem -pubout -out public.pem
  kiln signing-profiles add ci --key public.pem      tells the profile's ARN
  kiln sign code.zip --key private.pem --profile arn:aws:signer:...:/signing-profiles/ci/0a1b2c3d4e --expires 90

With a key that is elsewhere, such as cosign's:
  kiln sign code.zip --profile ARN --print-statement > statement
  cosign sign-blob --key cosign.key statement > signature
  kiln sign code.zip --with statement signature";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time that a signature may be good for.
const DAYS_MAX: u32 = 36_500;

/// What to sign, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The package: a .zip, which gets the signature; one that it has is replaced
    zip: PathBuf,
    /// The private key, Ed25519 or P-256, as PEM in PKCS#8 without a password
    #[arg(long, value_name = "FILE", required_unless_present_any = ["print_statement", "with"])]
    key: Option<PathBuf>,
    /// The signing profile's version that the key is of
    #[arg(long, value_name = "ARN", required_unless_present = "with")]
    profile: Option<ProfileArn>,
    /// For how long the signature is good for deployments [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    expires: Option<u32>,
    /// Write the signed package there instead
    #[arg(long, value_name = "ZIP")]
    to: Option<PathBuf>,
    /// Print what is to be signed, and change nothing
    #[arg(long, conflicts_with_all = ["key", "with", "to"])]
    print_statement: bool,
    /// A statement that was printed, and its signature in base64 by another program
    #[arg(long, num_args = 2, value_names = ["STATEMENT", "SIGNATURE"], conflicts_with_all = ["key", "profile", "expires"])]
    with: Option<Vec<PathBuf>>,
}

/// Signs; no server is asked.
pub(crate) fn run(format: Format, args: &Args) -> Result<ExitCode> {
    let now = SystemClock::start().timestamp();
    let zip = read(&args.zip)?;
    let content = archive::content(&zip).with_context(|| format!("read {}", args.zip.display()))?;
    let digest = content.covered_digest();
    let sealed = match (&args.with, &args.profile) {
        (Some(files), _) => {
            let [statement, signature] = &files[..] else {
                bail!("--with takes two files");
            };
            Sealed {
                statement: read(statement)?,
                signature: read(signature)?,
            }
        }
        (None, Some(profile)) => {
            let statement = statement(profile, now, args.expires, digest.clone());
            if args.print_statement {
                print_bytes(statement.to_text().as_bytes())?;
                return Ok(ExitCode::SUCCESS);
            }
            let path = args.key.as_deref().context("there is no --key")?;
            let key = private_key(path)?;
            Sealed::new(&statement, &key).context("there is no randomness for a signature")?
        }
        (None, None) => bail!("there is no --profile"),
    };
    let statement = sealed.claim()?;
    if statement.content != digest {
        bail!(
            "the statement is of other content than {} has; print it anew",
            args.zip.display()
        );
    }
    let signed = archive::with_signature(&zip, &sealed)?;
    let to = args.to.as_deref().unwrap_or(&args.zip);
    replace(to, &signed)?;
    tell(format, to, &statement, content.len())
}

fn statement(
    profile: &ProfileArn,
    now: Timestamp,
    days: Option<u32>,
    content: kiln_types::Sha256,
) -> Statement {
    let whole = |time: Timestamp| Timestamp::from_millis(time.as_millis() / 1_000 * 1_000);
    Statement {
        profile: profile.clone(),
        job: RequestId::random().to_string(),
        signed: whole(now),
        expires: days.map(|days| whole(now + DAY * days)),
        content,
    }
}

fn private_key(path: &Path) -> Result<PrivateKey> {
    let pem = String::from_utf8(read(path)?);
    let pem = pem.with_context(|| format!("{} is not PEM", path.display()))?;
    PrivateKey::from_pem(&pem).with_context(|| {
        format!(
            "{} cannot be used: it must be an Ed25519 or P-256 key in PKCS#8 without a password, as \
             `openssl genpkey -algorithm ed25519` writes it",
            path.display()
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Puts a file in its place whole.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    fs::write(&draft, bytes).with_context(|| format!("write {}", draft.display()))?;
    fs::rename(&draft, path).with_context(|| format!("write {}", path.display()))
}

fn tell(format: Format, to: &Path, statement: &Statement, entries: usize) -> Result<ExitCode> {
    let expires = statement.expires.map(Timestamp::to_seconds);
    match format {
        Format::Json => output::print_json(&json!({
            "Zip": to.display().to_string(),
            "SigningProfileVersionArn": statement.profile.to_string(),
            "SigningJobArn": statement.profile.job(&statement.job),
            "Signed": statement.signed.to_seconds(),
            "Expires": expires,
            "Content": statement.content.to_string(),
        }))?,
        Format::Table => {
            let mut rows = Rows::pairs();
            rows.push(["Zip".to_owned(), to.display().to_string()]);
            rows.push(["Entries".to_owned(), entries.to_string()]);
            rows.push(["Profile".to_owned(), statement.profile.to_string()]);
            rows.push(["Expires".to_owned(), expires.unwrap_or("never".to_owned())]);
            print(&rows.render())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
