//! Runtime packs for tests: one a Python of this machine, made once by `runtimes/python/build-pack`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cache, programs};

/// One Python of this machine.
#[derive(Debug, Clone)]
pub struct Python {
    /// The interpreter.
    pub executable: PathBuf,
    /// The minor version: 11 for Python 3.11.
    pub minor: u32,
}

/// The versions of Python that Kiln runs, oldest first.
const MINORS: std::ops::RangeInclusive<u32> = 9..=14;

impl Python {
    /// The runtime's name in the API.
    pub fn runtime(&self) -> String {
        format!("python3.{}", self.minor)
    }
}

/// Every Python that Kiln supports and this machine has, oldest first.
pub fn pythons() -> Vec<Python> {
    MINORS
        .filter_map(|minor| {
            let executable = candidates(minor)
                .into_iter()
                .find(|path| is_python(path, minor))?;
            Some(Python { executable, minor })
        })
        .collect()
}

/// The newest Python of this machine.
pub fn newest_python() -> Python {
    MINORS
        .rev()
        .find_map(|minor| {
            let executable = candidates(minor)
                .into_iter()
                .find(|path| is_python(path, minor))?;
            Some(Python { executable, minor })
        })
        .expect("a Python between 3.9 and 3.14 with venv and pip is installed")
}

/// The newest Python that belongs to the system: it is in every sandbox. It may be without pip.
pub fn system_python() -> Python {
    let system = |minor| Python {
        executable: format!("/usr/bin/python3.{minor}").into(),
        minor,
    };
    MINORS
        .rev()
        .map(system)
        .find(|python| python.executable.is_file())
        .expect("a Python between 3.9 and 3.14 is installed in /usr/bin")
}

/// The folder for `--runtimes` with the packs of these Pythons: `KILN_RUNTIMES`, or made once.
pub fn packs(pythons: &[Python]) -> PathBuf {
    if let Some(path) = std::env::var_os("KILN_RUNTIMES") {
        return path.into();
    }
    let source = programs::repository().join("runtimes/python");
    let versions: Vec<String> = pythons
        .iter()
        .map(|python| python.minor.to_string())
        .collect();
    let name = format!(
        "packs-{}-{}",
        versions.join("-"),
        cache::fingerprint(&[&source])
    );
    cache::once(&name, |folder| {
        for python in pythons {
            eprintln!("testkit: making the pack of {} (once)", python.runtime());
            let mut build = Command::new("python3");
            build.arg(source.join("build-pack")).arg(&python.executable);
            programs::run(build.arg(folder.join(python.runtime())));
        }
    })
}

/// On the path, where distributions put them, and where pyenv does.
fn candidates(minor: u32) -> Vec<PathBuf> {
    let name = format!("python3.{minor}");
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"));
        folders.extend(
            versions
                .into_iter()
                .flatten()
                .flatten()
                .map(|v| v.path().join("bin")),
        );
    }
    folders
        .iter()
        .map(|folder| folder.join(&name))
        .filter(|path| path.is_file())
        .collect()
}

/// Whether it starts, is that version, and can install packages.
fn is_python(path: &Path, minor: u32) -> bool {
    let code = "import sys, venv, ensurepip; print(sys.version_info[1])";
    Command::new(path)
        .args(["-c", code])
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == minor.to_string())
}
