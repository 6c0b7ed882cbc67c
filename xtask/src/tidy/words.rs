//! Words and names that must not stay: unfinished work, paths of one machine, names that say nothing.

use super::{Complaint, File};

/// The list of words; it cannot keep its own rule, and neither can this file's tests.
const LIST: &str = include_str!("../../denied-words.txt");
const EXEMPT: [&str; 2] = ["xtask/denied-words.txt", "xtask/src/tidy/words.rs"];

/// File names that say nothing about what is inside (conventions, "Names").
const NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "manager"];

/// Complains about denied words in any text, and about file names that say nothing.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let denied = denied(LIST);
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.is_generated()) {
        let stem = file
            .path
            .rsplit('/')
            .next()
            .and_then(|name| name.split('.').next());
        if stem.is_some_and(|stem| NAMES.contains(&stem)) {
            complaints.push(Complaint::new(
                &file.path,
                0,
                "a name that does not say what is inside",
            ));
        }
        if EXEMPT.contains(&file.path.as_str()) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            for (word, why) in denied.iter().filter(|(word, _)| has(line, word)) {
                complaints.push(Complaint::new(
                    &file.path,
                    index + 1,
                    format!("`{word}`: {why}"),
                ));
            }
        }
    }
    complaints
}

/// `word<tab>why` a line.
fn denied(list: &str) -> Vec<(&str, &str)> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .collect()
}

/// Whether the word stands in the line, not inside a longer word.
fn has(line: &str, word: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let starts_as_word = word.starts_with(is_word);
    let ends_as_word = word.ends_with(is_word);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let grows_left = starts_as_word && before.is_some_and(is_word);
        let grows_right = ends_as_word && after.is_some_and(is_word);
        !grows_left && !grows_right
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn unfinished_work_is_a_complaint() {
        assert_eq!(count("a.rs", "// TODO: later"), 1);
        assert_eq!(count("a.py", "x = 1  # FIXME"), 1);
        assert_eq!(count("a.rs", "    dbg!(x);"), 1);
        assert_eq!(count("a.rs", "let TODOS = 1;"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_a_complaint() {
        assert_eq!(count("a.md", "see /home/anna/kiln"), 1);
        assert_eq!(count("a.rs", "open(\"/home\")"), 0);
    }

    #[test]
    fn a_name_must_say_what_is_inside() {
        assert_eq!(count("crates/store/src/utils.rs", ""), 1);
        assert_eq!(count("crates/store/src/artifact.rs", ""), 0);
    }

    #[test]
    fn every_line_of_the_list_has_a_reason() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(denied(LIST).len(), lines);
    }
}
