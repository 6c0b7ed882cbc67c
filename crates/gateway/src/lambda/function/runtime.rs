//! Which runtimes and architectures a function may name.
//!
//! AWS differs: its message lists its own set of values; Kiln's lists the ones Kiln knows. A
//! runtime or an architecture that this machine cannot run is refused when it is asked for,
//! instead of failing every invocation later.

use kiln_types::runtime::CURRENT;
use kiln_types::{Architecture, Runtime};

use crate::error::Result;
use crate::lambda::refusal::invalid;

/// Checks that AWS knows the runtime and that this server has it.
pub(super) fn check_runtime(name: &str, installed: &[String]) -> Result<Runtime> {
    let Ok(runtime) = name.parse::<Runtime>() else {
        return Err(invalid(format!(
            "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            CURRENT.join(", ")
        )));
    };
    if runtime.is_retired() {
        return Err(invalid(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if installed.iter().any(|installed| installed == name) {
        return Ok(runtime);
    }
    Err(invalid(match installed {
        [] => format!(
            "This Kiln server cannot run {name}: no runtime is installed. Run `kiln doctor` on the server to see how to install one."
        ),
        _ => format!(
            "This Kiln server cannot run {name}. Installed are: {}.",
            installed.join(", ")
        ),
    }))
}

/// Checks that this machine can run code of the architecture; the machine's own unless named.
pub(super) fn check_architecture(named: Option<&[String]>) -> Result<Architecture> {
    let machine = Architecture::of_this_machine();
    match named.and_then(|named| named.first()) {
        Some(other) if other != machine.as_str() => Err(invalid(format!(
            "This Kiln server runs on {machine}, so it cannot run functions for {other}; use Architectures=[{machine}].",
            machine = machine.as_str()
        ))),
        _ => Ok(machine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> String {
        check_runtime(name, &["python3.11".into(), "python3.12".into()])
            .unwrap_err()
            .message
            .into_owned()
    }

    #[test]
    fn installed_runtimes_are_accepted() {
        assert!(check_runtime("python3.11", &["python3.11".into()]).is_ok());
    }

    #[test]
    fn retired_unknown_and_missing_runtimes_are_told_apart() {
        assert!(
            refusal("python3.7").starts_with("The runtime parameter of python3.7 is no longer")
        );
        let unknown = refusal("PYTHON3.9");
        assert!(unknown.starts_with("Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["));
        assert!(unknown.ends_with("] or be a valid ARN"));
        assert_eq!(
            refusal("java21"),
            "This Kiln server cannot run java21. Installed are: python3.11, python3.12."
        );
        assert!(
            check_runtime("python3.11", &[])
                .unwrap_err()
                .message
                .contains("kiln doctor")
        );
    }

    #[test]
    fn only_the_machines_architecture_runs_here() {
        let machine = Architecture::of_this_machine();
        assert_eq!(check_architecture(None).unwrap(), machine);
        assert!(check_architecture(Some(&[machine.as_str().into()])).is_ok());
        let other = if machine == Architecture::Arm64 {
            "x86_64"
        } else {
            "arm64"
        };
        assert!(
            check_architecture(Some(&[other.into()]))
                .unwrap_err()
                .message
                .contains(other)
        );
    }
}
