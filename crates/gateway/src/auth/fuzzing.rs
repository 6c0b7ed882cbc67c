//! Signatures and signed bodies, as strangers send them.

use bytes::Bytes;

use super::chunked::{self, Signer, Unframer};
use super::claim::Claim;
use super::{check, sigv2, time};
use crate::fuzzing::{CONFIG, NOW, request};

/// A signed request.
pub fn sigv4(data: &[u8]) {
    let Some((head, body)) = request(data) else {
        return;
    };
    if let Ok(claim) = Claim::read(&head) {
        let _ = claim.check_scope(&CONFIG.region, "lambda");
        let _ = claim.check_time(NOW);
        let _ = claim.unsigned_settings(&head.headers);
        let written = time::format(claim.time);
        assert_eq!(time::parse(&written), Some(claim.time), "{written}");
        let is_signed = |secret| check(&claim, secret, &head, body.clone()).is_ok();
        assert!(
            !(is_signed("one") && is_signed("other")),
            "two secrets make one signature"
        );
    }
    if let Some(query) = sigv2::Query::read(&head) {
        let claim = query.claim(&CONFIG.region, NOW);
        let _ = claim.check_time(NOW);
        let is_signed = |secret| sigv2::verify(&claim, secret, &head, "/bucket/key").is_ok();
        assert!(
            !(is_signed("one") && is_signed("other")),
            "two secrets make one signature"
        );
    }
}

/// A body in chunks: it is the same however it is cut, it grows by nothing, and nobody can sign it by chance.
pub fn aws_chunked(data: &[u8]) {
    let whole = unframed(Unframer::new(None, false), [data]);
    let bytes = unframed(Unframer::new(None, false), data.chunks(1));
    assert_eq!(whole, bytes, "it depends on where it is cut");
    if let Some((content, _)) = whole {
        assert!(content.len() <= data.len(), "it grew");
    }
    let claim = Claim {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        service: "s3".to_owned(),
        date: "20261123".to_owned(),
        region: "us-east-1".to_owned(),
        terminator: "aws4_request".to_owned(),
        signed_headers: vec!["host".to_owned()],
        signature: "0".repeat(64),
        time: NOW,
        stamp: time::format(NOW),
        session_token: None,
        expires: None,
    };
    for signs_trailers in [false, true] {
        let signer = Signer::new(&claim, "nobody knows it");
        let unframer = Unframer::new(Some(signer), signs_trailers);
        let opened = chunked::open(Bytes::copy_from_slice(data), unframer);
        assert!(opened.is_err(), "a stranger signed a chunk");
    }
}

type Unframed = Option<(Vec<u8>, Vec<(String, String)>)>;

fn unframed<'a>(mut unframer: Unframer, pieces: impl IntoIterator<Item = &'a [u8]>) -> Unframed {
    let mut content = Vec::new();
    for piece in pieces {
        let piece = Bytes::copy_from_slice(piece);
        unframer.feed(piece, &mut content).ok()?;
    }
    Some((content.concat(), unframer.finish().ok()?))
}
