//! Copies and fills: checked when submitted, executed as plain memory operations.

use super::array::End;
use super::space;
use crate::driver::abi::{CUDA_MEMCPY2D, CUDA_MEMCPY3D, CUarray, CUdeviceptr, CUstream, Host};
use crate::driver::capture;
use crate::driver::journal;
use crate::driver::op::Op;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::{self, Stream};
use std::sync::Arc;

/// A box of bytes to move. A plain copy has height and depth 1.
#[derive(Clone)]
pub struct Copy3D {
    src: u64,
    src_pitch: u64,
    src_slice: u64,
    dst: u64,
    dst_pitch: u64,
    dst_slice: u64,
    width: u64,
    height: u64,
    depth: u64,
    /// Source and destination, where they are arrays.
    arrays: [Option<End>; 2],
    /// The source's bytes, taken when the call was made, row after row.
    staged: Option<Vec<u8>>,
    /// The journal's call, if the destination's bytes belong to it.
    seq: Option<u64>,
}

/// Larger pageable sources are not staged: the call waits instead.
const STAGE_MAX: u64 = 64 << 20;

impl Copy3D {
    /// A plain copy.
    pub fn linear(dst: u64, src: u64, len: u64) -> Self {
        Copy3D {
            src,
            src_pitch: len,
            src_slice: len,
            dst,
            dst_pitch: len,
            dst_slice: len,
            width: len,
            height: u64::from(len > 0),
            depth: u64::from(len > 0),
            arrays: [None, None],
            staged: None,
            seq: None,
        }
    }

    /// A plain copy with an array at one end or both; the address of an end that is one is not looked at.
    pub fn with_arrays(dst: u64, dst_array: Option<End>, src: u64, src_array: Option<End>, len: u64) -> Self {
        let at = |address: u64, array: &Option<End>| array.as_ref().map_or(address, |end| end.place().0);
        let copy = Copy3D::linear(at(dst, &dst_array), at(src, &src_array), len);
        Copy3D { arrays: [src_array, dst_array], ..copy }
    }

    /// From `cuMemcpy3D`'s parameters.
    pub fn from_3d(p: &CUDA_MEMCPY3D) -> R<Self> {
        ensure(p.srcLOD == 0 && p.dstLOD == 0, CUresult::INVALID_VALUE)?;
        let extent = [p.WidthInBytes, p.Height, p.Depth];
        let src = Side { kind: p.srcMemoryType, host: p.srcHost, device: p.srcDevice, array: p.srcArray, pitch: p.srcPitch, rows: p.srcHeight, at: [p.srcXInBytes, p.srcY, p.srcZ] };
        let dst = Side { kind: p.dstMemoryType, host: p.dstHost, device: p.dstDevice, array: p.dstArray, pitch: p.dstPitch, rows: p.dstHeight, at: [p.dstXInBytes, p.dstY, p.dstZ] };
        let (src, dst) = (src.resolve(extent)?, dst.resolve(extent)?);
        Ok(Copy3D {
            src: src.address,
            src_pitch: src.pitch,
            src_slice: src.slice,
            dst: dst.address,
            dst_pitch: dst.pitch,
            dst_slice: dst.slice,
            width: p.WidthInBytes as u64,
            height: p.Height as u64,
            depth: p.Depth as u64,
            arrays: [src.array, dst.array],
            staged: None,
            seq: None,
        })
    }

    /// Adds the box to the journal's line, where the call gives it in a structure.
    pub fn note(&self) {
        journal::note("box", || {
            let end = |address: u64, array: &Option<End>| array.as_ref().map_or_else(|| journal::address(address), End::describe);
            let ends = format!("{},{}", end(self.src, &self.arrays[0]), end(self.dst, &self.arrays[1]));
            let pitches = [self.src_pitch, self.src_slice, self.dst_pitch, self.dst_slice];
            format!("{{\"extent\":[{},{},{}],\"ends\":[{ends}],\"pitches\":{pitches:?}}}", self.width, self.height, self.depth)
        });
    }

    /// From `cuMemcpy2D`'s parameters.
    pub fn from_2d(p: &CUDA_MEMCPY2D) -> R<Self> {
        Self::from_3d(&CUDA_MEMCPY3D {
            srcXInBytes: p.srcXInBytes,
            srcY: p.srcY,
            srcMemoryType: p.srcMemoryType,
            srcHost: p.srcHost,
            srcDevice: p.srcDevice,
            srcArray: p.srcArray,
            srcPitch: p.srcPitch,
            dstXInBytes: p.dstXInBytes,
            dstY: p.dstY,
            dstMemoryType: p.dstMemoryType,
            dstHost: p.dstHost,
            dstDevice: p.dstDevice,
            dstArray: p.dstArray,
            dstPitch: p.dstPitch,
            WidthInBytes: p.WidthInBytes,
            Height: p.Height,
            Depth: 1,
            ..CUDA_MEMCPY3D::default()
        })
    }

    /// Back to `cuMemcpy3D`'s parameters.
    pub fn to_3d(&self) -> CUDA_MEMCPY3D {
        let [src, dst] = &self.arrays;
        let kind = |address: u64, array: &Option<End>| match array {
            Some(_) => ARRAY,
            None if space().find(address).is_some_and(|a| !a.on_host()) => DEVICE,
            None => HOST,
        };
        let (src_kind, dst_kind) = (kind(self.src, src), kind(self.dst, dst));
        let pick = |kind: u32, wanted: u32, address: u64| if kind == wanted { address } else { 0 };
        let rows = |slice: u64, pitch: u64| slice.checked_div(pitch).unwrap_or(0) as usize;
        let at = |array: &Option<End>| array.as_ref().map_or([0; 3], |end| end.at.map(|n| n as usize));
        let handle = |array: &Option<End>| CUarray(array.as_ref().map_or(0, |end| end.array.handle));
        let ([src_x, src_y, src_z], [dst_x, dst_y, dst_z]) = (at(src), at(dst));
        CUDA_MEMCPY3D {
            srcXInBytes: src_x,
            srcY: src_y,
            srcZ: src_z,
            srcMemoryType: src_kind,
            srcHost: Host(pick(src_kind, HOST, self.src)),
            srcDevice: CUdeviceptr(pick(src_kind, DEVICE, self.src)),
            srcArray: handle(src),
            srcPitch: self.src_pitch as usize,
            srcHeight: rows(self.src_slice, self.src_pitch),
            dstXInBytes: dst_x,
            dstY: dst_y,
            dstZ: dst_z,
            dstMemoryType: dst_kind,
            dstHost: Host(pick(dst_kind, HOST, self.dst)),
            dstDevice: CUdeviceptr(pick(dst_kind, DEVICE, self.dst)),
            dstArray: handle(dst),
            dstPitch: self.dst_pitch as usize,
            dstHeight: rows(self.dst_slice, self.dst_pitch),
            WidthInBytes: self.width as usize,
            Height: self.height as usize,
            Depth: self.depth as usize,
            ..CUDA_MEMCPY3D::default()
        }
    }

    fn empty(&self) -> bool {
        self.width == 0 || self.height == 0 || self.depth == 0
    }

    fn extent(&self, pitch: u64, slice: u64) -> R<u64> {
        if self.empty() {
            return Ok(0);
        }
        let rows = mul(pitch, self.height - 1)?;
        mul(slice, self.depth - 1)?.checked_add(rows).and_then(|n| n.checked_add(self.width)).ok_or(CUresult::INVALID_VALUE)
    }

    /// CUDA_ERROR_INVALID_VALUE if an end that must be device memory is not.
    pub fn check(&self, src_device: bool, dst_device: bool) -> R {
        let (src_len, dst_len) = (self.extent(self.src_pitch, self.src_slice)?, self.extent(self.dst_pitch, self.dst_slice)?);
        for (wanted, address, len, array) in [(src_device, self.src, src_len, &self.arrays[0]), (dst_device, self.dst, dst_len, &self.arrays[1])] {
            // A box in an array was checked when the array was found.
            if array.is_some() {
                continue;
            }
            if len > 0 && (wanted || is_device_address(address)) {
                space().check(address, len)?;
            }
            ensure(len == 0 || address != 0, CUresult::INVALID_VALUE)?;
        }
        Ok(())
    }

    fn rows(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let copy = Copy3D { arrays: [None, None], staged: None, ..*self };
        let rows = copy.height * copy.depth;
        (0..rows).map(move |row| {
            let (z, y) = (row / copy.height, row % copy.height);
            (copy.src + z * copy.src_slice + y * copy.src_pitch, copy.dst + z * copy.dst_slice + y * copy.dst_pitch, row * copy.width)
        })
    }

    /// Executes it. The ends were checked when it was submitted.
    pub fn run(&self) {
        if self.empty() {
            return;
        }
        let tight = self.height * self.depth == 1
            || (self.src_pitch == self.width && self.dst_pitch == self.width && (self.depth == 1 || self.src_slice == self.dst_slice && self.src_slice == self.width * self.height));
        let width = if tight { self.width * self.height * self.depth } else { self.width };
        let rows = self.rows().take(if tight { 1 } else { usize::MAX });
        for (src, dst, at) in rows {
            let src = match &self.staged {
                Some(bytes) => bytes[at as usize..].as_ptr(),
                None => src as *const u8,
            };
            // SAFETY: device ends were checked against the live ranges when submitted and stay mapped for the life of the process; arrays are
            // held by the copy; host ends are promised by the caller to stay valid until the copy is done. `copy` allows overlap.
            unsafe { std::ptr::copy(src, dst as *mut u8, width as usize) };
        }
        if let Some(seq) = self.seq {
            journal::later(seq, "dtoh", &gather(self.rows().map(|(_, dst, _)| dst), self.width));
        }
    }
}

fn gather(rows: impl Iterator<Item = u64>, width: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        // SAFETY: a row of a copy whose ends are valid, see `Copy3D::run`.
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(row as *const u8, width as usize) });
    }
    bytes
}

fn mul(a: u64, b: u64) -> R<u64> {
    a.checked_mul(b).ok_or(CUresult::INVALID_VALUE)
}

fn offset(base: u64, x: usize, y: usize, pitch: u64, z: usize, slice: u64) -> R<u64> {
    let rows = mul(y as u64, pitch)?;
    let slices = mul(z as u64, slice)?;
    [x as u64, rows, slices].into_iter().try_fold(base, |sum, n| sum.checked_add(n)).ok_or(CUresult::INVALID_VALUE)
}

/// `CU_MEMORYTYPE_*`.
const HOST: u32 = 1;
const DEVICE: u32 = 2;
const ARRAY: u32 = 3;
const UNIFIED: u32 = 4;

/// One side of `cuMemcpy3D`'s parameters.
struct Side {
    kind: u32,
    host: Host,
    device: CUdeviceptr,
    array: CUarray,
    pitch: usize,
    rows: usize,
    at: [usize; 3],
}

struct Resolved {
    address: u64,
    pitch: u64,
    slice: u64,
    array: Option<End>,
}

impl Side {
    fn resolve(&self, extent: [usize; 3]) -> R<Resolved> {
        let [width, height, depth] = extent;
        let base = match self.kind {
            HOST => self.host.0,
            DEVICE | UNIFIED => self.device.0,
            ARRAY => {
                let end = End::new(self.array.0, self.at, extent)?;
                let (address, pitch, slice) = end.place();
                return Ok(Resolved { address, pitch, slice, array: Some(end) });
            }
            _ => return Err(CUresult::INVALID_VALUE),
        };
        let pitch = if self.pitch == 0 { width } else { self.pitch } as u64;
        let slice = mul(pitch, if self.rows == 0 { height } else { self.rows } as u64)?;
        let [x, y, z] = self.at;
        if depth > 1 || height > 1 {
            ensure((x as u64).checked_add(width as u64).is_some_and(|end| end <= pitch), CUresult::INVALID_VALUE)?;
        }
        Ok(Resolved { address: offset(base, x, y, pitch, z, slice)?, pitch, slice, array: None })
    }
}

/// Whether an address lies where only device memory can be.
pub fn is_device_address(address: u64) -> bool {
    super::arena::is_possible(address)
}

/// When the caller may go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// When the copy is done (`cuMemcpyHtoD` and its like).
    Done,
    /// At once, as far as the memory allows it (the asynchronous forms).
    Submitted,
}

/// Submits a copy to a stream, or adds it to the graph being captured. `src_device` and `dst_device` say which ends must be device memory.
pub fn submit(mut copy: Copy3D, src_device: bool, dst_device: bool, handle: CUstream, default: CUstream, wait: Wait) -> R {
    let (stream, _ctx) = stream::resolve(handle, default)?;
    copy.check(src_device, dst_device)?;
    if wait == Wait::Done {
        capture::forbid_sync(&stream)?;
    } else if capture::add(&stream, &Op::Copy(copy.clone().into()))? {
        return Ok(());
    }
    if copy.empty() {
        return Ok(());
    }
    let host_kind = |address: u64, array: &Option<End>| match (array, space().find(address)) {
        (Some(_), _) => (false, false),
        (None, None) => (true, true),
        (None, Some(a)) => (false, a.on_host()),
    };
    let (from_pageable, from_host) = host_kind(copy.src, &copy.arrays[0]);
    let (to_pageable, to_host) = host_kind(copy.dst, &copy.arrays[1]);
    if journal::on() && from_host {
        journal::note_bytes("htod", &gather(copy.rows().map(|(src, ..)| src), copy.width));
    }
    let bytes = copy.width * copy.height * copy.depth;
    let device_only = !from_host && !to_host;
    if to_pageable || (wait == Wait::Done && !device_only) || (from_pageable && bytes > STAGE_MAX) {
        let rows: Vec<u64> = if journal::on() && to_host { copy.rows().map(|(_, dst, _)| dst).collect() } else { Vec::new() };
        let width = copy.width;
        stream.submit_and_wait(Op::Copy(copy.into()));
        if !rows.is_empty() {
            journal::note_bytes("dtoh", &gather(rows.into_iter(), width));
        }
        return stream.ctx.upgrade().map_or(Ok(()), |ctx| ctx.healthy());
    }
    if journal::on() && to_host {
        copy.seq = Some(journal::current_seq());
    }
    if from_pageable {
        // The source is read before the call returns in any case: where nothing is before the copy, straight to its destination.
        let ready = Arc::new(copy);
        if stream.try_here(Op::Copy(Arc::clone(&ready))) {
            return Ok(());
        }
        copy = Arc::unwrap_or_clone(ready);
        copy.staged = Some(gather(copy.rows().map(|(src, ..)| src), copy.width));
    }
    stream.submit(Op::Copy(copy.into()), Vec::new());
    Ok(())
}

/// When a copy with attributes reads its source (`CUmemcpySrcAccessOrder`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// When the stream reaches the copy.
    Stream,
    /// Before the call returns.
    DuringCall,
    /// At any time.
    Any,
}

/// Submits a checked copy whose source is read as asked, and which the call does not wait for if it need not.
pub fn submit_ordered(mut copy: Copy3D, order: Order, stream: &Arc<Stream>) -> R {
    if capture::add(stream, &Op::Copy(copy.clone().into()))? || copy.empty() {
        return Ok(());
    }
    let on_host = |address: u64, array: &Option<End>| array.is_none() && space().find(address).is_none_or(|a| a.on_host());
    if journal::on() && on_host(copy.src, &copy.arrays[0]) {
        journal::note_bytes("htod", &gather(copy.rows().map(|(src, ..)| src), copy.width));
    }
    if order == Order::DuringCall {
        copy.staged = Some(gather(copy.rows().map(|(src, ..)| src), copy.width));
    }
    if journal::on() && on_host(copy.dst, &copy.arrays[1]) {
        copy.seq = Some(journal::current_seq());
    }
    stream.submit(Op::Copy(copy.into()), Vec::new());
    Ok(())
}

/// A memset of `height` rows of `width` elements.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// First address.
    pub dst: u64,
    /// Bytes from row to row.
    pub pitch: u64,
    /// The element.
    pub value: u32,
    /// Its size: 1, 2 or 4 bytes.
    pub element: u32,
    /// Elements in a row.
    pub width: u64,
    /// Rows.
    pub height: u64,
}

impl Fill {
    /// CUDA_ERROR_INVALID_VALUE unless aligned and within live memory.
    pub fn check(&self) -> R {
        let element = u64::from(self.element);
        ensure(matches!(element, 1 | 2 | 4) && self.dst.is_multiple_of(element), CUresult::INVALID_VALUE)?;
        let row = mul(self.width, element)?;
        if row == 0 || self.height == 0 {
            return Ok(());
        }
        ensure(self.height == 1 || (self.pitch >= row && self.pitch.is_multiple_of(element)), CUresult::INVALID_VALUE)?;
        let len = mul(self.pitch, self.height - 1)?.checked_add(row).ok_or(CUresult::INVALID_VALUE)?;
        space().check(self.dst, len)
    }

    /// Executes it.
    pub fn run(&self) {
        for y in 0..self.height {
            let row = self.dst + y * self.pitch;
            let count = self.width as usize;
            // SAFETY: the range was checked when submitted, is aligned to the element, and device memory stays mapped.
            unsafe {
                match self.element {
                    1 => std::ptr::write_bytes(row as *mut u8, self.value as u8, count),
                    2 => std::slice::from_raw_parts_mut(row as *mut u16, count).fill(self.value as u16),
                    _ => std::slice::from_raw_parts_mut(row as *mut u32, count).fill(self.value),
                }
            }
        }
    }
}

/// Submits a fill. The synchronous forms do not wait either, as with a hardware driver, unless the memory is the host's.
pub fn submit_fill(fill: Fill, handle: CUstream, default: CUstream, wait: Wait) -> R {
    let (stream, _ctx) = stream::resolve(handle, default)?;
    fill.check()?;
    if wait == Wait::Done {
        capture::forbid_sync(&stream)?;
    } else if capture::add(&stream, &Op::Fill(fill))? {
        return Ok(());
    }
    if fill.width == 0 || fill.height == 0 {
        return Ok(());
    }
    if wait == Wait::Done && space().find(fill.dst).is_some_and(|a| a.on_host()) {
        stream.submit_and_wait(Op::Fill(fill));
    } else {
        stream.submit(Op::Fill(fill), Vec::new());
    }
    Ok(())
}
