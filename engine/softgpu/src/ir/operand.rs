//! Names, scopes and operands of the function being lowered.

use std::collections::HashMap;

use super::function::Lowerer;
use super::inst::{Class, Label, V};
use crate::exec::code::ConstValue;
use crate::exec::{CompileError, CompileErrorKind, system};
use crate::ptx::{Operand, Space, Type, Variable};

pub(super) type Result<T> = std::result::Result<T, CompileError>;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Entity {
    /// Register; several for vectors and 128-bit types.
    Register(Vec<V>, Type),
    /// Variable or call parameter at this offset in the activation's local memory; size.
    Frame(u32, u32),
    /// Kernel parameter: offset.
    Param(u32),
    /// Shared variable: offset; dynamic ones start after the static ones.
    Shared(u32),
    DynamicShared,
    /// Module variable.
    Global(String),
    Function(String),
}

/// Where an access goes: base register and constant part.
pub(super) enum Place {
    Register(V, Type, i64),
    Frame(i64),
    Param(i64),
    /// Offset is added to the address held in the register.
    Constant(V, i64),
    Absolute(u64),
}

#[derive(Default)]
pub(super) struct Scope {
    names: HashMap<String, Entity>,
    /// `.reg .b32 %r<100>`: type and bound.
    ranges: HashMap<String, (Type, u32)>,
    pub labels: HashMap<String, Label>,
    pub targets: HashMap<String, Vec<String>>,
}

/// Class that a type's register has; 128-bit ones are two.
pub(super) fn class_of(ty: Type) -> Class {
    match ty {
        Type::Pred => Class::P,
        t if t.size() >= 8 => Class::W64,
        _ => Class::W32,
    }
}

impl Lowerer<'_, '_> {
    pub(super) fn error<T>(&self, kind: CompileErrorKind, message: impl Into<String>) -> Result<T> {
        Err(CompileError { line: self.line, message: message.into(), kind })
    }

    pub(super) fn invalid<T>(&self, message: impl Into<String>) -> Result<T> {
        self.error(CompileErrorKind::InvalidPtx, message)
    }

    pub(super) fn unsupported<T>(&self, message: impl Into<String>) -> Result<T> {
        self.error(CompileErrorKind::Unsupported, message)
    }

    pub(super) fn temp(&mut self, class: Class) -> V {
        self.classes.push(class);
        V(self.classes.len() as u32 - 1)
    }

    fn new_register(&mut self, ty: Type, vector: u32) -> Entity {
        let n = vector * if ty == Type::B128 { 2 } else { 1 };
        let before = self.classes.len();
        let v = (0..n).map(|_| self.temp(class_of(ty))).collect();
        self.mark_declared(before);
        Entity::Register(v, ty)
    }

    pub(super) fn declare(&mut self, name: &str, e: Entity) {
        if let Some(s) = self.scopes.last_mut() {
            s.names.insert(name.to_string(), e);
        }
    }

    /// Reserves local memory of the activation.
    pub(super) fn reserve_local(&mut self, size: u64, align: u32) -> Result<u32> {
        let at = u64::from(self.local_top).next_multiple_of(u64::from(align.clamp(1, 256)));
        match u32::try_from(at.saturating_add(size)) {
            Ok(end) if end < 1 << 26 => self.local_top = end,
            _ => return self.invalid("local memory too large"),
        }
        self.local_bytes = self.local_bytes.max(self.local_top);
        Ok(at as u32)
    }

    pub(super) fn declare_variable(&mut self, v: &Variable) -> Result<()> {
        self.line = v.line;
        match v.space {
            Space::Reg => {
                if let Some(n) = v.range {
                    if let Some(s) = self.scopes.last_mut() {
                        s.ranges.insert(v.name.clone(), (v.ty, n));
                    }
                } else {
                    let e = self.new_register(v.ty, v.vector);
                    self.declare(&v.name, e);
                }
            }
            Space::Local | Space::Param => {
                let n = v.range.unwrap_or(1);
                for k in 0..n.min(4096) {
                    let at = self.reserve_local(v.size(), v.align)?;
                    let name = if v.range.is_some() { format!("{}{k}", v.name) } else { v.name.clone() };
                    self.declare(&name, Entity::Frame(at, v.size() as u32));
                }
            }
            Space::Shared => {
                let e = self.kernel.shared_variable(v, Some((self.name.as_str(), self.scopes.len())));
                self.declare(&v.name, e);
            }
            Space::Global | Space::Const => {
                return self.unsupported(format!("module-space variable {} declared inside a function", v.name));
            }
            Space::Tex => return self.unsupported(".tex variables"),
        }
        Ok(())
    }

    fn range_register(&mut self, name: &str) -> Option<Entity> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        // `%r12` may belong to the range `%r` or, with a prefix that ends in digits, `%r1`.
        for cut in (1..=digits).rev() {
            let (prefix, number) = name.split_at(name.len() - cut);
            if number.len() > 1 && number.starts_with('0') {
                continue;
            }
            let n: u32 = number.parse().ok()?;
            for k in (0..self.scopes.len()).rev() {
                if let Some((ty, bound)) = self.scopes[k].ranges.get(prefix).copied()
                    && n < bound
                {
                    let e = self.new_register(ty, 1);
                    self.scopes[k].names.insert(name.to_string(), e.clone());
                    return Some(e);
                }
            }
        }
        None
    }

    pub(super) fn lookup(&mut self, name: &str) -> Result<Entity> {
        for s in self.scopes.iter().rev() {
            if let Some(e) = s.names.get(name) {
                return Ok(e.clone());
            }
        }
        if let Some(e) = self.range_register(name) {
            return Ok(e);
        }
        let name = self.kernel.module.resolve_alias(name);
        if let Some(v) = self.kernel.module.variables.get(name).copied() {
            return match v.space {
                Space::Shared => Ok(self.kernel.shared_variable(v, None)),
                Space::Global | Space::Const if v.ty == Type::SamplerRef => {
                    self.unsupported(format!("sampler {name}: independent texturing mode is not implemented"))
                }
                Space::Global | Space::Const if matches!(v.ty, Type::TexRef | Type::SurfRef) && !v.init.is_empty() => {
                    self.unsupported(format!("initial properties of the reference {name}"))
                }
                Space::Global | Space::Const => Ok(Entity::Global(name.to_string())),
                _ => self.unsupported(format!("module-scope variable {name} in this state space")),
            };
        }
        if self.kernel.module.functions.contains_key(name) {
            return Ok(Entity::Function(name.to_string()));
        }
        self.invalid(format!("unknown name {name}"))
    }

    pub(super) fn label(&self, name: &str) -> Result<Label> {
        for s in self.scopes.iter().rev() {
            if let Some(l) = s.labels.get(name) {
                return Ok(*l);
            }
        }
        self.invalid(format!("unknown label {name}"))
    }

    pub(super) fn targets(&self, name: &str) -> Result<Vec<String>> {
        for s in self.scopes.iter().rev() {
            if let Some(l) = s.targets.get(name) {
                return Ok(l.clone());
            }
        }
        self.invalid(format!("unknown target list {name}"))
    }

    /// A register that holds a constant for the whole function.
    pub(super) fn constant(&mut self, class: Class, value: ConstValue) -> V {
        let key = (class, value);
        if let Some(v) = self.constants.get(&key) {
            return *v;
        }
        let v = self.temp(class);
        self.constants.insert(key, v);
        v
    }

    pub(super) fn bits(&mut self, class: Class, bits: u64) -> V {
        self.constant(class, ConstValue::Bits(bits))
    }

    /// Address of a symbol in a register of `class`.
    fn address_of(&mut self, e: &Entity, offset: i64, class: Class) -> Result<V> {
        Ok(match e {
            Entity::Frame(at, _) => {
                let at = i64::from(*at) + offset;
                if self.is_entry { self.bits(class, at as u64) } else { self.frame_address(at, class) }
            }
            Entity::Param(at) => self.bits(class, (i64::from(*at) + offset) as u64),
            Entity::Shared(at) => self.bits(class, (i64::from(*at) + offset) as u64),
            Entity::DynamicShared => self.dynamic_shared(offset, class),
            Entity::Global(name) => {
                if class != Class::W64 {
                    return self.invalid(format!("address of {name} in a 32-bit register"));
                }
                self.constant(class, ConstValue::Symbol(name.clone(), offset))
            }
            Entity::Function(name) => {
                let at = self.kernel.function_address(name);
                self.bits(class, at)
            }
            Entity::Register(..) => return self.invalid("a register is no address constant"),
        })
    }

    /// Literal as the bits of `ty`.
    fn literal(&self, op: &Operand, ty: Type) -> Result<Option<u64>> {
        let mask = if ty.size() >= 8 { !0 } else { (1u64 << (8 * ty.size())) - 1 };
        Ok(Some(match (op, ty) {
            (Operand::Int(v), Type::F32 | Type::F64) if *v != 0 => {
                // Only bit patterns (0f, 0d) and decimal literals are floating-point constants.
                return self.invalid(format!("integer {v} where a floating-point operand belongs"));
            }
            (Operand::Int(v), _) => v & mask,
            (Operand::F32(b), Type::F64) => f64::from(f32::from_bits(*b)).to_bits(),
            (Operand::F32(b), _) => u64::from(*b) & mask,
            (Operand::F64(b), Type::F32) => u64::from((f64::from_bits(*b) as f32).to_bits()),
            (Operand::F64(b), t) if t.size() == 4 => u64::from((f64::from_bits(*b) as f32).to_bits()),
            (Operand::F64(b), t) if t.size() >= 8 => *b,
            (Operand::F64(_), _) => return self.invalid("floating-point literal for a narrow type"),
            _ => return Ok(None),
        }))
    }

    /// A value of type `ty` to read, in a register of its class.
    pub(super) fn source(&mut self, op: &Operand, ty: Type) -> Result<V> {
        let (v, found) = self.source_any(op, ty)?;
        let wanted = class_of(ty);
        if class_of(found) != wanted {
            return self.invalid(format!("operand {op:?} has type {found}, the instruction wants {ty}"));
        }
        Ok(v)
    }

    /// As [`source`](Self::source), but registers of another width pass, with their type.
    pub(super) fn source_any(&mut self, op: &Operand, ty: Type) -> Result<(V, Type)> {
        if let Some(bits) = self.literal(op, ty)? {
            return Ok((self.bits(class_of(ty), bits), ty));
        }
        match op {
            Operand::Name(name, component) => {
                if let Some(rest) = name.strip_prefix('%') {
                    let full = match component {
                        Some(c) => format!("{rest}.{c}"),
                        None => rest.to_string(),
                    };
                    if let Some(number) = system::register(&full)
                        && !self.scopes.iter().any(|s| s.names.contains_key(name))
                    {
                        return self.special(number);
                    }
                }
                match self.lookup(name)? {
                    Entity::Register(v, t) => {
                        let k = match component {
                            None if v.len() == 1 => 0,
                            None => return self.invalid(format!("{name} is a vector")),
                            Some('x') => 0,
                            Some('y') => 1,
                            Some('z') => 2,
                            Some(_) => 3,
                        };
                        match v.get(k) {
                            Some(v) => Ok((*v, t)),
                            None => self.invalid(format!("{name} has no such component")),
                        }
                    }
                    e => {
                        let t = if class_of(ty) == Class::W64 { Type::U64 } else { Type::U32 };
                        Ok((self.address_of(&e, 0, class_of(t))?, t))
                    }
                }
            }
            Operand::NameOffset(name, offset) => {
                let e = self.lookup(name)?;
                let t = if class_of(ty) == Class::W64 { Type::U64 } else { Type::U32 };
                Ok((self.address_of(&e, *offset, class_of(t))?, t))
            }
            _ => self.invalid(format!("operand {op:?} does not belong here")),
        }
    }

    /// All registers of an operand (128-bit types, vectors, `{a, b}`), with the type of each.
    pub(super) fn register_list(&mut self, op: &Operand) -> Result<Vec<(Option<V>, Type)>> {
        match op {
            Operand::Vector(list) => {
                let mut out = Vec::new();
                for o in list {
                    match o {
                        Operand::Sink => out.push((None, Type::B64)),
                        Operand::Name(..) => {
                            let (v, t) = self.source_any(o, Type::B64)?;
                            out.push((Some(v), t));
                        }
                        _ => return self.invalid("a vector of destinations holds registers"),
                    }
                }
                Ok(out)
            }
            Operand::Name(name, None) => match self.lookup(name)? {
                Entity::Register(v, t) => Ok(v.into_iter().map(|v| (Some(v), t)).collect()),
                _ => self.invalid(format!("{name} is not a register")),
            },
            Operand::Name(..) => {
                let (v, t) = self.source_any(op, Type::B64)?;
                Ok(vec![(Some(v), t)])
            }
            Operand::Sink => Ok(vec![(None, Type::B64)]),
            _ => self.invalid(format!("{op:?} is not a register")),
        }
    }

    /// A register to write a value of type `ty` to; a fresh one for `_`.
    pub(super) fn destination(&mut self, op: &Operand, ty: Type) -> Result<V> {
        if *op == Operand::Sink {
            return Ok(self.temp(class_of(ty)));
        }
        let (v, found) = self.destination_any(op)?;
        if class_of(found) != class_of(ty) {
            return self.invalid(format!("destination {op:?} has type {found}, the instruction gives {ty}"));
        }
        Ok(v)
    }

    /// As [`destination`](Self::destination) for any register type.
    pub(super) fn destination_any(&mut self, op: &Operand) -> Result<(V, Type)> {
        let Operand::Name(name, component) = op else { return self.invalid(format!("{op:?} is no destination")) };
        match self.lookup(name)? {
            Entity::Register(v, t) => {
                let k = match component {
                    None | Some('x') => 0,
                    Some('y') => 1,
                    Some('z') => 2,
                    Some(_) => 3,
                };
                match v.get(k) {
                    Some(v) => Ok((*v, t)),
                    None => self.invalid(format!("{name} has no such component")),
                }
            }
            _ => self.invalid(format!("{name} is no register")),
        }
    }

    /// A predicate to read, and whether it is negated.
    pub(super) fn predicate(&mut self, op: &Operand) -> Result<(V, bool)> {
        match op {
            Operand::Not(inner) => {
                let (v, n) = self.predicate(inner)?;
                Ok((v, !n))
            }
            Operand::Int(v) => {
                let c = self.predicate_constant(*v != 0);
                Ok((c, false))
            }
            _ => Ok((self.source(op, Type::Pred)?, false)),
        }
    }

    /// The place an address operand names.
    pub(super) fn place(&mut self, op: &Operand) -> Result<Place> {
        let Operand::Address(base, offset, more) = op else {
            return self.invalid(format!("{op:?} is no address"));
        };
        if !more.is_empty() {
            return self.unsupported("address with coordinates");
        }
        match &**base {
            Operand::Int(v) => Ok(Place::Absolute(v.wrapping_add_signed(*offset))),
            Operand::Name(name, component) => match self.lookup(name)? {
                Entity::Register(..) => {
                    let (v, t) = self.source_any(&Operand::Name(name.clone(), *component), Type::B64)?;
                    Ok(Place::Register(v, t, *offset))
                }
                Entity::Frame(at, _) => Ok(Place::Frame(i64::from(at) + offset)),
                Entity::Param(at) => Ok(Place::Param(i64::from(at) + offset)),
                e @ (Entity::Shared(_) | Entity::DynamicShared) => {
                    Ok(Place::Constant(self.address_of(&e, 0, Class::W32)?, *offset))
                }
                e => Ok(Place::Constant(self.address_of(&e, 0, Class::W64)?, *offset)),
            },
            o => self.invalid(format!("{o:?} is no address")),
        }
    }
}
