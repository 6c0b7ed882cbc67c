//! What a mapping says of its work (`LastProcessingResult`), and how often that is written down.

use std::time::Duration;

use kiln_types::Moment;
use kiln_types::mapping::PROCESSED;

use crate::supervisor::{PROBLEM, problem};

/// How often it is written at most: each time costs a write to disk.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// What it says after the function failed.
const FAILED: &str = "PROBLEM: Function call failed";

/// The last word on each part of the work. What is wrong with the source is said first.
#[derive(Debug)]
pub(crate) struct Results {
    shown: String,
    last: String,
    trouble: Option<String>,
    health: Option<String>,
    /// What was logged already.
    told: Option<String>,
    write_at: Option<Moment>,
    is_hasty: bool,
}

impl Results {
    /// Goes on from what was shown before.
    pub(crate) fn new(shown: String) -> Self {
        // Trouble with the source stays until it listens again.
        let trouble = shown.strip_prefix(PROBLEM).filter(|_| shown != FAILED);
        let trouble = trouble.map(str::to_owned);
        let last = match trouble {
            Some(_) => PROCESSED.to_owned(),
            None => shown.clone(),
        };
        Self {
            shown,
            last,
            trouble,
            health: None,
            told: None,
            write_at: None,
            is_hasty: false,
        }
    }

    /// The function took a batch.
    pub(crate) fn succeeded(&mut self) {
        if self.last != PROCESSED {
            PROCESSED.clone_into(&mut self.last);
        }
    }

    /// The function failed on one.
    pub(crate) fn failed(&mut self) {
        if self.last != FAILED {
            FAILED.clone_into(&mut self.last);
        }
    }

    /// Something else is to be said of the last batch.
    pub(crate) fn last(&mut self, text: String) {
        self.last = text;
    }

    /// The source cannot be listened to, or can again.
    pub(crate) fn trouble(&mut self, text: Option<String>) {
        if text.is_none() {
            self.told = None;
        }
        self.trouble = text;
    }

    /// Something is wrong at the source, or no longer is.
    pub(crate) fn health(&mut self, text: Option<String>) {
        self.health = text;
    }

    /// Whether this trouble was not logged yet; it counts as logged from here on.
    pub(crate) fn is_new_trouble(&mut self, text: &str) -> bool {
        let is_new = self.told.as_deref() != Some(text);
        self.told = Some(text.to_owned());
        is_new
    }

    /// Whether the source was healthy so far.
    pub(crate) fn is_new_health(&self, _text: &str) -> bool {
        self.health.is_none()
    }

    /// What is new is shown the next time, however short the time since the last.
    pub(crate) fn hasten(&mut self) {
        self.is_hasty = true;
    }

    /// What is to be written now, if anything.
    pub(crate) fn take_new(&mut self, now: Moment) -> Option<String> {
        let is_time = self.write_at.is_none_or(|at| now >= at) || self.is_hasty;
        self.is_hasty = false;
        let text = self.text();
        if !is_time || text == self.shown {
            return None;
        }
        self.write_at = Some(now + WRITE_EVERY);
        self.shown.clone_from(&text);
        Some(text)
    }

    /// When there is something to write that must wait.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.write_at.filter(|_| self.text() != self.shown)
    }

    fn text(&self) -> String {
        let wrong = self.trouble.as_ref().or(self.health.as_ref());
        wrong.map_or_else(|| self.last.clone(), |text| problem(text))
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::mapping::NOTHING_PROCESSED;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::after_start(Duration::from_millis(ms))
    }

    #[test]
    fn what_is_said_is_written_when_it_is_new_and_not_too_often() {
        let mut results = Results::new(NOTHING_PROCESSED.to_owned());
        assert_eq!(results.take_new(at(0)), None);
        results.succeeded();
        assert_eq!(results.take_new(at(0)).as_deref(), Some("OK"));
        results.failed();
        assert_eq!(results.take_new(at(999)), None);
        assert_eq!(results.due(), Some(at(1_000)));
        results.succeeded();
        assert_eq!((results.due(), results.take_new(at(1_000))), (None, None));
        results.failed();
        assert_eq!(results.take_new(at(1_000)).as_deref(), Some(FAILED));
    }

    #[test]
    fn trouble_with_the_source_comes_first_and_goes() {
        let mut results = Results::new("OK".to_owned());
        results.trouble(Some("no route".to_owned()));
        results.health(Some("it is full".to_owned()));
        results.failed();
        assert_eq!(
            results.take_new(at(0)).as_deref(),
            Some("PROBLEM: no route")
        );
        results.trouble(None);
        results.hasten();
        assert_eq!(
            results.take_new(at(1)).as_deref(),
            Some("PROBLEM: it is full")
        );
        results.health(None);
        results.hasten();
        assert_eq!(results.take_new(at(2)).as_deref(), Some(FAILED));
    }

    #[test]
    fn old_trouble_is_said_until_the_source_listens() {
        let mut results = Results::new("PROBLEM: no route".to_owned());
        assert_eq!(results.take_new(at(0)), None);
        results.trouble(None);
        assert_eq!(results.take_new(at(0)).as_deref(), Some("OK"));
        assert_eq!(Results::new(FAILED.to_owned()).take_new(at(0)), None);
    }

    #[test]
    fn the_same_trouble_is_logged_once() {
        let mut results = Results::new("OK".to_owned());
        assert!(results.is_new_trouble("a"));
        assert!(!results.is_new_trouble("a"));
        assert!(results.is_new_trouble("b"));
        results.trouble(None);
        assert!(results.is_new_trouble("b"));
    }
}
