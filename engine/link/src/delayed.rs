//! A byte stream as if the network under it was another: for measurements, never for use (`network.rs`).
//!
//! The sender writes before each piece when it is sent and when it arrives: when its last byte has left a wire of that bandwidth,
//! behind all pieces before it, and half a round trip later. The receiver holds it back until then, and for as long as the way through
//! this host's own network takes besides: a network that is emulated is added to that way. Both read the host's monotonic
//! clock, so both ends have to be on one host. A receiver that is late to look delays nothing, as the kernel of a real network would
//! have taken the bytes in meanwhile. What is on its way lies in the socket and in memory of the receiving pipe.

use crate::LinkKind;
use crate::framed::{Bytes, Pipe};
use crate::link::{Sleeper, Slept};
use crate::network::{Network, ROUND_TRIP_MAX};
use crate::sealed::Cursor;
use crate::sleep::{Wakers, until_any};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Bytes that share a time of arrival, at the most: 13 us at 10 Gbit/s.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// Sending, arrival (nanoseconds of the monotonic clock), length, and a mark that both ends do this.
const HEADER_BYTES: usize = 24;
const MARK: u32 = 0x5257_4445;
/// Pieces that are handed to the kernel at a time.
const PIECES_A_TURN: usize = 16;
/// On the way, at the most: more than both windows of a lane have room for, so that a full one never holds up a sender that a
/// real network would let go on.
const UNDER_WAY_BYTES: usize = 12 << 20;
/// No piece may be due later than this after it is read: longest round trip and a full window at the least bandwidth.
const DUE_NS_MAX: u64 = ROUND_TRIP_MAX.as_nanos() as u64 + 900_000_000_000;
/// The host's own network takes no longer than this, if the receiver looks; and while nothing is known, so long.
const OWN_WAY_NS_MAX: u64 = 20_000;
const OWN_WAY_NS_UNKNOWN: u64 = 4_000;
/// A sleeper gets up so long before its piece is due and looks at the clock from then on: a timer is some tens of microseconds
/// late in a virtual machine.
const SPIN_NS: u64 = 70_000;

struct Sending {
    /// Pieces; those bytes from `start` to `end` the stream has not taken yet.
    pieces: Box<[u8]>,
    start: usize,
    end: usize,
    /// What they carry of the caller's bytes.
    owed: usize,
    /// When the wire is free, nanoseconds of the monotonic clock.
    wire_free_ns: u64,
}

struct Receiving {
    /// A circle of bytes as they came.
    buffer: Box<[u8]>,
    /// Positions in the stream; their places are their rests by the length.
    start: u64,
    end: u64,
    /// The piece at the start, whose header was read: due, bytes left.
    piece: Option<(u64, usize)>,
    /// When bytes were found where there had been none, and their position.
    found: (u64, u64),
    /// The least that bytes took through the host's own network, nanoseconds.
    own_way_ns: Option<u64>,
    /// How the stream ended, behind all that came.
    ended: Option<io::ErrorKind>,
}

pub(crate) struct DelayedPipe<P> {
    pipe: P,
    network: Network,
    wakers: Arc<Wakers>,
    sending: Mutex<Sending>,
    receiving: Mutex<Receiving>,
    /// Threads in `park`.
    sleepers: AtomicU32,
}

/// What a receiver can do now.
enum Next {
    /// Take something.
    Due,
    /// Wait for so many nanoseconds.
    In(u64),
    /// Wait for bytes.
    Nothing,
}

fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an out parameter; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl<P: Pipe> DelayedPipe<P> {
    pub(crate) fn new(pipe: P, network: Network, wakers: Arc<Wakers>) -> DelayedPipe<P> {
        let zeros = |bytes| vec![0; bytes].into_boxed_slice();
        DelayedPipe {
            pipe,
            network,
            wakers,
            sending: Mutex::new(Sending {
                pieces: zeros(PIECES_A_TURN * (HEADER_BYTES + PIECE_BYTES_MAX)),
                start: 0,
                end: 0,
                owed: 0,
                wire_free_ns: 0,
            }),
            receiving: Mutex::new(Receiving { buffer: zeros(UNDER_WAY_BYTES), start: 0, end: 0, piece: None, found: (0, u64::MAX), own_way_ns: None, ended: None }),
            sleepers: AtomicU32::new(0),
        }
    }

    /// Whoever sleeps computed how long before this came.
    fn tell_sleepers(&self) {
        // What came is in the buffer; who goes to sleep is counted, then looks into it.
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            self.wakers.wake_all();
        }
    }
}

impl Sending {
    /// Makes pieces of as much as there is room for.
    ///
    /// # Safety
    /// The parts must be readable.
    unsafe fn cut(&mut self, parts: [Bytes; 2], network: &Network) {
        let mut from = Cursor { parts };
        (self.start, self.end, self.owed) = (0, 0, 0);
        let now = now_ns();
        let half_ns = network.round_trip.as_nanos() as u64 / 2;
        while from.left() > 0 && self.end + HEADER_BYTES + PIECE_BYTES_MAX <= self.pieces.len() {
            let piece = &mut self.pieces[self.end..self.end + HEADER_BYTES + PIECE_BYTES_MAX];
            let (header, payload) = piece.split_at_mut(HEADER_BYTES);
            let bytes = from.step(payload.len(), |ptr, at, n| {
                // SAFETY: the caller vouches for the parts; the piece is this pipe's own, and `at + n` within it.
                unsafe { std::ptr::copy_nonoverlapping(ptr, payload[at..at + n].as_mut_ptr(), n) };
            });
            self.wire_free_ns = self.wire_free_ns.max(now) + network.bytes_ns(bytes as u64) as u64;
            header[..8].copy_from_slice(&now.to_le_bytes());
            header[8..16].copy_from_slice(&(self.wire_free_ns + half_ns).to_le_bytes());
            header[16..20].copy_from_slice(&(bytes as u32).to_le_bytes());
            header[20..].copy_from_slice(&MARK.to_le_bytes());
            self.end += HEADER_BYTES + bytes;
            self.owed += bytes;
        }
    }
}

impl Receiving {
    /// Takes in what the stream has, as far as there is room; whether something came.
    fn take_in(&mut self, pipe: &impl Pipe) -> bool {
        let mut came = false;
        while self.ended.is_none() {
            let length = self.buffer.len();
            let room = length - (self.end - self.start) as usize;
            if room == 0 {
                break;
            }
            let at = (self.end % length as u64) as usize;
            let first = room.min(length - at);
            let base = self.buffer.as_mut_ptr();
            // SAFETY: two ranges of the buffer that do not overlap: from the place of the end to the buffer's end, and from its
            // beginning to the place of the start.
            match unsafe { pipe.receive([(base.add(at), first), (base, room - first)]) } {
                Ok(0) => self.ended = Some(io::ErrorKind::UnexpectedEof),
                Ok(n) => {
                    if self.start == self.end && self.piece.is_none() {
                        self.found = (now_ns(), self.end);
                    }
                    self.end += n as u64;
                    came = true;
                    if n < room {
                        break;
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    kind => self.ended = Some(kind),
                },
            }
        }
        came
    }

    /// Copies from the start on, and goes on behind it.
    fn take(&mut self, bytes: usize, mut into: impl FnMut(*const u8, usize, usize)) {
        let length = self.buffer.len();
        let at = (self.start % length as u64) as usize;
        let first = bytes.min(length - at);
        into(self.buffer[at..at + first].as_ptr(), 0, first);
        into(self.buffer[..bytes - first].as_ptr(), first, bytes - first);
        self.start += bytes as u64;
    }

    /// The piece at the start, if its header is there.
    fn piece(&mut self) -> io::Result<Option<(u64, usize)>> {
        if self.piece.is_none() && self.end - self.start >= HEADER_BYTES as u64 {
            let mut header = [0u8; HEADER_BYTES];
            let position = self.start;
            self.take(HEADER_BYTES, |ptr, at, n| {
                // SAFETY: `n` bytes of the circle, and as many of the header from `at` on.
                unsafe { std::ptr::copy_nonoverlapping(ptr, header[at..at + n].as_mut_ptr(), n) };
            });
            let word = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
            let (sent, due, last) = (word(0), word(8), word(16));
            let (bytes, mark) = ((last & u64::from(u32::MAX)) as usize, (last >> 32) as u32);
            if mark != MARK || bytes == 0 || bytes > PIECE_BYTES_MAX || due > now_ns().saturating_add(DUE_NS_MAX) {
                self.ended = Some(io::ErrorKind::InvalidData);
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the other end emulates no network; RINGWAY_EMULATED_NETWORK has to be set at both",
                ));
            }
            let (found_ns, found_at) = self.found;
            if found_at == position {
                let way_ns = found_ns.saturating_sub(sent).min(OWN_WAY_NS_MAX);
                self.own_way_ns = Some(self.own_way_ns.unwrap_or(way_ns).min(way_ns));
            }
            self.piece = Some((due + self.own_way_ns.unwrap_or(OWN_WAY_NS_UNKNOWN), bytes));
        }
        Ok(self.piece)
    }

    fn next(&mut self, now: u64) -> Next {
        match self.piece() {
            // An end, and bytes that are none, are something to find, too; in their turn.
            Err(_) => Next::Due,
            Ok(Some((due, _))) if due > now => Next::In(due - now),
            Ok(Some(_)) if self.end > self.start || self.ended.is_some() => Next::Due,
            Ok(None) if self.ended.is_some() => Next::Due,
            Ok(_) => Next::Nothing,
        }
    }

    /// Hands out what is due.
    ///
    /// # Safety
    /// The parts must be writable.
    unsafe fn hand_out(&mut self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut into = Cursor { parts };
        let wanted = into.left();
        let now = now_ns();
        while into.left() > 0 {
            match self.piece() {
                Ok(Some((due, left))) if due <= now => {
                    let n = left.min((self.end - self.start) as usize).min(into.left());
                    if n == 0 {
                        break;
                    }
                    self.take(n, |from, _, n| {
                        into.step(n, |to, at, n| {
                            // SAFETY: `n` bytes of the circle from `from` on, of which `at` are done; the caller vouches for the parts.
                            unsafe { std::ptr::copy_nonoverlapping(from.add(at), to, n) };
                        });
                    });
                    self.piece = (n < left).then_some((due, left - n));
                }
                Ok(_) => break,
                Err(error) if wanted == into.left() => return Err(error),
                Err(_) => break,
            }
        }
        let done = wanted - into.left();
        let all_taken = self.start == self.end && self.piece.is_none();
        let ended = self.ended;
        match ended {
            Some(io::ErrorKind::InvalidData) if done == 0 => Err(io::ErrorKind::InvalidData.into()),
            // Also one that was cut off within a piece.
            Some(kind) if done == 0 && (all_taken || !matches!(self.next(now), Next::In(_))) => match kind {
                io::ErrorKind::UnexpectedEof => Ok(0),
                kind => Err(kind.into()),
            },
            _ if done == 0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(done),
        }
    }
}

fn other(sleeper: Sleeper) -> Sleeper {
    match sleeper {
        Sleeper::Leader => Sleeper::Service,
        Sleeper::Service => Sleeper::Leader,
    }
}

/// Has this thread's timers end when they should, where some tens of microseconds late is the habit.
fn punctual() {
    thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if !DONE.replace(true) {
        // SAFETY: a number for the calling thread; if it cannot be set, timers are late.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    }
}

impl<P: Pipe> Pipe for DelayedPipe<P> {
    fn kind(&self) -> LinkKind {
        self.pipe.kind()
    }

    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut sending = lock(&self.sending);
        if sending.start == sending.end {
            // SAFETY: the caller vouches for the parts.
            unsafe { sending.cut(parts, &self.network) };
        }
        while sending.start < sending.end {
            let (start, end) = (sending.start, sending.end);
            let rest = &mut sending.pieces[start..end];
            // SAFETY: a slice, and nothing.
            sending.start += unsafe { self.pipe.send([(rest.as_mut_ptr(), rest.len()), (std::ptr::null_mut(), 0)]) }?;
        }
        Ok(sending.owed)
    }

    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut receiving = lock(&self.receiving);
        let came = receiving.take_in(&self.pipe);
        // SAFETY: the caller vouches for the parts.
        let received = unsafe { receiving.hand_out(parts) };
        // What is left, or has come, is for whoever sleeps; it may be due earlier than that thread thinks.
        let left = receiving.start != receiving.end || receiving.ended.is_some();
        drop(receiving);
        if came && left {
            self.tell_sleepers();
        }
        received
    }

    fn park(&self, sleeper: Sleeper, or_writable: bool, timeout: Duration) -> Slept {
        punctual();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let end_ns = now_ns().saturating_add(timeout.as_nanos().min(u128::from(u64::MAX / 2)) as u64);
        let slept = loop {
            let now = now_ns();
            let (next, deaf) = {
                let mut receiving = lock(&self.receiving);
                if receiving.take_in(&self.pipe) && self.sleepers.load(Ordering::SeqCst) > 1 {
                    // The other one waits for the stream, which has nothing any more.
                    self.wakers.of(other(sleeper)).wake();
                }
                let full = (receiving.end - receiving.start) as usize == receiving.buffer.len();
                (receiving.next(now), full || receiving.ended.is_some())
            };
            let wait_ns = match next {
                Next::Due => break Slept::Came,
                Next::In(ns) if ns <= SPIN_NS => 0,
                Next::In(ns) => ns - SPIN_NS,
                Next::Nothing => u64::MAX,
            };
            if now >= end_ns {
                break Slept::TimedOut;
            }
            let wait = Duration::from_nanos(wait_ns.min(end_ns - now));
            let slept = if deaf && !or_writable {
                // The stream has nothing to say that could be taken in.
                until_any([], self.wakers.of(sleeper), wait)
            } else {
                self.pipe.park(sleeper, or_writable, wait)
            };
            match slept {
                Slept::Woken => break Slept::Woken,
                Slept::Came if or_writable => break Slept::Came,
                Slept::Came | Slept::TimedOut => {}
            }
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        slept
    }

    fn wake(&self, sleeper: Sleeper) {
        self.pipe.wake(sleeper);
    }

    fn now_ns(&self) -> u64 {
        self.pipe.now_ns()
    }

    fn close(&self) {
        self.pipe.close();
    }

    fn release(&self) {
        self.pipe.release();
        lock(&self.sending).pieces = Box::new([]);
        let mut receiving = lock(&self.receiving);
        receiving.buffer = Box::new([]);
        (receiving.start, receiving.end, receiving.piece) = (0, 0, None);
        receiving.ended = Some(io::ErrorKind::ConnectionReset);
    }
}

#[cfg(test)]
#[path = "delayed_tests.rs"]
mod tests;
