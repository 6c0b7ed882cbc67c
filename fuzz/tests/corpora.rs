//! Every target with its corpus, and with some thousand inputs made of it, always the same. No compiler's help is needed, so
//! every test run has it; what is guided by coverage is `cargo xtask fuzz`.

use std::path::{Path, PathBuf};

use kiln_fuzz::{Mutator, TARGETS, Target};

/// Inputs of a target. `KILN_FUZZ_INPUTS` says how many instead.
const INPUTS: usize = 2_000;
/// From which inputs are made. `KILN_FUZZ_SEED` says another.
const SEED: u64 = 1;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn corpus(of: &Target) -> Vec<Vec<u8>> {
    let dir = corpora().join(of.name);
    let listed = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{dir:?}: {error}"));
    let mut files: Vec<PathBuf> = listed
        .map(|entry| entry.expect("it is listed").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).expect("it can be read"))
        .collect()
}

/// Tells of the input at which a target panics.
struct Fed<'i>(&'i [u8]);

impl Drop for Fed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was b\"{}\"", self.0.escape_ascii());
        }
    }
}

fn feed(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("every test is named for a target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let seed = number("KILN_FUZZ_SEED").unwrap_or(SEED);
    let inputs = number("KILN_FUZZ_INPUTS").map_or(INPUTS, |inputs| inputs as usize);
    let mut mutator = Mutator::new(&corpus, seed, target.bytes_max);
    let made = std::iter::repeat_with(|| mutator.input()).take(inputs);
    for input in corpus.iter().cloned().chain(made) {
        let fed = Fed(&input);
        (target.run)(fed.0);
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            feed(stringify!($name));
        })*
    };
}

targets!(
    sigv4,
    aws_chunked,
    aws_json,
    aws_form,
    http_head,
    s3_head,
    s3_xml,
    log_filter,
    token,
    claims,
    policy,
    names,
    zip,
    code_signature,
    event_pattern,
    mapping_filter,
    filter_policy,
    input_transformer,
    schedule,
    delivery_policy,
    envelope,
    template,
    http_answer,
    frames,
    output,
    runtime_api,
    dns,
    first_packet,
    oci,
    image_name,
    challenge,
    layer,
    kafka,
    mysql,
    postgres,
    redis,
    mqtt,
    rabbitmq,
    scram,
);

#[test]
fn every_target_has_a_test_and_every_corpus_a_target() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, NAMES);
    for entry in std::fs::read_dir(corpora()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()), "{name} has no target");
    }
}
