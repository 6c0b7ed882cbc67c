//! What has tags: parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_types::Parameter;
use kiln_types::limits::TAGS_MAX;

use super::generated::Tag;
use super::name;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::tag::check_plain;

/// The parameter that a request names by its kind and its name.
pub(super) fn find(context: &Context, kind: &str, name: &str) -> Result<Arc<Parameter>> {
    if kind != "Parameter" {
        let message = format!("Invalid Resource Type: Kiln has no {kind} with tags.");
        return Err(ApiError::new(Exception::InvalidResourceType, message));
    }
    let found = name::find_by_name(context, name);
    found.map_err(|_| ApiError::new(Exception::InvalidResourceId, "Invalid Resource Id"))
}

/// Adds tags, the later of two with the same key.
pub(super) fn add(to: &mut BTreeMap<String, String>, tags: Vec<Tag>) -> Result<()> {
    to.extend(tags.into_iter().map(|tag| (tag.key, tag.value)));
    if to.len() > TAGS_MAX {
        let message = format!("A parameter has at most {TAGS_MAX} tags.");
        return Err(ApiError::new(Exception::TooManyTags, message));
    }
    check_plain(to).map_err(|refused| invalid(refused.message))
}
