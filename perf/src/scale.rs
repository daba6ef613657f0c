//! Suite `scale`: many sessions of one server at once, of which one is quiet and all others are chatty.

use crate::child::{self, print};
use crate::cli::{Cli, Effort, Link};
use crate::driver::Driver;
use crate::processes;
use crate::progress;
use crate::remote::{Runner, Running, Server};
use crate::row::{Row, plain_row};
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// For all sessions of a level to attach, or to report after their time.
const PATIENCE: Duration = Duration::from_secs(120);
/// Memory of a session, so that many fit on a GPU.
const MEMORY_MIB: &str = "16";
/// Launches of a chatty session before each synchronisation.
const LAUNCHES: u64 = 32;
/// The quiet session's pause before each waiting call.
const PAUSE: Duration = Duration::from_millis(2);
/// What a session prints when it can begin.
const READY: &str = "ready";

/// What a session did in its time.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    calls: u64,
    seconds: f64,
    waiting: Samples,
}

/// The program of one session: attaches, says so, waits for a line, then makes calls for `time`.
pub fn run(chatty: bool, time: Duration) -> child::Result<()> {
    let driver = Driver::open()?;
    let kernel = driver.kernel(4)?;
    driver.launch(&kernel)?;
    driver.synchronize()?;
    println!("{READY}");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (mut calls, mut waiting) = (0, Samples::new());
    let start = Instant::now();
    while start.elapsed() < time {
        if chatty {
            for _ in 0..LAUNCHES {
                driver.launch(&kernel)?;
            }
            driver.synchronize()?;
            calls += LAUNCHES + 1;
        } else {
            thread::sleep(PAUSE);
            let start = Instant::now();
            // Of a stream it would be known here that it is done.
            driver.synchronize_all()?;
            waiting.once(start.elapsed());
            calls += 1;
        }
    }
    print(&Report {
        calls,
        seconds: start.elapsed().as_secs_f64(),
        waiting,
    })
}

/// A session that has attached.
struct Session {
    running: Running,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

/// Measures each number of sessions on each link.
pub fn measure(cli: &Cli, sessions: &[u16], effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let server = runner.serve()?;
    let levels = match effort {
        Effort::Quick => &[1, 3],
        _ => sessions,
    };
    let time = Duration::from_millis(effort.pick(200, 2000, 4000));
    let mut rows = Vec::new();
    for link in cli.link.iter().filter(|link| **link != Link::Direct) {
        let mut alone = None;
        for (done, count) in levels.iter().enumerate() {
            progress::say(&format!(
                "{count} sessions on {} (level {} of {})",
                link.name(),
                done + 1,
                levels.len()
            ));
            let level = level(&runner, server.as_ref(), *link, (*count).into(), time)
                .map_err(|error| format!("{count} sessions on {}: {error}", link.name()))?;
            if *count == 1 {
                alone = Some(level.waiting.ns(0.5));
            }
            let floor = alone.filter(|_| *count > 1);
            rows.extend(level.rows(floor).into_iter().map(|row| row.on(link.name())));
        }
    }
    Ok(rows)
}

/// What so many sessions gave.
struct Level {
    count: usize,
    attach: Samples,
    waiting: Samples,
    /// Calls each second of each chatty session; of a quiet one that is alone, its own.
    rates: Vec<f64>,
    memory_kib: Option<f64>,
}

impl Level {
    /// `alone`: the quiet session's median without others.
    fn rows(&self, alone: Option<f64>) -> Vec<Row> {
        let case = |what: &str| match self.count {
            1 => format!("{what}, 1 session"),
            count => format!("{what}, {count} sessions"),
        };
        let plain = |what: &str, unit: &str, value| plain_row("scale", &case(what), unit, value);
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for rate in &self.rates {
            (least, most) = (least.min(*rate), most.max(*rate));
        }
        let unfair = (self.count > 2 && least > 0.0).then(|| most / least);
        let memory = self.memory_kib.map(|kib| kib / self.count as f64);
        [
            Some(
                self.waiting
                    .row("scale", &case("quiet session's waiting call"), alone),
            ),
            plain("all calls", "calls/s", vec![self.rates.iter().sum()]),
            plain("busiest over least busy", "x", Vec::from_iter(unfair)),
            plain("server's memory a session", "KiB", Vec::from_iter(memory)),
            Some(self.attach.row("scale", &case("all attached"), None)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Attaches so many sessions, lets them go at once, and takes their reports. One that fails fails the level.
fn level(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    count: usize,
    time: Duration,
) -> Result<Level, String> {
    let memory = || server.map(|server| processes::family_memory_kib(server.pid()));
    let before = memory();
    let start = Instant::now();
    let mut sessions = Vec::with_capacity(count);
    for number in 0..count {
        sessions.push(begin(runner, server, link, number > 0, time)?);
    }
    let left = || PATIENCE.saturating_sub(start.elapsed());
    for (number, session) in sessions.iter().enumerate() {
        let line = session.lines.recv_timeout(left());
        if line.as_deref() != Ok(READY) {
            return Err(format!("session {number} did not attach"));
        }
    }
    let mut attach = Samples::new();
    attach.once(start.elapsed());
    let memory_kib = memory()
        .zip(before)
        .map(|(after, before)| (after - before).max(0.0));
    for (number, session) in sessions.iter_mut().enumerate() {
        session
            .stdin
            .write_all(b"go\n")
            .map_err(|error| format!("session {number}: {error}"))?;
    }
    let deadline = Instant::now() + time + PATIENCE;
    let (mut waiting, mut rates) = (Samples::new(), Vec::new());
    for (number, session) in sessions.iter().enumerate() {
        let line = session
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .map_err(|_| format!("session {number} did not report"))?;
        let report: Report = serde_json::from_str(&line)
            .map_err(|error| format!("session {number}: its report is unreadable: {error}"))?;
        waiting.add(&report.waiting);
        if number > 0 || count == 1 {
            rates.push(report.calls as f64 / report.seconds.max(1e-9));
        }
    }
    for session in &mut sessions {
        session.running.well()?;
    }
    Ok(Level {
        count,
        attach,
        waiting,
        rates,
        memory_kib,
    })
}

fn begin(
    runner: &Runner,
    server: Option<&Server>,
    link: Link,
    chatty: bool,
    time: Duration,
) -> Result<Session, String> {
    let time = time.as_millis().to_string();
    let mut task = vec!["session", "--time-ms", &time];
    if chatty {
        task.push("--chatty");
    }
    let mut command = runner.command(link, server, &["-m", MEMORY_MIB], &task)?;
    command.stdin(Stdio::piped());
    let mut running = Running::start(command, "a session")?;
    Ok(Session {
        stdin: running.stdin().ok_or("no input")?,
        lines: running.lines()?,
        running,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_tells_fairness_and_the_quiet_sessions_loss() {
        let mut waiting = Samples::new();
        waiting.once(Duration::from_micros(30));
        let mut level = Level {
            count: 4,
            attach: waiting.clone(),
            waiting,
            rates: vec![100.0, 200.0, 150.0],
            memory_kib: Some(4000.0),
        };
        let rows = level.rows(Some(10_000.0));
        let of = |case: &str| rows.iter().find(|row| row.case == case).map(|row| row.p50);
        assert_eq!(of("busiest over least busy, 4 sessions"), Some(2.0));
        assert_eq!(of("all calls, 4 sessions"), Some(450.0));
        assert_eq!(of("server's memory a session, 4 sessions"), Some(1000.0));
        assert!(crate::row::near(rows[0].ratio, 3.0), "{rows:?}");
        level.count = 1;
        assert!(
            level
                .rows(None)
                .iter()
                .all(|row| row.ratio.is_none() && row.unit != "x")
        );
    }
}
