//! Black-box tests of the sandbox on the real kernel. They need root.

mod companions;
mod executed_stem;
mod isolation;
mod limits;
mod listeners;
#[cfg(debug_assertions)]
mod probes;
mod rig;
mod roots;
mod snapshots;
mod stem;
mod teardown;
mod uplink;
mod volumes;
