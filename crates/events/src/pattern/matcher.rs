//! Whether one event has all that an alternative wants, at once.
//!
//! Arrays are looked through: a leaf may lie in any element. But all that lies in elements of one array must lie
//! in the same one: `{"name": ["a"], "role": ["b"]}` is not made true by two people. Formally, as in event-ruler:
//! each wanted leaf is given one leaf of the event, and no two of these may lie in different objects or arrays
//! of the same array. A leaf that must not be there is looked for only where it would be consistent with what
//! was given to the leaves before it, by name.
//!
//! The event is a tree, and a choice is made only at an array, so each part of it is gone through once for each
//! alternative. The one exception are names with dots, which make it unclear where a leaf lies ([`TRIES_MAX`]).

use std::cell::Cell;

use serde_json::{Map, Value};

use super::compile::{Field, Want};

/// How often, in one event, a second place is tried for a leaf that could lie in two because names have dots. After
/// that the first place is taken: such an event may not match, and takes no more time than others.
const TRIES_MAX: u32 = 256;

/// Looks for leaves.
struct Search {
    /// Left of [`TRIES_MAX`].
    tries: Cell<u32>,
}

/// A leaf that is still to be found, below some part of the event.
#[derive(Clone, Copy)]
struct Sought<'a> {
    /// Its place among the leaves of the alternative.
    rank: usize,
    /// The rest of its path; empty at the leaf itself.
    rest: &'a str,
    want: &'a Want,
}

/// What is sought below one field of an object.
struct Group<'a> {
    value: &'a Value,
    sought: Vec<Sought<'a>>,
}

/// Whether the event has all of it.
pub(super) fn satisfies(event: &Map<String, Value>, alternative: &[Field]) -> bool {
    let sought: Vec<Sought<'_>> = alternative
        .iter()
        .enumerate()
        .map(|(rank, field)| Sought {
            rank,
            rest: &field.path,
            want: &field.want,
        })
        .collect();
    let search = Search {
        tries: Cell::new(TRIES_MAX),
    };
    search.object_has(event, &sought)
}

impl Sought<'_> {
    fn is_absent(&self) -> bool {
        matches!(self.want, Want::Absent)
    }

    /// Whether this is the leaf, and it is as wanted.
    fn is(&self, value: &Value) -> bool {
        match self.want {
            Want::Absent => false,
            Want::Value(tests) => {
                self.rest.is_empty() && tests.iter().any(|test| test.passes(value))
            }
        }
    }
}

impl Search {
    /// Takes one of the tries.
    fn may_try(&self) -> bool {
        let left = self.tries.get();
        self.tries.set(left.saturating_sub(1));
        left > 0
    }

    fn value_has(&self, value: &Value, sought: &[Sought<'_>]) -> bool {
        if sought.is_empty() {
            return true;
        }
        match value {
            Value::Object(object) => {
                // An object is no leaf: whoever sought one here has found nothing.
                let (here, below): (Vec<Sought<'_>>, Vec<_>) =
                    sought.iter().partition(|it| it.rest.is_empty());
                here.iter().all(Sought::is_absent) && self.object_has(object, &below)
            }
            Value::Array(elements) => self.array_has(elements, sought),
            leaf => sought
                .iter()
                .all(|it| it.is(leaf) || (it.is_absent() && !it.rest.is_empty())),
        }
    }

    fn object_has<'a>(&self, object: &'a Map<String, Value>, sought: &[Sought<'a>]) -> bool {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut unclear: Vec<(Sought<'a>, Vec<(usize, &'a str)>)> = Vec::new();
        for it in sought {
            let mut places = places(object, it.rest, &mut groups);
            if it.is_absent() {
                for (group, rest) in places {
                    groups[group].sought.push(Sought { rest, ..*it });
                }
                continue;
            }
            if places.len() > 1 {
                places.retain(|(group, rest)| {
                    !self.may_try()
                        || self.value_has(groups[*group].value, &[Sought { rest, ..*it }])
                });
            }
            match places[..] {
                [] => return false,
                [(group, rest)] => groups[group].sought.push(Sought { rest, ..*it }),
                _ => unclear.push((*it, places)),
            }
        }
        self.groups_have(&mut groups, &unclear)
    }

    /// Whether every group has what is sought in it, with what is unclear put somewhere.
    fn groups_have<'a>(
        &self,
        groups: &mut [Group<'a>],
        unclear: &[(Sought<'a>, Vec<(usize, &'a str)>)],
    ) -> bool {
        let Some(((it, places), others)) = unclear.split_first() else {
            return groups.iter_mut().all(|group| {
                group.sought.sort_by_key(|it| it.rank);
                self.value_has(group.value, &group.sought)
            });
        };
        places.iter().enumerate().any(|(index, (group, rest))| {
            if index > 0 && !self.may_try() {
                return false;
            }
            let before = groups[*group].sought.clone();
            groups[*group].sought.push(Sought { rest, ..*it });
            let have = self.groups_have(groups, others);
            groups[*group].sought = before;
            have
        })
    }

    fn array_has(&self, elements: &[Value], sought: &[Sought<'_>]) -> bool {
        let is_leaf = |value: &&Value| !value.is_object() && !value.is_array();
        let own = sought.iter().find(|it| it.rest.is_empty());
        let has_leaves = elements.iter().any(|element| is_leaf(&element));
        if own.is_some_and(Sought::is_absent) && has_leaves {
            return false;
        }
        let is_found = own.is_some_and(|own| elements.iter().filter(is_leaf).any(|it| own.is(it)));
        if is_found {
            // A plain element of the array binds no other leaf to a place in it.
            let others: Vec<Sought<'_>> = sought
                .iter()
                .filter(|it| !it.rest.is_empty())
                .copied()
                .collect();
            if self.element_has(elements, &others) {
                return true;
            }
            // Found deeper it could, which narrows where others must not be.
            if !sought.iter().any(Sought::is_absent) {
                return false;
            }
        }
        self.element_has(elements, sought)
    }

    /// Whether one object or array of an array has all of it.
    fn element_has(&self, elements: &[Value], sought: &[Sought<'_>]) -> bool {
        let mut nested = elements.iter().filter(|it| it.is_object() || it.is_array());
        let first = sought.iter().find(|it| !it.is_absent()).map(|it| it.rank);
        let Some(first) = first else {
            return nested.all(|element| self.value_has(element, sought));
        };
        // Before the first leaf that binds the choice nothing does.
        let (early, late): (Vec<Sought<'_>>, Vec<_>) =
            sought.iter().partition(|it| it.rank < first);
        if !early.is_empty()
            && !nested
                .clone()
                .all(|element| self.value_has(element, &early))
        {
            return false;
        }
        nested.any(|element| self.value_has(element, &late))
    }
}

/// Where below an object the leaf could lie: a field of each beginning of its path.
fn places<'a>(
    object: &'a Map<String, Value>,
    path: &'a str,
    groups: &mut Vec<Group<'a>>,
) -> Vec<(usize, &'a str)> {
    let ends = path
        .match_indices('.')
        .map(|(at, _)| at)
        .chain([path.len()]);
    let mut places = Vec::new();
    for end in ends {
        let Some(value) = object.get(&path[..end]) else {
            continue;
        };
        let group = match groups.iter().position(|it| std::ptr::eq(it.value, value)) {
            Some(group) => group,
            None => {
                let sought = vec![];
                groups.push(Group { value, sought });
                groups.len() - 1
            }
        };
        places.push((group, path.get(end + 1..).unwrap_or("")));
    }
    places
}
