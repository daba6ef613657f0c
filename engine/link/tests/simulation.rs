//! Both ends driven by one thread over the simulated network: many seeds, each run repeatable.

use ringway_link::sim::{self, Network};
use ringway_link::{ClientLane, DownCause, LaneConfig, LinkError, ServerLane};
use ringway_wire::layout::Geometry;
use std::sync::{Arc, Mutex};

const CONFIG: LaneConfig = LaneConfig {
    geometry: Geometry::DEFAULT,
    lane_key: 0xfeed_beef_1234_5677,
};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n
    }
}

fn small() -> LaneConfig {
    LaneConfig {
        geometry: Geometry::new(8192, 4096).expect("sizes"),
        ..CONFIG
    }
}

fn body(n: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (n * 7 + i * 13) as u8).collect()
}

struct Outcome {
    posted: u64,
    polled: u64,
    noticed: u64,
    got: u64,
    end: Option<DownCause>,
    virtual_ns: u64,
    bytes: (u64, u64),
}

/// Random posting, polling, noticing and draining by one thread; what arrives is checked on the way.
fn drive(seed: u64, cut_after: Option<u64>, steps: u64) -> Outcome {
    let network = Network {
        cut_after,
        ..Network::from_seed(seed)
    };
    let (client, mut server, observer) = sim::pair(&small(), network).expect("pair");
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let got = Arc::new(Mutex::new(0u64));
    let sink = got.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            let mut n = sink.lock().expect("lock");
            assert_eq!(u64::from(tag), *n, "seed {seed}");
            assert_eq!(payload.to_vec(), body(*n, payload.len()), "seed {seed}");
            *n += 1;
        }))
        .expect("sink");
    let (mut posted, mut polled, mut noticed) = (0, 0, 0);
    let mut end = None;
    let mut held = Vec::new();
    for step in 0..steps {
        let result = match random.below(5) {
            0 | 1 => post(&client, posted, random.below(1500) as usize)
                .map(|done| posted += u64::from(done)),
            2 => poll(&mut server, &mut polled, &mut held, seed),
            3 => match server.try_notice(
                noticed as u32,
                &[&body(noticed, random.below(900) as usize)],
            ) {
                Ok(_) => {
                    noticed += 1;
                    Ok(())
                }
                Err(LinkError::Full) => Ok(()),
                Err(error) => Err(error),
            },
            _ => client.drain_notices().map(|_| ()),
        };
        // Payloads are held for a while and released in any order that goes up.
        if step % 3 == 0
            && let Some(position) = held.pop()
        {
            server.release(position);
            held.clear();
        }
        match result {
            Ok(()) => {}
            Err(LinkError::Down(cause)) => {
                end = Some(cause);
                break;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    if end.is_none() {
        // Everything that was sent arrives.
        for _ in 0..100_000 {
            if let Some(position) = held.pop() {
                server.release(position);
                held.clear();
            }
            let _ = client.flush();
            poll(&mut server, &mut polled, &mut held, seed).expect("poll");
            client.drain_notices().expect("drain");
            if polled == posted && *got.lock().expect("lock") == noticed {
                break;
            }
        }
        assert_eq!(
            (polled, *got.lock().expect("lock")),
            (posted, noticed),
            "seed {seed}"
        );
    }
    let got = *got.lock().expect("lock");
    Outcome {
        posted,
        polled,
        noticed,
        got,
        end,
        virtual_ns: observer.now_ns(),
        bytes: observer.bytes(),
    }
}

fn post(client: &ClientLane, n: u64, len: usize) -> Result<bool, LinkError> {
    match client.try_reserve(n as u32, len) {
        Ok(mut record) => {
            record.write_at(0, &body(n, len));
            record.commit();
            Ok(true)
        }
        Err(LinkError::Full) => Ok(false),
        Err(error) => Err(error),
    }
}

fn poll(
    server: &mut ServerLane,
    polled: &mut u64,
    held: &mut Vec<u64>,
    seed: u64,
) -> Result<(), LinkError> {
    if let Some(record) = server.poll()? {
        assert_eq!(u64::from(record.tag), *polled, "seed {seed}");
        assert_eq!(
            record.payload.to_vec(),
            body(*polled, record.payload.len()),
            "seed {seed}"
        );
        *polled += 1;
        held.push(record.position_end);
    }
    Ok(())
}

#[test]
fn whatever_the_network_does_every_record_arrives_once_and_in_order() {
    for seed in 1..=150 {
        let outcome = drive(seed, None, 4000);
        assert!(
            outcome.posted > 30 && outcome.noticed > 30,
            "seed {seed}: {} {}",
            outcome.posted,
            outcome.noticed
        );
    }
}

#[test]
fn a_cut_is_noticed_and_nothing_wrong_arrives_before_it() {
    let mut cut = 0;
    for seed in 1..=150 {
        let outcome = drive(seed, Some(seed * 700), 20_000);
        assert!(outcome.polled <= outcome.posted && outcome.got <= outcome.noticed);
        if let Some(cause) = outcome.end {
            assert_eq!(cause, DownCause::PeerClosed, "seed {seed}");
            cut += 1;
        }
    }
    assert_eq!(cut, 150);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let fingerprint = |seed| {
        let outcome = drive(seed, None, 3000);
        (
            outcome.posted,
            outcome.noticed,
            outcome.got,
            outcome.virtual_ns,
            outcome.bytes,
        )
    };
    assert_eq!(fingerprint(5), fingerprint(5));
    assert_ne!(fingerprint(5), fingerprint(6));
}

/// Polls until there is a record; its end.
fn next_record(server: &mut ServerLane) -> u64 {
    for _ in 0..100_000 {
        if let Some(record) = server.poll().expect("a healthy lane") {
            let position = record.position_end;
            server.release(position);
            return position;
        }
    }
    panic!("nothing came");
}

/// A record is acknowledged as soon as the server has nothing else to do, and what follows it waits for that; a call is acknowledged by its
/// answer, and what follows it is sent at once.
#[test]
fn a_call_is_acknowledged_by_its_answer_alone() {
    let network = Network { delay_ns_max: 0, piece_max: 1 << 20, buffer: 1 << 20, ..Network::from_seed(1) };
    let (client, mut server, observer) = sim::pair(&CONFIG, network).expect("pair");
    let timeout = std::time::Duration::from_secs(5);
    let post = || client.reserve(1, 64, timeout).expect("space").commit();
    let sent = |before: &mut (u64, u64)| {
        let now = observer.bytes();
        let grown = (now.0 > before.0, now.1 > before.1);
        *before = now;
        grown
    };
    let mut bytes = observer.bytes();
    let look = |server: &mut ServerLane| (0..1000).for_each(|_| assert!(server.poll().expect("a healthy lane").is_none()));

    let first = post();
    assert_eq!(sent(&mut bytes), (true, false));
    post();
    assert_eq!(sent(&mut bytes), (false, false), "left until the first one is acknowledged");
    assert_eq!(next_record(&mut server), first);
    look(&mut server);
    assert_eq!(sent(&mut bytes), (false, true), "acknowledged");
    client.drain_notices().expect("a healthy lane");
    assert_eq!(sent(&mut bytes), (true, false), "and what was left is sent");
    next_record(&mut server);
    look(&mut server);
    assert_eq!(sent(&mut bytes), (false, true));
    client.drain_notices().expect("a healthy lane");

    let mut slot = client.acquire_slot(timeout).expect("a slot");
    let call = client.reserve(2, 64, timeout).expect("space").commit_call(&mut slot);
    assert_eq!(sent(&mut bytes), (true, false));
    assert_eq!(next_record(&mut server), call);
    server.answer_acknowledges(call);
    look(&mut server);
    assert_eq!(sent(&mut bytes), (false, false), "whoever waits is not woken for an acknowledgement");
    let other = post();
    assert_eq!(sent(&mut bytes), (true, false), "another thread's record does not wait for the answer");
    assert_eq!(next_record(&mut server), other);
    look(&mut server);
    assert_eq!(sent(&mut bytes), (false, true), "and is acknowledged");
    server.reply(slot.index(), call, 0, b"done").expect("a healthy lane");
    let mut answer = [0; 4];
    assert_eq!(slot.wait(call, timeout, &mut answer).expect("an answer").len, 4);
    assert_eq!(&answer, b"done");
    assert!(client.consumed() >= other);
}
