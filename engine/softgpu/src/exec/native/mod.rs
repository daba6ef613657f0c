//! The native tier: parts of a kernel compiled to the processor's own instructions (x86-64 with AVX2 and FMA).
//!
//! When a kernel is linked, [`crate::ir`] cuts its code into items: [`Run`]s of instructions that only compute, and
//! branches. [`compile`] makes code of them that follows the same contract as the functions of the interpreter
//! ([`RunFn`]) and puts its address into the first instruction of each run. So the interpreter enters it by executing
//! that instruction, and whatever has no template, is rare or goes wrong is left to the interpreter again by returning
//! (or by going on at) the instruction concerned: faults, divergence, barriers, yields need no thought here.
//!
//! The parts: `assembler.rs` encodes, `templates.rs` says what each operation becomes (the list of operations is
//! [`super::shape`]), `registers.rs` assigns vector registers, `run.rs` finds what is read where.
//!
//! Compiled code is entered with the warp in rdi and keeps the frame's registers in rdx. It calls nothing that could
//! unwind and keeps no frame on the stack.

mod assembler;
mod registers;
mod run;
mod straight;
mod streams;
mod templates;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::mem::offset_of;
use std::sync::OnceLock;

use assembler::{Assembler, Gpr, If, Label, Mem};
use registers::Bank;
pub(crate) use run::{Access, Class, Form, Reg, Run, Step, Store};
pub(crate) use streams::{STREAMS, Scratch};
use streams::{Plan, prepare};
use templates::{Group, Words, write_predicates};

use super::code::{Inst, RunFn};
use super::lane::has_avx2;
use super::MemoryRange;
use super::block::BlockShared;
pub(crate) use super::warp::RANGES;
use super::warp::Warp;
use super::warp_ops::whole_valid;

/// Values that a run may put aside for want of registers.
pub(super) const SPILLS: usize = 32;
/// Registers that hold, where not all lanes are active, which are not, and what is written instead.
const INACTIVE: u8 = 15;
const MERGE: u8 = 14;
/// Load accesses of runs that are compiled for each way in which their words may lie.
const VARIANTS_OF_MAX: usize = 2;
/// Predicates that a run may give.
const PREDICATES_MAX: usize = 32;

/// Where compiled code finds what it needs.
mod place {
    use super::*;
    const fn warp(offset: usize) -> Mem {
        Mem::At(Gpr::Rdi, offset as i32)
    }
    pub const BASE: Mem = warp(offset_of!(Warp, base));
    pub const MASK: Mem = warp(offset_of!(Warp, mask));
    pub const DEAD: Mem = warp(offset_of!(Warp, dead));
    pub const BUDGET: Mem = warp(offset_of!(Warp, budget));
    pub const SWITCH_AT: Mem = warp(offset_of!(Warp, switch_at));
    pub const BLOCK: Mem = warp(offset_of!(Warp, block));
    /// Where rax points to the block.
    pub fn block_index(k: usize) -> Mem {
        Mem::At(Gpr::Rax, (offset_of!(BlockShared, index) + 4 * k) as i32)
    }
    pub const SHARED: Mem = warp(offset_of!(Warp, shared));
    pub const SHARED_SIZE: Mem = warp(offset_of!(Warp, shared_size));
    pub fn range(slot: usize, field: usize) -> Mem {
        warp(offset_of!(Warp, ranges) + size_of::<MemoryRange>() * slot + field)
    }
    pub fn recent(slot: usize) -> Mem {
        warp(offset_of!(Warp, recent) + 8 * slot)
    }
    pub const SCRATCH: Mem = warp(offset_of!(Warp, scratch));
    const fn scratch(offset: usize) -> Mem {
        Mem::At(Gpr::Rsi, offset as i32)
    }
    pub fn spill(k: usize) -> Mem {
        scratch(offset_of!(Scratch, spilled) + 32 * k)
    }
    pub fn collected(k: usize) -> Mem {
        scratch(offset_of!(Scratch, collected) + 4 * k)
    }
    pub const IRREGULAR: Mem = scratch(offset_of!(Scratch, irregular));
    pub fn index(stream: usize) -> Mem {
        scratch(offset_of!(Scratch, index) + 32 * stream)
    }
    pub fn stream(stream: usize, group: usize) -> Mem {
        scratch(offset_of!(Scratch, at) + 32 * stream + 8 * group)
    }
}

/// Something to compile; instructions by index.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Run(Run),
    /// A shuffle of the whole warp by a constant: from a to d, and which lanes found another one to e.
    Shuffle { at: usize, a: Reg, d: Reg, e: Option<Reg>, imm: u64 },
    /// Falls into a label.
    Join { at: usize },
    Branch { at: usize, target: usize },
    /// Branch where the predicate holds, or does not.
    BranchIf { at: usize, target: usize, predicate: Reg, not: bool },
}

impl Item {
    fn first(&self) -> usize {
        match self {
            Item::Run(r) => r.first,
            Item::Shuffle { at, .. } | Item::Join { at } | Item::Branch { at, .. } | Item::BranchIf { at, .. } => *at,
        }
    }

    fn after(&self) -> usize {
        match self {
            Item::Run(r) => r.end,
            other => other.first() + 1,
        }
    }
}

/// The compiled parts of a kernel; the code must not run any more when this is dropped.
pub(crate) struct Compiled {
    _code: memmap2::Mmap,
    /// What the code has pointers to.
    _plans: Vec<Box<[Plan]>>,
}

/// Whether kernels are compiled.
pub(crate) fn enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| has_avx2() && std::env::var_os("RINGWAY_SOFTGPU_NATIVE").is_none_or(|v| v != "0"))
}

/// The code of a kernel while it is compiled.
struct Compiler<'a> {
    asm: Assembler,
    insts: &'a [Inst],
    /// Of what was compiled, by first instruction.
    starts: HashMap<usize, Label>,
    /// Ways out of the compiled code, by the instruction that they lead to.
    exits: HashMap<usize, Label>,
    /// Runs with some lanes inactive: label, run, where it goes on.
    masked: Vec<(Label, &'a Run, Label)>,
    plans: Vec<Box<[Plan]>>,
    /// Where runs without streams go.
    refused: Vec<(Label, usize)>,
}

/// Compiles the items of a kernel, which are in order, and enters them into its code, which stays where it is. None if
/// there is nothing to compile, or no memory for code.
pub(crate) fn compile(insts: &mut [Inst], items: &[Item]) -> Option<Compiled> {
    let mut items: Vec<Item> = items.to_vec();
    let code = loop {
        let mut c = Compiler { asm: Assembler::default(), insts, starts: HashMap::new(), exits: HashMap::new(), masked: Vec::new(), plans: Vec::new(), refused: Vec::new() };
        match c.all(&items) {
            Ok(()) => {
                let starts: Vec<(usize, Label)> = items
                    .iter()
                    .filter(|i| matches!(i, Item::Run(_)))
                    .filter_map(|i| Some((i.first(), *c.starts.get(&i.first())?)))
                    .collect();
                let plans = c.plans;
                let (bytes, at) = c.asm.finish();
                let starts: Vec<(usize, usize)> = starts.into_iter().filter_map(|(k, l)| Some((k, at(l)?))).collect();
                break (bytes, starts, plans);
            }
            Err(k) => {
                // A run that needs too much: two instead of it, or none.
                let Item::Run(run) = items.remove(k) else { return None };
                if let Some((a, b)) = run.split() {
                    items.splice(k..k, [Item::Run(a), Item::Run(b)]);
                }
            }
        }
    };
    let (bytes, starts, plans) = code;
    if starts.is_empty() {
        return None;
    }
    let mapped = memmap2::MmapMut::map_anon(bytes.len()).and_then(|mut m| {
        m[..bytes.len()].copy_from_slice(&bytes);
        m.make_exec()
    });
    let code = match mapped {
        Ok(code) => code,
        Err(error) => {
            static TOLD: std::sync::Once = std::sync::Once::new();
            TOLD.call_once(|| tracing::warn!("no executable memory ({error}): kernels are interpreted"));
            return None;
        }
    };
    for (k, at) in starts {
        // SAFETY: a function of this signature was compiled at that place; `Code` drops its memory with the instructions.
        insts[k].f = unsafe { std::mem::transmute::<*const u8, RunFn>(code.as_ptr().add(at)) };
    }
    Some(Compiled { _code: code, _plans: plans })
}

impl<'a> Compiler<'a> {
    /// Compiles all; the index of the item that cannot be.
    fn all(&mut self, items: &'a [Item]) -> Result<(), usize> {
        for i in items {
            let l = self.asm.label();
            self.starts.insert(i.first(), l);
        }
        let mut masked_of = Vec::new();
        for (k, i) in items.iter().enumerate() {
            let here = self.starts[&i.first()];
            self.asm.place(here);
            match i {
                Item::Run(run) => {
                    let before = self.masked.len();
                    self.run(run).ok_or(k)?;
                    masked_of.extend((before..self.masked.len()).map(|_| k));
                }
                Item::Shuffle { at, a, d, e, imm } => self.shuffle(*at, *a, *d, *e, *imm),
                Item::Join { at } => {
                    let slow = self.exit(*at);
                    self.give_way(at + 1, slow);
                }
                Item::Branch { at, target } => {
                    let slow = self.exit(*at);
                    self.go(*at, *target, slow);
                    continue;
                }
                Item::BranchIf { at, target, predicate, not } => self.branch_if(*at, *target, *predicate, *not),
            }
            if items.get(k + 1).is_none_or(|n| n.first() != i.after()) {
                let out = self.exit(i.after());
                self.asm.jump(out);
            }
        }
        for (n, (label, run, back)) in std::mem::take(&mut self.masked).into_iter().enumerate() {
            self.asm.place(label);
            self.body(run, true, Words::AsStreams).ok_or(masked_of[n])?;
            self.asm.jump(back);
        }
        for (label, inst) in std::mem::take(&mut self.refused) {
            // As if it had been called.
            self.asm.place(label);
            self.asm.set_long(Gpr::Rsi, self.address(inst));
            self.asm.set_long(Gpr::Rax, self.insts[inst].f as usize as u64);
            self.asm.jump_to(Gpr::Rax);
        }
        let mut exits: Vec<(usize, Label)> = self.exits.iter().map(|(k, l)| (*k, *l)).collect();
        exits.sort_unstable_by_key(|(k, _)| *k);
        for (k, l) in exits {
            self.asm.place(l);
            self.asm.set_long(Gpr::Rax, self.address(k));
            self.asm.ret();
        }
        Ok(())
    }

    fn address(&self, inst: usize) -> u64 {
        std::ptr::from_ref(&self.insts[inst]) as u64
    }

    /// Leaves compiled code for an instruction.
    fn exit(&mut self, inst: usize) -> Label {
        let asm = &mut self.asm;
        *self.exits.entry(inst).or_insert_with(|| asm.label())
    }

    /// To `slow` if a waiting group must go first before this one gets to an instruction.
    fn give_way(&mut self, inst: usize, slow: Label) {
        self.asm.set_long(Gpr::Rax, self.address(inst));
        self.asm.compare_long(Gpr::Rax, place::SWITCH_AT);
        self.asm.jump_if(If::AboveOrEqual, slow);
    }

    /// As `control::go`: goes to `target`, or leaves the branch to the interpreter at `slow`.
    fn go(&mut self, from: usize, target: usize, slow: Label) {
        self.give_way(target, slow);
        if target <= from {
            self.asm.load_word(Gpr::Rcx, place::BUDGET);
            self.asm.decrement_word(Gpr::Rcx);
            self.asm.jump_if(If::Equal, slow);
            self.asm.store_word(place::BUDGET, Gpr::Rcx);
        }
        let to = match self.starts.get(&target) {
            Some(l) => *l,
            None => self.exit(target),
        };
        self.asm.jump(to);
    }

    fn branch_if(&mut self, at: usize, target: usize, predicate: Reg, not: bool) {
        let slow = self.exit(at);
        let stay = self.asm.label();
        self.asm.load_word(Gpr::Rax, Mem::At(Gpr::Rdx, predicate.slot as i32));
        if not {
            self.asm.not_word(Gpr::Rax);
        }
        self.asm.and_word(Gpr::Rax, place::MASK);
        self.asm.jump_if(If::Equal, stay);
        self.asm.compare_word(Gpr::Rax, place::MASK);
        self.asm.jump_if(If::NotEqual, slow);
        self.go(at, target, slow);
        self.asm.place(stay);
        self.give_way(at + 1, slow);
    }

    /// Left to the interpreter if lanes that live are elsewhere.
    fn shuffle(&mut self, at: usize, a: Reg, d: Reg, e: Option<Reg>, imm: u64) {
        let slow = self.exit(at);
        self.whole(Gpr::Rax, slow);
        self.asm.load_long(Gpr::Rdx, place::BASE);
        templates::shuffle(&mut self.asm, a, d, imm);
        if let Some(e) = e {
            self.asm.set_word(Mem::At(Gpr::Rdx, e.slot as i32), whole_valid(imm) as i32);
        }
    }

    /// To `other` unless every lane that lives is active.
    fn whole(&mut self, with: Gpr, other: Label) {
        self.asm.load_word(with, place::MASK);
        self.asm.or_word(with, place::DEAD);
        self.asm.compare_with(with, -1);
        self.asm.jump_if(If::NotEqual, other);
    }

    fn run(&mut self, run: &'a Run) -> Option<()> {
        let (masked, back) = (self.asm.label(), self.asm.label());
        let stores = (!run.stores.is_empty()).then(|| self.exit(run.middle()));
        self.asm.load_long(Gpr::Rdx, place::BASE);
        self.asm.load_long(Gpr::Rsi, place::SCRATCH);
        let done = self.asm.label();
        if !run.accesses.is_empty() {
            if self.may_be_straight(run) {
                let other = self.asm.label();
                self.asm.load_word(Gpr::Rax, place::MASK);
                self.asm.compare_with(Gpr::Rax, -1);
                self.asm.jump_if(If::NotEqual, other);
                self.straight(run, other);
                self.body(run, false, Words::Straight)?;
                self.straight_stores(run);
                self.asm.jump(done);
                self.asm.place(other);
            }
            let refused = self.asm.label();
            self.prepare(run, refused);
            self.refused.push((refused, run.first));
            self.asm.load_long(Gpr::Rdx, place::BASE);
            self.asm.load_long(Gpr::Rsi, place::SCRATCH);
        }
        self.asm.load_word(Gpr::Rcx, place::MASK);
        if stores.is_none() {
            self.asm.or_word(Gpr::Rcx, place::DEAD);
        }
        self.asm.compare_with(Gpr::Rcx, -1);
        self.asm.jump_if(If::NotEqual, masked);
        let loads = run.load_accesses();
        if (1..=VARIANTS_OF_MAX).contains(&loads) {
            // By how the words lie that each access reads.
            let variants: Vec<(u32, Label)> = (1..1 << loads).map(|equal| (equal, self.asm.label())).collect();
            for (equal, l) in &variants {
                self.asm.compare_with(Gpr::Rax, *equal as i8);
                self.asm.jump_if(If::Equal, *l);
            }
            self.body(run, false, Words::Equal(0))?;
            for (equal, l) in variants {
                self.asm.jump(back);
                self.asm.place(l);
                self.body(run, false, Words::Equal(equal))?;
            }
        } else {
            self.body(run, false, Words::AsStreams)?;
        }
        self.asm.place(back);
        if let Some(interpreted) = stores {
            self.stores(run, interpreted);
        }
        self.asm.place(done);
        self.masked.push((masked, run, stores.unwrap_or(done)));
        Some(())
    }

    /// Asks for the streams of a run; to `refused` if there are none.
    fn prepare(&mut self, run: &Run, refused: Label) {
        let plans: Box<[Plan]> = run.accesses.iter().map(|a| Plan::new(&self.insts[a.inst], a)).collect();
        // Aligns the stack for the call, too.
        self.asm.push(Gpr::Rdi);
        self.asm.set_long(Gpr::Rsi, plans.as_ptr() as u64);
        self.asm.set_long(Gpr::Rdx, plans.len() as u64);
        self.asm.set_long(Gpr::Rax, prepare as *const () as u64);
        self.asm.call(Gpr::Rax);
        self.asm.pop(Gpr::Rdi);
        self.asm.test_word(Gpr::Rax);
        self.asm.jump_if(If::Negative, refused);
        self.plans.push(plans);
    }

    /// The stores of a run to consecutive words.
    fn straight_stores(&mut self, run: &Run) {
        for s in &run.stores {
            let access = &run.accesses[s.access];
            self.asm.load_long(Gpr::Rax, place::stream(access.first, 0));
            for group in 0..4 {
                let from = Mem::At(Gpr::Rdx, s.value.slot as i32 + 32 * group);
                let to = Mem::At(Gpr::Rax, s.imm.wrapping_sub(access.lowest) as i32 + 32 * group);
                self.asm.op1(assembler::v::LOAD, 0, assembler::Rm::Mem(from));
                self.asm.store(to, 0);
            }
        }
    }

    /// The stores of a run, behind all loads of all lanes; left to the interpreter if they are irregular.
    fn stores(&mut self, run: &Run, interpreted: Label) {
        self.asm.test_bits(place::IRREGULAR, !0);
        self.asm.jump_if(If::NotEqual, interpreted);
        for s in &run.stores {
            let access = &run.accesses[s.access];
            for group in 0..4 {
                self.asm.load_long(Gpr::Rax, place::stream(access.first, group));
                let from = Mem::At(Gpr::Rdx, s.value.slot as i32 + 32 * group as i32);
                self.asm.op1(assembler::v::LOAD, 0, assembler::Rm::Mem(from));
                self.asm.store(Mem::At(Gpr::Rax, s.imm.wrapping_sub(access.lowest) as i32), 0);
            }
        }
    }

    /// The steps of a run for the four groups of lanes.
    fn body(&mut self, run: &Run, masked: bool, words: Words) -> Option<()> {
        let uses = run.uses();
        let predicates = run.predicates();
        if predicates.len() > PREDICATES_MAX {
            return None;
        }
        if masked {
            for k in 0..predicates.len() {
                self.asm.set_word(place::collected(k), 0);
            }
        }
        for number in 0..4 {
            let past = self.asm.label();
            let bank = Bank::new(if masked { MERGE as usize } else { 16 }, number);
            let mut g = Group { asm: &mut self.asm, bank, number, masked, predicates: &predicates, accesses: &run.accesses, words };
            if masked {
                g.enter(past);
            }
            g.take_streams();
            for (s, u) in run.steps.iter().zip(&uses) {
                g.step(s, u)?;
            }
            if g.bank.overflow {
                return None;
            }
            self.asm.place(past);
        }
        write_predicates(&mut self.asm, &predicates, masked);
        Some(())
    }
}
