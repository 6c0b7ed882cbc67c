//! Term patterns: `ERROR timeout`, `"exact phrase"`, `?ERROR ?WARN`, `ERROR -retry`, `%regex%`.
//!
//! Matching is case-sensitive. Every plain term must occur and no excluded one may. Optional
//! terms count only where there are no plain terms: then one of them must occur, and together
//! with others they are ignored, as AWS documents.

use std::str::FromStr;

use fancy_regex::Regex;

use super::{InvalidFilter, is_match, regex};

/// Terms to find in an event's text.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    required: Vec<Term>,
    optional: Vec<Term>,
    excluded: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Box<Regex>),
}

impl Terms {
    /// Whether the text has what it must have and nothing of what it must not have.
    pub(crate) fn matches(&self, message: &str) -> bool {
        let occurs = |term: &Term| term.occurs_in(message);
        let only_optional = self.required.is_empty() && self.excluded.is_empty();
        self.required.iter().all(occurs)
            && !self.excluded.iter().any(occurs)
            && (!only_optional || self.optional.iter().any(occurs))
    }
}

impl Term {
    fn occurs_in(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Regex(regex) => is_match(regex, message),
        }
    }
}

impl FromStr for Terms {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut terms = Terms::default();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let (list, written) = match first {
                '?' => (&mut terms.optional, &rest[1..]),
                '-' => (&mut terms.excluded, &rest[1..]),
                _ => (&mut terms.required, rest),
            };
            let (term, after) = read_term(written)?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(terms)
    }
}

/// Reads one term and returns what follows it.
fn read_term(text: &str) -> Result<(Term, &str), InvalidFilter> {
    match text.chars().next() {
        Some('"') => {
            let (phrase, after) = read_quoted(text)?;
            Ok((Term::Text(phrase), after))
        }
        Some('%') => {
            let Some((inside, after)) = text[1..].split_once('%') else {
                return Err(InvalidFilter::new("a regular expression has no closing %"));
            };
            Ok((Term::Regex(Box::new(regex(inside)?)), after))
        }
        _ => read_word(text),
    }
}

fn read_word(text: &str) -> Result<(Term, &str), InvalidFilter> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    if word.is_empty() {
        return Err(InvalidFilter::new("a term is missing after ? or -"));
    }
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '*';
    if let Some(odd) = word.chars().find(|c| !plain(*c)) {
        return Err(InvalidFilter::new(format!(
            "put the term {word} in double quotes, because it has the character {odd}"
        )));
    }
    Ok((Term::Text(word.to_owned()), after))
}

/// Reads a text in double quotes, in which `\"` and `\\` stand for themselves.
pub(super) fn read_quoted(text: &str) -> Result<(String, &str), InvalidFilter> {
    let mut phrase = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((phrase, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => phrase.push(escaped),
                Some((_, other)) => phrase.extend(['\\', other]),
                None => break,
            },
            _ => phrase.push(c),
        }
    }
    Err(InvalidFilter::new(
        "a quoted text has no closing double quote",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let terms: Terms = pattern.parse().unwrap();
        for message in matching {
            assert!(terms.matches(message), "{pattern} should match {message}");
        }
        for message in others {
            assert!(
                !terms.matches(message),
                "{pattern} should not match {message}"
            );
        }
    }

    #[test]
    fn every_plain_term_must_occur_in_any_order() {
        check(
            "ERROR ARGUMENTS",
            &["[ERROR 419] MISSING ARGUMENTS", "ARGUMENTS: ERROR"],
            &["[ERROR 401] UNAUTHORIZED", "error arguments"],
        );
    }

    #[test]
    fn phrases_match_as_they_stand() {
        check(
            "\"INTERNAL SERVER ERROR\"",
            &["[500] INTERNAL SERVER ERROR"],
            &["SERVER INTERNAL ERROR"],
        );
        check(r#""say \"hi\"""#, &[r#"they say "hi""#], &["they say hi"]);
    }

    #[test]
    fn one_optional_term_is_enough() {
        check("?ERROR ?WARN", &["ERROR", "WARN: disk"], &["INFO"]);
    }

    #[test]
    fn optional_terms_beside_others_are_ignored() {
        check("?ERROR ?WARN disk", &["INFO disk"], &["ERROR"]);
        check("?ERROR -disk", &["INFO"], &["ERROR disk"]);
    }

    #[test]
    fn excluded_terms_hide_events() {
        check(
            "ERROR -ARGUMENTS",
            &["ERROR 401"],
            &["ERROR 419 ARGUMENTS", "OK"],
        );
        check("-\"START RequestId\"", &["hello"], &["START RequestId: 1"]);
    }

    #[test]
    fn regular_expressions_search_anywhere() {
        check(
            "%AUTHORIZED%",
            &["[ERROR 401] UNAUTHORIZED REQUEST"],
            &["authorized"],
        );
        check(
            "%^REPORT.*Duration% -Init",
            &["REPORT x Duration: 1"],
            &["REPORT Duration Init", "x REPORT Duration"],
        );
    }

    #[test]
    fn broken_terms_are_refused() {
        for pattern in ["\"open", "%open", "?", "-", "a:b", "ERROR - x"] {
            assert!(pattern.parse::<Terms>().is_err(), "{pattern}");
        }
    }
}
