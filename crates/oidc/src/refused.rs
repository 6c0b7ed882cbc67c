//! Why a token is not accepted.

/// Why a token is not accepted, in words for who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no token.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed in a way that is not accepted.
    #[error("the token's signing algorithm is not supported")]
    Algorithm,
    /// It asks for something to be understood that is not.
    #[error("the token has critical extensions that are not supported")]
    Critical,
    /// It does not name its key.
    #[error("the token does not have a kid")]
    NoKeyId,
    /// Its issuer has no such key.
    #[error("the token's kid names no key of the issuer")]
    UnknownKey,
    /// Its issuer's keys cannot be had.
    #[error("OIDC discovery endpoint communication error")]
    Unreachable,
    /// Its key did not sign it.
    #[error("the token's signature is invalid")]
    Signature,
    /// Somebody else issued it.
    #[error("the token does not have a valid issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token does not have a valid audience")]
    Audience,
    /// It does not say until when it is valid.
    #[error("the token does not have an expiry")]
    NoExpiry,
    /// It is no longer valid.
    #[error("the token has expired")]
    Expired,
    /// It is not yet valid.
    #[error("the token is not valid yet")]
    NotYet,
    /// It says that it was issued later than now.
    #[error("the token was issued in the future")]
    Issued,
}
