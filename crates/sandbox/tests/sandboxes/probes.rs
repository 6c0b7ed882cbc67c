//! What a hostile function would try, each thing tried in real sandboxes: as they are, with one layer
//! left out, and with one layer alone.
//!
//! `table.rs` lists the attacks with their refusals and the walls that stop them; `attacks/` makes them;
//! `victim/` is who would suffer; `stage.rs` sets all that up; `page.rs` keeps SECURITY.md the same.

mod page;
mod stage;
mod table;

use std::collections::BTreeMap;

use kiln_sandbox::{Layer, rootless};

use self::stage::{LAYERS, Stage, ours};
use self::table::{PROBES, Probe, STOPPED_WITHOUT_ROOT};

/// What came of attacks, by name.
type Results = BTreeMap<String, String>;

/// What an attack says that got through.
fn got_through(result: &str) -> bool {
    result.starts_with("open")
}

/// Makes those attacks that one of the walls left is to stop, and lists those that were not stopped.
async fn breaches(off: &[Layer]) -> Vec<String> {
    let stopped = |probe: &&Probe| probe.walls.iter().any(|wall| wall.is_left(off));
    let chosen: Vec<&Probe> = PROBES.iter().filter(stopped).collect();
    let results = Stage::attack_without(off, &chosen).await;
    let broken = |result: &str| result.starts_with("broken") || result.starts_with("ended");
    let through = results.iter();
    let through = through.filter(|(_, result)| got_through(result) || broken(result));
    through
        .map(|(name, result)| format!("{name}: {result}, without {off:?}"))
        .collect()
}

/// Every attack whose result is not the table's.
fn surprises(results: &Results) -> Vec<String> {
    let told = |probe: &Probe| results.get(probe.name).cloned().unwrap_or_default();
    let other = PROBES
        .iter()
        .filter(|probe| told(probe) != probe.refusal)
        .map(|probe| {
            format!(
                "{}: {} instead of {}",
                probe.name,
                told(probe),
                probe.refusal
            )
        });
    other.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_program_is_refused_as_the_table_says() {
    let all: Vec<&Probe> = PROBES.iter().collect();
    let results = Stage::attack_without(&[], &all).await;
    assert_eq!(surprises(&results), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_stem_is_refused_as_the_table_says() {
    let results = Stage::attack_from_a_stem(&PROBES.iter().collect::<Vec<_>>()).await;
    assert_eq!(surprises(&results), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_layer_left_out_the_others_hold() {
    let mut all = Vec::new();
    for layer in LAYERS {
        all.extend(breaches(&[layer]).await);
    }
    assert_eq!(all, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_alone_stops_what_it_is_said_to_stop() {
    let mut all = Vec::new();
    for alone in LAYERS {
        let off: Vec<Layer> = LAYERS.into_iter().filter(|one| *one != alone).collect();
        all.extend(breaches(&off).await);
    }
    assert_eq!(all, Vec::<String>::new());
}

/// Without this the other tests would prove nothing: an attack that can never succeed is always refused.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_layers_that_stop_it_an_attack_gets_through() {
    let chosen: Vec<&Probe> = PROBES.iter().filter(|probe| probe.can_succeed()).collect();
    let results = Stage::attack_without(&LAYERS, &chosen).await;
    // What this kernel was built without cannot be attacked.
    let absent = |result: &str| ["ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT"].contains(&result);
    let walled = |name: &str| rootless::is_mapped() && STOPPED_WITHOUT_ROOT.contains(&name);
    let stopped = results.iter();
    let stopped =
        stopped.filter(|(name, result)| !got_through(result) && !absent(result) && !walled(name));
    let stopped: Vec<_> = stopped.collect();
    assert!(stopped.is_empty(), "stopped by something else: {stopped:?}");
    let succeeded = results.values().filter(|result| got_through(result));
    let least = match rootless::is_mapped() {
        true => 60 - STOPPED_WITHOUT_ROOT.len(),
        false => 60,
    };
    assert!(succeeded.count() >= least, "{results:?}");
}

#[test]
fn every_attack_is_in_the_table_once() {
    let files = std::fs::read_dir(ours("attacks")).expect("they are in the repository");
    let mut defined = Vec::new();
    for file in files {
        let path = file.expect("readable").path();
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let functions = source.split("@attack\ndef ").skip(1);
        defined.extend(
            functions.map(|rest| rest.split('(').next().unwrap_or_default().replace('_', "-")),
        );
    }
    let mut listed: Vec<String> = PROBES.iter().map(|probe| probe.name.to_owned()).collect();
    defined.sort_unstable();
    listed.sort_unstable();
    assert_eq!(defined, listed);
}
