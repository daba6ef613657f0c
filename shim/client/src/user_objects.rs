//! User objects: the program's own resources that graphs keep alive. They never leave this process: a graph at the server
//! knows nothing of them.

use parking_lot::Mutex;
use ringway_api::CudaError;
use std::collections::HashMap;

/// `CUhostFn`, called with the object when the last reference is gone.
pub type Destroy = unsafe extern "C" fn(*mut std::ffi::c_void);

struct Object {
    object: usize,
    destroy: Destroy,
    references: u64,
}

#[derive(Default)]
struct All {
    objects: HashMap<u64, Object>,
    /// References that graphs hold: `(graph, object)` and how many.
    held: HashMap<(u64, u64), u64>,
    last: u64,
}

static ALL: Mutex<Option<All>> = Mutex::new(None);

/// Makes an object with `references` references of the caller's; gives its handle.
pub fn create(object: usize, destroy: Destroy, references: u32) -> u64 {
    let mut all = ALL.lock();
    let all = all.get_or_insert_default();
    all.last += 16;
    // Never null, and no address of the program's.
    let handle = 1 << 62 | all.last;
    all.objects.insert(handle, Object { object, destroy, references: u64::from(references) });
    handle
}

/// Adds references.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for no such object.
pub fn retain(handle: u64, count: u32) -> Result<(), CudaError> {
    let mut all = ALL.lock();
    let found = all.get_or_insert_default().objects.get_mut(&handle).ok_or(CudaError::INVALID_VALUE)?;
    found.references += u64::from(count);
    Ok(())
}

/// Takes references away; the last one destroys the object.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for no such object, or more than it has.
pub fn release(handle: u64, count: u32) -> Result<(), CudaError> {
    let gone = {
        let mut all = ALL.lock();
        let objects = &mut all.get_or_insert_default().objects;
        let found = objects.get_mut(&handle).ok_or(CudaError::INVALID_VALUE)?;
        found.references = found.references.checked_sub(u64::from(count)).ok_or(CudaError::INVALID_VALUE)?;
        if found.references > 0 { None } else { objects.remove(&handle) }
    };
    if let Some(gone) = gone {
        // SAFETY: the program gave function and object for this call (CUDA driver API, cuUserObjectCreate).
        unsafe { (gone.destroy)(gone.object as *mut std::ffi::c_void) };
    }
    Ok(())
}

/// A graph takes references: new ones, or (`moved`) the caller's.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for no such object.
pub fn hold(graph: u64, handle: u64, count: u32, moved: bool) -> Result<(), CudaError> {
    let mut all = ALL.lock();
    let all = all.get_or_insert_default();
    let found = all.objects.get_mut(&handle).ok_or(CudaError::INVALID_VALUE)?;
    if !moved {
        found.references += u64::from(count);
    }
    *all.held.entry((graph, handle)).or_insert(0) += u64::from(count);
    Ok(())
}

/// A graph gives references up.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for references that it does not hold.
pub fn let_go(graph: u64, handle: u64, count: u32) -> Result<(), CudaError> {
    {
        let mut all = ALL.lock();
        let held = &mut all.get_or_insert_default().held;
        let found = held.get_mut(&(graph, handle)).ok_or(CudaError::INVALID_VALUE)?;
        *found = found.checked_sub(u64::from(count)).ok_or(CudaError::INVALID_VALUE)?;
        if *found == 0 {
            held.remove(&(graph, handle));
        }
    }
    release(handle, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static DESTROYED: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn destroy(object: *mut std::ffi::c_void) {
        DESTROYED.fetch_add(object as usize, Ordering::SeqCst);
    }

    #[test]
    fn the_last_reference_destroys() {
        let object = create(7, destroy, 1);
        retain(object, 2).unwrap();
        hold(99, object, 1, true).unwrap();
        hold(99, object, 1, false).unwrap();
        release(object, 2).unwrap();
        assert_eq!(release(object, 9), Err(CudaError::INVALID_VALUE));
        assert_eq!(let_go(98, object, 1), Err(CudaError::INVALID_VALUE));
        assert_eq!(DESTROYED.load(Ordering::SeqCst), 0);
        let_go(99, object, 2).unwrap();
        assert_eq!(DESTROYED.load(Ordering::SeqCst), 7);
        assert_eq!(release(object, 1), Err(CudaError::INVALID_VALUE));
    }
}
