//! Runtimes a function may name, and what Kiln runs them with.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::text_type;
use crate::name::InvalidName;

/// A runtime identifier that AWS knows, such as `python3.13`; or [`WASM`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Runtime(Arc<str>);

/// What a runtime's code is written for, with the minor version where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// CPython 3.x.
    Python {
        /// The x.
        minor: u8,
    },
    /// Node.js.
    Node {
        /// The major version.
        major: u8,
    },
    /// The package brings its own `bootstrap`.
    Provided,
    /// WebAssembly, run by Kiln itself.
    Wasm,
    /// One that AWS knows and Kiln does not run.
    Other,
}

/// The instruction set a function's code is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[default]
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

/// Runtimes that may be named when a function is created or updated.
pub const CURRENT: &[&str] = &[
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "nodejs26.x",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "java8.al2023",
    "java11.al2023",
    "java17.al2023",
    "dotnet8",
    "dotnet10",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
    "provided.al2",
    "provided.al2023",
    "custom",
    WASM,
];

/// The runtime of WebAssembly: Kiln's own, AWS has none.
pub const WASM: &str = "provided.wasm";

/// Those of [`CURRENT`] whose package brings the runtime: they run wherever Kiln does.
pub const CUSTOM: &[&str] = &["provided.al2", "provided.al2023", "custom"];

/// Runtimes that AWS has retired: refused with its own words.
pub const RETIRED: &[&str] = &[
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

impl Runtime {
    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether AWS no longer takes it for new code.
    pub fn is_retired(&self) -> bool {
        RETIRED.contains(&self.as_str())
    }

    /// What its code is written for.
    pub fn language(&self) -> Language {
        let text = self.as_str();
        if let Some(minor) = text
            .strip_prefix("python3.")
            .and_then(|minor| minor.parse().ok())
        {
            return Language::Python { minor };
        }
        let node = text
            .strip_prefix("nodejs")
            .and_then(|rest| rest.strip_suffix(".x"));
        if let Some(major) = node.and_then(|major| major.parse().ok()) {
            return Language::Node { major };
        }
        if text == WASM {
            Language::Wasm
        } else if text.starts_with("provided") || text == "custom" {
            Language::Provided
        } else {
            Language::Other
        }
    }
}

impl Architecture {
    /// The name AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// The one this build of Kiln runs on.
    pub fn of_this_machine() -> Self {
        if cfg!(target_arch = "aarch64") {
            Architecture::Arm64
        } else {
            Architecture::X86_64
        }
    }
}

impl FromStr for Runtime {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if CURRENT.contains(&text) || RETIRED.contains(&text) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "runtime",
            text,
            "is not one that AWS Lambda knows",
        ))
    }
}

impl FromStr for Architecture {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text {
            "x86_64" => Ok(Architecture::X86_64),
            "arm64" => Ok(Architecture::Arm64),
            _ => Err(InvalidName::new(
                "architecture",
                text,
                "must be x86_64 or arm64",
            )),
        }
    }
}

text_type!(Runtime);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_is_read_from_the_identifier() {
        let language = |text: &str| text.parse::<Runtime>().unwrap().language();
        assert_eq!(language("python3.11"), Language::Python { minor: 11 });
        assert_eq!(language("nodejs22.x"), Language::Node { major: 22 });
        assert_eq!(language("provided.al2023"), Language::Provided);
        assert_eq!(language("custom"), Language::Provided);
        assert_eq!(language("provided.wasm"), Language::Wasm);
        assert_eq!(language("java21"), Language::Other);
        let is_custom = |name: &&str| language(name) == Language::Provided;
        let current: Vec<&str> = CURRENT.iter().copied().filter(is_custom).collect();
        assert_eq!(current, CUSTOM);
    }
}
