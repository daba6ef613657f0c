//! Half round trips between two devices of this machine, to be run beside perftest's `ib_write_lat` and `ib_send_lat`.
//!
//!     latency LOCAL_A LOCAL_B write|send|immediate SIZE ROUNDS
//!
//! `write`: each end writes to the other's memory and polls its own for the answer. `send`: SEND and a posted receive,
//! polled. `immediate`: a write with immediate data, the receiver sleeping on its completion channel. One line comes out:
//! minimum, median, 99th percentile and maximum in microseconds.

use ringway_verbs::*;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    Send,
    Immediate,
}

struct End {
    qp: QueuePair<ReadyToSend>,
    send_cq: CompletionQueue,
    receive_cq: CompletionQueue,
    /// What is sent, then a word that the peer writes last.
    region: MemoryRegion,
    peer: RemoteRegion,
    size: usize,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [a, b, mode, size, rounds] = arguments.as_slice() else {
        return Err("usage: latency LOCAL_A LOCAL_B write|send|immediate SIZE ROUNDS".into());
    };
    let mode = match mode.as_str() {
        "write" => Mode::Write,
        "send" => Mode::Send,
        "immediate" => Mode::Immediate,
        _ => return Err("write, send or immediate".into()),
    };
    let (size, rounds): (usize, u64) = (size.parse()?, rounds.parse()?);
    if size == 0 || !size.is_multiple_of(8) || size > 1 << 20 || rounds == 0 {
        return Err("SIZE is a multiple of 8 up to 1 MiB, ROUNDS at least 1".into());
    }
    let (mut client, mut server) = connect(a.parse()?, b.parse()?, size)?;
    let warm_up = 100;
    let other = std::thread::spawn(move || -> Result<(), Failure> {
        for round in 1..=rounds + warm_up {
            server.receive(mode, round)?;
            server.send(mode, round)?;
        }
        Ok(())
    });
    let mut halves_ns = Vec::with_capacity(usize::try_from(rounds)?);
    for round in 1..=rounds + warm_up {
        let begun = Instant::now();
        client.send(mode, round)?;
        client.receive(mode, round)?;
        if round > warm_up {
            halves_ns.push(u64::try_from(begun.elapsed().as_nanos())? / 2);
        }
    }
    other.join().map_err(|_| "the server panicked")??;
    halves_ns.sort_unstable();
    let at = |share: f64| {
        let index = (halves_ns.len() - 1) as f64 * share;
        halves_ns[index as usize] as f64 / 1000.0
    };
    println!(
        "{} B, {rounds} rounds, half round trip in us: min {:.2} p50 {:.2} p99 {:.2} max {:.2}",
        size,
        at(0.0),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn connect(a: IpAddr, b: IpAddr, size: usize) -> Result<(End, End), Failure> {
    let options = QueuePairOptions {
        send_depth: 64,
        receive_depth: 64,
        ..Default::default()
    };
    let half = |local| -> Result<_, Failure> {
        let route = Route::from_local(local)?;
        let context = &route.context;
        let domain = context.protection_domain()?;
        let send_cq = context.completion_queue(options.send_depth)?;
        let receive_cq = context.completion_queue_with_events(options.receive_depth, 0)?;
        let region = domain.register(HostMemory::anonymous(2 * size)?, Access::REMOTE_WRITE)?;
        let mut qp = domain
            .queue_pair(&options, &send_cq, &receive_cq)?
            .init(&route, Access::REMOTE_WRITE)?;
        for _ in 0..options.receive_depth {
            let place = region.slice(size..2 * size).ok_or("a slice")?;
            qp.receive_queue().post(place, 0)?;
        }
        Ok((qp, send_cq, receive_cq, region))
    };
    let (one, two) = (half(a)?, half(b)?);
    let (endpoint_one, endpoint_two) = (one.0.endpoint()?, two.0.endpoint()?);
    let (region_one, region_two) = (one.3.remote(), two.3.remote());
    let connect = ConnectOptions::default();
    let end = |half: (QueuePair<Initialised>, _, _, _), endpoint, peer| -> Result<End, Failure> {
        Ok(End {
            qp: half.0.connect(&endpoint, &connect)?,
            send_cq: half.1,
            receive_cq: half.2,
            region: half.3,
            peer,
            size,
        })
    };
    Ok((
        end(one, endpoint_two, region_two)?,
        end(two, endpoint_one, region_one)?,
    ))
}

impl End {
    fn send(&mut self, mode: Mode, round: u64) -> Result<(), Failure> {
        let mut room = Completions::<8>::new();
        for completion in self.send_cq.poll(&mut room)? {
            self.qp.send_queue().reap(completion)?;
        }
        self.region
            .store_u64(self.size - 8, round, Ordering::Relaxed)?;
        let mut bytes = [0; 256];
        let inline =
            self.size <= self.qp.send_queue().inline_bytes_max() as usize && self.size <= 256;
        let local = if inline {
            self.region.read(0, &mut bytes[..self.size])?;
            Local::Inline(&bytes[..self.size])
        } else {
            self.region.slice(..self.size).ok_or("a slice")?.into()
        };
        let to = self
            .peer
            .slice(self.size as u64, self.size as u64)
            .ok_or("a slice")?;
        let mut batch = self.qp.send_queue().batch();
        match mode {
            Mode::Write => batch.write(local, to, Options::new())?,
            Mode::Send => batch.send(local, Options::new())?,
            Mode::Immediate => {
                batch.write_with_immediate(local, to, round as u32, Options::new())?
            }
        }
        batch.post()?;
        Ok(())
    }

    fn receive(&mut self, mode: Mode, round: u64) -> Result<(), Failure> {
        let deadline = Instant::now() + SOON;
        if mode == Mode::Write {
            let mut polls = 0u32;
            while self.region.load_u64(2 * self.size - 8, Ordering::Acquire)? != round {
                polls = polls.wrapping_add(1);
                if polls.is_multiple_of(1 << 16) && Instant::now() > deadline {
                    return Err("nothing came".into());
                }
            }
            return Ok(());
        }
        let mut room = Completions::<8>::new();
        loop {
            let got = match mode {
                Mode::Immediate => self.receive_cq.poll_or_wait(&mut room, SOON)?,
                _ => self.receive_cq.poll(&mut room)?,
            };
            if let Some(completion) = got.first() {
                self.qp.receive_queue().reap(completion)?;
                let place = self.region.slice(self.size..).ok_or("a slice")?;
                self.qp.receive_queue().post(place, 0)?;
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("nothing came".into());
            }
        }
    }
}
