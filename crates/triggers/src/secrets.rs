//! Secrets of sources, read when they are needed and held no longer: those of the mapping's account that this server keeps, and
//! else JSON files in a directory that the operator named.
//!
//! Both say what AWS's secrets of databases say: `username`, `password`, and the `host` that they are for. The operator's,
//! `<dir>/<name>` or `<dir>/<name>.json`, must name it, so that nobody who may make a mapping can have them sent to another
//! server; an account's own need not, as who makes a mapping with it must be allowed to read it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_types::SecretArn;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::source::{Task, Trouble};

mod stored;

pub(crate) use stored::Stored;

/// A secret's size at most, as of AWS's.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where secrets are.
#[derive(Clone)]
pub(crate) struct Secrets {
    keeper: Option<Arc<dyn Keeper>>,
    dir: Option<PathBuf>,
}

/// Keeps secrets for accounts.
pub(crate) trait Keeper: Send + Sync {
    /// What a secret says now; none if there is no such secret.
    fn read<'a>(
        &'a self,
        arn: &'a SecretArn,
    ) -> Task<'a, Result<Option<Zeroizing<String>>, Trouble>>;
}

/// What a secret says. It shows nothing of that, and overwrites it when it is dropped.
pub(crate) struct Secret {
    name: String,
    /// Whether it is the account's own, and so for whatever its owner says.
    is_own: bool,
    values: BTreeMap<String, Zeroizing<String>>,
}

impl Secrets {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { keeper: None, dir }
    }

    /// The same, and before those of the operator an account's own.
    pub(crate) fn kept_by(self, keeper: impl Keeper + 'static) -> Self {
        Self {
            keeper: Some(Arc::new(keeper)),
            ..self
        }
    }

    /// Reads a secret: of files, off the async threads.
    pub(crate) async fn read(&self, arn: &SecretArn) -> Result<Secret, Trouble> {
        if let Some(keeper) = &self.keeper
            && let Some(text) = keeper.read(arn).await?
        {
            return Secret::parse(arn.name(), true, &text);
        }
        let (secrets, arn) = (self.clone(), arn.clone());
        let read = tokio::task::spawn_blocking(move || secrets.read_now(&arn));
        let failed = |_| Err(Trouble::new("a secret could not be read"));
        read.await.unwrap_or_else(failed)
    }

    fn read_now(&self, arn: &SecretArn) -> Result<Secret, Trouble> {
        let name = arn.name().to_owned();
        let dir = self.dir.as_deref().ok_or_else(|| {
            Trouble::new(format!(
                "this server has no secret '{name}': keep one with `kiln secrets put {name}`, or its operator names a directory with --secrets-dir"
            ))
        })?;
        let text = [name.clone(), format!("{name}.json")]
            .iter()
            .find_map(|file| read_file(&dir.join(file)).transpose());
        let text = text.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        let text = text.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::new(format!(
                "this server has no secret '{name}': keep one with `kiln secrets put {name}`, or its operator puts it into the directory that --secrets-dir names"
            )),
            kind => Trouble::new(format!("the secret '{name}' cannot be read: {kind}")),
        })?;
        Secret::parse(&name, false, &text)
    }
}

impl Secret {
    fn parse(name: &str, is_own: bool, text: &str) -> Result<Self, Trouble> {
        // What serde says of a value it does not like would repeat it.
        let read: Option<BTreeMap<String, Value>> = serde_json::from_str(text).ok();
        let read =
            read.ok_or_else(|| Trouble::new(format!("the secret '{name}' is no JSON object")))?;
        let values = read.into_iter().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key, Zeroizing::new(text))),
            Value::Number(number) => Some((key, Zeroizing::new(number.to_string()))),
            _ => None,
        });
        Ok(Self {
            name: name.to_owned(),
            is_own,
            values: values.collect(),
        })
    }

    /// A value that must be there.
    pub(crate) fn get(&self, key: &str) -> Result<&str, Trouble> {
        self.find(key).ok_or_else(|| {
            let name = &self.name;
            Trouble::new(format!("the secret '{name}' has no \"{key}\""))
        })
    }

    /// A value, if it is there.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.as_str())
    }

    /// Refuses the secret unless it is for this server. One that names no port is for all of them.
    pub(crate) fn check_server(&self, host: &str, port: u16) -> Result<(), Trouble> {
        self.check("host", host)?;
        match self.find("port") {
            Some(_) => self.check("port", &port.to_string()),
            None => Ok(()),
        }
    }

    /// The hosts that it is for; none where it need not say so and does not.
    pub(crate) fn hosts(&self) -> Result<Option<&str>, Trouble> {
        match self.find("host") {
            None if self.is_own => Ok(None),
            _ => self.get("host").map(Some),
        }
    }

    /// Refuses the secret unless this value is there and is what it is to be used for. An account's own need not say.
    pub(crate) fn check(&self, key: &str, used_for: &str) -> Result<(), Trouble> {
        if self.is_own && self.find(key).is_none() {
            return Ok(());
        }
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
fn read_file(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = Zeroizing::new(String::new());
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

    /// Keeps one secret of one account.
    struct One(&'static str);

    impl Keeper for One {
        fn read<'a>(
            &'a self,
            arn: &'a SecretArn,
        ) -> Task<'a, Result<Option<Zeroizing<String>>, Trouble>> {
            let found = (arn.name() == "shop").then(|| Zeroizing::new(self.0.to_owned()));
            Box::pin(async move { Ok(found) })
        }
    }

    #[tokio::test]
    async fn an_accounts_own_secret_comes_first_and_need_not_name_its_host() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["shop", "mail"] {
            let text = r#"{"username":"operator","password":"p"}"#;
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let own = Secrets::new(Some(dir.path().to_owned()));
        let own = own.kept_by(One(r#"{"username":"own","port":5432}"#));
        let shop = own.read(&arn("shop")).await.unwrap();
        assert_eq!(shop.get("username").unwrap(), "own");
        assert!(shop.check_server("anywhere", 5432).is_ok());
        assert_eq!(shop.hosts().unwrap(), None);
        assert!(
            shop.check_server("anywhere", 1).is_err(),
            "what it names is honoured"
        );
        let mail = own.read(&arn("mail")).await.unwrap();
        assert_eq!(mail.get("username").unwrap(), "operator");
        assert!(mail.check_server("anywhere", 5432).is_err() && mail.hosts().is_err());
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
