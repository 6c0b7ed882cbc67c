//! What a parameter is to be, with what stays from the version before.
//!
//! AWS differs: policies of parameters, and values that are ids of machine images, are refused.

use kiln_types::limits::{ADVANCED_PARAMETER_BYTES_MAX, PARAMETER_BYTES_MAX};
use kiln_types::{Parameter, ParameterKind, ParameterTier, ParameterVersion};

use super::generated::PutParameterRequest as Input;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// What a value is unless told.
const TEXT: &str = "text";
/// The key of secret texts unless told.
const DEFAULT_KEY: &str = "alias/aws/ssm";
/// Steps that a pattern may take over a value.
const PATTERN_STEPS_MAX: usize = 100_000;

/// What a request says of a version, but for its value.
pub(super) struct Settings {
    kind: Option<ParameterKind>,
    tier: Tier,
    description: Option<String>,
    allowed_pattern: Option<String>,
    key_id: Option<String>,
    data_type: Option<String>,
    overwrites: bool,
    bytes: usize,
}

#[derive(Clone, Copy)]
enum Tier {
    /// As before, or standard.
    Same,
    Standard,
    Advanced,
    /// As the value needs.
    Fitting,
}

/// Reads and checks what can be without knowing what there is.
pub(super) fn read(input: &Input) -> Result<Settings> {
    if input.policies.is_some() {
        return Err(ApiError::not_implemented(
            "policies of parameters (Policies)",
        ));
    }
    let overwrites = input.overwrite == Some(true);
    if overwrites && input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    let data_type = input.data_type.as_deref().filter(|kind| !kind.is_empty());
    if let Some(other) = data_type.filter(|kind| *kind != TEXT) {
        return Err(invalid(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        )));
    }
    let value = &input.value.0;
    if value.is_empty() {
        return Err(invalid(
            "1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ));
    }
    let kind = input.type_.as_deref().map(kind);
    if input.key_id.is_some() && kind.is_some_and(|kind| kind != ParameterKind::Secret) {
        return Err(invalid("KeyId is for parameters of the type SecureString."));
    }
    Ok(Settings {
        kind,
        tier: match input.tier.as_deref() {
            None => Tier::Same,
            Some("Advanced") => Tier::Advanced,
            Some("Intelligent-Tiering") => Tier::Fitting,
            Some(_) => Tier::Standard,
        },
        description: input.description.clone(),
        allowed_pattern: input
            .allowed_pattern
            .clone()
            .filter(|text| !text.is_empty()),
        key_id: input.key_id.clone(),
        data_type: data_type.map(str::to_owned),
        overwrites,
        bytes: value.len(),
    })
}

/// Refuses a value that a pattern does not let through.
pub(super) fn check_pattern(pattern: Option<&str>, value: &str) -> Result<()> {
    let Some(pattern) = pattern else {
        return Ok(());
    };
    let regex = fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(PATTERN_STEPS_MAX)
        .build();
    let regex = regex.map_err(|_| {
        let message = "The request does not meet the regular expression requirement.";
        ApiError::new(Exception::InvalidAllowedPattern, message)
    })?;
    match regex.is_match(value) {
        Ok(true) => Ok(()),
        _ => Err(ApiError::new(
            Exception::ParameterPatternMismatch,
            format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
        )),
    }
}

impl Settings {
    /// What the value must match: the pattern of the request, or else that of the version before.
    pub(super) fn pattern<'a>(&'a self, before: Option<&'a Parameter>) -> Option<&'a str> {
        let known = before.and_then(|parameter| parameter.latest.allowed_pattern.as_deref());
        self.allowed_pattern.as_deref().or(known)
    }

    /// The version that this makes after the one before.
    pub(super) fn version(
        self,
        context: &Context,
        before: Option<&Parameter>,
    ) -> Result<ParameterVersion> {
        let before = before.map(|parameter| &parameter.latest);
        if before.is_some() && !self.overwrites {
            return Err(ApiError::new(
                Exception::ParameterAlreadyExists,
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
            ));
        }
        let kind = self.kind.or(before.map(|before| before.kind));
        let kind = kind
            .ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
        let kept = |of: fn(&ParameterVersion) -> Option<String>| before.and_then(of);
        let key_id = self
            .key_id
            .clone()
            .or_else(|| kept(|before| before.key_id.clone()));
        let key_id = key_id.unwrap_or_else(|| DEFAULT_KEY.to_owned());
        Ok(ParameterVersion {
            kind,
            tier: self.tier(before.map(|before| before.tier))?,
            description: self
                .description
                .or_else(|| kept(|before| before.description.clone())),
            allowed_pattern: self
                .allowed_pattern
                .or_else(|| kept(|before| before.allowed_pattern.clone())),
            key_id: (kind == ParameterKind::Secret).then_some(key_id),
            data_type: self.data_type.unwrap_or_else(|| TEXT.to_owned()),
            modified: context.now,
            by: context.caller.arn.clone(),
        })
    }

    fn tier(&self, before: Option<ParameterTier>) -> Result<ParameterTier> {
        let fits = self.bytes <= PARAMETER_BYTES_MAX;
        let tier = match (self.tier, before) {
            (Tier::Standard, Some(ParameterTier::Advanced)) => {
                return Err(invalid(
                    "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                     advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced \
                     parameter and recreate it as a standard parameter.",
                ));
            }
            (_, Some(ParameterTier::Advanced)) | (Tier::Advanced, _) => ParameterTier::Advanced,
            (Tier::Fitting, _) if !fits => ParameterTier::Advanced,
            _ => ParameterTier::Standard,
        };
        match tier {
            ParameterTier::Standard if !fits => Err(invalid(format!(
                "Standard tier parameters support a maximum parameter value of {PARAMETER_BYTES_MAX} characters. To create a \
                 larger parameter value, upgrade the parameter to use the advanced-parameter tier."
            ))),
            _ if self.bytes > ADVANCED_PARAMETER_BYTES_MAX => Err(invalid(format!(
                "Advanced tier parameters support a maximum parameter value of {ADVANCED_PARAMETER_BYTES_MAX} characters."
            ))),
            tier => Ok(tier),
        }
    }
}

/// A kind of text by AWS's name.
pub(super) fn kind(name: &str) -> ParameterKind {
    match name {
        "StringList" => ParameterKind::List,
        "SecureString" => ParameterKind::Secret,
        _ => ParameterKind::Text,
    }
}
