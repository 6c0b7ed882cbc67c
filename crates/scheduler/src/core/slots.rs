//! Instances that several requests have at a time, as their function asked for.
//!
//! Who asks gets a place beside others before an instance of its own: that is what the function asked
//! for. Among instances with a free place the fullest is taken, so that the others come to be idle.
//! An instance that is to end while several have it is *closing*: it is given to nobody any more, and
//! ends when the last gives it back.

use kiln_types::{InstanceId, Moment};

use super::Core;
use super::arena::No;
use super::state::{Instance, Pool};

impl Core {
    /// The fullest busy instance of a pool that has a free place.
    pub(super) fn first_open(&self, no: No<Pool>) -> Option<InstanceId> {
        self.pools[no].open.last().map(|(_, id)| *id)
    }

    /// Takes a place in an instance. Says whether it is the first.
    pub(super) fn take_slot(&mut self, id: InstanceId, no: No<Pool>) -> bool {
        self.close_slots(id, no);
        let instance = self.live_mut(id);
        instance.granted += 1;
        let is_first = instance.granted == 1;
        self.open_slots(id, no);
        is_first
    }

    /// Gives a place back. Says whether it was the last.
    pub(super) fn give_slot(&mut self, id: InstanceId, no: No<Pool>) -> bool {
        self.close_slots(id, no);
        let instance = self.live_mut(id);
        instance.granted -= 1;
        if instance.granted == 0 {
            return true;
        }
        self.open_slots(id, no);
        false
    }

    /// Gives all places back, and says how many they were.
    pub(super) fn give_slots(&mut self, id: InstanceId, no: No<Pool>) -> u32 {
        self.close_slots(id, no);
        std::mem::take(&mut self.live_mut(id).granted)
    }

    /// Gives the instance to nobody any more.
    pub(super) fn close(&mut self, id: InstanceId, no: No<Pool>) {
        self.close_slots(id, no);
        let memory_mb = self.pools[no].memory_mb;
        if !std::mem::replace(&mut self.live_mut(id).closing, true) {
            self.live_closing.add(memory_mb);
        }
    }

    /// It is not closing any more: it ends, or has ended.
    pub(super) fn forget_closing(&mut self, id: InstanceId, no: No<Pool>) {
        let memory_mb = self.pools[no].memory_mb;
        if std::mem::take(&mut self.live_mut(id).closing) {
            self.live_closing.take(memory_mb);
        }
    }

    pub(super) fn has_free_slot(&self, id: InstanceId, no: No<Pool>) -> bool {
        let instance = &self.instances[&id];
        !instance.closing && instance.granted < self.pools[no].slots
    }

    /// Gives an instance to those who wait for it, as many as it takes.
    pub(super) fn fill(&mut self, id: InstanceId, no: No<Pool>, now: Moment) {
        while self.has_free_slot(id, no)
            && let Some(ticket) = self.pools[no].first_waiter()
        {
            self.end_turn(no);
            self.forget_waiter(ticket);
            self.rebalance(no, now);
            self.grant(ticket, id, no);
        }
    }

    fn open_slots(&mut self, id: InstanceId, no: No<Pool>) {
        if self.has_free_slot(id, no) {
            let granted = self.instances[&id].granted;
            self.pools[no].open.insert((granted, id));
        }
    }

    fn close_slots(&mut self, id: InstanceId, no: No<Pool>) {
        let granted = self.instances[&id].granted;
        // With one place there is never another.
        if self.pools[no].slots > 1 {
            self.pools[no].open.remove(&(granted, id));
        }
    }

    fn live_mut(&mut self, id: InstanceId) -> &mut Instance {
        self.instances
            .get_mut(&id)
            .expect("places are in live instances")
    }
}
