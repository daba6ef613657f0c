//! Matrix instructions.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, V};
use super::operand::{Result, class_of};
use crate::exec::code::flag;
use crate::exec::matrix::{self, Element, Multiply, Transfer, registers};
use crate::ptx::{Operand, Type};

/// `m16n8k16` as numbers.
fn shape(op: &Opcode<'_>) -> Option<(u32, u32, u32)> {
    op.mods.iter().find_map(|s| {
        let (m, rest) = s.strip_prefix('m')?.split_once('n')?;
        let (n, k) = rest.split_once('k').unwrap_or((rest, "0"));
        Some((m.parse().ok()?, n.parse().ok()?, k.parse().ok()?))
    })
}

impl Lowerer<'_, '_> {
    /// Registers of a fragment, all of the class of `e`.
    fn fragment(&mut self, o: &Operand, e: Element) -> Result<Vec<Option<V>>> {
        let wanted = if e.bits() == 64 { Class::W64 } else { Class::W32 };
        let list = match o {
            Operand::Vector(items) => {
                let mut list = Vec::new();
                for x in items {
                    let (v, t) = self.source_any(x, if wanted == Class::W64 { Type::B64 } else { Type::B32 })?;
                    list.push((v, t));
                }
                list
            }
            _ => vec![self.source_any(o, if wanted == Class::W64 { Type::B64 } else { Type::B32 })?],
        };
        if list.iter().any(|(_, t)| class_of(*t) != wanted) {
            return self.invalid("fragment registers of another width");
        }
        Ok(list.into_iter().map(|(v, _)| Some(v)).collect())
    }

    fn multiply(&mut self, p: Multiply, o: &[Operand]) -> Result<()> {
        let d = self.fragment(self.operand(o, 0)?, p.d)?;
        let a = self.fragment(self.operand(o, 1)?, p.a)?;
        let b = self.fragment(self.operand(o, 2)?, p.b)?;
        let c = self.fragment(self.operand(o, 3)?, p.c)?;
        let enough = |have: usize, rows, cols, e: Element| have as u32 >= registers(rows, cols, e);
        if !(enough(a.len(), p.m, p.k, p.a) && enough(b.len(), p.k, p.n, p.b) && enough(c.len(), p.m, p.n, p.c) && enough(d.len(), p.m, p.n, p.d)) {
            return self.invalid("too few fragment registers");
        }
        let mut i = Lowered::new(matrix::op("multiply"));
        i.imm = p.pack();
        i.e = Field::Raw(d.len() as u32 | (a.len() as u32) << 8 | (b.len() as u32) << 16 | (c.len() as u32) << 24);
        i.side_def = true;
        i.side_defs = d.len();
        i.side = [d, a, b, c].concat();
        self.emit(i);
        Ok(())
    }

    fn mma(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some((m, n, k)) = shape(op) else { return self.invalid("shape missing") };
        let e: Vec<Element> = op.mods.iter().filter_map(|x| Element::from_name(x)).collect();
        let [d, a, b, c] = e[..] else { return self.unsupported("element types") };
        let known = matches!((m, n, k, a.bits()),
            (16, 8, 8 | 16, 16) | (16, 8, 4 | 8, 32) | (8, 8, 4, 64) | (16, 8, 4 | 8 | 16, 64) | (16, 8, 16 | 32, 8) | (8, 8, 16, 8));
        let odd = ["sp", "sp::ordered_metadata", "block_scale", "kind::mxf8f6f4", "xor", "and", "popc"].iter().any(|x| op.has(x));
        if !known || odd || a.bits() != b.bits() || !(op.has("row") && op.has("col")) || a.is_integer() != d.is_integer() {
            return self.unsupported("this form of mma is not implemented");
        }
        self.multiply(Multiply { m, n, k, a, b, c, d, linear: false, saturate: op.has("satfinite") }, o)
    }

    fn wmma(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some((m, n, k)) = shape(op) else { return self.invalid("shape missing") };
        let e: Vec<Element> = op.mods.iter().filter_map(|x| Element::from_name(x)).collect();
        if m.max(n).max(k) > 32 || m * n % 32 != 0 {
            return self.unsupported("shape");
        }
        match op.mods.first().copied() {
            Some("mma") => {
                let (d, a, b, c) = match e[..] {
                    [d, c] => (d, Element::F16, Element::F16, c),
                    [d, a, b, c] => (d, a, b, c),
                    _ => return self.unsupported("element types"),
                };
                if ["xor", "and", "popc"].iter().any(|x| op.has(x)) || a.is_integer() != d.is_integer() {
                    return self.unsupported("this form of wmma is not implemented");
                }
                self.multiply(Multiply { m, n, k, a, b, c, d, linear: true, saturate: op.has("satfinite") }, o)
            }
            Some(way @ ("load" | "store")) => {
                let store = way == "store";
                let [element] = e[..] else { return self.unsupported("element type") };
                let (rows, cols) = match op.mods.get(1).copied() {
                    Some("a") => (m, k),
                    Some("b") => (k, n),
                    Some("c" | "d") => (m, n),
                    _ => return self.invalid("matrix"),
                };
                let (address, value) = if store { (0, 1) } else { (1, 0) };
                let side = self.fragment(self.operand(o, value)?, element)?;
                let (space, base, offset) = self.resolve_place(op, self.operand(o, address)?)?;
                if (side.len() as u32) < registers(rows, cols, element) || side.len() > 31 {
                    return self.invalid("fragment registers");
                }
                let mut i = Lowered::new(matrix::op("transfer"));
                i.a = base.map_or(Field::None, Field::Reg);
                if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
                    i.flags = flag::A64;
                }
                i.imm = offset;
                if let Some(stride) = o.get(2) {
                    i.b = self.source(stride, Type::U32)?.into();
                }
                let t = Transfer { rows, cols, element, column_major: op.has("col"), store, space, registers: side.len() as u32 };
                i.e = Field::Raw(t.pack());
                i.side_def = !store;
                i.side_defs = side.len();
                i.side = side;
                self.emit(i);
                Ok(())
            }
            _ => self.invalid("operation"),
        }
    }

    pub(super) fn matrix_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if self.small_matrix_instruction(op, o)? {
            return Ok(());
        }
        match op.base {
            "mma" => self.mma(op, o),
            "wmma" => self.wmma(op, o),
            "ldmatrix" | "stmatrix" => {
                if !op.has("m8n8") || !op.has("b16") {
                    return self.unsupported("shape");
                }
                let store = op.base == "stmatrix";
                let (address, value) = if store { (0, 1) } else { (1, 0) };
                let side = self.fragment(self.operand(o, value)?, Element::S32)?;
                let count = match op.one_of(&["x1", "x2", "x4"]) {
                    Some("x1") => 1,
                    Some("x2") => 2,
                    _ => 4,
                };
                if side.len() != count {
                    return self.invalid("number of registers");
                }
                let (space, base, offset) = self.resolve_place(op, self.operand(o, address)?)?;
                let mut i = Lowered::new(matrix::op("rows"));
                i.a = base.map_or(Field::None, Field::Reg);
                if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
                    i.flags = flag::A64;
                }
                i.imm = offset;
                i.e = Field::Raw(count as u32 | u32::from(op.has("trans")) << 8 | u32::from(store) << 9 | u32::from(space) << 16);
                i.side_def = !store;
                i.side_defs = count;
                i.side = side;
                self.emit(i);
                Ok(())
            }
            "cp" => self.copy_async(op, o),
            _ => self.mbarrier(op, o),
        }
    }
}
