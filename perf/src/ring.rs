//! Suite ring: a lane by itself, between two threads of this program, without CUDA. What a call costs beyond it is the call's own handling.

use crate::cli::{Cli, Effort, Link};
use crate::clock;
use crate::floors::{self, Sockets};
use crate::pairs::Pairs;
use crate::progress;
use crate::row::Row;
use crate::samples::Samples;
use ringway_link::{ClientLane, LaneConfig, LinkError, ServerLane, shm, tcp};
use ringway_wire::layout::Geometry;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a record's payload: a launch with a few parameters.
const RECORD_BYTES: usize = 96;
const POST: u32 = 1;
const CALL: u32 = 2;
/// Records in a burst, and between two looks at the clock.
const BURST: usize = 256;
const BATCH: u32 = 16;
/// An answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause after which both ends sleep.
const ASLEEP: Duration = Duration::from_millis(2);
/// How long the receiving end looks at the ring before it sleeps.
const LOOK: Duration = Duration::from_micros(100);

/// The rows of each link that a lane of this process can have.
///
/// # Errors
/// What the system says, in words.
pub fn measure(cli: &Cli, effort: Effort) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for link in cli.link.iter().filter(|link| matches!(link, Link::Shm | Link::Tcp)) {
        progress::say(&format!("ring on {}", link.name()));
        let measured = of_link(*link, effort).map_err(|error| format!("ring on {}: {error}", link.name()))?;
        rows.extend(measured.into_iter().map(|row| row.on(link.name())));
    }
    Ok(rows)
}

fn pair(link: Link) -> Result<(ClientLane, ServerLane), Box<dyn std::error::Error>> {
    let config = LaneConfig { geometry: Geometry::DEFAULT, lane_key: 0x5eed };
    if link == Link::Shm {
        let (near, far) = UnixStream::pair()?;
        let server = shm::offer(far, &config)?;
        return Ok((shm::accept(near, &config)?, server));
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((tcp::client(near, &config)?, tcp::server(far, &config)?))
}

/// Polls, answers what waits, and sleeps where nothing comes; until the other end is closed.
fn serve(mut lane: ServerLane, spins: &AtomicBool) {
    let handle = lane.handle().clone();
    let mut quiet_since: Option<Instant> = None;
    loop {
        match lane.poll() {
            Ok(Some(record)) => {
                let (tag, position) = (record.tag, record.position_end);
                let mut slot = [0u8; 2];
                let whole = record.payload.read_at(0, &mut slot);
                lane.release(position);
                handle.set_executed(position);
                // A client that is gone needs no answer.
                if tag == CALL && whole && handle.reply(u16::from_le_bytes(slot), position, 0, &[]).is_err() {
                    return;
                }
                quiet_since = None;
            }
            Ok(None) => {
                let quiet = quiet_since.get_or_insert_with(Instant::now).elapsed();
                if quiet > LOOK && !spins.load(Ordering::Relaxed) {
                    if lane.park(PATIENCE).is_err() {
                        return;
                    }
                    quiet_since = None;
                }
                std::hint::spin_loop();
            }
            Err(_) => return,
        }
    }
}

fn post(lane: &ClientLane) -> Result<(), LinkError> {
    let mut reserved = lane.reserve(POST, RECORD_BYTES, PATIENCE)?;
    reserved.write_at(0, &[7; RECORD_BYTES]);
    reserved.commit();
    Ok(())
}

fn call(lane: &ClientLane) -> Result<(), LinkError> {
    let mut slot = lane.acquire_slot(PATIENCE)?;
    let mut reserved = lane.reserve(CALL, RECORD_BYTES, PATIENCE)?;
    reserved.write_at(0, &slot.index().to_le_bytes());
    let position = reserved.commit_call(&mut slot);
    slot.wait(position, PATIENCE, &mut []).map(drop)
}

fn of_link(link: Link, effort: Effort) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let (client, server) = pair(link)?;
    let (spins, clock) = (AtomicBool::new(true), floors::clock());
    thread::scope(|scope| {
        scope.spawn(|| serve(server, &spins));
        let rows = cases(link, &client, &spins, clock, effort);
        spins.store(false, Ordering::Relaxed);
        client.close();
        rows
    })
}

fn cases(link: Link, client: &ClientLane, spins: &AtomicBool, clock: Duration, effort: Effort) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let rounds = effort.pick(2, 10, 10);
    let mut sockets = Sockets::connect()?;
    let line = |samples: usize, into: &mut Samples| floors::line_round_trip(effort.pick(2, samples, samples), into);
    let mut rows = Vec::new();

    let mut pairs = Pairs::new();
    for _ in 0..rounds {
        let (mut ours, mut floor) = (Samples::new(), Samples::new());
        line(100, &mut floor);
        for _ in 0..effort.pick(2, 20, 60) {
            call(client)?;
            let cpu = clock::thread_cpu();
            for _ in 0..BURST / BATCH as usize {
                let start = Instant::now();
                for _ in 0..BATCH {
                    post(client)?;
                }
                ours.batch(start.elapsed(), BATCH, clock);
            }
            ours.cpu(clock::thread_cpu() - cpu, BURST as u64);
        }
        call(client)?;
        pairs.add(&ours, floor.ns(0.5) / 2.0);
    }
    rows.push(pairs.row("ring", "record posted, in bursts"));

    for (case, asleep, samples) in [("record there, answer back", false, effort.pick(10, 1000, 2000)), ("the same, both asleep", true, effort.pick(3, 25, 60))] {
        spins.store(!asleep, Ordering::Relaxed);
        let pause = if asleep { ASLEEP } else { Duration::ZERO };
        let mut pairs = Pairs::new();
        for _ in 0..rounds {
            let (mut ours, mut floor) = (Samples::new(), Samples::new());
            match (link, asleep) {
                (Link::Tcp, _) => sockets.round_trips(0, 0, samples / 2 + 1, !asleep, pause, &mut floor)?,
                (_, false) => line(100, &mut floor),
                (_, true) => floors::futex_round_trip(samples, pause, &mut floor),
            }
            for _ in 0..effort.pick(5, 50, 50) {
                call(client)?;
            }
            let cpu = clock::thread_cpu();
            for _ in 0..samples {
                if asleep {
                    thread::sleep(pause);
                }
                let start = Instant::now();
                call(client)?;
                ours.batch(start.elapsed(), 1, clock);
            }
            if !asleep {
                ours.cpu(clock::thread_cpu() - cpu, samples as u64);
            }
            pairs.add(&ours, floor.ns(0.5));
        }
        rows.push(pairs.row("ring", case));
    }
    Ok(rows)
}
