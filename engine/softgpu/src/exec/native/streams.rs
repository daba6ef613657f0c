//! What the loads of a run read.
//!
//! A run that loads asks for its streams before anything else. A stream is one word for each lane: for each group of
//! eight lanes the address of eight words and which of them the lanes get. So a load is one permutation from memory,
//! whether lanes read consecutive words or one place; lanes that read here and there are collected in a row first.
//! Addresses are checked once for all loads through one register. Where anything about them is unusual there are no
//! streams, and the interpreter executes the run.
//!
//! A run has no stores, so it does not matter that its loads are done group by group.

use super::run::{Access, Form};
use super::{PREDICATES_MAX, SPILLS};
use crate::exec::access::{Halves, Indexed, Place, Plain, all_inside, addresses, halves_of, look_ahead_of, words_of_half};
use crate::exec::code::{Inst, flag};
use crate::exec::lane::{Elem, Lanes};
use crate::exec::mem::{self, space, window_of};
use crate::exec::warp::Warp;

/// Streams of one run.
pub(crate) const STREAMS: usize = 16;

/// What compiled code puts aside; one for all warps of a block, which run one after the other.
#[repr(C, align(64))]
pub(crate) struct Scratch {
    /// By stream: which of the eight words each lane of a group gets.
    pub index: [[u32; 8]; STREAMS],
    pub spilled: [[u32; 8]; SPILLS],
    /// By stream and group: where its words begin.
    pub at: [[*const u8; 4]; STREAMS],
    pub collected: [u32; PREDICATES_MAX],
    /// Not zero: the stores of the run are left to the interpreter.
    pub irregular: u32,
    pub rows: [[u32; 32]; STREAMS],
}

impl Scratch {
    pub fn new() -> Box<Scratch> {
        Box::new(Scratch {
            index: [[0; 8]; STREAMS],
            spilled: [[0; 8]; SPILLS],
            at: [[std::ptr::null(); 4]; STREAMS],
            collected: [0; PREDICATES_MAX],
            irregular: 0,
            rows: [[0; 32]; STREAMS],
        })
    }
}

const ASCENDING: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
/// Bytes that a permutation reads.
const READ: u64 = 32;

/// Accesses through one address register.
pub(super) struct Plan {
    inst: *const Inst,
    access: Access,
    /// Finds the streams.
    find: unsafe extern "C-unwind" fn(&mut Warp, &Plan) -> Lie,
}

impl Plan {
    pub fn new(inst: &Inst, access: &Access) -> Plan {
        macro_rules! by_space {
            ($place:ty) => {
                match access.space {
                    space::SHARED => stream::<$place, { space::SHARED }>,
                    space::GLOBAL => stream::<$place, { space::GLOBAL }>,
                    _ => stream::<$place, { space::GENERIC }>,
                }
            };
        }
        let find = match access.form {
            Form::Narrow => by_space!(Plain<u32>),
            Form::Wide => by_space!(Plain<u64>),
            Form::Index => by_space!(Indexed<false>),
            Form::SignedIndex => by_space!(Indexed<true>),
        };
        Plan { inst, access: *access, find }
    }
}

/// Fills in the streams of a run. By access a bit that says whether the lanes of each half of the warp share a word;
/// negative if there are no streams.
///
/// # Safety
/// The warp runs the code that the plans belong to, and is about to execute their run.
pub(super) unsafe extern "C" fn prepare(w: &mut Warp, plans: *const Plan, count: usize) -> i32 {
    // SAFETY: caller; the plans are those of the run.
    unsafe {
        let mut shared = 0;
        (*w.scratch).irregular = 0;
        for k in 0..count {
            let p = &*plans.add(k);
            match (p.find)(w, p) {
                Lie::Equal => shared |= 1 << k,
                Lie::Ascending => {}
                Lie::Unknown if p.access.store => (*w.scratch).irregular = 1,
                Lie::Unknown => return -1,
            }
        }
        shared
    }
}

/// How the words of a group of lanes lie.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Lie {
    Equal,
    Ascending,
    Unknown,
}

/// # Safety
/// As [`prepare`]; the plan is of this form and space.
#[allow(improper_ctypes_definitions)]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe extern "C-unwind" fn stream<P: Place, const KIND: u8>(w: &mut Warp, p: &Plan) -> Lie {
    let Access { words, first, lowest, span, store, .. } = p.access;
    // SAFETY: as prepare; addresses are checked against their window.
    unsafe {
        let i = &*p.inst;
        let s = &mut *w.scratch;
        let bytes = words as u64 * 4;
        if let Some(Halves { first: from, equal }) = halves_of::<P, true>(w, i, bytes)
            && (equal || !matches!(p.access.form, Form::Index | Form::SignedIndex) || 1 << (i.flags >> flag::INDEX_SHIFT & 15) == bytes)
        {
            let from = from.map(|a| {
                let a = a.wrapping_sub(i.imm).wrapping_add(lowest);
                if size_of::<P::R>() == 4 && matches!(p.access.form, Form::Narrow) { u64::from(a as u32) } else { a }
            });
            let Some(win) = window_of::<KIND>(w, p.access.slot, from[0], store) else { return Lie::Unknown };
            // Shared memory goes on a little.
            let beyond = if KIND == space::SHARED { 0 } else { READ - 4 };
            let len = span + if equal { bytes + beyond } else { 16 * bytes };
            if let (Some(low), Some(high)) = (win.at(from[0], len, bytes), win.at(from[1], len, bytes)) {
                if equal {
                    if store {
                        return Lie::Unknown;
                    }
                    for n in 0..words {
                        let (low, high) = (low.add(4 * n).cast_const(), high.add(4 * n).cast_const());
                        s.at[first + n] = [low, low, high, high];
                        s.index[first + n] = [0; 8];
                    }
                    return Lie::Equal;
                }
                if !store {
                    look_ahead_of::<KIND>(w, p.access.slot, from[0], 32 * bytes);
                }
                if words == 1 {
                    let (low, high) = (low.cast_const(), high.cast_const());
                    s.at[first] = [low, low.add(32), high, high.add(32)];
                    s.index[first] = ASCENDING;
                    return Lie::Ascending;
                }
                if span == 0 {
                    separate(w, p, [low, high]);
                    return Lie::Ascending;
                }
            }
        }
        if span == 0 && !store && collect::<P, KIND>(w, p) { Lie::Ascending } else { Lie::Unknown }
    }
}

/// Sorts the words of each lane, which follow each other, into rows.
#[inline(never)]
unsafe fn separate(w: &mut Warp, p: &Plan, halves: [*mut u8; 2]) {
    let Access { words, first, .. } = p.access;
    // SAFETY: as prepare; sixteen lanes' words lie at either address.
    unsafe {
        let s = &mut *w.scratch;
        for (half, from) in halves.into_iter().enumerate() {
            let to = std::array::from_fn(|n| s.rows[first + if n < words { n } else { 0 }].as_mut_ptr().add(16 * half));
            words_of_half(words, to, |l| from.add(l * words * 4));
        }
        rows(w, p);
    }
}

/// The streams are the rows.
#[inline(always)]
unsafe fn rows(w: &mut Warp, p: &Plan) {
    // SAFETY: the block's own.
    let s = unsafe { &mut *w.scratch };
    for n in p.access.first..p.access.first + p.access.words {
        let row = s.rows[n].as_ptr().cast::<u8>();
        s.at[n] = [row, row.wrapping_add(32), row.wrapping_add(64), row.wrapping_add(96)];
        s.index[n] = ASCENDING;
    }
}

/// Reads what the active lanes want, lane by lane; false if one of them may not.
#[inline(never)]
unsafe fn collect<P: Place, const KIND: u8>(w: &mut Warp, p: &Plan) -> bool {
    let Access { words, first, .. } = p.access;
    // SAFETY: as prepare.
    unsafe {
        let i = &*p.inst;
        let s = &mut *w.scratch;
        let bytes = words as u64 * 4;
        let lead = mem::address(w, i, w.leader());
        let Some(win) = window_of::<KIND>(w, p.access.slot, lead, false) else { return false };
        if w.mask == !0 {
            let all = addresses::<P>(w, i);
            if !all_inside(&all, &win, bytes) {
                return false;
            }
            for n in 0..words {
                let row = &mut s.rows[first + n];
                for l in 0..32 {
                    row[l] = win.host.add(all[l].wrapping_sub(win.first) as usize + 4 * n).cast::<u32>().read();
                }
            }
        } else {
            let base = P::base(w, i);
            for lane in Lanes(w.mask) {
                let r = P::R::get(w.base.add(i.a as usize).cast::<<P::R as Elem>::S>().add(lane).read());
                let Some(from) = win.at(P::address(i, base, r), bytes, bytes) else { return false };
                for n in 0..words {
                    s.rows[first + n][lane] = from.cast::<u32>().add(n).read();
                }
            }
        }
        rows(w, p);
        true
    }
}
