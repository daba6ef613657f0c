//! The race checker of shared memory (RINGWAY_SOFTGPU_RACES=1): finds two threads of a block that access a byte, at
//! least one by a plain write, with nothing that orders the two.
//!
//! Kernels compiled with it carry notes before their accesses and around what synchronises; without it there is no
//! trace of it in the code. Order is tracked by vector clocks: each warp counts its releases, each thread knows up to
//! which count of every warp it has synchronised, and lanes of one warp know each other one by one. Barriers, warp
//! barriers and other `.sync` operations, atomics, volatile and acquire/release accesses, and mbarriers order. Where an
//! exact answer would cost too much, order is assumed: what is reported is a race, but not every race is found.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;

use super::SHARED_WINDOW;
use super::code::{Inst, NONE, OpFn};
use super::lane::{Lanes, Op, lane32, next, pick};
use super::mem::{WINDOW_MASK, address, space};
use super::warp::Warp;

/// Races that one launch reports.
const REPORTS_MAX: usize = 64;
/// Barriers: the sixteen of a block, and that of its cluster.
const BARRIERS: usize = 17;
/// Places that order, of one block.
const OBJECTS_MAX: usize = 1 << 16;

/// What an access does.
pub(crate) mod kind {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    /// Atomic read-modify-write: orders both ways.
    pub const ATOMIC: u32 = 2;
    /// Volatile, relaxed or acquiring load.
    pub const ACQUIRE: u32 = 3;
    /// Volatile, relaxed or releasing store.
    pub const RELEASE: u32 = 4;
    /// Orders only: the words of mbarriers are not data.
    pub const WAIT: u32 = 5;
    pub const SIGNAL: u32 = 6;
}

/// Two accesses that nothing orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    /// Kernel name.
    pub kernel: String,
    /// Block index.
    pub block: [u32; 3],
    /// Byte of the block's shared memory.
    pub offset: u32,
    /// Shared variable that holds it and the byte in it, if it is a static one.
    pub variable: Option<(String, u32)>,
    /// The earlier and the later access: whether it writes, PTX line, thread index.
    pub accesses: [(bool, u32, [u32; 3]); 2],
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(w0, l0, t0), (w1, l1, t1)] = self.accesses;
        let verb = |w: bool| if w { "store" } else { "load" };
        write!(f, "race in kernel {}, block {:?}: {} by thread {t1:?} (PTX line {l1}) and {} by thread {t0:?} (PTX line {l0}) of shared byte {:#x}", self.kernel, self.block, verb(w1), verb(w0), self.offset)?;
        if let Some((name, at)) = &self.variable {
            write!(f, " ({name} + {at})")?;
        }
        write!(f, " without a barrier between them")
    }
}

type Clocks = [u32; 32];

fn join(a: &mut Clocks, b: &Clocks) {
    for (x, y) in a.iter_mut().zip(b) {
        *x = (*x).max(*y);
    }
}

#[derive(Clone, Copy, Default)]
struct Access {
    /// Clock of the warp, from 1; 0: none.
    time: u32,
    inst: u32,
    thread: u16,
    atomic: bool,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    write: Access,
    reads: [Access; 2],
}

/// State of one block.
pub(super) struct Races {
    cells: Vec<Cell>,
    /// By warp.
    clock: Clocks,
    /// By thread: up to which clock of each warp it is ordered behind.
    known: Vec<Clocks>,
    /// By warp and lane: the same for single lanes of its own warp.
    seen: Vec<[Clocks; 32]>,
    gathering: [Clocks; BARRIERS],
    complete: [Clocks; BARRIERS],
    /// Threads that have exited.
    gone: Clocks,
    objects: HashMap<u64, Clocks>,
}

/// What was reported of a launch.
#[derive(Default)]
pub(super) struct Reported(Mutex<HashSet<(u32, u32)>>);

impl Reported {
    /// Whether this pair of lines is new.
    fn is_new(&self, a: u32, b: u32) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(|e| e.into_inner());
        seen.len() < REPORTS_MAX && seen.insert((a.min(b), a.max(b)))
    }
}

impl Races {
    pub fn new(shared_bytes: u32, warps: u32) -> Races {
        Races {
            cells: vec![Cell::default(); shared_bytes as usize],
            clock: [1; 32],
            known: vec![[0; 32]; warps as usize * 32],
            seen: vec![[[0; 32]; 32]; warps as usize],
            gathering: [[0; 32]; BARRIERS],
            complete: [[0; 32]; BARRIERS],
            gone: [0; 32],
            objects: HashMap::new(),
        }
    }

    /// A new block begins.
    pub fn reset(&mut self) {
        self.cells.fill(Cell::default());
        self.clock = [1; 32];
        self.known.fill([0; 32]);
        self.seen.fill([[0; 32]; 32]);
        self.gathering = [[0; 32]; BARRIERS];
        self.complete = [[0; 32]; BARRIERS];
        self.gone = [0; 32];
        self.objects.clear();
    }

    /// All threads of a barrier have arrived; where it is one of the whole block, those that have exited count as well.
    pub fn completed(&mut self, barrier: usize, whole: bool) {
        let mut all = std::mem::take(&mut self.gathering[barrier]);
        if whole {
            join(&mut all, &self.gone);
        }
        self.complete[barrier] = all;
    }

    fn released(&self, thread: usize) -> Clocks {
        let mut r = self.known[thread];
        r[thread / 32] = self.clock[thread / 32];
        r
    }

    fn ordered(&self, thread: usize, a: &Access) -> bool {
        let other = usize::from(a.thread);
        if a.time == 0 || other == thread {
            return true;
        }
        let (w, o) = (thread / 32, other / 32);
        self.known[thread][o] >= a.time || w == o && self.seen[w][thread % 32][other % 32] >= a.time
    }

    fn acquire(&mut self, thread: usize, object: u64) {
        if let Some(c) = self.objects.get(&object) {
            join(&mut self.known[thread], c);
        }
    }

    fn release(&mut self, thread: usize, object: u64) {
        if self.objects.len() >= OBJECTS_MAX && !self.objects.contains_key(&object) {
            return;
        }
        let mine = self.released(thread);
        join(self.objects.entry(object).or_insert([0; 32]), &mine);
        self.clock[thread / 32] += 1;
    }

    /// One access of one thread; the earlier access that it races with, whether that wrote, and the byte.
    fn touch(&mut self, thread: usize, offset: u32, bytes: u32, what: u32, inst: u32) -> Option<(Access, bool, u32)> {
        let mut found = None;
        let now = Access { time: self.clock[thread / 32], inst, thread: thread as u16, atomic: what >= kind::ATOMIC };
        for at in offset..offset.saturating_add(bytes) {
            let Some(cell) = self.cells.get(at as usize).copied() else { break };
            if found.is_none() {
                if (what == kind::WRITE || !cell.write.atomic) && !self.ordered(thread, &cell.write) {
                    found = Some((cell.write, true, at));
                } else if what == kind::WRITE {
                    found = cell.reads.iter().find(|r| !self.ordered(thread, r)).map(|r| (*r, false, at));
                }
            }
            let mut cell = cell;
            if matches!(what, kind::READ | kind::ACQUIRE) {
                let free = cell.reads.iter().position(|r| usize::from(r.thread) == thread && r.time != 0);
                let free = free.or_else(|| cell.reads.iter().position(|r| self.ordered(thread, r))).unwrap_or(1);
                cell.reads[free] = now;
            } else {
                cell.write = now;
            }
            self.cells[at as usize] = cell;
        }
        found
    }

    /// Lanes of a warp have met.
    fn meet(&mut self, warp: usize, lanes: u32, members: u32) {
        let mut rows = [0; 32];
        let mut known = [0; 32];
        for l in Lanes(members) {
            join(&mut rows, &self.seen[warp][l]);
            join(&mut known, &self.known[warp * 32 + l]);
        }
        for l in Lanes(members) {
            rows[l] = self.clock[warp];
        }
        for l in Lanes(lanes) {
            self.seen[warp][l] = rows;
            self.known[warp * 32 + l] = known;
        }
        self.clock[warp] += 1;
    }
}

/// Note of an access: address register a, offset imm; e: kind, space << 8, bytes << 16; x: how many lanes take part.
struct Touch;
impl Op for Touch {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let block = w.block();
        if let Some(r) = block.races.as_deref_mut() {
            let (what, space, bytes) = (i.e & 255, (i.e >> 8 & 255) as u8, i.e >> 16);
            for lane in Lanes(w.mask).take_while(|l| *l < i.x as usize) {
                // SAFETY: a is a slot of the class the flags state (instruction selection).
                let addr = unsafe { address(w, i, lane) };
                let thread = w.index as usize * 32 + lane;
                let shared = match space {
                    space::SHARED => Some(addr),
                    space::GENERIC if addr & WINDOW_MASK == SHARED_WINDOW => Some(addr - SHARED_WINDOW),
                    _ => None,
                };
                let object = shared.map_or(addr, |a| a | SHARED_WINDOW);
                if matches!(what, kind::ATOMIC | kind::ACQUIRE | kind::WAIT) {
                    r.acquire(thread, object);
                }
                if let Some(at) = shared.and_then(|a| u32::try_from(a).ok())
                    && what < kind::WAIT
                {
                    // SAFETY: i lies in the code of the launch.
                    let inst = unsafe { std::ptr::from_ref(i).offset_from(w.launch().entry) } as u32;
                    if let Some((other, wrote, byte)) = r.touch(thread, at, bytes, what, inst) {
                        report(w, &other, wrote, byte, inst, what, thread);
                    }
                }
                if matches!(what, kind::ATOMIC | kind::RELEASE | kind::SIGNAL) {
                    r.release(thread, object);
                }
            }
        }
        // SAFETY: code follows.
        unsafe { next(i) }
    }
}

#[cold]
fn report(w: &Warp, other: &Access, wrote: bool, offset: u32, inst: u32, what: u32, thread: usize) {
    let launch = w.launch();
    let line = |k: u32| launch.code.lines.get(k as usize).copied().unwrap_or(0);
    let (a, b) = (line(other.inst), line(inst));
    if !launch.reported.is_new(a, b) {
        return;
    }
    let index = |t: u32| [t % launch.block[0], t / launch.block[0] % launch.block[1], t / launch.block[0] / launch.block[1]];
    let variable = launch.code.shared_names.iter().find(|(_, at, size)| offset >= *at && offset - at < *size);
    (launch.args.races)(&Race {
        kernel: launch.args.kernel.name.clone(),
        block: w.block().index,
        offset,
        variable: variable.map(|(name, at, _)| (name.clone(), offset - at)),
        accesses: [
            (wrote, a, index(u32::from(other.thread))),
            (!matches!(what, kind::READ | kind::ACQUIRE), b, index(thread as u32)),
        ],
    });
}

/// Notes around barriers: a the barrier's number; imm 0: about to arrive, 1: past it, 2: about to exit.
struct AtBarrier;
impl Op for AtBarrier {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let block = w.block();
        if let Some(r) = block.races.as_deref_mut() {
            let warp = w.index as usize;
            for lane in Lanes(w.mask) {
                let thread = warp * 32 + lane;
                // SAFETY: a is a 32-bit slot where it is read.
                let id = if i.imm == 2 { 0 } else { unsafe { lane32(w, i.a, lane) as usize } };
                if id >= BARRIERS {
                    break;
                }
                match i.imm {
                    0 => {
                        let mine = r.released(thread);
                        join(&mut r.gathering[id], &mine);
                    }
                    1 => {
                        let all = r.complete[id];
                        join(&mut r.known[thread], &all);
                    }
                    _ => {
                        let mine = r.released(thread);
                        join(&mut r.gone, &mine);
                    }
                }
            }
            if i.imm != 1 {
                r.clock[warp] += 1;
            }
        }
        // SAFETY: code follows.
        unsafe { next(i) }
    }
}

/// Note after a synchronising operation of a warp: a the member mask or NONE for all that are there.
struct AfterWarp;
impl Op for AfterWarp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let block = w.block();
        if let Some(r) = block.races.as_deref_mut() {
            // SAFETY: a is a 32-bit slot.
            let members = if i.a == NONE { w.mask } else { !w.dead & unsafe { lane32(w, i.a, w.leader()) } };
            r.meet(w.index as usize, w.mask & members, members);
        }
        // SAFETY: code follows.
        unsafe { next(i) }
    }
}

pub(crate) fn touch() -> OpFn {
    pick::<Touch>()
}
pub(crate) fn at_barrier() -> OpFn {
    pick::<AtBarrier>()
}
pub(crate) fn after_warp() -> OpFn {
    pick::<AfterWarp>()
}
