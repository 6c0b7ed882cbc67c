//! `kiln-wasm compile`: machine code of the module in a package, sent to the daemon.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::engine;
use crate::frames::Channel;
use crate::module;
use crate::program::Program;
use crate::trusted;

/// The frame with the code.
const COMPILED: u8 = 32;
/// The frame that says why there is none.
const REFUSED: u8 = 33;

#[derive(Serialize)]
struct Header {
    /// What the file is to be called.
    file: String,
}

/// Compiles the module that the handler names, links it as if to run it, and sends the code. That it
/// cannot be done is an answer too.
pub fn compile(package: &Path, handler: &str) -> io::Result<ExitCode> {
    let mut channel = Channel::new(trusted::channel());
    match make(package, handler) {
        Ok((file, code)) => channel.send(COMPILED, &Header { file }, &code)?,
        Err(why) => {
            let file = String::new();
            channel.send(REFUSED, &Header { file }, why.as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Longest name of a file that file systems take.
const NAME_BYTES_MAX: usize = 255;

fn make(package: &Path, handler: &str) -> Result<(String, Vec<u8>), String> {
    let file = module::find(package, handler)?;
    let named = |why: String| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}: {why}")
    };
    let bytes = fs::read(&file).map_err(|error| named(error.to_string()))?;
    let engine = engine::new().map_err(|error| format!("{error:#}"))?;
    let (_, code) = Program::compile(&engine, &bytes).map_err(named)?;
    let name = module::compiled_name(package, &file);
    match name.len() <= NAME_BYTES_MAX {
        true => Ok((name, code)),
        false => Err(named("its path in the package is too long".to_owned())),
    }
}
