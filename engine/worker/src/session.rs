//! What all threads of a worker share: the driver, the handles, the slices, and what waits to be reported.

use crate::downloads::Downloads;
use crate::gates::Gates;
use crate::generated::Driver;
use crate::handlers::array::Levels;
use crate::handlers::virtual_memory::Mapped;
use crate::handles::Handles;
use crate::output::Output;
use crate::overhead::{Overhead, When};
use crate::paths::Paths;
use crate::pinned::Pinned;
use crate::process_memory::ProcessMemory;
use crate::transfers::Transfers;
use crate::waiters::Waiters;
use crate::watches::Watches;
use parking_lot::{Condvar, Mutex};
use ringway_api::CudaError;
use ringway_link::account::Account;
use ringway_link::rdma::Direction;
use ringway_link::{LinkEvent, ServerHandle};
use ringway_wire::call::BLOB_BYTES_MAX;
use ringway_wire::control::{Share, Slice};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of blobs (module images) that a session may keep.
const BLOBS_BYTES_MAX: u64 = 4 << 30;
/// Blobs that may be arriving at a time.
const BLOBS_ARRIVING_MAX: usize = 64;

/// Calls a function of the driver; an absent one is `CUDA_ERROR_NOT_SUPPORTED`.
///
/// `driver_call!(driver, cuMemFree(address))` gives `Result<(), CudaError>`.
#[macro_export]
macro_rules! driver_call {
    ($driver:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $driver.$function {
            // SAFETY: the pointer came from the driver under this function's name, the signature is the documented
            // one in plain integers, and pointer arguments are to live memory of the size that the call asks for.
            Some(function) => ::ringway_api::CudaError::check(unsafe { function($($argument),*) }),
            None => Err(::ringway_api::CudaError::NOT_SUPPORTED),
        }
    };
}

/// An error of a posted call, kept until a synchronising call of its context reports it.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The failure.
    pub code: CudaError,
    /// The call that failed.
    pub opcode: u32,
}

/// A context and the GPU (ordinal in the lease) that it is on.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The driver's handle.
    pub raw: u64,
    /// Ordinal in the lease.
    pub gpu: usize,
    /// The driver's primary context, which is released instead of destroyed.
    pub primary: bool,
}

#[derive(Debug)]
struct Arriving {
    bytes: Vec<u8>,
    total: u64,
}

#[derive(Debug, Default)]
struct Blobs {
    whole: HashMap<[u8; 32], Arc<Vec<u8>>>,
    arriving: HashMap<[u8; 32], Arriving>,
    bytes: u64,
}

/// An allocation that counts against the slice.
#[derive(Debug, Clone, Copy)]
struct Charge {
    gpu: usize,
    context: u32,
    bytes: u64,
}

/// The state of a session.
pub struct Session {
    /// The driver's functions.
    pub driver: Driver,
    /// Client-made ids.
    pub handles: Handles,
    /// The lease's slices, in the order of the client's ordinals.
    pub slices: Vec<Slice>,
    /// Which of the program's sessions it is.
    pub share: Share,
    /// Contexts by the client's number.
    contexts: Mutex<HashMap<u32, Context>>,
    /// Contexts that have ended, or are about to.
    contexts_ended: AtomicU64,
    account: Account,
    account_slot: u32,
    charges: Mutex<BTreeMap<u64, Charge>>,
    overhead: Overhead,
    /// Bytes that were taken of each slice and are not charged yet.
    in_flight: Vec<AtomicU64>,
    kept: Mutex<HashMap<u32, Kept>>,
    blobs: Mutex<Blobs>,
    lanes: Mutex<Vec<ServerHandle>>,
    /// Copies to the client that are under way.
    pub downloads: Downloads,
    /// Copies past the ring.
    pub transfers: Transfers,
    /// Streams that wait for what happens on another server.
    pub gates: Gates,
    /// Copies straight between this server and others of the program.
    pub paths: Paths,
    /// Memory of both ends for what the program pins.
    pub pinned: Pinned,
    /// Threads that wait in the driver.
    pub waiters: Waiters,
    /// What the client wants to be told of.
    pub watches: Watches,
    /// What kernels print.
    pub output: Output,
    /// Contexts with streams that were destroyed before their work was done, and how many there were then.
    left: Mutex<HashMap<u32, u64>>,
    /// Stream captures that have begun and not ended.
    pub captures: AtomicU32,
    /// Physical memory and where it is mapped.
    pub mapped: Mapped,
    /// Levels of mipmapped arrays.
    pub levels: Levels,
    /// Modules that are being unloaded.
    unloading: Mutex<u32>,
    unloaded: Condvar,
    host_functions: Mutex<HashMap<u64, bool>>,
    host_function_done: Condvar,
    over: Mutex<bool>,
    /// End position of the last record that each lane has executed.
    executed: Vec<AtomicU64>,
}

/// A module is being unloaded while this is there.
pub struct Unloading(Arc<Session>);

impl Drop for Unloading {
    fn drop(&mut self) {
        *self.0.unloading.lock() -= 1;
        self.0.unloaded.notify_all();
    }
}

impl Session {
    /// Nothing made yet.
    pub fn new(
        driver: Driver,
        process_memory: Option<ProcessMemory>,
        slices: Vec<Slice>,
        account: Account,
        account_slot: u32,
        output: Output,
        share: Share,
    ) -> Self {
        let overhead = Overhead::new(process_memory, account_slot, slices.len());
        let in_flight = slices.iter().map(|_| AtomicU64::new(0)).collect();
        let executed = slices.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            driver,
            handles: Handles::new(share),
            slices,
            share,
            contexts: Mutex::default(),
            contexts_ended: AtomicU64::new(0),
            account,
            account_slot,
            charges: Mutex::default(),
            overhead,
            in_flight,
            kept: Mutex::default(),
            blobs: Mutex::default(),
            lanes: Mutex::default(),
            downloads: Downloads::default(),
            transfers: Transfers::new(),
            gates: Gates::default(),
            paths: Paths::default(),
            pinned: Pinned::default(),
            waiters: Waiters::default(),
            watches: Watches::default(),
            output,
            left: Mutex::default(),
            captures: AtomicU32::new(0),
            mapped: Mapped::default(),
            levels: Levels::default(),
            unloading: Mutex::default(),
            unloaded: Condvar::new(),
            host_functions: Mutex::default(),
            host_function_done: Condvar::new(),
            over: Mutex::new(false),
            executed,
        }
    }

    /// A lane was made.
    pub fn add_lane(&self, lane: ServerHandle) {
        self.lanes.lock().push(lane);
    }

    /// Tells the client that the session is at its end, so that it does not take it for a broken link.
    pub fn farewell(&self) {
        for lane in &*self.lanes.lock() {
            lane.farewell();
        }
    }

    /// A lane's link broke, or was replaced: `ringway list` shows it.
    pub fn link_event(&self, event: &LinkEvent) {
        match event {
            LinkEvent::Broke { .. } => self.account.link_broke(self.account_slot),
            LinkEvent::Resumed { kind, pause, .. } => {
                self.account.link_resumed(self.account_slot, *kind, *pause);
            }
        }
    }

    /// A lane has executed everything before `position`.
    #[inline]
    pub fn executed(&self, lane: usize, position: u64) {
        if let Some(word) = self.executed.get(lane) {
            word.store(position, Ordering::Release);
        }
    }

    /// Whether a lane has executed everything before `position`; None for a lane that there is not.
    pub fn has_executed(&self, lane: u64, position: u64) -> Option<bool> {
        let word = self.executed.get(usize::try_from(lane).ok()?)?;
        Some(word.load(Ordering::Acquire) >= position)
    }

    /// Whether the client is gone.
    pub fn is_over(&self) -> bool {
        *self.over.lock()
    }

    /// The driver's device behind the client's ordinal.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE`.
    pub fn device(&self, ordinal: i32) -> Result<i32, CudaError> {
        usize::try_from(ordinal)
            .ok()
            .and_then(|index| self.slices.get(index))
            .map(|slice| slice.server_ordinal as i32)
            .ok_or(CudaError::INVALID_DEVICE)
    }

    /// The context behind the client's number.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn context(&self, id: u32) -> Result<Context, CudaError> {
        self.contexts
            .lock()
            .get(&id)
            .copied()
            .ok_or(CudaError::INVALID_CONTEXT)
    }

    /// A stream of a context is destroyed while it has work.
    pub fn leaves_work(&self, context: u32) {
        *self.left.lock().entry(context).or_default() += 1;
    }

    /// How many streams of a context were destroyed while they had work, if that is not known to be done.
    pub fn left_work(&self, context: u32) -> Option<u64> {
        self.left.lock().get(&context).copied()
    }

    /// The work of the first `count` streams that were destroyed is done.
    pub fn left_work_is_done(&self, context: u32, count: u64) {
        let mut left = self.left.lock();
        if left.get(&context) == Some(&count) {
            left.remove(&context);
        }
    }

    /// Remembers a context; gives the one that had the number before.
    pub fn put_context(&self, id: u32, context: Context) -> Option<Context> {
        let before = self.contexts.lock().insert(id, context);
        if before.is_some() {
            self.contexts_ended.fetch_add(1, Ordering::AcqRel);
        }
        before
    }

    /// Forgets a context.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn take_context(&self, id: u32) -> Result<Context, CudaError> {
        self.kept.lock().remove(&id);
        self.contexts_ended.fetch_add(1, Ordering::AcqRel);
        self.contexts
            .lock()
            .remove(&id)
            .ok_or(CudaError::INVALID_CONTEXT)
    }

    /// How many contexts have ended so far, or are about to.
    #[inline]
    pub fn contexts_ended(&self) -> u64 {
        self.contexts_ended.load(Ordering::Acquire)
    }

    /// The contexts on a GPU, with their numbers.
    pub fn contexts_of(&self, gpu: usize) -> Vec<(u32, Context)> {
        let contexts = self.contexts.lock();
        contexts.iter().filter(|(_, context)| context.gpu == gpu).map(|(number, context)| (*number, *context)).collect()
    }

    /// The lease's account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// This worker's place in it.
    pub fn account_slot(&self) -> u32 {
        self.account_slot
    }

    /// A copy's bytes went past the ring, from a lane's client or to it.
    pub fn moved_past_the_ring(&self, lane: usize, direction: Direction, bytes: u64) {
        let (up, down) = match direction {
            Direction::ToDevice => (bytes, 0),
            Direction::ToHost => (0, bytes),
        };
        self.account.moved(lane, self.account_slot, up, down, 0);
    }

    /// Keeps the first error of a posted call in a context.
    pub fn keep(&self, context: u32, code: CudaError, opcode: u32) {
        self.kept
            .lock()
            .entry(context)
            .or_insert(Kept { code, opcode });
    }

    /// Whether a context has a kept error.
    pub fn has_kept(&self, context: u32) -> bool {
        self.kept.lock().contains_key(&context)
    }

    /// The kept error of a context, to be reported now: once, or for ever if it is sticky.
    pub fn take_kept(&self, context: u32) -> Option<Kept> {
        let mut kept = self.kept.lock();
        let found = kept.get(&context).copied()?;
        if !found.code.is_sticky() {
            kept.remove(&context);
        }
        Some(found)
    }

    /// Takes memory of the slice; false: the slice has not that much left.
    pub fn reserve(&self, gpu: usize, bytes: u64) -> bool {
        let Some(slice) = self.slices.get(gpu) else { return false };
        let reserve = || {
            let took = self.account.reserve(gpu, self.account_slot, bytes, slice.memory_bytes);
            if took {
                self.in_flight[gpu].fetch_add(bytes, Ordering::AcqRel);
            }
            took
        };
        self.count_overhead(gpu, When::Due);
        if reserve() {
            return true;
        }
        // What pools keep may go back, and what the driver had taken.
        self.trim_pool(gpu);
        self.count_overhead(gpu, When::Now);
        reserve()
    }

    /// Whether the slice has room for what the driver took for something that was just made. If not, that is to be undone, and then
    /// [`Session::count_overhead`] be called.
    pub fn has_room(&self, gpu: usize) -> bool {
        let limit = self.slices.get(gpu).map_or(0, |slice| slice.memory_bytes);
        self.overhead.count(&self.account, gpu, When::Now, Some(limit), || self.charged(gpu))
    }

    /// A slice that is passed because of what the driver took for this worker's modules and kernels, which was not to be refused before.
    pub fn passed_slice(&self) -> Option<&Slice> {
        self.slices.iter().enumerate().find(|(gpu, slice)| {
            self.count_overhead(*gpu, When::Now);
            self.account.used(*gpu) > slice.memory_bytes && self.overhead.bytes(*gpu) > 0
        }).map(|(_, slice)| slice)
    }

    /// Counts what the driver has taken beside allocations.
    pub fn count_overhead(&self, gpu: usize, when: When) {
        self.overhead.count(&self.account, gpu, when, None, || self.charged(gpu));
    }

    /// Bytes that allocations of this worker on a GPU were charged, or will be.
    fn charged(&self, gpu: usize) -> u64 {
        let charges = self.charges.lock();
        let in_flight = self.in_flight.get(gpu).map_or(0, |bytes| bytes.load(Ordering::Acquire));
        charges.values().filter(|charge| charge.gpu == gpu).map(|charge| charge.bytes).sum::<u64>() + in_flight
    }

    fn landed(&self, gpu: usize, bytes: u64) {
        if let Some(in_flight) = self.in_flight.get(gpu) {
            in_flight.fetch_sub(bytes, Ordering::AcqRel);
        }
    }

    /// Has the GPU's default pool give back what it keeps.
    fn trim_pool(&self, gpu: usize) {
        let (mut device, mut pool) = (0i32, 0u64);
        let ordinal = self.slices.get(gpu).map_or(-1, |slice| slice.server_ordinal as i32);
        // Where the driver has no pools there is nothing to trim.
        let _ = driver_call!(self.driver, cuDeviceGet(&raw mut device, ordinal))
            .and_then(|()| driver_call!(self.driver, cuDeviceGetDefaultMemPool(&raw mut pool, device)))
            .and_then(|()| driver_call!(self.driver, cuMemPoolTrimTo(pool, 0)));
    }

    /// Gives memory back that was taken with [`Session::reserve`] and not charged to an address.
    pub fn unreserve(&self, gpu: usize, bytes: u64) {
        self.landed(gpu, bytes);
        self.account.release(gpu, self.account_slot, bytes);
    }

    /// Notes which address (or handle) the reserved memory belongs to.
    pub fn charge(&self, address: u64, context: u32, gpu: usize, bytes: u64) {
        let mut charges = self.charges.lock();
        self.landed(gpu, bytes);
        charges.insert(address, Charge { gpu, context, bytes });
    }

    /// The memory of `address` was freed.
    pub fn discharge(&self, address: u64) {
        if let Some(charge) = self.charges.lock().remove(&address) {
            self.account.release(charge.gpu, self.account_slot, charge.bytes);
        }
    }

    /// Everything in a context was freed: it is gone.
    pub fn discharge_context(&self, context: u32) {
        self.charges.lock().retain(|_, charge| {
            if charge.context == context {
                self.account
                    .release(charge.gpu, self.account_slot, charge.bytes);
            }
            charge.context != context
        });
    }

    /// Bytes free and in all of a slice.
    pub fn memory(&self, gpu: usize) -> (u64, u64) {
        let total = self.slices.get(gpu).map_or(0, |slice| slice.memory_bytes);
        self.count_overhead(gpu, When::Now);
        (total.saturating_sub(self.account.used(gpu)), total)
    }

    /// A piece of a blob arrived; pieces come in order. The last one is checked against the hash.
    ///
    /// # Errors
    /// What is wrong with it; the session ends, as an honest client never sends such.
    pub fn blob_piece(
        &self,
        hash: [u8; 32],
        total: u64,
        offset: u64,
        piece: &[u8],
    ) -> Result<(), &'static str> {
        let mut blobs = self.blobs.lock();
        if blobs.whole.contains_key(&hash) {
            return Ok(());
        }
        if total == 0 || total > BLOB_BYTES_MAX || blobs.bytes + total > BLOBS_BYTES_MAX {
            return Err("a blob is longer than allowed");
        }
        if offset == 0 {
            if blobs.arriving.len() >= BLOBS_ARRIVING_MAX {
                return Err("too many blobs at once");
            }
            blobs.arriving.insert(
                hash,
                Arriving {
                    bytes: Vec::new(),
                    total,
                },
            );
        }
        let Some(arriving) = blobs.arriving.get_mut(&hash) else {
            return Err("a blob's first piece is missing");
        };
        if arriving.total != total
            || arriving.bytes.len() as u64 != offset
            || offset + piece.len() as u64 > total
        {
            return Err("a blob's pieces do not fit together");
        }
        arriving.bytes.extend_from_slice(piece);
        if arriving.bytes.len() as u64 == total {
            let bytes = blobs
                .arriving
                .remove(&hash)
                .map(|whole| whole.bytes)
                .unwrap_or_default();
            if *blake3::hash(&bytes).as_bytes() != hash {
                return Err("a blob is not what its hash says");
            }
            blobs.bytes += total;
            blobs.whole.insert(hash, Arc::new(bytes));
        }
        Ok(())
    }

    /// Keeps bytes made here and gives their hash.
    pub fn put_blob(&self, bytes: Vec<u8>) -> [u8; 32] {
        let hash = *blake3::hash(&bytes).as_bytes();
        self.blobs.lock().whole.insert(hash, Arc::new(bytes));
        hash
    }

    /// A whole blob.
    pub fn blob(&self, hash: &[u8; 32]) -> Option<Arc<Vec<u8>>> {
        self.blobs.lock().whole.get(hash).cloned()
    }

    /// Waits until the client has said that host function `id` has returned, or the session is over.
    pub fn wait_host_function(&self, id: u64) {
        let mut waiting = self.host_functions.lock();
        waiting.entry(id).or_insert(false);
        while !waiting.get(&id).copied().unwrap_or(true) {
            self.host_function_done
                .wait_for(&mut waiting, Duration::from_millis(500));
            if *self.over.lock() {
                break;
            }
        }
        waiting.remove(&id);
    }

    /// A waiter thread is to unload a module; the result is dropped when it has.
    pub fn unload_begins(self: &Arc<Self>) -> Unloading {
        *self.unloading.lock() += 1;
        Unloading(Arc::clone(self))
    }

    /// Whether modules are being unloaded, whose memory is about to be free.
    pub fn is_unloading(&self) -> bool {
        *self.unloading.lock() > 0
    }

    /// Waits, for a bounded time, until those modules are unloaded.
    pub fn wait_for_unloads(&self) {
        const LIMIT: Duration = Duration::from_secs(10);
        self.unloaded.wait_while_for(&mut self.unloading.lock(), |unloading| *unloading > 0, LIMIT);
    }

    /// The client says that host function `id` has returned.
    pub fn host_function_returned(&self, id: u64) {
        // Only one that is waited for, or is about to be: an id comes from us, and each is answered once.
        let mut waiting = self.host_functions.lock();
        if waiting.len() < 4096 {
            waiting.insert(id, true);
        }
        self.host_function_done.notify_all();
    }

    /// The client is gone: nothing waits for it any more.
    pub fn end(&self) {
        *self.over.lock() = true;
        self.host_function_done.notify_all();
        self.downloads.abandon();
    }

    /// Whether any stream capture is under way.
    pub fn capturing(&self) -> bool {
        self.captures.load(Ordering::Acquire) > 0
    }
}
