//! Texture and surface objects, and the deprecated references of modules: what CUDA rejects, and their translation into what
//! [`crate::exec::texture`] samples.

use super::abi::{CUDA_RESOURCE_DESC, CUDA_RESOURCE_VIEW_DESC, CUDA_TEXTURE_DESC};
use super::context::{CONTEXTS, Context, current};
use super::device::{Device, device};
use super::memory::array::{self, ARRAYS, Array, MIPMAPS, flag};
use super::memory::space;
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::stream::Mark;
use crate::exec::texture::{self as bound, AddressMode, Channel, Format, Image, Memory, Object, Sampler, Shape, Surface, Texture};
use parking_lot::Mutex;
use std::any::Any;
use std::sync::Arc;

/// Live texture objects: what they were made of.
pub static TEXTURES: Registry<TextureObject> = Registry::new(22);
/// Live surface objects.
pub static SURFACES: Registry<SurfaceObject> = Registry::new(23);
/// References of modules that programs have asked for, and those made by `cuTexRefCreate`.
pub static REFERENCES: Registry<Reference> = Registry::new(24);

/// A texture object.
pub struct TextureObject {
    ctx: u64,
    /// As given.
    pub resource: CUDA_RESOURCE_DESC,
    /// As given.
    pub texture: CUDA_TEXTURE_DESC,
    /// As given.
    pub view: Option<CUDA_RESOURCE_VIEW_DESC>,
}

/// A surface object.
pub struct SurfaceObject {
    ctx: u64,
    /// As given.
    pub resource: CUDA_RESOURCE_DESC,
}

/// `CUresourcetype`.
pub mod resource {
    pub const ARRAY: u32 = 0;
    pub const MIPMAP: u32 = 1;
    pub const LINEAR: u32 = 2;
    pub const ROWS: u32 = 3;
}

/// `CU_TRSF_*`.
pub mod texture_flag {
    pub const READ_AS_INTEGER: u32 = 0x01;
    pub const NORMALIZED: u32 = 0x02;
    pub const SRGB: u32 = 0x10;
    pub const SEAMLESS_CUBEMAP: u32 = 0x40;
    /// The above and CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION, which changes nothing here.
    pub const KNOWN: u32 = 0x73;
}

fn address_mode(number: u32) -> R<AddressMode> {
    Ok(match number {
        0 => AddressMode::Wrap,
        1 => AddressMode::Clamp,
        2 => AddressMode::Mirror,
        3 => AddressMode::Border,
        _ => return Err(CUresult::INVALID_VALUE),
    })
}

fn sampler(d: &CUDA_TEXTURE_DESC) -> R<Sampler> {
    let mut address = [AddressMode::Clamp; 3];
    for (mode, number) in address.iter_mut().zip(d.addressMode) {
        *mode = address_mode(number)?;
    }
    ensure(d.filterMode <= 1 && d.mipmapFilterMode <= 1 && d.flags & !texture_flag::KNOWN == 0, CUresult::INVALID_VALUE)?;
    Ok(Sampler {
        address,
        linear: d.filterMode == 1,
        normalized: d.flags & texture_flag::NORMALIZED != 0,
        as_integer: d.flags & texture_flag::READ_AS_INTEGER != 0,
        srgb: d.flags & texture_flag::SRGB != 0,
        border: d.borderColor,
        mip_linear: d.mipmapFilterMode == 1,
        bias: d.mipmapLevelBias,
        least: d.minMipmapLevelClamp,
        most: d.maxMipmapLevelClamp,
    })
}

fn held_by(array: &Array) -> Memory {
    let storage: Arc<dyn Any + Send + Sync> = Arc::clone(&array.storage) as _;
    Memory::Array(Arc::downgrade(&storage))
}

/// An array of this context.
fn own_array(ctx: &Context, handle: u64) -> R<Arc<Array>> {
    let array = ARRAYS.get(handle)?;
    ensure(array.ctx == ctx.handle, CUresult::INVALID_VALUE)?;
    Ok(array)
}

/// Formats of `CUresourceViewFormat`: components of 1, 2 and 4, of each type in turn.
fn view_format(number: u32) -> R<Option<Format>> {
    use Channel::*;
    match number {
        0 => Ok(None),
        1..=24 => {
            let channel = [U8, S8, U16, S16, U32, S32, F16, F32][(number as usize - 1) / 3];
            Ok(Some(Format { channel, channels: [1, 2, 4][(number as usize - 1) % 3] }))
        }
        // Block-compressed ones.
        25..=38 => Err(CUresult::NOT_SUPPORTED),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

/// Cuts a texture down to a view (CUDA driver API, `CUDA_RESOURCE_VIEW_DESC`).
fn apply_view(texture: &mut Texture, view: &CUDA_RESOURCE_VIEW_DESC) -> R {
    if let Some(format) = view_format(view.format)? {
        ensure(format.bytes() == texture.format.bytes(), CUresult::INVALID_VALUE)?;
        texture.format = format;
    }
    let base = texture.levels[0];
    ensure(view.width == base.width as usize, CUresult::INVALID_VALUE)?;
    ensure(view.height == 0 || view.height == base.height as usize, CUresult::INVALID_VALUE)?;
    if texture.levels.len() > 1 {
        let (first, last) = (view.firstMipmapLevel as usize, view.lastMipmapLevel as usize);
        ensure(first <= last && last < texture.levels.len(), CUresult::INVALID_VALUE)?;
        texture.levels = texture.levels[first..=last].to_vec();
    }
    if matches!(texture.shape, Shape::Layered1 | Shape::Layered2 | Shape::LayeredCube) {
        let (first, last) = (view.firstLayer, view.lastLayer);
        ensure(first <= last && last < base.depth, CUresult::INVALID_VALUE)?;
        let count = last - first + 1;
        ensure(texture.shape != Shape::LayeredCube || (first % 6 == 0 && count % 6 == 0), CUresult::INVALID_VALUE)?;
        for image in &mut texture.levels {
            image.base += u64::from(first) * image.slice;
            image.depth = count;
        }
    }
    Ok(())
}

/// Whether linear memory and rows must start at the device's alignment: for objects, not for references, whose offset is returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// CUDA_ERROR_INVALID_VALUE otherwise.
    Required,
    /// Anything goes.
    Any,
}

/// What a texture is made of, checked.
pub fn texture(ctx: &Context, r: &CUDA_RESOURCE_DESC, d: &CUDA_TEXTURE_DESC, view: Option<&CUDA_RESOURCE_VIEW_DESC>, alignment: Alignment) -> R<Texture> {
    let mut sampler = sampler(d)?;
    ensure(r.flags == 0, CUresult::INVALID_VALUE)?;
    let limit = |attribute: i32| ctx.device.attribute(attribute).map(|n| n as u64);
    let aligned = |address: u64| alignment == Alignment::Any || limit(14).is_ok_and(|n| address % n == 0);
    let mut texture = match r.resType {
        resource::ARRAY => {
            let array = own_array(ctx, r.address)?;
            Texture { format: array.format, shape: array.shape, levels: vec![array.image], sampler, memory: held_by(&array) }
        }
        resource::MIPMAP => {
            let mipmap = MIPMAPS.get(r.address)?;
            ensure(mipmap.ctx == ctx.handle && sampler.normalized, CUresult::INVALID_VALUE)?;
            let first = mipmap.levels.first().ok_or(CUresult::INVALID_VALUE)?;
            let levels = mipmap.levels.iter().map(|level| level.image).collect();
            Texture { format: first.format, shape: first.shape, levels, sampler, memory: held_by(first) }
        }
        resource::LINEAR => {
            let format = array::format(r.format, r.numChannels)?;
            let (element, len) = (u64::from(format.bytes()), r.size as u64);
            let width = len / element;
            ensure(aligned(r.address) && r.address % element == 0 && (1..=limit(69)?).contains(&width), CUresult::INVALID_VALUE)?;
            space().check(r.address, len)?;
            // Outside of linear memory everything is zero, whatever the border colour (programming guide, "Linear Memory").
            sampler.border = [0.0; 4];
            let image = Image { base: r.address, width: width as u32, height: 1, depth: 1, pitch: len, slice: len };
            Texture { format, shape: Shape::D1, levels: vec![image], sampler, memory: Memory::Linear }
        }
        resource::ROWS => {
            let format = array::format(r.format, r.numChannels)?;
            let (width, height, pitch) = (r.size as u64, r.height as u64, r.pitchInBytes as u64);
            ensure((1..=limit(70)?).contains(&width) && (1..=limit(71)?).contains(&height), CUresult::INVALID_VALUE)?;
            let row = width * u64::from(format.bytes());
            ensure(aligned(r.address) && pitch % limit(51)? == 0 && (row..=limit(72)?).contains(&pitch), CUresult::INVALID_VALUE)?;
            space().check(r.address, pitch * (height - 1) + row)?;
            let image = Image { base: r.address, width: width as u32, height: height as u32, depth: 1, pitch, slice: pitch * height };
            Texture { format, shape: Shape::D2, levels: vec![image], sampler, memory: Memory::Linear }
        }
        _ => return Err(CUresult::INVALID_VALUE),
    };
    if let Some(view) = view {
        ensure(matches!(r.resType, resource::ARRAY | resource::MIPMAP), CUresult::INVALID_VALUE)?;
        apply_view(&mut texture, view)?;
    }
    if matches!(texture.shape, Shape::Cube | Shape::LayeredCube) {
        // Directions have no texels to count.
        texture.sampler.normalized = true;
        ensure(!(texture.sampler.linear && d.flags & texture_flag::SEAMLESS_CUBEMAP != 0), CUresult::NOT_SUPPORTED)?;
    }
    // Only floating-point values can be filtered (programming guide, "Texture Object API"). Fetches of linear memory never are.
    let filtered = (texture.sampler.linear || texture.sampler.mip_linear && texture.levels.len() > 1) && r.resType != resource::LINEAR;
    ensure(!filtered || texture.gives_floats(), CUresult::INVALID_VALUE)?;
    Ok(texture)
}

/// What a surface is made of, checked.
fn surface(ctx: &Context, r: &CUDA_RESOURCE_DESC) -> R<Surface> {
    ensure(r.resType == resource::ARRAY && r.flags == 0, CUresult::INVALID_VALUE)?;
    let array = own_array(ctx, r.address)?;
    surface_of(&array)
}

fn surface_of(array: &Array) -> R<Surface> {
    ensure(array.descriptor.Flags & flag::SURFACE != 0, CUresult::INVALID_VALUE)?;
    Ok(Surface { format: array.format, shape: array.shape, image: array.image, memory: held_by(array) })
}

/// Objects whose destruction waits for the work that was submitted before it.
static ENDING: Mutex<Vec<Ending>> = Mutex::new(Vec::new());

struct Ending {
    handle: u64,
    ctx: u64,
    marks: Vec<Mark>,
}

/// A handle is forgotten when all work of its context that may name it is done; programs destroy objects right behind the launch.
fn end(ctx: u64, handle: u64) {
    let marks: Vec<Mark> = CONTEXTS.find(ctx).map(|ctx| ctx.all_streams().iter().map(|s| s.mark()).collect()).unwrap_or_default();
    let mut ending = ENDING.lock();
    ending.push(Ending { handle, ctx, marks });
    ending.retain(|object| {
        let done = object.marks.iter().all(Mark::reached);
        if done {
            bound::unbind(object.handle);
        }
        !done
    });
}

/// `cuTexObjectCreate`.
pub fn create_texture(r: &CUDA_RESOURCE_DESC, d: &CUDA_TEXTURE_DESC, view: Option<CUDA_RESOURCE_VIEW_DESC>) -> R<u64> {
    let ctx = current()?;
    let made = texture(&ctx, r, d, view.as_ref(), Alignment::Required)?;
    let handle = TEXTURES.reserve();
    TEXTURES.insert(handle, Arc::new(TextureObject { ctx: ctx.handle, resource: *r, texture: *d, view }));
    bound::bind(handle, ctx.handle, Object::Texture(made));
    Ok(handle)
}

/// `cuTexObjectDestroy`.
pub fn destroy_texture(handle: u64) -> R {
    current()?;
    let object = TEXTURES.remove(handle).map_err(|_| CUresult::INVALID_VALUE)?;
    end(object.ctx, handle);
    Ok(())
}

/// `cuSurfObjectCreate`.
pub fn create_surface(r: &CUDA_RESOURCE_DESC) -> R<u64> {
    let ctx = current()?;
    let made = surface(&ctx, r)?;
    let handle = SURFACES.reserve();
    SURFACES.insert(handle, Arc::new(SurfaceObject { ctx: ctx.handle, resource: *r }));
    bound::bind(handle, ctx.handle, Object::Surface(made));
    Ok(handle)
}

/// `cuSurfObjectDestroy`.
pub fn destroy_surface(handle: u64) -> R {
    current()?;
    let object = SURFACES.remove(handle).map_err(|_| CUresult::INVALID_VALUE)?;
    end(object.ctx, handle);
    Ok(())
}

/// Ends the objects and references of a context.
pub fn forget_context(ctx: u64) {
    TEXTURES.remove_where(|t| t.ctx == ctx);
    SURFACES.remove_where(|s| s.ctx == ctx);
    REFERENCES.remove_where(|r| r.ctx == ctx);
    ENDING.lock().retain(|object| object.ctx != ctx);
    bound::unbind_context(ctx);
}

/// What a texture reference is set to.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// The resource; format and channels are those of the reference.
    pub resource: Option<CUDA_RESOURCE_DESC>,
    /// The sampling.
    pub texture: CUDA_TEXTURE_DESC,
    /// `CUarray_format`.
    pub format: u32,
    /// Components.
    pub channels: u32,
}

/// A texture or surface reference.
pub struct Reference {
    /// Its context.
    pub ctx: u64,
    /// Address of the module's variable, by which instructions name it; 0 for one of `cuTexRefCreate`.
    pub address: u64,
    /// Whether a surface.
    pub surface: bool,
    settings: Mutex<Settings>,
}

/// Makes the references of a module known, to which nothing is bound yet.
pub fn place_reference(ctx: u64, address: u64, surface: bool) {
    bound::bind(address, ctx, Object::Unbound { surface });
}

/// Ends the reference at an address.
pub fn remove_reference(address: u64) {
    bound::unbind(address);
    REFERENCES.remove_where(|r| r.address == address);
}

/// The handle of the reference at an address of a module (0: a new one); the same every time.
pub fn reference(ctx: u64, address: u64, surface: bool) -> u64 {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock();
    let mut known = 0;
    if address != 0 {
        REFERENCES.each_with_handle(|handle, r| {
            if r.address == address {
                known = handle;
            }
        });
    }
    if known == 0 {
        known = REFERENCES.reserve();
        let texture = CUDA_TEXTURE_DESC { addressMode: [1; 3], ..CUDA_TEXTURE_DESC::default() };
        let settings = Mutex::new(Settings { texture, format: 0x20, channels: 1, ..Settings::default() });
        REFERENCES.insert(known, Arc::new(Reference { ctx, address, surface, settings }));
    }
    known
}

/// A reference of the current context and of the kind wanted.
pub fn find_reference(handle: u64, surface: bool) -> R<Arc<Reference>> {
    current()?;
    let reference = REFERENCES.get(handle)?;
    ensure(reference.surface == surface, CUresult::INVALID_HANDLE)?;
    Ok(reference)
}

impl Reference {
    /// What it is set to.
    pub fn settings(&self) -> Settings {
        *self.settings.lock()
    }

    /// Changes it. Launches use what is set when they are submitted, so work under way is waited for.
    pub fn change(&self, f: impl FnOnce(&mut Settings) -> R) -> R {
        let mut settings = self.settings.lock();
        let mut new = *settings;
        f(&mut new)?;
        let ctx = CONTEXTS.find(self.ctx).ok_or(CUresult::CONTEXT_IS_DESTROYED)?;
        let object = match &new.resource {
            None => Object::Unbound { surface: self.surface },
            Some(r) if self.surface => Object::Surface(surface(&ctx, r)?),
            Some(r) => {
                let mut r = *r;
                if matches!(r.resType, resource::LINEAR) {
                    (r.format, r.numChannels) = (new.format, new.channels);
                }
                // The order of calls is free: what does not fit together yet counts when a kernel reads it.
                match texture(&ctx, &r, &new.texture, None, Alignment::Any) {
                    Ok(made) => Object::Texture(made),
                    Err(_) => Object::Unbound { surface: false },
                }
            }
        };
        ctx.all_streams().iter().for_each(|s| s.mark().wait());
        if self.address != 0 {
            bound::bind(self.address, self.ctx, object);
        }
        *settings = new;
        Ok(())
    }
}

/// Bytes by which `address` lies behind the alignment of textures.
pub fn misalignment(device: &Device, address: u64) -> R<u64> {
    Ok(address % device.attribute(14)? as u64)
}

/// The device that `cuDeviceGetTexture1DLinearMaxWidth` asks about.
pub fn linear_width_max(number: i32, format: u32, channels: u32) -> R<usize> {
    let device = device(number)?;
    array::format(format, channels)?;
    Ok(device.attribute(69)? as usize)
}
