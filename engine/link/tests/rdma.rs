//! Lanes over RDMA that the conformance suite does not have: peers that break the rules of WIRE.md, many lanes at once, and
//! whether anything is left of those that have ended. Needs a device at the address `RINGWAY_TEST_RDMA` names; `ci/vm` has
//! one.

use ringway_link::{ClientLane, DownCause, LaneConfig, LinkError, LinkKind, ServerLane, rdma};
use ringway_verbs::{
    Access, Completions, ConnectOptions, Endpoint, HostMemory, Local, Options, QueuePair, QueuePairOptions, ReadyToSend,
    RemoteRegion, RemoteSlice, Route,
};
use ringway_wire::control::{self, QueuePairOffer, QueuePairState};
use ringway_wire::immediate::{Immediate, lines};
use ringway_wire::layout::Geometry;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const RING: u64 = 8192;

fn config() -> LaneConfig {
    LaneConfig {
        geometry: Geometry::new(RING, RING).expect("sizes"),
        lane_key: 0x5eed_0000_1111_2222,
    }
}

fn address() -> IpAddr {
    let text = std::env::var("RINGWAY_TEST_RDMA").expect("RINGWAY_TEST_RDMA=ADDRESS");
    text.split(',').next().unwrap_or(&text).parse().expect("an address")
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address(), 0)).expect("listen");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    client.set_read_timeout(Some(PATIENCE)).expect("time-out");
    (client, server)
}

/// Starts the server's end for a client that the test plays.
fn served() -> (TcpStream, std::thread::JoinHandle<Result<ServerLane, LinkError>>) {
    let (client, server) = sockets();
    let starting = std::thread::spawn(move || rdma::server(server, &config(), true).map(|(lane, _)| lane));
    (client, starting)
}

/// A client's queue pair that follows no rules, and the server's window.
struct Attacker {
    qp: QueuePair<ReadyToSend>,
    completions: ringway_verbs::CompletionQueue,
    window: RemoteRegion,
    _socket: TcpStream,
}

fn attacker() -> (Attacker, ServerLane) {
    let (socket, starting) = served();
    let route = Route::from_local(address()).expect("a route");
    let domain = route.context.protection_domain().expect("domain");
    let memory = HostMemory::anonymous(config().geometry.client_window_bytes()).expect("memory");
    let own = domain.register(memory, Access::REMOTE_WRITE).expect("region");
    let completions = route.context.completion_queue(512).expect("completions");
    let options = QueuePairOptions { send_depth: 256, receive_depth: 128, ..QueuePairOptions::default() };
    let qp = domain.queue_pair(&options, &completions, &completions).expect("queue pair");
    let mut qp = qp.init(&route, Access::REMOTE_WRITE).expect("init");
    qp.receive_queue().post_empty(128, 0).expect("receives");
    let offer = QueuePairOffer::Offer {
        endpoint: qp.endpoint().expect("endpoint").encode().to_vec(),
        window: own.remote().encode().to_vec(),
        transfers: None,
    };
    control::send(&mut &socket, &offer).expect("offer");
    let QueuePairOffer::Offer { endpoint, window, .. } = control::receive(&mut &socket).expect("their offer") else {
        panic!("the server has no queue pair");
    };
    let endpoint = Endpoint::decode(endpoint[..].try_into().expect("40 bytes")).expect("endpoint");
    let window = RemoteRegion::decode(window[..].try_into().expect("24 bytes")).expect("window");
    let qp = qp.connect(&endpoint, &ConnectOptions::default()).expect("connect");
    control::send(&mut &socket, &QueuePairState::Ready).expect("state");
    assert_eq!(control::receive::<QueuePairState>(&mut &socket).expect("their state"), QueuePairState::Ready);
    // The region stays registered as long as the test runs.
    std::mem::forget(own);
    let lane = starting.join().expect("thread").expect("server's lane");
    (Attacker { qp, completions, window, _socket: socket }, lane)
}

/// What the server's end says of an attack.
fn end_of(mut lane: ServerLane) -> DownCause {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match lane.poll() {
            Ok(Some(record)) => panic!("a record {record:?} came of nothing"),
            Ok(None) => match lane.park(Duration::from_millis(100)) {
                Ok(()) => {}
                Err(LinkError::Down(cause)) => return cause,
                Err(error) => panic!("{error}"),
            },
            Err(LinkError::Down(cause)) => return cause,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the attack was never noticed");
}

fn refused(attack: impl FnOnce(&mut Attacker), rule: &str) {
    let (mut attacker, lane) = attacker();
    attack(&mut attacker);
    match end_of(lane) {
        DownCause::PeerMisbehaved { rule: found, .. } => assert_eq!(found, rule),
        other => panic!("{other:?}, where rule {rule} was broken"),
    }
}

fn tell(attacker: &mut Attacker, bits: u32) {
    let nowhere = attacker.window.slice(0, 0).expect("no bytes");
    let mut batch = attacker.qp.send_queue().batch();
    batch.write_with_immediate(Local::Nothing, nowhere, bits, Options::new().signalled()).expect("request");
    batch.post().expect("post");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn w20_ring_positions_that_cannot_be() {
    refused(|attacker| tell(attacker, Immediate::Ring { lines: lines(RING + 64) }.encode()), "W20");
    refused(|attacker| tell(attacker, Immediate::Ring { lines: u32::MAX >> 2 }.encode()), "W20");
    refused(|attacker| tell(attacker, Immediate::Slot(3).encode()), "W20");
    refused(|attacker| tell(attacker, Immediate::Words.encode()), "W20");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn w21_w22_immediates_without_a_meaning() {
    refused(|attacker| tell(attacker, 1 << 30 | 64), "W21");
    refused(|attacker| tell(attacker, 2 << 30 | 1), "W22");
    refused(|attacker| tell(attacker, 3 << 30), "W22");
    let send = |attacker: &mut Attacker| {
        let mut batch = attacker.qp.send_queue().batch();
        batch.send(Local::Nothing, Options::new().signalled()).expect("request");
        batch.post().expect("post");
    };
    refused(send, "W22");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn w6_records_longer_than_the_ring_allows() {
    // A committed record of 4 GiB, and the position behind it.
    let attack = |attacker: &mut Attacker| {
        let key = config().lane_key | 1;
        let mut record = key.to_le_bytes().to_vec();
        record.extend_from_slice(&u32::MAX.to_le_bytes());
        record.extend_from_slice(&1u32.to_le_bytes());
        let ring = attacker.window.slice(4096, 16).expect("the ring");
        let mut batch = attacker.qp.send_queue().batch();
        let immediate = Immediate::Ring { lines: 1 }.encode();
        batch.write_with_immediate(Local::Inline(&record), ring, immediate, Options::new().signalled()).expect("request");
        batch.post().expect("post");
    };
    refused(attack, "W6");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn nothing_but_the_window_can_be_written() {
    for (address_off, key_off) in [(RING + 4096, 0u32), (0, 1), (1 << 40, 0)] {
        let (mut attacker, lane) = attacker();
        let window = attacker.window;
        let elsewhere = RemoteRegion {
            address: window.address.wrapping_add(address_off),
            len: 4096,
            key: window.key.wrapping_add(key_off),
        };
        let target: RemoteSlice = elsewhere.slice(0, 8).expect("a slice");
        let mut batch = attacker.qp.send_queue().batch();
        batch.write(Local::Inline(&[0xee; 8]), target, Options::new().signalled()).expect("request");
        batch.post().expect("post");
        let start = Instant::now();
        let mut room = Completions::<4>::new();
        let failed = loop {
            assert!(start.elapsed() < PATIENCE, "the write never ended");
            if let Some(completion) = attacker.completions.poll(&mut room).expect("poll").first() {
                break completion.result().is_err();
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(failed, "a write to {address_off:#x}, key {key_off} off, was let through");
        drop(attacker);
        let cause = end_of(lane);
        assert!(!matches!(cause, DownCause::PeerMisbehaved { .. }), "{cause:?}");
    }
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn w24_offers_that_make_no_sense() {
    let offers = [
        QueuePairOffer::Offer { endpoint: vec![], window: vec![], transfers: None },
        QueuePairOffer::Offer { endpoint: vec![0; 40], window: vec![0; 24], transfers: None },
        QueuePairOffer::Offer { endpoint: vec![0xff; 40], window: vec![0xff; 24], transfers: None },
        QueuePairOffer::Unable("no\u{1b}[31m device\n".into()),
    ];
    for offer in offers {
        let (socket, starting) = served();
        control::send(&mut &socket, &offer).expect("offer");
        let _theirs: QueuePairOffer = control::receive(&mut &socket).expect("their offer");
        if !matches!(offer, QueuePairOffer::Unable(_)) {
            control::send(&mut &socket, &QueuePairState::Ready).expect("state");
        }
        let error = starting.join().expect("thread").map(|_| ()).expect_err("no lane of this");
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    }
    let (socket, starting) = served();
    std::io::Write::write_all(&mut &socket, &[0xaa; 64]).expect("garbage");
    let error = starting.join().expect("thread").map(|_| ()).expect_err("no lane of this");
    assert!(matches!(error, LinkError::Down(DownCause::PeerMisbehaved { rule: "W24", .. })), "{error:?}");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn w23_bytes_beside_the_queue_pair() {
    refused(|attacker| std::io::Write::write_all(&mut &attacker._socket, b"G").expect("a byte"), "W23");
}

fn pair() -> (ClientLane, ServerLane) {
    let (client, server) = sockets();
    let starting = std::thread::spawn(move || rdma::server(server, &config(), true).expect("server").0);
    let (lane, choice) = rdma::client(client, &config(), true).expect("client");
    assert_eq!(choice.kind, LinkKind::Rdma);
    (lane, starting.join().expect("thread"))
}

fn call(client: &ClientLane, server: &mut ServerLane) {
    let mut slot = client.acquire_slot(PATIENCE).expect("slot");
    let mut record = client.reserve(2, 2, PATIENCE).expect("reserve");
    record.write_at(0, &slot.index().to_le_bytes());
    let position = record.commit_call(&mut slot);
    let start = Instant::now();
    loop {
        if let Some(record) = server.poll().expect("poll") {
            let mut index = [0; 2];
            assert!(record.payload.read_at(0, &mut index));
            let end = record.position_end;
            server.reply(u16::from_le_bytes(index), end, 5, &[]).expect("reply");
            server.release(end);
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the record never came");
    }
    assert_eq!(slot.wait(position, PATIENCE, &mut []).expect("reply").status, 5);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count()
}

fn resident_kib() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn sixty_four_lanes_at_once() {
    let (before, kib) = (descriptors(), resident_kib());
    let mut lanes: Vec<_> = (0..64).map(|_| pair()).collect();
    for _ in 0..3 {
        for (client, server) in &mut lanes {
            call(client, server);
        }
    }
    println!(
        "both ends of a lane: {} descriptors, {} KiB resident",
        (descriptors() - before) / 64,
        resident_kib().saturating_sub(kib) / 64
    );
    drop(lanes);
    assert_eq!(descriptors(), before, "descriptors are left over");
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn a_thousand_lanes_one_after_the_other_leave_nothing() {
    let once = || {
        let (client, mut server) = pair();
        call(&client, &mut server);
    };
    (0..100).for_each(|_| once());
    let (before, kib) = (descriptors(), resident_kib());
    (0..900).for_each(|_| once());
    assert_eq!(descriptors(), before, "descriptors are left over");
    let grown = resident_kib().saturating_sub(kib);
    assert!(grown < 2048, "{grown} KiB more than after the first hundred");
}
