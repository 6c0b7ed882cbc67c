//! How many of a function's events it bears at once: grows by one with every event that runs until
//! one is refused; halves then, and from there on grows by one with every eight full windows.

/// What a function is given at first.
const FIRST: u32 = 16;
/// Full windows that must run before a window grows again that was refused.
const PATIENCE: u32 = 8;

/// How many of a function's events may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    size: u32,
    max: u32,
    /// Whether one was ever refused.
    was_refused: bool,
    /// Events that ran since the window grew.
    ran: u32,
}

impl Window {
    pub(super) fn new(max: u32) -> Self {
        Self {
            size: FIRST.min(max),
            max,
            was_refused: false,
            ran: 0,
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn ended(&mut self, was_refused: bool) {
        if was_refused {
            self.size = (self.size / 2).max(1);
            self.was_refused = true;
            self.ran = 0;
            return;
        }
        self.ran += 1;
        let needed = match self.was_refused {
            true => self.size.saturating_mul(PATIENCE),
            false => 1,
        };
        if self.ran >= needed {
            self.ran = 0;
            self.size = (self.size + 1).min(self.max);
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
}
