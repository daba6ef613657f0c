//! How an exported runtime function is written: the panic guard, the thread's last error, and the per-thread-stream twin.

use super::error::{self, Code, NOT_SUPPORTED, Outcome};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The default stream of programs compiled with `--default-stream per-thread` (`CU_STREAM_PER_THREAD`).
pub const PER_THREAD: u64 = 2;

/// Declares exported functions. The body is an [`Outcome`]; what it returns becomes the `cudaError_t` and, where it is an error,
/// the thread's last error.
///
/// `fn name + twin [default](...)` declares two functions with one body: `name`, in which `default` is 0 (the legacy default
/// stream), and the `_ptds` or `_ptsz` twin, in which it is [`PER_THREAD`].
macro_rules! api {
    () => {};
    (fn $name:ident ($($arg:ident : $ty:ty),* $(,)?) $body:block $($rest:tt)*) => {
        #[doc = concat!("`", stringify!($name), "` of the CUDA Runtime API.")]
        ///
        /// # Safety
        /// Pointers must be what the CUDA documentation asks for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
            #[allow(unused_unsafe)]
            // SAFETY: the pointers are the caller's, who promises what the CUDA documentation asks for; null is checked where
            // the documentation makes it an error. Driver functions receive the arguments their prototypes name.
            $crate::runtime::entry::guard(move || unsafe { $body })
        }
        $crate::runtime::entry::api! { $($rest)* }
    };
    (fn $name:ident + $twin:ident [$default:ident] ($($arg:ident : $ty:ty),* $(,)?) $body:block $($rest:tt)*) => {
        $crate::runtime::entry::api! {
            fn $name($($arg: $ty),*) { let $default: u64 = 0; $body }
            fn $twin($($arg: $ty),*) { let $default: u64 = $crate::runtime::entry::PER_THREAD; $body }
            $($rest)*
        }
    };
}
pub(crate) use api;

/// Runs the body of an exported function. No panic leaves it.
#[inline]
pub fn guard(body: impl FnOnce() -> Outcome) -> u32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => {
            error::remember(code);
            code
        }
        Err(_) => {
            error::remember(error::UNKNOWN);
            error::UNKNOWN
        }
    }
}

/// Answers a call that Ringway does not serve, and says why, once a function, where `RINGWAY_LOG` asks for it.
#[cold]
pub fn refuse(function: &'static str, reason: &'static str) -> Code {
    crate::tell_refused(function, reason);
    NOT_SUPPORTED
}

/// The body of an exported function that refuses.
pub fn refused(function: &'static str, reason: &'static str) -> u32 {
    guard(|| Err(refuse(function, reason)))
}

/// Writes a result through the caller's pointer.
///
/// # Errors
/// `cudaErrorInvalidValue` where the pointer is null.
///
/// # Safety
/// `out` is null or valid for a write of `T`.
#[inline]
pub unsafe fn put<T>(out: *mut T, value: T) -> Outcome {
    if out.is_null() {
        return Err(error::INVALID_VALUE);
    }
    // SAFETY: not null, and otherwise the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Fails with `cudaErrorInvalidValue` where the pointer is null.
#[inline]
pub fn present<T>(pointer: *const T) -> Outcome {
    if pointer.is_null() {
        Err(error::INVALID_VALUE)
    } else {
        Ok(())
    }
}

/// The stream a call means: the default one of the calling variant where the program passed 0.
#[inline]
pub fn stream_or(stream: u64, default: u64) -> u64 {
    if stream == 0 { default } else { stream }
}
