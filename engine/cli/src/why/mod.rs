//! `ringway why`: where a program's time over the network goes, and what it would be over another network.
//!
//! The program runs as under `ringway run`; its library writes each call that goes to the server into a file of the
//! private folder (`ringway_wire::trace`), `read.rs` reads it, `model.rs` predicts, `symbols.rs` names call sites, `report.rs` and
//! `advice.rs` say it.

mod advice;
mod model;
mod read;
mod report;
mod symbols;

use crate::Failure;
use crate::run::{Account, Ran, RunArgs, run_with};
use model::{Process, calibrate};
use read::Trace;
use ringway_link::network::{Network, emulated, parse_rate, parse_round_trip};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Round trips that are asked about by default: within a rack, a room, a building, and over far networks.
const ROUND_TRIPS_US: [u64; 6] = [5, 10, 50, 200, 5_000, 30_000];
/// Bandwidths, Gbit/s.
const RATES_GBIT: [f64; 3] = [10.0, 25.0, 100.0];
/// What both ends spend on a call that does nothing, and is no network's: taken off what is measured to a server on another host.
const ENDS_NS: u64 = 10_000;
/// And no more than this, where no call of the program was that short.
const ENDS_NS_MAX: u64 = 100_000;

/// Options of `ringway why`.
#[derive(Debug, clap::Args)]
pub struct WhyArgs {
    /// Predict for this round trip, as 200us (several times for several).
    #[arg(long, value_name = "DURATION", value_parser = parse_round_trip)]
    rtt: Vec<Duration>,
    /// Predict for this bandwidth, as 25Gbit (several times for several).
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    bandwidth: Vec<f64>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    /// Write the report to FILE instead of standard error.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

impl WhyArgs {
    /// Every round trip with every bandwidth.
    fn networks(&self) -> Vec<Network> {
        let trips: Vec<Duration> = if self.rtt.is_empty() { ROUND_TRIPS_US.map(Duration::from_micros).to_vec() } else { self.rtt.clone() };
        let rates: Vec<f64> = if self.bandwidth.is_empty() { RATES_GBIT.map(|gbit| gbit * 1e9).to_vec() } else { self.bandwidth.clone() };
        let with_each_rate = |round_trip| rates.iter().map(move |rate| Network { round_trip, bits_per_second: Some(*rate) });
        trips.into_iter().flat_map(with_each_rate).collect()
    }
}

/// Runs the program and reports.
pub fn why(args: WhyArgs) -> Result<ExitCode, Failure> {
    if args.run.is_direct() {
        return Err(Failure::with_code("ringway why: --direct leaves nothing to account for", 2));
    }
    let networks = args.networks();
    let (json, output) = (args.json, args.output);
    if let Some(file) = &output {
        // Found out now rather than after the program ran.
        std::fs::write(file, "").map_err(|error| Failure::new(format!("--output {}: {error}", file.display())))?;
    }
    run_with(args.run, Account::EachCall, |folder, ran| {
        let text = account(folder, ran, &networks, json)?;
        match &output {
            Some(file) => std::fs::write(file, text).map_err(|error| Failure::new(format!("--output {}: {error}", file.display()))),
            None => {
                eprint!("{text}");
                Ok(())
            }
        }
    })
}

/// What is to be said of a program that left its accounts in a folder.
fn account(folder: &Path, ran: &Ran, networks: &[Network], json: bool) -> Result<String, Failure> {
    let (mut traces, unusable) = read::all(folder)?;
    let processes: Vec<Process> = traces.iter_mut().map(|trace| process(trace, ran.same_host)).collect();
    let own_ns: u64 = traces.iter().map(|trace| trace.own_ns).sum();
    let wall_s = (ran.wall.as_secs_f64() - own_ns as f64 / 1e9).max(0.0);
    let report = report::report(&traces, unusable, ran.link, wall_s, &processes, networks);
    Ok(if json { serde_json::to_string_pretty(&report)? + "\n" } else { report::text(&report) })
}

/// A process as the model takes it.
fn process(trace: &mut Trace, same_host: bool) -> Process {
    // On one host there is no network, unless one is emulated.
    let network_ns = if same_host {
        emulated().ok().flatten().map_or(0, |network| network.round_trip.as_nanos() as u64)
    } else {
        trace.round_trip_ns.saturating_sub(ENDS_NS)
    };
    trace.recording.round_trip_ns = network_ns as f64;
    trace.recording.ends_ns = trace.round_trip_ns.saturating_sub(network_ns).min(ENDS_NS_MAX) as f64;
    let recording = trace.recording.clone();
    let recorded = recording.calls.len().max(1) as f64;
    Process {
        work: calibrate(&recording),
        begun_ns: trace.begun_ns,
        ended_ns: trace.ended_ns,
        scale: (trace.calls_made as f64 / recorded).max(1.0),
        recording,
    }
}
