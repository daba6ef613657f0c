//! Executes PTX on the CPU: the compute half of the software GPU.
//!
//! The life of one kernel: [`compile`] turns parsed modules ([`crate::ptx::parse`]) into a [`Program`] (one
//! [`Kernel`] per entry, or the reason why that entry cannot run here), the driver half places the program's
//! [`Global`]s in device memory and applies their relocations, and [`launch`] runs one grid to its end, returning
//! [`LaunchStats`] or the [`Fault`] that stopped it.
//!
//! Device memory is host memory at the same addresses. Every access is checked against the [`MemoryMap`] snapshot
//! passed with the launch. Generic addresses of shared, local and parameter memory lie in windows above any user
//! address of the host ([`SHARED_WINDOW`], [`LOCAL_WINDOW`], [`PARAM_WINDOW`]).

pub(crate) mod access;
mod approx;
pub(crate) mod asynchronous;
pub(crate) mod atomic;
pub(crate) mod atomic128;
mod block;
pub(crate) mod code;
pub(crate) mod control;
pub(crate) mod convert;
pub(crate) mod float;
mod grid;
mod heap;
pub(crate) mod int;
mod kernels;
pub(crate) mod lane;
pub(crate) mod matrix;
pub(crate) mod matrix_bits;
pub(crate) mod mem;
mod memory_map;
#[cfg(target_arch = "x86_64")]
pub(crate) mod native;
pub(crate) mod packed;
mod pool;
pub(crate) mod races;
pub(crate) mod system;
pub mod texture;
pub(crate) mod texture_ops;
pub(crate) mod shape;
mod turns;
pub(crate) mod video;
mod warp;
pub(crate) mod warp_ops;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use heap::{DeviceHeap, FreeListHeap, NoHeap};
pub use kernels::Kernels;
pub use memory_map::{MemoryMap, MemoryRange};
pub use races::Race;

use crate::ptx;

/// First generic address of the shared memory window (bit 47 set: never a user address of the host).
pub const SHARED_WINDOW: u64 = 0x8000_0000_0000;
/// First generic address of the local memory window; every thread sees its own local memory here.
pub const LOCAL_WINDOW: u64 = 0x9000_0000_0000;
/// First generic address of the kernel parameter window (`cvta.param`).
pub const PARAM_WINDOW: u64 = 0xa000_0000_0000;
/// First address of device functions (`mov.u64 %rd, function`), 16 apart.
pub const CODE_WINDOW: u64 = 0xf000_0000_0000;

/// What the compiled code may assume of the device.
#[derive(Debug, Clone)]
pub struct CompileOptions {
    /// Compute capability as major * 10 + minor (80 for 8.0); a module whose `.target` is newer is refused.
    pub compute_capability: u32,
    /// Kernels check their accesses to shared memory for races ([`Race`]).
    pub races: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions { compute_capability: 80, races: false }
    }
}

/// Why a module or a kernel cannot be executed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CompileError {
    /// Line of the PTX text, from 1; 0 if no line is to blame.
    pub line: u32,
    /// The instruction or symbol and what is wrong with it.
    pub message: String,
    /// Which CUresult describes it best.
    pub kind: CompileErrorKind,
}

/// Class of a [`CompileError`], for the mapping to CUresult.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompileErrorKind {
    /// The text breaks the PTX grammar or typing rules (CUDA_ERROR_INVALID_PTX, 218).
    InvalidPtx,
    /// Legal PTX that this executor does not implement (CUDA_ERROR_NOT_SUPPORTED, 801).
    Unsupported,
    /// PTX of a newer ISA version or target (CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222).
    UnsupportedVersion,
    /// `.extern` symbol without definition (CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, 302).
    UnresolvedSymbol,
}

/// One kernel parameter's place in the parameter buffer; bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelParam {
    /// Offset from the start of the parameter buffer.
    pub offset: u32,
    /// Size of the value.
    pub size: u32,
    /// Alignment the PTX declares.
    pub align: u32,
}

/// A kernel ready to launch.
pub struct Kernel {
    /// Entry name as in the PTX (mangled).
    pub name: String,
    /// Parameters in order.
    pub params: Vec<KernelParam>,
    /// Size of the parameter buffer, bytes.
    pub param_bytes: u32,
    /// Statically declared shared memory, bytes.
    pub static_shared_bytes: u32,
    /// Local memory one thread uses, bytes (static; recursion and alloca grow up to [`Limits::stack_bytes`]).
    pub local_bytes: u32,
    /// Constant memory (`.const`) of the module, bytes.
    pub const_bytes: u32,
    /// Registers of 32 bits one thread uses after allocation, an estimate in the sense of CU_FUNC_ATTRIBUTE_NUM_REGS.
    pub registers: u32,
    /// `.maxntid` or `.reqntid` product; 1024 if the PTX says nothing.
    pub max_threads_per_block: u32,
    /// `.reqntid`, if given.
    pub required_block: Option<[u32; 3]>,
    /// It may call malloc or free.
    pub uses_heap: bool,
    /// Code form; opaque.
    pub(crate) code: Arc<code::Code>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("name", &self.name).field("params", &self.params).finish_non_exhaustive()
    }
}

/// State space of a module-scope variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobalSpace {
    /// `.global`
    Global,
    /// `.const`
    Const,
}

/// A module-scope variable that the driver places in device memory.
#[derive(Debug, Clone)]
pub struct Global {
    /// Symbol name.
    pub name: String,
    /// Size, bytes.
    pub size: u64,
    /// Alignment, bytes.
    pub align: u64,
    /// State space.
    pub space: GlobalSpace,
    /// Initial bytes; shorter than `size` means zeros follow. Addresses of functions are already filled in.
    pub init: Vec<u8>,
    /// Addresses of variables to add into `init`.
    pub relocations: Vec<Relocation>,
    /// Declared `.managed` (attribute).
    pub managed: bool,
    /// Declared in `.visible`, `.weak` or `.common` form (cuModuleGetGlobal finds all of them anyway).
    pub visible: bool,
}

/// At `offset` of the variable's bytes the address of `symbol` plus `addend`, `width` bytes wide, is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Byte offset in the variable.
    pub offset: u64,
    /// Name of another [`Global`] of the program.
    pub symbol: String,
    /// Added to the address.
    pub addend: i64,
    /// Bytes to store (8, or fewer for `mask()` forms).
    pub width: u8,
    /// Right shift before storing (for byte-wise initialisers).
    pub shift: u8,
}

/// A linked set of modules. Its kernels are compiled when they are asked for.
#[derive(Debug)]
pub struct Program {
    /// By entry name: the kernel, or why that one kernel cannot run here.
    pub kernels: Kernels,
    /// Module-scope variables, in declaration order.
    pub globals: Vec<Global>,
    /// Texture and surface references (`.texref`, `.surfref`) among them: by name, whether a surface.
    pub references: BTreeMap<String, bool>,
    /// `.version` of the (first) module as major * 10 + minor.
    pub ptx_version: u32,
    /// `.target sm_NN` of the first module as NN.
    pub target: u32,
}

/// Parses and compiles one PTX text.
///
/// # Errors
/// A grammar error, a newer target, or an unresolved symbol. An instruction that is not supported fails only the
/// kernels that can reach it ([`Program::kernels`]).
pub fn compile_text(text: &str, options: &CompileOptions) -> Result<Program, CompileError> {
    let module = ptx::parse(text)
        .map_err(|e| CompileError { line: e.line, message: e.message, kind: CompileErrorKind::InvalidPtx })?;
    compile(vec![module], options)
}

/// Links and compiles parsed modules (one for cuModuleLoadData, several for cuLink).
///
/// # Errors
/// As [`compile_text`].
pub fn compile(modules: Vec<ptx::Module>, options: &CompileOptions) -> Result<Program, CompileError> {
    crate::ir::compile(modules, options)
}

/// Bounds on one launch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Backward branches and calls one warp may take before the launch ends with [`FaultKind::Timeout`]; 0: no limit.
    pub max_back_edges: u64,
    /// Stack (local memory) one thread may use for recursion and alloca, bytes (CU_LIMIT_STACK_SIZE).
    pub stack_bytes: u32,
    /// Priority of the stream, 0 (the lowest) to -5: of blocks that wait to be started, those of the lower number go first.
    pub priority: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_back_edges: 0, stack_bytes: 16 << 10, priority: 0 }
    }
}

/// What special registers report of the device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView {
    /// Multiprocessor count (%nsmid).
    pub sm_count: u32,
    /// Number of this launch on the device (%gridid).
    pub grid_id: u64,
    /// Address of the buffer that cooperative groups find in %envreg1/%envreg2 (0: none). It is zeroed by the caller
    /// before a cooperative launch and at least 64 bytes long.
    pub grid_workspace: u64,
    /// Whose textures and surfaces kernels may name ([`texture::bind`]).
    pub context: u64,
}

impl Default for DeviceView {
    fn default() -> Self {
        DeviceView { sm_count: 16, grid_id: 1, grid_workspace: 0, context: 0 }
    }
}

/// One grid to run.
pub struct Launch<'a> {
    /// The kernel; from [`Program::kernels`].
    pub kernel: &'a Kernel,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads in x, y, z.
    pub block: [u32; 3],
    /// Size of `extern __shared__`, bytes.
    pub dynamic_shared_bytes: u32,
    /// Parameter buffer, at least `kernel.param_bytes` long.
    pub params: &'a [u8],
    /// Address of each [`Global`] the kernel names.
    pub symbol: &'a (dyn Fn(&str) -> Option<u64> + Sync),
    /// Live allocations.
    pub memory: &'a MemoryMap,
    /// Receives the text of each printf call.
    pub print: &'a (dyn Fn(&str) + Sync),
    /// Receives each race that a kernel compiled with [`CompileOptions::races`] has.
    pub races: &'a (dyn Fn(&Race) + Sync),
    /// Serves malloc and free of kernels.
    pub heap: &'a dyn DeviceHeap,
    /// Bounds.
    pub limits: Limits,
    /// Set by another thread to end the launch early with [`FaultKind::Timeout`].
    pub stop: &'a AtomicBool,
    /// All blocks must be resident together (grid synchronisation).
    pub cooperative: bool,
    /// Run blocks in order on one thread, so that floating-point atomics give the same sums each time.
    /// [`launch`] also does so when RINGWAY_SOFTGPU_DETERMINISTIC=1.
    pub deterministic: bool,
    /// Device facts for special registers.
    pub device: DeviceView,
}

/// What a finished launch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaunchStats {
    /// Blocks run.
    pub blocks: u64,
    /// Backward branches and calls taken, all warps together.
    pub back_edges: u64,
    /// PTX instructions executed, one for each active lane whose guard holds; 0 unless counted
    /// ([`count_instructions`]).
    pub instructions: u64,
}

/// Class of a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Access outside live allocations: CUDA_ERROR_ILLEGAL_ADDRESS.
    IllegalAddress,
    /// Address not a multiple of the access size: CUDA_ERROR_MISALIGNED_ADDRESS.
    MisalignedAddress,
    /// Space of a generic address not allowed by the operation: CUDA_ERROR_INVALID_ADDRESS_SPACE.
    InvalidAddressSpace,
    /// `trap`, or `brkpt` without debugger: CUDA_ERROR_LAUNCH_FAILED.
    Trap,
    /// `__assertfail`: CUDA_ERROR_ASSERT.
    Assert,
    /// Something that cannot be executed reached: CUDA_ERROR_ILLEGAL_INSTRUCTION.
    IllegalInstruction,
    /// Indirect call to no function: CUDA_ERROR_INVALID_PC.
    InvalidPc,
    /// Stack exhausted: CUDA_ERROR_HARDWARE_STACK_ERROR.
    HardwareStackError,
    /// Stopped by a limit, a deadlock or `stop`: CUDA_ERROR_LAUNCH_TIMEOUT.
    Timeout,
    /// The launch itself is wrong (sizes): CUDA_ERROR_INVALID_VALUE.
    InvalidLaunch,
    /// A block needs more than the device has: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES.
    OutOfResources,
}

impl FaultKind {
    /// The CUresult value.
    pub fn cuda_code(self) -> u32 {
        match self {
            FaultKind::IllegalAddress => 700,
            FaultKind::OutOfResources => 701,
            FaultKind::Timeout => 702,
            FaultKind::Assert => 710,
            FaultKind::HardwareStackError => 714,
            FaultKind::IllegalInstruction => 715,
            FaultKind::MisalignedAddress => 716,
            FaultKind::InvalidAddressSpace => 717,
            FaultKind::InvalidPc => 718,
            FaultKind::Trap => 719,
            FaultKind::InvalidLaunch => 1,
        }
    }
}

/// Why a launch ended early.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Class.
    pub kind: FaultKind,
    /// Kernel name.
    pub kernel: String,
    /// Line of the PTX text (0: unknown).
    pub ptx_line: u32,
    /// Block index.
    pub block: [u32; 3],
    /// Thread index in the block.
    pub thread: [u32; 3],
    /// Address of the access, for address faults.
    pub address: Option<u64>,
    /// For address faults: the live allocation nearest to the address.
    pub nearest: Option<MemoryRange>,
    /// What happened, in words.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kernel {} (PTX line {}), block {:?}, thread {:?}: {}",
            self.kernel, self.ptx_line, self.block, self.thread, self.message
        )?;
        if let Some(r) = self.nearest {
            write!(f, "; nearest allocation {:#x}..{:#x}", r.start, r.end)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// Runs one grid to its end.
///
/// # Errors
/// The first fault; other blocks are stopped then.
pub fn launch(args: &Launch<'_>) -> Result<LaunchStats, Box<Fault>> {
    grid::run(args, false)
}

/// As [`launch`], slower, and counts the instructions that lanes execute.
///
/// # Errors
/// As [`launch`].
pub fn count_instructions(args: &Launch<'_>) -> Result<LaunchStats, Box<Fault>> {
    grid::run(args, true)
}
