//! What is to be done so that a stack is what its template says: which resources are created, updated, replaced and
//! removed, what each waits for, and how all of that is undone.
//!
//! A plan has two parts, as in CloudFormation. In the first, resources are created and updated, each after those that
//! it refers to; when it fails, [`Plan::rollback`] says how what was done is undone. In the second, once nothing can
//! fail any more, what the template has no more and what was replaced is removed, each before what it referred to.
//! [`Progress`] says at any time what can be begun.

mod difference;
mod kinds;
mod progress;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map as JsonMap, Value as Json};

use crate::error::{Error, Kind, listed};
use crate::evaluate::{Answer, Evaluator, Lookup, Properties};
use crate::template::{DeletionPolicy, Template};

pub use difference::{Difference, Replacement};
pub use kinds::is_supported;
pub use progress::Progress;

/// A resource that a stack has.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// Its type.
    pub kind: String,
    /// The properties with which it was made or last updated.
    pub properties: JsonMap<String, Json>,
    /// The resources of the stack that it referred to.
    pub waits_for: Vec<String>,
    /// What becomes of it when it is removed.
    pub deletion_policy: DeletionPolicy,
}

/// What becomes of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// What is done.
    pub action: Action,
}

/// What is done with a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// There is none, and there will be.
    Create,
    /// It gets other properties.
    Update {
        /// Which of them differ, by name.
        differs: Vec<Difference>,
        /// Whether another takes its place.
        replacement: Replacement,
    },
    /// Nothing.
    Keep,
    /// The template has it no more.
    Remove {
        /// It stays nevertheless, and belongs to no stack.
        keeps: bool,
    },
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// With which resource.
    pub logical_id: String,
    /// What.
    pub task: Task,
    /// The places in the same list of the steps that must be done before.
    pub waits_for: Vec<usize>,
}

/// What a [`Step`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// It is made.
    Create,
    /// It is updated; while that was planned, whether another takes its place may not have been known.
    Update,
    /// Another is made that takes its place; the old one is removed in the second part.
    Replace,
    /// It is removed.
    Remove,
    /// The old one of a replacement is removed.
    RemoveReplaced,
    /// It gets the properties back that it had.
    Restore,
    /// What was made to take its place is removed, and it is itself again.
    RemoveReplacement,
    /// It is left where it is, and belongs to the stack no more.
    LetGo,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What becomes of each resource, those of the template first.
    pub changes: Vec<Change>,
    /// The first part: what is created and updated.
    pub work: Vec<Step>,
    /// The second part: what is removed.
    pub cleanup: Vec<Step>,
    /// What stays even if the operation that made it is undone.
    retained: BTreeSet<String>,
}

impl Existing {
    /// What becomes of it when it is to have these properties. A plan has asked already; where it said
    /// [`Replacement::Perhaps`], whoever does the step asks again, once everything is known.
    ///
    /// # Errors
    /// It has a name of its own, is to keep it, and must be replaced.
    pub fn action(&self, properties: &Properties) -> Result<Action, Error> {
        difference::between(self, properties)
    }
}

impl Plan {
    /// Plans how a stack that has `existing` resources becomes what its template says. A stack that is made has none.
    ///
    /// # Errors
    /// The template has types that Kiln has not; a resource would become one of another type; one that has a name of
    /// its own would be replaced by one of the same name; or its properties cannot be evaluated.
    pub fn new(
        template: &Template,
        evaluator: &Evaluator<'_>,
        existing: &IndexMap<String, Existing>,
        lookup: &dyn Lookup,
    ) -> Result<Plan, Error> {
        let order = evaluator.order()?;
        refuse_unsupported(template, &order)?;
        refuse_other_types(template, &order, existing)?;
        let mut known = Moving {
            lookup,
            moving: BTreeSet::new(),
        };
        let mut actions: BTreeMap<&str, Action> = BTreeMap::new();
        for logical_id in &order {
            let properties = evaluator.properties(logical_id, &known)?;
            let action = match existing.get(*logical_id) {
                None => Action::Create,
                Some(existing) => existing.action(&properties)?,
            };
            let moves = match &action {
                Action::Create => true,
                Action::Update { replacement, .. } => *replacement != Replacement::Never,
                Action::Keep | Action::Remove { .. } => false,
            };
            if moves {
                known.moving.insert((*logical_id).to_owned());
            }
            actions.insert(logical_id, action);
        }
        let mut plan = Plan {
            changes: changes(template, actions, existing),
            work: Vec::new(),
            cleanup: Vec::new(),
            retained: retained(template),
        };
        plan.work = plan.work(&order, evaluator);
        plan.cleanup = plan.cleanup(template, existing, &BTreeSet::new());
        Ok(plan)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.work.is_empty() && self.cleanup.is_empty()
    }

    /// How those steps of the first part that were begun are undone, the last first; `replaced` are those of which only the
    /// work itself found that another must take their place. What was never made is for whoever removes it to bear.
    pub fn rollback(&self, begun: &BTreeSet<usize>, replaced: &BTreeSet<String>) -> Vec<Step> {
        let undone = |step: &Step| match step.task {
            Task::Create if self.retained.contains(&step.logical_id) => Task::LetGo,
            Task::Create => Task::Remove,
            Task::Replace => Task::RemoveReplacement,
            _ if replaced.contains(&step.logical_id) => Task::RemoveReplacement,
            _ => Task::Restore,
        };
        let begun: Vec<usize> = begun
            .iter()
            .copied()
            .filter(|at| *at < self.work.len())
            .collect();
        let tasks = begun.iter().rev().map(|at| {
            let step = &self.work[*at];
            let after = begun
                .iter()
                .filter(|later| self.work[**later].waits_for.contains(at));
            let after: Vec<&str> = after
                .map(|later| self.work[*later].logical_id.as_str())
                .collect();
            (step.logical_id.as_str(), undone(step), after)
        });
        steps(tasks.collect())
    }

    /// How a stack is removed with all its resources, but for those that its template says to keep.
    pub fn removal(existing: &IndexMap<String, Existing>) -> Vec<Step> {
        let removed = existing.iter().map(|(logical_id, existing)| {
            let keeps = existing.deletion_policy.keeps();
            (
                logical_id.as_str(),
                if keeps { Task::LetGo } else { Task::Remove },
            )
        });
        reversed(removed.collect(), existing)
    }

    fn work(&self, order: &[&str], evaluator: &Evaluator<'_>) -> Vec<Step> {
        let actions: BTreeMap<&str, &Action> = self
            .changes
            .iter()
            .map(|change| (change.logical_id.as_str(), &change.action))
            .collect();
        let before: BTreeMap<&str, Vec<&str>> = evaluator.waits_for().collect();
        let tasks = order.iter().filter_map(|logical_id| {
            let task = match actions.get(logical_id)? {
                Action::Create => Task::Create,
                Action::Update {
                    replacement: Replacement::Always,
                    ..
                } => Task::Replace,
                Action::Update { .. } => Task::Update,
                Action::Keep | Action::Remove { .. } => return None,
            };
            Some((
                *logical_id,
                task,
                before.get(logical_id).cloned().unwrap_or_default(),
            ))
        });
        steps(tasks.collect())
    }

    /// The second part, when only the work itself found that another must take the place of some (`replaced`).
    pub fn cleanup(
        &self,
        template: &Template,
        existing: &IndexMap<String, Existing>,
        replaced: &BTreeSet<String>,
    ) -> Vec<Step> {
        let removed = self.changes.iter().filter_map(|change| {
            let task = match &change.action {
                Action::Remove { keeps: false } => Task::Remove,
                Action::Remove { keeps: true } => Task::LetGo,
                Action::Update { replacement, .. }
                    if *replacement == Replacement::Always
                        || replaced.contains(&change.logical_id) =>
                {
                    let resource = template.resources.get(&change.logical_id)?;
                    if resource.update_replace_policy.keeps() {
                        return None;
                    }
                    Task::RemoveReplaced
                }
                Action::Create | Action::Update { .. } | Action::Keep => return None,
            };
            Some((change.logical_id.as_str(), task))
        });
        reversed(removed.collect(), existing)
    }
}

fn retained(template: &Template) -> BTreeSet<String> {
    let keeps = |policy| matches!(policy, DeletionPolicy::Retain | DeletionPolicy::Snapshot);
    let retained = template
        .resources
        .iter()
        .filter(|(_, resource)| keeps(resource.deletion_policy));
    retained.map(|(name, _)| name.clone()).collect()
}

/// A lookup that does not know what may become another.
struct Moving<'a> {
    lookup: &'a dyn Lookup,
    moving: BTreeSet<String>,
}

impl Lookup for Moving<'_> {
    fn reference(&self, logical_id: &str) -> Answer {
        if self.moving.contains(logical_id) {
            return Answer::Open;
        }
        self.lookup.reference(logical_id)
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Answer {
        match self.lookup.attribute(logical_id, name) {
            Answer::Never => Answer::Never,
            _ if self.moving.contains(logical_id) => Answer::Open,
            answer => answer,
        }
    }

    fn import(&self, export: &str) -> Option<String> {
        self.lookup.import(export)
    }
}

fn refuse_unsupported(template: &Template, order: &[&str]) -> Result<(), Error> {
    let kinds: BTreeSet<&str> = order
        .iter()
        .filter_map(|logical_id| template.resources.get(*logical_id))
        .map(|resource| resource.kind.as_str())
        .filter(|kind| !is_supported(kind))
        .collect();
    if kinds.is_empty() {
        return Ok(());
    }
    let what = format!(
        "Template format error: Unrecognized resource types: {}",
        listed(kinds)
    );
    Err(Error::new(Kind::Unsupported, what))
}

fn refuse_other_types(
    template: &Template,
    order: &[&str],
    existing: &IndexMap<String, Existing>,
) -> Result<(), Error> {
    let is_other = |logical_id: &&&str| {
        let pair = existing
            .get(**logical_id)
            .zip(template.resources.get(**logical_id));
        pair.is_some_and(|(existing, resource)| existing.kind != resource.kind)
    };
    let others: Vec<&str> = order.iter().filter(is_other).copied().collect();
    if others.is_empty() {
        return Ok(());
    }
    let names = listed(others);
    let what = format!(
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: {names}"
    );
    Err(Error::new(Kind::Format, what))
}

/// What becomes of each resource, in the order of the template, and then of those that it has no more.
fn changes(
    template: &Template,
    mut actions: BTreeMap<&str, Action>,
    existing: &IndexMap<String, Existing>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (logical_id, resource) in &template.resources {
        if let Some(action) = actions.remove(logical_id.as_str()) {
            let (logical_id, kind) = (logical_id.clone(), resource.kind.clone());
            changes.push(Change {
                logical_id,
                kind,
                action,
            });
        }
    }
    let kept: BTreeSet<String> = changes
        .iter()
        .map(|change| change.logical_id.clone())
        .collect();
    for (logical_id, existing) in existing
        .iter()
        .filter(|(logical_id, _)| !kept.contains(*logical_id))
    {
        let keeps = existing.deletion_policy.keeps();
        changes.push(Change {
            logical_id: logical_id.clone(),
            kind: existing.kind.clone(),
            action: Action::Remove { keeps },
        });
    }
    changes
}

/// Steps of tasks, each of which waits for others that are named; names of no task are passed over.
fn steps(tasks: Vec<(&str, Task, Vec<&str>)>) -> Vec<Step> {
    let places: BTreeMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .map(|(at, task)| (task.0, at))
        .collect();
    let step = |(logical_id, task, before): &(&str, Task, Vec<&str>)| {
        let waits_for: BTreeSet<usize> = before
            .iter()
            .filter_map(|name| places.get(name).copied())
            .collect();
        Step {
            logical_id: (*logical_id).to_owned(),
            task: *task,
            waits_for: waits_for.into_iter().collect(),
        }
    };
    tasks.iter().map(step).collect()
}

/// Steps that remove: each waits for those that referred to it.
fn reversed(tasks: Vec<(&str, Task)>, existing: &IndexMap<String, Existing>) -> Vec<Step> {
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (logical_id, _) in &tasks {
        for earlier in existing
            .get(*logical_id)
            .map_or(&[][..], |existing| &existing.waits_for)
        {
            after.entry(earlier.as_str()).or_default().push(logical_id);
        }
    }
    let tasks = tasks.into_iter().map(|(logical_id, task)| {
        let waits_for = after.get(logical_id).cloned().unwrap_or_default();
        (logical_id, task, waits_for)
    });
    steps(tasks.collect())
}

#[cfg(test)]
mod tests;
