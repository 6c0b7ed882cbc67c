//! How many of a function's events it bears at once.
//!
//! The window grows by one with every event that runs until one is refused, and halves then. Events that
//! were held by then say nothing of the smaller window, so that those that are refused together halve
//! it once. It grows back as fast to just below where it was refused, and waits there for eight full
//! windows before it tries one more; while that goes well the next steps come sooner.

/// What a function is given at first.
const FIRST: u32 = 16;
/// Full windows that must run before a window grows to where it was refused.
const PATIENCE: u32 = 8;

/// How many of a function's events may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    size: u32,
    max: u32,
    /// The largest size that was not refused.
    good: u32,
    /// Full windows that must run before it grows beyond.
    patience: u32,
    /// Events still to end that may have begun before the window halved.
    earlier: u32,
    /// Events that ran since the window grew.
    ran: u32,
}

impl Window {
    pub(super) fn new(max: u32) -> Self {
        Self {
            size: FIRST.min(max),
            max,
            good: max,
            patience: PATIENCE,
            earlier: 0,
            ran: 0,
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn ended(&mut self, was_refused: bool) {
        if self.earlier > 0 {
            self.earlier -= 1;
            return;
        }
        if was_refused {
            self.earlier = self.size - 1;
            self.good = (self.size - 1).max(1);
            self.size = (self.size / 2).max(1);
            self.patience = PATIENCE;
            self.ran = 0;
            return;
        }
        self.ran += 1;
        let is_beyond = self.size >= self.good;
        let needed = match is_beyond {
            true => self.size.saturating_mul(self.patience),
            false => 1,
        };
        if self.ran >= needed {
            self.ran = 0;
            self.size = (self.size + 1).min(self.max);
            if is_beyond {
                self.patience = (self.patience / 2).max(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found_and_seldom_run_into_again() {
        let mut window = Window::new(100);
        let limit = 5;
        let mut refused = 0;
        for _ in 0..10_000 {
            let is_refused = window.size() > limit;
            refused += u32::from(is_refused);
            window.ended(is_refused);
        }
        assert!(refused < 10_000 / 20, "{refused}");
        assert!((limit / 2..=limit + 1).contains(&window.size()));
    }

    #[test]
    fn it_is_never_empty_and_never_above_its_maximum() {
        let mut window = Window::new(20);
        for _ in 0..1_000 {
            window.ended(false);
        }
        assert_eq!(window.size(), 20);
        for _ in 0..1_000 {
            window.ended(true);
        }
        assert_eq!(window.size(), 1);
    }

    #[test]
    fn events_that_are_refused_together_halve_it_once() {
        let mut window = Window::new(384);
        while window.size() < 128 {
            window.ended(false);
        }
        for _ in 0..8 {
            window.ended(true);
        }
        assert_eq!(window.size(), 64);
        // All 128 have ended: what is refused from here on was begun under the smaller window.
        for _ in 8..128 {
            window.ended(false);
        }
        window.ended(true);
        assert_eq!(window.size(), 32);
    }

    #[test]
    fn it_grows_back_at_once_to_below_where_it_was_refused_and_then_with_care() {
        let mut window = Window::new(384);
        while window.size() < 128 {
            window.ended(false);
        }
        window.ended(true);
        let ends_until = |window: &mut Window, size| {
            (1_u32..)
                .find(|_| {
                    window.ended(false);
                    window.size() == size
                })
                .unwrap()
        };
        assert_eq!(ends_until(&mut window, 127), 127 + 63);
        assert_eq!(ends_until(&mut window, 128), 127 * PATIENCE);
        // Where nothing is refused any more the limit has gone.
        assert!(ends_until(&mut window, 200) < 200 * 80);
    }
}
