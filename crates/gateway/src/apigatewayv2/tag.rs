//! Operations on tags of APIs and stages, and their rules.

use std::collections::BTreeMap;

use kiln_types::limits::{self, TAG_KEY_LENGTH_MAX, TAG_VALUE_LENGTH_MAX};
use kiln_types::{Api, Region};

use super::lookup::{missing, no_stage};
use super::refusal::{bad, not_found};
use crate::error::Result;

pub(crate) mod get_tags;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;

/// Checks a whole set of tags.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > limits::TAGS_MAX {
        return Err(bad(format!(
            "A resource can have at most {} tags",
            limits::TAGS_MAX
        )));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_LENGTH_MAX {
            return Err(bad(format!(
                "Invalid tag key {key}: it must have 1 to {TAG_KEY_LENGTH_MAX} characters"
            )));
        }
        if value.chars().count() > TAG_VALUE_LENGTH_MAX {
            return Err(bad(format!(
                "Invalid value of the tag {key}: it must have at most {TAG_VALUE_LENGTH_MAX} characters"
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(bad(format!(
                "Invalid tag key {key}: keys that begin with aws: are reserved"
            )));
        }
    }
    Ok(())
}

/// What has tags.
#[derive(Debug, PartialEq, Eq)]
struct Tagged {
    api: String,
    stage: Option<String>,
}

impl Tagged {
    /// `arn:aws:apigateway:<region>::/apis/<id>`, with `/stages/<name>` for a stage.
    fn read(arn: &str, region: &Region) -> Result<Self> {
        let unknown = || not_found(format!("Invalid resource ARN specified {arn}"));
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "apigateway", here, "", path] = parts[..] else {
            return Err(unknown());
        };
        let segments: Vec<&str> = path.split('/').collect();
        let (api, stage) = match segments[..] {
            ["", "apis", api] => (api, None),
            ["", "apis", api, "stages", stage] => (api, Some(stage)),
            _ => return Err(unknown()),
        };
        if here != region.as_str() {
            return Err(unknown());
        }
        Ok(Self {
            api: api.to_owned(),
            stage: stage.map(str::to_owned),
        })
    }

    fn tags<'a>(&self, api: &'a Api) -> Result<&'a BTreeMap<String, String>> {
        let Some(name) = &self.stage else {
            return Ok(&api.tags);
        };
        let stage = name.parse().ok().and_then(|name| api.stages.get(&name));
        stage.map(|stage| &stage.tags).ok_or_else(no_stage)
    }

    fn tags_mut<'a>(&self, api: &'a mut Api) -> Result<&'a mut BTreeMap<String, String>> {
        let Some(name) = &self.stage else {
            return Ok(&mut api.tags);
        };
        let name = name.parse().map_err(|_| missing("stage", name))?;
        let stage = api.stages.get_mut(&name);
        stage.map(|stage| &mut stage.tags).ok_or_else(no_stage)
    }
}

#[cfg(test)]
mod tests;
