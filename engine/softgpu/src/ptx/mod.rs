//! PTX text to a typed syntax tree.
//!
//! Follows "Parallel Thread Execution ISA" (NVIDIA's public reference): section 4 (syntax), 5 (state spaces, types,
//! variables), 6 (operands), 10 and 11 (special registers, directives). Opcodes are kept as text here; which of them
//! can be executed is decided in [`crate::ir`].

mod lexer;
mod parser;

use std::fmt;

/// Where and why a text is not PTX.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// What was expected or found.
    pub message: String,
}

/// One parsed module.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// `.version`, major * 10 + minor.
    pub version: u32,
    /// NN of the first `.target sm_NN`.
    pub target: u32,
    /// Target suffix `a` or `f` (architecture-specific features).
    pub target_suffix: Option<char>,
    /// `.address_size`, bits; 64 if not given.
    pub address_size: u32,
    /// Module-scope variables.
    pub variables: Vec<Variable>,
    /// Functions and entries, declarations included.
    pub functions: Vec<Function>,
    /// `.alias new, old`.
    pub aliases: Vec<(String, String)>,
}

/// Fundamental types (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Type {
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    F32,
    F32x2,
    F64,
    Tf32,
    Pred,
    TexRef,
    SamplerRef,
    SurfRef,
}

impl Type {
    /// The type named `name` (no dot).
    pub fn from_name(name: &str) -> Option<Type> {
        Some(match name {
            "b8" => Type::B8,
            "b16" => Type::B16,
            "b32" => Type::B32,
            "b64" => Type::B64,
            "b128" => Type::B128,
            "u8" => Type::U8,
            "u16" => Type::U16,
            "u32" => Type::U32,
            "u64" => Type::U64,
            "s8" => Type::S8,
            "s16" => Type::S16,
            "s32" => Type::S32,
            "s64" => Type::S64,
            "f16" => Type::F16,
            "f16x2" => Type::F16x2,
            "bf16" => Type::Bf16,
            "bf16x2" => Type::Bf16x2,
            "f32" => Type::F32,
            "f32x2" => Type::F32x2,
            "f64" => Type::F64,
            "tf32" => Type::Tf32,
            "pred" => Type::Pred,
            "texref" => Type::TexRef,
            "samplerref" => Type::SamplerRef,
            "surfref" => Type::SurfRef,
            _ => return None,
        })
    }

    /// Size, bytes (1 for predicates, 8 for references).
    pub fn size(self) -> u32 {
        match self {
            Type::B8 | Type::U8 | Type::S8 | Type::Pred => 1,
            Type::B16 | Type::U16 | Type::S16 | Type::F16 | Type::Bf16 => 2,
            Type::B32 | Type::U32 | Type::S32 | Type::F32 | Type::F16x2 | Type::Bf16x2 | Type::Tf32 => 4,
            Type::B64 | Type::U64 | Type::S64 | Type::F64 | Type::F32x2 => 8,
            Type::TexRef | Type::SamplerRef | Type::SurfRef => 8,
            Type::B128 => 16,
        }
    }

    /// Signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Type::S8 | Type::S16 | Type::S32 | Type::S64)
    }

    /// Any floating-point type.
    pub fn is_float(self) -> bool {
        matches!(
            self,
            Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2 | Type::F32 | Type::F32x2 | Type::F64 | Type::Tf32
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// State spaces (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Space {
    Reg,
    Const,
    Global,
    Local,
    Param,
    Shared,
    Tex,
}

/// Linking directive of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Linkage {
    #[default]
    None,
    Extern,
    Visible,
    Weak,
    Common,
}

/// A declared variable, register range or parameter.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Name; for `%r<8>` the prefix.
    pub name: String,
    /// N of `name<N>`.
    pub range: Option<u32>,
    /// Space.
    pub space: Space,
    /// Element type.
    pub ty: Type,
    /// 1, 2, 4 or 8 of `.v2`, `.v4`, `.v8`.
    pub vector: u32,
    /// Elements (product of the dimensions); None for `[]`.
    pub elements: Option<u64>,
    /// Written as an array.
    pub is_array: bool,
    /// Alignment, bytes.
    pub align: u32,
    /// Initialiser, flattened in element order; shorter than `elements` means zeros follow.
    pub init: Vec<InitValue>,
    /// Linking directive.
    pub linkage: Linkage,
    /// `.attribute(.managed)`.
    pub managed: bool,
    /// Line of the declaration.
    pub line: u32,
}

impl Variable {
    /// Size in bytes; 0 for `[]`.
    pub fn size(&self) -> u64 {
        u64::from(self.ty.size()).saturating_mul(u64::from(self.vector)).saturating_mul(self.elements.unwrap_or(0))
    }
}

/// One element of an initialiser.
#[derive(Debug, Clone, PartialEq)]
pub enum InitValue {
    /// Integer, two's complement.
    Int(u64),
    /// `0f` literal.
    F32(u32),
    /// `0d` or decimal literal.
    F64(u64),
    /// Address of a symbol plus `addend`; `generic(symbol)` too. `shift` and `mask` come from `mask(symbol)` forms.
    Symbol {
        /// The symbol.
        name: String,
        /// Added to its address.
        addend: i64,
        /// Bits to shift right by.
        shift: u32,
    },
}

/// `.entry` or `.func`.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name.
    pub name: String,
    /// `.entry`.
    pub is_entry: bool,
    /// Linking directive.
    pub linkage: Linkage,
    /// Return parameters.
    pub returns: Vec<Variable>,
    /// Parameters.
    pub params: Vec<Variable>,
    /// None for a declaration.
    pub body: Option<Vec<Statement>>,
    /// `.maxntid`.
    pub max_threads: Option<[u32; 3]>,
    /// `.reqntid`.
    pub required_threads: Option<[u32; 3]>,
    /// `.reqnctapercluster`: blocks of a cluster; ones if it says nothing.
    pub cluster: [u32; 3],
    /// Line of the name.
    pub line: u32,
}

/// A statement of a function body.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `name:`
    Label(String, u32),
    /// Declaration.
    Variable(Variable),
    /// `{ ... }`
    Block(Vec<Statement>),
    /// Instruction.
    Instruction(Instruction),
    /// `name: .branchtargets a, b;` or `.calltargets`.
    Targets(String, Vec<String>),
    /// `name: .callprototype (returns) _ (params);`
    Prototype(String, Vec<Variable>, Vec<Variable>),
}

/// An instruction.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// Line of the opcode.
    pub line: u32,
    /// `@p` or `@!p` (true).
    pub guard: Option<(String, bool)>,
    /// Opcode with all modifiers, as written: `add.rn.f32`.
    pub opcode: String,
    /// Operands, destination first.
    pub operands: Vec<Operand>,
}

/// An operand.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Register, variable, label, function or special register; component without dot (`x`) if any.
    Name(String, Option<char>),
    /// `name + offset`.
    NameOffset(String, i64),
    /// Integer.
    Int(u64),
    /// `0f`.
    F32(u32),
    /// `0d` or decimal.
    F64(u64),
    /// `{a, b}`.
    Vector(Vec<Operand>),
    /// `[base + offset, more...]`.
    Address(Box<Operand>, i64, Vec<Operand>),
    /// `(a, b)` of calls.
    List(Vec<Operand>),
    /// `p|q`.
    Pair(Box<Operand>, Box<Operand>),
    /// `!p`.
    Not(Box<Operand>),
    /// `%r.b0`, `%r.h10`: parts of a register, as video instructions select them.
    Part(String, String),
    /// `-%r`.
    Negative(Box<Operand>),
    /// `_`.
    Sink,
}

/// Parses a whole module.
///
/// # Errors
/// The first place where the text is not PTX.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    parser::Parser::new(text)?.module()
}

#[cfg(test)]
mod tests;
