//! Atomic operations (PTX ISA 9.7.13.5 and 9.7.13.6).

use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::access::{Plain, addresses, all_inside};
use super::code::{Inst, NONE, flag};
use super::float::{from_half, to_half};
use super::lane::{Lanes, Op, lane32, lane64, next, set_lane};
use super::mem::{address, resolve, resolve_aligned, space, window};
use super::warp::Warp;

/// What an atomic does; the immediate offset lives in `imm`, so this is packed into `e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AtomicOp {
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Add,
    Inc,
    Dec,
    MinU,
    MaxU,
    MinS,
    MaxS,
    AddF,
    AddH,
    AddBf,
    AddH2,
    AddBf2,
    MinH,
    MaxH,
    MinBf,
    MaxBf,
    MinH2,
    MaxH2,
    MinBf2,
    MaxBf2,
}

const OPS: [AtomicOp; 25] = {
    use AtomicOp::*;
    [And, Or, Xor, Exch, Cas, Add, Inc, Dec, MinU, MaxU, MinS, MaxS, AddF, AddH, AddBf, AddH2, AddBf2, MinH, MaxH, MinBf, MaxBf, MinH2, MaxH2, MinBf2, MaxBf2]
};

/// The `e` field: operation, size in bytes, space, and how many elements the alignment is that of (a power of two).
pub(crate) fn pack(op: AtomicOp, size: u32, elements: u32, space: u8) -> u32 {
    op as u32 | size << 8 | u32::from(space) << 16 | elements.trailing_zeros() << 24
}

fn half_sum(a: u16, b: u16, bf: bool) -> u16 {
    to_half(from_half(a, bf) + from_half(b, bf), bf)
}

/// min or max of halves: a NaN loses, -0 is below +0.
fn extreme_half(a: u16, b: u16, max: bool, bf: bool) -> u16 {
    let (x, y) = (from_half(a, bf), from_half(b, bf));
    match (x.is_nan(), y.is_nan()) {
        (true, true) => 0x7fff,
        (true, false) => b,
        (false, true) => a,
        _ => if x.total_cmp(&y).is_lt() != max { a } else { b },
    }
}

fn apply32(op: AtomicOp, old: u32, b: u32, c: u32) -> u32 {
    use AtomicOp::*;
    match op {
        And => old & b,
        Or => old | b,
        Xor => old ^ b,
        Exch => b,
        Cas => if old == b { c } else { old },
        Add => old.wrapping_add(b),
        Inc => if old >= b { 0 } else { old + 1 },
        Dec => if old == 0 || old > b { b } else { old - 1 },
        MinU => old.min(b),
        MaxU => old.max(b),
        MinS => (old as i32).min(b as i32) as u32,
        MaxS => (old as i32).max(b as i32) as u32,
        AddF => (f32::from_bits(old) + f32::from_bits(b)).to_bits(),
        AddH2 | AddBf2 | MinH2 | MaxH2 | MinBf2 | MaxBf2 => {
            let one = match op {
                AddH2 => AddH,
                AddBf2 => AddBf,
                MinH2 => MinH,
                MaxH2 => MaxH,
                MinBf2 => MinBf,
                _ => MaxBf,
            };
            let part = |s: u32| u32::from(apply16(one, (old >> s) as u16, (b >> s) as u16, 0));
            part(0) | part(16) << 16
        }
        AddH | AddBf | MinH | MaxH | MinBf | MaxBf => u32::from(apply16(op, old as u16, b as u16, c as u16)),
    }
}

fn apply16(op: AtomicOp, old: u16, b: u16, c: u16) -> u16 {
    use AtomicOp::*;
    match op {
        AddH => half_sum(old, b, false),
        AddBf => half_sum(old, b, true),
        MinH | MaxH => extreme_half(old, b, op == MaxH, false),
        MinBf | MaxBf => extreme_half(old, b, op == MaxBf, true),
        Exch => b,
        Cas => if old == b { c } else { old },
        _ => old,
    }
}

fn apply64(op: AtomicOp, old: u64, b: u64, c: u64) -> u64 {
    use AtomicOp::*;
    match op {
        And => old & b,
        Or => old | b,
        Xor => old ^ b,
        Exch => b,
        Cas => if old == b { c } else { old },
        Add => old.wrapping_add(b),
        Inc => if old >= b { 0 } else { old + 1 },
        Dec => if old == 0 || old > b { b } else { old - 1 },
        MinU => old.min(b),
        MaxU => old.max(b),
        MinS => (old as i64).min(b as i64) as u64,
        MaxS => (old as i64).max(b as i64) as u64,
        AddF => (f64::from_bits(old) + f64::from_bits(b)).to_bits(),
        _ => old,
    }
}

/// One atomic read-modify-write.
///
/// # Safety
/// `p` is valid for `size` bytes and a multiple of it.
pub(super) unsafe fn perform(op: AtomicOp, size: u32, p: *mut u8, b: u64, c: u64) -> u64 {
    use Ordering::SeqCst;
    // SAFETY: caller.
    unsafe {
        match size {
            4 => {
                let a = AtomicU32::from_ptr(p.cast());
                let b = b as u32;
                u64::from(match op {
                    AtomicOp::Add => a.fetch_add(b, SeqCst),
                    AtomicOp::And => a.fetch_and(b, SeqCst),
                    AtomicOp::Or => a.fetch_or(b, SeqCst),
                    AtomicOp::Xor => a.fetch_xor(b, SeqCst),
                    AtomicOp::Exch => a.swap(b, SeqCst),
                    AtomicOp::Cas => a.compare_exchange(b, c as u32, SeqCst, SeqCst).unwrap_or_else(|o| o),
                    _ => a.fetch_update(SeqCst, SeqCst, |o| Some(apply32(op, o, b, c as u32))).unwrap_or_else(|o| o),
                })
            }
            8 => {
                let a = AtomicU64::from_ptr(p.cast());
                match op {
                    AtomicOp::Add => a.fetch_add(b, SeqCst),
                    AtomicOp::Exch => a.swap(b, SeqCst),
                    AtomicOp::Cas => a.compare_exchange(b, c, SeqCst, SeqCst).unwrap_or_else(|o| o),
                    _ => a.fetch_update(SeqCst, SeqCst, |o| Some(apply64(op, o, b, c))).unwrap_or_else(|o| o),
                }
            }
            _ => {
                let a = AtomicU16::from_ptr(p.cast());
                u64::from(
                    a.fetch_update(SeqCst, SeqCst, |o| Some(apply16(op, o, b as u16, c as u16))).unwrap_or_else(|o| o),
                )
            }
        }
    }
}

/// atom (d = old value) and red (d = NONE): address register a with offset imm, operands b and c.
pub(super) struct Atomic;
impl Op for Atomic {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the classes the flags and the size state; addresses are checked.
        unsafe {
            let op = OPS[(i.e & 255) as usize % OPS.len()];
            let size = i.e >> 8 & 255;
            let kind = (i.e >> 16) as u8;
            let align = size << (i.e >> 24);
            let wide = size == 8;
            if kind == space::SHARED && op == AtomicOp::Add && size == 4 && align == 4 {
                return add_shared(w, i);
            }
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                let p = resolve_aligned(w, i, kind, lane, addr, size, align, true);
                if p.is_null() {
                    return std::ptr::null();
                }
                let get = |off: u32| {
                    if off == NONE {
                        0
                    } else if wide {
                        lane64(w, off, lane)
                    } else {
                        u64::from(lane32(w, off, lane))
                    }
                };
                let old = perform(op, size, p, get(i.b), get(i.c));
                if i.d != NONE {
                    set_lane(w, i.d, i.flags & flag::D64 != 0, lane, old);
                }
            }
            next(i)
        }
    }
}

/// 32-bit addition in shared memory, which only the thread that runs the block accesses.
///
/// # Safety
/// As [`Atomic::run`].
#[inline(always)]
unsafe fn add_shared(w: &mut Warp, i: &Inst) -> *const Inst {
    // SAFETY: 32-bit slots; addresses are checked.
    unsafe {
        let lead = address(w, i, w.leader());
        let win = window::<{ space::SHARED }>(w, i, lead, true);
        if w.mask == !0
            && i.d == NONE
            && i.flags & (flag::A64 | flag::INDEXED) == 0
            && i.a != NONE
            && let Some(win) = win
        {
            // One test for all. The order of the lanes does not matter to the sums.
            let all = addresses::<Plain<u32>>(w, i);
            if all_inside(&all, &win, 4) {
                let values = w.base.add(i.b as usize).cast::<u32>();
                for l in 0..32 {
                    let p = win.host.add(all[l].wrapping_sub(win.first) as usize).cast::<u32>();
                    p.write(p.read().wrapping_add(values.add(l).read()));
                }
                return next(i);
            }
        }
        for lane in Lanes(w.mask) {
            let addr = address(w, i, lane);
            let p = match win.and_then(|win| win.at(addr, 4, 4)) {
                Some(p) => p,
                None => resolve(w, i, space::SHARED, lane, addr, 4, true),
            };
            if p.is_null() {
                return std::ptr::null();
            }
            let p = p.cast::<u32>();
            let old = p.read();
            p.write(old.wrapping_add(lane32(w, i.b, lane)));
            if i.d != NONE {
                set_lane(w, i.d, false, lane, u64::from(old));
            }
        }
        next(i)
    }
}

pub(crate) fn atomic() -> super::code::OpFn {
    super::lane::pick::<Atomic>()
}
