//! What there is to be sent to.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kiln_store::Store;
use kiln_store::messages::MessageQueue;
use kiln_types::{BusId, FunctionArn, QueueId, Region, TopicId};

use super::archives::ReadArchives;
use super::rules::Rules;
use super::subscriptions::Subscriptions;

/// What there is, as of one moment or of a few close together.
pub(super) trait Directory {
    /// A bus, its rules read.
    fn bus(&self, id: &BusId) -> Option<Arc<Rules>>;
    /// The archives of a bus, read, if it has any.
    fn archives(&self, bus: &BusId) -> Option<Arc<ReadArchives>>;
    /// What archives may hold, when they hold that.
    fn archives_full(&self) -> Option<u64>;
    /// A topic, its subscriptions read.
    fn topic(&self, id: &TopicId) -> Option<Arc<Subscriptions>>;
    /// Whether there is such a function, and such a version of it.
    fn has_function(&self, arn: &FunctionArn) -> bool;
    /// A queue.
    fn queue(&self, id: &QueueId) -> Option<Arc<MessageQueue>>;
}

/// What the store has in memory.
pub(super) struct InStore<'a> {
    pub(super) store: &'a Store,
    pub(super) rules: &'a RwLock<HashMap<BusId, Arc<Rules>>>,
    pub(super) archives: &'a RwLock<HashMap<BusId, Arc<ReadArchives>>>,
    pub(super) subscriptions: &'a RwLock<HashMap<TopicId, Arc<Subscriptions>>>,
    pub(super) region: &'a Region,
}

impl Directory for InStore<'_> {
    fn bus(&self, id: &BusId) -> Option<Arc<Rules>> {
        let Some(live) = self.store.buses().get(id) else {
            self.rules.write().expect("no holder panics").remove(id);
            return None;
        };
        let known = self
            .rules
            .read()
            .expect("no holder panics")
            .get(id)
            .cloned();
        if let Some(known) = known
            && Arc::ptr_eq(&known.of, &live)
        {
            return Some(known);
        }
        let read = Arc::new(Rules::read(live, self.region));
        // A default bus that nobody ever changed has nothing worth keeping, and another address each time.
        if !read.of.rules.is_empty() {
            let mut rules = self.rules.write().expect("no holder panics");
            // Buses that were deleted since.
            rules.retain(|id, _| self.store.buses().get(id).is_some());
            rules.insert(id.clone(), read.clone());
        }
        Some(read)
    }

    fn archives(&self, bus: &BusId) -> Option<Arc<ReadArchives>> {
        let of = self.store.archives().of_bus(bus)?;
        let known = self.archives.read().expect("no holder panics");
        if let Some(known) = known.get(bus)
            && Arc::ptr_eq(&known.of, &of)
        {
            return Some(known.clone());
        }
        drop(known);
        let read = Arc::new(ReadArchives::read(of));
        let mut known = self.archives.write().expect("no holder panics");
        // Those of buses that have none since.
        known.retain(|bus, _| self.store.archives().of_bus(bus).is_some());
        known.insert(bus.clone(), read.clone());
        Some(read)
    }

    fn archives_full(&self) -> Option<u64> {
        self.store.archives().full()
    }

    fn topic(&self, id: &TopicId) -> Option<Arc<Subscriptions>> {
        let Some(live) = self.store.topics().get(id) else {
            let mut known = self.subscriptions.write().expect("no holder panics");
            known.remove(id);
            return None;
        };
        let known = self.subscriptions.read().expect("no holder panics");
        if let Some(known) = known.get(id)
            && Arc::ptr_eq(&known.of, &live)
        {
            return Some(known.clone());
        }
        drop(known);
        let read = Arc::new(Subscriptions::read(live, self.region));
        let mut known = self.subscriptions.write().expect("no holder panics");
        // Topics that were deleted since.
        known.retain(|id, _| self.store.topics().get(id).is_some());
        known.insert(id.clone(), read.clone());
        Some(read)
    }

    fn has_function(&self, arn: &FunctionArn) -> bool {
        let function = self.store.function(&arn.id());
        let version = function.as_ref().and_then(|function| {
            let version = function.version_of(arn.qualifier.as_ref())?;
            function.version(version)
        });
        version.is_some()
    }

    fn queue(&self, id: &QueueId) -> Option<Arc<MessageQueue>> {
        self.store.messages().get(id)
    }
}
