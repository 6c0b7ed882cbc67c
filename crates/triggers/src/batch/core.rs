//! All lanes together: who gets which record, and what all of them mean for the source.

use std::collections::VecDeque;
use std::sync::Arc;

use kiln_types::Moment;

use super::lane::{Lane, Numbered, Went};
use super::progress::Progress;
use super::{Action, Answer, BatchId, Event, Now, Report, Settings};
use crate::record::{BATCH_BYTES_MAX, Key, Record};

/// Batches' worth of records that may be held for each lane, those in flight included.
const BATCHES_AHEAD: usize = 2;
/// Records that may be held in any case, so that small batches need not wait for the source.
const RECORDS_HELD_MIN: usize = 1_000;

/// What becomes of a source's records.
#[derive(Debug)]
pub(crate) struct Core {
    settings: Settings,
    lanes: Vec<Lane>,
    /// Records that wait because one before them is about more than one thing.
    behind: VecDeque<Numbered>,
    /// Whether such a one is in the first lane.
    is_barred: bool,
    progress: Progress,
    /// The last record that came: none before it is taken again.
    last: Option<Arc<str>>,
    next_batch: u64,
    /// What may be held in bytes.
    bytes_max: usize,
    is_stopped: bool,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        let bytes_max = BATCH_BYTES_MAX * (settings.lanes + 1);
        let lanes = (0..settings.lanes).map(|_| Lane::default()).collect();
        Self {
            settings,
            lanes,
            behind: VecDeque::new(),
            is_barred: false,
            progress: Progress::default(),
            last: None,
            next_batch: 0,
            bytes_max,
            is_stopped: false,
        }
    }

    /// Of one part of a source: its batches rest at other times than those of other parts.
    pub(crate) fn of_part(settings: Settings, part: u32) -> Self {
        Self {
            next_batch: u64::from(part) << 32,
            ..Self::new(settings)
        }
    }

    /// Sets what may be held in bytes: less than there is room for otherwise.
    pub(crate) fn hold_at_most(&mut self, bytes: usize) {
        self.bytes_max = bytes.min(BATCH_BYTES_MAX * (self.settings.lanes + 1));
    }

    /// Takes note, and says what to do.
    pub(crate) fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Came(record) => {
                self.came(record, now);
                return actions;
            }
            Event::Mark(position) => {
                self.progress.mark(position);
                return actions;
            }
            Event::Answered { batch, answer } => {
                let report = self.answered(batch, answer, now);
                actions.extend(report.map(Action::Report));
            }
            Event::Kept { batch } => self.with(batch, |lane, progress, _| lane.done(progress)),
            Event::NotKept { batch } => self.with(batch, |lane, _, settings| {
                lane.refused(batch, settings, now);
            }),
            Event::Tick => {}
            Event::Stop => self.is_stopped = true,
        }
        if !self.is_stopped {
            self.go_on(now, &mut actions);
        }
        let held = self.lanes.iter().filter_map(Lane::held).min();
        actions.extend(self.progress.confirm(held).map(Action::Confirm));
        actions
    }

    /// Whether the source may bring more.
    pub(crate) fn has_room(&self) -> bool {
        let batches = self.settings.lanes * BATCHES_AHEAD;
        let records = self.settings.batch_size.saturating_mul(batches);
        let (held, held_bytes) = self.progress.held();
        held < records.max(RECORDS_HELD_MIN) && held_bytes < self.bytes_max
    }

    /// When a tick is wanted.
    pub(crate) fn wake_at(&self, now: Now) -> Option<Moment> {
        if self.is_stopped {
            return None;
        }
        let lanes = self.lanes.iter();
        lanes
            .filter_map(|lane| lane.wake_at(&self.settings, now))
            .min()
    }

    /// Whether nobody works on anything.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.lanes.iter().any(Lane::is_busy)
    }

    fn came(&mut self, record: Record, now: Now) {
        if self.last.as_ref().is_some_and(|last| record.id <= *last) {
            return;
        }
        self.last = Some(record.id.clone());
        let numbered = Numbered {
            number: self.progress.begin(record.document.len()),
            record,
            since: now.moment,
        };
        self.behind.push_back(numbered);
        self.hand_out();
    }

    /// Gives records to their lanes, up to one that must wait.
    fn hand_out(&mut self) {
        self.is_barred &= !self.lanes[0].is_empty();
        let is_single = self.lanes.len() == 1;
        while let Some(next) = self.behind.front() {
            let lane = match next.record.key {
                _ if is_single => 0,
                Key::Of(_) if self.is_barred => return,
                Key::Of(hash) => (hash % self.lanes.len() as u64) as usize,
                Key::All if self.lanes.iter().all(Lane::is_empty) => {
                    self.is_barred = true;
                    0
                }
                Key::All => return,
            };
            self.lanes[lane].push(self.behind.pop_front().expect("it was looked at"));
        }
    }

    fn answered(&mut self, batch: BatchId, answer: Answer, now: Now) -> Option<Report> {
        let lane = self.lanes.iter_mut().find(|lane| lane.has(batch))?;
        let settings = &self.settings;
        match answer {
            Answer::Returned(response, ran) => {
                let went = lane.returned(batch, &response, ran, settings, &mut self.progress, now);
                Some(match went {
                    Went::Well => Report::Succeeded,
                    Went::Badly => Report::Failed,
                })
            }
            Answer::Failed(ran) => {
                lane.failed(batch, ran, settings, now);
                Some(Report::Failed)
            }
            Answer::Refused => {
                lane.refused(batch, settings, now);
                None
            }
            Answer::TooLarge => {
                lane.too_large();
                None
            }
            Answer::Abandoned => {
                lane.abandoned();
                None
            }
        }
    }

    fn with(&mut self, batch: BatchId, change: impl FnOnce(&mut Lane, &mut Progress, &Settings)) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.has(batch)) {
            change(lane, &mut self.progress, &self.settings);
        }
    }

    fn go_on(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.hand_out();
        let is_pressed = !self.has_room();
        for lane in &mut self.lanes {
            let id = BatchId(self.next_batch);
            if let Some(action) = lane.go_on(id, is_pressed, &self.settings, now) {
                self.next_batch += 1;
                actions.push(action);
            }
        }
    }
}
