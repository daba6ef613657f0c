//! RDMA: Ringway's verbs layer and perftest on the same devices, with the same path MTU, in turn.
//!
//! The two ends of a case are threads here and processes there. What counts is the ratio of a pair of runs; the times
//! themselves say nothing of another device, least of all those of a virtual machine.

use crate::pairs::spread_into;
use crate::row::{Row, plain_row};
use crate::samples::Samples;
use ringway_verbs::{
    Access, CompletionQueue, Completions, ConnectOptions, Context, Endpoint, GidEntry, GidKind,
    HostMemory, Initialised, Local, MemoryRegion, Options, QueuePair, QueuePairOptions,
    ReadyToSend, RemoteRegion, Route,
};
use std::io::Read;
use std::net::{IpAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// For whatever one end waits for from the other.
const PATIENCE: Duration = Duration::from_secs(30);
/// For one run of perftest.
const PERFTEST_TIMEOUT: Duration = Duration::from_secs(120);
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

/// One end of a connected pair.
struct End {
    qp: QueuePair<ReadyToSend>,
    sends: CompletionQueue,
    receives: CompletionQueue,
    /// What is sent in its first half, what comes in its second.
    region: MemoryRegion,
    bytes: usize,
    peer: RemoteRegion,
}

type Half = (
    QueuePair<Initialised>,
    CompletionQueue,
    CompletionQueue,
    MemoryRegion,
);

fn half(end: &(Context, GidEntry), bytes: usize, events: bool) -> ringway_verbs::Result<Half> {
    let (context, gid) = end;
    let domain = context.protection_domain()?;
    let queue = |depth| match events {
        true => context.completion_queue_with_events(depth, 0),
        false => context.completion_queue(depth),
    };
    let (sends, receives) = (queue(DEPTH)?, queue(DEPTH)?);
    let options = QueuePairOptions {
        send_depth: DEPTH,
        receive_depth: DEPTH,
        inline_bytes: 0, // perftest has none on rxe
        ..QueuePairOptions::default()
    };
    let region = domain.register(HostMemory::anonymous(2 * bytes)?, Access::REMOTE_WRITE)?;
    let route = Route {
        context: context.clone(),
        port: context.port(gid.port)?,
        gid: *gid,
    };
    let qp = domain
        .queue_pair(&options, &sends, &receives)?
        .init(&route, Access::REMOTE_WRITE)?;
    Ok((qp, sends, receives, region))
}

impl End {
    fn pair(ends: &Ends, bytes: usize, events: bool) -> ringway_verbs::Result<[End; 2]> {
        let (a, b) = (
            half(&ends.server, bytes, events)?,
            half(&ends.client, bytes, events)?,
        );
        let (to_a, to_b) = (
            (a.0.endpoint()?, a.3.remote()),
            (b.0.endpoint()?, b.3.remote()),
        );
        let connect = |half: Half, peer: (Endpoint, RemoteRegion)| {
            Ok::<_, ringway_verbs::Error>(End {
                qp: half.0.connect(&peer.0, &ConnectOptions::default())?,
                sends: half.1,
                receives: half.2,
                region: half.3,
                bytes,
                peer: peer.1,
            })
        };
        Ok([connect(a, to_b)?, connect(b, to_a)?])
    }

    /// Writes its first half into the peer's second one.
    fn post_write(&mut self) -> Result<(), String> {
        let local = self.region.slice(..self.bytes).ok_or("a slice")?;
        let to = self
            .peer
            .slice(self.bytes as u64, self.bytes as u64)
            .ok_or("a slice")?;
        let mut batch = self.qp.send_queue().batch();
        batch
            .write(local, to, Options::new().signalled())
            .and_then(|()| batch.post())
            .map_err(|error| error.to_string())
    }

    fn post_send(&mut self) -> Result<(), String> {
        let local = self.region.slice(..self.bytes).ok_or("a slice")?;
        let mut batch = self.qp.send_queue().batch();
        batch
            .send(Local::Slice(local), Options::new().signalled())
            .and_then(|()| batch.post())
            .map_err(|error| error.to_string())
    }

    fn post_receive(&mut self) -> Result<(), String> {
        let local = self.region.slice(self.bytes..).ok_or("a slice")?;
        self.qp
            .receive_queue()
            .post(local, 0)
            .map_err(|error| error.to_string())
    }

    /// Takes completed sends until at most `left` are under way.
    fn reap_sends(&mut self, left: u32, asleep: bool) -> Result<(), String> {
        let mut patience = Patience::new();
        let mut room = Completions::<16>::new();
        while self.qp.send_queue().under_way() > left {
            for completion in taken(&self.sends, &mut room, asleep)? {
                let done = self.qp.send_queue().reap(completion);
                done.map_err(|error| error.to_string())?;
            }
            patience.check()?;
        }
        Ok(())
    }

    /// Takes one received message.
    fn reap_receive(&mut self, asleep: bool) -> Result<(), String> {
        let mut patience = Patience::new();
        let mut room = Completions::<1>::new();
        loop {
            if let Some(completion) = taken(&self.receives, &mut room, asleep)?.first() {
                let done = self.qp.receive_queue().reap(completion);
                return done.map(|_| ()).map_err(|error| error.to_string());
            }
            patience.check()?;
        }
    }

    /// The number that its messages carry last, so that it arrives last.
    fn put(&self, number: u64) -> Result<(), String> {
        self.region
            .store_u64(self.bytes - 8, number, Ordering::Release)
            .map_err(|error| error.to_string())
    }

    fn wait_for(&self, number: u64) -> Result<(), String> {
        let mut patience = Patience::new();
        loop {
            let there = self.region.load_u64(2 * self.bytes - 8, Ordering::Acquire);
            if there.map_err(|error| error.to_string())? == number {
                return Ok(());
            }
            patience.check()?;
        }
    }

    /// `rounds` there and back. The client counts them, `pause` apart, into `timing`'s samples, each as that many
    /// ways; the server has none.
    fn ping_pong(
        &mut self,
        what: What,
        rounds: usize,
        mut timing: Option<Timing<'_>>,
    ) -> Result<(), String> {
        let asleep = what == What::SendAsleep;
        for round in 1..=rounds as u64 {
            if let Some(Timing { pause, .. }) = &timing
                && !pause.is_zero()
            {
                thread::sleep(*pause);
            }
            let start = Instant::now();
            for sending in [timing.is_some(), timing.is_none()] {
                match (what, sending) {
                    (What::Write, true) => {
                        self.put(round)?;
                        self.post_write()?;
                        self.reap_sends(0, false)?;
                    }
                    (What::Write, false) => self.wait_for(round)?,
                    (_, true) => {
                        self.post_send()?;
                        self.reap_sends(0, asleep)?;
                    }
                    (_, false) => {
                        self.reap_receive(asleep)?;
                        self.post_receive()?;
                    }
                }
            }
            if let Some(Timing { into, ways, .. }) = &mut timing {
                into.batch(start.elapsed(), *ways, Duration::ZERO);
            }
        }
        Ok(())
    }

    /// The client's and the server's part of a ping-pong, on two threads.
    fn play(
        [mut server, mut client]: [End; 2],
        what: What,
        rounds: usize,
        timing: Timing<'_>,
    ) -> Result<(), String> {
        server.post_receive()?;
        client.post_receive()?;
        thread::scope(|scope| {
            let partner = scope.spawn(move || server.ping_pong(what, rounds, None));
            let ours = client.ping_pong(what, rounds, Some(timing));
            let theirs = partner
                .join()
                .unwrap_or_else(|_| Err("the other end panicked".into()));
            ours.and(theirs)
        })
    }
}

struct Timing<'s> {
    into: &'s mut Samples,
    /// Times are divided by it: 1 for round trips, 2 for half ones.
    ways: u32,
    pause: Duration,
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

fn taken<'b, const N: usize>(
    queue: &CompletionQueue,
    room: &'b mut Completions<N>,
    asleep: bool,
) -> Result<&'b [ringway_verbs::Completion], String> {
    let taken = match asleep {
        true => queue.poll_or_wait(room, PATIENCE),
        false => queue.poll(room),
    };
    taken.map_err(|error| error.to_string())
}

/// Ends a wait that spins.
struct Patience {
    turns: u32,
    deadline: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self {
            turns: 0,
            deadline: None,
        }
    }

    /// Reads the clock only now and then.
    fn check(&mut self) -> Result<(), String> {
        std::hint::spin_loop();
        self.turns += 1;
        if self.turns & 0xfff != 0 {
            return Ok(());
        }
        let deadline = *self
            .deadline
            .get_or_insert_with(|| Instant::now() + PATIENCE);
        if Instant::now() > deadline {
            return Err(format!("nothing came for {} s", PATIENCE.as_secs()));
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

/// perftest's run of the same: its median of half a round trip, or the mean of one message; nanoseconds.
fn perftest(ends: &Ends, case: &Case) -> Result<f64, String> {
    // free at this moment
    let port = TcpListener::bind("0.0.0.0:0").and_then(|socket| socket.local_addr());
    let port = port.map_err(|error| error.to_string())?.port().to_string();
    let (bytes, rounds, mtu) = (
        case.bytes.to_string(),
        case.rounds.to_string(),
        ends.mtu.to_string(),
    );
    let command = |end: &(Context, GidEntry)| {
        let mut command = Command::new(case.tool);
        command.args(["-F", "-p", &port, "-s", &bytes, "-n", &rounds, "-m", &mtu]);
        command.args(["-d", end.0.name(), "-i", &end.1.port.to_string()]);
        if end.1.kind != GidKind::InfiniBand {
            command.args(["-x", &end.1.index.to_string()]);
        }
        match case.what {
            What::Write | What::Send => command.args(["-I", "0"]),
            What::SendAsleep => command.args(["-I", "0", "-e"]),
            What::Bandwidth => command.args(["-t", &DEPTH.to_string()]),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    };
    let start = |mut command: Command| {
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("{} is not installed (package perftest)", case.tool)
            }
            _ => format!("{}: {error}", case.tool),
        })?;
        Ok::<_, String>(Tool(child))
    };
    let mut server = start(command(&ends.server))?;
    server.listens(&port)?;
    let mut client = command(&ends.client);
    client.arg(match ends.server.1.gid.to_ip() {
        IpAddr::V4(address) if ends.server.1.kind != GidKind::InfiniBand => address.to_string(),
        _ => "127.0.0.1".into(),
    });
    let text = start(client)?.output()?;
    server.output()?;
    result_of(&text, case.what)
        .map(|value| match case.what {
            // MiB/s
            What::Bandwidth => case.bytes as f64 * 1e9 / (value * 1_048_576.0),
            _ => value * 1000.0,
        })
        .filter(|ns| ns.is_finite() && *ns > 0.0)
        .ok_or_else(|| format!("{} printed no result", case.tool))
}

/// The typical time in microseconds, or the average bandwidth in MiB/s, of perftest's table.
fn result_of(text: &str, what: What) -> Option<f64> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("#bytes"));
    let head = lines.next()?;
    let title = match what {
        What::Bandwidth => "BW average",
        _ => "t_typical",
    };
    // Titles may hold spaces; the units in brackets end them.
    let column = head
        .split(']')
        .position(|part| part.contains(title))
        .map(|at| at + 2)?; // #bytes and #iterations stand ahead of the first unit
    lines.next()?.split_whitespace().nth(column)?.parse().ok()
}

/// A running program of perftest; killed when dropped.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

impl Tool {
    /// Waits until a socket listens at the port.
    fn listens(&mut self, port: &str) -> Result<(), String> {
        let port = port.parse::<u16>().map_err(|error| error.to_string())?;
        let wanted = format!(":{port:04X} ");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let listening = ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                text.lines().any(|line| {
                    let mut words = line.split_whitespace().skip(1);
                    let local = words
                        .next()
                        .is_some_and(|word| format!("{word} ").ends_with(&wanted));
                    local && words.nth(1) == Some("0A")
                })
            });
            if listening {
                return Ok(());
            }
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!(
                    "perftest's server ended with {status}: {}",
                    self.rest()
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("perftest's server does not listen".into())
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        if let Some(out) = &mut self.0.stdout {
            let _ = out.read_to_string(&mut text);
        }
        text.lines().last().unwrap_or_default().into()
    }

    /// What it prints, when it has ended. Its table is far smaller than a pipe holds.
    fn output(&mut self) -> Result<String, String> {
        let deadline = Instant::now() + PERFTEST_TIMEOUT;
        let status = loop {
            match self.0.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    return Err(format!(
                        "perftest was not done after {} s",
                        PERFTEST_TIMEOUT.as_secs()
                    ));
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut text = String::new();
        if let Some(out) = &mut self.0.stdout {
            out.read_to_string(&mut text)
                .map_err(|error| error.to_string())?;
        }
        if status.success() {
            Ok(text)
        } else {
            let last = text.lines().last().unwrap_or_default();
            Err(format!("perftest ended with {status}: {last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_in_perftests_tables() {
        let latency = "
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
 64      1000          29.31          10012.01      30.17    \t       365.84      \t1354.59\t\t7991.73 \t\t10012.01
";
        assert_eq!(result_of(latency, What::Write), Some(30.17));
        let bandwidth = "
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      200              62.77              32.15  \t\t   0.000514
";
        assert_eq!(result_of(bandwidth, What::Bandwidth), Some(32.15));
        assert_eq!(result_of("", What::Send), None);
    }

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
