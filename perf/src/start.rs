//! Suite `start`: how long a program takes from the start of `ringway run` to its first result, and what of it where.

use crate::child::{self, print};
use crate::cli::{Cli, Effort};
use crate::clock;
use crate::driver::Driver;
use crate::progress;
use crate::remote::{Runner, Running};
use crate::row::Row;
use crate::samples::Samples;
use crate::turns::{self, Measured};
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::Duration;

/// For a program that hangs.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Between two starts: the server has the worker ready that the last one took, as where programs do not start in a heap.
const PAUSE: Duration = Duration::from_millis(400);
/// The row that the goal is about.
pub const TOTAL: &str = "to first kernel finished";
/// What the parts that `Driver::open_in_steps` ends are called, in this order, and what is reached with each.
const STEPS: [(&str, &str); 6] = [
    ("part: ringway run, loader", "to the program's first line"),
    ("part: loading libcuda", "to libcuda loaded"),
    ("part: cuInit", "to cuInit done"),
    ("part: context and stream", "to context made"),
    ("part: module load", "to module loaded"),
    ("part: first kernel", TOTAL),
];

/// When what was done, on the clock that all processes share.
#[derive(Debug, Serialize, Deserialize)]
struct Marks {
    ns: Vec<u64>,
    cpu_ns: u64,
}

/// The program: marks its first line and each step up to the first kernel's end.
pub fn run() -> child::Result<()> {
    let mut ns = Vec::new();
    let mut mark = || ns.push(u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX));
    mark();
    let driver = Driver::open_in_steps(&mut mark)?;
    let kernel = driver.kernel(0)?;
    driver.launch(&kernel)?;
    driver.synchronize()?;
    mark();
    let cpu_ns = u64::try_from(clock::process_cpu().as_nanos()).unwrap_or(u64::MAX);
    print(&Marks { ns, cpu_ns })
}

/// Starts the program on every link, and directly, in turn. The server runs already.
pub fn measure(cli: &Cli, rounds: Option<u16>, effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let server = runner.serve()?;
    let rounds = rounds.map_or(effort.pick(1, 8, 30), usize::from);
    turns::beside_direct(
        "start",
        &cli.link,
        rounds,
        effort != Effort::Quick,
        |link| {
            progress::say(&format!("start on {}", link.name()));
            let name = format!("start on {}", link.name());
            let mut command = runner.command(link, server.as_ref(), &[], &["start"])?;
            if effort != Effort::Quick {
                std::thread::sleep(PAUSE);
            }
            command.stdin(Stdio::null());
            let before = clock::monotonic();
            let text = Running::start(command, &name)?.output(TIMEOUT)?;
            let end = clock::monotonic();
            let marks: Marks = serde_json::from_str(&text)
                .map_err(|error| format!("{name}: its report is unreadable: {error}"))?;
            parts(before, &marks, end).ok_or_else(|| format!("{name}: marks are missing"))
        },
    )
}

/// What is reached, each since the start of `ringway run`, and what lies between two of them.
fn parts(before: Duration, marks: &Marks, end: Duration) -> Option<Measured> {
    if marks.ns.len() != STEPS.len() {
        return None;
    }
    let (mut reached, mut parts) = (Vec::new(), Vec::new());
    let mut last = before;
    for (ns, (part, what)) in marks.ns.iter().zip(STEPS) {
        let now = Duration::from_nanos(*ns);
        let (mut since_start, mut since_last) = (Samples::new(), Samples::new());
        since_start.once(now.saturating_sub(before));
        since_last.once(now.saturating_sub(last));
        if what == TOTAL {
            since_start.cpu(Duration::from_nanos(marks.cpu_ns), 1);
        }
        reached.push((what.to_owned(), since_start));
        parts.push((part.to_owned(), since_last));
        last = now;
    }
    let (mut to_end, mut ending) = (Samples::new(), Samples::new());
    to_end.once(end.saturating_sub(before));
    ending.once(end.saturating_sub(last));
    reached.push(("to the end of ringway run".into(), to_end));
    parts.push(("part: ending, lease given back".into(), ending));
    reached.extend(parts);
    Some(reached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::near;

    #[test]
    fn parts_add_up() {
        let marks = Marks {
            ns: vec![1500, 1600, 1800, 2100, 2500, 3000],
            cpu_ns: 700,
        };
        let ns = Duration::from_nanos;
        let measured = parts(ns(1000), &marks, ns(3600)).expect("every mark is there");
        let of = |name: &str| {
            let (_, samples) = measured
                .iter()
                .find(|(case, _)| case == name)
                .expect("a case of that name");
            samples.ns(0.5)
        };
        assert!(near(Some(of(TOTAL)), 2000.0));
        assert!(near(Some(of("part: first kernel")), 500.0));
        assert!(near(Some(of("to the end of ringway run")), 2600.0));
        let sum: f64 = STEPS.iter().map(|(part, _)| of(part)).sum();
        assert!((sum - 2000.0).abs() < 5.0, "{sum}");
        assert!(
            parts(
                ns(0),
                &Marks {
                    ns: vec![1],
                    cpu_ns: 0
                },
                ns(2)
            )
            .is_none()
        );
    }
}
