//! Launches: parameters packed when the call is made, limits checked, the grid run by [`crate::exec`] when the stream reaches it.

use super::abi::{CUlaunchAttribute, Host, In};
use super::context::Context;
use super::device::{Device, MULTIPROCESSORS};
use super::memory::{Kind, New, space};
use super::module::Function;
use super::result::{CUresult, R, ensure};
use super::settings::settings;
use super::{journal, memory, report};
use crate::exec::{self, DeviceHeap, DeviceView, FreeListHeap, Kernel, Launch, Limits, NoHeap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The heap of kernels' malloc in one context (CU_LIMIT_MALLOC_HEAP_SIZE).
pub struct Heap {
    heap: FreeListHeap,
    start: u64,
    used: AtomicBool,
}

/// A launch as data: what a stream or a graph node holds.
#[derive(Clone)]
pub struct KernelLaunch {
    /// The function; keeps its code.
    pub function: Arc<Function>,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Dynamic shared memory, bytes.
    pub shared: u32,
    /// The parameter buffer.
    pub params: Vec<u8>,
    /// Whether all blocks run at once and may synchronise.
    pub cooperative: bool,
    /// A priority of its own, in the place of the stream's.
    pub priority: Option<i32>,
}

/// Where the caller put the parameters: one of two forms.
#[derive(Clone, Copy)]
pub struct ParamSource {
    /// An address for each parameter.
    pub kernel_params: In<Host>,
    /// A list of tags: a packed buffer and its size.
    pub extra: In<Host>,
}

const BUFFER_POINTER: u64 = 1;
const BUFFER_SIZE: u64 = 2;

/// Copies the parameters into one buffer.
pub fn pack(kernel: &Kernel, source: ParamSource) -> R<Vec<u8>> {
    let mut buffer = vec![0u8; kernel.param_bytes as usize];
    if !source.kernel_params.0.is_null() {
        for (param, place) in kernel.params.iter().zip(source.kernel_params.list(kernel.params.len())?) {
            ensure(place.0 != 0, CUresult::INVALID_VALUE)?;
            let at = param.offset as usize;
            let to = buffer.get_mut(at..at + param.size as usize).ok_or(CUresult::INVALID_VALUE)?;
            // SAFETY: the caller gives, for each parameter, the address of a value of the size that the kernel declares (CUDA driver API, cuLaunchKernel).
            unsafe { std::ptr::copy_nonoverlapping(place.0 as *const u8, to.as_mut_ptr(), to.len()) };
        }
        return Ok(buffer);
    }
    if source.extra.0.is_null() {
        ensure(kernel.params.is_empty(), CUresult::INVALID_VALUE)?;
        return Ok(buffer);
    }
    let (mut from, mut len) = (0u64, 0usize);
    for i in (0..16).step_by(2) {
        let entry = |n: usize| In(source.extra.0.wrapping_add(n)).get();
        match entry(i)?.0 {
            0 => break,
            BUFFER_POINTER => from = entry(i + 1)?.0,
            BUFFER_SIZE => len = In(entry(i + 1)?.0 as *const usize).get()?,
            _ => return Err(CUresult::INVALID_VALUE),
        }
    }
    ensure(len >= buffer.len() && (from != 0 || buffer.is_empty()), CUresult::INVALID_VALUE)?;
    // SAFETY: the caller states that `len` bytes are there, and no more than that are read.
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, buffer.as_mut_ptr(), buffer.len()) };
    Ok(buffer)
}

/// What the attributes of a launch or of a kernel node say.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// All blocks run at once.
    pub cooperative: bool,
    /// CU_LAUNCH_ATTRIBUTE_PRIORITY.
    pub priority: Option<i32>,
}

/// Reads the attributes of a launch; refuses those that would change its meaning in a way this device does not know.
pub fn read_attributes(attributes: &[CUlaunchAttribute]) -> R<Attributes> {
    let mut read = Attributes::default();
    for attribute in attributes {
        let word = |i: usize| u32::from_le_bytes(attribute.value[i * 4..i * 4 + 4].try_into().unwrap_or_default());
        match attribute.id {
            2 => read.cooperative = word(0) != 0,
            8 => read.priority = Some((word(0) as i32).clamp(super::stream::GREATEST_PRIORITY, 0)),
            // Hints, and orders that a device without overlap of dependent launches satisfies anyway: ignored, access policy window,
            // synchronisation policy, cluster scheduling, programmatic serialisation, memory synchronisation domains, carve-out.
            0 | 1 | 3 | 5 | 6 | 9 | 10 | 14 => {}
            // Clusters of one block are what every launch has.
            4 | 11 => ensure([word(0), word(1), word(2)].iter().all(|&n| n <= 1), CUresult::NOT_SUPPORTED)?,
            // Events that blocks trigger, device-updatable nodes.
            7 | 12 | 13 => return Err(CUresult::NOT_SUPPORTED),
            _ => return Err(CUresult::INVALID_VALUE),
        }
    }
    Ok(read)
}

/// Blocks of a kernel that fit on one multiprocessor at the same time.
pub fn occupancy(device: &Device, kernel: &Kernel, threads: u32, dynamic_shared: u64) -> u32 {
    if threads == 0 || threads > kernel.max_threads_per_block.min(1024) {
        return 0;
    }
    let warps = threads.div_ceil(32);
    let by_threads = device.threads_per_multiprocessor() / (warps * 32);
    let reserved = if device.cc.0 >= 8 { 1024 } else { 0 };
    let shared = (u64::from(kernel.static_shared_bytes) + dynamic_shared + reserved).next_multiple_of(128);
    let by_shared = u64::from(device.shared_per_multiprocessor()).checked_div(shared).unwrap_or(64).min(64) as u32;
    let registers = kernel.registers.clamp(16, 255).next_multiple_of(8) * warps * 32;
    by_threads.min(by_shared).min((65536 / registers).max(1)).min(device.blocks_per_multiprocessor())
}

impl KernelLaunch {
    /// CUDA's immediate rejections.
    pub fn check(&self, device: &Device) -> R {
        let kernel = &self.function.kernel;
        let [gx, gy, gz] = self.grid;
        ensure(gx > 0 && gy > 0 && gz > 0 && gx <= i32::MAX as u32 && gy <= 65535 && gz <= 65535, CUresult::INVALID_VALUE)?;
        let [bx, by, bz] = self.block;
        ensure(bx > 0 && by > 0 && bz > 0 && bx <= 1024 && by <= 1024 && bz <= 64, CUresult::INVALID_VALUE)?;
        let threads = bx * by * bz;
        ensure(threads <= 1024, CUresult::INVALID_VALUE)?;
        // A kernel's own bound is always one of its directives (.maxntid, .reqntid); too many registers would give 701.
        ensure(threads <= kernel.max_threads_per_block, CUresult::INVALID_VALUE)?;
        ensure(kernel.required_block.is_none_or(|b| b == self.block), CUresult::INVALID_VALUE)?;
        let settable = self.function.settable.max_dynamic_shared.load(Ordering::Relaxed);
        let most = if settable >= 0 {
            (settable as u32).max((48u32 << 10).saturating_sub(kernel.static_shared_bytes))
        } else {
            (48u32 << 10).saturating_sub(kernel.static_shared_bytes)
        };
        ensure(self.shared <= most, CUresult::INVALID_VALUE)?;
        if self.cooperative {
            let room = u64::from(occupancy(device, kernel, threads, u64::from(self.shared))) * u64::from(MULTIPROCESSORS);
            ensure(u64::from(gx) * u64::from(gy) * u64::from(gz) <= room, CUresult::COOPERATIVE_LAUNCH_TOO_LARGE)?;
        }
        Ok(())
    }

    /// Adds the launch to the journal's line.
    pub fn note(&self) {
        journal::note("kernel", || format!("{:?}", self.function.kernel.name));
        journal::note("grid", || format!("{:?}", self.grid));
        journal::note("block", || format!("{:?}", self.block));
        journal::note("shared", || self.shared.to_string());
        journal::note("params", || {
            let mut text = String::from("[");
            for param in &self.function.kernel.params {
                let bytes = &self.params[param.offset as usize..][..param.size as usize];
                if text.len() > 1 {
                    text.push(',');
                }
                text.push_str(&describe_param(bytes));
            }
            text.push(']');
            text
        });
    }

    /// Runs the grid with its stream's priority. A fault is reported and returned as its code.
    pub fn run(&self, ctx: &Arc<Context>, priority: i32) -> R {
        let device = ctx.device;
        let limits = *ctx.limits.lock();
        // Memory is taken for it only when a kernel that asks for some is launched.
        let heap = self.function.kernel.uses_heap.then(|| ctx.heap(limits[2] as u64)).transpose()?;
        let workspace = if self.cooperative { Workspace::new(ctx)? } else { Workspace(0) };
        let memory = space().snapshot(device.ordinal, ctx.reachable());
        let symbols = &self.function.module.symbols;
        let launch = Launch {
            kernel: &self.function.kernel,
            grid: self.grid,
            block: self.block,
            dynamic_shared_bytes: self.shared,
            params: &self.params,
            symbol: &|name| symbols.get(name).map(|&(start, _)| start),
            memory: &memory,
            print: &|text| ctx.print(text),
            races: &|race| report::fault(&race.to_string()),
            heap: heap.as_deref().map_or(&NoHeap as &dyn DeviceHeap, |heap| heap),
            limits: Limits {
                max_back_edges: 0,
                stack_bytes: limits[0].clamp(1024, 512 << 10) as u32,
                priority: self.priority.unwrap_or(priority),
            },
            stop: &ctx.stop,
            cooperative: self.cooperative,
            deterministic: false,
            device: DeviceView {
                sm_count: MULTIPROCESSORS,
                grid_id: device.grids.fetch_add(1, Ordering::Relaxed) + 1,
                grid_workspace: workspace.0,
                context: ctx.handle,
            },
        };
        let watch = settings().kernel_timeout.map(|limit| Watchdog::start(limit, Arc::clone(ctx)));
        let result = exec::launch(&launch);
        drop(watch);
        drop(workspace);
        match result {
            Ok(_) => Ok(()),
            Err(fault) => {
                ctx.flush_printf();
                let mut text = fault.to_string();
                if let Some(near) = fault.nearest.as_ref().and_then(|r| space().find(r.start)) {
                    let _ = write!(text, " ({} #{}, {} bytes)", near.kind.words(), near.ordinal, near.len);
                }
                let code = CUresult(fault.kind.cuda_code());
                report::fault(&format!("{}: {text}", code.name().unwrap_or(c"?").to_string_lossy()));
                Err(code)
            }
        }
    }
}

/// Parameters are shown so that two runs can be compared: device addresses by allocation, small values in hex, large ones by hash.
fn describe_param(bytes: &[u8]) -> String {
    if let Ok(word) = bytes.try_into().map(u64::from_le_bytes)
        && space().find(word).is_some()
    {
        return journal::address(word);
    }
    if bytes.len() > 32 {
        let mut plain = bytes.to_vec();
        for word in plain.chunks_exact_mut(8) {
            let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
            if let Some((_, ordinal, offset)) = space().locate(value) {
                word.copy_from_slice(&(ordinal << 40 ^ offset).to_le_bytes());
            }
        }
        return journal::hash(&plain);
    }
    let mut text = String::from("\"");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

impl Heap {
    /// Takes `len` bytes of the device for it.
    pub fn create(ctx: &Context, len: u64) -> R<Heap> {
        let start = ctx.device.arena.allocate(len, 4096)?;
        space().insert(New { start, len, kind: Kind::Heap, device: ctx.device.ordinal, ctx: ctx.handle, flags: 0, pool: 0 });
        Ok(Heap { heap: FreeListHeap::new(start, start + len), start, used: AtomicBool::new(false) })
    }

    /// Whether a kernel has asked it for memory.
    pub fn used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Gives the memory back; no kernel may be running.
    pub fn free(&self) {
        if let Some(gone) = space().remove(self.start, |a| a.kind == Kind::Heap) {
            memory::free_backing(&gone);
        }
    }
}

impl DeviceHeap for Heap {
    fn malloc(&self, bytes: u64) -> u64 {
        self.used.store(true, Ordering::Release);
        self.heap.malloc(bytes)
    }
    fn free(&self, address: u64) -> bool {
        self.heap.free(address)
    }
}

/// The zeroed memory in which the blocks of one cooperative launch meet; 0 is none.
struct Workspace(u64);

impl Workspace {
    const LEN: u64 = 4096;

    fn new(ctx: &Context) -> R<Workspace> {
        let start = ctx.device.arena.allocate(Self::LEN, 4096)?;
        space().insert(New { start, len: Self::LEN, kind: Kind::Heap, device: ctx.device.ordinal, ctx: ctx.handle, flags: 0, pool: 0 });
        Ok(Workspace(start))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if self.0 != 0
            && let Some(gone) = space().remove(self.0, |a| a.kind == Kind::Heap)
        {
            memory::free_backing(&gone);
        }
    }
}

/// Stops a kernel that runs too long (RINGWAY_SOFTGPU_TIMEOUT_S).
struct Watchdog {
    done: std::sync::mpsc::Sender<()>,
}

impl Watchdog {
    fn start(limit: std::time::Duration, ctx: Arc<Context>) -> Watchdog {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if wait.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                ctx.stop.store(true, Ordering::Release);
            }
        });
        Watchdog { done }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.done.send(());
    }
}
