//! Lets instructions pass their results to the next one in the processor's registers ([`crate::exec::passing`]).
//!
//! An instruction whose result the next one reads need not write it to the register file first; if nothing else reads
//! it, it is not written at all. Both are in one basic block and without guard, so the same lanes are active.

use super::function::LoweredFunction;
use super::inst::{Class, Flow, Lowered};
use crate::exec::code::{Give, flag};

/// Results are passed so often in a row at most: where the compiler does not make jumps of the calls from one
/// instruction to the next, it bounds their depth.
const ROW_MAX: u32 = 32;
/// Instructions that a joined form ([`super::fusion`]) does together.
const JOINED: usize = 3;

/// Which operands of `next` are the result of `i`, where both have forms for that, and what `i` does with its result.
fn link(i: &Lowered, next: &Lowered, taken: u32, reads: &[u32], classes: &[Class]) -> Option<(u32, Give)> {
    let (from, to) = (i.f.passing?, next.f.passing?);
    let plain = |i: &Lowered| i.guard.is_none() && i.flow == Flow::Next && i.joined.is_none();
    let d = i.d.reg()?;
    if !plain(i) || !plain(next) || classes[d.0 as usize] != Class::W32 {
        return None;
    }
    let wanted = [next.a, next.b, next.c].iter().enumerate().fold(0, |m, (k, o)| m | u32::from(o.reg() == Some(d)) << k);
    let taking = [wanted, 1, 2, 4].into_iter().find(|t| *t != 0 && t & !wanted == 0 && to(*t, Give::Store).is_some())?;
    let give = if reads[d.0 as usize] == taking.count_ones() { Give::Pass } else { Give::Both };
    from(taken, give).map(|_| (taking, give))
}

/// Chooses the forms.
pub(super) fn pass(f: &mut LoweredFunction) {
    let mut reads = vec![0u32; f.classes.len()];
    for i in &f.code {
        i.for_registers(|r, def| reads[r.0 as usize] += u32::from(!def));
    }
    let (mut taken, mut row, mut joined) = (0, 0, 0);
    for k in 0..f.code.len() {
        if f.code[k].joined.is_some() {
            joined = JOINED;
        }
        let link = match f.code.get(k + 1) {
            Some(next) if joined == 0 && row < ROW_MAX => link(&f.code[k], next, taken, &reads, &f.classes),
            _ => None,
        };
        joined = joined.saturating_sub(1);
        let (taking, give) = link.unwrap_or((0, Give::Store));
        row = if taking != 0 { row + 1 } else { 0 };
        let i = &mut f.code[k];
        if taken != 0 || taking != 0 {
            i.joined = i.f.passing.and_then(|p| p(taken, give));
        }
        if taken != 0 {
            i.flags |= flag::TAKES;
        }
        taken = taking;
    }
}
