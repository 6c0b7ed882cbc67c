//! One lane: records in order, one thing at a time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use kiln_types::{Moment, Timestamp};

use super::progress::Progress;
use super::window::Window;
use super::{Action, Attempt, BatchId, Condition, GivenUp, Now, Ran, Settings, back_off, verdict};
use crate::record::{BATCH_BYTES_MAX, Record};

/// A record and its number.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) record: Record,
    /// When it came.
    pub(super) since: Moment,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// What came and is in no batch.
    waiting: VecDeque<Numbered>,
    waiting_bytes: usize,
    /// What is in batches: the last one is next.
    work: Vec<Batch>,
    stage: Stage,
    window: Option<Window>,
    /// Where the next window may begin.
    floor: Timestamp,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    Running(BatchId),
    Keeping(BatchId),
    Resting(Moment),
}

/// Records that go to the function together until they are done, split or given up.
#[derive(Debug, Default)]
struct Batch {
    records: Vec<Numbered>,
    /// How often in a row the function failed on its first record.
    failures: u32,
    /// How often in a row it could not be run or kept.
    refusals: u32,
    /// How often the function ran on it.
    invokes: u32,
    ran: Option<Ran>,
    /// Whether it ends its window.
    is_final: bool,
    given_up: Option<Condition>,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    Well,
    Badly,
}

impl Lane {
    pub(super) fn push(&mut self, record: Numbered) {
        self.waiting_bytes += record.record.document.len();
        self.waiting.push_back(record);
    }

    /// Whether it holds nothing, the state of a window apart.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.work.is_empty()
    }

    /// Whether somebody works on a batch of it.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Running(_) | Stage::Keeping(_))
    }

    /// The record up to which its source may not move although it may be done.
    pub(super) fn held(&self) -> Option<u64> {
        self.window.as_ref().map(|window| window.first)
    }

    /// Whether the lane works on this batch.
    pub(super) fn has(&self, batch: BatchId) -> bool {
        self.stage == Stage::Running(batch) || self.stage == Stage::Keeping(batch)
    }

    /// Begins what can be begun. `is_pressed` says that no more records can come before some are done.
    pub(super) fn go_on(
        &mut self,
        id: BatchId,
        is_pressed: bool,
        settings: &Settings,
        now: Now,
    ) -> Option<Action> {
        match self.stage {
            Stage::Running(_) | Stage::Keeping(_) => return None,
            Stage::Resting(until) if until > now.moment => return None,
            Stage::Idle | Stage::Resting(_) => self.stage = Stage::Idle,
        }
        if self.work.is_empty() {
            let batch = self.cut(is_pressed, settings, now)?;
            self.work.push(batch);
        }
        self.set_expired_apart(settings, now);
        let batch = self.work.last()?;
        let records = batch.records.iter().map(|of| of.record.clone()).collect();
        let part = self
            .window
            .as_ref()
            .map(|window| window.part(batch.is_final));
        Some(match batch.given_up {
            Some(condition) => {
                self.stage = Stage::Keeping(id);
                Action::Keep(GivenUp {
                    batch: id,
                    condition,
                    records,
                    part,
                    invokes: batch.invokes,
                    ran: batch.ran,
                })
            }
            None => {
                self.stage = Stage::Running(id);
                Action::Invoke(Attempt {
                    batch: id,
                    records,
                    part,
                })
            }
        })
    }

    /// When it wants to go on.
    pub(super) fn wake_at(&self, settings: &Settings, now: Now) -> Option<Moment> {
        match self.stage {
            Stage::Running(_) | Stage::Keeping(_) => return None,
            Stage::Resting(until) => return Some(until),
            Stage::Idle => {}
        }
        let waited = self
            .waiting
            .front()
            .map(|first| first.since + settings.window);
        let ended = self.window.as_ref().map(|window| {
            let ms = window.end.as_millis() - now.calendar.as_millis();
            now.moment + Duration::from_millis(ms.try_into().unwrap_or(0))
        });
        waited.into_iter().chain(ended).min()
    }

    /// Takes the next batch off what waits, if it is complete or has waited enough.
    fn cut(&mut self, is_pressed: bool, settings: &Settings, now: Now) -> Option<Batch> {
        if let Some(length) = settings.tumbling {
            if let Some(window) = &self.window {
                let next = self.waiting.front().map(|next| next.record.created);
                let has_next = next.is_some_and(|next| window.has(next));
                let is_over = !has_next && (next.is_some() || now.calendar >= window.end);
                if window.is_early || is_over {
                    return Some(Batch {
                        is_final: true,
                        ..Batch::default()
                    });
                }
            } else if let Some(first) = self.waiting.front() {
                let (created, number) = (first.record.created, first.number);
                self.window = Some(Window::of(created, self.floor, length, number));
            }
        }
        let (count, is_complete) = self.measure(settings);
        let since = self.waiting.front()?.since;
        let has_waited = since + settings.window <= now.moment;
        if !(is_complete || has_waited || is_pressed) {
            return None;
        }
        let records: Vec<_> = self.waiting.drain(..count).collect();
        self.waiting_bytes -= records
            .iter()
            .map(|of| of.record.document.len())
            .sum::<usize>();
        Some(Batch {
            records,
            ..Batch::default()
        })
    }

    /// How many of those that wait make a batch, and whether nothing can be added to it.
    fn measure(&self, settings: &Settings) -> (usize, bool) {
        let state = self.window.as_ref().map_or(0, |window| window.state.len());
        let mut room = BATCH_BYTES_MAX.saturating_sub(state);
        for (count, waiting) in self.waiting.iter().enumerate() {
            let bytes = waiting.record.document.len() + 1;
            let is_of_window = self
                .window
                .as_ref()
                .is_none_or(|window| window.has(waiting.record.created));
            // One record goes in any case: the source has seen to its size.
            let fits = count == 0 || (bytes <= room && count < settings.batch_size);
            if !fits || !is_of_window {
                return (count, true);
            }
            room = room.saturating_sub(bytes);
        }
        let count = self.waiting.len();
        (count, count >= settings.batch_size)
    }

    /// Gives up those at the head of the next batch that are older than they may be.
    fn set_expired_apart(&mut self, settings: &Settings, now: Now) {
        let Some(age_max) = settings.age_max else {
            return;
        };
        let Some(batch) = self
            .work
            .last_mut()
            .filter(|batch| batch.given_up.is_none())
        else {
            return;
        };
        let is_expired = |of: &Numbered| of.record.created + age_max <= now.calendar;
        let count = batch.records.iter().take_while(|of| is_expired(of)).count();
        if count == 0 {
            return;
        }
        let records = batch.records.drain(..count).collect();
        let expired = Batch {
            records,
            given_up: Some(Condition::RecordAgeExceeded),
            refusals: 0,
            is_final: false,
            ..*batch
        };
        if batch.records.is_empty() {
            self.work.pop();
        } else {
            (batch.failures, batch.invokes, batch.ran) = (0, 0, None);
        }
        self.work.push(expired);
    }

    /// The function returned something.
    pub(super) fn returned(
        &mut self,
        id: BatchId,
        response: &Bytes,
        ran: Ran,
        settings: &Settings,
        progress: &mut Progress,
        now: Now,
    ) -> Went {
        let Some(batch) = self.work.last_mut() else {
            return Went::Well;
        };
        batch.invokes += 1;
        batch.ran = Some(ran);
        let records: Vec<Record> = batch.records.iter().map(|of| of.record.clone()).collect();
        let verdict = match settings.reports_failures {
            true => verdict::judge(response, &records),
            false => verdict::Verdict::Done,
        };
        match verdict {
            verdict::Verdict::Done => {
                let goes_on = !batch.is_final;
                if let Some(window) = self.window.as_mut().filter(|_| goes_on) {
                    window.go_on_with(verdict::state(response));
                }
                self.done(progress);
                Went::Well
            }
            verdict::Verdict::FailedAt(place) => {
                for of in batch.records.drain(..place) {
                    progress.finish(of.number);
                }
                if place > 0 {
                    batch.failures = 0;
                    if let Some(window) = &mut self.window {
                        window.go_on_with(verdict::state(response));
                    }
                }
                // Where the function said where it failed, the batch is split there already.
                match place > 0 && settings.bisects {
                    true => self.stage = Stage::Idle,
                    false => self.fail(id, settings, now),
                }
                Went::Badly
            }
        }
    }

    /// The function failed.
    pub(super) fn failed(&mut self, id: BatchId, ran: Ran, settings: &Settings, now: Now) {
        if let Some(batch) = self.work.last_mut() {
            batch.invokes += 1;
            batch.ran = Some(ran);
        }
        self.fail(id, settings, now);
    }

    /// The batch could not be run, or what was given up could not be kept.
    pub(super) fn refused(&mut self, id: BatchId, settings: &Settings, now: Now) {
        let Some(batch) = self.work.last_mut() else {
            return;
        };
        batch.refusals = batch.refusals.saturating_add(1);
        let rest = back_off::after_refusal(batch.refusals, id);
        self.rest(rest, settings, now);
    }

    /// The batch is larger than an event may be.
    pub(super) fn too_large(&mut self) {
        self.stage = Stage::Idle;
        if !self.split()
            && let Some(batch) = self.work.last_mut()
        {
            batch.given_up = Some(Condition::PayloadTooLarge);
        }
    }

    /// Nobody knows how it went: the lane does nothing more.
    pub(super) fn abandoned(&mut self) {
        self.stage = Stage::Resting(Moment::after_start(Duration::MAX));
    }

    /// The next batch is behind us.
    pub(super) fn done(&mut self, progress: &mut Progress) {
        self.stage = Stage::Idle;
        let Some(batch) = self.work.pop() else {
            return;
        };
        for of in batch.records {
            progress.finish(of.number);
        }
        if batch.is_final
            && let Some(window) = self.window.take()
        {
            // A window that ended early begins again, with what is left of its time.
            self.floor = if window.is_early {
                window.start
            } else {
                window.end
            };
        }
    }

    fn fail(&mut self, id: BatchId, settings: &Settings, now: Now) {
        self.stage = Stage::Idle;
        if settings.bisects && self.split() {
            return;
        }
        let Some(batch) = self.work.last_mut() else {
            return;
        };
        batch.failures = batch.failures.saturating_add(1);
        batch.refusals = 0;
        if settings
            .retries
            .is_some_and(|retries| batch.failures > retries)
        {
            batch.given_up = Some(Condition::RetryAttemptsExhausted);
            return;
        }
        let rest = back_off::after_failure(batch.failures, id);
        self.rest(rest, settings, now);
    }

    /// Rests, but no longer than the first record may live: then it is given up in time.
    fn rest(&mut self, rest: Duration, settings: &Settings, now: Now) {
        let first = self.work.last().and_then(|batch| batch.records.first());
        let lives = first.zip(settings.age_max).map(|(first, age_max)| {
            let end = first.record.created + age_max;
            let ms = end.as_millis() - now.calendar.as_millis();
            Duration::from_millis(ms.try_into().unwrap_or(0))
        });
        let rest = lives.map_or(rest, |lives| rest.min(lives));
        self.stage = Stage::Resting(now.moment + rest);
    }

    /// Splits the next batch in two, if it can be.
    fn split(&mut self) -> bool {
        let Some(batch) = self.work.last_mut().filter(|batch| batch.records.len() > 1) else {
            return false;
        };
        let rear = batch.records.split_off(batch.records.len().div_ceil(2));
        let rear = Batch {
            records: rear,
            given_up: None,
            ..*batch
        };
        let front = self.work.len() - 1;
        self.work.insert(front, rear);
        true
    }
}
