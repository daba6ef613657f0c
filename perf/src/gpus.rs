//! Suite `gpus`: one program on several GPUs of one server, which compute by themselves: what each costs the others.

use crate::child::{self, print};
use crate::cli::{Cli, Effort, Link};
use crate::driver::Driver;
use crate::progress;
use crate::remote::{Runner, Running};
use crate::row::{Row, plain_row, round};
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// For a program that hangs.
const TIMEOUT: Duration = Duration::from_secs(120);
/// GPUs of a program, in turn.
const COUNTS: [usize; 3] = [1, 2, 4];
/// Launches, on one GPU or over all of them, before those are waited for.
const LAUNCHES: usize = 32;
/// How many GPUs the software GPU has, and the memory of each.
const SOFTGPU: [(&str, &str); 2] = [("RINGWAY_SOFTGPU_DEVICES", "4"), ("RINGWAY_SOFTGPU_MEMORY_MIB", "64")];

/// Launches a second of a program: by a thread for each GPU, all together, and by one thread for all GPUs in turn.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    a_thread_each: f64,
    in_turn: f64,
}

/// The program.
pub fn run(gpus: usize, effort: Effort) -> child::Result<()> {
    let batches = effort.pick(4, 300, 1500);
    // The first batch warms up.
    let begin = Barrier::new(gpus);
    let seconds = thread::scope(|scope| {
        let alone = |gpu: usize| -> Result<f64, String> {
            let ready = Driver::open_on(gpu).and_then(|driver| Ok((driver.kernel(4)?, driver)));
            begin.wait();
            let (kernel, driver) = ready.map_err(|error| error.to_string())?;
            let mut start = Instant::now();
            for batch in 0..=batches {
                if batch == 1 {
                    start = Instant::now();
                }
                for _ in 0..LAUNCHES {
                    driver.launch(&kernel).map_err(|error| error.to_string())?;
                }
                driver.synchronize_all().map_err(|error| error.to_string())?;
            }
            Ok(start.elapsed().as_secs_f64())
        };
        let threads: Vec<_> = (0..gpus).map(|gpu| scope.spawn(move || alone(gpu))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_string())?).collect::<Result<Vec<f64>, String>>()
    })?;
    let launches = (batches * LAUNCHES) as f64;
    let a_thread_each = seconds.iter().map(|seconds| launches / seconds).sum();
    let drivers = (0..gpus).map(Driver::open_on).collect::<Result<Vec<_>, _>>()?;
    let kernels = drivers.iter().map(|driver| driver.kernel(4)).collect::<Result<Vec<_>, _>>()?;
    let mut start = Instant::now();
    for batch in 0..=batches {
        if batch == 1 {
            start = Instant::now();
        }
        for launch in 0..LAUNCHES {
            let gpu = launch % gpus;
            drivers[gpu].make_current()?;
            drivers[gpu].launch(&kernels[gpu])?;
        }
        for driver in &drivers {
            driver.make_current()?;
            driver.synchronize_all()?;
        }
    }
    print(&Report { a_thread_each, in_turn: launches / start.elapsed().as_secs_f64() })
}

/// Each number of GPUs on each link, and directly, in turn.
pub fn measure(cli: &Cli, effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let rounds = effort.pick(1, 5, 9);
    let counts = if effort == Effort::Quick { &COUNTS[..2] } else { &COUNTS[..] };
    let links: Vec<Link> = [Link::Direct].into_iter().chain(cli.link.iter().copied().filter(|link| *link != Link::Direct)).collect();
    let mut rows = Vec::new();
    for count in counts {
        let mut reports: Vec<Vec<Report>> = links.iter().map(|_| Vec::new()).collect();
        for done in 0..rounds {
            for (link, reports) in links.iter().zip(&mut reports) {
                let name = format!("{count} GPUs on {} (round {} of {rounds})", link.name(), done + 1);
                progress::say(&name);
                let gpus = count.to_string();
                let mut command = runner.command(*link, None, &["-n", &gpus], &["gpus", "--gpus", &gpus, "--effort", effort.name()])?;
                command.envs(SOFTGPU).stdin(Stdio::null());
                let text = Running::start(command, &name)?.output(TIMEOUT)?;
                reports.push(serde_json::from_str(&text).map_err(|error| format!("{name}: its report is unreadable: {error}"))?);
            }
        }
        let case = |what: &str| match count {
            1 => format!("launches, 1 GPU, {what}"),
            count => format!("launches, {count} GPUs, {what}"),
        };
        let each = |report: &Report| report.a_thread_each;
        let turn = |report: &Report| report.in_turn;
        for (what, value) in [("a thread each", each as fn(&Report) -> f64), ("one thread in turn", turn)] {
            let floor = of(&reports[0], value).and_then(|values| plain_row("gpus", "", "", values)).map(|row| row.p50);
            for (link, reports) in links.iter().zip(&reports) {
                let row = of(reports, value).and_then(|values| plain_row("gpus", &case(what), "calls/s", values));
                rows.extend(row.map(|row| beside(row, floor.filter(|_| *link != Link::Direct)).on(link.name())));
            }
        }
    }
    Ok(rows)
}

fn of(reports: &[Report], value: fn(&Report) -> f64) -> Option<Vec<f64>> {
    (!reports.is_empty()).then(|| reports.iter().map(value).collect())
}

fn beside(row: Row, floor: Option<f64>) -> Row {
    Row { floor, ratio: floor.filter(|floor| *floor > 0.0).map(|floor| round(row.p50 / floor)), ..row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_stand_beside_those_of_the_driver_alone() {
        let reports: Vec<Report> = [100.0, 300.0, 200.0].map(|rate| Report { a_thread_each: rate, in_turn: rate / 2.0 }).into();
        let values = of(&reports, |report| report.in_turn).expect("reports");
        let row = beside(plain_row("gpus", "x", "calls/s", values).expect("values"), Some(400.0));
        assert_eq!((row.p50, row.floor, row.ratio), (100.0, Some(400.0), Some(0.25)));
    }
}
