//! Lanes over RDMA that the conformance suite does not have: peers that break the rules of WIRE.md, many lanes at once, and
//! whether anything is left of those that have ended. Needs a device at the address `RINGWAY_TEST_RDMA` names; `ci/vm` has
//! one.

use ringway_link::rdma::{Direction, Job, Part, Registration, TransferError};
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
    refused(|attacker| tell(attacker, Immediate::Slot { slot: 3, call: 1 }.encode()), "W20");
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

/// Memory of the test, registered at one end for as long as it is there.
struct Shared {
    bytes: *mut u8,
    len: usize,
    registration: Option<Registration>,
}

impl Shared {
    fn new(len: usize, fill: impl Fn(usize) -> u8) -> Shared {
        let bytes: Vec<u8> = (0..len).map(fill).collect();
        Shared { bytes: Box::into_raw(bytes.into_boxed_slice()).cast(), len, registration: None }
    }

    fn lent(len: usize, client: &ClientLane, fill: impl Fn(usize) -> u8) -> Shared {
        let mut shared = Shared::new(len, fill);
        let transfers = client.transfers().expect("transfers");
        // SAFETY: the memory stays until `shared` is dropped, after the registration.
        let registration = unsafe { transfers.lend(shared.bytes, len) };
        shared.registration = Some(registration.expect("registration"));
        shared
    }

    fn device(len: usize, server: &ServerLane, fill: impl Fn(usize) -> u8) -> Shared {
        let mut shared = Shared::new(len, fill);
        let transfers = server.transfers().expect("transfers");
        // SAFETY: as above.
        let registration = unsafe { transfers.register_device(shared.bytes, len) };
        shared.registration = Some(registration.expect("registration"));
        shared
    }

    fn registration(&self) -> &Registration {
        self.registration.as_ref().expect("a registration")
    }

    fn byte(&self, at: usize) -> u8 {
        assert!(at < self.len);
        // SAFETY: within the memory; volatile, since an adapter may have written it.
        unsafe { self.bytes.add(at).read_volatile() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.registration = None;
        // SAFETY: made in `new`.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.bytes, self.len)) });
    }
}

fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn transfers_move_what_they_say_and_nothing_else() {
    let (client, server) = pair();
    let link = server.transfers().expect("transfers");
    assert_eq!((link.number(), client.transfers().expect("transfers").number()), (0, 0));
    for direction in [Direction::ToDevice, Direction::ToHost] {
        for (bytes, host_at, device_at) in [(1, 0, 3), (7, 1, 0), (8, 5, 5), (4097, 11, 50), ((1 << 20) + 1, 3, 2), ((5 << 20) - 3, 77, 9)] {
            let from_host = direction == Direction::ToDevice;
            let room = bytes + 100;
            let host = Shared::lent(room, &client, |at| if from_host { pattern(at) } else { 0xaa });
            let device = Shared::device(room, &server, |at| if from_host { 0xaa } else { pattern(at) });
            // In two parts, as where a range lies in two registrations.
            let first = bytes / 3;
            let part = |offset, bytes| Part { registration: device.registration(), offset, bytes };
            let parts = [part(device_at, first), part(device_at + first, bytes - first)];
            let job = Job {
                direction,
                device: if first == 0 { &parts[1..] } else { &parts },
                host: host.registration().address() + host_at as u64,
                key: host.registration().key(),
            };
            server.transfer(&link, &job).expect("a transfer");
            let (from, from_at, to, to_at) = if from_host { (&host, host_at, &device, device_at) } else { (&device, device_at, &host, host_at) };
            for at in 0..room {
                let wanted = if (to_at..to_at + bytes).contains(&at) { from.byte(from_at + at - to_at) } else { 0xaa };
                assert_eq!(to.byte(at), wanted, "{direction:?}, {bytes} bytes, at {at}");
            }
        }
    }
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn what_is_not_lent_is_neither_read_nor_written_and_the_link_is_given_up() {
    const ROOM: usize = 256 << 10;
    for direction in [Direction::ToDevice, Direction::ToHost] {
        // Where, of what key, and whether it was lent at all by then.
        for (at, key_off, lent) in [(0u64, 1u32, true), (ROOM as u64 - 4096, 0, true), (u64::MAX / 2, 0, true), (0, 0, false)] {
            let (client, mut server) = pair();
            let link = server.transfers().expect("transfers");
            let mut host = Shared::lent(ROOM, &client, pattern);
            let device = Shared::device(8192, &server, |_| 0xaa);
            let job = Job {
                direction,
                device: &[Part { registration: device.registration(), offset: 0, bytes: 8192 }],
                host: host.registration().address().wrapping_add(at),
                key: host.registration().key().wrapping_add(key_off),
            };
            if !lent {
                host.registration = None;
            }
            let error = server.transfer(&link, &job).expect_err("this is not lent");
            assert!(matches!(error, TransferError::Refused(_)), "{error:?}");
            assert!(server.transfers().is_none());
            assert_eq!(server.transfer(&link, &job), Err(TransferError::Gone));
            assert!((0..ROOM).all(|at| host.byte(at) == pattern(at)), "something was written");
            assert!((0..8192).all(|at| device.byte(at) == 0xaa), "something was read");
            // Both ends know, though the lane's own queue pair is well.
            let start = Instant::now();
            while server.poll().is_ok() {
                assert!(start.elapsed() < PATIENCE, "the link was not given up");
            }
            while client.down().is_none() {
                let _ = client.wait_notices(Duration::from_millis(10));
                assert!(start.elapsed() < PATIENCE, "the client never learnt");
            }
        }
    }
}

#[test]
#[ignore = "needs an RDMA device: ci/vm has one"]
fn a_client_that_goes_ends_a_transfer() {
    const ROOM: usize = 64 << 20;
    let (client, server) = pair();
    let link = server.transfers().expect("transfers");
    let host = Shared::lent(ROOM, &client, |_| 1);
    let device = Shared::device(ROOM, &server, |_| 2);
    let part = [Part { registration: device.registration(), offset: 0, bytes: ROOM }];
    let job = Job { direction: Direction::ToDevice, device: &part, host: host.registration().address(), key: host.registration().key() };
    std::thread::scope(|scope| {
        let (server, link) = (server.handle().clone(), link.clone());
        let running = scope.spawn(move || {
            let start = Instant::now();
            loop {
                assert!(start.elapsed() < 2 * PATIENCE, "transfers go on without a client");
                if let Err(error) = server.transfer(&link, &job) {
                    return error;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(300));
        drop(client);
        let error = running.join().expect("thread");
        assert_ne!(error, TransferError::Gone);
    });
}
