//! Secrets of sources: JSON files in a directory that the operator named, read when they are needed and kept nowhere
//! else.
//!
//! `<dir>/<name>` or `<dir>/<name>.json` holds what AWS's secrets of databases hold: `username`, `password`, and the
//! `host` that they are for, so that nobody who may make a mapping can have them sent to another server.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kiln_types::SecretArn;
use serde_json::Value;

use crate::source::Trouble;

/// A secret's size at most, as of AWS's.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where secrets are.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    dir: Option<PathBuf>,
}

/// What a secret says. It shows nothing of that.
pub(crate) struct Secret {
    name: String,
    values: BTreeMap<String, String>,
}

impl Secrets {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// Reads a secret, off the async threads.
    pub(crate) async fn read(&self, arn: &SecretArn) -> Result<Secret, Trouble> {
        let (secrets, arn) = (self.clone(), arn.clone());
        let read = tokio::task::spawn_blocking(move || secrets.read_now(&arn));
        let failed = |_| Err(Trouble::new("a secret could not be read"));
        read.await.unwrap_or_else(failed)
    }

    fn read_now(&self, arn: &SecretArn) -> Result<Secret, Trouble> {
        let name = arn.name().to_owned();
        let dir = self.dir.as_deref().ok_or_else(|| {
            Trouble::new(format!(
                "this server has no secret '{name}': its operator names a directory with --secrets-dir"
            ))
        })?;
        let text = [name.clone(), format!("{name}.json")]
            .iter()
            .find_map(|file| read_file(&dir.join(file)).transpose());
        let text = text.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        let text = text.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::new(format!(
                "this server has no secret '{name}': its operator puts it into the directory that --secrets-dir names"
            )),
            kind => Trouble::new(format!("the secret '{name}' cannot be read: {kind}")),
        })?;
        // What serde says of a value it does not like would repeat it.
        let read: Option<BTreeMap<String, Value>> = serde_json::from_str(&text).ok();
        let read =
            read.ok_or_else(|| Trouble::new(format!("the secret '{name}' is no JSON object")))?;
        let values = read.into_iter().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key, text)),
            Value::Number(number) => Some((key, number.to_string())),
            _ => None,
        });
        Ok(Secret {
            name,
            values: values.collect(),
        })
    }
}

impl Secret {
    /// A value that must be there.
    pub(crate) fn get(&self, key: &str) -> Result<&str, Trouble> {
        self.find(key).ok_or_else(|| {
            let name = &self.name;
            Trouble::new(format!("the secret '{name}' has no \"{key}\""))
        })
    }

    /// A value, if it is there.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Refuses the secret unless it is for this server. One that names no port is for all of them.
    pub(crate) fn check_server(&self, host: &str, port: u16) -> Result<(), Trouble> {
        self.check("host", host)?;
        match self.find("port") {
            Some(_) => self.check("port", &port.to_string()),
            None => Ok(()),
        }
    }

    /// Refuses the secret unless this value is there and is what it is to be used for.
    pub(crate) fn check(&self, key: &str, used_for: &str) -> Result<(), Trouble> {
        if self.get(key)?.eq_ignore_ascii_case(used_for) {
            return Ok(());
        }
        let name = &self.name;
        Err(Trouble::new(format!(
            "the secret '{name}' is for another \"{key}\" than '{used_for}'"
        )))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

/// None when there is no such file. A fifo would block for ever.
fn read_file(path: &Path) -> io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> SecretArn {
        let text = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_is_a_file_with_or_without_ending() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("shop")).unwrap();
        let text = r#"{"username":"kiln","password":"hunter2","host":"db","port":5432}"#;
        std::fs::write(dir.path().join("shop/db"), text).unwrap();
        std::fs::write(dir.path().join("other.json"), text).unwrap();
        let secrets = Secrets::new(Some(dir.path().to_owned()));
        for name in ["shop/db", "other"] {
            let secret = secrets.read_now(&arn(name)).unwrap();
            assert_eq!(secret.get("password").unwrap(), "hunter2");
            assert_eq!(secret.find("port"), Some("5432"));
            assert!(!format!("{secret:?}").contains("hunter2"));
            assert!(secret.check("host", "DB").is_ok());
            let refused = secret.check("host", "evil").unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("the secret '{name}' is for another \"host\" than 'evil'")
            );
            assert!(secret.get("certificate").is_err());
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_of_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("text"), "hunter2").unwrap();
        std::fs::write(dir.path().join("large"), vec![b' '; 100_000]).unwrap();
        std::fs::write(dir.path().join("list"), "[\"hunter2\"]").unwrap();
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        let secrets = Secrets::new(Some(dir.path().to_owned()));
        for (name, expected) in [
            ("text", "is no JSON object"),
            ("list", "is no JSON object"),
            ("large", "cannot be read"),
            ("dir", "has no secret 'dir'"),
            ("none", "has no secret 'none'"),
        ] {
            let refused = secrets.read_now(&arn(name)).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let none = Secrets::new(None).read_now(&arn("a")).unwrap_err();
        assert!(none.to_string().contains("--secrets-dir"), "{none}");
    }
}
