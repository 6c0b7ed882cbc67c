//! The runtime of functions that are WebAssembly: the program `kiln-wasm`, which runs in a sandbox like
//! every other runtime and speaks the same frames to the daemon.
//!
//! A function is one module: a component that exports `wasi:http/incoming-handler`, a component that
//! exports `wasi:cli/run`, or a core module with `_start` (WASI preview 1). `kiln-wasm compile` makes
//! machine code of it when it is uploaded, in a sandbox of its own; `kiln-wasm run` loads that and
//! calls it once for each invocation, every time in a new instance.
//!
//! Invariants:
//! - nothing of a guest outlives its invocation: a store, an instance and a memory each;
//! - a guest sees what it is given: its environment, the event, `/var/task` to read and `/tmp`; it has
//!   no sockets and no requests of its own;
//! - the sandbox around the program is what isolates; the guest's walls stand inside of it.
//!
//! Start reading at `worker.rs`, then `program.rs`.

mod alarm;
mod answer;
mod compile;
mod engine;
mod frames;
mod guest;
mod http_event;
mod measure;
mod module;
mod output;
mod program;
mod trusted;
mod worker;

pub use compile::compile;
pub use measure::measure;
pub use worker::{Boot, live};
