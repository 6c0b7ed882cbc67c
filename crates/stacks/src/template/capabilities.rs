//! What whoever creates a stack must say that he knows it: `CAPABILITY_…`.

use super::Template;
use crate::error::listed;

/// Types that give rights, and the property that gives each a name of its own.
const RIGHTS: &[(&str, &str)] = &[
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::Policy", ""),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
];

/// What a template takes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Their names.
    pub names: Vec<&'static str>,
    /// Which resources are the reason, in CloudFormation's words.
    pub reason: Option<String>,
}

impl Template {
    /// What a template takes once it is transformed. Whether it is transformed at all (`CAPABILITY_AUTO_EXPAND`) is to be
    /// asked of [`crate::transforms`] before.
    pub fn capabilities(&self) -> Capabilities {
        let rights = self.resources.values().filter_map(|resource| {
            let (kind, name) = RIGHTS.iter().find(|(kind, _)| *kind == resource.kind)?;
            Some((*kind, resource.properties.contains_key(*name)))
        });
        let mut kinds: Vec<&str> = Vec::new();
        let mut is_named = false;
        for (kind, has_name) in rights {
            is_named |= has_name;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() {
            return Capabilities::default();
        }
        let name = if is_named {
            "CAPABILITY_NAMED_IAM"
        } else {
            "CAPABILITY_IAM"
        };
        let reason = format!(
            "The following resource(s) require capabilities: {}",
            listed(kinds)
        );
        Capabilities {
            names: vec![name],
            reason: Some(reason),
        }
    }
}
