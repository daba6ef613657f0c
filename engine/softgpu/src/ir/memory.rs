//! Loads, stores, atomics and addresses.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, Meaning, V};
use super::operand::{Place, Result, class_of};
use crate::exec::atomic::{self, AtomicOp};
use crate::exec::code::{ConstValue, flag};
use crate::exec::mem::{self, Access, space};
use crate::exec::shape::Shape;
use crate::exec::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, access, atomic128, int};
use crate::ptx::{Operand, Space, Type};

/// The state space an opcode names; None for generic addresses.
fn space_of(op: &Opcode<'_>) -> Option<&'static str> {
    for m in &op.mods {
        return Some(match *m {
            "global" => "global",
            "shared" | "shared::cta" => "shared",
            "shared::cluster" => "shared",
            "local" => "local",
            "const" => "const",
            "param" | "param::entry" | "param::func" => "param",
            _ => continue,
        });
    }
    None
}

impl Lowerer<'_, '_> {
    /// Moves one value between a register and the activation's local memory.
    pub(super) fn frame_access(&mut self, store: bool, v: V, ty: Type, at: u32) {
        let wide = self.classes[v.0 as usize] == Class::W64;
        let mut i = Lowered::new(mem::op(if store { "store" } else { "load" }));
        i.imm = u64::from(at);
        let access = Access { count: 1, size: ty.size(), signed: false, wide, register_bits: 64, space: space::FRAME };
        i.e = Field::Raw(access.pack());
        i.side = vec![Some(v)];
        i.side_def = !store;
        self.emit(i);
    }

    pub(super) fn memory_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        match op.base {
            "ld" | "ldu" => self.access(op, self.operand(o, 0)?, self.operand(o, 1)?, false),
            "st" if !op.has("async") && !op.has("bulk") => self.access(op, self.operand(o, 1)?, self.operand(o, 0)?, true),
            "atom" | "red" if !op.has("async") => self.atomic(op, o),
            "cvta" => self.cvta(op, o),
            "isspacep" => {
                let d = self.destination(self.operand(o, 0)?, Type::Pred)?;
                let a = self.source(self.operand(o, 1)?, Type::U64)?;
                if space_of(op) == Some("const") {
                    let inside = self.inside_constants(a)?;
                    self.copy(d, inside);
                    return Ok(());
                }
                let imm = match space_of(op) {
                    Some("shared") => space::SHARED,
                    Some("local") => space::LOCAL,
                    Some("param") => space::PARAM,
                    Some("global") => space::GLOBAL,
                    _ => return self.unsupported("space"),
                };
                self.emit_scalar(mem::is_space_fn(), d, &[a], u64::from(imm));
                if imm == space::GLOBAL {
                    let inside = self.inside_constants(a)?;
                    self.logic(0, d, d, Some(inside), 2);
                }
                Ok(())
            }
            "alloca" => {
                let ty = op.types.first().copied().unwrap_or(Type::U64);
                let mut i = Lowered::new(mem::op("alloca"));
                i.d = self.destination(self.operand(o, 0)?, ty)?.into();
                let size = self.source(self.operand(o, 1)?, ty)?;
                i.a = size.into();
                i.flags = if class_of(ty) == Class::W64 { flag::A64 | flag::D64 } else { 0 };
                i.imm = match o.get(2) {
                    Some(Operand::Int(v)) if v.is_power_of_two() && *v <= 4096 => *v,
                    None => 8,
                    _ => return self.invalid("alignment"),
                };
                self.kernel.dynamic_stack = true;
                self.emit(i);
                Ok(())
            }
            "stacksave" => {
                let ty = op.types.first().copied().unwrap_or(Type::U64);
                let mut i = Lowered::new(mem::op("stack"));
                i.d = self.destination(self.operand(o, 0)?, ty)?.into();
                i.flags = if class_of(ty) == Class::W64 { flag::D64 } else { 0 };
                self.emit(i);
                Ok(())
            }
            "stackrestore" => {
                let ty = op.types.first().copied().unwrap_or(Type::U64);
                let mut i = Lowered::new(mem::op("stack"));
                i.a = self.source(self.operand(o, 0)?, ty)?.into();
                i.flags = if class_of(ty) == Class::W64 { flag::A64 } else { 0 };
                i.imm = 1;
                self.emit(i);
                Ok(())
            }
            // A cluster is one block: its addresses are their own, and its rank is 0.
            "mapa" => {
                let Some(ty) = op.types.last().copied() else { return self.invalid("type missing") };
                let d = self.destination(self.operand(o, 0)?, ty)?;
                if *self.operand(o, 2)? != Operand::Int(0) {
                    self.source(self.operand(o, 2)?, Type::U32)?;
                }
                let a = self.source(self.operand(o, 1)?, ty)?;
                self.copy(d, a);
                Ok(())
            }
            "getctarank" => {
                let d = self.destination(self.operand(o, 0)?, Type::U32)?;
                self.source_any(self.operand(o, 1)?, Type::U64)?;
                let zero = self.bits(Class::W32, 0);
                self.copy(d, zero);
                Ok(())
            }
            _ => self.unsupported("this operation is not implemented"),
        }
    }

    /// Space, address register and offset of an access; `bytes` for the check of constant places.
    pub(super) fn resolve_place(&mut self, op: &Opcode<'_>, address: &Operand) -> Result<(u8, Option<V>, u64)> {
        let named = space_of(op);
        let place = self.place(address)?;
        let kind = match named {
            Some("global" | "const") => space::GLOBAL,
            Some("shared") => space::SHARED,
            Some("local") => space::LOCAL,
            // Parameters of functions, and of calls, lie in local memory.
            Some("param") if self.is_entry => space::PARAM,
            Some("param") => space::LOCAL,
            _ => space::GENERIC,
        };
        Ok(match place {
            Place::Register(v, t, off) => {
                if t.size() < 4 || t == Type::Pred {
                    return self.invalid("address register of a narrow type");
                }
                if class_of(t) == Class::W32 && matches!(kind, space::GLOBAL | space::GENERIC) {
                    return self.unsupported("32-bit addresses of global memory");
                }
                (kind, Some(v), off as u64)
            }
            Place::Frame(off) => (space::FRAME, None, off as u64),
            Place::Param(off) => (space::PARAM, None, off as u64),
            Place::Constant(v, off) => {
                let wide = self.classes[v.0 as usize] == Class::W64;
                let kind = if wide { if kind == space::GENERIC { space::GENERIC } else { space::GLOBAL } } else { space::SHARED };
                (kind, Some(v), off as u64)
            }
            Place::Absolute(a) => {
                if kind == space::PARAM || kind == space::FRAME {
                    (kind, None, a)
                } else {
                    let v = self.bits(Class::W64, a);
                    (kind, Some(v), 0)
                }
            }
        })
    }

    /// Whether a generic address lies in a constant variable: these have addresses like those of global memory.
    fn inside_constants(&mut self, address: V) -> Result<V> {
        let mut constants: Vec<(&str, u64)> =
            self.kernel.module.variables.values().filter(|v| v.space == Space::Const).map(|v| (v.name.as_str(), v.size())).collect();
        constants.sort_unstable();
        let any = self.predicate_constant(false);
        for (name, size) in constants {
            let start = self.constant(Class::W64, ConstValue::Symbol(name.to_string(), 0));
            let here = self.temp(Class::P);
            self.emit_scalar(mem::is_inside_fn(), here, &[address, start], size);
            self.logic(1, any, any, Some(here), 0);
        }
        Ok(any)
    }

    /// ld and st.
    fn access(&mut self, op: &Opcode<'_>, value: &Operand, address: &Operand, store: bool) -> Result<()> {
        let Some(ty) = op.types.last().copied() else { return self.invalid("type missing") };
        let count = match op.one_of(&["v2", "v4", "v8"]) {
            Some("v2") => 2,
            Some("v4") => 4,
            Some(_) => 8,
            None => 1,
        };
        // 128-bit values are pairs of 64-bit registers.
        let (count, ty) = if ty == Type::B128 { (count * 2, Type::B64) } else { (count, ty) };
        let (kind, base, offset) = self.resolve_place(op, address)?;
        let registers: Vec<(Option<V>, Type)> = if store {
            match value {
                Operand::Vector(list) => {
                    let mut r = Vec::new();
                    for x in list {
                        let (v, t) = self.source_any(x, ty)?;
                        r.push((Some(v), t));
                    }
                    r
                }
                Operand::Name(..) if count == 1 => {
                    let (v, t) = self.source_any(value, ty)?;
                    vec![(Some(v), t)]
                }
                Operand::Name(..) => self.register_list(value)?,
                _ => {
                    let (v, t) = self.source_any(value, ty)?;
                    vec![(Some(v), t)]
                }
            }
        } else {
            self.register_list(value)?
        };
        if registers.len() != count {
            return self.invalid(format!("{} registers for {count} elements", registers.len()));
        }
        let wide_address = base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64);
        let first = registers.iter().find_map(|(v, t)| v.map(|_| *t)).unwrap_or(ty);
        let wide = class_of(first) == Class::W64;
        if registers.iter().any(|(v, t)| v.is_some() && (class_of(*t) == Class::W64) != wide) || first == Type::Pred {
            return self.invalid("registers of different widths");
        }
        let size = ty.size();
        if size > first.size() {
            return self.invalid(format!("{ty} does not fit a register of type {first}"));
        }
        let signed = ty.is_signed() && !store && size < first.size();
        // The others are seen by threads that run at the same time: once, and in order.
        let weak = op.one_of(&["volatile", "relaxed", "acquire", "release", "mmio"]).is_none();
        let shape = weak.then_some(Shape::Access);
        if let [(Some(v), _)] = registers[..] {
            let fast = match (kind, base) {
                (space::PARAM, None) if !store && !signed => {
                    let end = offset.checked_add(u64::from(size));
                    match end {
                        Some(end) if end <= u64::from(self.kernel.param_bytes) => mem::param(size, wide),
                        _ => return self.invalid("parameter access out of bounds"),
                    }
                }
                (_, Some(_)) if !signed => access::fast(store, size, wide, wide_address, kind),
                _ => None,
            };
            if let Some(f) = fast {
                let mut i = Lowered::new(f.shaped(shape));
                i.meaning = match base {
                    Some(_) => Meaning::Access { store, size, wide, space: kind },
                    None => Meaning::Pure,
                };
                i.a = base.map_or(Field::None, Field::Reg);
                i.imm = offset;
                i.flags = if wide_address { flag::A64 } else { 0 };
                if store { i.b = v.into() } else { i.d = v.into() }
                self.emit(i);
                return Ok(());
            }
        }
        let mut i = Lowered::new(mem::op(if store { "store" } else { "load" }).shaped(shape));
        i.meaning = Meaning::Access { store, size, wide, space: kind };
        i.a = base.map_or(Field::None, Field::Reg);
        i.imm = offset;
        i.flags = if wide_address { flag::A64 } else { 0 };
        let access = Access {
            count: count as u32,
            size,
            signed,
            wide,
            register_bits: first.size() * 8,
            space: kind,
        };
        i.e = Field::Raw(access.pack());
        i.side = registers.into_iter().map(|(v, _)| v).collect();
        i.side_def = !store;
        self.emit(i);
        Ok(())
    }

    /// atom.exch.b128, atom.cas.b128.
    fn atomic128(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let cas = op.has("cas");
        if !cas && !op.has("exch") || op.base == "red" {
            return self.invalid("128-bit atomics are exch and cas");
        }
        if !atomic128::available() {
            return self.unsupported("128-bit atomics on this processor");
        }
        let mut side = Vec::new();
        for k in [0, 2, 3] {
            let list = match o.get(k) {
                Some(Operand::Sink) | None if k != 2 => vec![(None, Type::B64); 2],
                Some(x) => self.register_list(x)?,
                None => return self.invalid("too few operands"),
            };
            if list.len() != 2 || list.iter().any(|(v, t)| v.is_some() && class_of(*t) != Class::W64 && *t != Type::B128) {
                return self.invalid("a 128-bit register belongs here");
            }
            if k > 0 && (k == 2 || cas) && list.iter().any(|(v, _)| v.is_none()) {
                return self.invalid("too few operands");
            }
            side.extend(list.into_iter().map(|(v, _)| v));
        }
        let (space, base, offset) = self.resolve_place(op, self.operand(o, 1)?)?;
        let mut i = Lowered::new(atomic128::op());
        i.a = base.map_or(Field::None, Field::Reg);
        i.imm = offset;
        if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
            i.flags |= flag::A64;
        }
        i.e = Field::Raw(u32::from(space) | u32::from(cas) << 8);
        i.side_def = true;
        i.side_defs = 2;
        i.side = side;
        self.emit(i);
        Ok(())
    }

    fn atomic(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        use AtomicOp::*;
        let red = op.base == "red";
        let Some(ty) = op.types.last().copied() else { return self.invalid("type missing") };
        if ty == Type::B128 {
            return self.atomic128(op, o);
        }
        let name = op.one_of(&["and", "or", "xor", "exch", "cas", "add", "inc", "dec", "min", "max"]);
        let signed = ty.is_signed();
        let kind = match (name, ty) {
            (Some("add"), Type::F16) => AddH,
            (Some("add"), Type::Bf16) => AddBf,
            (Some("add"), Type::F16x2) => AddH2,
            (Some("add"), Type::Bf16x2) => AddBf2,
            (Some("add"), Type::F32 | Type::F64) => AddF,
            (Some("min"), Type::F16) => MinH,
            (Some("max"), Type::F16) => MaxH,
            (Some("min"), Type::Bf16) => MinBf,
            (Some("max"), Type::Bf16) => MaxBf,
            (Some("min"), Type::F16x2) => MinH2,
            (Some("max"), Type::F16x2) => MaxH2,
            (Some("min"), Type::Bf16x2) => MinBf2,
            (Some("max"), Type::Bf16x2) => MaxBf2,
            (Some("exch"), _) => Exch,
            (Some("cas"), _) => Cas,
            (Some(_), t) if t.is_float() || t.size() < 4 => return self.unsupported("type of this atomic"),
            (Some("and"), _) => And,
            (Some("or"), _) => Or,
            (Some("xor"), _) => Xor,
            (Some("add"), _) => Add,
            (Some("inc"), _) => Inc,
            (Some("dec"), _) => Dec,
            (Some("min"), _) => if signed { MinS } else { MinU },
            (Some("max"), _) => if signed { MaxS } else { MaxU },
            _ => return self.unsupported("this atomic operation"),
        };
        if !matches!(ty.size(), 2 | 4 | 8) {
            return self.unsupported("width of this atomic");
        }
        let k = usize::from(!red);
        let (space, base, offset) = self.resolve_place(op, self.operand(o, k)?)?;
        let mut i = Lowered::new(atomic::atomic());
        i.a = base.map_or(Field::None, Field::Reg);
        i.imm = offset;
        if base.is_some_and(|v| self.classes[v.0 as usize] == Class::W64) {
            i.flags |= flag::A64;
        }
        if !red && class_of(ty) == Class::W64 {
            i.flags |= flag::D64;
        }
        if let Some(vector) = op.one_of(&["v2", "v4", "v8"]) {
            if !matches!(name, Some("add" | "min" | "max")) || !ty.is_float() {
                return self.unsupported("this vector atomic");
            }
            return self.atomic_vector(&i, (kind, ty, space), if vector == "v2" { 2 } else if vector == "v4" { 4 } else { 8 }, red, o);
        }
        i.b = self.source(self.operand(o, k + 1)?, ty)?.into();
        if kind == Cas {
            i.c = self.source(self.operand(o, k + 2)?, ty)?.into();
        }
        if !red && *self.operand(o, 0)? != Operand::Sink {
            i.d = self.destination(self.operand(o, 0)?, ty)?.into();
        }
        i.e = Field::Raw(atomic::pack(kind, ty.size(), 1, space));
        self.emit(i);
        Ok(())
    }

    /// A vector of `count` atomics, each for itself as the manual allows; `first` has the address. Only the first is
    /// checked to be aligned as the whole.
    fn atomic_vector(&mut self, first: &Lowered, (kind, ty, space): (AtomicOp, Type, u8), count: u32, red: bool, o: &[Operand]) -> Result<()> {
        let Operand::Vector(values) = self.operand(o, if red { 1 } else { 2 })? else { return self.invalid("operand is no vector") };
        let results = match self.operand(o, 0)? {
            Operand::Vector(list) if !red => Some(list),
            Operand::Sink if !red => None,
            _ if red => None,
            _ => return self.invalid("destination is no vector"),
        };
        if values.len() != count as usize || results.is_some_and(|r| r.len() != count as usize) {
            return self.invalid(format!("vectors of {count} elements belong here"));
        }
        // A destination may be the source of a later element.
        let mut sources = Vec::new();
        for value in values {
            let v = self.source(value, ty)?;
            let kept = self.temp(class_of(ty));
            self.copy(kept, v);
            sources.push(kept);
        }
        for (k, v) in (0u32..).zip(sources) {
            let mut i = first.clone();
            i.imm = i.imm.wrapping_add(u64::from(k * ty.size()));
            i.b = v.into();
            match results.and_then(|r| r.get(k as usize)) {
                None | Some(Operand::Sink) => {}
                Some(d) => i.d = self.destination(d, ty)?.into(),
            }
            i.e = Field::Raw(atomic::pack(kind, ty.size(), if k == 0 { count } else { 1 }, space));
            self.emit(i);
        }
        Ok(())
    }

    fn cvta(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if op.types.first() != Some(&Type::U64) {
            return self.unsupported("32-bit generic addresses");
        }
        let d = self.destination(self.operand(o, 0)?, Type::U64)?;
        let a = self.source(self.operand(o, 1)?, Type::U64)?;
        let window = match space_of(op) {
            Some("shared") => SHARED_WINDOW,
            Some("local") => LOCAL_WINDOW,
            Some("param") if self.is_entry => PARAM_WINDOW,
            Some("param") => LOCAL_WINDOW,
            _ => 0,
        };
        if window == 0 {
            self.copy(d, a);
            return Ok(());
        }
        let w = self.bits(Class::W64, window);
        let name = if op.has("to") { "sub" } else { "add" };
        let Some(f) = int::binary(name, Type::U64) else { return self.unsupported("operation") };
        let meaning = if name == "add" { Meaning::Add64 } else { Meaning::Pure };
        self.emit3_meaning(f, d, &[a, w], meaning);
        Ok(())
    }
}
