//! `/_kiln/signing-profiles`: who signs code, each known by a public key.
//!
//! A version of a profile is a key: its ten digits are of the key and the profile's name, so that a key which was revoked cannot come
//! back under the same name.

use kiln_signing::PublicKey;
use kiln_types::{ProfileArn, SigningProfile};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::parameter;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::refusal::{conflict, invalid, not_found};

/// What paths of single ones begin with.
pub(super) const PREFIX: &str = "signing-profiles/";
/// Digits of a version.
const VERSION_LENGTH: usize = 10;

/// A version of a profile.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    arn: String,
    name: String,
    version: String,
    /// `Active` or `Revoked`.
    status: &'static str,
    algorithm: &'static str,
    /// In PEM.
    public_key: String,
    /// Milliseconds since 1970 UTC.
    added: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    profiles: Vec<Shown>,
}

/// `GET /_kiln/signing-profiles`.
pub(super) fn list(context: &Context) -> Listed {
    let signing = context.deps.store.signing();
    let profiles = signing.profiles(&context.caller.account);
    Listed {
        profiles: profiles.iter().map(|profile| Shown::of(profile)).collect(),
    }
}

/// `GET /_kiln/signing-profiles/NAME/VERSION`.
pub(super) fn show(context: &Context, rest: &str) -> Result<Shown> {
    let named = rest.split_once('/');
    let found = named.and_then(|(name, version)| {
        let arn = arn(context, name, version);
        context.deps.store.signing().profile(&arn)
    });
    found
        .map(|profile| Shown::of(&profile))
        .ok_or_else(|| not_found(format!("There is no signing profile {rest}.")))
}

/// `POST /_kiln/signing-profiles?name=NAME&key=PEM`.
pub(super) async fn add(context: &Context, query: &str) -> Result<Shown> {
    let name = wanted(query, "name")?;
    if !ProfileArn::is_name(&name) {
        return Err(invalid(format!(
            "A signing profile's name has 2 to 64 letters, digits and _, and '{name}' is none."
        )));
    }
    let key = PublicKey::from_pem(&wanted(query, "key")?);
    let key = key.map_err(|why| invalid(format!("The public key cannot be used: {why}.")))?;
    let version = version(&name, &key);
    let profile = SigningProfile {
        arn: arn(context, &name, &version),
        key: key.to_pem(),
        added: context.now,
        revoked: None,
    };
    let added = context.deps.store.signing().add_profile(profile).await?;
    let added = added.map(|profile| Shown::of(&profile));
    added.ok_or_else(|| {
        conflict(format!(
            "The signing profile {name} has this key already, as its version {version}."
        ))
    })
}

/// `POST /_kiln/signing-profiles/revoke?name=NAME&version=VERSION`.
pub(super) async fn revoke(context: &Context, query: &str) -> Result<Shown> {
    let (name, version) = (wanted(query, "name")?, wanted(query, "version")?);
    let arn = arn(context, &name, &version);
    let signing = context.deps.store.signing();
    let revoked = signing.revoke_profile(&arn, context.now).await?;
    revoked
        .map(|profile| Shown::of(&profile))
        .ok_or_else(|| not_found(format!("There is no signing profile {name}/{version}.")))
}

impl Shown {
    fn of(profile: &SigningProfile) -> Self {
        let key = PublicKey::from_pem(&profile.key);
        Self {
            arn: profile.arn.to_string(),
            name: profile.arn.name.clone(),
            version: profile.arn.version.clone(),
            status: match profile.revoked {
                Some(_) => "Revoked",
                None => "Active",
            },
            algorithm: key.map_or("unknown", |key| key.algorithm()),
            public_key: profile.key.clone(),
            added: profile.added.as_millis(),
            revoked: profile.revoked.map(|revoked| revoked.as_millis()),
        }
    }
}

fn arn(context: &Context, name: &str, version: &str) -> ProfileArn {
    ProfileArn {
        region: context.config.region.clone(),
        account: context.caller.account.clone(),
        name: name.to_owned(),
        version: version.to_owned(),
    }
}

fn version(name: &str, key: &PublicKey) -> String {
    let digest = Sha256::digest(format!("{name}\n{}", key.to_pem()));
    hex::encode(digest)[..VERSION_LENGTH].to_owned()
}

fn wanted(query: &str, name: &str) -> Result<String> {
    parameter(query, name).ok_or_else(|| {
        ApiError::new(
            Exception::InvalidParameterValue,
            format!("The parameter {name} is missing."),
        )
    })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::Value;

    use crate::admin::handle;
    use crate::lambda::fixture::Fixture;

    /// Made by `openssl pkey -pubout`, percent-encoded.
    const KEY: &str = "-----BEGIN%20PUBLIC%20KEY-----%0AMCowBQYDK2VwAyEAds5IuF1tokYK5oFBOGKz%2B%2B3L6s2oehHSqygAmd4beQ0%3D%0A-----END%20PUBLIC%20KEY-----%0A";

    async fn ask(fixture: &Fixture, method: Method, path: &str, query: &str) -> (u16, Value) {
        let path = format!("/_kiln/signing-profiles{path}");
        let answer = handle(&fixture.context, &method, &path, query).await;
        let document = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), document)
    }

    #[tokio::test]
    async fn a_profile_is_added_shown_and_revoked_for_good() {
        let fixture = Fixture::new().await;
        let query = format!("name=ci&key={KEY}");
        let (status, added) = ask(&fixture, Method::POST, "", &query).await;
        assert_eq!(
            (status, &added["status"], &added["algorithm"]),
            (200, &"Active".into(), &"Ed25519".into())
        );
        let version = added["version"].as_str().unwrap();
        let arn = format!("arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/{version}");
        assert_eq!(added["arn"], arn.as_str());
        let (_, listed) = ask(&fixture, Method::GET, "", "").await;
        assert_eq!(listed["profiles"], serde_json::json!([added]));
        let named = format!("name=ci&version={version}");
        let (status, revoked) = ask(&fixture, Method::POST, "/revoke", &named).await;
        assert_eq!((status, &revoked["status"]), (200, &"Revoked".into()));
        assert!(revoked["revoked"].is_i64());
        let (_, shown) = ask(&fixture, Method::GET, &format!("/ci/{version}"), "").await;
        assert_eq!(shown, revoked);
        let (status, again) = ask(&fixture, Method::POST, "", &query).await;
        assert_eq!(status, 409, "{again}");
    }

    #[tokio::test]
    async fn what_is_no_profile_is_refused() {
        let fixture = Fixture::new().await;
        for (method, path, query, expected) in [
            (Method::POST, "", "name=ci".to_owned(), 400),
            (Method::POST, "", format!("name=c&key={KEY}"), 400),
            (Method::POST, "", format!("name=c-i&key={KEY}"), 400),
            (Method::POST, "", "name=ci&key=x".to_owned(), 400),
            (Method::POST, "/revoke", "name=ci".to_owned(), 400),
            (
                Method::POST,
                "/revoke",
                "name=ci&version=0123456789".to_owned(),
                404,
            ),
            (Method::GET, "/ci/0123456789", String::new(), 404),
            (Method::GET, "/ci", String::new(), 404),
        ] {
            let (status, answer) = ask(&fixture, method, path, &query).await;
            assert_eq!(status, expected, "{path} {query}: {answer}");
        }
    }
}
