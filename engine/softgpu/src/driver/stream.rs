//! Streams: queues of operations that threads execute in order.
//!
//! Every submitted operation has a position in its stream; a [`Mark`] names one. All ordering between streams (events, the legacy default
//! stream, host waits) is "wait for that mark", and a mark is always of something submitted earlier, so waits cannot form a circle. A stream
//! with work is drained by one thread of a shared pool; a thread that waits for another stream's mark sleeps. Threads without work sleep,
//! and leave after two seconds: an idle device uses no CPU.

use super::abi::CUstream;
use super::capture::StreamCapture;
use super::context::{CONTEXTS, Context, current, current_any};
use super::op::Op;
use super::registry::Registry;
use super::result::{CUresult, R};
use super::settings::settings;
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

/// All created streams (default streams have no handle of their own).
pub static STREAMS: Registry<Stream> = Registry::new(2);

// Attributes of streams, by their `CUlaunchAttributeID`.
const ACCESS_POLICY_WINDOW: u32 = 1;
const SYNCHRONIZATION_POLICY: u32 = 3;
const PRIORITY: u32 = 8;
const MEM_SYNC_DOMAIN_MAP: u32 = 9;
const MEM_SYNC_DOMAIN: u32 = 10;

/// `CU_STREAM_NON_BLOCKING`.
pub const NON_BLOCKING: u32 = 1;

/// A stream.
pub struct Stream {
    /// Its handle: 1 and 2 for the default streams.
    pub handle: u64,
    /// Unique number (`cuStreamGetId`).
    pub id: u64,
    /// Its context.
    pub ctx: Weak<Context>,
    /// Creation flags.
    pub flags: u32,
    /// Priority as given, clamped.
    priority: AtomicI32,
    /// Whether this is a legacy default stream.
    pub legacy: bool,
    /// The capture it takes part in.
    pub capture: Mutex<Option<StreamCapture>>,
    /// What `cuStreamSetAttribute` left, by attribute.
    attributes: Mutex<HashMap<u32, [u8; 64]>>,
    queue: Mutex<Queue>,
    /// Changes under the queue's lock, and is read without: who asks again and again must not be in the way of who executes.
    submitted: AtomicU64,
    done: AtomicU64,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    state: State,
    /// Threads that sleep, and the position at which each is woken: once, not at each operation before.
    waiters: Vec<(u64, Thread)>,
}

/// Who executes a queue.
#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum State {
    /// Nobody: it is empty.
    #[default]
    Idle,
    /// A thread was woken for it and has not begun.
    Scheduled,
    /// A thread executes it.
    Running,
}

struct Item {
    seq: u64,
    after: Vec<Mark>,
    op: Op,
}

/// A position in a stream.
#[derive(Clone)]
pub struct Mark {
    stream: Arc<Stream>,
    seq: u64,
}

impl Mark {
    /// Whether everything up to here has been executed.
    pub fn reached(&self) -> bool {
        self.stream.done.load(Ordering::Acquire) >= self.seq
    }

    /// Sleeps until everything up to here has been executed.
    pub fn wait(&self) {
        if self.reached() {
            return;
        }
        self.stream.help(self.seq);
        {
            let mut queue = self.stream.queue.lock();
            if self.reached() {
                return;
            }
            queue.waiters.push((self.seq, std::thread::current()));
        }
        while !self.reached() {
            std::thread::park();
        }
    }
}

impl Stream {
    /// A stream; it is entered in no table.
    pub fn new(ctx: Weak<Context>, handle: u64, flags: u32, priority: i32, legacy: bool) -> Arc<Stream> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Stream {
            handle,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            ctx,
            flags,
            priority: AtomicI32::new(priority),
            legacy,
            capture: Mutex::new(None),
            attributes: Mutex::default(),
            queue: Mutex::default(),
            submitted: AtomicU64::new(0),
            done: AtomicU64::new(0),
        })
    }

    /// The position after everything submitted so far.
    pub fn mark(self: &Arc<Self>) -> Mark {
        let seq = self.submitted.load(Ordering::Acquire);
        Mark { stream: Arc::clone(self), seq }
    }

    /// Its priority: 0 (the lowest) to [`GREATEST_PRIORITY`].
    pub fn priority(&self) -> i32 {
        self.priority.load(Ordering::Relaxed)
    }

    /// `cuStreamGetAttribute`: CUDA_ERROR_INVALID_VALUE for what is no attribute of streams.
    pub fn attribute(&self, attribute: u32) -> R<[u8; 64]> {
        let mut value = [0; 64];
        match attribute {
            ACCESS_POLICY_WINDOW | MEM_SYNC_DOMAIN => {}
            SYNCHRONIZATION_POLICY => value[0] = 1,             // automatic
            PRIORITY => value[..4].copy_from_slice(&self.priority().to_le_bytes()),
            MEM_SYNC_DOMAIN_MAP => value[1] = 1,                // default 0, remote 1
            _ => return Err(CUresult::INVALID_VALUE),
        }
        Ok(self.attributes.lock().get(&attribute).copied().unwrap_or(value))
    }

    /// `cuStreamSetAttribute`. Of these only the priority has an effect here.
    pub fn set_attribute(&self, attribute: u32, value: [u8; 64]) -> R {
        self.attribute(attribute)?;
        let word = u32::from_le_bytes([value[0], value[1], value[2], value[3]]);
        match attribute {
            SYNCHRONIZATION_POLICY => super::result::ensure((1..=4).contains(&word), CUresult::INVALID_VALUE)?,
            PRIORITY => {
                self.priority.store((word as i32).clamp(GREATEST_PRIORITY, 0), Ordering::Relaxed);
                return Ok(());
            }
            _ => {}
        }
        self.attributes.lock().insert(attribute, value);
        Ok(())
    }

    /// `cuStreamCopyAttributes`.
    pub fn copy_attributes(&self, from: &Stream) {
        let all = from.attributes.lock().clone();
        *self.attributes.lock() = all;
        self.priority.store(from.priority(), Ordering::Relaxed);
    }

    /// Whether all submitted work is done.
    pub fn idle(&self) -> bool {
        self.done.load(Ordering::Acquire) >= self.submitted.load(Ordering::Acquire)
    }

    /// Handle 0 stands for no stream in the journal and in callbacks of the default stream.
    pub fn public_handle(&self) -> CUstream {
        CUstream(if self.legacy { 0 } else { self.handle })
    }

    fn blocking(&self) -> bool {
        self.flags & NON_BLOCKING == 0
    }

    /// What the rules of the legacy default stream make an operation of this stream wait for.
    fn implied(self: &Arc<Self>, ctx: &Context, after: &mut Vec<Mark>) {
        if self.legacy {
            let mut streams = ctx.streams.lock();
            streams.retain(|weak| match weak.upgrade() {
                Some(stream) => {
                    if stream.blocking() && !stream.idle() {
                        after.push(stream.mark());
                    }
                    true
                }
                None => false,
            });
        } else if self.blocking() && !ctx.legacy.idle() {
            after.push(ctx.legacy.mark());
        }
    }

    /// Appends an operation that also waits for `after`.
    pub fn submit(self: &Arc<Self>, op: Op, mut after: Vec<Mark>) -> Mark {
        if let Some(ctx) = self.ctx.upgrade() {
            self.implied(&ctx, &mut after);
        }
        let mut queue = self.queue.lock();
        let seq = self.next_position(&queue);
        queue.items.push_back(Item { seq, after, op });
        self.schedule(queue);
        Mark { stream: Arc::clone(self), seq }
    }

    /// The position of the operation that is being submitted, under the queue's lock.
    fn next_position(&self, _locked: &Queue) -> u64 {
        self.submitted.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Wakes a thread for the queue if nobody is at it.
    fn schedule(self: &Arc<Self>, mut queue: parking_lot::MutexGuard<'_, Queue>) {
        if queue.state == State::Idle {
            queue.state = State::Scheduled;
            drop(queue);
            dispatch(Arc::clone(self));
        }
    }

    /// A thread that is about to wait for `seq` executes the queue itself while the thread woken for it has not begun: that saves two
    /// switches. It leaves host functions to the pool's threads.
    fn help(self: &Arc<Self>, seq: u64) {
        let mut queue = self.queue.lock();
        if queue.state != State::Scheduled {
            return;
        }
        queue.state = State::Running;
        while self.done.load(Ordering::Acquire) < seq
            && let Some(item) = queue.items.pop_front_if(|item| !item.op.calls_host())
        {
            drop(queue);
            let at = item.seq;
            self.execute(item);
            queue = self.queue.lock();
            self.finish(&mut queue, at);
        }
        queue.state = State::Idle;
        if !queue.items.is_empty() {
            self.schedule(queue);
        }
    }

    /// Appends an operation and waits for it. On an idle stream the calling thread executes it itself.
    pub fn submit_and_wait(self: &Arc<Self>, op: Op) {
        let mut after = Vec::new();
        if let Some(ctx) = self.ctx.upgrade() {
            self.implied(&ctx, &mut after);
        }
        let mut queue = self.queue.lock();
        if queue.state == State::Idle {
            return self.run_here(queue, after, op);
        }
        let seq = self.next_position(&queue);
        queue.items.push_back(Item { seq, after, op });
        self.schedule(queue);
        Mark { stream: Arc::clone(self), seq }.wait();
    }

    /// Has the calling thread execute an operation at once, if nothing is before it and nothing delays it; whether it did.
    pub fn try_here(self: &Arc<Self>, op: Op) -> bool {
        if !settings().latency.is_zero() && op.has_latency() {
            return false;
        }
        let mut after = Vec::new();
        if let Some(ctx) = self.ctx.upgrade() {
            self.implied(&ctx, &mut after);
        }
        let queue = self.queue.lock();
        if queue.state != State::Idle || !after.iter().all(Mark::reached) {
            return false;
        }
        self.run_here(queue, Vec::new(), op);
        true
    }

    /// Executes an operation on the calling thread; the queue is idle.
    fn run_here(self: &Arc<Self>, mut queue: parking_lot::MutexGuard<'_, Queue>, after: Vec<Mark>, op: Op) {
        let seq = self.next_position(&queue);
        queue.state = State::Running;
        drop(queue);
        self.execute(Item { seq, after, op });
        let mut queue = self.queue.lock();
        self.finish(&mut queue, seq);
        queue.state = State::Idle;
        if !queue.items.is_empty() {
            self.schedule(queue);
        }
    }

    fn finish(&self, queue: &mut Queue, seq: u64) {
        self.done.store(seq, Ordering::Release);
        queue.waiters.extract_if(.., |(until, _)| *until <= seq).for_each(|(_, thread)| thread.unpark());
    }

    fn execute(self: &Arc<Self>, item: Item) {
        item.after.iter().for_each(Mark::wait);
        let Some(ctx) = self.ctx.upgrade() else { return };
        if ctx.fault.load(Ordering::Acquire) != 0 {
            item.op.skip(self, &ctx);
            return;
        }
        let latency = settings().latency;
        if !latency.is_zero() && item.op.has_latency() {
            std::thread::sleep(latency);
        }
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| item.op.run(self, &ctx)));
        match run {
            Ok(Ok(())) => {}
            Ok(Err(code)) => ctx.poison(code),
            Err(_) => {
                tracing::error!("an operation panicked; this is a bug of the software GPU");
                ctx.poison(CUresult::UNKNOWN);
            }
        }
    }

    /// Executes until the queue is empty.
    fn drain(self: Arc<Self>) {
        let mut queue = self.queue.lock();
        if queue.state != State::Scheduled {
            return; // A waiting thread was faster.
        }
        queue.state = State::Running;
        while let Some(item) = queue.items.pop_front() {
            drop(queue);
            let seq = item.seq;
            self.execute(item);
            queue = self.queue.lock();
            self.finish(&mut queue, seq);
        }
        queue.state = State::Idle;
    }
}

/// A sleeping thread of the pool and the stream it shall drain next.
struct Seat {
    job: Mutex<Option<Arc<Stream>>>,
    wake: Condvar,
}

static IDLE: Mutex<Vec<Arc<Seat>>> = Mutex::new(Vec::new());

fn dispatch(stream: Arc<Stream>) {
    let seat = IDLE.lock().pop();
    match seat {
        Some(seat) => {
            *seat.job.lock() = Some(stream);
            seat.wake.notify_one();
        }
        None => {
            let spare = Arc::clone(&stream);
            let spawned = std::thread::Builder::new().name("softgpu-stream".to_owned()).spawn(move || work(stream));
            if let Err(error) = spawned {
                // No thread can be had: the caller does the work itself, late but right.
                tracing::warn!("no thread for a stream: {error}");
                spare.drain();
            }
        }
    }
}

fn work(first: Arc<Stream>) {
    first.drain();
    let seat = Arc::new(Seat { job: Mutex::new(None), wake: Condvar::new() });
    loop {
        IDLE.lock().push(Arc::clone(&seat));
        let mut job = seat.job.lock();
        while job.is_none() {
            if seat.wake.wait_for(&mut job, Duration::from_secs(2)).timed_out() && job.is_none() {
                drop(job);
                let mut idle = IDLE.lock();
                if let Some(at) = idle.iter().position(|s| Arc::ptr_eq(s, &seat)) {
                    idle.swap_remove(at);
                    return;
                }
                // Somebody took this seat in the meantime: a job is on its way.
                drop(idle);
                job = seat.job.lock();
            }
        }
        let stream = job.take();
        drop(job);
        if let Some(stream) = stream {
            stream.drain();
        }
    }
}

/// Makes a stream in the current context.
pub fn create(flags: u32, priority: i32) -> R<u64> {
    let ctx = current()?;
    super::result::ensure(flags & !NON_BLOCKING == 0, CUresult::INVALID_VALUE)?;
    let handle = STREAMS.reserve();
    let stream = Stream::new(Arc::downgrade(&ctx), handle, flags, priority.clamp(GREATEST_PRIORITY, 0), false);
    ctx.streams.lock().push(Arc::downgrade(&stream));
    STREAMS.insert(handle, stream);
    Ok(handle)
}

/// `cuCtxGetStreamPriorityRange`: priorities go from 0 down to this.
pub const GREATEST_PRIORITY: i32 = -5;

/// `cuStreamDestroy`: work already submitted is still done.
pub fn destroy(handle: u64) -> R {
    if handle <= 2 {
        return Err(CUresult::INVALID_HANDLE);
    }
    let stream = STREAMS.remove(handle)?;
    if !stream.idle() {
        // The context must still find it when it synchronises.
        let keep = Arc::clone(&stream);
        stream.submit(Op::Keep(keep), Vec::new());
    }
    Ok(())
}

/// The stream behind a handle, without regard to faults: `default` is what handle 0 means (1 legacy, 2 per-thread).
pub fn find(handle: CUstream, default: CUstream) -> R<Arc<Stream>> {
    let handle = if handle.0 == 0 { default.0 } else { handle.0 };
    match handle {
        1 => Ok(Arc::clone(&current_any()?.legacy)),
        2 => Ok(current_any()?.per_thread()),
        _ => STREAMS.get(handle),
    }
}

/// The stream and its context, which is healthy.
pub fn resolve(handle: CUstream, default: CUstream) -> R<(Arc<Stream>, Arc<Context>)> {
    let current = current()?;
    let stream = find(handle, default)?;
    if handle.0 <= 2 {
        return Ok((stream, current));
    }
    let ctx = stream.ctx.upgrade().ok_or(CUresult::CONTEXT_IS_DESTROYED)?;
    ctx.healthy()?;
    Ok((stream, ctx))
}

/// Drops the streams of a context that ends.
pub fn forget_context(ctx: u64) {
    let _ = CONTEXTS.find(ctx);
    drop(STREAMS.remove_where(|stream| stream.ctx.upgrade().is_none_or(|c| c.handle == ctx)));
}
