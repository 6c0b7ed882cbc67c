//! Black-box tests of the sandbox on the real kernel. They need root; `rootless.rs` runs them once more without.

mod companions;
mod executed_stem;
mod isolation;
mod limits;
mod listeners;
#[cfg(debug_assertions)]
mod probes;
mod rig;
mod rootless;
mod roots;
mod snapshots;
mod stem;
mod teardown;
mod uplink;
mod volumes;
