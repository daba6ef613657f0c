//! What a warp computes once for all blocks that it runs, instead of once for each.
//!
//! A register of the kernel that is written by one instruction, without guard, from constants, parameters, the
//! thread's own index or other such registers has the same value in every block: its instruction moves to the
//! prologue, which runs when a warp is made. Where the value does not depend on the lane either the register is
//! uniform. Both hold for each lane by itself, so divergence does not matter; none of these instructions can fail.

use super::function::LoweredFunction;
use super::inst::{Class, Flow, Lowered, Meaning};

/// Moved registers of one warp take at most this many bytes, so that a warp's state stays in the cache.
const PROLOGUE_BYTES_MAX: u32 = 16 << 10;

/// The instructions of the prologue, and what is known of registers.
#[derive(Default)]
pub(super) struct Invariants {
    pub prologue: Vec<Lowered>,
    /// By register: holds one value for the whole launch.
    pub fixed: Vec<bool>,
    /// By register: `fixed`, and the value is the same in all lanes.
    pub uniform: Vec<bool>,
    /// By register: how many instructions write it.
    pub writes: Vec<u32>,
}

fn bytes(c: Class) -> u32 {
    match c {
        Class::P => 4,
        Class::W32 => 128,
        Class::W64 => 256,
    }
}

/// Takes the instructions of the prologue out of `f`, a kernel.
pub(super) fn hoist(f: &mut LoweredFunction) -> Invariants {
    let n = f.classes.len();
    let mut v = Invariants { fixed: vec![false; n], uniform: vec![false; n], writes: vec![0; n], ..Invariants::default() };
    for i in &f.code {
        i.for_registers(|r, def| v.writes[r.0 as usize] += u32::from(def));
    }
    for (r, _) in &f.fixed {
        v.fixed[r.0 as usize] = true;
        v.uniform[r.0 as usize] = true;
    }
    let mut moved = vec![false; f.code.len()];
    let mut used = 0;
    loop {
        let before = v.prologue.len();
        for (k, i) in f.code.iter().enumerate() {
            if moved[k] || !i.meaning.is_pure() || i.guard.is_some() || i.flow != Flow::Next {
                continue;
            }
            let (mut known, mut uniform, mut size) = (true, i.meaning != Meaning::ByLane, 0);
            i.for_registers(|r, def| {
                let r = r.0 as usize;
                if def {
                    known &= v.writes[r] == 1;
                    size += bytes(f.classes[r]);
                } else {
                    known &= v.fixed[r];
                    uniform &= v.uniform[r];
                }
            });
            if !known || used + size > PROLOGUE_BYTES_MAX {
                continue;
            }
            used += size;
            moved[k] = true;
            i.for_registers(|r, def| {
                if def {
                    v.fixed[r.0 as usize] = true;
                    v.uniform[r.0 as usize] = uniform;
                }
            });
            v.prologue.push(i.clone());
        }
        if v.prologue.len() == before {
            break;
        }
    }
    remove(&mut f.code, &moved);
    v
}

/// Removes the marked instructions; the following ones count for them.
pub(super) fn remove(code: &mut Vec<Lowered>, gone: &[bool]) {
    let mut carried = 0;
    let mut kept = Vec::with_capacity(code.len());
    for (k, mut i) in code.drain(..).enumerate() {
        if gone[k] {
            carried += i.carried + u32::from(i.counted);
        } else {
            i.carried += carried;
            carried = 0;
            kept.push(i);
        }
    }
    *code = kept;
}

/// Removes instructions whose results nobody reads.
pub(super) fn remove_unused(f: &mut LoweredFunction, v: &mut Invariants) {
    loop {
        let mut reads = vec![0u32; f.classes.len()];
        for i in f.code.iter().chain(&v.prologue) {
            i.for_registers(|r, def| reads[r.0 as usize] += u32::from(!def));
        }
        let unused = |i: &Lowered| {
            let mut any = false;
            i.for_registers(|r, def| any |= def && reads[r.0 as usize] > 0);
            i.meaning.is_pure() && i.guard.is_none() && i.flow == Flow::Next && !any
        };
        let gone: Vec<bool> = f.code.iter().map(unused).collect();
        let before = v.prologue.len();
        v.prologue.retain(|i| !unused(i));
        if v.prologue.len() == before && !gone.contains(&true) {
            return;
        }
        remove(&mut f.code, &gone);
    }
}
