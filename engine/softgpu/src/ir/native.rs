//! Cuts lowered code into what the native tier compiles ([`crate::exec::native`]): runs of instructions that only
//! compute or load and have templates, and the branches around them. Everything between is left to the interpreter.

use std::collections::HashSet;

use super::allocate::{Frame, Liveness};
use super::inst::{Class, Field, Flow, Lowered, Meaning, V};
use crate::exec::code::flag;
use crate::exec::mem::space;
use crate::exec::native::{self, RANGES, Access, Form, Item, Reg, Run, STREAMS, Step, Store};
use crate::exec::shape::Shape;

/// Steps of one run: bounds the time that compiling it takes.
const RUN_MAX: usize = 256;
/// How far the loads through one register may lie apart, bytes.
const SPAN_MAX: u64 = 1 << 20;

struct Cutter<'a> {
    code: &'a [Lowered],
    classes: &'a [Class],
    frame: &'a Frame,
    /// Index of the first instruction.
    base: usize,
    label_at: &'a [u32],
    items: Vec<Item>,
    open: Option<Run>,
    /// Accesses so far.
    accesses: usize,
    /// Registers that the open run writes.
    written: HashSet<u32>,
}

/// The items of a function whose code begins at `base`; `label_at`: where labels lie.
pub(super) fn items(code: &[Lowered], classes: &[Class], frame: &Frame, live: &Liveness, base: usize, label_at: &[u32]) -> Vec<Item> {
    let mut c = Cutter { code, classes, frame, base, label_at, items: Vec::new(), open: None, accesses: 0, written: HashSet::new() };
    for (block, (start, end)) in live.blocks.iter().enumerate() {
        let first = c.items.len();
        for k in *start..*end {
            c.instruction(k);
        }
        c.close();
        c.find_live(first, live.after(block).collect(), *end);
    }
    c.items
}

impl Cutter<'_> {
    fn reg(&self, v: V) -> Reg {
        Reg {
            number: v.0,
            slot: self.frame.slots[v.0 as usize],
            class: match self.classes[v.0 as usize] {
                Class::P => native::Class::Predicate,
                Class::W32 => native::Class::Word,
                Class::W64 => native::Class::Long,
            },
        }
    }

    fn field(&self, f: Field) -> Option<Reg> {
        f.reg().map(|v| self.reg(v))
    }

    fn close(&mut self) {
        self.items.extend(self.open.take().map(Item::Run));
        self.written.clear();
    }

    fn instruction(&mut self, k: usize) {
        let i = &self.code[k];
        let steps = self.computation(i).map(|s| vec![s]).or_else(|| self.load(k));
        let Some(steps) = steps else {
            if self.store(k).is_some() {
                return;
            }
            self.close();
            self.items.extend(self.jump(i, self.base + k));
            return;
        };
        if self.open.as_ref().is_some_and(|r| r.steps.len() + steps.len() > RUN_MAX) {
            self.close();
        }
        let at = self.base + k;
        if self.open.as_ref().is_some_and(|r| !r.stores.is_empty()) {
            self.close();
        }
        let run = self.open.get_or_insert_with(|| Run::new(at));
        self.written.extend(steps.iter().flat_map(Step::results).map(|r| r.number));
        run.steps.extend(steps);
        run.end = at + 1;
    }

    /// An instruction as a step that computes, if it has a template.
    fn computation(&self, i: &Lowered) -> Option<Step> {
        let shape = i.f.shape?;
        let computes = !matches!(shape, Shape::Access | Shape::Shuffle | Shape::Join | Shape::Branch | Shape::BranchIf);
        if !computes || i.flow != Flow::Next || !i.side.is_empty() || (i.e != Field::None && !i.e_def) {
            return None;
        }
        Some(Step {
            shape,
            d: Some(self.field(i.d)?),
            e: self.field(i.e),
            sources: [i.a, i.b, i.c].map(|f| self.field(f)),
            guard: i.guard.map(|(v, not)| (self.reg(v), not)),
            imm: i.imm,
            load: (0, 0),
        })
    }

    /// Puts a store of a word behind the open run, if its address is known before that.
    fn store(&mut self, k: usize) -> Option<()> {
        let i = &self.code[k];
        if !i.side.is_empty() || self.open.is_none() {
            return None;
        }
        let access = self.access(k, true, 1)?;
        let value = self.field(i.b)?;
        let run = self.open.as_mut()?;
        run.stores.push(Store { inst: self.base + k, value, access, imm: i.imm });
        run.end = self.base + k + 1;
        Some(())
    }

    /// The steps of a load of words whose addresses are known before the run; closes the run that makes them.
    fn load(&mut self, k: usize) -> Option<Vec<Step>> {
        let i = &self.code[k];
        let results: Vec<Option<V>> = if i.side.is_empty() { vec![Some(i.d.reg()?)] } else { i.side.clone() };
        let access = self.access(k, false, results.len())?;
        let steps = results.into_iter().enumerate().filter_map(|(word, v)| {
            Some(Step {
                shape: Shape::Access,
                d: Some(self.reg(v?)),
                e: None,
                sources: [None; 3],
                guard: None,
                imm: i.imm,
                load: (access, word),
            })
        });
        Some(steps.collect())
    }

    /// The number of an access of words in the open run. Loads open one; stores belong to the one before them.
    fn access(&mut self, k: usize, store: bool, words: usize) -> Option<usize> {
        let i = &self.code[k];
        let Meaning::Access { store: stores, size: 4, wide: false, space } = i.meaning else { return None };
        let a = i.a.reg()?;
        if i.f.shape != Some(Shape::Access) || stores != store || i.guard.is_some() || !matches!(space, space::GLOBAL | space::SHARED | space::GENERIC) {
            return None;
        }
        let form = match (i.flags & flag::INDEXED != 0, i.flags & flag::INDEX_SIGNED != 0, i.flags & flag::A64 != 0) {
            (true, false, _) => Form::Index,
            (true, true, _) => Form::SignedIndex,
            (false, _, true) => Form::Wide,
            (false, _, false) => Form::Narrow,
        };
        if !matches!(words, 1 | 2 | 4) {
            return None;
        }
        let same = |x: &Access, code: &[Lowered], base: usize| {
            let other = &code[x.inst - base];
            let (low, high) = ((x.lowest as i64).min(i.imm as i64), ((x.lowest + x.span) as i64).max(i.imm as i64));
            other.a == i.a && other.c == i.c && other.flags == i.flags && x.store == store && x.space == space && x.words == words
                && (i.imm.wrapping_sub(x.lowest)).is_multiple_of(4 * words as u64)
                && high.wrapping_sub(low) as u64 <= SPAN_MAX
                && (words == 1 || x.span == 0 && x.lowest == i.imm || space == space::SHARED)
        };
        let known_before = |c: &Self| !c.written.contains(&a.0) && i.c.reg().is_none_or(|v| !c.written.contains(&v.0));
        let sealed = self.open.as_ref().is_some_and(|r| !r.stores.is_empty());
        if !known_before(self) || (sealed && !store) {
            if store {
                return None;
            }
            self.close();
        }
        let at = self.base + k;
        let base = self.base;
        let find = |c: &Self| c.open.as_ref().and_then(|r| r.accesses.iter().position(|x| same(x, c.code, base)));
        let used = |c: &Self| c.open.as_ref().map_or(0, Run::streams);
        let mut found = find(self);
        if found.is_none() && used(self) + words > STREAMS {
            if store {
                return None;
            }
            self.close();
            found = None;
        }
        let first = used(self);
        let slot = self.accesses % RANGES;
        self.accesses += usize::from(found.is_none());
        let run = self.open.get_or_insert_with(|| Run::new(at));
        Some(match found {
            Some(n) => {
                let x = &mut run.accesses[n];
                let high = ((x.lowest.wrapping_add(x.span)) as i64).max(i.imm as i64);
                let low = (x.lowest as i64).min(i.imm as i64);
                (x.lowest, x.span) = (low as u64, high.wrapping_sub(low) as u64);
                n
            }
            None => {
                run.accesses.push(Access { inst: at, store, slot, form, space, words, first, lowest: i.imm, span: 0 });
                run.accesses.len() - 1
            }
        })
    }

    fn jump(&self, i: &Lowered, at: usize) -> Option<Item> {
        match (i.f.shape?, &i.flow) {
            (Shape::Shuffle, Flow::Next) if i.guard.is_none() => {
                Some(Item::Shuffle { at, a: self.field(i.a)?, d: self.field(i.d)?, e: self.field(i.e), imm: i.imm })
            }
            (Shape::Join, Flow::Label(_)) => Some(Item::Join { at }),
            (Shape::Branch, Flow::Branch(l)) => Some(Item::Branch { at, target: self.label_at[l.0 as usize] as usize }),
            (Shape::BranchIf, Flow::BranchIf(l)) => Some(Item::BranchIf {
                at,
                target: self.label_at[l.0 as usize] as usize,
                predicate: self.reg(i.a.reg()?),
                not: i.imm != 0,
            }),
            _ => None,
        }
    }

    /// Tells the runs of a block, the items from `first`, what is read after them: `after` holds what is after `end`.
    fn find_live(&mut self, first: usize, mut after: HashSet<u32>, end: usize) {
        let mut k = end;
        for item in self.items[first..].iter_mut().rev() {
            let Item::Run(run) = item else { continue };
            while k > run.first - self.base {
                if k == run.middle() - self.base {
                    run.live.clone_from(&after);
                }
                k -= 1;
                let i = &self.code[k];
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
        }
    }
}
