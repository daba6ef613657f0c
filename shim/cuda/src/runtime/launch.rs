//! Kernel launches, function attributes and occupancy.
//!
//! Source: CUDA Runtime API, "Execution Control" and "Occupancy". Block and grid extents in threads and blocks, shared memory in
//! bytes.

use super::context::{driver, ready_context};
use super::entry::{api, present, put, stream_or};
use super::error::{self, Outcome, check};
use super::registry::{self, function};
use super::types::{Dim3, DriverLaunchConfig, FuncAttributes, LaunchConfig};
use crate::driver_table::Driver;
use std::cell::RefCell;
use std::ffi::{c_char, c_void};

thread_local! {
    /// The configurations that `<<<...>>>` pushed and the stub has not taken yet. More than one only where arguments are
    /// themselves launched for.
    static CONFIGURATIONS: RefCell<Vec<(Dim3, Dim3, usize, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a launch configuration for the stub that is about to be called. Returns 0, which lets the stub be called.
#[unsafe(no_mangle)]
pub extern "C" fn __cudaPushCallConfiguration(
    grid: Dim3,
    block: Dim3,
    shared_bytes: usize,
    stream: u64,
) -> u32 {
    CONFIGURATIONS.with_borrow_mut(|kept| kept.push((grid, block, shared_bytes, stream)));
    0
}

api! {
    fn __cudaPopCallConfiguration(grid: *mut Dim3, block: *mut Dim3, shared_bytes: *mut usize, stream: *mut u64) {
        let kept = CONFIGURATIONS.with_borrow_mut(Vec::pop).ok_or(error::MISSING_CONFIGURATION)?;
        put(grid, kept.0)?;
        put(block, kept.1)?;
        put(shared_bytes, kept.2)?;
        put(stream, kept.3)
    }

    fn cudaLaunchKernel + cudaLaunchKernel_ptsz [default]
        (stub: *const c_void, grid: Dim3, block: Dim3, params: *mut *mut c_void, shared_bytes: usize, stream: u64) {
        launch(stub, grid, block, params, shared_bytes, stream_or(stream, default))
    }

    fn __cudaLaunchKernel + __cudaLaunchKernel_ptsz [default]
        (kernel: *const c_void, grid: Dim3, block: Dim3, params: *mut *mut c_void, shared_bytes: usize, stream: u64) {
        launch(kernel, grid, block, params, shared_bytes, stream_or(stream, default))
    }

    fn cudaLaunchCooperativeKernel + cudaLaunchCooperativeKernel_ptsz [default]
        (stub: *const c_void, grid: Dim3, block: Dim3, params: *mut *mut c_void, shared_bytes: usize, stream: u64) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        let shared = u32::try_from(shared_bytes).map_err(|_| error::INVALID_VALUE)?;
        let result = (driver.cuLaunchCooperativeKernel)(function, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared,
            stream_or(stream, default), params);
        launched(driver, function, grid, block, result)
    }

    fn cudaLaunchKernelExC + cudaLaunchKernelExC_ptsz [default]
        (config: *const LaunchConfig, stub: *const c_void, params: *mut *mut c_void) {
        present(config)?;
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        let config = driver_config(&*config, default)?;
        let result = (driver.cuLaunchKernelEx)((&raw const config).cast(), function, params, std::ptr::null_mut());
        launched(driver, function, config.grid, config.block, result)
    }

    fn cudaLaunchHostFunc + cudaLaunchHostFunc_ptsz [default](stream: u64, host_function: *mut c_void, data: *mut c_void) {
        present(host_function)?;
        let (driver, _) = ready_context()?;
        check((driver.cuLaunchHostFunc)(stream_or(stream, default), host_function, data))
    }

    fn cudaFuncGetAttributes(attributes: *mut FuncAttributes, stub: *const c_void) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        put(attributes, func_attributes(driver, function)?)
    }

    fn cudaFuncSetAttribute(stub: *const c_void, attribute: u32, value: i32) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuFuncSetAttribute)(function, attribute, value))
    }

    fn cudaFuncSetCacheConfig(stub: *const c_void, config: u32) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuFuncSetCacheConfig)(function, config))
    }

    fn cudaFuncSetSharedMemConfig(stub: *const c_void, _config: u32) {
        // Bank sizes are fixed since compute capability 5.0; the documentation makes this call a no-op there.
        let (driver, context) = ready_context()?;
        function(driver, context, stub).map(drop)
    }

    fn cudaFuncGetName(name: *mut *const c_char, stub: *const c_void) {
        match registry::kernel(stub as usize) {
            Some(kernel) => put(name, kernel.name.as_ptr()),
            None => {
                let (driver, context) = ready_context()?;
                let function = function(driver, context, stub)?;
                check((driver.cuFuncGetName)(name, function))
            }
        }
    }

    fn cudaFuncGetParamInfo(stub: *const c_void, index: usize, offset: *mut usize, bytes: *mut usize) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuFuncGetParamInfo)(function, index, offset, bytes))
    }

    fn cudaFuncGetParamCount(stub: *const c_void, count: *mut usize) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuFuncGetParamCount)(function, count))
    }

    fn cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks: *mut i32, stub: *const c_void, block_size: i32, shared_bytes: usize) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuOccupancyMaxActiveBlocksPerMultiprocessor)(blocks, function, block_size, shared_bytes))
    }

    fn cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
        (blocks: *mut i32, stub: *const c_void, block_size: i32, shared_bytes: usize, flags: u32) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)(blocks, function, block_size, shared_bytes, flags))
    }

    fn cudaOccupancyAvailableDynamicSMemPerBlock(bytes: *mut usize, stub: *const c_void, blocks: i32, block_size: i32) {
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        check((driver.cuOccupancyAvailableDynamicSMemPerBlock)(bytes, function, blocks, block_size))
    }

    fn cudaOccupancyMaxActiveClusters(clusters: *mut i32, stub: *const c_void, config: *const LaunchConfig) {
        present(config)?;
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        let config = driver_config(&*config, 0)?;
        check((driver.cuOccupancyMaxActiveClusters)(clusters, function, (&raw const config).cast()))
    }

    fn cudaOccupancyMaxPotentialClusterSize(size: *mut i32, stub: *const c_void, config: *const LaunchConfig) {
        present(config)?;
        let (driver, context) = ready_context()?;
        let function = function(driver, context, stub)?;
        let config = driver_config(&*config, 0)?;
        check((driver.cuOccupancyMaxPotentialClusterSize)(size, function, (&raw const config).cast()))
    }

    fn cudaGetKernel(kernel: *mut u64, stub: *const c_void) {
        // A kernel handle belongs to the driver too, so it comes from a driver library made of the same fat binary.
        let registered = registry::kernel(stub as usize).ok_or(error::INVALID_DEVICE_FUNCTION)?;
        let (driver, _) = ready_context()?;
        let library = registered.binary.library(driver)?;
        let mut handle = 0;
        check((driver.cuLibraryGetKernel)(&raw mut handle, library, registered.name.as_ptr()))?;
        registry::add_driver_kernel(handle);
        put(kernel, handle)
    }

    fn cudaKernelSetAttributeForDevice(kernel: u64, attribute: u32, value: i32, device: i32) {
        let driver = driver()?;
        check((driver.cuKernelSetAttribute)(attribute, value, kernel, device))
    }

    fn cudaLibraryLoadData(library: *mut u64, image: *const c_void, jit: *mut u32, jit_values: *mut *mut c_void, jit_count: u32,
        options: *mut u32, values: *mut *mut c_void, count: u32) {
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryLoadData)(library, image, jit, jit_values, jit_count, options, values, count))
    }

    fn cudaLibraryLoadFromFile(library: *mut u64, file: *const c_char, jit: *mut u32, jit_values: *mut *mut c_void, jit_count: u32,
        options: *mut u32, values: *mut *mut c_void, count: u32) {
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryLoadFromFile)(library, file, jit, jit_values, jit_count, options, values, count))
    }

    fn cudaLibraryUnload(library: u64) {
        check((driver()?.cuLibraryUnload)(library))
    }

    fn cudaLibraryGetKernel(kernel: *mut u64, library: u64, name: *const c_char) {
        present(kernel)?;
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryGetKernel)(kernel, library, name))?;
        registry::add_driver_kernel(*kernel);
        Ok(())
    }

    fn cudaLibraryGetKernelCount(count: *mut u32, library: u64) {
        check((driver()?.cuLibraryGetKernelCount)(count, library))
    }

    fn cudaLibraryEnumerateKernels(kernels: *mut u64, count: u32, library: u64) {
        present(kernels)?;
        check((driver()?.cuLibraryEnumerateKernels)(kernels, count, library))?;
        let mut known = 0;
        check((driver()?.cuLibraryGetKernelCount)(&raw mut known, library))?;
        for index in 0..count.min(known) as usize {
            registry::add_driver_kernel(*kernels.add(index));
        }
        Ok(())
    }

    fn cudaLibraryGetGlobal(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char) {
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryGetGlobal)(address, bytes, library, name))
    }

    fn cudaLibraryGetManaged(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char) {
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryGetManaged)(address, bytes, library, name))
    }

    fn cudaLibraryGetUnifiedFunction(address: *mut *mut c_void, library: u64, name: *const c_char) {
        let (driver, _) = ready_context()?;
        check((driver.cuLibraryGetUnifiedFunction)(address, library, name))
    }

    fn cudaGetDriverEntryPoint + cudaGetDriverEntryPoint_ptsz [default]
        (name: *const c_char, address: *mut *mut c_void, flags: u64, status: *mut u32) {
        entry_point(name, address, super::VERSION, flags, status, default)
    }

    fn cudaGetDriverEntryPointByVersion + cudaGetDriverEntryPointByVersion_ptsz [default]
        (name: *const c_char, address: *mut *mut c_void, version: u32, flags: u64, status: *mut u32) {
        let version = i32::try_from(version).map_err(|_| error::INVALID_VALUE)?;
        entry_point(name, address, version, flags, status, default)
    }

    fn cudaProfilerStart() {
        // Nothing to start: there is no profiler on this side.
        Ok(())
    }

    fn cudaProfilerStop() {
        Ok(())
    }
}

/// `cudaGetDriverEntryPoint`. Finding nothing is no error there: the status tells, and the address is null.
unsafe fn entry_point(
    name: *const c_char,
    address: *mut *mut c_void,
    version: i32,
    flags: u64,
    status: *mut u32,
    default: u64,
) -> Outcome {
    /// `cudaEnableDefault`, `cudaEnablePerThreadDefaultStream`.
    const BY_CALLER: u64 = 0;
    const PER_THREAD_STREAM: u64 = 2;
    present(name)?;
    present(address)?;
    let driver = driver()?;
    let flags = if flags == BY_CALLER && default != 0 {
        PER_THREAD_STREAM
    } else {
        flags
    };
    let mut found = 0;
    // SAFETY: a C string and outputs, all present.
    unsafe {
        address.write(std::ptr::null_mut());
        let result = (driver.cuGetProcAddress_v2)(name, address, version, flags, &raw mut found);
        if !status.is_null() {
            status.write(found);
        }
        match result {
            error::SYMBOL_NOT_FOUND => {
                address.write(std::ptr::null_mut());
                if !status.is_null() && found == 0 {
                    // cudaDriverEntryPointSymbolNotFound
                    status.write(1);
                }
                Ok(())
            }
            code => check(code),
        }
    }
}

fn driver_config(config: &LaunchConfig, default: u64) -> Outcome<DriverLaunchConfig> {
    Ok(DriverLaunchConfig {
        grid: config.grid,
        block: config.block,
        shared_bytes: u32::try_from(config.dynamic_shared_bytes)
            .map_err(|_| error::INVALID_VALUE)?,
        stream: stream_or(config.stream, default),
        attributes: config.attributes,
        attribute_count: config.attribute_count,
    })
}

#[inline]
unsafe fn launch(
    stub: *const c_void,
    grid: Dim3,
    block: Dim3,
    params: *mut *mut c_void,
    shared_bytes: usize,
    stream: u64,
) -> Outcome {
    let (driver, context) = ready_context()?;
    let function = function(driver, context, stub)?;
    let shared = u32::try_from(shared_bytes).map_err(|_| error::INVALID_VALUE)?;
    // SAFETY: `params` holds a pointer for each of the kernel's parameters: the compiler's stub, or the caller, promises.
    let result = unsafe {
        (driver.cuLaunchKernel)(
            function,
            grid.x,
            grid.y,
            grid.z,
            block.x,
            block.y,
            block.z,
            shared,
            stream,
            params,
            std::ptr::null_mut(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        launched(driver, function, grid, block, result)
    }
}

/// The runtime's code for the result of a launch. The driver calls every bad argument invalid; the runtime tells a bad
/// configuration apart.
#[cold]
fn launched(driver: &Driver, function: u64, grid: Dim3, block: Dim3, result: u32) -> Outcome {
    if result == error::INVALID_VALUE && !extents_fit(driver, function, grid, block) {
        return Err(error::INVALID_CONFIGURATION);
    }
    check(result)
}

/// `CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X` and `CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X`; y and z follow.
const MAX_BLOCK_DIM_X: i32 = 2;
const MAX_GRID_DIM_X: i32 = 5;

fn extents_fit(driver: &Driver, function: u64, grid: Dim3, block: Dim3) -> bool {
    let mut device = 0;
    let mut threads_max = 0;
    // SAFETY: integers and live handles.
    unsafe {
        if (driver.cuCtxGetDevice)(&raw mut device) != 0
            || (driver.cuFuncGetAttribute)(&raw mut threads_max, 0, function) != 0
        {
            return true;
        }
    }
    let limit = |attribute: i32| {
        let mut value = 0;
        // SAFETY: one output.
        let result = unsafe { (driver.cuDeviceGetAttribute)(&raw mut value, attribute, device) };
        if result == 0 {
            u32::try_from(value).unwrap_or(u32::MAX)
        } else {
            u32::MAX
        }
    };
    let within = |extent: Dim3, first: i32| {
        [extent.x, extent.y, extent.z]
            .iter()
            .zip(first..)
            .all(|(&size, attribute)| size != 0 && size <= limit(attribute))
    };
    let threads = u64::from(block.x)
        .saturating_mul(u64::from(block.y))
        .saturating_mul(u64::from(block.z));
    within(block, MAX_BLOCK_DIM_X)
        && within(grid, MAX_GRID_DIM_X)
        && threads <= u64::try_from(threads_max).unwrap_or(0)
}

/// `CU_FUNC_ATTRIBUTE_*`, in the order of their values.
fn func_attributes(driver: &Driver, function: u64) -> Outcome<FuncAttributes> {
    let attribute = |which: u32| {
        let mut value = 0;
        // SAFETY: one output, a live function.
        check(unsafe { (driver.cuFuncGetAttribute)(&raw mut value, which, function) })
            .map(|()| value)
    };
    // Drivers may lack the newer ones; zero is what an absent feature has.
    let newer = |which: u32| attribute(which).unwrap_or(0);
    let size = |value: i32| usize::try_from(value).unwrap_or(0);
    Ok(FuncAttributes {
        max_threads_per_block: attribute(0)?,
        shared_size_bytes: size(attribute(1)?),
        const_size_bytes: size(attribute(2)?),
        local_size_bytes: size(attribute(3)?),
        num_regs: attribute(4)?,
        ptx_version: attribute(5)?,
        binary_version: attribute(6)?,
        cache_mode_ca: newer(7),
        max_dynamic_shared_size_bytes: attribute(8)?,
        preferred_shared_carveout: newer(9),
        cluster_dim_must_be_set: newer(10),
        required_cluster_width: newer(11),
        required_cluster_height: newer(12),
        required_cluster_depth: newer(13),
        non_portable_cluster_size_allowed: newer(14),
        cluster_scheduling_policy_preference: newer(15),
        reserved: [0; 16],
    })
}

/// `cudaSetDoubleForDevice` and `cudaSetDoubleForHost`: every device since 1.3 computes in double precision, so the value stays.
#[unsafe(no_mangle)]
pub extern "C" fn cudaSetDoubleForDevice(_value: *mut f64) -> u32 {
    0
}

/// See [`cudaSetDoubleForDevice`].
#[unsafe(no_mangle)]
pub extern "C" fn cudaSetDoubleForHost(_value: *mut f64) -> u32 {
    0
}
