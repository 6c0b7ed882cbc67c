//! From a FIFO queue: the first messages of groups of which none is in flight, as many of one as there
//! are before the next.

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::{Candidate, Receiver};
use crate::error::{Doing, Error};
use crate::messages::counts::Place;
use crate::messages::key::Lane;
use crate::messages::lane;
use crate::messages::receipt::Receipt;
use crate::messages::remove;

/// Groups that one receive looks at.
const GROUPS_MAX: usize = 64;

impl Receiver<'_> {
    /// Takes the messages of the groups that have been ready longest; tells when the next group will be
    /// when there are none.
    pub(super) fn take_in_order(&mut self) -> Result<Option<Timestamp>, Error> {
        let mut looked = 0;
        let mut groups = Groups::default();
        while !self.has_enough() && looked < GROUPS_MAX {
            let group = groups.next(self).doing("look for a group of messages")?;
            let Some(lane) = group else {
                break;
            };
            looked += 1;
            self.take_of_group(lane)?;
        }
        if !self.taken.is_empty() {
            return Ok(None);
        }
        next(self.to, self.queue.epoch).doing("look for the next group of messages")
    }

    fn take_of_group(&mut self, group: Lane) -> Result<(), Error> {
        let before = self.taken.len();
        let mut after = group.keys().0 - 1;
        while !self.has_enough() {
            let wanted = self.wanted - self.taken.len();
            let found = next_of(self.to, group, after, wanted).doing("look for messages")?;
            let is_all = found.len() < wanted;
            let visible = found.iter().take_while(|one| !one.is_hidden(self.now));
            let visible = visible.copied().collect::<Vec<_>>();
            for one in &visible {
                if self.taken_bytes >= self.bytes_max {
                    break;
                }
                self.receive(*one)?;
                after = one.key.0;
            }
            if is_all || visible.len() < found.len() {
                break;
            }
        }
        if self.taken.len() > before {
            let hold = lane::set_ready(self.to, group, self.due, self.now);
            hold.doing("hold group of messages")?;
            return Ok(());
        }
        lane::settle(self.to, group, self.now)
    }

    /// Hands out once more what this attempt got before, if it is all as it was; tells whether it did.
    pub(super) fn take_again(&mut self, receipts: Vec<Receipt>) -> Result<bool, Error> {
        if receipts.is_empty() {
            return Ok(false);
        }
        let held = |receipt: &Receipt| remove::held(self.to, receipt);
        let held: rusqlite::Result<Option<Vec<_>>> = receipts.iter().map(held).collect();
        let held = held.doing("look for messages received before")?;
        let in_flight = |held: &Vec<remove::Held>| held.iter().all(|held| held.due > self.now);
        let Some(held) = held.filter(in_flight) else {
            return Ok(false);
        };
        for (receipt, remove::Held { due, first, .. }) in receipts.into_iter().zip(held) {
            let update = "UPDATE message_held SET due = ?2, last = ?3 WHERE id = ?1";
            let by = params![receipt.key.0, self.due.as_millis(), self.now.as_millis()];
            self.to
                .prepare_cached(update)
                .and_then(|mut update| update.execute(by))
                .doing("hold message")?;
            let to = Place::Received(self.due);
            self.effects.moved(self.queue, Place::Received(due), to);
            self.hand_out(receipt, first)?;
            lane::settle(self.to, receipt.key.lane(), self.now)?;
        }
        Ok(true)
    }
}

/// The groups of a queue that are ready, those first that are so longest.
#[derive(Default)]
struct Groups {
    found: std::vec::IntoIter<Lane>,
    seen: Vec<Lane>,
}

impl Groups {
    fn next(&mut self, of: &Receiver<'_>) -> rusqlite::Result<Option<Lane>> {
        if let Some(lane) = self.found.next() {
            return Ok(Some(lane));
        }
        // Few at first: most often one is enough.
        let count = (self.seen.len() * 4).max(2);
        let mut select = of.to.prepare_cached(
            "SELECT id FROM message_lane WHERE epoch = ?1 AND ready <= ?2 ORDER BY ready LIMIT ?3",
        )?;
        let by = params![of.queue.epoch, of.now.as_millis(), count as i64];
        let lanes = select.query_map(by, |row| row.get(0).map(Lane))?;
        let lanes: Vec<Lane> = lanes.collect::<rusqlite::Result<_>>()?;
        let is_new = |lane: &Lane| !self.seen.contains(lane);
        let new: Vec<Lane> = lanes.into_iter().filter(is_new).collect();
        self.seen.extend(&new);
        self.found = new.into_iter();
        Ok(self.found.next())
    }
}

/// The next messages of a group.
fn next_of(
    from: &Connection,
    group: Lane,
    after: i64,
    count: usize,
) -> rusqlite::Result<Vec<Candidate>> {
    let select = "SELECT m.id, m.sent, h.due, h.received, h.first
        FROM message m LEFT JOIN message_held h ON h.id = m.id
        WHERE m.id > ?1 AND m.id <= ?2 ORDER BY m.id LIMIT ?3";
    let last = group.keys().1;
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map(params![after, last, count as i64], Candidate::of_row)?;
    rows.collect()
}

/// When the first group will be ready.
fn next(from: &Connection, epoch: i64) -> rusqlite::Result<Option<Timestamp>> {
    let select = "SELECT min(ready) FROM message_lane WHERE epoch = ?1";
    let ready: Option<i64> = from
        .prepare_cached(select)?
        .query_row([epoch], |row| row.get(0))?;
    Ok(ready.map(Timestamp::from_millis))
}
