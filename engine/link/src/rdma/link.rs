//! Windows over a reliable-connected queue pair: a put is an RDMA WRITE from the shadow straight to its place in the
//! peer's window, the last of a batch WITH IMMEDIATE, which tells the peer what came (WIRE.md, "Queue pairs").
//!
//! A client's commits are clocked by the adapter's own acknowledgements: with nothing under way a commit posts at
//! once; otherwise whoever sees the completion posts the rest. Receives carry no bytes: each WRITE WITH IMMEDIATE takes
//! one, and the peer is told how many were put back, so it never finds none (no receiver-not-ready).
//!
//! The connection over which the lane was asked for stays open: its end is the lane's end, as on shm.

use crate::lane::{Start, Windows};
use crate::link::{Area, Break, Condition, Link, Progress, Sleeper, Slept, Told, corrupt_rule};
use crate::sleep::{Wakers, until_any_readable};
use crate::{LinkError, LinkKind, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::{Consumer, Span, is_committed};
use ringway_verbs::{Completion, CompletionQueue, ReceiveQueue, SendQueue, WriteRequest};
use ringway_wire::immediate::Immediate;
use ringway_wire::layout::*;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use super::Ends;

/// Receives posted, and so immediates that the peer may have under way.
pub(super) const RECEIVES: u32 = 128;
/// Immediates kept for messages that only tell how many receives were put back: so those can always be sent.
const RESERVED: u64 = 8;
/// Receives put back at a time.
const RECEIVES_A_POST: u32 = 16;
/// The peer is told of receives put back once so many are due; until then it goes with whatever else is sent.
const CREDITS_DUE: u64 = RECEIVES as u64 / 4;
/// Work requests that the send queue holds.
pub(super) const SENDS: u32 = 256;
/// Longest chain of work requests posted at once: credits, log, words, head, both parts of a ring that wraps, and answers.
const CHAIN: usize = 12;
/// A server asks for a completion at least once in so many work requests.
const SIGNAL_EVERY: u64 = SENDS as u64 / 4;
/// Ring bytes in one work request at the most.
const WRITE_BYTES_MAX: u64 = 256 << 10;
/// Ring bytes under way at the most, so that slots and board do not wait behind them.
const UNDER_WAY_MAX: u64 = 1 << 20;
/// A client's commit posts at once while so few chains are under way.
const CHAINS_UNDER_WAY: usize = 4;
/// A client's commit posts whatever is under way once so many bytes wait.
const UNSENT_MAX: u64 = 32 << 10;
/// Completions taken out of a queue at a time.
const COMPLETIONS: usize = 16;
/// Chains that one caller posts before it leaves the rest to the next.
const CHAINS_A_TURN: u32 = 8;
/// Empty polls after which board words are sent though nobody asked.
const BOARD_IDLE_POLLS: u32 = 16;
/// Release is told to the peer once this fraction of the ring is due.
const RELEASE_FRACTION: u64 = 8;
/// How long closing waits for what was posted to arrive.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

const DIRTY_HEAD: u32 = 1;
const DIRTY_WORDS: u32 = 2;
const DIRTY_LOG: u32 = 4;

/// Board bytes from the first word to the last of the head.
const BOARD_HEAD_END: usize = BOARD_ERRORS + 8;


/// What is being sent.
struct Sender {
    queue: SendQueue,
    /// Finds the committed prefix in the shadow ring.
    scanner: Consumer,
    /// Work requests posted since the beginning, those known to be done, and those posted when a completion was last
    /// asked for.
    posted: u64,
    done: u64,
    signalled: u64,
    /// Ring bytes before these positions are posted, and known to have arrived.
    ring_posted: u64,
    ring_done: u64,
    /// Immediates sent since the beginning.
    immediates: u64,
    /// What the completions under way stand for, oldest first: `posted` and `ring_posted`.
    marks: VecDeque<(u64, u64)>,
}

/// A chain of work requests being put together.
struct Chain {
    writes: [Write; CHAIN],
    len: usize,
    immediates: u64,
}

/// What is being received.
struct Receiving {
    queue: ReceiveQueue,
    /// Receives taken by the peer's writes and not put back yet.
    taken: u32,
}

pub(super) struct RdmaLink {
    socket: TcpStream,
    wakers: Wakers,
    server: bool,
    health: Health,
    own: Span,
    peer: Span,
    /// The ring this end fills, in the shadow; its key, and where it lies in the peer's window.
    outgoing: Span,
    outgoing_key: u64,
    outgoing_at: usize,
    /// Bytes of the ring the peer fills.
    incoming_bytes: u64,
    ends: Ends,

    sender: Mutex<Sender>,
    /// There may be something to send that the holder of `sender` has not seen.
    send_wanted: AtomicBool,
    /// Something waits for completions or for receives of the peer: somebody must call `progress`.
    send_blocked: AtomicBool,
    /// A completion of a send wakes who sleeps.
    send_armed: AtomicBool,
    /// Threads in `park`.
    sleepers: AtomicU32,
    /// Ring bytes posted.
    sent: CachePadded<AtomicU64>,
    /// Chains posted whose completion was not seen yet.
    chains_under_way: AtomicUsize,
    released_sent: AtomicU64,
    slots_dirty: AtomicU64,
    board_dirty: AtomicU32,
    idle_polls: AtomicU32,

    receiver: Mutex<Receiving>,
    received: CachePadded<AtomicU64>,
    /// Receives put back since the beginning, and how many of them the peer was told of.
    put_back: AtomicU64,
    put_back_told: AtomicU64,
    /// Taken in by a thread on its way to sleep; the next `progress` reports it.
    seen: Seen,
}

/// A [`Progress`] that threads add to.
#[derive(Default)]
struct Seen {
    any: AtomicBool,
    slots: AtomicU64,
    board: AtomicBool,
}

impl Seen {
    fn add(&self, progress: Progress) {
        if progress.any {
            self.slots.fetch_or(progress.slots, Ordering::SeqCst);
            self.board.fetch_or(progress.board, Ordering::SeqCst);
            self.any.store(true, Ordering::SeqCst);
        }
    }

    fn take(&self, into: &mut Progress) {
        if self.any.load(Ordering::Relaxed) && self.any.swap(false, Ordering::SeqCst) {
            into.any = true;
            into.slots |= self.slots.swap(0, Ordering::SeqCst);
            into.board |= self.board.swap(false, Ordering::SeqCst);
        }
    }
}

impl Chain {
    fn new() -> Chain {
        Chain { writes: [Write::NONE; CHAIN], len: 0, immediates: 0 }
    }

    fn room(&self) -> usize {
        CHAIN - self.len
    }

    /// Puts a part of the shadow to the same place in the peer's window.
    fn put(&mut self, ends: &Ends, at: usize, len: usize) {
        self.writes[self.len] = ends.write(at, len);
        self.len += 1;
    }

    /// The last one put tells the peer.
    fn tell(&mut self, immediate: Immediate) {
        self.writes[self.len - 1].immediate = Some(immediate.encode());
        self.immediates += 1;
    }

    fn tells(&self) -> bool {
        self.writes[self.len - 1].immediate.is_some()
    }
}

impl RdmaLink {
    /// How far this end has released what it receives; the word lies in the shadow, nobody else writes it.
    fn released_here(&self) -> u64 {
        let at = if self.server { BOARD_RELEASED } else { CONTROL_NOTICE_RELEASED };
        self.peer.load_u64(at, Ordering::Acquire)
    }

    fn release_is_due(&self) -> bool {
        let released = self.released_here();
        let told = self.released_sent.load(Ordering::Relaxed).min(released);
        released - told >= self.incoming_bytes / RELEASE_FRACTION
    }

    fn credits_are_due(&self) -> bool {
        let told = self.put_back_told.load(Ordering::Relaxed);
        self.put_back.load(Ordering::Relaxed).saturating_sub(told) >= CREDITS_DUE
    }

    fn has_unsent_records(&self) -> bool {
        is_committed(&self.outgoing, self.outgoing_key, self.sent.load(Ordering::Relaxed))
    }

    fn has_urgent(&self) -> bool {
        self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() || self.credits_are_due()
    }

    /// Sends what there is, or makes the thread that is sending do it.
    fn kick(&self) {
        self.send_wanted.store(true, Ordering::SeqCst);
        while self.send_wanted.load(Ordering::SeqCst) {
            let Ok(mut sender) = self.sender.try_lock() else {
                return;
            };
            let mut chains = 0;
            while self.send_wanted.swap(false, Ordering::SeqCst) && chains < CHAINS_A_TURN {
                self.reap(&mut sender);
                chains += self.send(&mut sender, CHAINS_A_TURN - chains);
            }
            if chains >= CHAINS_A_TURN {
                self.leave_blocked();
                return;
            }
        }
    }

    /// What is left is sent when completions or receives come back, by whoever sleeps on them or calls `progress`.
    #[cold]
    fn leave_blocked(&self) {
        self.send_blocked.store(true, Ordering::SeqCst);
        // [SYNC blocked]
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            // They ask for completions of sends only if they know of the need.
            self.wakers.wake_all();
        }
    }

    /// Takes completions of sends in.
    fn reap(&self, sender: &mut Sender) {
        let mut completions = [Completion::default(); COMPLETIONS];
        while !sender.marks.is_empty() {
            let n = match self.ends.sends.poll(&mut completions) {
                Ok(n) => n,
                Err(error) => return self.broke(&error),
            };
            for completion in &completions[..n] {
                if let Err(error) = completion.result() {
                    return self.broke(&error);
                }
                if let Some((posted, ring)) = sender.marks.pop_front() {
                    (sender.done, sender.ring_done) = (posted, ring);
                }
            }
            self.chains_under_way.store(sender.marks.len(), Ordering::Relaxed);
            if n < COMPLETIONS {
                return;
            }
        }
    }

    /// Posts chains until there is nothing, something must be waited for, or `chains_max` went; how many.
    fn send(&self, sender: &mut Sender, chains_max: u32) -> u32 {
        self.send_blocked.store(false, Ordering::Relaxed);
        for chains in 0..chains_max {
            if self.health.is_down() {
                return chains;
            }
            let put_back = self.own.load_u64(self.credits_here(), Ordering::Acquire);
            let credits = u64::from(RECEIVES).saturating_sub(sender.immediates.saturating_sub(put_back));
            let full = sender.posted - sender.done + CHAIN as u64 > u64::from(SENDS);
            let mut chain = Chain::new();
            let credits_now = if full { 0 } else { credits };
            let all = self.compose(sender, &mut chain, credits_now);
            if chain.len > 0 {
                self.post(sender, &mut chain, false);
            }
            if !all {
                if chain.len == 0 {
                    self.leave_blocked();
                    return chains;
                }
            } else if chain.len == 0 {
                return chains;
            }
        }
        chains_max
    }

    /// Collects what changed into one chain that ends with an immediate, of which `credits` may be sent; false if
    /// something is left.
    fn compose(&self, sender: &mut Sender, chain: &mut Chain, credits: u64) -> bool {
        let usual = credits.saturating_sub(RESERVED);
        if usual == 0 {
            // Only how many receives were put back, so that the two ends cannot wait for each other.
            if credits > 0 && self.credits_are_due() {
                self.put_credits(chain);
                chain.tell(self.nothing_new(sender));
            }
            return !self.has_something(sender);
        }
        if self.put_back.load(Ordering::Relaxed) != self.put_back_told.load(Ordering::Relaxed)
            && (self.credits_are_due() || self.has_something(sender))
        {
            self.put_credits(chain);
        }
        let mut all = true;
        if self.server {
            self.compose_board(chain);
            all &= self.compose_replies(chain, usual);
        } else {
            self.compose_released(sender, chain);
        }
        if chain.immediates < usual {
            all &= self.compose_ring(sender, chain);
        }
        if chain.len > 0 && !chain.tells() {
            chain.tell(self.nothing_new(sender));
        }
        all
    }

    /// An immediate that says only that words came.
    fn nothing_new(&self, sender: &Sender) -> Immediate {
        if self.server { Immediate::Words } else { Immediate::Ring { lines: lines(sender.ring_posted) } }
    }

    fn has_something(&self, sender: &Sender) -> bool {
        is_committed(&self.outgoing, self.outgoing_key, sender.ring_posted)
            || if self.server {
                self.slots_dirty.load(Ordering::Relaxed) != 0 || self.board_dirty.load(Ordering::Relaxed) != 0
            } else {
                self.release_is_due()
            }
    }

    /// Where this end's count of receives put back lies, in the peer's window.
    fn credits_there(&self) -> usize {
        if self.server { BOARD_PUT_BACK } else { CONTROL_PUT_BACK }
    }

    /// Where the peer's count lies, in the own window.
    fn credits_here(&self) -> usize {
        if self.server { CONTROL_PUT_BACK } else { BOARD_PUT_BACK }
    }

    fn put_credits(&self, chain: &mut Chain) {
        let put_back = self.put_back.load(Ordering::Acquire);
        self.peer.store_u64(self.credits_there(), put_back, Ordering::Release);
        self.put_back_told.store(put_back, Ordering::Relaxed);
        chain.put(&self.ends, self.credits_there(), 8);
    }

    fn compose_released(&self, sender: &Sender, chain: &mut Chain) {
        let released = self.released_here();
        if released != self.released_sent.load(Ordering::Relaxed)
            && (self.release_is_due() || is_committed(&self.outgoing, self.outgoing_key, sender.ring_posted))
        {
            self.released_sent.store(released, Ordering::Relaxed);
            chain.put(&self.ends, CONTROL_NOTICE_RELEASED, 8);
        }
    }

    fn compose_board(&self, chain: &mut Chain) {
        let dirty = self.board_dirty.swap(0, Ordering::SeqCst);
        // What the head counts is sent before the head.
        if dirty & DIRTY_LOG != 0 {
            chain.put(&self.ends, ERROR_LOG_AT, BOARD_END - ERROR_LOG_AT);
        }
        if dirty & DIRTY_WORDS != 0 {
            chain.put(&self.ends, BOARD_WORDS_AT, ERROR_LOG_AT - BOARD_WORDS_AT);
        }
        if dirty != 0 {
            // At least what is sent in the head: it may grow meanwhile.
            self.released_sent.store(self.released_here(), Ordering::Relaxed);
            chain.put(&self.ends, 0, BOARD_HEAD_END);
        }
    }

    /// Answers, as many as `credits` and the chain allow, room for the ring kept; false if some are left.
    fn compose_replies(&self, chain: &mut Chain, credits: u64) -> bool {
        let mut slots = self.slots_dirty.swap(0, Ordering::SeqCst);
        while slots != 0 && chain.immediates < credits && chain.room() > 2 {
            let slot = slots.trailing_zeros() as u16;
            slots &= slots - 1;
            let at = reply_slot_at(slot.into());
            let position = self.peer.load_u64(at + REPLY_POSITION, Ordering::Acquire);
            let status_len = self.peer.load_u64(at + REPLY_STATUS_LEN, Ordering::Relaxed);
            let len = ((status_len >> 32) as usize).min(REPLY_INLINE_MAX);
            // The position that the waiter looks at is written by its own end, when all of the answer is there.
            self.peer.store_u64(at + REPLY_LANDED, position, Ordering::Relaxed);
            let until = if len == 0 { REPLY_LANDED + 8 } else { REPLY_HEADER + len };
            chain.put(&self.ends, at + REPLY_STATUS_LEN, until - REPLY_STATUS_LEN);
            chain.tell(Immediate::Slot(slot));
        }
        if slots != 0 {
            self.slots_dirty.fetch_or(slots, Ordering::SeqCst);
        }
        slots == 0
    }

    /// The committed prefix of the ring, as far as it may be under way; false if some is left.
    fn compose_ring(&self, sender: &mut Sender, chain: &mut Chain) -> bool {
        while sender.scanner.head() - sender.ring_posted < WRITE_BYTES_MAX {
            match sender.scanner.poll(u64::MAX) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(corrupt) => {
                    let (_, what) = corrupt_rule(corrupt);
                    self.health
                        .fail(DownCause::Transport(format!("this end's own ring was overwritten: {what}")));
                    return true;
                }
            }
            // The shadow is not consumed by being sent; the producer knows when it may be overwritten.
            sender.scanner.release(sender.scanner.head());
        }
        let head = sender.scanner.head();
        sender.scanner.release(head);
        let before = sender.ring_posted;
        let ring_bytes = self.outgoing.len() as u64;
        while sender.ring_posted < head
            && chain.room() > 0
            && sender.ring_posted - sender.ring_done < UNDER_WAY_MAX
        {
            let offset = sender.ring_posted & (ring_bytes - 1);
            let len = (head - sender.ring_posted).min(ring_bytes - offset).min(WRITE_BYTES_MAX);
            chain.put(&self.ends, self.outgoing_at + offset as usize, len as usize);
            sender.ring_posted += len;
        }
        if sender.ring_posted != before {
            chain.tell(Immediate::Ring { lines: lines(sender.ring_posted) });
            self.sent.store(sender.ring_posted, Ordering::Release);
        }
        sender.ring_posted == head && !is_committed(&self.outgoing, self.outgoing_key, head)
    }

    /// Posts a chain; asks for its completion where that clocks or frees something, or if `signalled`.
    fn post(&self, sender: &mut Sender, chain: &mut Chain, signalled: bool) {
        let ring_under_way = sender.marks.back().map_or(sender.ring_done, |mark| mark.1);
        sender.posted += chain.len as u64;
        sender.immediates += chain.immediates;
        if signalled
            || !self.server
            || sender.ring_posted != ring_under_way
            || sender.posted - sender.signalled >= SIGNAL_EVERY
        {
            chain.writes[chain.len - 1].signalled = true;
            sender.signalled = sender.posted;
            sender.marks.push_back((sender.posted, sender.ring_posted));
            self.chains_under_way.store(sender.marks.len(), Ordering::Relaxed);
        }
        if let Err(error) = sender.queue.write(&chain.writes[..chain.len]) {
            self.broke(&error);
        }
    }

    /// Posts what was left behind if what was under way has arrived meanwhile; true if it still stays behind.
    fn send_if_arrived(&self) -> bool {
        let mut waits = false;
        if let Ok(mut sender) = self.sender.try_lock() {
            self.reap(&mut sender);
            waits = sender.marks.len() >= CHAINS_UNDER_WAY;
            if waits && self.sleepers.load(Ordering::Relaxed) != 0 && !self.send_armed.swap(true, Ordering::SeqCst) {
                // Nobody may look at completions again before the next commit: let one of them wake who sleeps.
                self.arm(&self.ends.sends);
                self.reap(&mut sender);
                waits = sender.marks.len() >= CHAINS_UNDER_WAY;
            }
        }
        if !waits || self.send_wanted.load(Ordering::SeqCst) {
            self.kick();
            return false;
        }
        true
    }

    /// Asks for an event, then looks whether it would come too late; true if something came.
    fn arm_and_look(&self) -> bool {
        self.arm(&self.ends.receives);
        if self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() {
            self.send_armed.store(true, Ordering::SeqCst);
            self.arm(&self.ends.sends);
            self.kick();
        }
        // Who holds the receiver takes in what came, and wakes those whom it concerns.
        let Ok(mut receiving) = self.receiver.try_lock() else {
            return false;
        };
        let progress = self.receive(&mut receiving);
        self.seen.add(progress);
        progress.any || self.health.is_down()
    }

    fn arm(&self, completions: &CompletionQueue) {
        if let Err(error) = completions.arm() {
            self.broke(&error);
        }
    }

    /// Takes in what has come.
    fn receive(&self, receiving: &mut Receiving) -> Progress {
        let mut progress = Progress::default();
        let mut completions = [Completion::default(); COMPLETIONS];
        for _ in 0..RECEIVES as usize / COMPLETIONS {
            let n = match self.ends.receives.poll(&mut completions) {
                Ok(n) => n,
                Err(error) => {
                    self.broke(&error);
                    return progress;
                }
            };
            for completion in &completions[..n] {
                if let Err(error) = completion.result() {
                    self.broke(&error);
                    return progress;
                }
                receiving.taken += 1;
                progress.any = true;
                if let Err((rule, what)) = self.came(completion.immediate(), &mut progress) {
                    self.health.misbehaved(rule, what);
                    return progress;
                }
            }
            if receiving.taken >= RECEIVES_A_POST {
                if let Err(error) = receiving.queue.receive_nothing(receiving.taken) {
                    self.broke(&error);
                    return progress;
                }
                self.put_back.fetch_add(receiving.taken.into(), Ordering::Release);
                receiving.taken = 0;
            }
            if n < COMPLETIONS {
                break;
            }
        }
        progress
    }

    /// One immediate of the peer.
    fn came(&self, immediate: Option<u32>, progress: &mut Progress) -> Result<(), (&'static str, &'static str)> {
        let Some(bits) = immediate else {
            return Err(("W22", "a message without an immediate"));
        };
        match (Immediate::decode(bits), self.server) {
            (Ok(Immediate::Ring { lines }), _) => {
                let received = self.received.load(Ordering::Relaxed);
                let Some(end) = position(received, lines, self.incoming_bytes) else {
                    return Err(("W20", "ring bytes that cannot be"));
                };
                if end.saturating_sub(self.released_here()) > self.incoming_bytes {
                    return Err(("W7", "ring bytes over space that was not released"));
                }
                self.received.store(end, Ordering::Release);
            }
            (Ok(Immediate::Slot(slot)), false) => {
                let at = reply_slot_at(slot.into());
                let position = self.own.load_u64(at + REPLY_LANDED, Ordering::Relaxed);
                // Release: the answer before its position. [SYNC reply]
                self.own.store_u64(at + REPLY_POSITION, position, Ordering::Release);
                progress.slots |= 1 << slot;
                progress.board = true;
            }
            (Ok(Immediate::Words), false) => progress.board = true,
            (Ok(_), true) => return Err(("W21", "a server's immediate from the client")),
            (Err(rule), _) => return Err((rule, "an immediate without a meaning")),
        }
        Ok(())
    }

    /// Whether the connection beside the queue pair still stands, and what the device says.
    fn look_at_connection(&self) {
        let mut byte = 0u8;
        // SAFETY: one writable byte.
        let n = unsafe {
            let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
            libc::recv(self.socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags)
        };
        let cause = match n {
            0 => DownCause::PeerClosed,
            1.. => {
                self.health.misbehaved("W23", "bytes on the connection beside a queue pair");
                return;
            }
            _ => {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => return self.look_at_device(),
                    io::ErrorKind::ConnectionReset => DownCause::PeerClosed,
                    _ => DownCause::Transport(error.to_string()),
                }
            }
        };
        // What came before the end still counts.
        if let Ok(mut receiving) = self.receiver.lock() {
            self.seen.add(self.receive(&mut receiving));
        }
        self.health.fail(cause);
    }

    #[cold]
    fn look_at_device(&self) {
        while let Some(event) = self.ends.next_event() {
            if let Some(why) = self.ends.concerns(&event) {
                self.health.fail(DownCause::Transport(why));
            }
        }
    }

    #[cold]
    fn broke(&self, error: &ringway_verbs::Error) {
        self.health.fail(DownCause::Transport(error.to_string()));
    }
}

impl Link for RdmaLink {
    fn kind(&self) -> LinkKind {
        LinkKind::Rdma
    }

    #[inline]
    fn ring_committed(&self, end: u64) -> bool {
        if self.server
            || self.chains_under_way.load(Ordering::Relaxed) < CHAINS_UNDER_WAY
            || end.saturating_sub(self.sent.load(Ordering::Relaxed)) >= UNSENT_MAX
        {
            self.kick();
            return false;
        }
        self.send_if_arrived()
    }

    fn written(&self, area: Area) {
        match area {
            Area::Slot(slot) => {
                self.slots_dirty.fetch_or(1 << slot, Ordering::SeqCst);
                self.kick();
            }
            Area::Board => _ = self.board_dirty.fetch_or(DIRTY_HEAD, Ordering::SeqCst),
            Area::Words => _ = self.board_dirty.fetch_or(DIRTY_WORDS, Ordering::SeqCst),
            Area::ErrorLog => _ = self.board_dirty.fetch_or(DIRTY_LOG, Ordering::SeqCst),
            Area::Released => {
                if self.release_is_due() {
                    self.board_dirty.fetch_or(DIRTY_HEAD, Ordering::SeqCst);
                    self.kick();
                }
            }
        }
    }

    fn flush(&self) {
        if self.server && self.board_dirty.load(Ordering::Relaxed) != 0 || self.has_urgent() {
            self.kick();
        }
    }

    fn idle(&self) {
        if self.has_urgent() {
            self.kick();
        } else if self.board_dirty.load(Ordering::Relaxed) != 0 {
            // Nobody waits for these words: the next answer takes them along, if one comes soon.
            let idle = self.idle_polls.load(Ordering::Relaxed) + 1;
            self.idle_polls.store(idle % BOARD_IDLE_POLLS, Ordering::Relaxed);
            if idle == BOARD_IDLE_POLLS {
                self.kick();
            }
        }
    }

    #[inline]
    fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    fn progress(&self) -> Progress {
        if self.send_blocked.load(Ordering::Relaxed) || self.credits_are_due() {
            self.kick();
        } else if !self.server && self.has_unsent_records() {
            self.send_if_arrived();
        }
        let mut progress = match self.receiver.try_lock() {
            Ok(mut receiving) => self.receive(&mut receiving),
            Err(_) => Progress::default(),
        };
        self.seen.take(&mut progress);
        progress
    }

    fn check_peer(&self) {
        self.look_at_connection();
    }

    fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept {
        // Count the sleeper, then look whether sending is blocked; who blocks says so, then looks at the count.
        // [SYNC blocked]
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let slept = if self.arm_and_look() {
            Slept::Came
        } else {
            let fds = [self.socket.as_raw_fd(), self.ends.channel_fd(), self.ends.events_fd()];
            until_any_readable(fds, self.wakers.of(sleeper), timeout)
        };
        if slept == Slept::Came {
            self.ends.drain_channel();
            self.send_armed.store(false, Ordering::SeqCst);
            self.look_at_connection();
        }
        if self.sleepers.fetch_sub(1, Ordering::SeqCst) > 1 && slept == Slept::Came {
            // The event was for all who sleep: those who still do need another.
            self.arm_and_look();
        }
        slept
    }

    fn first_sleep(&self) -> Duration {
        Duration::ZERO
    }

    fn drain_doorbell(&self) {}

    fn wake(&self, sleeper: Sleeper) {
        self.wakers.of(sleeper).wake();
    }

    fn close(&self) {
        // What was committed or answered before still goes, as far as the peer takes it in time.
        let end = Instant::now() + CLOSE_WAIT;
        while !self.health.is_down() && Instant::now() < end {
            self.flush();
            let Ok(mut sender) = self.sender.lock() else { break };
            self.reap(&mut sender);
            if !self.has_something(&sender) {
                if sender.posted == sender.done {
                    break;
                }
                if sender.posted != sender.signalled && sender.posted - sender.done < u64::from(SENDS) {
                    // Done when everything before it is.
                    let mut last = Chain::new();
                    self.put_credits(&mut last);
                    self.post(&mut sender, &mut last, true);
                }
            }
            drop(sender);
            std::thread::yield_now();
        }
        self.health.fail(DownCause::ClosedHere);
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        self.wakers.wake_all();
    }

    fn health(&self) -> &Health {
        &self.health
    }
}
