//! Joins the functions of one kernel into executable code.

use super::allocate::{Frame, allocate, liveness};
use super::function::LoweredFunction;
use super::inst::{Class, Field, Flow, Lowered, Patch, V};
use super::{addresses, copies, invariant, patterns};
use super::module::KernelBuild;
use crate::exec::code::{Code, ConstSlot, FunctionInfo, NONE, ScalarFn};
use crate::exec::{control, lane};

fn no_scalar(_: &[u64; 4], _: u64) -> u64 {
    0
}

/// Local memory of the deepest chain of calls from function 0; None if there is a cycle. Without recursion, as chains
/// of calls may be as long as the text.
fn deepest(functions: &[FunctionInfo], edges: &[(u32, u32)]) -> Option<u32> {
    let mut callees: Vec<Vec<usize>> = vec![Vec::new(); functions.len()];
    for (a, b) in edges {
        callees[*a as usize].push(*b as usize);
    }
    const OPEN: u64 = u64::MAX;
    let mut memo: Vec<Option<u64>> = vec![None; functions.len()];
    // Functions being looked at, with how many of their callees have been.
    let mut path = vec![(0usize, 0usize, 0u64)];
    memo[0] = Some(OPEN);
    while let Some((at, next, most)) = path.pop() {
        let Some(callee) = callees[at].get(next) else {
            memo[at] = Some(u64::from(functions[at].local_bytes.next_multiple_of(16)) + most);
            continue;
        };
        match memo[*callee] {
            Some(OPEN) => return None,
            // 32 bytes per activation, as calls are charged at run time.
            Some(bytes) => path.push((at, next + 1, most.max(bytes + 32))),
            None => {
                memo[*callee] = Some(OPEN);
                path.push((at, next, most));
                path.push((*callee, 0, 0));
            }
        }
    }
    memo[0].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// The code, and an estimate of the registers a thread uses.
pub(super) fn link(build: KernelBuild<'_>, mut lowered: Vec<LoweredFunction>, taken: Vec<(u32, u32)>) -> (Code, u32) {
    let mut edges = build.edges.clone();
    edges.sort_unstable();
    edges.dedup();
    let static_shared_bytes = build.shared_bytes;
    let dynamic_shared_at = static_shared_bytes.next_multiple_of(build.dynamic_shared_align);
    let guarded = lane::guarded();
    let no_scalar: ScalarFn = no_scalar;
    let mut code = Code {
        insts: Vec::new(),
        lines: Vec::new(),
        counted: Vec::new(),
        prologue: 0,
        side: Vec::new(),
        consts: Vec::new(),
        symbols: build.symbols,
        functions: Vec::new(),
        function_addresses: taken,
        calls: build.calls,
        local_bytes: 0,
        dynamic_stack: build.dynamic_stack || build.has_indirect || lowered.iter().any(|f| f.uses_alloca),
        #[cfg(target_arch = "x86_64")]
        native: None,
        has_alloca: build.dynamic_stack || lowered.iter().any(|f| f.uses_alloca),
        static_shared_bytes,
        dynamic_shared_at,
        races: build.races,
        shared_names: build.shared_names,
    };
    let mut pressure = 0;
    #[cfg(target_arch = "x86_64")]
    let compiled = crate::exec::native::enabled();
    let mut prologue = Vec::new();
    // The kernel itself comes first.
    let mut known = lowered.first_mut().map(|f| {
        copies::forward(f);
        let mut known = invariant::hoist(f);
        addresses::fuse(f, &mut known);
        invariant::remove_unused(f, &mut known);
        patterns::look_ahead(f, &mut known);
        known
    });
    #[cfg(target_arch = "x86_64")]
    let mut items = Vec::new();
    for f in &lowered {
        let known = known.take();
        let moved = known.as_ref().map_or(&[][..], |k| &k.prologue[..]);
        let mut fixed: Vec<V> = f.fixed.iter().map(|(v, _)| *v).collect();
        for i in moved {
            i.for_registers(|v, def| fixed.extend(def.then_some(v)));
        }
        let live = liveness(&f.code, &f.classes, &f.temporary, f.labels);
        let frame: Frame = allocate(&f.code, &f.classes, &fixed, &live);
        pressure = pressure.max(frame.pressure);
        let base = code.insts.len() as u32;
        let mut label_at = vec![0u32; f.labels];
        for (k, i) in f.code.iter().enumerate() {
            if let Flow::Label(l) = i.flow {
                // Branches go past the join, having made its test themselves.
                label_at[l.0 as usize] = base + k as u32 + 1;
            }
        }
        #[cfg(target_arch = "x86_64")]
        if compiled {
            items.extend(super::native::items(&f.code, &f.classes, &frame, &live, base as usize, &label_at));
        }
        let slot = |v: V| frame.slots[v.0 as usize];
        for i in &f.code {
            let mut out = i.finish(slot, guarded, no_scalar);
            match &i.flow {
                Flow::Branch(l) | Flow::BranchIf(l) => out.x = label_at[l.0 as usize],
                Flow::Indexed(list) => {
                    out.x = code.side.len() as u32;
                    code.side.extend(list.iter().map(|l| label_at[l.0 as usize]));
                }
                _ => {}
            }
            if !i.side.is_empty() {
                debug_assert_eq!(i.x, Field::None);
                out.x = code.side.len() as u32;
                code.side.extend(i.side.iter().map(|v| v.map_or(NONE, slot)));
            }
            if i.patch == Patch::DynamicShared {
                out.imm = out.imm.wrapping_add(u64::from(dynamic_shared_at));
            }
            code.insts.push(out);
            code.lines.push(i.line);
            code.counted.push((i.counted, i.carried));
        }
        for i in moved {
            let mut out = i.finish(slot, guarded, no_scalar);
            if i.patch == Patch::DynamicShared {
                out.imm = out.imm.wrapping_add(u64::from(dynamic_shared_at));
            }
            prologue.push((out, i.line));
        }
        for (v, value) in &f.fixed {
            let wide = f.classes[v.0 as usize] == Class::W64;
            code.consts.push(ConstSlot { offset: slot(*v), wide, value: value.clone() });
        }
        code.functions.push(FunctionInfo {
            entry: base,
            frame_bytes: frame.bytes,
            local_bytes: f.local_bytes,
            returns: f.returns.clone(),
            params: f.params.clone(),
        });
    }
    code.prologue = code.insts.len() as u32;
    prologue.push((Lowered::new(control::op("prologue.end")).finish(|_| NONE, guarded, no_scalar), 0));
    for (i, line) in prologue {
        code.insts.push(i);
        code.lines.push(line);
        code.counted.push((false, 0));
    }
    let known = deepest(&code.functions, &edges);
    match known {
        Some(bytes) => code.local_bytes = bytes,
        None => {
            code.dynamic_stack = true;
            code.local_bytes = code.functions.iter().fold(0u32, |sum, f| sum.saturating_add(f.local_bytes.next_multiple_of(16) + 32));
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        // The instructions stay where they are from here on.
        code.native = crate::exec::native::compile(&mut code.insts, &items);
    }
    (code, pressure.clamp(8, 255))
}
