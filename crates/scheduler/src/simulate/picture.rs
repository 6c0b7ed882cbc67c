//! The reports of a simulation as one picture: an SVG file.

mod canvas;
mod chart;

use super::report::Report;
use super::trace::Trace;
use canvas::{Anchor, Canvas};
use chart::{Axis, Chart};

/// Colours that are told apart by people who do not see all of them (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#e69f00", "#009e73", "#cc4c78"];
const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const WIDTH: f64 = 1_080.0;
const HEIGHT: f64 = 760.0;

/// Draws how often functions started cold, what that cost in memory, and memory over time.
pub fn picture(trace: &Trace, reports: &[Report]) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    canvas.text(40.0, 44.0, 22.0, INK, Anchor::Start, "Keep-alive policies");
    let about = format!(
        "{}: {} invocations of {} functions in {:.0} hours",
        trace.name,
        grouped(trace.invocations() as u64),
        grouped(trace.functions() as u64),
        trace.span().as_secs_f64() / 3_600.0
    );
    canvas.text(40.0, 68.0, 13.0, FAINT, Anchor::Start, &about);
    legend(&mut canvas, reports);
    cold_by_function(&mut canvas, reports);
    cold_against_waste(&mut canvas, reports);
    memory_over_time(&mut canvas, trace, reports);
    canvas.finish()
}

fn colour(no: usize) -> &'static str {
    COLOURS[no % COLOURS.len()]
}

fn legend(canvas: &mut Canvas, reports: &[Report]) {
    for (no, report) in reports.iter().enumerate() {
        let x = WIDTH - 40.0 - 130.0 * (reports.len() - no) as f64;
        canvas.line(&[(x, 52.0), (x + 22.0, 52.0)], colour(no), 4.0);
        canvas.text(x + 30.0, 57.0, 14.0, INK, Anchor::Start, report.policy);
    }
}

/// Which share of the functions had at most which share of cold starts: up and left is better.
fn cold_by_function(canvas: &mut Canvas, reports: &[Report]) {
    let chart = Chart {
        left: 90.0,
        top: 130.0,
        width: 420.0,
        height: 230.0,
        title: "Cold starts of a function, as a share of its invocations",
        x: Axis::percent("cold starts"),
        y: Axis::percent("functions with at most that"),
    };
    chart.frame(canvas);
    for (no, report) in reports.iter().enumerate() {
        let count = report.cold_rates.len().max(1) as f64;
        let mut points = vec![(0.0, 0.0)];
        for (below, rate) in report.cold_rates.iter().enumerate() {
            let last = points.last().map_or(0.0, |(_, y)| *y);
            points.push((*rate, last));
            points.push((*rate, (below + 1) as f64 / count));
        }
        points.push((1.0, 1.0));
        chart.curve(canvas, &points, colour(no));
    }
}

/// Down and left is better.
fn cold_against_waste(canvas: &mut Canvas, reports: &[Report]) {
    let waste = |report: &Report| report.wasted_gb_seconds / 3_600.0;
    let most = |of: fn(&Report) -> f64| reports.iter().map(of).fold(0.0, f64::max);
    let chart = Chart {
        left: 620.0,
        top: 130.0,
        width: 420.0,
        height: 230.0,
        title: "What warm instances cost, and what they save",
        x: Axis::up_to(
            most(|one| one.wasted_gb_seconds / 3_600.0),
            "idle memory, GB-hours",
        ),
        y: Axis::up_to(
            most(|one| one.cold_rate * 100.0),
            "cold starts, % of invocations",
        ),
    };
    chart.frame(canvas);
    for (no, report) in reports.iter().enumerate() {
        let (x, y) = chart.place(waste(report), report.cold_rate * 100.0);
        canvas.dot(x, y, 7.0, colour(no));
        let is_right = x > chart.left + chart.width * 0.75;
        let (dx, anchor) = if is_right {
            (-12.0, Anchor::End)
        } else {
            (12.0, Anchor::Start)
        };
        canvas.text(x + dx, y - 8.0, 12.0, INK, anchor, report.policy);
    }
}

/// The memory of all instances; the area is what was busy.
fn memory_over_time(canvas: &mut Canvas, trace: &Trace, reports: &[Report]) {
    let hours = trace.span().as_secs_f64() / 3_600.0;
    let all = reports.iter().flat_map(|report| &report.memory_gb);
    let most = all.map(|(busy, idle)| busy + idle).fold(0.0, f64::max);
    let chart = Chart {
        left: 90.0,
        top: 450.0,
        width: 950.0,
        height: 230.0,
        title: "Memory of all instances; the grey area ran something",
        x: Axis::exactly(hours, "hours"),
        y: Axis::up_to(most, "GB"),
    };
    chart.frame(canvas);
    let points = |report: &Report, of: fn(&(f64, f64)) -> f64| {
        let step = hours / report.memory_gb.len() as f64;
        let values = report.memory_gb.iter().enumerate();
        values
            .map(|(no, memory)| ((no as f64 + 0.5) * step, of(memory)))
            .collect::<Vec<_>>()
    };
    if let Some(report) = reports.first() {
        chart.area(canvas, &points(report, |(busy, _)| *busy), "#d3dae2");
    }
    for (no, report) in reports.iter().enumerate() {
        chart.curve(
            canvas,
            &points(report, |(busy, idle)| busy + idle),
            colour(no),
        );
    }
}

/// A number with a space between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{2009}234\u{2009}567");
    }
}
