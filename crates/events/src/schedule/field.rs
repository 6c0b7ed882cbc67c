//! One field of a cron expression: lists, ranges, steps and names, as a set of numbers.

/// What a field can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) min: u16,
    pub(super) max: u16,
    /// Of its values, from the smallest on.
    pub(super) names: &'static [&'static str],
    /// Whether a range may end before it begins: `SAT-MON`.
    pub(super) wraps: bool,
}

/// The numbers that a field allows, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set(Vec<u16>);

impl Kind {
    /// Reads `1,4-6,0/15,*/10`.
    pub(super) fn set(&self, text: &str) -> Option<Set> {
        let mut numbers = Vec::new();
        for item in text.split(',') {
            self.item(item, &mut numbers)?;
        }
        numbers.sort_unstable();
        numbers.dedup();
        Some(Set(numbers))
    }

    /// One number or name.
    pub(super) fn number(&self, text: &str) -> Option<u16> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = named {
            return Some(self.min + u16::try_from(index).ok()?);
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number)?;
        (self.min..=self.max).contains(&number).then_some(number)
    }

    fn item(&self, text: &str, into: &mut Vec<u16>) -> Option<()> {
        let (values, step) = match text.split_once('/') {
            Some((values, step)) => (values, Some(self.step(step)?)),
            None => (text, None),
        };
        let (first, last) = match values.split_once('-') {
            _ if values == "*" => (self.min, self.max),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None => {
                let first = self.number(values)?;
                (first, if step.is_some() { self.max } else { first })
            }
        };
        let count = self.max - self.min + 1;
        let length = match first <= last {
            true => last - first,
            false if self.wraps => last + count - first,
            false => return None,
        };
        into.extend(
            (0..=length)
                .step_by(step.unwrap_or(1).into())
                .map(|offset| self.min + (first - self.min + offset) % count),
        );
        Some(())
    }

    /// A step that reaches no further value is a mistake: `*/60`.
    fn step(&self, text: &str) -> Option<u16> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let step: u16 = text.parse().ok().filter(|_| is_number)?;
        (1..=self.max).contains(&step).then_some(step)
    }
}

impl Set {
    /// The numbers from this one on.
    pub(super) fn from(&self, number: u16) -> &[u16] {
        &self.0[self.0.partition_point(|it| *it < number)..]
    }

    pub(super) fn first(&self) -> Option<u16> {
        self.0.first().copied()
    }
}
