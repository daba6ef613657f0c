//! Reads what a register was copied from instead of the copy.
//!
//! Compilers copy registers where the PTX has another type for the same bits (`mov.b32` around shuffles). Inside a
//! basic block what follows a copy reads the original until either is written again; a copy that nobody reads any more
//! is then unused.

use std::collections::HashMap;

use super::function::LoweredFunction;
use super::inst::{Flow, Meaning, V};

/// Rewrites the reads of a function.
pub(super) fn forward(f: &mut LoweredFunction) {
    let mut original: HashMap<V, V> = HashMap::new();
    for i in &mut f.code {
        if i.flow != Flow::Next {
            // Lanes come here by other ways, or leave: nothing is known behind it.
            original.clear();
            continue;
        }
        if !original.is_empty() {
            i.replace_reads(|v| original.get(&v).copied().unwrap_or(v));
            i.for_registers(|v, def| {
                if def {
                    original.retain(|copy, from| *copy != v && *from != v);
                }
            });
        }
        if let (Meaning::Copy, None, Some(d), Some(a)) = (i.meaning, i.guard, i.d.reg(), i.a.reg())
            && d != a
            && f.classes[d.0 as usize] == f.classes[a.0 as usize]
        {
            original.insert(d, a);
        }
    }
}
