//! Arrays and mipmapped arrays. Their texels lie in device memory row after row, but at no address that a kernel could name: only
//! textures, surfaces and copies reach them.

use super::arena::round_up;
use crate::driver::abi::CUDA_ARRAY3D_DESCRIPTOR;
use crate::driver::capture;
use crate::driver::context::{CONTEXTS, Context, current};
use crate::driver::device::{Device, device, driver};
use crate::driver::registry::Registry;
use crate::driver::result::{CUresult, R, ensure};
use crate::exec::texture::{Channel, Format, Image, Shape};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All live arrays, levels of mipmapped arrays included.
pub static ARRAYS: Registry<Array> = Registry::new(20);
/// All live mipmapped arrays.
pub static MIPMAPS: Registry<Mipmap> = Registry::new(21);

/// `CUDA_ARRAY3D_*`.
pub mod flag {
    /// Depth is a number of layers.
    pub const LAYERED: u32 = 0x01;
    /// Surfaces may be made of it.
    pub const SURFACE: u32 = 0x02;
    /// Six square faces.
    pub const CUBEMAP: u32 = 0x04;
    /// For tex2Dgather.
    pub const GATHER: u32 = 0x08;
    /// For graphics; without effect here.
    pub const COLOR_ATTACHMENT: u32 = 0x20;
    /// All that this device knows.
    pub const KNOWN: u32 = LAYERED | SURFACE | CUBEMAP | GATHER | COLOR_ATTACHMENT;
    /// All that CUDA defines: depth textures, sparse arrays, deferred mapping and video are not supported.
    pub const DEFINED: u32 = 0x1ff;
}

/// Rows start at multiples of this many bytes, the largest element.
const ROW_ALIGNMENT: u64 = 16;

/// Memory of an array and its levels; freed with the last who holds it.
#[derive(Debug)]
pub struct Storage {
    start: u64,
    len: u64,
    device: u32,
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Ok(driver) = driver() {
            driver.devices[self.device as usize].arena.release(self.start, self.len);
        }
    }
}

/// An array.
pub struct Array {
    /// Its handle.
    pub handle: u64,
    /// Its context.
    pub ctx: u64,
    /// As it was asked for.
    pub descriptor: CUDA_ARRAY3D_DESCRIPTOR,
    /// Format.
    pub format: Format,
    /// Dimensions.
    pub shape: Shape,
    /// Where the texels are.
    pub image: Image,
    /// Its memory.
    pub storage: Arc<Storage>,
    /// Whether it is a level of a mipmapped array, and ends with it.
    pub is_level: bool,
}

/// A mipmapped array.
pub struct Mipmap {
    /// Its context.
    pub ctx: u64,
    /// The levels.
    pub levels: Vec<Arc<Array>>,
    /// Which of them programs have handles of.
    named: Mutex<BTreeMap<u32, u64>>,
}

/// The component type of a `CUarray_format`: CUDA_ERROR_INVALID_VALUE for none, CUDA_ERROR_NOT_SUPPORTED for planar, normalised and
/// compressed formats.
pub fn channel(format: u32) -> R<Channel> {
    Ok(match format {
        0x01 => Channel::U8,
        0x02 => Channel::U16,
        0x03 => Channel::U32,
        0x08 => Channel::S8,
        0x09 => Channel::S16,
        0x0a => Channel::S32,
        0x10 => Channel::F16,
        0x20 => Channel::F32,
        0x50 | 0x55 | 0x91..=0xcf => return Err(CUresult::NOT_SUPPORTED),
        _ => return Err(CUresult::INVALID_VALUE),
    })
}

/// A texel's format.
pub fn format(format: u32, channels: u32) -> R<Format> {
    let channel = channel(format)?;
    ensure(matches!(channels, 1 | 2 | 4), CUresult::INVALID_VALUE)?;
    Ok(Format { channel, channels })
}

fn shape_of(d: &CUDA_ARRAY3D_DESCRIPTOR) -> Shape {
    match (d.Flags & flag::LAYERED != 0, d.Flags & flag::CUBEMAP != 0) {
        (true, true) => Shape::LayeredCube,
        (false, true) => Shape::Cube,
        (true, false) if d.Height == 0 => Shape::Layered1,
        (true, false) => Shape::Layered2,
        (false, false) if d.Height == 0 => Shape::D1,
        (false, false) if d.Depth == 0 => Shape::D2,
        (false, false) => Shape::D3,
    }
}

/// Largest width, height and depth (layers), as attributes of the device.
fn limits(shape: Shape, flags: u32, levels: u32) -> [i32; 3] {
    let surface = flags & flag::SURFACE != 0;
    let of = |texture: [i32; 3], with_surface: [i32; 3]| if surface { with_surface } else { texture };
    match shape {
        Shape::D1 if levels > 1 => [77, 0, 0],
        Shape::D1 => of([21, 0, 0], [55, 0, 0]),
        Shape::D2 if flags & flag::GATHER != 0 => [45, 46, 0],
        Shape::D2 if levels > 1 => [73, 74, 0],
        Shape::D2 => of([22, 23, 0], [56, 57, 0]),
        Shape::D3 => of([24, 25, 26], [58, 59, 60]),
        Shape::Layered1 => of([42, 0, 43], [61, 0, 62]),
        Shape::Layered2 => of([27, 28, 29], [63, 64, 65]),
        Shape::Cube => of([52, 52, 0], [66, 66, 0]),
        Shape::LayeredCube => of([53, 53, 54], [67, 67, 68]),
    }
}

/// What CUDA rejects (CUDA driver API, cuArray3DCreate), and the format and shape of what it takes.
fn examine(device: &Device, d: &CUDA_ARRAY3D_DESCRIPTOR, levels: u32) -> R<(Format, Shape)> {
    let format = format(d.Format, d.NumChannels)?;
    ensure(d.Flags & !flag::DEFINED == 0, CUresult::INVALID_VALUE)?;
    ensure(d.Flags & !flag::KNOWN == 0, CUresult::NOT_SUPPORTED)?;
    let layered = d.Flags & flag::LAYERED != 0;
    ensure(d.Width > 0, CUresult::INVALID_VALUE)?;
    ensure(d.Depth == 0 || d.Height > 0 || layered, CUresult::INVALID_VALUE)?;
    ensure(!layered || d.Depth > 0, CUresult::INVALID_VALUE)?;
    if d.Flags & flag::CUBEMAP != 0 {
        ensure(d.Width == d.Height && d.Depth > 0 && d.Depth % 6 == 0 && (layered || d.Depth == 6), CUresult::INVALID_VALUE)?;
    }
    let shape = shape_of(d);
    ensure(d.Flags & flag::GATHER == 0 || shape == Shape::D2, CUresult::INVALID_VALUE)?;
    for (size, attribute) in [d.Width, d.Height, d.Depth].into_iter().zip(limits(shape, d.Flags, levels)) {
        let most = if attribute == 0 { usize::MAX } else { device.attribute(attribute)? as usize };
        ensure(size <= most, CUresult::INVALID_VALUE)?;
    }
    Ok((format, shape))
}

/// Sizes of a level: layers stay.
fn level_of(d: &CUDA_ARRAY3D_DESCRIPTOR, level: u32) -> CUDA_ARRAY3D_DESCRIPTOR {
    let half = |size: usize| if size == 0 { 0 } else { (size >> level).max(1) };
    let layers = d.Flags & (flag::LAYERED | flag::CUBEMAP) != 0;
    CUDA_ARRAY3D_DESCRIPTOR { Width: half(d.Width), Height: half(d.Height), Depth: if layers { d.Depth } else { half(d.Depth) }, ..*d }
}

/// Texels of an array that starts at address 0, and their bytes.
fn plan(d: &CUDA_ARRAY3D_DESCRIPTOR, format: Format) -> R<(Image, u64)> {
    let over = CUresult::OUT_OF_MEMORY;
    let size = |n: usize| u32::try_from(n.max(1)).map_err(|_| CUresult::INVALID_VALUE);
    let (width, height, depth) = (size(d.Width)?, size(d.Height)?, size(d.Depth)?);
    let pitch = round_up(u64::from(width) * u64::from(format.bytes()), ROW_ALIGNMENT).ok_or(over)?;
    let slice = pitch.checked_mul(u64::from(height)).ok_or(over)?;
    let len = slice.checked_mul(u64::from(depth)).ok_or(over)?;
    Ok((Image { base: 0, width, height, depth, pitch, slice }, len))
}

fn allocate(ctx: &Context, len: u64) -> R<Arc<Storage>> {
    capture::forbid_unsafe()?;
    let start = super::pool::allocate_or_wait(ctx, ctx.device, len, super::arena::ALIGNMENT)?;
    Ok(Arc::new(Storage { start, len, device: ctx.device.ordinal }))
}

/// `cuArray3DCreate`.
pub fn create(d: &CUDA_ARRAY3D_DESCRIPTOR) -> R<u64> {
    let ctx = current()?;
    let (format, shape) = examine(ctx.device, d, 1)?;
    let (mut image, len) = plan(d, format)?;
    let storage = allocate(&ctx, len)?;
    image.base = storage.start;
    let handle = ARRAYS.reserve();
    ARRAYS.insert(handle, Arc::new(Array { handle, ctx: ctx.handle, descriptor: *d, format, shape, image, storage, is_level: false }));
    Ok(handle)
}

/// `cuMipmappedArrayCreate`. More levels than the sizes have are cut, as CUDA documents.
pub fn create_mipmap(d: &CUDA_ARRAY3D_DESCRIPTOR, levels: u32) -> R<u64> {
    let ctx = current()?;
    ensure(levels > 0, CUresult::INVALID_VALUE)?;
    let (format, shape) = examine(ctx.device, d, levels)?;
    let largest = if shape == Shape::D3 { d.Width.max(d.Height).max(d.Depth) } else { d.Width.max(d.Height) };
    let levels = levels.min(1 + largest.max(1).ilog2());
    let mut plans = Vec::new();
    let mut len = 0u64;
    for level in 0..levels {
        let descriptor = level_of(d, level);
        let (mut image, bytes) = plan(&descriptor, format)?;
        image.base = len;
        len = len.checked_add(bytes).ok_or(CUresult::OUT_OF_MEMORY)?;
        plans.push((descriptor, image));
    }
    let storage = allocate(&ctx, len)?;
    let levels = plans
        .into_iter()
        .map(|(descriptor, mut image)| {
            image.base += storage.start;
            let storage = Arc::clone(&storage);
            Arc::new(Array { handle: ARRAYS.reserve(), ctx: ctx.handle, descriptor, format, shape, image, storage, is_level: true })
        })
        .collect();
    let handle = MIPMAPS.reserve();
    MIPMAPS.insert(handle, Arc::new(Mipmap { ctx: ctx.handle, levels, named: Mutex::default() }));
    Ok(handle)
}

impl Mipmap {
    /// `cuMipmappedArrayGetLevel`: the same handle every time.
    pub fn level(&self, level: u32) -> R<u64> {
        let array = self.levels.get(level as usize).ok_or(CUresult::INVALID_VALUE)?;
        let mut named = self.named.lock();
        if named.insert(level, array.handle).is_none() {
            ARRAYS.insert(array.handle, Arc::clone(array));
        }
        Ok(array.handle)
    }
}

fn wait_for(ctx: u64) {
    if let Some(ctx) = CONTEXTS.find(ctx) {
        ctx.all_streams().iter().for_each(|s| s.mark().wait());
    }
}

/// `cuArrayDestroy`: waits for the context's work, which may use it.
pub fn destroy(handle: u64) -> R {
    current()?;
    let array = ARRAYS.get(handle)?;
    ensure(!array.is_level, CUresult::INVALID_HANDLE)?;
    capture::forbid_unsafe()?;
    wait_for(array.ctx);
    ARRAYS.remove(handle).map(drop)
}

/// `cuMipmappedArrayDestroy`; its levels' handles end too.
pub fn destroy_mipmap(handle: u64) -> R {
    current()?;
    let mipmap = MIPMAPS.get(handle)?;
    capture::forbid_unsafe()?;
    wait_for(mipmap.ctx);
    let mipmap = MIPMAPS.remove(handle)?;
    for array in mipmap.named.lock().values() {
        let _ = ARRAYS.remove(*array);
    }
    Ok(())
}

/// Ends the arrays of a context.
pub fn forget_context(ctx: u64) {
    ARRAYS.remove_where(|a| a.ctx == ctx);
    MIPMAPS.remove_where(|m| m.ctx == ctx);
}

/// An end of a copy in an array.
#[derive(Clone)]
pub struct End {
    /// The array; keeps its memory until the copy is done.
    pub array: Arc<Array>,
    /// Bytes, rows and slices skipped.
    pub at: [u64; 3],
}

impl End {
    /// CUDA_ERROR_INVALID_HANDLE for no array, CUDA_ERROR_INVALID_VALUE for a box that is not inside it.
    pub fn new(handle: u64, at: [usize; 3], extent: [usize; 3]) -> R<End> {
        let array = ARRAYS.get(handle)?;
        let element = u64::from(array.format.bytes());
        let sizes = [u64::from(array.image.width) * element, u64::from(array.image.height), u64::from(array.image.depth)];
        for k in 0..3 {
            let end = (at[k] as u64).checked_add(extent[k] as u64).ok_or(CUresult::INVALID_VALUE)?;
            ensure(end <= sizes[k], CUresult::INVALID_VALUE)?;
        }
        // Copies move whole elements.
        ensure(at[0] as u64 % element == 0 && extent[0] as u64 % element == 0, CUresult::INVALID_VALUE)?;
        Ok(End { array, at: at.map(|n| n as u64) })
    }

    /// As [`End::new`] for the linear copies, which take one-dimensional arrays.
    pub fn linear(handle: u64, offset: usize, len: usize) -> R<End> {
        let end = End::new(handle, [offset, 0, 0], [len, 1, 1])?;
        ensure(end.array.shape == Shape::D1, CUresult::INVALID_VALUE)?;
        Ok(end)
    }

    /// Address, pitch and slice.
    pub fn place(&self) -> (u64, u64, u64) {
        let image = &self.array.image;
        (image.base + self.at[2] * image.slice + self.at[1] * image.pitch + self.at[0], image.pitch, image.slice)
    }

    /// For the journal.
    pub fn describe(&self) -> String {
        format!("\"array#{}+{:?}\"", Registry::<Array>::ordinal(self.array.handle), self.at)
    }
}

/// The device that an array's memory is on.
pub fn device_of(array: &Array) -> R<&'static Device> {
    device(array.storage.device as i32)
}
