//! Long notices over the simulated network, received where they belong, with cuts: whatever is cut, every byte is where it belongs
//! once its notice was handed over, and a payload that the program has no place for comes through the ring.

use ringway_link::sim::{self, Network};
use ringway_link::{ClientLane, LANDING_HEAD, LaneConfig, ServerLane};
use ringway_wire::layout::Geometry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOTICES: u32 = 12;
const STEPS_MAX: u64 = 1_000_000;

fn config() -> LaneConfig {
    LaneConfig { geometry: Geometry::new(8192, 1 << 20).expect("sizes"), lane_key: 0x0123_4567_89ab_cdef }
}

/// Bytes behind the head of notice `n`: short ones between long ones, of lengths that are no multiple of anything.
fn bytes_of(n: u32) -> Vec<u8> {
    let len = if n % 4 == 1 { 700 + n } else { 40_000 + 17_777 * (n % 9) + n };
    (0..len).map(|i| (i.wrapping_mul(31).wrapping_add(n * 7) >> 2) as u8).collect()
}

struct Received {
    /// Where the program wants each notice.
    places: Vec<Mutex<Vec<u8>>>,
    done: Mutex<Vec<u32>>,
    landed: AtomicU64,
}

/// Notices of these numbers have no place of their own.
fn has_place(n: u32) -> bool {
    n % 5 != 3
}

fn receive_on(client: &ClientLane) -> Arc<Received> {
    let received = Arc::new(Received {
        places: (0..NOTICES).map(|n| Mutex::new(vec![0; bytes_of(n).len()])).collect(),
        done: Mutex::default(),
        landed: AtomicU64::new(0),
    });
    let at = received.clone();
    client
        .set_notice_lander(Box::new(move |tag, head, len, place| {
            assert_eq!(head, [tag as u8; LANDING_HEAD]);
            let mut to = at.places[tag as usize].lock().expect("lock");
            assert_eq!(to.len(), len);
            if has_place(tag) {
                place(to.as_mut_ptr());
            }
        }))
        .expect("lander");
    let at = received.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            let mut to = at.places[tag as usize].lock().expect("lock");
            let data = payload.from_offset(LANDING_HEAD).expect("a head");
            let landed = data.landed();
            assert!(landed.is_empty() || has_place(tag));
            at.landed.fetch_add(landed.len() as u64, Ordering::Relaxed);
            for part in [0..landed.start, landed.end..data.len()] {
                assert!(data.read_at(part.start, &mut to[part]));
            }
            at.done.lock().expect("lock").push(tag);
        }))
        .expect("sink");
    received
}

/// Sends all notices, cutting each link after `cut_after` bytes and more; how many bytes were received in place, how many cuts there were.
fn run(seed: u64, cut_after: Option<u64>) -> (u64, u64) {
    let network = |cuts: u64| Network {
        cut_after: cut_after.map(|bytes| bytes * (cuts + 1)),
        buffer: 100_000,
        piece_max: 60_000,
        ..Network::from_seed(seed + 1000 * cuts)
    };
    let (client, mut server, _observer) = sim::pair(&config(), network(0)).expect("pair");
    client.keep();
    server.keep(Duration::from_secs(3600), Duration::from_secs(3600));
    let received = receive_on(&client);
    let (mut sent, mut cuts, mut loans) = (0, 0, Vec::new());
    for step in 0.. {
        assert!(step < STEPS_MAX, "seed {seed}: hangs");
        if sent < NOTICES {
            let (mut loan, bytes) = (server.loan(), bytes_of(sent));
            // SAFETY: the bytes stay until their loan, which is before them in each pair, has ended.
            let done = unsafe { server.notice_lending(sent, &[&[sent as u8; LANDING_HEAD]], &bytes, Duration::ZERO) };
            loan.complete();
            loans.push((loan, bytes));
            sent += u32::from(done.is_ok());
        }
        assert!(server.poll().expect("the server's lane stays").is_none());
        client.flush().expect("the client's lane stays");
        client.drain_notices().expect("the client's lane stays");
        if client.suspended().is_some() {
            cuts += 1;
            let there = server.begin_resume(cuts).expect("the server's end");
            let here = client.begin_resume().expect("the client's end");
            sim::resume(here, there, network(cuts)).expect("resumed");
        }
        if received.done.lock().expect("lock").len() == NOTICES as usize {
            break;
        }
    }
    assert_eq!(*received.done.lock().expect("lock"), (0..NOTICES).collect::<Vec<_>>());
    for n in 0..NOTICES {
        assert!(*received.places[n as usize].lock().expect("lock") == bytes_of(n), "seed {seed}, cut after {cut_after:?}: notice {n}");
    }
    drop::<ServerLane>(server);
    (received.landed.load(Ordering::Relaxed), cuts)
}

#[test]
fn long_payloads_land_where_they_belong() {
    for seed in 1..=20 {
        let (landed, cuts) = run(seed, None);
        let long: usize = (0..NOTICES).filter(|n| has_place(*n)).map(|n| bytes_of(n).len()).sum();
        assert_eq!(cuts, 0);
        // What comes along with heads goes by the ring.
        assert!(landed as usize > long / 3, "{landed} of {long}");
    }
}

#[test]
fn a_cut_in_a_payload_changes_nothing() {
    let (mut all, mut landed) = (0, 0);
    for seed in 1..=6 {
        for after in (300..300_000).step_by(7_919) {
            let (bytes, cuts) = run(seed, Some(after));
            (all, landed) = (all + cuts, landed + bytes);
        }
    }
    assert!(all > 200 && landed > 0, "{all} cuts, {landed} bytes");
}
