//! The two things that this program must take on trust, and why it may. See
//! `docs/decisions/2026-11-26-wasm-runtime.md`.
#![allow(unsafe_code)]

use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// Where every runtime process finds its connection to the daemon.
const CHANNEL: i32 = 3;

/// The connection to the daemon. To be called once.
pub(crate) fn channel() -> UnixStream {
    // SAFETY: whoever starts this program gives it a socket as descriptor 3 and nothing else above 2,
    // and this is called first thing and once, so nobody else has it. A descriptor that is not a
    // socket fails on its first use.
    unsafe { UnixStream::from_raw_fd(CHANNEL) }
}

/// Loads a component that was compiled before. Fails for another version of the engine, other settings
/// or a processor without what the code needs.
pub(crate) fn load_component(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file is what `kiln-wasm compile` made of this very package: the daemon keeps it in a
    // directory of its own, by the package's digest and the program's, and mounts it read-only. Code
    // that lies here nevertheless runs in the sandbox of the function it belongs to, and may do
    // what the program of any custom runtime may.
    unsafe { Component::deserialize_file(engine, file) }
}

/// The same of a core module.
pub(crate) fn load_module(engine: &Engine, file: &Path) -> wasmtime::Result<Module> {
    // SAFETY: as for components.
    unsafe { Module::deserialize_file(engine, file) }
}
