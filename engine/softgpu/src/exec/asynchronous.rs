//! Asynchronous copies and the barriers that track them (PTX ISA 9.7.9.25 and 9.7.13.15).
//!
//! A copy is complete when the instruction that starts it is: waiting for groups has nothing to do, and what a copy
//! would signal to an mbarrier later, it signals at once.

use super::FaultKind;
use super::code::{Inst, NONE, OpFn, ScalarFn, flag};
use super::lane::{Lanes, Op, lane32, lane64, next, pick, set_lane, set_pred};
use super::mem::{address, resolve, resolve_aligned, space};
use super::warp::Warp;

/// cp.async: shared address a + low half of imm, global address b + high half; x bytes, of which c (or NONE: all) are
/// read and the rest is zero; e: the source is in generic space. The copy is complete at once.
struct CopyAsync;
impl Op for CopyAsync {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the stated classes; addresses are checked.
        unsafe {
            let (to_off, from_off) = (i.imm as u32 as i32, (i.imm >> 32) as u32 as i32);
            for lane in Lanes(w.mask) {
                let to = if i.flags & flag::A64 != 0 { lane64(w, i.a, lane) } else { u64::from(lane32(w, i.a, lane)) };
                let to = to.wrapping_add_signed(i64::from(to_off));
                let from = lane64(w, i.b, lane).wrapping_add_signed(i64::from(from_off));
                let take = if i.c == NONE { i.x } else { lane32(w, i.c, lane).min(i.x) };
                let dst = resolve(w, i, space::SHARED, lane, to, i.x, true);
                if dst.is_null() {
                    return std::ptr::null();
                }
                if take > 0 {
                    let src = resolve_aligned(w, i, space::GLOBAL, lane, from, take, i.x, false);
                    if src.is_null() {
                        return std::ptr::null();
                    }
                    std::ptr::copy(src, dst, take as usize);
                }
                std::ptr::write_bytes(dst.add(take as usize), 0, (i.x - take) as usize);
            }
            next(i)
        }
    }
}

/// Sides of [`BulkCopy`], packed into `e`.
pub(crate) mod bulk {
    /// Bits 0..8 and 8..16: spaces of destination and source.
    pub const fn pack(to: u8, from: u8, barrier_wide: bool) -> u32 {
        to as u32 | (from as u32) << 8 | (barrier_wide as u32) << 16
    }
}

/// cp.async.bulk: c bytes from b to a; x is the mbarrier that counts them, or NONE.
struct BulkCopy;
impl Op for BulkCopy {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the stated classes; addresses are checked over the whole length.
        unsafe {
            let read = |w: &Warp, slot: u32, wide: bool, lane: usize| if wide { lane64(w, slot, lane) } else { u64::from(lane32(w, slot, lane)) };
            for lane in Lanes(w.mask) {
                let bytes = lane32(w, i.c, lane);
                if bytes % 16 != 0 {
                    return w.fail(FaultKind::MisalignedAddress, i, lane, format!("bulk copy of {bytes} bytes, which is not a multiple of 16"));
                }
                let to = read(w, i.a, i.flags & flag::A64 != 0, lane);
                let from = read(w, i.b, i.flags & (flag::A64 << 1) != 0, lane);
                if bytes > 0 {
                    let dst = resolve_aligned(w, i, i.e as u8, lane, to, bytes, 16, true);
                    if dst.is_null() {
                        return std::ptr::null();
                    }
                    let src = resolve_aligned(w, i, (i.e >> 8) as u8, lane, from, bytes, 16, false);
                    if src.is_null() {
                        return std::ptr::null();
                    }
                    std::ptr::copy(src, dst, bytes as usize);
                }
                if i.x != NONE {
                    let at = read(w, i.x, i.e & 1 << 16 != 0, lane);
                    let p = resolve(w, i, space::SHARED, lane, at, 8, true).cast::<u64>();
                    if p.is_null() {
                        return std::ptr::null();
                    }
                    let Some(phase) = Phase::unpack(p.read()).transactions(-i64::from(bytes)) else { return too_many(w, i, lane) };
                    p.write(phase.completed().pack());
                }
            }
            next(i)
        }
    }
}

/// The content of an mbarrier: arrivals still expected (bits 0..20 of the word), arrivals per phase (20..40), bytes
/// still to come (40..62, two's complement) and the phase (63).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phase {
    pending: u64,
    expected: u64,
    bytes: i64,
    odd: bool,
}

impl Phase {
    const COUNT: u64 = 0xf_ffff;

    fn unpack(word: u64) -> Phase {
        let bytes = ((word << 2) as i64) >> 42;
        Phase { pending: word & Self::COUNT, expected: word >> 20 & Self::COUNT, bytes, odd: word >> 63 != 0 }
    }

    fn pack(self) -> u64 {
        self.pending | self.expected << 20 | (self.bytes as u64 & 0x3f_ffff) << 40 | u64::from(self.odd) << 63
    }

    /// The next phase where nothing is outstanding.
    fn completed(self) -> Phase {
        if self.pending == 0 && self.bytes == 0 { Phase { pending: self.expected, odd: !self.odd, ..self } } else { self }
    }

    /// `count` arrivals, of threads that do not come back if `drop`; None: more than are expected.
    fn arrive(self, count: u64, drop: bool) -> Option<Phase> {
        let expected = if drop { self.expected.saturating_sub(count) } else { self.expected };
        Some(Phase { pending: self.pending.checked_sub(count)?, expected, ..self }.completed())
    }

    /// More bytes to come, or fewer; the count of a phase ends when both are zero. None: beyond what the word holds.
    fn transactions(self, bytes: i64) -> Option<Phase> {
        let next = self.bytes + bytes;
        (next.unsigned_abs() <= Self::COUNT).then_some(Phase { bytes: next, ..self })
    }
}

fn too_many(w: &mut Warp, i: &Inst, lane: usize) -> *const Inst {
    w.fail(FaultKind::IllegalInstruction, i, lane, "more arrivals or bytes than the mbarrier expects".into())
}

/// Kinds of [`MbarrierOp`].
pub(crate) mod mbarrier {
    pub const INIT: u32 = 0;
    pub const INVALIDATE: u32 = 1;
    /// Operand b: the number of arrivals, NONE: one.
    pub const ARRIVE: u32 = 2;
    pub const ARRIVE_DROP: u32 = 3;
    /// Operand b: the bytes that one arrival brings.
    pub const ARRIVE_EXPECT: u32 = 4;
    pub const ARRIVE_DROP_EXPECT: u32 = 5;
    pub const EXPECT: u32 = 6;
    pub const COMPLETE: u32 = 7;
    /// Only the address is checked: the copies that would arrive later have been made.
    pub const TOUCH: u32 = 8;
    pub const TEST_STATE: u32 = 9;
    pub const TEST_PARITY: u32 = 10;
}

/// mbarrier: address a + imm in the space e >> 8, kind e & 255, operand b (count, bytes, state or parity), result d.
struct MbarrierOp;
impl Op for MbarrierOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the stated classes; addresses are checked.
        unsafe {
            let kind = i.e & 255;
            let mut done = 0u32;
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                let p = resolve(w, i, (i.e >> 8) as u8, lane, addr, 8, true).cast::<u64>();
                if p.is_null() {
                    return std::ptr::null();
                }
                let number = |w: &Warp| if i.b == NONE { 1 } else { lane32(w, i.b, lane) };
                let word = p.read();
                let phase = Phase::unpack(word);
                let drop = matches!(kind, mbarrier::ARRIVE_DROP | mbarrier::ARRIVE_DROP_EXPECT);
                let changed = match kind {
                    mbarrier::INIT => {
                        let n = u64::from(number(w)) & Phase::COUNT;
                        Some(Phase { pending: n, expected: n, bytes: 0, odd: false })
                    }
                    mbarrier::INVALIDATE => Some(Phase::unpack(0)),
                    mbarrier::ARRIVE | mbarrier::ARRIVE_DROP => phase.arrive(u64::from(number(w)), drop),
                    mbarrier::ARRIVE_EXPECT | mbarrier::ARRIVE_DROP_EXPECT => {
                        phase.transactions(i64::from(number(w))).and_then(|p| p.arrive(1, drop))
                    }
                    mbarrier::EXPECT => phase.transactions(i64::from(number(w))),
                    mbarrier::COMPLETE => phase.transactions(-i64::from(number(w))).map(Phase::completed),
                    mbarrier::TEST_STATE => {
                        done |= u32::from((lane64(w, i.b, lane) >> 63 != 0) != phase.odd) << lane;
                        continue;
                    }
                    mbarrier::TEST_PARITY => {
                        done |= u32::from((lane32(w, i.b, lane) & 1 != 0) != phase.odd) << lane;
                        continue;
                    }
                    _ => continue,
                };
                let Some(changed) = changed else { return too_many(w, i, lane) };
                p.write(changed.pack());
                if i.d != NONE {
                    set_lane(w, i.d, true, lane, word);
                }
            }
            if matches!(kind, mbarrier::TEST_STATE | mbarrier::TEST_PARITY) {
                set_pred(w, i.d, done);
            }
            next(i)
        }
    }
}

/// mbarrier.pending_count.
fn pending_count(v: &[u64; 4], _imm: u64) -> u64 {
    v[0] & Phase::COUNT
}

pub(crate) fn pending_count_fn() -> ScalarFn {
    pending_count
}

pub(crate) fn op(name: &str) -> OpFn {
    match name {
        "bulk" => pick::<BulkCopy>(),
        "mbarrier" => pick::<MbarrierOp>(),
        _ => pick::<CopyAsync>(),
    }
}
