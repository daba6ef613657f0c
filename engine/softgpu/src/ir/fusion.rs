//! Chooses joined forms for instructions that follow each other, and tells accesses what the prologue can find out.

use std::collections::HashMap;

use super::function::LoweredFunction;
use super::inst::{Class, Field, Flow, Lowered, Meaning, V};
use super::invariant::Invariants;
use crate::exec::code::flag;
use crate::exec::mem::space;
use crate::exec::{access, fused};

/// Where an address register stays the same for all blocks, the prologue looks how its lanes lie.
pub(super) fn look_ahead(f: &mut LoweredFunction, v: &mut Invariants) {
    let mut known: HashMap<(V, u32), V> = HashMap::new();
    for i in &mut f.code {
        let Meaning::Access { size, .. } = i.meaning else { continue };
        let Some(a) = i.a.reg() else { continue };
        if !v.fixed[a.0 as usize] || i.flags & flag::INDEXED != 0 || !i.side.is_empty() || i.c != Field::None {
            continue;
        }
        let wide = f.classes[a.0 as usize] == Class::W64;
        let pattern = match known.get(&(a, size)) {
            Some(p) => *p,
            None => {
                let Some(op) = access::classify(size, wide) else { continue };
                let p = V(f.classes.len() as u32);
                f.classes.push(Class::P);
                f.temporary.push(true);
                v.fixed.push(true);
                v.uniform.push(false);
                v.writes.push(1);
                let mut look = Lowered::new(op);
                (look.d, look.a) = (p.into(), a.into());
                look.flags = i.flags & flag::A64;
                v.prologue.push(look);
                known.insert((a, size), p);
                p
            }
        };
        i.c = pattern.into();
        i.flags |= flag::PATTERN;
    }
}

/// Two loads from shared memory for one fused multiply-add.
pub(super) fn join(f: &mut LoweredFunction) {
    let mut reads = vec![0u32; f.classes.len()];
    for i in &f.code {
        i.for_registers(|r, def| reads[r.0 as usize] += u32::from(!def));
    }
    for k in 2..f.code.len() {
        let [x, y, fma] = &f.code[k - 2..=k] else { continue };
        let Meaning::Fma32 { ftz } = fma.meaning else { continue };
        let load = |i: &Lowered| {
            let wanted = Meaning::Access { store: false, size: 4, wide: false, space: space::SHARED };
            let plain = i.meaning == wanted && i.side.is_empty() && i.a.reg().is_some() && i.flags & flag::INDEXED == 0;
            i.d.reg().filter(|d| plain && reads[d.0 as usize] == 1)
        };
        let (Some(dx), Some(dy)) = (load(x), load(y)) else { continue };
        let straight = [x, y, fma].iter().all(|i| i.guard.is_none() && i.flow == Flow::Next);
        let (a, b) = (fma.a.reg(), fma.b.reg());
        let product = (a, b) == (Some(dx), Some(dy)) || (a, b) == (Some(dy), Some(dx));
        if !straight || !product || (x.flags ^ y.flags) & flag::A64 != 0 {
            continue;
        }
        let op = fused::load_load_fma(x.flags & flag::A64 != 0, ftz);
        f.code[k - 2].joined = Some(op.run);
    }
}
