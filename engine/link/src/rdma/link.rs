//! Windows over a reliable-connected queue pair: a put is an RDMA WRITE from the shadow straight to its place in the
//! peer's window, the last of a chain WITH IMMEDIATE, which tells the peer what came (WIRE.md, "Queue pairs").
//!
//! A client's commits are clocked by the adapter's own acknowledgements: while few chains are under way a commit posts
//! at once; otherwise whoever sees the completions posts the rest. Receives carry no bytes: each WRITE WITH IMMEDIATE
//! takes one, and the peer is told how many were put back, so it never finds none (no receiver-not-ready).
//!
//! The connection over which the lane was asked for stays open: its end is the link's end, as on shm.

use super::chain::{CHAIN, Chain, Seen};
use super::ends::{Ends, RECEIVES, ReceiveEnd, SendEnd};
use super::transfer::{MaybeTransfers, Transfers};
use crate::lane::{Start, Windows, scan};
use crate::link::{Area, Break, Condition, Link, Progress, Sleeper, Slept, Told};
use crate::sleep::{Wakers, until_any};
use crate::tcp::{reset_now, reset_on_close};
use crate::{LinkError, LinkKind, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::{Consumer, Span, is_committed};
use ringway_verbs::{AsyncEvent, AsyncEvents, CompletionChannel, CompletionQueue, Completions, Element, Local, Options};
use ringway_wire::immediate::{Immediate, lines, lines_between, position};
use ringway_wire::layout::*;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Immediates kept for messages that only tell how many receives were put back: so those can always be sent.
const RESERVED: u64 = 8;
/// Receives put back at a time.
const RECEIVES_A_POST: u32 = 16;
/// The peer is told of receives put back once so many are due; until then it goes with whatever else is sent.
const CREDITS_DUE: u64 = RECEIVES as u64 / 4;
/// Bytes of one chain that may be copied to go inline.
const INLINE_BYTES: usize = 512;
/// Ring bytes in one work request at the most.
const WRITE_BYTES_MAX: u64 = 256 << 10;
/// Ring bytes under way at the most, so that slots and board do not wait behind them.
const UNDER_WAY_MAX: u64 = 1 << 20;
/// A client's commit posts at once while fewer chains are under way.
const CHAINS_UNDER_WAY: u64 = 4;
/// A client's commit posts whatever is under way once so many bytes wait.
const UNSENT_MAX: u64 = 32 << 10;
/// Completions taken out of a queue at a time.
const COMPLETIONS: usize = 16;
/// Chains that one caller posts before it leaves the rest to the next: a posting thread is not a sender for life.
const CHAINS_A_TURN: u32 = 8;
/// Looks at the queues that found nothing between two at the clock, and the time between two looks at the connection
/// beside the queue pair.
const LOOKS_PER_CLOCK: u32 = 16;
const BESIDE_EVERY_US: u64 = 1000;
/// Empty polls after which board words are sent though nobody asked.
const BOARD_IDLE_POLLS: u32 = 16;
/// Release is told to the peer once this fraction of the ring is due; until then it goes with whatever else is sent.
const RELEASE_FRACTION: u64 = 8;
/// How long closing waits for what was posted to arrive.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// The farewell, on the connection beside the queue pair. Rule W23.
const FAREWELL: u8 = b'F';

const DIRTY_HEAD: u32 = 1;
const DIRTY_WORDS: u32 = 2;
const DIRTY_LOG: u32 = 4;
const DIRTY_POSITIONS: u32 = 8;

/// Board bytes from the first word to the last of the head; and to the last of the positions that an answer carries too.
const BOARD_HEAD_END: usize = BOARD_ERRORS + 8;
const BOARD_POSITIONS_END: usize = BOARD_EXECUTED + 8;
/// What an answer carries, in the order of [`REPLY_POSITIONS`].
const POSITIONS: [usize; 3] = [BOARD_RELEASED, BOARD_CONSUMED, BOARD_EXECUTED];

const _: () = assert!(BOARD_RELEASED == 0 && BOARD_CONSUMED == 8 && BOARD_POSITIONS_END <= BOARD_HEAD_END);

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

    #[inline]
    fn credits_are_due(&self) -> bool {
        let told = self.put_back_told.load(Ordering::Relaxed);
        self.put_back.load(Ordering::Relaxed).saturating_sub(told) >= CREDITS_DUE
    }

    #[inline]
    fn has_unsent_records(&self) -> bool {
        is_committed(&self.outgoing, self.outgoing_key, self.sent.load(Ordering::Relaxed))
    }

    fn has_urgent(&self) -> bool {
        self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() || self.credits_are_due()
    }

    /// Where this end's count of receives put back lies, in the peer's window.
    fn credits_there(&self) -> usize {
        if self.server { BOARD_PUT_BACK } else { CONTROL_PUT_BACK }
    }

    /// Where the peer's count lies, in the own window.
    fn credits_here(&self) -> usize {
        if self.server { CONTROL_PUT_BACK } else { BOARD_PUT_BACK }
    }

    /// Marks the link broken; an end that the peer announced is no break.
    #[cold]
    fn fail(&self, how: Break) {
        let meant = how.may_resume() && self.peer_is_ending.load(Ordering::Relaxed);
        self.condition.fail(if meant { Break::Gone } else { how });
    }

    /// The adapter says that it broke. What the connection beside the queue pair says of the end counts more.
    #[cold]
    fn broke(&self, error: impl std::fmt::Display) {
        let said = match self.beside.try_lock() {
            Ok(beside) => beside.as_ref().and_then(|beside| self.read_beside(&beside.socket)),
            Err(_) => None,
        };
        self.fail(said.unwrap_or_else(|| Break::Failed(error.to_string())));
    }

    /// As [`RdmaLink::kick`], where nothing depends on it: the link that follows sends what it finds.
    fn kick_if_current(&self) {
        let _ = self.kick();
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
            let mut chains = 0;
            while self.send_wanted.swap(false, Ordering::SeqCst) && chains < CHAINS_A_TURN {
                self.reap(&mut sender);
                chains += self.send(&mut sender, CHAINS_A_TURN - chains);
            }
            if chains >= CHAINS_A_TURN {
                self.leave_blocked();
                return Told::Done;
            }
        }
        Told::Done
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
        let Some(end) = &mut sender.end else {
            return;
        };
        while end.queue.under_way() != 0 {
            let mut room = Completions::<COMPLETIONS>::new();
            let came = match end.completions.poll(&mut room) {
                Ok(came) => came,
                Err(error) => return self.broke(error),
            };
            for completion in came {
                match end.queue.reap(completion) {
                    Ok(work) => {
                        let behind = lines_between(work.tag, lines(sender.ring_posted));
                        let arrived = sender.ring_posted.saturating_sub(u64::from(behind) * LINE as u64);
                        sender.ring_arrived = sender.ring_arrived.max(arrived);
                    }
                    Err(error) => return self.broke(error),
                }
            }
            if !self.server {
                // Each of a client's chains asks for one completion.
                self.chains_under_way.fetch_sub(came.len() as u64, Ordering::Relaxed);
            }
            if came.len() < COMPLETIONS {
                return;
            }
        }
    }

    /// Posts chains until there is nothing, something must be waited for, or `chains_max` went; how many.
    fn send(&self, sender: &mut Sender, chains_max: u32) -> u32 {
        self.send_blocked.store(false, Ordering::Relaxed);
        for chains in 0..chains_max {
            let room = sender.end.as_ref().map_or(0, |end| end.queue.room());
            if self.condition.is_broken() || sender.end.is_none() {
                return chains;
            }
            let put_back = self.own.load_u64(self.credits_here(), Ordering::Acquire);
            let under_way = sender.immediates.saturating_sub(put_back);
            let mut credits = u64::from(RECEIVES).saturating_sub(under_way);
            if (room as usize) < CHAIN {
                credits = 0;
            }
            let mut chain = Chain::default();
            let all = self.compose(sender, &mut chain, credits);
            if chain.len == 0 {
                if !all {
                    self.leave_blocked();
                }
                return chains;
            }
            self.post(sender, &mut chain);
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
        let put_back = self.put_back.load(Ordering::Relaxed);
        if put_back != self.put_back_told.load(Ordering::Relaxed)
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
        all &= if chain.immediates < usual {
            self.compose_ring(sender, chain)
        } else {
            !self.has_something(sender)
        };
        if chain.len > 0 && !chain.tells() {
            chain.tell(self.nothing_new(sender));
        }
        all
    }

    /// An immediate that says only that words came.
    fn nothing_new(&self, sender: &Sender) -> Immediate {
        if self.server {
            Immediate::Words
        } else {
            Immediate::Ring {
                lines: lines(sender.ring_posted),
            }
        }
    }

    fn has_something(&self, sender: &Sender) -> bool {
        sender.ring_posted < sender.scanner.head()
            || is_committed(&self.outgoing, self.outgoing_key, sender.scanner.head())
            || if self.server {
                self.slots_dirty.load(Ordering::Relaxed) != 0 || self.has_board_news()
            } else {
                self.release_is_due() || self.release_again.load(Ordering::Relaxed)
            }
    }

    /// Server: words of the board changed.
    #[inline]
    fn has_board_news(&self) -> bool {
        self.board_dirty.load(Ordering::Relaxed) != 0 || self.consumed_is_news()
    }

    fn put_credits(&self, chain: &mut Chain) {
        let put_back = self.put_back.load(Ordering::Acquire);
        self.peer.store_u64(self.credits_there(), put_back, Ordering::Release);
        self.put_back_told.store(put_back, Ordering::Relaxed);
        chain.put(self.credits_there(), 8);
    }

    fn compose_released(&self, sender: &Sender, chain: &mut Chain) {
        let records = sender.ring_posted < sender.scanner.head()
            || is_committed(&self.outgoing, self.outgoing_key, sender.scanner.head());
        let again = self.release_again.swap(false, Ordering::SeqCst);
        let released = self.released_here();
        if again || released != self.released_sent.load(Ordering::Relaxed) && (records || self.release_is_due()) {
            self.released_sent.store(released, Ordering::Relaxed);
            chain.put(CONTROL_NOTICE_RELEASED, 8);
        }
    }

    fn compose_board(&self, chain: &mut Chain) {
        let dirty = self.board_dirty.swap(0, Ordering::SeqCst);
        // What the head counts is sent before the head.
        if dirty & DIRTY_LOG != 0 {
            chain.put(ERROR_LOG_AT, BOARD_END - ERROR_LOG_AT);
        }
        if dirty & DIRTY_WORDS != 0 {
            chain.put(BOARD_WORDS_AT, ERROR_LOG_AT - BOARD_WORDS_AT);
        }
        let end = if dirty & !DIRTY_POSITIONS != 0 {
            BOARD_HEAD_END
        } else if (dirty != 0 || self.consumed_is_news()) && self.slots_dirty.load(Ordering::Relaxed) == 0 {
            BOARD_POSITIONS_END
        } else {
            // Answers take the positions along.
            return;
        };
        // At least what is sent: they may grow meanwhile.
        self.released_sent.store(self.released_here(), Ordering::Relaxed);
        self.consumed_sent
            .store(self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed), Ordering::Relaxed);
        chain.put(0, end);
    }

    /// Server: the client was not told how far its records are consumed.
    #[inline]
    fn consumed_is_news(&self) -> bool {
        self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed) != self.consumed_sent.load(Ordering::Relaxed)
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
            let positions = POSITIONS.map(|word| self.peer.load_u64(word, Ordering::Acquire));
            for (index, position) in positions.into_iter().enumerate() {
                self.peer.store_u64(at + REPLY_POSITIONS + index * 8, position, Ordering::Relaxed);
            }
            self.released_sent.fetch_max(positions[0], Ordering::Relaxed);
            self.consumed_sent.fetch_max(positions[1], Ordering::Relaxed);
            let until = if len == 0 { REPLY_POSITIONS + 24 } else { REPLY_HEADER + len };
            chain.put(at + REPLY_STATUS_LEN, until - REPLY_STATUS_LEN);
            chain.tell(Immediate::Slot(slot));
        }
        if slots != 0 {
            self.slots_dirty.fetch_or(slots, Ordering::SeqCst);
        }
        slots == 0
    }

    /// The committed prefix of the ring, as far as it may be under way; false if some is left.
    fn compose_ring(&self, sender: &mut Sender, chain: &mut Chain) -> bool {
        let limit = sender.ring_posted.saturating_add(WRITE_BYTES_MAX);
        if let Err(what) = scan(&mut sender.scanner, limit) {
            self.fail(Break::Damaged(what));
            return true;
        }
        let head = sender.scanner.head();
        let before = sender.ring_posted;
        let ring_bytes = self.outgoing.len() as u64;
        while sender.ring_posted < head
            && chain.room() > 0
            && sender.ring_posted - sender.ring_arrived < UNDER_WAY_MAX
        {
            let offset = sender.ring_posted & (ring_bytes - 1);
            let len = (head - sender.ring_posted)
                .min(ring_bytes - offset)
                .min(WRITE_BYTES_MAX);
            chain.put(self.outgoing_at + offset as usize, len as usize);
            sender.ring_posted += len;
        }
        if sender.ring_posted != before {
            chain.tell(Immediate::Ring {
                lines: lines(sender.ring_posted),
            });
            chain.signalled = true;
            self.sent.store(sender.ring_posted, Ordering::Release);
        }
        sender.ring_posted == head && !is_committed(&self.outgoing, self.outgoing_key, head)
    }

    /// Hands a chain to the adapter. Asks for its completion where that clocks or frees something; else the queue does
    /// now and then.
    fn post(&self, sender: &mut Sender, chain: &mut Chain) {
        sender.immediates += chain.immediates;
        chain.signalled |= !self.server;
        let tag = lines(sender.ring_posted);
        let Some(end) = &mut sender.end else {
            return;
        };
        let mut copies = [0u8; INLINE_BYTES];
        let mut copies = &mut copies[..];
        let inline_max = end.queue.inline_bytes_max() as usize;
        let mut batch = end.queue.batch();
        for (index, put) in chain.puts[..chain.len].iter().enumerate() {
            let local = if put.len <= inline_max.min(copies.len()) {
                let (copy, rest) = copies.split_at_mut(put.len);
                copies = rest;
                self.peer.read(put.at, copy);
                Local::Inline(copy)
            } else {
                match end.shadow.slice(put.at..put.at + put.len) {
                    Some(slice) => slice.into(),
                    None => return self.fail(Break::Damaged("a put beyond the window")),
                }
            };
            let Some(to) = end.window.slice(put.at as u64, put.len as u64) else {
                return self.fail(Break::Damaged("a put beyond the peer's window"));
            };
            let mut options = Options::new().tag(tag);
            if chain.signalled && index + 1 == chain.len {
                options = options.signalled();
            }
            let put = match put.immediate {
                Some(immediate) => batch.write_with_immediate(local, to, immediate.encode(), options),
                None => batch.write(local, to, options),
            };
            if let Err(error) = put {
                return self.broke(error);
            }
        }
        if let Err(error) = batch.post() {
            return self.broke(error);
        }
        if !self.server {
            self.chains_under_way.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Client: posts what was left behind if what was under way has arrived meanwhile.
    fn send_if_arrived(&self) -> Told {
        let few = || self.chains_under_way.load(Ordering::Relaxed) < CHAINS_UNDER_WAY;
        if let Ok(mut sender) = self.sender.try_lock() {
            self.reap(&mut sender);
            if !few()
                && self.sleepers.load(Ordering::Relaxed) != 0
                && !self.send_armed.swap(true, Ordering::SeqCst)
                && let Some(end) = &sender.end
            {
                // Nobody may look at completions again before the next commit: let one of them wake who sleeps.
                if let Err(error) = end.completions.arm(false) {
                    self.broke(error);
                }
                self.reap(&mut sender);
            }
        }
        if few() || self.send_wanted.load(Ordering::SeqCst) || self.retired.load(Ordering::SeqCst) {
            return self.kick();
        }
        Told::Later
    }

    /// Takes in what has come.
    fn receive(&self, receiving: &mut Receiving) -> Progress {
        let mut progress = Progress::default();
        let Some(end) = &mut receiving.end else {
            return progress;
        };
        for _ in 0..RECEIVES as usize / COMPLETIONS {
            let mut room = Completions::<COMPLETIONS>::new();
            let came = match end.completions.poll(&mut room) {
                Ok(came) => came,
                Err(error) => {
                    self.broke(error);
                    return progress;
                }
            };
            for completion in came {
                let immediate = match end.queue.reap(completion) {
                    Ok(work) => work.immediate,
                    Err(error) => {
                        self.broke(error);
                        return progress;
                    }
                };
                receiving.taken += 1;
                progress.any = true;
                if let Err((rule, what)) = self.came(immediate, &mut progress) {
                    self.condition.misbehaved(rule, what);
                    return progress;
                }
            }
            if receiving.taken >= RECEIVES_A_POST {
                if let Err(error) = end.queue.post_empty(receiving.taken, 0) {
                    self.broke(error);
                    return progress;
                }
                self.put_back.fetch_add(receiving.taken.into(), Ordering::Release);
                receiving.taken = 0;
            }
            if came.len() < COMPLETIONS {
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
                for (index, word) in POSITIONS.into_iter().enumerate() {
                    let position = self.own.load_u64(at + REPLY_POSITIONS + index * 8, Ordering::Acquire);
                    self.own.fetch_max_u64(word, position, Ordering::AcqRel);
                }
                let position = self.own.load_u64(at + REPLY_LANDED, Ordering::Acquire);
                // Release: the answer before its position. [SYNC reply]
                self.own.store_u64(at + REPLY_POSITION, position, Ordering::Release);
                progress.slots |= 1 << slot;
                progress.board = true;
            }
            (Ok(Immediate::Words), false) => progress.board = true,
            (Ok(_), true) => return Err(("W20", "a server's immediate from the client")),
            (Err(rule), _) => return Err((rule, "an immediate without a meaning")),
        }
        Ok(())
    }

    /// Looks whether the connection beside the queue pair still stands, and what the device says.
    fn look_beside(&self) {
        let how = {
            let Ok(mut beside) = self.beside.try_lock() else {
                return;
            };
            let Some(beside) = &mut *beside else {
                return;
            };
            match self.read_beside(&beside.socket) {
                Some(how) => how,
                None => return self.look_at_device(&mut beside.events),
            }
        };
        // What came before the end still counts.
        if let Ok(mut receiving) = self.receiver.lock() {
            self.seen.add(self.receive(&mut receiving));
        }
        self.fail(how);
    }

    /// How the connection beside the queue pair ended, if it did.
    fn read_beside(&self, socket: &TcpStream) -> Option<Break> {
        loop {
            let mut byte = 0u8;
            // SAFETY: one writable byte.
            let n = unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT) };
            if n > 0 {
                if byte != FAREWELL {
                    return Some(Break::Misbehaved {
                        rule: "W23",
                        what: "bytes on the connection beside a queue pair",
                    });
                }
                self.peer_is_ending.store(true, Ordering::SeqCst);
            } else if n == 0 {
                return Some(Break::EndOfStream);
            } else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => return None,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Some(Break::Reset),
                    _ => return Some(Break::Failed(error.to_string())),
                }
            }
        }
    }

    fn look_at_device(&self, events: &mut AsyncEvents) {
        while let Ok(Some(event)) = events.next(Duration::ZERO) {
            let ends_it = match event.element {
                Element::Device => event.is_fatal(),
                Element::Port(port) => port == self.port && event.code == AsyncEvent::PORT_DOWN,
                Element::QueuePair(number) => number == self.number && event.is_fatal(),
                _ => event.is_fatal(),
            };
            if ends_it {
                self.broke(event);
            }
        }
    }

    /// What was committed or answered before still goes, as far as the peer takes it in time: a queue pair that is destroyed
    /// sends nothing more.
    #[cold]
    fn drain(&self) {
        let end = Instant::now() + CLOSE_WAIT;
        let mut last = false;
        while !self.condition.is_broken() && Instant::now() < end {
            self.flush();
            let mut sender = lock(&self.sender);
            self.reap(&mut sender);
            let under_way = sender.end.as_ref().map_or(0, |end| end.queue.under_way());
            if !self.has_something(&sender) {
                if under_way == 0 {
                    break;
                }
                if !last && under_way as usize + CHAIN < super::ends::SENDS as usize {
                    // Done when everything before it is.
                    let mut chain = Chain::default();
                    self.put_credits(&mut chain);
                    chain.signalled = true;
                    self.post(&mut sender, &mut chain);
                    last = true;
                }
            }
            drop(sender);
            std::thread::yield_now();
        }
    }

    /// Asks for an event, then looks whether it would come too late; true if something came.
    fn arm_and_look(&self) -> bool {
        let sends = self.send_blocked.load(Ordering::SeqCst) || self.has_unsent_records();
        if let Some(beside) = &*lock(&self.beside) {
            if sends {
                self.send_armed.store(true, Ordering::SeqCst);
            }
            let armed = beside.receives.arm(false).and_then(|()| if sends { beside.sends.arm(false) } else { Ok(()) });
            if let Err(error) = armed {
                self.broke(error);
            }
        }
        if sends {
            self.kick_if_current();
        }
        // Who holds the receiver takes in what came, and wakes those whom it concerns.
        let Ok(mut receiving) = self.receiver.try_lock() else {
            return self.condition.is_broken();
        };
        let progress = self.receive(&mut receiving);
        self.seen.add(progress);
        progress.any || self.condition.is_broken()
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
