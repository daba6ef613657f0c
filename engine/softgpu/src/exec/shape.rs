//! What an operation computes, for those that the native tier ([`super::native`]) has templates for.
//!
//! Instruction selection notes it beside the function that the interpreter runs ([`super::code::OpFn`]). An operation
//! without shape is always left to that function. This is the list of what can be compiled; how is in `native/templates.rs`.

/// An operation with a template. Registers and immediate are those of the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Single precision, rounded to nearest or approximate.
    Float { op: Float, flush: bool },
    /// 32-bit integers and bits.
    Integer(Integer),
    /// 64-bit integers and bits.
    Long(Long),
    /// d = a `op` b on single precision, e its complement.
    CompareFloat { op: Comparison, flush: bool },
    /// The same on integers.
    CompareInteger { op: Order, signed: bool },
    /// d = c ? a : b.
    Select,
    /// Logic of predicates, as the immediate says.
    Predicates,
    /// d = the block's index in the direction that the immediate says.
    BlockIndex,
    /// A load or store whose order among those of other threads does not matter.
    Access,
    /// A shuffle of the whole warp by a constant.
    Shuffle,
    /// Falls into a label.
    Join,
    /// Unconditional branch.
    Branch,
    /// Branch where a predicate holds.
    BranchIf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Fma,
    Neg,
    Abs,
    Sqrt,
    Reciprocal,
    ReciprocalSqrt,
    Exp2,
    Log2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integer {
    Copy,
    Add,
    Sub,
    Mul,
    Mad,
    MulHigh { signed: bool },
    Min { signed: bool },
    Max { signed: bool },
    And,
    Or,
    Xor,
    Not,
    Neg,
    Abs,
    ShiftLeft,
    ShiftRight { signed: bool },
    /// Single precision from an integer.
    ToFloat,
    /// The lower half of 64 bits.
    Low,
    /// The upper half.
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Long {
    Copy,
    Add,
    Sub,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    /// The product of 32-bit numbers.
    MulWide { signed: bool },
    /// The same plus c.
    MadWide { signed: bool },
    /// From 32 bits.
    Extend { signed: bool },
    /// From halves a (lower) and b.
    Pack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Comparisons of floating-point numbers as the processor numbers them (the predicate of VCMPPS).
pub(crate) type Comparison = u8;

/// A single-precision operation of this name.
pub(crate) fn float(name: &str, flush: bool) -> Option<Shape> {
    let op = match name {
        "add" => Float::Add,
        "sub" => Float::Sub,
        "mul" => Float::Mul,
        "div" => Float::Div,
        "min" => Float::Min,
        "max" => Float::Max,
        "fma" => Float::Fma,
        "neg" => Float::Neg,
        "abs" => Float::Abs,
        "sqrt" => Float::Sqrt,
        "rcp" => Float::Reciprocal,
        "rsqrt" => Float::ReciprocalSqrt,
        "ex2" => Float::Exp2,
        "lg2" => Float::Log2,
        _ => return None,
    };
    Some(Shape::Float { op, flush })
}

/// An operation of this name on integers of 4 or 8 bytes.
pub(crate) fn integer(name: &str, bytes: u32, signed: bool) -> Option<Shape> {
    let narrow = |op| (bytes == 4).then_some(Shape::Integer(op));
    let both = |op, long| if bytes == 4 { Some(Shape::Integer(op)) } else { Some(Shape::Long(long)) };
    if bytes != 4 && bytes != 8 {
        return None;
    }
    match name {
        "add" => both(Integer::Add, Long::Add),
        "sub" => both(Integer::Sub, Long::Sub),
        "and" => both(Integer::And, Long::And),
        "or" => both(Integer::Or, Long::Or),
        "xor" => both(Integer::Xor, Long::Xor),
        "shl" => both(Integer::ShiftLeft, Long::ShiftLeft),
        "shr" if bytes == 4 => narrow(Integer::ShiftRight { signed }),
        "shr" if !signed => Some(Shape::Long(Long::ShiftRight)),
        "mul.lo" => narrow(Integer::Mul),
        "mad.lo" => narrow(Integer::Mad),
        "mul.hi" => narrow(Integer::MulHigh { signed }),
        "mul.wide" if bytes == 4 => Some(Shape::Long(Long::MulWide { signed })),
        "mad.wide" if bytes == 4 => Some(Shape::Long(Long::MadWide { signed })),
        "min" => narrow(Integer::Min { signed }),
        "max" => narrow(Integer::Max { signed }),
        "not" => narrow(Integer::Not),
        "neg" => narrow(Integer::Neg),
        "abs" => narrow(Integer::Abs),
        _ => None,
    }
}

/// setp of this name on single precision.
pub(crate) fn compare_float(name: &str, flush: bool) -> Option<Shape> {
    let op = match name {
        "eq" => 0x00,
        "ne" => 0x0c,
        "lt" => 0x11,
        "le" => 0x12,
        "gt" => 0x1e,
        "ge" => 0x1d,
        "equ" => 0x08,
        "neu" => 0x04,
        "ltu" => 0x19,
        "leu" => 0x1a,
        "gtu" => 0x16,
        "geu" => 0x15,
        "num" => 0x07,
        "nan" => 0x03,
        _ => return None,
    };
    Some(Shape::CompareFloat { op, flush })
}

/// setp of this name on integers of 4 or 8 bytes.
pub(crate) fn compare_integer(name: &str, bytes: u32, signed: bool) -> Option<Shape> {
    let op = match name {
        "eq" => Order::Equal,
        "ne" => Order::Unequal,
        "lt" | "lo" => Order::Less,
        "le" | "ls" => Order::LessOrEqual,
        "gt" | "hi" => Order::Greater,
        "ge" | "hs" => Order::GreaterOrEqual,
        _ => return None,
    };
    (bytes == 4 || bytes == 8).then_some(Shape::CompareInteger { op, signed })
}
