//! Tokens: who signed in elsewhere.
//!
//! Source: API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers". What a token
//! must be is in [`kiln_oidc`].
//!
//! AWS differs: it takes tokens that were signed with RSA alone; here ES256 will do too.

use http::Response;
use kiln_oidc::Expected;
use kiln_types::api::{Authorizer, AuthorizerKind};

use super::{Known, Refused, identity};
use crate::apis::{Call, answer};
use crate::server::Shared;

/// What may stand before a token.
const BEARER: &str = "bearer ";

/// Judges the token of a request.
pub(super) async fn judge(
    gateway: &Shared,
    call: &Call,
    authorizer: &Authorizer,
    wanted: &[String],
) -> Result<Known, Refused> {
    let AuthorizerKind::Jwt { issuer, audience } = &authorizer.kind else {
        return Err(answer::internal_server_error().into());
    };
    let source = authorizer.identity.first();
    let sent = source.and_then(|source| identity::value(call, source));
    let Some(sent) = sent.filter(|sent| !sent.is_empty()) else {
        return Err(answer::challenged(answer::unauthorized(), "Bearer").into());
    };
    let expected = Expected { issuer, audience };
    let judged = gateway.apis.tokens.judge(without_scheme(&sent), expected);
    let claims = match judged.await {
        Ok(claims) => claims,
        Err(why) => {
            let why = why.to_string();
            return Err(challenged(
                answer::unauthorized(),
                "",
                "invalid_token",
                &why,
            ));
        }
    };
    if wanted.is_empty() {
        return Ok(Known::Token {
            claims: claims.texts(),
            scopes: None,
        });
    }
    let scopes = claims.scopes();
    if !scopes.iter().any(|scope| wanted.contains(scope)) {
        let why = "the token does not have a scope that the route needs";
        let (all, error) = (wanted.join(" "), "insufficient_scope");
        return Err(challenged(answer::forbidden(), &all, error, why));
    }
    Ok(Known::Token {
        claims: claims.texts(),
        scopes: Some(scopes),
    })
}

fn without_scheme(sent: &str) -> &str {
    let (scheme, token) = sent.split_at_checked(BEARER.len()).unwrap_or(("", sent));
    match scheme.eq_ignore_ascii_case(BEARER) {
        true => token.trim_start(),
        false => sent,
    }
}

fn challenged(
    response: Response<bytes::Bytes>,
    scope: &str,
    error: &str,
    description: &str,
) -> Refused {
    let challenge =
        format!("Bearer scope=\"{scope}\" error=\"{error}\" error_description=\"{description}\"");
    answer::challenged(response, &challenge).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_be_called_one() {
        for sent in ["a.b.c", "Bearer a.b.c", "bearer  a.b.c", "BEARER a.b.c"] {
            assert_eq!(without_scheme(sent), "a.b.c");
        }
        for sent in ["", "Basic abc", "bearer", "é"] {
            assert_eq!(without_scheme(sent), sent);
        }
    }
}
