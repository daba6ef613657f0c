//! RDMA: Ringway's verbs layer and perftest on the same devices, with the same path MTU, in turn.
//!
//! The two ends of a case are threads here and processes there. What counts is the ratio of a pair of runs; the times
//! themselves say nothing of another device, least of all those of a virtual machine.

mod end;
mod perftest;

use crate::pairs::spread_into;
use crate::row::{Row, plain_row};
use crate::samples::Samples;
use end::{End, Timing};
use perftest::perftest;
use ringway_verbs::{Context, GidEntry, GidKind, Route};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Work requests under way in a measurement of bandwidth; perftest's own default.
const DEPTH: u32 = 128;

/// Two ends: `DEVICE` for one device with itself, `DEVICE:DEVICE` for two.
#[derive(Debug, Clone)]
pub struct Way {
    name: String,
    server: String,
    client: String,
}

impl std::str::FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Way, String> {
        let (server, client) = text.split_once(':').unwrap_or((text, text));
        if server.is_empty() || client.is_empty() {
            return Err("DEVICE or DEVICE:DEVICE".into());
        }
        Ok(Way {
            name: text.into(),
            server: server.into(),
            client: client.into(),
        })
    }
}

/// The first device, with itself.
fn default_way() -> Result<Way, String> {
    let devices =
        ringway_verbs::probe().map_err(|why| format!("no RDMA: {why}; {}", why.cure()))?;
    let first = devices.first().ok_or("no RDMA device")?;
    first.name.parse()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// RDMA WRITE there and back; both ends look at their memory.
    Write,
    /// SEND there and back; both ends poll their completion queues.
    Send,
    /// SEND there and back; both ends sleep on their completion channels.
    SendAsleep,
    /// RDMA WRITE, one way, as many as fit.
    Bandwidth,
}

struct Case {
    name: &'static str,
    what: What,
    bytes: usize,
    rounds: usize,
    tool: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        name: "write 64 B, half round trip",
        what: What::Write,
        bytes: 64,
        rounds: 1000,
        tool: "ib_write_lat",
    },
    Case {
        name: "send 64 B, half round trip",
        what: What::Send,
        bytes: 64,
        rounds: 1000,
        tool: "ib_send_lat",
    },
    Case {
        name: "write 4 KiB, half round trip",
        what: What::Write,
        bytes: 4096,
        rounds: 500,
        tool: "ib_write_lat",
    },
    Case {
        name: "send 64 B, both asleep",
        what: What::SendAsleep,
        bytes: 64,
        rounds: 300,
        tool: "ib_send_lat",
    },
    Case {
        name: "write 64 KiB, bandwidth",
        what: What::Bandwidth,
        bytes: 65_536,
        rounds: 500,
        tool: "ib_write_bw",
    },
];

/// Every case on every way, `pairs` times ours and perftest's in turn. `say` is told what is measured.
///
/// Two rows a case: the samples of all runs beside the median of perftest's own medians, and the ratios of the pairs.
pub fn run(
    ways: &[Way],
    pairs: usize,
    quick: bool,
    say: impl Fn(&str),
) -> Result<Vec<Row>, String> {
    let default;
    let ways = if ways.is_empty() {
        default = [default_way()?];
        &default
    } else {
        ways
    };
    let mut rows = Vec::new();
    for way in ways {
        let ends = Ends::find(way)?;
        for case in &CASES {
            let rounds = if quick { case.rounds / 10 } else { case.rounds };
            let case = &Case { rounds, ..*case };
            let (mut all, mut theirs, mut ratios) = (Samples::new(), Vec::new(), Vec::new());
            for pair in 0..pairs {
                say(&format!(
                    "{} on {} ({} of {pairs})",
                    case.name,
                    way.name,
                    pair + 1
                ));
                let context = |error: String| format!("{} on {}: {error}", case.name, way.name);
                let mut ours = Samples::new();
                // Who goes first changes: what the first run leaves behind (caches, frequencies) falls on both.
                let floor_ns = if pair % 2 == 0 {
                    measure(&ends, case, &mut ours).map_err(context)?;
                    perftest(&ends, case).map_err(context)?
                } else {
                    let floor_ns = perftest(&ends, case).map_err(context)?;
                    measure(&ends, case, &mut ours).map_err(context)?;
                    floor_ns
                };
                ratios.push(match case.what {
                    What::Bandwidth => floor_ns / ours.ns(0.5),
                    _ => ours.ns(0.5) / floor_ns,
                });
                theirs.push(floor_ns);
                all.add(&ours);
            }
            theirs.sort_unstable_by(f64::total_cmp);
            let floor_ns = theirs[theirs.len() / 2];
            let row = match case.what {
                What::Bandwidth => all.rate_row("rdma", case.name, case.bytes, floor_ns),
                _ => all.row("rdma", case.name, Some(floor_ns)),
            };
            let row = spread_into(row, ratios.clone());
            let spread = plain_row(
                "rdma",
                &format!("{} / {}", case.name, case.tool),
                "x",
                ratios,
            );
            rows.extend(
                [Some(row), spread]
                    .into_iter()
                    .flatten()
                    .map(|row| row.on(&way.name)),
            );
        }
    }
    Ok(rows)
}

/// Where the two ends are.
struct Ends {
    server: (Context, GidEntry),
    client: (Context, GidEntry),
    mtu: u32,
}

impl Ends {
    fn find(way: &Way) -> Result<Ends, String> {
        let end = |name: &str| -> Result<(Context, GidEntry), String> {
            let context = Context::open(name).map_err(|error| format!("{name}: {error}"))?;
            let gids = context.gids().map_err(|error| format!("{name}: {error}"))?;
            let gid = gids
                .iter()
                .find(|gid| gid.kind == GidKind::RoceV2 && gid.gid.to_ip().is_ipv4())
                .or_else(|| gids.iter().find(|gid| gid.kind == GidKind::InfiniBand))
                .copied()
                .ok_or_else(|| {
                    format!("{name} has neither a RoCE v2 GID for IPv4 nor InfiniBand")
                })?;
            Ok((context, gid))
        };
        let (server, client) = (end(&way.server)?, end(&way.client)?);
        let mtu = |end: &(Context, GidEntry)| {
            let port = end.0.port(end.1.port);
            port.map(|port| port.active_mtu.bytes())
                .map_err(|error| format!("{}: {error}", end.0.name()))
        };
        let mtu = mtu(&server)?.min(mtu(&client)?);
        Ok(Ends {
            server,
            client,
            mtu,
        })
    }
}

/// What the device gives a lane: measured in turn with the cases of a lane over RDMA. Both ends are here.
pub struct Floor(Ends);

impl Floor {
    /// On the device that leads to `server`, with itself.
    pub fn towards(server: IpAddr) -> Result<Floor, String> {
        let route = Route::to_peer(server).map_err(|error| error.to_string())?;
        let end = (route.context, route.gid);
        Ok(Floor(Ends {
            server: end.clone(),
            client: end,
            mtu: route.port.active_mtu.bytes(),
        }))
    }

    /// 64 bytes there and back, `samples` times: by RDMA WRITE with both ends polling, or, if there is a `pause`
    /// before each, by SEND with both ends asleep.
    pub fn round_trips(
        &self,
        samples: usize,
        pause: Duration,
        into: &mut Samples,
    ) -> Result<(), String> {
        let what = match pause.is_zero() {
            true => What::Write,
            false => What::SendAsleep,
        };
        let pair = End::pair(&self.0, 64, what == What::SendAsleep);
        let timing = Timing {
            into,
            ways: 1,
            pause,
        };
        End::play(
            pair.map_err(|error| error.to_string())?,
            what,
            samples,
            timing,
        )
    }

    /// `bytes` one way by RDMA WRITE, in pieces of at most 1 MiB, until the last is acknowledged; `samples` times.
    pub fn stream(&self, bytes: usize, samples: usize, into: &mut Samples) -> Result<(), String> {
        let piece = bytes.clamp(8, 1 << 20);
        let pair = End::pair(&self.0, piece, false).map_err(|error| error.to_string())?;
        let [_server, mut client] = pair;
        for _ in 0..samples {
            let start = Instant::now();
            for _ in 0..bytes.div_ceil(piece) {
                client.reap_sends(DEPTH - 1, false)?;
                client.post_write()?;
            }
            client.reap_sends(0, false)?;
            into.batch(start.elapsed(), 1, Duration::ZERO);
        }
        Ok(())
    }
}

/// Our run of a case: times of half a round trip, or of one message where bandwidth is measured.
fn measure(ends: &Ends, case: &Case, samples: &mut Samples) -> Result<(), String> {
    let pair = End::pair(ends, case.bytes, case.what == What::SendAsleep);
    let [server, mut client] = pair.map_err(|error| error.to_string())?;
    if case.what == What::Bandwidth {
        let mut start = Instant::now();
        for message in 0..case.rounds + DEPTH as usize {
            if message == DEPTH as usize {
                // from here on with full queues
                start = Instant::now();
            }
            client.reap_sends(DEPTH - 1, false)?;
            client.post_write()?;
        }
        let messages = u32::try_from(case.rounds).map_err(|error| error.to_string())?;
        client.reap_sends(DEPTH, false)?;
        samples.batch(start.elapsed(), messages, Duration::ZERO);
        return client.reap_sends(0, false);
    }
    let timing = Timing {
        into: samples,
        ways: 2,
        pause: Duration::ZERO,
    };
    End::play([server, client], case.what, case.rounds, timing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_names_one_device_or_two() {
        let way: Way = "rxe0:rxe1".parse().expect("two devices");
        assert_eq!((way.server.as_str(), way.client.as_str()), ("rxe0", "rxe1"));
        let way: Way = "mlx5_0".parse().expect("one device");
        assert_eq!(
            (way.server.as_str(), way.client.as_str()),
            ("mlx5_0", "mlx5_0")
        );
        assert!(":rxe1".parse::<Way>().is_err());
    }
}
