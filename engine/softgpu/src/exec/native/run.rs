//! Runs: instructions without jumps that are compiled together, and what of their results is read where.

use std::collections::{HashMap, HashSet};

use super::registers::NEVER;
use crate::exec::shape::Shape;

/// Register classes, as the register file has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Predicate,
    Word,
    Long,
    /// Which words of a stream lanes get; the slot is the number of the stream.
    Index,
}

/// A register: its number in the function, and where it lies in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reg {
    pub number: u32,
    pub slot: u32,
    pub class: Class,
}

/// What the address register of a load holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An address of 32 bits.
    Narrow,
    /// An address of 64 bits.
    Wide,
    /// An index ([`flag::INDEXED`](crate::exec::code::flag::INDEXED)).
    Index,
    SignedIndex,
}

/// The loads of a run through one address register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    /// One of these loads.
    pub inst: usize,
    pub store: bool,
    /// Where the warp remembers what it accessed.
    pub slot: usize,
    pub form: Form,
    pub space: u8,
    /// Words for each lane, as many streams, and the first of these.
    pub words: usize,
    pub first: usize,
    /// The lowest immediate, and how far the highest lies above it.
    pub lowest: u64,
    pub span: u64,
}

/// One instruction of a run; one word of a load of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub shape: Shape,
    pub d: Option<Reg>,
    /// Second result.
    pub e: Option<Reg>,
    pub sources: [Option<Reg>; 3],
    /// Only lanes where it holds (or does not hold) get the results.
    pub guard: Option<(Reg, bool)>,
    pub imm: u64,
    /// Of a load: its access, and which of the words.
    pub load: (usize, usize),
}

impl Step {
    pub fn results(&self) -> impl Iterator<Item = Reg> {
        [self.d, self.e].into_iter().flatten()
    }
}

/// A store of words behind the steps of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store {
    pub inst: usize,
    pub value: Reg,
    pub access: usize,
    pub imm: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its first instruction in the code.
    pub first: usize,
    /// The one after it.
    pub end: usize,
    pub steps: Vec<Step>,
    /// Those of loads come first.
    pub accesses: Vec<Access>,
    pub stores: Vec<Store>,
    /// Numbers of the registers that are read after the steps.
    pub live: HashSet<u32>,
}

/// What is known of a register at a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// The next step that reads it.
    pub next: usize,
    /// A result: it is what the register holds after the run, where somebody reads it.
    pub stays: bool,
}

/// The uses of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uses {
    pub d: Use,
    pub e: Use,
    pub sources: [usize; 3],
    pub guard: usize,
}

impl Run {
    pub fn new(first: usize) -> Run {
        Run { first, end: first, steps: Vec::new(), accesses: Vec::new(), stores: Vec::new(), live: HashSet::new() }
    }

    /// Where the steps end.
    pub fn middle(&self) -> usize {
        self.stores.first().map_or(self.end, |s| s.inst)
    }

    pub fn streams(&self) -> usize {
        self.accesses.iter().map(|a| a.words).sum()
    }

    pub fn load_accesses(&self) -> usize {
        self.accesses.iter().filter(|a| !a.store).count()
    }

    /// By step.
    pub fn uses(&self) -> Vec<Uses> {
        let mut next: HashMap<u32, usize> = HashMap::new();
        let mut live = self.live.clone();
        let mut list = Vec::with_capacity(self.steps.len());
        for (k, s) in self.steps.iter().enumerate().rev() {
            let mut result = |r: Option<Reg>| match r {
                Some(r) => Use { next: next.remove(&r.number).unwrap_or(NEVER), stays: live.remove(&r.number) },
                None => Use { next: NEVER, stays: false },
            };
            let (d, e) = (result(s.d), result(s.e));
            let after = |r: Option<Reg>| r.and_then(|r| next.get(&r.number).copied()).unwrap_or(NEVER);
            let (sources, guard) = (s.sources.map(after), after(s.guard.map(|(g, _)| g)));
            list.push(Uses { d, e, sources, guard });
            for r in s.sources.into_iter().flatten().chain(s.guard.map(|(g, _)| g)) {
                next.insert(r.number, k);
            }
            if s.guard.is_some() {
                // Lanes without the guard keep what they had.
                s.results().for_each(|r| {
                    next.insert(r.number, k);
                });
            }
        }
        list.reverse();
        list
    }

    /// The predicates that are read after the run.
    pub fn predicates(&self) -> Vec<Reg> {
        let mut found: Vec<Reg> = Vec::new();
        for r in self.steps.iter().flat_map(Step::results) {
            if r.class == Class::Predicate && self.live.contains(&r.number) && !found.contains(&r) {
                found.push(r);
            }
        }
        found
    }

    /// Two runs in place of one.
    pub fn split(&self) -> Option<(Run, Run)> {
        let at = self.steps.len() / 2;
        if at == 0 || !self.accesses.is_empty() {
            return None;
        }
        let (a, b) = self.steps.split_at(at);
        let mut live = self.live.clone();
        for s in b.iter().rev() {
            if s.guard.is_none() {
                s.results().for_each(|r| {
                    live.remove(&r.number);
                });
            }
            live.extend(s.sources.into_iter().flatten().chain(s.guard.map(|(g, _)| g)).map(|r| r.number));
            if s.guard.is_some() {
                live.extend(s.results().map(|r| r.number));
            }
        }
        let middle = self.first + at;
        let first = Run { end: middle, steps: a.to_vec(), live, ..self.clone() };
        Some((first, Run { first: middle, steps: b.to_vec(), ..self.clone() }))
    }
}
