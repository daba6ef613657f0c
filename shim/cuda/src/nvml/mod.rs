//! The NVIDIA Management Library (`libnvidia-ml.so.1`), answered from what the driver API knows.
//!
//! Monitoring tools see the devices that the program's lease has: their identity, memory and capability. Sensors (temperature, power,
//! fans, clocks, utilisation) belong to the serving machine and to all its users; they are answered with `NVML_ERROR_NOT_SUPPORTED`,
//! which the tools show as unknown. No context is created to answer a question, except for the free memory of a device that has none.
//!
//! Source: NVML API Reference Guide. Sizes in bytes, clocks in MHz.

#![allow(
    non_snake_case,
    clippy::missing_safety_doc,
    clippy::not_unsafe_ptr_arg_deref
)]

pub mod device;
pub mod library;
pub mod process;
pub mod system;
pub mod table;

use crate::driver_table::Driver;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

/// An `nvmlReturn_t` that is not `NVML_SUCCESS`.
pub type Code = u32;
/// What the body of a call returns.
pub type Outcome<T = ()> = Result<T, Code>;

macro_rules! errors {
    ($( $constant:ident = $value:literal, $text:literal; )*) => {
        $( #[doc = concat!("`NVML_ERROR_", stringify!($constant), "`.")] pub const $constant: Code = $value; )*

        /// A sentence about a code.
        pub fn text(code: Code) -> &'static CStr {
            match code {
                0 => c"Success",
                $( $value => $text, )*
                _ => c"Unknown Error",
            }
        }
    };
}

errors! {
    UNINITIALIZED = 1, c"Uninitialized";
    INVALID_ARGUMENT = 2, c"Invalid Argument";
    NOT_SUPPORTED = 3, c"Not Supported";
    NO_PERMISSION = 4, c"Insufficient Permissions";
    ALREADY_INITIALIZED = 5, c"Already Initialized";
    NOT_FOUND = 6, c"Not Found";
    INSUFFICIENT_SIZE = 7, c"Insufficient Size";
    INSUFFICIENT_POWER = 8, c"Insufficient External Power";
    DRIVER_NOT_LOADED = 9, c"Driver Not Loaded";
    TIMEOUT = 10, c"Timeout";
    IRQ_ISSUE = 11, c"Interrupt Request Issue";
    LIBRARY_NOT_FOUND = 12, c"NVML Shared Library Not Found";
    FUNCTION_NOT_FOUND = 13, c"Function Not Found";
    CORRUPTED_INFOROM = 14, c"Corrupted infoROM";
    GPU_IS_LOST = 15, c"GPU is lost";
    RESET_REQUIRED = 16, c"GPU requires restart";
    OPERATING_SYSTEM = 17, c"The operating system has blocked the request.";
    LIB_RM_VERSION_MISMATCH = 18, c"Driver/library version mismatch";
    IN_USE = 19, c"In use by another client";
    MEMORY = 20, c"Insufficient memory";
    NO_DATA = 21, c"No data";
    VGPU_ECC_NOT_SUPPORTED = 22, c"ECC is not supported on this vGPU";
    INSUFFICIENT_RESOURCES = 23, c"Insufficient resources";
    FREQ_NOT_SUPPORTED = 24, c"Frequency is not supported";
    ARGUMENT_VERSION_MISMATCH = 25, c"The provided version is invalid or unsupported";
    DEPRECATED = 26, c"The requested functionality has been deprecated";
    NOT_READY = 27, c"The system is not ready for the request";
    GPU_NOT_FOUND = 28, c"No GPUs were found";
    INVALID_STATE = 29, c"Resource not in correct state to perform requested operation";
    UNKNOWN = 999, c"Unknown Error";
}

/// How many `nvmlInit` are not yet matched by an `nvmlShutdown`.
pub(crate) static INITIALISED: AtomicU32 = AtomicU32::new(0);

/// Declares exported functions whose body is an [`Outcome`].
macro_rules! api {
    ($( $(#[$doc:meta])* fn $name:ident ($($arg:ident : $ty:ty),* $(,)?) $body:block )*) => { $(
        #[doc = concat!("`", stringify!($name), "` of the NVML API.")]
        ///
        $(#[$doc])*
        /// # Safety
        /// Pointers must be what the NVML documentation asks for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
            #[allow(unused_unsafe)]
            // SAFETY: the pointers are the caller's, who promises what the NVML documentation asks for; null is refused.
            $crate::nvml::guard(move || unsafe { $body })
        }
    )* };
}
pub(crate) use api;

/// Runs the body of an exported function. No panic leaves it.
pub fn guard(body: impl FnOnce() -> Outcome) -> u32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    }
}

/// The driver, for a library that was initialised.
///
/// # Errors
/// `NVML_ERROR_UNINITIALIZED` before `nvmlInit` and after the last `nvmlShutdown`.
pub fn driver() -> Outcome<&'static Driver> {
    if INITIALISED.load(Ordering::Acquire) == 0 {
        return Err(UNINITIALIZED);
    }
    Driver::get().map_err(|_| DRIVER_NOT_LOADED)
}

/// Maps a driver result. What the driver cannot tell, NVML does not support.
pub fn check(result: u32) -> Outcome {
    match result {
        0 => Ok(()),
        1 | 101 => Err(INVALID_ARGUMENT),
        2 => Err(MEMORY),
        100 => Err(GPU_NOT_FOUND),
        801 => Err(NOT_SUPPORTED),
        _ => Err(UNKNOWN),
    }
}

/// Writes a result through the caller's pointer.
///
/// # Safety
/// `out` is null or valid for a write.
pub unsafe fn put<T>(out: *mut T, value: T) -> Outcome {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, and otherwise the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a string with its zero byte into the caller's buffer of `len` bytes.
///
/// # Safety
/// `out` is null or valid for `len` bytes.
pub unsafe fn put_text(out: *mut c_char, len: u32, text: &str) -> Outcome {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if text.len() >= len as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: text and zero byte fit.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        out.add(text.len()).write(0);
    }
    Ok(())
}
