//! Beginning and end of the library's use.
//!
//! Source: NVML API Reference Guide, "Initialization and Cleanup", "Error reporting".

use super::{DRIVER_NOT_LOADED, INITIALISED, Outcome, UNINITIALIZED, api, text};
use crate::driver_table::Driver;
use std::ffi::c_char;
use std::sync::atomic::Ordering;

fn initialise() -> Outcome {
    match Driver::get() {
        Ok(_) => {}
        // No device is a state that NVML can be initialised in; the count is 0 then.
        Err(100) => {}
        Err(_) => return Err(DRIVER_NOT_LOADED),
    }
    INITIALISED.fetch_add(1, Ordering::AcqRel);
    Ok(())
}

api! {
    fn nvmlInit() {
        initialise()
    }

    fn nvmlInit_v2() {
        initialise()
    }

    fn nvmlInitWithFlags(_flags: u32) {
        initialise()
    }

    fn nvmlShutdown() {
        INITIALISED
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1))
            .map(drop)
            .map_err(|_| UNINITIALIZED)
    }
}

/// `nvmlErrorString`: a sentence about a code.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(code: u32) -> *const c_char {
    text(code).as_ptr()
}
