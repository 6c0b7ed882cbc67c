//! Runtime packs on disk: which language runtimes this server has.
//!
//! A pack is a folder named for its runtime (`python3.11`) with a `pack.json` that says which
//! interpreter it was made for. `runtimes/python/build-pack` makes them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kiln_sandbox::{Image, Mount};
use serde::Deserialize;

/// The interpreter's prefix when it comes with the system: its software is in every sandbox.
const SYSTEM_PREFIX: &str = "/usr";
/// Prefixes with more than an interpreter in them, which sandboxes must not see.
const SHARED_PREFIXES: &[&str] = &["/", "/usr/local", "/opt"];
/// Where any other interpreter's prefix is mounted, as on AWS.
const LANGUAGE_DIR: &str = "/var/lang";
/// Where the pack is mounted, as on AWS.
const RUNTIME_DIR: &str = "/var/runtime";

/// One language runtime.
#[derive(Debug, Clone)]
pub(crate) struct Pack {
    /// The runtime identifier, such as `python3.11`.
    pub(crate) name: String,
    /// The interpreter as seen inside a sandbox.
    interpreter: String,
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Manifest {
    python: String,
    executable: PathBuf,
    prefix: PathBuf,
}

impl Pack {
    /// What the sandbox starts this runtime's processes from.
    pub(crate) fn image(&self) -> Image {
        Image {
            name: self.name.clone(),
            mounts: self.mounts.clone(),
            zygote: Some(self.argv("zygote.py")),
            env: vec![("LD_LIBRARY_PATH".into(), format!("{LANGUAGE_DIR}/lib"))],
        }
    }

    /// The command of a freshly executed instance.
    pub(crate) fn fresh_argv(&self) -> Vec<String> {
        self.argv("fresh.py")
    }

    fn argv(&self, entry: &str) -> Vec<String> {
        let entry = format!("{RUNTIME_DIR}/kiln_runtime/{entry}");
        // -I and -S: no environment variable, user site or .pth file decides what is imported.
        [self.interpreter.as_str(), "-I", "-S", "-B", &entry]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Reads every pack in a folder; an unreadable or incomplete one is an error that names it.
pub(crate) fn read_all(dir: &Path) -> anyhow::Result<Vec<Pack>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(dir).with_context(|| format!("list runtime packs in {}", dir.display()))?;
    let mut packs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join("pack.json").exists() {
            packs.push(
                read(&path).with_context(|| format!("read runtime pack {}", path.display()))?,
            );
        }
    }
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packs)
}

fn read(path: &Path) -> anyhow::Result<Pack> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(path.join("pack.json"))?)?;
    let is_shared = |prefix: &&&str| manifest.prefix == Path::new(prefix);
    if let Some(prefix) = SHARED_PREFIXES.iter().find(is_shared) {
        bail!(
            "sandboxes would see all of {prefix}; make the pack anew with runtimes/python/build-pack, \
             which copies the interpreter"
        );
    }
    let path = path.canonicalize()?;
    let mut mounts = vec![Mount {
        source: path,
        target: RUNTIME_DIR.into(),
    }];
    let interpreter = if manifest.prefix == Path::new(SYSTEM_PREFIX) {
        manifest.executable
    } else {
        let inside = manifest
            .executable
            .strip_prefix(&manifest.prefix)
            .with_context(|| format!("find {} in its prefix", manifest.executable.display()))?;
        let interpreter = Path::new(LANGUAGE_DIR).join(inside);
        mounts.push(Mount {
            source: manifest.prefix,
            target: LANGUAGE_DIR.into(),
        });
        interpreter
    };
    Ok(Pack {
        name: format!("python{}", manifest.python),
        interpreter: interpreter.to_string_lossy().into_owned(),
        mounts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack_of(executable: &str, prefix: &str) -> Pack {
        read_pack(executable, prefix).unwrap().remove(0)
    }

    fn read_pack(executable: &str, prefix: &str) -> anyhow::Result<Vec<Pack>> {
        let dir = tempfile::tempdir().unwrap();
        let pack = dir.path().join("python3.11");
        fs::create_dir(&pack).unwrap();
        let manifest =
            serde_json::json!({"python": "3.11", "executable": executable, "prefix": prefix});
        fs::write(pack.join("pack.json"), manifest.to_string()).unwrap();
        read_all(dir.path())
    }

    #[test]
    fn system_interpreter_stays_where_it_is() {
        let pack = pack_of("/usr/bin/python3.11", "/usr");
        assert_eq!(pack.fresh_argv()[0], "/usr/bin/python3.11");
        assert_eq!(pack.mounts.len(), 1);
    }

    #[test]
    fn any_other_interpreter_moves_to_var_lang() {
        let pack = pack_of("/opt/py/bin/python3.11", "/opt/py");
        assert_eq!(pack.fresh_argv()[0], "/var/lang/bin/python3.11");
        assert_eq!(pack.mounts[1].source, Path::new("/opt/py"));
    }

    #[test]
    fn prefix_that_other_software_shares_is_refused() {
        let error = read_pack("/usr/local/bin/python3.11", "/usr/local").unwrap_err();
        assert!(
            format!("{error:#}").contains("all of /usr/local"),
            "{error:#}"
        );
    }

    #[test]
    fn a_folder_that_does_not_exist_has_no_packs() {
        assert!(read_all(Path::new("/nonexistent")).unwrap().is_empty());
    }
}
