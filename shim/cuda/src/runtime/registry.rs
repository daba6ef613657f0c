//! Device code and variables that a program's start-up code registers, loaded when a context first needs them.
//!
//! A compiler emits calls of these functions into every program; they are described in the documentation of the open CUDA
//! compilers (clang emits the same). Nothing here touches the driver until a kernel is launched or a variable is asked for, so a
//! program with thousands of kernels starts at once.

use super::context;
use super::entry::{api, guard, put, refuse};
use super::error::{self, Outcome, check};
use crate::driver_table::Driver;
use parking_lot::{Mutex, RwLock};
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

/// Magic word of the wrapper that a compiler puts around a fat binary.
const WRAPPER_MAGIC: u32 = 0x4662_43b1;
/// Magic word of the fat binary itself.
const CONTAINER_MAGIC: u32 = 0xba55_ed50;
/// The wrapper's version where its program was compiled in parts that are linked (`nvcc -rdc=true`).
const LINK_VERSION: u32 = 2;
/// No program has more parts.
const PARTS_MAX: usize = 1 << 16;
/// `CU_JIT_INPUT_FATBINARY`.
const INPUT_FATBINARY: u32 = 2;

/// The wrapper's fields, as clang's documentation and the toolkit's header `fatbinary_section.h` give them.
#[repr(C)]
struct Wrapper {
    magic: u32,
    version: u32,
    image: *const c_void,
    /// With [`LINK_VERSION`] the fat binaries of the program's parts, in an array that ends with a null pointer.
    parts: *const *const c_void,
}

/// Where a registered program's device code is.
struct Code {
    /// The fat binary, null where there is none. Of a program that is linked it holds the machine code that the linker has made
    /// for certain architectures, or nothing.
    image: *const c_void,
    /// The fat binaries of the program's parts, which the driver links where `image` does not serve.
    parts: Vec<*const c_void>,
}

/// One registered fat binary. It lives as long as the process: handles to it may be kept anywhere.
pub struct FatBinary {
    code: Code,
    /// Its `__managed__` variables: the host's pointer to each, and the variable's name.
    managed: Mutex<Vec<(Address, &'static CStr)>>,
    /// Whether it has variables of the host that kernels read, which no GPU of another machine can.
    reads_host: AtomicBool,
    unregistered: AtomicBool,
    /// The loaded module of each context that has needed it.
    modules: RwLock<Vec<(u64, u64)>>,
    /// The driver library made of the binary; 0 until somebody wants one.
    library: Mutex<u64>,
}

/// A registered kernel: the host stub that stands for it, and its name in the fat binary.
pub struct Kernel {
    pub binary: &'static FatBinary,
    pub stub: usize,
    pub name: &'static CStr,
}

/// A registered `__device__` or `__constant__` variable.
pub struct Variable {
    binary: &'static FatBinary,
    name: &'static CStr,
    bytes: usize,
}

/// An address in the program's data.
struct Address(*mut c_void);

// SAFETY: only an address; what is written through it is written under the binary's lock.
unsafe impl Send for Address {}

// SAFETY: `code` points to immutable program data; everything else is synchronised.
unsafe impl Send for FatBinary {}
// SAFETY: as above.
unsafe impl Sync for FatBinary {}

/// Hashes the addresses of functions and variables, which are distinct and need spreading only.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 3)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}

type AddressMap<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

static BINARIES: RwLock<Vec<&'static FatBinary>> = RwLock::new(Vec::new());
static KERNELS: RwLock<Option<AddressMap<&'static Kernel>>> = RwLock::new(None);
static VARIABLES: RwLock<Option<AddressMap<&'static Variable>>> = RwLock::new(None);
/// Kernel handles that the driver gave (`cudaLibraryGetKernel`); they may be launched in a stub's place.
static DRIVER_KERNELS: RwLock<Option<AddressMap<()>>> = RwLock::new(None);
/// The stub of each driver function that a stub became, so that graph nodes can be read back.
static STUB_OF: RwLock<Option<HashMap<u64, usize>>> = RwLock::new(None);

/// A direct-mapped memory of recent launches: which driver function a stub is in a context.
#[derive(Clone, Copy)]
struct Recent {
    stub: usize,
    context: u64,
    epoch: u64,
    function: u64,
}

const RECENT_COUNT: usize = 64;

thread_local! {
    static RECENT: [Cell<Recent>; RECENT_COUNT] =
        const { [const { Cell::new(Recent { stub: 0, context: 0, epoch: 0, function: 0 }) }; RECENT_COUNT] };
}

/// The driver's function for a kernel named by its host stub (or by a kernel handle), in the current context.
///
/// # Errors
/// `cudaErrorInvalidDeviceFunction` where no such kernel is registered; the driver's error where its code cannot be loaded.
#[inline]
pub fn function(driver: &Driver, context: u64, stub: *const c_void) -> Outcome<u64> {
    let stub = stub as usize;
    let epoch = context::epoch();
    let slot = (stub >> 4) % RECENT_COUNT;
    let recent = RECENT.with(|recent| recent[slot].get());
    if recent.stub == stub && recent.context == context && recent.epoch == epoch {
        return Ok(recent.function);
    }
    let function = find_function(driver, context, stub)?;
    RECENT.with(|recent| {
        recent[slot].set(Recent {
            stub,
            context,
            epoch,
            function,
        })
    });
    Ok(function)
}

#[cold]
fn find_function(driver: &Driver, context: u64, stub: usize) -> Outcome<u64> {
    let Some(kernel) = kernel(stub) else {
        let driver_kernel = DRIVER_KERNELS
            .read()
            .as_ref()
            .is_some_and(|kernels| kernels.contains_key(&stub));
        return if driver_kernel {
            Ok(stub as u64)
        } else {
            Err(error::INVALID_DEVICE_FUNCTION)
        };
    };
    let module = kernel.binary.module(driver, context)?;
    let mut function = 0;
    // SAFETY: a live module and a C string.
    match unsafe { (driver.cuModuleGetFunction)(&raw mut function, module, kernel.name.as_ptr()) } {
        0 => {}
        error::SYMBOL_NOT_FOUND => return Err(error::INVALID_DEVICE_FUNCTION),
        code => return Err(error::from_driver(code)),
    }
    STUB_OF
        .write()
        .get_or_insert_default()
        .insert(function, stub);
    Ok(function)
}

/// The kernel that a host stub stands for.
pub fn kernel(stub: usize) -> Option<&'static Kernel> {
    KERNELS.read().as_ref()?.get(&stub).copied()
}

/// Lets a kernel handle of the driver be used where a stub is expected.
pub fn add_driver_kernel(kernel: u64) {
    if let Ok(kernel) = usize::try_from(kernel) {
        DRIVER_KERNELS
            .write()
            .get_or_insert_default()
            .insert(kernel, ());
    }
}

/// The host stub that became this driver function; the function itself where none did.
pub fn stub_of(function: u64) -> u64 {
    STUB_OF
        .read()
        .as_ref()
        .and_then(|stubs| stubs.get(&function))
        .map_or(function, |&stub| stub as u64)
}

/// Address and size of a registered variable in the current context.
///
/// # Errors
/// `cudaErrorInvalidSymbol` where no such variable is registered.
pub fn variable(driver: &Driver, context: u64, symbol: *const c_void) -> Outcome<(u64, usize)> {
    let variable = VARIABLES
        .read()
        .as_ref()
        .and_then(|variables| variables.get(&(symbol as usize)).copied());
    let variable = variable.ok_or(error::INVALID_SYMBOL)?;
    let module = variable.binary.module(driver, context)?;
    let (mut address, mut bytes) = (0, 0);
    // SAFETY: a live module, a C string, two outputs.
    match unsafe {
        (driver.cuModuleGetGlobal_v2)(
            &raw mut address,
            &raw mut bytes,
            module,
            variable.name.as_ptr(),
        )
    } {
        0 => Ok((address, if bytes == 0 { variable.bytes } else { bytes })),
        error::SYMBOL_NOT_FOUND => Err(error::INVALID_SYMBOL),
        code => Err(error::from_driver(code)),
    }
}

impl FatBinary {
    /// The binary's module in a context, loaded if it was not.
    fn module(&self, driver: &Driver, context: u64) -> Outcome<u64> {
        if let Some(module) = self.loaded(context) {
            return Ok(module);
        }
        if self.reads_host.load(Ordering::Relaxed) {
            return Err(refuse(
                "__cudaRegisterHostVar",
                "variables of the host cannot be read by another machine's GPU",
            ));
        }
        if self.unregistered.load(Ordering::Relaxed) {
            return Err(error::INVALID_KERNEL_IMAGE);
        }
        let mut modules = self.modules.write();
        // Another thread may have loaded it meanwhile.
        if let Some(&(_, module)) = modules.iter().find(|(owner, _)| *owner == context) {
            return Ok(module);
        }
        // SAFETY: `load` gives images and options.
        let module = self.code.load(driver, |image, options, module| unsafe {
            let (count, names, values) = options.parts();
            (driver.cuModuleLoadDataEx)(module, image, count, names, values)
        })?;
        modules.push((context, module));
        if let Err(code) = self.place_managed(driver, module) {
            modules.pop();
            // SAFETY: the module just loaded, which nobody else has seen.
            let _ = unsafe { (driver.cuModuleUnload)(module) };
            return Err(code);
        }
        Ok(module)
    }

    /// Points the host's pointers at the managed variables of a module.
    ///
    /// # Errors
    /// `cudaErrorNotSupported` where the driver's memory for them is not memory of this process.
    fn place_managed(&self, driver: &Driver, module: u64) -> Outcome {
        /// `CU_POINTER_ATTRIBUTE_IS_MANAGED`.
        const IS_MANAGED: u32 = 8;
        for (host, name) in self.managed.lock().iter() {
            let (mut address, mut bytes, mut is_managed, mut attribute) =
                (0u64, 0, 0u32, IS_MANAGED);
            let mut output: *mut c_void = (&raw mut is_managed).cast();
            // SAFETY: a live module, a C string, outputs of the documented types; `host` is the program's pointer variable.
            unsafe {
                check((driver.cuModuleGetGlobal_v2)(
                    &raw mut address,
                    &raw mut bytes,
                    module,
                    name.as_ptr(),
                ))?;
                check((driver.cuPointerGetAttributes)(
                    1,
                    &raw mut attribute,
                    &raw mut output,
                    address,
                ))?;
                if is_managed == 0 {
                    return Err(refuse(
                        "__cudaRegisterManagedVar",
                        "__managed__ variables would live in two machines' memories",
                    ));
                }
                host.0.cast::<u64>().write(address);
            }
            // The program's name for the variable is the place that the pointer leads to: as a symbol it hands that over.
            if let Some(variables) = VARIABLES.write().as_mut()
                && let Some(&variable) = variables.get(&(host.0 as usize))
            {
                variables.insert(address as usize, variable);
            }
        }
        Ok(())
    }

    fn loaded(&self, context: u64) -> Option<u64> {
        self.modules
            .read()
            .iter()
            .find(|(owner, _)| *owner == context)
            .map(|&(_, module)| module)
    }

    /// A driver library made of the binary, for those who want a kernel handle. It is loaded once for all contexts.
    pub fn library(&self, driver: &Driver) -> Outcome<u64> {
        let mut library = self.library.lock();
        if *library == 0 {
            if self.reads_host.load(Ordering::Relaxed) {
                return Err(error::INVALID_KERNEL_IMAGE);
            }
            let none: *mut c_void = std::ptr::null_mut();
            // SAFETY: as for a module.
            *library = self.code.load(driver, |image, options, library| unsafe {
                let (count, names, values) = options.parts();
                (driver.cuLibraryLoadData)(
                    library,
                    image,
                    names,
                    values,
                    count,
                    none.cast(),
                    none.cast(),
                    0,
                )
            })?;
        }
        Ok(*library)
    }
}

/// Forgets the modules of a context that was destroyed.
pub fn forget_context(context: u64) {
    for binary in BINARIES.read().iter() {
        binary
            .modules
            .write()
            .retain(|(owner, _)| *owner != context);
    }
}

/// The binary behind a registration handle, if we gave the handle out.
fn binary(handle: *const *const c_void) -> Option<&'static FatBinary> {
    BINARIES
        .read()
        .iter()
        .find(|known| std::ptr::eq(**known, handle.cast()))
        .copied()
}

impl Code {
    /// The code behind a wrapper; nothing where it is not one.
    ///
    /// # Safety
    /// `wrapper` is null or points to at least a [`Wrapper`].
    unsafe fn of(wrapper: *const c_void) -> Code {
        let mut code = Code {
            image: std::ptr::null(),
            parts: Vec::new(),
        };
        // SAFETY: the caller's promise.
        let Some(header) = (unsafe { wrapper.cast::<Wrapper>().as_ref() }) else {
            return code;
        };
        if header.magic != WRAPPER_MAGIC {
            return code;
        }
        // SAFETY: what a wrapper points to is a fat binary or nothing.
        if unsafe { is_container(header.image) } {
            code.image = header.image;
        }
        if header.version == LINK_VERSION && !header.parts.is_null() {
            for index in 0..PARTS_MAX {
                // SAFETY: the array goes on to its null pointer, which has not come yet.
                let part = unsafe { header.parts.add(index).read() };
                if part.is_null() {
                    break;
                }
                // SAFETY: as for the image.
                if unsafe { is_container(part) } {
                    code.parts.push(part);
                }
            }
        }
        code
    }

    /// Gives the code to `load`, a function of the driver that takes an image and writes a handle. Where that is not for this GPU, or
    /// there is none, the program's parts are linked first.
    ///
    /// # Errors
    /// `cudaErrorInvalidKernelImage` where there is no code; what the driver says.
    fn load(
        &self,
        driver: &Driver,
        mut load: impl FnMut(*const c_void, &mut JitOptions, *mut u64) -> u32,
    ) -> Outcome<u64> {
        let mut handle = 0;
        let mut options = JitOptions::default();
        // SAFETY: a fat binary, by `of`.
        let is_full = !self.image.is_null() && unsafe { container_bytes(self.image) }.1 > 0;
        if is_full || (self.parts.is_empty() && !self.image.is_null()) {
            // Nobody has to hear why the image does not serve where the parts do.
            options.quiet = !self.parts.is_empty();
            match load(self.image, &mut options, &raw mut handle) {
                error::NO_KERNEL_IMAGE_FOR_DEVICE if !self.parts.is_empty() => {}
                code => return check(code).map(|()| handle),
            }
        }
        if self.parts.is_empty() {
            return Err(error::INVALID_KERNEL_IMAGE);
        }
        let link = Link::create(driver)?;
        for &part in &self.parts {
            link.add(part)?;
        }
        options.quiet = false;
        check(load(link.complete()?, &mut options, &raw mut handle))?;
        Ok(handle)
    }
}

/// Options of loading code: none, or a buffer for what is said about an error.
struct JitOptions {
    quiet: bool,
    names: [u32; 2],
    values: [*mut c_void; 2],
    log: [u8; 128],
}

impl Default for JitOptions {
    fn default() -> Self {
        Self {
            quiet: false,
            names: [0; 2],
            values: [std::ptr::null_mut(); 2],
            log: [0; 128],
        }
    }
}

impl JitOptions {
    /// How many there are, which, and their values, as the driver takes them; valid as long as `self` is not touched.
    fn parts(&mut self) -> (u32, *mut u32, *mut *mut c_void) {
        if !self.quiet {
            return (0, std::ptr::null_mut(), std::ptr::null_mut());
        }
        // CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
        self.names = [5, 6];
        self.values = [
            self.log.as_mut_ptr().cast(),
            std::ptr::without_provenance_mut(self.log.len()),
        ];
        (2, self.names.as_mut_ptr(), self.values.as_mut_ptr())
    }
}

/// Whether a fat binary is at this address.
///
/// # Safety
/// `at` is null or points to at least four bytes.
unsafe fn is_container(at: *const c_void) -> bool {
    // SAFETY: the caller's promise.
    !at.is_null() && unsafe { at.cast::<u32>().read_unaligned() } == CONTAINER_MAGIC
}

/// Bytes of a fat binary's header, and of what follows it.
///
/// # Safety
/// `container` points to a fat binary.
unsafe fn container_bytes(container: *const c_void) -> (u64, u64) {
    // SAFETY: magic u32, version u16, header bytes u16, bytes behind the header u64.
    unsafe {
        (
            u64::from(container.byte_add(6).cast::<u16>().read_unaligned()),
            container.byte_add(8).cast::<u64>().read_unaligned(),
        )
    }
}

/// A linker of the driver, destroyed with this value.
struct Link<'a> {
    driver: &'a Driver,
    state: u64,
}

impl<'a> Link<'a> {
    fn create(driver: &'a Driver) -> Outcome<Self> {
        let mut state = 0;
        // SAFETY: no options, one output.
        check(unsafe {
            (driver.cuLinkCreate_v2)(
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &raw mut state,
            )
        })?;
        Ok(Self { driver, state })
    }

    fn add(&self, part: *const c_void) -> Outcome {
        // SAFETY: a fat binary, by `Code::of`.
        let (header, body) = unsafe { container_bytes(part) };
        let bytes = usize::try_from(header.saturating_add(body))
            .map_err(|_| error::INVALID_KERNEL_IMAGE)?;
        // SAFETY: a fat binary in the program's own data, as long as its header says; no options.
        check(unsafe {
            (self.driver.cuLinkAddData_v2)(
                self.state,
                INPUT_FATBINARY,
                part,
                bytes,
                std::ptr::null(),
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        })
    }

    /// The image, which goes with the linker.
    fn complete(&self) -> Outcome<*const c_void> {
        let (mut image, mut bytes) = (std::ptr::null(), 0);
        // SAFETY: a live linker, two outputs.
        check(unsafe {
            (self.driver.cuLinkComplete)(self.state, &raw mut image, &raw mut bytes)
        })?;
        Ok(image)
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        // SAFETY: the linker made by `create`, ended once.
        let _ = unsafe { (self.driver.cuLinkDestroy)(self.state) };
    }
}

/// Registers a fat binary and returns the handle that its kernels and variables are registered under.
///
/// # Safety
/// `wrapper` is what a CUDA compiler emitted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFatBinary(wrapper: *const c_void) -> *const *const c_void {
    // SAFETY: the caller's promise.
    let code = unsafe { Code::of(wrapper) };
    let binary: &'static FatBinary = Box::leak(Box::new(FatBinary {
        code,
        managed: Mutex::new(Vec::new()),
        reads_host: AtomicBool::new(false),
        unregistered: AtomicBool::new(false),
        modules: RwLock::new(Vec::new()),
        library: Mutex::new(0),
    }));
    BINARIES.write().push(binary);
    std::ptr::from_ref(binary).cast()
}

/// Ends the registration of a fat binary. Nothing is left to do: code is loaded when it is first needed.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterFatBinaryEnd(_handle: *const *const c_void) {}

/// Takes back a fat binary when its program or library goes.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaUnregisterFatBinary(handle: *const *const c_void) {
    guard(|| {
        if let Some(binary) = binary(handle) {
            binary.unregistered.store(true, Ordering::Relaxed);
            // The library's stubs may be unmapped, and another's may come to lie at the same addresses.
            if let Some(kernels) = KERNELS.write().as_mut() {
                kernels.retain(|_, kernel| !std::ptr::eq(kernel.binary, binary));
            }
            if let Some(variables) = VARIABLES.write().as_mut() {
                variables.retain(|_, variable| !std::ptr::eq(variable.binary, binary));
            }
            BINARIES
                .write()
                .retain(|known| !std::ptr::eq(*known, binary));
            context::new_epoch();
        }
        Ok(())
    });
}

/// A copy of a name that outlives the library it came from.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn keep(name: *const c_char) -> Option<&'static CStr> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(Box::leak(
        unsafe { CStr::from_ptr(name) }
            .to_owned()
            .into_boxed_c_str(),
    ))
}

/// Registers a kernel under its host stub.
///
/// # Safety
/// `device_name` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFunction(
    handle: *const *const c_void,
    stub: *const c_void,
    _device_function: *const c_char,
    device_name: *const c_char,
    _thread_limit: i32,
    _thread: *mut c_void,
    _block: *mut c_void,
    _block_dim: *mut c_void,
    _grid_dim: *mut c_void,
    _warp_size: *mut i32,
) {
    guard(|| {
        // SAFETY: the caller's promise.
        let (Some(binary), Some(name)) = (binary(handle), unsafe { keep(device_name) }) else {
            return Err(error::INVALID_VALUE);
        };
        let kernel = Box::leak(Box::new(Kernel {
            binary,
            stub: stub as usize,
            name,
        }));
        KERNELS
            .write()
            .get_or_insert_default()
            .insert(stub as usize, kernel);
        Ok(())
    });
}

/// Registers a `__device__` or `__constant__` variable under its host shadow.
///
/// # Safety
/// `device_name` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterVar(
    handle: *const *const c_void,
    host: *const c_void,
    _device_address: *const c_char,
    device_name: *const c_char,
    _external: i32,
    bytes: usize,
    _constant: i32,
    _global: i32,
) {
    guard(|| {
        // SAFETY: the caller's promise.
        let (Some(binary), Some(name)) = (binary(handle), unsafe { keep(device_name) }) else {
            return Err(error::INVALID_VALUE);
        };
        let variable = Box::leak(Box::new(Variable {
            binary,
            name,
            bytes,
        }));
        VARIABLES
            .write()
            .get_or_insert_default()
            .insert(host as usize, variable);
        Ok(())
    });
}

/// Registers a `__managed__` variable: the program reaches it through the pointer at `host`, once the binary is loaded.
///
/// # Safety
/// `device_name` is a C string, and `host` stays valid as long as the binary is registered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterManagedVar(
    handle: *const *const c_void,
    host: *mut *mut c_void,
    _device_address: *const c_char,
    device_name: *const c_char,
    _external: i32,
    bytes: usize,
    _constant: i32,
    _global: i32,
) {
    guard(|| {
        // SAFETY: the caller's promise.
        let (Some(binary), Some(name)) = (binary(handle), unsafe { keep(device_name) }) else {
            return Err(error::INVALID_VALUE);
        };
        binary.managed.lock().push((Address(host.cast()), name));
        let variable = Box::leak(Box::new(Variable {
            binary,
            name,
            bytes,
        }));
        VARIABLES
            .write()
            .get_or_insert_default()
            .insert(host as usize, variable);
        Ok(())
    });
}

/// Notes that a binary has host variables that kernels read: its code will be refused when it is needed.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterHostVar(
    handle: *const *const c_void,
    _name: *const c_char,
    _host: *mut c_void,
    _bytes: usize,
) {
    if let Some(binary) = binary(handle) {
        binary.reads_host.store(true, Ordering::Relaxed);
    }
}

/// Asks for a table of functions callable from both sides; there are none. The result is the handle given.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterUnifiedTable(_handle: *const *const c_void, _table: *const c_void) {
}

/// Makes a binary's managed variables usable by the host: called by the program before it first touches one. Returns 1 where they
/// are. Where they cannot be, the reason is this thread's last error.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaInitModule(handle: *const *const c_void) -> u8 {
    let code = guard(|| {
        let binary = binary(handle).ok_or(error::INVALID_VALUE)?;
        let (driver, context) = context::ready_context()?;
        binary.module(driver, context).map(drop)
    });
    u8::from(code == 0)
}

api! {
    fn __cudaGetKernel(kernel: *mut u64, stub: *const c_void) {
        // The stub itself serves as the handle: launching looks it up in the same way.
        if self::kernel(stub as usize).is_none() {
            return Err(error::INVALID_DEVICE_FUNCTION);
        }
        put(kernel, stub as u64)
    }

    fn cudaGetFuncBySymbol(function: *mut u64, stub: *const c_void) {
        let (driver, context) = context::ready_context()?;
        put(function, self::function(driver, context, stub)?)
    }

    fn cudaGetSymbolAddress(address: *mut u64, symbol: *const c_void) {
        let (driver, context) = context::ready_context()?;
        put(address, variable(driver, context, symbol)?.0)
    }

    fn cudaGetSymbolSize(bytes: *mut usize, symbol: *const c_void) {
        let (driver, context) = context::ready_context()?;
        put(bytes, variable(driver, context, symbol)?.1)
    }
}
