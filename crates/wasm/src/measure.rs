//! `kiln-wasm measure`: how long a module's instances take to make, without anything around them.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::alarm::now;
use crate::engine;
use crate::guest::Surroundings;
use crate::program::Program;

const MEMORY_BYTES: usize = 1 << 30;

/// Makes and drops instances of the module in a file, and prints how long each took, in nanoseconds: the
/// store, what WASI needs, and the instance, ready to be called.
pub fn measure(file: &Path, count: usize) -> io::Result<ExitCode> {
    let engine = engine::new().map_err(io::Error::other)?;
    let bytes = std::fs::read(file)?;
    let (program, _) = Program::compile(&engine, &bytes).map_err(io::Error::other)?;
    let folder = std::env::temp_dir();
    let around = Surroundings {
        env: std::env::vars().collect(),
        package: folder.clone(),
        tmp: folder,
        memory_bytes: MEMORY_BYTES,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = now();
        let instantiated = runtime.block_on(program.instantiate(&around));
        let instance = instantiated.map_err(io::Error::other)?;
        took.push(begun.elapsed());
        drop(instance);
    }
    let mut out = io::stdout().lock();
    for took in took {
        writeln!(out, "{}", took.as_nanos())?;
    }
    Ok(ExitCode::SUCCESS)
}
