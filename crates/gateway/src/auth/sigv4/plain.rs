//! Requests whose canonical form is what they say.
//!
//! Nearly every request an AWS client sends has a path and a query of unreserved characters and headers without runs of
//! spaces: nothing in it is decoded, normalised or encoded anew on the way to its canonical form, which is then a matter of
//! putting lines in order. That is done here, without making the request anew for aws-sigv4. Of any other request [`signature`]
//! says nothing, and aws-sigv4 is asked.
//!
//! A test signs generated requests both ways and compares.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::auth::claim::Claim;
use crate::auth::time::system_time;

/// The signature that the key's owner would have made, `payload` being what stands for the body; none when the request is not a
/// plain one.
pub(super) fn signature(
    claim: &Claim,
    secret: &str,
    head: &Parts,
    payload: &str,
) -> Option<String> {
    if claim.expires.is_some() {
        return None;
    }
    let canonical = canonical(claim, head, payload)?;
    let scope = format!(
        "{}/{}/{}/aws4_request",
        claim.day(),
        claim.region,
        claim.service
    );
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", claim.stamp);
    let date = system_time(claim.time);
    let key = generate_signing_key(secret, date, &claim.region, &claim.service);
    Some(calculate_signature(key, text.as_bytes()))
}

fn canonical(claim: &Claim, head: &Parts, payload: &str) -> Option<String> {
    let path = head.uri.path();
    // S3 signs the path as it is sent.
    if claim.service != "s3" && !is_normal(path) {
        return None;
    }
    let mut names: Vec<&str> = claim.signed_headers.iter().map(String::as_str).collect();
    names.sort_unstable();
    let mut text = String::with_capacity(1_024);
    for part in [head.method.as_str(), path] {
        text.push_str(part);
        text.push('\n');
    }
    push_query(&mut text, head.uri.query().unwrap_or_default())?;
    text.push('\n');
    for name in &names {
        push_header(&mut text, name, &head.headers)?;
    }
    text.push('\n');
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push(';');
        }
        text.push_str(name);
    }
    text.push('\n');
    text.push_str(payload);
    Some(text)
}

/// Whether a path is neither normalised nor encoded: no `.` that could be a segment, no empty segment, nothing reserved.
fn is_normal(path: &str) -> bool {
    let is_kept = |byte: u8| is_unreserved(byte) && byte != b'.' || byte == b'/';
    path.bytes().all(is_kept) && !path.contains("//")
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// Its pairs in order; none when one would have to be encoded anew, or is no pair.
fn push_query(text: &mut String, query: &str) -> Option<()> {
    if query.is_empty() {
        return Some(());
    }
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let mut bytes = name.bytes().chain(value.bytes());
        (!name.is_empty() && bytes.all(is_unreserved)).then_some((name, value))
    });
    let mut pairs = pairs.collect::<Option<Vec<_>>>()?;
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    Some(())
}

/// All its values; none when one has spaces that are taken out, or none is there.
fn push_header(text: &mut String, name: &str, headers: &HeaderMap) -> Option<()> {
    text.push_str(name);
    let mut separator = ':';
    for value in headers.get_all(name) {
        let value = value.to_str().ok()?;
        let is_kept = !value.starts_with(' ') && !value.ends_with(' ') && !value.contains("  ");
        if !is_kept {
            return None;
        }
        text.push(separator);
        text.push_str(value);
        separator = ',';
    }
    text.push('\n');
    (separator == ',').then_some(())
}
