//! Where the programs of a test are: the repository, cargo's target folder, the `kiln` binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub fn repository() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Path::parent)
        .expect("testkit lies in crates/")
}

/// Cargo's target folder: the one this program was built into.
pub fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its file");
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map_or_else(|| repository().join("target"), Path::to_path_buf)
}

/// The `kiln` binary: `KILN_BIN`, or the one that the test runner built, or the one in the profile folder that
/// this program is in.
pub fn kiln() -> PathBuf {
    // With a build folder apart from the target folder the program is in the one and the binary in the other.
    let told = ["KILN_BIN", "NEXTEST_BIN_EXE_kiln"];
    if let Some(path) = told.iter().find_map(std::env::var_os) {
        return path.into();
    }
    let program = std::env::current_exe().expect("a program knows its file");
    let found = program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("kiln"));
    found
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no kiln beside {}: run `cargo build` or set KILN_BIN",
                program.display()
            )
        })
}

/// A program built from an example of the package whose test this is.
pub fn example(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its file");
    let found = program
        .ancestors()
        .map(|folder| folder.join("examples").join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --examples`"))
}

/// Runs a program to its end and panics with its output when it was not successful.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}
