//! Runtime packs on disk: which language runtimes this server has.
//!
//! A pack is a folder named for its runtime (`python3.11`, `nodejs20.x`) with a `pack.json` that
//! says which interpreter it was made for. The `build-pack` of each language in `runtimes/` makes
//! them.

mod interpreter;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kiln_instance::Installed;
use kiln_sandbox::{Image, Mount};
use kiln_types::{MemoryMb, Runtime};
use serde::Deserialize;

use interpreter::Interpreter;

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
    pub(crate) name: Runtime,
    interpreter: Interpreter,
    /// The interpreter as seen inside a sandbox.
    executable: String,
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(flatten)]
    interpreter: Interpreter,
    /// From the pack's folder, when the interpreter is in it.
    executable: PathBuf,
    /// Likewise.
    prefix: PathBuf,
}

impl Pack {
    /// What sandboxes start this runtime's processes from. Until somebody has asked for others, stems
    /// are kept for functions of the usual memory.
    pub(crate) fn image(&self) -> Image {
        let zygote = self.interpreter.zygote(&self.executable);
        let (zygote, env) = zygote.map_or((None, vec![]), |(argv, env)| (Some(argv), env));
        let language = self.name.language();
        let ahead = self.installed().stem(language, MemoryMb::default());
        Image {
            name: self.name.to_string(),
            mounts: self.mounts.clone(),
            zygote,
            env,
            ahead: ahead.into_iter().collect(),
        }
    }

    /// What instances of this runtime are started with.
    pub(crate) fn installed(&self) -> Installed {
        Installed {
            fresh: self.interpreter.fresh(&self.executable),
            ahead: self.interpreter.ahead(&self.executable),
        }
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
    let path = path.canonicalize()?;
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(path.join("pack.json"))?)?;
    for named in [&mut manifest.executable, &mut manifest.prefix] {
        // One that is absolute stays.
        *named = path.join(&named);
    }
    let is_shared = |prefix: &&&str| manifest.prefix == Path::new(prefix);
    if let Some(prefix) = SHARED_PREFIXES.iter().find(is_shared) {
        bail!(
            "sandboxes would see all of {prefix}; make the pack anew with the build-pack of its \
             language, which copies the interpreter"
        );
    }
    let mut mounts = vec![Mount {
        source: path,
        target: RUNTIME_DIR.into(),
    }];
    let executable = if manifest.prefix == Path::new(SYSTEM_PREFIX) {
        manifest.executable
    } else {
        let inside = manifest
            .executable
            .strip_prefix(&manifest.prefix)
            .with_context(|| format!("find {} in its prefix", manifest.executable.display()))?;
        let executable = Path::new(LANGUAGE_DIR).join(inside);
        mounts.push(Mount {
            source: manifest.prefix,
            target: LANGUAGE_DIR.into(),
        });
        executable
    };
    Ok(Pack {
        name: manifest.interpreter.runtime().parse()?,
        interpreter: manifest.interpreter,
        executable: executable.to_string_lossy().into_owned(),
        mounts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack_of(executable: &str, prefix: &str) -> Pack {
        read_pack("python", "3.11", executable, prefix).unwrap()
    }

    fn read_pack(
        language: &str,
        version: &str,
        executable: &str,
        prefix: &str,
    ) -> anyhow::Result<Pack> {
        let dir = tempfile::tempdir().unwrap();
        let pack = dir.path().join("pack");
        fs::create_dir(&pack).unwrap();
        let manifest =
            serde_json::json!({language: version, "executable": executable, "prefix": prefix});
        fs::write(pack.join("pack.json"), manifest.to_string()).unwrap();
        Ok(read_all(dir.path())?.remove(0))
    }

    #[test]
    fn each_language_starts_in_its_own_way() {
        let python = pack_of("/usr/bin/python3.11", "/usr");
        assert_eq!(python.name.as_str(), "python3.11");
        let image = python.image();
        assert!(image.zygote.is_some() && image.ahead.is_empty());
        let node = read_pack("node", "20", "/usr/bin/node", "/usr").unwrap();
        assert_eq!(node.name.as_str(), "nodejs20.x");
        let fresh = ["/usr/bin/node", "/var/runtime/kiln_runtime/fresh.js"];
        assert_eq!(node.installed().fresh, fresh);
        let image = node.image();
        assert_eq!(image.zygote, None);
        let stem = [
            "/usr/bin/node",
            "--max-semi-space-size=6",
            "--max-old-space-size=116",
            "/var/runtime/kiln_runtime/stem.js",
        ];
        assert_eq!(image.ahead[0].argv, stem);
    }

    #[test]
    fn pack_of_a_language_that_kiln_does_not_know_is_refused() {
        let error = read_pack("cobol", "85", "/usr/bin/cobol", "/usr").unwrap_err();
        assert!(format!("{error:#}").contains("read runtime pack"));
    }

    #[test]
    fn system_interpreter_stays_where_it_is() {
        let pack = pack_of("/usr/bin/python3.11", "/usr");
        assert_eq!(pack.installed().fresh[0], "/usr/bin/python3.11");
        assert_eq!(pack.mounts.len(), 1);
    }

    #[test]
    fn any_other_interpreter_moves_to_var_lang() {
        let pack = pack_of("/opt/py/bin/python3.11", "/opt/py");
        assert_eq!(pack.installed().fresh[0], "/var/lang/bin/python3.11");
        assert_eq!(pack.mounts[1].source, Path::new("/opt/py"));
    }

    #[test]
    fn a_pack_with_its_interpreter_in_it_may_be_moved() {
        let dir = tempfile::tempdir().unwrap();
        let (made, moved) = (dir.path().join("made"), dir.path().join("moved"));
        fs::create_dir_all(made.join("pack")).unwrap();
        let manifest =
            r#"{"python": "3.11", "executable": "lang/bin/python3.11", "prefix": "lang"}"#;
        fs::write(made.join("pack/pack.json"), manifest).unwrap();
        fs::rename(&made, &moved).unwrap();
        let pack = read_all(&moved).unwrap().remove(0);
        let folder = moved.canonicalize().unwrap().join("pack");
        assert_eq!(pack.mounts[0].source, folder);
        assert_eq!(pack.mounts[1].source, folder.join("lang"));
        assert_eq!(pack.installed().fresh[0], "/var/lang/bin/python3.11");
    }

    #[test]
    fn prefix_that_other_software_shares_is_refused() {
        let error = read_pack("node", "20", "/usr/local/bin/node", "/usr/local").unwrap_err();
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
