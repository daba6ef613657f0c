//! Which value of a run each vector register holds.
//!
//! A run is compiled for one group of eight lanes after the other. Inside a group a value is read from the register
//! file when it is first wanted and stays in a vector register for as long as there are enough of them; where there
//! are not, the value that is wanted last leaves.

use super::assembler::{Assembler, Gpr, Mem, Rm, Ymm, v};
use super::run::{Class, Reg};
use super::{SPILLS, place};

/// Read again, nobody has looked when.
pub(super) const SOMETIMES: usize = NEVER - 1;
/// Not read again.
pub(super) const NEVER: usize = usize::MAX;

/// Eight lanes of a register: 64-bit registers have two halves of four lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    number: u32,
    half: usize,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    part: Part,
    /// The step that reads it next.
    next: usize,
    /// It can be read again from the register file.
    filed: bool,
}

pub(super) struct Bank {
    held: [Option<Held>; 16],
    /// Registers that templates may use.
    count: usize,
    /// By register: in use by the current step.
    locked: u16,
    /// Values that left without being in the register file.
    spilled: [Option<Part>; SPILLS],
    /// Values that lie in memory which is not the register file's.
    elsewhere: Vec<(Part, Mem)>,
    /// The group of lanes.
    group: usize,
    /// There was no place for a value: the code is not to be used.
    pub overflow: bool,
}

/// One bit for each lane of a group, as it stands in predicate registers.
pub(super) fn lane_bits(group: usize) -> [u32; 8] {
    std::array::from_fn(|l| 1 << (group * 8 + l))
}

impl Bank {
    pub fn new(count: usize, group: usize) -> Bank {
        Bank { held: [None; 16], count, locked: 0, spilled: [None; SPILLS], elsewhere: Vec::new(), group, overflow: false }
    }

    /// Where eight lanes lie in the register file.
    pub fn slot(&self, r: Reg, half: usize) -> Mem {
        let skip = match r.class {
            Class::Word => 32 * self.group,
            Class::Long => 64 * self.group + 32 * half,
            Class::Predicate => 0,
            Class::Index => return place::index(r.slot as usize),
        };
        Mem::At(Gpr::Rdx, (r.slot as usize + skip) as i32)
    }

    fn find(&self, part: Part) -> Option<Ymm> {
        self.held.iter().position(|h| h.is_some_and(|h| h.part == part)).map(|y| y as Ymm)
    }

    /// A register for a result or a step in between, the caller's until it is bound or released.
    pub fn take(&mut self, asm: &mut Assembler) -> Ymm {
        let usable = |y: &usize, bank: &Bank| bank.locked >> y & 1 == 0;
        let free = (0..self.count).find(|y| self.held[*y].is_none() && usable(y, self));
        let y = match free {
            Some(y) => y,
            None => {
                let last = (0..self.count).filter(|y| usable(y, self)).max_by_key(|y| self.held[*y].map_or(0, |h| h.next));
                let Some(y) = last else {
                    self.overflow = true;
                    return 0;
                };
                if let Some(h) = self.held[y].take()
                    && !h.filed
                {
                    match self.spilled.iter().position(Option::is_none) {
                        Some(k) => {
                            self.spilled[k] = Some(h.part);
                            asm.store(place::spill(k), y as Ymm);
                        }
                        None => self.overflow = true,
                    }
                }
                y
            }
        };
        self.locked |= 1 << y;
        y as Ymm
    }

    /// Gives back a register that was taken and holds nothing of use.
    pub fn release(&mut self, y: Ymm) {
        self.locked &= !(1 << y);
        self.held[y as usize] = None;
    }

    /// A register that holds the value; `next` is the step after this one that reads it.
    pub fn read(&mut self, asm: &mut Assembler, r: Reg, half: usize, next: usize) -> Ymm {
        let part = Part { number: r.number, half };
        if let Some(y) = self.find(part) {
            self.locked |= 1 << y;
            if let Some(h) = &mut self.held[y as usize] {
                h.next = next;
            }
            return y;
        }
        let y = self.take(asm);
        match (self.aside(part), r.class) {
            (Some(at), _) => asm.op1(v::LOAD, y, Rm::Mem(at)),
            (None, Class::Predicate) => {
                let bits = Rm::Mem(asm.constant(lane_bits(self.group)));
                asm.op1(v::BROADCAST_32, y, Rm::Mem(self.slot(r, 0)));
                asm.op(v::AND, y, y, bits);
                asm.op(v::EQUAL_32, y, y, bits);
            }
            (None, _) => asm.op1(v::LOAD, y, Rm::Mem(self.slot(r, half))),
        }
        self.held[y as usize] = Some(Held { part, next, filed: true });
        y
    }

    /// Where a value lies that is not in the register file.
    fn aside(&self, part: Part) -> Option<Mem> {
        let spilled = self.spilled.iter().position(|p| *p == Some(part)).map(place::spill);
        spilled.or_else(|| self.elsewhere.iter().find(|(p, _)| *p == part).map(|(_, at)| *at))
    }

    /// The value in a register, or where it lies in memory if it is wanted only once.
    pub fn operand(&mut self, asm: &mut Assembler, r: Reg, half: usize, next: usize) -> Rm {
        let part = Part { number: r.number, half };
        if self.find(part).is_some() || r.class == Class::Predicate {
            return Rm::Reg(self.read(asm, r, half, next));
        }
        let free = (0..self.count).any(|y| self.held[y].is_none() && self.locked >> y & 1 == 0);
        if next == NEVER || !free { Rm::Mem(self.aside(part).unwrap_or(self.slot(r, half))) } else { Rm::Reg(self.read(asm, r, half, next)) }
    }

    /// The register that holds a value which nothing reads after this step, to be overwritten.
    pub fn overwrite(&mut self, r: Reg, half: usize) -> Option<Ymm> {
        let y = self.find(Part { number: r.number, half })?;
        self.held[y as usize] = None;
        self.locked |= 1 << y;
        Some(y)
    }

    /// From here on a taken register holds this value.
    pub fn bind(&mut self, r: Reg, half: usize, y: Ymm, next: usize, filed: bool) {
        let part = Part { number: r.number, half };
        self.forget(part);
        self.held[y as usize] = Some(Held { part, next, filed });
    }

    /// From here on this value is what lies there, which stays until the run ends.
    pub fn bind_memory(&mut self, r: Reg, at: Mem) {
        let part = Part { number: r.number, half: 0 };
        self.forget(part);
        self.elsewhere.push((part, at));
    }

    fn forget(&mut self, part: Part) {
        for h in &mut self.held {
            h.take_if(|h| h.part == part);
        }
        for p in &mut self.spilled {
            p.take_if(|p| *p == part);
        }
        self.elsewhere.retain(|(p, _)| *p != part);
    }

    /// Ends a step: registers that nothing reads any more are free.
    pub fn settle(&mut self) {
        self.locked = 0;
        for h in &mut self.held {
            if let Some(gone) = h.take_if(|h| h.next == NEVER) {
                for p in &mut self.spilled {
                    p.take_if(|p| *p == gone.part);
                }
            }
        }
    }
}
