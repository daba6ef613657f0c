//! Notes for the race checker of shared memory, where it is wanted ([`crate::exec::races`]).

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, V};
use super::operand::Result;
use crate::exec::code::flag;
use crate::exec::mem::space;
use crate::exec::races::{self, kind};
use crate::ptx::{Operand, Type};

/// What follows an instruction.
pub(super) enum After {
    Nothing,
    /// Past the barrier with the number in the register.
    Barrier(V),
    /// Lanes of this mask have met.
    Warp(V),
}

impl Lowerer<'_, '_> {
    fn note(&mut self, mut i: Lowered, base: Option<V>) {
        i.a = base.map_or(Field::None, Field::Reg);
        if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
            i.flags |= flag::A64;
        }
        self.emit(i);
    }

    fn note_access(&mut self, op: &Opcode<'_>, address: &Operand, bytes: u32, what: u32, lanes: u32) -> Result<()> {
        if !matches!(address, Operand::Address(..)) {
            return Ok(());
        }
        let (place, base, offset) = self.resolve_place(op, address)?;
        let shared = matches!(place, space::SHARED | space::GENERIC);
        // Global memory may hold the flags and locks that order accesses to shared memory.
        if !shared && !(place == space::GLOBAL && what >= kind::ATOMIC) {
            return Ok(());
        }
        let mut i = Lowered::new(races::touch());
        i.imm = offset;
        i.e = Field::Raw(what | u32::from(place) << 8 | bytes << 16);
        i.x = Field::Raw(lanes);
        self.note(i, base);
        Ok(())
    }

    fn note_barrier(&mut self, when: u64, id: Option<V>) {
        let mut i = Lowered::new(races::at_barrier());
        i.imm = when;
        self.note(i, id);
    }

    /// Emits the notes that come before an instruction, under its guard.
    pub(super) fn note_before(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<After> {
        if !self.kernel.races {
            return Ok(After::Nothing);
        }
        let ordering = ["volatile", "relaxed", "acquire", "release", "mmio"].iter().any(|m| op.has(m));
        let count = match op.one_of(&["v2", "v4", "v8"]) {
            Some("v2") => 2,
            Some("v4") => 4,
            Some(_) => 8,
            None => 1,
        };
        let bytes = op.types.last().map_or(4, |t| t.size()) * count;
        match op.base {
            "ld" | "ldu" => {
                let what = if ordering { kind::ACQUIRE } else { kind::READ };
                self.note_access(op, self.operand(o, 1)?, bytes, what, 32)?;
            }
            "st" => {
                let what = if ordering { kind::RELEASE } else { kind::WRITE };
                self.note_access(op, self.operand(o, 0)?, bytes, what, 32)?;
            }
            "atom" | "red" => self.note_access(op, self.operand(o, usize::from(op.base == "atom"))?, bytes, kind::ATOMIC, 32)?,
            "cp" if op.has("async") && op.has("global") && !op.has("bulk") => {
                if let Some(Operand::Int(size @ (4 | 8 | 16))) = o.get(2)
                    && let Operand::Address(base, offset, _) = self.operand(o, 0)?
                {
                    // The destination is in shared memory whatever other spaces the opcode names.
                    let to = Opcode::new("st.shared");
                    self.note_access(&to, &Operand::Address(base.clone(), *offset, Vec::new()), *size as u32, kind::WRITE, 32)?;
                }
            }
            "ldmatrix" | "stmatrix" => {
                let store = op.base == "stmatrix";
                let lanes = match op.one_of(&["x1", "x2", "x4"]) {
                    Some("x1") => 8,
                    Some("x2") => 16,
                    _ => 32,
                };
                self.note_access(op, self.operand(o, usize::from(!store))?, 16, if store { kind::WRITE } else { kind::READ }, lanes)?;
            }
            "mbarrier" => {
                let waits = op.has("test_wait") || op.has("try_wait");
                if let Some(address) = o.iter().find(|x| matches!(x, Operand::Address(..))) {
                    self.note_access(op, address, 8, if waits { kind::WAIT } else { kind::SIGNAL }, 32)?;
                }
            }
            "bar" | "barrier" if op.has("warp") => return Ok(After::Warp(self.kept(self.operand(o, 0)?)?)),
            "bar" | "barrier" => {
                let red = op.has("red");
                let id = if op.has("cluster") {
                    self.bits(Class::W32, 16)
                } else {
                    match o.get(usize::from(red)) {
                        Some(id) => self.kept(id)?,
                        None => self.bits(Class::W32, 0),
                    }
                };
                if !op.has("wait") || op.has("cluster") {
                    self.note_barrier(0, Some(id));
                }
                if op.has("sync") || red || op.has("wait") {
                    return Ok(After::Barrier(id));
                }
            }
            "shfl" | "vote" | "match" | "redux" | "elect" if op.has("sync") => {
                if let Some(mask) = o.last() {
                    return Ok(After::Warp(self.kept(mask)?));
                }
            }
            "exit" | "ret" if self.is_entry || op.base == "exit" => self.note_barrier(2, None),
            _ => {}
        }
        Ok(After::Nothing)
    }

    /// A copy of an operand that the instruction itself cannot overwrite.
    fn kept(&mut self, o: &Operand) -> Result<V> {
        let v = self.source(o, Type::U32)?;
        let t = self.temp(Class::W32);
        self.copy(t, v);
        Ok(t)
    }

    pub(super) fn note_after(&mut self, after: After) {
        match after {
            After::Nothing => {}
            After::Barrier(id) => self.note_barrier(1, Some(id)),
            After::Warp(mask) => self.note(Lowered::new(races::after_warp()), Some(mask)),
        }
    }
}
