//! The CUDA driver API as a program uses it: libcuda.so.1 by its name, a few functions.

mod peer;
mod work;

use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

/// A call that failed.
#[derive(Debug)]
pub struct Failed {
    what: &'static str,
    why: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Failed {}

type Result<T> = std::result::Result<T, Failed>;

/// Declares the functions: field, CUDA's symbol, parameters.
macro_rules! functions {
    ($($field:ident $symbol:literal ($($param:ty),*);)*) => {
        struct Functions { $($field: unsafe extern "C" fn($($param),*) -> c_uint,)* }
        impl Functions {
            fn load(library: &Library) -> Result<Self> {
                Ok(Self { $($field: {
                    // SAFETY: the prototype is the one that the CUDA driver API documents for this symbol.
                    *unsafe { library.get(concat!($symbol, "\0").as_bytes()) }
                        .map_err(|error| Failed { what: $symbol, why: error.to_string() })?
                },)* })
            }
        }
    };
}

functions! {
    init "cuInit" (c_uint);
    driver_get_version "cuDriverGetVersion" (*mut c_int);
    device_get_name "cuDeviceGetName" (*mut c_char, c_int, c_int);
    ctx_retain "cuDevicePrimaryCtxRetain" (*mut *mut c_void, c_int);
    ctx_set_current "cuCtxSetCurrent" (*mut c_void);
    module_load_data "cuModuleLoadData" (*mut *mut c_void, *const c_void);
    module_get_function "cuModuleGetFunction" (*mut *mut c_void, *mut c_void, *const c_char);
    launch_kernel "cuLaunchKernel" (*mut c_void, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, *mut c_void, *mut *mut c_void, *mut *mut c_void);
    stream_create "cuStreamCreate" (*mut *mut c_void, c_uint);
    stream_synchronize "cuStreamSynchronize" (*mut c_void);
    stream_query "cuStreamQuery" (*mut c_void);
    event_create "cuEventCreate" (*mut *mut c_void, c_uint);
    event_record "cuEventRecord" (*mut c_void, *mut c_void);
    event_synchronize "cuEventSynchronize" (*mut c_void);
    ctx_synchronize "cuCtxSynchronize" ();
    memset_d32 "cuMemsetD32_v2" (u64, c_uint, usize);
    mem_get_info "cuMemGetInfo_v2" (*mut usize, *mut usize);
    mem_alloc "cuMemAlloc_v2" (*mut u64, usize);
    mem_free "cuMemFree_v2" (u64);
    mem_host_alloc "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint);
    mem_free_host "cuMemFreeHost" (*mut c_void);
    memcpy_htod "cuMemcpyHtoD_v2" (u64, *const c_void, usize);
    memcpy_dtoh "cuMemcpyDtoH_v2" (*mut c_void, u64, usize);
    memcpy_htod_async "cuMemcpyHtoDAsync_v2" (u64, *const c_void, usize, *mut c_void);
    memcpy_dtoh_async "cuMemcpyDtoHAsync_v2" (*mut c_void, u64, usize, *mut c_void);
}

fn check(what: &'static str, code: c_uint) -> Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(Failed {
            what,
            why: format!("CUDA result {code}"),
        })
    }
}

/// The driver with the first device's primary context current and one stream.
pub struct Driver {
    f: Functions,
    context: *mut c_void,
    stream: *mut c_void,
    module: *mut c_void,
    library: Library,
}

/// A kernel with a number of 8-byte parameters.
pub struct Kernel {
    function: *mut c_void,
    values: Vec<u64>,
}

/// Device memory.
pub struct DeviceMemory<'a> {
    driver: &'a Driver,
    at: u64,
}

/// Host memory that the driver pinned.
pub struct PinnedMemory<'a> {
    driver: &'a Driver,
    at: *mut c_void,
    bytes: usize,
}

/// Kernels that do nothing, and one that adds a number to words.
pub const PTX: &CStr = c".version 6.0
.target sm_52
.address_size 64
.visible .entry empty0() { ret; }
.visible .entry empty4(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d) { ret; }
.visible .entry empty16(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d, .param .u64 e, .param .u64 f,
  .param .u64 g, .param .u64 h, .param .u64 i, .param .u64 j, .param .u64 k, .param .u64 l, .param .u64 m,
  .param .u64 n, .param .u64 o, .param .u64 p) { ret; }
.visible .entry add_words(.param .u64 at, .param .u32 count, .param .u32 by)
{
 .reg .pred %p<2>;
 .reg .b32 %r<8>;
 .reg .b64 %rd<4>;
 ld.param.u64 %rd1, [at];
 ld.param.u32 %r1, [count];
 ld.param.u32 %r2, [by];
 mov.u32 %r3, %ctaid.x;
 mov.u32 %r4, %ntid.x;
 mov.u32 %r5, %tid.x;
 mad.lo.s32 %r6, %r3, %r4, %r5;
 setp.ge.u32 %p1, %r6, %r1;
 @%p1 ret;
 cvta.to.global.u64 %rd2, %rd1;
 mul.wide.u32 %rd3, %r6, 4;
 add.s64 %rd2, %rd2, %rd3;
 ld.global.u32 %r7, [%rd2];
 add.s32 %r7, %r7, %r2;
 st.global.u32 [%rd2], %r7;
 ret;
}
";

impl Driver {
    /// Loads libcuda.so.1 and attaches to the first device.
    pub fn open() -> Result<Self> {
        Self::open_in_steps(&mut || ())
    }

    /// The same, of another device, whose context is current on this thread afterwards.
    pub fn open_on(device: usize) -> Result<Self> {
        Self::open_device(device as c_int, &mut || ())
    }

    /// As [`Driver::open`]; tells when the library is loaded, cuInit is done, context and stream are made, and the module is loaded.
    pub fn open_in_steps(step: &mut dyn FnMut()) -> Result<Self> {
        Self::open_device(0, step)
    }

    fn open_device(device: c_int, step: &mut dyn FnMut()) -> Result<Self> {
        // SAFETY: the initialisers of a CUDA driver library ask for nothing.
        let library = unsafe { Library::new("libcuda.so.1") }.map_err(|error| Failed {
            what: "libcuda.so.1",
            why: error.to_string(),
        })?;
        let f = Functions::load(&library)?;
        step();
        let (mut context, mut stream, mut module) = (
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        );
        // SAFETY: arguments as documented; all out-pointers are to locals.
        unsafe {
            check("cuInit", (f.init)(0))?;
            step();
            check(
                "cuDevicePrimaryCtxRetain",
                (f.ctx_retain)(&raw mut context, device),
            )?;
            check("cuCtxSetCurrent", (f.ctx_set_current)(context))?;
            // CU_STREAM_NON_BLOCKING
            check("cuStreamCreate", (f.stream_create)(&raw mut stream, 1))?;
            step();
            check(
                "cuModuleLoadData",
                (f.module_load_data)(&raw mut module, PTX.as_ptr().cast()),
            )?;
            step();
        }
        Ok(Self {
            f,
            context,
            stream,
            module,
            library,
        })
    }

    /// Makes the device's context current on this thread.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: a context that lives as long as the process.
        check("cuCtxSetCurrent", unsafe { (self.f.ctx_set_current)(self.context) })
    }

    /// The library, for functions that are not declared here.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The current context, the stream, and the module, as the driver knows them.
    pub fn handles(&self) -> (*mut c_void, *mut c_void, *mut c_void) {
        (self.context, self.stream, self.module)
    }

    /// CUDA version of the driver as text, and the first device's name.
    pub fn describe(&self) -> Result<(String, String)> {
        let (mut version, mut name) = (0, [0 as c_char; 128]);
        // SAFETY: a local of the size that is told; the driver ends the name with a zero.
        let name = unsafe {
            check(
                "cuDriverGetVersion",
                (self.f.driver_get_version)(&raw mut version),
            )?;
            check(
                "cuDeviceGetName",
                (self.f.device_get_name)(name.as_mut_ptr(), 127, 0),
            )?;
            CStr::from_ptr(name.as_ptr())
        };
        Ok((
            format!("{}.{}", version / 1000, version % 1000 / 10),
            name.to_string_lossy().into_owned(),
        ))
    }

    fn function(&self, name: &CStr) -> Result<*mut c_void> {
        let mut function = std::ptr::null_mut();
        // SAFETY: a module of this context; a name with its zero.
        check("cuModuleGetFunction", unsafe {
            (self.f.module_get_function)(&raw mut function, self.module, name.as_ptr())
        })?;
        Ok(function)
    }

    /// The kernel that does nothing with so many parameters: 0, 4 or 16.
    pub fn kernel(&self, params: usize) -> Result<Kernel> {
        let name = CString::new(format!("empty{params}")).unwrap_or_default();
        let function = self.function(&name)?;
        Ok(Kernel {
            function,
            values: (0..params as u64).collect(),
        })
    }

    /// Launches one thread of a kernel.
    #[inline]
    pub fn launch(&self, kernel: &Kernel) -> Result<()> {
        let mut params: [*mut c_void; 16] = [std::ptr::null_mut(); 16];
        for (param, value) in params.iter_mut().zip(&kernel.values) {
            *param = std::ptr::from_ref(value).cast_mut().cast();
        }
        // SAFETY: as many pointers to 8-byte values as the kernel has parameters.
        check("cuLaunchKernel", unsafe {
            (self.f.launch_kernel)(
                kernel.function,
                1,
                1,
                1,
                1,
                1,
                1,
                0,
                self.stream,
                params.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        })
    }

    /// Waits for the stream.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: a stream of this context.
        check("cuStreamSynchronize", unsafe {
            (self.f.stream_synchronize)(self.stream)
        })
    }

    /// Asks whether the stream is done.
    pub fn query(&self) -> Result<bool> {
        const NOT_READY: c_uint = 600;
        // SAFETY: a stream of this context.
        match unsafe { (self.f.stream_query)(self.stream) } {
            NOT_READY => Ok(false),
            code => check("cuStreamQuery", code).map(|()| true),
        }
    }

    /// Asks for free memory.
    pub fn memory_info(&self) -> Result<usize> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: out-pointers to locals.
        check("cuMemGetInfo", unsafe {
            (self.f.mem_get_info)(&raw mut free, &raw mut total)
        })?;
        Ok(free)
    }

    /// Makes an event and gives a function that records it in the stream.
    pub fn event_recorder(&self) -> Result<impl Fn() -> Result<()> + '_> {
        let mut event = std::ptr::null_mut();
        // SAFETY: an out-pointer to a local; CU_EVENT_DISABLE_TIMING.
        check("cuEventCreate", unsafe {
            (self.f.event_create)(&raw mut event, 2)
        })?;
        Ok(move || {
            // SAFETY: an event and a stream of this context.
            check("cuEventRecord", unsafe {
                (self.f.event_record)(event, self.stream)
            })
        })
    }

    /// Allocates device memory.
    pub fn device_memory(&self, bytes: usize) -> Result<DeviceMemory<'_>> {
        let mut at = 0;
        // SAFETY: an out-pointer to a local.
        check("cuMemAlloc", unsafe {
            (self.f.mem_alloc)(&raw mut at, bytes)
        })?;
        Ok(DeviceMemory { driver: self, at })
    }

    /// Allocates pinned host memory.
    pub fn pinned_memory(&self, bytes: usize) -> Result<PinnedMemory<'_>> {
        let mut at = std::ptr::null_mut();
        // SAFETY: an out-pointer to a local.
        check("cuMemHostAlloc", unsafe {
            (self.f.mem_host_alloc)(&raw mut at, bytes, 0)
        })?;
        Ok(PinnedMemory {
            driver: self,
            at,
            bytes,
        })
    }

    /// Copies to the device and waits until the copy is done; `pinned` by the asynchronous call, as programs with pinned
    /// memory do.
    pub fn upload(&self, to: &DeviceMemory<'_>, from: &[u8], pinned: bool) -> Result<()> {
        // SAFETY: `to` was allocated with at least as many bytes by the one caller; `from` outlives the wait.
        unsafe {
            if pinned {
                check(
                    "cuMemcpyHtoDAsync",
                    (self.f.memcpy_htod_async)(
                        to.at,
                        from.as_ptr().cast(),
                        from.len(),
                        self.stream,
                    ),
                )?;
                return self.synchronize();
            }
            check(
                "cuMemcpyHtoD",
                (self.f.memcpy_htod)(to.at, from.as_ptr().cast(), from.len()),
            )?;
            // Pageable memory may be copied after the call returns where it was staged; the default stream tells.
            check(
                "cuStreamSynchronize",
                (self.f.stream_synchronize)(std::ptr::null_mut()),
            )
        }
    }

    /// Copies from the device and waits.
    pub fn download(&self, to: &mut [u8], from: &DeviceMemory<'_>, pinned: bool) -> Result<()> {
        // SAFETY: `from` was allocated with at least as many bytes by the one caller; `to` outlives the wait.
        unsafe {
            if pinned {
                check(
                    "cuMemcpyDtoHAsync",
                    (self.f.memcpy_dtoh_async)(
                        to.as_mut_ptr().cast(),
                        from.at,
                        to.len(),
                        self.stream,
                    ),
                )?;
                return self.synchronize();
            }
            check(
                "cuMemcpyDtoH",
                (self.f.memcpy_dtoh)(to.as_mut_ptr().cast(), from.at, to.len()),
            )
        }
    }
}

impl Drop for DeviceMemory<'_> {
    fn drop(&mut self) {
        // SAFETY: allocated by cuMemAlloc, freed once; a failure at the end of a measurement changes nothing.
        unsafe { (self.driver.f.mem_free)(self.at) };
    }
}

impl DeviceMemory<'_> {
    /// Its address.
    pub fn address(&self) -> u64 {
        self.at
    }
}

impl PinnedMemory<'_> {
    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: allocated with this length and zeroed or filled by the driver's system call; borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.at.cast(), self.bytes) }
    }
}

impl Drop for PinnedMemory<'_> {
    fn drop(&mut self) {
        // SAFETY: allocated by cuMemHostAlloc, freed once.
        unsafe { (self.driver.f.mem_free_host)(self.at) };
    }
}
