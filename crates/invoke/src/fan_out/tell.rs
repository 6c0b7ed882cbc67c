//! Tells destinations: what is published of the end of something that Lambda ran.

use kiln_events::envelope::{Ended, Envelope, Origin};
use kiln_store::queue::Delivery;
use kiln_types::{BucketName, BusArn, Destination, MessageId, TopicArn};

use super::expand::{Expanding, Expansion};
use super::notices::{Notice, Placed};
use super::{FanOut, Publication, Refusal};
use crate::object_events::{Cause, ObjectEvents};
use crate::told::{self, NotTold, SENDER, Tell, Telling};

impl Tell for FanOut {
    fn tell(&self, to: &Destination, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        match to {
            Destination::Function(arn) => Ok(vec![told::to_function(arn, telling)]),
            Destination::Queue(arn) => Ok(vec![told::to_queue(arn, telling)]),
            Destination::Topic(arn) => self.tell_topic(arn, telling),
            Destination::Bus(arn) => self.tell_bus(arn, telling),
            Destination::Bucket(name) => self.tell_bucket(name, telling),
        }
    }
}

impl FanOut {
    fn tell_topic(&self, arn: &TopicArn, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        let text = String::from_utf8_lossy(&telling.payload).into_owned();
        let notice = Notice {
            id: MessageId::from_bytes(*telling.id.as_bytes()),
            attributes: telling.attributes,
            ..Notice::plain(text, telling.trace)
        };
        let one = Placed::anywhere(notice);
        let made = self.around(telling.now, |around| {
            let mut expanding = Expanding::new(around);
            let result = expanding.notice(&arn.topic, &one);
            result.map(|()| expanding.made)
        });
        self.made(&Destination::Topic(arn.clone()), made)
    }

    fn tell_bus(&self, arn: &BusArn, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        let ended = Ended {
            bus_arn: arn.to_string(),
            function_arn: &telling.function.to_string(),
            is_success: telling.is_success,
            record: String::from_utf8_lossy(&telling.payload).into_owned(),
        };
        let origin = Origin {
            account: &arn.bus.account,
            region: &self.shared.region,
            now: telling.now,
        };
        let publication = Publication {
            bus: arn.bus.clone(),
            event: Envelope::ended(telling.id.to_string(), ended, &origin),
            trace: telling.trace,
        };
        let made = self.around(telling.now, |around| {
            let mut expanding = Expanding::new(around);
            let result = expanding.publication(&publication);
            result.map(|()| expanding.made)
        });
        self.made(&Destination::Bus(arn.clone()), made)
    }

    /// A bucket that is somebody else's is not there.
    fn tell_bucket(&self, name: &BucketName, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        let objects = self.shared.store.objects();
        let bucket = objects
            .bucket(name)
            .filter(|bucket| bucket.account == telling.function.account)
            .ok_or_else(|| NotTold::Gone(Destination::Bucket(name.clone())))?;
        let id = telling.id.to_string();
        let cause = Cause {
            principal: SENDER.to_owned(),
            address: SENDER.to_owned(),
            request_id: id.clone(),
            host_id: id,
            trace: telling.trace,
            now: telling.now,
        };
        let events = ObjectEvents::new(self.clone(), self.shared.region.clone());
        let tell = events.tell(cause);
        let deposit = objects.deposit(bucket.id(), telling.key, telling.payload, tell);
        Ok(vec![Delivery::Object(deposit)])
    }

    fn made(
        &self,
        to: &Destination,
        made: Result<Expansion, Refusal>,
    ) -> Result<Vec<Delivery>, NotTold> {
        let made = made.map_err(|refusal| match refusal {
            Refusal::NoBus(_) | Refusal::NoTopic(_) => NotTold::Gone(to.clone()),
            refusal => NotTold::Refused(refusal),
        })?;
        self.count(&made.dropped);
        Ok(made.deliveries)
    }
}
