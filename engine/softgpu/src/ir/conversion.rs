//! Conversions between types (PTX ISA 9.7.9.21, cvt) and moves, with the packing and unpacking of vectors.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Lowered, V};
use super::operand::{Result, class_of};
use crate::exec::convert::{self, Cvt, CvtRound};
use crate::exec::{int, packed};
use crate::ptx::{Operand, Type};

impl Lowerer<'_, '_> {
    pub(super) fn convert(&mut self, d: V, a: V, c: Cvt) -> Result<()> {
        if let Some(f) = c.vector() {
            self.emit3(f, d, &[a]);
            return Ok(());
        }
        let Some(imm) = c.pack() else { return self.unsupported("conversion between these types") };
        let s = self.need_scalar("any")?;
        self.emit_scalar(s, d, &[a], imm);
        Ok(())
    }

    pub(super) fn cvt(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let round = match op.one_of(&["rni", "rzi", "rmi", "rpi", "rna", "rn", "rz", "rm", "rp"]) {
            Some("rni") => CvtRound::Rni,
            Some("rzi") => CvtRound::Rzi,
            Some("rmi") => CvtRound::Rmi,
            Some("rpi") => CvtRound::Rpi,
            Some("rna") => CvtRound::Rna,
            Some("rn") => CvtRound::Rn,
            Some("rz") => CvtRound::Rz,
            Some("rm") => CvtRound::Rm,
            Some("rp") => CvtRound::Rp,
            _ => CvtRound::None,
        };
        let (ftz, relu) = (op.has("ftz"), op.has("relu"));
        if op.has("rs") {
            return self.unsupported("this conversion is not implemented");
        }
        if op.has("pack") {
            return self.pack_saturated(op, o);
        }
        // Eight-bit floats.
        if let Some(k) = op.mods.iter().position(|m| matches!(*m, "e4m3x2" | "e5m2x2")) {
            let e5 = u64::from(op.mods[k] == "e5m2x2");
            let imm = e5 | u64::from(relu) << 1;
            let to_half = op.mods.iter().position(|m| *m == "f16x2").is_some_and(|h| h < k);
            if to_half {
                let d = self.destination(self.operand(o, 0)?, Type::F16x2)?;
                let a = self.source(self.operand(o, 1)?, Type::B16)?;
                let s = self.need_scalar("unpack8")?;
                self.emit_scalar(s, d, &[a], imm);
            } else {
                let d = self.destination(self.operand(o, 0)?, Type::B16)?;
                let s = self.need_scalar("pack8")?;
                match op.types.last() {
                    Some(Type::F32) => {
                        let v = self.sources(o, 1, &[Type::F32; 2])?;
                        self.emit_scalar(s, d, &v, imm);
                    }
                    Some(Type::F16x2) => {
                        let v = self.sources(o, 1, &[Type::F16x2])?;
                        self.emit_scalar(s, d, &v, imm | 4);
                    }
                    _ => return self.unsupported("this conversion is not implemented"),
                }
            }
            return Ok(());
        }
        let [dt, st] = op.types[..] else { return self.unsupported("this conversion is not implemented") };
        match (dt, st) {
            (Type::F16x2 | Type::Bf16x2, Type::F32) => {
                if !matches!(round, CvtRound::Rn | CvtRound::Rz) {
                    return self.unsupported("this conversion is not implemented");
                }
                let d = self.destination(self.operand(o, 0)?, Type::B32)?;
                let v = self.sources(o, 1, &[Type::F32; 2])?;
                let imm = u64::from(dt == Type::Bf16x2)
                    | u64::from(relu) << 1
                    | u64::from(round == CvtRound::Rz) << 2
                    | u64::from(ftz) << 3
                    | u64::from(op.has("satfinite")) << 4;
                let s = self.need_scalar("pack")?;
                // `pack` names both the integer and the floating-point form; this is the latter.
                let s = convert::scalar("pack").unwrap_or(s);
                self.emit_scalar(s, d, &v, imm);
                Ok(())
            }
            (Type::Tf32, Type::F32) => {
                let d = self.destination(self.operand(o, 0)?, Type::B32)?;
                let v = self.sources(o, 1, &[Type::F32])?;
                let imm = match round {
                    CvtRound::Rn => 1,
                    CvtRound::Rz => 2,
                    _ => 0,
                } | u64::from(relu) << 2
                    | u64::from(op.has("satfinite")) << 3;
                let s = self.need_scalar("tf32")?;
                self.emit_scalar(s, d, &v, imm);
                Ok(())
            }
            _ => {
                if op.has("satfinite") {
                    if !matches!((dt, st), (Type::F16 | Type::Bf16, Type::F32)) || !matches!(round, CvtRound::Rn | CvtRound::Rz) {
                        return self.unsupported("satfinite");
                    }
                    // The lower half of the packed form.
                    let d = self.destination(self.operand(o, 0)?, dt)?;
                    let a = self.source(self.operand(o, 1)?, Type::F32)?;
                    let zero = self.bits(Class::W32, 0);
                    let imm = u64::from(dt == Type::Bf16) | u64::from(relu) << 1 | u64::from(round == CvtRound::Rz) << 2 | 1 << 4;
                    let Some(s) = convert::scalar("pack") else { return self.unsupported("satfinite") };
                    self.emit_scalar(s, d, &[zero, a], imm);
                    return Ok(());
                }
                // Registers may be wider than the types; what counts is the low part.
                let (d, d_reg) = match self.operand(o, 0)? {
                    Operand::Sink => (self.temp(class_of(dt)), dt),
                    x => self.destination_any(x)?,
                };
                let (mut a, a_reg) = self.source_any(self.operand(o, 1)?, st)?;
                if class_of(a_reg) != class_of(st) {
                    if class_of(a_reg) != Class::W64 {
                        return self.invalid("source register is too narrow");
                    }
                    let t = self.temp(Class::W32);
                    self.emit3(int::half64(false), t, &[a]);
                    a = t;
                }
                let cvt = Cvt {
                    dst: if dt == Type::B8 { Type::U8 } else { dt },
                    src: st,
                    round,
                    sat: op.has("sat"),
                    ftz,
                    relu,
                    register_bits: d_reg.size() * 8,
                };
                if class_of(d_reg) == class_of(dt) {
                    return self.convert(d, a, cvt);
                }
                if class_of(d_reg) != Class::W64 || dt.is_float() {
                    return self.invalid("destination register does not fit");
                }
                // An integer of at most 32 bits into a 64-bit register: convert, then extend.
                let t = self.temp(Class::W32);
                self.convert(t, a, Cvt { register_bits: 32, ..cvt })?;
                let (src, dst) = if dt.is_signed() { (Type::S32, Type::S64) } else { (Type::U32, Type::U64) };
                self.convert(d, t, Cvt { dst, src, round: CvtRound::None, sat: false, ftz: false, relu: false, register_bits: 64 })
            }
        }
    }

    /// cvt.pack.sat.TO.FROM{.b32}: two integers in the low part, the third operand above them.
    fn pack_saturated(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some(to) = op.mods.iter().find(|m| matches!(m.as_bytes(), [b'u' | b's', digits @ ..] if matches!(digits, b"16" | b"8" | b"4" | b"2"))) else {
            return self.invalid("packed type");
        };
        let bits: u64 = to[1..].parse().unwrap_or(16);
        let from = op.mods.iter().skip_while(|m| *m != to).nth(1).copied();
        let third = op.mods.last() == Some(&"b32");
        if !op.has("sat") || !matches!(from, Some("s32" | "u32")) || (bits < 16) != third || o.len() != 3 + usize::from(third) {
            return self.invalid("packing conversion");
        }
        let d = self.destination(self.operand(o, 0)?, Type::B32)?;
        let v = self.sources(o, 1, &[Type::B32; 3][..if third { 3 } else { 2 }])?;
        let imm = bits | u64::from(to.starts_with('s')) << 8 | u64::from(from == Some("s32")) << 9;
        self.emit_scalar(packed::pack_saturated_fn(), d, &v, imm);
        Ok(())
    }

    pub(super) fn mov(&mut self, ty: Type, o: &[Operand]) -> Result<()> {
        let (d, a) = (self.operand(o, 0)?, self.operand(o, 1)?);
        if ty == Type::Pred {
            let d = self.destination(d, ty)?;
            if let Operand::Int(v) = a {
                let mut i = Lowered::new(int::pred_set());
                i.d = d.into();
                i.imm = u64::from(*v != 0);
                self.emit(i);
            } else {
                let (p, not) = self.predicate(a)?;
                self.logic(4, d, p, None, u64::from(not));
            }
            return Ok(());
        }
        let wide = ty == Type::B128;
        match (d, a) {
            (Operand::Vector(parts), _) if !matches!(a, Operand::Vector(_)) && !wide => self.unpack(ty, parts, a),
            (_, Operand::Vector(parts)) if !matches!(d, Operand::Vector(_)) && !wide => self.pack(ty, d, parts),
            (Operand::Vector(_), _) | (_, Operand::Vector(_)) => {
                // 128-bit values, and vectors, register by register; through temporaries, as they may overlap.
                let to = self.register_list(d)?;
                let from = self.register_list(a)?;
                if to.len() != from.len() {
                    return self.invalid("vectors of different lengths");
                }
                self.move_list(&to, &from)
            }
            _ if wide => {
                let to = self.register_list(d)?;
                let from = self.register_list(a)?;
                if to.len() != from.len() {
                    return self.invalid("a 128-bit register belongs here");
                }
                self.move_list(&to, &from)
            }
            _ => {
                // Vector registers move whole.
                if let (Operand::Name(_, None), Operand::Name(n, None)) = (d, a)
                    && !n.starts_with('%')
                    && let Ok(list) = self.register_list(a)
                    && list.len() > 1
                {
                    let to = self.register_list(d)?;
                    return self.move_list(&to, &list);
                }
                let d = self.destination(d, ty)?;
                let (v, found) = self.source_any(a, ty)?;
                if class_of(found) == class_of(ty) {
                    self.copy(d, v);
                } else if class_of(found) == Class::W64 && class_of(ty) == Class::W32 {
                    self.emit3(int::half64(false), d, &[v]);
                } else if class_of(found) == Class::W32 && class_of(ty) == Class::W64 {
                    // Special registers of 32 bits may be read as 64.
                    let zero = self.bits(Class::W32, 0);
                    self.emit3(int::pack64(), d, &[v, zero]);
                } else {
                    return self.invalid("operand type");
                }
                Ok(())
            }
        }
    }

    fn move_list(&mut self, to: &[(Option<V>, Type)], from: &[(Option<V>, Type)]) -> Result<()> {
        let mut held = Vec::new();
        for ((d, dt), (s, st)) in to.iter().zip(from) {
            let (Some(d), Some(s)) = (d, s) else { continue };
            if class_of(*dt) != class_of(*st) {
                return self.invalid("vector elements of different widths");
            }
            let t = self.temp(class_of(*st));
            self.copy(t, *s);
            held.push((*d, t));
        }
        for (d, t) in held {
            self.copy(d, t);
        }
        Ok(())
    }

    /// Bits of each part of a value that is taken apart or put together.
    fn part_width(&self, ty: Type, parts: &[Operand]) -> Result<u32> {
        match parts.len() {
            2 | 4 | 8 if ty.size() as usize >= parts.len() => Ok(ty.size() * 8 / parts.len() as u32),
            n => self.invalid(format!("{n} parts of {ty}")),
        }
    }

    /// mov.b64 {lo, hi}, a and the like.
    fn unpack(&mut self, ty: Type, parts: &[Operand], a: &Operand) -> Result<()> {
        let width = self.part_width(ty, parts)?;
        let a = self.source(a, ty)?;
        for (k, p) in parts.iter().enumerate() {
            if *p == Operand::Sink {
                continue;
            }
            let (d, _) = self.destination_any(p)?;
            if width == 32 && ty.size() == 8 {
                self.emit3(int::half64(k == 1), d, &[a]);
            } else {
                let s = self.need_scalar("unpack")?;
                self.emit_scalar(s, d, &[a], u64::from(width) | (k as u64 * u64::from(width)) << 8);
            }
        }
        Ok(())
    }

    fn pack(&mut self, ty: Type, d: &Operand, parts: &[Operand]) -> Result<()> {
        let width = self.part_width(ty, parts)?;
        let part_ty = match width {
            8 => Type::B8,
            16 => Type::B16,
            32 => Type::B32,
            _ => return self.invalid("vector elements"),
        };
        let mut v = Vec::new();
        for p in parts {
            v.push(self.source(p, part_ty)?);
        }
        let d = self.destination(d, ty)?;
        if width == 32 {
            self.emit3(int::pack64(), d, &v);
        } else if v.len() <= 4 {
            let Some(s) = int::scalar("pack") else { return self.unsupported("pack") };
            self.emit_scalar(s, d, &v, u64::from(width));
        } else {
            return self.unsupported("more than four elements");
        }
        Ok(())
    }
}
