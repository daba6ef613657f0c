//! The one door through which programs come in: every exported function is made by [`export!`], which adds the panic guard, the check for a
//! forked child, and the journal.

use super::journal;
use super::result::{CUresult, R};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

static FORKED: AtomicBool = AtomicBool::new(false);

/// After this, a child made by fork gets CUDA_ERROR_NOT_INITIALIZED from every call, as with a hardware driver: its threads and queues stayed in the parent.
pub fn watch_forks() {
    extern "C" fn in_child() {
        FORKED.store(true, Ordering::Relaxed);
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

/// Runs one driver call.
pub fn enter(name: &'static str, inputs: impl FnOnce(&mut String), outputs: impl FnOnce(&mut String), body: impl FnOnce() -> R) -> CUresult {
    if FORKED.load(Ordering::Relaxed) {
        return CUresult::NOT_INITIALIZED;
    }
    let line = journal::on().then(|| {
        let mut text = String::new();
        inputs(&mut text);
        journal::begin(text)
    });
    let result = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CUresult::SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => {
            tracing::error!("{name} panicked; this is a bug of the software GPU");
            CUresult::UNKNOWN
        }
    };
    if result != CUresult::SUCCESS {
        tracing::debug!("{name} -> {result:?}");
    }
    if let Some(line) = line {
        let mut text = String::new();
        if result == CUresult::SUCCESS {
            outputs(&mut text);
        }
        journal::end(line, name, text, result);
    }
    result
}

/// Defines exported functions.
///
/// `cuName [symbols] [per-thread symbols] |stream| (arguments) { body }`: one body, exported under each symbol. `stream` is bound to the default
/// stream of the symbol called: legacy, or per-thread for `_ptsz` and `_ptds` symbols.
macro_rules! export {
    ($( $base:ident [$($sym:ident)*] [$($pt:ident)*] |$default:ident| $args:tt $body:block )*) => {
        mod body {
            use super::*;
            $( export!(@body $base $default $args $body); )*
        }
        $(
            $( export!(@symbol $base $sym ($crate::driver::abi::CUstream(1)) $args); )*
            $( export!(@symbol $base $pt ($crate::driver::abi::CUstream(2)) $args); )*
        )*
    };
    (@body $base:ident $default:ident ($($arg:ident : $ty:ty),* $(,)?) $body:block) => {
        #[allow(non_snake_case, clippy::too_many_arguments)]
        pub(super) fn $base($default: CUstream, $($arg: $ty),*) -> R {
            let _ = $default;
            $body
        }
    };
    (@symbol $base:ident $sym:ident ($stream:expr) ($($arg:ident : $ty:ty),* $(,)?)) => {
        #[doc = concat!("`", stringify!($base), "` of the CUDA driver API.\n\n# Safety\nPointers must be as the CUDA driver API documents for this function.")]
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, clippy::too_many_arguments)]
        pub unsafe extern "C" fn $sym($($arg: $ty),*) -> CUresult {
            $crate::driver::entry::enter(
                stringify!($base),
                |_text| { $( $crate::driver::journal::Argument::input($arg, stringify!($arg), _text); )* },
                |_text| { $( $crate::driver::journal::Argument::output($arg, stringify!($arg), _text); )* },
                || body::$base($stream, $($arg),*),
            )
        }
    };
}
pub(crate) use export;
