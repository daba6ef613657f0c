//! The opcodes that can be lowered, and what lowers them: instruction selection starts here, and the conformance suite
//! checks that it ran each of them.

/// Which part of instruction selection an opcode belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Branches with a guard of their own.
    Branch,
    /// Control flow, barriers and operations between lanes; a guard becomes a branch around them.
    Flow,
    /// Operations between lanes that a guard leaves as they are.
    Lanes,
    /// Matrix operations of a whole warp.
    Matrix,
    /// Asynchronous copies and mbarriers.
    Async,
    /// Loads, stores, atomics, addresses.
    Memory,
    /// Memory ordering.
    Fence,
    /// Advice that changes no result; operands are checked.
    Hint,
    /// Arithmetic, logic, comparison, selection, conversion.
    Arithmetic,
    /// Textures and surfaces.
    Texture,
    /// Video instructions.
    Video,
}
use Family::*;

/// Opcodes by name, in order, with their family.
pub const OPCODES: &[(&str, Family)] = &[
    ("abs", Arithmetic),
    ("activemask", Lanes),
    ("add", Arithmetic),
    ("addc", Arithmetic),
    ("alloca", Memory),
    ("and", Arithmetic),
    ("applypriority", Hint),
    ("atom", Memory),
    ("bar", Flow),
    ("barrier", Flow),
    ("bfe", Arithmetic),
    ("bfi", Arithmetic),
    ("bfind", Arithmetic),
    ("bmsk", Arithmetic),
    ("bra", Branch),
    ("brev", Arithmetic),
    ("brkpt", Flow),
    ("brx", Flow),
    ("call", Flow),
    ("clz", Arithmetic),
    ("cnot", Arithmetic),
    ("copysign", Arithmetic),
    ("cos", Arithmetic),
    ("cp", Async),
    ("createpolicy", Hint),
    ("cvt", Arithmetic),
    ("cvta", Memory),
    ("discard", Hint),
    ("div", Arithmetic),
    ("dp2a", Arithmetic),
    ("dp4a", Arithmetic),
    ("elect", Flow),
    ("ex2", Arithmetic),
    ("exit", Flow),
    ("fence", Fence),
    ("fma", Arithmetic),
    ("fns", Arithmetic),
    ("getctarank", Memory),
    ("griddepcontrol", Hint),
    ("isspacep", Memory),
    ("istypep", Texture),
    ("ld", Memory),
    ("ldmatrix", Matrix),
    ("ldu", Memory),
    ("lg2", Arithmetic),
    ("lop3", Arithmetic),
    ("mad", Arithmetic),
    ("mad24", Arithmetic),
    ("madc", Arithmetic),
    ("mapa", Memory),
    ("match", Flow),
    ("max", Arithmetic),
    ("mbarrier", Async),
    ("membar", Fence),
    ("min", Arithmetic),
    ("mma", Matrix),
    ("mov", Arithmetic),
    ("movmatrix", Matrix),
    ("mul", Arithmetic),
    ("mul24", Arithmetic),
    ("nanosleep", Flow),
    ("neg", Arithmetic),
    ("not", Arithmetic),
    ("or", Arithmetic),
    ("pmevent", Hint),
    ("popc", Arithmetic),
    ("prefetch", Hint),
    ("prefetchu", Hint),
    ("prmt", Arithmetic),
    ("rcp", Arithmetic),
    ("red", Memory),
    ("redux", Flow),
    ("rem", Arithmetic),
    ("ret", Flow),
    ("rsqrt", Arithmetic),
    ("sad", Arithmetic),
    ("selp", Arithmetic),
    ("set", Arithmetic),
    ("setmaxnreg", Hint),
    ("setp", Arithmetic),
    ("shf", Arithmetic),
    ("shfl", Flow),
    ("shl", Arithmetic),
    ("shr", Arithmetic),
    ("sin", Arithmetic),
    ("slct", Arithmetic),
    ("sqrt", Arithmetic),
    ("st", Memory),
    ("stackrestore", Memory),
    ("stacksave", Memory),
    ("stmatrix", Matrix),
    ("sub", Arithmetic),
    ("subc", Arithmetic),
    ("suld", Texture),
    ("suq", Texture),
    ("sured", Texture),
    ("sust", Texture),
    ("szext", Arithmetic),
    ("tanh", Arithmetic),
    ("testp", Arithmetic),
    ("tex", Texture),
    ("tld4", Texture),
    ("trap", Flow),
    ("txq", Texture),
    ("vabsdiff", Video),
    ("vabsdiff2", Video),
    ("vabsdiff4", Video),
    ("vadd", Video),
    ("vadd2", Video),
    ("vadd4", Video),
    ("vavrg2", Video),
    ("vavrg4", Video),
    ("vmad", Video),
    ("vmax", Video),
    ("vmax2", Video),
    ("vmax4", Video),
    ("vmin", Video),
    ("vmin2", Video),
    ("vmin4", Video),
    ("vote", Flow),
    ("vset", Video),
    ("vset2", Video),
    ("vset4", Video),
    ("vshl", Video),
    ("vshr", Video),
    ("vsub", Video),
    ("vsub2", Video),
    ("vsub4", Video),
    ("wmma", Matrix),
    ("xor", Arithmetic),
];

/// The family of an opcode; None if it cannot be lowered.
pub(super) fn family(base: &str) -> Option<Family> {
    OPCODES.binary_search_by_key(&base, |(name, _)| name).ok().map(|k| OPCODES[k].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_in_order() {
        assert!(OPCODES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(family("add"), Some(Arithmetic));
        assert_eq!(family("wgmma"), None);
    }
}
