//! Libraries on several servers. A library and its kernels belong to no context, so a program uses them on any device. The server
//! that has not got one gets it, under the same ids, when it is first used there.

use super::image::Image;
use super::module::{JitOptions, describe};
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::functions;
use ringway_client::servers::{are_apart, are_several};
use ringway_client::{called, device, handle, posted, upload};
use ringway_wire::codec::Writer as _;
use std::collections::HashMap;

/// A library, with what it takes to load it again.
struct Library {
    image: Vec<u8>,
    wrapped: bool,
    options: Vec<(u32, u64)>,
    /// A lane to each server that has it.
    lanes: Vec<u32>,
}

static LIBRARIES: Mutex<Option<HashMap<u64, Library>>> = Mutex::new(None);
/// A lane to each server that has a kernel.
static KERNELS: Mutex<Option<HashMap<u64, Vec<u32>>>> = Mutex::new(None);

fn has(lanes: &[u32], lane: u32) -> bool {
    lanes.iter().any(|one| !are_apart(*one, lane))
}

/// A library was loaded.
pub(super) fn loaded(id: u64, target: Target, image: &Image, jit: &JitOptions) {
    if !are_several() {
        return;
    }
    let library =
        Library { image: image.bytes.to_vec(), wrapped: image.wrapped, options: jit.numbers.clone(), lanes: vec![target.lane] };
    LIBRARIES.lock().get_or_insert_default().insert(id, library);
}

/// Sees to it that the target's server has a library.
pub(super) fn library(id: u64, target: Target) -> Result<(), CudaError> {
    // Held while it is loaded: others wait for that.
    let mut all = LIBRARIES.lock();
    let Some(library) = all.as_mut().and_then(|all| all.get_mut(&id)) else {
        return Ok(());
    };
    if has(&library.lanes, target.lane) {
        return Ok(());
    }
    let hash = upload::blob(target, &library.image)?;
    let jit = JitOptions::of_numbers(library.options.clone());
    let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
        w.u64(id);
        w.u8(u8::from(library.wrapped));
        w.put(&hash);
        jit.write(w);
    };
    called(op::CU_LIBRARY_LOAD_DATA, target, 8 + 1 + 32 + jit.size(), write, |r| unsafe { jit.answer(r) })??;
    library.lanes.push(target.lane);
    Ok(())
}

/// A kernel was looked up.
pub(super) fn looked_up(kernel: u64, target: Target) {
    if are_several() {
        let mut all = KERNELS.lock();
        let lanes = all.get_or_insert_default().entry(kernel).or_default();
        if lanes.is_empty() {
            lanes.push(target.lane);
        }
    }
}

/// Sees to it that the target's server has what is to be launched, if that is a kernel of a library.
#[cold]
pub(super) fn kernel(id: u64, target: Target) -> Result<(), CudaError> {
    if handle(Kind::Kernel, id).is_err() {
        return Ok(());
    }
    let mut all = KERNELS.lock();
    let Some(lanes) = all.as_mut().and_then(|all| all.get_mut(&id)) else {
        return Ok(());
    };
    if has(lanes, target.lane) {
        return Ok(());
    }
    let function = functions::get(id)?;
    library(function.module, target)?;
    let name = function.name.as_bytes();
    let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
        w.u64(function.module);
        w.u64(id);
        w.bytes(name);
    };
    called(op::CU_LIBRARY_GET_KERNEL, target, 16 + 4 + name.len(), write, describe)?;
    lanes.push(target.lane);
    Ok(())
}

/// Where a call about a kernel on a device goes, if the kernel's own context is on another server.
pub(super) fn of_device(kernel_id: u64, ordinal: i32) -> Result<Option<(Target, i32)>, CudaError> {
    if !are_several() {
        return Ok(None);
    }
    let found = device(ordinal)?;
    if !are_apart(handle(Kind::Kernel, kernel_id)?.target.lane, found.target.lane) {
        return Ok(None);
    }
    let context = super::context::activate_primary(ordinal)?;
    let target = Target::of_context(contexts::number(context)?);
    kernel(kernel_id, target)?;
    Ok(Some((target, found.ordinal)))
}

/// A library is unloaded by a call on `lane`: the other servers forget it, too.
pub(super) fn unloaded(id: u64, lane: u32) {
    let gone = LIBRARIES.lock().as_mut().and_then(|all| all.remove(&id));
    for other in gone.into_iter().flat_map(|library| library.lanes) {
        if are_apart(other, lane) {
            let target = Target { context: 0, lane: other, stream: Target::NO_WORK };
            // A server that is lost has forgotten it already.
            let _ = posted(op::CU_LIBRARY_UNLOAD, target, 8, |w| w.u64(id));
        }
    }
}
