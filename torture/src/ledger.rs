//! How the functions of the torture write down what ran.

use kiln_testkit::{Ledger, Server};

/// The file that they write to.
const FILE: &str = "log";

/// `note` writes the words of a line: whole, in one call, before the function answers. `is_noted` looks
/// for one.
const NOTE: &str = "import os
LOG = '/mnt/ledger/log'
def line(words):
    return ' '.join(str(word) for word in words) + '\\n'
def note(*words):
    ledger = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(ledger, line(words).encode())
    os.close(ledger)
def is_noted(*words):
    return os.path.exists(LOG) and line(words) in open(LOG)
";

/// Makes a function that can take note.
pub(crate) fn create(ledger: &Ledger, server: &Server, name: &str, source: &str) {
    ledger.create(server, name, &format!("{NOTE}{source}"));
}

/// All lines so far, each in its words.
pub(crate) fn lines(ledger: &Ledger) -> Vec<Vec<String>> {
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    ledger.lines(FILE).into_iter().map(words).collect()
}
