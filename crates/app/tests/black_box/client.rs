//! Runs the programs in `clients/` against a server, as users run their own.

use std::path::Path;
use std::process::Command;

use kiln_testkit::{Server, clients, programs};

/// A Python program of ours with boto3, against this server: it succeeds, or its output fails the
/// test.
pub(crate) fn python(server: &Server, program: &str, args: &[&str]) {
    run(server, clients::python().arg(path(program)).args(args));
}

/// The same by another client than today's.
pub(crate) fn python_of(server: &Server, client: &mut Command, program: &str) {
    run(server, client.arg(path(program)));
}

/// A JavaScript program of ours with the SDK, against this server.
pub(crate) fn javascript(server: &Server, program: &str) {
    let folder = clients::node_folder();
    // Node resolves packages from where the program lies, so it runs a copy beside node_modules.
    let copy = folder.join(format!("{}-{program}", std::process::id()));
    std::fs::copy(path(program), &copy).expect("the cache folder is ours");
    run(server, Command::new("node").arg(&copy));
    std::fs::remove_file(copy).expect("the copy is ours");
}

/// Any program with the environment of an AWS client; gives its standard output.
pub(crate) fn run(server: &Server, command: &mut Command) -> String {
    let command = command
        .envs(server.client_environment())
        .env("KILN_TEST_RUNTIME", server.runtime());
    String::from_utf8(programs::run(command).stdout).expect("clients print UTF-8")
}

fn path(program: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/black_box/clients")
        .join(program)
}
