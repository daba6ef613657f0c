//! The loader auditor: redirects every request for a CUDA library, by whatever path, to the one object that answers.
//!
//! `LD_LIBRARY_PATH` serves programs that ask for a bare name, but loses to an RPATH and to absolute paths. The dynamic
//! loader asks an auditor (`LD_AUDIT`; rtld-audit(7)) about each name that it searches for. This one compares the last
//! part of the name with the list in `RINGWAY_AUDIT` (`name=path;name=path`) and answers with the path.
//!
//! It runs inside the loader, in a namespace of its own, and calls nothing but getenv and the allocator, once, for the
//! parsed list.
#![allow(non_snake_case)]

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::sync::OnceLock;

/// `LAV_CURRENT` of the glibc versions that are served; the loader's own version is answered if it is older.
const VERSION: c_uint = 2;

struct Redirect {
    name: Vec<u8>,
    path: Vec<u8>,
}

fn redirects() -> &'static [Redirect] {
    static REDIRECTS: OnceLock<Vec<Redirect>> = OnceLock::new();
    REDIRECTS.get_or_init(|| {
        // SAFETY: a literal with its terminator; the environment is not changed while the loader starts the program.
        let text = unsafe { libc::getenv(c"RINGWAY_AUDIT".as_ptr()) };
        if text.is_null() {
            return Vec::new();
        }
        // SAFETY: getenv gives a terminated string.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        text.split(|byte| *byte == b';')
            .filter_map(|pair| {
                let at = pair.iter().position(|byte| *byte == b'=')?;
                let mut path = pair[at + 1..].to_vec();
                path.push(0);
                Some(Redirect {
                    name: pair[..at].to_vec(),
                    path,
                })
            })
            .collect()
    })
}

/// The path for a name, with its terminator.
fn redirect(name: &[u8]) -> Option<&'static [u8]> {
    let last = name.rsplit(|byte| *byte == b'/').next()?;
    redirects()
        .iter()
        .find(|redirect| redirect.name == last)
        .map(|redirect| redirect.path.as_slice())
}

/// Called first by the loader, with its own version of the interface.
#[unsafe(no_mangle)]
pub extern "C" fn la_version(theirs: c_uint) -> c_uint {
    theirs.min(VERSION)
}

/// Called for each name that the loader searches for; the answer is searched for in its place.
///
/// # Safety
/// As the loader calls it: `name` is a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn la_objsearch(
    name: *const c_char,
    _cookie: *mut c_void,
    _flag: c_uint,
) -> *const c_char {
    if name.is_null() {
        return name;
    }
    // SAFETY: by the loader's promise.
    match redirect(unsafe { CStr::from_ptr(name) }.to_bytes()) {
        Some(path) => path.as_ptr().cast(),
        None => name,
    }
}
