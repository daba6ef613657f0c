//! One launch: checks, constants, and the distribution of blocks over threads.
//!
//! Every thread takes the next block and runs it. A block that only spins (waits for another block) does not stop its
//! thread: after a while, or at once in a cooperative launch, the thread starts further blocks and runs all of its
//! blocks in turn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::block::{Block, Pass};
use super::code::{Code, ConstValue, Inst};
use super::pool;
use super::races::Reported;
use super::turns::Turn;
use super::warp::WarpFault;
use super::{Fault, FaultKind, Launch, LaunchStats};

/// Passes without anything but spinning after which a thread starts another block beside the spinning ones.
const SPIN_PASSES_BEFORE_NEXT_BLOCK: u32 = 32;
/// Blocks one thread keeps in flight in a launch that is not cooperative.
const RESIDENT_BLOCKS_MAX: usize = 64;
/// How long a thread sleeps while launches of higher priority have blocks to start.
const PAUSE: std::time::Duration = std::time::Duration::from_micros(50);
/// Helpers are called in for launches that are likely to take longer than this with the calling thread alone: waking a thread and having
/// it begin takes as long, and the waking thread a part of that.
const ALONE: std::time::Duration = std::time::Duration::from_micros(100);
/// How long a launch must have run for its blocks' time to be told from what it takes to begin.
const BEGUN: std::time::Duration = std::time::Duration::from_micros(15);
/// Largest local memory of one block, bytes.
const LOCAL_BYTES_MAX: u64 = 1 << 32;

/// A constant slot with its value for this launch.
pub(super) struct ResolvedConst {
    pub offset: u32,
    pub wide: bool,
    pub value: u64,
}

pub(super) struct LaunchState<'a> {
    pub args: &'a Launch<'a>,
    pub code: &'a Code,
    /// First instruction of the code; the kernel starts there.
    pub entry: *const Inst,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub threads: u32,
    pub blocks: u64,
    pub shared_size: u32,
    pub local_stride: u32,
    pub consts: Vec<ResolvedConst>,
    pub symbols: Vec<u64>,
    /// Copy of the parameter buffer with the alignment that parameters may have.
    pub params: Vec<u128>,
    pub start: std::time::Instant,
    turn: Turn,
    next_block: AtomicU64,
    finished: AtomicU64,
    back_edges: AtomicU64,
    /// Count instructions.
    pub counting: bool,
    instructions: AtomicU64,
    failed: AtomicBool,
    fault: Mutex<Option<Box<Fault>>>,
    pub reported: Reported,
}

// SAFETY: shared read-only apart from atomics and the mutex; the code pointer stays valid for the launch.
unsafe impl Sync for LaunchState<'_> {}

fn fault(args: &Launch<'_>, kind: FaultKind, message: String) -> Box<Fault> {
    Box::new(Fault {
        kind,
        kernel: args.kernel.name.clone(),
        ptx_line: 0,
        block: [0; 3],
        thread: [0; 3],
        address: None,
        nearest: None,
        message,
    })
}

/// A launch that ends before its time.
fn stopped(message: &str) -> WarpFault {
    WarpFault { kind: FaultKind::Timeout, inst: std::ptr::null(), lane: 0, address: None, message: message.into() }
}

impl LaunchState<'_> {
    fn record(&self, f: &WarpFault, warp: u32, block: [u32; 3]) {
        let line = if f.inst.is_null() {
            0
        } else {
            // SAFETY: inst points into the code.
            let k = unsafe { f.inst.offset_from(self.entry) };
            usize::try_from(k).ok().and_then(|k| self.code.lines.get(k)).copied().unwrap_or(0)
        };
        let t = warp * 32 + f.lane as u32;
        let [x, y, _] = self.block;
        let mut slot = self.fault.lock().unwrap_or_else(|e| e.into_inner());
        if slot.is_none() {
            *slot = Some(Box::new(Fault {
                kind: f.kind,
                kernel: self.args.kernel.name.clone(),
                ptx_line: line,
                block,
                thread: [t % x, t / x % y, t / x / y],
                address: f.address,
                nearest: f.address.and_then(|a| self.args.memory.nearest(a)),
                message: f.message.clone(),
            }));
        }
        self.failed.store(true, Ordering::Release);
    }

    fn take_block(&self) -> Option<u64> {
        let b = self.next_block.fetch_add(1, Ordering::Relaxed);
        if b + 1 >= self.blocks {
            self.turn.all_started();
        }
        (b < self.blocks).then_some(b)
    }

    /// Whether what is left is worth waking others for, as far as can be told from what is done.
    fn is_long(&self) -> bool {
        let elapsed = self.start.elapsed();
        if elapsed < BEGUN {
            return false;
        }
        let (started, finished) = (self.next_block.load(Ordering::Relaxed), self.finished.load(Ordering::Relaxed));
        let left = u128::from(self.blocks.saturating_sub(started));
        left > 0 && elapsed.as_nanos() * left > ALONE.as_nanos() * u128::from(finished.max(1))
    }

    /// Works on the launch until no block is left for this thread, which calls `helpers` in if it is a long one.
    fn work(&self, helpers: Option<&pool::Helpers>) {
        // Where there are none, the clock need not be looked at either.
        let mut helpers = helpers.filter(|helpers| helpers.are_waiting());
        let mut resident: Vec<Block> = Vec::new();
        let mut spare: Vec<Block> = Vec::new();
        let mut exhausted = false;
        let mut spin_passes = 0u32;
        let mut turn = 0;
        let patience = if self.args.cooperative { 1 } else { SPIN_PASSES_BEFORE_NEXT_BLOCK };
        let limit = if self.args.cooperative { usize::MAX } else { RESIDENT_BLOCKS_MAX };
        let mut idle_passes = 0u32;
        loop {
            if self.failed.load(Ordering::Acquire) {
                return;
            }
            if let Some(waiting) = helpers
                && (turn > 0 || !spare.is_empty())
                && self.is_long()
            {
                waiting.call_in();
                helpers = None;
            }
            let want = resident.is_empty() || (spin_passes >= patience && resident.len() < limit);
            let waits = want && !exhausted && !self.turn.may_start();
            if waits && resident.is_empty() && !self.args.stop.load(Ordering::Relaxed) {
                // Launches of higher priority go first: help them, or let them have the processor.
                if !pool::help_above(self.turn.level()) {
                    std::thread::sleep(PAUSE);
                }
                continue;
            }
            if want && !exhausted && !waits {
                match self.take_block() {
                    Some(b) => {
                        let mut block = spare.pop().unwrap_or_else(|| Block::new(self));
                        block.start(self, b);
                        resident.push(block);
                        turn = resident.len() - 1;
                        spin_passes = 0;
                    }
                    None => exhausted = true,
                }
            }
            if resident.is_empty() {
                if waits {
                    self.record(&stopped("kernel was stopped"), 0, [0; 3]);
                }
                return;
            }
            turn %= resident.len();
            let block = &mut resident[turn];
            // SAFETY: started above; this thread owns the block.
            match unsafe { block.pass() } {
                Pass::Done => {
                    let block = resident.swap_remove(turn);
                    self.finished.fetch_add(1, Ordering::Relaxed);
                    self.back_edges.fetch_add(block.back_edges, Ordering::Relaxed);
                    self.instructions.fetch_add(block.instructions(), Ordering::Relaxed);
                    spare.push(block);
                    spin_passes = 0;
                    idle_passes = 0;
                    continue;
                }
                Pass::Fault(f, warp) => {
                    let index = block.shared.index;
                    self.record(&f, warp, index);
                    return;
                }
                Pass::Running { spinning } => {
                    if spinning {
                        spin_passes += 1;
                        idle_passes += 1;
                    } else {
                        spin_passes = 0;
                        idle_passes = 0;
                    }
                    turn += 1;
                }
            }
            let block = &resident[turn - 1];
            let limit_hit =
                self.args.limits.max_back_edges != 0
                    && block.passes * u64::from(super::warp::BACK_EDGE_BUDGET) > self.args.limits.max_back_edges;
            if limit_hit || self.args.stop.load(Ordering::Relaxed) {
                let message = if limit_hit { "kernel ran past the limit set for runaway kernels" } else { "kernel was stopped" };
                self.record(&stopped(message), 0, block.shared.index);
                return;
            }
            if idle_passes > 64 {
                // Whoever is waited for may need this processor.
                std::thread::yield_now();
            }
        }
    }
}

/// See [`super::launch`].
pub(super) fn run(args: &Launch<'_>, counting: bool) -> Result<LaunchStats, Box<Fault>> {
    let code = &*args.kernel.code;
    let threads = args.block.iter().map(|v| u64::from(*v)).product::<u64>();
    let blocks = args.grid.iter().map(|v| u64::from(*v)).fold(1u64, u64::saturating_mul);
    if threads == 0 || blocks == 0 {
        return Err(fault(args, FaultKind::InvalidLaunch, "a dimension of grid or block is zero".into()));
    }
    if threads > u64::from(args.kernel.max_threads_per_block.min(1024)) {
        let message = format!("block of {threads} threads; the kernel allows {}", args.kernel.max_threads_per_block);
        return Err(fault(args, FaultKind::InvalidLaunch, message));
    }
    if args.params.len() < args.kernel.param_bytes as usize {
        return Err(fault(args, FaultKind::InvalidLaunch, "parameter buffer too short".into()));
    }
    let shared = u64::from(code.dynamic_shared_at) + u64::from(args.dynamic_shared_bytes);
    if shared > 228 << 10 {
        return Err(fault(args, FaultKind::OutOfResources, format!("{shared} bytes of shared memory")));
    }
    let mut local = u64::from(code.local_bytes);
    if code.dynamic_stack {
        // Twice the limit: what calls pass lies in local memory here, and in registers on hardware, where it takes nothing of the stack.
        let doubled = local + 2 * u64::from(args.limits.stack_bytes);
        let fits = doubled.next_multiple_of(16).max(16) * threads.next_multiple_of(32) <= LOCAL_BYTES_MAX;
        local = if fits { doubled } else { local + u64::from(args.limits.stack_bytes) };
    }
    let local_stride = local.next_multiple_of(16).max(16);
    if local_stride * threads.next_multiple_of(32) > LOCAL_BYTES_MAX {
        return Err(fault(args, FaultKind::OutOfResources, format!("{local} bytes of local memory per thread")));
    }
    let symbol = |name: &str| {
        (args.symbol)(name).ok_or_else(|| fault(args, FaultKind::InvalidLaunch, format!("symbol {name} has no address")))
    };
    let mut consts = Vec::with_capacity(code.consts.len());
    for c in &code.consts {
        let value = match &c.value {
            ConstValue::Bits(b) => *b,
            ConstValue::Symbol(name, addend) => symbol(name)?.wrapping_add_signed(*addend),
        };
        consts.push(ResolvedConst { offset: c.offset, wide: c.wide, value });
    }
    let mut symbols = Vec::with_capacity(code.symbols.len());
    for (name, addend) in &code.symbols {
        symbols.push(symbol(name)?.wrapping_add_signed(*addend));
    }
    let mut params = vec![0u128; (args.kernel.param_bytes as usize).div_ceil(16) + 1];
    for (k, b) in args.params[..args.kernel.param_bytes as usize].iter().enumerate() {
        params[k / 16] |= u128::from(*b) << (k % 16 * 8);
    }
    let state = LaunchState {
        params,
        args,
        code,
        entry: code.insts.as_ptr(),
        grid: args.grid,
        block: args.block,
        threads: threads as u32,
        blocks,
        shared_size: shared as u32,
        local_stride: local_stride as u32,
        consts,
        symbols,
        start: std::time::Instant::now(),
        turn: Turn::new(args.limits.priority),
        next_block: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        back_edges: AtomicU64::new(0),
        counting,
        instructions: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        fault: Mutex::new(None),
        reported: Reported::default(),
    };
    let deterministic = args.deterministic || std::env::var_os("RINGWAY_SOFTGPU_DETERMINISTIC").is_some_and(|v| v == "1");
    let helpers = if deterministic {
        0
    } else {
        (pool::thread_count() - 1).min(usize::try_from(blocks - 1).unwrap_or(usize::MAX))
    };
    pool::run_on_many(helpers, state.turn.level(), &|helpers| state.work(helpers.filter(|helpers| helpers.are_waiting())));
    if let Some(f) = state.fault.lock().unwrap_or_else(|e| e.into_inner()).take() {
        return Err(f);
    }
    let finished = state.finished.load(Ordering::Relaxed);
    if finished != blocks {
        return Err(fault(args, FaultKind::IllegalInstruction, format!("{finished} of {blocks} blocks ran")));
    }
    Ok(LaunchStats {
        blocks,
        back_edges: state.back_edges.load(Ordering::Relaxed),
        instructions: state.instructions.load(Ordering::Relaxed),
    })
}
