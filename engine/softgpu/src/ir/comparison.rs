//! Comparisons: setp and set (PTX ISA 9.7.6).

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Lowered, Meaning, V};
use super::operand::Result;
use crate::exec::{float, int};
use crate::ptx::{Operand, Type};

impl Lowerer<'_, '_> {
    /// Emits d (and its complement q) = a `cmp` b for any type.
    pub(super) fn comparison(&mut self, cmp: &str, ty: Type, ftz: bool, d: V, q: Option<V>, a: V, b: V) -> Result<()> {
        let f = match ty {
            Type::F32 | Type::F64 => float::compare(cmp, ty, ftz, false),
            t if t.is_float() => None,
            t => int::compare(cmp, t, false),
        };
        if let Some(f) = f {
            let mut i = Lowered::new(f);
            i.meaning = Meaning::Pure;
            i.d = d.into();
            (i.a, i.b) = (a.into(), b.into());
            if let Some(q) = q {
                i.e = q.into();
                i.e_def = true;
            }
            self.emit(i);
            return Ok(());
        }
        let (Type::F16 | Type::Bf16, Some(code)) = (ty, float::compare_code(cmp)) else {
            return self.unsupported("comparison");
        };
        let imm = code | u64::from(ty == Type::Bf16) << 8 | u64::from(ftz) << 9;
        self.emit_scalar(float::half_compare(), d, &[a, b], imm);
        if let Some(q) = q {
            self.logic(3, q, d, None, 0);
        }
        Ok(())
    }

    pub(super) fn setp(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some(cmp) = op.mods.first().copied() else { return self.invalid("comparison missing") };
        let Some(ty) = op.types.last().copied() else { return self.invalid("type missing") };
        let ftz = op.has("ftz");
        let (p, q) = match self.operand(o, 0)? {
            Operand::Pair(p, q) => {
                let (p, q) = ((**p).clone(), (**q).clone());
                (self.destination(&p, Type::Pred)?, Some(self.destination(&q, Type::Pred)?))
            }
            x => (self.destination(x, Type::Pred)?, None),
        };
        let v = self.sources(o, 1, &[ty, ty])?;
        let join = match op.mods.get(1).copied() {
            Some("and") => Some(0),
            Some("or") => Some(1),
            Some("xor") => Some(2),
            _ => None,
        };
        if matches!(ty, Type::F16x2 | Type::Bf16x2) {
            // p for the lower halves, q for the upper ones.
            let (Some(q), Some(code)) = (q, float::compare_code(cmp)) else {
                return self.unsupported("comparison");
            };
            let other = match join {
                Some(k) => {
                    // The operand may be one of the destinations.
                    let (c, not) = self.predicate(self.operand(o, 3)?)?;
                    let keep = self.temp(Class::P);
                    self.logic(4, keep, c, None, u64::from(not));
                    Some((k, keep))
                }
                None => None,
            };
            for (d, shift) in [(p, 0u64), (q, 16)] {
                let imm = code | u64::from(ty == Type::Bf16x2) << 8 | u64::from(ftz) << 9 | shift << 16;
                let t = if other.is_some() { self.temp(Class::P) } else { d };
                self.emit_scalar(float::half_compare(), t, &v, imm);
                if let Some((k, c)) = other {
                    self.logic(k, d, t, Some(c), 0);
                }
            }
            return Ok(());
        }
        let Some(join) = join else { return self.comparison(cmp, ty, ftz, p, q, v[0], v[1]) };
        let (c, not) = self.predicate(self.operand(o, 3)?)?;
        let f = match ty {
            Type::F32 | Type::F64 => float::compare(cmp, ty, ftz, true),
            t if t.is_float() => None,
            t => int::compare(cmp, t, true),
        };
        if let Some(f) = f {
            let mut i = Lowered::new(f);
            i.meaning = Meaning::Pure;
            i.d = p.into();
            (i.a, i.b, i.c) = (v[0].into(), v[1].into(), c.into());
            i.imm = join | u64::from(not) << 2;
            if let Some(q) = q {
                i.e = q.into();
                i.e_def = true;
            }
            self.emit(i);
            return Ok(());
        }
        let t = self.temp(Class::P);
        self.comparison(cmp, ty, ftz, t, None, v[0], v[1])?;
        let keep = self.temp(Class::P);
        self.logic(4, keep, c, None, u64::from(not));
        self.logic(join, p, t, Some(keep), 0);
        if let Some(q) = q {
            self.logic(join, q, t, Some(keep), 1);
        }
        Ok(())
    }

    /// set: a comparison whose result is a number.
    pub(super) fn set(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some(cmp) = op.mods.first().copied() else { return self.invalid("comparison missing") };
        let [dt, st] = op.types[..] else { return self.invalid("types") };
        let ftz = op.has("ftz");
        let d = self.destination(self.operand(o, 0)?, dt)?;
        let v = self.sources(o, 1, &[st, st])?;
        let join = match op.mods.get(1).copied() {
            Some("and") => Some(0),
            Some("or") => Some(1),
            Some("xor") => Some(2),
            _ => None,
        };
        let extra = match join {
            Some(k) => Some((k, self.predicate(self.operand(o, 3)?)?)),
            None => None,
        };
        let truth = |t: Type| match t {
            Type::F32 => Some(0x3f80_0000u64),
            Type::F16 | Type::F16x2 => Some(0x3c00),
            Type::Bf16 | Type::Bf16x2 => Some(0x3f80),
            Type::U16 | Type::S16 => Some(0xffff),
            Type::U32 | Type::S32 => Some(0xffff_ffff),
            _ => None,
        };
        let Some(one) = truth(dt) else { return self.unsupported("result type") };
        let zero = self.bits(Class::W32, 0);
        let packed = matches!(st, Type::F16x2 | Type::Bf16x2);
        let mut parts = Vec::new();
        for half in 0..if packed { 2u64 } else { 1 } {
            let mut p = self.temp(Class::P);
            if packed {
                let Some(code) = float::compare_code(cmp) else { return self.unsupported("comparison") };
                let imm = code | u64::from(st == Type::Bf16x2) << 8 | u64::from(ftz) << 9 | (half * 16) << 16;
                self.emit_scalar(float::half_compare(), p, &v, imm);
            } else {
                self.comparison(cmp, st, ftz, p, None, v[0], v[1])?;
            }
            if let Some((k, (c, not))) = extra {
                let r = self.temp(Class::P);
                self.logic(k, r, p, Some(c), u64::from(not) << 1);
                p = r;
            }
            let value = if packed && !dt.is_float() { (one & 0xffff) << (16 * half) } else { one << (16 * half) };
            let yes = self.bits(Class::W32, value & 0xffff_ffff);
            let r = self.temp(Class::W32);
            self.emit3(int::select(false), r, &[yes, zero, p]);
            parts.push(r);
        }
        if let [lo, hi] = parts[..] {
            let f = self.need(int::binary("or", Type::U32))?;
            self.emit3(f, d, &[lo, hi]);
        } else {
            self.copy(d, parts[0]);
        }
        Ok(())
    }
}
