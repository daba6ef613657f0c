//! Video instructions.

use super::function::{Lowerer, Opcode};
use super::inst::V;
use super::operand::Result;
use crate::exec::video::{self, Compute, Packed, Part, Scalar, Second};
use crate::ptx::{Operand, Type};

/// An operand of a video instruction taken apart: whether it is negated, the register, the selector.
fn apart(o: &Operand) -> (bool, Operand, Option<&str>) {
    match o {
        Operand::Negative(inner) => {
            let (n, o, s) = apart(inner);
            (!n, o, s)
        }
        Operand::Part(name, selector) => (false, Operand::Name(name.clone(), None), Some(selector)),
        o => (false, o.clone(), None),
    }
}

/// `b2`, `h1`.
fn part(selector: &str) -> Option<Part> {
    let (kind, n) = selector.split_at_checked(1)?;
    let n: u32 = n.parse().ok()?;
    match kind {
        "b" if n < 4 => Some(Part { shift: 8 * n, bits: 8 }),
        "h" if n < 2 => Some(Part { shift: 16 * n, bits: 16 }),
        _ => None,
    }
}

impl Lowerer<'_, '_> {
    fn video_operand(&mut self, o: &Operand) -> Result<(bool, V, Part)> {
        let (negative, o, selector) = apart(o);
        let v = self.source(&o, Type::B32)?;
        let p = match selector {
            None => Part::WORD,
            Some(s) => match part(s) {
                Some(p) => p,
                None => return self.invalid(format!("selector .{s}")),
            },
        };
        Ok((negative, v, p))
    }

    pub(super) fn video(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if op.types.iter().any(|t| !matches!(t, Type::U32 | Type::S32)) {
            return self.invalid("types other than u32 and s32");
        }
        let name = &op.base[1..];
        match name.strip_suffix('4').map(|n| (n, 4)).or_else(|| name.strip_suffix('2').map(|n| (n, 2))) {
            Some((name, elements)) => self.video_packed(op, o, name, elements),
            None if name == "mad" => self.video_mad(op, o),
            None => self.video_scalar(op, o, name),
        }
    }

    fn compute(&self, op: &Opcode<'_>, name: &str) -> Result<Compute> {
        use Compute::*;
        Ok(match name {
            "add" => Add,
            "sub" => Sub,
            "absdiff" => AbsDiff,
            "min" => Min,
            "max" => Max,
            "avrg" => Average,
            "shl" => if op.has("wrap") { ShlWrap } else { ShlClamp },
            "shr" => if op.has("wrap") { ShrWrap } else { ShrClamp },
            "set" => match op.one_of(&["eq", "ne", "lt", "le", "gt", "ge"]) {
                Some("eq") => Eq,
                Some("ne") => Ne,
                Some("lt") => Lt,
                Some("le") => Le,
                Some("gt") => Gt,
                Some(_) => Ge,
                None => return self.invalid("comparison missing"),
            },
            _ => return self.unsupported("this instruction is not implemented"),
        })
    }

    /// Types of d, a and b; comparisons give unsigned numbers.
    fn video_types(&self, op: &Opcode<'_>, name: &str) -> Result<[bool; 3]> {
        match (op.types[..].iter().map(|t| t.is_signed()).collect::<Vec<_>>().as_slice(), name) {
            ([a, b], "set") => Ok([false, *a, *b]),
            ([d, a, b], n) if n != "set" => Ok([*d, *a, *b]),
            _ => self.invalid("types"),
        }
    }

    fn video_scalar(&mut self, op: &Opcode<'_>, o: &[Operand], name: &str) -> Result<()> {
        let compute = self.compute(op, name)?;
        let [d_signed, a_signed, b_signed] = self.video_types(op, name)?;
        let (_, d, selector) = apart(self.operand(o, 0)?);
        let merge = match selector {
            None => None,
            Some(s) => match part(s) {
                Some(p) => Some(p),
                None => return self.invalid(format!("selector .{s}")),
            },
        };
        let second = match op.mods.last().copied() {
            Some("add") => Second::Add,
            Some("min") => Second::Min,
            Some("max") => Second::Max,
            _ => Second::None,
        };
        let third = merge.is_some() || second != Second::None;
        if o.len() != 3 + usize::from(third) || merge.is_some() && second != Second::None {
            return self.invalid("number of operands");
        }
        let (na, a, ap) = self.video_operand(self.operand(o, 1)?)?;
        let (nb, b, bp) = self.video_operand(self.operand(o, 2)?)?;
        if na || nb {
            return self.invalid("negated operand");
        }
        let mut v = vec![a, b];
        if third {
            v.push(self.source(self.operand(o, 3)?, Type::B32)?);
        }
        let d = self.destination(&d, Type::B32)?;
        let k = Scalar { compute, signed: [a_signed, b_signed], d_signed, saturate: op.has("sat"), second, a: ap, b: bp, merge };
        self.emit_scalar(video::scalar(), d, &v, k.pack());
        Ok(())
    }

    fn video_mad(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        use video::mad::*;
        let [_, a_signed, b_signed] = self.video_types(op, "mad")?;
        if o.len() != 4 {
            return self.invalid("number of operands");
        }
        let (na, a, ap) = self.video_operand(self.operand(o, 1)?)?;
        let (nb, b, bp) = self.video_operand(self.operand(o, 2)?)?;
        let (nc, c, cp) = self.video_operand(self.operand(o, 3)?)?;
        let po = op.has("po");
        if cp != Part::WORD || po && (na || nb || nc) || (na != nb) && nc {
            return self.invalid("operands");
        }
        let shift = match op.one_of(&["shr7", "shr15"]) {
            Some("shr7") => 7,
            Some(_) => 15,
            None => 0,
        };
        let flag = |on: bool, f: u64| if on { f } else { 0 };
        let flags = flag(a_signed, A_SIGNED)
            | flag(b_signed, B_SIGNED)
            | flag(op.has("sat"), SATURATE)
            | flag(na != nb, NEGATE_PRODUCT)
            | flag(nc, NEGATE_C)
            | flag(po, PLUS_ONE);
        let d = self.destination(self.operand(o, 0)?, Type::B32)?;
        self.emit_scalar(video::multiply_add(), d, &[a, b, c], video::pack_mad(flags, shift, ap, bp));
        Ok(())
    }

    fn video_packed(&mut self, op: &Opcode<'_>, o: &[Operand], name: &str, elements: u32) -> Result<()> {
        let compute = self.compute(op, name)?;
        let [d_signed, a_signed, b_signed] = self.video_types(op, name)?;
        if o.len() != 4 {
            return self.invalid("number of operands");
        }
        let letter = if elements == 4 { "b" } else { "h" };
        // Digits after the letter, the last one for element 0.
        let digits = |s: &str, most: u8| -> Option<Vec<u8>> {
            let list: Option<Vec<u8>> = s.strip_prefix(letter)?.bytes().rev().map(|c| c.checked_sub(b'0').filter(|d| *d < most)).collect();
            list.filter(|l| !l.is_empty() && l.len() <= elements as usize)
        };
        let (_, d, mask) = apart(self.operand(o, 0)?);
        let mask = match mask {
            None => (1 << elements) - 1,
            Some(s) => match digits(s, elements as u8) {
                Some(list) => list.iter().fold(0u32, |m, k| m | 1 << k),
                None => return self.invalid(format!("mask .{s}")),
            },
        };
        let mut v = Vec::new();
        let mut select = [[0u8; 4]; 2];
        for (k, list) in select.iter_mut().enumerate() {
            let (negative, x, selector) = apart(self.operand(o, k + 1)?);
            for (n, s) in list.iter_mut().enumerate().take(elements as usize) {
                *s = (n + k * elements as usize) as u8;
            }
            if let Some(s) = selector {
                match digits(s, 2 * elements as u8) {
                    Some(l) if l.len() == elements as usize => list[..l.len()].copy_from_slice(&l),
                    _ => return self.invalid(format!("selector .{s}")),
                }
            }
            if negative {
                return self.invalid("negated operand");
            }
            v.push(self.source(&x, Type::B32)?);
        }
        v.push(self.source(self.operand(o, 3)?, Type::B32)?);
        let d = self.destination(&d, Type::B32)?;
        let accumulate = op.mods.last() == Some(&"add");
        let k = Packed { compute, signed: [a_signed, b_signed], d_signed, saturate: op.has("sat"), accumulate, elements, mask, select };
        self.emit_scalar(video::packed(), d, &v, k.pack());
        Ok(())
    }
}
