//! What people read: tables that fit the terminal, colours where there is one, sizes and times.

use crate::Failure;
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::io::{ErrorKind, IsTerminal, Write as _};

/// Column heads.
pub const HEAD: Style = Style::new().bold();
/// As it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub const NOTE: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Beside the point.
pub const FAINT: Style = Style::new().dimmed();

/// Columns that numbers of MiB take with what is beside them: six digits, a terabyte, are not broken.
const MIB_WIDTH: u16 = 8;

/// A text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A table without lines. A head that begins with `>` stands over a column of numbers, one that begins with `!` over names that are to stay
/// whole.
///
/// On a terminal the other cells are wrapped so that it fits; elsewhere a row is one line.
pub struct Rows(Table);

impl Rows {
    /// With these heads.
    pub fn new(heads: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let fits = if std::io::stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(fits);
        table.set_header(heads.iter().map(|head| styled(HEAD, head.trim_start_matches(['>', '!']))));
        for (column, head) in table.column_iter_mut().zip(heads) {
            column.set_padding((0, 2));
            if head.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
                if head.ends_with("MiB") {
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(MIB_WIDTH)));
                }
            } else if head.starts_with('!') {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        Self(table)
    }

    /// One more row.
    pub fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table, each line with an end.
    pub fn text(&self) -> String {
        self.0.trim_fmt() + "\n"
    }
}

/// Writes a result that may have styles: a terminal gets them, unless `NO_COLOR` is set, all else gets plain text. A reader that has seen
/// enough is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_styled(text: &str) -> Result<(), Failure> {
    let mut out = anstream::AutoStream::auto(std::io::stdout());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    crate::print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Bytes as MiB, cut down.
pub fn mib(bytes: u64) -> String {
    format!("{}", bytes >> 20)
}

/// Bytes in the unit that suits them, as `3.00 MiB`.
pub fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A time as its two greatest units.
pub fn age(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// Seconds since a time in milliseconds since 1970; 0 where the clocks differ.
pub fn since(ms: u64) -> u64 {
    ringway_secure::unix_now().saturating_sub(ms / 1000)
}

/// GPU time (thousandths of a GPU times milliseconds) in hours of a whole GPU.
pub fn gpu_hours(gpu_time: u64) -> f64 {
    gpu_time as f64 / ringway_pool::scheduler::GPU_HOUR as f64
}

/// A text that another has written, without what moves a terminal's cursor.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same, cut to so many characters.
pub fn cut(text: &str, characters: usize) -> String {
    let clean = clean(text);
    if clean.chars().count() <= characters { clean } else { clean.chars().take(characters.saturating_sub(1)).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h")] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn texts_of_others_are_cut_and_move_no_cursor() {
        assert_eq!(cut("python train.py", 20), "python train.py");
        assert_eq!(cut("python train.py", 8), "python …");
        assert_eq!(cut("a\x1b[2Jb\n", 20), "a [2Jb ");
        assert_eq!(cut("ééé", 3), "ééé");
    }

    #[test]
    fn numbers_stand_right_and_styles_take_no_room() {
        let mut rows = Rows::new(&["!name", ">free MiB"]);
        assert!(rows.is_empty());
        rows.add([styled(GOOD, "a"), "5".into()]);
        rows.add(["long name".into(), "12345".into()]);
        let plain = anstream::adapter::strip_str(&rows.text()).to_string();
        assert_eq!(plain, "name       free MiB\na                 5\nlong name     12345\n");
    }

    #[test]
    fn hours() {
        assert!((gpu_hours(1000 * 3_600_000) - 1.0).abs() < 1e-12);
    }
}
