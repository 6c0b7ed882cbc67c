//! Results on stdout: tables for people, JSON for programs.

use std::io::{self, Write};

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::Format;

/// A table whose columns are as wide as their longest value.
pub struct Rows {
    table: Table,
}

impl Rows {
    /// With a line of headings; a heading that starts with `>` aligns its column to the right.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = plain();
        table.set_header(
            headings
                .iter()
                .map(|heading| heading.trim_start_matches('>')),
        );
        for (index, heading) in headings.iter().enumerate() {
            if let (true, Some(column)) = (heading.starts_with('>'), table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table }
    }

    /// Names and values, without headings.
    pub fn pairs() -> Self {
        Self { table: plain() }
    }

    /// Adds a line.
    pub fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table
            .add_row(cells.into_iter().map(Into::<String>::into));
    }

    /// The table as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Writes text to stdout.
pub fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to stdout.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}

/// Writes an indented document to stdout.
pub fn print_json(document: &Value) -> Result<()> {
    print(&format!("{document:#}\n"))
}

/// Tells what came of something: a document for programs, a text for people.
pub(crate) fn tell(format: Format, document: &Value, text: impl FnOnce() -> String) -> Result<()> {
    match format {
        Format::Json => print_json(document),
        Format::Table => print(&text()),
    }
}

/// A member of a document as people want to see it: texts bare, what is absent as `-`.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number of bytes with a unit.
pub(crate) fn show_bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Whether an error only says that nobody reads our stdout any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
        && error.to_string() == "write to stdout"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let mut rows = Rows::new(&["NAME", ">MEMORY"]);
        rows.push(["sum", "128"]);
        rows.push(["a-longer-name", "10240"]);
        assert_eq!(
            rows.render(),
            " NAME           MEMORY\n sum               128\n a-longer-name   10240\n"
        );
    }

    #[test]
    fn values_are_shown_bare() {
        assert_eq!(show(&Value::Null), "-");
        assert_eq!(show(&"text".into()), "text");
        assert_eq!(show(&128.into()), "128");
    }

    #[test]
    fn bytes_get_the_unit_that_fits() {
        assert_eq!(show_bytes(1023), "1023 B");
        assert_eq!(show_bytes(1536), "1.5 KiB");
        assert_eq!(show_bytes(250 << 20), "250.0 MiB");
    }
}
