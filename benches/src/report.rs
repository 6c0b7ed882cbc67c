//! Rows of the report: what was measured, beside what, against which promise.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// What the design promises of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
    /// The ratio to the floor is at least this.
    RatioAtLeast(f64),
}

/// One measured value.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Measured in the same run.
    pub(crate) floor: Option<f64>,
    pub(crate) target: Target,
}

/// A group of rows with how they were measured and where the time goes.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) method: String,
    pub(crate) rows: Vec<Row>,
    /// Where the time or the memory goes, as measured.
    pub(crate) detail: Vec<String>,
}

/// Everything of one run.
#[derive(Debug)]
pub(crate) struct Report {
    sections: Vec<Section>,
}

impl Row {
    /// How many times better than the floor: above 1 is better, in either direction.
    fn ratio(&self) -> Option<f64> {
        let floor = self.floor?;
        Some(match self.target {
            Target::AtMost(_) => floor / self.value,
            Target::AtLeast(_) | Target::RatioAtLeast(_) => self.value / floor,
        })
    }

    fn is_kept(&self) -> bool {
        match self.target {
            Target::AtMost(most) => self.value <= most,
            Target::AtLeast(least) => self.value >= least,
            Target::RatioAtLeast(least) => self.ratio().is_some_and(|ratio| ratio >= least),
        }
    }

    fn cells(&self) -> [String; 7] {
        let target = match self.target {
            Target::AtMost(most) => format!("<={}", number(most)),
            Target::AtLeast(least) => format!(">={}", number(least)),
            Target::RatioAtLeast(least) => format!(">={}x", number(least)),
        };
        [
            self.name.to_owned(),
            number(self.value),
            self.unit.to_owned(),
            self.floor.map_or("-".to_owned(), number),
            self.ratio()
                .map_or("-".to_owned(), |ratio| format!("{}x", number(ratio))),
            target,
            if self.is_kept() { "ok" } else { "short" }.to_owned(),
        ]
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            sections: Vec::new(),
        }
    }

    /// Takes a section and prints its rows at once: name, value, unit, floor, ratio, target, verdict.
    pub(crate) fn add(&mut self, section: Section) {
        for row in &section.rows {
            println!("{}", row.cells().join(" "));
        }
        for line in &section.detail {
            eprintln!("  {line}");
        }
        self.sections.push(section);
    }

    /// Writes `benches/REPORT.md`.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPORT.md");
        std::fs::write(&path, self.markdown())
            .with_context(|| format!("write {}", path.display()))?;
        eprintln!("wrote {}", path.display());
        Ok(())
    }

    fn markdown(&self) -> String {
        let rows = || self.sections.iter().flat_map(|section| &section.rows);
        let kept = rows().filter(|row| row.is_kept()).count();
        let mut text = String::from(
            "# Bench report\n\nWritten by `cargo xtask bench`; every value, floor and ratio is of one \
             run on one machine.\nA ratio says how many times better than the floor, in either \
             direction. `short` means the promise\nwas not kept in this run; the section then says \
             where the time goes.\n\n",
        );
        let _ = writeln!(text, "{kept} of {} promises kept.\n", rows().count());
        let _ = writeln!(text, "## Machine\n\n{}", machine());
        for section in &self.sections {
            let _ = writeln!(text, "## {}\n\n{}\n", section.title, section.method);
            text.push_str("| measure | value | unit | floor | ratio | target | verdict |\n");
            text.push_str("|---|---|---|---|---|---|---|\n");
            for row in &section.rows {
                let _ = writeln!(text, "| {} |", row.cells().join(" | "));
            }
            if !section.detail.is_empty() {
                text.push_str("\nWhere it goes:\n");
                for line in &section.detail {
                    let _ = writeln!(text, "- {line}");
                }
            }
            text.push('\n');
        }
        text.trim_end().to_owned() + "\n"
    }
}

/// Three significant digits, no exponent.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split_once(':')
            .map_or("?", |(_, value)| value)
            .trim()
            .to_owned()
    };
    let say = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        output.map_or("?".to_owned(), |out| {
            String::from_utf8_lossy(&out.stdout).trim().to_owned()
        })
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let python = kiln_testkit::runtimes::newest_python();
    format!(
        "- {cpu}, {cores} cores, {} memory\n- Linux {}\n- Python 3.{}\n- load average at the end: {}\n\
         - commit {}\n",
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        python.minor,
        read("/proc/loadavg").split(' ').next().unwrap_or("?"),
        say("git", &["rev-parse", "--short", "HEAD"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, floor: Option<f64>, target: Target) -> Row {
        Row {
            name: "x",
            value,
            unit: "ms",
            floor,
            target,
        }
    }

    #[test]
    fn a_promise_is_kept_only_on_its_own_side() {
        assert!(row(1.5, None, Target::AtMost(1.5)).is_kept());
        assert!(!row(1.6, None, Target::AtMost(1.5)).is_kept());
        assert!(!row(299.0, None, Target::AtLeast(300.0)).is_kept());
        assert!(row(20.0, Some(50.0), Target::RatioAtLeast(0.3)).is_kept());
        assert!(!row(10.0, Some(50.0), Target::RatioAtLeast(0.3)).is_kept());
    }

    #[test]
    fn a_ratio_needs_its_floor() {
        assert!(!row(20.0, None, Target::RatioAtLeast(0.3)).is_kept());
    }

    #[test]
    fn a_line_has_seven_words() {
        let cells = row(1.234, Some(250.0), Target::AtMost(1.5)).cells();
        assert_eq!(cells.join(" "), "x 1.23 ms 250 203x <=1.50 ok");
    }
}
