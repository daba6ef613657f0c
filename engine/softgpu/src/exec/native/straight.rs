//! The common case of accesses, tested in compiled code: the 32 lanes access consecutive words of one allocation.
//!
//! Each access then has one address for all lanes, those of loads in registers. Otherwise the streams are looked for
//! ([`super::streams`]), which also remembers the allocation for the next time.

use std::mem::offset_of;

use super::assembler::{Gpr, If, Mem, Rm, v};
use super::run::{Access, Form, Run};
use super::{Compiler, place};
use crate::exec::MemoryRange;
use crate::exec::code::flag;
use crate::exec::mem::space;

/// What holds the addresses.
pub(super) const REGISTERS: [Gpr; 4] = [Gpr::R8, Gpr::R9, Gpr::R10, Gpr::R11];
/// Bytes that 32 lanes access.
const WARP: u64 = 128;

impl Compiler<'_> {
    /// Whether a run is compiled for this case, too.
    pub fn may_be_straight(&self, run: &Run) -> bool {
        let fits = |a: &Access| {
            let i = &self.insts[a.inst];
            let indexed = matches!(a.form, Form::Index | Form::SignedIndex);
            a.words == 1 && a.space != space::GENERIC && (!indexed || i.flags >> flag::INDEX_SHIFT & 15 == 2)
        };
        run.load_accesses() <= REGISTERS.len() && run.accesses.iter().all(fits)
    }

    /// Takes the addresses into registers, or goes to `other`.
    pub fn straight(&mut self, run: &Run, other: super::Label) {
        let mut looked: Vec<(u32, bool)> = Vec::new();
        // Stores first: their addresses leave the register that loads may need.
        let (loads, stores) = run.accesses.split_at(run.load_accesses());
        for (k, a) in stores.iter().map(|a| (REGISTERS.len() - 1, a)).chain(loads.iter().enumerate()) {
            let i = &self.insts[a.inst];
            let register = (i.a, a.form == Form::Wide);
            if i.flags & flag::PATTERN != 0 {
                // Only whether halves are consecutive is known: the second must follow the first as well.
                self.asm.load_word(Gpr::Rax, Mem::At(Gpr::Rdx, i.c as i32));
                self.asm.compare_with(Gpr::Rax, crate::exec::access::CONSECUTIVE as i8);
                self.asm.jump_if(If::NotEqual, other);
            }
            if !looked.contains(&register) {
                looked.push(register);
                self.consecutive(i.a as i32, a.form, i.flags & flag::PATTERN != 0, other);
            }
            self.locate(REGISTERS[k], a, other);
            if a.store {
                self.asm.store_long(place::stream(a.first, 0), REGISTERS[k]);
            }
        }
    }

    /// To `other` unless the lanes of a register count words; of one that is known by halves only these are compared.
    fn consecutive(&mut self, at: i32, form: Form, halves: bool, other: super::Label) {
        let step = if matches!(form, Form::Index | Form::SignedIndex) { 1 } else { 4 };
        let asm = &mut self.asm;
        if halves {
            let size = if form == Form::Wide { 8 } else { 4 };
            asm.load_word(Gpr::Rax, Mem::At(Gpr::Rdx, at));
            asm.add_to_word(Gpr::Rax, 16 * step);
            asm.compare_word(Gpr::Rax, Mem::At(Gpr::Rdx, at + 16 * size));
            asm.jump_if(If::NotEqual, other);
            return;
        }
        let wide = form == Form::Wide;
        let (broadcast, add, equal) =
            if wide { (v::BROADCAST_64, v::ADD_64, v::EQUAL_64) } else { (v::BROADCAST_32, v::ADD_32, v::EQUAL_32) };
        asm.op1(broadcast, 0, Rm::Mem(Mem::At(Gpr::Rdx, at)));
        for k in 0..if wide { 8 } else { 4 } {
            let offsets: [u32; 8] = std::array::from_fn(|l| match (wide, l % 2) {
                (false, _) => (8 * k + l as u32) * step as u32,
                (true, 0) => (4 * k + l as u32 / 2) * step as u32,
                (true, _) => 0,
            });
            let offsets = Rm::Mem(asm.constant(offsets));
            let to = if k == 0 { 1 } else { 2 };
            asm.op(add, to, 0, offsets);
            asm.op(equal, to, to, Rm::Mem(Mem::At(Gpr::Rdx, at + 32 * k as i32)));
            if k > 0 {
                asm.op(v::AND, 1, 1, Rm::Reg(2));
            }
        }
        asm.signs(Gpr::Rax, 1);
        asm.compare_word_with(Gpr::Rax, 255);
        asm.jump_if(If::NotEqual, other);
    }

    /// The host address of what lane 0 accesses with the lowest immediate; to `other` unless all that the warp accesses
    /// lies in the allocation that was remembered.
    fn locate(&mut self, d: Gpr, a: &Access, other: super::Label) {
        let i = &self.insts[a.inst];
        let at = Mem::At(Gpr::Rdx, i.a as i32);
        let asm = &mut self.asm;
        match a.form {
            Form::Wide => asm.load_long(d, at),
            Form::SignedIndex => asm.load_word_signed(d, at),
            _ => asm.load_word(d, at),
        }
        if matches!(a.form, Form::Index | Form::SignedIndex) {
            // Indices of 32 bits that wrap around are not consecutive places.
            let last = if a.form == Form::Index { -32 } else { i32::MAX - 31 };
            asm.compare_word_with(d, last);
            asm.jump_if(if a.form == Form::Index { If::Above } else { If::Greater }, other);
            asm.shift_left_long(d, 2);
            asm.add_long(d, Mem::At(Gpr::Rdx, i.c as i32));
        }
        let len = a.span + WARP;
        match i32::try_from(a.lowest as i64) {
            Ok(0) => {}
            Ok(n) if a.form == Form::Narrow => asm.add_to_word(d, n),
            Ok(n) => asm.add_to_long(d, n),
            Err(_) => asm.jump(other),
        }
        asm.test_with(d, 3);
        asm.jump_if(If::NotEqual, other);
        if a.space == space::SHARED {
            asm.load_word(Gpr::Rcx, place::SHARED_SIZE);
            asm.subtract_from_long(Gpr::Rcx, len as i32);
            asm.jump_if(If::Below, other);
            asm.compare_longs(d, Gpr::Rcx);
            asm.jump_if(If::Above, other);
            asm.add_long(d, place::SHARED);
            return;
        }
        let range = |field: usize| place::range(a.slot, field);
        asm.compare_long(d, range(offset_of!(MemoryRange, start)));
        asm.jump_if(If::Below, other);
        asm.load_long(Gpr::Rax, range(offset_of!(MemoryRange, end)));
        asm.subtract_longs(Gpr::Rax, d);
        asm.jump_if(If::Below, other);
        asm.compare_long_with(Gpr::Rax, len as i32);
        asm.jump_if(If::Below, other);
        if a.store {
            asm.compare_byte_with(range(offset_of!(MemoryRange, writable)), 0);
            asm.jump_if(If::Equal, other);
            return;
        }
        // As `access::look_ahead`: two steps further if the warp goes on as it has.
        let recent = place::recent(a.slot);
        asm.load_long(Gpr::Rcx, recent);
        asm.store_long(recent, d);
        asm.move_long(Gpr::Rax, d);
        asm.subtract_longs(Gpr::Rax, Gpr::Rcx);
        asm.twice_added(Gpr::Rcx, d, Gpr::Rax);
        asm.prefetch(Gpr::Rcx, 0);
        asm.prefetch(Gpr::Rcx, 64);
    }
}
