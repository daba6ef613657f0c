//! Cuts lowered code into what the native tier compiles ([`crate::exec::native`]): runs of instructions that only
//! compute and have templates, and the branches around them. Everything between is left to the interpreter.

use std::collections::HashSet;

use super::allocate::{Frame, Liveness};
use super::inst::{Class, Field, Flow, Lowered, V};
use crate::exec::native::{self, Item, Reg, Run, Step};
use crate::exec::shape::Shape;

/// Instructions of one run: bounds the time that compiling it takes.
const RUN_MAX: usize = 256;

/// The items of a function whose code begins at `base`; `label_at`: where labels lie.
pub(super) fn items(code: &[Lowered], classes: &[Class], frame: &Frame, live: &Liveness, base: usize, label_at: &[u32]) -> Vec<Item> {
    let reg = |v: V| Reg {
        number: v.0,
        slot: frame.slots[v.0 as usize],
        class: match classes[v.0 as usize] {
            Class::P => native::Class::Predicate,
            Class::W32 => native::Class::Word,
            Class::W64 => native::Class::Long,
        },
    };
    let mut items = Vec::new();
    for (block, (start, end)) in live.blocks.iter().enumerate() {
        // From the last instruction to the first: what is read after each is known then.
        let mut after: HashSet<u32> = live.after(block).collect();
        let mut found: Vec<Item> = Vec::new();
        let mut open: Option<Run> = None;
        for k in (*start..*end).rev() {
            let i = &code[k];
            match step(i, reg) {
                Some(s) => {
                    if open.as_ref().is_some_and(|r| r.steps.len() == RUN_MAX) {
                        found.extend(close(open.take()));
                    }
                    let run = open.get_or_insert_with(|| Run { first: 0, steps: Vec::new(), live: after.clone() });
                    run.steps.push(s);
                    run.first = base + k;
                }
                None => {
                    found.extend(close(open.take()));
                    found.extend(jump(i, base + k, label_at, reg));
                }
            }
            let guarded = i.guard.is_some();
            i.for_registers(|v, def| {
                if def && !guarded {
                    after.remove(&v.0);
                }
            });
            i.for_registers(|v, def| {
                if !def || guarded {
                    after.insert(v.0);
                }
            });
        }
        found.extend(close(open));
        items.extend(found.into_iter().rev());
    }
    items
}

fn close(run: Option<Run>) -> Option<Item> {
    run.map(|mut r| {
        r.steps.reverse();
        Item::Run(r)
    })
}

/// An instruction as a step of a run, if it has a template.
fn step(i: &Lowered, reg: impl Fn(V) -> Reg) -> Option<Step> {
    let shape = i.f.shape?;
    let computes = !matches!(shape, Shape::Load | Shape::Shuffle | Shape::Join | Shape::Branch | Shape::BranchIf);
    if !computes || i.flow != Flow::Next || !i.side.is_empty() || (i.e != Field::None && !i.e_def) {
        return None;
    }
    let of = |f: Field| f.reg().map(&reg);
    of(i.d)?;
    let e = of(i.e).filter(|_| i.e_def);
    Some(Step {
        shape,
        d: of(i.d),
        e,
        sources: [of(i.a), of(i.b), of(i.c)],
        guard: i.guard.map(|(v, not)| (reg(v), not)),
        imm: i.imm,
    })
}

fn jump(i: &Lowered, at: usize, label_at: &[u32], reg: impl Fn(V) -> Reg) -> Option<Item> {
    match (i.f.shape?, &i.flow) {
        (Shape::Join, Flow::Label(_)) => Some(Item::Join { at }),
        (Shape::Branch, Flow::Branch(l)) => Some(Item::Branch { at, target: label_at[l.0 as usize] as usize }),
        (Shape::BranchIf, Flow::BranchIf(l)) => Some(Item::BranchIf {
            at,
            target: label_at[l.0 as usize] as usize,
            predicate: reg(i.a.reg()?),
            not: i.imm != 0,
        }),
        _ => None,
    }
}
