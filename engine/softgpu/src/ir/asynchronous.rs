//! Asynchronous copies and mbarriers.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, V};
use super::operand::{Place, Result, class_of};
use crate::exec::asynchronous::{self, bulk, mbarrier};
use crate::exec::code::flag;
use crate::exec::mem::space;
use crate::exec::{control, int};
use crate::ptx::{Operand, Type};

impl Lowerer<'_, '_> {
    /// cp.async and cp.async.bulk.
    pub(super) fn copy_async(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if !op.has("async") || op.has("reduce") || op.has("tensor") {
            return self.unsupported("this copy is not implemented");
        }
        if op.has("arrive") {
            // An arrival without .noinc was added to what the barrier expects: together they change nothing.
            return self.barrier_operation(if op.has("noinc") { mbarrier::ARRIVE } else { mbarrier::TOUCH }, op, o, 0);
        }
        if ["commit_group", "wait_group", "wait_all"].iter().any(|m| op.has(m)) {
            // Copies are complete when the instruction that starts them is.
            self.emit(Lowered::new(control::op("nothing")));
            return Ok(());
        }
        if op.has("bulk") {
            return self.copy_bulk(op, o);
        }
        let Operand::Int(size @ (4 | 8 | 16)) = self.operand(o, 2)? else { return self.invalid("copy size") };
        let size = *size as u32;
        let (to, from) = (self.place(self.operand(o, 0)?)?, self.place(self.operand(o, 1)?)?);
        let part = |p: Place, narrow: bool| -> Result<(V, i64)> {
            Ok(match p {
                Place::Register(v, t, off) if narrow || class_of(t) == Class::W64 => (v, off),
                Place::Constant(v, off) => (v, off),
                _ => return self.unsupported("address"),
            })
        };
        let ((a, a_off), (b, b_off)) = (part(to, true)?, part(from, false)?);
        let (Ok(a_off), Ok(b_off)) = (i32::try_from(a_off), i32::try_from(b_off)) else { return self.invalid("offset") };
        let mut i = Lowered::new(asynchronous::op("copy"));
        if let Some(n) = o.get(3) {
            match n {
                Operand::Name(name, None) if matches!(self.lookup(name), Ok(super::operand::Entity::Register(_, Type::Pred))) => {
                    return self.unsupported("ignore-src");
                }
                n => i.c = self.source(n, Type::U32)?.into(),
            }
        }
        if self.classes[b.0 as usize] != Class::W64 {
            return self.unsupported("source address");
        }
        i.a = a.into();
        i.b = b.into();
        i.flags = if self.classes[a.0 as usize] == Class::W64 { flag::A64 } else { 0 };
        i.imm = u64::from(a_off as u32) | u64::from(b_off as u32) << 32;
        i.x = Field::Raw(size);
        self.emit(i);
        Ok(())
    }

    /// An address in a register of its own, offset included.
    fn address_register(&mut self, o: &Operand) -> Result<V> {
        let (v, offset) = match self.place(o)? {
            Place::Register(v, t, offset) if t != Type::Pred && t.size() >= 4 => (v, offset),
            Place::Constant(v, offset) => (v, offset),
            _ => return self.unsupported("address"),
        };
        if offset == 0 {
            return Ok(v);
        }
        let class = self.classes[v.0 as usize];
        let ty = if class == Class::W64 { Type::U64 } else { Type::U32 };
        let (sum, offset) = (self.temp(class), self.bits(class, if class == Class::W64 { offset as u64 } else { u64::from(offset as u32) }));
        let Some(f) = int::binary("add", ty) else { return self.unsupported("address") };
        self.emit3(f, sum, &[v, offset]);
        Ok(sum)
    }

    /// cp.async.bulk between global and shared memory; a cluster has one block here, so its shared memory is the block's.
    fn copy_bulk(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if op.has("prefetch") {
            self.emit(Lowered::new(control::op("nothing")));
            return Ok(());
        }
        if op.has("multicast::cluster") || op.has("ignore_oob") || op.has("cp_mask") {
            return self.unsupported("this copy is not implemented");
        }
        let spaces: Vec<u8> = op.mods.iter().filter_map(|m| match *m {
            "shared::cluster" | "shared::cta" => Some(space::SHARED),
            "global" => Some(space::GLOBAL),
            _ => None,
        }).collect();
        let &[to, from] = spaces.as_slice() else { return self.invalid("spaces") };
        let barrier = op.has("mbarrier::complete_tx::bytes");
        if barrier != (to == space::SHARED) || to == space::GLOBAL && from == space::GLOBAL {
            return self.invalid("spaces");
        }
        let mut i = Lowered::new(asynchronous::op("bulk"));
        let (a, b) = (self.address_register(self.operand(o, 0)?)?, self.address_register(self.operand(o, 1)?)?);
        i.c = self.source(self.operand(o, 2)?, Type::U32)?.into();
        let wide = |l: &Self, v: V| l.classes[v.0 as usize] == Class::W64;
        if (to == space::GLOBAL && !wide(self, a)) || (from == space::GLOBAL && !wide(self, b)) {
            return self.invalid("address of global memory in a 32-bit register");
        }
        i.flags = if wide(self, a) { flag::A64 } else { 0 } | if wide(self, b) { flag::A64 << 1 } else { 0 };
        (i.a, i.b) = (a.into(), b.into());
        let mut barrier_wide = false;
        if barrier {
            let v = self.address_register(self.operand(o, 3)?)?;
            barrier_wide = wide(self, v);
            i.x = v.into();
        }
        i.e = Field::Raw(bulk::pack(to, from, barrier_wide));
        self.emit(i);
        Ok(())
    }

    pub(super) fn mbarrier(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if op.has("pending_count") {
            let d = self.destination(self.operand(o, 0)?, Type::B32)?;
            let a = self.source(self.operand(o, 1)?, Type::B64)?;
            self.emit_scalar(asynchronous::pending_count_fn(), d, &[a], 0);
            return Ok(());
        }
        let expect = op.has("expect_tx");
        let number = match op.mods.first().copied() {
            Some("init") => mbarrier::INIT,
            Some("inval") => mbarrier::INVALIDATE,
            Some("expect_tx") => mbarrier::EXPECT,
            Some("complete_tx") => mbarrier::COMPLETE,
            Some("arrive") if expect => mbarrier::ARRIVE_EXPECT,
            Some("arrive") => mbarrier::ARRIVE,
            Some("arrive_drop") if expect => mbarrier::ARRIVE_DROP_EXPECT,
            Some("arrive_drop") => mbarrier::ARRIVE_DROP,
            Some("test_wait" | "try_wait") if op.has("parity") => mbarrier::TEST_PARITY,
            Some("test_wait" | "try_wait") => mbarrier::TEST_STATE,
            _ => return self.unsupported("this form of mbarrier is not implemented"),
        };
        let address = usize::from(!matches!(o.first(), Some(Operand::Address(..))));
        self.barrier_operation(number, op, o, address)
    }

    /// An operation on the mbarrier whose address is operand `address`; what it gives is the operand before.
    fn barrier_operation(&mut self, number: u32, op: &Opcode<'_>, o: &[Operand], address: usize) -> Result<()> {
        let mut i = Lowered::new(asynchronous::op("mbarrier"));
        let tests = matches!(number, mbarrier::TEST_STATE | mbarrier::TEST_PARITY);
        if address == 1 {
            match self.operand(o, 0)? {
                Operand::Sink if !tests => {}
                first if tests => i.d = self.destination(first, Type::Pred)?.into(),
                first => i.d = self.destination(first, Type::B64)?.into(),
            }
        } else if tests {
            return self.invalid("too few operands");
        }
        let (space, base, offset) = self.resolve_place(op, self.operand(o, address)?)?;
        i.a = base.map_or(Field::None, Field::Reg);
        if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
            i.flags = flag::A64;
        }
        i.imm = offset;
        match o.get(address + 1) {
            Some(b) => i.b = self.source(b, if number == mbarrier::TEST_STATE { Type::B64 } else { Type::U32 })?.into(),
            None if matches!(number, mbarrier::ARRIVE | mbarrier::ARRIVE_DROP | mbarrier::INVALIDATE | mbarrier::TOUCH) => {}
            None => return self.invalid("too few operands"),
        }
        i.e = Field::Raw(number | u32::from(space) << 8);
        self.emit(i);
        Ok(())
    }
}
