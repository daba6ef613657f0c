//! Instructions over virtual registers.

use crate::exec::code::{Inst, NONE, OpFn, ScalarFn};

/// A virtual register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct V(pub u32);

/// Register classes: predicate, slots of 32 x 32 bits, slots of 32 x 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    P,
    W32,
    W64,
}

/// Operand field of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Field {
    #[default]
    None,
    Reg(V),
    Raw(u32),
}

impl From<V> for Field {
    fn from(v: V) -> Field {
        Field::Reg(v)
    }
}

impl Field {
    pub fn reg(self) -> Option<V> {
        match self {
            Field::Reg(v) => Some(v),
            _ => None,
        }
    }
}

/// A label of the function being lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(pub u32);

/// Effect on control flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Flow {
    #[default]
    Next,
    /// Defines a label; execution falls into it from above.
    Label(Label),
    Branch(Label),
    BranchIf(Label),
    Indexed(Vec<Label>),
    /// Leaves the function.
    End,
}

/// What linking adds to the immediate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Patch {
    #[default]
    None,
    /// Offset of dynamic shared memory.
    DynamicShared,
}

/// What the passes over lowered code need to know of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Meaning {
    /// Anything.
    #[default]
    Opaque,
    /// Writes its destinations from its operands, parameters and facts of the launch alone; cannot fail.
    Pure,
    /// As `Pure`, from facts of the thread in its block too.
    ByLane,
    /// As `Pure`: d = a.
    Copy,
    /// As `Pure`: 64-bit d = a + b.
    Add64,
    /// As `Pure`: 64-bit d = a * b of 32-bit values.
    MulWide { signed: bool },
    /// As `Pure`: 64-bit d = a * b + c, a and b of 32 bits.
    MadWide { signed: bool },
    /// Load to d or the side list, or store, at [a + imm]; bytes of an element, whether registers have 64 bits.
    Access { store: bool, size: u32, wide: bool, space: u8 },
}

impl Meaning {
    /// Writes its destinations from what does not change during the launch, if its operands do not.
    pub fn is_pure(self) -> bool {
        !matches!(self, Meaning::Opaque | Meaning::Access { .. })
    }
}

/// One instruction before register allocation.
#[derive(Debug, Clone)]
pub(super) struct Lowered {
    pub f: OpFn,
    pub s: Option<ScalarFn>,
    pub d: Field,
    pub a: Field,
    pub b: Field,
    pub c: Field,
    pub e: Field,
    pub x: Field,
    /// `e` is written, not read.
    pub e_def: bool,
    /// Registers of the side list, None for `_`.
    pub side: Vec<Option<V>>,
    pub side_def: bool,
    /// With `side_def`: how many of the first are written, the rest is read; 0: all are written.
    pub side_defs: usize,
    pub imm: u64,
    pub flags: u32,
    /// Predicate and whether it is negated.
    pub guard: Option<(V, bool)>,
    pub flow: Flow,
    pub patch: Patch,
    pub line: u32,
    /// The last of what an instruction of the PTX became.
    pub counted: bool,
    /// Instructions of the PTX before it that need not be executed any more.
    pub carried: u32,
    pub meaning: Meaning,
}

impl Lowered {
    pub fn new(f: OpFn) -> Self {
        Lowered {
            f,
            s: None,
            d: Field::None,
            a: Field::None,
            b: Field::None,
            c: Field::None,
            e: Field::None,
            x: Field::None,
            e_def: false,
            side: Vec::new(),
            side_def: false,
            side_defs: 0,
            imm: 0,
            flags: 0,
            guard: None,
            flow: Flow::Next,
            patch: Patch::None,
            line: 0,
            counted: false,
            carried: 0,
            meaning: Meaning::Opaque,
        }
    }

    /// Calls `f` for each register with whether it is written.
    pub fn for_registers(&self, mut f: impl FnMut(V, bool)) {
        // Reads first, so that a register both read and written counts as live before.
        for v in [self.a, self.b, self.c, self.x].into_iter().filter_map(Field::reg) {
            f(v, false);
        }
        if let Some(v) = self.e.reg() {
            f(v, self.e_def);
        }
        if let Some((v, _)) = self.guard {
            f(v, false);
        }
        let written = match (self.side_def, self.side_defs) {
            (false, _) => 0,
            (true, 0) => self.side.len(),
            (true, n) => n,
        };
        for v in self.side[written..].iter().flatten() {
            f(*v, false);
        }
        for v in self.side[..written].iter().flatten() {
            f(*v, true);
        }
        if let Some(v) = self.d.reg() {
            f(v, true);
        }
    }

    /// Replaces the registers that it reads, except the guard.
    pub fn replace_reads(&mut self, f: impl Fn(V) -> V) {
        let field = |r: &mut Field| {
            if let Field::Reg(v) = r {
                *v = f(*v);
            }
        };
        for r in [&mut self.a, &mut self.b, &mut self.c, &mut self.x] {
            field(r);
        }
        if !self.e_def {
            field(&mut self.e);
        }
        let written = match (self.side_def, self.side_defs) {
            (false, _) => 0,
            (true, 0) => self.side.len(),
            (true, n) => n,
        };
        for v in self.side[written..].iter_mut().flatten() {
            *v = f(*v);
        }
    }

    /// The final form with slots from `slot`; `x` must be filled in for branches and side lists.
    pub fn finish(&self, slot: impl Fn(V) -> u32, guarded: OpFn, fallback: ScalarFn) -> Inst {
        let field = |f: Field| match f {
            Field::None => NONE,
            Field::Raw(v) => v,
            Field::Reg(v) => slot(v),
        };
        Inst {
            f: if self.guard.is_some() { guarded.run } else { self.f.run },
            d: field(self.d),
            a: field(self.a),
            b: field(self.b),
            c: field(self.c),
            imm: self.imm,
            guard: self.guard.map_or(NONE, |(v, not)| slot(v) | u32::from(not) << 31),
            x: field(self.x),
            g: self.f.run,
            s: self.s.unwrap_or(fallback),
            e: field(self.e),
            flags: self.flags,
        }
    }
}
