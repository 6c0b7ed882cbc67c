//! The table in SECURITY.md, written from the list.

use std::fmt::Write as _;
use std::path::Path;

use super::table::{PROBES, Wall};

const BEGIN: &str =
    "<!-- probes: written from crates/sandbox/tests/sandboxes/probes/table.rs by a test -->\n";
const END: &str = "<!-- end of probes -->";

fn table() -> String {
    let mut text = format!(
        "\n{} attempts:\n\n| attempt | stopped by each of | what it is told |\n|---|---|---|\n",
        PROBES.len()
    );
    for probe in PROBES {
        let walls: Vec<&str> = probe.walls.iter().copied().map(Wall::name).collect();
        let refusal = match probe.refusal {
            "absent" => "nothing is there".to_owned(),
            error => format!("`{error}`"),
        };
        let walls = walls.join(", ");
        let attempt = probe.attempt;
        writeln!(text, "| {attempt} | {walls} | {refusal} |").expect("a string takes all");
    }
    text + "\n"
}

#[test]
fn security_page_has_the_table_of_probes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../SECURITY.md");
    let written = std::fs::read_to_string(&path).expect("the page is in the repository");
    let (before, rest) = written
        .split_once(BEGIN)
        .expect("the page has a place for it");
    let (_, after) = rest.split_once(END).expect("the place has an end");
    let text = [before, BEGIN, &table(), END, after].concat();
    if std::env::var_os("KILN_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the page can be written");
    } else {
        assert!(
            written == text,
            "run this test with KILN_BLESS=1 to renew {}",
            path.display()
        );
    }
}
