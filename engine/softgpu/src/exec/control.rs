//! Branches, calls, barriers and the other instructions that change which lanes run.

use super::FaultKind;
use super::code::{Inst, NONE};
use super::shape::Shape;
use super::lane::{Lanes, Op, lane32, lane64, next, pred};
use super::warp::{Wait, Warp};

/// Continues at `target`; a backward branch uses budget, and a waiting group may have to go first.
#[inline(always)]
unsafe fn go(w: &mut Warp, from: *const Inst, target: *const Inst) -> *const Inst {
    if target <= from {
        w.budget -= 1;
        if w.budget == 0 {
            return w.yield_at(target);
        }
    }
    if target >= w.switch_at {
        return w.reschedule(target);
    }
    target
}

/// # Safety
/// `index` is an instruction index of the running code.
#[inline(always)]
unsafe fn at(w: &Warp, index: u32) -> *const Inst {
    // SAFETY: caller.
    unsafe { w.launch().entry.add(index as usize) }
}

/// Falls into a label: x = nothing.
pub(super) struct Join;
impl Op for Join {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: code follows a label.
        let n = unsafe { next(i) };
        if n >= w.switch_at {
            return w.reschedule(n);
        }
        n
    }
}

/// Unconditional branch to x.
pub(super) struct Branch;
impl Op for Branch {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: x is a code index (linking).
        unsafe { go(w, i, at(w, i.x)) }
    }
}

/// Branch to x where predicate a holds (imm 1: does not hold).
pub(super) struct BranchIf;
impl Op for BranchIf {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a predicate slot, x a code index.
        unsafe {
            let p = pred(w, i.a) ^ (i.imm as u32).wrapping_neg();
            let taken = p & w.mask;
            if taken == w.mask {
                return go(w, i, at(w, i.x));
            }
            let n = next(i);
            if taken == 0 {
                if n >= w.switch_at {
                    return w.reschedule(n);
                }
                return n;
            }
            let target = at(w, i.x);
            w.fork(n, w.mask & !taken);
            w.mask = taken;
            if target <= i as *const Inst {
                w.budget -= 1;
                if w.budget == 0 {
                    return w.yield_at(target);
                }
            }
            w.reschedule(target)
        }
    }
}

/// brx.idx: register a indexes the targets at side[x..x + e].
pub(super) struct BranchIndexed;
impl Op for BranchIndexed {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a 32-bit slot; targets are code indices.
        unsafe {
            let first = lane32(w, i.a, w.leader());
            let mut same = 0u32;
            for l in Lanes(w.mask) {
                if lane32(w, i.a, l) == first {
                    same |= 1 << l;
                }
            }
            if first >= i.e {
                return w.fail(FaultKind::InvalidPc, i, w.leader(), format!("brx.idx index {first} of {}", i.e));
            }
            let target = at(w, w.launch().code.side[(i.x + first) as usize]);
            if same != w.mask {
                w.fork(i, w.mask & !same);
                w.mask = same;
                w.budget -= 1;
                if w.budget == 0 {
                    return w.yield_at(target);
                }
                return w.reschedule(target);
            }
            go(w, i, target)
        }
    }
}

fn exit(w: &mut Warp) -> *const Inst {
    w.dead |= w.mask;
    w.block().live -= w.mask.count_ones();
    w.mask = 0;
    if w.groups.is_empty() { w.done() } else { w.pick() }
}

/// exit
pub(super) struct Exit;
impl Op for Exit {
    unsafe fn run(w: &mut Warp, _i: &Inst) -> *const Inst {
        exit(w)
    }
}

/// Copies `len` bytes between places in the local memory of each active lane.
unsafe fn copy_local(w: &Warp, from: u32, to: u32, len: u32) {
    for l in Lanes(w.mask) {
        // SAFETY: both ranges lie in activations that were checked against the local memory size on entry.
        unsafe {
            let base = w.local.add(l * w.local_stride as usize);
            std::ptr::copy(base.add(from as usize), base.add(to as usize), len as usize);
        }
    }
}

/// ret: returns values to the caller, or ends the thread.
pub(super) struct Return;
impl Op for Return {
    unsafe fn run(w: &mut Warp, _i: &Inst) -> *const Inst {
        if w.in_kernel() {
            return exit(w);
        }
        let Some((function, call, local, pc)) = w.leave() else { return exit(w) };
        let state = w.launch();
        let callee = &state.code.functions[function as usize].returns;
        let site = &state.code.calls[call as usize].returns;
        for (from, to) in callee.iter().zip(site) {
            // SAFETY: offsets of the two activations' parameter areas.
            unsafe { copy_local(w, local + from.0, w.local_base + to.0, from.1.min(to.1)) };
        }
        w.after_depth_change(pc)
    }
}

unsafe fn call(w: &mut Warp, i: &Inst, function: u32) -> *const Inst {
    // SAFETY: an instruction follows every call.
    let n = unsafe { next(i) };
    let caller_local = w.local_base;
    if !w.call(function, i.x, n) {
        let message = format!("stack exhausted by {} calls", w.depth() + 1);
        return w.fail(FaultKind::HardwareStackError, i, w.leader(), message);
    }
    let state = w.launch();
    let f = &state.code.functions[function as usize];
    let site = &state.code.calls[i.x as usize];
    for (to, from) in f.params.iter().zip(&site.args) {
        // SAFETY: as Return.
        unsafe { copy_local(w, caller_local + from.0, w.local_base + to.0, from.1.min(to.1)) };
    }
    w.budget -= 1;
    // SAFETY: entry is a code index.
    let entry = unsafe { at(w, f.entry) };
    if w.budget == 0 {
        return w.yield_at(entry);
    }
    w.after_depth_change(entry)
}

/// Direct call: x = call site.
pub(super) struct Call;
impl Op for Call {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let Some(f) = w.launch().code.calls[i.x as usize].callee else {
            return w.fail(FaultKind::InvalidPc, i, w.leader(), "call of an unknown function".into());
        };
        // SAFETY: a call site of this code.
        unsafe { call(w, i, f) }
    }
}

/// Indirect call through the 64-bit register a: x = call site.
pub(super) struct CallIndirect;
impl Op for CallIndirect {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a 64-bit slot.
        unsafe {
            let target = lane64(w, i.a, w.leader());
            let mut same = 0u32;
            for l in Lanes(w.mask) {
                if lane64(w, i.a, l) == target {
                    same |= 1 << l;
                }
            }
            let index = target.wrapping_sub(super::CODE_WINDOW);
            let list = &w.launch().code.function_addresses;
            let found = if index % 16 == 0 { list.iter().find(|(a, _)| u64::from(*a) == index / 16) } else { None };
            let Some(&(_, f)) = found else {
                return w.fail_at(FaultKind::InvalidPc, i, w.leader(), Some(target), format!("indirect call of {target:#x}, which is no function"));
            };
            if same != w.mask {
                w.fork(i, w.mask & !same);
                w.mask = same;
            }
            call(w, i, f)
        }
    }
}

/// Ends the prologue.
pub(super) struct PrologueEnd;
impl Op for PrologueEnd {
    unsafe fn run(_w: &mut Warp, _i: &Inst) -> *const Inst {
        std::ptr::null()
    }
}

/// trap, brkpt
pub(super) struct Trap;
impl Op for Trap {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        w.fail(FaultKind::Trap, i, w.leader(), "trap instruction".into())
    }
}

/// An instruction without effect here (prefetch, pragma-like hints).
pub(super) struct Nothing;
impl Op for Nothing {
    #[inline(always)]
    unsafe fn run(_w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: not the last instruction.
        unsafe { next(i) }
    }
}

/// nanosleep: lets other warps run.
pub(super) struct Sleep;
impl Op for Sleep {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: not the last instruction.
        let n = unsafe { next(i) };
        w.budget -= 1;
        w.yield_at(n)
    }
}

/// Number of the barrier of a cluster, which only `barrier.cluster` names (flags 1).
pub(crate) const CLUSTER_BARRIER: u32 = 16;

/// bar/barrier: a = barrier id register, b = thread count register or NONE; imm bits 0..8 the kind (0 sync, 1 arrive),
/// bits 8.. the reduction (0 none, 1 popc, 2 and, 3 or) with predicate c (e = 1: negated), result in d.
pub(super) struct Barrier;
impl Op for Barrier {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: operand slots of the stated classes.
        unsafe {
            let lane = w.leader();
            let id = lane32(w, i.a, lane);
            if id >= CLUSTER_BARRIER && i.flags == 0 {
                return w.fail(FaultKind::IllegalInstruction, i, lane, format!("barrier {id}; there are 16"));
            }
            let expected = if i.b == NONE { 0 } else { lane32(w, i.b, lane) };
            let whole = w.mask | w.dead == !0;
            let threads = if whole && expected != 0 { 32 } else { w.mask.count_ones() };
            let reduction = i.imm >> 8;
            let ones = if reduction == 0 { 0 } else { ((pred(w, i.c) ^ i.e.wrapping_neg()) & w.mask).count_ones() };
            w.block().arrive(id, threads, w.mask.count_ones(), expected, ones);
            let n = next(i);
            if i.imm & 255 == 1 {
                return n;
            }
            w.suspend(n, Wait::Barrier(id, if reduction == 0 { std::ptr::null() } else { i }));
            w.pick()
        }
    }
}

/// bar.warp.sync: a = member mask register.
pub(super) struct WarpBarrier;
impl Op for WarpBarrier {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a 32-bit slot.
        unsafe {
            let member = lane32(w, i.a, w.leader());
            let n = next(i);
            if member & !w.dead & !w.mask == 0 {
                return n;
            }
            w.suspend(n, Wait::WarpBarrier(member & !w.dead));
            w.pick()
        }
    }
}

/// membar, fence.
pub(super) struct Fence;
impl Op for Fence {
    #[inline(always)]
    unsafe fn run(_w: &mut Warp, i: &Inst) -> *const Inst {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        // SAFETY: not the last instruction.
        unsafe { next(i) }
    }
}

pub(crate) fn op(name: &str) -> super::code::OpFn {
    use super::lane::pick;
    match name {
        "prologue.end" => pick::<PrologueEnd>(),
        "join" => pick::<Join>().shaped(Some(Shape::Join)),
        "bra" => pick::<Branch>().shaped(Some(Shape::Branch)),
        "bra.if" => pick::<BranchIf>().shaped(Some(Shape::BranchIf)),
        "brx" => pick::<BranchIndexed>(),
        "exit" => pick::<Exit>(),
        "ret" => pick::<Return>(),
        "call" => pick::<Call>(),
        "call.indirect" => pick::<CallIndirect>(),
        "nothing" => pick::<Nothing>(),
        "sleep" => pick::<Sleep>(),
        "bar" => pick::<Barrier>(),
        "bar.warp" => pick::<WarpBarrier>(),
        "fence" => pick::<Fence>(),
        _ => pick::<Trap>(),
    }
}
