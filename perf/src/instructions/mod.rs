//! Suite `instructions`: how many instructions a call takes in the program that makes it, and operations of parts, counted by callgrind.
//!
//! A count is the same on a busy machine, so a committed baseline can be held against it. What is counted is the calling thread,
//! from the call to its return; what the server and the kernel do is not.

mod baseline;
mod callgrind;
mod sections;

pub use sections::run;

use crate::cli::{Cli, Link};
use crate::progress;
use crate::remote::{Runner, Running};
use crate::row::{Row, plain_row};
use baseline::Baseline;
use sections::Section;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// For a program that hangs; callgrind makes each instruction some fifty times as long.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Counts, and compares with a baseline if one is named.
///
/// # Errors
/// valgrind is not there; the program failed; a case takes more than the baseline allows.
pub fn measure(
    cli: &Cli,
    only: &str,
    baseline: Option<&Path>,
    write_baseline: Option<&Path>,
) -> Result<Vec<Row>, String> {
    // Read now rather than after the measurement.
    let baseline = baseline.map(Baseline::read).transpose()?;
    let valgrind = callgrind::version()?;
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let runner = Runner::new(cli)?;
    progress::say("instructions");
    let task = ["instructions", "--filter", only];
    let under = callgrind::command(folder.path(), sections::COUNTED);
    let mut command = runner.command_under(Link::Shm, None, &[], &under, &task)?;
    // A server that never sleeps: callgrind makes the program so slow that it would sleep between any two calls.
    command
        .stdin(Stdio::null())
        .env("RINGWAY_SPIN_US", "1000000");
    let text = Running::start(command, "instructions")?.output(TIMEOUT)?;
    let sections: Vec<Section> = serde_json::from_str(&text)
        .map_err(|error| format!("instructions: the program's report is unreadable: {error}"))?;
    let totals = callgrind::totals(folder.path())?;
    let rows = rows(&sections, &totals)?;
    progress::done();
    println!("{}; built by {}\n", valgrind, env!("BUILT_BY"));
    if let Some(file) = write_baseline {
        Baseline::of(&rows).write(file)?;
    }
    if let Some(baseline) = baseline {
        let compared = baseline.compare(&rows, only);
        println!("{compared}");
        compared.verdict()?;
    }
    Ok(rows)
}

/// One row a case: instructions of one call, over its sections.
fn rows(sections: &[Section], totals: &[u64]) -> Result<Vec<Row>, String> {
    if sections.len() != totals.len() {
        return Err(format!(
            "callgrind counted {} sections, the program ran {}",
            totals.len(),
            sections.len()
        ));
    }
    let mut cases: Vec<(&Section, Vec<f64>)> = Vec::new();
    // The first section is empty: what the counting itself takes.
    let empty = totals.first().copied().unwrap_or(0);
    for (section, total) in sections.iter().zip(totals).skip(1) {
        let count = total.saturating_sub(empty) as f64 / f64::from(section.calls);
        match cases.last_mut() {
            Some((last, counts)) if last.case == section.case => counts.push(count),
            _ => cases.push((section, vec![count])),
        }
    }
    Ok(cases
        .into_iter()
        .filter_map(|(section, counts)| {
            let row = plain_row("instructions", &section.case, "instr", counts)?;
            Some(row.on(&section.link))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(case: &str, calls: u32) -> Section {
        Section {
            case: case.into(),
            link: "shm".into(),
            calls,
        }
    }

    #[test]
    fn a_count_is_one_calls_without_the_counting() {
        let sections = [
            section("", 1),
            section("a", 10),
            section("a", 10),
            section("a", 10),
            section("b", 1),
        ];
        let rows = rows(&sections, &[7, 2007, 1507, 1007, 57]).expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].p50, rows[0].max), (150.0, 200.0));
        assert_eq!((rows[1].case.as_str(), rows[1].p50), ("b", 50.0));
    }

    #[test]
    fn sections_that_were_not_counted_are_found_out() {
        assert!(rows(&[section("", 1), section("a", 1)], &[1]).is_err());
    }
}
