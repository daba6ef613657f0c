//! Texture and surface objects: what each was made of is known here, with the program's own handles in it.

use crate::generated::texture as generated;
use core::ffi::c_void;
use parking_lot::Mutex;
use ringway_api::CudaError;
use std::collections::HashMap;

/// A `CUDA_RESOURCE_DESC`.
type Resource = [u8; 144];

static TEXTURES: Mutex<Option<HashMap<u64, Resource>>> = Mutex::new(None);
static SURFACES: Mutex<Option<HashMap<u64, Resource>>> = Mutex::new(None);

type Known = Mutex<Option<HashMap<u64, Resource>>>;

/// # Safety
/// `made` and `resource` were read and written by the call that made the object.
unsafe fn note(known: &Known, made: *const u64, resource: *const c_void) {
    let (object, resource) = unsafe { (made.read_unaligned(), resource.cast::<Resource>().read_unaligned()) };
    known.lock().get_or_insert_default().insert(object, resource);
}

unsafe fn give(known: &Known, to: *mut c_void, object: u64) -> Result<(), CudaError> {
    let found = known.lock().as_ref().and_then(|known| known.get(&object).copied());
    unsafe { super::put(to.cast::<Resource>(), found.ok_or(CudaError::INVALID_VALUE)?) }
}

pub unsafe fn cuTexObjectCreate(pTexObject: *mut u64, pResDesc: *const c_void, pTexDesc: *const c_void, pResViewDesc: *const c_void) -> Result<(), CudaError> {
    unsafe {
        generated::auto_cuTexObjectCreate(pTexObject, pResDesc, pTexDesc, pResViewDesc)?;
        note(&TEXTURES, pTexObject, pResDesc);
    }
    Ok(())
}

pub unsafe fn cuTexObjectDestroy(texObject: u64) -> Result<(), CudaError> {
    // One that was never made, or is gone, is rejected at once.
    TEXTURES.lock().as_mut().and_then(|known| known.remove(&texObject)).ok_or(CudaError::INVALID_VALUE)?;
    unsafe { generated::auto_cuTexObjectDestroy(texObject) }
}

pub unsafe fn cuTexObjectGetResourceDesc(pResDesc: *mut c_void, texObject: u64) -> Result<(), CudaError> {
    unsafe { give(&TEXTURES, pResDesc, texObject) }
}

pub unsafe fn cuSurfObjectCreate(pSurfObject: *mut u64, pResDesc: *const c_void) -> Result<(), CudaError> {
    unsafe {
        generated::auto_cuSurfObjectCreate(pSurfObject, pResDesc)?;
        note(&SURFACES, pSurfObject, pResDesc);
    }
    Ok(())
}

pub unsafe fn cuSurfObjectDestroy(surfObject: u64) -> Result<(), CudaError> {
    SURFACES.lock().as_mut().and_then(|known| known.remove(&surfObject)).ok_or(CudaError::INVALID_VALUE)?;
    unsafe { generated::auto_cuSurfObjectDestroy(surfObject) }
}

pub unsafe fn cuSurfObjectGetResourceDesc(pResDesc: *mut c_void, surfObject: u64) -> Result<(), CudaError> {
    unsafe { give(&SURFACES, pResDesc, surfObject) }
}
