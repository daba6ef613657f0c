//! The driver's linker: inputs are blobs that the client sent, the result is a blob that the client may fetch. The driver
//! keeps pointers into the options, so these live as long as the linker.

use super::module::Jit;
use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::call::{BLOB_BYTES_MAX, Status};
use ringway_wire::codec::{Reader, Writer as _};
use std::ffi::c_void;

/// A linker: the driver's state, and the options that it keeps pointers into.
struct Linker {
    state: u64,
    jit: Jit,
}

pub fn cuLinkCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        let jit = Jit::read(r)?;
        r.end()?;
        let mut linker = Box::new(Linker { state: 0, jit });
        let (count, options, values) = (
            linker.jit.count(),
            linker.jit.options(),
            linker.jit.values(),
        );
        driver_call!(
            cx.driver,
            cuLinkCreate(count, options, values, &raw mut linker.state)
        )?;
        let raw = Box::into_raw(linker) as u64;
        cx.insert(Kind::Linker, id, raw).inspect_err(|_| {
            // SAFETY: made just above and given to nobody.
            drop(unsafe { Box::from_raw(raw as *mut Linker) });
        })?;
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuLinkAddData(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let raw = cx.handle(Kind::Linker, r.u64()?)?;
        let kind = r.u32()?;
        let hash = r.array::<32>()?;
        let name = r.c_string()?;
        let mut jit = Jit::read(r)?;
        r.end()?;
        let blob = cx.session.blob(&hash).ok_or(CudaError::INVALID_IMAGE)?;
        // SAFETY: what stands behind a linker's id is a Linker until it is destroyed, and ids of a lane are used by its
        // GPU thread alone.
        let state = unsafe { &*(raw as *const Linker) }.state;
        // Our logs belong to the whole link: only the client's numbers go with an input.
        let count = jit.count() - 4;
        Ok(driver_call!(
            cx.driver,
            cuLinkAddData(
                state,
                kind,
                blob.as_ptr().cast_mut().cast::<c_void>(),
                blob.len(),
                name.as_ptr(),
                count,
                jit.options(),
                jit.values()
            )
        )?)
    };
    body(cx, r).into()
}

pub fn cuLinkComplete(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let raw = cx.handle(Kind::Linker, r.u64()?)?;
        r.end()?;
        cx.offload(move |session, reply| {
            // SAFETY: as above; the client waits for the answer, so nothing destroys it meanwhile.
            let linker = unsafe { &*(raw as *const Linker) };
            // What the linked image holds is the driver's secret.
            session.output.expect();
            let (mut image, mut bytes) = (std::ptr::null_mut::<c_void>(), 0usize);
            let mut result = driver_call!(
                session.driver,
                cuLinkComplete(linker.state, (&raw mut image).cast(), &raw mut bytes)
            );
            if result.is_ok() && (image.is_null() || bytes as u64 > BLOB_BYTES_MAX) {
                result = Err(CudaError::UNKNOWN);
            }
            let mut writer = linker.jit.answer(result);
            let hash = if result.is_ok() {
                // SAFETY: the driver gives the image with its size; it lives until the linker is destroyed.
                session.put_blob(
                    unsafe { std::slice::from_raw_parts(image.cast::<u8>(), bytes) }.to_vec(),
                )
            } else {
                [0; 32]
            };
            writer.usize(bytes);
            writer.put(&hash);
            reply.send(session, Status::of(0), writer.as_slice());
        })
    };
    body(cx, r).into()
}

pub fn cuLinkDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        r.end()?;
        let raw = cx.handle(Kind::Linker, id)?;
        cx.remove(Kind::Linker, id);
        // SAFETY: it was just removed, so this is its only owner.
        let linker = unsafe { Box::from_raw(raw as *mut Linker) };
        Ok(driver_call!(cx.driver, cuLinkDestroy(linker.state))?)
    };
    body(cx, r).into()
}
