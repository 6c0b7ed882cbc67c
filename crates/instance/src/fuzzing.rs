//! What `fuzz/` gives bytes to: every function reads them as what code in a sandbox sent, and panics where something that
//! is promised does not hold.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

pub use crate::channel::fuzzing::frames;

use crate::output::{Piece, RECORD_BYTES_MAX, Splitter};
use crate::telemetry::{Subscription, TELEMETRY_SCHEMAS};
use crate::{extensions, runtime_api};
use bytes::Bytes;

/// A line with the class of an error, and a body: of an error, of a registration, of a subscription.
pub fn runtime_api(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (class, body) = data.split_at(end.unwrap_or(0));
    let mut headers = HeaderMap::new();
    if let Ok(class) = HeaderValue::from_bytes(class) {
        let names = [
            "lambda-runtime-function-error-type",
            "lambda-extension-identifier",
        ];
        for name in names {
            headers.insert(HeaderName::from_static(name), class.clone());
        }
    }
    let class = runtime_api::error_type(&headers);
    let is_known = ["Runtime.", "Function."]
        .iter()
        .any(|of| class.starts_with(of));
    assert!(is_known, "{class}");
    let _ = extensions::identifier(&headers);
    let _ = extensions::registration(&Bytes::copy_from_slice(body));
    let _ = Subscription::parse("name".to_owned(), body, &TELEMETRY_SCHEMAS);
    let shown: Result<Value, _> = serde_json::from_slice(&runtime_api::without_cause(body));
    shown.expect("what is shown of an error is JSON");
}

/// What a process prints: its records are the same however reads are cut, and none is too long.
pub fn output(data: &[u8]) {
    let whole = pieces([data]);
    assert_eq!(
        whole,
        pieces(data.chunks(1)),
        "it depends on where it is cut"
    );
    assert_eq!(
        whole,
        pieces(data.chunks(7)),
        "it depends on where it is cut"
    );
    for piece in whole {
        if let Piece::Record(text) = piece {
            // What is no text becomes three bytes for each of its own.
            assert!(text.len() <= 3 * RECORD_BYTES_MAX, "a record is too long");
        }
    }
}

fn pieces<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Piece> {
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    for read in reads {
        splitter.feed(read, &mut pieces);
    }
    splitter.flush(&mut pieces);
    pieces
}
