//! Libraries and kernels that belong to no context.

use super::{image, spread};
use crate::generated::library as generated;
use super::module::{JitOptions, describe, enumerate, forget, global, load, lookup, read_file};
use super::{put, put_if};
use core::ffi::{CStr, c_char, c_void};
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::functions::{self, Function};
use ringway_client::objects::Object;
use ringway_client::{called, create, destroyed, device, handle, posted};
use ringway_client::servers::are_several;
use ringway_wire::codec::{SliceWriter, Writer as _};
use std::collections::HashMap;

/// Where a library's calls go: the current context, or the first GPU's primary one, which the driver would use as well.
fn target() -> Result<Target, CudaError> {
    match contexts::current() {
        Err(CudaError::INVALID_CONTEXT) => {
            let context = super::context::activate_primary(0)?;
            Ok(Target::of_context(contexts::number(context)?))
        }
        other => other,
    }
}

/// A library with the context that the call runs in.
fn library(id: u64) -> Result<Object, CudaError> {
    let object = handle(Kind::Library, id)?;
    let target = target()?;
    if are_several() {
        spread::library(id, target)?;
    }
    Ok(Object { id: object.id, target })
}

pub unsafe fn cuLibraryLoadData(
    library: *mut u64,
    code: *const c_void,
    jitOptions: *mut u32,
    jitOptionsValues: *mut c_void,
    numJitOptions: u32,
    _libraryOptions: *mut u32,
    _libraryOptionValues: *mut c_void,
    _numLibraryOptions: u32,
) -> Result<(), CudaError> {
    // The library options say how the driver may keep the program's image; the server always has a copy of its own.
    if library.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let jit = unsafe { JitOptions::read(numJitOptions, jitOptions, jitOptionsValues) }?;
    let image = unsafe { image::find(code) }?;
    let target = target()?;
    let id = unsafe {
        load(
            op::CU_LIBRARY_LOAD_DATA,
            Kind::Library,
            target,
            &image,
            &jit,
        )
    }?;
    spread::loaded(id, target, &image, &jit);
    unsafe { put(library, id) }
}

pub unsafe fn cuLibraryLoadFromFile(
    library: *mut u64,
    fileName: *const c_char,
    jitOptions: *mut u32,
    jitOptionsValues: *mut c_void,
    numJitOptions: u32,
    libraryOptions: *mut u32,
    libraryOptionValues: *mut c_void,
    numLibraryOptions: u32,
) -> Result<(), CudaError> {
    let bytes = unsafe { read_file(fileName) }?;
    unsafe {
        cuLibraryLoadData(
            library,
            bytes.as_ptr().cast(),
            jitOptions,
            jitOptionsValues,
            numJitOptions,
            libraryOptions,
            libraryOptionValues,
            numLibraryOptions,
        )
    }
}

pub unsafe fn cuLibraryUnload(library_: u64) -> Result<(), CudaError> {
    let object = library(library_)?;
    forget(library_);
    spread::unloaded(library_, object.target.lane);
    posted(op::CU_LIBRARY_UNLOAD, object.target, 8, |w| {
        w.u64(object.id)
    })?;
    destroyed(Kind::Library, library_);
    Ok(())
}

pub unsafe fn cuLibraryGetKernel(
    pKernel: *mut u64,
    library_: u64,
    name: *const c_char,
) -> Result<(), CudaError> {
    let object = library(library_)?;
    if pKernel.is_null() || name.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let name = unsafe { CStr::from_ptr(name) };
    let id = lookup(
        op::CU_LIBRARY_GET_KERNEL,
        Kind::Kernel,
        object.id,
        object.target,
        name,
    )?;
    spread::looked_up(id, object.target);
    unsafe { put(pKernel, id) }
}

pub unsafe fn cuLibraryEnumerateKernels(
    kernels: *mut u64,
    numKernels: u32,
    lib: u64,
) -> Result<(), CudaError> {
    let object = library(lib)?;
    unsafe {
        enumerate(
            op::CU_LIBRARY_ENUMERATE_KERNELS,
            op::CU_LIBRARY_GET_KERNEL,
            Kind::Kernel,
            object.id,
            object.target,
            kernels,
            numKernels,
        )
    }
}

/// What belongs to a kernel or library in one context: `(what, of, context)`.
type PerContext = HashMap<(u32, u64, u32), u64>;
static PER_CONTEXT: Mutex<Option<PerContext>> = Mutex::new(None);

pub unsafe fn cuLibraryGetModule(pMod: *mut u64, library_: u64) -> Result<(), CudaError> {
    let object = library(library_)?;
    if pMod.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let key = (op::CU_LIBRARY_GET_MODULE, object.id, object.target.context);
    let mut known = PER_CONTEXT.lock();
    let known = known.get_or_insert_default();
    if let Some(id) = known
        .get(&key)
        .copied()
        .filter(|id| handle(Kind::Module, *id).is_ok())
    {
        return unsafe { put(pMod, id) };
    }
    let new = create(Kind::Module, object.target)?;
    called(
        op::CU_LIBRARY_GET_MODULE,
        object.target,
        16,
        |w| {
            w.u64(object.id);
            w.u64(new.id());
        },
        |_| Ok(()),
    )?;
    let id = new.keep();
    known.insert(key, id);
    unsafe { put(pMod, id) }
}

pub unsafe fn cuKernelGetFunction(pFunc: *mut u64, kernel: u64) -> Result<(), CudaError> {
    handle(Kind::Kernel, kernel)?;
    if pFunc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let target = target()?;
    let key = (op::CU_KERNEL_GET_FUNCTION, kernel, target.context);
    let mut known = PER_CONTEXT.lock();
    let known = known.get_or_insert_default();
    if let Some(id) = known
        .get(&key)
        .copied()
        .filter(|id| handle(Kind::Function, *id).is_ok())
    {
        return unsafe { put(pFunc, id) };
    }
    let described = functions::get(kernel)?;
    if are_several() {
        spread::kernel(kernel, target)?;
    }
    let new = create(Kind::Function, target)?;
    let (attributes, params) = called(
        op::CU_KERNEL_GET_FUNCTION,
        target,
        16,
        |w| {
            w.u64(kernel);
            w.u64(new.id());
        },
        describe,
    )?;
    functions::attach(
        Kind::Function,
        new.id(),
        Function::new(described.name.clone(), described.module, params, attributes),
    );
    let id = new.keep();
    known.insert(key, id);
    unsafe { put(pFunc, id) }
}

pub unsafe fn cuKernelGetLibrary(pLib: *mut u64, kernel: u64) -> Result<(), CudaError> {
    handle(Kind::Kernel, kernel)?;
    let library = functions::get(kernel)?.module;
    unsafe { put(pLib, library) }
}

unsafe fn variable(
    opcode: u32,
    dptr: *mut u64,
    bytes: *mut usize,
    library_: u64,
    name: *const c_char,
) -> Result<(), CudaError> {
    let object = library(library_)?;
    if name.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let (address, length) = global(opcode, object.id, object.target, unsafe {
        CStr::from_ptr(name)
    })?;
    unsafe { put_if(dptr, address) };
    unsafe { put_if(bytes, length) };
    Ok(())
}

pub unsafe fn cuLibraryGetGlobal(
    dptr: *mut u64,
    bytes: *mut usize,
    library: u64,
    name: *const c_char,
) -> Result<(), CudaError> {
    unsafe { variable(op::CU_LIBRARY_GET_GLOBAL, dptr, bytes, library, name) }
}

pub unsafe fn cuKernelSetAttribute(
    attrib: u32,
    val: i32,
    kernel: u64,
    dev: i32,
) -> Result<(), CudaError> {
    handle(Kind::Kernel, kernel)?;
    let device = device(dev)?;
    let function = functions::get(kernel)?;
    let on = match spread::of_device(kernel, dev)? {
        Some((target, _)) => target,
        None => Target { lane: device.target.lane, ..target()? },
    };
    posted(
        op::CU_KERNEL_SET_ATTRIBUTE,
        on,
        20,
        |w| {
            w.u32(attrib);
            w.i32(val);
            w.u64(kernel);
            w.i32(device.ordinal);
        },
    )?;
    if let Some(known) = function.attributes.get(attrib as usize) {
        known.store(val, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(())
}

pub unsafe fn cuKernelGetAttribute(pi: *mut i32, attrib: u32, kernel: u64, dev: i32) -> Result<(), CudaError> {
    if !are_several() {
        return unsafe { generated::auto_cuKernelGetAttribute(pi, attrib, kernel, dev) };
    }
    let Some((target, ordinal)) = spread::of_device(kernel, dev)? else {
        return unsafe { generated::auto_cuKernelGetAttribute(pi, attrib, kernel, dev) };
    };
    let write = |w: &mut SliceWriter<'_>| {
        w.u32(attrib);
        w.u64(kernel);
        w.i32(ordinal);
    };
    let value = called(op::CU_KERNEL_GET_ATTRIBUTE, target, 16, write, |r| r.i32())?;
    unsafe { put(pi, value) }
}

pub unsafe fn cuKernelSetCacheConfig(kernel: u64, config: u32, dev: i32) -> Result<(), CudaError> {
    if !are_several() {
        return unsafe { generated::auto_cuKernelSetCacheConfig(kernel, config, dev) };
    }
    let Some((target, ordinal)) = spread::of_device(kernel, dev)? else {
        return unsafe { generated::auto_cuKernelSetCacheConfig(kernel, config, dev) };
    };
    posted(op::CU_KERNEL_SET_CACHE_CONFIG, target, 16, |w| {
        w.u64(kernel);
        w.u32(config);
        w.i32(ordinal);
    })
}

pub unsafe fn cuKernelGetName(name: *mut c_void, hfunc: u64) -> Result<(), CudaError> {
    handle(Kind::Kernel, hfunc)?;
    unsafe { super::function::cuFuncGetName(name, hfunc) }
}

pub unsafe fn cuKernelGetParamInfo(
    kernel: u64,
    paramIndex: usize,
    paramOffset: *mut usize,
    paramSize: *mut usize,
) -> Result<(), CudaError> {
    handle(Kind::Kernel, kernel)?;
    unsafe { super::function::cuFuncGetParamInfo(kernel, paramIndex, paramOffset, paramSize) }
}

pub unsafe fn cuKernelGetParamCount(kernel: u64, paramCount: *mut usize) -> Result<(), CudaError> {
    handle(Kind::Kernel, kernel)?;
    unsafe { super::function::cuFuncGetParamCount(kernel, paramCount) }
}
