//! `kiln-wasm`: `stem` and `run` are a runtime process, `compile` makes machine code of a module.

use std::process::ExitCode;

use kiln_wasm::Boot;

const USAGE: &str =
    "kiln-wasm is started by Kiln, in a sandbox: kiln-wasm stem | run | compile HANDLER";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some("stem"), None) => kiln_wasm::live(Boot::Ahead),
        (Some("run"), None) => kiln_wasm::live(Boot::Now),
        (Some("compile"), Some(handler)) => kiln_wasm::compile(&handler),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kiln-wasm: {error:#}");
            ExitCode::FAILURE
        }
    }
}
