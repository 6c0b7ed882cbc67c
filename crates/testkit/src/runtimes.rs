//! Runtime packs for tests: one for each Python and each Node.js of this machine, made once by the
//! `build-pack` of the language.

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

/// One Node.js of this machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// The program.
    pub executable: PathBuf,
    /// The major version: 20 for Node.js 20.
    pub major: u32,
}

/// The versions of Python that Kiln runs, oldest first.
const MINORS: std::ops::RangeInclusive<u32> = 9..=14;
/// The versions of Node.js between which AWS has runtimes for the even ones.
const NODE_MAJORS: std::ops::RangeInclusive<u32> = 18..=26;

impl Python {
    /// The runtime's name in the API.
    pub fn runtime(&self) -> String {
        format!("python3.{}", self.minor)
    }
}

impl Node {
    /// The runtime's name in the API.
    pub fn runtime(&self) -> String {
        format!("nodejs{}.x", self.major)
    }
}

/// Every Node.js that AWS has a runtime for and this machine has, oldest first: on the path, or named by
/// `KILN_NODES`, a list like a path's of programs.
pub fn nodes() -> Vec<Node> {
    let mut found: Vec<Node> = Vec::new();
    for executable in on_path("node").into_iter().chain(named_nodes()) {
        let Some(major) = node_major(&executable) else {
            continue;
        };
        let is_runtime = NODE_MAJORS.contains(&major) && major % 2 == 0;
        if is_runtime && found.iter().all(|node| node.major != major) {
            found.push(Node { executable, major });
        }
    }
    found.sort_by_key(|node| node.major);
    found
}

/// The newest Node.js of this machine.
pub fn newest_node() -> Node {
    let newest = nodes().pop();
    newest.expect("a Node.js with an even version between 18 and 26 is installed")
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

/// The folder for `--runtimes` with the packs of these interpreters: `KILN_RUNTIMES`, or made once.
pub fn packs(pythons: &[Python], nodes: &[Node]) -> PathBuf {
    if let Some(path) = std::env::var_os("KILN_RUNTIMES") {
        return path.into();
    }
    let source = programs::repository().join("runtimes");
    let pythons = pythons.iter().map(|python| {
        let build = source.join("python/build-pack");
        ("python3", build, python.runtime(), &python.executable)
    });
    let nodes = nodes.iter().map(|node| {
        let build = source.join("node/build-pack");
        ("node", build, node.runtime(), &node.executable)
    });
    let wanted: Vec<_> = pythons.chain(nodes).collect();
    let runtimes: Vec<&str> = wanted.iter().map(|(_, _, name, _)| name.as_str()).collect();
    let name = format!(
        "packs-{}-{}",
        runtimes.join("-"),
        cache::fingerprint(&[&source])
    );
    cache::once(&name, |folder| {
        for (language, build, runtime, executable) in &wanted {
            eprintln!("testkit: making the pack of {runtime} (once)");
            let mut command = Command::new(language);
            command.arg(build).arg(executable).arg(folder.join(runtime));
            programs::run(&mut command);
        }
    })
}

/// On the path, where distributions put them, and where pyenv does.
fn candidates(minor: u32) -> Vec<PathBuf> {
    let name = format!("python3.{minor}");
    let mut found = on_path(&name);
    if let Some(home) = std::env::var_os("HOME") {
        let versions = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"));
        let versions = versions.into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin").join(&name));
        found.extend(programs.filter(|path| path.is_file()));
    }
    found
}

fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join(name));
    programs.filter(|path| path.is_file()).collect()
}

fn named_nodes() -> Vec<PathBuf> {
    let named = std::env::var_os("KILN_NODES").unwrap_or_default();
    std::env::split_paths(&named).collect()
}

fn node_major(path: &Path) -> Option<u32> {
    let code = "process.stdout.write(process.versions.node.split('.')[0])";
    let output = Command::new(path).args(["-e", code]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).parse().ok()
}

/// Whether it starts, is that version, and can install packages.
fn is_python(path: &Path, minor: u32) -> bool {
    let code = "import sys, venv, ensurepip; print(sys.version_info[1])";
    Command::new(path)
        .args(["-c", code])
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == minor.to_string())
}
