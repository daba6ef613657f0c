//! Arrays and mipmapped arrays, counted against the slice by what their elements take. (Drivers tell an array's size only where its
//! mapping is deferred; what tiling adds is not counted.)

use super::memory::charged;
use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};
use std::collections::HashMap;

/// Arrays are charged under their driver handle with this bit, mipmapped ones with the next: no address has either.
const CHARGE_ARRAY: u64 = 1 << 62;
const CHARGE_MIPMAP: u64 = 1 << 61;
/// `CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP`: the depth is the same at every level.
const LAYERS: u32 = 0x01 | 0x04;
/// No array has more levels.
const LEVELS_MAX: u32 = 32;

/// The levels of mipmapped arrays that clients have ids of: by the mipmapped array's id, its context and theirs.
#[derive(Default)]
pub struct Levels(Mutex<HashMap<u64, (u32, Vec<u64>)>>);

impl Levels {
    fn note(&self, mipmap: u64, context: u32, level: u64) {
        let mut known = self.0.lock();
        let (_, levels) = known.entry(mipmap).or_insert_with(|| (context, Vec::new()));
        if !levels.contains(&level) {
            levels.push(level);
        }
    }

    fn take(&self, mipmap: u64) -> Vec<u64> {
        self.0.lock().remove(&mipmap).map(|(_, levels)| levels).unwrap_or_default()
    }

    /// A context is gone with all that it had.
    pub fn forget_context(&self, context: u32) {
        self.0.lock().retain(|_, (of, _)| *of != context);
    }
}

/// `CUDA_ARRAY3D_DESCRIPTOR`.
#[repr(C)]
struct Descriptor {
    width: usize,
    height: usize,
    depth: usize,
    format: u32,
    channels: u32,
    flags: u32,
}

/// Bits of an element. What is not known is taken for the largest there is.
fn element_bits(format: u32, channels: u32) -> u64 {
    let components = u64::from(channels.clamp(1, 4));
    match format {
        0x01 | 0x08 => 8 * components,
        0x02 | 0x09 | 0x10 => 16 * components,
        0x03 | 0x0a | 0x20 => 32 * components,
        // NV12: a byte of brightness, and half of one of colour.
        0xb0 => 12,
        // BC1 and BC4, then the other block-compressed formats.
        0x91 | 0x92 | 0x97 | 0x98 => 4,
        0x93..=0x9d => 8,
        _ => 128,
    }
}

impl Descriptor {
    fn bytes(&self, levels: u32) -> u64 {
        let bits = element_bits(self.format, self.channels);
        (0..levels.min(LEVELS_MAX))
            .map(|level| {
                let half = |size: usize| (size as u64 >> level).max(1);
                let depth = if self.flags & LAYERS == 0 { half(self.depth) } else { (self.depth as u64).max(1) };
                [half(self.width), half(self.height), depth].into_iter().fold(bits, u64::saturating_mul).div_ceil(8)
            })
            .fold(0, u64::saturating_add)
    }
}

/// Makes an array of `bytes` bytes by `make` and charges it.
fn create(
    cx: &mut Cx<'_>,
    kind: Kind,
    id: u64,
    bytes: u64,
    make: impl FnOnce(&Cx<'_>) -> Result<u64, CudaError>,
) -> Result<(), Failure> {
    let gpu = cx.context()?.gpu;
    let charge = charged(bytes);
    if !cx.session.reserve(gpu, charge) {
        return Err(CudaError::OUT_OF_MEMORY.into());
    }
    match make(cx) {
        Ok(raw) => {
            let bit = if kind == Kind::Array { CHARGE_ARRAY } else { CHARGE_MIPMAP };
            cx.session.charge(raw | bit, cx.header.ctx, gpu, charge);
            Ok(cx.insert(kind, id, raw)?)
        }
        Err(code) => {
            cx.session.unreserve(gpu, charge);
            Err(code.into())
        }
    }
}

pub fn cuArrayCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        let descriptor = crate::cx::aligned::<3>(r.take(24)?);
        r.end()?;
        let [width, height, format] = descriptor;
        let size = Descriptor { width: width as usize, height: height as usize, depth: 0, format: format as u32, channels: (format >> 32) as u32, flags: 0 };
        create(cx, Kind::Array, id, size.bytes(1), |cx| {
            let mut raw = 0u64;
            driver_call!(cx.driver, cuArrayCreate(&raw mut raw, descriptor.as_ptr().cast()))?;
            Ok(raw)
        })
    };
    body(cx, r).into()
}

fn descriptor(r: &mut Reader<'_>) -> Result<Descriptor, Failure> {
    let [width, height, depth, format, flags] = crate::cx::aligned::<5>(r.take(40)?);
    Ok(Descriptor {
        width: width as usize,
        height: height as usize,
        depth: depth as usize,
        format: format as u32,
        channels: (format >> 32) as u32,
        flags: flags as u32,
    })
}

pub fn cuArray3DCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        let descriptor = descriptor(r)?;
        r.end()?;
        create(cx, Kind::Array, id, descriptor.bytes(1), |cx| {
            let mut raw = 0u64;
            driver_call!(cx.driver, cuArray3DCreate(&raw mut raw, (&raw const descriptor).cast()))?;
            Ok(raw)
        })
    };
    body(cx, r).into()
}

pub fn cuMipmappedArrayCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        let descriptor = descriptor(r)?;
        let levels = r.u32()?;
        r.end()?;
        // More levels than the sizes have are cut.
        let largest = [descriptor.width, descriptor.height, descriptor.depth].into_iter().max().unwrap_or(1).max(1);
        create(cx, Kind::MipmappedArray, id, descriptor.bytes(levels.min(1 + largest.ilog2())), |cx| {
            let mut raw = 0u64;
            driver_call!(cx.driver, cuMipmappedArrayCreate(&raw mut raw, (&raw const descriptor).cast(), levels))?;
            Ok(raw)
        })
    };
    body(cx, r).into()
}

pub fn cuMipmappedArrayGetLevel(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        let mipmap = cx.handle(Kind::MipmappedArray, id)?;
        let level = r.u32()?;
        r.end()?;
        let mut raw = 0u64;
        driver_call!(cx.driver, cuMipmappedArrayGetLevel(&raw mut raw, mipmap, level))?;
        let array = cx.found(Kind::Array, raw)?;
        cx.session.levels.note(id, cx.header.ctx, array);
        cx.reply.u64(array);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuArrayDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        let raw = cx.handle(Kind::Array, id)?;
        r.end()?;
        // Destroying waits for the work that uses the array.
        cx.offload(move |session, reply| {
            let result = driver_call!(session.driver, cuArrayDestroy(raw));
            if result.is_ok() {
                session.discharge(raw | CHARGE_ARRAY);
                // Another lane may have removed it since, which is the client's race.
                let _ = session.handles.remove(Kind::Array, id);
            }
            reply.send_synchronised(session, result, &[]);
        })
    };
    body(cx, r).into()
}

pub fn cuMipmappedArrayDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        let raw = cx.handle(Kind::MipmappedArray, id)?;
        r.end()?;
        cx.offload(move |session, reply| {
            let result = driver_call!(session.driver, cuMipmappedArrayDestroy(raw));
            if result.is_ok() {
                session.discharge(raw | CHARGE_MIPMAP);
                // The levels are gone with it.
                for level in session.levels.take(id) {
                    let _ = session.handles.remove(Kind::Array, level);
                }
                let _ = session.handles.remove(Kind::MipmappedArray, id);
            }
            reply.send_synchronised(session, result, &[]);
        })
    };
    body(cx, r).into()
}
