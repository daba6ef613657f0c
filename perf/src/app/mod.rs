//! Suite `app`: whole programs over Ringway beside the same programs directly on the driver (`programs.rs`).

mod programs;

pub use programs::Program;

use crate::child::{self, print};
use crate::cli::{Cli, Effort, Link};
use crate::clock;
use crate::driver::Driver;
use crate::progress;
use crate::remote::{Runner, Running, Server};
use crate::row::{Row, plain_row};
use crate::samples::Samples;
use crate::turns::{self, Measured};
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// For a program that hangs.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Steps of the runs in which waiting calls are counted.
const COUNTED_STEPS: usize = 10;

/// What a run of a program measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// From the first step to the end of the last, after one run to warm up; and the CPU time of the process in it.
    pub whole: Samples,
    steps: Samples,
}

/// The program. With no steps it does nothing but set up.
pub fn run(program: Program, steps: usize) -> child::Result<()> {
    let driver = Driver::open()?;
    let (mut whole, mut each) = (Samples::new(), Samples::new());
    if steps > 0 {
        // Of a loop of its own, so that memory is touched and code is loaded.
        program.run(&driver, 2)?;
    }
    let (cpu, start) = (clock::process_cpu(), Instant::now());
    for time in program.run(&driver, steps)? {
        each.once(time);
    }
    whole.once(start.elapsed());
    whole.cpu(clock::process_cpu() - cpu, steps as u64);
    print(&Report { whole, steps: each })
}

/// Runs each program on every link, and directly, in turn.
pub fn measure(cli: &Cli, rounds: Option<u16>, effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let server = runner.serve()?;
    let rounds = rounds.map_or(effort.pick(1, 3, 9), usize::from);
    let mut rows = Vec::new();
    for program in Program::ALL {
        let steps = match program {
            Program::Training => effort.pick(3, 50, 200),
            Program::Decode => effort.pick(3, 100, 400),
            Program::Pipeline => effort.pick(4, 50, 200),
        };
        let warm_up = effort != Effort::Quick;
        rows.extend(turns::beside_direct(
            "app",
            &cli.link,
            rounds,
            warm_up,
            |link| {
                progress::say(&format!("{} on {}", program.name(), link.name()));
                once(&runner, server.as_ref(), link, program, steps)
            },
        )?);
        for link in cli.link.iter().filter(|link| **link != Link::Direct) {
            progress::say(&format!("{}'s calls on {}", program.name(), link.name()));
            let waits = |steps| waiting_calls(&runner, server.as_ref(), *link, program, steps);
            // What setting up and the steps that warm up wait for is in both.
            let steps = COUNTED_STEPS;
            let a_step = (waits(2 * steps)? - waits(steps)?) / steps as f64;
            let case = format!(
                "{}, waiting calls a {}",
                program.name(),
                program.step_name()
            );
            rows.extend(plain_row("app", &case, "calls", vec![a_step]).map(|r| r.on(link.name())));
        }
    }
    Ok(rows)
}

/// Runs a program and reads its report; the text of errors names it.
pub fn child(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    program: Program,
    steps: usize,
    options: &[&str],
) -> Result<Report, String> {
    child_with(runner, server, link, program, steps, options, &[])
}

/// As [`child`], with variables in its environment.
pub fn child_with(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    program: Program,
    steps: usize,
    options: &[&str],
    environment: &[(&str, &str)],
) -> Result<Report, String> {
    let name = format!("{} on {}", program.name(), link.name());
    let steps = steps.to_string();
    let task = ["app", program.name(), "--steps", &steps];
    let mut command = runner.command(link, server, options, &task)?;
    command.stdin(Stdio::null()).envs(environment.iter().copied());
    let text = Running::start(command, &name)?.output(TIMEOUT)?;
    serde_json::from_str(&text)
        .map_err(|error| format!("{name}: its report is unreadable: {error}"))
}

fn once(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    program: Program,
    steps: usize,
) -> Result<Measured, String> {
    let start = Instant::now();
    let report = child(runner, server, link, program, steps, &[])?;
    let mut with_start = Samples::new();
    with_start.once(start.elapsed());
    let name = program.name();
    Ok(vec![
        (format!("{name}, whole loop"), report.whole),
        (format!("{name}, one {}", program.step_name()), report.steps),
        (format!("{name}, with start and end"), with_start),
    ])
}

/// How many calls of a run waited for the server, by `ringway run --stats`.
fn waiting_calls(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    program: Program,
    steps: usize,
) -> Result<f64, String> {
    let file = std::env::temp_dir().join(format!("ringway-perf-{}-stats.json", std::process::id()));
    let outcome = child(
        runner,
        server,
        link,
        program,
        steps,
        &["--stats", &file.to_string_lossy()],
    )
    .and_then(|_| std::fs::read_to_string(&file).map_err(|error| error.to_string()));
    let _ = std::fs::remove_file(&file);
    let stats: serde_json::Value =
        serde_json::from_str(&outcome?).map_err(|error| format!("--stats: {error}"))?;
    stats["waiting_calls"]
        .as_f64()
        .ok_or_else(|| "--stats tells no waiting_calls".into())
}
