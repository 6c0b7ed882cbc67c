//! Who this server is at registries: Docker's `config.json`, as `docker login` writes it without a
//! helper program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::error::Error;

/// Docker's own registry has this name there.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    user: String,
    password: String,
}

/// Logins by registries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    logins: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let doing = || format!("read {}", path.display());
        let text = std::fs::read(path).map_err(Error::file(doing()))?;
        let file: File = serde_json::from_slice(&text)
            .map_err(|error| Error::file(doing())(std::io::Error::other(error)))?;
        let logins = file.auths.into_iter().filter_map(|(name, entry)| {
            let login = entry.login()?;
            Some((plain(&name).to_owned(), login))
        });
        Ok(Self {
            logins: logins.collect(),
        })
    }

    pub(super) fn of(&self, registry: &str) -> Option<Login> {
        let name = match registry {
            "docker.io" => plain(DOCKER_HUB),
            other => other,
        };
        self.logins.get(name).cloned()
    }
}

/// The host of an entry, which may be written as an address.
fn plain(name: &str) -> &str {
    let name = name
        .strip_prefix("https://")
        .or_else(|| name.strip_prefix("http://"))
        .unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

impl Entry {
    fn login(self) -> Option<Login> {
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Some(Login { user, password });
        }
        let auth = BASE64_STANDARD.decode(self.auth?).ok()?;
        let auth = String::from_utf8(auth).ok()?;
        let (user, password) = auth.split_once(':')?;
        Some(Login {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

impl Login {
    /// As a request shows it.
    pub(super) fn basic(&self) -> String {
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }
}

/// Shows the user only: debug output ends in logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_as_docker_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let text = r#"{"auths": {
            "127.0.0.1:5000": {"auth": "bWU6c2VjcmV0"},
            "https://index.docker.io/v1/": {"username": "me", "password": "other"},
            "empty.example": {}
        }, "credsStore": "x"}"#;
        std::fs::write(&path, text).unwrap();
        let credentials = Credentials::read(&path).unwrap();
        let local = credentials.of("127.0.0.1:5000").unwrap();
        assert_eq!(local.basic(), "Basic bWU6c2VjcmV0");
        assert!(!format!("{local:?}").contains("secret"));
        assert_eq!(credentials.of("docker.io").unwrap().password, "other");
        assert_eq!(credentials.of("empty.example"), None);
        assert_eq!(credentials.of("other.example"), None);
        std::fs::write(&path, "not json").unwrap();
        assert!(Credentials::read(&path).is_err());
    }
}
