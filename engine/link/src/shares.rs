//! Who may use a GPU now, where several leases have a part of it: turns of the GPU's time, in shared memory.
//!
//! One block for each server, made by `ringway serve`, mapped by it and by its workers; a client never sees it. Of each GPU it says
//! who has the turn, what weight each lease has, and how much kernel time it has used. A worker takes the turn before it submits
//! kernels and leaves it when they are done; among those that wait, the one comes next whose lease has used least in proportion to
//! its weight (start-time fair queueing: Goyal, Vin, Cheng, 1996). A lease that nobody waits beside keeps the turn for as long as it
//! has work, and then a launch costs one look at one word.
//!
//! Nobody decides for others: each worker looks at the block and acts by compare-and-swap. Words may be written by a worker that a
//! tenant has taken over: they are read as numbers, bounded where they are used, and no wait here is without an end. A worker that
//! dies is taken out by serve ([`Shares::clear_seat`]); one that stands still loses its turn to who has waited for [`OVERDUE`].
//!
//! Time is passed in, in nanoseconds of [`now`], so that a test can be its master.

use ringway_shm_ring::{Region, Span, futex};
use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;

/// Workers of a server at the most.
pub const SEATS: u32 = 1024;
/// Leases of a server at the most.
pub const LEASES: u32 = 1024;
/// The weight of a whole GPU: weights are in hundredths of a percent.
pub const WEIGHT_WHOLE: u32 = 10_000;

/// How long a lease may submit kernels in one turn while others wait.
pub const QUANTUM: Duration = Duration::from_millis(10);
/// Who has waited this long for one and the same turn takes it from its holder.
pub const OVERDUE: Duration = Duration::from_secs(1);
/// Who is next has this long to take a turn that is free; then others may, and it is not waited for again before it looks.
const GRACE: Duration = Duration::from_millis(50);
/// A lease that did not want the GPU for this long gets nothing for that time.
const IDLE: Duration = Duration::from_millis(50);
/// By how much a lease can be behind at the most, in kernel time of a whole GPU: more is forgotten.
const BEHIND_MAX: Duration = Duration::from_secs(2);

// Words of a GPU's part, as offsets in words.
const TURN: usize = 0;
/// When the turn was taken; when it became free.
const BEGAN: usize = 1;
const FREED: usize = 2;
/// Virtual time at which the last turn began.
const FLOOR: usize = 3;
/// A bit for each seat that waits.
const WAITING: usize = 8;
const WAITING_WORDS: usize = SEATS as usize / 64;
const LEASE: usize = WAITING + WAITING_WORDS;
const LEASE_WORDS: usize = 4;
const WEIGHT: usize = 0;
const VIRTUAL: usize = 1;
const USED: usize = 2;
const LEFT: usize = 3;
const SEAT: usize = LEASE + LEASES as usize * LEASE_WORDS;
const SEAT_WORDS: usize = 4;
/// Of a seat: its lease's number plus one; since when it waits; the turn that it is in; in the halves of one word whether it was passed
/// over, and what it sleeps on.
const SEAT_LEASE: usize = 0;
const SEAT_SINCE: usize = 1;
const SEAT_TURN: usize = 2;
const SEAT_ABSENT: usize = 3;
const GPU_WORDS: usize = SEAT + SEATS as usize * SEAT_WORDS;

/// Nanoseconds of the machine's monotonic clock, the same for all its processes.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes a timespec of ours; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

const fn ns(time: Duration) -> u64 {
    time.as_nanos() as u64
}

/// Who has the turn, as one word: bits 0 to 15 the lease's number plus one (0: it is free), 16 to 31 its workers that are in it, 32
/// whether others wait, 33 to 63 the turn's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(u64);

const WAITED_FOR: u64 = 1 << 32;
const MEMBER: u64 = 1 << 16;
const NUMBER: u64 = 1 << 33;

impl Turn {
    fn lease(self) -> Option<u32> {
        (self.0 as u16).checked_sub(1).map(u32::from)
    }

    fn members(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Whether others wait for it.
    pub fn is_waited_for(self) -> bool {
        self.0 & WAITED_FOR != 0
    }

    /// Whether both are of one turn.
    pub fn is_same(self, other: Turn) -> bool {
        self.0 >> 33 == other.0 >> 33 && self.lease() == other.lease()
    }

    /// The next turn, taken by `lease`, or free.
    fn after(self, lease: Option<u32>, waited_for: bool) -> Turn {
        let number = (self.0 & !(NUMBER - 1)).wrapping_add(NUMBER);
        let holder = lease.map_or(0, |lease| u64::from(lease) + 1 + MEMBER);
        Turn(number | holder | if waited_for { WAITED_FOR } else { 0 })
    }
}

/// The block of a server.
#[derive(Clone)]
pub struct Shares {
    span: Span,
    gpus: usize,
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shares({} GPUs)", self.gpus)
    }
}

impl Shares {
    /// A new block for a server's GPUs, and its descriptor for workers.
    ///
    /// # Errors
    /// What the kernel says when there is no memory or no file descriptor left.
    pub fn create(gpus: usize) -> io::Result<(Shares, OwnedFd)> {
        let (region, fd) = Region::memfd(gpus.max(1) * GPU_WORDS * 8).map_err(io::Error::other)?;
        Ok((Shares { span: region.span(), gpus }, fd))
    }

    /// Maps a block received from serve.
    ///
    /// # Errors
    /// Where the file is too short or not sealed; else what the kernel says.
    pub fn map(fd: OwnedFd, gpus: usize) -> io::Result<Shares> {
        let region = Region::from_fd(fd, gpus.max(1) * GPU_WORDS * 8).map_err(io::Error::other)?;
        Ok(Shares { span: region.span(), gpus })
    }

    fn at(&self, gpu: usize, word: usize) -> usize {
        assert!(gpu < self.gpus && word < GPU_WORDS);
        (gpu * GPU_WORDS + word) * 8
    }

    fn lease_at(&self, gpu: usize, lease: u32, word: usize) -> usize {
        assert!(lease < LEASES);
        self.at(gpu, LEASE + lease as usize * LEASE_WORDS + word)
    }

    fn seat_at(&self, gpu: usize, seat: u32, word: usize) -> usize {
        assert!(seat < SEATS);
        self.at(gpu, SEAT + seat as usize * SEAT_WORDS + word)
    }

    fn turn(&self, gpu: usize) -> Turn {
        Turn(self.span.load_u64(self.at(gpu, TURN), Acquire))
    }

    fn replace(&self, gpu: usize, from: Turn, to: Turn) -> bool {
        self.span.replace_u64(self.at(gpu, TURN), from.0, to.0)
    }

    /// A new lease has this number, and on `gpu` this weight (1 to [`WEIGHT_WHOLE`]).
    pub fn begin_lease(&self, gpu: usize, lease: u32, weight: u32) {
        for word in [VIRTUAL, USED, LEFT] {
            self.span.store_u64(self.lease_at(gpu, lease, word), 0, Relaxed);
        }
        self.span.store_u64(self.lease_at(gpu, lease, WEIGHT), u64::from(weight.clamp(1, WEIGHT_WHOLE)), Release);
    }

    /// Kernel time of `gpu` that a lease was charged, in nanoseconds: what it used while others wanted the GPU too.
    pub fn charged_ns(&self, gpu: usize, lease: u32) -> u64 {
        self.span.load_u64(self.lease_at(gpu, lease, USED), Relaxed)
    }

    /// A worker is gone: nobody waits for it any more.
    pub fn clear_seat(&self, seat: u32) {
        for gpu in 0..self.gpus {
            self.set_waiting(gpu, seat, false);
            let turn = Turn(self.span.load_u64(self.seat_at(gpu, seat, SEAT_TURN), Acquire));
            if turn.lease().is_some() {
                self.leave(gpu, seat, turn, now());
            }
            for word in 0..SEAT_WORDS {
                self.span.store_u64(self.seat_at(gpu, seat, word), 0, Relaxed);
            }
        }
    }

    fn set_waiting(&self, gpu: usize, seat: u32, waits: bool) {
        assert!(seat < SEATS);
        let at = self.at(gpu, WAITING + seat as usize / 64);
        let bit = 1u64 << (seat % 64);
        if waits {
            self.span.fetch_or_u64(at, bit, AcqRel);
        } else if self.span.load_u64(at, Relaxed) & bit != 0 {
            self.span.fetch_and_u64(at, !bit, AcqRel);
        }
    }

    /// One of the turn's workers leaves; the last one sets it free.
    fn leave(&self, gpu: usize, seat: u32, turn: Turn, now: u64) {
        self.span.store_u64(self.seat_at(gpu, seat, SEAT_TURN), 0, Release);
        for _ in 0..TRIES {
            let is = self.turn(gpu);
            if !is.is_same(turn) {
                return;
            }
            let last = is.members() <= 1;
            let next = if last { is.after(None, false) } else { Turn(is.0 - MEMBER) };
            if last {
                self.span.store_u64(self.at(gpu, FREED), now, Relaxed);
                if let Some(lease) = is.lease().filter(|lease| *lease < LEASES) {
                    self.span.store_u64(self.lease_at(gpu, lease, LEFT), now, Relaxed);
                }
            }
            if self.replace(gpu, is, next) {
                if last {
                    self.ring(gpu);
                }
                return;
            }
        }
    }

    fn bell_at(&self, gpu: usize, seat: u32) -> usize {
        self.seat_at(gpu, seat, SEAT_ABSENT) + 4
    }

    /// Whether a seat was passed over when it did not come.
    fn is_absent(&self, gpu: usize, seat: u32) -> bool {
        self.span.load_u32(self.seat_at(gpu, seat, SEAT_ABSENT), Relaxed) != 0
    }

    fn set_absent(&self, gpu: usize, seat: u32, absent: bool) {
        self.span.store_u32(self.seat_at(gpu, seat, SEAT_ABSENT), absent.into(), Relaxed);
    }

    /// Seats that wait.
    fn waiting(&self, gpu: usize) -> impl Iterator<Item = u32> + '_ {
        (0..WAITING_WORDS).flat_map(move |word| {
            let mut bits = self.span.load_u64(self.at(gpu, WAITING + word), Acquire);
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(word as u32 * 64 + bit)
            })
        })
    }

    fn lease_of(&self, gpu: usize, seat: u32) -> Option<u32> {
        let number = self.span.load_u64(self.seat_at(gpu, seat, SEAT_LEASE), Relaxed);
        number.checked_sub(1).and_then(|lease| u32::try_from(lease).ok()).filter(|lease| *lease < LEASES)
    }

    /// Where a seat of `lease` stands among those that wait: the least comes first.
    fn place(&self, gpu: usize, seat: u32, lease: u32) -> (u64, u64, u32) {
        (self.virtual_ns(gpu, lease), self.span.load_u64(self.seat_at(gpu, seat, SEAT_SINCE), Relaxed), seat)
    }

    /// Wakes the workers that wait of the lease that is next: were all woken, many would take the processors from the one.
    fn ring(&self, gpu: usize) {
        let in_line = self.waiting(gpu).filter_map(|seat| {
            let lease = self.lease_of(gpu, seat)?;
            Some((self.is_absent(gpu, seat), self.place(gpu, seat, lease), lease))
        });
        let Some((_, _, next)) = in_line.min() else { return };
        for seat in self.waiting(gpu).filter(|seat| self.lease_of(gpu, *seat) == Some(next)) {
            let bell = self.bell_at(gpu, seat);
            self.span.fetch_add_u32(bell, 1, AcqRel);
            futex::wake_all(&self.span, bell);
        }
    }

    /// Virtual time of a lease.
    fn virtual_ns(&self, gpu: usize, lease: u32) -> u64 {
        self.span.load_u64(self.lease_at(gpu, lease, VIRTUAL), Acquire)
    }
}

/// Attempts at a compare-and-swap before a caller comes back later.
const TRIES: usize = 64;

/// One worker at one GPU.
#[derive(Debug)]
pub struct Tenant {
    shares: Shares,
    gpu: usize,
    seat: u32,
    lease: u32,
    waits: Cell<bool>,
    /// The turn that is waited for, and since when.
    waited_for: Cell<(Turn, u64)>,
}

impl Tenant {
    /// The worker in `seat`, of `lease`, at the server's GPU `gpu`.
    ///
    /// # Errors
    /// `InvalidInput` where one of them is out of bounds.
    pub fn new(shares: Shares, gpu: usize, seat: u32, lease: u32) -> io::Result<Tenant> {
        if gpu >= shares.gpus || seat >= SEATS || lease >= LEASES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a place in the shares that there is not"));
        }
        shares.span.store_u64(shares.seat_at(gpu, seat, SEAT_LEASE), u64::from(lease) + 1, Relaxed);
        Ok(Tenant { shares, gpu, seat, lease, waits: Cell::new(false), waited_for: Cell::new((Turn(0), 0)) })
    }

    /// The turn as it is now.
    #[inline]
    pub fn turn(&self) -> Turn {
        self.shares.turn(self.gpu)
    }

    /// When the turn was taken, on the clock of [`now`].
    pub fn began(&self) -> u64 {
        self.shares.span.load_u64(self.shares.at(self.gpu, BEGAN), Relaxed)
    }

    /// Takes the turn, or joins it where it is this lease's; None: it is another's, or another is next. Then this worker waits until
    /// [`Tenant::enter`] succeeds or [`Tenant::give_up`] is called.
    pub fn enter(&self, now: u64) -> Option<Turn> {
        self.begin_to_wait(now);
        let (shares, gpu) = (&self.shares, self.gpu);
        for _ in 0..TRIES {
            let is = shares.turn(gpu);
            let next = match is.lease() {
                None => {
                    let others = self.others_wait();
                    if others && !self.is_next(now) {
                        // Another may have been woken than who is next now.
                        shares.ring(gpu);
                        return None;
                    }
                    is.after(Some(self.lease), others)
                }
                Some(lease) if lease == self.lease && self.may_join(is, now) => Turn(is.0 + MEMBER),
                Some(_) if self.is_overdue(is, now) => {
                    if shares.replace(gpu, is, is.after(None, false)) {
                        shares.span.store_u64(shares.at(gpu, FREED), now, Relaxed);
                        shares.ring(gpu);
                    }
                    continue;
                }
                Some(_) => {
                    if !is.is_waited_for() && !shares.replace(gpu, is, Turn(is.0 | WAITED_FOR)) {
                        continue;
                    }
                    return None;
                }
            };
            if shares.replace(gpu, is, next) {
                shares.span.store_u64(shares.seat_at(gpu, self.seat, SEAT_TURN), next.0, Release);
                if is.lease().is_none() {
                    shares.span.store_u64(shares.at(gpu, BEGAN), now, Relaxed);
                    shares.span.fetch_max_u64(shares.at(gpu, FLOOR), shares.virtual_ns(gpu, self.lease), AcqRel);
                }
                self.give_up();
                return Some(next);
            }
        }
        None
    }

    /// Does not want the turn any more.
    pub fn give_up(&self) {
        if self.waits.replace(false) {
            self.shares.set_waiting(self.gpu, self.seat, false);
        }
    }

    /// Leaves the turn.
    pub fn leave(&self, turn: Turn, now: u64) {
        self.shares.leave(self.gpu, self.seat, turn, now);
    }

    /// Leaves the turn and waits for the next one: from before it is free, or another could have it that is not next.
    pub fn pass_on(&self, turn: Turn, now: u64) {
        if !self.waits.replace(true) {
            self.waited_for.set((Turn(0), now));
            self.wait_in_line(now);
        }
        self.leave(turn, now);
    }

    fn wait_in_line(&self, now: u64) {
        let (shares, gpu) = (&self.shares, self.gpu);
        shares.set_absent(gpu, self.seat, false);
        shares.span.store_u64(shares.seat_at(gpu, self.seat, SEAT_SINCE), now, Relaxed);
        shares.set_waiting(gpu, self.seat, true);
    }

    /// Kernels of the lease took this long, in nanoseconds.
    pub fn charge(&self, ns: u64) {
        let shares = &self.shares;
        let lease = |word| shares.lease_at(self.gpu, self.lease, word);
        let weight = shares.span.load_u64(lease(WEIGHT), Relaxed).clamp(1, u64::from(WEIGHT_WHOLE));
        // Workers of one lease share the turn, and so its time.
        let together = u64::from(shares.turn(self.gpu).members().max(1));
        let ns = ns / together;
        shares.span.fetch_add_u64(lease(USED), ns, Relaxed);
        shares.span.fetch_add_u64(lease(VIRTUAL), ns.saturating_mul(u64::from(WEIGHT_WHOLE)) / weight, AcqRel);
    }

    /// A number that changes when a turn is free for this worker; for [`Tenant::sleep`].
    pub fn bell(&self) -> u32 {
        self.shares.span.load_u32(self.shares.bell_at(self.gpu, self.seat), Acquire)
    }

    /// Sleeps until a turn is free for this worker after `bell` was read, for at most `timeout`.
    pub fn sleep(&self, bell: u32, timeout: Duration) {
        futex::wait(&self.shares.span, self.shares.bell_at(self.gpu, self.seat), bell, timeout);
    }

    /// How many workers wait, this one among them.
    pub fn waiting_count(&self) -> u32 {
        self.shares.waiting(self.gpu).map(|_| 1).sum()
    }

    fn begin_to_wait(&self, now: u64) {
        let (shares, gpu) = (&self.shares, self.gpu);
        // Here, and looking.
        shares.set_absent(gpu, self.seat, false);
        if self.waits.replace(true) {
            return;
        }
        self.waited_for.set((Turn(0), now));
        let left = shares.span.load_u64(shares.lease_at(gpu, self.lease, LEFT), Relaxed);
        let mut floor = shares.span.load_u64(shares.at(gpu, FLOOR), Acquire);
        let turn = shares.turn(gpu);
        if let Some(alone) = turn.lease().filter(|lease| *lease < LEASES && !turn.is_waited_for()) {
            // Its turn began long ago, maybe.
            floor = floor.max(shares.virtual_ns(gpu, alone));
        }
        let (idle, used) = (now.saturating_sub(left), shares.virtual_ns(gpu, self.lease));
        // While it was away, what it had used too much was made good; what it did not use is gone.
        let comes_with = if idle > ns(IDLE) { floor.max(used.saturating_sub(idle)) } else { used.max(floor.saturating_sub(ns(BEHIND_MAX))) };
        shares.span.replace_u64(shares.lease_at(gpu, self.lease, VIRTUAL), used, comes_with);
        self.wait_in_line(now);
    }

    fn may_join(&self, turn: Turn, now: u64) -> bool {
        turn.members() < u16::MAX && (!turn.is_waited_for() || now.saturating_sub(self.began()) < ns(QUANTUM))
    }

    fn is_overdue(&self, turn: Turn, now: u64) -> bool {
        if !self.waited_for.get().0.is_same(turn) {
            self.waited_for.set((turn, now));
        }
        now.saturating_sub(self.waited_for.get().1) > ns(OVERDUE)
    }

    /// Leases that wait, by their seats, but for this one's.
    fn others(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let waiting = self.shares.waiting(self.gpu).filter(|seat| *seat != self.seat);
        waiting.filter_map(|seat| Some((seat, self.shares.lease_of(self.gpu, seat)?))).filter(|(_, lease)| *lease != self.lease)
    }

    /// Whether workers of other leases wait.
    fn others_wait(&self) -> bool {
        self.others().next().is_some()
    }

    /// Whether a lease that waits has used more, by more than the GPU's time in a turn.
    pub fn is_behind(&self) -> bool {
        let (shares, gpu) = (&self.shares, self.gpu);
        let mine = shares.virtual_ns(gpu, self.lease).saturating_add(2 * ns(QUANTUM));
        self.others().any(|(_, lease)| shares.virtual_ns(gpu, lease) > mine)
    }

    /// Whether no lease that waits has used less. One that does not come when its turn is free is passed over until it looks again.
    pub fn is_next(&self, now: u64) -> bool {
        let (shares, gpu) = (&self.shares, self.gpu);
        let mine = shares.place(gpu, self.seat, self.lease);
        let late = now.saturating_sub(shares.span.load_u64(shares.at(gpu, FREED), Relaxed)) > ns(GRACE);
        let mut first = true;
        for (seat, lease) in self.others() {
            if !shares.is_absent(gpu, seat) && shares.place(gpu, seat, lease) < mine {
                if late {
                    shares.set_absent(gpu, seat, true);
                } else {
                    first = false;
                }
            }
        }
        first
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
