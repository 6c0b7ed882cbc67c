//! What `fuzz/` gives bytes to: every function reads them as a stranger's, and panics where something that is promised does
//! not hold.

use kiln_types::Timestamp;

use crate::claims::{Claims, Expected};
use crate::key::Key;
use crate::token::Token;

/// A line with a token, and a set of keys. Nobody signs by chance.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (token, keys) = text.split_once('\n').unwrap_or((&text, ""));
    let keys = Key::read_set(keys.as_bytes()).unwrap_or_default();
    let Ok(token) = Token::parse(token) else {
        return;
    };
    let _ = keys.iter().any(|key| key.has_signed(&token));
    claims(&token.payload);
}

/// Claims.
pub fn claims(data: &[u8]) {
    let Ok(claims) = Claims::read(data) else {
        return;
    };
    let audience = ["api".to_owned()];
    let expected = Expected {
        issuer: "https://issuer.example",
        audience: &audience,
    };
    let _ = claims.check(expected, Timestamp::from_millis(1_795_440_180_000));
    let _ = (claims.scopes(), claims.texts());
}
