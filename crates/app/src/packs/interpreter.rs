//! How the interpreter of each language runs the programs of its pack.

use kiln_sandbox::Program;
use serde::Deserialize;

use super::RUNTIME_DIR;

/// The interpreter that a pack was made for, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Interpreter {
    /// CPython, by its minor version: `3.11`.
    Python(String),
    /// Node.js, by its major version: `20`.
    Node(String),
}

impl Interpreter {
    /// The runtime identifier.
    pub(super) fn runtime(&self) -> String {
        match self {
            Interpreter::Python(version) => format!("python{version}"),
            Interpreter::Node(version) => format!("nodejs{version}.x"),
        }
    }

    /// The command of a process that is executed for one instance, without what depends on the
    /// function.
    pub(super) fn fresh(&self, executable: &str) -> Vec<String> {
        match self {
            Interpreter::Python(_) => python(executable, "fresh.py"),
            Interpreter::Node(_) => vec![executable.to_owned(), program("fresh.js")],
        }
    }

    /// The command and the environment of the zygote from which its stems are forked.
    pub(super) fn zygote(&self, executable: &str) -> Option<(Vec<String>, Variables)> {
        match self {
            Interpreter::Python(_) => Some((python(executable, "zygote.py"), vec![libraries()])),
            // Node has threads, which a fork would lose.
            Interpreter::Node(_) => None,
        }
    }

    /// The program that is a stem itself, without what depends on the function.
    pub(super) fn ahead(&self, executable: &str) -> Option<Program> {
        match self {
            Interpreter::Python(_) => None,
            Interpreter::Node(_) => Some(Program {
                argv: vec![executable.to_owned(), program("stem.js")],
                // What Node reads of AWS's variables when it boots; a change of time zone later takes
                // it 0.2 ms.
                env: vec![
                    libraries(),
                    ("LANG".to_owned(), "en_US.UTF-8".to_owned()),
                    ("TZ".to_owned(), ":UTC".to_owned()),
                ],
                cwd: "/".into(),
            }),
        }
    }
}

type Variables = Vec<(String, String)>;

fn libraries() -> (String, String) {
    (
        "LD_LIBRARY_PATH".to_owned(),
        kiln_instance::LIBRARY_PATH.to_owned(),
    )
}

fn python(executable: &str, entry: &str) -> Vec<String> {
    // -I and -S: no environment variable, user site or .pth file decides what is imported.
    [executable, "-I", "-S", "-B", &program(entry)]
        .map(str::to_owned)
        .to_vec()
}

fn program(entry: &str) -> String {
    format!("{RUNTIME_DIR}/kiln_runtime/{entry}")
}
