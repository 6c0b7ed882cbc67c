//! What decides over the records of a source: one core for a source that is one stream, and one for each part of a source
//! that has several, so that a part that fails holds up no other.
//!
//! Parts share what may be held of the source: the more there are, the less each may hold ahead of its batches.

use std::collections::{BTreeMap, BTreeSet};

use kiln_types::Moment;

use crate::batch::{Action, Core, Event, Now, Settings};

/// What may be held of all parts of a source together. Beyond it a part may hold one record.
const PARTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Cores, which know nothing of each other.
#[derive(Debug)]
pub(crate) struct Cores {
    settings: Settings,
    whole: Core,
    parts: BTreeMap<u32, Core>,
    /// What each part may hold.
    share: usize,
}

impl Cores {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            whole: Core::new(settings.clone()),
            parts: BTreeMap::new(),
            share: 0,
            settings,
        }
    }

    /// Takes note of what happened to a part, or to the source if it has none, and says what to do.
    pub(crate) fn on(&mut self, part: Option<u32>, event: Event, now: Now) -> Vec<Action> {
        self.core(part).on(event, now)
    }

    /// The same of what happens to all.
    pub(crate) fn on_all(&mut self, event: &Event, now: Now) -> Vec<(Option<u32>, Action)> {
        let parts = self
            .parts
            .iter_mut()
            .map(|(part, core)| (Some(*part), core));
        let all = std::iter::once((None, &mut self.whole)).chain(parts);
        let told = all.flat_map(|(part, core)| {
            let actions = core.on(event.clone(), now).into_iter();
            actions.map(move |action| (part, action))
        });
        told.collect()
    }

    /// Whether a source without parts may bring more.
    pub(crate) fn has_room(&self) -> bool {
        self.whole.has_room()
    }

    /// Parts of which nothing more may come.
    pub(crate) fn full(&self) -> BTreeSet<u32> {
        let full = self.parts.iter().filter(|(_, core)| !core.has_room());
        full.map(|(part, _)| *part).collect()
    }

    /// When a tick is wanted.
    pub(crate) fn wake_at(&self, now: Now) -> Option<Moment> {
        self.all().filter_map(|core| core.wake_at(now)).min()
    }

    /// Whether nobody works on anything.
    pub(crate) fn is_quiet(&self) -> bool {
        self.all().all(Core::is_quiet)
    }

    fn all(&self) -> impl Iterator<Item = &Core> {
        std::iter::once(&self.whole).chain(self.parts.values())
    }

    fn core(&mut self, part: Option<u32>) -> &mut Core {
        let Some(part) = part else {
            return &mut self.whole;
        };
        if !self.parts.contains_key(&part) {
            // In steps of two, so that most parts that are added change nothing for the others.
            let sharing = (self.parts.len() + 1).next_power_of_two();
            let share = (PARTS_BYTES_MAX / sharing).max(1);
            let mut core = Core::of_part(self.settings.clone(), part);
            core.hold_at_most(share);
            if std::mem::replace(&mut self.share, share) != share {
                for core in self.parts.values_mut() {
                    core.hold_at_most(share);
                }
            }
            self.parts.insert(part, core);
        }
        self.parts.get_mut(&part).expect("it is there now")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kiln_types::{Timestamp, Version};

    use super::*;
    use crate::batch::{Answer, Attempt, Ran};
    use crate::record::{Key, Position, Record};

    fn settings() -> Settings {
        let mapping = crate::tests::rig::mapping("sum", "a");
        Settings {
            batch_size: 2,
            ..Settings::from(&mapping.settings)
        }
    }

    fn now() -> Now {
        Now {
            moment: Moment::default(),
            calendar: Timestamp::default(),
        }
    }

    fn came(number: u64, bytes: usize) -> Event {
        Event::Came(Record {
            id: format!("{number:020}").into(),
            key: Key::Of(0),
            created: Timestamp::default(),
            document: vec![b'1'; bytes].into(),
        })
    }

    fn invoked(actions: &[Action]) -> Option<&Attempt> {
        actions.iter().find_map(|action| match action {
            Action::Invoke(attempt) => Some(attempt),
            _ => None,
        })
    }

    #[test]
    fn a_part_that_fails_holds_up_no_other() {
        let mut cores = Cores::new(settings());
        let mut attempts = Vec::new();
        for part in [Some(3), Some(7)] {
            cores.on(part, came(1, 1), now());
            cores.on(part, Event::Mark(Position("1".into())), now());
            let actions = cores.on(part, Event::Tick, now());
            attempts.push(invoked(&actions).expect("it runs at once").batch);
        }
        assert_ne!(attempts[0], attempts[1], "each names its own");
        let ran = Ran {
            version: Version::Latest,
            error: None,
        };
        let failed = Event::Answered {
            batch: attempts[0],
            answer: Answer::Failed(Ran {
                error: Some("Unhandled"),
                ..ran
            }),
        };
        let actions = cores.on(Some(3), failed, now());
        assert!(!actions.iter().any(|of| matches!(of, Action::Confirm(_))));
        let done = Event::Answered {
            batch: attempts[1],
            answer: Answer::Returned(Bytes::new(), ran),
        };
        let actions = cores.on(Some(7), done, now());
        assert!(actions.contains(&Action::Confirm(Position("1".into()))));
        assert!(cores.is_quiet());
        assert!(cores.wake_at(now()).is_some(), "the first tries again");
    }

    #[test]
    fn parts_share_what_may_be_held() {
        let mut cores = Cores::new(settings());
        for part in 0..64 {
            cores.on(Some(part), came(1, 1), now());
        }
        assert!(cores.full().is_empty());
        cores.on(Some(5), came(2, PARTS_BYTES_MAX / 64), now());
        assert_eq!(cores.full(), BTreeSet::from([5]));
        let actions = cores.on(Some(5), Event::Tick, now());
        assert_eq!(invoked(&actions).expect("it is pressed").records.len(), 2);
        assert!(
            cores.has_room(),
            "that says nothing of a source without parts"
        );
    }
}
