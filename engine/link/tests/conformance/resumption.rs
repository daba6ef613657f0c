//! A link breaks and another one continues: the same for every kind that travels over a network, and from one kind to
//! another. The server's end polls on a thread of its own; the client's service thread brings the lane back.

use crate::suite::{CALL, PATIENCE, POST, SMALL, call, config, eventually, pattern, post, slot_of};
use ringway_link::{
    ClientLane, DownCause, LaneConfig, LinkError, LinkEvent, NotResumed, Positions, Resumption,
    ServerHandle, ServerLane,
};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a test does to the connection.
pub trait Network: Send {
    /// Breaks it: what is under way is lost.
    fn cut(&mut self);
    /// Closes it in order, without a farewell.
    fn close(&mut self);
    /// Another connection.
    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError>;
}

pub type Breakable = dyn Fn(&LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>);

const HOUR: Duration = Duration::from_secs(3600);

type Shared = Arc<Mutex<Option<Box<dyn Network>>>>;

/// Polls, parks and hands every record to `f` until the lane is down; then the cause.
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
                    if let Err(LinkError::Down(cause)) = lane.park(Duration::from_millis(200)) {
                        return cause;
                    }
                }
                Err(LinkError::Down(cause)) => return cause,
                Err(other) => panic!("{other}"),
            }
        }
    })
}

/// The client's service thread: continues the lane when its link broke. Ends when the lane is down.
fn tend(client: &ClientLane, server: &ServerHandle, network: &Shared) -> DownCause {
    let mut attempt = 0;
    loop {
        match client.wait_notices(PATIENCE) {
            Ok(_) => {}
            Err(LinkError::Suspended(_)) => {
                let start = Instant::now();
                loop {
                    assert!(
                        start.elapsed() < PATIENCE,
                        "the server's end does not notice"
                    );
                    attempt += 1;
                    // The server's end may learn later than the client's.
                    let theirs = match server.begin_resume(attempt) {
                        Ok(resumption) => resumption,
                        Err(why) if why.may_change() => {
                            std::thread::sleep(Duration::from_millis(1));
                            continue;
                        }
                        Err(why) => panic!("{why}"),
                    };
                    let ours = client.begin_resume().expect("the client's end");
                    let mut place = network.lock().expect("lock");
                    let old = place.take().expect("a network");
                    match old.resume(ours, theirs) {
                        Ok(network) => *place = Some(network),
                        // Closed by the test meanwhile.
                        Err(LinkError::Down(DownCause::ClosedHere)) => {}
                        Err(error) => panic!("{error}"),
                    }
                    break;
                }
            }
            Err(LinkError::Down(cause)) => return cause,
            Err(other) => panic!("{other}"),
        }
    }
}

fn cut(network: &Shared) {
    if let Some(network) = &mut *network.lock().expect("lock") {
        network.cut();
    }
}

fn keep(client: &ClientLane, server: &ServerLane) {
    client.keep();
    server.keep(HOUR, HOUR);
}

pub fn threads_that_call_and_post_notice_only_a_pause(breakable: &Breakable) {
    let (client, server, network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    client.set_notice_sink(Box::new(|_, _| {})).expect("sink");
    let network = Arc::new(Mutex::new(Some(network)));
    let handle = server.handle().clone();
    let resumed = Arc::new(AtomicUsize::new(0));
    let count = resumed.clone();
    handle
        .watch(move |event| {
            count.fetch_add(
                usize::from(matches!(event, LinkEvent::Resumed { .. })),
                Ordering::SeqCst,
            );
        })
        .expect("watch");
    let sum = Arc::new(AtomicU64::new(0));
    let seen = sum.clone();
    let mut last = 0;
    let serving = serve(server, move |lane, tag, position, bytes| {
        assert!(position > last, "executed twice, or out of order");
        last = position;
        if tag == POST {
            seen.fetch_add(u64::from(bytes[0]), Ordering::Relaxed);
        } else {
            let answer: Vec<u8> = bytes[2..].iter().map(|b| b ^ 0x5a).collect();
            lane.reply(slot_of(&bytes), position, u32::from(bytes[2]), &answer)
                .expect("reply");
        }
    });
    let posted = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let service = scope.spawn(|| tend(&client, &handle, &network));
        let cutter = scope.spawn(|| {
            let mut cuts = 0;
            while !done.load(Ordering::Relaxed) || cuts < 5 {
                let before = resumed.load(Ordering::SeqCst);
                cut(&network);
                cuts += 1;
                eventually("continued", || resumed.load(Ordering::SeqCst) > before);
                std::thread::sleep(Duration::from_millis(cuts % 4));
            }
        });
        let threads: Vec<_> = (0..4u64)
            .map(|id| {
                let (client, posted) = (&client, &posted);
                scope.spawn(move || {
                    for n in 0..120 {
                        for _ in 0..n % 5 {
                            post(client, &[id as u8 + 1]);
                            posted.fetch_add(id + 1, Ordering::Relaxed);
                        }
                        let question = pattern(id * 1000 + n, 1 + (n * 7 % 400) as usize);
                        let (status, answer) = call(client, &question, PATIENCE).expect("call");
                        assert_eq!(status, u32::from(question[0]));
                        assert!(answer.iter().zip(&question).all(|(a, q)| *a == q ^ 0x5a));
                        assert_eq!(answer.len(), question.len());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("thread");
        }
        done.store(true, Ordering::Relaxed);
        cutter.join().expect("cutter");
        call(&client, b"end", PATIENCE).expect("the last call");
        assert_eq!(sum.load(Ordering::Relaxed), posted.load(Ordering::Relaxed));
        client.close();
        service.join().expect("service");
    });
    let cause = serving.join().expect("server");
    assert_eq!(cause, DownCause::PeerClosed, "a close is no break");
    assert!(resumed.load(Ordering::SeqCst) >= 5);
}

pub fn downloads_go_on_where_they_were(breakable: &Breakable) {
    let (client, server, network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    let got = Arc::new(Mutex::new(Vec::new()));
    let sink = got.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            let mut got = sink.lock().expect("lock");
            assert_eq!(
                u64::from(tag),
                got.len() as u64,
                "a notice is missing or came twice"
            );
            let bytes = payload.to_vec();
            assert!(bytes == pattern(tag.into(), bytes.len()), "notice {tag}");
            got.push(bytes.len());
        }))
        .expect("sink");
    let network = Arc::new(Mutex::new(Some(network)));
    let handle = server.handle().clone();
    let notices = 400u32;
    let serving = serve(server, move |lane, _, position, bytes| {
        // From a thread of its own, as the worker does: the GPU thread keeps the lane moving.
        let (handle, slot) = (lane.handle().clone(), slot_of(&bytes));
        if bytes.len() > 2 {
            lane.reply(slot, position, 0, &[]).expect("reply");
            return;
        }
        std::thread::spawn(move || {
            for n in 0..notices {
                let bytes = pattern(n.into(), (n * 37 % 9000) as usize);
                handle.notice(n, &[&bytes], PATIENCE).expect("notice");
            }
            handle.reply(slot, position, 3, b"done").expect("reply");
        });
    });
    std::thread::scope(|scope| {
        let service = scope.spawn(|| tend(&client, &handle, &network));
        let calling = scope.spawn(|| call(&client, b"", PATIENCE));
        let mut cuts = 0;
        while !calling.is_finished() {
            std::thread::sleep(Duration::from_millis(3));
            cut(&network);
            cuts += 1;
            eventually("continued", || {
                client.suspended().is_none() || calling.is_finished()
            });
        }
        assert!(cuts > 0);
        assert_eq!(calling.join().expect("call"), Ok((3, b"done".to_vec())));
        assert_eq!(got.lock().expect("lock").len(), notices as usize);
        // The last cut may not have been noticed yet.
        call(&client, b"end", PATIENCE).expect("the last call");
        client.close();
        service.join().expect("service");
    });
    serving.join().expect("server");
}

/// Waits until both ends know, and continues.
fn resume(
    client: &ClientLane,
    server: &ServerHandle,
    network: Box<dyn Network>,
    attempt: u64,
) -> Box<dyn Network> {
    eventually("both ends know", || {
        // What threads of the program do now and then.
        let _ = client.drain_notices();
        client.suspended().is_some() && server.begin_resume(attempt).is_ok()
    });
    let theirs = server.begin_resume(attempt + 1).expect("the server's end");
    let ours = client.begin_resume().expect("the client's end");
    network.resume(ours, theirs).expect("resumed")
}

pub fn a_call_made_while_there_is_no_link_waits(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    let handle = server.handle().clone();
    let serving = serve(server, |lane, _, position, bytes| {
        lane.reply(slot_of(&bytes), position, 9, &bytes[2..])
            .expect("reply");
    });
    call(&client, b"first", PATIENCE).expect("call");
    network.cut();
    eventually("noticed", || {
        let _ = client.drain_notices();
        client.suspended().is_some()
    });
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| call(&client, b"second", PATIENCE)))
            .collect();
        let error = call(&client, b"third", Duration::from_millis(30)).expect_err("no link");
        assert!(
            matches!(error, LinkError::Timeout { what: "reply", .. }),
            "{error}"
        );
        assert!(waiting.iter().all(|thread| !thread.is_finished()));
        let _network = resume(&client, &handle, network, 1);
        for thread in waiting {
            assert_eq!(thread.join().expect("thread"), Ok((9, b"second".to_vec())));
        }
    });
    assert_eq!(call(&client, b"more", PATIENCE), Ok((9, b"more".to_vec())));
    drop(client);
    assert_eq!(serving.join().expect("server"), DownCause::PeerClosed);
}

pub fn a_full_ring_waits_without_a_link(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(4096, 4096));
    keep(&client, &server);
    let handle = server.handle().clone();
    let mut next = 0;
    let serving = serve(server, move |lane, tag, position, bytes| {
        if tag == CALL {
            lane.reply(slot_of(&bytes), position, next as u32, &[])
                .expect("reply");
        } else {
            assert_eq!(bytes, pattern(next, 500), "record {next}");
            next += 1;
        }
    });
    network.cut();
    eventually("noticed", || {
        let _ = client.drain_notices();
        client.suspended().is_some()
    });
    std::thread::scope(|scope| {
        let posted = Arc::new(AtomicU64::new(0));
        let count = posted.clone();
        let client = &client;
        let posting = scope.spawn(move || {
            for n in 0..40 {
                // A time-out that is shorter than the pause: time without a link does not count.
                let mut record = client
                    .reserve(POST, 500, Duration::from_millis(150))
                    .expect("space comes");
                record.write_at(0, &pattern(n, 500));
                record.commit();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        eventually("the ring is full", || posted.load(Ordering::SeqCst) == 7);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(posted.load(Ordering::SeqCst), 7, "more than fits");
        let _network = resume(client, &handle, network, 1);
        eventually("all posted", || {
            let _ = client.drain_notices();
            posting.is_finished()
        });
        assert_eq!(call(client, b"", PATIENCE), Ok((40, vec![])));
    });
    drop(client);
    serving.join().expect("server");
}

pub fn a_farewell_makes_every_end_meant(breakable: &Breakable) {
    // The client says it, and goes on for a while.
    let (client, server, mut network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    let serving = serve(server, |lane, _, position, bytes| {
        lane.reply(slot_of(&bytes), position, 1, &[])
            .expect("reply");
    });
    client.farewell();
    client.farewell();
    assert_eq!(call(&client, b"", PATIENCE), Ok((1, vec![])));
    network.cut();
    assert_eq!(serving.join().expect("server"), DownCause::PeerClosed);
    // The server does.
    let (client, server, _network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    drop(server);
    assert_eq!(
        client.wait_notices(PATIENCE),
        Err(LinkError::Down(DownCause::PeerClosed))
    );
    assert!(matches!(
        client.begin_resume().map(|_| ()),
        Err(NotResumed::Down(_))
    ));
}

pub fn after_the_grace_period_both_ends_are_down(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(SMALL, SMALL));
    client.keep();
    server.keep(Duration::from_millis(50), HOUR);
    let handle = server.handle().clone();
    let serving = serve(server, |_, _, _, _| {});
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| call(&client, b"", PATIENCE));
        eventually("called", || client.reserved() > 0);
        network.cut();
        let cause = serving.join().expect("server");
        assert!(matches!(cause, DownCause::Transport(_)), "{cause}");
        assert!(matches!(
            handle.begin_resume(1).map(|_| ()),
            Err(NotResumed::Down(DownCause::Transport(_)))
        ));
        assert!(matches!(
            handle.reply(0, 64, 0, &[]),
            Err(LinkError::Down(_))
        ));
        eventually("noticed", || client.suspended().is_some());
        assert!(!waiting.is_finished());
        let cause = DownCause::Transport("nobody there".into());
        client.give_up(cause.clone());
        assert_eq!(
            waiting.join().expect("thread"),
            Err(LinkError::Down(cause.clone()))
        );
        assert_eq!(client.wait_notices(PATIENCE), Err(LinkError::Down(cause)));
    });
}

pub fn an_orderly_end_without_farewell_is_kept_more_briefly(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(SMALL, SMALL));
    client.keep();
    server.keep(HOUR, Duration::from_millis(50));
    let serving = serve(server, |_, _, _, _| {});
    network.close();
    eventually("noticed", || {
        let _ = client.drain_notices();
        client.closed_in_order()
    });
    assert_eq!(serving.join().expect("server"), DownCause::PeerClosed);
}

pub fn attempts_that_are_refused_change_nothing(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(SMALL, SMALL));
    let handle = server.handle().clone();
    let refused = |attempt| {
        handle
            .begin_resume(attempt)
            .map(|_| ())
            .expect_err("refused")
    };
    assert_eq!(refused(1), NotResumed::Never, "nobody asked for it");
    keep(&client, &server);
    let serving = serve(server, |lane, _, position, bytes| {
        lane.reply(slot_of(&bytes), position, 1, &[])
            .expect("reply");
    });
    assert_eq!(refused(1), NotResumed::Up);
    call(&client, b"", PATIENCE).expect("the lane is undisturbed");
    network.cut();
    eventually("noticed", || {
        let _ = client.drain_notices();
        client.suspended().is_some() && handle.begin_resume(5).is_ok()
    });
    assert_eq!(refused(5), NotResumed::Stale);
    assert_eq!(refused(4), NotResumed::Stale);
    let first = handle.begin_resume(6).expect("begins");
    assert_eq!(refused(7), NotResumed::Busy, "two at once");
    drop(first);
    let theirs = handle.begin_resume(7).expect("another attempt");
    let ours = client.begin_resume().expect("the client's end");
    let _network = network.resume(ours, theirs).expect("resumed");
    call(&client, b"", PATIENCE).expect("the lane goes on");
    assert_eq!(refused(7), NotResumed::Stale, "a repetition");
    assert_eq!(refused(8), NotResumed::Up);
    drop(client);
    serving.join().expect("server");
}

pub fn w17_positions_that_are_refused(breakable: &Breakable) {
    let (client, server, mut network) = breakable(&config(4096, 4096));
    keep(&client, &server);
    let handle = server.handle().clone();
    let serving = serve(server, |lane, _, position, bytes| {
        lane.reply(slot_of(&bytes), position, 1, &[])
            .expect("reply");
    });
    for _ in 0..200 {
        call(&client, &[1; 100], PATIENCE).expect("call");
    }
    network.cut();
    eventually("noticed", || {
        let _ = client.drain_notices();
        client.suspended().is_some() && handle.begin_resume(1).is_ok()
    });
    let ours = client.begin_resume().expect("the client's end");
    // Beyond what was sent; before what was released.
    for received in [client.reserved() + 1, u64::MAX, 0, 100] {
        let checked = ours.check(Positions { received });
        assert!(
            matches!(
                checked,
                Err(LinkError::Down(DownCause::PeerMisbehaved {
                    rule: "W17",
                    ..
                }))
            ),
            "{received}: {checked:?}"
        );
    }
    assert_eq!(
        ours.check(Positions {
            received: client.reserved()
        }),
        Ok(())
    );
    drop(ours);
    let _network = resume(&client, &handle, network, 2);
    call(&client, b"", PATIENCE).expect("the lane goes on");
    drop(client);
    serving.join().expect("server");
}

pub fn an_idle_lane_without_a_link_sleeps(breakable: &Breakable) {
    let (client, mut server, mut network) = breakable(&config(SMALL, SMALL));
    keep(&client, &server);
    network.cut();
    let handle = server.handle().clone();
    // Counts how often the GPU thread's sleep ends: it would be thousands of times if it spun.
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < Duration::from_millis(200) {
        assert!(server.poll().expect("stays").is_none());
        server.park(Duration::from_millis(50)).expect("stays");
        turns += 1;
    }
    assert!(turns < 50, "{turns}");
    // And it can be woken.
    std::thread::scope(|scope| {
        let waker = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            handle.wake();
        });
        server.park(HOUR).expect("woken");
        waker.join().expect("waker");
    });
}
