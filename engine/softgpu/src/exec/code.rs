//! Decoded instructions and what surrounds them.

use super::shape::Shape;
use super::warp::Warp;

/// Executes one instruction for the active lanes of a warp; returns the next one, or null when the warp must stop
/// running (the reason is then in [`Warp::stop`]).
///
/// # Safety
/// `i` points into the code of the launch that `Warp` belongs to, and its operands were allocated for that code.
///
/// C's calling convention, because compiled code ([`super::native`]) follows it; no foreign code is called.
#[allow(improper_ctypes_definitions)]
pub(crate) type RunFn = unsafe extern "C-unwind" fn(&mut Warp, i: *const Inst) -> *const Inst;

/// An operation as instruction selection chooses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpFn {
    /// Reads and writes registers.
    pub run: RunFn,
    /// What it computes, if it can be compiled.
    pub shape: Option<Shape>,
}

impl OpFn {
    /// Says what the operation computes.
    pub fn shaped(self, shape: Option<Shape>) -> OpFn {
        OpFn { shape, ..self }
    }
}

/// One lane of a rare operation: operands a, b, c, e as raw bits, and the immediate.
pub(crate) type ScalarFn = fn(&[u64; 4], u64) -> u64;

/// Operand field that is not used.
pub(crate) const NONE: u32 = u32::MAX;

/// Flags of an [`Inst`] for [`ScalarFn`] operations: which operands exist, their register class.
pub(crate) mod flag {
    /// Operand a is a 64-bit register; shifted left by 1 for b, 2 for c, 3 for e.
    pub const A64: u32 = 1;
    /// Operand a is a predicate; shifted likewise.
    pub const A_PRED: u32 = 1 << 4;
    /// The destination is a 64-bit register.
    pub const D64: u32 = 1 << 8;
    /// The destination is a predicate.
    pub const D_PRED: u32 = 1 << 9;
    /// The address of an access is register c, the same in all lanes, plus the 32-bit register a times a power of
    /// two, plus the immediate.
    pub const INDEXED: u32 = 1 << 10;
    /// That register a is signed.
    pub const INDEX_SIGNED: u32 = 1 << 11;
    /// Register c says how the addresses of an access without index lie (the prologue has looked).
    pub const PATTERN: u32 = 1 << 16;
    /// Where the exponent of that power lies; four bits.
    pub const INDEX_SHIFT: u32 = 12;
}

/// One decoded instruction; register operands are byte offsets from the frame's register base.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Inst {
    /// Entry point: `g`, `guarded` for predicated instructions, or what the native tier compiled from here on.
    pub f: RunFn,
    pub d: u32,
    pub a: u32,
    pub b: u32,
    pub c: u32,
    pub imm: u64,
    /// Predicate register of the guard; bit 31 set: negated.
    pub guard: u32,
    /// Branch target (instruction index) or index into [`Code::side`].
    pub x: u32,
    /// The operation proper, of this instruction alone.
    pub g: RunFn,
    pub s: ScalarFn,
    pub e: u32,
    pub flags: u32,
}

/// Where a constant slot's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ConstValue {
    Bits(u64),
    /// Address of a module variable plus offset.
    Symbol(String, i64),
}

/// A register slot that holds one constant for the whole launch.
#[derive(Debug, Clone)]
pub(crate) struct ConstSlot {
    pub offset: u32,
    pub wide: bool,
    pub value: ConstValue,
}

/// What a call needs to know of a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionInfo {
    /// First instruction.
    pub entry: u32,
    /// Register frame size, bytes.
    pub frame_bytes: u32,
    /// Local memory of one activation, bytes.
    pub local_bytes: u32,
    /// Offsets of return values and parameters in the callee's local frame, with sizes.
    pub returns: Vec<(u32, u32)>,
    pub params: Vec<(u32, u32)>,
}

/// One call site.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallSite {
    /// Function index; None for an indirect call.
    pub callee: Option<u32>,
    /// Offsets in the caller's local frame, with sizes.
    pub returns: Vec<(u32, u32)>,
    pub args: Vec<(u32, u32)>,
}

/// Code of one kernel with every function it can reach.
pub(crate) struct Code {
    pub insts: Vec<Inst>,
    /// PTX line of each instruction.
    pub lines: Vec<u32>,
    /// By instruction: whether it completes an instruction of the PTX (one of those may become several), and how many
    /// before it need not be executed (any more).
    pub counted: Vec<(bool, u32)>,
    /// First instruction of what each warp does once, when it is made, with all lanes.
    pub prologue: u32,
    pub side: Vec<u32>,
    pub consts: Vec<ConstSlot>,
    /// Names of symbols that `load symbol` instructions of functions use.
    pub symbols: Vec<(String, i64)>,
    /// Index 0 is the kernel.
    pub functions: Vec<FunctionInfo>,
    /// Functions by [`super::CODE_WINDOW`] index: index into `functions`.
    pub function_addresses: Vec<(u32, u32)>,
    pub calls: Vec<CallSite>,
    /// Local memory of the deepest call chain, if known statically.
    pub local_bytes: u32,
    /// Recursion, indirect calls or alloca: local memory grows up to the stack limit.
    pub dynamic_stack: bool,
    pub has_alloca: bool,
    pub static_shared_bytes: u32,
    /// Where dynamic shared memory begins.
    pub dynamic_shared_at: u32,
    /// The race checker's notes are in the code.
    pub races: bool,
    /// Parts of it compiled to the processor's own instructions, which `insts` refer to.
    #[cfg(target_arch = "x86_64")]
    pub native: Option<super::native::Compiled>,
    /// Shared variables: name, offset, size; for the race checker's reports.
    pub shared_names: Vec<(String, u32, u32)>,
}

// SAFETY: function pointers and plain data; nothing is mutated after construction.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}
