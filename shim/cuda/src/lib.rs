//! What is loaded into the user's program: one shared object that answers to the names of libcuda, libcudart and NVML.
//!
//! `generated` holds every export of the driver API, made from the table in `engine/api`; `driver` the bodies that are
//! written by hand; `runtime` and `nvml` stand on the driver API alone.

pub mod driver;
pub mod driver_table;
pub mod generated;
pub mod nvml;
mod profiling;
pub mod runtime;

use parking_lot::Mutex;
use ringway_api::{CudaError, Row, Support, TABLE};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an export. A panic must not leave it: it becomes `CUDA_ERROR_UNKNOWN`.
#[inline]
pub(crate) fn guard(opcode: u32, body: impl FnOnce() -> Result<(), CudaError>) -> u32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.code(),
        Err(_) => {
            ringway_client::say::say(format_args!(
                "internal error in {}; please report it",
                ringway_client::submit::name(opcode)
            ));
            CudaError::UNKNOWN.code()
        }
    }
}

/// Says why a function is refused, once each, where `RINGWAY_LOG` asks for it.
fn tell_refused(symbol: &'static str, reason: &str) {
    static TOLD: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if std::env::var_os("RINGWAY_LOG").is_some_and(|level| level != "off")
        && TOLD.lock().insert(symbol)
    {
        ringway_client::say::say(format_args!("{symbol} is not supported: {reason}"));
    }
}

fn row(opcode: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.opcode == opcode)
}

/// Result of a function that is refused or planned.
pub(crate) fn refused(opcode: u32) -> u32 {
    let Some(row) = row(opcode) else {
        return CudaError::UNKNOWN.code();
    };
    match row.support {
        Support::Refused(code, reason) => {
            tell_refused(row.name, reason);
            code.code()
        }
        Support::Planned(reason) | Support::Partial(reason) => {
            tell_refused(row.name, reason);
            CudaError::NOT_SUPPORTED.code()
        }
        Support::Full => CudaError::NOT_SUPPORTED.code(),
    }
}

/// Result of a form that CUDA 3.1 and before had.
pub(crate) fn refused_legacy(_opcode: u32, symbol: &'static str) -> u32 {
    tell_refused(
        symbol,
        "32-bit forms of CUDA 3.1 and before are not served; use a toolkit of this century",
    );
    CudaError::NOT_SUPPORTED.code()
}

/// `CU_STREAM_PER_THREAD`.
const STREAM_PER_THREAD: u64 = 2;

/// A stream argument: in per-thread variants null means the thread's own stream.
#[inline]
pub(crate) fn stream_arg(stream: u64, per_thread: bool) -> u64 {
    if per_thread && stream == 0 {
        STREAM_PER_THREAD
    } else {
        stream
    }
}
