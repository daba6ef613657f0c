//! What all threads of a worker share: the driver, the handles, the slices, and what waits to be reported.

use crate::downloads::Downloads;
use crate::generated::Driver;
use crate::handlers::array::Levels;
use crate::handlers::virtual_memory::Mapped;
use crate::handles::Handles;
use crate::output::Output;
use crate::pinned::Pinned;
use crate::transfers::Transfers;
use crate::waiters::Waiters;
use crate::watches::Watches;
use parking_lot::{Condvar, Mutex};
use ringway_api::CudaError;
use ringway_link::account::Account;
use ringway_link::{LinkEvent, ServerHandle};
use ringway_wire::call::BLOB_BYTES_MAX;
use ringway_wire::control::Slice;
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
    /// Contexts by the client's number.
    contexts: Mutex<HashMap<u32, Context>>,
    account: Account,
    account_slot: u32,
    charges: Mutex<BTreeMap<u64, Charge>>,
    kept: Mutex<HashMap<u32, Kept>>,
    blobs: Mutex<Blobs>,
    lanes: Mutex<Vec<ServerHandle>>,
    /// Copies to the client that are under way.
    pub downloads: Downloads,
    /// Copies past the ring.
    pub transfers: Transfers,
    /// Memory of both ends for what the program pins.
    pub pinned: Pinned,
    /// Threads that wait in the driver.
    pub waiters: Waiters,
    /// What the client wants to be told of.
    pub watches: Watches,
    /// What kernels print.
    pub output: Output,
    /// Stream captures that have begun and not ended.
    pub captures: AtomicU32,
    /// Physical memory and where it is mapped.
    pub mapped: Mapped,
    /// Levels of mipmapped arrays.
    pub levels: Levels,
    host_functions: Mutex<HashMap<u64, bool>>,
    host_function_done: Condvar,
    over: Mutex<bool>,
    /// End position of the last record that each lane has executed.
    executed: Vec<AtomicU64>,
}

impl Session {
    /// Nothing made yet.
    pub fn new(
        driver: Driver,
        slices: Vec<Slice>,
        account: Account,
        account_slot: u32,
        output: Output,
    ) -> Self {
        let executed = slices.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            driver,
            handles: Handles::default(),
            slices,
            contexts: Mutex::default(),
            account,
            account_slot,
            charges: Mutex::default(),
            kept: Mutex::default(),
            blobs: Mutex::default(),
            lanes: Mutex::default(),
            downloads: Downloads::default(),
            transfers: Transfers::new(),
            pinned: Pinned::default(),
            waiters: Waiters::default(),
            watches: Watches::default(),
            output,
            captures: AtomicU32::new(0),
            mapped: Mapped::default(),
            levels: Levels::default(),
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

    /// Remembers a context; gives the one that had the number before.
    pub fn put_context(&self, id: u32, context: Context) -> Option<Context> {
        self.contexts.lock().insert(id, context)
    }

    /// Forgets a context.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn take_context(&self, id: u32) -> Result<Context, CudaError> {
        self.kept.lock().remove(&id);
        self.contexts
            .lock()
            .remove(&id)
            .ok_or(CudaError::INVALID_CONTEXT)
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
        self.slices.get(gpu).is_some_and(|slice| {
            self.account
                .reserve(gpu, self.account_slot, bytes, slice.memory_bytes)
        })
    }

    /// Gives memory back that was taken with [`Session::reserve`] and not charged to an address.
    pub fn unreserve(&self, gpu: usize, bytes: u64) {
        self.account.release(gpu, self.account_slot, bytes);
    }

    /// Notes which address (or handle) the reserved memory belongs to.
    pub fn charge(&self, address: u64, context: u32, gpu: usize, bytes: u64) {
        self.charges.lock().insert(
            address,
            Charge {
                gpu,
                context,
                bytes,
            },
        );
    }

    /// The memory of `address` was freed.
    pub fn discharge(&self, address: u64) {
        if let Some(charge) = self.charges.lock().remove(&address) {
            self.unreserve(charge.gpu, charge.bytes);
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
