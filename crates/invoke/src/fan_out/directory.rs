//! What there is to be sent to.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kiln_store::Store;
use kiln_store::messages::MessageQueue;
use kiln_types::{BusId, FunctionArn, QueueId, Region, TopicId};

use super::rules::Rules;
use super::subscriptions::Subscriptions;

/// What there is, as of one moment or of a few close together.
pub(super) trait Directory {
    /// A bus, its rules read.
    fn bus(&self, id: &BusId) -> Option<Arc<Rules>>;
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
