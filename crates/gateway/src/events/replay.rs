//! Replays of archives: how they are named and shown.

use kiln_store::archives::ReplayError;
use kiln_types::{Replay, ReplayId, ReplayState};

use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) mod cancel_replay;
pub(crate) mod describe_replay;
pub(crate) mod list_replays;
pub(crate) mod start_replay;

/// The replay that a caller names.
fn id(context: &Context, name: &str) -> Result<ReplayId> {
    let name = name
        .parse()
        .map_err(|_| invalid(format!("Parameter ReplayName is not valid: {name}.")))?;
    Ok(ReplayId {
        account: context.caller.account.clone(),
        name,
    })
}

/// AWS's word.
fn state(replay: &Replay) -> &'static str {
    match replay.state {
        ReplayState::Starting => "STARTING",
        ReplayState::Running => "RUNNING",
        ReplayState::Cancelling => "CANCELLING",
        ReplayState::Cancelled => "CANCELLED",
        ReplayState::Completed => "COMPLETED",
        ReplayState::Failed => "FAILED",
    }
}

fn no_replay(id: &ReplayId) -> ApiError {
    let message = format!("Replay {} does not exist.", id.name);
    ApiError::new(Exception::ResourceNotFound, message)
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NoReplay(id) => no_replay(&id),
            ReplayError::Exists(id) => {
                let message = format!("Replay {} already exists.", id.name);
                ApiError::new(Exception::ResourceAlreadyExists, message)
            }
            ReplayError::NoArchive(id) => super::archive::no_archive(&id),
            ReplayError::TooMany(_) => super::refusal::too_many(),
            ReplayError::Over(id) => {
                let message = format!(
                    "Replay {} is not in a valid state for this operation.",
                    id.name
                );
                ApiError::new(Exception::IllegalStatus, message)
            }
            ReplayError::Store(error) => error.into(),
        }
    }
}
