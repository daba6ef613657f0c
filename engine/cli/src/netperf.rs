//! `ringway netperf`: what the links to a server cost, measured on a lane as programs use it.

use crate::Failure;
use crate::access::{ANSWER_TIMEOUT, AccessArgs, Way};
use crate::run::{Link, choose_link};
use ringway_link::endpoint::{Endpoint, LaneConnection, Target};
use ringway_link::{ClientLane, LaneConfig, LinkError, LinkKind, rdma, shm, tcp};
use ringway_wire::control::{self, LinkAsk, Reply, Request};
use ringway_wire::layout::Geometry;
use ringway_wire::measure::*;
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bound of each wait.
const PATIENCE: Duration = Duration::from_secs(20);
/// Posted records in a burst.
const BURST: u32 = 64;
/// Calls that warm up, at the most.
const WARM_UP_CALLS: u32 = 200;
/// Round trips at the most.
const ROUND_TRIPS_MAX: usize = 20_000;
/// Bytes of one record of the bandwidth part.
const PIECE: usize = 256 << 10;

#[derive(Debug, clap::Args)]
pub struct NetperfArgs {
    /// Server: HOST:PORT, HOST or unix:/PATH; without it the token file's.
    #[arg(long, env = "RINGWAY_SERVER", value_name = "ADDRESS")]
    server: Option<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
    /// Measure this link only, instead of all that can be had.
    #[arg(long, value_enum)]
    link: Option<Link>,
    /// Seconds for each of the four parts of a link.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    time: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Sorted samples, nanoseconds.
struct Samples(Vec<u64>);

impl Samples {
    fn of(mut ns: Vec<u64>) -> Self {
        ns.sort_unstable();
        Self(ns)
    }

    fn at(&self, quantile: f64) -> u64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * quantile) as usize).copied().unwrap_or(0)
    }
}

struct Measured {
    link: LinkKind,
    why: String,
    round_trip: Samples,
    submit: Samples,
    up_gb_s: f64,
    down_gb_s: f64,
}

/// Measures and prints.
pub fn netperf(args: &NetperfArgs) -> Result<ExitCode, Failure> {
    if !(args.time.is_finite() && (0.05..=30.0).contains(&args.time)) {
        return Err(Failure::new("--time is from 0.05 to 30 seconds"));
    }
    let asked = args.access.server(args.server.as_ref())?;
    let (connection, reply, target) = asked.ask(&Request::Inventory { token: asked.token.clone() })?;
    let Reply::Inventory { server, boot_id, unix_path, rdma, trusted_network, .. } = reply else {
        return Err(Failure::new(format!(
            "{target}: the server answered with something else than its inventory"
        )));
    };
    let way = Way::of(&connection, &rdma, trusted_network);
    drop(connection);
    let wanted: &[Link] = match &args.link {
        Some(link) => std::slice::from_ref(link),
        None => &[Link::Shm, Link::Rdma, Link::Tcp],
    };
    let mut measured = Vec::new();
    let mut missing = Vec::new();
    for link in wanted {
        let chosen = choose_link(&target.endpoint, &boot_id, unix_path.as_deref(), &way, Some(*link));
        match chosen.and_then(|(link, endpoint, why)| {
            if !args.json {
                eprintln!("measuring {} ...", link.name());
            }
            let target = Target { endpoint, ..target.clone() };
            measure(args, (&target, &asked.token), link, why)
        }) {
            Ok(one) => measured.push(one),
            Err(failure) if args.link.is_some() => return Err(failure),
            Err(failure) => missing.push((*link, failure.message().to_owned())),
        }
    }
    if args.json {
        let rows: Vec<_> = measured.iter().map(row).collect();
        let missing: Vec<_> = missing.iter().map(|(link, why)| json!({"link": link.name(), "why": why})).collect();
        println!("{}", serde_json::to_string_pretty(&json!({"server": server, "links": rows, "missing": missing}))?);
    } else {
        print!("{}", table(&server, &measured, &missing));
    }
    Ok(if measured.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row(one: &Measured) -> serde_json::Value {
    let quantiles = |samples: &Samples| {
        json!({"p50": samples.at(0.5), "p90": samples.at(0.9), "p99": samples.at(0.99), "p999": samples.at(0.999),
            "max": samples.at(1.0), "samples": samples.0.len()})
    };
    json!({"link": one.link.to_string(), "why": one.why, "round_trip_ns": quantiles(&one.round_trip),
        "submit_ns": quantiles(&one.submit), "to_server_gb_s": one.up_gb_s, "to_client_gb_s": one.down_gb_s})
}

fn table(server: &str, measured: &[Measured], missing: &[(Link, String)]) -> String {
    let us = |ns: u64| ns as f64 / 1000.0;
    let mut text = String::new();
    let _ = writeln!(text, "{server}");
    let _ = writeln!(
        text,
        "  {:<5} {:>30} {:>22} {:>11} {:>11}",
        "link", "round trip us p50/p99/max", "submit ns p50/p99", "to GB/s", "from GB/s"
    );
    for one in measured {
        let round_trip = format!(
            "{:.1} / {:.1} / {:.0}",
            us(one.round_trip.at(0.5)),
            us(one.round_trip.at(0.99)),
            us(one.round_trip.at(1.0))
        );
        let submit = format!("{} / {}", one.submit.at(0.5), one.submit.at(0.99));
        let _ = writeln!(
            text,
            "  {:<5} {round_trip:>30} {submit:>22} {:>11.3} {:>11.3}  {}",
            one.link.to_string(),
            one.up_gb_s,
            one.down_gb_s,
            one.why
        );
    }
    for (link, why) in missing {
        let _ = writeln!(text, "  {:<5} not measured: {why}", link.name());
    }
    text
}

fn measure(args: &NetperfArgs, (target, token): (&Target, &str), link: Link, why: String) -> Result<Measured, Failure> {
    let request = Request::Measure {
        token: token.to_owned(),
        link: match link {
            Link::Shm => LinkAsk::Shm,
            Link::Rdma => LinkAsk::RdmaOnly,
            Link::Tcp => LinkAsk::Tcp,
        },
    };
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("{target}: {error}"));
    let mut connection = target.connect(ANSWER_TIMEOUT).map_err(|error| failed(&error))?;
    control::send(&mut connection, &request)?;
    let mut connection = connection.into_lane().map_err(|error| failed(&error))?;
    let reply = control::receive_reply(&mut connection).map_err(|error| failed(&error))?;
    let Reply::Measuring { ring_key } = reply else {
        return Err(failed(&"the server's release cannot measure"));
    };
    connection.set_timeouts(None)?;
    let config = LaneConfig { geometry: Geometry::DEFAULT, lane_key: ring_key };
    let lane = match connection {
        LaneConnection::Unix(stream) => shm::accept(stream, &config),
        LaneConnection::Tcp(socket) if link == Link::Rdma => rdma::client(socket, &config, true).map(|(lane, _)| lane),
        LaneConnection::Tcp(socket) => tcp::client(socket, &config),
    };
    let lane = lane.map_err(|error| failed(&error))?;
    let kind = lane.kind();
    let time = Duration::from_secs_f64(args.time);
    let measured = std::thread::scope(|scope| {
        // The service thread, as the CUDA library has one.
        let service = scope.spawn(|| while lane.wait_notices(ANSWER_TIMEOUT).is_ok() {});
        let measured = on_lane(&lane, time);
        lane.close();
        if service.join().is_err() {
            return Err(LinkError::Misuse("the service thread panicked"));
        }
        measured
    });
    let (round_trip, submit, up_gb_s, down_gb_s) = measured.map_err(|error| failed(&error))?;
    Ok(Measured { link: kind, why, round_trip, submit, up_gb_s, down_gb_s })
}

fn on_lane(lane: &ClientLane, time: Duration) -> Result<(Samples, Samples, f64, f64), LinkError> {
    lane.set_notice_sink(Box::new(|_, _| {}))?;
    let start = Instant::now();
    for _ in 0..WARM_UP_CALLS {
        call(lane, TAG_CALL, 0)?;
        if start.elapsed() > time {
            break;
        }
    }
    let mut round_trips = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time && round_trips.len() < ROUND_TRIPS_MAX {
        let before = Instant::now();
        call(lane, TAG_CALL, 0)?;
        round_trips.push(before.elapsed().as_nanos() as u64);
    }
    let mut submits = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time && submits.len() < ROUND_TRIPS_MAX {
        let before = Instant::now();
        for _ in 0..BURST {
            post(lane, 48)?;
        }
        submits.push(before.elapsed().as_nanos() as u64 / u64::from(BURST));
        call(lane, TAG_CALL, 0)?;
    }
    let mut bytes = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        post(lane, PIECE)?;
        bytes += PIECE;
    }
    call(lane, TAG_CALL, 0)?;
    let up = bytes as f64 / start.elapsed().as_nanos() as f64;
    let (mut bytes, mut step) = (0u64, 1u64 << 20);
    let start = Instant::now();
    while start.elapsed() < time {
        call(lane, TAG_SEND, step)?;
        bytes += step;
        step = (step * 2).min(64 << 20);
    }
    let down = bytes as f64 / start.elapsed().as_nanos() as f64;
    Ok((Samples::of(round_trips), Samples::of(submits), up, down))
}

fn post(lane: &ClientLane, bytes: usize) -> Result<(), LinkError> {
    let piece = [0x5a; 48];
    let mut record = lane.reserve(TAG_POST, bytes, PATIENCE)?;
    for at in (0..bytes).step_by(piece.len()) {
        record.write_at(at, &piece[..piece.len().min(bytes - at)]);
    }
    record.commit();
    Ok(())
}

fn call(lane: &ClientLane, tag: u32, bytes: u64) -> Result<(), LinkError> {
    let mut slot = lane.acquire_slot(PATIENCE)?;
    let mut record = lane.reserve(tag, 10, PATIENCE)?;
    record.write_at(0, &slot.index().to_le_bytes());
    record.write_at(2, &bytes.to_le_bytes());
    let position = record.commit_call(&mut slot);
    slot.wait(position, PATIENCE, &mut [0; ANSWER_BYTES])?;
    Ok(())
}
