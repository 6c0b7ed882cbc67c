//! Instances that are started ahead of need: for a request that the policy foretells, or that somebody
//! has announced.
//!
//! A plan has a start and an end. At its start an instance is started, unless one is idle; until its
//! end one is kept. Starting ahead never costs anybody anything: it is left out when memory or tokens
//! are short.

use std::time::Duration;

use kiln_types::Moment;

use super::arena::No;
use super::state::Pool;
use super::{Action, Core, Phase};

/// Plans of one pool; what is announced beyond them starts cold.
pub(super) const PLANS_MAX: usize = 16;
/// An instance for an announced request is started at least this long before, ...
const LEAD_MIN: Duration = Duration::from_millis(500);
/// ... or so many times as long as its init takes, ...
const LEAD_INITS: u32 = 2;
/// ... and is kept for so long afterwards, if the request is late.
const LATE_MAX: Duration = Duration::from_secs(30);

impl Core {
    /// A request for this key is announced for a moment.
    pub(super) fn expected(&mut self, no: No<Pool>, at: Moment, now: Moment) {
        let pool = &mut self.pools[no];
        // Who announces has kept what is needed to start one.
        pool.known = true;
        if self.phase == Phase::Serving && !pool.retired && at > now {
            let init = self.functions[pool.function].habit.init();
            let start = (at - LEAD_MIN.max(init * LEAD_INITS)).max(now);
            self.plan(no, start, at + LATE_MAX);
        }
        self.forget_if_empty(no);
        self.start_due_ahead(now);
    }

    /// The policy foretells a request. There is one such plan at a time.
    pub(super) fn foretell(&mut self, no: No<Pool>, start: Moment, end: Moment) {
        self.forget_foretold(no);
        if self.plan(no, start, end) {
            self.pools[no].foretold = Some(start);
        }
    }

    /// A request came: what was foretold has happened.
    pub(super) fn forget_foretold(&mut self, no: No<Pool>) {
        if let Some(start) = self.pools[no].foretold.take() {
            self.pools[no].plans.remove(&start);
            self.plans.remove(&(start, no));
        }
    }

    pub(super) fn forget_plans(&mut self, no: No<Pool>) {
        let pool = &mut self.pools[no];
        pool.foretold = None;
        for (start, _) in std::mem::take(&mut pool.plans) {
            self.plans.remove(&(start, no));
        }
    }

    pub(super) fn forget_all_plans(&mut self) {
        while let Some((_, no)) = self.plans.first().copied() {
            self.forget_plans(no);
            self.forget_if_empty(no);
        }
    }

    fn plan(&mut self, no: No<Pool>, start: Moment, end: Moment) -> bool {
        let plans = &mut self.pools[no].plans;
        let is_new = !plans.contains_key(&start);
        if is_new && plans.len() >= PLANS_MAX {
            return false;
        }
        let until = plans.entry(start).or_insert(end);
        *until = end.max(*until);
        self.plans.insert((start, no));
        is_new
    }

    /// Starts what is planned for now or earlier.
    pub(super) fn start_due_ahead(&mut self, now: Moment) {
        while let Some((start, no)) = self.plans.first().filter(|(at, _)| *at <= now).copied() {
            self.plans.remove(&(start, no));
            let pool = &mut self.pools[no];
            let end = pool
                .plans
                .remove(&start)
                .expect("plans are noted with their pool");
            pool.foretold.take_if(|foretold| *foretold == start);
            pool.hold_until = pool.hold_until.max(end);
            let has_one = !pool.idle.is_empty()
                || !pool.open.is_empty()
                || !pool.provisioned.idle.is_empty()
                || pool.starting_slots() > pool.covered.len();
            if !has_one && self.may_start_ahead(no, now) {
                self.start_ahead(no, now);
            }
            self.forget_if_empty(no);
        }
    }

    fn may_start_ahead(&self, no: No<Pool>, now: Moment) -> bool {
        let pool = &self.pools[no];
        self.turns.first().is_none()
            && self.has_room(pool.memory_mb)
            && self.next_start(pool.function, now) <= now
    }

    fn start_ahead(&mut self, no: No<Pool>, now: Moment) {
        let id = self.add_instance(no, true, now);
        let pool = &mut self.pools[no];
        pool.starting += 1;
        let key = pool.key.clone();
        self.actions.push(Action::StartAhead {
            instance: id,
            key,
            provisioned: false,
        });
        self.rebalance(no, now);
    }
}
