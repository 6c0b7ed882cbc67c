//! `kiln buckets`: buckets and the objects in them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::{Client, Objects};
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln buckets make photos
  kiln buckets put photos/cats/tom.jpg tom.jpg
  kiln buckets ls photos/cats/
  kiln buckets get photos/cats/tom.jpg copy.jpg
  kiln buckets rm photos/cats/tom.jpg
  kiln buckets remove photos                    it must be empty

For large objects, whole directories and everything else there is the AWS CLI: aws s3 cp, sync, presign";

/// Bytes of a file that is put or got, at most: it is held in memory.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What to do with buckets.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the buckets
    List,
    /// Make a bucket
    Make {
        /// Its name
        bucket: String,
    },
    /// Remove a bucket that is empty
    Remove {
        /// Its name
        bucket: String,
    },
    /// List what is in a bucket
    Ls {
        /// The bucket, and what keys begin with: BUCKET or BUCKET/PREFIX
        #[arg(value_name = "BUCKET[/PREFIX]")]
        place: String,
        /// Also what is below further slashes
        #[arg(long, short)]
        recursive: bool,
    },
    /// Put a file into a bucket; - is what is read from stdin
    Put {
        /// Where to
        #[arg(value_name = "BUCKET/KEY")]
        place: String,
        /// The file
        file: PathBuf,
    },
    /// Get an object out of a bucket
    Get {
        /// From where
        #[arg(value_name = "BUCKET/KEY")]
        place: String,
        /// The file to write; stdout by default
        file: Option<PathBuf>,
    },
    /// Remove an object
    Rm {
        /// Which
        #[arg(value_name = "BUCKET/KEY")]
        place: String,
    },
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List => list(client, format).await?,
        What::Make { bucket } => {
            client.make_bucket(bucket).await?;
            say(
                format,
                &json!({"bucket": bucket}),
                &format!("{bucket} is there\n"),
            )?;
        }
        What::Remove { bucket } => {
            client.remove_bucket(bucket).await?;
            say(
                format,
                &json!({"bucket": bucket}),
                &format!("{bucket} is gone\n"),
            )?;
        }
        What::Ls { place, recursive } => {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            let found = client.objects(bucket, prefix, *recursive).await?;
            output::tell(format, &as_json(&found), || table(&found))?;
        }
        What::Put { place, file } => {
            let (bucket, key) = bucket_and_key(place)?;
            let body = read(file)?;
            let size = body.len();
            client.put_object(bucket, key, body).await?;
            let put = json!({"bucket": bucket, "key": key, "size": size});
            say(format, &put, &format!("{place} has {size} bytes\n"))?;
        }
        What::Get { place, file } => {
            let (bucket, key) = bucket_and_key(place)?;
            write(file.as_deref(), &client.get_object(bucket, key).await?)?;
        }
        What::Rm { place } => {
            let (bucket, key) = bucket_and_key(place)?;
            client.remove_object(bucket, key).await?;
            let removed = json!({"bucket": bucket, "key": key});
            say(format, &removed, &format!("{place} is gone\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, format: Format) -> Result<()> {
    let buckets = client.buckets().await?;
    let all = buckets
        .iter()
        .map(|it| json!({"name": it.name, "created": it.created}));
    match format {
        Format::Json => output::print_json(&all.collect::<Value>()),
        Format::Table => {
            let mut rows = Rows::new(&["NAME", "CREATED"]);
            for bucket in all {
                rows.push(["name", "created"].map(|cell| show(&bucket[cell])));
            }
            output::print(&rows.render())
        }
    }
}

fn say(format: Format, value: &Value, text: &str) -> Result<()> {
    match format {
        Format::Json => output::print_json(value),
        Format::Table => output::print(text),
    }
}

fn as_json(found: &Objects) -> Value {
    let objects = found.objects.iter();
    let objects =
        objects.map(|it| json!({"key": it.key, "size": it.size, "modified": it.modified}));
    json!({"objects": objects.collect::<Value>(), "prefixes": found.prefixes})
}

fn table(found: &Objects) -> String {
    let mut rows = Rows::new(&["KEY", ">BYTES", "MODIFIED"]);
    for prefix in &found.prefixes {
        rows.push([prefix.clone(), String::new(), String::new()]);
    }
    for object in &found.objects {
        rows.push([
            object.key.clone(),
            object.size.to_string(),
            object.modified.clone(),
        ]);
    }
    rows.render()
}

fn bucket_and_key(place: &str) -> Result<(&str, &str)> {
    match place.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok((bucket, key)),
        _ => bail!("'{place}' names no object; write BUCKET/KEY"),
    }
}

fn read(file: &Path) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX + 1;
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        _ => std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.with_context(|| format!("read {}", file.display()))?;
    ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "{} is larger than {FILE_BYTES_MAX} bytes; put it with `aws s3 cp`",
        file.display()
    );
    Ok(bytes.into())
}

fn write(file: Option<&Path>, bytes: &[u8]) -> Result<()> {
    match file {
        Some(file) => {
            std::fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
        }
        None => Ok(std::io::stdout().lock().write_all(bytes)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_bucket_and_key() {
        assert_eq!(bucket_and_key("b/k/l").unwrap(), ("b", "k/l"));
        for place in ["b", "b/", "/k", ""] {
            assert!(bucket_and_key(place).is_err(), "{place}");
        }
    }
}
