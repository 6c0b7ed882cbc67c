//! A diagram with two axes.

use super::canvas::{Anchor, Canvas, Points};
use super::{FAINT, INK};

/// Where on the canvas it is, and what its axes say.
pub(super) struct Chart {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

/// An axis from zero.
pub(super) struct Axis {
    most: f64,
    step: f64,
    is_percent: bool,
    label: &'static str,
}

const GRID: &str = "#e4e7eb";
/// About so many steps are written at an axis.
const STEPS: f64 = 5.0;

impl Axis {
    /// From none to all.
    pub(super) fn percent(label: &'static str) -> Self {
        Self {
            most: 1.0,
            step: 0.25,
            is_percent: true,
            label,
        }
    }

    /// To a round number that is at least this.
    pub(super) fn up_to(most: f64, label: &'static str) -> Self {
        let step = round_step(most.max(1e-9));
        Self {
            most: (most * 1.05 / step).ceil().max(1.0) * step,
            step,
            is_percent: false,
            label,
        }
    }

    /// To this number.
    pub(super) fn exactly(most: f64, label: &'static str) -> Self {
        Self {
            most: most.max(1e-9),
            ..Self::up_to(most, label)
        }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = (self.most / self.step + 1e-6).floor() as u32;
        (0..=count).map(|no| f64::from(no) * self.step)
    }

    fn text(&self, value: f64) -> String {
        if self.is_percent {
            return format!("{:.0} %", value * 100.0);
        }
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{value:.digits$}")
    }
}

/// 1, 2 or 5 times a power of ten, about a fifth of the whole.
fn round_step(most: f64) -> f64 {
    let rough = most / STEPS;
    let power = 10f64.powf(rough.log10().floor());
    let digit = rough / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= *round);
    round.unwrap_or(10.0) * power
}

impl Chart {
    /// Where a value is on the canvas.
    pub(super) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.width * x / self.x.most,
            self.top + self.height * (1.0 - y / self.y.most),
        )
    }

    /// Title, grid, numbers and labels.
    pub(super) fn frame(&self, canvas: &mut Canvas) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        canvas.text(
            self.left,
            self.top - 16.0,
            14.0,
            INK,
            Anchor::Start,
            self.title,
        );
        for value in self.y.ticks() {
            let (_, y) = self.place(0.0, value);
            canvas.line(&[(self.left, y), (right, y)], GRID, 1.0);
            let text = self.y.text(value);
            canvas.text(self.left - 8.0, y + 4.0, 11.0, FAINT, Anchor::End, &text);
        }
        for value in self.x.ticks() {
            let (x, _) = self.place(value, 0.0);
            canvas.line(&[(x, bottom), (x, bottom + 4.0)], FAINT, 1.0);
            let text = self.x.text(value);
            canvas.text(x, bottom + 18.0, 11.0, FAINT, Anchor::Middle, &text);
        }
        canvas.line(&[(self.left, bottom), (right, bottom)], FAINT, 1.0);
        let middle = self.left + self.width / 2.0;
        canvas.text(
            middle,
            bottom + 38.0,
            12.0,
            INK,
            Anchor::Middle,
            self.x.label,
        );
        let middle = self.top + self.height / 2.0;
        canvas.text_upwards(self.left - 52.0, middle, 12.0, INK, self.y.label);
    }

    pub(super) fn curve(&self, canvas: &mut Canvas, points: Points<'_>, colour: &str) {
        let placed: Vec<_> = points.iter().map(|(x, y)| self.place(*x, *y)).collect();
        canvas.line(&placed, colour, 2.0);
    }

    /// The area under a curve.
    pub(super) fn area(&self, canvas: &mut Canvas, points: Points<'_>, colour: &str) {
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
            return;
        };
        let mut placed = vec![self.place(*first, 0.0)];
        placed.extend(points.iter().map(|(x, y)| self.place(*x, *y)));
        placed.push(self.place(*last, 0.0));
        canvas.area(&placed, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_that_hold_everything() {
        for most in [0.0, 0.003, 0.9, 1.0, 7.3, 42.0, 1_234.5] {
            let axis = Axis::up_to(most, "");
            assert!(axis.most >= most, "{most}: {}", axis.most);
            let ticks = axis.ticks().count();
            assert!((2..=12).contains(&ticks), "{most}: {ticks} ticks");
        }
        assert_eq!(round_step(7.3), 2.0);
        assert_eq!(Axis::up_to(0.03, "").text(0.01), "0.01");
    }

    #[test]
    fn values_are_placed_from_the_bottom_left() {
        let chart = Chart {
            left: 10.0,
            top: 20.0,
            width: 100.0,
            height: 50.0,
            title: "",
            x: Axis::percent(""),
            y: Axis::percent(""),
        };
        assert_eq!(chart.place(0.0, 0.0), (10.0, 70.0));
        assert_eq!(chart.place(1.0, 1.0), (110.0, 20.0));
    }
}
