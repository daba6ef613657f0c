//! Windows over a byte stream: the link that tcp and sim share.
//!
//! What this end writes lies in a shadow of the peer's window. *Sending* composes frames from what changed there
//! since last time: board words, filled slots, the committed prefix of the ring, which is sent straight out of the
//! shadow. *Receiving* puts frames into the own window, ring bytes without a copy in between where they are many.
//! Nothing is queued anywhere else, so nothing can grow, and another link can continue where this one broke.
//!
//! A client's commits are clocked by the server's acknowledgements: with nothing under way a commit sends at once,
//! by the committing thread itself; otherwise it is left to whoever hears that the earlier ones arrived. So single
//! calls lose no time and bursts share their system calls, without any timer.

use crate::lane::{Start, Windows, scan};
use crate::landing::Landing;
use crate::lent::{Lent, Run};
use crate::link::{Area, Break, Condition, Link, Progress, Sleeper, Slept, Told};
use crate::{LinkError, LinkKind, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::{Consumer, LINE, Span, is_committed};
use ringway_wire::frame::{FRAME_HEADER, Frame, REPLY_PREFIX, Receiver, SMALL_FRAME_MAX};
use ringway_wire::layout::*;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Raw memory to send from or receive into.
pub(crate) type Bytes = (*mut u8, usize);

/// A connected byte stream, used by one sender and one receiver at a time.
pub(crate) trait Pipe: Send + Sync {
    fn kind(&self) -> LinkKind;
    /// Sends some of the bytes of both parts, in order. `WouldBlock` if it takes none now: whoever was told that comes again with
    /// the same bytes in front, or never, since the stream may have sealed them.
    ///
    /// # Safety
    /// Both parts must be readable.
    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize>;
    /// Receives into both parts, in order. `WouldBlock` if there is nothing now, 0 at the end of the stream.
    ///
    /// # Safety
    /// Both parts must be writable.
    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize>;
    /// Sleeps until there is something to receive, or space to send if asked for, or `wake`, or the time has passed.
    fn park(&self, sleeper: Sleeper, or_writable: bool, timeout: Duration) -> Slept;
    fn wake(&self, sleeper: Sleeper);
    /// As [`Link::set_service_deaf`].
    fn set_service_deaf(&self, _deaf: bool) -> bool {
        false
    }
    /// Ends the stream in good order.
    fn close(&self);
    /// Breaks the stream and gives its descriptors back. Nobody calls `send`, `receive` or `park` any more.
    fn release(&self);
    /// Nanoseconds since the stream was made.
    fn now_ns(&self) -> u64;
}

/// A commit sends whatever is under way once so many bytes wait.
const UNSENT_MAX: u64 = 32 << 10;
/// A commit sends whatever is under way once the last sending was so long ago: the acknowledgement is late, because
/// nobody reads it.
const UNSENT_NS_MAX: u64 = 20_000;
/// Ring bytes taken into one frame, about.
const RING_FRAME: u64 = 256 << 10;
/// Frames that one caller sends before it leaves the rest to the next: a posting thread is not a sender for life.
const FRAMES_A_TURN: u32 = 8;
/// Bytes taken in before the caller gets a chance to look at them.
const RECEIVE_A_TURN: usize = 1 << 20;
const RECEIVE_BUFFER: usize = 64 << 10;
/// From so many ring bytes on, what follows them is not received along with them but for the next header, so that
/// the next ring bytes can go where they belong directly as well.
const RECEIVE_DIRECT: usize = 16 << 10;
/// So many bytes behind them are received along with them: a header, and the short frame that goes before a payload that was
/// sent from elsewhere.
const RECEIVE_BEHIND: usize = 4 * FRAME_HEADER + 2 * LINE;
/// Ring bytes before a lent payload, at the most, that are sent along with it.
const SHORT_RUN: u64 = 1 << 10;
/// Empty polls (each a system call) after which acknowledgements and board words are sent by themselves: the next answer takes them along,
/// if one comes soon, and whoever waits for that is woken once.
const BOARD_IDLE_POLLS: u32 = 48;
/// Release is told to the peer once this fraction of the ring is due; until then it goes with whatever else is sent.
const RELEASE_FRACTION: u64 = 8;

const FAREWELL_WANTED: u32 = 1;
const FAREWELL_SENT: u32 = 2;

const DIRTY_HEAD: u32 = 1;
const DIRTY_WORDS: u32 = 2;
const DIRTY_LOG: u32 = 4;

/// Board bytes from the first word to the last of the head.
const BOARD_HEAD_END: usize = BOARD_ERRORS + 8;

const _: () = {
    assert!(RECEIVE_BUFFER >= 4 * SMALL_FRAME_MAX);
    assert!(
        BOARD_HEAD_END <= BOARD_SERVER_PARKED,
        "a sleep is not published to a peer that cannot ring"
    );
};

/// What is being sent.
struct Sender {
    /// Finds the committed prefix in the shadow ring.
    scanner: Consumer,
    /// Small frames and a ring frame's header, composed and not sent yet.
    small: Vec<u8>,
    small_sent: usize,
    /// Ring bytes that follow: from, to.
    ring: (u64, u64),
    /// They do not lie in the shadow.
    lent: bool,
}

/// What is being received.
struct Receiving {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Ring bytes of the current frame still to come: from, to.
    ring: (u64, u64),
}

pub(crate) struct Framed<P> {
    pipe: P,
    server: bool,
    condition: Condition,
    /// It continues another link.
    again: bool,
    /// Another link took its place.
    retired: AtomicBool,
    /// The peer said that the end of the stream will be meant.
    peer_is_ending: AtomicBool,
    farewell: AtomicU32,
    /// Release is to be told though it may be known: the link continues another.
    release_again: AtomicBool,
    /// How the stream failed when something was sent: the kernel tells each failure once.
    send_failed: Mutex<Option<Break>>,
    own: Span,
    peer: Span,
    /// The ring this end fills, in the shadow; and its key.
    outgoing: Span,
    outgoing_key: u64,
    lent: Arc<Lent>,
    /// The ring the peer fills.
    incoming: Span,
    landing: Arc<Landing>,

    sender: Mutex<Sender>,
    /// There may be something to send that the holder of `sender` has not seen.
    send_wanted: AtomicBool,
    /// The stream takes no more now, or a sender left some for the next: somebody must call `progress`.
    send_blocked: AtomicBool,
    /// Threads in `park`.
    sleepers: AtomicU32,
    /// The stream takes nothing ever again; whether the lane is down, the receiver finds out.
    send_dead: AtomicBool,
    /// Ring bytes handed to the stream.
    sent: CachePadded<AtomicU64>,
    sent_at_ns: AtomicU64,
    /// Incoming ring release that the peer was told.
    released_sent: AtomicU64,
    /// Consumed position that the peer was told.
    consumed_sent: AtomicU64,
    /// End of the last call, whose answer acknowledges it.
    last_call: AtomicU64,
    /// How many have more to send at once.
    corked: AtomicU32,
    slots_dirty: AtomicU64,
    board_dirty: AtomicU32,
    idle_polls: AtomicU32,

    receiver: Mutex<Receiving>,
    received: CachePadded<AtomicU64>,
}

/// A link over `pipe` between the windows.
/// Errors: `Down` (`start` is nonsense, rule W17).
pub(crate) fn link(
    pipe: impl Pipe + 'static,
    windows: &Windows,
    start: Start,
) -> Result<Box<dyn Link>> {
    Ok(Box::new(Framed::new(pipe, windows, start)?))
}

impl<P: Pipe> Framed<P> {
    fn new(pipe: P, windows: &Windows, start: Start) -> Result<Framed<P>> {
        let (outgoing, outgoing_key) = windows.outgoing();
        // Records begin where the peer has released, and are intact from there.
        let mut scanner = Consumer::at(outgoing.clone(), outgoing_key, windows.released_by_peer());
        scan(&mut scanner, u64::MAX).map_err(|what| LinkError::misbehaved("W7", what))?;
        if start.peer_received > scanner.head() {
            return Err(LinkError::misbehaved(
                "W17",
                "a position that was never sent",
            ));
        }
        let sender = Sender {
            scanner,
            small: Vec::with_capacity((REPLY_SLOTS + 4) * SMALL_FRAME_MAX),
            small_sent: 0,
            ring: (start.peer_received, start.peer_received),
            lent: false,
        };
        let receiver = Receiving {
            buffer: vec![0; RECEIVE_BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            ring: (0, 0),
        };
        Ok(Framed {
            pipe,
            server: windows.server,
            condition: Condition::default(),
            again: start.again,
            retired: AtomicBool::new(false),
            peer_is_ending: AtomicBool::new(false),
            farewell: AtomicU32::new(0),
            release_again: AtomicBool::new(false),
            send_failed: Mutex::new(None),
            own: windows.own.clone(),
            peer: windows.peer.clone(),
            outgoing,
            outgoing_key,
            lent: windows.lent.clone(),
            incoming: windows.incoming(),
            landing: windows.landing.clone(),
            sender: Mutex::new(sender),
            send_wanted: AtomicBool::new(false),
            send_blocked: AtomicBool::new(false),
            sleepers: AtomicU32::new(0),
            send_dead: AtomicBool::new(false),
            sent: CachePadded::new(AtomicU64::new(start.peer_received)),
            sent_at_ns: AtomicU64::new(0),
            released_sent: AtomicU64::new(0),
            consumed_sent: AtomicU64::new(0),
            last_call: AtomicU64::new(0),
            corked: AtomicU32::new(0),
            slots_dirty: AtomicU64::new(0),
            board_dirty: AtomicU32::new(0),
            idle_polls: AtomicU32::new(0),
            receiver: Mutex::new(receiver),
            received: CachePadded::new(AtomicU64::new(start.received)),
        })
    }

    /// How far this end has released what it receives; the word lies in the shadow, nobody else writes it.
    fn released_here(&self) -> u64 {
        self.peer.load_u64(
            if self.server {
                BOARD_RELEASED
            } else {
                CONTROL_NOTICE_RELEASED
            },
            Ordering::Acquire,
        )
    }

    fn release_is_due(&self) -> bool {
        let due = self.released_here()
            - self
                .released_sent
                .load(Ordering::Relaxed)
                .min(self.released_here());
        due >= self.incoming.len() as u64 / RELEASE_FRACTION
    }

    fn has_unsent_records(&self) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        // Within a record, whose payload is lent, the rest of it is to come.
        !sent.is_multiple_of(LINE as u64) || is_committed(&self.outgoing, self.outgoing_key, sent)
    }

    /// Records, acknowledgements, and what the stream did not take before.
    fn has_urgent(&self) -> bool {
        self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() || (self.server && self.acknowledgement_is_due())
    }

    /// The server has read something that the client does not know of, and will not hear of by an answer.
    fn acknowledgement_is_due(&self) -> bool {
        self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed) != self.consumed_sent.load(Ordering::Relaxed) && !self.is_answer_to_come()
    }

    /// The last record that the server has read is a call, and the client knows nothing of that yet.
    fn is_answer_to_come(&self) -> bool {
        let consumed = self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed);
        consumed == self.last_call.load(Ordering::Relaxed) && consumed != self.consumed_sent.load(Ordering::Relaxed)
    }

    /// Marks the link broken; an end that the peer announced is no break.
    #[cold]
    fn fail(&self, how: Break) {
        let meant = how.may_resume() && self.peer_is_ending.load(Ordering::Relaxed);
        self.condition.fail(if meant { Break::Gone } else { how });
    }

    /// As [`Framed::kick`], where nothing depends on it: the link that follows sends what it finds.
    fn kick_if_current(&self) {
        let _ = self.kick();
    }

    /// As [`Framed::kick`], unless who has corked the link will do it.
    fn kick_unless_corked(&self) -> Told {
        // Write, then look whether it is corked; who uncorks says so, then looks what was written. [SYNC cork]
        fence(Ordering::SeqCst);
        if self.corked.load(Ordering::SeqCst) == 0 {
            return self.kick();
        }
        if self.retired.load(Ordering::SeqCst) { Told::Retired } else { Told::Done }
    }

    /// Sends what there is, or makes the thread that is sending do it.
    fn kick(&self) -> Told {
        self.send_wanted.store(true, Ordering::SeqCst);
        // Who retires the link says so, and the one that follows looks into the windows afterwards. [SYNC replace]
        fence(Ordering::SeqCst);
        if self.retired.load(Ordering::SeqCst) {
            return Told::Retired;
        }
        while self.send_wanted.load(Ordering::SeqCst) {
            let Ok(mut sender) = self.sender.try_lock() else {
                return Told::Done;
            };
            if self.retired.load(Ordering::SeqCst) {
                return Told::Retired;
            }
            let mut frames = 0;
            while self.send_wanted.swap(false, Ordering::SeqCst) && frames < FRAMES_A_TURN {
                frames += self.send(&mut sender, FRAMES_A_TURN - frames);
            }
            if frames >= FRAMES_A_TURN {
                self.leave_blocked();
                return Told::Done;
            }
        }
        Told::Done
    }

    /// What is left is sent when the stream has space, by whoever sleeps on it or calls `progress`.
    #[cold]
    fn leave_blocked(&self) {
        self.send_blocked.store(true, Ordering::SeqCst);
        // [SYNC blocked]
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            // They watch for space only if they know of the need.
            self.pipe.wake(Sleeper::Leader);
            self.pipe.wake(Sleeper::Service);
        }
    }

    /// Sends until there is nothing, the stream is full or `frames_max` frames went; how many.
    fn send(&self, sender: &mut Sender, frames_max: u32) -> u32 {
        let mut frames = 0;
        self.send_blocked.store(false, Ordering::Relaxed);
        loop {
            if sender.small_sent == sender.small.len() && sender.ring.0 == sender.ring.1 {
                if frames == frames_max || !self.compose(sender) {
                    return frames;
                }
                frames += 1;
            }
            if self.send_dead.load(Ordering::Relaxed) {
                sender.small_sent = sender.small.len();
                sender.ring.0 = sender.ring.1;
                continue;
            }
            let small = &sender.small[sender.small_sent..];
            let (from, to) = sender.ring;
            // SAFETY: a slice; and a range of the ring that `compose` made not to cross its end, or of one loan, which `Lent::with`
            // keeps readable meanwhile.
            let send = |ring: *mut u8| unsafe {
                self.pipe.send([(small.as_ptr().cast_mut(), small.len()), (ring, (to - from) as usize)])
            };
            let sent = if sender.lent {
                self.lent.with(from, send)
            } else {
                send(self.outgoing.ptr((from & (self.outgoing.len() as u64 - 1)) as usize))
            };
            match sent {
                Ok(n) => {
                    let from_small = n.min(small.len());
                    sender.small_sent += from_small;
                    sender.ring.0 += (n - from_small) as u64;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => {
                        self.leave_blocked();
                        return frames;
                    }
                    io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => {
                        // What the peer sent before it went can still be received, and then how it went.
                        self.send_dead.store(true, Ordering::Relaxed);
                    }
                    io::ErrorKind::ConnectionReset => {
                        // As well; but the kernel has now said how.
                        *lock(&self.send_failed) = Some(Break::Reset);
                        self.send_dead.store(true, Ordering::Relaxed);
                    }
                    _ => {
                        self.fail(Break::Failed(error.to_string()));
                        self.send_dead.store(true, Ordering::Relaxed);
                    }
                },
            }
        }
    }

    /// Collects what changed into frames; false if nothing did.
    fn compose(&self, sender: &mut Sender) -> bool {
        sender.small.clear();
        sender.small_sent = 0;
        if self.server {
            self.compose_board(sender);
            self.compose_replies(sender);
        }
        let limit = sender.ring.1.saturating_add(RING_FRAME);
        if let Err(what) = scan(&mut sender.scanner, limit) {
            self.fail(Break::Damaged(what));
            return false;
        }
        let head = sender.scanner.head();
        let from = sender.ring.1;
        let again = self.release_again.load(Ordering::Relaxed);
        if !self.server && (from != head || again || self.release_is_due()) {
            if again {
                self.release_again.store(false, Ordering::Relaxed);
            }
            let released = self.released_here();
            if released != self.released_sent.swap(released, Ordering::Relaxed) {
                sender
                    .small
                    .extend_from_slice(&Frame::Released { position: released }.encode());
            }
        }
        if self.farewell.load(Ordering::SeqCst) == FAREWELL_WANTED {
            self.farewell.store(FAREWELL_SENT, Ordering::Relaxed);
            sender.small.extend_from_slice(&Frame::Farewell.encode());
        }
        if from != head {
            let ring_bytes = self.outgoing.len() as u64;
            let to_end = ring_bytes - (from & (ring_bytes - 1));
            self.compose_ring(sender, from, from + (head - from).min(to_end));
            self.sent.store(sender.ring.1, Ordering::Release);
            if !self.server {
                self.sent_at_ns.store(self.pipe.now_ns(), Ordering::Relaxed);
            }
        }
        !sender.small.is_empty()
    }

    /// Ring bytes from `from` on, at most up to `end`, which is not beyond the ring's.
    fn compose_ring(&self, sender: &mut Sender, mut from: u64, end: u64) {
        let frame = |position: u64, to: u64| Frame::Ring { position, len: (to - position) as u32 }.encode();
        let mut run = self.lent.run(from, end);
        if let Run::Shadow(to) = run
            && to < end
            && to - from <= SHORT_RUN
        {
            // The head of a record whose payload is lent: both in one call.
            sender.small.extend_from_slice(&frame(from, to));
            let at = sender.small.len();
            sender.small.resize(at + (to - from) as usize, 0);
            self.outgoing.read((from & (self.outgoing.len() as u64 - 1)) as usize, &mut sender.small[at..]);
            from = to;
            run = self.lent.run(from, end);
        }
        let (Run::Shadow(to) | Run::Lent(to)) = run;
        sender.lent = matches!(run, Run::Lent(_));
        sender.ring = (from, to);
        sender.small.extend_from_slice(&frame(from, to));
    }

    fn compose_board(&self, sender: &mut Sender) {
        let dirty = self.board_dirty.swap(0, Ordering::SeqCst);
        let consumed = self.peer.load_u64(BOARD_CONSUMED, Ordering::Acquire);
        let mut put = |from: usize, to: usize| {
            sender.small.extend_from_slice(
                &Frame::Board {
                    offset: from,
                    len: to - from,
                }
                .encode(),
            );
            for at in (from..to).step_by(8) {
                sender
                    .small
                    .extend_from_slice(&self.peer.load_u64(at, Ordering::Acquire).to_le_bytes());
            }
        };
        // What the head counts is sent before the head.
        if dirty & DIRTY_LOG != 0 {
            put(ERROR_LOG_AT, BOARD_END);
        }
        if dirty & DIRTY_WORDS != 0 {
            put(BOARD_WORDS_AT, ERROR_LOG_AT);
        }
        if dirty != 0 || consumed != self.consumed_sent.load(Ordering::Relaxed) {
            // At least what is sent in the head: it may grow meanwhile.
            self.released_sent
                .store(self.released_here(), Ordering::Relaxed);
            put(0, BOARD_HEAD_END);
            self.consumed_sent.store(consumed, Ordering::Relaxed);
        }
    }

    fn compose_replies(&self, sender: &mut Sender) {
        let mut slots = self.slots_dirty.swap(0, Ordering::SeqCst);
        while slots != 0 {
            let slot = slots.trailing_zeros() as u16;
            slots &= slots - 1;
            let at = reply_slot_at(slot.into());
            let position = self.peer.load_u64(at + REPLY_POSITION, Ordering::Acquire);
            if position == 0 {
                // Never filled; after a broken link all slots are looked at.
                continue;
            }
            let status_len = self.peer.load_u64(at + REPLY_STATUS_LEN, Ordering::Relaxed);
            let notice_position = self
                .peer
                .load_u64(at + REPLY_NOTICE_POSITION, Ordering::Relaxed);
            let len = ((status_len >> 32) as usize).min(REPLY_INLINE_MAX);
            let small = &mut sender.small;
            small.extend_from_slice(
                &Frame::Reply {
                    slot,
                    len: REPLY_PREFIX + len,
                }
                .encode(),
            );
            for word in [position, status_len, notice_position] {
                small.extend_from_slice(&word.to_le_bytes());
            }
            let answer = small.len();
            small.resize(answer + len, 0);
            self.peer.read(at + REPLY_HEADER, &mut small[answer..]);
        }
    }

    /// Takes in what has come.
    fn receive(&self, receiving: &mut Receiving) -> Progress {
        let mut progress = Progress::default();
        let mut turn = 0;
        while turn < RECEIVE_A_TURN && !self.condition.is_broken() {
            if receiving.start == receiving.end {
                (receiving.start, receiving.end) = (0, 0);
            } else if receiving.start > RECEIVE_BUFFER / 2 {
                receiving
                    .buffer
                    .copy_within(receiving.start..receiving.end, 0);
                (receiving.start, receiving.end) = (0, receiving.end - receiving.start);
            }
            let (ring_ptr, ring_len) = self.ring_target(receiving);
            let place = if ring_len > 0 { self.landing.next(receiving.ring.0, receiving.ring.1) } else { None };
            let ring_len = place.as_ref().map_or(ring_len, |place| place.space);
            let direct = ring_len >= RECEIVE_DIRECT;
            let until = if direct {
                receiving.end + RECEIVE_BEHIND
            } else {
                RECEIVE_BUFFER
            };
            let into = &mut receiving.buffer[receiving.end..until];
            let behind = (into.as_mut_ptr(), into.len());
            let space = ring_len + into.len();
            // SAFETY: a range of the incoming ring, or of as many bytes that the lander gives for this call; and a slice.
            let receive = |to: *mut u8| unsafe { self.pipe.receive([(to, ring_len), behind]) };
            let received = match place.and_then(|place| self.landing.land(&place, receive)) {
                Some(received) => received,
                None => receive(ring_ptr),
            };
            let n = match received {
                Ok(0) => {
                    let failed = lock(&self.send_failed).take();
                    self.fail(failed.unwrap_or(Break::EndOfStream));
                    break;
                }
                Ok(n) => n,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::ConnectionReset => {
                        self.fail(Break::Reset);
                        break;
                    }
                    // The peer had closed before it reset what came after.
                    io::ErrorKind::BrokenPipe => {
                        self.fail(Break::EndOfStream);
                        break;
                    }
                    _ => {
                        self.fail(Break::Failed(error.to_string()));
                        break;
                    }
                },
            };
            progress.any = true;
            turn += n;
            let to_ring = n.min(ring_len);
            if to_ring > 0 {
                receiving.ring.0 += to_ring as u64;
                self.received.store(receiving.ring.0, Ordering::Release);
            }
            receiving.end += n - to_ring;
            self.take_frames(receiving, &mut progress);
            if n < space {
                break;
            }
        }
        progress
    }

    /// Where ring bytes of the current frame may go directly: nothing buffered, and no bytes that are here already.
    fn ring_target(&self, receiving: &Receiving) -> Bytes {
        let (from, to) = receiving.ring;
        if receiving.start != receiving.end || from != self.received.load(Ordering::Relaxed) {
            return (self.incoming.ptr(0), 0);
        }
        let ring_bytes = self.incoming.len() as u64;
        let offset = from & (ring_bytes - 1);
        // A frame that wraps is received up to the wrap; the buffer must not take bytes that belong before others.
        let len = (to - from).min(ring_bytes - offset);
        if len < to - from {
            (self.incoming.ptr(0), 0)
        } else {
            (self.incoming.ptr(offset as usize), len as usize)
        }
    }

    /// Takes frames out of the buffer.
    fn take_frames(&self, receiving: &mut Receiving, progress: &mut Progress) {
        loop {
            if receiving.ring.0 < receiving.ring.1 {
                self.take_ring_bytes(receiving);
            }
            let have = receiving.end - receiving.start;
            if receiving.ring.0 < receiving.ring.1 || have < FRAME_HEADER {
                return;
            }
            let at = receiving.start;
            let Some(header) = receiving.buffer[at..].first_chunk::<FRAME_HEADER>() else {
                return;
            };
            let towards = if self.server {
                Receiver::Server
            } else {
                Receiver::Client
            };
            let frame = match Frame::decode(header, towards, self.incoming.len()) {
                Ok(frame) => frame,
                Err(bad) => {
                    self.condition.misbehaved(bad.rule, bad.what);
                    return;
                }
            };
            let body = at + FRAME_HEADER;
            match frame {
                Frame::Ring { position, len } => {
                    let received = self.received.load(Ordering::Relaxed);
                    let end = position + u64::from(len);
                    // Bytes that are here already may come again after a broken link; gaps may not.
                    if position > received {
                        self.condition
                            .misbehaved("W12", "ring bytes with a gap before them");
                        return;
                    }
                    if end.saturating_sub(self.released_here()) > self.incoming.len() as u64 {
                        self.condition
                            .misbehaved("W7", "ring bytes over space that was not released");
                        return;
                    }
                    receiving.ring = (position, end);
                    receiving.start = body;
                }
                Frame::Board { offset, len } => {
                    if have < FRAME_HEADER + len {
                        return;
                    }
                    for (i, word) in receiving.buffer[body..body + len]
                        .chunks_exact(8)
                        .enumerate()
                    {
                        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
                        self.own.store_u64(offset + i * 8, word, Ordering::Release);
                    }
                    progress.board = true;
                    receiving.start = body + len;
                }
                Frame::Reply { slot, len } => {
                    if have < FRAME_HEADER + len {
                        return;
                    }
                    let bytes = &receiving.buffer[body..body + len];
                    let word = |i: usize| {
                        u64::from_le_bytes(bytes[i * 8..i * 8 + 8].try_into().expect("eight bytes"))
                    };
                    let slot_at = reply_slot_at(slot.into());
                    self.own
                        .write(slot_at + REPLY_HEADER, &bytes[REPLY_PREFIX..]);
                    self.own
                        .store_u64(slot_at + REPLY_STATUS_LEN, word(1), Ordering::Relaxed);
                    self.own
                        .store_u64(slot_at + REPLY_NOTICE_POSITION, word(2), Ordering::Relaxed);
                    // Release: the answer before its position. [SYNC reply]
                    self.own
                        .store_u64(slot_at + REPLY_POSITION, word(0), Ordering::Release);
                    progress.slots |= 1 << slot;
                    receiving.start = body + len;
                }
                Frame::Released { position } => {
                    // Positions only grow; that they do not exceed what was written, the producer checks.
                    self.own
                        .fetch_max_u64(CONTROL_NOTICE_RELEASED, position, Ordering::AcqRel);
                    receiving.start = body;
                }
                Frame::Farewell => {
                    self.peer_is_ending.store(true, Ordering::Relaxed);
                    receiving.start = body;
                }
            }
        }
    }

    /// Moves ring bytes from the buffer into the ring, dropping those that are here already.
    fn take_ring_bytes(&self, receiving: &mut Receiving) {
        let ring_bytes = self.incoming.len() as u64;
        let received = self.received.load(Ordering::Relaxed);
        while receiving.ring.0 < receiving.ring.1 && receiving.start < receiving.end {
            let (from, to) = receiving.ring;
            let have = (receiving.end - receiving.start) as u64;
            let len = if from < received {
                have.min(to - from).min(received - from)
            } else {
                let offset = from & (ring_bytes - 1);
                let len = have.min(to - from).min(ring_bytes - offset);
                let bytes = &receiving.buffer[receiving.start..receiving.start + len as usize];
                self.incoming.write(offset as usize, bytes);
                len
            };
            receiving.ring.0 += len;
            receiving.start += len as usize;
        }
        if receiving.ring.0 > received {
            self.received.store(receiving.ring.0, Ordering::Release);
        }
    }
}

impl<P: Pipe> Link for Framed<P> {
    fn kind(&self) -> LinkKind {
        self.pipe.kind()
    }

    #[inline]
    fn ring_committed(&self, end: u64) -> Told {
        if self.server {
            return self.kick_unless_corked();
        }
        // Commit, then look at what was acknowledged; who takes an acknowledgement in then looks for commits.
        // [SYNC clock]
        fence(Ordering::SeqCst);
        // A retired link has sent nothing, so that this look finds it out as well.
        let sent = self.sent.load(Ordering::Relaxed);
        let heard = self.own.load_u64(BOARD_CONSUMED, Ordering::Relaxed);
        let under_way = heard.max(self.last_call.load(Ordering::Relaxed)) < sent;
        if !under_way
            || end.saturating_sub(sent) >= UNSENT_MAX
            || self
                .pipe
                .now_ns()
                .saturating_sub(self.sent_at_ns.load(Ordering::Relaxed))
                >= UNSENT_NS_MAX
        {
            return self.kick();
        }
        Told::Later
    }

    fn written(&self, area: Area) -> Told {
        let dirty = match area {
            Area::Slot(slot) => {
                self.slots_dirty.fetch_or(1 << slot, Ordering::SeqCst);
                return self.kick_unless_corked();
            }
            Area::Released if !self.release_is_due() => return Told::Done,
            Area::Released => {
                self.board_dirty.fetch_or(DIRTY_HEAD, Ordering::SeqCst);
                return self.kick();
            }
            Area::Board | Area::Executed => DIRTY_HEAD,
            Area::Words => DIRTY_WORDS,
            Area::ErrorLog => DIRTY_LOG,
        };
        self.board_dirty.fetch_or(dirty, Ordering::SeqCst);
        // [SYNC replace]
        fence(Ordering::SeqCst);
        if self.retired.load(Ordering::SeqCst) {
            return Told::Retired;
        }
        Told::Done
    }

    fn flush(&self) {
        let board = self.server && self.board_dirty.load(Ordering::Relaxed) != 0 && !self.is_answer_to_come();
        if board || self.has_urgent() {
            self.kick_if_current();
        }
    }

    fn answer_acknowledges(&self, end: u64) {
        self.last_call.fetch_max(end, Ordering::Relaxed);
    }

    fn cork(&self) {
        self.corked.fetch_add(1, Ordering::SeqCst);
    }

    fn uncork(&self) {
        // [SYNC cork]
        if self.corked.fetch_sub(1, Ordering::SeqCst) == 1 && (self.slots_dirty.load(Ordering::SeqCst) != 0 || self.has_unsent_records()) {
            self.kick_if_current();
        }
    }

    fn idle(&self) {
        if self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() {
            self.kick_if_current();
        } else if self.is_answer_to_come() {
            // It takes along all that there is.
        } else if self.board_dirty.load(Ordering::Relaxed) != 0 || self.acknowledgement_is_due() {
            let idle = self.idle_polls.load(Ordering::Relaxed) + 1;
            self.idle_polls
                .store(idle % BOARD_IDLE_POLLS, Ordering::Relaxed);
            if idle == BOARD_IDLE_POLLS {
                self.kick_if_current();
            }
        }
    }

    #[inline]
    fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    fn progress(&self) -> Progress {
        if self.send_blocked.load(Ordering::Relaxed) {
            self.kick_if_current();
        }
        let progress = match self.receiver.try_lock() {
            Ok(mut receiving) if !self.retired.load(Ordering::SeqCst) => {
                self.receive(&mut receiving)
            }
            _ => return Progress::default(),
        };
        if progress.board {
            // [SYNC clock]
            fence(Ordering::SeqCst);
            if self.has_unsent_records() {
                self.kick_if_current();
            }
        }
        progress
    }

    fn check_peer(&self) {}

    fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept {
        // Count the sleeper, then look whether sending is blocked; who blocks says so, then looks at the count.
        // [SYNC blocked]
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let blocked = self.send_blocked.load(Ordering::SeqCst);
        // Who retires the link says so, then waits for those who are counted.
        let came = if self.retired.load(Ordering::SeqCst) {
            Slept::Woken
        } else {
            self.pipe.park(sleeper, blocked, timeout)
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        came
    }

    fn set_service_deaf(&self, deaf: bool) -> bool {
        !self.retired.load(Ordering::SeqCst) && self.pipe.set_service_deaf(deaf)
    }

    fn first_sleep(&self) -> Duration {
        Duration::ZERO
    }

    fn drain_doorbell(&self) {}

    fn wake(&self, sleeper: Sleeper) {
        self.pipe.wake(sleeper);
    }

    fn farewell(&self) {
        let wanted =
            self.farewell
                .compare_exchange(0, FAREWELL_WANTED, Ordering::SeqCst, Ordering::SeqCst);
        if wanted.is_ok() {
            self.kick_if_current();
        }
    }

    fn close(&self) {
        // What was committed or answered before still goes, as far as the stream takes it.
        self.farewell();
        self.flush();
        self.condition.fail(Break::Closed);
        self.pipe.close();
        self.pipe.wake(Sleeper::Leader);
        self.pipe.wake(Sleeper::Service);
    }

    fn start(&self) {
        self.lent.open();
        // [SYNC replace]
        fence(Ordering::SeqCst);
        if self.again {
            if self.server {
                self.slots_dirty.fetch_or(u64::MAX, Ordering::SeqCst);
                self.board_dirty
                    .fetch_or(DIRTY_HEAD | DIRTY_WORDS | DIRTY_LOG, Ordering::SeqCst);
            } else {
                self.release_again.store(true, Ordering::SeqCst);
            }
            self.kick_if_current();
        }
    }

    fn retire(&self) -> u64 {
        self.condition.fail(Break::Closed);
        self.retired.store(true, Ordering::SeqCst);
        {
            let mut sender = lock(&self.sender);
            sender.small = Vec::new();
            sender.small_sent = 0;
            sender.ring = (0, 0);
            // So that commits find out.
            self.sent.store(0, Ordering::SeqCst);
            self.send_blocked.store(false, Ordering::SeqCst);
        }
        // Nothing is sent from anywhere any more; what comes next finds all of it in the shadow.
        self.lent.close();
        lock(&self.receiver).buffer = Box::new([]);
        while self.sleepers.load(Ordering::SeqCst) != 0 {
            self.pipe.wake(Sleeper::Leader);
            self.pipe.wake(Sleeper::Service);
            std::thread::sleep(Duration::from_micros(20));
        }
        self.pipe.release();
        self.received.load(Ordering::Acquire)
    }

    fn condition(&self) -> &Condition {
        &self.condition
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
