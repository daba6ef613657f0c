//! Linking of modules: symbols, initial values of variables, and the kernels one by one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::function::{LoweredFunction, Lowerer};
use super::link;
use super::operand::{Entity, Result};
use crate::exec::code::CallSite;
use crate::exec::{
    CODE_WINDOW, CompileError, CompileErrorKind, CompileOptions, Global, GlobalSpace, Kernel, Kernels, Program, Relocation,
};
use crate::ptx::{Function, InitValue, Linkage, Module, Operand, Space, Statement, Type, Variable};

/// Newest PTX ISA version that is read, major * 10 + minor.
const PTX_VERSION_MAX: u32 = 95;

/// Symbols of all linked modules.
pub(super) struct ModuleIndex<'m> {
    pub variables: HashMap<&'m str, &'m Variable>,
    pub functions: HashMap<&'m str, &'m Function>,
    /// Functions in order of declaration: the index makes their address.
    function_order: Vec<&'m str>,
    function_number: HashMap<&'m str, u32>,
    aliases: HashMap<&'m str, &'m str>,
    /// Functions whose address is taken: what indirect calls may reach.
    address_taken: Vec<&'m str>,
}

impl<'m> ModuleIndex<'m> {
    pub fn resolve_alias<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).copied().unwrap_or(name)
    }

    fn address(&self, name: &str) -> Option<u64> {
        self.function_number.get(self.resolve_alias(name)).map(|n| CODE_WINDOW + u64::from(*n) * 16)
    }
}

/// Instructions that all kernels of a program may have together; functions count once for each kernel that reaches them.
const INSTRUCTIONS_MAX: usize = 8 << 20;
/// Registers times labels of one function: the size of its tables of live registers, bits.
const LIVENESS_BITS_MAX: u64 = 1 << 31;

/// Variables in shared memory are aligned to this at most, bytes.
const SHARED_ALIGN_MAX: u32 = 1024;

/// One kernel being built.
pub(super) struct KernelBuild<'m> {
    pub module: &'m ModuleIndex<'m>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    shared: HashMap<(String, String, u32), u32>,
    pub shared_bytes: u32,
    /// Largest alignment of the dynamic shared variables.
    pub dynamic_shared_align: u32,
    pub calls: Vec<CallSite>,
    pub symbols: Vec<(String, i64)>,
    pub edges: Vec<(u32, u32)>,
    pub has_indirect: bool,
    /// Device code that this kernel can reach calls malloc or free.
    pub uses_heap: bool,
    /// Functions in the program that indirect calls of this kernel may reach have been added.
    pub dynamic_stack: bool,
    pub param_bytes: u32,
    /// Notes for the race checker are wanted.
    pub races: bool,
    /// Shared variables: name, offset, size.
    pub shared_names: Vec<(String, u32, u32)>,
}

impl KernelBuild<'_> {
    /// Number of a function in this kernel's code; adds it to the work list.
    pub fn function(&mut self, name: &str) -> u32 {
        let name = self.module.resolve_alias(name);
        if let Some(n) = self.numbers.get(name) {
            return *n;
        }
        let n = self.names.len() as u32;
        self.names.push(name.to_string());
        self.numbers.insert(name.to_string(), n);
        n
    }

    pub fn note_call(&mut self, caller: &str, callee: &str) {
        let (a, b) = (self.function(caller), self.function(callee));
        self.edges.push((a, b));
    }

    pub fn indirect_call(&mut self) {
        if !self.has_indirect {
            self.has_indirect = true;
            for name in self.module.address_taken.iter() {
                self.function(name);
            }
        }
    }

    pub fn function_address(&self, name: &str) -> u64 {
        self.module.address(name).unwrap_or(0)
    }

    pub fn symbol(&mut self, name: String, addend: i64) -> u32 {
        let key = (name, addend);
        if let Some(k) = self.symbols.iter().position(|s| *s == key) {
            return k as u32;
        }
        self.symbols.push(key);
        self.symbols.len() as u32 - 1
    }

    /// Place of a shared variable; `owner` is the function that declares it.
    pub fn shared_variable(&mut self, v: &Variable, owner: Option<(&str, usize)>) -> Entity {
        if v.elements.is_none() || (v.linkage == Linkage::Extern && v.size() == 0) {
            self.dynamic_shared_align = self.dynamic_shared_align.max(v.align.min(SHARED_ALIGN_MAX));
            return Entity::DynamicShared;
        }
        let key = match owner {
            Some((f, _)) => (f.to_string(), v.name.clone(), v.line),
            None => (String::new(), v.name.clone(), 0),
        };
        if let Some(at) = self.shared.get(&key) {
            return Entity::Shared(*at);
        }
        let at = self.shared_bytes.next_multiple_of(v.align.clamp(1, SHARED_ALIGN_MAX));
        // Launching refuses what exceeds the device; the bound here keeps sums in range.
        let size = u32::try_from(v.size()).unwrap_or(u32::MAX);
        self.shared_bytes = at.saturating_add(size).min(1 << 30);
        self.shared.insert(key, at);
        if self.races {
            self.shared_names.push((v.name.clone(), at, size));
        }
        Entity::Shared(at)
    }
}

fn error<T>(line: u32, kind: CompileErrorKind, message: impl Into<String>) -> Result<T> {
    Err(CompileError { line, message: message.into(), kind })
}

fn names_in(o: &Operand, f: &mut impl FnMut(&str)) {
    match o {
        Operand::Name(n, _) | Operand::NameOffset(n, _) => f(n),
        Operand::Vector(l) | Operand::List(l) => l.iter().for_each(|o| names_in(o, f)),
        Operand::Address(b, _, more) => {
            names_in(b, f);
            more.iter().for_each(|o| names_in(o, f));
        }
        Operand::Pair(a, b) => {
            names_in(a, f);
            names_in(b, f);
        }
        Operand::Not(a) | Operand::Negative(a) => names_in(a, f),
        Operand::Part(n, _) => f(n),
        _ => {}
    }
}

fn taken_in(body: &[Statement], f: &mut impl FnMut(&str)) {
    for s in body {
        match s {
            Statement::Block(b) => taken_in(b, f),
            Statement::Instruction(i) if i.opcode.split('.').next() != Some("call") => {
                i.operands.iter().for_each(|o| names_in(o, f));
            }
            _ => {}
        }
    }
}

fn index(modules: &[Module]) -> Result<ModuleIndex<'_>> {
    let mut m = ModuleIndex {
        variables: HashMap::new(),
        functions: HashMap::new(),
        function_order: Vec::new(),
        function_number: HashMap::new(),
        aliases: HashMap::new(),
        address_taken: Vec::new(),
    };
    for module in modules {
        for (new, old) in &module.aliases {
            m.aliases.insert(new, old);
        }
        for v in &module.variables {
            let strength = |v: &Variable| match v.linkage {
                Linkage::Extern => 0,
                Linkage::Weak | Linkage::Common => 1,
                _ => 2,
            };
            match m.variables.get(v.name.as_str()) {
                Some(old) if strength(old) >= strength(v) && strength(v) < 2 => {}
                Some(old) if strength(old) == 2 && strength(v) == 2 => {
                    return error(v.line, CompileErrorKind::InvalidPtx, format!("variable {} defined twice", v.name));
                }
                _ => {
                    m.variables.insert(&v.name, v);
                }
            }
        }
        for f in &module.functions {
            match m.functions.get(f.name.as_str()) {
                Some(old) if old.body.is_some() => {
                    if f.body.is_some() && f.linkage != Linkage::Weak && old.linkage != Linkage::Weak {
                        return error(f.line, CompileErrorKind::InvalidPtx, format!("function {} defined twice", f.name));
                    }
                }
                _ => {
                    m.functions.insert(&f.name, f);
                }
            }
            if !m.function_number.contains_key(f.name.as_str()) {
                m.function_number.insert(&f.name, m.function_order.len() as u32);
                m.function_order.push(&f.name);
            }
        }
    }
    let mut taken = HashSet::new();
    {
        let mut note = |name: &str| {
            if let Some((n, f)) = m.functions.get_key_value(m.aliases.get(name).copied().unwrap_or(name))
                && f.body.is_some()
                && !f.is_entry
            {
                taken.insert(*n);
            }
        };
        for module in modules {
            for v in &module.variables {
                for i in &v.init {
                    if let InitValue::Symbol { name, .. } = i {
                        note(name);
                    }
                }
            }
            for f in &module.functions {
                if let Some(b) = &f.body {
                    taken_in(b, &mut note);
                }
            }
        }
    }
    m.address_taken = m.function_order.iter().copied().filter(|n| taken.contains(n)).collect();
    Ok(m)
}

/// Initial bytes and relocations of a variable.
fn global(v: &Variable, index: &ModuleIndex<'_>) -> Result<Global> {
    let size = v.size();
    if size > 1 << 36 {
        return error(v.line, CompileErrorKind::InvalidPtx, format!("variable {} is too large", v.name));
    }
    let mut init = Vec::new();
    let mut relocations = Vec::new();
    let width = v.ty.size() as usize;
    // The properties that initialise a reference are no bytes.
    let values = if matches!(v.ty, Type::TexRef | Type::SamplerRef | Type::SurfRef) { &[][..] } else { &v.init[..] };
    for (k, value) in values.iter().enumerate() {
        let bits = match value {
            InitValue::Int(b) => match v.ty {
                Type::F32 => u64::from((*b as i64 as f32).to_bits()),
                Type::F64 => (*b as i64 as f64).to_bits(),
                _ => *b,
            },
            InitValue::F32(b) if v.ty == Type::F64 => f64::from(f32::from_bits(*b)).to_bits(),
            InitValue::F32(b) => u64::from(*b),
            InitValue::F64(b) if width == 4 => u64::from((f64::from_bits(*b) as f32).to_bits()),
            InitValue::F64(b) => *b,
            InitValue::Symbol { name, addend, shift } => {
                if let Some(a) = index.address(name) {
                    a.wrapping_add_signed(*addend) >> shift
                } else if let Some(target) = index.variables.get(index.resolve_alias(name)) {
                    if target.space == Space::Shared {
                        return error(v.line, CompileErrorKind::Unsupported, format!("{}: address of shared {name}", v.name));
                    }
                    relocations.push(Relocation {
                        offset: (k * width) as u64,
                        symbol: index.resolve_alias(name).to_string(),
                        addend: *addend,
                        width: width as u8,
                        shift: *shift as u8,
                    });
                    0
                } else {
                    return error(v.line, CompileErrorKind::UnresolvedSymbol, format!("{}: unknown symbol {name}", v.name));
                }
            }
        };
        let bytes = u128::from(bits).to_le_bytes();
        init.extend_from_slice(&bytes[..width.min(16)]);
    }
    while init.last() == Some(&0) {
        init.pop();
    }
    Ok(Global {
        name: v.name.clone(),
        size,
        align: u64::from(v.align),
        space: if v.space == Space::Const { GlobalSpace::Const } else { GlobalSpace::Global },
        init,
        relocations,
        managed: v.managed,
        visible: v.linkage != Linkage::None,
    })
}

fn kernel(f: &Function, index: &ModuleIndex<'_>, const_bytes: u32, races: bool, instructions: &mut usize) -> Result<Kernel> {
    if f.cluster.iter().any(|n| *n > 1) {
        return error(f.line, CompileErrorKind::Unsupported, format!("kernel {}: clusters of several blocks", f.name));
    }
    let mut build = KernelBuild {
        module: index,
        names: Vec::new(),
        numbers: HashMap::new(),
        shared: HashMap::new(),
        shared_bytes: 0,
        dynamic_shared_align: 16,
        calls: Vec::new(),
        symbols: Vec::new(),
        edges: Vec::new(),
        has_indirect: false,
        uses_heap: false,
        dynamic_stack: false,
        races,
        shared_names: Vec::new(),
        param_bytes: f.params.iter().take(1024).fold(0u32, |at, p| {
            // Lowering refuses what exceeds a mebibyte; the bound here keeps the sum in range.
            at.next_multiple_of(p.align.clamp(1, 256)) + u32::try_from(p.size()).unwrap_or(u32::MAX).min(2 << 20)
        }),
    };
    build.function(&f.name);
    let mut lowered: Vec<LoweredFunction> = Vec::new();
    while lowered.len() < build.names.len() {
        let name = build.names[lowered.len()].clone();
        let Some(g) = index.functions.get(name.as_str()) else {
            return error(f.line, CompileErrorKind::UnresolvedSymbol, format!("function {name} is not defined"));
        };
        let l = Lowerer::lower(&mut build, g)?;
        if l.classes.len() as u64 * (l.labels as u64 + 1) > LIVENESS_BITS_MAX {
            return error(g.line, CompileErrorKind::Unsupported, format!("function {name} is too large"));
        }
        *instructions = instructions.saturating_add(l.code.len());
        if *instructions > INSTRUCTIONS_MAX {
            return error(f.line, CompileErrorKind::Unsupported, "the kernels of this module are too large together");
        }
        lowered.push(l);
    }
    let taken: Vec<(u32, u32)> = if build.has_indirect {
        index
            .address_taken
            .iter()
            .filter_map(|n| Some((*index.function_number.get(n)?, *build.numbers.get(*n)?)))
            .collect()
    } else {
        Vec::new()
    };
    let params = lowered[0].kernel_params.clone();
    let param_bytes = lowered[0].param_bytes;
    let uses_heap = build.uses_heap;
    let (code, registers) = link::link(build, lowered, taken);
    let product = |v: [u32; 3]| v.iter().fold(1u32, |a, b| a.saturating_mul(*b));
    Ok(Kernel {
        name: f.name.clone(),
        params,
        param_bytes,
        static_shared_bytes: code.static_shared_bytes,
        local_bytes: code.local_bytes,
        const_bytes,
        registers,
        max_threads_per_block: f.required_threads.or(f.max_threads).map_or(1024, |v| product(v).clamp(1, 1024)),
        required_block: f.required_threads,
        uses_heap,
        code: Arc::new(code),
    })
}

/// See [`crate::exec::compile`].
pub(crate) fn compile(modules: Vec<Module>, options: &CompileOptions) -> Result<Program> {
    for m in &modules {
        if m.version > PTX_VERSION_MAX {
            return error(
                1,
                CompileErrorKind::UnsupportedVersion,
                format!("PTX version {}.{}; this device reads up to {}.{}", m.version / 10, m.version % 10, PTX_VERSION_MAX / 10, PTX_VERSION_MAX % 10),
            );
        }
        if m.target > options.compute_capability {
            return error(
                1,
                CompileErrorKind::UnsupportedVersion,
                format!("target sm_{}; this device has compute capability {}", m.target, options.compute_capability),
            );
        }
        if m.address_size != 64 {
            return error(1, CompileErrorKind::Unsupported, "32-bit addresses");
        }
    }
    let modules = modules.into_boxed_slice();
    let index = index(&modules)?;
    let mut globals = Vec::new();
    let mut references = BTreeMap::new();
    let mut seen = HashSet::new();
    for v in modules.iter().flat_map(|m| &m.variables) {
        if !matches!(v.space, Space::Global | Space::Const) || !seen.insert(v.name.as_str()) {
            continue;
        }
        let v = index.variables[v.name.as_str()];
        if v.linkage == Linkage::Extern {
            return error(v.line, CompileErrorKind::UnresolvedSymbol, format!("variable {} is not defined", v.name));
        }
        if matches!(v.ty, Type::TexRef | Type::SurfRef) {
            references.insert(v.name.clone(), v.ty == Type::SurfRef);
        }
        globals.push(global(v, &index)?);
    }
    let const_bytes = globals.iter().filter(|g| g.space == GlobalSpace::Const).map(|g| g.size).sum::<u64>();
    let const_bytes = u32::try_from(const_bytes).unwrap_or(u32::MAX);
    let is_entry = |name: &&&str| index.functions.get(**name).is_some_and(|f| f.is_entry && f.body.is_some());
    let names: Vec<String> = index.function_order.iter().filter(is_entry).map(|name| (*name).to_string()).collect();
    let (ptx_version, target) = modules.first().map_or((0, 0), |m| (m.version, m.target));
    // SAFETY: the index borrows from the boxed modules, whose place in memory is fixed, which nobody changes, and which `Prepared` drops after
    // the index.
    let index = unsafe { std::mem::transmute::<ModuleIndex<'_>, ModuleIndex<'static>>(index) };
    let prepared = Prepared { index, _modules: modules, const_bytes, races: options.races, instructions: AtomicUsize::new(0) };
    Ok(Program { kernels: Kernels::new(prepared, names.into_iter()), globals, references, ptx_version, target })
}

/// Linked modules, of which one kernel after the other can be compiled.
pub(crate) struct Prepared {
    /// Borrows from the modules: declared before them, it is dropped before them.
    index: ModuleIndex<'static>,
    _modules: Box<[Module]>,
    const_bytes: u32,
    races: bool,
    /// Of all kernels compiled so far.
    instructions: AtomicUsize,
}

impl Prepared {
    /// Compiles an entry.
    pub fn kernel(&self, name: &str) -> Result<Kernel> {
        match self.index.functions.get(name) {
            Some(f) => {
                let before = self.instructions.load(Ordering::Relaxed);
                let mut after = before;
                let compiled = kernel(f, &self.index, self.const_bytes, self.races, &mut after);
                self.instructions.fetch_add(after - before, Ordering::Relaxed);
                compiled
            }
            None => error(0, CompileErrorKind::UnresolvedSymbol, format!("no kernel {name}")),
        }
    }
}
