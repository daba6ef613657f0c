//! Events: marks in streams with the time at which they were reached.

use super::capture::CapturedEvent;
use super::ipc::{self, SharedEvent};
use super::op::Op;
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::stream::{Mark, Stream};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// All live events.
pub static EVENTS: Registry<Event> = Registry::new(3);

/// `CU_EVENT_DISABLE_TIMING`.
pub const DISABLE_TIMING: u32 = 2;
/// `CU_EVENT_INTERPROCESS`.
pub const INTERPROCESS: u32 = 4;

/// An event.
pub struct Event {
    /// Its handle.
    pub handle: u64,
    /// Context it was made in.
    pub ctx: u64,
    /// Creation flags.
    pub flags: u32,
    /// What was recorded last.
    pub state: Mutex<Recorded>,
    /// Where other processes see it recorded and reached (CU_EVENT_INTERPROCESS).
    pub shared: Option<Arc<SharedEvent>>,
}

/// What an event holds.
#[derive(Clone, Default)]
pub enum Recorded {
    /// Never recorded: complete by definition.
    #[default]
    Nothing,
    /// Recorded in a stream.
    Stream(Arc<Record>, Mark),
    /// Recorded while its stream was captured.
    Captured(CapturedEvent),
}

/// What a wait for an event waits for.
#[derive(Clone)]
pub enum Target {
    /// It was never recorded.
    Nothing,
    /// A position in a stream.
    Mark(Mark),
    /// A recording that maybe another process makes.
    Shared(Arc<SharedEvent>, u32),
}

impl Target {
    /// Sleeps until it is reached, or the context gives up.
    pub fn wait(&self, ctx: &super::context::Context) {
        match self {
            Target::Nothing => {}
            Target::Mark(mark) => mark.wait(),
            Target::Shared(shared, number) => shared.wait(*number, || ipc::gives_up(ctx)),
        }
    }
}

/// One recording.
#[derive(Default)]
pub struct Record {
    time: OnceLock<Instant>,
    shared: Option<(Arc<SharedEvent>, u32)>,
}

impl Record {
    /// Of an event, which is now to be reached again.
    pub fn of(event: &Event) -> Record {
        Record { time: OnceLock::new(), shared: event.shared.as_ref().map(|shared| (Arc::clone(shared), shared.begin())) }
    }

    /// The recording is reached.
    pub fn reach(&self) {
        let _ = self.time.set(Instant::now());
        if let Some((shared, number)) = &self.shared {
            shared.reach(*number);
        }
    }
}

/// `cuEventCreate`.
pub fn create(flags: u32) -> R<u64> {
    let ctx = super::context::current()?;
    ensure(flags & !7 == 0 && (flags & INTERPROCESS == 0 || flags & DISABLE_TIMING != 0), CUresult::INVALID_VALUE)?;
    let shared = if flags & INTERPROCESS != 0 { Some(Arc::new(SharedEvent::create(ctx.device.ordinal)?)) } else { None };
    Ok(enter(ctx.handle, flags, shared))
}

fn enter(ctx: u64, flags: u32, shared: Option<Arc<SharedEvent>>) -> u64 {
    let handle = EVENTS.reserve();
    EVENTS.insert(handle, Arc::new(Event { handle, ctx, flags, state: Mutex::default(), shared }));
    handle
}

/// `cuIpcOpenEventHandle`.
pub fn open(handle: &ipc::Handle) -> R<u64> {
    let ctx = super::context::current()?;
    Ok(enter(ctx.handle, DISABLE_TIMING | INTERPROCESS, Some(Arc::new(SharedEvent::open(handle)?))))
}

/// `cuEventDestroy`: returns at once, whatever the event waits for.
pub fn destroy(handle: u64) -> R {
    super::device::driver()?;
    EVENTS.remove(handle).map(drop)
}

impl Event {
    /// The last recording's mark, or None if there is nothing to wait for.
    pub fn mark(&self) -> R<Option<Mark>> {
        match &*self.state.lock() {
            Recorded::Nothing => Ok(None),
            Recorded::Stream(_, mark) => Ok(Some(mark.clone())),
            Recorded::Captured(_) => Err(CUresult::CAPTURED_EVENT),
        }
    }

    /// The last recording, to be waited for.
    pub fn target(&self) -> R<Target> {
        let mark = self.mark()?;
        Ok(match (&self.shared, mark) {
            (Some(shared), _) => Target::Shared(Arc::clone(shared), shared.latest()),
            (None, Some(mark)) => Target::Mark(mark),
            (None, None) => Target::Nothing,
        })
    }

    /// Makes what a stream gets from now on wait for the last recording.
    pub fn wait_in(&self, stream: &Arc<Stream>) -> R {
        match self.target()? {
            Target::Mark(mark) if !mark.reached() => drop(stream.submit(Op::Empty, vec![mark])),
            Target::Shared(shared, number) if !shared.reached(number) => drop(stream.submit(Op::Await(shared, number), Vec::new())),
            _ => {}
        }
        Ok(())
    }

    fn healthy(&self) -> R {
        super::context::CONTEXTS.find(self.ctx).ok_or(CUresult::CONTEXT_IS_DESTROYED)?.healthy()
    }

    /// `cuEventQuery`.
    pub fn query(&self) -> R {
        let reached = match self.target()? {
            Target::Nothing => true,
            Target::Mark(mark) => mark.reached(),
            Target::Shared(shared, number) => shared.reached(number),
        };
        self.healthy()?;
        ensure(reached, CUresult::NOT_READY)
    }

    /// `cuEventSynchronize`.
    pub fn synchronize(&self) -> R {
        let target = self.target()?;
        if let Some(ctx) = super::context::CONTEXTS.find(self.ctx) {
            target.wait(&ctx);
            ctx.flush_printf();
        }
        self.healthy()
    }

    fn time(&self) -> R<Instant> {
        ensure(self.flags & DISABLE_TIMING == 0, CUresult::INVALID_HANDLE)?;
        match &*self.state.lock() {
            Recorded::Nothing => Err(CUresult::INVALID_HANDLE),
            Recorded::Stream(record, _) => record.time.get().copied().ok_or(CUresult::NOT_READY),
            Recorded::Captured(_) => Err(CUresult::CAPTURED_EVENT),
        }
    }
}

/// `cuEventElapsedTime`: milliseconds from `start` to `end`.
pub fn elapsed(start: u64, end: u64) -> R<f32> {
    let (start, end) = (EVENTS.get(start)?, EVENTS.get(end)?);
    start.healthy()?;
    let (from, to) = (start.time()?, end.time()?);
    Ok(if to >= from { (to - from).as_secs_f32() * 1e3 } else { -(from - to).as_secs_f32() * 1e3 })
}

/// Events outlive their context only as handles that give errors.
pub fn forget_context(ctx: u64) {
    drop(EVENTS.remove_where(|event| event.ctx == ctx));
}
