//! What verbs do on a real device, or on Soft-RoCE. Where there is none, this says why and passes.
//!
//! Each test runs on several rigs: every device connected with itself, and the two ends that `RINGWAY_VERBS_PAIR` names
//! by their local addresses (`10.99.0.1,10.99.0.2`). Arguments that are not options select tests by parts of their names.
//! `RINGWAY_VERBS_PEER` is the program of `ci/clients/verbs_peer`. `RINGWAY_VERBS_MUST_HAVE_DEVICE=1` forbids skipping.
//! `RINGWAY_VERBS_MAY_CHANGE_LINKS=1` allows the test that takes a network interface down. Every wait has a bound.

#[path = "device/perftest.rs"]
mod perftest;

use ringway_verbs::connection::cm;
use ringway_verbs::*;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Bound of everything that should come at once.
const SOON: Duration = Duration::from_secs(20);
const BOTH: Access = Access::REMOTE_WRITE;

type Failure = Box<dyn std::error::Error>;
type Outcome = std::result::Result<(), Failure>;
type Test = fn(&Rig) -> Outcome;

/// Two local addresses whose devices reach each other.
struct Rig {
    a: IpAddr,
    b: IpAddr,
}

impl Rig {
    fn routes(&self) -> Result<(Route, Route)> {
        let a = Route::from_local(self.a)?;
        if self.a == self.b {
            return Ok((a.clone(), a));
        }
        Ok((a, Route::from_local(self.b)?))
    }
}

fn main() {
    let devices = match probe() {
        Ok(devices) => devices,
        Err(why) => {
            println!("device tests skipped: {why}; cure: {}", why.cure());
            assert!(
                std::env::var_os("RINGWAY_VERBS_MUST_HAVE_DEVICE").is_none(),
                "a device was to be here"
            );
            return;
        }
    };
    let mut rigs = Vec::new();
    for device in &devices {
        let context = Context::open(&device.name).expect("a device that the probe opened");
        let mut gids = context.gids().expect("its GIDs");
        gids.retain(|gid| gid.kind == GidKind::RoceV2 && gid.gid.to_ip().is_ipv4());
        println!("{}: {:?}", device.name, context.limits());
        rigs.extend(gids.first().map(|gid| Rig {
            a: gid.gid.to_ip(),
            b: gid.gid.to_ip(),
        }));
    }
    if let Ok(pair) = std::env::var("RINGWAY_VERBS_PAIR") {
        let (a, b) = pair.split_once(',').expect("two addresses");
        rigs.push(Rig {
            a: a.parse().expect("an address"),
            b: b.parse().expect("an address"),
        });
    }
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let mut failed = Vec::new();
    let mut count = 0;
    for rig in &rigs {
        for (name, test) in TESTS {
            if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
                continue;
            }
            // it is long, and the same for every rig
            if *test as usize == leak as Test as usize && !std::ptr::eq(rig, &rigs[rigs.len() - 1])
            {
                continue;
            }
            count += 1;
            let begun = Instant::now();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(rig)));
            let text = format!("{} to {}: {name}", rig.a, rig.b);
            let seconds = begun.elapsed().as_secs_f64();
            match outcome {
                Ok(Ok(())) => println!("ok      {text} ({seconds:.2} s)"),
                Ok(Err(error)) => {
                    println!("FAILED  {text} ({seconds:.2} s): {error}");
                    failed.push(text);
                }
                Err(_) => {
                    println!("FAILED  {text} ({seconds:.2} s): panicked");
                    failed.push(text);
                }
            }
        }
    }
    println!("{count} device tests, {} failed", failed.len());
    assert!(count > 0, "no test of this name, or no rig");
    if !failed.is_empty() {
        println!("failed: {}", failed.join("; "));
        std::process::exit(1);
    }
}

const TESTS: &[(&str, Test)] = &[
    ("writes of all sizes arrive", writes_arrive),
    ("a chain ends with immediate data", chain_with_immediate),
    (
        "one in so many is signalled, and a full queue says so",
        selective_signalling,
    ),
    ("sends gather and receives scatter", sends_gather),
    ("reads bring the peer's bytes", reads),
    ("atomics of two ends add up", atomics),
    (
        "a shared receive queue serves four queue pairs",
        shared_receives,
    ),
    (
        "a write outside the region is refused by the peer",
        remote_access_error,
    ),
    ("a deregistered region is out of reach", deregistered_region),
    (
        "memory of another domain is refused here",
        local_protection_error,
    ),
    (
        "a send without a receive ends with the right error",
        receiver_not_ready,
    ),
    ("a message that is too long fails both ends", too_long),
    ("a peer that is gone is noticed", peer_gone),
    ("failing a queue pair flushes what is posted", flush),
    ("events wake a sleeper and are acknowledged", events_wake),
    ("two sleepers play ping-pong", parked_ping_pong),
    ("a stream in both directions loses nothing", stream),
    ("all kinds of memory register that can", kinds_of_memory),
    (
        "what cannot register says so",
        memory_that_does_not_register,
    ),
    ("too small a limit of locked memory is named", locked_memory),
    (
        "the registration cache hits, forgets and is bounded",
        registration_cache,
    ),
    ("attributes out of range are named", attributes_named),
    ("a completion queue cannot be promised twice", no_overrun),
    ("sixty-four queue pairs at once", sixty_four),
    (
        "a child process leaves the parent's objects alone",
        forked_child,
    ),
    ("a thousand connections leave nothing behind", leak),
    (
        "the connection manager connects, rejects and disconnects",
        connection_manager,
    ),
    (
        "the ibverbs crate's queue pairs talk to ours",
        ibverbs_crate,
    ),
    ("perftest's queue pairs talk to ours", perftest::write_latency),
    (
        "asynchronous events: the reader is one, and a port going down is told",
        asynchronous_events,
    ),
];

struct End {
    qp: QueuePair<ReadyToSend>,
    send_cq: CompletionQueue,
    receive_cq: CompletionQueue,
    domain: ProtectionDomain,
    region: MemoryRegion,
}

struct Half {
    qp: QueuePair<Initialised>,
    send_cq: CompletionQueue,
    receive_cq: CompletionQueue,
    domain: ProtectionDomain,
    region: MemoryRegion,
}

/// All that the peer may do.
fn all_access() -> Access {
    Access::REMOTE_WRITE | Access::REMOTE_READ | Access::REMOTE_ATOMIC
}

fn half(route: &Route, options: &QueuePairOptions, bytes: usize) -> Result<Half> {
    let context = &route.context;
    let domain = context.protection_domain()?;
    let send_cq = context.completion_queue_with_events(options.send_depth, 0)?;
    let receive_cq = context.completion_queue_with_events(options.receive_depth.max(1), 0)?;
    let region = domain.register(HostMemory::anonymous(bytes)?, all_access())?;
    let qp = domain
        .queue_pair(options, &send_cq, &receive_cq)?
        .init(route, all_access())?;
    Ok(Half {
        qp,
        send_cq,
        receive_cq,
        domain,
        region,
    })
}

fn finish(half: Half, peer: &Endpoint, connect: &ConnectOptions) -> Result<End> {
    // as it would come over a wire
    let peer = Endpoint::decode(&peer.encode())?;
    Ok(End {
        qp: half.qp.connect(&peer, connect)?,
        send_cq: half.send_cq,
        receive_cq: half.receive_cq,
        domain: half.domain,
        region: half.region,
    })
}

fn pair_with(
    rig: &Rig,
    options: &QueuePairOptions,
    bytes: usize,
    connect: &ConnectOptions,
) -> Result<(End, End)> {
    let (route_a, route_b) = rig.routes()?;
    let (a, b) = (
        half(&route_a, options, bytes)?,
        half(&route_b, options, bytes)?,
    );
    let (endpoint_a, endpoint_b) = (a.qp.endpoint()?, b.qp.endpoint()?);
    Ok((
        finish(a, &endpoint_b, connect)?,
        finish(b, &endpoint_a, connect)?,
    ))
}

fn pair(rig: &Rig, bytes: usize) -> Result<(End, End)> {
    pair_with(rig, &QueuePairOptions::default(), bytes, &patient())
}

/// Exactly `count` completions, in time; no more come with them.
fn completions(
    queue: &CompletionQueue,
    count: usize,
) -> std::result::Result<Vec<Completion>, Failure> {
    let mut all = Vec::new();
    let mut room = Completions::<16>::new();
    let deadline = Instant::now() + SOON;
    while all.len() < count {
        let got = queue.poll(&mut room)?;
        if got.is_empty() {
            if Instant::now() > deadline {
                return Err(format!("{} of {count} completions came", all.len()).into());
            }
            std::thread::yield_now();
        }
        all.extend_from_slice(got);
    }
    assert_eq!(all.len(), count, "more completions than expected: {all:?}");
    Ok(all)
}

impl End {
    fn sent(&mut self) -> std::result::Result<Work, Failure> {
        let done = completions(&self.send_cq, 1)?;
        Ok(self.qp.send_queue().reap(&done[0])?)
    }

    fn received(&mut self) -> std::result::Result<Work, Failure> {
        let done = completions(&self.receive_cq, 1)?;
        Ok(self.qp.receive_queue().reap(&done[0])?)
    }

    /// The status of the next completion of the send queue, which must be an error.
    fn send_fails(&mut self) -> std::result::Result<Status, Failure> {
        let done = completions(&self.send_cq, 1)?;
        match self.qp.send_queue().reap(&done[0]) {
            Err(error) => Ok(error.status().ok_or("a foreign completion")?),
            Ok(work) => Err(format!("{work:?} should have failed").into()),
        }
    }

    /// The same of the receive queue.
    fn receive_fails(&mut self) -> std::result::Result<Status, Failure> {
        let done = completions(&self.receive_cq, 1)?;
        match self.qp.receive_queue().reap(&done[0]) {
            Err(error) => Ok(error.status().ok_or("a foreign completion")?),
            Ok(work) => Err(format!("{work:?} should have failed").into()),
        }
    }

    fn fill(&self, seed: u8) -> Result<()> {
        let bytes: Vec<u8> = (0..self.region.len()).map(|i| pattern(i, seed)).collect();
        self.region.write(0, &bytes)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.region.len()];
        self.region.read(0, &mut bytes).expect("the whole region");
        bytes
    }
}

fn pattern(i: usize, seed: u8) -> u8 {
    (i.wrapping_mul(31) ^ (i >> 8)) as u8 ^ seed
}

fn writes_arrive(rig: &Rig) -> Outcome {
    const SIZE: usize = (1 << 20) + 64;
    let (mut a, b) = pair(rig, SIZE)?;
    let to = b.region.remote();
    for (round, len) in [1, 7, 64, 1024, 4095, 4096, 4097, 65536, 1 << 20]
        .into_iter()
        .enumerate()
    {
        a.fill(round as u8)?;
        b.region.write(0, &vec![0; SIZE])?;
        let slice = a.region.slice(3..3 + len).ok_or("a slice")?;
        let mut batch = a.qp.send_queue().batch();
        batch.write(
            slice,
            to.slice(5, len as u64).ok_or("a slice")?,
            Options::new().tag(9).signalled(),
        )?;
        batch.post()?;
        let work = a.sent()?;
        assert_eq!((work.opcode, work.tag), (Opcode::Write, 9));
        let bytes = b.bytes();
        let right = (0..len).all(|i| bytes[5 + i] == pattern(3 + i, round as u8));
        assert!(right, "{len} bytes came wrong");
        assert!(
            bytes[..5]
                .iter()
                .chain(&bytes[5 + len..])
                .all(|&byte| byte == 0),
            "{len} bytes wrote more"
        );
    }
    Ok(())
}

fn chain_with_immediate(rig: &Rig) -> Outcome {
    let (mut a, mut b) = pair(rig, 8192)?;
    b.qp.receive_queue().post_empty(1, 77)?;
    a.fill(1)?;
    let to = b.region.remote();
    let at = |offset, len| to.slice(offset, len).ok_or("a slice");
    let inline: Vec<u8> = (0..100).collect();
    let mut batch = a.qp.send_queue().batch();
    for i in 0..10u64 {
        let from = a
            .region
            .slice(i as usize * 100..i as usize * 100 + 100)
            .ok_or("a slice")?;
        batch.write(from, at(i * 100, 100)?, Options::new())?;
    }
    let wrong = batch.write(Local::Inline(&inline), at(1000, 99)?, Options::new());
    assert_eq!(wrong, Err(PostError::DoesNotFit));
    batch.write(Local::Inline(&inline), at(1000, 100)?, Options::new())?;
    batch.write_with_immediate(
        Local::Nothing,
        at(0, 0)?,
        0xfeed_0001,
        Options::new().tag(5).signalled(),
    )?;
    assert_eq!(batch.len(), 12);
    batch.post()?;
    // inline bytes are free at once
    drop(inline);
    assert_eq!(a.qp.send_queue().under_way(), 12);
    let work = b.received()?;
    assert_eq!(work.opcode, Opcode::ReceiveWithWrite);
    assert_eq!(
        (work.tag, work.immediate, work.bytes),
        (77, Some(0xfeed_0001), 0)
    );
    let bytes = b.bytes();
    assert!((0..1000).all(|i| bytes[i] == pattern(i, 1)));
    assert!((0..100).all(|i| bytes[1000 + i] == i as u8));
    // one completion for twelve requests
    assert_eq!(a.sent()?.tag, 5);
    assert_eq!(a.qp.send_queue().under_way(), 0);
    Ok(())
}

fn selective_signalling(rig: &Rig) -> Outcome {
    let options = QueuePairOptions {
        send_depth: 16,
        receive_depth: 1,
        ..Default::default()
    };
    let (mut a, b) = pair_with(rig, &options, 4096, &patient())?;
    let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
    let bytes = 0x0102_0304_0506_0708u64.to_le_bytes();
    let one = |queue: &mut SendQueue| {
        let mut batch = queue.batch();
        batch.write(Local::Inline(&bytes), to, Options::new())?;
        batch.post()
    };
    for _ in 0..16 {
        one(a.qp.send_queue())?;
    }
    assert_eq!(one(a.qp.send_queue()), Err(PostError::QueueFull));
    assert_eq!(a.qp.send_queue().room(), 0);
    // one in eight is signalled: two completions free sixteen places
    let done = completions(&a.send_cq, 2)?;
    a.qp.send_queue().reap(&done[0])?;
    assert_eq!(a.qp.send_queue().room(), 8);
    assert!(matches!(
        a.qp.send_queue().reap(&done[0]),
        Err(CompletionError::Foreign { .. })
    ));
    assert!(matches!(
        a.qp.receive_queue().reap(&done[1]),
        Err(CompletionError::Foreign { .. })
    ));
    a.qp.send_queue().reap(&done[1])?;
    assert_eq!(a.qp.send_queue().room(), 16);
    // far beyond the depth, with nothing but what the queue itself signals
    let mut room = Completions::<4>::new();
    let mut seen = 0;
    let deadline = Instant::now() + SOON;
    for _ in 0..4000 {
        while one(a.qp.send_queue()) == Err(PostError::QueueFull) {
            assert!(Instant::now() < deadline, "the queue stays full");
            for completion in a.send_cq.poll(&mut room)? {
                a.qp.send_queue().reap(completion)?;
                seen += 1;
            }
        }
    }
    let left = 4000 / 8 - seen;
    for completion in completions(&a.send_cq, left)? {
        a.qp.send_queue().reap(&completion)?;
    }
    assert_eq!(a.qp.send_queue().under_way(), 0);
    assert_eq!(
        b.region.load_u64(0, Ordering::Acquire)?,
        u64::from_le_bytes(bytes)
    );
    Ok(())
}

fn slice_of(
    region: &MemoryRegion,
    from: usize,
    len: usize,
) -> std::result::Result<LocalSlice<'_>, Failure> {
    Ok(region.slice(from..from + len).ok_or("a slice")?)
}

fn sends_gather(rig: &Rig) -> Outcome {
    let options = QueuePairOptions {
        send_segments: 3,
        receive_segments: 2,
        ..Default::default()
    };
    let (mut a, mut b) = pair_with(rig, &options, 4096, &patient())?;
    a.fill(3)?;
    let places = [
        slice_of(&b.region, 1000, 30)?,
        slice_of(&b.region, 2000, 500)?,
    ];
    b.qp.receive_queue().post(&places[..], 8)?;
    let parts = [
        slice_of(&a.region, 0, 10)?,
        slice_of(&a.region, 100, 50)?,
        slice_of(&a.region, 300, 40)?,
    ];
    let mut batch = a.qp.send_queue().batch();
    let too_many = [parts[0]; 4];
    assert_eq!(
        batch.send(&too_many[..], Options::new()),
        Err(PostError::TooManySegments)
    );
    batch.send_with_immediate(&parts[..], 42, Options::new().signalled())?;
    batch.post()?;
    let work = b.received()?;
    assert_eq!(
        (work.opcode, work.bytes, work.immediate, work.tag),
        (Opcode::Receive, 100, Some(42), 8)
    );
    a.sent()?;
    let sent: Vec<u8> = (0..10)
        .chain(100..150)
        .chain(300..340)
        .map(|i| pattern(i, 3))
        .collect();
    let bytes = b.bytes();
    assert_eq!([&bytes[1000..1030], &bytes[2000..2070]].concat(), sent);
    assert_eq!(bytes[2070], 0);
    Ok(())
}

fn reads(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 100_000)?;
    b.fill(6)?;
    let local = a.region.slice(10..70_010).ok_or("a slice")?;
    let mut batch = a.qp.send_queue().batch();
    let from = b.region.remote().slice(777, 70_000).ok_or("a slice")?;
    assert_eq!(
        batch.read(Local::Inline(&[0]), from, Options::new()),
        Err(PostError::NoInline)
    );
    batch.read(local, from, Options::new().tag(1))?;
    batch.post()?;
    let work = a.sent()?;
    assert_eq!((work.opcode, work.tag), (Opcode::Read, 1));
    let bytes = a.bytes();
    assert!((0..70_000).all(|i| bytes[10 + i] == pattern(777 + i, 6)));
    Ok(())
}

fn atomics(rig: &Rig) -> Outcome {
    let (mut a, mut b) = pair(rig, 4096)?;
    if !a.domain.context().limits().atomics {
        println!("        (this device has no atomics)");
        return Ok(());
    }
    // Both ends add to a word at b: the peer over the connection, b by a second connection to itself would need another
    // queue pair, so b's own adds go through its processor only after all of a's are done.
    b.region.store_u64(64, 1000, Ordering::Release)?;
    let at = b.region.remote().slice(64, 8).ok_or("a slice")?;
    let unaligned = b.region.remote().slice(65, 8).ok_or("a slice")?;
    for round in 0..20u64 {
        let local = a.region.slice(0..8).ok_or("a slice")?;
        let mut batch = a.qp.send_queue().batch();
        assert_eq!(
            batch.fetch_add(local, unaligned, 1, Options::new()),
            Err(PostError::DoesNotFit)
        );
        batch.fetch_add(local, at, 5, Options::new())?;
        batch.post()?;
        assert_eq!(a.sent()?.opcode, Opcode::FetchAdd);
        assert_eq!(a.region.load_u64(0, Ordering::Acquire)?, 1000 + 5 * round);
    }
    for (compare, swap, found, after) in [(7, 1, 1100, 1100), (1100, u64::MAX, 1100, u64::MAX)] {
        let local = a.region.slice(8..16).ok_or("a slice")?;
        let mut batch = a.qp.send_queue().batch();
        batch.compare_swap(local, at, compare, swap, Options::new())?;
        batch.post()?;
        assert_eq!(a.sent()?.opcode, Opcode::CompareSwap);
        assert_eq!(a.region.load_u64(8, Ordering::Acquire)?, found);
        assert_eq!(b.region.load_u64(64, Ordering::Acquire)?, after);
    }
    // a fence: the write goes out with what the fetch-and-add has brought
    b.region.store_u64(64, 4, Ordering::Release)?;
    let (back, local) = (b.region.remote().slice(128, 8), a.region.slice(0..8));
    let (back, local) = (back.ok_or("a slice")?, local.ok_or("a slice")?);
    a.region.store_u64(0, 0, Ordering::Release)?;
    let mut batch = a.qp.send_queue().batch();
    batch.fetch_add(local, at, 1, Options::new())?;
    batch.write(local, back, Options::new().fenced().signalled())?;
    batch.post()?;
    for completion in completions(&a.send_cq, 2)? {
        a.qp.send_queue().reap(&completion)?;
    }
    assert_eq!(b.region.load_u64(128, Ordering::Acquire)?, 4);
    b.qp.fail()?;
    Ok(())
}

fn shared_receives(rig: &Rig) -> Outcome {
    const PAIRS: usize = 4;
    let (route_a, route_b) = rig.routes()?;
    let options = QueuePairOptions {
        send_depth: 16,
        receive_depth: 16,
        ..Default::default()
    };
    let domain = route_b.context.protection_domain()?;
    let send_cq = route_b.context.completion_queue(64)?;
    let receive_cq = route_b.context.completion_queue(64 * PAIRS as u32)?;
    let mut shared = domain.shared_receive_queue(64, 1)?;
    let region = domain.register(HostMemory::anonymous(64 * 64)?, Access::LOCAL_WRITE)?;
    let place = |i: usize| region.slice(i * 64..i * 64 + 64).expect("within");
    shared.post((0..64).map(|i| (place(i).into(), i as u32)))?;
    assert_eq!(
        shared.post([(place(0).into(), 0)]),
        Err(PostError::QueueFull)
    );
    // twelve rounds of four leave sixteen
    let mut events = route_b.context.events()?;
    assert!(shared.notify_below(65).is_err());
    shared.notify_below(20)?;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let a = half(&route_a, &options, 4096)?;
        let b = domain
            .queue_pair_with_shared_receives(&options, &send_cq, &receive_cq, &shared)?
            .init(&route_b, Access::LOCAL_WRITE)?;
        let (to_a, to_b) = (a.qp.endpoint()?, b.endpoint()?);
        senders.push(finish(a, &to_b, &patient())?);
        receivers.push(b.connect(&to_a, &patient())?);
    }
    for round in 0..12u8 {
        for (i, sender) in senders.iter_mut().enumerate() {
            let bytes = [round, i as u8, 0xaa];
            let mut batch = sender.qp.send_queue().batch();
            batch.send(Local::Inline(&bytes), Options::new().signalled())?;
            batch.post()?;
            sender.sent()?;
        }
    }
    let low = AsyncEvent {
        code: AsyncEvent::RECEIVES_LOW,
        element: Element::SharedReceiveQueue(shared.handle()),
    };
    assert_eq!(events.next(SOON)?, Some(low));
    let numbers: Vec<u32> = receivers.iter().map(QueuePair::number).collect();
    let mut seen = HashSet::new();
    for completion in completions(&receive_cq, 12 * PAIRS)? {
        let work = shared.reap(&completion)?;
        assert_eq!(work.bytes, 3);
        let mut bytes = [0; 3];
        region.read(work.tag as usize * 64, &mut bytes)?;
        let from = numbers
            .iter()
            .position(|&number| number == completion.qp_number());
        assert_eq!(from, Some(bytes[1].into()));
        assert!(seen.insert((bytes[0], bytes[1])), "came twice");
    }
    assert_eq!(
        (seen.len(), shared.under_way()),
        (12 * PAIRS, 64 - 12 * PAIRS as u32)
    );
    Ok(())
}

fn write_8(a: &mut End, to: RemoteSlice) -> Outcome {
    let mut batch = a.qp.send_queue().batch();
    batch.write(Local::Inline(&[1; 8]), to, Options::new().signalled())?;
    batch.post()?;
    Ok(())
}

fn remote_access_error(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 4096)?;
    let mut lie = b.region.remote();
    lie.len += 4096;
    write_8(&mut a, lie.slice(4096, 8).ok_or("a slice")?)?;
    write_8(&mut a, lie.slice(0, 8).ok_or("a slice")?)?;
    let done = completions(&a.send_cq, 2)?;
    for (completion, wanted) in done.iter().zip([Status::REMOTE_ACCESS, Status::FLUSHED]) {
        let error =
            a.qp.send_queue()
                .reap(completion)
                .err()
                .ok_or("not refused")?;
        assert_eq!(error.status(), Some(wanted));
    }
    assert_eq!(a.qp.state()?, QpState::Error);
    assert!(b.bytes().iter().all(|&byte| byte == 0));
    Ok(())
}

fn deregistered_region(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 4096)?;
    let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
    write_8(&mut a, to)?;
    a.sent()?;
    drop(b.region);
    write_8(&mut a, to)?;
    assert_eq!(a.send_fails()?, Status::REMOTE_ACCESS);
    Ok(())
}

fn local_protection_error(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 4096)?;
    let other = a.domain.context().protection_domain()?;
    let foreign = other.register(HostMemory::anonymous(4096)?, Access::LOCAL_WRITE)?;
    let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
    let mut batch = a.qp.send_queue().batch();
    batch.write(
        foreign.slice(0..8).ok_or("a slice")?,
        to,
        Options::new().signalled(),
    )?;
    // found out when posting or when executing; devices do not agree on the status, and Soft-RoCE of Linux 6.12 only
    // says that it was flushed
    match batch.post() {
        Ok(()) => println!("        ({})", a.send_fails()?),
        Err(error) => assert!(matches!(error, PostError::Refused { posted: 0, .. })),
    }
    assert!(b.bytes().iter().all(|&byte| byte == 0));
    Ok(())
}

/// For emulated machines with more to do than they can: an acknowledgement may take a second. Half a second a try, so that
/// packets which Soft-RoCE drops do not make the tests long.
fn patient() -> ConnectOptions {
    ConnectOptions {
        timeout: 17,
        ..Default::default()
    }
}

/// Few and short retries, so that failing takes milliseconds.
fn impatient() -> ConnectOptions {
    ConnectOptions {
        timeout: 10,
        retries: 2,
        rnr_retries: 1,
        min_rnr_timer: 1,
        ..Default::default()
    }
}

fn receiver_not_ready(rig: &Rig) -> Outcome {
    let (mut a, _b) = pair_with(rig, &QueuePairOptions::default(), 4096, &impatient())?;
    let mut batch = a.qp.send_queue().batch();
    batch.send(Local::Inline(b"nobody"), Options::new().tag(3).signalled())?;
    batch.post()?;
    assert_eq!(a.send_fails()?, Status::RNR_RETRY_EXCEEDED);
    Ok(())
}

fn too_long(rig: &Rig) -> Outcome {
    let (mut a, mut b) = pair(rig, 4096)?;
    b.qp.receive_queue()
        .post(b.region.slice(0..16).ok_or("a slice")?, 4)?;
    let mut batch = a.qp.send_queue().batch();
    batch.send(
        a.region.slice(0..17).ok_or("a slice")?,
        Options::new().signalled(),
    )?;
    batch.post()?;
    let (here, there) = (a.send_fails()?, b.receive_fails()?);
    assert!(!here.name().is_empty() && !there.name().is_empty());
    assert!(here != Status::FLUSHED, "{here}");
    assert!(there != Status::FLUSHED, "{there}");
    Ok(())
}

fn peer_gone(rig: &Rig) -> Outcome {
    let (mut a, b) = pair_with(rig, &QueuePairOptions::default(), 4096, &impatient())?;
    let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
    write_8(&mut a, to)?;
    a.sent()?;
    drop(b);
    write_8(&mut a, to)?;
    assert_eq!(a.send_fails()?, Status::RETRY_EXCEEDED);
    Ok(())
}

fn flush(rig: &Rig) -> Outcome {
    let (mut a, _b) = pair(rig, 4096)?;
    a.qp.receive_queue().post_empty(5, 1)?;
    a.qp.fail()?;
    assert_eq!(a.qp.state()?, QpState::Error);
    for completion in completions(&a.receive_cq, 5)? {
        let error =
            a.qp.receive_queue()
                .reap(&completion)
                .err()
                .ok_or("not flushed")?;
        assert_eq!(error.status(), Some(Status::FLUSHED));
    }
    assert_eq!(a.qp.receive_queue().under_way(), 0);
    Ok(())
}

fn events_wake(rig: &Rig) -> Outcome {
    let (mut a, mut b) = pair(rig, 4096)?;
    let channel = b.receive_cq.channel().ok_or("a channel")?.clone();
    assert!(!channel.wait(Duration::from_millis(1))?);
    assert!(!channel.take_events()?);
    let to = b.region.remote().slice(0, 0).ok_or("a slice")?;
    let mut room = Completions::<4>::new();
    for round in 0..300u32 {
        b.qp.receive_queue().post_empty(1, 0)?;
        b.receive_cq.arm(false)?;
        assert!(b.receive_cq.poll(&mut room)?.is_empty());
        let mut batch = a.qp.send_queue().batch();
        batch.write_with_immediate(Local::Nothing, to, round, Options::new().signalled())?;
        batch.post()?;
        assert!(channel.wait(SOON)?, "no event");
        let work = b.received()?;
        assert_eq!(work.immediate, Some(round));
        a.sent()?;
    }
    // not armed: no event
    b.qp.receive_queue().post_empty(1, 0)?;
    let mut batch = a.qp.send_queue().batch();
    batch.write_with_immediate(Local::Nothing, to, 1, Options::new().signalled())?;
    batch.post()?;
    b.received()?;
    a.sent()?;
    assert!(!channel.wait(Duration::from_millis(1))?);
    // armed for solicited events only
    for (options, wakes) in [(Options::new(), false), (Options::new().solicited(), true)] {
        b.qp.receive_queue().post_empty(1, 0)?;
        b.receive_cq.arm(true)?;
        let mut batch = a.qp.send_queue().batch();
        batch.write_with_immediate(Local::Nothing, to, 1, options.signalled())?;
        batch.post()?;
        b.received()?;
        a.sent()?;
        assert_eq!(
            channel.wait(if wakes {
                SOON
            } else {
                Duration::from_millis(20)
            })?,
            wakes
        );
    }
    // destroying queues and channel does not wait for an acknowledgement that nobody gives
    drop((a, b, channel));
    Ok(())
}

fn parked_ping_pong(rig: &Rig) -> Outcome {
    const ROUNDS: u32 = 200;
    fn player(mut end: End, to: RemoteRegion, serves: bool) -> std::result::Result<End, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut room = Completions::<8>::new();
        let mut receive = |end: &mut End| -> std::result::Result<u32, String> {
            let deadline = Instant::now() + SOON;
            loop {
                let got = end
                    .receive_cq
                    .poll_or_wait(&mut room, SOON)
                    .map_err(|e| text(&e))?;
                if let Some(completion) = got.first() {
                    let work = end
                        .qp
                        .receive_queue()
                        .reap(completion)
                        .map_err(|e| text(&e))?;
                    end.qp
                        .receive_queue()
                        .post_empty(1, 0)
                        .map_err(|e| text(&e))?;
                    return work.immediate.ok_or_else(|| "no immediate data".into());
                }
                if Instant::now() > deadline {
                    return Err("nothing came".into());
                }
            }
        };
        for round in 0..ROUNDS {
            if !serves {
                assert_eq!(receive(&mut end)?, round);
            }
            let bytes = round.to_le_bytes();
            let place = to.slice(0, 4).ok_or("a slice")?;
            let mut batch = end.qp.send_queue().batch();
            batch
                .write_with_immediate(
                    Local::Inline(&bytes),
                    place,
                    round,
                    Options::new().signalled(),
                )
                .map_err(|e| text(&e))?;
            batch.post().map_err(|e| text(&e))?;
            end.sent().map_err(|e| text(&e))?;
            if serves {
                assert_eq!(receive(&mut end)?, round);
            }
        }
        Ok(end)
    }
    let (mut a, mut b) = pair(rig, 4096)?;
    a.qp.receive_queue().post_empty(4, 0)?;
    b.qp.receive_queue().post_empty(4, 0)?;
    let (to_a, to_b) = (a.region.remote(), b.region.remote());
    let other = std::thread::spawn(move || player(b, to_a, false));
    let a = player(a, to_b, true)?;
    let b = other.join().map_err(|_| "the other player panicked")??;
    assert_eq!(a.bytes()[..4], (ROUNDS - 1).to_le_bytes());
    assert_eq!(b.bytes()[..4], (ROUNDS - 1).to_le_bytes());
    Ok(())
}

/// Both ends write numbered cells into the other's ring and announce each batch by immediate data, each with a thread
/// that posts and one that receives.
fn stream(rig: &Rig) -> Outcome {
    const CELLS: u32 = 64;
    const TOTAL: u32 = 2000;
    const BATCH: u32 = 8;
    let options = QueuePairOptions {
        send_depth: 64,
        receive_depth: 64,
        ..Default::default()
    };
    let bytes = CELLS as usize * 64;
    let (a, b) = pair_with(rig, &options, 2 * bytes, &patient())?;
    let (to_a, to_b) = (a.region.remote(), b.region.remote());
    let begun = Instant::now();
    let work = |end: End, to: RemoteRegion, told: Arc<AtomicU32>| {
        let End {
            qp,
            send_cq,
            receive_cq,
            region,
            domain,
        } = end;
        let (mut send, mut receive) = qp.into_queues();
        let region = Arc::new(region);
        receive.post_empty(64, 0).expect("receives");
        // how far the peer has consumed what we sent: the peer writes it to the second half of our region
        let (consumed, kept) = (region.clone(), region.clone());
        let sender = std::thread::spawn(move || {
            let mut room = Completions::<16>::new();
            let mut next = 0;
            while next < TOTAL {
                assert!(
                    begun.elapsed() < 3 * SOON,
                    "the stream stands still at {next}"
                );
                for completion in send_cq.poll(&mut room).expect("poll") {
                    send.reap(completion).expect("a write");
                }
                let free = consumed.load_u64(bytes, Ordering::Acquire).expect("within") as u32
                    + CELLS
                    - next;
                if free < BATCH || send.room() < BATCH + 1 {
                    std::thread::yield_now();
                    continue;
                }
                let mut cells = [[0u8; 64]; BATCH as usize];
                for (i, cell) in cells.iter_mut().enumerate() {
                    cell.fill((next + i as u32) as u8);
                    cell[..4].copy_from_slice(&(next + i as u32).to_le_bytes());
                }
                let mut batch = send.batch();
                for (i, cell) in (next..).zip(&cells) {
                    let place = to.slice(u64::from(i % CELLS) * 64, 64).expect("within");
                    batch
                        .write(Local::Inline(cell), place, Options::new())
                        .expect("a write");
                }
                next += BATCH;
                let nowhere = to.slice(0, 0).expect("within");
                // the last one is signalled, so that nothing is left under way
                let options = if next == TOTAL {
                    Options::new().signalled()
                } else {
                    Options::new()
                };
                batch
                    .write_with_immediate(Local::Nothing, nowhere, next, options)
                    .expect("a write");
                batch.post().expect("posting");
            }
            while send.under_way() > 0 {
                assert!(
                    begun.elapsed() < 3 * SOON,
                    "the last writes do not complete"
                );
                for completion in send_cq.poll(&mut room).expect("poll") {
                    send.reap(completion).expect("a write");
                }
                std::thread::yield_now();
            }
            (send, send_cq)
        });
        let receiver = std::thread::spawn(move || {
            let mut room = Completions::<16>::new();
            let mut taken = 0;
            while taken < TOTAL {
                assert!(begun.elapsed() < 3 * SOON, "nothing comes after {taken}");
                let got = receive_cq.poll(&mut room).expect("poll");
                if got.is_empty() {
                    std::thread::yield_now();
                }
                for completion in got {
                    let work = receive.reap(completion).expect("a receive");
                    receive.post_empty(1, 0).expect("a receive");
                    let until = work.immediate.expect("immediate data");
                    assert!(
                        until > taken && until - taken <= CELLS,
                        "{until} after {taken}"
                    );
                    for i in taken..until {
                        let mut cell = [0; 64];
                        region
                            .read((i % CELLS) as usize * 64, &mut cell)
                            .expect("within");
                        assert_eq!(cell[..4], i.to_le_bytes());
                        assert!(cell[4..].iter().all(|&byte| byte == i as u8), "cell {i}");
                    }
                    taken = until;
                }
                // told to the peer by the test itself, as if by another connection
                told.store(taken, Ordering::Release);
            }
            (receive, receive_cq, region, domain)
        });
        (sender, receiver, kept)
    };
    // how far each end has taken what came; not by number: two devices may give the same ones
    let (taken_a, taken_b) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (send_a, receive_a, region_a) = work(a, to_b, taken_a.clone());
    let (send_b, receive_b, region_b) = work(b, to_a, taken_b.clone());
    while !(receive_a.is_finished() && receive_b.is_finished()) {
        for (taken, region) in [(&taken_a, &region_b), (&taken_b, &region_a)] {
            let taken = taken.load(Ordering::Acquire);
            region.store_u64(bytes, taken.into(), Ordering::Release)?;
        }
        if begun.elapsed() > 3 * SOON {
            break;
        }
        std::thread::yield_now();
    }
    let senders = [send_a.join(), send_b.join()];
    let receivers = [receive_a.join(), receive_b.join()];
    if senders.iter().any(Result::is_err) || receivers.iter().any(std::result::Result::is_err) {
        return Err("a thread panicked".into());
    }
    Ok(())
}

fn memory_file(len: u64) -> std::io::Result<std::fs::File> {
    // SAFETY: a valid name; the result is checked, and a descriptor just made is ours.
    let file = unsafe {
        let fd = libc::memfd_create(
            c"verbs".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        );
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        std::fs::File::from(OwnedFd::from_raw_fd(fd))
    };
    file.set_len(len)?;
    Ok(file)
}

fn kinds_of_memory(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 1 << 16)?;
    a.fill(9)?;
    let mut write_and_check = |region: &MemoryRegion, seen: &dyn Fn() -> Vec<u8>| -> Outcome {
        let to = region.remote().slice(1, 3000).ok_or("a slice")?;
        let from = a.region.slice(0..3000).ok_or("a slice")?;
        let mut batch = a.qp.send_queue().batch();
        batch.write(from, to, Options::new().signalled())?;
        batch.post()?;
        a.sent()?;
        let bytes = seen();
        assert!((0..3000).all(|i| bytes[1 + i] == pattern(i, 9)));
        Ok(())
    };
    // a memory file, seen through another mapping of it
    let file = memory_file(8192)?;
    let (one, other) = (
        HostMemory::shared(file.as_fd(), 8192)?,
        HostMemory::shared(file.as_fd(), 8192)?,
    );
    let region = b.domain.register(one, BOTH)?;
    let through = || {
        let mut bytes = vec![0; 8192];
        // SAFETY: both are as long; the write is over.
        unsafe { std::ptr::copy_nonoverlapping(other.start(), bytes.as_mut_ptr(), 8192) };
        bytes
    };
    write_and_check(&region, &through)?;
    // a file of /dev/shm
    let path = format!("/dev/shm/verbs-test-{}", std::process::id());
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    file.set_len(8192)?;
    let region = b
        .domain
        .register(HostMemory::shared(file.as_fd(), 8192)?, BOTH)?;
    let through = || {
        let mut bytes = vec![0; 8192];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).expect("the file");
        bytes
    };
    write_and_check(&region, &through)?;
    // a range that begins and ends anywhere, of memory that is not ours
    let mut memory = vec![0u8; 5000];
    let start = memory.as_mut_ptr();
    // SAFETY: the vector lives longer than the region and is not looked at by reference while that is registered.
    let region = unsafe { b.domain.register_raw(start.add(13), 4001, BOTH) }?;
    let mut bytes = vec![0; 4001];
    write_and_check(&region, &|| {
        let mut bytes = vec![0; 4001];
        region.read(0, &mut bytes).expect("the whole region");
        bytes
    })?;
    region.read(0, &mut bytes)?;
    drop(region);
    assert_eq!((memory[12], &memory[13..4014]), (0, &bytes[..]));
    // huge pages, where there are any or root can make some
    let _ = std::fs::write("/proc/sys/vm/nr_hugepages", "8");
    match HostMemory::huge(1 << 21, 2 << 20) {
        Ok(memory) => {
            let region = b.domain.register(memory, BOTH)?;
            write_and_check(&region, &|| {
                let mut bytes = vec![0; 8192];
                region.read(0, &mut bytes).expect("within");
                bytes
            })?;
        }
        Err(error) => println!("        (no huge pages: {error})"),
    }
    Ok(())
}

fn memory_that_does_not_register(rig: &Rig) -> Outcome {
    let (route, _) = rig.routes()?;
    let domain = route.context.protection_domain()?;
    let limits = *route.context.limits();
    let memory = || HostMemory::anonymous(4096);
    // on-demand paging
    let on_demand = domain.register(memory()?, BOTH | Access::ON_DEMAND);
    match (limits.on_demand_paging, on_demand) {
        (true, result) => drop(result?),
        (false, Err(Error::Unsupported { .. })) => {}
        (false, other) => return Err(format!("on-demand paging: {:?}", other.err()).into()),
    }
    // a descriptor that is no dma-buf; and a dma-buf made of a memory file, where the kernel can
    let file = memory_file(4096)?;
    assert!(domain.register_dmabuf(file.as_fd(), 0, 4096, BOTH).is_err());
    match udmabuf(&file) {
        Ok(buffer) => match domain.register_dmabuf(buffer.as_fd(), 0, 4096, BOTH) {
            Ok(region) => assert!(region.as_ptr().is_null() && region.read(0, &mut [0]).is_err()),
            Err(Error::Unsupported { .. }) => println!("        (this device takes no dma-buf)"),
            Err(error) => return Err(error.into()),
        },
        Err(error) => println!("        (no udmabuf: {error})"),
    }
    // a range that is not mapped
    // SAFETY: it is not mapped, which is what is tested: the call must fail.
    let unmapped = unsafe { domain.register_raw(4096 as *mut u8, 4096, BOTH) };
    let errno = unmapped.err().and_then(|error| error.errno());
    assert!(
        matches!(errno, Some(libc::EFAULT | libc::ENOMEM)),
        "{errno:?}"
    );
    // SAFETY: as above.
    assert!(unsafe { domain.register_raw(4096 as *mut u8, 0, BOTH) }.is_err());
    // more than the device can
    if limits.region_bytes_max < u64::MAX {
        // SAFETY: as above.
        let result = unsafe { domain.register_raw(4096 as *mut u8, usize::MAX, BOTH) };
        assert!(matches!(result, Err(Error::Limit { .. })));
    }
    // a domain in use is not closed
    let region = domain.register(memory()?, BOTH)?;
    assert!(region.domain().close().is_err());
    let alone = route.context.protection_domain()?;
    alone.close()?;
    Ok(())
}

fn udmabuf(file: &std::fs::File) -> std::io::Result<OwnedFd> {
    #[repr(C)]
    struct Create {
        memfd: u32,
        flags: u32,
        offset: u64,
        size: u64,
    }
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/udmabuf")?;
    // SAFETY: plain system calls with arguments of the right types; a descriptor just made is ours.
    unsafe {
        libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK);
        let create = Create {
            memfd: file.as_raw_fd() as u32,
            flags: 1,
            offset: 0,
            size: 4096,
        };
        // UDMABUF_CREATE of linux/udmabuf.h
        let fd = libc::ioctl(device.as_raw_fd(), 0x4018_7542, &raw const create);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn locked_memory(rig: &Rig) -> Outcome {
    let limit = locked_memory_limit();
    if limit >= 1 << 30 {
        println!("        (no limit here)");
        return Ok(());
    }
    let (route, _) = rig.routes()?;
    let domain = route.context.protection_domain()?;
    let memory = HostMemory::anonymous(usize::try_from(limit)? + (1 << 20))?;
    match domain.register(memory, BOTH) {
        Err(Error::Unavailable(why @ WhyNot::LockedMemory { .. })) => {
            assert!(why.to_string().contains(&limit.to_string()), "{why}");
            Ok(())
        }
        other => Err(format!("{:?}", other.err()).into()),
    }
}

fn registration_cache(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 4096)?;
    let limits = CacheLimits {
        regions: 4,
        bytes: 1 << 20,
    };
    let memory = HostMemory::anonymous(1 << 20)?;
    let cache = RegistrationCache::new(&a.domain, Access::LOCAL_READ, limits);
    let at = |offset: usize| memory.start().wrapping_add(offset);
    // SAFETY: the memory lives longer than the cache and all regions, in all of this test.
    let get = |offset: usize, len: usize| unsafe { cache.get(at(offset), len) };
    let (first, _) = get(0, 65536)?;
    let (again, offset) = get(1000, 500)?;
    assert!(Arc::ptr_eq(&first, &again) && offset == 1000);
    let (longer, offset) = get(1000, 65536)?;
    assert!(!Arc::ptr_eq(&first, &longer) && offset == 0);
    assert_eq!(cache.usage(), (2, 2 * 65536));
    // used for a write
    // SAFETY: within the memory, which nobody refers to.
    unsafe { at(1000).write_bytes(0x5a, 64) };
    let slice = again.slice(1000..1064).ok_or("a slice")?;
    let mut batch = a.qp.send_queue().batch();
    batch.write(
        slice,
        b.region.remote().slice(0, 64).ok_or("a slice")?,
        Options::new().signalled(),
    )?;
    batch.post()?;
    a.sent()?;
    assert_eq!(b.bytes()[..65], [[0x5a; 64].as_slice(), &[0]].concat());
    // what is held is told
    assert_eq!(
        cache.invalidate(at(60000), 1),
        Invalidated {
            removed: 2,
            in_use: 2
        }
    );
    drop((first, again, longer));
    for i in 0..10 {
        get(i << 16, 65536)?;
    }
    assert_eq!(cache.usage(), (4, 4 * 65536));
    assert_eq!(
        cache.invalidate(at(0), 1 << 20),
        Invalidated {
            removed: 4,
            in_use: 0
        }
    );
    assert_eq!(cache.usage(), (0, 0));
    Ok(())
}

fn attributes_named(rig: &Rig) -> Outcome {
    let (route, other) = rig.routes()?;
    let options = QueuePairOptions::default();
    let cases = [
        (
            "IBV_QP_TIMEOUT",
            ConnectOptions {
                timeout: 32,
                ..Default::default()
            },
        ),
        (
            "IBV_QP_RETRY_CNT",
            ConnectOptions {
                retries: 8,
                ..Default::default()
            },
        ),
        (
            "IBV_QP_RNR_RETRY",
            ConnectOptions {
                rnr_retries: 8,
                ..Default::default()
            },
        ),
        (
            "IBV_QP_MIN_RNR_TIMER",
            ConnectOptions {
                min_rnr_timer: 32,
                ..Default::default()
            },
        ),
        (
            "IBV_QP_AV",
            ConnectOptions {
                service_level: 16,
                ..Default::default()
            },
        ),
    ];
    let peer = half(&other, &options, 4096)?;
    for (name, connect) in cases {
        let qp = half(&route, &options, 4096)?.qp;
        let error = qp
            .connect(&peer.qp.endpoint()?, &connect)
            .err()
            .ok_or("connected")?;
        assert!(matches!(error, Error::Transition(_)), "{error}");
        assert!(
            error.to_string().contains(name),
            "{error} should name {name}"
        );
    }
    // what only the kernel can know
    let nobody = Endpoint {
        gid: Gid::from_ip("240.0.0.1".parse()?),
        ..peer.qp.endpoint()?
    };
    let qp = half(&route, &options, 4096)?.qp;
    match qp.connect(&nobody, &patient()) {
        // the address of a peer is resolved when connecting, or when sending
        Ok(_) => {
            println!("        (this device does not resolve the peer's address when connecting)")
        }
        Err(error) => assert!(error.to_string().contains("IBV_QP_AV"), "{error}"),
    }
    let wrong = Endpoint {
        gid_kind: GidKind::RoceV1,
        ..peer.qp.endpoint()?
    };
    let qp = half(&route, &options, 4096)?.qp;
    assert!(matches!(
        qp.connect(&wrong, &patient()),
        Err(Error::Endpoint(_))
    ));
    // addresses that no port has
    let nowhere = Route::from_local("192.0.2.9".parse()?);
    assert!(matches!(
        nowhere,
        Err(Error::Unavailable(WhyNot::NoUsableGid { .. }))
    ));
    Ok(())
}

fn no_overrun(rig: &Rig) -> Outcome {
    let (route, _) = rig.routes()?;
    let domain = route.context.protection_domain()?;
    let cq = route.context.completion_queue(100)?;
    let options = |send_depth, receive_depth| QueuePairOptions {
        send_depth,
        receive_depth,
        ..Default::default()
    };
    let first = domain.queue_pair(&options(40, 40), &cq, &cq)?;
    for (send, receive) in [(21, 0), (2, 19), (20, 1)] {
        let error = domain
            .queue_pair(&options(send, receive), &cq, &cq)
            .err()
            .ok_or("made")?;
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
    let second = domain.queue_pair(&options(10, 10), &cq, &cq)?;
    drop(first);
    // its completions, if it had any, may still be in the queue
    assert!(domain.queue_pair(&options(40, 40), &cq, &cq).is_err());
    assert!(cq.poll(&mut Completions::<1>::new())?.is_empty());
    domain.queue_pair(&options(40, 40), &cq, &cq)?;
    drop(second);
    assert!(domain.queue_pair(&options(0, 1), &cq, &cq).is_err());
    assert!(route.context.completion_queue(0).is_err());
    assert!(route.context.completion_queue(u32::MAX).is_err());
    if route.context.limits().moderation_count_max == 0 {
        assert!(matches!(cq.moderate(4, 10), Err(Error::Unsupported { .. })));
    } else {
        cq.moderate(1, 1)?;
    }
    Ok(())
}

fn sixty_four(rig: &Rig) -> Outcome {
    const COUNT: usize = 64;
    let options = QueuePairOptions {
        send_depth: 16,
        receive_depth: 16,
        ..Default::default()
    };
    let mut pairs = Vec::new();
    for _ in 0..COUNT {
        pairs.push(pair_with(rig, &options, 4096, &patient())?);
    }
    let mut numbers: Vec<u32> = pairs
        .iter()
        .flat_map(|(a, b)| [a.qp.number(), b.qp.number()])
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    // two devices may give the same numbers
    assert!(numbers.len() >= COUNT);
    for (i, (a, b)) in pairs.iter_mut().enumerate() {
        b.qp.receive_queue().post_empty(1, 0)?;
        let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
        let bytes = (i as u64).to_le_bytes();
        let mut batch = a.qp.send_queue().batch();
        batch.write_with_immediate(
            Local::Inline(&bytes),
            to,
            i as u32,
            Options::new().signalled(),
        )?;
        batch.post()?;
    }
    for (i, (a, b)) in pairs.iter_mut().enumerate() {
        assert_eq!(b.received()?.immediate, Some(i as u32));
        assert_eq!(b.region.load_u64(0, Ordering::Acquire)?, i as u64);
        a.sent()?;
    }
    Ok(())
}

fn forked_child(rig: &Rig) -> Outcome {
    let (mut a, b) = pair(rig, 4096)?;
    let to = b.region.remote().slice(0, 8).ok_or("a slice")?;
    // SAFETY: the child only drops what it has, which does no more than free memory, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop((a, b));
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(0) };
    }
    assert!(child > 0, "fork: {}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: our own child, and an out parameter.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    write_8(&mut a, to)?;
    a.sent()?;
    assert_eq!(a.qp.state()?, QpState::ReadyToSend);
    assert_eq!(b.bytes()[..9], [1, 1, 1, 1, 1, 1, 1, 1, 0]);
    Ok(())
}

/// Open descriptors, resident pages, and queue pairs of the whole system.
fn usage() -> std::result::Result<(usize, usize, Option<usize>), Failure> {
    let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).ok_or("statm")?.parse()?;
    let shown = std::process::Command::new("rdma")
        .args(["resource", "show", "qp"])
        .output();
    let queue_pairs = shown.ok().filter(|shown| shown.status.success());
    let queue_pairs =
        queue_pairs.map(|shown| String::from_utf8_lossy(&shown.stdout).lines().count());
    Ok((descriptors, pages, queue_pairs))
}

fn leak(rig: &Rig) -> Outcome {
    let options = QueuePairOptions {
        send_depth: 16,
        receive_depth: 16,
        ..Default::default()
    };
    let routes = rig.routes()?;
    // one connection in ten opens its devices anew
    let one = |i: u32| -> Outcome {
        let (route_a, route_b) = if i.is_multiple_of(10) {
            rig.routes()?
        } else {
            routes.clone()
        };
        let (a, b) = (
            half(&route_a, &options, 4096)?,
            half(&route_b, &options, 4096)?,
        );
        let (to_a, to_b) = (a.qp.endpoint()?, b.qp.endpoint()?);
        let connect = patient();
        let (mut a, b) = (finish(a, &to_b, &connect)?, finish(b, &to_a, &connect)?);
        write_8(&mut a, b.region.remote().slice(0, 8).ok_or("a slice")?)?;
        a.sent()?;
        Ok(())
    };
    (0..100).try_for_each(one)?;
    let before = usage()?;
    (0..900).try_for_each(one)?;
    let after = usage()?;
    println!("        (descriptors, pages, queue pairs: {before:?} before, {after:?} after)");
    assert_eq!((before.0, before.2), (after.0, after.2));
    // a leak of one queue's room, 16 * 144 bytes, would be 500 pages
    assert!(
        after.1 <= before.1 + 100,
        "{} pages became {}",
        before.1,
        after.1
    );
    Ok(())
}

fn connection_manager(rig: &Rig) -> Outcome {
    let options = cm::CmOptions::default();
    let sizes = QueuePairOptions {
        send_depth: 16,
        receive_depth: 16,
        ..Default::default()
    };
    let listener = match cm::Listener::bind(SocketAddr::new(rig.b, 0), 4) {
        Err(Error::Unavailable(why @ WhyNot::NoConnectionManager(_))) => {
            println!("        ({why})");
            return Ok(());
        }
        other => other?,
    };
    let address = listener.local().ok_or("no address")?;
    assert_ne!(address.port(), 0);
    assert!(listener.next(Duration::from_millis(1))?.is_none());

    type Made = (QueuePair<Reset>, CompletionQueue, MemoryRegion);
    fn make(route: &Route, sizes: &QueuePairOptions) -> Result<Made> {
        let domain = route.context.protection_domain()?;
        let cq = route
            .context
            .completion_queue(sizes.send_depth + sizes.receive_depth)?;
        let region = domain.register(HostMemory::anonymous(4096)?, Access::REMOTE_WRITE)?;
        Ok((domain.queue_pair(sizes, &cq, &cq)?, cq, region))
    }
    let from = rig.a;
    // Between two interfaces of one machine the first resolution of all may find nothing, as `rping` shows too.
    let resolve = move || {
        let first = cm::Resolved::resolve(address, Some(from), &options);
        match first {
            Err(Error::TimedOut { .. } | Error::Connection { .. }) => {
                cm::Resolved::resolve(address, Some(from), &options)
            }
            other => other,
        }
    };
    let client = std::thread::spawn(move || -> std::result::Result<(), String> {
        let text = |error: Error| error.to_string();
        // rejected first
        let resolved = resolve().map_err(text)?;
        let (qp, _cq, _region) = make(resolved.route(), &sizes).map_err(text)?;
        match resolved.connect(qp, b"no", &options, |_| Ok(())) {
            Err(Error::Connection {
                event: "rejected",
                status: 28,
                ..
            }) => {}
            Err(error) => return Err(format!("instead of being rejected: {error}")),
            Ok(_) => return Err("not rejected".into()),
        }
        let resolved = resolve().map_err(text)?;
        let (qp, cq, region) = make(resolved.route(), &sizes).map_err(text)?;
        let mut mine = [0; 30];
        mine[..REMOTE_REGION_BYTES].copy_from_slice(&region.remote().encode());
        let mut connection = resolved
            .connect(qp, &mine, &options, |receive| Ok(receive.post_empty(2, 5)?))
            .map_err(text)?;
        assert_eq!(connection.private(), b"welcome");
        let done = completions(&cq, 1).map_err(|error| error.to_string())?;
        let work = connection
            .qp
            .receive_queue()
            .reap(&done[0])
            .map_err(|error| error.to_string())?;
        assert_eq!((work.immediate, work.tag), (Some(11), 5));
        assert_eq!(
            region.load_u64(0, Ordering::Acquire).map_err(text)?,
            0x0101_0101_0101_0101
        );
        if !connection.disconnected(SOON).map_err(text)? {
            return Err("not disconnected".into());
        }
        Ok(())
    });
    let deadline = Instant::now() + SOON;
    let mut request = None;
    while request.is_none() && !client.is_finished() && Instant::now() < deadline {
        request = listener.next(Duration::from_millis(100))?;
    }
    let Some(request) = request else {
        let told = client.join().map_err(|_| "the client panicked")?;
        let told = told.err().unwrap_or_default();
        if rig.a.is_loopback() && told.contains("rdma_resolve_route: No such device") {
            println!("        (the connection manager knows no route over this device: {told})");
            return Ok(());
        }
        return Err(format!("no request; the client says: {told}").into());
    };
    assert_eq!(request.private(), b"no");
    request.reject(b"not you")?;
    let request = listener.next(SOON)?.ok_or("no second request")?;
    let mut theirs = [0; REMOTE_REGION_BYTES];
    theirs.copy_from_slice(&request.private()[..REMOTE_REGION_BYTES]);
    let theirs = RemoteRegion::decode(&theirs).ok_or("not a region")?;
    assert_eq!(request.peer().map(|peer| peer.ip()), Some(rig.a));
    let (qp, cq, _region) = make(request.route(), &sizes)?;
    let mut connection = request.accept(qp, b"welcome", &options, |_| Ok(()))?;
    let mut batch = connection.qp.send_queue().batch();
    let to = theirs.slice(0, 8).ok_or("a slice")?;
    batch.write_with_immediate(Local::Inline(&[1; 8]), to, 11, Options::new().signalled())?;
    batch.post()?;
    let done = completions(&cq, 1)?;
    connection.qp.send_queue().reap(&done[0])?;
    connection.disconnect()?;
    client.join().map_err(|_| "the client panicked")??;

    // nobody listens any more
    drop(listener);
    let resolved = cm::Resolved::resolve(address, Some(rig.a), &options)?;
    let (qp, _cq, _region) = make(resolved.route(), &sizes)?;
    let error = resolved
        .connect(qp, b"", &options, |_| Ok(()))
        .err()
        .ok_or("connected")?;
    assert!(error.to_string().contains("no one listens"), "{error}");
    Ok(())
}

/// `RINGWAY_VERBS_PEER` is the program of `ci/clients/verbs_peer`: it takes our endpoint over TCP, gives its own, and
/// answers each message with every byte plus one.
fn ibverbs_crate(rig: &Rig) -> Outcome {
    use std::io::{Read, Write};
    let Some(program) = std::env::var_os("RINGWAY_VERBS_PEER") else {
        println!("        (RINGWAY_VERBS_PEER is not set)");
        return Ok(());
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut peer = std::process::Command::new(program)
        .arg(listener.local_addr()?.to_string())
        .arg(rig.b.to_string())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + SOON;
    let mut tcp = loop {
        match listener.accept() {
            Ok((tcp, _)) => break tcp,
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => {
                peer.kill()?;
                return Err(error.into());
            }
        }
    };
    let mut talk = || -> Outcome {
        tcp.set_nonblocking(false)?;
        tcp.set_read_timeout(Some(SOON))?;
        let (route, _) = rig.routes()?;
        let half = half(&route, &QueuePairOptions::default(), 1 << 17)?;
        tcp.write_all(&half.qp.endpoint()?.encode())?;
        let mut theirs = [0; ENDPOINT_BYTES];
        tcp.read_exact(&mut theirs)?;
        let mut a = finish(half, &Endpoint::decode(&theirs)?, &patient())?;
        tcp.read_exact(&mut [0])?;
        let lens = [1usize, 8, 63, 1024, 4096, 5000, 65536];
        for (round, len) in lens.into_iter().cycle().take(70).enumerate() {
            a.fill(round as u8 & 127)?;
            let place = a.region.slice(1 << 16..).ok_or("a slice")?;
            a.qp.receive_queue().post(place, 7)?;
            let mut batch = a.qp.send_queue().batch();
            let mut bytes = vec![0; len];
            a.region.read(0, &mut bytes)?;
            if len == 1 {
                bytes[0] = 3;
                batch.send(Local::Inline(&bytes), Options::new().signalled())?;
            } else {
                let slice = a.region.slice(..len).ok_or("a slice")?;
                batch.send(slice, Options::new().signalled())?;
            }
            batch.post()?;
            a.sent()?;
            let work = a.received()?;
            assert_eq!(
                (work.opcode, work.bytes as usize, work.tag),
                (Opcode::Receive, len, 7)
            );
            let mut answer = vec![0; len];
            a.region.read(1 << 16, &mut answer)?;
            assert!(
                answer
                    .iter()
                    .zip(&bytes)
                    .all(|(new, old)| *new == old.wrapping_add(1))
            );
        }
        let mut batch = a.qp.send_queue().batch();
        batch.send(Local::Inline(&[255]), Options::new().signalled())?;
        batch.post()?;
        a.sent()?;
        Ok(())
    };
    let outcome = talk();
    let deadline = Instant::now() + SOON;
    let ended = loop {
        if let Some(status) = peer.try_wait()? {
            break status.success();
        }
        if outcome.is_err() || Instant::now() > deadline {
            peer.kill()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    outcome?;
    let mut said = String::new();
    peer.stdout
        .take()
        .ok_or("no output")?
        .read_to_string(&mut said)?;
    assert!(ended && said.contains("70 messages answered"), "{said}");
    Ok(())
}

fn asynchronous_events(rig: &Rig) -> Outcome {
    let (route, other) = rig.routes()?;
    let mut events = route.context.events()?;
    assert!(route.context.events().is_err(), "two readers");
    assert_eq!(events.next(Duration::from_millis(1))?, None);
    let allowed = std::env::var_os("RINGWAY_VERBS_MAY_CHANGE_LINKS").is_some();
    if !allowed || rig.a == rig.b {
        drop(events);
        route.context.events()?;
        return Ok(());
    }
    let interface = interface_name(route.gid.interface).ok_or("no interface")?;
    let link = |state: &str| -> Outcome {
        let status = std::process::Command::new("ip")
            .args(["link", "set", &interface, state])
            .status()?;
        assert!(status.success());
        Ok(())
    };
    link("down")?;
    let number = route.port.number;
    let mut next = |wanted: u32| -> Outcome {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            match events.next(Duration::from_millis(100))? {
                Some(event) if event.code == wanted => {
                    assert_eq!(event.element, Element::Port(number), "{event}");
                    return Ok(());
                }
                Some(event) => println!("        ({event})"),
                None => {}
            }
        }
        Err(format!("event {wanted} did not come").into())
    };
    let told = next(AsyncEvent::PORT_DOWN);
    let refused = Route::from_local(rig.a);
    link("up")?;
    told?;
    match refused {
        Err(Error::Unavailable(WhyNot::PortDown { port, .. })) => assert_eq!(port, number),
        Err(error) => return Err(format!("instead of a port that is down: {error}").into()),
        Ok(route) => return Err(format!("{route} is down").into()),
    }
    next(AsyncEvent::PORT_ACTIVE)?;
    // it comes back for those that follow
    let deadline = Instant::now() + SOON;
    while Route::from_local(rig.a).is_err() {
        assert!(Instant::now() < deadline, "the port stays down");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(other);
    Ok(())
}

fn interface_name(index: u32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: a buffer of the size that the call demands.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: a string that the call has just written.
    let name = unsafe { std::ffi::CStr::from_ptr(found) };
    Some(name.to_string_lossy().into_owned())
}
