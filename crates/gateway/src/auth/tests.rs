//! Signatures made by AWS's own clients, and what becomes of them when anything is changed.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use kiln_types::{FunctionCaller, ManualClock, Timestamp};
use serde::Deserialize;

use super::{Authenticator, Claim, check, chunked, time};
use crate::config::{Auth, Config, FunctionRights, Limits};
use crate::error::{ApiError, Exception, Result};

mod rust_signer;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Requests signed by botocore; `botocore_vectors.py` made them.
#[derive(Deserialize)]
struct Golden {
    now: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize, Clone)]
struct Vector {
    name: String,
    service: String,
    method: String,
    uri: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

impl Vector {
    fn head(&self) -> Parts {
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(&self, now: Timestamp) -> Result<Bytes> {
        let head = self.head();
        let claim = Claim::read(&head)?;
        claim.check_scope(&"us-east-1".parse().unwrap(), &self.service)?;
        claim.check_time(now)?;
        check(&claim, SECRET, &head, Bytes::from(self.body.clone()))
    }
}

fn golden() -> (Timestamp, Vec<Vector>) {
    let golden: Golden = serde_json::from_str(include_str!("botocore_vectors.json")).unwrap();
    (time::parse(&golden.now).unwrap(), golden.vectors)
}

fn vector(name: &str) -> (Timestamp, Vector) {
    let (now, vectors) = golden();
    (
        now,
        vectors
            .into_iter()
            .find(|vector| vector.name == name)
            .unwrap(),
    )
}

#[test]
fn every_request_that_botocore_signs_is_verified() {
    let (now, vectors) = golden();
    for vector in vectors {
        let body = vector.check(now);
        assert_eq!(
            body,
            Ok(Bytes::from(vector.body.clone())),
            "{}",
            vector.name
        );
    }
}

#[test]
fn a_changed_request_is_refused() {
    type Change = fn(&mut Vector);
    let changes: [(&str, Change); 6] = [
        ("method", |vector| vector.method = "PATCH".to_owned()),
        ("path", |vector| {
            vector.uri = vector
                .uri
                .replacen("/20", "/21", 1)
                .replacen("/?", "//x?", 1)
                + if vector.uri == "/" { "x" } else { "" }
        }),
        ("query", |vector| {
            vector.uri += if vector.uri.contains('?') {
                "&x=y"
            } else {
                "?x=y"
            }
        }),
        ("host", |vector| {
            drop(vector.headers.insert("Host".into(), "elsewhere".into()))
        }),
        ("body", |vector| vector.body += " "),
        ("signature", |vector| {
            let swap = |text: &str| text.replace("ignature=", "ignature=0");
            vector.uri = swap(&vector.uri);
            vector.headers = vector
                .headers
                .iter()
                .map(|(k, v)| (k.clone(), swap(v)))
                .collect();
        }),
    ];
    let (now, vectors) = golden();
    for original in vectors {
        for (what, change) in &changes {
            if *what == "body" && original.name == "an unsigned payload" {
                continue;
            }
            let mut changed = original.clone();
            change(&mut changed);
            let error = changed.check(now).expect_err(what);
            assert_eq!(
                error.exception,
                Exception::InvalidSignature,
                "{} {what}",
                original.name
            );
        }
    }
}

#[test]
fn a_changed_signed_header_is_refused_and_an_unsigned_one_is_not_looked_at() {
    let (now, mut vector) = vector("invoke by name");
    vector
        .headers
        .insert("User-Agent".into(), "changed on the way".into());
    assert!(vector.check(now).is_ok());
    vector
        .headers
        .insert("X-Amz-Log-Type".into(), "None".into());
    assert_eq!(
        vector.check(now).unwrap_err().exception,
        Exception::InvalidSignature
    );
    vector.headers.remove("X-Amz-Log-Type");
    assert_eq!(
        vector.check(now).unwrap_err().exception,
        Exception::InvalidSignature
    );
}

#[test]
fn settings_that_nobody_signed_are_named() {
    let (_, mut vector) = vector("invoke by name");
    let claim = Claim::read(&vector.head()).unwrap();
    assert!(claim.unsigned_settings(&vector.head().headers).is_empty());
    for name in ["X-Amz-Copy-Source", "X-Amz-Content-Sha256"] {
        vector.headers.insert(name.into(), "/b/k".into());
    }
    let head = vector.head();
    assert_eq!(
        claim.unsigned_settings(&head.headers),
        ["x-amz-copy-source"]
    );
}

#[test]
fn a_clock_may_be_off_by_five_minutes_and_no_more() {
    let (now, vector) = vector("invoke by name");
    let at = |secs: i64| vector.check(Timestamp::from_millis(now.as_millis() + secs * 1000));
    assert!(at(300).is_ok());
    assert!(at(-300).is_ok());
    let late = at(301).unwrap_err();
    let expected = "Signature expired: 20261123T132300Z is now earlier than 20261123T132301Z \
                    (20261123T132801Z - 5 min.)";
    assert_eq!(late.message, expected);
    let early = at(-301).unwrap_err();
    let expected = "Signature not yet current: 20261123T132300Z is still later than \
                    20261123T132259Z (20261123T131759Z + 5 min.)";
    assert_eq!(early.message, expected);
}

#[test]
fn a_presigned_url_is_valid_until_it_expires() {
    let (now, vector) = vector("presigned list with a query");
    let at = |secs: i64| vector.check(Timestamp::from_millis(now.as_millis() + secs * 1000));
    assert!(at(900).is_ok());
    let error = at(901).unwrap_err();
    assert_eq!(error.exception, Exception::InvalidSignature);
    assert!(
        error
            .message
            .starts_with("Signature expired: 20261123T133800Z"),
        "{}",
        error.message
    );
    assert!(at(-301).is_err());
    let mut longer = vector.clone();
    longer.uri = longer
        .uri
        .replace("X-Amz-Expires=900", "X-Amz-Expires=9000");
    assert_eq!(
        longer.check(now).unwrap_err().exception,
        Exception::InvalidSignature
    );
    longer.uri = longer
        .uri
        .replace("X-Amz-Expires=9000", "X-Amz-Expires=604801");
    assert_eq!(
        longer.check(now).unwrap_err().exception,
        Exception::IncompleteSignature
    );
}

#[test]
fn a_signature_is_good_for_its_own_region_service_and_day_only() {
    let (now, vector) = vector("invoke by name");
    let refused = |from: &str, to: &str| -> ApiError {
        let mut changed = vector.clone();
        let authorization = changed.headers.get_mut("Authorization").unwrap();
        *authorization = authorization.replace(from, to);
        changed.check(now).unwrap_err()
    };
    assert_eq!(
        refused("/us-east-1/", "/eu-west-1/").message,
        "Credential should be scoped to a valid region, not 'eu-west-1'."
    );
    assert_eq!(
        refused("/lambda/", "/logs/").message,
        "Credential should be scoped to correct service: 'lambda'."
    );
    assert_eq!(
        refused("aws4_request", "aws5_request").message,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."
    );
    assert_eq!(
        refused("/20261123/", "/20261122/").message,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
         HTTP: '20261122' != '20261123', from '20261123T132300Z'."
    );
}

#[test]
fn what_a_signature_lacks_is_named() {
    let (now, vector) = vector("invoke by name");
    let with = |authorization: &str| {
        let mut changed = vector.clone();
        changed
            .headers
            .insert("Authorization".into(), authorization.into());
        changed.check(now).unwrap_err()
    };
    let error = with("AWS4-HMAC-SHA256 Credential=a/b/c/d/e");
    assert_eq!(error.exception, Exception::IncompleteSignature);
    assert_eq!(
        error.message,
        "Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter."
    );
    let error = with("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0");
    assert!(
        error.message.contains("exactly 5 slash-delimited elements"),
        "{}",
        error.message
    );
    assert_eq!(
        with("Bearer token").exception,
        Exception::IncompleteSignature
    );
    let mut unsigned = vector.clone();
    unsigned.headers.remove("Authorization");
    let error = unsigned.check(now).unwrap_err();
    assert_eq!(error.exception, Exception::MissingAuthenticationToken);
    let mut undated = vector.clone();
    undated.headers.remove("X-Amz-Date");
    assert_eq!(
        undated.check(now).unwrap_err().exception,
        Exception::IncompleteSignature
    );
}

#[test]
fn the_host_and_the_date_must_be_signed() {
    let (now, vector) = vector("invoke by name");
    for unsigned in ["host;", "x-amz-date;"] {
        let mut changed = vector.clone();
        let authorization = changed.headers.get_mut("Authorization").unwrap();
        *authorization = authorization.replace(unsigned, "");
        assert_eq!(
            changed.check(now).unwrap_err().exception,
            Exception::InvalidSignature
        );
    }
}

#[test]
fn headers_that_decide_are_refused_when_they_come_twice() {
    let (_, vector) = vector("an unsigned payload");
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let mut head = vector.head();
        let value = head.headers[name].clone();
        head.headers.append(name, value);
        let body = Bytes::from(vector.body.clone());
        let checked = Claim::read(&head).and_then(|claim| check(&claim, SECRET, &head, body));
        assert_eq!(
            checked.unwrap_err().exception,
            Exception::InvalidSignature,
            "{name}"
        );
    }
}

#[test]
fn chunks_are_verified_as_in_the_example_of_the_s3_reference() {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ID}/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class, \
         Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    );
    let request = http::Request::put("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("authorization", authorization)
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824");
    let head = request.body(()).unwrap().into_parts().0;
    let claim = Claim::read(&head).unwrap();
    let chunks = [
        (
            65_536,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        ),
        (
            1_024,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        ),
        (
            0,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ),
    ];
    let mut body = Vec::new();
    for (size, signature) in chunks {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").into_bytes());
        body.extend(vec![b'a'; size]);
        body.extend(b"\r\n");
    }
    let opened = check(&claim, SECRET, &head, body.clone().into()).unwrap();
    assert_eq!(opened, vec![b'a'; 66_560]);
    for (index, what) in [
        (100, "content"),
        (70, "signature"),
        (65_700, "second chunk"),
    ] {
        let mut changed = body.clone();
        changed[index] ^= 1;
        assert!(
            check(&claim, SECRET, &head, changed.into()).is_err(),
            "{what}"
        );
    }
    // Without the last chunk's own signature the body could be cut short.
    let end = body.len() - 86;
    assert!(check(&claim, SECRET, &head, body[..end].to_vec().into()).is_err());
    let unsigned = chunked::Unframer::new(None, false);
    assert!(chunked::open(body.into(), unsigned).is_ok());
}

#[tokio::test]
async fn only_active_keys_without_session_tokens_are_ours() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let config = kiln_store::Config::new(dir.path());
    let store = kiln_store::Store::open(config, clock).unwrap();
    let keys = store.keys().clone();
    let account = "000000000000".parse().unwrap();
    let key = keys.create(&account, "me").await.unwrap();
    let authenticator = Authenticator::new(&gateway_config(Auth::Enforce), &store);
    let claim = |id: &str| {
        let (_, mut vector) = vector("invoke by name");
        let authorization = vector.headers.get_mut("Authorization").unwrap();
        *authorization = authorization.replace(ID, id);
        vector
    };
    let admit = |vector: &Vector| {
        authenticator
            .admit(Claim::read(&vector.head()), "lambda", None, golden().0)
            .map(|_| ())
    };
    let unrecognized = "The security token included in the request is invalid.";
    assert_eq!(admit(&claim(&key.id)), Ok(()));
    assert_eq!(
        admit(&claim("AKIANOBODY")).unwrap_err().message,
        unrecognized
    );
    let mut with_token = claim(&key.id);
    with_token
        .headers
        .insert("X-Amz-Security-Token".into(), "token".into());
    assert_eq!(
        admit(&with_token).unwrap_err().exception,
        Exception::UnrecognizedClient
    );
    keys.set_active(&key.id, false).await.unwrap();
    assert_eq!(admit(&claim(&key.id)).unwrap_err().message, unrecognized);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_function_s_keys_are_of_use_on_its_own_connections_alone() {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(dir.path());
    let store = kiln_store::Store::open(config, Arc::new(ManualClock::default())).unwrap();
    let config = gateway_config(Auth::Enforce);
    let authenticator = Authenticator::new(&config, &store);
    let function = |name: &str| FunctionCaller {
        function: kiln_types::FunctionId {
            account: "000000000000".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        role: "arn:aws:iam::000000000000:role/any".to_owned(),
    };
    let keys = authenticator.function_keys(&function("sum"));
    let (_, mut vector) = vector("invoke by name");
    let authorization = vector.headers.get_mut("Authorization").unwrap();
    *authorization = authorization.replace(ID, &keys.access_key_id);
    let token = keys.session_token.clone();
    vector.headers.insert("X-Amz-Security-Token".into(), token);
    let admit = |vector: &Vector, from: Option<&FunctionCaller>| {
        let claim = Claim::read(&vector.head());
        authenticator.admit(claim, "lambda", from, golden().0)
    };
    let admitted = admit(&vector, Some(&function("sum"))).unwrap().unwrap();
    let arn = "arn:aws:sts::000000000000:assumed-role/any/sum";
    assert_eq!(admitted.caller.arn, arn);
    for from in [None, Some(&function("product"))] {
        let error = admit(&vector, from).err().unwrap();
        assert_eq!(error.exception, Exception::UnrecognizedClient);
    }
    let token = vector.headers.get_mut("X-Amz-Security-Token").unwrap();
    token.replace_range(..1, "_");
    assert!(admit(&vector, Some(&function("sum"))).is_err());
    store.close().await.unwrap();
}

fn gateway_config(auth: Auth) -> Config {
    Config {
        region: "us-east-1".parse().unwrap(),
        account: "000000000000".parse().unwrap(),
        auth,
        audits_data: false,
        functions: FunctionRights::Role,
        endpoint: "http://localhost:4566".parse().unwrap(),
        account_concurrency: 1_000,
        memory_budget_mb: 4_096,
        file_systems: Default::default(),
        host_services: Default::default(),
        is_administered_apart: false,
        limits: Limits::default(),
    }
}
