//! Addresses of the form base + index * size, computed by the access itself.
//!
//! Compilers spell `array[k]` as a widening product, an addition to the array's address, and an access. Where the
//! array's address is uniform for the launch ([`super::invariant`]) the access takes base and 32-bit index instead:
//! the two 64-bit operations become unused unless something else reads their results, and whether lanes read
//! consecutive memory shows in the indices.

use std::collections::HashMap;

use super::function::LoweredFunction;
use super::inst::{Class, Field, Flow, Lowered, Meaning, V};
use super::invariant::Invariants;
use crate::exec::code::{ConstValue, flag};
use crate::exec::{access, int};
use crate::ptx::Type;

/// Additions that an address is followed through.
const DEPTH_MAX: u32 = 6;

/// index * 2^shift, the index extended to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Term {
    index: V,
    signed: bool,
    shift: u32,
}

/// A 64-bit value as a sum.
#[derive(Default)]
struct Sum {
    uniform: Vec<V>,
    term: Option<Term>,
    constant: u64,
}

struct Fuser<'a> {
    f: &'a mut LoweredFunction,
    v: &'a mut Invariants,
    constants: HashMap<V, u64>,
    /// Bases that were made, by what they are the sum of.
    bases: HashMap<Vec<V>, V>,
}

/// Rewrites the accesses of a kernel.
pub(super) fn fuse(f: &mut LoweredFunction, v: &mut Invariants) {
    let constants = f
        .fixed
        .iter()
        .filter_map(|(r, c)| match c {
            ConstValue::Bits(b) => Some((*r, *b)),
            ConstValue::Symbol(..) => None,
        })
        .collect();
    let mut fuser = Fuser { f, v, constants, bases: HashMap::new() };
    let mut start = 0;
    for k in 0..fuser.f.code.len() {
        if fuser.f.code[k].flow != Flow::Next {
            start = k + 1;
            continue;
        }
        fuser.access(start, k);
    }
}

impl Fuser<'_> {
    /// Rewrites instruction k of the basic block that begins at `start`, if it is such an access.
    fn access(&mut self, start: usize, k: usize) {
        let i = &self.f.code[k];
        let Meaning::Access { store, size, wide, space } = i.meaning else { return };
        let Some(base) = i.a.reg() else { return };
        if i.flags & (flag::A64 | flag::INDEXED) != flag::A64 || i.c != Field::None {
            return;
        }
        let mut sum = Sum::default();
        if !self.expand(base, start, k, 0, &mut sum) {
            return;
        }
        let Some(term) = sum.term else { return };
        let mut uniform = sum.uniform;
        uniform.sort_unstable();
        let Some(base) = self.base(uniform) else { return };
        let i = &mut self.f.code[k];
        if i.side.is_empty() {
            let Some(op) = access::indexed(store, size, wide, term.signed, 1 << term.shift == size, space) else { return };
            i.f = op.shaped(i.f.shape);
        }
        i.a = term.index.into();
        i.c = base.into();
        i.imm = i.imm.wrapping_add(sum.constant);
        i.flags |= flag::INDEXED | term.shift << flag::INDEX_SHIFT;
        if term.signed {
            i.flags |= flag::INDEX_SIGNED;
        }
    }

    /// The instruction before k in the block that last wrote `r`, if it is certain.
    fn writer(&self, r: V, start: usize, k: usize) -> Option<usize> {
        (start..k).rev().find(|j| {
            let mut hit = false;
            self.f.code[*j].for_registers(|x, def| hit |= def && x == r);
            hit
        })
    }

    fn unchanged(&self, r: V, from: usize, to: usize) -> bool {
        self.v.fixed[r.0 as usize] || self.writer(r, from, to).is_none()
    }

    /// Adds what `r` holds before instruction `at` to the sum; false if it has no such form. `use_at` is where the
    /// result is wanted is `at` of the first call: registers of the sum keep their values until there.
    fn expand(&self, r: V, start: usize, at: usize, depth: u32, sum: &mut Sum) -> bool {
        self.expand_until(r, start, at, at, depth, sum)
    }

    fn expand_until(&self, r: V, start: usize, at: usize, end: usize, depth: u32, sum: &mut Sum) -> bool {
        if let Some(bits) = self.constants.get(&r) {
            sum.constant = sum.constant.wrapping_add(*bits);
            return true;
        }
        if self.v.uniform[r.0 as usize] {
            sum.uniform.push(r);
            return sum.uniform.len() <= 3;
        }
        if depth > DEPTH_MAX {
            return false;
        }
        let Some(j) = self.writer(r, start, at) else { return false };
        let i = &self.f.code[j];
        let (a, b, c) = (i.a.reg(), i.b.reg(), i.c.reg());
        if i.guard.is_some() {
            return false;
        }
        match i.meaning {
            Meaning::Add64 => {
                let (Some(a), Some(b)) = (a, b) else { return false };
                self.expand_until(a, start, j, end, depth + 1, sum) && self.expand_until(b, start, j, end, depth + 1, sum)
            }
            Meaning::MulWide { signed } | Meaning::MadWide { signed } => {
                let (Some(a), Some(b)) = (a, b) else { return false };
                let (index, factor) = match (self.constants.get(&a), self.constants.get(&b)) {
                    (None, Some(n)) => (a, *n),
                    (Some(n), None) => (b, *n),
                    _ => return false,
                };
                if sum.term.is_some() || !factor.is_power_of_two() || factor > 64 || !self.unchanged(index, j, end) {
                    return false;
                }
                sum.term = Some(Term { index, signed, shift: factor.trailing_zeros() });
                if i.meaning == (Meaning::MulWide { signed }) {
                    return true;
                }
                c.is_some_and(|c| self.expand_until(c, start, j, end, depth + 1, sum))
            }
            _ => false,
        }
    }

    /// A uniform register that holds the sum of `parts`.
    fn base(&mut self, parts: Vec<V>) -> Option<V> {
        let (first, rest) = parts.split_first()?;
        if rest.is_empty() {
            return Some(*first);
        }
        if let Some(known) = self.bases.get(&parts) {
            return Some(*known);
        }
        let add = int::binary("add", Type::U64)?;
        let mut sum = *first;
        for part in rest {
            let d = V(self.f.classes.len() as u32);
            self.f.classes.push(Class::W64);
            self.f.temporary.push(true);
            self.v.fixed.push(true);
            self.v.uniform.push(true);
            self.v.writes.push(1);
            let mut i = Lowered::new(add);
            i.meaning = Meaning::Add64;
            (i.d, i.a, i.b) = (d.into(), sum.into(), (*part).into());
            self.v.prologue.push(i);
            sum = d;
        }
        self.bases.insert(parts, sum);
        Some(sum)
    }
}
