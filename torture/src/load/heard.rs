//! What functions heard of: each thing that happened by one event, however often that began.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::Checked;

/// A line for what happened, and the event by which the function heard of it.
pub(super) const NOTES: &str = "def of(event):
    if 'Records' not in event:
        return event['of'] if 'of' in event else event['id']
    [record] = event['Records']
    return record['Sns']['Message'] if 'Sns' in record else record['s3']['object']['key']
def handler(event, context):
    note(context.function_name, of(event), context.aws_request_id)
";

/// What a function has heard of.
pub(super) struct Heard {
    /// What happened, with the events that told of it and how often each ran.
    events: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Heard {
    pub(super) fn read(name: &str, lines: &[Vec<String>]) -> Self {
        let mut events: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for words in lines.iter().filter(|words| words[0] == name) {
            if let [_, of, request] = &words[..] {
                let told = events.entry(of.clone()).or_default();
                *told.entry(request.clone()).or_default() += 1;
            }
        }
        Self { events }
    }

    /// What was promised must have been told by one event, however often that began.
    pub(super) fn check(&self, accepted: &BTreeSet<String>) -> Checked {
        let lost = accepted.iter().filter(|of| !self.events.contains_key(*of));
        let mut faults: Vec<_> = lost.map(|of| format!("{of} is lost")).collect();
        let doubled = self.events.iter().filter(|(_, told)| told.len() > 1);
        faults.extend(doubled.map(|(of, told)| format!("{of} was told by {} events", told.len())));
        let runs = self.events.values().flat_map(BTreeMap::values);
        Checked {
            accepted: accepted.len(),
            repeated: runs.map(|count| count - 1).sum(),
            faults,
            ..Checked::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(of: &str, request: &str) -> Vec<String> {
        ["x", of, request].map(str::to_owned).to_vec()
    }

    #[test]
    fn one_event_may_run_again_and_two_are_a_fault() {
        let accepted = ["a", "b"].map(str::to_owned).into();
        let lines = [line("a", "1"), line("a", "1"), line("b", "2")];
        let checked = Heard::read("x", &lines).check(&accepted);
        assert_eq!((checked.repeated, checked.faults.len()), (1, 0));
        let lines = [line("a", "1"), line("a", "2")];
        let checked = Heard::read("x", &lines).check(&accepted);
        assert_eq!(checked.faults, ["b is lost", "a was told by 2 events"]);
    }
}
