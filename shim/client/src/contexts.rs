//! Contexts: which lane each is on, which is current on a thread, and which are unusable after a fault.

use crate::session::session;
use crate::{completion, memory_ranges, objects};
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind};
use ringway_wire::ids::unpack;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Contexts at the most: their numbers index tables here.
pub const CONTEXTS_MAX: usize = 4096;

/// Where a call goes: the context it runs in (0: none) and the lane, which is the ordinal of the context's GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Number of the context.
    pub context: u32,
    /// Lane.
    pub lane: u32,
    /// Index of the stream whose work it is, and one; 0: of none, or of the legacy stream; [`Target::NO_WORK`].
    pub stream: u32,
}

struct Facts {
    lane: AtomicU32,
    /// The sticky CUresult, 0 while usable.
    fault: AtomicU32,
    /// What is known of the work of the legacy stream ([`crate::completion`]).
    work: AtomicU64,
    /// Whether work may be under way of which the legacy stream takes no notice.
    apart: AtomicBool,
}

static FACTS: [Facts; CONTEXTS_MAX] = [const {
    Facts {
        lane: AtomicU32::new(0),
        fault: AtomicU32::new(0),
        work: AtomicU64::new(0),
        apart: AtomicBool::new(false),
    }
}; CONTEXTS_MAX];

/// Highest number of a context so far.
static HIGHEST: AtomicU32 = AtomicU32::new(0);

impl Target {
    /// The `stream` of calls that give a stream nothing to do: questions and waits.
    pub const NO_WORK: u32 = u32::MAX;

    /// The same for a call that gives no stream anything to do.
    #[inline]
    pub fn without_work(self) -> Self {
        Self { stream: Self::NO_WORK, ..self }
    }

    /// The target of everything in a context.
    #[inline]
    pub fn of_context(context: u32) -> Self {
        Self {
            context,
            lane: FACTS[context as usize % CONTEXTS_MAX]
                .lane
                .load(Ordering::Relaxed),
            stream: 0,
        }
    }
}

/// The fault that made a context unusable.
#[inline]
pub fn fault(context: u32) -> Option<CudaError> {
    CudaError::from_code(
        FACTS[context as usize % CONTEXTS_MAX]
            .fault
            .load(Ordering::Relaxed),
    )
}

/// A call in the context had this result: sticky ones make it unusable.
pub fn note(context: u32, result: CudaError) {
    if context != 0 && result.is_sticky() {
        FACTS[context as usize % CONTEXTS_MAX]
            .fault
            .store(result.code(), Ordering::Relaxed);
    }
}

/// The context is new, or was reset, or is gone: it has no work and no memory.
pub fn heal(context: u32) {
    let facts = &FACTS[context as usize % CONTEXTS_MAX];
    facts.fault.store(0, Ordering::Relaxed);
    facts.work.store(0, Ordering::Release);
    facts.apart.store(false, Ordering::Relaxed);
    memory_ranges::forget_context(context);
}

/// From now on the context has a stream that takes no notice of the legacy stream, or had one whose work may go on.
pub fn set_apart(context: u32) {
    FACTS[context as usize % CONTEXTS_MAX].apart.store(true, Ordering::Release);
}

/// Whether all work of a context is ordered before what its legacy stream does next.
pub(crate) fn is_together(context: u32) -> bool {
    !FACTS[context as usize % CONTEXTS_MAX].apart.load(Ordering::Acquire)
}

/// Whether no context of this process has work under way, as far as is known here. A call that has not returned yet may be about to post
/// some.
pub(crate) fn are_at_rest() -> bool {
    (1..=HIGHEST.load(Ordering::Acquire)).all(|context| completion::is_at_rest(work(context)))
}

/// What is known of the work of a context's legacy stream.
#[inline]
pub(crate) fn work(context: u32) -> &'static AtomicU64 {
    &FACTS[context as usize % CONTEXTS_MAX].work
}

/// Makes a context's handle on `lane`; numbers start at 1.
///
/// # Errors
/// `CUDA_ERROR_OUT_OF_MEMORY` when there are too many.
pub fn create(lane: u32) -> Result<objects::New, CudaError> {
    // The object's own context word is its number, which is only known once it is made: handles are made one by one.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    // Index 0 would be context number 0, "none": it is taken once and kept.
    static SPENT: std::sync::Once = std::sync::Once::new();
    SPENT.call_once(|| {
        if let Ok(new) = objects::create(
            Kind::Context,
            Target {
                context: 0,
                lane: 0,
                stream: 0,
            },
        ) {
            new.keep();
        }
    });
    let new = objects::create(Kind::Context, Target { context: 0, lane, stream: 0 })?;
    let (_, _, index) = unpack(new.id());
    if index as usize >= CONTEXTS_MAX {
        return Err(CudaError::OUT_OF_MEMORY);
    }
    FACTS[index as usize].lane.store(lane, Ordering::Relaxed);
    heal(index);
    HIGHEST.fetch_max(index, Ordering::AcqRel);
    Ok(new)
}

/// Number of a context's handle.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub fn number(handle: u64) -> Result<u32, CudaError> {
    objects::handle(Kind::Context, handle).map(|object| unpack(object.id).2)
}

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
    static BELOW: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Handle of the thread's current context, 0 where there is none.
#[inline]
pub fn current_handle() -> u64 {
    CURRENT.with(Cell::get)
}

/// Where calls of this thread go.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT` with no context current, `CUDA_ERROR_CONTEXT_IS_DESTROYED` where it is gone;
/// `CUDA_ERROR_NOT_INITIALIZED` before cuInit.
#[inline]
pub fn current() -> Result<Target, CudaError> {
    let handle = current_handle();
    if handle == 0 {
        session()?;
        return Err(CudaError::INVALID_CONTEXT);
    }
    match objects::handle(Kind::Context, handle) {
        Ok(object) => Ok(Target::of_context(unpack(object.id).2)),
        Err(_) => Err(CudaError::CONTEXT_IS_DESTROYED),
    }
}

/// Makes a context current (0: none) in the place of the one that is.
pub fn set_current(handle: u64) {
    CURRENT.with(|current| current.set(handle));
}

/// Pushes a context on the thread's stack.
pub fn push(handle: u64) {
    let old = current_handle();
    BELOW.with_borrow_mut(|below| below.push(old));
    set_current(handle);
}

/// Pops the current context and gives it.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT` with none current.
pub fn pop() -> Result<u64, CudaError> {
    let handle = current_handle();
    if handle == 0 {
        return Err(CudaError::INVALID_CONTEXT);
    }
    set_current(BELOW.with_borrow_mut(Vec::pop).unwrap_or(0));
    Ok(handle)
}

/// A GPU's primary context.
#[derive(Debug, Clone, Copy, Default)]
pub struct Primary {
    /// Its handle; 0 until it was first retained.
    pub handle: u64,
    /// How often it is retained.
    pub retained: u32,
    /// Flags for its next creation.
    pub flags: u32,
    /// Whether the server has it.
    pub active: bool,
}

static PRIMARIES: Mutex<Vec<Primary>> = Mutex::new(Vec::new());

/// Looks at, and may change, the primary context of a GPU; others wait meanwhile.
pub fn with_primary<T>(gpu: usize, body: impl FnOnce(&mut Primary) -> T) -> T {
    let mut primaries = PRIMARIES.lock();
    if primaries.len() <= gpu {
        primaries.resize(gpu + 1, Primary::default());
    }
    body(&mut primaries[gpu])
}
