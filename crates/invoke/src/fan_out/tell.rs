//! Tells destinations: what is published of the end of something that Lambda ran.

use kiln_events::envelope::{Ended, Envelope, Origin};
use kiln_store::queue::Delivery;
use kiln_types::{BusArn, Destination, MessageId, TopicArn};

use super::expand::{Expanding, Expansion};
use super::notices::{Notice, Placed};
use super::{FanOut, Publication, Refusal};
use crate::told::{self, NotTold, Tell, Telling};

impl Tell for FanOut {
    fn tell(&self, to: &Destination, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        match to {
            Destination::Function(arn) => Ok(vec![told::to_function(arn, telling)]),
            Destination::Queue(arn) => Ok(vec![told::to_queue(arn, telling)]),
            Destination::Topic(arn) => self.tell_topic(arn, telling),
            Destination::Bus(arn) => self.tell_bus(arn, telling),
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
