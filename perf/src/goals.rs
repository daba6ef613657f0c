//! The numbers that matter, beside what is wanted of them.

use crate::row::Row;

enum Goal {
    /// The median, in the row's unit.
    AtMost(f64),
    /// The median, in the row's unit.
    AtLeast(f64),
    /// Median over floor.
    RatioAtMost(f64),
    /// Median over floor, of rates.
    RatioAtLeast(f64),
}

/// Suite, case, link, goal.
const GOALS: [(&str, &str, &str, Goal); 29] = [
    ("submit", "launch, 4 parameters", "shm", Goal::AtMost(100.0)),
    ("submit", "launch, 4 parameters", "tcp", Goal::AtMost(200.0)),
    (
        "call",
        "context synchronize, idle",
        "shm",
        Goal::RatioAtMost(2.0),
    ),
    (
        "call",
        "context synchronize, both asleep",
        "shm",
        Goal::RatioAtMost(1.2),
    ),
    (
        "call",
        "context synchronize, idle",
        "tcp",
        Goal::RatioAtMost(1.15),
    ),
    (
        "call",
        "context synchronize, both asleep",
        "tcp",
        Goal::RatioAtMost(1.15),
    ),
    (
        "copy",
        "to device 1 MiB, pinned",
        "shm",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to host 1 MiB, pinned",
        "shm",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to device 64 MiB, pinned",
        "shm",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to host 64 MiB, pinned",
        "shm",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to device 1 MiB, pinned",
        "tcp",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to host 1 MiB, pinned",
        "tcp",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to device 64 MiB, pinned",
        "tcp",
        Goal::RatioAtLeast(0.9),
    ),
    (
        "copy",
        "to host 64 MiB, pinned",
        "tcp",
        Goal::RatioAtLeast(0.9),
    ),
    ("idle", "client CPU", "shm", Goal::AtMost(100.0)),
    ("idle", "worker CPU", "shm", Goal::AtMost(100.0)),
    ("idle", "client CPU", "tcp", Goal::AtMost(100.0)),
    ("idle", "worker CPU", "tcp", Goal::AtMost(100.0)),
    ("start", crate::start::TOTAL, "shm", Goal::AtMost(100e6)),
    ("start", crate::start::TOTAL, "tcp", Goal::AtMost(100e6)),
    (
        "app",
        "training, whole loop",
        "shm",
        Goal::RatioAtMost(1.05),
    ),
    (
        "app",
        "training, whole loop",
        "tcp",
        Goal::RatioAtMost(1.05),
    ),
    ("app", "decode, whole loop", "shm", Goal::RatioAtMost(1.05)),
    ("app", "decode, whole loop", "tcp", Goal::RatioAtMost(1.05)),
    (
        "app",
        "pipeline, whole loop",
        "shm",
        Goal::RatioAtMost(1.05),
    ),
    (
        "app",
        "pipeline, whole loop",
        "tcp",
        Goal::RatioAtMost(1.05),
    ),
    (
        "softgpu",
        "matrix product 256^3, tiles 16 x 16",
        "one core",
        Goal::AtLeast(4.0),
    ),
    (
        "softgpu",
        "matrix product 256^3, tiles 32 x 32",
        "one core",
        Goal::AtLeast(4.0),
    ),
    (
        "softgpu",
        crate::softgpu::MEDIAN,
        "one core",
        Goal::AtLeast(6.0),
    ),
];

/// A goal whose case was measured.
pub struct Verdict<'a> {
    /// What was measured.
    pub row: &'a Row,
    /// The goal in words.
    pub wanted: String,
    /// Whether it is reached.
    pub reached: bool,
}

impl Verdict<'_> {
    /// The median, with its unit.
    pub fn median(&self) -> String {
        amount(self.row.p50, &self.row.unit)
    }

    /// Floor and ratio in words; empty where there is none.
    pub fn beside(&self) -> String {
        match (self.row.floor, self.row.ratio) {
            (Some(floor), Some(ratio)) => {
                format!("floor {}, {ratio} x", amount(floor, &self.row.unit))
            }
            _ => String::new(),
        }
    }
}

/// The goals whose cases were measured.
pub fn verdicts(rows: &[Row]) -> Vec<Verdict<'_>> {
    let of = |(suite, case, link, goal): &(&str, &str, &str, Goal)| {
        // Of a case with two units the last one counts: GFLOP/s.
        let row = rows
            .iter()
            .rfind(|row| row.suite == *suite && row.case == *case && row.link == *link)?;
        let (reached, wanted) = match goal {
            Goal::AtMost(most) => (row.p50 <= *most, format!("<= {}", amount(*most, &row.unit))),
            Goal::AtLeast(least) => (
                row.p50 >= *least,
                format!(">= {}", amount(*least, &row.unit)),
            ),
            Goal::RatioAtMost(most) => (
                row.ratio.is_some_and(|ratio| ratio <= *most),
                format!("<= {most} x floor"),
            ),
            Goal::RatioAtLeast(least) => (
                row.ratio.is_some_and(|ratio| ratio >= *least),
                format!(">= {least} x floor"),
            ),
        };
        Some(Verdict {
            row,
            wanted,
            reached,
        })
    };
    GOALS.iter().filter_map(of).collect()
}

/// One line for each goal whose case was measured.
pub fn summary(rows: &[Row]) -> String {
    let line = |verdict: Verdict<'_>| {
        format!(
            "{:<7} {:<35} {:<8} {:>14} {:<28} goal {:<16} {}\n",
            verdict.row.suite,
            verdict.row.case,
            verdict.row.link,
            verdict.median(),
            verdict.beside(),
            verdict.wanted,
            if verdict.reached { "reached" } else { "missed" }
        )
    };
    verdicts(rows).into_iter().map(line).collect()
}

/// A value with its unit; long times in milliseconds.
fn amount(value: f64, unit: &str) -> String {
    if unit == "ns" && value >= 1e6 {
        format!("{} ms", crate::table::number(value / 1e6))
    } else {
        format!("{value} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_held_against_the_rows_they_name() {
        let row = |case: &str, p50, ratio| Row {
            suite: "call".into(),
            case: case.into(),
            link: "shm".into(),
            unit: "ns".into(),
            p50,
            floor: Some(100.0),
            ratio: Some(ratio),
            ..Row::default()
        };
        let rows = [
            row("context synchronize, idle", 150.0, 1.5),
            row("context synchronize, both asleep", 150.0, 1.5),
            row("memory info", 1.0, 1.0),
        ];
        let reached: Vec<bool> = verdicts(&rows).iter().map(|goal| goal.reached).collect();
        assert_eq!(reached, [true, false]);
        assert_eq!(summary(&rows).lines().count(), 2);
    }

    #[test]
    fn long_times_are_in_milliseconds() {
        assert_eq!(amount(2.5e6, "ns"), "2.50 ms");
        assert_eq!(amount(250.0, "ns"), "250 ns");
        assert_eq!(amount(2.5e6, "KiB"), "2500000 KiB");
    }
}
