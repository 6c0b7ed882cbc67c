//! Which parameters a list has. Filters must all let a parameter through; of a filter one value is enough.

use kiln_types::Parameter;

use super::generated::{ParameterStringFilter, ParametersFilter};
use super::shown;
use crate::error::{ApiError, Exception, Result};

/// What lets parameters through.
pub(super) struct Filter {
    by: By,
    option: How,
    /// None where any will do.
    values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Name,
    Type,
    KeyId,
    Path,
    Label,
    Tier,
    DataType,
    Tag(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

/// What a list may be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// All parameters.
    All,
    /// Those below a path.
    Path,
}

/// Reads filters.
pub(super) fn read(given: Vec<ParameterStringFilter>, of: Of) -> Result<Vec<Filter>> {
    given.into_iter().map(|filter| one(filter, of)).collect()
}

/// Reads filters of the kind that came before.
pub(super) fn read_old(given: Vec<ParametersFilter>) -> Result<Vec<Filter>> {
    let filters = given.into_iter().map(|filter| {
        let option = match filter.key.as_str() {
            "Name" => "BeginsWith",
            _ => "Equals",
        };
        let filter = ParameterStringFilter {
            key: filter.key,
            option: Some(option.to_owned()),
            values: Some(filter.values),
        };
        one(filter, Of::All)
    });
    filters.collect()
}

fn one(given: ParameterStringFilter, of: Of) -> Result<Filter> {
    let by = by(&given.key);
    if of == Of::Path && !matches!(by, By::Type | By::KeyId | By::Label) {
        let message = format!(
            "The following filter key is not valid: {}. Valid filter keys include: [Type, KeyId, Label].",
            given.key
        );
        return Err(ApiError::new(Exception::InvalidFilterKey, message));
    }
    let options: &[(&str, How)] = match by {
        By::Path => &[("OneLevel", How::OneLevel), ("Recursive", How::Recursive)],
        By::Name => &[
            ("Equals", How::Equals),
            ("BeginsWith", How::BeginsWith),
            ("Contains", How::Contains),
        ],
        By::Type | By::KeyId if of == Of::All => {
            &[("Equals", How::Equals), ("BeginsWith", How::BeginsWith)]
        }
        _ => &[("Equals", How::Equals)],
    };
    let option = match given.option.as_deref() {
        None => Some(options[0].1),
        Some(name) => options
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, option)| *option),
    };
    let option = option.ok_or_else(|| {
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "The following filter option is not valid: {}. Valid options include: [{}]",
            given.option.as_deref().unwrap_or_default(),
            names.join(", ")
        );
        ApiError::new(Exception::InvalidFilterOption, message)
    })?;
    let values = given.values.unwrap_or_default();
    if values.is_empty() && !matches!(by, By::Tag(_)) {
        let message = format!(
            "The following filter values are missing : null for filter key {}",
            given.key
        );
        return Err(ApiError::new(Exception::InvalidFilterValue, message));
    }
    Ok(Filter { by, option, values })
}

fn by(key: &str) -> By {
    match key {
        "Name" => By::Name,
        "Type" => By::Type,
        "KeyId" => By::KeyId,
        "Path" => By::Path,
        "Label" => By::Label,
        "Tier" => By::Tier,
        "DataType" => By::DataType,
        other => By::Tag(other.strip_prefix("tag:").unwrap_or(other).to_owned()),
    }
}

/// Whether all of them let a parameter through.
pub(super) fn lets_through(filters: &[Filter], parameter: &Parameter) -> bool {
    filters.iter().all(|filter| filter.lets_through(parameter))
}

/// The version that filters by labels choose, together with what they chose it by.
pub(super) fn labelled(filters: &[Filter], parameter: &Parameter) -> Option<(u64, String)> {
    let labels = filters.iter().filter(|filter| filter.by == By::Label);
    let mut labels = labels.flat_map(|filter| &filter.values);
    labels.find_map(|label| Some((*parameter.labels.get(label)?, label.clone())))
}

impl Filter {
    fn lets_through(&self, parameter: &Parameter) -> bool {
        let latest = &parameter.latest;
        match &self.by {
            By::Name => self.takes(parameter.id.name.as_str()),
            By::Type => self.takes(&shown::kind(latest.kind)),
            By::KeyId => latest.key_id.as_ref().is_some_and(|key| self.takes(key)),
            By::Path => self.takes_below(parameter),
            By::Label => parameter.labels.keys().any(|label| self.takes(label)),
            By::Tier => self.takes(&shown::tier(latest.tier)),
            By::DataType => self.takes(&latest.data_type),
            By::Tag(key) => {
                let value = parameter.tags.get(key);
                value.is_some_and(|value| self.values.is_empty() || self.takes(value))
            }
        }
    }

    fn takes(&self, text: &str) -> bool {
        self.values.iter().any(|value| match self.option {
            How::BeginsWith => text.starts_with(value.as_str()),
            How::Contains => text.contains(value.as_str()),
            _ => text == value,
        })
    }

    fn takes_below(&self, parameter: &Parameter) -> bool {
        let is_recursive = self.option == How::Recursive;
        self.values.iter().any(|path| {
            let path = format!("{}/", path.trim_end_matches('/'));
            parameter.id.name.is_below(&path, is_recursive)
        })
    }
}
