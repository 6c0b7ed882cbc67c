//! What a layer says it is made for. It filters lists and hinders no function, as on AWS.

use kiln_types::{Architecture, LayerVersion, Runtime};

use crate::error::Result;
use crate::lambda::refusal::constraint;

/// What a list asks for.
#[derive(Debug, Default)]
pub(super) struct Filter {
    runtime: Option<String>,
    architecture: Option<String>,
}

impl Filter {
    pub(super) fn new(runtime: Option<String>, architecture: Option<String>) -> Result<Self> {
        if let Some(runtime) = &runtime {
            check_runtime(runtime, runtime, "compatibleRuntime")?;
        }
        Ok(Self {
            runtime,
            architecture,
        })
    }

    pub(super) fn fits(&self, layer: &LayerVersion) -> bool {
        let names = |wanted: &Option<String>, named: &[String]| {
            wanted.as_ref().is_none_or(|wanted| named.contains(wanted))
        };
        names(&self.runtime, &layer.runtimes) && names(&self.architecture, &layer.architectures)
    }
}

/// Checks the runtimes of a new version; retired ones may be named.
pub(super) fn check_runtimes(named: &[String]) -> Result<()> {
    let all = format!("[{}]", named.join(", "));
    named
        .iter()
        .try_for_each(|runtime| check_runtime(runtime, &all, "compatibleRuntimes"))
}

/// What a new version's architectures are called; unknown ones the service model has refused.
pub(super) fn architectures(named: Option<Vec<String>>) -> Vec<String> {
    let known = |name: &String| name.parse::<Architecture>().is_ok();
    named.into_iter().flatten().filter(known).collect()
}

fn check_runtime(runtime: &str, shown: &str, member: &str) -> Result<()> {
    if runtime.parse::<Runtime>().is_ok() {
        return Ok(());
    }
    let values = kiln_types::runtime::CURRENT.join(", ");
    let rule = match member {
        "compatibleRuntimes" => format!(
            "Member must satisfy constraint: [Member must satisfy enum value set: [{values}], Member must not be null]"
        ),
        _ => format!("Member must satisfy enum value set: [{values}]"),
    };
    Err(constraint(shown, member, &rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_must_be_known_and_may_be_retired() {
        assert!(check_runtimes(&["python3.11".into(), "python2.7".into()]).is_ok());
        let refused = check_runtimes(&["python3.11".into(), "cobol".into()]).unwrap_err();
        let begin = "1 validation error detected: Value '[python3.11, cobol]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [";
        assert!(refused.message.starts_with(begin), "{}", refused.message);
        let refused = Filter::new(Some("cobol".into()), None).unwrap_err();
        assert!(
            refused
                .message
                .contains("Value 'cobol' at 'compatibleRuntime' failed")
        );
    }
}
