//! The CUDA table: what Ringway knows about each function of the driver API, as data.
//!
//! The text files in `table/` are the source; `ringway-api-gen` writes from them what is under `generated/` here, in
//! `shim/cuda` (the exports), in `engine/worker` (the dispatch), and `docs/coverage.md`. See CONTRIBUTING.md, "Add one
//! CUDA call".

#![forbid(unsafe_code)]

mod coverage;
pub mod error;
#[rustfmt::skip]
#[path = "generated/op.rs"]
pub mod op;
#[rustfmt::skip]
#[path = "generated/table.rs"]
mod table;

pub use coverage::{Coverage, Totals, coverage, totals};
pub use error::{CudaError, RESULTS, result_name, result_text};
pub use table::TABLE;

/// One function of the driver API in one form. A function whose later version takes other parameters has a row for
/// each form.
#[derive(Debug)]
pub struct Row {
    /// The CUDA name without version; forms of older versions carry it behind (`cuStreamGetCaptureInfo_v2`).
    pub name: &'static str,
    /// The name that cuGetProcAddress is asked for.
    pub base: &'static str,
    /// Name of the table file, which is also the handwritten module's.
    pub family: &'static str,
    /// The number on the wire; never reused.
    pub opcode: u32,
    /// How a call travels.
    pub class: Class,
    /// Whether the body is generated or written by hand.
    pub body: Body,
    /// How far it works.
    pub support: Support,
    /// The test that proves it, if there is one.
    pub test: Option<&'static str>,
    /// Symbols that lead here.
    pub exports: &'static [Export],
}

/// A symbol of libcuda.so.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The symbol.
    pub symbol: &'static str,
    /// CUDA version that brought it, as `1000 * major + 10 * minor`.
    pub version: u32,
    /// Which default stream it takes.
    pub variant: Variant,
    /// A form that is refused, whatever the row's support: 32-bit device pointers and sizes of CUDA 3.1 and before.
    pub legacy: bool,
}

/// Which stream a null stream handle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The legacy default stream.
    Base,
    /// The thread's own default stream (`_ptds`: a call without a stream argument).
    Ptds,
    /// The thread's own default stream (`_ptsz`: a call with one).
    Ptsz,
}

/// How a call travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Answered in the client.
    Local,
    /// Written to the ring; the call returns at once.
    Posted,
    /// The call waits for the server's answer.
    Called,
    /// Carries a payload of any size in chunks.
    Bulk,
}

/// Who writes the bodies at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The generator.
    Auto,
    /// `crate::driver::<family>` in the shim and `crate::handlers::<family>` in the worker.
    Hand,
}

/// How far a function works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As documented by CUDA.
    Full,
    /// With a restriction.
    Partial(&'static str),
    /// Never; with the result that it returns and the reason.
    Refused(CudaError, &'static str),
    /// Not yet; returns CUDA_ERROR_NOT_SUPPORTED.
    Planned(&'static str),
}

/// What a handle stands for. The number is the upper 16 bits of a client-made handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[allow(missing_docs)]
pub enum Kind {
    Context = 1,
    Stream = 2,
    Event = 3,
    Module = 4,
    Function = 5,
    Library = 6,
    Kernel = 7,
    Graph = 8,
    GraphNode = 9,
    GraphExec = 10,
    MemPool = 11,
    Allocation = 12,
    Array = 13,
    MipmappedArray = 14,
    Texture = 15,
    Surface = 16,
    Linker = 17,
    UserObject = 18,
}

impl Kind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Kind; 18] = [
        Kind::Context,
        Kind::Stream,
        Kind::Event,
        Kind::Module,
        Kind::Function,
        Kind::Library,
        Kind::Kernel,
        Kind::Graph,
        Kind::GraphNode,
        Kind::GraphExec,
        Kind::MemPool,
        Kind::Allocation,
        Kind::Array,
        Kind::MipmappedArray,
        Kind::Texture,
        Kind::Surface,
        Kind::Linker,
        Kind::UserObject,
    ];

    /// The kind with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// The row with this opcode.
pub fn row(opcode: u32) -> Option<&'static Row> {
    let index = table::BY_OPCODE
        .binary_search_by_key(&opcode, |&(op, _)| op)
        .ok()?;
    TABLE.get(usize::from(table::BY_OPCODE[index].1))
}

/// The function's name, for errors, traces and metrics; `"?"` where the opcode has no row.
pub fn name(opcode: u32) -> &'static str {
    row(opcode).map_or("?", |r| r.name)
}

/// Rows of the function `base` with their symbols, in the order of the table.
fn exports_of(base: &str) -> impl Iterator<Item = (&'static Row, &'static Export)> {
    let first = table::BY_BASE.partition_point(|&(b, _)| b < base);
    table::BY_BASE[first..]
        .iter()
        .take_while(move |&&(b, _)| b == base)
        .filter_map(|&(_, row)| TABLE.get(usize::from(row)))
        .flat_map(|row| row.exports.iter().map(move |export| (row, export)))
}

/// The symbol that cuGetProcAddress answers with: the newest that came in at or before `cuda_version` (as
/// `1000 * major + 10 * minor`), of the per-thread variants if `per_thread` asks for them and there is one that old.
/// `None` where the function is unknown or younger (CUDA driver API, "Driver Entry Point Access").
pub fn resolve(name: &str, cuda_version: u32, per_thread: bool) -> Option<&'static Export> {
    let newest = |per_thread: bool| {
        exports_of(name)
            .map(|(_, export)| export)
            .filter(|e| e.version <= cuda_version && (e.variant != Variant::Base) == per_thread)
            .max_by_key(|e| e.version)
    };
    per_thread
        .then(|| newest(true))
        .flatten()
        .or_else(|| newest(false))
}

/// Whether the table has a function of this name in any version.
pub fn is_known(name: &str) -> bool {
    exports_of(name).next().is_some()
}
