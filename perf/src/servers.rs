//! Suite `servers`: copies between devices of two servers of one program, straight and by the program's machine, beside a raw socket.

use crate::child::{self, print};
use crate::cli::{Cli, Effort};
use crate::driver::Driver;
use crate::floors::{self, Sockets};
use crate::pairs::Pairs;
use crate::progress;
use crate::remote::{Runner, Running};
use crate::row::Row;
use crate::samples::Samples;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// For a program that hangs.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Sizes of copies, and how many of each are made in a turn.
const SIZES: [(usize, &str, usize); 4] = [(4, "4 B", 60), (1 << 20, "1 MiB", 20), (16 << 20, "16 MiB", 4), (64 << 20, "64 MiB", 2)];
/// A variable by which a program does without paths.
const PATHS: &str = "RINGWAY_PATHS";

/// The program: each copy in turn with as many bytes on a socket, one way, and a short answer.
pub fn run(effort: Effort) -> child::Result<()> {
    let driver = Driver::open()?;
    let largest = SIZES.map(|(bytes, ..)| bytes).into_iter().max().unwrap_or_default();
    let peers = driver.peers(largest)?;
    let mut sockets = Sockets::connect()?;
    let clock = floors::clock();
    let mut rows: Vec<Row> = Vec::new();
    for (bytes, name, samples) in SIZES {
        let samples = effort.pick(1, samples, samples);
        for (back, way) in [(false, "from the stream's device"), (true, "to the stream's device")] {
            let mut pairs = Pairs::new();
            // The first round makes the path, and warms up.
            for round in 0..=effort.pick(1, 5, 10) {
                let (mut ours, mut floor) = (Samples::new(), Samples::new());
                sockets.round_trips(bytes, 0, samples, false, Duration::ZERO, &mut floor)?;
                for _ in 0..samples {
                    let start = Instant::now();
                    peers.copy(back, bytes)?;
                    ours.batch(start.elapsed(), 1, clock);
                }
                if round > 0 {
                    pairs.add(&ours, floor.ns(0.5));
                }
            }
            let case = format!("{name} {way}");
            rows.push(if bytes < crate::bench::BULK_BYTES_MIN { pairs.row("servers", &case) } else { pairs.rate_row("servers", &case, bytes) });
        }
    }
    print(&rows)
}

/// Two servers here, of which the first may connect to the second, and a program with a GPU of each.
pub fn measure(cli: &Cli, effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let (first, second) = runner.serve_two()?;
    let mut rows = Vec::new();
    for (link, paths) in [("straight", "1"), ("by the program", "0")] {
        let name = format!("copies between servers, {link}");
        progress::say(&name);
        let mut command = runner.command_on_two([&first, &second], &["servers", "--effort", effort.name()])?;
        command.env(PATHS, paths).stdin(Stdio::null());
        let text = Running::start(command, &name)?.output(TIMEOUT)?;
        let own: Vec<Row> = serde_json::from_str(&text).map_err(|error| format!("{name}: its report is unreadable: {error}"))?;
        rows.extend(own.into_iter().map(|row| row.on(link)));
    }
    Ok(rows)
}
