//! Fuzz targets: one function for each parser of bytes that come from outside.
//!
//! A target takes any bytes. It panics where the parser does, and where something that is promised does not hold: what is
//! read is the same after it was written, however it was cut; nothing is unpacked outside its directory; nobody is let in
//! by chance. Targets of what is private to a crate stand in its module `fuzzing`; the others are here.
//!
//! [`TARGETS`] is the list. `corpus/<target>/` has an input or more for each, from which both feeders begin:
//! `tests/corpora.rs`, which every test run has, and libFuzzer (`main.rs`), which `cargo xtask fuzz` builds.

mod archives;
mod events;
mod mutate;
mod names;
mod policy;
mod signing;
mod stacks;

pub use mutate::Mutator;

/// A parser, and how it is fed.
pub struct Target {
    /// What it is called; its corpus is named so, too.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Bytes of an input at most that say something new of it.
    pub bytes_max: usize,
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        run,
        bytes_max: 4 * 1024,
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    // Callers.
    target("sigv4", kiln_gateway::fuzzing::sigv4),
    target("aws_chunked", kiln_gateway::fuzzing::aws_chunked),
    target("aws_json", kiln_gateway::fuzzing::aws_json),
    target("aws_form", kiln_gateway::fuzzing::aws_form),
    target("http_head", kiln_gateway::fuzzing::http_head),
    target("s3_head", kiln_gateway::fuzzing::s3_head),
    target("s3_xml", kiln_gateway::fuzzing::s3_xml),
    target("log_filter", kiln_gateway::fuzzing::log_filter),
    target("token", kiln_oidc::fuzzing::token),
    target("claims", kiln_oidc::fuzzing::claims),
    target("policy", policy::policy),
    target("names", names::names),
    target("zip", archives::zip),
    target("code_signature", signing::code_signature),
    target("event_pattern", events::pattern),
    target("mapping_filter", events::mapping_filter),
    target("filter_policy", events::filter_policy),
    target("input_transformer", events::input_transformer),
    target("schedule", events::schedule),
    target("delivery_policy", events::delivery_policy),
    target("envelope", events::envelope),
    target("template", stacks::template),
    // Functions.
    target("http_answer", kiln_gateway::fuzzing::http_answer),
    target("frames", kiln_instance::fuzzing::frames),
    target("output", kiln_instance::fuzzing::output),
    target("runtime_api", kiln_instance::fuzzing::runtime_api),
    target("dns", kiln_network::fuzzing::dns),
    target("first_packet", kiln_sandbox::fuzzing::first_packet),
    // Registries.
    target("oci", kiln_image::fuzzing::oci),
    target("image_name", kiln_image::fuzzing::image_name),
    target("challenge", kiln_image::fuzzing::challenge),
    target("layer", archives::layer),
    // Event sources.
    target("kafka", kiln_triggers::fuzzing::kafka),
    target("mysql", kiln_triggers::fuzzing::mysql),
    target("postgres", kiln_triggers::fuzzing::postgres),
    target("redis", kiln_triggers::fuzzing::redis),
    target("mqtt", kiln_triggers::fuzzing::mqtt),
    target("rabbitmq", kiln_triggers::fuzzing::rabbitmq),
    target("scram", kiln_triggers::fuzzing::scram),
];

/// Between the parts of an input that has several.
const BREAK: &str = "\n%%\n";

/// The parts of an input; those that are not there are empty.
fn parts<const N: usize>(text: &str) -> [&str; N] {
    let mut parts = text.splitn(N, BREAK);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
