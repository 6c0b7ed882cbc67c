//! What `fuzz/` gives bytes to: every function reads them as what a program in a sandbox sent.

pub use crate::network::fuzzing::first_packet;
