//! Contexts: primary and created ones, the stack of current contexts of each thread, and the fault that poisons a context.

use super::device::{Device, device, driver};
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::stream::{Mark, Stream};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// All live contexts.
pub static CONTEXTS: Registry<Context> = Registry::new(1);

/// Limits by `CUlimit` number.
pub const LIMITS: usize = 7;

const PRINTF_FIFO: usize = 1 << 20;
/// Most local memory a thread can have.
const STACK_MAX: usize = 512 << 10;

/// A context.
pub struct Context {
    /// Its handle.
    pub handle: u64,
    /// Its device.
    pub device: &'static Device,
    /// Unique number (`cuCtxGetId`).
    pub id: u64,
    /// Creation flags.
    pub flags: AtomicU32,
    /// The first fault; 0 while healthy. Sticky until the context goes.
    pub fault: AtomicU32,
    /// Tells running kernels to end.
    pub stop: Arc<AtomicBool>,
    /// Its legacy default stream.
    pub legacy: Arc<Stream>,
    /// All its other streams that have not ended.
    pub streams: Mutex<Vec<Weak<Stream>>>,
    /// Per-thread default streams.
    per_thread: Mutex<HashMap<u64, Arc<Stream>>>,
    /// Contexts whose memory it may reach.
    pub peers: Mutex<Vec<u64>>,
    /// `cuCtxSetLimit`.
    pub limits: Mutex<[usize; LIMITS]>,
    /// `cuCtxSetCacheConfig`.
    pub cache_config: AtomicU32,
    /// `cuCtxSetSharedMemConfig`.
    pub shared_config: AtomicU32,
    /// printf output not yet delivered.
    pub printed: Mutex<String>,
    /// Whether a kernel has printed.
    has_printed: AtomicBool,
    /// Kernels' malloc heap, made at the first launch of a kernel that asks for memory.
    heap: Mutex<Option<Arc<super::launch::Heap>>>,
    /// Whether it is the device's primary context.
    pub primary: bool,
}

/// The state of a device's primary context. Its handle stays the same for the life of the process.
pub struct Primary {
    /// The handle every incarnation has.
    pub handle: u64,
    /// The live context.
    pub context: Option<Arc<Context>>,
    /// How often retained.
    pub retained: u64,
    /// Flags of the next incarnation.
    pub flags: u32,
}

impl Primary {
    /// Not active.
    pub fn new() -> Self {
        Primary { handle: CONTEXTS.reserve(), context: None, retained: 0, flags: 0 }
    }
}

impl Default for Primary {
    fn default() -> Self {
        Primary::new()
    }
}

thread_local! {
    static STACK: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
    /// Set while a host function of a stream runs: such functions must not call the driver.
    pub static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// A number for the calling thread, never used again for another.
pub fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if THREAD.get() == 0 {
        THREAD.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    THREAD.get()
}

impl Context {
    /// Makes a context; `handle` from [`CONTEXTS`].
    pub fn create(device: &'static Device, handle: u64, flags: u32, primary: bool) -> Arc<Context> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let context = Arc::new_cyclic(|weak| Context {
            handle,
            device,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            flags: AtomicU32::new(flags),
            fault: AtomicU32::new(0),
            stop: Arc::new(AtomicBool::new(false)),
            legacy: Stream::new(weak.clone(), 1, 0, 0, true),
            streams: Mutex::new(Vec::new()),
            per_thread: Mutex::new(HashMap::new()),
            peers: Mutex::new(Vec::new()),
            limits: Mutex::new([1024, PRINTF_FIFO, 8 << 20, 2, 2048, 128, 0]),
            cache_config: AtomicU32::new(0),
            shared_config: AtomicU32::new(1),
            printed: Mutex::new(String::new()),
            has_printed: AtomicBool::new(false),
            heap: Mutex::new(None),
            primary,
        });
        CONTEXTS.insert(handle, Arc::clone(&context));
        context
    }

    /// The fault, as an error.
    pub fn healthy(&self) -> R {
        match self.fault.load(Ordering::Acquire) {
            0 => Ok(()),
            code => Err(CUresult(code)),
        }
    }

    /// Records the first fault.
    pub fn poison(&self, code: CUresult) {
        let _ = self.fault.compare_exchange(0, code.0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The calling thread's own default stream.
    pub fn per_thread(self: &Arc<Self>) -> Arc<Stream> {
        let mut map = self.per_thread.lock();
        Arc::clone(map.entry(thread_number()).or_insert_with(|| {
            let stream = Stream::new(Arc::downgrade(self), 2, 0, 0, false);
            self.streams.lock().push(Arc::downgrade(&stream));
            stream
        }))
    }

    /// All streams that still live, the legacy one first.
    pub fn all_streams(&self) -> Vec<Arc<Stream>> {
        let mut list = vec![Arc::clone(&self.legacy)];
        let mut streams = self.streams.lock();
        streams.retain(|weak| weak.upgrade().map(|s| list.push(s)).is_some());
        list
    }

    /// Waits for everything submitted so far and delivers printf output.
    pub fn synchronize(&self) -> R {
        let marks: Vec<Mark> = self.all_streams().iter().map(Stream::mark).collect();
        marks.iter().for_each(Mark::wait);
        self.flush_printf();
        self.healthy()
    }

    /// The heap of kernels' malloc; made with `len` bytes the first time.
    pub fn heap(&self, len: u64) -> R<Arc<super::launch::Heap>> {
        let mut heap = self.heap.lock();
        match &*heap {
            Some(heap) => Ok(Arc::clone(heap)),
            None => Ok(Arc::clone(heap.insert(Arc::new(super::launch::Heap::create(self, len)?)))),
        }
    }

    /// `cuCtxSetLimit`.
    ///
    /// # Errors
    /// CUDA_ERROR_UNSUPPORTED_LIMIT for a limit that this device does not have; CUDA_ERROR_INVALID_VALUE for a value out of range, and for
    /// sizes of buffers that kernels have begun to use.
    pub fn set_limit(&self, limit: u32, value: usize) -> R {
        self.has_limit(limit)?;
        match limit {
            0 => ensure(value <= STACK_MAX, CUresult::INVALID_VALUE)?,
            1 => ensure(!self.has_printed.load(Ordering::Acquire), CUresult::INVALID_VALUE)?,
            2 => {
                ensure(value as u64 <= self.device.arena.capacity_and_free().0, CUresult::INVALID_VALUE)?;
                let unused = self.heap.lock().as_ref().map(|heap| !heap.used());
                ensure(unused != Some(false), CUresult::INVALID_VALUE)?;
                if unused.is_some() {
                    // Made for launches that did not use it: no work may be under way when it goes.
                    self.all_streams().iter().for_each(|s| s.mark().wait());
                    if let Some(heap) = self.heap.lock().take() {
                        heap.free();
                    }
                }
            }
            5 => ensure(value <= 128, CUresult::INVALID_VALUE)?,
            6 => ensure(value as i64 <= i64::from(self.device.attribute(108)?), CUresult::INVALID_VALUE)?,
            _ => {}
        }
        self.limits.lock()[limit as usize] = value;
        Ok(())
    }

    /// `cuCtxGetLimit`.
    pub fn limit(&self, limit: u32) -> R<usize> {
        self.has_limit(limit)?;
        Ok(self.limits.lock()[limit as usize])
    }

    /// Launches from kernels went with capability 9.0, and persisting L2 came with 8.0.
    fn has_limit(&self, limit: u32) -> R {
        let there = match limit {
            3 | 4 => self.device.cc.0 < 9,
            6 => self.device.cc.0 >= 8,
            _ => (limit as usize) < LIMITS,
        };
        ensure(there, CUresult::UNSUPPORTED_LIMIT)
    }

    /// Takes printf output of a kernel; delivered at synchronisation, or when much has gathered.
    pub fn print(&self, text: &str) {
        self.has_printed.store(true, Ordering::Release);
        // Hardware loses what does not fit into its buffer; here it is delivered early.
        let room = self.limits.lock()[1];
        let mut printed = self.printed.lock();
        printed.push_str(text);
        let much = printed.len() > room;
        drop(printed);
        if much {
            self.flush_printf();
        }
    }

    /// Delivers printf output.
    pub fn flush_printf(&self) {
        let text = std::mem::take(&mut *self.printed.lock());
        if !text.is_empty() {
            super::report::print(&text);
        }
    }

    /// Ends the context: waits for its work, then frees all it owns.
    fn destroy(&self) {
        if self.fault.load(Ordering::Acquire) != 0 {
            self.stop.store(true, Ordering::Release);
        }
        let _ = self.synchronize();
        super::texture::forget_context(self.handle);
        super::memory::array::forget_context(self.handle);
        super::module::forget_context(self.handle);
        super::stream::forget_context(self.handle);
        super::event::forget_context(self.handle);
        for gone in super::memory::space().remove_where(|a| a.ctx == self.handle) {
            super::memory::free_backing(&gone);
        }
        self.per_thread.lock().clear();
    }

    /// Device numbers whose memory kernels of this context reach, as a bit mask.
    pub fn reachable(&self) -> u32 {
        let peers = self.peers.lock();
        peers.iter().filter_map(|&h| CONTEXTS.find(h)).fold(1 << self.device.ordinal, |mask, peer| mask | 1 << peer.device.ordinal)
    }
}

/// Waits for all work of all contexts: before memory that any of them may reach loses its mapping.
pub fn wait_for_all() {
    let mut all = Vec::new();
    CONTEXTS.each(|ctx| all.push(Arc::clone(ctx)));
    let marks: Vec<Mark> = all.iter().flat_map(|ctx| ctx.all_streams()).map(|stream| stream.mark()).collect();
    marks.iter().for_each(Mark::wait);
}

/// The handle on top of this thread's stack, or 0.
pub fn current_handle() -> u64 {
    STACK.with_borrow(|stack| stack.last().copied().unwrap_or(0))
}

/// The current context: CUDA_ERROR_INVALID_CONTEXT if there is none, CUDA_ERROR_CONTEXT_IS_DESTROYED if it is gone.
pub fn current_any() -> R<Arc<Context>> {
    driver()?;
    if IN_CALLBACK.get() {
        return Err(CUresult::NOT_PERMITTED);
    }
    match current_handle() {
        0 => Err(CUresult::INVALID_CONTEXT),
        handle => CONTEXTS.find(handle).ok_or(CUresult::CONTEXT_IS_DESTROYED),
    }
}

/// The current context, or its fault.
pub fn current() -> R<Arc<Context>> {
    let context = current_any()?;
    context.healthy()?;
    Ok(context)
}

/// `cuCtxSetCurrent`.
pub fn set_current(handle: u64) -> R {
    if handle != 0 {
        CONTEXTS.find(handle).ok_or(CUresult::INVALID_CONTEXT)?;
    }
    STACK.with_borrow_mut(|stack| {
        stack.pop();
        if handle != 0 {
            stack.push(handle);
        }
    });
    Ok(())
}

/// `cuCtxPushCurrent`.
pub fn push(handle: u64) -> R {
    CONTEXTS.find(handle).ok_or(CUresult::INVALID_CONTEXT)?;
    STACK.with_borrow_mut(|stack| stack.push(handle));
    Ok(())
}

/// `cuCtxPopCurrent`.
pub fn pop() -> R<u64> {
    STACK.with_borrow_mut(Vec::pop).ok_or(CUresult::INVALID_CONTEXT)
}

/// `cuCtxCreate`: makes a context and makes it current.
pub fn create(number: i32, flags: u32) -> R<u64> {
    let device = device(number)?;
    ensure(flags & !0x1ff == 0 && flags & 7 <= 4 && flags & 7 != 3, CUresult::INVALID_VALUE)?;
    let context = Context::create(device, CONTEXTS.reserve(), flags, false);
    STACK.with_borrow_mut(|stack| stack.push(context.handle));
    Ok(context.handle)
}

/// `cuCtxDestroy`. The primary context cannot be destroyed this way.
pub fn destroy(handle: u64) -> R {
    let context = CONTEXTS.find(handle).ok_or(CUresult::INVALID_CONTEXT)?;
    ensure(!context.primary, CUresult::INVALID_CONTEXT)?;
    context.destroy();
    let _ = CONTEXTS.remove(handle);
    STACK.with_borrow_mut(|stack| {
        if stack.last() == Some(&handle) {
            stack.pop();
        }
    });
    Ok(())
}

/// `cuDevicePrimaryCtxRetain`.
pub fn primary_retain(number: i32) -> R<u64> {
    let device = device(number)?;
    let mut primary = device.primary.lock();
    if primary.context.is_none() {
        primary.context = Some(Context::create(device, primary.handle, primary.flags, true));
    }
    primary.retained += 1;
    Ok(primary.handle)
}

/// `cuDevicePrimaryCtxRelease`: CUDA_ERROR_INVALID_CONTEXT if it is not retained.
pub fn primary_release(number: i32) -> R {
    let mut primary = device(number)?.primary.lock();
    ensure(primary.retained > 0, CUresult::INVALID_CONTEXT)?;
    primary.retained -= 1;
    if primary.retained == 0 {
        end_primary(&mut primary);
    }
    Ok(())
}

/// `cuDevicePrimaryCtxReset`: frees all that the primary context owns. Threads that have it current can use it again when it is retained.
pub fn primary_reset(number: i32) -> R {
    let mut primary = device(number)?.primary.lock();
    let retained = primary.retained;
    end_primary(&mut primary);
    if retained > 0 {
        primary.retained = retained;
        primary.context = Some(Context::create(device(number)?, primary.handle, primary.flags, true));
    }
    Ok(())
}

fn end_primary(primary: &mut Primary) {
    if let Some(context) = primary.context.take() {
        context.destroy();
        let _ = CONTEXTS.remove(primary.handle);
    }
    primary.retained = 0;
}
