//! The account of a lease: bytes of GPU memory in use, shared by all workers of the lease.
//!
//! One memfd of `u64` words. After the GPUs' words come [`STATUS_WORDS`] words for each slot: what `ringway list` shows of
//! the worker's links, and whether it has something to do; then [`LANE_WORDS`] words for each GPU and slot: how long the lane has had something to do, and
//! what went over it. For each GPU of the lease a line of [`ACCOUNT_WORDS`] words: word 0 is the sum, word
//! `1 + slot` is what the worker in that slot holds. A worker reserves before it asks the driver and returns after it has
//! freed; when a worker dies, `ringway serve` subtracts what its slot still held. Only workers and serve map it: a
//! client never sees it.

use crate::{LinkKind, shares};
use ringway_wire::control::LinkStatus;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Workers (processes of a program) that one lease can have at a time.
pub const ACCOUNT_SLOTS: u32 = 63;
/// Words for each slot that say how its links are and whether it works.
pub const STATUS_WORDS: usize = 6;
/// Words for each GPU and slot that say what its lane did.
pub const LANE_WORDS: usize = 5;
const BUSY_NS: usize = 0;
/// Since when it is busy; 0: it is not.
const BUSY_SINCE: usize = 1;
const UP_BYTES: usize = 2;
const DOWN_BYTES: usize = 3;
const WAITS: usize = 4;
const SUSPENDED: usize = 0;
const RESUMED: usize = 1;
const PAUSE_MS: usize = 2;
const KIND: usize = 3;
const WORKING: usize = 4;
const WORKED: usize = 5;
/// Words for each GPU.
pub const ACCOUNT_WORDS: usize = 1 + ACCOUNT_SLOTS as usize;

/// What lanes did since they were there, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Nanoseconds in which there was something to do: calls to execute, or work under way on the GPU.
    pub busy_ns: u64,
    /// Bytes from the client.
    pub up_bytes: u64,
    /// Bytes to the client.
    pub down_bytes: u64,
    /// Calls that the client waited for.
    pub waits: u64,
}

impl Done {
    /// Both together.
    pub fn plus(self, other: Done) -> Done {
        Done {
            busy_ns: self.busy_ns.saturating_add(other.busy_ns),
            up_bytes: self.up_bytes.saturating_add(other.up_bytes),
            down_bytes: self.down_bytes.saturating_add(other.down_bytes),
            waits: self.waits.saturating_add(other.waits),
        }
    }

    /// What came since `earlier`.
    pub fn since(self, earlier: Done) -> Done {
        Done {
            busy_ns: self.busy_ns.saturating_sub(earlier.busy_ns),
            up_bytes: self.up_bytes.saturating_sub(earlier.up_bytes),
            down_bytes: self.down_bytes.saturating_sub(earlier.down_bytes),
            waits: self.waits.saturating_sub(earlier.waits),
        }
    }
}

/// The mapping; see the module's text.
#[derive(Debug)]
pub struct Account {
    words: *mut AtomicU64,
    gpus: usize,
    fd: OwnedFd,
}

// SAFETY: the mapping is plain memory that is only ever accessed through atomics, and lives as long as the value.
unsafe impl Send for Account {}
// SAFETY: as above.
unsafe impl Sync for Account {}

impl Account {
    fn bytes(gpus: usize) -> usize {
        let slots = ACCOUNT_SLOTS as usize;
        (gpus * ACCOUNT_WORDS + slots * STATUS_WORDS + gpus * slots * LANE_WORDS) * 8
    }

    fn lane(&self, gpu: usize, slot: u32, index: usize) -> &AtomicU64 {
        assert!(gpu < self.gpus && slot < ACCOUNT_SLOTS && index < LANE_WORDS);
        let slots = ACCOUNT_SLOTS as usize;
        let at = self.gpus * ACCOUNT_WORDS + slots * STATUS_WORDS + (gpu * slots + slot as usize) * LANE_WORDS + index;
        // SAFETY: inside the mapping by the assertion, see `bytes`; aligned, and mapped as long as `self` lives.
        unsafe { &*self.words.add(at) }
    }

    fn status(&self, slot: u32, index: usize) -> &AtomicU64 {
        assert!(slot < ACCOUNT_SLOTS && index < STATUS_WORDS);
        let at = self.gpus * ACCOUNT_WORDS + slot as usize * STATUS_WORDS + index;
        // SAFETY: inside the mapping by the assertion, see `bytes`; aligned, and mapped as long as `self` lives.
        unsafe { &*self.words.add(at) }
    }

    /// Notes that a lane of the worker in `slot` has no link now.
    pub fn link_broke(&self, slot: u32) {
        self.status(slot, SUSPENDED).fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a lane of the worker in `slot` has another link, of this kind, after a pause.
    pub fn link_resumed(&self, slot: u32, kind: LinkKind, pause: Duration) {
        self.status(slot, PAUSE_MS)
            .store(pause.as_millis() as u64, Ordering::Release);
        self.status(slot, KIND)
            .store(kind as u64, Ordering::Release);
        self.status(slot, RESUMED).fetch_add(1, Ordering::AcqRel);
        self.status(slot, SUSPENDED).fetch_sub(1, Ordering::AcqRel);
    }

    /// How the links of the worker in `slot` are.
    pub fn links(&self, slot: u32) -> LinkStatus {
        let word = |index| self.status(slot, index).load(Ordering::Acquire);
        let resumed = word(RESUMED) as u32;
        let kinds = [LinkKind::Shm, LinkKind::Rdma, LinkKind::Tcp, LinkKind::Sim];
        let kind = kinds.into_iter().find(|kind| *kind as u64 == word(KIND));
        LinkStatus {
            suspended: word(SUSPENDED) as u32,
            resumed,
            pause_ms_last: word(PAUSE_MS),
            kind_last: match kind {
                Some(kind) if resumed > 0 => kind.to_string(),
                _ => String::new(),
            },
        }
    }

    /// The lane to `gpu` of the worker in `slot` has something to do.
    pub fn begins_work(&self, gpu: usize, slot: u32) {
        self.status(slot, WORKING).fetch_add(1, Ordering::AcqRel);
        self.lane(gpu, slot, BUSY_SINCE).store(shares::now().max(1), Ordering::Release);
    }

    /// The lane to `gpu` of the worker in `slot` has nothing to do any more.
    pub fn ends_work(&self, gpu: usize, slot: u32) {
        let now = shares::now();
        self.status(slot, WORKED).store(now, Ordering::Release);
        self.status(slot, WORKING).fetch_sub(1, Ordering::AcqRel);
        // Who reads between these two sees some time once less, never twice.
        let since = self.lane(gpu, slot, BUSY_SINCE).swap(0, Ordering::AcqRel);
        self.lane(gpu, slot, BUSY_NS).fetch_add(now.saturating_sub(since), Ordering::AcqRel);
    }

    /// So much went over the lane to `gpu` of the worker in `slot`.
    pub fn moved(&self, gpu: usize, slot: u32, up_bytes: u64, down_bytes: u64, waits: u64) {
        for (index, count) in [(UP_BYTES, up_bytes), (DOWN_BYTES, down_bytes), (WAITS, waits)] {
            if count > 0 {
                self.lane(gpu, slot, index).fetch_add(count, Ordering::AcqRel);
            }
        }
    }

    /// What the lane to `gpu` of the worker in `slot` did until `now`, on the clock of [`shares::now`].
    pub fn done(&self, gpu: usize, slot: u32, now: u64) -> Done {
        let word = |index| self.lane(gpu, slot, index).load(Ordering::Acquire);
        let since = word(BUSY_SINCE);
        let lasts = if since == 0 { 0 } else { now.saturating_sub(since) };
        Done { busy_ns: word(BUSY_NS).saturating_add(lasts), up_bytes: word(UP_BYTES), down_bytes: word(DOWN_BYTES), waits: word(WAITS) }
    }

    /// When the worker in `slot` had something to do last, on the clock of [`shares::now`]: that is, `now` if it has; 0: never.
    pub fn worked(&self, slot: u32, now: u64) -> u64 {
        if self.status(slot, WORKING).load(Ordering::Acquire) > 0 {
            return now;
        }
        self.status(slot, WORKED).load(Ordering::Acquire)
    }

    /// A new account for `gpus` GPUs, all zero.
    ///
    /// # Errors
    /// What the kernel says when there is no memory or no file descriptor left.
    pub fn create(gpus: u32) -> io::Result<Self> {
        // SAFETY: the name is a NUL-terminated literal; the result is checked.
        let raw = unsafe { libc::memfd_create(c"ringway-account".as_ptr(), libc::MFD_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: memfd_create returned a descriptor that nothing else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let file = File::from(fd);
        file.set_len(Self::bytes(gpus as usize) as u64)?;
        Self::map(file.into(), gpus)
    }

    /// Maps an account received from serve.
    ///
    /// # Errors
    /// `InvalidData` when the file is shorter than `gpus` GPUs need; else what the kernel says.
    pub fn map(fd: OwnedFd, gpus: u32) -> io::Result<Self> {
        let bytes = Self::bytes(gpus as usize);
        let file = File::from(fd);
        if gpus == 0 || file.metadata()?.len() < bytes as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the lease's account is too short",
            ));
        }
        // SAFETY: a fresh shared mapping of a file that is at least `bytes` long; the result is checked.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            words: at.cast(),
            gpus: gpus as usize,
            fd: file.into(),
        })
    }

    fn word(&self, gpu: usize, index: usize) -> &AtomicU64 {
        assert!(gpu < self.gpus && index < ACCOUNT_WORDS);
        // SAFETY: inside the mapping by the assertion; the mapping is page aligned and lives as long as `self`.
        unsafe { &*self.words.add(gpu * ACCOUNT_WORDS + index) }
    }

    /// Bytes in use on `gpu` by all workers of the lease.
    pub fn used(&self, gpu: usize) -> u64 {
        self.word(gpu, 0).load(Ordering::Acquire)
    }

    /// Takes `bytes` of `gpu` for the worker in `slot` if the sum stays within `limit`; says whether it did.
    pub fn reserve(&self, gpu: usize, slot: u32, bytes: u64, limit: u64) -> bool {
        let took = self
            .word(gpu, 0)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= limit)
            })
            .is_ok();
        if took {
            self.word(gpu, 1 + slot as usize)
                .fetch_add(bytes, Ordering::AcqRel);
        }
        took
    }

    /// Counts `bytes` of `gpu` for the worker in `slot` that are taken already, whether the slice has room for them or not.
    pub fn take(&self, gpu: usize, slot: u32, bytes: u64) {
        self.word(gpu, 1 + slot as usize).fetch_add(bytes, Ordering::AcqRel);
        self.word(gpu, 0).fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives `bytes` of `gpu` back.
    pub fn release(&self, gpu: usize, slot: u32, bytes: u64) {
        self.word(gpu, 1 + slot as usize)
            .fetch_sub(bytes, Ordering::AcqRel);
        self.word(gpu, 0).fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Gives back all that a dead worker still held.
    pub fn clear_slot(&self, slot: u32) {
        for index in 0..STATUS_WORDS {
            self.status(slot, index).store(0, Ordering::Release);
        }
        for gpu in 0..self.gpus {
            for index in 0..LANE_WORDS {
                self.lane(gpu, slot, index).store(0, Ordering::Release);
            }
            let held = self.word(gpu, 1 + slot as usize).swap(0, Ordering::AcqRel);
            self.word(gpu, 0).fetch_sub(held, Ordering::AcqRel);
        }
    }
}

impl AsFd for Account {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // SAFETY: the very mapping made in `map`.
        unsafe { libc::munmap(self.words.cast(), Self::bytes(self.gpus)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_holds_over_workers_and_dead_ones_are_cleared() {
        let account = Account::create(2).unwrap();
        let other = Account::map(account.as_fd().try_clone_to_owned().unwrap(), 2).unwrap();
        assert!(account.reserve(1, 0, 600, 1000));
        assert!(!other.reserve(1, 1, 401, 1000));
        assert!(other.reserve(1, 1, 400, 1000));
        assert_eq!(account.used(1), 1000);
        assert_eq!(account.used(0), 0);
        account.clear_slot(0);
        assert_eq!(other.used(1), 400);
        other.release(1, 1, 400);
        assert_eq!(account.used(1), 0);
        assert!(!account.reserve(1, 2, u64::MAX, u64::MAX - 1));
        account.take(1, 3, 1500);
        assert!(!other.reserve(1, 1, 1, 1000), "over the limit nothing is given");
        account.clear_slot(3);
        assert_eq!(account.used(1), 0);
    }

    #[test]
    fn the_state_of_links_is_told() {
        let account = Account::create(3).unwrap();
        let worker = Account::map(account.as_fd().try_clone_to_owned().unwrap(), 3).unwrap();
        let last = ACCOUNT_SLOTS - 1;
        assert_eq!(account.links(last), LinkStatus::default());
        worker.link_broke(last);
        assert_eq!(account.links(last).suspended, 1);
        worker.link_resumed(last, LinkKind::Tcp, Duration::from_millis(250));
        let links = account.links(last);
        assert_eq!(
            (links.suspended, links.resumed, links.pause_ms_last),
            (0, 1, 250)
        );
        assert_eq!(links.kind_last, "tcp");
        assert_eq!(account.links(0), LinkStatus::default());
        assert_eq!(account.used(2), 0);
        account.clear_slot(last);
        assert_eq!(account.links(last), LinkStatus::default());
    }

    #[test]
    fn work_is_told_while_it_lasts_and_when_it_was() {
        let account = Account::create(2).unwrap();
        let worker = Account::map(account.as_fd().try_clone_to_owned().unwrap(), 2).unwrap();
        let later = u64::MAX;
        assert_eq!(account.worked(5, later), 0);
        worker.begins_work(0, 5);
        worker.begins_work(1, 5);
        worker.ends_work(1, 5);
        assert_eq!(account.worked(5, later), later);
        let before = shares::now();
        worker.ends_work(0, 5);
        assert!((before..=shares::now()).contains(&account.worked(5, later)));
        account.clear_slot(5);
        assert_eq!(account.worked(5, later), 0);
    }

    #[test]
    fn what_lanes_did_adds_up() {
        let account = Account::create(2).unwrap();
        let worker = Account::map(account.as_fd().try_clone_to_owned().unwrap(), 2).unwrap();
        let last = ACCOUNT_SLOTS - 1;
        worker.moved(1, last, 100, 7, 2);
        worker.moved(1, last, 1, 0, 0);
        let begun = shares::now();
        worker.begins_work(1, last);
        std::thread::sleep(Duration::from_millis(2));
        // While it lasts, and afterwards the same.
        let during = account.done(1, last, begun + 5_000_000_000);
        assert!((4_900_000_000..=5_000_000_000).contains(&during.busy_ns), "{during:?}");
        worker.ends_work(1, last);
        let after = account.done(1, last, u64::MAX);
        assert!(after.busy_ns >= 2_000_000 && after.busy_ns <= shares::now() - begun, "{after:?}");
        assert_eq!((after.up_bytes, after.down_bytes, after.waits), (101, 7, 2));
        assert_eq!(account.done(0, last, u64::MAX), Done::default());
        assert_eq!(after.plus(after).since(after), after);
        account.clear_slot(last);
        assert_eq!(account.done(1, last, u64::MAX), Done::default());
        assert_eq!(account.used(0), 0);
    }

    #[test]
    fn a_short_file_is_refused() {
        let account = Account::create(1).unwrap();
        assert!(Account::map(account.as_fd().try_clone_to_owned().unwrap(), 9000).is_err());
    }
}
