//! Matrix instructions on elements of four bits and of one bit, and movmatrix.

use super::function::{Lowerer, Opcode};
use super::inst::{Field, Lowered, V};
use super::operand::Result;
use crate::exec::code::flag;
use crate::exec::matrix_bits::{self, Small, SmallProduct};
use crate::ptx::{Operand, Type};

/// m, n, k of `m16n8k64`.
fn shape(op: &Opcode<'_>) -> Option<(u32, u32, u32)> {
    op.mods.iter().find_map(|s| {
        let (m, rest) = s.strip_prefix('m')?.split_once('n')?;
        let (n, k) = rest.split_once('k')?;
        Some((m.parse().ok()?, n.parse().ok()?, k.parse().ok()?))
    })
}

impl Lowerer<'_, '_> {
    fn fragment_words(&mut self, o: &Operand, count: u32) -> Result<Vec<Option<V>>> {
        let single = [o.clone()];
        let items = match o {
            Operand::Vector(items) => &items[..],
            _ => &single[..],
        };
        if items.len() != count as usize {
            return self.invalid(format!("{} registers where {count} belong", items.len()));
        }
        items.iter().map(|x| Ok(Some(self.source(x, Type::B32)?))).collect()
    }

    /// Whether a factor of the instruction has such elements; then it is lowered here.
    pub(super) fn small_matrix_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<bool> {
        if op.base == "movmatrix" {
            if !(op.has("m8n8") && op.has("trans") && op.has("b16")) {
                return self.invalid("shape");
            }
            let d = self.destination(self.operand(o, 0)?, Type::B32)?;
            let a = self.source(self.operand(o, 1)?, Type::B32)?;
            // Lanes read each other's registers: no operation on each lane by itself.
            let mut i = Lowered::new(matrix_bits::move_matrix());
            i.d = d.into();
            i.a = a.into();
            self.emit(i);
            return Ok(true);
        }
        if !matches!(op.base, "mma" | "wmma") || op.mods.iter().any(|m| m.starts_with("sp")) {
            return Ok(false);
        }
        let elements: Vec<Small> = op.mods.iter().filter_map(|m| Small::from_name(m)).collect();
        let Some((m, n, k)) = shape(op).filter(|_| !elements.is_empty()) else { return Ok(false) };
        let load = op.base == "wmma" && op.has("load");
        if op.base == "wmma" && !load && !op.has("mma") {
            return Ok(false);
        }
        let first = elements[0];
        let known = n == 8
            && match (first, op.base) {
                (Small::B1, "mma") => matches!((m, k), (8 | 16, 128) | (16, 256)),
                (Small::B1, _) => (m, k) == (8, 128),
                (_, "mma") => matches!((m, k), (8 | 16, 32) | (16, 64)),
                _ => (m, k) == (8, 32),
            };
        if !known {
            return self.unsupported("this shape is not implemented");
        }
        if load {
            // Factors lie in memory word by word: a in rows, b in columns.
            let row_major = op.has("row");
            let right = if op.has("a") { row_major } else { op.has("b") && op.has("col") };
            if !right {
                return self.invalid("layout");
            }
            let d = self.fragment_words(self.operand(o, 0)?, 1)?;
            let (space, base, offset) = self.resolve_place(op, self.operand(o, 1)?)?;
            let mut i = Lowered::new(matrix_bits::load_words());
            i.a = base.map_or(Field::None, Field::Reg);
            if base.is_some_and(|v| self.classes[v.0 as usize] == super::inst::Class::W64) {
                i.flags = flag::A64;
            }
            i.imm = offset;
            i.b = match o.get(2) {
                Some(stride) => self.source(stride, Type::U32)?,
                None => self.bits(super::inst::Class::W32, k.into()),
            }
            .into();
            i.e = Field::Raw(u32::from(space) | first.bits() << 8);
            i.side = d;
            i.side_def = true;
            i.side_defs = 1;
            self.emit(i);
            return Ok(true);
        }
        let [a, b] = elements[..] else { return self.invalid("element types") };
        let counts = op.has("popc");
        if (a == Small::B1) != (b == Small::B1) || (a == Small::B1) != counts || counts != (op.has("xor") || op.has("and")) {
            return self.invalid("element types");
        }
        if !(op.has("row") && op.has("col")) || op.mods.iter().filter(|m| **m == "s32").count() != 2 {
            return self.invalid("layout or sum");
        }
        let p = SmallProduct { m, k, a, b, and: op.has("and"), saturate: op.has("satfinite"), linear: op.base == "wmma" };
        let (na, nb) = p.words();
        let d = self.fragment_words(self.operand(o, 0)?, m / 4)?;
        let mut side = d.clone();
        side.extend(self.fragment_words(self.operand(o, 1)?, na)?);
        side.extend(self.fragment_words(self.operand(o, 2)?, nb)?);
        side.extend(self.fragment_words(self.operand(o, 3)?, m / 4)?);
        let mut i = Lowered::new(matrix_bits::multiply());
        i.imm = p.pack();
        i.side_defs = d.len();
        i.side_def = true;
        i.side = side;
        self.emit(i);
        Ok(true)
    }
}
