//! `GetSessionToken`: temporary credentials of a user, or of the account itself.

use super::generated::{GetSessionTokenRequest as Input, GetSessionTokenResponse as Output};
use super::grant;
use crate::auth::To;
use crate::context::{Context, Identity};
use crate::error::{ApiError, Exception, Result};

/// How long they are good where nothing is asked for: 12 hours (API reference).
const SECS_DEFAULT: u64 = 12 * 3_600;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(ApiError::not_implemented(
            "devices (SerialNumber, TokenCode)",
        ));
    }
    let caller = &context.caller;
    let is_temporary = caller.access_key_id.starts_with("ASIA");
    if is_temporary || matches!(caller.identity, Identity::Role(_) | Identity::Nobody) {
        let message = "Cannot call GetSessionToken with session credentials";
        return Err(ApiError::new(Exception::AccessDenied, message));
    }
    let secs = input
        .duration_seconds
        .and_then(|secs| u64::try_from(secs).ok());
    let to = To::Key(caller.access_key_id.clone());
    Ok(Output {
        credentials: Some(grant(context, to, secs.unwrap_or(SECS_DEFAULT))),
        ..Output::default()
    })
}
