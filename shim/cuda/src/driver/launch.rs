//! Launches: parameters are copied by the kernel's layout, which was learnt when it was looked up. Nothing is waited for.

use core::cell::Cell;
use core::ffi::c_void;
use super::spread;
use ringway_client::servers::are_several;
use ringway_api::{CudaError, op};
use ringway_client::functions::{self, Function};
use ringway_client::host_functions::{self, Function as HostFunction, HostFn};
use ringway_client::objects::Object;
use ringway_client::{posted, session, stream};
use ringway_wire::codec::{SliceWriter, Writer as _};
use std::sync::OnceLock;

/// `CU_LAUNCH_PARAM_*`.
const PARAM_END: usize = 0;
const PARAM_BUFFER_POINTER: usize = 1;
const PARAM_BUFFER_SIZE: usize = 2;
/// The largest parameter buffer (CUDA C++ Programming Guide, "Technical Specifications").
pub(super) const PARAM_BYTES_MAX: usize = 32764;

/// Limits of a device.
struct Limits {
    grid: [u32; 3],
    block: [u32; 3],
    threads: u64,
    registers: u64,
}

impl Limits {
    /// From a device's attributes, by their numbers: CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X and so on. What is not known is no limit.
    fn of(attributes: &[Option<i32>]) -> Self {
        let attribute = |number: usize| attributes.get(number).copied().flatten().unwrap_or(i32::MAX) as u32;
        Self {
            grid: [5, 6, 7].map(attribute),
            block: [2, 3, 4].map(attribute),
            threads: attribute(1).into(),
            registers: attribute(12).into(),
        }
    }

    /// Those of a lane's device.
    #[inline]
    fn of_lane(lane: u32) -> Result<&'static Self, CudaError> {
        static OF_DEVICES: OnceLock<Vec<Limits>> = OnceLock::new();
        let of_devices = match OF_DEVICES.get() {
            Some(known) => known,
            None => {
                let devices = &session()?.devices;
                OF_DEVICES.get_or_init(|| devices.iter().map(|device| Self::of(&device.attributes)).collect())
            }
        };
        of_devices.get(lane as usize).ok_or(CudaError::INVALID_CONTEXT)
    }
}

/// Where the parameters of a launch are.
#[derive(Clone, Copy)]
pub(crate) enum Params {
    /// One pointer a parameter.
    Each(*const *const u8),
    /// A packed buffer.
    Packed(*const u8, usize),
    /// None given.
    None,
}

impl Params {
    /// From the two last arguments of cuLaunchKernel.
    pub(crate) unsafe fn read(
        kernel_params: *mut c_void,
        extra: *mut c_void,
    ) -> Result<Self, CudaError> {
        if !kernel_params.is_null() {
            return if extra.is_null() {
                Ok(Self::Each(kernel_params.cast::<*const u8>()))
            } else {
                Err(CudaError::INVALID_VALUE)
            };
        }
        if extra.is_null() {
            return Ok(Self::None);
        }
        let words = extra.cast::<usize>();
        let (mut buffer, mut size) = (core::ptr::null(), 0);
        let mut index = 0;
        loop {
            // SAFETY: the program ends the list with PARAM_END; it is bounded all the same.
            match unsafe { words.add(index).read_unaligned() } {
                PARAM_END => break,
                PARAM_BUFFER_POINTER => {
                    buffer = unsafe { words.add(index + 1).read_unaligned() } as *const u8
                }
                PARAM_BUFFER_SIZE => {
                    size = unsafe {
                        (words.add(index + 1).read_unaligned() as *const usize).read_unaligned()
                    }
                }
                _ => return Err(CudaError::INVALID_VALUE),
            }
            index += 2;
            if index > 16 {
                return Err(CudaError::INVALID_VALUE);
            }
        }
        if size > PARAM_BYTES_MAX || buffer.is_null() && size > 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        Ok(Self::Packed(buffer, size))
    }

    /// Bytes of the packed parameters.
    pub(crate) fn bytes(self, function: &Function) -> Result<usize, CudaError> {
        match self {
            Self::Each(_) => Ok(function.param_bytes),
            Self::Packed(_, size) => Ok(size),
            Self::None if function.params.is_empty() => Ok(0),
            Self::None => Err(CudaError::INVALID_VALUE),
        }
    }

    /// Writes the packed parameters; `bytes` of them.
    pub(crate) unsafe fn write(self, function: &Function, bytes: usize, w: &mut SliceWriter<'_>) {
        match self {
            Self::Packed(buffer, size) if size > 0 => {
                w.put(unsafe { core::slice::from_raw_parts(buffer, size) })
            }
            Self::Each(each) => {
                // SAFETY: the program gives a pointer to each parameter of the kernel.
                w.fill(bytes, |place| unsafe { pack(each, function, place) });
            }
            _ => {}
        }
    }
}

/// Puts parameters at their offsets; false where one lies beyond `place`.
///
/// # Safety
/// `each` leads to a pointer for each parameter, and that to its bytes.
#[inline]
unsafe fn pack(each: *const *const u8, function: &Function, place: &mut [u8]) -> bool {
    let mut end = 0;
    for (index, param) in function.params.iter().enumerate() {
        let (at, bytes) = (param.offset as usize, param.bytes as usize);
        if at > end
            && let Some(gap) = place.get_mut(end..at)
        {
            gap.fill(0);
        }
        end = at + bytes;
        let Some(to) = place.get_mut(at..end) else {
            return false;
        };
        // SAFETY: as promised. The two sizes of nearly all parameters are copied by one instruction, not by a call.
        unsafe {
            let from = each.add(index).read();
            match bytes {
                8 => to.copy_from_slice(&from.cast::<[u8; 8]>().read()),
                4 => to.copy_from_slice(&from.cast::<[u8; 4]>().read()),
                _ => core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), bytes),
            }
        }
    }
    end == place.len()
}

/// Shape of a launch.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
}

impl Shape {
    /// Rejects what CUDA rejects at once.
    pub(crate) fn check(&self, function: &Function, lane: u32) -> Result<(), CudaError> {
        let limits = Limits::of_lane(lane)?;
        // 0 is beyond every limit when 1 is taken off.
        let fits = |size: u32, limit: u32| size.wrapping_sub(1) < limit;
        let mut threads = 1u64;
        let mut all_fit = true;
        for axis in 0..3 {
            all_fit &= fits(self.grid[axis], limits.grid[axis]) & fits(self.block[axis], limits.block[axis]);
            threads = threads.saturating_mul(self.block[axis].into());
        }
        if !all_fit || threads > limits.threads {
            return Err(CudaError::INVALID_VALUE);
        }
        // A kernel's own limit is CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: that of its registers (4), or what .maxntid says.
        if function
            .attribute(0)
            .is_ok_and(|most| threads > most as u64)
        {
            let registers = function.attribute(4).map_or(0, |n| n as u64);
            let needed = registers.next_multiple_of(8) * threads.next_multiple_of(32);
            return Err(if needed > limits.registers {
                CudaError::LAUNCH_OUT_OF_RESOURCES
            } else {
                CudaError::INVALID_VALUE
            });
        }
        // Dynamic shared memory within what the kernel was allowed (8), static (1) counted apart.
        if let Ok(most) = function.attribute(8)
            && self.shared > most as u32
        {
            return Err(CudaError::INVALID_VALUE);
        }
        Ok(())
    }

    pub(crate) fn write(&self, w: &mut SliceWriter<'_>) {
        let mut bytes = [0; Self::BYTES];
        let words = self.grid.iter().chain(&self.block).chain([&self.shared]);
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        w.put(&bytes);
    }

    /// Bytes that `write` writes.
    pub(crate) const BYTES: usize = 28;
}

unsafe fn launch(
    opcode: u32,
    f: u64,
    shape: Shape,
    on: Object,
    cooperative: bool,
    params: Params,
) -> Result<(), CudaError> {
    let function = functions::get(f)?;
    shape.check(function, on.target.lane)?;
    let bytes = params.bytes(function)?;
    if are_several() {
        spread::kernel(f, on.target)?;
    }
    posted(
        opcode,
        on.target,
        8 + 8 + 4 + Shape::BYTES + 4 + bytes,
        |w| {
            w.u64(f);
            w.u64(on.id);
            w.u32(u32::from(cooperative));
            shape.write(w);
            w.u32(bytes as u32);
            unsafe { params.write(function, bytes, w) };
        },
    )
}

pub unsafe fn cuLaunchKernel(
    f: u64,
    gridDimX: u32,
    gridDimY: u32,
    gridDimZ: u32,
    blockDimX: u32,
    blockDimY: u32,
    blockDimZ: u32,
    sharedMemBytes: u32,
    hStream: u64,
    kernelParams: *mut c_void,
    extra: *mut c_void,
) -> Result<(), CudaError> {
    let shape = Shape {
        grid: [gridDimX, gridDimY, gridDimZ],
        block: [blockDimX, blockDimY, blockDimZ],
        shared: sharedMemBytes,
    };
    let params = unsafe { Params::read(kernelParams, extra) }?;
    unsafe {
        launch(
            op::CU_LAUNCH_KERNEL,
            f,
            shape,
            stream(hStream)?,
            false,
            params,
        )
    }
}

/// A cooperative launch must fit on the device at once, and programs are told so by the call itself. How many blocks fit is
/// asked once for each shape in a row.
fn fits_at_once(f: u64, shape: &Shape) -> Result<(), CudaError> {
    thread_local! {
        /// Function, threads of a block, dynamic shared bytes; and the blocks that fit.
        static LAST: Cell<((u64, u32, u32), u64)> = const { Cell::new(((0, 0, 0), 0)) };
    }
    let object = functions::object(f)?;
    shape.check(functions::get(f)?, object.target.lane)?;
    let threads = shape.block.iter().product::<u32>();
    let key = (f, threads, shape.shared);
    let (mut last, mut fit) = LAST.get();
    if last != key {
        let mut blocks = 0i32;
        // SAFETY: one output.
        CudaError::check(unsafe {
            crate::generated::occupancy::cuOccupancyMaxActiveBlocksPerMultiprocessor(
                &raw mut blocks,
                f,
                threads as i32,
                shape.shared as usize,
            )
        })?;
        let processors = super::device::attribute(object.target.lane as i32, 16)?;
        (last, fit) = (key, blocks.max(0) as u64 * processors.max(0) as u64);
        LAST.set((last, fit));
    }
    let blocks = shape
        .grid
        .iter()
        .map(|&extent| u64::from(extent))
        .product::<u64>();
    if blocks > fit {
        return Err(CudaError::COOPERATIVE_LAUNCH_TOO_LARGE);
    }
    Ok(())
}

pub unsafe fn cuLaunchCooperativeKernel(
    f: u64,
    gridDimX: u32,
    gridDimY: u32,
    gridDimZ: u32,
    blockDimX: u32,
    blockDimY: u32,
    blockDimZ: u32,
    sharedMemBytes: u32,
    hStream: u64,
    kernelParams: *mut c_void,
) -> Result<(), CudaError> {
    let shape = Shape {
        grid: [gridDimX, gridDimY, gridDimZ],
        block: [blockDimX, blockDimY, blockDimZ],
        shared: sharedMemBytes,
    };
    fits_at_once(f, &shape)?;
    let params = unsafe { Params::read(kernelParams, core::ptr::null_mut()) }?;
    unsafe {
        launch(
            op::CU_LAUNCH_COOPERATIVE_KERNEL,
            f,
            shape,
            stream(hStream)?,
            true,
            params,
        )
    }
}

/// `CUlaunchConfig`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LaunchConfig {
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    stream: u64,
    attributes: *const LaunchAttribute,
    attribute_count: u32,
}

/// `CUlaunchAttribute`: number, padding, 64 bytes of value.
#[repr(C)]
#[derive(Clone, Copy)]
struct LaunchAttribute {
    id: u32,
    pad: u32,
    value: [u32; 16],
}

pub unsafe fn cuLaunchKernelEx(
    config: *const c_void,
    f: u64,
    kernelParams: *mut c_void,
    extra: *mut c_void,
    per_thread: bool,
) -> Result<(), CudaError> {
    if config.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let config = unsafe { config.cast::<LaunchConfig>().read_unaligned() };
    let mut cooperative = false;
    for attribute in
        unsafe { ringway_client::slice(config.attributes, config.attribute_count as usize) }?
    {
        match attribute.id {
            // IGNORE; hints that change no result: access policy window, synchronisation policy, priority, memory
            // synchronisation domains, programmatic stream serialisation (whose absence is the stricter order),
            // preferred shared memory carveout.
            0 | 1 | 3 | 6 | 8 | 9 | 10 | 14 => {}
            2 => cooperative = attribute.value[0] != 0,
            // Cluster dimension: one block a cluster is no cluster.
            4 if attribute.value[..3] == [1, 1, 1] || attribute.value[..3] == [0, 0, 0] => {}
            5 => {}
            _ => return Err(CudaError::NOT_SUPPORTED),
        }
    }
    let shape = Shape {
        grid: config.grid,
        block: config.block,
        shared: config.shared,
    };
    let params = unsafe { Params::read(kernelParams, extra) }?;
    unsafe {
        launch(
            op::CU_LAUNCH_KERNEL_EX,
            f,
            shape,
            stream(crate::stream_arg(config.stream, per_thread))?,
            cooperative,
            params,
        )
    }
}

pub unsafe fn cuLaunchHostFunc(
    hStream: u64,
    fn_: *const c_void,
    userData: *const c_void,
) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if fn_.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: the program says that this is a CUhostFn.
    let function = unsafe { core::mem::transmute::<*const c_void, HostFn>(fn_) };
    // One that is captured into a graph is called at each launch of the graph.
    let repeats = super::capture::any();
    let id = host_functions::register(
        HostFunction::Host(function, userData as usize),
        repeats,
        on.id,
        on.target.lane,
    );
    posted(op::CU_LAUNCH_HOST_FUNC, on.target, 16, |w| {
        w.u64(on.id);
        w.u64(id);
    })
    .inspect_err(|_| host_functions::forget(id))?;
    ringway_client::submit::flush(on.target)
}

pub unsafe fn cuLaunchHostFunc_v2(
    hStream: u64,
    fn_: *const c_void,
    userData: *const c_void,
    _syncMode: u32,
) -> Result<(), CudaError> {
    unsafe { cuLaunchHostFunc(hStream, fn_, userData) }
}
