//! Texts with `*` in them, and how much work they can make.

use std::collections::HashSet;

/// How many beginnings of the wildcards of one field may match a text at once. The rule is that of
/// event-ruler's complexity evaluator; the number is AWS's as far as published errors tell.
const COMPLEXITY_MAX: usize = 10;
/// States looked at before a set of wildcards counts as too complex: about two for each of their characters and each
/// `*`, so this takes thousands of characters.
const STATES_MAX: usize = 4_000;

/// A wildcard, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    Any,
}

impl Wildcard {
    /// Reads one: `\*` and `\\` are the characters themselves. The error is event-ruler's, which counts bytes
    /// from the opening quote.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            let place = index + 1;
            let following = chars.peek().map(|(_, c)| *c);
            match (c, following) {
                ('*', Some('*')) => {
                    return Err(format!("Consecutive wildcard characters at pos {place}"));
                }
                ('*', _) => parts.push(Part::Any),
                ('\\', Some(escaped @ ('*' | '\\'))) => {
                    chars.next();
                    parts.push(Part::Char(escaped));
                }
                ('\\', _) => return Err(format!("Invalid escape character at pos {place}")),
                (c, _) => parts.push(Part::Char(c)),
            }
        }
        Ok(Self { parts })
    }

    /// Whether a whole text matches. Goes back only to the last `*`, so the work is the product of both
    /// lengths at most.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut part = 0;
        let mut rest = text.chars();
        let mut last_any: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if self.parts.get(part) == Some(&Part::Any) {
                part += 1;
                last_any = Some((part, rest.clone()));
                continue;
            }
            match (self.parts.get(part), rest.clone().next()) {
                (None, None) => return true,
                (Some(Part::Char(wanted)), Some(c)) if *wanted == c => {
                    part += 1;
                    rest.next();
                }
                _ => {
                    let Some((after, from)) = &mut last_any else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    part = *after;
                    rest = from.clone();
                }
            }
        }
    }

    /// The beginnings that also match when the `*` behind them matches nothing.
    fn close(&self, reached: usize, into: &mut Vec<usize>) {
        into.push(reached);
        if self.parts.get(reached) == Some(&Part::Any) {
            into.push(reached + 1);
        }
    }

    /// The beginnings that match after one more character, from those that did before it.
    fn step(&self, reached: &[usize], c: Option<char>) -> Vec<usize> {
        let mut after = Vec::new();
        for &at in reached {
            if at > 0 && self.parts[at - 1] == Part::Any {
                self.close(at, &mut after);
            }
            if let (Some(Part::Char(wanted)), Some(c)) = (self.parts.get(at), c)
                && *wanted == c
            {
                self.close(at + 1, &mut after);
            }
        }
        after.sort_unstable();
        after.dedup();
        after
    }
}

/// Whether some text could match more beginnings of these wildcards at once than are allowed.
pub(super) fn are_too_complex(wildcards: &[&Wildcard]) -> bool {
    let mut alphabet: Vec<Option<char>> = wildcards
        .iter()
        .flat_map(|wildcard| &wildcard.parts)
        .filter_map(|part| match part {
            Part::Char(c) => Some(Some(*c)),
            Part::Any => None,
        })
        .collect();
    // Any character that none of them has.
    alphabet.push(None);
    alphabet.sort_unstable();
    alphabet.dedup();
    let start: Vec<Vec<usize>> = wildcards
        .iter()
        .map(|wildcard| {
            let mut reached = vec![];
            wildcard.close(0, &mut reached);
            reached
        })
        .collect();
    let mut seen = HashSet::from([start.clone()]);
    let mut waiting = vec![start];
    while let Some(state) = waiting.pop() {
        let live = state.iter().flatten().filter(|at| **at > 0).count();
        if live > COMPLEXITY_MAX || seen.len() > STATES_MAX {
            return true;
        }
        for c in &alphabet {
            let next: Vec<Vec<usize>> = wildcards
                .iter()
                .zip(&state)
                .map(|(wildcard, reached)| wildcard.step(reached, *c))
                .collect();
            if seen.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    false
}
