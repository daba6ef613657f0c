//! Modules: the image goes to the server once per content; kernels are described when they are first looked up.

use super::image::{self, Image};
use super::launch::PARAM_BYTES_MAX;
use super::{put, put_if};
use core::ffi::{CStr, c_char, c_void};
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::functions::{self, ATTRIBUTES, Function, Param};
use ringway_client::memory::{self, Origin};
use ringway_client::upload;
use ringway_client::{called, create, destroyed, handle, memory_ranges, posted};
use ringway_wire::codec::{Malformed, Reader, Writer as _};
use std::collections::HashMap;

/// JIT options of the driver API: numbers, buffers and sizes (CUjit_option).
pub(crate) struct JitOptions {
    /// Options that are plain numbers, to be passed on.
    pub numbers: Vec<(u32, u64)>,
    info: (*mut u8, usize, *mut u64),
    error: (*mut u8, usize, *mut u64),
}

impl JitOptions {
    pub(crate) unsafe fn read(
        count: u32,
        options: *mut u32,
        values: *mut c_void,
    ) -> Result<Self, CudaError> {
        let mut read = Self {
            numbers: Vec::new(),
            info: (core::ptr::null_mut(), 0, core::ptr::null_mut()),
            error: (core::ptr::null_mut(), 0, core::ptr::null_mut()),
        };
        if count == 0 {
            return Ok(read);
        }
        if options.is_null() || values.is_null() || count > 64 {
            return Err(CudaError::INVALID_VALUE);
        }
        for index in 0..count as usize {
            let place = unsafe { values.cast::<u64>().add(index) };
            let (option, value) =
                unsafe { (options.add(index).read_unaligned(), place.read_unaligned()) };
            match option {
                3 => read.info.0 = value as *mut u8,
                4 => (read.info.1, read.info.2) = (value as u32 as usize, place),
                5 => read.error.0 = value as *mut u8,
                6 => (read.error.1, read.error.2) = (value as u32 as usize, place),
                // Pointers to names and addresses of global symbols (16 to 18): deprecated, and not of this machine.
                16..=18 => {}
                number => read.numbers.push((number, value)),
            }
        }
        Ok(read)
    }

    /// Options that are numbers, without buffers for what the compiler says.
    pub(crate) fn of_numbers(numbers: Vec<(u32, u64)>) -> Self {
        let none = (core::ptr::null_mut(), 0, core::ptr::null_mut());
        Self { numbers, info: none, error: none }
    }

    pub(crate) fn size(&self) -> usize {
        4 + 12 * self.numbers.len()
    }

    pub(crate) fn write(&self, w: &mut impl ringway_wire::codec::Writer) {
        w.u32(self.numbers.len() as u32);
        for (option, value) in &self.numbers {
            w.u32(*option);
            w.u64(*value);
        }
    }

    unsafe fn log(to: &(*mut u8, usize, *mut u64), text: &[u8]) {
        let length = text.len().min(to.1.saturating_sub(1));
        if !to.0.is_null() && to.1 > 0 {
            // SAFETY: the program gave a buffer of `to.1` bytes.
            unsafe {
                to.0.copy_from_nonoverlapping(text.as_ptr(), length);
                to.0.add(length).write(0);
            }
        }
        // The size option's value becomes the number of bytes written.
        unsafe { put_if(to.2, length as u64) };
    }

    /// Takes the answer: result, then both logs.
    pub(crate) unsafe fn answer(
        &self,
        r: &mut Reader<'_>,
    ) -> Result<Result<(), CudaError>, Malformed> {
        let code = r.u32()?;
        let (info, error) = (r.bytes()?, r.bytes()?);
        unsafe {
            Self::log(&self.info, info);
            Self::log(&self.error, error);
        }
        Ok(CudaError::check(code))
    }
}

/// Loads an image under a new id of `kind`; `opcode` says how.
pub(crate) unsafe fn load(
    opcode: u32,
    kind: Kind,
    target: Target,
    image: &Image,
    jit: &JitOptions,
) -> Result<u64, CudaError> {
    let hash = upload::blob(target, image.bytes)?;
    let new = create(kind, target)?;
    // The driver's result comes with its logs, in an answer to a call that succeeded.
    memory_ranges::with_room(target, || {
        called(
            opcode,
            target,
            8 + 1 + 32 + jit.size(),
            |w| {
                w.u64(new.id());
                w.u8(u8::from(image.wrapped));
                w.put(&hash);
                jit.write(w);
            },
            |r| unsafe { jit.answer(r) },
        )?
    })?;
    Ok(new.keep())
}

unsafe fn load_module(
    module: *mut u64,
    image: *const c_void,
    jit: &JitOptions,
) -> Result<(), CudaError> {
    let target = contexts::current()?;
    if module.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let image = unsafe { image::find(image) }?;
    let id = unsafe {
        load(
            op::CU_MODULE_LOAD_DATA_EX,
            Kind::Module,
            target,
            &image,
            jit,
        )
    }?;
    unsafe { put(module, id) }
}

pub unsafe fn cuModuleLoadData(module: *mut u64, image: *const c_void) -> Result<(), CudaError> {
    unsafe {
        load_module(
            module,
            image,
            &JitOptions::read(0, core::ptr::null_mut(), core::ptr::null_mut())?,
        )
    }
}

pub unsafe fn cuModuleLoadDataEx(
    module: *mut u64,
    image: *const c_void,
    numOptions: u32,
    options: *mut u32,
    optionValues: *mut c_void,
) -> Result<(), CudaError> {
    unsafe {
        load_module(
            module,
            image,
            &JitOptions::read(numOptions, options, optionValues)?,
        )
    }
}

pub unsafe fn cuModuleLoadFatBinary(
    module: *mut u64,
    fatCubin: *const c_void,
) -> Result<(), CudaError> {
    unsafe { cuModuleLoadData(module, fatCubin) }
}

/// Reads a module file and puts a terminator behind it, in case it is text.
pub(crate) unsafe fn read_file(name: *const c_char) -> Result<Vec<u8>, CudaError> {
    if name.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let path = unsafe { CStr::from_ptr(name) }
        .to_str()
        .map_err(|_| CudaError::FILE_NOT_FOUND)?;
    let mut bytes = std::fs::read(path).map_err(|_| CudaError::FILE_NOT_FOUND)?;
    bytes.push(0);
    Ok(bytes)
}

pub unsafe fn cuModuleLoad(module: *mut u64, fname: *const c_char) -> Result<(), CudaError> {
    let bytes = unsafe { read_file(fname) }?;
    unsafe { cuModuleLoadData(module, bytes.as_ptr().cast()) }
}

/// Kernels and variables that were looked up, by module and name.
type Known = HashMap<(u64, Vec<u8>), u64>;
static FUNCTIONS: Mutex<Option<Known>> = Mutex::new(None);
static GLOBALS: Mutex<Option<HashMap<(u64, Vec<u8>), (u64, usize)>>> = Mutex::new(None);

pub unsafe fn cuModuleUnload(hmod: u64) -> Result<(), CudaError> {
    let module = handle(Kind::Module, hmod)?;
    forget(hmod);
    posted(op::CU_MODULE_UNLOAD, module.target, 8, |w| w.u64(module.id))?;
    destroyed(Kind::Module, hmod);
    Ok(())
}

/// Forgets what was looked up in a module or library that is being unloaded.
pub(crate) fn forget(module: u64) {
    if let Some(known) = FUNCTIONS.lock().as_mut() {
        known.retain(|(of, _), id| {
            if *of == module {
                destroyed(Kind::Function, *id);
                destroyed(Kind::Kernel, *id);
            }
            *of != module
        });
    }
    if let Some(known) = GLOBALS.lock().as_mut() {
        known.retain(|(of, _), (address, _)| {
            if *of == module
                && let Some(found) = memory::find(*address)
            {
                memory::remove(&found);
            }
            *of != module
        });
    }
}

pub unsafe fn cuModuleGetLoadingMode(mode: *mut u32) -> Result<(), CudaError> {
    // CU_MODULE_LAZY_LOADING
    unsafe { put(mode, 2) }
}

/// Reads a kernel's description: attributes, then parameters.
pub(crate) fn describe(r: &mut Reader<'_>) -> Result<([i32; ATTRIBUTES], Vec<Param>), Malformed> {
    let mut attributes = [i32::MIN; ATTRIBUTES];
    for value in &mut attributes {
        *value = r.i32()?;
    }
    let count = r.u32()? as usize;
    if r.left() / 8 < count {
        return Err(Malformed::TooShort {
            wanted: count.saturating_mul(8),
            left: r.left(),
        });
    }
    let mut params = Vec::with_capacity(count);
    for _ in 0..count {
        let (offset, bytes) = (r.u32()?, r.u32()?);
        // So much is read from where the program keeps a parameter: a server may not ask for more than CUDA allows.
        let end = u64::from(offset) + u64::from(bytes);
        if end > PARAM_BYTES_MAX as u64 {
            return Err(Malformed::Value(end));
        }
        params.push(Param { offset, bytes });
    }
    Ok((attributes, params))
}

/// Looks a kernel up by name, at the server only the first time.
pub(crate) fn lookup(
    opcode: u32,
    kind: Kind,
    owner: u64,
    target: Target,
    name: &CStr,
) -> Result<u64, CudaError> {
    let key = (owner, name.to_bytes().to_vec());
    let mut known = FUNCTIONS.lock();
    if let Some(id) = known.get_or_insert_default().get(&key) {
        return Ok(*id);
    }
    let new = create(kind, target)?;
    let text = name.to_bytes();
    let (attributes, params) = called(
        opcode,
        target,
        16 + 4 + text.len(),
        |w| {
            w.u64(owner);
            w.u64(new.id());
            w.bytes(text);
        },
        describe,
    )?;
    let function = Function::new(name.to_owned(), owner, params, attributes);
    functions::attach(kind, new.id(), function);
    let id = new.keep();
    known.get_or_insert_default().insert(key, id);
    Ok(id)
}

pub unsafe fn cuModuleGetFunction(
    hfunc: *mut u64,
    hmod: u64,
    name: *const c_char,
) -> Result<(), CudaError> {
    let module = handle(Kind::Module, hmod)?;
    if hfunc.is_null() || name.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let name = unsafe { CStr::from_ptr(name) };
    let id = lookup(
        op::CU_MODULE_GET_FUNCTION,
        Kind::Function,
        module.id,
        module.target,
        name,
    )?;
    unsafe { put(hfunc, id) }
}

/// Looks a variable up by name, at the server only the first time.
pub(crate) fn global(
    opcode: u32,
    owner: u64,
    target: Target,
    name: &CStr,
) -> Result<(u64, usize), CudaError> {
    let key = (owner, name.to_bytes().to_vec());
    if let Some(found) = GLOBALS.lock().get_or_insert_default().get(&key) {
        return Ok(*found);
    }
    let text = name.to_bytes();
    let (address, bytes) = called(
        opcode,
        target,
        8 + 4 + text.len(),
        |w| {
            w.u64(owner);
            w.bytes(text);
        },
        |r| Ok((r.u64()?, r.usize()?)),
    )?;
    super::memory::note(address, bytes, target, Origin::Other);
    GLOBALS
        .lock()
        .get_or_insert_default()
        .insert(key, (address, bytes));
    Ok((address, bytes))
}

pub unsafe fn cuModuleGetGlobal(
    dptr: *mut u64,
    bytes: *mut usize,
    hmod: u64,
    name: *const c_char,
) -> Result<(), CudaError> {
    let module = handle(Kind::Module, hmod)?;
    if name.is_null() || dptr.is_null() && bytes.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let (address, length) = global(op::CU_MODULE_GET_GLOBAL, module.id, module.target, unsafe {
        CStr::from_ptr(name)
    })?;
    unsafe { put_if(dptr, address) };
    unsafe { put_if(bytes, length) };
    Ok(())
}

/// Names of all kernels, then each looked up by name.
pub(crate) unsafe fn enumerate(
    list: u32,
    get: u32,
    kind: Kind,
    owner: u64,
    target: Target,
    to: *mut u64,
    room: u32,
) -> Result<(), CudaError> {
    if to.is_null() || room == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let names = called(
        list,
        target,
        12,
        |w| {
            w.u64(owner);
            w.u32(room);
        },
        |r| {
            let count = r.u32()?;
            (0..count)
                .map(|_| r.c_string())
                .collect::<Result<Vec<_>, _>>()
        },
    )?;
    for (index, name) in names.iter().take(room as usize).enumerate() {
        let id = lookup(get, kind, owner, target, name)?;
        // SAFETY: the program has room for `room` handles.
        unsafe { to.add(index).write_unaligned(id) };
    }
    Ok(())
}

pub unsafe fn cuModuleEnumerateFunctions(
    functions: *mut u64,
    numFunctions: u32,
    mod_: u64,
) -> Result<(), CudaError> {
    let module = handle(Kind::Module, mod_)?;
    unsafe {
        enumerate(
            op::CU_MODULE_ENUMERATE_FUNCTIONS,
            op::CU_MODULE_GET_FUNCTION,
            Kind::Function,
            module.id,
            module.target,
            functions,
            numFunctions,
        )
    }
}
