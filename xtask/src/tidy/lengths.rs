//! No source file above 500 lines without its tests; the exceptions may shrink, never grow.

use super::{Complaint, File};

/// The list of exceptions: `path lines reason` a line.
pub(super) const EXCEPTIONS: &str = "xtask/long-files.txt";

const LINES_MAX: usize = 500;
const SOURCES: [&str; 5] = [".rs", ".py", ".js", ".mjs", ".ts"];

/// Complains about long files, and about exceptions that are no longer needed or too generous.
pub(super) fn check(files: &[File], exceptions: &str) -> Vec<Complaint> {
    let exceptions: Vec<(&str, usize)> = exceptions
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (path, rest) = line.split_once(' ')?;
            Some((path, rest.split(' ').next()?.parse().ok()?))
        })
        .collect();
    let mut complaints: Vec<Complaint> = exceptions
        .iter()
        .filter(|(path, _)| !files.iter().any(|file| file.path == *path))
        .map(|(path, _)| Complaint::new(EXCEPTIONS, 0, format!("{path} does not exist")))
        .collect();
    for file in files {
        let is_source = SOURCES.iter().any(|ending| file.path.ends_with(ending));
        if !is_source || file.is_generated() {
            continue;
        }
        let lines = lines_without_tests(&file.text);
        let excepted = exceptions
            .iter()
            .find(|(path, _)| *path == file.path)
            .map(|(_, max)| *max);
        let what = match excepted {
            None if lines > LINES_MAX => {
                format!(
                    "{lines} lines without tests, at most {LINES_MAX}: look for the second noun"
                )
            }
            Some(max) if lines > max => format!("{lines} lines, its exception allows {max}"),
            Some(_) if lines <= LINES_MAX => {
                format!("needs no exception: remove it ({EXCEPTIONS})")
            }
            Some(max) if lines < max => format!("has shrunk: lower its exception to {lines}"),
            _ => continue,
        };
        complaints.push(Complaint::new(&file.path, 0, what));
    }
    complaints
}

/// Counts all lines but those of `#[cfg(test)] mod name { … }` at the left margin.
fn lines_without_tests(text: &str) -> usize {
    let mut counted = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_tests = line == "#[cfg(test)]"
            && lines
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if opens_tests {
            lines.by_ref().find(|line| *line == "}");
        } else {
            counted += 1;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(lines: usize, exceptions: &str) -> Vec<String> {
        let file = File::new("a.rs", &"x\n".repeat(lines));
        check(&[file], exceptions)
            .into_iter()
            .map(|complaint| complaint.what)
            .collect()
    }

    #[test]
    fn a_file_above_the_limit_is_a_complaint() {
        assert_eq!(complaints(500, "").len(), 0);
        assert!(complaints(501, "")[0].starts_with("501 lines without tests"));
    }

    #[test]
    fn an_exception_may_shrink_but_never_grow() {
        assert_eq!(complaints(600, "a.rs 600 one state machine").len(), 0);
        assert!(complaints(601, "a.rs 600 one state machine")[0].contains("allows 600"));
        assert!(complaints(599, "a.rs 600 one state machine")[0].contains("lower its exception"));
        assert!(complaints(500, "a.rs 600 one state machine")[0].contains("remove it"));
    }

    #[test]
    fn an_exception_for_no_file_is_a_complaint() {
        assert_eq!(check(&[], "# title\ngone.rs 700 why").len(), 1);
    }

    #[test]
    fn tests_inside_a_file_do_not_count() {
        let text = "a\n#[cfg(test)]\nmod tests {\n    x\n}\nb\n#[cfg(test)]\nmod other;\n";
        assert_eq!(lines_without_tests(text), 4);
    }

    #[test]
    fn generated_files_are_free() {
        let file = File::new(
            "crates/gateway/src/lambda/generated.rs",
            &"x\n".repeat(9_000),
        );
        assert_eq!(check(&[file], ""), []);
    }
}
