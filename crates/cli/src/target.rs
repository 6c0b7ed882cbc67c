//! Which server a command talks to, and with whose keys.
//!
//! Each of address, region and keys is taken from the first place that has it: flags, the ready
//! file named by a flag, the environment, the ready file of this machine's server, AWS's
//! credentials file, the built-in default.

mod profile;
pub(crate) mod ready_file;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use aws_credential_types::Credentials;

use crate::Globals;
use ready_file::{READY_FILE_NAME, ReadyFile};

/// Where `kiln serve` listens unless told otherwise.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4566";
const DEFAULT_REGION: &str = "us-east-1";

/// A server and the identity to use there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: String,
    /// Where it is administered, if that is apart.
    pub(crate) admin_endpoint: Option<String>,
    /// Whom to believe who the server is, instead of whom this machine believes.
    pub(crate) ca_bundle: Option<PathBuf>,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
}

/// Reads an environment variable; a parameter, so that tests own the environment.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Works out the target, or says what to set.
pub(crate) fn find(globals: &Globals, environment: Environment) -> Result<Target> {
    let env = |name: &str| environment(name).filter(|value| !value.is_empty());
    let named = globals
        .ready_file
        .as_deref()
        .map(ReadyFile::read)
        .transpose()?;
    let local = ReadyFile::read(&local_ready_file(&env)).ok();
    let (endpoint, admin_endpoint) = endpoints(globals, named.as_ref(), local.as_ref(), &env);
    let ca_bundle = globals.ca_bundle.clone();
    let ca_bundle = ca_bundle.or_else(|| env("AWS_CA_BUNDLE").map(PathBuf::from));
    let region = globals
        .region
        .clone()
        .or_else(|| named.as_ref().map(|file| file.region.clone()))
        .or_else(|| env("AWS_REGION"))
        .or_else(|| env("AWS_DEFAULT_REGION"))
        .or_else(|| local.as_ref().map(|file| file.region.clone()))
        .unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let credentials = named
        .map(|file| file.credentials())
        .or_else(|| from_environment(&env))
        .or_else(|| local.map(|file| file.credentials()))
        .or_else(|| profile::find(&env))
        .ok_or_else(|| no_credentials(&endpoint, &local_ready_file(&env)))?;
    Ok(Target {
        endpoint,
        admin_endpoint,
        ca_bundle,
        region,
        credentials,
    })
}

/// The server's address, and that of its administration where the same place tells it.
fn endpoints(
    globals: &Globals,
    named: Option<&ReadyFile>,
    local: Option<&ReadyFile>,
    env: Environment,
) -> (String, Option<String>) {
    let of_file = |file: &ReadyFile| (file.endpoint.clone(), file.admin_endpoint.clone());
    let flag = globals
        .endpoint_url
        .clone()
        .map(|endpoint| (endpoint, None));
    let variable = env("AWS_ENDPOINT_URL").or_else(|| env("KILN_ENDPOINT"));
    let variable = variable.map(|endpoint| (endpoint, env("KILN_ADMIN_ENDPOINT")));
    flag.or_else(|| named.map(of_file))
        .or(variable)
        .or_else(|| local.map(of_file))
        .unwrap_or_else(|| (DEFAULT_ENDPOINT.to_owned(), None))
}

fn from_environment(env: Environment) -> Option<Credentials> {
    let (id, secret) = (env("AWS_ACCESS_KEY_ID")?, env("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(
        id,
        secret,
        env("AWS_SESSION_TOKEN"),
        None,
        "environment",
    ))
}

fn local_ready_file(env: Environment) -> PathBuf {
    ready_file::data_dir(env).join(READY_FILE_NAME)
}

fn no_credentials(endpoint: &str, local: &std::path::Path) -> anyhow::Error {
    anyhow!(
        "there are no access keys for {endpoint}\n  \
         looked in: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, {}, ~/.aws/credentials\n  \
         next: set the variables that `kiln serve` printed, pass the file that a server wrote \
         with --ready-file FILE, or start a server that takes any keys with `kiln dev`",
        local.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_with(globals: &Globals, variables: &[(&str, &str)]) -> Result<Target> {
        find(globals, &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn ready_file(dir: &std::path::Path, endpoint: &str) -> PathBuf {
        let path = dir.join(READY_FILE_NAME);
        let file = serde_json::json!({
            "endpoint": endpoint, "region": "eu-west-1",
            "accessKeyId": "AKFILE", "secretAccessKey": "secret",
        });
        std::fs::write(&path, file.to_string()).unwrap();
        path
    }

    #[test]
    fn environment_gives_address_region_and_keys() {
        let target = find_with(
            &Globals::default(),
            &[
                ("KILN_DATA_DIR", "/nonexistent"),
                ("AWS_ENDPOINT_URL", "http://kiln:1"),
                ("AWS_DEFAULT_REGION", "eu-north-1"),
                ("AWS_ACCESS_KEY_ID", "AKENV"),
                ("AWS_SECRET_ACCESS_KEY", "s"),
            ],
        )
        .unwrap();
        assert_eq!(target.endpoint, "http://kiln:1");
        assert_eq!(target.region, "eu-north-1");
        assert_eq!(target.credentials.access_key_id(), "AKENV");
    }

    #[test]
    fn ready_file_of_this_machine_is_used_when_nothing_is_set() {
        let dir = tempfile::tempdir().unwrap();
        ready_file(dir.path(), "http://127.0.0.1:7777");
        let data_dir = dir.path().to_str().unwrap();
        let target = find_with(&Globals::default(), &[("KILN_DATA_DIR", data_dir)]).unwrap();
        assert_eq!(target.endpoint, "http://127.0.0.1:7777");
        assert_eq!(target.region, "eu-west-1");
        assert_eq!(target.credentials.access_key_id(), "AKFILE");
    }

    #[test]
    fn ready_file_named_by_a_flag_wins_over_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = ready_file(dir.path(), "http://127.0.0.1:7777");
        let globals = Globals {
            ready_file: Some(path),
            ..Globals::default()
        };
        let variables = [
            ("AWS_ENDPOINT_URL", "http://other:1"),
            ("AWS_ACCESS_KEY_ID", "AKENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let target = find_with(&globals, &variables).unwrap();
        assert_eq!(target.endpoint, "http://127.0.0.1:7777");
        assert_eq!(target.credentials.access_key_id(), "AKFILE");
    }

    #[test]
    fn administration_is_where_the_place_says_that_names_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(READY_FILE_NAME);
        let file = serde_json::json!({
            "endpoint": "https://kiln:1", "adminEndpoint": "https://kiln:2", "region": "r",
            "accessKeyId": "AK", "secretAccessKey": "s",
        });
        std::fs::write(&path, file.to_string()).unwrap();
        let mut globals = Globals {
            ready_file: Some(path),
            ..Globals::default()
        };
        let admin = |globals: &Globals, variables: &[(&str, &str)]| {
            find_with(globals, variables).unwrap().admin_endpoint
        };
        let variables = [
            ("AWS_ENDPOINT_URL", "http://other:1"),
            ("KILN_ADMIN_ENDPOINT", "http://other:2"),
            ("AWS_ACCESS_KEY_ID", "AKENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        assert_eq!(
            admin(&globals, &variables).as_deref(),
            Some("https://kiln:2")
        );
        globals.ready_file = None;
        assert_eq!(
            admin(&globals, &variables).as_deref(),
            Some("http://other:2")
        );
        globals.endpoint_url = Some("http://flag:1".to_owned());
        assert_eq!(admin(&globals, &variables), None);
    }

    #[test]
    fn authorities_are_named_by_a_flag_or_as_for_aws_clients() {
        let variables = [
            ("AWS_CA_BUNDLE", "/env.pem"),
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let mut globals = Globals::default();
        let bundle = |globals: &Globals| find_with(globals, &variables).unwrap().ca_bundle.unwrap();
        assert_eq!(bundle(&globals), PathBuf::from("/env.pem"));
        globals.ca_bundle = Some("/flag.pem".into());
        assert_eq!(bundle(&globals), PathBuf::from("/flag.pem"));
    }

    #[test]
    fn flag_wins_over_the_ready_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = ready_file(dir.path(), "http://127.0.0.1:7777");
        let globals = Globals {
            ready_file: Some(path),
            endpoint_url: Some("http://127.0.0.1:8888".to_owned()),
            ..Globals::default()
        };
        assert_eq!(
            find_with(&globals, &[]).unwrap().endpoint,
            "http://127.0.0.1:8888"
        );
    }

    #[test]
    fn missing_keys_are_an_error_that_says_what_to_set() {
        let variables = [("KILN_DATA_DIR", "/nonexistent"), ("HOME", "/nonexistent")];
        let error = find_with(&Globals::default(), &variables)
            .unwrap_err()
            .to_string();
        assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");
        assert!(error.contains("kiln dev"), "{error}");
    }
}
