//! What a table file says, after parsing.

/// Type of a number that travels as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    U8,
    U16,
    U32,
    I32,
    U64,
    I64,
    Usize,
    F32,
    F64,
}

impl Scalar {
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "i32" => Self::I32,
            "u64" | "dptr" => Self::U64,
            "i64" => Self::I64,
            "usize" => Self::Usize,
            "f32" => Self::F32,
            "f64" => Self::F64,
            _ => return None,
        })
    }
    /// Rust's name, which is also the name of the codec's method.
    pub fn rust(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::Usize => "usize",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
    /// Bytes on the wire.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::Usize | Self::F64 => 8,
        }
    }
    pub fn zero(self) -> &'static str {
        match self {
            Self::F32 | Self::F64 => "0.0",
            _ => "0",
        }
    }
}

/// Words for handle kinds in the table, with the name in `ringway_api::Kind`.
pub const KINDS: &[(&str, &str)] = &[
    ("ctx", "Context"),
    ("stream", "Stream"),
    ("event", "Event"),
    ("module", "Module"),
    ("func", "Function"),
    ("library", "Library"),
    ("kernel", "Kernel"),
    ("graph", "Graph"),
    ("node", "GraphNode"),
    ("exec", "GraphExec"),
    ("pool", "MemPool"),
    ("allocation", "Allocation"),
    ("array_handle", "Array"),
    ("mipmap", "MipmappedArray"),
    ("texture", "Texture"),
    ("surface", "Surface"),
    ("linker", "Linker"),
    ("userobject", "UserObject"),
];

pub fn kind(word: &str) -> Option<&'static str> {
    KINDS.iter().find(|(w, _)| *w == word).map(|(_, k)| *k)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    In,
    Out,
    InOut,
}

/// Structures that name a device by its ordinal in a CUmemLocation, and where in them that is.
pub const LOCATIONS: &[(&str, usize)] = &[
    ("CUmemLocation", 0),
    ("CUmemAccessDesc", 0),
    ("CUmemAllocationProp", 8),
    ("CUmemPoolProps", 8),
];

/// A structure that names an array, whose handle is translated.
pub const RESOURCE: &str = "CUDA_RESOURCE_DESC";

/// What an array is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Scalar(Scalar),
    Handle(&'static str),
    Pod(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Scalar(Scalar, Dir),
    /// A device's ordinal, numbered by the client.
    Device(Dir),
    /// A handle that the call uses.
    Handle(&'static str),
    /// A handle that the call makes; the client chooses its identifier.
    New(&'static str),
    /// A handle of an object that exists already; the server finds or makes its identifier.
    Found(&'static str),
    /// A handle that the call destroys.
    End(&'static str),
    /// A zero-terminated string.
    Cstr,
    /// `len` bytes at a pointer.
    Bytes(Dir, String),
    /// `len` elements at a pointer.
    Array(Dir, Element, String),
    /// An enumeration: null asks for the number of elements, else up to `len` (an `inout` parameter, which becomes the
    /// number there are) come back. Handles are of objects that exist already.
    List(Element, String),
    /// A plain structure of this many bytes, without pointers or handles, at a pointer.
    Pod(Dir, usize),
    /// A plain structure of this many bytes (8 or 64), by value.
    Val(usize),
    /// Where a handwritten body puts a handle.
    HandleOut,
    /// A pointer that only a handwritten body can follow.
    Ptr(Dir),
    /// A function pointer or a pointer that is passed on to one.
    Func,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub shape: Shape,
    pub nullable: bool,
    /// What CUDA allows for a number, where the client can tell.
    pub limit: Option<Limit>,
    /// Name of the structure that a pod is, and its size in bytes.
    pub structure: Option<(String, usize)>,
}

impl Param {
    /// Offset of the CUmemLocation in this structure.
    pub fn location(&self) -> Option<usize> {
        let (name, _) = self.structure.as_ref()?;
        LOCATIONS
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, offset)| *offset)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// No other bits may be set.
    Mask(u32),
    /// The largest value.
    Max(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Local,
    Posted,
    Called,
    Bulk,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    Full,
    Partial(String),
    Refused(String, String),
    Planned(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Base,
    Ptds,
    Ptsz,
}

#[derive(Debug, Clone)]
pub struct Export {
    pub symbol: String,
    pub version: u32,
    pub variant: Variant,
    pub legacy: bool,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub opcode: u32,
    /// Identifier in Rust: the base name, with the form behind it.
    pub name: String,
    pub base: String,
    pub family: String,
    /// `None`: not described, so it can only be refused or planned.
    pub params: Option<Vec<Param>>,
    pub class: Class,
    pub hand: bool,
    /// The server's arm is written by hand although the client's end is generated.
    pub hand_arm: bool,
    /// A handwritten function of the shim is called, which calls the generated body (`auto_NAME`).
    pub wrapped: bool,
    /// The row that the `_ptds` variants are, on the thread's default stream.
    pub per_thread: Option<String>,
    pub support: Support,
    pub exports: Vec<Export>,
    pub test: Option<String>,
    /// Symbol that the worker calls.
    pub driver: Option<String>,
    /// A record of our own protocol: no symbol anywhere.
    pub internal: bool,
    /// Only a symbol for the worker's driver table: no opcode, no export.
    pub driver_only: bool,
    pub place: String,
}

impl Row {
    pub fn works(&self) -> bool {
        matches!(self.support, Support::Full | Support::Partial(_))
    }
    /// Whether a body is generated for this row itself.
    pub fn is_auto(&self) -> bool {
        self.works() && !self.hand && !self.driver_only
    }
    /// Whether the server's arm is generated.
    pub fn has_auto_arm(&self) -> bool {
        self.is_auto() && !self.hand_arm
    }
    pub fn is_remote(&self) -> bool {
        self.class != Class::Local
    }
    pub fn has_per_thread(&self) -> bool {
        self.exports.iter().any(|e| e.variant != Variant::Base)
    }
    pub fn stream_param(&self) -> Option<&Param> {
        self.params
            .as_ref()?
            .iter()
            .find(|p| p.shape == Shape::Handle("Stream"))
    }
    /// `CU_MEM_ALLOC` of `cuMemAlloc`.
    pub fn op(&self) -> String {
        constant_case(&self.name)
    }
    /// The symbol to call at the server: the newest ordinary form.
    pub fn driver_symbol(&self) -> Option<String> {
        if self.internal {
            return None;
        }
        if let Some(symbol) = &self.driver {
            return Some(symbol.clone());
        }
        self.exports
            .iter()
            .filter(|e| !e.legacy && e.variant == Variant::Base)
            .max_by_key(|e| e.version)
            .map(|e| e.symbol.clone())
    }
}

/// `cuMemcpyHtoDAsync` to `CU_MEMCPY_HTOD_ASYNC`, `cuMemsetD2D8` to `CU_MEMSET_D2D8`.
pub fn constant_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let before = if i > 0 { Some(chars[i - 1]) } else { None };
        let after = chars.get(i + 1);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase()
                    || (b.is_ascii_uppercase() && after.is_some_and(|a| a.is_ascii_lowercase()))
                    || (b.is_ascii_digit() && after.is_some_and(|a| a.is_ascii_lowercase()))
            });
        // `HtoD` and the like stay one word.
        let joined = i >= 3
            && [
                "HtoD", "DtoH", "DtoD", "HtoA", "AtoH", "DtoA", "AtoD", "AtoA",
            ]
            .iter()
            .any(|w| {
                (0..4).any(|back| {
                    i >= back
                        && chars[i - back..].iter().take(4).collect::<String>() == **w
                        && back > 0
                })
            });
        if starts_word && !joined && !out.ends_with('_') {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}
