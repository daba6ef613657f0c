//! What can be in a stream or a graph, as data, and how each is executed.

use super::abi::{CUhostFn, CUstreamCallback, Host};
use super::context::{Context, IN_CALLBACK};
use super::event::Record;
use super::graph_exec::ExecList;
use super::ipc::{SharedEvent, gives_up};
use super::launch::KernelLaunch;
use super::memory::copy::{Copy3D, Fill};
use super::memory::pool;
use super::result::{CUresult, R};
use super::stream::Stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One operation. Cloning is cheap: graphs keep operations and execute them many times.
#[derive(Clone)]
pub enum Op {
    /// Nothing: orders what waits for it.
    Empty,
    /// Keeps a destroyed stream alive until its work is done.
    Keep(#[allow(dead_code)] Arc<Stream>),
    /// A kernel.
    Kernel(Arc<KernelLaunch>),
    /// A copy.
    Copy(Arc<Copy3D>),
    /// A memset.
    Fill(Fill),
    /// A host function.
    Host(CUhostFn, Host),
    /// A callback that also learns the context's state.
    Callback(CUstreamCallback, Host),
    /// Sets an event's time.
    Record(Arc<Record>),
    /// Waits for a recording that maybe another process makes.
    Await(Arc<SharedEvent>, u32),
    /// Waits until a word of memory compares as asked.
    WaitValue(WaitValue),
    /// Writes a word of memory.
    WriteValue {
        /// Address.
        address: u64,
        /// Value.
        value: u64,
        /// Whether 64 bits wide.
        wide: bool,
    },
    /// Several of the two above.
    Batch(Arc<Vec<Op>>),
    /// Frees stream-ordered memory.
    Free(u64),
    /// An instantiated graph.
    Graph(Arc<ExecList>),
}

/// See `cuStreamWaitValue32`.
#[derive(Clone, Copy)]
pub struct WaitValue {
    /// Address.
    pub address: u64,
    /// Value to compare with.
    pub value: u64,
    /// CU_STREAM_WAIT_VALUE_GEQ 0, EQ 1, AND 2, NOR 3.
    pub compare: u32,
    /// Whether 64 bits wide.
    pub wide: bool,
}

fn call_host(f: impl FnOnce()) {
    IN_CALLBACK.set(true);
    f();
    IN_CALLBACK.set(false);
}

impl Op {
    /// Whether the latency setting delays it.
    pub fn has_latency(&self) -> bool {
        matches!(self, Op::Kernel(_) | Op::Copy(_) | Op::Fill(_) | Op::Graph(_))
    }

    /// Whether it runs code of the program, or may take long for reasons outside this device.
    pub fn calls_host(&self) -> bool {
        match self {
            Op::Host(..) | Op::Callback(..) | Op::WaitValue(_) | Op::Batch(_) | Op::Await(..) => true,
            Op::Graph(list) => list.calls_host(),
            _ => false,
        }
    }

    /// Executes it. An error poisons the context.
    pub fn run(&self, stream: &Arc<Stream>, ctx: &Arc<Context>) -> R {
        match self {
            Op::Empty | Op::Keep(_) => {}
            Op::Kernel(launch) => launch.run(ctx, stream.priority())?,
            Op::Copy(copy) => copy.run(),
            Op::Fill(fill) => fill.run(),
            Op::Host(function, data) => {
                if let Some(function) = function {
                    // SAFETY: the program passed this function to be called with this argument from a driver thread.
                    call_host(|| unsafe { function(data.0 as *mut std::ffi::c_void) });
                }
            }
            Op::Callback(function, data) => callback(*function, *data, stream, CUresult::SUCCESS),
            Op::Record(record) => record.reach(),
            Op::Await(event, number) => event.wait(*number, || gives_up(ctx)),
            Op::WaitValue(wait) => wait.run(ctx),
            Op::WriteValue { address, value, wide } => write_value(*address, *value, *wide),
            Op::Batch(ops) => ops.iter().try_for_each(|op| op.run(stream, ctx))?,
            Op::Free(address) => pool::free_now(*address),
            Op::Graph(list) => list.run(stream, ctx)?,
        }
        Ok(())
    }

    /// What remains to be done for it in a poisoned context.
    pub fn skip(&self, stream: &Arc<Stream>, ctx: &Arc<Context>) {
        match self {
            Op::Record(record) => record.reach(),
            Op::Graph(list) => list.skip(),
            Op::Callback(function, data) => callback(*function, *data, stream, CUresult(ctx.fault.load(Ordering::Acquire))),
            _ => {}
        }
    }
}

fn callback(function: CUstreamCallback, data: Host, stream: &Arc<Stream>, status: CUresult) {
    if let Some(function) = function {
        // SAFETY: the program passed this function to be called with these arguments from a driver thread.
        call_host(|| unsafe { function(stream.public_handle(), status, data.0 as *mut std::ffi::c_void) });
    }
}

fn write_value(address: u64, value: u64, wide: bool) {
    // SAFETY: the address was checked to be live and aligned when the operation was submitted; device memory stays mapped for the life of
    // the process. Kernels and the host use the word concurrently, hence the atomic.
    unsafe {
        if wide {
            (*(address as *const AtomicU64)).store(value, Ordering::Release);
        } else {
            (*(address as *const AtomicU32)).store(value as u32, Ordering::Release);
        }
    }
}

impl WaitValue {
    fn met(&self) -> bool {
        // SAFETY: as in `write_value`.
        let (now, value) = unsafe {
            if self.wide {
                ((*(self.address as *const AtomicU64)).load(Ordering::Acquire), self.value)
            } else {
                (u64::from((*(self.address as *const AtomicU32)).load(Ordering::Acquire)), self.value & 0xffff_ffff)
            }
        };
        match self.compare & 3 {
            // The comparison is cyclic: (int)(now - value) >= 0.
            0 if self.wide => now.wrapping_sub(value) as i64 >= 0,
            0 => (now as u32).wrapping_sub(value as u32) as i32 >= 0,
            1 => now == value,
            2 => now & value != 0,
            _ => !(now | value) & if self.wide { u64::MAX } else { 0xffff_ffff } != 0,
        }
    }

    fn run(&self, ctx: &Context) {
        let mut pause = std::time::Duration::from_micros(5);
        while !self.met() && ctx.fault.load(Ordering::Acquire) == 0 && !ctx.stop.load(Ordering::Acquire) {
            std::thread::sleep(pause);
            pause = (pause * 2).min(std::time::Duration::from_millis(1));
        }
    }
}
