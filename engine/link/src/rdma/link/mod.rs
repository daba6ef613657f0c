//! Windows over a reliable-connected queue pair: a put is an RDMA WRITE from the shadow straight to its place in the
//! peer's window, the last of a chain WITH IMMEDIATE, which tells the peer what came (WIRE.md, "Queue pairs").
//!
//! A client's commits are clocked by the adapter's own acknowledgements: while few chains are under way a commit posts
//! at once; otherwise whoever sees the completions posts the rest. Receives carry no bytes: each WRITE WITH IMMEDIATE
//! takes one, and the peer is told how many were put back, so it never finds none (no receiver-not-ready).
//!
//! The connection over which the lane was asked for stays open: its end is the link's end, as on shm.

mod beside;
mod composing;
mod receiving;
mod sending;

use super::chain::Seen;
use super::ends::{Ends, ReceiveEnd, SendEnd};
use super::transfer::{MaybeTransfers, Transfers};
use crate::lane::{Start, Windows, scan};
use crate::link::{Area, Break, Condition, Link, Progress, Sleeper, Slept, Told};
use crate::sleep::{Wakers, until_any};
use crate::tcp::{reset_now, reset_on_close};
use crate::{LinkError, LinkKind, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::{Consumer, Span};
use ringway_verbs::{AsyncEvents, CompletionChannel, CompletionQueue};
use ringway_wire::layout::*;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A client's commit posts at once while fewer chains are under way.
const CHAINS_UNDER_WAY: u64 = 4;
/// A client's commit posts whatever is under way once so many bytes wait.
const UNSENT_MAX: u64 = 32 << 10;
/// Completions taken out of a queue at a time.
const COMPLETIONS: usize = 16;
/// Looks at the queues that found nothing between two at the clock, and the time between two looks at the connection
/// beside the queue pair.
const LOOKS_PER_CLOCK: u32 = 16;
const BESIDE_EVERY_US: u64 = 1000;
/// Empty polls after which board words are sent though nobody asked.
const BOARD_IDLE_POLLS: u32 = 16;
/// The farewell, on the connection beside the queue pair. Rule W23.
const FAREWELL: u8 = b'F';

const DIRTY_HEAD: u32 = 1;
const DIRTY_WORDS: u32 = 2;
const DIRTY_LOG: u32 = 4;
const DIRTY_POSITIONS: u32 = 8;

/// What an answer carries, in the order of [`REPLY_POSITIONS`].
const POSITIONS: [usize; 3] = [BOARD_RELEASED, BOARD_CONSUMED, BOARD_EXECUTED];

/// What is being sent.
struct Sender {
    /// None once the link was retired.
    end: Option<SendEnd>,
    /// Finds the committed prefix in the shadow ring.
    scanner: Consumer,
    /// Ring bytes before these positions are posted, and known to have arrived.
    ring_posted: u64,
    ring_arrived: u64,
    /// Immediates sent since the beginning.
    immediates: u64,
}

/// What is being received.
struct Receiving {
    /// None once the link was retired.
    end: Option<ReceiveEnd>,
    /// Receives taken by the peer's writes and not put back yet.
    taken: u32,
}

/// What lies beside the queue pair, for those who sleep or look after it.
struct Beside {
    socket: TcpStream,
    events: AsyncEvents,
    channel: CompletionChannel,
    sends: CompletionQueue,
    receives: CompletionQueue,
}

pub(super) struct RdmaLink {
    server: bool,
    condition: Condition,
    /// It continues another link.
    again: bool,
    /// Another link took its place.
    retired: AtomicBool,
    /// The peer said that the end of the connection will be meant.
    peer_is_ending: AtomicBool,
    said_farewell: AtomicBool,
    own: Span,
    peer: Span,
    wakers: Arc<Wakers>,
    /// The ring this end fills, in the shadow; its key, and where it lies in the peer's window.
    outgoing: Span,
    outgoing_key: u64,
    outgoing_at: usize,
    /// Bytes of the ring the peer fills.
    incoming_bytes: u64,
    /// Port and number of the queue pair.
    port: u8,
    number: u32,
    /// What to watch in poll(2): only by those whom `retire` waits for.
    watched: [(RawFd, i16); 3],
    beside: Mutex<Option<Beside>>,
    transfers: MaybeTransfers,

    sender: Mutex<Sender>,
    /// There may be something to send that the holder of `sender` has not seen.
    send_wanted: AtomicBool,
    /// Something waits for completions, or for receives of the peer: somebody must call `progress`.
    send_blocked: AtomicBool,
    /// A completion of a send wakes who sleeps.
    send_armed: AtomicBool,
    /// Threads in `park`.
    sleepers: AtomicU32,
    /// Ring bytes posted.
    sent: CachePadded<AtomicU64>,
    /// Chains of a client posted whose completion was not seen yet.
    chains_under_way: AtomicU64,
    released_sent: AtomicU64,
    /// Server: position consumed that the client was told.
    consumed_sent: AtomicU64,
    /// Release is to be told though it may be known: the link continues another.
    release_again: AtomicBool,
    slots_dirty: AtomicU64,
    board_dirty: AtomicU32,
    idle_polls: AtomicU32,
    empty_looks: AtomicU32,
    made: Instant,
    looked_beside_us: AtomicU64,

    receiver: Mutex<Receiving>,
    received: CachePadded<AtomicU64>,
    /// Receives put back since the beginning, and how many of them the peer was told of.
    put_back: AtomicU64,
    put_back_told: AtomicU64,
    /// Taken in by a thread on its way to sleep; the next `progress` reports it.
    seen: Seen,
}

impl RdmaLink {
    /// What goes out, looked through as far as it is committed. To be made while the peer cannot write this end's window: as soon as
    /// it can, it may release records, which are overwritten then.
    /// Errors: `Down` (`start` is nonsense, rule W17).
    pub(super) fn scanner(windows: &Windows, start: Start) -> Result<Consumer> {
        let (outgoing, outgoing_key) = windows.outgoing();
        // Records begin where the peer has released, and are intact from there.
        let mut scanner = Consumer::at(outgoing, outgoing_key, windows.released_by_peer());
        scan(&mut scanner, u64::MAX).map_err(|what| LinkError::misbehaved("W7", what))?;
        if start.peer_received > scanner.head() {
            return Err(LinkError::misbehaved("W17", "a position that was never sent"));
        }
        Ok(scanner)
    }

    /// A link over a connected queue pair and the socket on which it was agreed.
    /// Errors: `System`.
    pub(super) fn new(socket: TcpStream, ends: Ends, windows: &Windows, start: Start, scanner: Consumer) -> Result<RdmaLink> {
        let (outgoing, outgoing_key) = windows.outgoing();
        let watched = [
            (socket.as_raw_fd(), libc::POLLIN | libc::POLLRDHUP),
            (ends.channel.as_raw_fd(), libc::POLLIN),
            (ends.events.fd(), libc::POLLIN),
        ];
        let beside = Beside {
            socket,
            events: ends.events,
            channel: ends.channel,
            sends: ends.sends.completions.clone(),
            receives: ends.receives.completions.clone(),
        };
        Ok(RdmaLink {
            server: windows.server,
            condition: Condition::default(),
            again: start.again,
            retired: AtomicBool::new(false),
            peer_is_ending: AtomicBool::new(false),
            said_farewell: AtomicBool::new(false),
            own: windows.own.clone(),
            peer: windows.peer.clone(),
            wakers: windows.wakers.clone(),
            outgoing,
            outgoing_key,
            outgoing_at: if windows.server { NOTICE_RING_AT } else { SUBMIT_RING_AT },
            incoming_bytes: windows.incoming().len() as u64,
            port: ends.port,
            number: ends.number,
            watched,
            beside: Mutex::new(Some(beside)),
            transfers: ends.transfers,
            sender: Mutex::new(Sender {
                end: Some(ends.sends),
                scanner,
                ring_posted: start.peer_received,
                ring_arrived: start.peer_received,
                immediates: 0,
            }),
            send_wanted: AtomicBool::new(false),
            send_blocked: AtomicBool::new(false),
            send_armed: AtomicBool::new(false),
            sleepers: AtomicU32::new(0),
            sent: CachePadded::new(AtomicU64::new(start.peer_received)),
            chains_under_way: AtomicU64::new(0),
            released_sent: AtomicU64::new(0),
            consumed_sent: AtomicU64::new(0),
            release_again: AtomicBool::new(false),
            slots_dirty: AtomicU64::new(0),
            board_dirty: AtomicU32::new(0),
            idle_polls: AtomicU32::new(0),
            empty_looks: AtomicU32::new(0),
            made: Instant::now(),
            looked_beside_us: AtomicU64::new(0),
            receiver: Mutex::new(Receiving {
                end: Some(ends.receives),
                taken: 0,
            }),
            received: CachePadded::new(AtomicU64::new(start.received)),
            put_back: AtomicU64::new(0),
            put_back_told: AtomicU64::new(0),
            seen: Seen::default(),
        })
    }
}

impl Link for RdmaLink {
    fn kind(&self) -> LinkKind {
        LinkKind::Rdma
    }

    #[inline]
    fn ring_committed(&self, end: u64) -> Told {
        if self.server
            || self.chains_under_way.load(Ordering::Relaxed) < CHAINS_UNDER_WAY
            || end.saturating_sub(self.sent.load(Ordering::Relaxed)) >= UNSENT_MAX
        {
            return self.kick();
        }
        self.send_if_arrived()
    }

    fn written(&self, area: Area) -> Told {
        let dirty = match area {
            Area::Slot(slot) => {
                self.slots_dirty.fetch_or(1 << slot, Ordering::SeqCst);
                return self.kick();
            }
            Area::Released if !self.release_is_due() => return Told::Done,
            Area::Released => {
                self.board_dirty.fetch_or(DIRTY_HEAD, Ordering::SeqCst);
                return self.kick();
            }
            Area::Board => DIRTY_HEAD,
            Area::Executed => DIRTY_POSITIONS,
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
        if self.server && self.has_board_news() || self.has_urgent() {
            self.kick_if_current();
        }
    }

    fn idle(&self) {
        if self.has_urgent() {
            self.kick_if_current();
        } else if self.has_board_news() {
            // Nobody waits for these words: the next answer takes them along, if one comes soon.
            let idle = self.idle_polls.load(Ordering::Relaxed) + 1;
            self.idle_polls.store(idle % BOARD_IDLE_POLLS, Ordering::Relaxed);
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
        if self.send_blocked.load(Ordering::Relaxed) || self.credits_are_due() {
            self.kick_if_current();
        } else if !self.server && self.has_unsent_records() {
            let _ = self.send_if_arrived();
        }
        let mut progress = match self.receiver.try_lock() {
            Ok(mut receiving) => self.receive(&mut receiving),
            Err(_) => Progress::default(),
        };
        self.seen.take(&mut progress);
        if !progress.any {
            let empty = self.empty_looks.fetch_add(1, Ordering::Relaxed);
            if empty % LOOKS_PER_CLOCK == LOOKS_PER_CLOCK - 1 {
                let now_us = self.made.elapsed().as_micros() as u64;
                if now_us.saturating_sub(self.looked_beside_us.load(Ordering::Relaxed)) >= BESIDE_EVERY_US {
                    self.looked_beside_us.store(now_us, Ordering::Relaxed);
                    self.look_beside();
                    self.seen.take(&mut progress);
                }
            }
        }
        progress
    }

    fn check_peer(&self) {
        self.look_beside();
    }

    fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept {
        // Count the sleeper, then look whether sending is blocked; who blocks says so, then looks at the count.
        // [SYNC blocked]
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // Who retires the link says so, then waits for those who are counted.
        let slept = if self.retired.load(Ordering::SeqCst) {
            Slept::Woken
        } else if self.arm_and_look() {
            Slept::Came
        } else {
            until_any(self.watched, self.wakers.of(sleeper), timeout)
        };
        if slept == Slept::Came {
            self.send_armed.store(false, Ordering::SeqCst);
            if let Some(beside) = &*lock(&self.beside)
                && let Err(error) = beside.channel.take_events()
            {
                self.broke(error);
            }
            self.look_beside();
            if self.sleepers.load(Ordering::SeqCst) > 1 {
                // The event was for all who sleep: those who still do need another.
                self.arm_and_look();
            }
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        slept
    }

    fn first_sleep(&self) -> Duration {
        Duration::ZERO
    }

    fn drain_doorbell(&self) {}

    fn wake(&self, sleeper: Sleeper) {
        self.wakers.of(sleeper).wake();
    }

    fn farewell(&self) {
        if self.said_farewell.swap(true, Ordering::SeqCst) {
            return;
        }
        // The process may end right after this.
        self.drain();
        if let Some(beside) = &*lock(&self.beside) {
            // A connection that takes no byte is at its end anyway.
            let _ = (&beside.socket).write(&[FAREWELL]);
        }
    }

    fn close(&self) {
        self.farewell();
        self.drain();
        self.condition.fail(Break::Closed);
        if let Some(beside) = &*lock(&self.beside) {
            let _ = beside.socket.shutdown(std::net::Shutdown::Both);
        }
        self.wakers.wake_all();
    }

    fn start(&self) {
        // [SYNC replace]
        fence(Ordering::SeqCst);
        if !self.again {
            return;
        }
        if self.server {
            let filled = |slot: &usize| self.peer.load_u64(reply_slot_at(*slot) + REPLY_POSITION, Ordering::SeqCst) != 0;
            let slots = (0..REPLY_SLOTS).filter(filled).fold(0, |slots, slot| slots | 1 << slot);
            self.slots_dirty.fetch_or(slots, Ordering::SeqCst);
            self.board_dirty
                .fetch_or(DIRTY_HEAD | DIRTY_WORDS | DIRTY_LOG, Ordering::SeqCst);
        } else {
            self.release_again.store(true, Ordering::SeqCst);
        }
        self.kick_if_current();
    }

    fn transfers(&self) -> Option<&Arc<Transfers>> {
        self.transfers.as_ref()
    }

    fn break_off(&self, why: String) {
        self.broke(why);
        // Who is sending has looked before whether the link stands; the next one will know.
        drop(lock(&self.sender));
        self.tell_broken();
        self.wakers.wake_all();
    }

    fn tell_broken(&self) {
        if let Some(beside) = &*lock(&self.beside) {
            // The peer's end of the queue pair may be well, and idle; or its device is gone without a word.
            reset_now(&beside.socket);
        }
    }

    fn retire(&self) -> u64 {
        self.condition.fail(Break::Closed);
        self.retired.store(true, Ordering::SeqCst);
        if let Some(transfers) = &self.transfers {
            transfers.stop();
        }
        {
            let mut sender = lock(&self.sender);
            if let Some(mut end) = sender.end.take() {
                // It may be in error already; it goes with its other half below in any case.
                let _ = end.queue.fail();
            }
            // So that commits find out.
            self.sent.store(0, Ordering::SeqCst);
            self.chains_under_way.store(0, Ordering::SeqCst);
            self.send_blocked.store(false, Ordering::SeqCst);
        }
        {
            let mut receiving = lock(&self.receiver);
            // What had come before counts.
            self.seen.add(self.receive(&mut receiving));
            receiving.end = None;
        }
        while self.sleepers.load(Ordering::SeqCst) != 0 {
            self.wakers.wake_all();
            std::thread::sleep(Duration::from_micros(20));
        }
        if let Some(beside) = lock(&self.beside).take() {
            reset_on_close(&beside.socket);
        }
        self.received.load(Ordering::Acquire)
    }

    fn condition(&self) -> &Condition {
        &self.condition
    }
}

impl Drop for RdmaLink {
    fn drop(&mut self) {
        // Also ends the connection where a forked child still holds a copy of the descriptor.
        if let Some(beside) = &*lock(&self.beside) {
            let _ = beside.socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
