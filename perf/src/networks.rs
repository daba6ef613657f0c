//! Suite `networks`: whole programs (`app`) over emulated networks, beside the same programs directly on the driver, and beside what
//! `ringway why` predicts from a run without delay; and how near the emulation is to what it was asked for.
//!
//! Both ends of a lane over TCP emulate (`RINGWAY_EMULATED_NETWORK`), on this host: so each network has a server of its own, started
//! here.

use crate::app::{self, Program, Report};
use crate::cli::{Cli, Effort, Link};
use crate::pairs::Pairs;
use crate::progress;
use crate::remote::{EMULATED_NETWORK, Runner, Running, Server};
use crate::row::{Row, plain_row, round};
use crate::samples::Samples;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// For a program or a measurement that hangs.
const TIMEOUT: Duration = Duration::from_secs(300);
/// What is asked for by default: within a rack, a room, a building, then wide-area networks.
pub const ROUND_TRIPS: [&str; 6] = ["5us", "10us", "50us", "200us", "5ms", "30ms"];
/// And each with these.
pub const RATES: [&str; 3] = ["10Gbit", "25Gbit", "100Gbit"];
/// Behind the program's name in rows of its wall time beside what is predicted.
const WHOLE: &str = ", whole program; floor: predicted";
/// No delay, but all that emulating costs: what is predicted from, and the control.
const NO_DELAY: &str = "0us";
const QUICK: ([&str; 2], [&str; 1]) = (["200us", "5ms"], ["10Gbit"]);

/// An emulated network, and the server behind it.
struct Place {
    /// As the variable has it.
    name: String,
    round_trip_us: f64,
    gbit_s: f64,
    server: Server,
}

/// Files that measured programs write, removed with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ringway-perf-{}-{what}.json", std::process::id())))
    }

    fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    fn json(&self) -> Result<Value, String> {
        let text = std::fs::read_to_string(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn number(value: &Value, what: &str) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| format!("{what} is missing"))
}

/// Measures. A list that is empty stands for what is asked for by default.
pub fn measure(cli: &Cli, trips: &[String], rates: &[String], rounds: Option<u16>, effort: Effort) -> Result<Vec<Row>, String> {
    if cli.server.is_some() {
        return Err("networks are emulated between programs of this host; leave --server out".into());
    }
    let runner = Runner::new(cli)?;
    let or = |given: &[String], quick: &[&str], full: &[&str]| -> Vec<String> {
        let default = if effort == Effort::Quick { quick } else { full };
        if given.is_empty() { default.iter().map(|text| (*text).into()).collect() } else { given.to_vec() }
    };
    let (trips, rates) = (or(trips, &QUICK.0, &ROUND_TRIPS), or(rates, &QUICK.1, &RATES));
    let plain = runner.serve()?.ok_or("no server")?;
    let base = netperf(&runner, &plain, None, effort)?;
    let plain = runner.serve_over(NO_DELAY)?;
    let (mut places, mut rows) = (Vec::new(), Vec::new());
    for trip in &trips {
        for rate in &rates {
            let name = format!("{trip},{rate}");
            progress::say(&format!("the emulation of {name}"));
            let server = runner.serve_over(&name)?;
            let told = netperf(&runner, &server, Some(&name), effort)?;
            let place = Place { round_trip_us: micros(trip)?, gbit_s: gbit(rate)?, name, server };
            rows.extend(accuracy(&base, &told, &place)?);
            places.push(place);
        }
    }
    let rounds = rounds.map_or(effort.pick(1, 3, 5), usize::from);
    for program in Program::ALL {
        rows.extend(programs(&runner, &plain, &places, program, rounds, effort)?);
    }
    Ok(rows)
}

fn micros(text: &str) -> Result<f64, String> {
    let (number, scale) = match (text.strip_suffix("us"), text.strip_suffix("ms")) {
        (Some(number), _) => (number, 1.0),
        (_, Some(number)) => (number, 1e3),
        _ => return Err(format!("{text}: not a round trip in us or ms")),
    };
    number.parse::<f64>().map(|number| number * scale).map_err(|_| format!("{text}: not a round trip in us or ms"))
}

fn gbit(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("Gbit").and_then(|number| number.parse::<f64>().ok());
    number.ok_or_else(|| format!("{text}: not a bandwidth in Gbit"))
}

/// What `ringway netperf` tells of the link to a server.
fn netperf(runner: &Runner, server: &Server, network: Option<&str>, effort: Effort) -> Result<Value, String> {
    let time = if effort == Effort::Quick { "0.05" } else { "0.5" };
    let command = runner.netperf(server, network, &["--json", "--time", time]);
    let text = Running::start(command, "ringway netperf")?.output(TIMEOUT)?;
    let told: Value = serde_json::from_str(&text).map_err(|error| format!("ringway netperf: {error}"))?;
    Ok(told["links"][0].clone())
}

/// How near the emulation is: the round trip that it adds to that of this host, and the bandwidth of a stream of records.
fn accuracy(base: &Value, told: &Value, place: &Place) -> Result<Vec<Row>, String> {
    let own = number(&base["round_trip_ns"]["p50"], "round trip")?;
    let added = |quantile: &str| Ok::<f64, String>((number(&told["round_trip_ns"][quantile], "round trip")? - own).max(0.0));
    let asked = place.round_trip_us * 1e3;
    let (p50, max) = (added("p50")?, added("max")?);
    let mut rows = vec![Row {
        suite: "networks".into(),
        case: "emulation: round trip added".into(),
        link: place.name.clone(),
        unit: "ns".into(),
        p50: round(p50),
        p90: round(added("p90")?),
        p99: round(added("p99")?),
        p999: round(added("p999")?),
        max: round(max),
        floor: Some(asked),
        ratio: (asked > 0.0).then(|| round(p50 / asked)),
        ..Row::default()
    }];
    for (way, case) in [("to_server_gb_s", "emulation: bandwidth to the server"), ("to_client_gb_s", "emulation: bandwidth to the client")] {
        let asked = place.gbit_s / 8.0;
        let got = number(&told[way], way)?;
        let row = plain_row("networks", case, "GB/s", vec![got]).ok_or("no bandwidth")?;
        rows.push(Row { floor: Some(asked), ratio: Some(round(got / asked)), ..row.on(&place.name) });
    }
    Ok(rows)
}

fn steps(program: Program, effort: Effort) -> usize {
    match program {
        Program::Training => effort.pick(3, 50, 50),
        Program::Decode => effort.pick(3, 100, 100),
        Program::Pipeline => effort.pick(4, 40, 40),
    }
}

/// One program on every network, directly, and predicted, in turn.
fn programs(runner: &Runner, plain: &Server, places: &[Place], program: Program, rounds: usize, effort: Effort) -> Result<Vec<Row>, String> {
    let steps = steps(program, effort);
    let name = program.name();
    let mut unchanged = Pairs::new();
    let mut loops = vec![Pairs::new(); places.len()];
    let mut wholes = vec![Pairs::new(); places.len()];
    let mut direct = Pairs::new();
    for number in 0..rounds {
        progress::say(&format!("{name} directly, and predicted"));
        let floor = app::child(runner, None, Link::Direct, program, steps, &[])?.whole;
        direct.add(&floor, 0.0);
        let (recorded, predicted) = predictions(runner, plain, places, program, steps)?;
        // The same once more, without being recorded: how much of an error is this machine's.
        unchanged.add(&over(runner, (plain, NO_DELAY), program, steps)?.1, recorded * 1e9);
        for turn in 0..places.len() {
            let index = (turn + number) % places.len();
            let place = &places[index];
            progress::say(&format!("{name} over {}", place.name));
            let (report, wall) = over(runner, (&place.server, &place.name), program, steps)?;
            loops[index].add(&report.whole, floor.ns(0.5));
            wholes[index].add(&wall, predicted[index] * 1e9);
        }
    }
    let mut rows = Vec::new();
    for (place, (loops, wholes)) in places.iter().zip(loops.iter().zip(&wholes)) {
        rows.push(loops.row("networks", &format!("{name}, whole loop")).on(&place.name));
        rows.push(wholes.row("networks", &format!("{name}{WHOLE}")).on(&place.name));
    }
    rows.push(unchanged.row("networks", &format!("{name}{WHOLE}")).on(NO_DELAY));
    rows.push(direct.row("networks", &format!("{name}, whole loop")).on(Link::Direct.name()));
    Ok(rows)
}

/// The program's wall time without delay, and over each network as `ringway why` predicts it, seconds.
fn predictions(runner: &Runner, plain: &Server, places: &[Place], program: Program, steps: usize) -> Result<(f64, Vec<f64>), String> {
    let file = Scratch::new("why");
    let mut options = vec!["--json".to_owned(), "--output".into(), file.path()];
    for place in places {
        let (trip, rate) = place.name.split_once(',').ok_or("a network has two parts")?;
        for (option, value) in [("--rtt", trip), ("--bandwidth", rate)] {
            if !options.iter().any(|word| word == value) {
                options.extend([option.into(), value.into()]);
            }
        }
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let steps = steps.to_string();
    let mut command = runner.why(plain, &options, &["app", program.name(), "--steps", &steps])?;
    command.stdin(Stdio::null()).env(EMULATED_NETWORK, NO_DELAY);
    Running::start(command, "ringway why")?.output(TIMEOUT)?;
    let report = file.json()?;
    let all = report["predictions"].as_array().ok_or("no predictions")?;
    let of = |place: &Place| {
        let is = |value: &Value, wanted: f64| value.as_f64().is_some_and(|value| (value / wanted - 1.0).abs() < 1e-6);
        let found = all.iter().find(|one| is(&one["round_trip_us"], place.round_trip_us) && is(&one["gbit_s"], place.gbit_s));
        number(&found.ok_or_else(|| format!("nothing is predicted for {}", place.name))?["wall_s"], "wall_s")
    };
    Ok((number(&report["wall_s"], "wall_s")?, places.iter().map(of).collect::<Result<_, _>>()?))
}

/// Runs the program over a network: its report, and its wall time as `ringway run --stats` tells it.
fn over(runner: &Runner, (server, network): (&Server, &str), program: Program, steps: usize) -> Result<(Report, Samples), String> {
    let file = Scratch::new("stats");
    let report = app::child_with(runner, Some(server), Link::Tcp, program, steps, &["--stats", &file.path()], &[(EMULATED_NETWORK, network)])?;
    let mut wall = Samples::new();
    wall.once(Duration::try_from_secs_f64(number(&file.json()?["wall_s"], "wall_s")?).map_err(|error| error.to_string())?);
    Ok((report, wall))
}

/// The suite's rows as people want to see them: each network and program with its predicted time.
pub fn summary(rows: &[Row]) -> String {
    let of: Vec<&Row> = rows.iter().filter(|row| row.suite == "networks").collect();
    let mut text = String::new();
    let mut line = |cells: [String; 6]| {
        let [network, program, ratio, measured, predicted, error] = cells;
        text.push_str(&format!("{network:<15} {program:<10} {ratio:>14} {measured:>11} {predicted:>11} {error:>8}\n"));
    };
    let head = ["network", "program", "loop / direct", "measured s", "predicted s", "error"];
    if !of.is_empty() {
        line(head.map(String::from));
    }
    let mut errors = Vec::new();
    for row in &of {
        let Some(program) = row.case.strip_suffix(WHOLE) else { continue };
        let loops = of.iter().find(|other| other.link == row.link && other.case == format!("{program}, whole loop"));
        let predicted = row.floor.unwrap_or(f64::NAN);
        let error = (predicted / row.p50 - 1.0) * 100.0;
        if row.link != NO_DELAY {
            errors.push(error.abs());
        }
        line([
            row.link.clone(),
            program.into(),
            loops.and_then(|row| row.ratio).map_or("-".into(), |ratio| format!("{ratio:.2}")),
            format!("{:.3}", row.p50 / 1e9),
            format!("{:.3}", predicted / 1e9),
            format!("{error:+.1} %"),
        ]);
    }
    if !errors.is_empty() {
        let within = errors.iter().filter(|error| **error <= 10.0).count();
        text.push_str(&format!("predicted within 10 %: {within} of {}\n", errors.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_emulation_is_held_against_what_was_asked_for() {
        assert_eq!((micros("5ms"), micros("10us"), gbit("25Gbit")), (Ok(5000.0), Ok(10.0), Ok(25.0)));
        assert!(micros("5s").is_err() && gbit("10").is_err());
        let row = Row { case: "training, whole program; floor: predicted".into(), suite: "networks".into(), link: "5ms,10Gbit".into(), ..Row::default() };
        let rows = [
            Row { p50: 2e9, floor: Some(2.1e9), ..row.clone() },
            Row { p50: 1e9, floor: Some(1.2e9), link: "5us,10Gbit".into(), ..row.clone() },
            Row { case: "training, whole loop".into(), ratio: Some(3.5), ..row },
        ];
        let text = summary(&rows);
        assert!(text.contains("3.50") && text.contains("+5.0 %") && text.contains("+20.0 %") && text.ends_with("1 of 2\n"), "{text}");
        assert_eq!(summary(&[]), "");
    }

    #[test]
    fn numbers_that_are_missing_are_errors() {
        assert_eq!(number(&json!(2), "x"), Ok(2.0));
        assert!(number(&Value::Null, "x").is_err());
    }
}
