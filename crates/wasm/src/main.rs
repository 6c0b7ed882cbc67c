//! `kiln-wasm`: `stem` and `run` are a runtime process, `compile` makes machine code of a module,
//! `measure` times its instances.

use std::process::ExitCode;

use kiln_wasm::Boot;

const USAGE: &str =
    "kiln-wasm is started by Kiln, in a sandbox: kiln-wasm stem | run | compile PACKAGE HANDLER
by hand: kiln-wasm measure FILE COUNT says how long instances of a module take, in nanoseconds";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next();
    let number = |text: &str| text.parse::<usize>().ok();
    let done = match (verb.as_deref(), arguments.next(), arguments.next()) {
        (Some("stem"), None, None) => kiln_wasm::live(Boot::Ahead),
        (Some("run"), None, None) => kiln_wasm::live(Boot::Now),
        (Some("compile"), Some(package), Some(handler)) => {
            kiln_wasm::compile(package.as_ref(), &handler)
        }
        (Some("measure"), Some(file), Some(count)) if number(&count).is_some() => {
            kiln_wasm::measure(file.as_ref(), number(&count).unwrap_or_default())
        }
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
