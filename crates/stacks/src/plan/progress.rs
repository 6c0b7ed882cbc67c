//! How far a list of steps has come.

use super::Step;

/// Says which steps can be begun: those of which all that they wait for is done. It takes no time and starts nothing.
#[derive(Debug, Clone)]
pub struct Progress {
    waits: Vec<usize>,
    after: Vec<Vec<usize>>,
    states: Vec<State>,
    has_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Begun,
    Done,
    Failed,
}

impl Progress {
    /// Nothing is begun.
    pub fn new(steps: &[Step]) -> Progress {
        let mut after = vec![Vec::new(); steps.len()];
        for (at, step) in steps.iter().enumerate() {
            for before in &step.waits_for {
                if let Some(after) = after.get_mut(*before) {
                    after.push(at);
                }
            }
        }
        Progress {
            waits: steps.iter().map(|step| step.waits_for.len()).collect(),
            after,
            states: vec![State::Waiting; steps.len()],
            has_failed: false,
        }
    }

    /// Begins every step that can be: all of them can go on at the same time. None, once one has failed.
    pub fn begin(&mut self) -> Vec<usize> {
        if self.has_failed {
            return Vec::new();
        }
        let is_ready = |at: &usize| self.waits[*at] == 0 && self.states[*at] == State::Waiting;
        let ready: Vec<usize> = (0..self.states.len()).filter(is_ready).collect();
        for at in &ready {
            self.states[*at] = State::Begun;
        }
        ready
    }

    /// A step that was begun is done.
    pub fn done(&mut self, step: usize) {
        if self.states.get(step) != Some(&State::Begun) {
            return;
        }
        self.states[step] = State::Done;
        for later in &self.after[step] {
            self.waits[*later] = self.waits[*later].saturating_sub(1);
        }
    }

    /// A step that was begun has failed: no other begins, and those that are begun come to their ends.
    pub fn failed(&mut self, step: usize) {
        if self.states.get(step) == Some(&State::Begun) {
            self.states[step] = State::Failed;
            self.has_failed = true;
        }
    }

    /// Whether nothing goes on and nothing can be begun.
    pub fn is_over(&self) -> bool {
        let goes_on = self.states.contains(&State::Begun);
        let is_ready = |at: usize| self.waits[at] == 0 && self.states[at] == State::Waiting;
        !goes_on && (self.has_failed || !(0..self.states.len()).any(is_ready))
    }

    /// The steps that were begun, whatever became of them: what a rollback undoes.
    pub fn begun(&self) -> std::collections::BTreeSet<usize> {
        let was_begun = |at: &usize| self.states[*at] != State::Waiting;
        (0..self.states.len()).filter(was_begun).collect()
    }
}
