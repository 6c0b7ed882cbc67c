//! Writes SVG.

use std::fmt::Write as _;

/// A picture that is being drawn.
pub(super) struct Canvas {
    svg: String,
}

/// Which end of a text is at its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Points, in pixels from the top left.
pub(super) type Points<'a> = &'a [(f64, f64)];

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let mut canvas = Self { svg: String::new() };
        canvas.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        ));
        canvas
    }

    pub(super) fn text(
        &mut self,
        x: f64,
        y: f64,
        size: f64,
        colour: &str,
        anchor: Anchor,
        text: &str,
    ) {
        let (anchor, text) = (anchor.as_str(), escaped(text));
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\" \
             text-anchor=\"{anchor}\">{text}</text>\n"
        ));
    }

    /// A text that runs upwards.
    pub(super) fn text_upwards(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" \
             fill=\"{colour}\" text-anchor=\"middle\">{text}</text>\n"
        ));
    }

    pub(super) fn line(&mut self, points: Points<'_>, colour: &str, width: f64) {
        let points = list(points);
        self.push(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"{width}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n"
        ));
    }

    pub(super) fn area(&mut self, points: Points<'_>, colour: &str) {
        let points = list(points);
        self.push(format_args!(
            "<polygon points=\"{points}\" fill=\"{colour}\"/>\n"
        ));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, colour: &str) {
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" \
             stroke=\"#ffffff\" stroke-width=\"1.5\"/>\n"
        ));
    }

    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        self.svg
            .write_fmt(element)
            .expect("a string takes whatever is written");
    }
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

fn list(points: Points<'_>) -> String {
    let points: Vec<_> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    points.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_do_not_break_the_picture() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text(0.0, 0.0, 1.0, "#000", Anchor::Start, "<a & b>");
        assert!(canvas.finish().contains("&lt;a &amp; b&gt;</text>"));
    }
}
