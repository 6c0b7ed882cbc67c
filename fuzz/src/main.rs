//! The targets in libFuzzer: `KILN_FUZZ_TARGET` names the one, the arguments are libFuzzer's.
#![no_main]

use std::sync::LazyLock;

use kiln_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("KILN_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("KILN_FUZZ_TARGET names no target: '{name}'"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
