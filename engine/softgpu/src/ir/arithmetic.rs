//! Arithmetic and selection; comparisons and conversions have files of their own.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, Meaning, V};
use super::operand::{Result, class_of};
use crate::exec::code::OpFn;
use crate::exec::convert::{self, Cvt, CvtRound};
use crate::exec::float::{self, FloatForm, Round};
use crate::exec::{int, packed};
use crate::ptx::{Operand, Type};

pub(super) fn round_of(op: &Opcode<'_>) -> Round {
    match op.one_of(&["rn", "rz", "rm", "rp"]) {
        Some("rz") => Round::Zero,
        Some("rm") => Round::Down,
        Some("rp") => Round::Up,
        _ => Round::Nearest,
    }
}

/// The unsigned type of the same width, which bit operations use.
fn bits_type(ty: Type) -> Type {
    match ty.size() {
        1 => Type::U8,
        2 => Type::U16,
        4 => Type::U32,
        _ => Type::U64,
    }
}

impl Lowerer<'_, '_> {
    pub(super) fn need(&self, f: Option<OpFn>) -> Result<OpFn> {
        match f {
            Some(f) => Ok(f),
            None => self.unsupported("this form is not implemented"),
        }
    }

    pub(super) fn need_scalar(&self, name: &str) -> Result<crate::exec::code::ScalarFn> {
        match int::scalar(name).or_else(|| convert::scalar(name)) {
            Some(f) => Ok(f),
            None => self.unsupported("this form is not implemented"),
        }
    }

    /// Reads operands `from..` with the given types.
    pub(super) fn sources(&mut self, o: &[Operand], from: usize, types: &[Type]) -> Result<Vec<V>> {
        let mut v = Vec::with_capacity(types.len());
        for (k, t) in types.iter().enumerate() {
            v.push(self.source(self.operand(o, from + k)?, *t)?);
        }
        Ok(v)
    }

    pub(super) fn arithmetic_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if let Some(t @ ("u16x2" | "s16x2")) = op.mods.last().copied() {
            return self.halfwords(op, t == "s16x2", o);
        }
        let ty = match op.types.last() {
            Some(t) => *t,
            None if op.base == "mov" => Type::B64,
            None => match op.base {
                "cvt" => Type::B32,
                _ => return self.unsupported("this instruction is not implemented"),
            },
        };
        match op.base {
            "mov" => self.mov(ty, o),
            "cvt" => self.cvt(op, o),
            "setp" => self.setp(op, o),
            "set" => self.set(op, o),
            "selp" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let v = self.sources(o, 1, &[ty, ty])?;
                let (p, not) = self.predicate(self.operand(o, 3)?)?;
                let (a, b) = if not { (v[1], v[0]) } else { (v[0], v[1]) };
                self.emit3(int::select(class_of(ty) == Class::W64), d, &[a, b, p]);
                Ok(())
            }
            "slct" => {
                let [dt, ct] = op.types[..] else { return self.invalid("types") };
                let d = self.destination(self.operand(o, 0)?, dt)?;
                let v = self.sources(o, 1, &[dt, dt, ct])?;
                let zero = self.bits(class_of(ct), 0);
                let p = self.temp(Class::P);
                let f = if ct == Type::F32 {
                    float::compare("ge", ct, op.has("ftz"), false)
                } else {
                    int::compare("ge", ct, false)
                };
                let f = self.need(f)?;
                self.emit3(f, p, &[v[2], zero]);
                self.emit3(int::select(class_of(dt) == Class::W64), d, &[v[0], v[1], p]);
                Ok(())
            }
            "and" | "or" | "xor" | "not" if ty == Type::Pred => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let (a, na) = self.predicate(self.operand(o, 1)?)?;
                let kind = match op.base {
                    "and" => 0,
                    "or" => 1,
                    "xor" => 2,
                    _ => 3,
                };
                if kind == 3 {
                    self.logic(3, d, a, None, u64::from(na));
                } else {
                    let (b, nb) = self.predicate(self.operand(o, 2)?)?;
                    self.logic(kind, d, a, Some(b), u64::from(na) | u64::from(nb) << 1);
                }
                Ok(())
            }
            "add" | "sub" | "mul" | "mad" | "fma" | "div" | "min" | "max" | "neg" | "abs" if ty.is_float() => {
                self.float(op, ty, o)
            }
            "rcp" | "sqrt" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" | "copysign" => self.float(op, ty, o),
            "testp" => {
                let d = self.destination(self.operand(o, 0)?, Type::Pred)?;
                let a = self.source(self.operand(o, 1)?, ty)?;
                let names = ["finite", "infinite", "number", "notanumber", "normal", "subnormal"];
                let Some(kind) = names.iter().position(|n| op.has(n)) else { return self.invalid("property") };
                self.emit_scalar(float::test_property(), d, &[a], kind as u64 | u64::from(ty == Type::F64) << 8);
                Ok(())
            }
            _ => self.integer(op, ty, o),
        }
    }

    /// Two halfwords in one register.
    fn halfwords(&mut self, op: &Opcode<'_>, signed: bool, o: &[Operand]) -> Result<()> {
        let kind = match op.base {
            "add" => 0,
            "min" => 1,
            "max" => 2,
            _ => return self.invalid("pairs of halfwords"),
        };
        let d = self.destination(self.operand(o, 0)?, Type::B32)?;
        let v = self.sources(o, 1, &[Type::B32; 2])?;
        let imm = kind | u64::from(signed) << 2 | u64::from(op.has("relu")) << 3;
        self.emit_scalar(packed::halfword_op(), d, &v, imm);
        Ok(())
    }

    fn integer(&mut self, op: &Opcode<'_>, ty: Type, o: &[Operand]) -> Result<()> {
        let bits = u64::from(ty.size()) * 8;
        let sign = u64::from(ty.is_signed());
        match op.base {
            "add" | "sub" | "addc" | "subc" | "madc" => {
                if op.has("cc") || op.base.ends_with('c') {
                    return self.carry(op, ty, o);
                }
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let v = self.sources(o, 1, &[ty, ty])?;
                let name = match (op.base, op.has("sat")) {
                    ("add", true) => "add.sat",
                    ("sub", true) => "sub.sat",
                    (b, _) => b,
                };
                let f = self.need(int::binary(name, ty))?;
                let plain = name == "add" && ty.size() == 8;
                self.emit3_meaning(f, d, &v, if plain { Meaning::Add64 } else { Meaning::Pure });
                Ok(())
            }
            "mul" | "mad" => {
                let mode = op.one_of(&["lo", "hi", "wide"]);
                let (d_ty, mode) = match mode {
                    Some("wide") => (
                        match ty {
                            Type::U16 => Type::U32,
                            Type::S16 => Type::S32,
                            Type::U32 => Type::U64,
                            Type::S32 => Type::S64,
                            _ => return self.invalid("wide product of this type"),
                        },
                        "wide",
                    ),
                    Some(m) => (ty, m),
                    None => return self.invalid("mul and mad of integers need lo, hi or wide"),
                };
                if op.has("cc") {
                    return self.carry(op, ty, o);
                }
                let d = self.destination(self.operand(o, 0)?, d_ty)?;
                if op.base == "mul" {
                    let v = self.sources(o, 1, &[ty, ty])?;
                    let f = self.need(int::binary(&format!("mul.{mode}"), ty))?;
                    let wide = mode == "wide" && ty.size() == 4;
                    let meaning = if wide { Meaning::MulWide { signed: ty.is_signed() } } else { Meaning::Pure };
                    self.emit3_meaning(f, d, &v, meaning);
                } else {
                    let v = self.sources(o, 1, &[ty, ty, d_ty])?;
                    if mode == "hi" {
                        let s = self.need_scalar("mad.hi")?;
                        self.emit_scalar(s, d, &v, bits | sign << 8 | u64::from(op.has("sat")) << 9);
                    } else {
                        let f = self.need(int::ternary(&format!("mad.{mode}"), ty))?;
                        let wide = mode == "wide" && ty.size() == 4;
                        let meaning = if wide { Meaning::MadWide { signed: ty.is_signed() } } else { Meaning::Pure };
                        self.emit3_meaning(f, d, &v, meaning);
                    }
                }
                Ok(())
            }
            "mul24" | "mad24" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let add = op.base == "mad24";
                let v = self.sources(o, 1, &[ty; 3][..if add { 3 } else { 2 }])?;
                if op.has("sat") {
                    if !add || !op.has("hi") || ty != Type::S32 {
                        return self.invalid("saturation of this form");
                    }
                    self.emit_scalar(packed::mad24_hi_sat(), d, &v, 0);
                    return Ok(());
                }
                let s = self.need_scalar("mul24")?;
                self.emit_scalar(s, d, &v, u64::from(op.has("hi")) | sign << 1 | u64::from(add) << 2);
                Ok(())
            }
            "div" | "rem" | "min" | "max" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                if op.has("relu") {
                    if ty != Type::S32 || !matches!(op.base, "min" | "max") {
                        return self.invalid("relu of this form");
                    }
                    let v = self.sources(o, 1, &[ty, ty])?;
                    let kind = if op.base == "min" { 1 } else { 2 };
                    self.emit_scalar(packed::halfword_op(), d, &v, kind | 0b11100);
                    return Ok(());
                }
                let v = self.sources(o, 1, &[ty, ty])?;
                let f = self.need(int::binary(op.base, ty))?;
                self.emit3(f, d, &v);
                Ok(())
            }
            "and" | "or" | "xor" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let v = self.sources(o, 1, &[ty, ty])?;
                let f = self.need(int::binary(op.base, ty))?;
                self.emit3(f, d, &v);
                Ok(())
            }
            "shl" | "shr" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let v = self.sources(o, 1, &[ty, Type::U32])?;
                let f = self.need(int::binary(op.base, ty))?;
                self.emit3(f, d, &v);
                Ok(())
            }
            "not" | "neg" | "abs" | "popc" | "clz" | "brev" | "cnot" => {
                let dt = if matches!(op.base, "popc" | "clz") { Type::U32 } else { ty };
                let d = self.destination(self.operand(o, 0)?, dt)?;
                let a = self.source(self.operand(o, 1)?, ty)?;
                if op.base == "cnot" {
                    let zero = self.bits(class_of(ty), 0);
                    let one = self.bits(class_of(ty), 1);
                    let p = self.temp(Class::P);
                    let f = self.need(int::compare("eq", bits_type(ty), false))?;
                    self.emit3(f, p, &[a, zero]);
                    self.emit3(int::select(class_of(ty) == Class::W64), d, &[one, zero, p]);
                    return Ok(());
                }
                let f = self.need(int::unary(op.base, ty))?;
                self.emit3(f, d, &[a]);
                Ok(())
            }
            "shf" => {
                let d = self.destination(self.operand(o, 0)?, ty)?;
                let v = self.sources(o, 1, &[ty, ty, Type::U32])?;
                self.emit3(int::funnel(op.has("l"), op.has("wrap")), d, &v);
                Ok(())
            }
            "lop3" => {
                let (d, p) = match self.operand(o, 0)? {
                    Operand::Pair(d, p) => (&**d, Some(&**p)),
                    d => (d, None),
                };
                if o.len() != 5 + usize::from(p.is_some()) || p.is_some() != (op.has("and") || op.has("or")) {
                    return self.invalid("number of operands");
                }
                let d = self.destination(d, ty)?;
                let v = self.sources(o, 1, &[ty; 3])?;
                let Operand::Int(table) = self.operand(o, 4)? else { return self.invalid("look-up table") };
                let mut i = Lowered::new(int::lop3());
                i.meaning = Meaning::Pure;
                i.d = d.into();
                (i.a, i.b, i.c) = (v[0].into(), v[1].into(), v[2].into());
                i.imm = *table;
                self.emit(i);
                if let Some(p) = p {
                    // Whether the result is not zero, joined with the last operand.
                    let p = self.destination(p, Type::Pred)?;
                    let (q, not) = self.predicate(self.operand(o, 5)?)?;
                    let zero = self.bits(Class::W32, 0);
                    let t = self.temp(Class::P);
                    let f = self.need(int::compare("ne", Type::U32, false))?;
                    self.emit3(f, t, &[d, zero]);
                    self.logic(u64::from(op.has("or")), p, t, Some(q), u64::from(not) << 1);
                }
                Ok(())
            }
            "bfe" | "bfi" | "bfind" | "bmsk" | "szext" | "prmt" | "sad" | "fns" => {
                let (types, imm): (Vec<Type>, u64) = match op.base {
                    "bfe" => (vec![ty, Type::U32, Type::U32], bits | sign << 8),
                    "bfi" => (vec![ty, ty, Type::U32, Type::U32], bits),
                    "bfind" => (vec![ty], bits | sign << 8 | u64::from(op.has("shiftamt")) << 9),
                    "bmsk" => (vec![Type::U32; 2], u64::from(op.has("wrap"))),
                    "szext" => (vec![ty, Type::U32], u64::from(op.has("wrap")) | sign << 1),
                    "prmt" => {
                        let modes = ["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"];
                        (vec![Type::U32; 3], modes.iter().position(|m| op.has(m)).map_or(0, |k| k as u64 + 1))
                    }
                    "sad" => (vec![ty; 3], bits | sign << 8),
                    _ => (vec![Type::U32; 3], 0),
                };
                let dt = if op.base == "bfind" { Type::U32 } else { ty };
                let d = self.destination(self.operand(o, 0)?, dt)?;
                let v = self.sources(o, 1, &types)?;
                let s = self.need_scalar(op.base)?;
                self.emit_scalar(s, d, &v, imm);
                Ok(())
            }
            "dp4a" | "dp2a" => {
                let [at, bt] = op.types[..] else { return self.invalid("types") };
                let d = self.destination(self.operand(o, 0)?, Type::B32)?;
                let v = self.sources(o, 1, &[Type::B32; 3])?;
                let imm = u64::from(at.is_signed())
                    | u64::from(bt.is_signed()) << 1
                    | u64::from(op.base == "dp2a") << 2
                    | u64::from(op.has("hi")) << 3;
                let s = self.need_scalar("dot")?;
                self.emit_scalar(s, d, &v, imm);
                Ok(())
            }
            _ => self.unsupported("this instruction is not implemented"),
        }
    }

    /// add.cc, addc, sub.cc, subc, mad.cc, madc.
    fn carry(&mut self, op: &Opcode<'_>, ty: Type, o: &[Operand]) -> Result<()> {
        let d = self.destination(self.operand(o, 0)?, ty)?;
        let kind = match op.base {
            "add" | "addc" => 0,
            "sub" | "subc" => 1,
            _ if op.has("lo") => 2,
            _ if op.has("hi") => 3,
            _ => return self.invalid("lo or hi missing"),
        };
        let v = self.sources(o, 1, &[ty; 3][..if kind >= 2 { 3 } else { 2 }])?;
        let mut i = Lowered::new(int::carry());
        i.d = d.into();
        (i.a, i.b) = (v[0].into(), v[1].into());
        i.c = v.get(2).map_or(Field::None, |v| Field::Reg(*v));
        i.imm = kind
            | u64::from(op.base.ends_with('c')) << 2
            | u64::from(op.has("cc")) << 3
            | u64::from(ty.size() == 8) << 4
            | u64::from(ty.is_signed()) << 5;
        self.emit(i);
        Ok(())
    }

    fn float(&mut self, op: &Opcode<'_>, ty: Type, o: &[Operand]) -> Result<()> {
        use float::op as code;
        let ftz = op.has("ftz");
        let round = round_of(op);
        let sat = op.has("sat");
        let name = if op.base == "mad" { "fma" } else { op.base };
        let arity = match name {
            "fma" => 3,
            "add" | "sub" | "mul" | "div" | "min" | "max" | "copysign" => 2,
            _ => 1,
        };
        if matches!(name, "min" | "max") && o.len() == 4 && op.types == [Type::F32] {
            return self.extreme_of_three(op, o);
        }
        if o.len() != arity + 1 {
            return self.unsupported(format!("{} operands", o.len()));
        }
        let d = self.destination(self.operand(o, 0)?, op.types[0])?;
        let mut v;
        let mut ty = ty;
        if let [dt, at] = op.types[..]
            && dt == Type::F32
            && matches!(at, Type::F16 | Type::Bf16)
        {
            // Mixed precision: all operands but the last are of the narrow type.
            v = Vec::new();
            let narrow = if name == "fma" { 2 } else { 1 };
            for k in 0..arity {
                let x = self.source(self.operand(o, k + 1)?, if k < narrow { at } else { dt })?;
                if k < narrow {
                    let t = self.temp(Class::W32);
                    self.convert(t, x, Cvt { dst: dt, src: at, round: CvtRound::None, sat: false, ftz: false, relu: false, register_bits: 32 })?;
                    v.push(t);
                } else {
                    v.push(x);
                }
            }
            ty = dt;
        } else {
            if op.types.len() != 1 {
                return self.unsupported("mixed types");
            }
            v = self.sources(o, 1, &[ty; 3][..arity])?;
        }
        if ty == Type::F64 && op.has("approx") {
            let imm = match name {
                "rcp" => 0,
                "rsqrt" => 1,
                _ => return self.unsupported("approximation in double precision"),
            } | u64::from(ftz) << 1
                | u64::from(name == "rsqrt" && !ftz) << 2;
            self.emit_scalar(float::approx64(), d, &v, imm);
            return Ok(());
        }
        let special = op.has("relu") || op.has("NaN") || op.has("xorsign") || op.has("oob");
        if op.has("oob") {
            return self.unsupported("out-of-bounds form");
        }
        if name == "div" && ty == Type::F32 && op.has("approx") {
            self.emit3(float::divide_approximately(ftz), d, &v);
            return Ok(());
        }
        if round == Round::Nearest
            && !special
            && let Some(f) = float::vector(name, ty, ftz)
        {
            if sat {
                let t = self.temp(class_of(ty));
                self.emit3(f, t, &v);
                return self.convert(d, t, Cvt { dst: ty, src: ty, round: CvtRound::None, sat: true, ftz, relu: false, register_bits: 32 });
            }
            self.emit3(f, d, &v);
            return Ok(());
        }
        let half = matches!(ty, Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2);
        let number = match name {
            "add" => code::ADD,
            "sub" => code::SUB,
            "mul" => code::MUL,
            "div" => code::DIV,
            "sqrt" => code::SQRT,
            "fma" => code::FMA,
            "min" => code::MIN,
            "max" => code::MAX,
            "neg" => code::NEG,
            "abs" => code::ABS,
            "rcp" => code::RCP,
            "copysign" => code::COPYSIGN,
            "ex2" if half => code::EX2,
            "tanh" if half => code::TANH,
            _ => return self.unsupported("this form is not implemented"),
        };
        if half && round != Round::Nearest {
            return self.unsupported("directed rounding of half precision");
        }
        if ty == Type::F64 && number == code::FMA && round != Round::Nearest && !float::has_directed_fma64() {
            return self.unsupported("directed rounding of fused multiply-add on this processor");
        }
        let form = FloatForm {
            round,
            ftz,
            sat,
            relu: op.has("relu"),
            nan: op.has("NaN"),
            xorsign: op.has("xorsign"),
            packed: matches!(ty, Type::F16x2 | Type::Bf16x2),
            bf16: matches!(ty, Type::Bf16 | Type::Bf16x2),
            op: number,
        };
        match float::scalar(ty) {
            Some(s) => {
                self.emit_scalar(s, d, &v, form.pack());
                Ok(())
            }
            None => self.unsupported("floating-point type"),
        }
    }

    /// min and max of three numbers.
    fn extreme_of_three(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let d = self.destination(self.operand(o, 0)?, Type::F32)?;
        let mut v = self.sources(o, 1, &[Type::F32; 3])?;
        let ftz = op.has("ftz");
        if op.has("abs") {
            let f = self.need(float::vector("abs", Type::F32, ftz))?;
            for x in &mut v {
                let t = self.temp(Class::W32);
                self.emit3(f, t, &[*x]);
                *x = t;
            }
        }
        let form = FloatForm {
            round: Round::Nearest,
            ftz,
            sat: false,
            relu: false,
            nan: op.has("NaN"),
            xorsign: false,
            packed: false,
            bf16: false,
            op: if op.base == "min" { float::op::MIN } else { float::op::MAX },
        };
        let Some(s) = float::scalar(Type::F32) else { return self.unsupported("floating-point type") };
        let t = self.temp(Class::W32);
        self.emit_scalar(s, t, &v[..2], form.pack());
        self.emit_scalar(s, d, &[t, v[2]], form.pack());
        Ok(())
    }
}
