//! Modules, libraries, functions, linking.

use crate::driver::abi::*;
use crate::driver::context::{Context, current};
use crate::driver::entry::export;
use crate::driver::exports::devices::StaticText;
use crate::driver::image;
use crate::driver::jit::{self, JitOptions};
use crate::driver::module::{self, FUNCTIONS, Function, KERNELS, LIBRARIES, LibraryKernel, MODULES};
use crate::driver::objects;
use crate::driver::registry::Registry;
use crate::driver::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

export! {
    cuModuleLoad [cuModuleLoad] [] |_d| (module: Out<CUmodule>, fname: Text) {
        module.required()?;
        let ctx = current()?;
        module.put(CUmodule(module::load(&ctx, &file(fname)?, &JitOptions::NONE)?))
    }
    cuModuleLoadData [cuModuleLoadData] [] |_d| (module: Out<CUmodule>, image: Host) { load_at(module, image, &JitOptions::NONE) }
    cuModuleLoadDataEx [cuModuleLoadDataEx] [] |_d| (module: Out<CUmodule>, image: Host, numOptions: u32, options: In<u32>, optionValues: List<Host>) {
        load_at(module, image, &JitOptions { count: numOptions, options, values: *optionValues })
    }
    cuModuleLoadFatBinary [cuModuleLoadFatBinary] [] |_d| (module: Out<CUmodule>, fatCubin: Host) { load_at(module, fatCubin, &JitOptions::NONE) }
    cuModuleUnload [cuModuleUnload] [] |_d| (hmod: CUmodule) {
        current()?;
        module::unload(hmod.0)
    }
    cuModuleGetLoadingMode [cuModuleGetLoadingMode] [] |_d| (mode: Out<u32>) {
        // 1 eager, 2 lazy.
        mode.put(if crate::driver::settings::settings().eager_loading { 1 } else { 2 })
    }
    cuModuleGetFunction [cuModuleGetFunction] [] |_d| (hfunc: Out<CUfunction>, hmod: CUmodule, name: Text) {
        hfunc.required()?;
        current()?;
        hfunc.put(CUfunction(MODULES.get(hmod.0)?.function(&name.get()?, None)?))
    }
    cuModuleGetFunctionCount [cuModuleGetFunctionCount] [] |_d| (count: Out<u32>, hmod: CUmodule) {
        count.put(module::kernel_names(&MODULES.get(hmod.0)?.program).len() as u32)
    }
    cuModuleEnumerateFunctions [cuModuleEnumerateFunctions] [] |_d| (functions: List<CUfunction>, numFunctions: u32, hmod: CUmodule) {
        functions.required()?;
        let module = MODULES.get(hmod.0)?;
        for (i, name) in module::kernel_names(&module.program).iter().take(numFunctions as usize).enumerate() {
            functions.put_at(i, CUfunction(module.function(name, None)?));
        }
        Ok(())
    }
    cuModuleGetGlobal [cuModuleGetGlobal_v2] [] |_d| (dptr: Out<CUdeviceptr>, bytes: Out<usize>, hmod: CUmodule, name: Text) {
        current()?;
        global(dptr, bytes, &*MODULES.get(hmod.0)?, name)
    }
    cuFuncGetAttribute [cuFuncGetAttribute] [] |_d| (pi: Out<i32>, attrib: u32, hfunc: CUfunction) {
        let f = function(hfunc)?;
        pi.put(module::attribute(&f.kernel, &f.module.program, &f.settable, attrib)?)
    }
    cuFuncSetAttribute [cuFuncSetAttribute] [] |_d| (hfunc: CUfunction, attrib: u32, value: i32) {
        let f = function(hfunc)?;
        module::set_attribute(&f.kernel, &f.settable, attrib, value)
    }
    cuFuncSetCacheConfig [cuFuncSetCacheConfig] [] |_d| (hfunc: CUfunction, config: u32) {
        function(hfunc)?;
        ensure(config <= 3, CUresult::INVALID_VALUE)
    }
    cuFuncSetSharedMemConfig [cuFuncSetSharedMemConfig] [] |_d| (hfunc: CUfunction, config: u32) {
        function(hfunc)?;
        ensure(config <= 2, CUresult::INVALID_VALUE)
    }
    cuFuncGetModule [cuFuncGetModule] [] |_d| (hmod: Out<CUmodule>, hfunc: CUfunction) { hmod.put(CUmodule(function(hfunc)?.module.handle)) }
    cuFuncGetName [cuFuncGetName] [] |_d| (name: Out<StaticText>, hfunc: CUfunction) { name.put(lasting(&function(hfunc)?.kernel.name)) }
    cuFuncGetParamInfo [cuFuncGetParamInfo] [] |_d| (func: CUfunction, paramIndex: usize, paramOffset: Out<usize>, paramSize: Out<usize>) {
        param_info(&function(func)?.kernel, paramIndex, paramOffset, paramSize)
    }
    cuFuncGetParamCount [cuFuncGetParamCount] [] |_d| (func: CUfunction, paramCount: Out<usize>) { paramCount.put(function(func)?.kernel.params.len()) }
    cuFuncIsLoaded [cuFuncIsLoaded] [] |_d| (state: Out<u32>, func: CUfunction) {
        function(func)?;
        state.put(1)
    }
    cuFuncLoad [cuFuncLoad] [] |_d| (func: CUfunction) { function(func).map(drop) }
    cuLibraryLoadData [cuLibraryLoadData] [] |_d| (library: Out<CUlibrary>, code: Host, jitOptions: In<u32>, jitOptionsValues: List<Host>, numJitOptions: u32,
        _libraryOptions: In<u32>, _libraryOptionValues: List<Host>, _numLibraryOptions: u32) {
        library.required()?;
        crate::driver::device::driver()?;
        // SAFETY: the caller passes an image as the CUDA driver API describes it.
        let bytes = unsafe { image::bytes_at(code.0)? };
        let jit = JitOptions { count: numJitOptions, options: jitOptions, values: *jitOptionsValues };
        library.put(CUlibrary(module::load_library(&bytes, &jit)?))
    }
    cuLibraryLoadFromFile [cuLibraryLoadFromFile] [] |_d| (library: Out<CUlibrary>, fileName: Text, jitOptions: In<u32>, jitOptionsValues: List<Host>, numJitOptions: u32,
        _libraryOptions: In<u32>, _libraryOptionValues: List<Host>, _numLibraryOptions: u32) {
        library.required()?;
        let jit = JitOptions { count: numJitOptions, options: jitOptions, values: *jitOptionsValues };
        library.put(CUlibrary(module::load_library(&file(fileName)?, &jit)?))
    }
    cuLibraryUnload [cuLibraryUnload] [] |_d| (library: CUlibrary) { module::unload_library(library.0) }
    cuLibraryGetKernel [cuLibraryGetKernel] [] |_d| (pKernel: Out<CUkernel>, library: CUlibrary, name: Text) {
        pKernel.required()?;
        pKernel.put(CUkernel(LIBRARIES.get(library.0)?.kernel(&name.get()?)?))
    }
    cuLibraryGetKernelCount [cuLibraryGetKernelCount] [] |_d| (count: Out<u32>, lib: CUlibrary) {
        count.put(module::kernel_names(&LIBRARIES.get(lib.0)?.program).len() as u32)
    }
    cuLibraryEnumerateKernels [cuLibraryEnumerateKernels] [] |_d| (kernels: List<CUkernel>, numKernels: u32, lib: CUlibrary) {
        kernels.required()?;
        let library = LIBRARIES.get(lib.0)?;
        for (i, name) in module::kernel_names(&library.program).iter().take(numKernels as usize).enumerate() {
            kernels.put_at(i, CUkernel(library.kernel(name)?));
        }
        Ok(())
    }
    cuLibraryGetModule [cuLibraryGetModule] [] |_d| (pMod: Out<CUmodule>, library: CUlibrary) {
        pMod.required()?;
        pMod.put(CUmodule(LIBRARIES.get(library.0)?.module(&current()?)?.handle))
    }
    cuLibraryGetGlobal [cuLibraryGetGlobal] [] |_d| (dptr: Out<CUdeviceptr>, bytes: Out<usize>, library: CUlibrary, name: Text) {
        let module = LIBRARIES.get(library.0)?.module(&current()?)?;
        global(dptr, bytes, &module, name)
    }
    cuLibraryGetManaged [cuLibraryGetManaged] [] |_d| (dptr: Out<CUdeviceptr>, bytes: Out<usize>, library: CUlibrary, name: Text) {
        let module = LIBRARIES.get(library.0)?.module(&current()?)?;
        let name_text = name.get()?;
        ensure(module.program.globals.iter().any(|g| g.managed && g.name == name_text), CUresult::NOT_FOUND)?;
        global(dptr, bytes, &module, name)
    }
    cuLibraryGetUnifiedFunction [cuLibraryGetUnifiedFunction] [] |_d| (_fptr: Out<Host>, library: CUlibrary, _symbol: Text) {
        LIBRARIES.get(library.0)?;
        Err(CUresult::NOT_FOUND)
    }
    cuKernelGetFunction [cuKernelGetFunction] [] |_d| (pFunc: Out<CUfunction>, kernel: CUkernel) {
        pFunc.required()?;
        pFunc.put(CUfunction(KERNELS.get(kernel.0)?.function(&current()?)?))
    }
    cuKernelGetLibrary [cuKernelGetLibrary] [] |_d| (pLib: Out<CUlibrary>, kernel: CUkernel) { pLib.put(CUlibrary(KERNELS.get(kernel.0)?.library_handle)) }
    cuKernelGetAttribute [cuKernelGetAttribute] [] |_d| (pi: Out<i32>, attrib: u32, kernel: CUkernel, dev: CUdevice) {
        crate::driver::device::device(dev.0)?;
        let k = kernel_of(kernel)?;
        let library = k.library.upgrade().ok_or(CUresult::INVALID_HANDLE)?;
        pi.put(module::attribute(&k.kernel, &library.program, &k.settable, attrib)?)
    }
    cuKernelSetAttribute [cuKernelSetAttribute] [] |_d| (attrib: u32, val: i32, kernel: CUkernel, dev: CUdevice) {
        crate::driver::device::device(dev.0)?;
        let k = kernel_of(kernel)?;
        module::set_attribute(&k.kernel, &k.settable, attrib, val)
    }
    cuKernelSetCacheConfig [cuKernelSetCacheConfig] [] |_d| (kernel: CUkernel, config: u32, dev: CUdevice) {
        crate::driver::device::device(dev.0)?;
        kernel_of(kernel)?;
        ensure(config <= 3, CUresult::INVALID_VALUE)
    }
    cuKernelGetName [cuKernelGetName] [] |_d| (name: Out<StaticText>, hfunc: CUkernel) { name.put(lasting(&kernel_of(hfunc)?.kernel.name)) }
    cuKernelGetParamInfo [cuKernelGetParamInfo] [] |_d| (kernel: CUkernel, paramIndex: usize, paramOffset: Out<usize>, paramSize: Out<usize>) {
        param_info(&kernel_of(kernel)?.kernel, paramIndex, paramOffset, paramSize)
    }
    cuKernelGetParamCount [cuKernelGetParamCount] [] |_d| (kernel: CUkernel, paramCount: Out<usize>) { paramCount.put(kernel_of(kernel)?.kernel.params.len()) }
    cuLinkCreate [cuLinkCreate_v2 cuLinkCreate] [] |_d| (numOptions: u32, options: In<u32>, optionValues: List<Host>, stateOut: Out<CUlinkState>) {
        stateOut.required()?;
        current()?;
        let handle = LINKS.reserve();
        let jit = JitOptions { count: numOptions, options, values: *optionValues };
        jit.check()?;
        let registers = jit.number(jit::MAX_REGISTERS).unwrap_or(0);
        LINKS.insert(handle, Arc::new(Link { jit: Mutex::new(Options(jit)), registers, sources: Mutex::default(), image: OnceLock::new() }));
        stateOut.put(CUlinkState(handle))
    }
    cuLinkAddData [cuLinkAddData_v2 cuLinkAddData] [] |_d| (state: CUlinkState, kind: u32, data: Host, size: usize, _name: Text, _numOptions: u32, _options: In<u32>, _optionValues: List<Host>) {
        ensure(data.0 != 0 && size <= 1 << 30, CUresult::INVALID_VALUE)?;
        // SAFETY: the caller passes `size` bytes at `data`.
        let bytes = unsafe { std::slice::from_raw_parts(data.0 as *const u8, size) };
        add(&*LINKS.get(state.0)?, kind, bytes)
    }
    cuLinkAddFile [cuLinkAddFile_v2 cuLinkAddFile] [] |_d| (state: CUlinkState, kind: u32, path: Text, _numOptions: u32, _options: In<u32>, _optionValues: List<Host>) {
        add(&*LINKS.get(state.0)?, kind, &file(path)?)
    }
    cuLinkComplete [cuLinkComplete] [] |_d| (state: CUlinkState, cubinOut: Out<Host>, sizeOut: Out<usize>) {
        let link = LINKS.get(state.0)?;
        let sources = link.sources.lock();
        ensure(!sources.is_empty(), CUresult::INVALID_VALUE)?;
        let image = image::linked(&sources, link.registers);
        // Compiled here too, so that errors come where the program expects them.
        module::compile(&image, &link.jit.lock().0)?;
        let image = link.image.get_or_init(|| image);
        cubinOut.put(Host::of(image.as_ptr()))?;
        sizeOut.give(image.len());
        Ok(())
    }
    cuLinkDestroy [cuLinkDestroy] [] |_d| (state: CUlinkState) { LINKS.remove(state.0).map(drop) }
}

/// Links in progress.
static LINKS: Registry<Link> = Registry::new(10);

struct Options(JitOptions);
// SAFETY: addresses of the caller's option arrays, which the CUDA driver API requires to stay valid until the link is destroyed.
unsafe impl Send for Options {}

struct Link {
    jit: Mutex<Options>,
    registers: u32,
    sources: Mutex<Vec<String>>,
    image: OnceLock<Vec<u8>>,
}

/// The software GPU's own device runtime, in the place of the machine code of libcudadevrt.
const DEVICE_RUNTIME: &str = include_str!("../device_runtime.ptx");

fn add(link: &Link, kind: u32, bytes: &[u8]) -> R {
    let capability = crate::driver::device::device(0)?.capability();
    // Inputs: 0 cubin, 1 PTX, 2 fatbin, 3 object, 4 library, 5 NVVM.
    let found = match kind {
        0..=4 => objects::input(bytes, capability),
        5 => return Err(CUresult::JIT_COMPILER_NOT_FOUND),
        _ => return Err(CUresult::INVALID_VALUE),
    };
    match found {
        Ok(found) => {
            let mut sources = link.sources.lock();
            sources.extend(found.sources);
            if found.left_out && !sources.iter().any(|s| s == DEVICE_RUNTIME) {
                sources.push(DEVICE_RUNTIME.to_owned());
            }
            Ok(())
        }
        Err((code, text)) => {
            link.jit.lock().0.logs("", &text);
            Err(code)
        }
    }
}

fn file(path: Text) -> R<Vec<u8>> {
    std::fs::read(path.get()?).map_err(|_| CUresult::FILE_NOT_FOUND)
}

fn load_at(module: Out<CUmodule>, image: Host, jit: &JitOptions) -> R {
    module.required()?;
    let ctx = current()?;
    // SAFETY: the caller passes an image as the CUDA driver API describes it.
    let bytes = unsafe { image::bytes_at(image.0)? };
    module.put(CUmodule(module::load(&ctx, &bytes, jit)?))
}

/// The function behind a handle, without regard to faults.
pub fn function(handle: CUfunction) -> R<Arc<Function>> {
    if let Some(function) = FUNCTIONS.find(handle.0) {
        return Ok(function);
    }
    let ctx: Arc<Context> = current()?;
    module::function(handle.0, &ctx)
}

fn kernel_of(handle: CUkernel) -> R<Arc<LibraryKernel>> {
    KERNELS.get(handle.0)
}

fn global(dptr: Out<CUdeviceptr>, bytes: Out<usize>, module: &module::Module, name: Text) -> R {
    let name = name.get()?;
    // References to textures and surfaces have no bytes.
    ensure(!module.program.references.contains_key(&name), CUresult::NOT_FOUND)?;
    let &(start, size) = module.symbols.get(&name).ok_or(CUresult::NOT_FOUND)?;
    dptr.give(CUdeviceptr(start));
    bytes.give(size as usize);
    Ok(())
}

fn param_info(kernel: &crate::exec::Kernel, index: usize, offset: Out<usize>, size: Out<usize>) -> R {
    let param = kernel.params.get(index).ok_or(CUresult::INVALID_VALUE)?;
    offset.put(param.offset as usize)?;
    size.give(param.size as usize);
    Ok(())
}

/// A C string that stays valid for the life of the process: one per different name.
fn lasting(name: &str) -> StaticText {
    struct Pointer(*const c_char);
    // SAFETY: points to leaked memory that nobody changes.
    unsafe impl Send for Pointer {}
    static NAMES: OnceLock<Mutex<HashMap<String, Pointer>>> = OnceLock::new();
    let mut names = NAMES.get_or_init(Mutex::default).lock();
    let entry = names.entry(name.to_owned()).or_insert_with(|| Pointer(std::ffi::CString::new(name).unwrap_or_default().into_raw()));
    StaticText(entry.0)
}
