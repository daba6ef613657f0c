//! What `ringway why` says: as JSON, and as text made from the same values.

use super::advice;
use super::model::{Prediction, Process, Program, exposed_and_hidden_ns, predict};
use super::read::{Trace, name};
use super::symbols::{Objects, Place};
use ringway_link::network::Network;
use ringway_wire::trace::Call;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Name and version of the JSON form.
const SCHEMA: &str = "ringway-why-1";
/// Rows of each table of the text.
const ROWS_MAX: usize = 12;

/// Everything that is reported.
#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: &'static str,
    /// Of the program, from its start to its end; without what the accounting itself took before the first call.
    pub wall_s: f64,
    pub link: String,
    /// Of the call that waited least: the network's round trip and what both ends do.
    pub round_trip_us: f64,
    pub processes: Vec<ProcessReport>,
    /// Processes whose accounts could not be used.
    pub processes_unusable: usize,
    /// Calls that were counted, but not recorded one by one: there were too many.
    pub calls_not_recorded: u64,
    pub waiting: Waiting,
    pub posted: Posted,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Time in which the program waited for the server.
    pub exposed_s: f64,
    /// Time in which the server worked and no thread of the program waited: what has to be hidden is.
    pub hidden_s: f64,
    pub predictions: Vec<PredictionReport>,
    pub advice: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ProcessReport {
    pub pid: u64,
    pub name: String,
    /// It ended in order.
    pub ended: bool,
    pub seconds: f64,
    pub calls: u64,
    pub waiting_calls: u64,
}

#[derive(Debug, Serialize)]
pub struct Waiting {
    pub calls: u64,
    pub seconds: f64,
    pub by_function: Vec<Waits>,
    pub by_site: Vec<Waits>,
}

/// Waiting calls of one function, or of one function at one place.
#[derive(Debug, Clone, Serialize)]
pub struct Waits {
    pub function: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteReport>,
    pub calls: u64,
    pub seconds: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct SiteReport {
    pub object: String,
    pub offset: u64,
    pub symbol: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    #[serde(skip)]
    text: String,
}

impl SiteReport {
    /// For people.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Debug, Serialize)]
pub struct Posted {
    pub calls: u64,
    /// What the program spent in them: copying, and waiting for room in the ring.
    pub seconds: f64,
    pub by_function: Vec<Posts>,
}

#[derive(Debug, Serialize)]
pub struct Posts {
    pub function: &'static str,
    pub calls: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct PredictionReport {
    pub round_trip_us: f64,
    /// Null: as much as there is.
    pub gbit_s: Option<f64>,
    pub wall_s: f64,
    pub compute_s: f64,
    pub round_trips_s: f64,
    pub transfer_s: f64,
}

impl From<Prediction> for PredictionReport {
    fn from(of: Prediction) -> Self {
        Self {
            round_trip_us: of.network.round_trip.as_secs_f64() * 1e6,
            gbit_s: of.network.bits_per_second.map(|rate| rate / 1e9),
            wall_s: of.wall_s,
            compute_s: of.compute_s,
            round_trips_s: of.round_trips_s,
            transfer_s: of.transfer_s,
        }
    }
}

/// Waits of one kind, nanoseconds.
fn waits(function: &'static str, site: Option<SiteReport>, mut ns: Vec<u64>) -> Waits {
    ns.sort_unstable();
    let at = |quantile: f64| ns.get(((ns.len().saturating_sub(1)) as f64 * quantile).ceil() as usize).map_or(0.0, |ns| *ns as f64 / 1e3);
    Waits {
        function,
        site,
        calls: ns.len() as u64,
        seconds: ns.iter().map(|ns| *ns as f64).sum::<f64>() / 1e9,
        p50_us: at(0.5),
        p99_us: at(0.99),
        max_us: at(1.0),
    }
}

fn longest_first(mut all: Vec<Waits>) -> Vec<Waits> {
    all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.function.cmp(b.function)));
    all
}

fn calls(traces: &[Trace]) -> impl Iterator<Item = (&Trace, &Call)> {
    traces.iter().flat_map(|trace| trace.recording.calls.iter().map(move |call| (trace, call)))
}

fn waiting(traces: &[Trace]) -> Waiting {
    let mut by_function: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    let mut by_site: BTreeMap<(&'static str, Option<Place>), Vec<u64>> = BTreeMap::new();
    let mut objects = Objects::default();
    for trace in traces {
        let mut places: BTreeMap<u16, Place> = BTreeMap::new();
        for call in trace.recording.calls.iter().filter(|call| call.waits) {
            let place = call.site.and_then(|index| {
                let site = trace.sites.get(usize::from(index))?.as_ref()?;
                Some(places.entry(index).or_insert_with(|| objects.place(site)).clone())
            });
            by_function.entry(name(call.opcode)).or_default().push(call.time_ns);
            by_site.entry((name(call.opcode), place)).or_default().push(call.time_ns);
        }
    }
    let by_function: Vec<Waits> = by_function.into_iter().map(|(function, ns)| waits(function, None, ns)).collect();
    let site = |place: Place| SiteReport {
        text: place.to_string(),
        object: place.object,
        offset: place.offset,
        symbol: place.symbol,
        file: place.file,
        line: place.line,
    };
    let by_site = by_site.into_iter().map(|((function, place), ns)| waits(function, Some(site(place.unwrap_or_default())), ns));
    Waiting {
        calls: by_function.iter().map(|one| one.calls).sum(),
        seconds: by_function.iter().map(|one| one.seconds).sum(),
        by_site: longest_first(by_site.collect()),
        by_function: longest_first(by_function),
    }
}

fn posted(traces: &[Trace]) -> Posted {
    let mut by: BTreeMap<&'static str, Posts> = BTreeMap::new();
    for (_, call) in calls(traces).filter(|(_, call)| !call.waits) {
        let function = name(call.opcode);
        let one = by.entry(function).or_insert(Posts { function, calls: 0, bytes_up: 0, bytes_down: 0, seconds: 0.0 });
        one.calls += 1;
        one.bytes_up += u64::from(call.bytes_up);
        one.bytes_down += call.bytes_down;
        one.seconds += call.time_ns as f64 / 1e9;
    }
    let mut by_function: Vec<Posts> = by.into_values().collect();
    by_function.sort_by_key(|one| std::cmp::Reverse((one.calls, one.bytes_up)));
    Posted {
        calls: by_function.iter().map(|one| one.calls).sum(),
        seconds: by_function.iter().map(|one| one.seconds).sum(),
        by_function,
    }
}

/// Puts everything together. `wall_s` is the program's, `processes` the traces calibrated.
pub fn report(traces: &[Trace], unusable: usize, link: &str, wall_s: f64, processes: &[Process], networks: &[Network]) -> Report {
    let program = Program { wall_s, processes };
    let (exposed, hidden) = processes
        .iter()
        .map(|process| exposed_and_hidden_ns(&process.recording, &process.work))
        .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    let waiting = waiting(traces);
    let predictions: Vec<Prediction> = networks.iter().map(|network| predict(&program, network)).collect();
    let advice = advice::advice(&waiting, predictions.iter().max_by(|a, b| a.network.round_trip.cmp(&b.network.round_trip)));
    Report {
        schema: SCHEMA,
        wall_s,
        link: link.into(),
        round_trip_us: traces.iter().map(|trace| trace.round_trip_ns).filter(|ns| *ns > 0).min().unwrap_or(0) as f64 / 1e3,
        processes: traces
            .iter()
            .map(|trace| ProcessReport {
                pid: trace.pid,
                name: trace.name.clone(),
                ended: trace.ended,
                seconds: (trace.ended_ns - trace.begun_ns) as f64 / 1e9,
                calls: trace.calls_made,
                waiting_calls: trace.recording.calls.iter().filter(|call| call.waits).count() as u64,
            })
            .collect(),
        processes_unusable: unusable,
        calls_not_recorded: traces.iter().map(|trace| trace.calls_made - trace.recording.calls.len() as u64).sum(),
        posted: posted(traces),
        bytes_up: calls(traces).map(|(_, call)| u64::from(call.bytes_up)).sum(),
        bytes_down: calls(traces).map(|(_, call)| call.bytes_down).sum(),
        exposed_s: exposed / 1e9,
        hidden_s: hidden / 1e9,
        predictions: predictions.into_iter().map(Into::into).collect(),
        waiting,
        advice,
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Seconds with as many digits as say something.
fn s(seconds: f64) -> String {
    format!("{seconds:.3}")
}

fn table_of_waits(text: &mut String, all: &[Waits]) {
    let _ = writeln!(text, "  {:>9} {:>10} {:>9} {:>9} {:>9}  call", "calls", "total s", "p50 us", "p99 us", "max us");
    for one in all.iter().take(ROWS_MAX) {
        let at = one.site.as_ref().map_or(String::new(), |site| format!("  {}", site.text));
        let _ = writeln!(
            text,
            "  {:>9} {:>10} {:>9.1} {:>9.1} {:>9.1}  {}{at}",
            one.calls,
            s(one.seconds),
            one.p50_us,
            one.p99_us,
            one.max_us,
            one.function
        );
    }
    if all.len() > ROWS_MAX {
        let _ = writeln!(text, "  and {} more", all.len() - ROWS_MAX);
    }
}

/// The report for people.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{} s by {}, shortest wait {:.1} us; {} s of it waiting for the GPU's server, which worked {} s more meanwhile",
        s(report.wall_s),
        report.link,
        report.round_trip_us,
        s(report.exposed_s),
        s(report.hidden_s)
    );
    let _ = writeln!(text, "{:.1} MiB to the server, {:.1} MiB from it", mib(report.bytes_up), mib(report.bytes_down));
    if report.processes.is_empty() {
        text.push_str("no process opened a session: nothing is to be accounted for\n");
    } else if report.processes.len() > 1 {
        text.push_str("\nprocesses\n");
    }
    for process in report.processes.iter().filter(|process| report.processes.len() > 1 || !process.ended) {
        let how = if process.ended { "" } else { "; did not end in order" };
        let _ = writeln!(
            text,
            "  {} ({}): {} s, {} calls, {} waited{how}",
            process.pid,
            process.name,
            s(process.seconds),
            process.calls,
            process.waiting_calls
        );
    }
    if report.processes_unusable > 0 {
        let _ = writeln!(text, "  {} more left no account that can be used", report.processes_unusable);
    }
    if report.calls_not_recorded > 0 {
        let _ = writeln!(text, "{} calls were counted only; what follows is of those before them", report.calls_not_recorded);
    }
    let _ = writeln!(text, "\nwaiting calls: {} in {} s, by function", report.waiting.calls, s(report.waiting.seconds));
    table_of_waits(&mut text, &report.waiting.by_function);
    text.push_str("by call site\n");
    table_of_waits(&mut text, &report.waiting.by_site);
    let _ = writeln!(text, "\ncalls that do not wait: {} in {} s", report.posted.calls, s(report.posted.seconds));
    let _ = writeln!(text, "  {:>9} {:>12} {:>12} {:>10}  call", "calls", "MiB to", "MiB from", "total s");
    for one in report.posted.by_function.iter().take(ROWS_MAX) {
        let (up, down) = (mib(one.bytes_up), mib(one.bytes_down));
        let _ = writeln!(text, "  {:>9} {up:>12.2} {down:>12.2} {:>10}  {}", one.calls, s(one.seconds), one.function);
    }
    if report.posted.by_function.len() > ROWS_MAX {
        let _ = writeln!(text, "  and {} more", report.posted.by_function.len() - ROWS_MAX);
    }
    text.push_str("\nover other networks, by a model (seconds)\n");
    let _ = writeln!(
        text,
        "  {:>12} {:>10} {:>10} = {:>10} + {:>11} + {:>10}",
        "round trip", "Gbit/s", "program", "compute", "round trips", "transfer"
    );
    for one in &report.predictions {
        let trip = if one.round_trip_us < 1e3 { format!("{} us", one.round_trip_us) } else { format!("{} ms", one.round_trip_us / 1e3) };
        let rate = one.gbit_s.map_or("any".into(), |rate| rate.to_string());
        let _ = writeln!(
            text,
            "  {trip:>12} {rate:>10} {:>10} = {:>10} + {:>11} + {:>10}",
            s(one.wall_s),
            s(one.compute_s),
            s(one.round_trips_s),
            s(one.transfer_s)
        );
    }
    if !report.advice.is_empty() {
        text.push_str("\nwhat to change first\n");
        for line in &report.advice {
            let _ = writeln!(text, "  - {line}");
        }
    }
    text
}
