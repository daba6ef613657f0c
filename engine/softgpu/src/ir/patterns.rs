//! Tells accesses what the prologue can find out.

use std::collections::HashMap;

use super::function::LoweredFunction;
use super::inst::{Class, Field, Lowered, Meaning, V};
use super::invariant::Invariants;
use crate::exec::code::flag;
use crate::exec::access;

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
