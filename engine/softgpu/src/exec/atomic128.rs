//! Atomic exchange and compare-and-swap of 128 bits (PTX ISA 9.7.13.5).

use super::code::{Inst, NONE, OpFn};
use super::lane::{Lanes, Op, lane64, next, pick, set_lane};
use super::mem::{address, resolve};
use super::warp::Warp;

/// Whether this processor can do it.
pub(crate) fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("cmpxchg16b")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// # Safety
/// `p` is valid for 16 bytes and a multiple of 16; [`available`] said yes.
#[cfg(target_arch = "x86_64")]
unsafe fn compare_exchange(p: *mut u128, old: u128, new: u128) -> u128 {
    let (mut lo, mut hi) = (old as u64, (old >> 64) as u64);
    // SAFETY: caller; rbx, which the compiler keeps for itself, is restored.
    unsafe {
        std::arch::asm!(
            "xchg {low}, rbx",
            "lock cmpxchg16b [{p}]",
            "mov rbx, {low}",
            low = inout(reg) new as u64 => _,
            p = in(reg) p,
            inout("rax") lo,
            inout("rdx") hi,
            in("rcx") (new >> 64) as u64,
            options(nostack)
        );
    }
    u128::from(lo) | u128::from(hi) << 64
}

/// # Safety
/// `p` is readable.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn compare_exchange(p: *mut u128, _old: u128, _new: u128) -> u128 {
    // SAFETY: caller; never reached, as instruction selection asks `available`.
    unsafe { p.read() }
}

/// atom.exch.b128 (e bit 8 clear) and atom.cas.b128: side[x..] holds the halves of d (NONE: not wanted), b and c; address
/// a + imm in the space e & 255.
struct Atomic128;
impl Op for Atomic128 {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: six 64-bit slots or NONE (instruction selection); addresses are checked.
        unsafe {
            let mut slots = [NONE; 6];
            slots.copy_from_slice(&w.launch().code.side[i.x as usize..][..6]);
            let cas = i.e >> 8 & 1 != 0;
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                let p = resolve(w, i, i.e as u8, lane, addr, 16, true);
                if p.is_null() {
                    return std::ptr::null();
                }
                let p = p.cast::<u128>();
                let get = |k: usize| u128::from(lane64(w, slots[k], lane)) | u128::from(lane64(w, slots[k + 1], lane)) << 64;
                let old = if cas {
                    compare_exchange(p, get(2), get(4))
                } else {
                    let new = get(2);
                    let mut seen = new;
                    loop {
                        let found = compare_exchange(p, seen, new);
                        if found == seen {
                            break found;
                        }
                        seen = found;
                    }
                };
                for (k, v) in [(0, old as u64), (1, (old >> 64) as u64)] {
                    if slots[k] != NONE {
                        set_lane(w, slots[k], true, lane, v);
                    }
                }
            }
            next(i)
        }
    }
}

pub(crate) fn op() -> OpFn {
    pick::<Atomic128>()
}
