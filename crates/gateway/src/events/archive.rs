//! Archives of buses: how they are named and shown.
//!
//! AWS differs: there is no managed rule on the bus; what a replay sends is not archived again, as there. States that need time
//! there (`CREATING`, `UPDATING`) are never seen, and counts are those of the moment.

use kiln_events::pattern::{Limits, Pattern};
use kiln_store::archives::ArchiveError;
use kiln_types::{Archive, ArchiveId};

use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) mod create_archive;
pub(crate) mod delete_archive;
pub(crate) mod describe_archive;
pub(crate) mod list_archives;
pub(crate) mod update_archive;

/// The state of every archive.
pub(super) const ENABLED: &str = "ENABLED";

/// The archive that a caller names.
pub(super) fn id(context: &Context, name: &str) -> Result<ArchiveId> {
    let name = name
        .parse()
        .map_err(|_| invalid(format!("Parameter ArchiveName is not valid: {name}.")))?;
    Ok(ArchiveId {
        account: context.caller.account.clone(),
        name,
    })
}

/// A pattern that is valid; an empty one is none.
fn pattern(given: Option<String>) -> Result<Option<String>> {
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match Pattern::parse(&text, &Limits::default()) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(ApiError::new(
            Exception::InvalidEventPattern,
            error.to_string(),
        )),
    }
}

fn days(given: Option<i64>) -> u32 {
    given.map_or(0, |days| u32::try_from(days).unwrap_or(u32::MAX))
}

pub(super) fn no_archive(id: &ArchiveId) -> ApiError {
    let message = format!("Archive {} does not exist.", id.name);
    ApiError::new(Exception::ResourceNotFound, message)
}

fn shown_arn(context: &Context, archive: &Archive) -> Option<String> {
    Some(archive.id.arn(&context.config.region))
}

impl From<ArchiveError> for ApiError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::NoArchive(id) => no_archive(&id),
            ArchiveError::Exists(id) => {
                let message = format!("Archive {} already exists.", id.name);
                ApiError::new(Exception::ResourceAlreadyExists, message)
            }
            ArchiveError::TooMany(_) => super::refusal::too_many(),
            ArchiveError::Store(error) => error.into(),
        }
    }
}
