//! One thread block: its warps, shared and local memory, and barriers.

use super::grid::LaunchState;
use super::warp::{Aligned, Group, Stop, Wait, Warp, WarpFault};
use super::FaultKind;
use super::races::Races;

/// Barriers of a block: those with numbers, and the cluster's.
const BARRIERS: usize = 17;

/// What the warps of a block share besides memory.
pub(super) struct BlockShared {
    pub index: [u32; 3],
    /// Threads that have not exited.
    pub live: u32,
    arrived: [u32; BARRIERS],
    threads: [u32; BARRIERS],
    expected: [u32; BARRIERS],
    ones: [u32; BARRIERS],
    /// Barriers at which somebody has arrived.
    active: u32,
    /// The race checker's state, where the kernel was compiled for it.
    pub races: Option<Box<Races>>,
}

impl BlockShared {
    /// `count` arrivals (in the barrier's own count) of `threads` threads, `ones` of them with a true predicate.
    pub fn arrive(&mut self, id: u32, count: u32, threads: u32, expected: u32, ones: u32) {
        let k = id as usize;
        self.arrived[k] += count;
        self.threads[k] += threads;
        self.ones[k] += ones;
        if expected != 0 {
            self.expected[k] = expected;
        }
        self.active |= 1 << id;
    }
}

/// What one pass over the warps achieved.
pub(super) enum Pass {
    /// Some warp can continue; `spinning` if none did anything but use up its budget.
    Running { spinning: bool },
    Done,
    Fault(Box<WarpFault>, u32),
}

pub(super) struct Block {
    pub shared: Box<BlockShared>,
    warps: Vec<Warp>,
    /// Held for the warps, which have pointers into both.
    _memory: [Aligned; 2],
    /// The same.
    #[cfg(target_arch = "x86_64")]
    _scratch: Option<Box<super::native::Scratch>>,
    done: u32,
    pub back_edges: u64,
    /// Passes since the block started.
    pub passes: u64,
}

impl Block {
    pub fn new(state: &LaunchState<'_>) -> Self {
        let threads = state.threads;
        let warp_count = threads.div_ceil(32);
        let shared_memory = Aligned::new(state.shared_size as usize + 64);
        let local_memory = Aligned::new(state.local_stride as usize * warp_count as usize * 32);
        let mut shared = Box::new(BlockShared {
            index: [0; 3],
            live: 0,
            arrived: [0; BARRIERS],
            threads: [0; BARRIERS],
            expected: [0; BARRIERS],
            ones: [0; BARRIERS],
            active: 0,
            races: state.code.races.then(|| Box::new(Races::new(state.shared_size, warp_count))),
        });
        #[cfg(target_arch = "x86_64")]
        let mut scratch = state.code.native.as_ref().map(|_| super::native::Scratch::new());
        let mut warps = Vec::with_capacity(warp_count as usize);
        for k in 0..warp_count {
            let mut w = Warp::new(state, k);
            w.shared = shared_memory.ptr();
            #[cfg(target_arch = "x86_64")]
            if let Some(scratch) = &mut scratch {
                w.scratch = &raw mut **scratch;
            }
            // SAFETY: warp k's part of the local memory allocated above.
            w.local = unsafe { local_memory.ptr().add(k as usize * 32 * state.local_stride as usize) };
            w.block = &raw mut *shared;
            for lane in 0..32 {
                let t = k * 32 + lane;
                let [x, y, _] = state.block;
                w.tid[0][lane as usize] = t % x;
                w.tid[1][lane as usize] = t / x % y;
                w.tid[2][lane as usize] = t / x / y;
            }
            // SAFETY: just made, and complete.
            unsafe { w.prologue() };
            warps.push(w);
        }
        Block {
            shared,
            warps,
            _memory: [shared_memory, local_memory],
            #[cfg(target_arch = "x86_64")]
            _scratch: scratch,
            done: 0,
            back_edges: 0,
            passes: 0,
        }
    }

    /// Makes this the block with linear index `linear`, ready to run from its start.
    pub fn start(&mut self, state: &LaunchState<'_>, linear: u64) {
        let [gx, gy, _] = state.grid.map(u64::from);
        let s = &mut *self.shared;
        s.index = [(linear % gx) as u32, (linear / gx % gy) as u32, (linear / gx / gy) as u32];
        s.live = state.threads;
        (s.arrived, s.threads, s.expected, s.ones, s.active) = ([0; BARRIERS], [0; BARRIERS], [0; BARRIERS], [0; BARRIERS], 0);
        if let Some(r) = &mut s.races {
            r.reset();
        }
        self.done = 0;
        self.back_edges = 0;
        self.passes = 0;
        for (k, w) in self.warps.iter_mut().enumerate() {
            w.start(state.threads - k as u32 * 32, state.entry);
        }
    }

    /// Instructions that the block's lanes executed since its start, if they are counted.
    pub fn instructions(&self) -> u64 {
        self.warps.iter().map(|w| w.instructions).sum()
    }

    /// Releases every barrier that is complete.
    fn release_barriers(&mut self) {
        let s = &mut *self.shared;
        let mut active = s.active;
        while active != 0 {
            let k = active.trailing_zeros() as usize;
            active &= active - 1;
            let complete =
                if s.expected[k] != 0 { s.arrived[k] >= s.expected[k] } else { s.threads[k] >= s.live && s.live > 0 };
            if !complete {
                continue;
            }
            let (ones, threads) = (s.ones[k], s.threads[k]);
            if let Some(r) = &mut s.races {
                r.completed(k, s.expected[k] == 0);
            }
            (s.arrived[k], s.threads[k], s.expected[k], s.ones[k]) = (0, 0, 0, 0);
            s.active &= !(1 << k);
            for w in &mut self.warps {
                for j in 0..w.groups.len() {
                    let g = w.groups[j];
                    if let Wait::Barrier(id, inst) = g.wait
                        && id as usize == k
                    {
                        if !inst.is_null() {
                            w.finish_reduction(&g, inst, ones, threads);
                        }
                        w.groups[j].wait = Wait::Ready;
                    }
                }
            }
        }
    }

    /// Runs every warp that is ready once.
    ///
    /// # Safety
    /// The block was started; nobody else runs it.
    pub unsafe fn pass(&mut self) -> Pass {
        self.passes += 1;
        let mut progress = false;
        let mut yielded = false;
        for k in 0..self.warps.len() {
            let w = &mut self.warps[k];
            let at_barrier = |g: &Group| matches!(g.wait, Wait::Barrier(..));
            if w.groups.iter().all(at_barrier) {
                continue;
            }
            // SAFETY: caller.
            match unsafe { w.run() } {
                Stop::Yield => yielded = true,
                Stop::Blocked => progress = true,
                Stop::Done => {
                    progress = true;
                    self.done += 1;
                    self.back_edges += w.back_edges;
                }
                Stop::Fault => {
                    if let Some(f) = w.fault.take() {
                        return Pass::Fault(f, w.index);
                    }
                }
            }
            if self.shared.active != 0 {
                self.release_barriers();
            }
        }
        if self.done as usize == self.warps.len() {
            return Pass::Done;
        }
        if !yielded && !self.warps.iter().any(Warp::is_ready) {
            // Nothing can run any more: threads wait at barriers that can never complete.
            let w = self.warps.iter().find(|w| !w.groups.is_empty());
            let (inst, lane, index, what) = match w.and_then(|w| w.groups.first().map(|g| (w, g))) {
                Some((w, g)) => {
                    let what = match g.wait {
                        Wait::Barrier(id, _) => format!("barrier {id}"),
                        _ => "a warp-synchronous instruction".to_string(),
                    };
                    // The group waits behind the barrier, so the instruction to name is the one before.
                    let inst = if matches!(g.wait, Wait::Sync(_)) { g.pc } else { g.pc.wrapping_sub(1) };
                    (inst, g.mask.trailing_zeros() as usize & 31, w.index, what)
                }
                None => (std::ptr::null(), 0, 0, "nothing".into()),
            };
            let message = format!("deadlock: threads wait at {what} that the other threads of the block never reach");
            let kind = FaultKind::Timeout;
            return Pass::Fault(Box::new(WarpFault { kind, inst, lane, address: None, message }), index);
        }
        Pass::Running { spinning: !progress }
    }
}
