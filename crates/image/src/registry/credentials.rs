//! Who this server is at registries: Docker's `config.json`, as `docker login` writes it without a
//! helper program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::error::Error;

/// Docker's own registry, and its other names: the first is what `docker login` writes, as an address.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_TOO: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    user: String,
    password: String,
}

/// Logins by what they are for: a registry, or what lies below a path of one.
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
        let mut logins = BTreeMap::new();
        // What is written as an address counts where nothing else does.
        let (addresses, names): (Vec<_>, Vec<_>) = file
            .auths
            .into_iter()
            .partition(|(name, _)| name.contains("://"));
        for (name, entry) in addresses.into_iter().chain(names) {
            if let Some(login) = entry.login() {
                logins.insert(plain(&name), login);
            }
        }
        Ok(Self { logins })
    }

    /// The login that is most about a repository (`containers-auth.json(5)`): its own, that of what it lies
    /// below, or the registry's.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Option<Login> {
        let whole = plain(&format!("{registry}/{repository}"));
        let mut name = whole.as_str();
        loop {
            if let Some(login) = self.logins.get(name) {
                return Some(login.clone());
            }
            (name, _) = name.rsplit_once('/')?;
        }
    }
}

/// What an entry is for. One that is written as an address is for its host: Docker's own has the version
/// of an interface in the place of a path.
fn plain(name: &str) -> String {
    let name = match name.split_once("://") {
        Some((_, address)) => address.split('/').next().unwrap_or(address),
        None => name.trim_end_matches('/'),
    };
    let (host, path) = name.split_at(name.find('/').unwrap_or(name.len()));
    match DOCKER_HUB_TOO.contains(&host) {
        true => format!("{DOCKER_HUB}{path}"),
        false => name.to_owned(),
    }
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
        let local = credentials.of("127.0.0.1:5000", "app").unwrap();
        assert_eq!(local.basic(), "Basic bWU6c2VjcmV0");
        assert!(!format!("{local:?}").contains("secret"));
        assert_eq!(
            credentials.of("docker.io", "library/app").unwrap().password,
            "other"
        );
        assert_eq!(credentials.of("empty.example", "app"), None);
        assert_eq!(credentials.of("other.example", "app"), None);
        std::fs::write(&path, "not json").unwrap();
        assert!(Credentials::read(&path).is_err());
    }

    #[test]
    fn the_login_that_is_most_about_a_repository_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let names = [
            "my.example",
            "my.example/team",
            "my.example/team/app",
            "https://my.example/v2/",
            "other.example/team/",
            "https://old.example/v1/",
            "docker.io/me",
            "index.docker.io",
        ];
        let entry = |name| format!(r#""{name}": {{"username": "{name}", "password": "x"}}"#);
        let entries = names.map(entry).join(",");
        std::fs::write(&path, format!(r#"{{"auths": {{{entries}}}}}"#)).unwrap();
        let credentials = Credentials::read(&path).unwrap();
        for (registry, repository, expected) in [
            ("my.example", "team/app", Some("my.example/team/app")),
            ("my.example", "team/app/part", Some("my.example/team/app")),
            ("my.example", "team/application", Some("my.example/team")),
            ("my.example", "teams/app", Some("my.example")),
            ("other.example", "team/app", Some("other.example/team/")),
            ("other.example", "app", None),
            ("other.example", "teams", None),
            ("old.example", "app", Some("https://old.example/v1/")),
            ("docker.io", "me/app", Some("docker.io/me")),
            ("registry-1.docker.io", "me/app", Some("docker.io/me")),
            ("docker.io", "library/app", Some("index.docker.io")),
            ("example", "my.example", None),
        ] {
            let found = credentials.of(registry, repository);
            let found = found.as_ref().map(|login| login.user.as_str());
            assert_eq!(found, expected, "{registry}/{repository}");
        }
    }
}
