//! The tests. Both ends live in one process, the server's on a thread of its own.

use ringway_link::{ClientLane, DownCause, LaneConfig, LinkError, ServerLane};
use ringway_wire::layout::{Geometry, REPLY_INLINE_MAX};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub type Pair = dyn Fn(&LaneConfig) -> (ClientLane, ServerLane);

/// Bound of every wait that is expected to succeed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn config(ring: u64, notices: u64) -> LaneConfig {
    LaneConfig {
        geometry: Geometry::new(ring, notices).expect("sizes"),
        lane_key: 0x1234_5678_9abc_def0,
    }
}

pub const SMALL: u64 = 1 << 16;

/// What a test's records mean.
pub const POST: u32 = 1;
pub const CALL: u32 = 2;

/// Polls and parks until the lane is down, handing every record to `f`; then the cause.
fn serve(
    mut lane: ServerLane,
    mut f: impl FnMut(&ServerLane, u32, u64, Vec<u8>) + Send + 'static,
) -> JoinHandle<DownCause> {
    std::thread::spawn(move || {
        loop {
            match lane.poll() {
                Ok(Some(record)) => {
                    let (tag, position, bytes) =
                        (record.tag, record.position_end, record.payload.to_vec());
                    f(&lane, tag, position, bytes);
                    lane.release(position);
                }
                Ok(None) => {
                    if let Err(LinkError::Down(cause)) = lane.park(Duration::from_secs(1)) {
                        return cause;
                    }
                }
                Err(LinkError::Down(cause)) => return cause,
                Err(other) => panic!("{other}"),
            }
        }
    })
}

pub fn post(lane: &ClientLane, bytes: &[u8]) -> u64 {
    let mut record = lane.reserve(POST, bytes.len(), PATIENCE).expect("reserve");
    record.write_at(0, bytes);
    record.commit()
}

/// Calls with slot and `bytes`; status and answer.
pub fn call(
    lane: &ClientLane,
    bytes: &[u8],
    timeout: Duration,
) -> Result<(u32, Vec<u8>), LinkError> {
    let mut slot = lane.acquire_slot(timeout)?;
    let mut record = lane.reserve(CALL, bytes.len() + 2, timeout)?;
    record.write_at(0, &slot.index().to_le_bytes());
    record.write_at(2, bytes);
    let position = record.commit_call(&mut slot);
    let mut out = [0; REPLY_INLINE_MAX];
    let head = slot.wait(position, timeout, &mut out)?;
    Ok((head.status, out[..head.len].to_vec()))
}

pub fn slot_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

pub fn pattern(n: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| {
            (n.wrapping_mul(0x9e37_79b9)
                .wrapping_add(i.wrapping_mul(131))
                >> 3) as u8
        })
        .collect()
}

/// What the client's service thread does, until the lane is down.
fn tend(client: &ClientLane) {
    while client.wait_notices(PATIENCE).is_ok() {}
}

/// Closes the server's end, which ends `tend`.
fn close_after(server: &ServerLane, tending: std::thread::ScopedJoinHandle<'_, ()>) {
    server.close();
    tending.join().expect("client's thread");
}

pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn records_arrive_in_order_whole_and_once(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let mut next = 0u64;
    let server = serve(server, move |lane, tag, position, bytes| {
        if tag == CALL {
            lane.reply(slot_of(&bytes), position, 7, &next.to_le_bytes())
                .expect("reply");
        } else {
            assert_eq!(
                bytes,
                pattern(next, (next * 37 % 3000) as usize),
                "record {next}"
            );
            next += 1;
        }
    });
    for n in 0..3000 {
        post(&client, &pattern(n, (n * 37 % 3000) as usize));
    }
    assert_eq!(
        call(&client, b"", PATIENCE),
        Ok((7, 3000u64.to_le_bytes().to_vec()))
    );
    assert_eq!(client.consumed(), client.reserved());
    drop(client);
    assert_eq!(server.join().expect("server"), DownCause::PeerClosed);
}

pub fn many_threads_call_and_post(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let posted = Arc::new(AtomicU64::new(0));
    let seen = posted.clone();
    let server = serve(server, move |lane, tag, position, bytes| match tag {
        POST => {
            seen.fetch_add(u64::from(bytes[0]), Ordering::Relaxed);
        }
        _ => {
            let answer: Vec<u8> = bytes[2..].iter().map(|b| b ^ 0x5a).collect();
            lane.reply(slot_of(&bytes), position, u32::from(bytes[2]), &answer)
                .expect("reply");
        }
    });
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for id in 0..6u64 {
            let (client, sent) = (&client, &sent);
            scope.spawn(move || {
                for n in 0..150 {
                    for _ in 0..n % 5 {
                        post(client, &[id as u8 + 1]);
                        sent.fetch_add(id + 1, Ordering::Relaxed);
                    }
                    let question = pattern(id * 1000 + n, 1 + (n * 7 % 400) as usize);
                    let (status, answer) = call(client, &question, PATIENCE).expect("call");
                    assert_eq!(status, u32::from(question[0]));
                    assert!(
                        answer.iter().zip(&question).all(|(a, q)| *a == q ^ 0x5a)
                            && answer.len() == question.len()
                    );
                }
            });
        }
    });
    assert!(call(&client, b"x", PATIENCE).is_ok());
    assert_eq!(posted.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    drop(client);
    server.join().expect("server");
}

pub fn a_full_ring_times_out_and_recovers(pair: &Pair) {
    let (client, mut server) = pair(&config(SMALL, SMALL));
    let mut posted = 0u64;
    let error = loop {
        match client.reserve(POST, 1000, Duration::from_millis(20)) {
            Ok(mut record) => {
                record.write_at(0, &pattern(posted, 1000));
                record.commit();
                posted += 1;
            }
            Err(error) => break error,
        }
        assert!(posted <= SMALL / 1024 + 1, "more than fits");
    };
    assert!(
        matches!(
            error,
            LinkError::Timeout {
                what: "ring space",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(posted, SMALL / 1024);

    // A producer that waits gets its space when the server goes on.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            post(&client, &pattern(posted, 1000));
            tend(&client);
        });
        let mut read = 0;
        let start = Instant::now();
        while read <= posted {
            assert!(start.elapsed() < PATIENCE);
            let end = server.poll().expect("poll").map(|record| {
                assert_eq!(record.payload.to_vec(), pattern(read, 1000));
                record.position_end
            });
            if let Some(end) = end {
                server.release(end);
                read += 1;
            } else {
                server.park(Duration::from_millis(10)).expect("park");
            }
        }
        close_after(&server, waiting);
    });
    let (client, _server) = pair(&config(SMALL, SMALL));
    let too_long = client.payload_max() + 1;
    assert!(matches!(
        client.reserve(POST, too_long, PATIENCE),
        Err(LinkError::TooLarge { .. })
    ));
    assert!(matches!(
        client.reserve(u32::MAX, 1, PATIENCE),
        Err(LinkError::Misuse(_))
    ));
}

pub fn the_largest_records_pass_both_ways(pair: &Pair) {
    let (client, server) = pair(&config(1 << 20, 1 << 20));
    let got = Arc::new(AtomicUsize::new(0));
    let sink = got.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            let n = sink.load(Ordering::Relaxed) as u64;
            assert_eq!(u64::from(tag), n);
            assert!(
                payload.to_vec() == pattern(n + 5, payload.len()),
                "notice {n}"
            );
            sink.fetch_add(1, Ordering::Relaxed);
        }))
        .expect("sink");
    let max = client.payload_max();
    let mut next = 0;
    let server = serve(server, move |lane, tag, position, bytes| {
        if tag == POST {
            assert!(bytes == pattern(next, max), "record {next}");
            let answer = pattern(next + 5, lane.notice_payload_max());
            let (a, b) = answer.split_at(1000);
            // Space comes without this thread's help: the other end drains.
            let mut parts = lane.try_notice(next as u32, &[a, b]);
            let start = Instant::now();
            while parts == Err(LinkError::Full) && start.elapsed() < PATIENCE {
                // What the client releases comes in through poll on some links; there is nothing to poll for here.
                lane.flush().expect("flush");
                std::thread::sleep(Duration::from_micros(100));
                parts = lane.try_notice(next as u32, &[a, b]);
            }
            parts.expect("notice");
            next += 1;
        } else {
            lane.reply(slot_of(&bytes), position, 0, &[])
                .expect("reply");
        }
    });
    for n in 0..12 {
        post(&client, &pattern(n, max));
        assert_eq!(call(&client, &[], PATIENCE), Ok((0, vec![])));
        assert_eq!(got.load(Ordering::Relaxed) as u64, n + 1);
    }
    drop(client);
    server.join().expect("server");
}

pub fn a_late_answer_is_never_taken_for_another(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let held = Arc::new(Mutex::new(Vec::new()));
    let keep = held.clone();
    let handle = server.handle().clone();
    let server = serve(server, move |lane, _, position, bytes| {
        if bytes[2] == b'h' {
            keep.lock().expect("lock").push((slot_of(&bytes), position));
        } else {
            lane.reply(slot_of(&bytes), position, 1, &bytes[2..])
                .expect("reply");
        }
    });
    for _ in 0..3 {
        let error = call(&client, b"hold", Duration::from_millis(30)).expect_err("held");
        assert!(
            matches!(error, LinkError::Timeout { what: "reply", .. }),
            "{error}"
        );
    }
    eventually("three held", || held.lock().expect("lock").len() == 3);
    let late: Vec<_> = held.lock().expect("lock").clone();
    let slots: std::collections::HashSet<_> = late.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(
        slots.len(),
        3,
        "a slot was reused while an answer was due: {late:?}"
    );
    for n in 0..200u64 {
        if n == 100 {
            for (slot, position) in &late {
                handle
                    .reply(*slot, *position, 66, b"late")
                    .expect("late reply");
            }
        }
        let question = (n << 8).to_le_bytes();
        assert_eq!(
            call(&client, &question, PATIENCE),
            Ok((1, question.to_vec()))
        );
    }
    drop(client);
    server.join().expect("server");
}

pub fn payloads_stay_until_released(pair: &Pair) {
    let (client, mut server) = pair(&config(SMALL, SMALL));
    for n in 0..40 {
        post(&client, &pattern(n, 1000));
    }
    client.flush().expect("flush");
    let mut held = Vec::new();
    let start = Instant::now();
    while held.len() < 40 {
        assert!(start.elapsed() < PATIENCE);
        client.drain_notices().expect("the client's end moves on");
        match server.poll().expect("poll") {
            Some(record) => held.push((record.position_end, record.payload.as_ptr() as usize)),
            None => server.park(Duration::from_millis(10)).expect("park"),
        }
    }
    // The rest of the ring fills, then no more: what is held is not overwritten.
    let mut more = 0;
    while let Ok(mut record) = client.reserve(POST, 1000, Duration::from_millis(20)) {
        record.write_at(0, &[0xee; 1000]);
        record.commit();
        more += 1;
    }
    assert_eq!(more, 24);
    for (n, (_, at)) in held.iter().enumerate() {
        // SAFETY: not released, so still this record's payload of 1000 bytes, in memory that the lane keeps mapped.
        let bytes = unsafe { std::slice::from_raw_parts(*at as *const u8, 1000) };
        assert_eq!(bytes, pattern(n as u64, 1000));
    }
    for (position, _) in held {
        server.release(position);
        server.release(position);
    }
    server.flush().expect("flush");
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            post(&client, &[1; 1000]);
            tend(&client);
        });
        let mut read = 0;
        while read < 25 {
            assert!(start.elapsed() < PATIENCE);
            match server
                .poll()
                .expect("poll")
                .map(|record| record.position_end)
            {
                Some(_) => read += 1,
                None => server.park(Duration::from_millis(10)).expect("park"),
            }
        }
        close_after(&server, producer);
    });
}

pub fn downloads_larger_than_the_ring_arrive_before_their_reply(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    const CHUNK: usize = 8000;
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let sink = bytes.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            assert_eq!(tag, 9);
            sink.lock().expect("lock").extend(payload.to_vec());
        }))
        .expect("sink");
    let server = serve_jobs(server, |handle, position, bytes| {
        let chunks = u64::from(bytes[2]);
        for n in 0..chunks {
            handle
                .notice(9, &[&pattern(n, CHUNK)], PATIENCE)
                .expect("notice");
        }
        handle
            .reply(slot_of(&bytes), position, 0, &[])
            .expect("reply");
    });
    for chunks in [1u8, 3, 50, 200] {
        assert_eq!(call(&client, &[chunks], PATIENCE), Ok((0, vec![])));
        let got = std::mem::take(&mut *bytes.lock().expect("lock"));
        let want: Vec<u8> = (0..u64::from(chunks))
            .flat_map(|n| pattern(n, CHUNK))
            .collect();
        assert!(got == want, "{} bytes of {}", got.len(), want.len());
    }
    drop(client);
    server.join().expect("server");
}

/// As `serve`, but each call is done by a helper thread while the lane's thread keeps polling.
fn serve_jobs(
    lane: ServerLane,
    job: impl Fn(ringway_link::ServerHandle, u64, Vec<u8>) + Send + Sync + 'static,
) -> JoinHandle<DownCause> {
    let job = Arc::new(job);
    serve(lane, move |lane, _, position, bytes| {
        let (handle, job) = (lane.handle().clone(), job.clone());
        std::thread::spawn(move || job(handle, position, bytes));
    })
}

pub fn notices_are_flow_controlled(pair: &Pair) {
    let (client, mut server) = pair(&config(SMALL, SMALL));
    let payload = pattern(3, 1000);
    let mut sent = 0;
    loop {
        match server.try_notice(sent, &[&payload[..500], &payload[500..]]) {
            Ok(_) => sent += 1,
            Err(LinkError::Full) => break,
            Err(other) => panic!("{other}"),
        }
        assert!(u64::from(sent) <= SMALL / 1024, "more than fits");
    }
    assert_eq!(u64::from(sent), SMALL / 1024);
    assert!(matches!(
        server.try_notice(0, &[&vec![0; 1 << 20]]),
        Err(LinkError::TooLarge { .. })
    ));
    let got = Arc::new(AtomicUsize::new(0));
    let sink = got.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            assert_eq!(tag as usize, sink.fetch_add(1, Ordering::Relaxed));
            assert_eq!(payload.to_vec(), pattern(3, 1000));
        }))
        .expect("sink");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while got.load(Ordering::Relaxed) < 500 {
                client
                    .wait_notices(Duration::from_secs(1))
                    .expect("notices");
            }
        });
        let start = Instant::now();
        while sent < 500 || got.load(Ordering::Relaxed) < 500 {
            assert!(start.elapsed() < PATIENCE);
            if sent == 500 {
                assert!(server.poll().expect("poll").is_none());
                std::thread::sleep(Duration::from_micros(100));
                continue;
            }
            match server.try_notice(sent, &[&payload]) {
                Ok(_) => sent += 1,
                Err(LinkError::Full) => {
                    assert!(server.poll().expect("poll").is_none());
                    server.park(Duration::from_millis(50)).expect("park");
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert_eq!(got.load(Ordering::Relaxed), 500);
}

pub fn the_service_thread_gets_notices_and_sends_tails(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let got = Arc::new(AtomicUsize::new(0));
    let sink = got.clone();
    client
        .set_notice_sink(Box::new(move |_, _| {
            sink.fetch_add(1, Ordering::Relaxed);
        }))
        .expect("sink");
    let client = Arc::new(client);
    let service = {
        let client = client.clone();
        std::thread::spawn(move || while client.wait_notices(Duration::from_secs(3600)).is_ok() {})
    };
    let records = Arc::new(AtomicUsize::new(0));
    let seen = records.clone();
    let server = serve(server, move |lane, tag, position, bytes| {
        seen.fetch_add(1, Ordering::Relaxed);
        if tag == CALL {
            lane.reply(slot_of(&bytes), position, 0, &[])
                .expect("reply");
        } else {
            lane.try_notice(1, &[&bytes]).expect("notice");
        }
    });
    let mut sent = 0;
    for round in 0..60 {
        // Bursts that nobody waits for arrive all the same, also right after a waiter went away.
        for _ in 0..round % 7 + 1 {
            post(&client, b"tail");
            sent += 1;
        }
        eventually("the tail", || {
            records.load(Ordering::Relaxed) == sent + round
        });
        call(&client, b"", PATIENCE).expect("call");
    }
    // Also after waits have sent, time and again, what a burst had left: then the service thread is not woken for it.
    let mut called = 60;
    for _ in 0..10 {
        for burst in 0..8 {
            for _ in 0..5 {
                post(&client, b"tail");
                sent += 1;
            }
            if burst < 7 {
                call(&client, b"", PATIENCE).expect("call");
                called += 1;
            }
        }
        eventually("the tail of the last burst", || records.load(Ordering::Relaxed) == sent + called);
    }
    eventually("all notices", || got.load(Ordering::Relaxed) == sent);
    client.close();
    service.join().expect("service");
    server.join().expect("server");
}

struct CloseOnDrop<'a>(&'a ClientLane);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A waiter that sleeps takes the service thread's place, which gets it back: what comes while nobody waits is heard, by a thread that looks
/// by itself once an hour.
pub fn the_service_thread_hears_notices_after_waiters_have_slept(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let count = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&count);
    client
        .set_notice_sink(Box::new(move |_, _| {
            sink.fetch_add(1, Ordering::SeqCst);
        }))
        .expect("the first sink");
    let server = serve(server, move |lane, tag, position, bytes| {
        // Long enough that whoever waits sleeps.
        std::thread::sleep(Duration::from_millis(2));
        if tag == CALL {
            lane.reply(slot_of(&bytes), position, 0, &bytes[2..]).expect("reply");
        } else {
            lane.notice(9, &[&bytes], PATIENCE).expect("notice");
        }
    });
    std::thread::scope(|scope| {
        scope.spawn(|| while client.wait_notices(Duration::from_secs(3600)).is_ok() {});
        let _ends_that = CloseOnDrop(&client);
        for round in 0..40u64 {
            let waits = || assert_eq!(call(&client, &round.to_le_bytes(), PATIENCE).expect("an answer").1, round.to_le_bytes());
            // One waiter, then several, of which others than the leader may be the last.
            std::thread::scope(|waiting| (0..1 + round % 3).for_each(|_| drop(waiting.spawn(waits))));
            if round % 4 == 3 {
                // So long that the service thread goes back to sleep on the connection.
                std::thread::sleep(Duration::from_millis(5));
                waits();
            }
            post(&client, b"one");
            eventually("a notice while nobody waits", || count.load(Ordering::SeqCst) > round);
        }
    });
    server.join().expect("the server");
}

pub fn the_board_is_readable_without_asking(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    assert_eq!(
        (
            client.executed(),
            client.sticky_error(),
            client.word(63),
            client.errors_logged()
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(client.logged_error(0), None);
    let server = serve(server, |lane, tag, position, bytes| {
        if tag == POST {
            let n = u64::from(bytes[0]);
            lane.log_error(position, 40, bytes[0].into());
            lane.set_word((n % 64) as usize, n * 1_000_000_007);
        } else {
            lane.set_executed(position);
            lane.set_executed(position / 2);
            lane.set_sticky_error(700);
            lane.reply(slot_of(&bytes), position, 0, &[])
                .expect("reply");
        }
    });
    let mut ends = Vec::new();
    for n in 0..100u8 {
        ends.push(post(&client, &[n]));
    }
    call(&client, b"", PATIENCE).expect("call");
    assert_eq!(client.executed(), client.reserved());
    assert_eq!(client.sticky_error(), 700);
    for i in 0..64 {
        let last = if i < 36 { i + 64 } else { i };
        assert_eq!(client.word(i), last as u64 * 1_000_000_007);
    }
    assert_eq!(client.word(64), 0);
    assert_eq!(client.errors_logged(), 100);
    assert_eq!(client.logged_error(100), None);
    assert_eq!(client.logged_error(10), None, "overwritten");
    for nth in 69..100 {
        let error = client.logged_error(nth).expect("recent");
        assert_eq!(
            (error.position, error.opcode, error.result),
            (ends[nth as usize], 40, nth as u32)
        );
    }
    drop(client);
    server.join().expect("server");
}

pub fn a_dying_server_ends_every_wait(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    client.set_notice_sink(Box::new(|_, _| {})).expect("sink");
    // Never answers; dies after the fourth call, still owing all answers.
    let server = std::thread::spawn(move || {
        let mut server = server;
        let mut calls = 0;
        while calls < 4 {
            match server.poll().expect("poll").map(|record| record.tag) {
                Some(tag) => calls += usize::from(tag == CALL),
                None => server.park(Duration::from_millis(100)).expect("park"),
            }
        }
    });
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| call(&client, b"", PATIENCE)))
            .collect();
        let service = scope.spawn(|| {
            loop {
                if let Err(error) = client.wait_notices(PATIENCE) {
                    return error;
                }
            }
        });
        for waiter in waiters {
            let error = waiter
                .join()
                .expect("waiter")
                .expect_err("the server is gone");
            assert_eq!(error, LinkError::Down(DownCause::PeerClosed));
        }
        assert_eq!(
            service.join().expect("service"),
            LinkError::Down(DownCause::PeerClosed)
        );
    });
    server.join().expect("server");
    assert_eq!(client.down(), Some(DownCause::PeerClosed));
    assert!(matches!(
        client.reserve(POST, 1, PATIENCE),
        Err(LinkError::Down(_))
    ));
    assert!(matches!(
        client.acquire_slot(PATIENCE).map(|_| ()),
        Ok(()) | Err(LinkError::Down(_))
    ));
}

pub fn a_dying_client_is_polled_out_then_reported(pair: &Pair) {
    let (client, mut server) = pair(&config(SMALL, SMALL));
    for n in 0..20 {
        post(&client, &pattern(n, 100));
    }
    client.flush().expect("flush");
    drop(client);
    let start = Instant::now();
    let mut read = 0;
    let cause = loop {
        assert!(start.elapsed() < PATIENCE);
        let polled = server
            .poll()
            .map(|record| record.map(|record| record.payload.to_vec()));
        match polled {
            Ok(Some(bytes)) => {
                assert_eq!(bytes, pattern(read, 100));
                read += 1;
            }
            Ok(None) => {
                let _ = server.park(Duration::from_secs(3600));
            }
            Err(LinkError::Down(cause)) => break cause,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!((read, cause), (20, DownCause::PeerClosed));
    assert!(matches!(
        server.reply(0, 64, 0, &[]),
        Err(LinkError::Down(_))
    ));
    assert!(matches!(server.try_notice(0, &[]), Err(LinkError::Down(_))));
}

pub fn a_sleeping_server_is_woken(pair: &Pair) {
    let (client, mut server) = pair(&config(SMALL, SMALL));
    let handle = server.handle().clone();
    let parked = Arc::new(AtomicUsize::new(0));
    let wakes = parked.clone();
    let server = std::thread::spawn(move || {
        let mut records = 0;
        while records < 50 {
            match server
                .poll()
                .expect("poll")
                .map(|record| record.position_end)
            {
                Some(end) => {
                    server.release(end);
                    records += 1;
                }
                None => {
                    // A lost wake-up would sleep here beyond every patience.
                    server.park(Duration::from_secs(3600)).expect("park");
                    wakes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    handle.wake();
    eventually("woken by hand", || parked.load(Ordering::Relaxed) > 0);
    for n in 0..50 {
        if n % 3 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        post(&client, b"wake");
        client.flush().expect("flush");
    }
    server.join().expect("server");
}

pub fn nonsense_from_the_client_is_its_own_end(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let server = serve(server, |lane, _, position, bytes| {
        let _ = lane.reply(slot_of(&bytes), position, 0, &[]);
    });
    post(&client, &64u16.to_le_bytes());
    let mut slot = client.acquire_slot(PATIENCE).expect("slot");
    let _ = client.flush();
    let cause = server.join().expect("the server survives");
    assert!(
        matches!(cause, DownCause::PeerMisbehaved { rule: "W8", .. }),
        "{cause}"
    );
    let error = slot.wait(1 << 40, PATIENCE, &mut []).expect_err("closed");
    assert!(matches!(error, LinkError::Down(_)), "{error}");
}

pub fn dropped_reservations_post_nothing(pair: &Pair) {
    let (client, server) = pair(&config(SMALL, SMALL));
    let mut next = 0u64;
    let server = serve(server, move |lane, tag, position, bytes| {
        if tag == CALL {
            lane.reply(slot_of(&bytes), position, 0, &next.to_le_bytes())
                .expect("reply");
        } else {
            assert_eq!(bytes, next.to_le_bytes());
            next += 1;
        }
    });
    for n in 0..500u64 {
        drop(
            client
                .reserve(POST, (n * 53 % 4000) as usize, PATIENCE)
                .expect("reserve"),
        );
        post(&client, &n.to_le_bytes());
    }
    assert_eq!(
        call(&client, b"", PATIENCE),
        Ok((0, 500u64.to_le_bytes().to_vec()))
    );
    drop(client);
    server.join().expect("server");
}

pub fn all_slots_taken_is_a_timeout(pair: &Pair) {
    let (client, _server) = pair(&config(SMALL, SMALL));
    let mut guards: Vec<_> = (0..64)
        .map(|_| client.acquire_slot(PATIENCE).expect("slot"))
        .collect();
    let mut indices: Vec<_> = guards.iter().map(|guard| guard.index()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..64).collect::<Vec<_>>());
    assert!(matches!(
        client.acquire_slot(Duration::from_millis(5)).map(|_| ()),
        Err(LinkError::Timeout { .. })
    ));
    guards.pop();
    assert!(client.acquire_slot(PATIENCE).is_ok());
}
