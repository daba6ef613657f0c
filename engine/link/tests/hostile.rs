//! A peer that sends or writes whatever it likes. It may end its own lane; it may not crash, hang or corrupt us.
//! Every seed is printed with a failure.

use ringway_link::{ClientLane, DownCause, LaneConfig, LinkError, ServerLane, shm, tcp};
use ringway_shm_ring::Region;
use ringway_wire::frame::Frame;
use ringway_wire::layout::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const KEY: u64 = 0x0bad_cafe_1234_4321;
const RING: u64 = 8192;
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> LaneConfig {
    LaneConfig {
        geometry: Geometry::new(RING, RING).expect("sizes"),
        lane_key: KEY,
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Small, huge, or just at a limit.
    fn number(&mut self, limit: u64) -> u64 {
        match self.below(6) {
            0 => limit,
            1 => limit + 1,
            2 => self.next(),
            3 => 0,
            _ => self.below(limit + 1),
        }
    }
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let a = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (b, _) = listener.accept().expect("accept");
    (a, b)
}

/// One record as an honest client would write it at `position`, or nearly.
fn record(random: &mut Random, position: u64, key: u64) -> Vec<u8> {
    let len = random.below(300);
    let bytes = (16 + len).next_multiple_of(64) as usize;
    let mut record = random.bytes(bytes);
    let claimed = if random.below(40) == 0 {
        random.number(RING / 4)
    } else {
        len
    } as u32;
    let tag = if random.below(10) == 0 {
        TAG_PAD
    } else {
        random.below(400) as u32
    };
    let commit = if random.below(40) == 0 {
        random.next()
    } else {
        position ^ key
    };
    record[..8].copy_from_slice(&commit.to_le_bytes());
    record[8..12].copy_from_slice(&claimed.to_le_bytes());
    record[12..16].copy_from_slice(&tag.to_le_bytes());
    record
}

/// A stream of frames that is nearly right: mostly honest, sometimes not.
fn frames(random: &mut Random, key: u64, to_server: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut position = 0u64;
    for _ in 0..60 {
        let choice = random.below(if to_server { 120 } else { 30 });
        match choice {
            0 => {
                let len = random.below(40) as usize;
                stream.extend(random.bytes(len));
            }
            1 => {
                let frame = Frame::Ring {
                    position: random.number(position),
                    len: random.number(RING) as u32,
                };
                stream.extend(frame.encode());
            }
            2 => {
                let frame = Frame::Board {
                    offset: random.number(BOARD_END as u64) as usize,
                    len: random.number(BOARD_END as u64) as usize,
                };
                stream.extend(frame.encode());
                let len = random.below(700) as usize;
                stream.extend(random.bytes(len));
            }
            3 => stream.extend(
                Frame::Released {
                    position: random.number(RING),
                }
                .encode(),
            ),
            4..=8 if !to_server => {
                let words = 1 + random.below(16) as usize;
                let offset = random.below(BOARD_END as u64 / 8 - 16) as usize * 8;
                stream.extend(
                    Frame::Board {
                        offset,
                        len: words * 8,
                    }
                    .encode(),
                );
                stream.extend(random.bytes(words * 8));
            }
            9..=13 if !to_server => {
                let len = 24 + random.below(448) as usize;
                stream.extend(
                    Frame::Reply {
                        slot: random.below(64) as u16,
                        len,
                    }
                    .encode(),
                );
                stream.extend(random.bytes(len));
            }
            _ => {
                let bytes = record(random, position, key);
                let to_end = RING - position % RING;
                if bytes.len() as u64 <= to_end {
                    stream.extend(
                        Frame::Ring {
                            position,
                            len: bytes.len() as u32,
                        }
                        .encode(),
                    );
                    position += bytes.len() as u64;
                    stream.extend(bytes);
                }
            }
        }
    }
    stream
}

/// Polls until the lane is down; how many records came, and the cause.
fn poll_out(mut server: ServerLane, seed: u64) -> (u64, DownCause) {
    let start = Instant::now();
    let mut records = 0;
    loop {
        assert!(start.elapsed() < PATIENCE, "seed {seed}: hangs");
        let end = match server.poll() {
            Ok(Some(record)) => {
                assert!(
                    record.payload.len() <= config().geometry.payload_max(),
                    "seed {seed}"
                );
                let bytes = record.payload.to_vec();
                records += 1;
                (record.position_end, u16::from(*bytes.first().unwrap_or(&0)))
            }
            Ok(None) => {
                let _ = server.park(Duration::from_millis(50));
                continue;
            }
            Err(LinkError::Down(cause)) => return (records, cause),
            Err(other) => panic!("seed {seed}: {other}"),
        };
        let _ = server.reply(end.1 % 64, end.0, 1, b"answer");
        let _ = server.try_notice(1, &[b"notice"]);
        server.release(end.0);
    }
}

#[test]
fn a_server_survives_any_stream_of_frames() {
    let (mut misbehaved, mut records, mut closed) = (0, 0, 0);
    for seed in 1..=400 {
        let mut random = Random::new(seed);
        let (mut attacker, socket) = sockets();
        let server = tcp::server(socket, &config()).expect("server");
        let polling = std::thread::spawn(move || poll_out(server, seed));
        let stream = frames(&mut random, submit_key(KEY), true);
        for piece in stream.chunks(1 + random.below(3000) as usize) {
            if attacker.write_all(piece).is_err() {
                break;
            }
        }
        let _ = attacker.shutdown(Shutdown::Write);
        let (n, cause) = polling.join().expect("the server's thread survives");
        records += n;
        match cause {
            DownCause::PeerMisbehaved { .. } => misbehaved += 1,
            DownCause::PeerClosed => closed += 1,
            other => panic!("seed {seed}: {other}"),
        }
    }
    assert!(
        misbehaved > 200 && records > 500 && closed > 0,
        "{misbehaved} {records} {closed}"
    );
}

#[test]
fn a_client_survives_any_stream_of_frames() {
    let mut misbehaved = 0;
    for seed in 1..=200 {
        let mut random = Random::new(seed);
        let (mut attacker, socket) = sockets();
        let client = tcp::client(socket, &config()).expect("client");
        client
            .set_notice_sink(Box::new(|_, payload| drop(payload.to_vec())))
            .expect("sink");
        let waiting = std::thread::spawn(move || use_lane(&client, seed));
        let stream = frames(&mut random, notice_key(KEY), false);
        for piece in stream.chunks(1 + random.below(3000) as usize) {
            if attacker.write_all(piece).is_err() {
                break;
            }
        }
        let _ = attacker.shutdown(Shutdown::Write);
        let cause = waiting.join().expect("the client's thread survives");
        let _ = attacker.read(&mut [0; 16]);
        misbehaved += usize::from(matches!(cause, DownCause::PeerMisbehaved { .. }));
    }
    assert!(misbehaved > 60, "{misbehaved}");
}

/// Posts and calls until the lane is down. Answers may be nonsense, but they come within bounds.
fn use_lane(client: &ClientLane, seed: u64) -> DownCause {
    let start = Instant::now();
    let short = Duration::from_millis(20);
    loop {
        assert!(start.elapsed() < PATIENCE, "seed {seed}: hangs");
        let step = || {
            let mut slot = client.acquire_slot(short)?;
            let record = client.reserve(7, 100, short)?;
            let position = record.commit_call(&mut slot);
            let head = slot.wait(position, short, &mut [0; 448])?;
            assert!(head.len <= 448);
            for nth in 0..40 {
                let _ = client.logged_error(nth);
            }
            let _ = (
                client.word(63),
                client.executed(),
                client.consumed(),
                client.sticky_error(),
            );
            client.drain_notices().map(|_| ())
        };
        match step() {
            Ok(()) | Err(LinkError::Timeout { .. }) => {}
            Err(LinkError::Down(cause)) => return cause,
            Err(other) => panic!("seed {seed}: {other}"),
        }
        if let Err(LinkError::Down(cause)) = client.drain_notices() {
            return cause;
        }
    }
}

#[test]
fn ring_bytes_that_come_again_are_ignored_and_gaps_are_not() {
    let mut random = Random::new(1);
    let key = submit_key(KEY);
    let honest = |position: u64, tag: u32| {
        let mut record = vec![0x55; 64];
        record[..8].copy_from_slice(&(position ^ key).to_le_bytes());
        record[8..12].copy_from_slice(&20u32.to_le_bytes());
        record[12..16].copy_from_slice(&tag.to_le_bytes());
        record
    };
    let (mut peer, socket) = sockets();
    let mut server = tcp::server(socket, &config()).expect("server");
    let mut ring = Vec::new();
    for n in 0..8 {
        ring.extend(honest(n * 64, n as u32));
    }
    let mut have = 0usize;
    while have < ring.len() {
        // Whatever was sent already, from some point before, and a little more.
        let from = random.below(have as u64 + 1) as usize;
        let to = (have + 1 + random.below(90) as usize).min(ring.len());
        peer.write_all(
            &Frame::Ring {
                position: from as u64,
                len: (to - from) as u32,
            }
            .encode(),
        )
        .expect("send");
        peer.write_all(&ring[from..to]).expect("send");
        have = to;
    }
    let start = Instant::now();
    let mut next = 0;
    while next < 8 {
        assert!(start.elapsed() < PATIENCE);
        match server.poll().expect("poll") {
            Some(record) => {
                assert_eq!(
                    (record.tag, record.payload.to_vec()),
                    (next, vec![0x55; 20])
                );
                next += 1;
            }
            None => server.park(Duration::from_millis(50)).expect("park"),
        }
    }
    peer.write_all(
        &Frame::Ring {
            position: 8 * 64 + 1,
            len: 10,
        }
        .encode(),
    )
    .expect("send");
    let cause = loop {
        assert!(start.elapsed() < PATIENCE);
        match server.poll().map(|record| record.is_some()) {
            Ok(true) => panic!("a record out of nothing"),
            Ok(false) => _ = server.park(Duration::from_millis(50)),
            Err(LinkError::Down(cause)) => break cause,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(
        matches!(cause, DownCause::PeerMisbehaved { rule: "W12", .. }),
        "{cause}"
    );
}

#[test]
fn ring_bytes_over_unreleased_space_are_refused() {
    let (mut peer, socket) = sockets();
    let mut server = tcp::server(socket, &config()).expect("server");
    let zeros = vec![0; RING as usize];
    peer.write_all(
        &Frame::Ring {
            position: 0,
            len: RING as u32,
        }
        .encode(),
    )
    .expect("send");
    peer.write_all(&zeros).expect("send");
    peer.write_all(
        &Frame::Ring {
            position: RING,
            len: 64,
        }
        .encode(),
    )
    .expect("send");
    peer.write_all(&zeros[..64]).expect("send");
    let start = Instant::now();
    let cause = loop {
        assert!(start.elapsed() < PATIENCE);
        match server.poll().map(|record| record.is_some()) {
            Ok(_) => _ = server.park(Duration::from_millis(50)),
            Err(LinkError::Down(cause)) => break cause,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(
        matches!(cause, DownCause::PeerMisbehaved { rule: "W7", .. }),
        "{cause}"
    );
}

/// A client that writes anything into the shared window, at any time, while the server polls.
#[test]
fn a_server_survives_any_writes_to_its_window() {
    let (mut misbehaved, mut records) = (0, 0);
    for seed in 1..=150 {
        let mut random = Random::new(seed);
        let (a, b) = UnixStream::pair().expect("pair");
        let server = shm::offer(a, &config()).expect("offer");
        let client = shm::accept(b, &config()).expect("accept");
        let mut first = client.reserve(1, 8, PATIENCE).expect("reserve");
        // The window's memory as the client has it: the ring begins one header before the first payload.
        let window = first
            .payload_ptr()
            .wrapping_sub(RECORD_HEADER + SUBMIT_RING_AT);
        first.commit();
        let handle = server.handle().clone();
        let polling = std::thread::spawn(move || poll_out(server, seed));
        let mut position = 64u64;
        for _ in 0..400 {
            let (at, bytes) = match random.below(12) {
                // Control words: releases, sleepers, leaders.
                0 => (
                    random.below(CONTROL_END as u64 - 64) as usize,
                    random.bytes(8),
                ),
                1 => (
                    SUBMIT_RING_AT + random.below(RING - 64) as usize,
                    random.bytes(40),
                ),
                _ => {
                    let bytes = record(&mut random, position, submit_key(KEY));
                    let at = SUBMIT_RING_AT + (position % RING) as usize;
                    if at + bytes.len() > SUBMIT_RING_AT + RING as usize {
                        continue;
                    }
                    position += bytes.len() as u64;
                    (at, bytes)
                }
            };
            for (i, byte) in bytes.iter().enumerate() {
                // SAFETY: inside the window, which `client` keeps mapped; races with the server on purpose, as a hostile
                // process would, byte by byte.
                unsafe { window.add(at + i).write_volatile(*byte) };
            }
            if random.below(10) == 0 {
                handle.wake();
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        client.close();
        let (n, cause) = polling.join().expect("the server's thread survives");
        records += n;
        misbehaved += usize::from(matches!(cause, DownCause::PeerMisbehaved { .. }));
    }
    assert!(misbehaved > 3 && records > 300, "{misbehaved} {records}");
}

/// A server that writes anything into the shared window while the client waits.
#[test]
fn a_client_survives_any_writes_to_its_window() {
    for seed in 1..=30 {
        let mut random = Random::new(seed);
        let (a, b) = UnixStream::pair().expect("pair");
        let server = shm::offer(a, &config()).expect("offer");
        let client = shm::accept(b, &config()).expect("accept");
        let (give, take) = std::sync::mpsc::channel();
        client
            .set_notice_sink(Box::new(move |_, payload| {
                let _ = give.send(payload.as_ptr() as usize);
                drop(payload.to_vec());
            }))
            .expect("sink");
        server.try_notice(1, &[b"first"]).expect("notice");
        assert_eq!(client.drain_notices(), Ok(1));
        let window = take.recv_timeout(PATIENCE).expect("address") - RECORD_HEADER - NOTICE_RING_AT;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| use_lane(&client, seed));
            let mut position = 64u64;
            for _ in 0..300 {
                let (at, bytes) = match random.below(8) {
                    0 => (
                        random.below(BOARD_END as u64 - 64) as usize,
                        random.bytes(16),
                    ),
                    1 => (
                        REPLY_SLOTS_AT + random.below(8 * 512) as usize,
                        random.bytes(24),
                    ),
                    2 => (BOARD_CONSUMED, random.bytes(8)),
                    _ => {
                        let bytes = record(&mut random, position, notice_key(KEY));
                        let at = NOTICE_RING_AT + (position % RING) as usize;
                        if at + bytes.len() > NOTICE_RING_AT + RING as usize {
                            continue;
                        }
                        position += bytes.len() as u64;
                        (at, bytes)
                    }
                };
                for (i, byte) in bytes.iter().enumerate() {
                    // SAFETY: inside the client's window, which `client` keeps mapped; races on purpose.
                    unsafe { ((window + at + i) as *mut u8).write_volatile(*byte) };
                }
                if random.below(8) == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
            drop(server);
            waiting.join().expect("the client's thread survives");
        });
    }
}

/// Sends `message` with `fds` as an offer, as anybody could.
fn send_offer(socket: &UnixStream, message: &[u8], fds: &[i32]) {
    #[repr(C, align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut iov = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    // SAFETY: as in the library: zeroed header, pointers to memory that outlives the call, room for two descriptors.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        if !fds.is_empty() {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = libc::CMSG_SPACE(size_of_val(fds) as u32) as _;
            let cmsg = libc::CMSG_FIRSTHDR(&raw const header);
            (*cmsg).cmsg_level = libc::SOL_SOCKET;
            (*cmsg).cmsg_type = libc::SCM_RIGHTS;
            (*cmsg).cmsg_len = libc::CMSG_LEN(size_of_val(fds) as u32) as _;
            std::ptr::copy_nonoverlapping(
                fds.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(cmsg),
                size_of_val(fds),
            );
        }
        assert_eq!(
            libc::sendmsg(socket.as_raw_fd(), &raw const header, 0),
            message.len() as isize
        );
    }
}

fn offer_message(server_bytes: usize, client_bytes: usize) -> Vec<u8> {
    let mut message = b"RWSHM\0\0\x02".to_vec();
    for word in [server_bytes as u64, client_bytes as u64, 0] {
        message.extend(word.to_le_bytes());
    }
    message
}

#[test]
fn w10_offers_that_are_refused() {
    let geometry = config().geometry;
    let (server_bytes, client_bytes) = (
        geometry.server_window_bytes(),
        geometry.client_window_bytes(),
    );
    let memfd = |bytes| -> OwnedFd { Region::memfd(bytes).expect("memfd").1 };
    let (one, two) = (memfd(server_bytes), memfd(client_bytes));
    let short = memfd(client_bytes - 4096);
    let unsealed = tempfile();
    let fds = [one.as_raw_fd(), two.as_raw_fd()];
    let good = offer_message(server_bytes, client_bytes);
    let mut bad_magic = good.clone();
    bad_magic[0] ^= 1;
    let with_shared = |bytes: u64| [&good[..24], &bytes.to_le_bytes()].concat();
    let shared = memfd(8192);
    let three = |third: &OwnedFd| [fds[0], fds[1], third.as_raw_fd()];
    for (what, message, fds) in [
        ("magic", bad_magic, &fds[..]),
        (
            "sizes",
            offer_message(server_bytes, client_bytes + 4096),
            &fds[..],
        ),
        ("no files", good.clone(), &[]),
        ("one file", good.clone(), &fds[..1]),
        ("short file", good.clone(), &[fds[0], short.as_raw_fd()]),
        (
            "unsealed file",
            good.clone(),
            &[fds[0], unsealed.as_raw_fd()],
        ),
        ("shared memory of no length", good.clone(), &three(&shared)),
        ("shared memory of an odd length", with_shared(4097), &three(&shared)),
        ("more shared memory than there can be", with_shared(u64::MAX & !4095), &three(&shared)),
        ("more shared memory than there is", with_shared(1 << 30), &three(&shared)),
        ("unsealed shared memory", with_shared(4096), &three(&unsealed)),
        ("a fourth file", with_shared(8192), &[fds[0], fds[1], fds[0], fds[1]]),
    ] {
        let (a, b) = UnixStream::pair().expect("pair");
        send_offer(&a, &message, fds);
        let error = shm::accept(b, &config()).err();
        assert!(
            matches!(
                error,
                Some(LinkError::Down(DownCause::PeerMisbehaved {
                    rule: "W10",
                    ..
                }))
            ),
            "{what}: {error:?}"
        );
    }
    let (a, b) = UnixStream::pair().expect("pair");
    drop(a);
    assert!(matches!(
        shm::accept(b, &config()).err(),
        Some(LinkError::Down(DownCause::PeerClosed))
    ));
    let (a, b) = UnixStream::pair().expect("pair");
    send_offer(&a, &good, &fds);
    assert!(shm::accept(b, &config()).is_ok());
    let (a, b) = UnixStream::pair().expect("pair");
    send_offer(&a, &with_shared(8192), &three(&shared));
    let (_, memory) = shm::accept_with(b, &config()).expect("accept");
    assert_eq!(memory.expect("shared memory").len(), 8192);
}

/// A memory file of enough bytes that could still shrink.
fn tempfile() -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: plain system call, result checked, descriptor owned by nobody else.
    unsafe {
        let fd = libc::memfd_create(c"t".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        assert!(fd >= 0 && libc::ftruncate(fd, 1 << 20) == 0);
        OwnedFd::from_raw_fd(fd)
    }
}
