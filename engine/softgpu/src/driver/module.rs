//! Modules, libraries and their functions: PTX compiled by [`crate::exec`], with its variables placed in device memory.

use super::context::{CONTEXTS, Context};
use super::image::{self, ImageError};
use super::jit::{self, JitOptions};
use super::memory::{self, Kind, New, space};
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::settings::settings;
use super::{device, journal, report};
use crate::exec::{self, CompileErrorKind, CompileOptions, Kernel, Program};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// All live modules.
pub static MODULES: Registry<Module> = Registry::new(6);
/// All functions of live modules.
pub static FUNCTIONS: Registry<Function> = Registry::new(7);
/// All live libraries.
pub static LIBRARIES: Registry<Library> = Registry::new(8);
/// All kernels of live libraries.
pub static KERNELS: Registry<LibraryKernel> = Registry::new(9);

/// Address and size of variables by name.
pub type Symbols = BTreeMap<String, (u64, u64)>;

/// A module in a context.
pub struct Module {
    /// Its handle.
    pub handle: u64,
    /// Its context.
    pub ctx: u64,
    /// The compiled code.
    pub program: Arc<Program>,
    /// Address and size of each variable.
    pub symbols: Symbols,
    /// Those of them that go with the module.
    owned: Symbols,
    functions: Mutex<HashMap<String, u64>>,
}

/// Attributes of a function that programs set.
#[derive(Default)]
pub struct Settable {
    /// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES; -1: the default, 48 KiB less the static part.
    pub max_dynamic_shared: AtomicI32,
    /// CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT.
    pub carveout: AtomicI32,
}

impl Settable {
    fn new() -> Self {
        Settable { max_dynamic_shared: AtomicI32::new(-1), carveout: AtomicI32::new(-1) }
    }
}

/// A function of a module.
pub struct Function {
    /// Its handle.
    pub handle: u64,
    /// The code.
    pub kernel: Arc<Kernel>,
    /// The module; launches keep it.
    pub module: Arc<Module>,
    /// What programs set.
    pub settable: Arc<Settable>,
}

/// A library: a module that is placed in each context where it is used.
pub struct Library {
    /// Its handle.
    pub handle: u64,
    /// The compiled code.
    pub program: Arc<Program>,
    modules: Mutex<HashMap<u64, Arc<Module>>>,
    /// Its managed variables: the same ones in every context.
    managed: Mutex<Symbols>,
    kernels: Mutex<BTreeMap<String, u64>>,
}

/// A kernel of a library.
pub struct LibraryKernel {
    /// Its handle.
    pub handle: u64,
    /// Its library.
    pub library: Weak<Library>,
    /// The library's handle.
    pub library_handle: u64,
    /// The code.
    pub kernel: Arc<Kernel>,
    /// What programs set.
    pub settable: Arc<Settable>,
}

fn code_of(kind: CompileErrorKind) -> CUresult {
    match kind {
        CompileErrorKind::InvalidPtx => CUresult::INVALID_PTX,
        CompileErrorKind::Unsupported => CUresult::NOT_SUPPORTED,
        CompileErrorKind::UnsupportedVersion => CUresult::UNSUPPORTED_PTX_VERSION,
        CompileErrorKind::UnresolvedSymbol => CUresult::SHARED_OBJECT_SYMBOL_NOT_FOUND,
    }
}

/// Modules of up to this many bytes of PTX are compiled as a whole when they are loaded, so that what is wrong with a kernel is said there.
const EAGER_BYTES: usize = 256 << 10;

/// Links the texts; `registers` (0: none) bounds what kernels say they use.
fn compile_sources(sources: &[String], capability: u32, registers: u32) -> Result<Program, ImageError> {
    let options = CompileOptions { compute_capability: capability, races: settings().races };
    let parse = |(i, source): (usize, &String)| {
        crate::ptx::parse(source).map_err(|e| {
            let input = if sources.len() > 1 { format!("input {}, ", i + 1) } else { String::new() };
            (CUresult::INVALID_PTX, format!("ptx: {input}line {}: {}", e.line, e.message))
        })
    };
    let modules = sources.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut program = exec::compile(modules, &options).map_err(|e| (code_of(e.kind), format!("ptx: {e}")))?;
    if registers > 0 {
        program.kernels.bound_registers(registers);
    }
    if settings().eager_loading || sources.iter().map(String::len).sum::<usize>() <= EAGER_BYTES {
        check_all(&program)?;
    }
    Ok(program)
}

/// A kernel with wrong PTX fails the module, as it does with a hardware driver; one that is only not supported here fails when it is asked for.
fn check_all(program: &Program) -> Result<(), ImageError> {
    let wrong = program.kernels.values().filter_map(|k| k.as_ref().err()).find(|e| e.kind == CompileErrorKind::InvalidPtx);
    wrong.map_or(Ok(()), |e| Err((code_of(e.kind), format!("ptx: {e}"))))
}

/// What CU_JIT_LOG_VERBOSE asks for: a line for each kernel.
fn describe(program: &Program) -> String {
    let mut text = String::new();
    for (name, kernel) in &program.kernels {
        match kernel {
            Ok(k) => {
                let _ = writeln!(
                    text,
                    "ptx: kernel {name}: {} registers, {} bytes shared, {} bytes local, {} bytes constant memory",
                    k.registers, k.static_shared_bytes, k.local_bytes, k.const_bytes
                );
            }
            Err(e) => drop(writeln!(text, "ptx: kernel {name} cannot run: {e}")),
        }
    }
    text
}

/// Compiles an image for the devices of this process.
pub fn compile(bytes: &[u8], jit: &JitOptions) -> R<Arc<Program>> {
    let began = Instant::now();
    jit.check()?;
    let capability = device::device(0)?.capability();
    let compiled = jit.target(capability).and_then(|target| image::sources(bytes, target)).and_then(|sources| {
        journal::note_bytes("image", sources.concat().as_bytes());
        let registers = match image::register_bound(bytes) {
            0 => jit.number(jit::MAX_REGISTERS).unwrap_or(0),
            bound => bound,
        };
        compile_sources(&sources, capability, registers)
    });
    match compiled {
        Ok(program) => {
            jit.logs(&if jit.verbose() { describe(&program) } else { String::new() }, "");
            jit.time(began);
            Ok(Arc::new(program))
        }
        Err((code, text)) => {
            jit.logs("", &text);
            jit.time(began);
            Err(code)
        }
    }
}

impl Module {
    /// Places a program in a context. A library's managed variables are in `managed`, placed once for all contexts.
    pub fn place(ctx: &Arc<Context>, program: Arc<Program>, managed: Option<&mut Symbols>) -> R<Arc<Module>> {
        let mut symbols = Symbols::new();
        let shared = managed.is_some();
        let placed = Self::place_globals(ctx, &program, &mut symbols, managed);
        let own = |name: &str| !shared || program.globals.iter().any(|g| g.name == name && !g.managed);
        if let Err(code) = placed {
            symbols.retain(|name, _| own(name));
            free_symbols(&symbols);
            return Err(code);
        }
        let owned = symbols.iter().filter(|(name, _)| own(name)).map(|(name, &place)| (name.clone(), place)).collect();
        for (name, &surface) in &program.references {
            super::texture::place_reference(ctx.handle, symbols[name].0, surface);
        }
        let handle = MODULES.reserve();
        let module = Arc::new(Module { handle, ctx: ctx.handle, program, symbols, owned, functions: Mutex::default() });
        MODULES.insert(handle, Arc::clone(&module));
        Ok(module)
    }

    fn place_globals(ctx: &Context, program: &Program, symbols: &mut Symbols, mut managed: Option<&mut Symbols>) -> R {
        let mut fresh = Vec::with_capacity(program.globals.len());
        for global in &program.globals {
            let there = managed.as_ref().filter(|_| global.managed).and_then(|m| m.get(&global.name).copied());
            if let Some(place) = there {
                symbols.insert(global.name.clone(), place);
                continue;
            }
            let len = global.size.max(1);
            let (start, kind) = if global.managed {
                (device::driver()?.managed.allocate(len, global.align)?, Kind::Managed)
            } else {
                (memory::pool::allocate_or_wait(ctx, ctx.device, len, global.align)?, Kind::Global)
            };
            let shared = managed.as_mut().filter(|_| global.managed);
            let owner = if shared.is_some() { 0 } else { ctx.handle };
            space().insert(New { start, len, kind, device: ctx.device.ordinal, ctx: owner, flags: memory::VARIABLE, pool: 0 });
            symbols.insert(global.name.clone(), (start, global.size));
            if let Some(shared) = shared {
                shared.insert(global.name.clone(), (start, global.size));
            }
            fresh.push(global);
        }
        for global in fresh {
            let (start, size) = symbols[&global.name];
            let mut init = global.init.clone();
            init.truncate(size as usize);
            for reloc in &global.relocations {
                let (target, _) = *symbols.get(&reloc.symbol).ok_or(CUresult::SHARED_OBJECT_SYMBOL_NOT_FOUND)?;
                let value = target.wrapping_add_signed(reloc.addend).checked_shr(u32::from(reloc.shift)).unwrap_or(0).to_le_bytes();
                let (at, width) = (reloc.offset as usize, usize::from(reloc.width).min(8));
                init.resize(init.len().max(at + width), 0);
                init[at..at + width].copy_from_slice(&value[..width]);
            }
            ensure(init.len() as u64 <= size, CUresult::INVALID_IMAGE)?;
            // SAFETY: `start` was just allocated with at least `size` bytes and nobody else knows it.
            unsafe { std::ptr::copy_nonoverlapping(init.as_ptr(), start as *mut u8, init.len()) };
        }
        Ok(())
    }

    /// A function by name; the same handle every time.
    pub fn function(self: &Arc<Self>, name: &str, settable: Option<Arc<Settable>>) -> R<u64> {
        let mut functions = self.functions.lock();
        if let Some(&handle) = functions.get(name) {
            return Ok(handle);
        }
        let kernel = kernel_of(&self.program, name)?;
        let handle = FUNCTIONS.reserve();
        let settable = settable.unwrap_or_else(|| Arc::new(Settable::new()));
        FUNCTIONS.insert(handle, Arc::new(Function { handle, kernel, module: Arc::clone(self), settable }));
        functions.insert(name.to_owned(), handle);
        Ok(handle)
    }

    fn forget_functions(&self) {
        for (_, handle) in self.functions.lock().drain() {
            let _ = FUNCTIONS.remove(handle);
        }
    }
}

/// A kernel that can run here: CUDA_ERROR_NOT_FOUND without one of that name, and the compiler's reason if this one cannot run.
fn kernel_of(program: &Program, name: &str) -> R<Arc<Kernel>> {
    match program.kernels.get(name) {
        None => Err(CUresult::NOT_FOUND),
        Some(Ok(kernel)) => Ok(Arc::clone(kernel)),
        Some(Err(error)) => {
            report::fault(&format!("kernel {name} cannot run on the software GPU: PTX {error}"));
            Err(code_of(error.kind))
        }
    }
}

fn free_symbols(symbols: &Symbols) {
    for &(start, _) in symbols.values() {
        if let Some(gone) = space().remove(start, |a| matches!(a.kind, Kind::Global | Kind::Managed)) {
            memory::free_backing(&gone);
        }
    }
}

/// `cuModuleLoadData` and its like.
pub fn load(ctx: &Arc<Context>, bytes: &[u8], jit: &JitOptions) -> R<u64> {
    Ok(Module::place(ctx, compile(bytes, jit)?, None)?.handle)
}

fn unload_module(module: &Module) {
    if let Some(ctx) = CONTEXTS.find(module.ctx) {
        ctx.all_streams().iter().for_each(|s| s.mark().wait());
    }
    module.forget_functions();
    for name in module.program.references.keys() {
        super::texture::remove_reference(module.symbols[name].0);
    }
    free_symbols(&module.owned);
}

/// `cuModuleUnload`: waits for work that may use it.
pub fn unload(handle: u64) -> R {
    let module = MODULES.remove(handle)?;
    unload_module(&module);
    Ok(())
}

/// `cuLibraryLoadData`.
pub fn load_library(bytes: &[u8], jit: &JitOptions) -> R<u64> {
    let program = compile(bytes, jit)?;
    let handle = LIBRARIES.reserve();
    LIBRARIES.insert(handle, Arc::new(Library { handle, program, modules: Mutex::default(), managed: Mutex::default(), kernels: Mutex::default() }));
    Ok(handle)
}

/// `cuLibraryUnload`.
pub fn unload_library(handle: u64) -> R {
    let library = LIBRARIES.remove(handle)?;
    for (_, kernel) in std::mem::take(&mut *library.kernels.lock()) {
        let _ = KERNELS.remove(kernel);
    }
    for (_, module) in library.modules.lock().drain() {
        let _ = MODULES.remove(module.handle);
        unload_module(&module);
    }
    free_symbols(&library.managed.lock());
    Ok(())
}

impl Library {
    /// The module in a context, placed at first use.
    pub fn module(&self, ctx: &Arc<Context>) -> R<Arc<Module>> {
        let mut modules = self.modules.lock();
        if let Some(module) = modules.get(&ctx.id) {
            return Ok(Arc::clone(module));
        }
        let module = Module::place(ctx, Arc::clone(&self.program), Some(&mut self.managed.lock()))?;
        modules.insert(ctx.id, Arc::clone(&module));
        Ok(module)
    }

    /// A kernel by name; the same handle every time.
    pub fn kernel(self: &Arc<Self>, name: &str) -> R<u64> {
        let mut kernels = self.kernels.lock();
        if let Some(&handle) = kernels.get(name) {
            return Ok(handle);
        }
        let kernel = kernel_of(&self.program, name)?;
        let handle = KERNELS.reserve();
        let settable = Arc::new(Settable::new());
        KERNELS.insert(handle, Arc::new(LibraryKernel { handle, library: Arc::downgrade(self), library_handle: self.handle, kernel, settable }));
        kernels.insert(name.to_owned(), handle);
        Ok(handle)
    }
}

impl LibraryKernel {
    /// The function in a context.
    pub fn function(&self, ctx: &Arc<Context>) -> R<u64> {
        let library = self.library.upgrade().ok_or(CUresult::INVALID_HANDLE)?;
        library.module(ctx)?.function(&self.kernel.name, Some(Arc::clone(&self.settable)))
    }
}

/// The function behind a CUfunction, or behind a CUkernel given in its place.
pub fn function(handle: u64, ctx: &Arc<Context>) -> R<Arc<Function>> {
    match FUNCTIONS.find(handle) {
        Some(function) => Ok(function),
        None => FUNCTIONS.get(KERNELS.get(handle)?.function(ctx)?),
    }
}

/// Names of the kernels that can run, in order of name.
pub fn kernel_names(program: &Program) -> Vec<String> {
    program.kernels.iter().filter(|(_, k)| k.is_ok()).map(|(name, _)| name.clone()).collect()
}

/// A `CUfunction_attribute`.
pub fn attribute(kernel: &Kernel, program: &Program, settable: &Settable, attribute: u32) -> R<i32> {
    Ok(match attribute {
        0 => kernel.max_threads_per_block as i32,
        1 => kernel.static_shared_bytes as i32,
        2 => kernel.const_bytes as i32,
        3 => kernel.local_bytes as i32,
        4 => kernel.registers.clamp(1, 255) as i32,
        5 => program.target as i32,
        6 => device::device(0)?.capability() as i32,
        7 => 0,
        8 => match settable.max_dynamic_shared.load(Ordering::Relaxed) {
            -1 => (48 << 10) - (kernel.static_shared_bytes as i32).min(48 << 10),
            value => value,
        },
        9 => settable.carveout.load(Ordering::Relaxed),
        10..=15 => 0,
        _ => return Err(CUresult::INVALID_VALUE),
    })
}

/// Sets a `CUfunction_attribute`.
pub fn set_attribute(kernel: &Kernel, settable: &Settable, attribute: u32, value: i32) -> R {
    match attribute {
        8 => {
            let most = device::device(0)?.shared_optin() as i32 - kernel.static_shared_bytes as i32;
            ensure((0..=most).contains(&value), CUresult::INVALID_VALUE)?;
            settable.max_dynamic_shared.store(value, Ordering::Relaxed);
        }
        9 => {
            ensure((-1..=100).contains(&value), CUresult::INVALID_VALUE)?;
            settable.carveout.store(value, Ordering::Relaxed);
        }
        14 | 15 => {}
        10..=13 => return Err(CUresult::NOT_SUPPORTED),
        _ => return Err(CUresult::INVALID_VALUE),
    }
    Ok(())
}

/// Drops the modules of a context that ends; their variables go with the context's memory.
pub fn forget_context(ctx: u64) {
    for module in MODULES.remove_where(|m| m.ctx == ctx) {
        module.forget_functions();
    }
    let ended = |m: &Module| m.ctx == ctx;
    LIBRARIES.each(|library| library.modules.lock().retain(|_, m| !ended(m)));
}
