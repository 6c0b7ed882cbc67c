//! What is particular to the language that a function is written in.

use std::collections::BTreeMap;

use kiln_types::{Language, MemoryMb};

const RUNTIME_DIR: &str = "/var/runtime";

/// Of the function's variables, what Node or a library under it reads when the process boots and
/// not again. A stem has booted: these need a process of their own.
const NODE_BOOT_PREFIXES: &[&str] = &["NODE_", "UV_", "LD_", "OPENSSL_", "SSL_CERT_", "LC_"];
const NODE_BOOT_NAMES: &[&str] = &["LANG"];
/// Of those, what Node reads later or the shim sets anew: the most common ones.
const NODE_LATE_NAMES: &[&str] = &["NODE_ENV", "NODE_PATH"];

/// The variable with which the language searches for modules, and AWS's value of it. For Node it
/// has two folders more than AWS documents, as AWS's own runtimes have.
pub(crate) fn search_path(language: Language) -> Option<(&'static str, String)> {
    match language {
        Language::Python { .. } => Some(("PYTHONPATH", RUNTIME_DIR.to_owned())),
        Language::Node { major } => Some((
            "NODE_PATH",
            format!(
                "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:\
                 {RUNTIME_DIR}/node_modules:{RUNTIME_DIR}:/var/task"
            ),
        )),
        Language::Provided | Language::Wasm | Language::Other => None,
    }
}

/// Whether a process that has booted already can be this function's: none of the function's own
/// variables decides how it boots.
pub(crate) fn can_be_booted_ahead(language: Language, own: &BTreeMap<String, String>) -> bool {
    let decides = |name: &String| {
        let name = name.as_str();
        let matches = NODE_BOOT_PREFIXES
            .iter()
            .any(|start| name.starts_with(start));
        (matches || NODE_BOOT_NAMES.contains(&name)) && !NODE_LATE_NAMES.contains(&name)
    };
    !matches!(language, Language::Node { .. }) || !own.keys().any(decides)
}

/// A command of an installed runtime with what depends on the function. A stem has it too: V8 sizes
/// its heap when it boots and not again.
///
/// Node gets AWS's limits of its heap: a tenth of the memory for young objects, in two halves, and
/// the rest for old ones; unless the function sets its own.
pub(crate) fn command(
    language: Language,
    installed: &[String],
    memory: MemoryMb,
    own: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut command = installed.to_vec();
    if let Language::Node { .. } = language {
        let options = own.get("NODE_OPTIONS").map_or("", String::as_str);
        let young = memory.get() / 10;
        let limits = [
            ("--max-semi-space-size", young / 2),
            ("--max-old-space-size", memory.get() - young),
        ];
        // Node takes `_` for `-` in the names of V8's options.
        let options = options.replace('_', "-");
        let unset = limits.iter().filter(|(name, _)| !options.contains(name));
        let flags = unset.map(|(name, megabytes)| format!("{name}={megabytes}"));
        command.splice(1..1, flags);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Language = Language::Node { major: 20 };

    fn own(names: &[&str]) -> BTreeMap<String, String> {
        let pair = |name: &&str| ((*name).to_owned(), "x".to_owned());
        names.iter().map(pair).collect()
    }

    #[test]
    fn only_variables_that_are_read_at_boot_keep_a_function_from_a_stem() {
        assert!(can_be_booted_ahead(
            NODE,
            &own(&["NODE_ENV", "NODE_PATH", "TABLE", "TZ"])
        ));
        for name in [
            "NODE_OPTIONS",
            "NODE_EXTRA_CA_CERTS",
            "UV_THREADPOOL_SIZE",
            "LANG",
            "LD_PRELOAD",
        ] {
            assert!(!can_be_booted_ahead(NODE, &own(&["TABLE", name])), "{name}");
        }
        let python = Language::Python { minor: 13 };
        assert!(can_be_booted_ahead(python, &own(&["NODE_OPTIONS"])));
    }

    #[test]
    fn heap_of_a_fresh_node_follows_the_memory_unless_the_function_says() {
        let installed = ["node", "fresh.js"].map(str::to_owned);
        let memory = MemoryMb::new(128).unwrap();
        let of = |own: BTreeMap<_, _>| command(NODE, &installed, memory, &own);
        let expected = [
            "node",
            "--max-semi-space-size=6",
            "--max-old-space-size=116",
            "fresh.js",
        ];
        assert_eq!(of(own(&[])), expected);
        let options = "--max_old_space_size=64".to_owned();
        let options = [("NODE_OPTIONS".to_owned(), options)];
        let expected = ["node", "--max-semi-space-size=6", "fresh.js"];
        assert_eq!(of(options.into()), expected);
    }

    #[test]
    fn python_is_started_as_installed() {
        let installed = ["python3", "fresh.py"].map(str::to_owned);
        let python = Language::Python { minor: 13 };
        let memory = MemoryMb::new(128).unwrap();
        assert_eq!(command(python, &installed, memory, &own(&[])), installed);
    }
}
