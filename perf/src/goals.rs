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
        "stream synchronize, idle stream",
        "shm",
        Goal::RatioAtMost(2.0),
    ),
    (
        "call",
        "stream synchronize, both asleep",
        "shm",
        Goal::RatioAtMost(1.2),
    ),
    (
        "call",
        "stream synchronize, idle stream",
        "tcp",
        Goal::RatioAtMost(1.15),
    ),
    (
        "call",
        "stream synchronize, both asleep",
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

/// One line for each goal whose case was measured.
pub fn summary(rows: &[Row]) -> String {
    let mut text = String::new();
    for (suite, case, link, goal) in &GOALS {
        // Of a case with two units the last one counts: GFLOP/s.
        let Some(row) = rows
            .iter()
            .rfind(|row| row.suite == *suite && row.case == *case && row.link == *link)
        else {
            continue;
        };
        let (reached, wanted) = match (goal, row.ratio) {
            (Goal::AtMost(most), _) => {
                (row.p50 <= *most, format!("<= {}", amount(*most, &row.unit)))
            }
            (Goal::AtLeast(least), _) => (
                row.p50 >= *least,
                format!(">= {}", amount(*least, &row.unit)),
            ),
            (Goal::RatioAtMost(most), ratio) => (
                ratio.is_some_and(|ratio| ratio <= *most),
                format!("<= {most} x floor"),
            ),
            (Goal::RatioAtLeast(least), ratio) => (
                ratio.is_some_and(|ratio| ratio >= *least),
                format!(">= {least} x floor"),
            ),
        };
        let beside = match (row.floor, row.ratio) {
            (Some(floor), Some(ratio)) => {
                format!("floor {}, {ratio} x", amount(floor, &row.unit))
            }
            _ => String::new(),
        };
        text.push_str(&format!(
            "{:<7} {:<35} {:<8} {:>14} {:<28} goal {:<16} {}\n",
            row.suite,
            row.case,
            row.link,
            amount(row.p50, &row.unit),
            beside,
            wanted,
            if reached { "reached" } else { "missed" }
        ));
    }
    text
}

/// A value with its unit; long times in milliseconds.
fn amount(value: f64, unit: &str) -> String {
    if unit == "ns" && value >= 1e6 {
        format!("{} ms", crate::table::number(value / 1e6))
    } else {
        format!("{value} {unit}")
    }
}
