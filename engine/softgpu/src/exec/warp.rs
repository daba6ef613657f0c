//! One warp: register file, lane groups, and the loop that executes instructions.
//!
//! Lanes that diverge become groups, each with its program counter, lane mask and call stack. The group that is
//! deepest in calls and lowest in code runs first, and groups that meet at the same place on the same stack merge
//! again. A group that takes too many backward branches while others wait yields (its `epoch` rises), so that lanes
//! which spin on a lock held by other lanes of the warp let those proceed.

use super::block::BlockShared;
use super::code::{Inst, NONE};
use super::grid::LaunchState;
use super::lane::Lanes;
use super::{FaultKind, MemoryRange};

/// Backward branches a group may take before it yields.
pub(super) const BACK_EDGE_BUDGET: u32 = 512;
/// Allocations a warp remembers.
pub(crate) const RANGES: usize = 16;
/// Where the chain of calls from instruction to instruction goes on: not at every 64th. So its depth is bounded even
/// where the compiler does not make jumps of those calls.
const CHAIN: usize = 63 * size_of::<Inst>();
/// Registers of all frames of one warp may take this many bytes.
const REGISTER_STACK_BYTES_MAX: usize = 64 << 20;

/// Why a warp stopped running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Groups are ready, but the budget of backward branches is used up.
    Yield,
    /// Every group waits for something.
    Blocked,
    /// All lanes have exited.
    Done,
    /// See [`Warp::fault`].
    Fault,
}

/// What a group waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wait {
    Ready,
    /// `bar`/`barrier` with this id; the instruction, if the barrier yields a reduction.
    Barrier(u32, *const Inst),
    /// `bar.warp.sync` with this member mask.
    WarpBarrier(u32),
    /// Another warp-synchronous instruction (not yet executed) with this member mask.
    Sync(u32),
}

/// Lanes at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub pc: *const Inst,
    pub mask: u32,
    pub node: u32,
    pub epoch: u32,
    pub wait: Wait,
}

/// One activation; equal call stacks share their nodes, so groups on equal stacks have equal node numbers.
pub(super) struct Node {
    parent: u32,
    return_pc: *const Inst,
    /// Where its registers lie, and the end of the highest frame on its stack.
    frame: u32,
    top: u32,
    pub local: u32,
    depth: u32,
    pub function: u32,
    call: u32,
    children: Vec<u32>,
}

/// A fault before it is put into words for the caller.
pub(super) struct WarpFault {
    pub kind: FaultKind,
    pub inst: *const Inst,
    pub lane: usize,
    pub address: Option<u64>,
    pub message: String,
}

/// Memory that registers live in: zeroed, 64-byte aligned.
pub(super) struct Aligned {
    ptr: *mut u8,
    len: usize,
}

impl Aligned {
    pub fn new(len: usize) -> Self {
        let len = len.max(64).next_multiple_of(64);
        // SAFETY: len is non-zero.
        let ptr = unsafe { std::alloc::alloc_zeroed(Self::layout(len)) };
        if ptr.is_null() {
            std::alloc::handle_alloc_error(Self::layout(len));
        }
        Aligned { ptr, len }
    }

    fn layout(len: usize) -> std::alloc::Layout {
        // The sizes come from limits far below isize::MAX; the fallback is never taken.
        std::alloc::Layout::from_size_align(len, 64).unwrap_or(std::alloc::Layout::new::<[u8; 64]>())
    }

    pub fn ptr(&self) -> *mut u8 {
        self.ptr
    }

    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated in new with the same layout.
        unsafe { std::alloc::dealloc(self.ptr, Self::layout(self.len)) }
    }
}

pub(crate) struct Warp {
    /// Registers of the current frame.
    pub base: *mut u8,
    /// Instructions at an address with any of these bits set may be reached without returning to the loop.
    pub chain: usize,
    /// Active lanes.
    pub mask: u32,
    /// Lanes that do not exist or have exited.
    pub dead: u32,
    /// A running group that gets here must give way to a waiting one.
    pub switch_at: *const Inst,
    pub budget: u32,
    /// Start of the current activation in local memory.
    pub local_base: u32,
    /// Local memory of lane 0; lanes lie `local_stride` apart.
    pub local: *mut u8,
    pub local_stride: u32,
    pub shared: *mut u8,
    pub shared_size: u32,
    /// The allocations that recent accesses hit, by instruction.
    pub ranges: [MemoryRange; RANGES],
    /// Of the block, for compiled code.
    #[cfg(target_arch = "x86_64")]
    pub(super) scratch: *mut super::native::Scratch,
    /// Where recent regular accesses to global memory began, by instruction.
    pub recent: [u64; RANGES],
    pub(super) state: *const LaunchState<'static>,
    pub(super) block: *mut BlockShared,
    pub tid: [[u32; 32]; 3],
    pub index: u32,
    pub carry: u32,
    pub(super) stop: Stop,
    pub(super) fault: Option<Box<WarpFault>>,
    pub node: u32,
    epoch: u32,
    pub(super) groups: Vec<Group>,
    nodes: Vec<Node>,
    registers: Aligned,
    /// Top of the alloca area of each lane, counted down from the end of its local memory.
    pub alloca: [u32; 32],
    pub back_edges: u64,
    /// Executed by lanes since the start, if counted.
    pub instructions: u64,
}

impl Warp {
    pub(super) fn new(state: &LaunchState<'_>, index: u32) -> Self {
        let frame = state.code.functions[0].frame_bytes as usize;
        let registers = Aligned::new(frame);
        let w = Warp {
            base: registers.ptr(),
            chain: if state.counting { 0 } else { CHAIN },
            mask: 0,
            dead: !0,
            switch_at: std::ptr::null(),
            budget: 0,
            local_base: 0,
            local: std::ptr::null_mut(),
            local_stride: state.local_stride,
            shared: std::ptr::null_mut(),
            shared_size: state.shared_size,
            ranges: [MemoryRange { start: 0, end: 0, writable: false }; RANGES],
            recent: [0; RANGES],
            #[cfg(target_arch = "x86_64")]
            scratch: std::ptr::null_mut(),
            state: std::ptr::from_ref(state).cast(),
            block: std::ptr::null_mut(),
            tid: [[0; 32]; 3],
            index,
            carry: 0,
            stop: Stop::Done,
            fault: None,
            node: 0,
            epoch: 0,
            groups: Vec::with_capacity(4),
            nodes: vec![Node {
                parent: 0,
                return_pc: std::ptr::null(),
                frame: 0,
                top: frame as u32,
                local: 0,
                depth: 0,
                function: 0,
                call: 0,
                children: Vec::new(),
            }],
            registers,
            alloca: [0; 32],
            back_edges: 0,
            instructions: 0,
        };
        for c in &state.consts {
            // SAFETY: constant slots lie inside the kernel's frame.
            unsafe {
                let p = w.base.add(c.offset as usize);
                if c.wide {
                    p.cast::<[u64; 32]>().write([c.value; 32]);
                } else {
                    p.cast::<[u32; 32]>().write([c.value as u32; 32]);
                }
            }
        }
        w
    }

    /// Computes what stays the same for all blocks that the warp will run.
    ///
    /// # Safety
    /// The warp is new, and complete: its thread indices and its block are set.
    pub unsafe fn prologue(&mut self) {
        let state = self.launch();
        (self.mask, self.dead) = (!0, 0);
        // SAFETY: an index of the code; every instruction returns a valid successor or null.
        unsafe {
            let mut ip = state.entry.add(state.code.prologue as usize);
            while !ip.is_null() {
                ip = ((*ip).f)(self, ip);
            }
        }
        (self.mask, self.dead) = (0, !0);
    }

    /// Starts `threads` of a block at the kernel's entry.
    pub fn start(&mut self, threads: u32, entry: *const Inst) {
        let live = if threads >= 32 { !0 } else { (1u32 << threads) - 1 };
        self.dead = !live;
        self.carry = 0;
        self.epoch = 0;
        self.node = 0;
        self.groups.clear();
        self.groups.push(Group { pc: entry, mask: live, node: 0, epoch: 0, wait: Wait::Ready });
        self.alloca = [self.local_stride; 32];
        self.fault = None;
        self.back_edges = 0;
        self.instructions = 0;
    }

    /// All lanes that matter are active, so whole registers may be written.
    #[inline(always)]
    pub fn full(&self) -> bool {
        self.mask | self.dead == !0
    }

    /// The launch this warp belongs to.
    #[inline(always)]
    pub(super) fn launch(&self) -> &'static LaunchState<'static> {
        // SAFETY: the launch state outlives every warp of the launch (grid.rs), and no warp keeps the reference.
        unsafe { &*self.state }
    }

    /// State shared by the warps of the block.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) fn block(&self) -> &'static mut BlockShared {
        // SAFETY: the block outlives its warps; one thread runs a block, one reference is made at a time.
        unsafe { &mut *self.block }
    }

    /// Runs until the warp blocks, yields, ends or faults.
    ///
    /// # Safety
    /// The warp was started with code of its launch.
    pub(super) unsafe fn run(&mut self) -> Stop {
        self.budget = BACK_EDGE_BUDGET;
        let mut ip = self.pick();
        if self.launch().counting {
            while !ip.is_null() {
                // SAFETY: as below.
                ip = unsafe { self.count(ip) };
            }
        }
        while !ip.is_null() {
            // SAFETY: every instruction returns a valid successor or null.
            ip = unsafe { ((*ip).f)(self, ip) };
        }
        self.back_edges += u64::from(BACK_EDGE_BUDGET - self.budget);
        self.stop
    }

    /// Executes one instruction and counts it, if the PTX has it.
    ///
    /// # Safety
    /// As [`RunFn`](super::code::RunFn).
    unsafe fn count(&mut self, ip: *const Inst) -> *const Inst {
        let state = self.launch();
        // SAFETY: caller; ip points into the launch's code.
        unsafe {
            let k = ip.offset_from(state.entry) as usize;
            let (own, carried) = state.code.counted[k];
            self.instructions += u64::from(self.mask.count_ones() * carried);
            if own {
                let guard = (*ip).guard;
                let holds = if guard == NONE {
                    !0
                } else {
                    super::lane::pred(self, guard & 0x7fff_ffff) ^ if guard >> 31 != 0 { !0 } else { 0 }
                };
                self.instructions += u64::from((self.mask & holds).count_ones());
            }
            // Not what was compiled from here on.
            let f = if (*ip).guard == NONE { (*ip).g } else { super::lane::guarded().run };
            f(self, ip)
        }
    }

    /// Whether [`run`](Self::run) would execute anything.
    pub fn is_ready(&self) -> bool {
        self.groups.iter().any(|g| g.wait == Wait::Ready)
    }

    /// Puts the running group aside.
    pub(super) fn suspend(&mut self, pc: *const Inst, wait: Wait) {
        let (mask, node, epoch) = (self.mask, self.node, self.epoch);
        self.groups.push(Group { pc, mask, node, epoch, wait });
        self.mask = 0;
    }

    /// Puts lanes of the running group aside at another place.
    pub fn fork(&mut self, pc: *const Inst, mask: u32) {
        self.groups.push(Group { pc, mask, node: self.node, epoch: self.epoch, wait: Wait::Ready });
    }

    /// The running group, at `pc`, gives way to the group that should run first (maybe itself).
    pub fn reschedule(&mut self, pc: *const Inst) -> *const Inst {
        self.suspend(pc, Wait::Ready);
        self.pick()
    }

    /// The running group ends this slice.
    pub fn yield_at(&mut self, pc: *const Inst) -> *const Inst {
        if !self.groups.is_empty() {
            self.epoch += 1;
        }
        self.suspend(pc, Wait::Ready);
        self.stop = Stop::Yield;
        std::ptr::null()
    }

    fn release_synchronised(&mut self) {
        let live = !self.dead;
        for k in 0..self.groups.len() {
            let g = self.groups[k];
            let (member, same): (u32, &dyn Fn(&Group) -> bool) = match g.wait {
                Wait::Sync(m) => (m, &|o| matches!(o.wait, Wait::Sync(_)) && o.pc == g.pc && o.node == g.node),
                Wait::WarpBarrier(m) => (m, &|o| o.wait == g.wait),
                _ => continue,
            };
            let here = self.groups.iter().filter(|o| same(o)).fold(0, |m, o| m | o.mask);
            if member & live & !here == 0 {
                let same: Vec<usize> = (0..self.groups.len()).filter(|j| same(&self.groups[*j])).collect();
                for j in same {
                    self.groups[j].wait = Wait::Ready;
                }
            }
        }
    }

    /// Nothing is left to run.
    pub fn done(&mut self) -> *const Inst {
        self.mask = 0;
        self.stop = Stop::Done;
        std::ptr::null()
    }

    /// Whether the running group is in no function that was called.
    pub fn in_kernel(&self) -> bool {
        self.node == 0
    }

    /// Makes the best ready group the running one; null (and `stop`) if there is none.
    pub fn pick(&mut self) -> *const Inst {
        match self.groups[..] {
            [] => return self.done(),
            [Group { wait: Wait::Barrier(..), .. }] => {
                self.mask = 0;
                self.stop = Stop::Blocked;
                return std::ptr::null();
            }
            _ => {}
        }
        if self.groups.iter().any(|g| matches!(g.wait, Wait::Sync(_) | Wait::WarpBarrier(_))) {
            self.release_synchronised();
        }
        if let [g] = self.groups[..]
            && g.wait == Wait::Ready
        {
            self.groups.clear();
            self.switch_at = usize::MAX as *const Inst;
            self.mask = g.mask;
            self.epoch = 0;
            self.enter(g.node);
            return g.pc;
        }
        let mut k = 0;
        while k < self.groups.len() {
            let g = self.groups[k];
            if g.wait == Wait::Ready {
                let mut j = k + 1;
                while j < self.groups.len() {
                    let o = self.groups[j];
                    if o.wait == Wait::Ready && o.pc == g.pc && o.node == g.node {
                        self.groups[k].mask |= o.mask;
                        self.groups[k].epoch = self.groups[k].epoch.min(o.epoch);
                        self.groups.swap_remove(j);
                    } else {
                        j += 1;
                    }
                }
            }
            k += 1;
        }
        let depth = |g: &Group| self.nodes[g.node as usize].depth;
        let best = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, g)| g.wait == Wait::Ready)
            .min_by_key(|(_, g)| (g.epoch, u32::MAX - depth(g), g.pc as usize))
            .map(|(k, _)| k);
        let Some(best) = best else {
            self.mask = 0;
            self.stop = if self.groups.is_empty() { Stop::Done } else { Stop::Blocked };
            return std::ptr::null();
        };
        let g = self.groups.swap_remove(best);
        let d = self.nodes[g.node as usize].depth;
        self.switch_at = self
            .groups
            .iter()
            .filter(|o| o.wait == Wait::Ready && o.epoch <= g.epoch && self.nodes[o.node as usize].depth == d)
            .map(|o| o.pc as usize)
            .min()
            .unwrap_or(usize::MAX) as *const Inst;
        self.mask = g.mask;
        self.epoch = if self.groups.is_empty() { 0 } else { g.epoch };
        self.enter(g.node);
        g.pc
    }

    fn enter(&mut self, node: u32) {
        self.node = node;
        let n = &self.nodes[node as usize];
        // SAFETY: frames lie inside the register memory (call checks).
        self.base = unsafe { self.registers.ptr().add(n.frame as usize) };
        self.local_base = n.local;
    }

    /// The register base of a node's frame.
    pub fn frame_of(&self, node: u32) -> *mut u8 {
        // SAFETY: as enter.
        unsafe { self.registers.ptr().add(self.nodes[node as usize].frame as usize) }
    }

    /// How many calls the running group is in.
    pub(super) fn depth(&self) -> u32 {
        self.nodes[self.node as usize].depth
    }

    pub(super) fn node_of(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// Ends the launch with a fault at `lane`.
    #[cold]
    pub fn fail(&mut self, kind: FaultKind, inst: *const Inst, lane: usize, message: String) -> *const Inst {
        self.fail_at(kind, inst, lane, None, message)
    }

    /// As [`fail`](Self::fail), with the address accessed.
    #[cold]
    pub fn fail_at(
        &mut self,
        kind: FaultKind,
        inst: *const Inst,
        lane: usize,
        address: Option<u64>,
        message: String,
    ) -> *const Inst {
        self.fault = Some(Box::new(WarpFault { kind, inst, lane, address, message }));
        self.stop = Stop::Fault;
        std::ptr::null()
    }

    /// Enters function `function` for the active lanes; false when the stack is exhausted.
    pub fn call(&mut self, function: u32, call: u32, return_pc: *const Inst) -> bool {
        let parent = self.node;
        let known = self.nodes[parent as usize].children.iter().copied().find(|c| {
            let n = &self.nodes[*c as usize];
            n.return_pc == return_pc && n.function == function
        });
        if let Some(n) = known {
            if self.launch().code.has_alloca && !self.above_alloca(n) {
                return false;
            }
            if !self.occupied(n) && !self.place(n) {
                return false;
            }
            self.enter(n);
            return true;
        }
        let state = self.launch();
        let p = &self.nodes[parent as usize];
        let caller = &state.code.functions[p.function as usize];
        let callee = &state.code.functions[function as usize];
        let local = p.local.saturating_add(caller.local_bytes).next_multiple_of(16);
        let node = Node {
            parent,
            return_pc,
            frame: 0,
            top: 0,
            local,
            depth: p.depth + 1,
            function,
            call,
            children: Vec::new(),
        };
        // Each activation is charged a return address beyond its variables. Hardware saves registers there too, but
        // passes parameters in registers, which are variables here: recursion that fits there must fit here.
        let used = u64::from(local) + u64::from(callee.local_bytes) + 8 * u64::from(p.depth);
        if used > u64::from(self.local_stride) {
            return false;
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(node);
        self.nodes[parent as usize].children.push(id);
        if state.code.has_alloca && !self.above_alloca(id) {
            return false;
        }
        if !self.place(id) {
            return false;
        }
        self.enter(id);
        true
    }

    /// Whether a group that waits is in this activation or in calls from it.
    fn occupied(&self, node: u32) -> bool {
        let depth = self.nodes[node as usize].depth;
        self.groups.iter().any(|g| {
            let mut n = g.node;
            while self.nodes[n as usize].depth > depth {
                n = self.nodes[n as usize].parent;
            }
            n == node
        })
    }

    /// Gives an activation that nobody is in its registers: above those of its caller and of every group that waits,
    /// since frames of different functions do not keep lanes apart. False when there is no room.
    fn place(&mut self, node: u32) -> bool {
        let n = &self.nodes[node as usize];
        let size = self.launch().code.functions[n.function as usize].frame_bytes as usize;
        let caller = self.nodes[n.parent as usize].top;
        let frame = self.groups.iter().map(|g| self.nodes[g.node as usize].top).fold(caller, u32::max);
        let need = frame as usize + size;
        if need > REGISTER_STACK_BYTES_MAX {
            return false;
        }
        if need > self.registers.len() {
            let grown = Aligned::new((need * 2).min(REGISTER_STACK_BYTES_MAX));
            // SAFETY: both buffers are at least the old length.
            unsafe { std::ptr::copy_nonoverlapping(self.registers.ptr(), grown.ptr(), self.registers.len()) };
            self.registers = grown;
        }
        let n = &mut self.nodes[node as usize];
        (n.frame, n.top) = (frame, need as u32);
        true
    }

    /// Whether the activation of a node stays below what the active lanes have allocated from the top.
    fn above_alloca(&self, node: u32) -> bool {
        let n = &self.nodes[node as usize];
        let end = n.local + self.launch().code.functions[n.function as usize].local_bytes;
        Lanes(self.mask).all(|l| end <= self.alloca[l])
    }

    /// Leaves the running group's function; the call site and where to continue, or None in the kernel itself.
    pub fn leave(&mut self) -> Option<(u32, u32, u32, *const Inst)> {
        let n = &self.nodes[self.node as usize];
        if n.return_pc.is_null() {
            return None;
        }
        let r = (n.function, n.call, n.local, n.return_pc);
        let parent = n.parent;
        self.enter(parent);
        Some(r)
    }

    /// After a return: deeper groups first, then lower ones.
    pub fn after_depth_change(&mut self, pc: *const Inst) -> *const Inst {
        if self.groups.is_empty() { pc } else { self.reschedule(pc) }
    }

    /// The first active lane.
    #[inline(always)]
    pub fn leader(&self) -> usize {
        self.mask.trailing_zeros() as usize & 31
    }

    /// Writes the barrier reduction `count` of `arrived` threads for a released group.
    pub(super) fn finish_reduction(&mut self, g: &Group, inst: *const Inst, count: u32, arrived: u32) {
        // SAFETY: inst is the barrier instruction of this code; its destination is a slot of the group's frame.
        unsafe {
            let i = &*inst;
            if i.d == NONE {
                return;
            }
            let p = self.frame_of(g.node).add(i.d as usize).cast::<u32>();
            match i.imm >> 8 {
                1 => {
                    for l in Lanes(g.mask) {
                        p.add(l).write(count);
                    }
                }
                k => {
                    let truth = if k == 2 { count == arrived } else { count > 0 };
                    let bits = if truth { g.mask } else { 0 };
                    p.write(p.read() & !g.mask | bits);
                }
            }
        }
    }
}
