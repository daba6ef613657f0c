//! Texture and surface objects.
//!
//! Source: CUDA Runtime API, "Texture Object Management" and "Surface Object Management"; CUDA Driver API, the same. The runtime
//! describes a texel by the bits of its components, the driver by a format; sampling is the same with fields in another order.

use super::array::{ChannelDesc, driver_format};
use super::context::ready;
use super::entry::{api, present, put};
use super::error::{self, Outcome, check};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::c_void;

/// `cudaResourceType`.
mod resource {
    pub const ARRAY: u32 = 0;
    pub const MIPMAPPED_ARRAY: u32 = 1;
    pub const LINEAR: u32 = 2;
    pub const PITCH_2D: u32 = 3;
}

/// The part of `cudaResourceDesc` that every version of the structure has. `pointer` is an array's handle for arrays; `size` is
/// bytes for linear memory and the width in texels for two-dimensional memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ResourceDesc {
    kind: u32,
    pointer: u64,
    channels: ChannelDesc,
    size: usize,
    height: usize,
    pitch_bytes: usize,
}

/// `cudaTextureDesc`, but for the last field, which older versions lack.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TextureDesc {
    address_mode: [u32; 3],
    filter_mode: u32,
    read_mode: u32,
    srgb: i32,
    border_color: [f32; 4],
    normalized_coordinates: i32,
    anisotropy_max: u32,
    mipmap_filter_mode: u32,
    mipmap_level_bias: f32,
    mipmap_level_min: f32,
    mipmap_level_max: f32,
    disable_trilinear_optimization: i32,
}

/// The part of `cudaResourceViewDesc` that every version of the structure has.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ViewDesc {
    format: u32,
    width: usize,
    height: usize,
    depth: usize,
    mipmap_levels: [u32; 2],
    layers: [u32; 2],
}

/// `CUDA_RESOURCE_DESC`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct DriverResource {
    kind: u32,
    pointer: u64,
    format: u32,
    channels: u32,
    size: usize,
    height: usize,
    pitch_bytes: usize,
    reserved: [u64; 11],
    flags: u32,
}

/// `CUDA_TEXTURE_DESC`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct DriverTexture {
    address_mode: [u32; 3],
    filter_mode: u32,
    flags: u32,
    anisotropy_max: u32,
    mipmap_filter_mode: u32,
    mipmap_level_bias: f32,
    mipmap_level_min: f32,
    mipmap_level_max: f32,
    border_color: [f32; 4],
    reserved: [i32; 12],
}

/// `CUDA_RESOURCE_VIEW_DESC`.
#[repr(C)]
#[derive(Clone, Copy)]
struct DriverView {
    view: ViewDesc,
    reserved: [u32; 16],
}

const _: () = {
    assert!(size_of::<ResourceDesc>() == 64);
    assert!(size_of::<TextureDesc>() == 68);
    assert!(size_of::<ViewDesc>() == 48);
    assert!(size_of::<DriverResource>() == 144);
    assert!(size_of::<DriverTexture>() == 104);
    assert!(size_of::<DriverView>() == 112);
};

/// What a texture object was made of.
type TextureParts = (ResourceDesc, TextureDesc, Option<ViewDesc>);

/// What each object was made of, for the calls that read it back.
static TEXTURES: Mutex<Option<HashMap<u64, TextureParts>>> = Mutex::new(None);
static SURFACES: Mutex<Option<HashMap<u64, ResourceDesc>>> = Mutex::new(None);

fn driver_resource(resource: &ResourceDesc) -> Outcome<DriverResource> {
    let mut out = DriverResource {
        kind: resource.kind,
        pointer: resource.pointer,
        ..DriverResource::default()
    };
    match resource.kind {
        resource::ARRAY | resource::MIPMAPPED_ARRAY => {}
        resource::LINEAR | resource::PITCH_2D => {
            (out.format, out.channels) = driver_format(&resource.channels)?;
            out.size = resource.size;
            if resource.kind == resource::PITCH_2D {
                (out.height, out.pitch_bytes) = (resource.height, resource.pitch_bytes);
            }
        }
        _ => return Err(error::INVALID_VALUE),
    }
    Ok(out)
}

/// `CU_TRSF_*`.
fn driver_texture(texture: &TextureDesc) -> DriverTexture {
    const READ_AS_INTEGER: u32 = 1;
    const NORMALIZED_COORDINATES: u32 = 2;
    const SRGB: u32 = 0x10;
    const DISABLE_TRILINEAR_OPTIMIZATION: u32 = 0x20;
    /// `cudaReadModeElementType`.
    const ELEMENTS: u32 = 0;
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    DriverTexture {
        address_mode: texture.address_mode,
        filter_mode: texture.filter_mode,
        flags: flag(texture.read_mode == ELEMENTS, READ_AS_INTEGER)
            | flag(texture.normalized_coordinates != 0, NORMALIZED_COORDINATES)
            | flag(texture.srgb != 0, SRGB)
            | flag(
                texture.disable_trilinear_optimization != 0,
                DISABLE_TRILINEAR_OPTIMIZATION,
            ),
        anisotropy_max: texture.anisotropy_max,
        mipmap_filter_mode: texture.mipmap_filter_mode,
        mipmap_level_bias: texture.mipmap_level_bias,
        mipmap_level_min: texture.mipmap_level_min,
        mipmap_level_max: texture.mipmap_level_max,
        border_color: texture.border_color,
        reserved: [0; 12],
    }
}

fn texture_parts(object: u64) -> Outcome<TextureParts> {
    TEXTURES
        .lock()
        .as_ref()
        .and_then(|known| known.get(&object).copied())
        .ok_or(error::INVALID_VALUE)
}

api! {
    fn cudaCreateTextureObject
        (object: *mut u64, resource: *const ResourceDesc, texture: *const TextureDesc, view: *const ViewDesc) {
        present(object)?;
        present(resource)?;
        present(texture)?;
        let (resource, texture) = (*resource, *texture);
        let view = if view.is_null() { None } else { Some(*view) };
        let driver = ready()?;
        let made_of = driver_resource(&resource)?;
        let sampled = driver_texture(&texture);
        let viewed = view.map(|view| DriverView { view, reserved: [0; 16] });
        let viewed_at = viewed.as_ref().map_or(std::ptr::null(), |view: &DriverView| std::ptr::from_ref(view).cast::<c_void>());
        check((driver.cuTexObjectCreate)(object, (&raw const made_of).cast(), (&raw const sampled).cast(), viewed_at))?;
        TEXTURES.lock().get_or_insert_default().insert(*object, (resource, texture, view));
        Ok(())
    }

    fn cudaDestroyTextureObject(object: u64) {
        check((ready()?.cuTexObjectDestroy)(object))?;
        if let Some(known) = TEXTURES.lock().as_mut() {
            known.remove(&object);
        }
        Ok(())
    }

    fn cudaGetTextureObjectResourceDesc(resource: *mut ResourceDesc, object: u64) {
        put(resource, texture_parts(object)?.0)
    }

    fn cudaGetTextureObjectTextureDesc(texture: *mut TextureDesc, object: u64) {
        put(texture, texture_parts(object)?.1)
    }

    fn cudaGetTextureObjectResourceViewDesc(view: *mut ViewDesc, object: u64) {
        put(view, texture_parts(object)?.2.ok_or(error::INVALID_VALUE)?)
    }

    fn cudaCreateSurfaceObject(object: *mut u64, resource: *const ResourceDesc) {
        present(object)?;
        present(resource)?;
        let resource = *resource;
        let driver = ready()?;
        let made_of = driver_resource(&resource)?;
        check((driver.cuSurfObjectCreate)(object, (&raw const made_of).cast()))?;
        SURFACES.lock().get_or_insert_default().insert(*object, resource);
        Ok(())
    }

    fn cudaDestroySurfaceObject(object: u64) {
        check((ready()?.cuSurfObjectDestroy)(object))?;
        if let Some(known) = SURFACES.lock().as_mut() {
            known.remove(&object);
        }
        Ok(())
    }

    fn cudaGetSurfaceObjectResourceDesc(resource: *mut ResourceDesc, object: u64) {
        let known = SURFACES.lock().as_ref().and_then(|known| known.get(&object).copied());
        put(resource, known.ok_or(error::INVALID_VALUE)?)
    }
}
