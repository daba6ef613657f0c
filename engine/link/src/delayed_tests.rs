//! A delayed pipe over one whose bytes come back in odd pieces.

use super::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What is sent can be received, in pieces of odd sizes, and at times not at all.
#[derive(Default)]
struct Loop {
    bytes: Mutex<VecDeque<u8>>,
    turns: AtomicU64,
    closed: AtomicBool,
}

const UNDER_WAY: usize = 30_000;

impl Loop {
    fn some(&self, most: usize) -> usize {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let odd = (turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % 7000;
        if turn % 5 == 4 { 0 } else { odd.min(most) }
    }
}

impl Pipe for Loop {
    fn kind(&self) -> LinkKind {
        LinkKind::Tcp
    }

    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut from = Cursor { parts };
        let mut bytes = lock(&self.bytes);
        let n = self.some(from.left().min(UNDER_WAY - bytes.len()));
        from.step(n, |ptr, _, n| {
            // SAFETY: the caller vouches for the parts.
            bytes.extend(unsafe { std::slice::from_raw_parts(ptr, n) });
        });
        if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut into = Cursor { parts };
        let mut bytes = lock(&self.bytes);
        if bytes.is_empty() && self.closed.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let n = self.some(into.left().min(bytes.len()));
        into.step(n, |ptr, _, n| {
            for (at, byte) in bytes.drain(..n).enumerate() {
                // SAFETY: the caller vouches for the parts.
                unsafe { ptr.add(at).write(byte) };
            }
        });
        if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    fn park(&self, _: Sleeper, _: bool, _: Duration) -> Slept {
        Slept::TimedOut
    }

    fn wake(&self, _: Sleeper) {}

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn release(&self) {}

    fn now_ns(&self) -> u64 {
        0
    }
}

fn pipe(network: &str) -> DelayedPipe<Loop> {
    let wakers = Arc::new(Wakers::new().expect("wakers"));
    DelayedPipe::new(Loop::default(), network.parse().expect("a network"), wakers)
}

const NOTHING: Bytes = (std::ptr::null_mut(), 0);

/// Sends as much of `bytes` as is taken.
fn send(pipe: &DelayedPipe<Loop>, bytes: &mut [u8], middle: usize) -> usize {
    let (a, b) = bytes.split_at_mut(middle.min(bytes.len()));
    // SAFETY: two slices.
    unsafe { pipe.send([(a.as_mut_ptr(), a.len()), (b.as_mut_ptr(), b.len())]) }.unwrap_or(0)
}

fn receive(pipe: &DelayedPipe<Loop>, into: &mut [u8], middle: usize) -> io::Result<usize> {
    let (a, b) = into.split_at_mut(middle.min(into.len()));
    // SAFETY: two slices.
    unsafe { pipe.receive([(a.as_mut_ptr(), a.len()), (b.as_mut_ptr(), b.len())]) }
}

#[test]
fn bytes_arrive_in_order_and_exactly() {
    let pipe = pipe("20us,40Gbit");
    // More than the receiver's circle has room for.
    let total = 2 * UNDER_WAY_BYTES + 12_345;
    let byte = |at: usize| (at.wrapping_mul(0x9e37_79b9) >> 16) as u8;
    let (mut sent, mut received) = (0, 0);
    let mut from: Vec<u8> = (0..100_000).map(byte).collect();
    let mut into = vec![0u8; 70_001];
    while received < total {
        let n = send(&pipe, &mut from, 777 + sent % 13);
        from.drain(..n);
        let more = sent + from.len() + n;
        sent += n;
        from.extend((more..(more + n).min(total)).map(byte));
        match receive(&pipe, &mut into, 1 + received % 50_000) {
            Ok(n) => {
                assert!(into[..n].iter().enumerate().all(|(i, b)| *b == byte(received + i)), "at {received}");
                received += n;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!((sent, received), (total, total));
    pipe.close();
    assert_eq!(receive(&pipe, &mut into, 1).expect("the end"), 0);
}

#[test]
fn nothing_is_handed_out_before_it_is_due_and_the_end_waits_for_its_turn() {
    let pipe = pipe("10s");
    let mut byte = [7u8];
    while send(&pipe, &mut byte, 0) == 0 {}
    pipe.close();
    let mut into = [0u8; 8];
    for _ in 0..100 {
        let early = receive(&pipe, &mut into, 3).expect_err("it is not due");
        assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
    }
    let mut receiving = lock(&pipe.receiving);
    assert_eq!(receiving.ended, Some(io::ErrorKind::UnexpectedEof), "all of it came");
    assert!(matches!(receiving.next(now_ns()), Next::In(_)));
    let (due, bytes) = receiving.piece.expect("a piece");
    assert_eq!(bytes, 1);
    assert!(matches!(receiving.next(due), Next::Due));
    receiving.piece = Some((0, 1));
    drop(receiving);
    assert_eq!(receive(&pipe, &mut into, 0).expect("a byte"), 1);
    assert_eq!(into[0], 7);
    assert_eq!(receive(&pipe, &mut into, 0).expect("the end"), 0);
}

#[test]
fn pieces_follow_each_other_at_the_bandwidth() {
    let pipe = pipe("1ms,1Gbit");
    let mut bytes = vec![1u8; 3 * PIECE_BYTES_MAX];
    // The first try may be one that is taken in part or not at all; the pieces are made then.
    send(&pipe, &mut bytes, 0);
    let sending = lock(&pipe.sending);
    let due = |piece: usize| {
        let at = piece * (HEADER_BYTES + PIECE_BYTES_MAX);
        u64::from_le_bytes(sending.pieces[at + 8..at + 16].try_into().expect("eight bytes"))
    };
    let step = (PIECE_BYTES_MAX * 8) as u64;
    assert_eq!((due(1) - due(0), due(2) - due(1)), (step, step));
    assert_eq!(due(2), sending.wire_free_ns + 500_000);
}

#[test]
fn bytes_of_an_end_that_delays_nothing_are_refused() {
    let pipe = pipe("1us");
    let mut plain = [0x55u8; 64];
    let mut done = 0;
    while done < plain.len() {
        // SAFETY: a slice, and nothing.
        done += unsafe { pipe.pipe.send([(plain[done..].as_mut_ptr(), plain.len() - done), NOTHING]) }.unwrap_or(0);
    }
    let mut into = [0u8; 8];
    let error = loop {
        match receive(&pipe, &mut into, 0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => break other.expect_err("refused"),
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
