//! How the functions of the torture write down what ran.

use kiln_testkit::{Ledger, Server};

/// The file that they write to.
const FILE: &str = "log";

/// `note` writes the words of a line: whole, in one call, before the function answers. `is_first` says, of all calls with
/// the same words, of the first one that it is: an instance may have ended since, so that a file of that name remembers.
const NOTE: &str = "import os
def note(*words):
    line = ' '.join(str(word) for word in words) + '\\n'
    ledger = os.open('/mnt/ledger/log', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(ledger, line.encode())
    os.close(ledger)
def is_first(*words):
    name = '-'.join(str(word) for word in words)
    try:
        os.close(os.open('/mnt/ledger/' + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        return True
    except FileExistsError:
        return False
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
