//! The driver's linker: inputs go to the server as blobs, the result comes back as one.

use super::module::{JitOptions, read_file};
use super::put;
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts;
use ringway_client::{called, create, destroyed, handle, notices, objects, upload};
use ringway_wire::call::TAG_FETCH_BLOB;
use ringway_wire::codec::Writer as _;

pub unsafe fn cuLinkCreate(
    numOptions: u32,
    options: *mut u32,
    optionValues: *mut c_void,
    stateOut: *mut u64,
) -> Result<(), CudaError> {
    let target = contexts::current()?;
    if stateOut.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let jit = unsafe { JitOptions::read(numOptions, options, optionValues) }?;
    let new = create(Kind::Linker, target)?;
    called(
        op::CU_LINK_CREATE,
        target,
        8 + jit.size(),
        |w| {
            w.u64(new.id());
            jit.write(w);
        },
        |_| Ok(()),
    )?;
    // The logs are written when the link completes: the options stay with the state.
    objects::set_data(
        Kind::Linker,
        new.id(),
        Box::into_raw(Box::new(State {
            jit,
            image: Vec::new(),
        })) as u64,
    );
    unsafe { put(stateOut, new.keep()) }
}

struct State {
    jit: JitOptions,
    image: Vec<u8>,
}

unsafe fn add(
    state: u64,
    kind: u32,
    bytes: &[u8],
    name: &[u8],
    jit: &JitOptions,
) -> Result<(), CudaError> {
    let linker = handle(Kind::Linker, state)?;
    let hash = upload::blob(linker.target, bytes)?;
    called(
        op::CU_LINK_ADD_DATA,
        linker.target,
        8 + 4 + 32 + 4 + name.len() + jit.size(),
        |w| {
            w.u64(linker.id);
            w.u32(kind);
            w.put(&hash);
            w.bytes(name);
            jit.write(w);
        },
        |_| Ok(()),
    )
}

pub unsafe fn cuLinkAddData(
    state: u64,
    kind: u32,
    data: *const c_void,
    size: usize,
    name: *const c_char,
    numOptions: u32,
    options: *mut u32,
    optionValues: *mut c_void,
) -> Result<(), CudaError> {
    let bytes = unsafe { ringway_client::slice(data.cast::<u8>(), size) }?;
    let name = if name.is_null() {
        &[][..]
    } else {
        unsafe { CStr::from_ptr(name) }.to_bytes()
    };
    let jit = unsafe { JitOptions::read(numOptions, options, optionValues) }?;
    unsafe { add(state, kind, bytes, name, &jit) }
}

pub unsafe fn cuLinkAddFile(
    state: u64,
    kind: u32,
    path: *const c_char,
    numOptions: u32,
    options: *mut u32,
    optionValues: *mut c_void,
) -> Result<(), CudaError> {
    let bytes = unsafe { read_file(path) }?;
    let jit = unsafe { JitOptions::read(numOptions, options, optionValues) }?;
    let name = unsafe { CStr::from_ptr(path) }.to_bytes();
    // PTX (1) is text with its terminator; everything else is exactly the file.
    let length = bytes.len() - usize::from(kind != 1);
    unsafe { add(state, kind, &bytes[..length], name, &jit) }
}

pub unsafe fn cuLinkComplete(
    state: u64,
    cubinOut: *mut c_void,
    sizeOut: *mut usize,
) -> Result<(), CudaError> {
    let linker = handle(Kind::Linker, state)?;
    if cubinOut.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let kept = objects::data(Kind::Linker, state)? as *mut State;
    // SAFETY: set by cuLinkCreate, freed by cuLinkDestroy only, which ends the handle first; CUDA does not allow both at once.
    let kept = unsafe { &mut *kept };
    let (result, bytes, hash) = called(
        op::CU_LINK_COMPLETE,
        linker.target,
        8,
        |w| w.u64(linker.id),
        |r| {
            let result = unsafe { kept.jit.answer(r) }?;
            Ok((result, r.usize()?, r.array::<32>()?))
        },
    )?;
    result?;
    if bytes as u64 > ringway_wire::call::BLOB_BYTES_MAX {
        return Err(CudaError::UNKNOWN);
    }
    kept.image = vec![0; bytes];
    // SAFETY: the buffer lives until the linker is destroyed, and is not touched before the copy has ended.
    let download = unsafe { notices::begin_download(kept.image.as_mut_ptr(), bytes, linker.target.lane) };
    let fetched = called(
        TAG_FETCH_BLOB,
        linker.target,
        40,
        |w| {
            w.put(&hash);
            w.u64(download);
        },
        |_| Ok(()),
    );
    notices::end_download(download);
    fetched?;
    unsafe { put(cubinOut.cast(), kept.image.as_ptr()) }?;
    unsafe { super::put_if(sizeOut, bytes) };
    Ok(())
}

pub unsafe fn cuLinkDestroy(state: u64) -> Result<(), CudaError> {
    let linker = handle(Kind::Linker, state)?;
    let kept = objects::set_data(Kind::Linker, state, 0) as *mut State;
    let result = called(
        op::CU_LINK_DESTROY,
        linker.target,
        8,
        |w| w.u64(linker.id),
        |_| Ok(()),
    );
    destroyed(Kind::Linker, state);
    if !kept.is_null() {
        // SAFETY: made by cuLinkCreate; the exchange above gives it to one destroyer only.
        drop(unsafe { Box::from_raw(kept) });
    }
    result
}
