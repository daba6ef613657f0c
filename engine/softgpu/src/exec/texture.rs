//! Textures and surfaces as data, and how a texture is sampled.
//!
//! Follows the CUDA C++ Programming Guide, "Texture Fetching": coordinates are computed without rounding, weights of linear
//! filtering are rounded to 8 fractional bits, and the weighted sum is rounded once to single precision. A component that the
//! format lacks reads as 0, a missing fourth one as 1.
//!
//! Instructions name textures and surfaces by handle; [`bind`] makes one known.

use half::f16;
use parking_lot::RwLock;
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

/// Type of one component of a texel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Channel {
    U8,
    U16,
    U32,
    S8,
    S16,
    S32,
    F16,
    F32,
}

impl Channel {
    /// Size, bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Channel::U8 | Channel::S8 => 1,
            Channel::U16 | Channel::S16 | Channel::F16 => 2,
            Channel::U32 | Channel::S32 | Channel::F32 => 4,
        }
    }

    /// An integer of 32 bits: never promoted to floating point.
    pub fn is_word(self) -> bool {
        matches!(self, Channel::U32 | Channel::S32)
    }

    /// A floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Channel::F16 | Channel::F32)
    }
}

/// Format of a texel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Component type.
    pub channel: Channel,
    /// Components: 1, 2 or 4.
    pub channels: u32,
}

impl Format {
    /// Size of a texel, bytes.
    pub fn bytes(self) -> u32 {
        self.channel.bytes() * self.channels
    }
}

/// What a coordinate outside the texture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum AddressMode {
    Wrap,
    #[default]
    Clamp,
    Mirror,
    Border,
}

/// Dimensions and layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shape {
    D1,
    D2,
    D3,
    Layered1,
    Layered2,
    Cube,
    LayeredCube,
}

impl Shape {
    /// Coordinates within one layer or face.
    pub fn dimensions(self) -> usize {
        match self {
            Shape::D1 | Shape::Layered1 => 1,
            Shape::D3 => 3,
            _ => 2,
        }
    }

    /// In PTX's words.
    pub fn name(self) -> &'static str {
        match self {
            Shape::D1 => "1d",
            Shape::D2 => "2d",
            Shape::D3 => "3d",
            Shape::Layered1 => "a1d",
            Shape::Layered2 => "a2d",
            Shape::Cube => "cube",
            Shape::LayeredCube => "acube",
        }
    }
}

/// Texels in memory: one level of a texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Address of the first texel.
    pub base: u64,
    /// Texels in a row.
    pub width: u32,
    /// Rows; at least 1.
    pub height: u32,
    /// Slices, layers, or faces of all layers; at least 1.
    pub depth: u32,
    /// Bytes from row to row.
    pub pitch: u64,
    /// Bytes from slice to slice.
    pub slice: u64,
}

/// What keeps the texels there.
#[derive(Debug, Clone)]
pub enum Memory {
    /// An array, as long as it is not destroyed.
    Array(Weak<dyn Any + Send + Sync>),
    /// Device memory: each access is checked against the live allocations.
    Linear,
}

/// How a texture is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// For each coordinate.
    pub address: [AddressMode; 3],
    /// Linear filtering.
    pub linear: bool,
    /// Coordinates from 0 to 1.
    pub normalized: bool,
    /// Integers of 8 and 16 bits are returned as they are.
    pub as_integer: bool,
    /// 8-bit unsigned colours are sRGB.
    pub srgb: bool,
    /// For [`AddressMode::Border`].
    pub border: [f32; 4],
    /// Linear filtering between levels.
    pub mip_linear: bool,
    /// Added to the level of detail.
    pub bias: f32,
    /// Least level of detail.
    pub least: f32,
    /// Greatest level of detail.
    pub most: f32,
}

impl Default for Sampler {
    fn default() -> Self {
        Sampler {
            address: [AddressMode::Clamp; 3],
            linear: false,
            normalized: false,
            as_integer: false,
            srgb: false,
            border: [0.0; 4],
            mip_linear: false,
            bias: 0.0,
            least: 0.0,
            most: 0.0,
        }
    }
}

/// A texture.
#[derive(Debug, Clone)]
pub struct Texture {
    /// Format of its texels.
    pub format: Format,
    /// Dimensions.
    pub shape: Shape,
    /// Mipmap levels, the largest first; at least one.
    pub levels: Vec<Image>,
    /// Sampling.
    pub sampler: Sampler,
    /// Where the texels lie.
    pub memory: Memory,
}

/// A surface.
#[derive(Debug, Clone)]
pub struct Surface {
    /// Format of its elements.
    pub format: Format,
    /// Dimensions.
    pub shape: Shape,
    /// The elements.
    pub image: Image,
    /// Where they lie.
    pub memory: Memory,
}

/// What a handle stands for.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Object {
    Texture(Texture),
    Surface(Surface),
    /// A texture or surface reference to which nothing is bound.
    Unbound { surface: bool },
}

/// An object and the context that it belongs to.
#[derive(Debug)]
pub struct Bound {
    /// See [`super::DeviceView::context`].
    pub context: u64,
    /// The object.
    pub object: Object,
}

fn table() -> &'static RwLock<HashMap<u64, Arc<Bound>>> {
    static TABLE: OnceLock<RwLock<HashMap<u64, Arc<Bound>>>> = OnceLock::new();
    TABLE.get_or_init(RwLock::default)
}

/// Makes an object known to the kernels of `context`, in place of what the handle stood for.
pub fn bind(handle: u64, context: u64, object: Object) {
    table().write().insert(handle, Arc::new(Bound { context, object }));
}

/// Forgets a handle.
pub fn unbind(handle: u64) -> Option<Arc<Bound>> {
    table().write().remove(&handle)
}

/// Forgets all handles of a context.
pub fn unbind_context(context: u64) {
    table().write().retain(|_, bound| bound.context != context);
}

/// What a handle stands for in `context`.
pub fn find(handle: u64, context: u64) -> Option<Arc<Bound>> {
    table().read().get(&handle).filter(|bound| bound.context == context).map(Arc::clone)
}

/// Which level of detail is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Lod {
    Base,
    Level(f64),
    Gradient([f64; 3], [f64; 3]),
}

/// Where a texture is sampled.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Layer of layered textures.
    pub layer: u32,
    /// Coordinates; a direction for cubes.
    pub at: [f64; 3],
    /// The coordinates are numbers of texels, and no filter applies.
    pub texel: bool,
    /// Added to the coordinates, in texels.
    pub offset: [i32; 3],
    /// Level of detail.
    pub lod: Lod,
}

/// Up to two texels of one dimension: number (None outside, where the border colour holds) and weight.
type Taps = [(Option<u32>, f64); 2];

const ONE: f64 = 1.0;

/// The integer not above `t`, without the call that `floor` is on the baseline processor; 0 for what is no number.
#[inline]
fn floor(t: f64) -> i64 {
    let i = t as i64;
    if i as f64 > t { i.saturating_sub(1) } else { i }
}

/// `t`, from 0 to 1, rounded to the fraction bits that weights have.
#[inline]
fn weight(t: f64) -> f64 {
    f64::from(((t * 256.0 + 0.5) as u32).min(256)) / 256.0
}

/// The texel that number `i` stands for.
#[inline]
fn texel(i: i64, n: u32, mode: AddressMode) -> Option<u32> {
    let last = i64::from(n) - 1;
    if (0..=last).contains(&i) {
        return Some(i as u32);
    }
    match mode {
        AddressMode::Border => None,
        AddressMode::Wrap => Some(i.rem_euclid(i64::from(n)) as u32),
        _ => Some(i.clamp(0, last) as u32),
    }
}

impl Sampler {
    /// The coordinate in texels, brought into the texture where the mode repeats it, and the mode for what is still outside.
    fn reduce(&self, axis: usize, u: f64, n: u32, offset: i32) -> (f64, AddressMode) {
        let size = f64::from(n);
        let shift = f64::from(offset);
        if !self.normalized {
            let mode = match self.address[axis] {
                AddressMode::Border => AddressMode::Border,
                _ => AddressMode::Clamp,
            };
            return (u + shift, mode);
        }
        let t = u * size + shift;
        let number = floor(t / size);
        let period = number as f64;
        match self.address[axis] {
            AddressMode::Wrap => (t - period * size, AddressMode::Wrap),
            AddressMode::Mirror => {
                let f = t - period * size;
                (if number & 1 == 0 { f } else { size - f }, AddressMode::Clamp)
            }
            mode => (t, mode),
        }
    }

    fn taps(&self, axis: usize, u: f64, n: u32, offset: i32, linear: bool) -> Taps {
        let (t, mode) = self.reduce(axis, u, n, offset);
        if !linear {
            return [(texel(floor(t), n, mode), ONE), (None, 0.0)];
        }
        let t = t - 0.5;
        let i = floor(t);
        let a = weight(t - i as f64);
        [(texel(i, n, mode), ONE - a), (texel(i.saturating_add(1), n, mode), a)]
    }
}

/// Face of a cube and the coordinates on it, from 0 to 1 (programming guide, "Cubemap Textures").
pub fn cube_face(d: [f64; 3]) -> (u32, f64, f64) {
    let [x, y, z] = d;
    let (ax, ay, az) = (x.abs(), y.abs(), z.abs());
    let (face, m, s, t) = if ax >= ay && ax >= az {
        if x >= 0.0 { (0, ax, -z, -y) } else { (1, ax, z, -y) }
    } else if ay >= az {
        if y >= 0.0 { (2, ay, x, z) } else { (3, ay, x, -z) }
    } else if z >= 0.0 {
        (4, az, x, -y)
    } else {
        (5, az, -x, -y)
    };
    let on = |c: f64| (c / m + 1.0) / 2.0;
    (face, on(s), on(t))
}

/// A value of an sRGB component from 0 to 1, made linear (IEC 61966-2-1).
pub fn srgb_to_linear(c: f64) -> f64 {
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// A texel's components as the integers or single-precision bits that registers get.
type Bits = [u32; 4];

/// Reads of texels that may fail: the address of what is not there.
struct Reader<'a, F> {
    texture: &'a Texture,
    check: F,
}

impl<F: FnMut(u64, u32) -> bool> Reader<'_, F> {
    /// Raw components of a texel, zero- or sign-extended; missing ones None.
    fn raw(&mut self, image: &Image, at: [u32; 3]) -> Result<[Option<u32>; 4], u64> {
        let format = self.texture.format;
        let bytes = format.bytes();
        let address = image.base + u64::from(at[2]) * image.slice + u64::from(at[1]) * image.pitch + u64::from(at[0]) * u64::from(bytes);
        if !(self.check)(address, bytes) {
            return Err(address);
        }
        let mut out = [None; 4];
        for (k, slot) in out.iter_mut().enumerate().take(format.channels as usize) {
            let p = (address + k as u64 * u64::from(format.channel.bytes())) as *const u8;
            // SAFETY: the texel lies in an array that the caller keeps alive, at coordinates below its sizes, or in live device
            // memory, which `check` has seen to. Rows start at multiples of the texel's size.
            *slot = Some(unsafe {
                match format.channel {
                    Channel::U8 => u32::from(p.read()),
                    Channel::S8 => p.cast::<i8>().read() as u32,
                    Channel::U16 | Channel::F16 => u32::from(p.cast::<u16>().read_unaligned()),
                    Channel::S16 => p.cast::<i16>().read_unaligned() as u32,
                    _ => p.cast::<u32>().read_unaligned(),
                }
            });
        }
        Ok(out)
    }

    fn bits(&mut self, image: &Image, at: [Option<u32>; 3]) -> Result<Bits, u64> {
        let one = if self.texture.format.channel.is_float() { 1f32.to_bits() } else { 1 };
        let mut out = [0, 0, 0, one];
        let [Some(x), Some(y), Some(z)] = at else {
            for (k, value) in out.iter_mut().enumerate().take(self.texture.format.channels as usize) {
                *value = self.texture.sampler.border[k].to_bits();
            }
            return Ok(out);
        };
        for (value, raw) in out.iter_mut().zip(self.raw(image, [x, y, z])?) {
            *value = raw.unwrap_or(*value);
        }
        Ok(out)
    }

    fn floats(&mut self, image: &Image, at: [Option<u32>; 3]) -> Result<[f64; 4], u64> {
        let mut out = [0.0, 0.0, 0.0, 1.0];
        let sampler = &self.texture.sampler;
        let [Some(x), Some(y), Some(z)] = at else {
            for (k, value) in out.iter_mut().enumerate().take(self.texture.format.channels as usize) {
                *value = f64::from(sampler.border[k]);
            }
            return Ok(out);
        };
        let srgb = sampler.srgb && self.texture.format.channel == Channel::U8;
        for (k, (value, raw)) in out.iter_mut().zip(self.raw(image, [x, y, z])?).enumerate() {
            let Some(raw) = raw else { continue };
            *value = match self.texture.format.channel {
                Channel::U8 => f64::from(raw) / 255.0,
                Channel::U16 => f64::from(raw) / 65535.0,
                Channel::S8 => (f64::from(raw as i32) / 127.0).max(-1.0),
                Channel::S16 => (f64::from(raw as i32) / 32767.0).max(-1.0),
                Channel::F16 => f16::from_bits(raw as u16).to_f64(),
                Channel::F32 => f64::from(f32::from_bits(raw)),
                Channel::U32 => f64::from(raw),
                Channel::S32 => f64::from(raw as i32),
            };
            // The fourth component is coverage, not colour.
            if srgb && k < 3 {
                *value = srgb_to_linear(*value);
            }
        }
        Ok(out)
    }

    fn filtered(&mut self, image: &Image, axes: &[Taps; 3]) -> Result<[f64; 4], u64> {
        let mut sum = [0.0; 4];
        for (z, wz) in axes[2] {
            for (y, wy) in axes[1] {
                for (x, wx) in axes[0] {
                    let w = wz * wy * wx;
                    // What has no weight is not read: an infinity there adds nothing.
                    if w != 0.0 {
                        let value = self.floats(image, [x, y, z])?;
                        for (s, v) in sum.iter_mut().zip(value) {
                            *s += w * v;
                        }
                    }
                }
            }
        }
        Ok(sum)
    }
}

const WHOLE: Taps = [(Some(0), ONE), (None, 0.0)];

impl Texture {
    /// Whether sampling gives floating-point values.
    pub fn gives_floats(&self) -> bool {
        self.format.channel.is_float() || (!self.sampler.as_integer && !self.format.channel.is_word())
    }

    /// The level of detail as one or two levels with their weights.
    fn levels(&self, place: &Place) -> [(usize, f64); 2] {
        let last = self.levels.len() - 1;
        if last == 0 {
            return [(0, ONE), (0, 0.0)];
        }
        let lod = match place.lod {
            Lod::Base => 0.0,
            Lod::Level(l) => l,
            Lod::Gradient(dx, dy) => {
                let base = &self.levels[0];
                let size = [base.width, base.height, if self.shape == Shape::D3 { base.depth } else { 1 }];
                let length = |d: [f64; 3]| {
                    let n = self.shape.dimensions();
                    (0..n).map(|k| (d[k] * f64::from(size[k])).powi(2)).sum::<f64>().sqrt()
                };
                length(dx).max(length(dy)).log2()
            }
        };
        let s = &self.sampler;
        let lod = (lod + f64::from(s.bias)).max(f64::from(s.least)).min(f64::from(s.most)).max(0.0).min(last as f64);
        if s.mip_linear {
            let low = lod.floor();
            let a = weight(lod - low);
            [(low as usize, ONE - a), ((low as usize + 1).min(last), a)]
        } else {
            [(((lod + 0.5).floor() as usize).min(last), ONE), (0, 0.0)]
        }
    }

    /// Taps of the three dimensions at a level.
    fn axes(&self, image: &Image, place: &Place, linear: bool) -> [Taps; 3] {
        let s = &self.sampler;
        let sizes = [image.width, image.height, image.depth];
        let mut axes = [WHOLE; 3];
        let layer = |of: u32, last: u32| [(Some(of.min(last)), ONE), (None, 0.0)];
        let mut at = place.at;
        let cube = matches!(self.shape, Shape::Cube | Shape::LayeredCube);
        if cube {
            let (face, u, v) = cube_face(place.at);
            at = [u, v, 0.0];
            let layers = (image.depth / 6).max(1);
            axes[2] = layer(place.layer.min(layers - 1) * 6 + face, image.depth - 1);
        } else if matches!(self.shape, Shape::Layered1 | Shape::Layered2) {
            axes[2] = layer(place.layer, image.depth - 1);
        }
        for k in 0..self.shape.dimensions() {
            axes[k] = if place.texel {
                // A texel by its number: what lies outside follows the address mode, as far as that makes sense without a period.
                let t = at[k] + f64::from(place.offset[k]);
                let outside = matches!(self.memory, Memory::Linear) && self.shape == Shape::D1;
                let mode = if outside || s.address[k] == AddressMode::Border { AddressMode::Border } else { AddressMode::Clamp };
                [(texel(floor(t), sizes[k], mode), ONE), (None, 0.0)]
            } else {
                s.taps(k, at[k], sizes[k], place.offset[k], linear)
            };
        }
        axes
    }

    /// Samples the texture: four components as integers or bits of single precision. `check` is asked for each texel whether its
    /// bytes may be read.
    ///
    /// # Errors
    /// The address of a texel that may not.
    pub fn sample(&self, place: &Place, check: impl FnMut(u64, u32) -> bool) -> Result<[u32; 4], u64> {
        let mut reader = Reader { texture: self, check };
        let levels = self.levels(place);
        let linear = self.sampler.linear && !place.texel && !matches!((&self.memory, self.shape), (Memory::Linear, Shape::D1));
        // What is not computed with keeps its bits, whatever they mean to the program.
        let as_is = self.format.channel == Channel::F32 && !linear && levels[0].1 == ONE;
        if as_is || !self.gives_floats() {
            let image = &self.levels[levels[0].0];
            let axes = self.axes(image, place, false);
            return reader.bits(image, [axes[0][0].0, axes[1][0].0, axes[2][0].0]);
        }
        let mut sum = [0.0; 4];
        for (level, w) in levels {
            if w != 0.0 {
                let image = &self.levels[level];
                let axes = self.axes(image, place, linear);
                let value = if linear {
                    reader.filtered(image, &axes)?
                } else {
                    reader.floats(image, [axes[0][0].0, axes[1][0].0, axes[2][0].0])?
                };
                for (s, v) in sum.iter_mut().zip(value) {
                    *s += if w == ONE { v } else { w * v };
                }
            }
        }
        Ok(sum.map(|v| (v as f32).to_bits()))
    }

    /// One component of the four texels that linear filtering would use, counter-clockwise from the lower left (PTX, tld4).
    ///
    /// # Errors
    /// As [`Texture::sample`].
    pub fn gather(&self, place: &Place, component: usize, check: impl FnMut(u64, u32) -> bool) -> Result<[u32; 4], u64> {
        let mut reader = Reader { texture: self, check };
        let image = &self.levels[0];
        let axes = self.axes(image, place, true);
        let z = axes[2][0].0;
        let floats = self.gives_floats();
        let mut out = [0; 4];
        for (slot, (i, j)) in out.iter_mut().zip([(0, 1), (1, 1), (1, 0), (0, 0)]) {
            let at = [axes[0][i].0, axes[1][j].0, z];
            *slot = if floats { (reader.floats(image, at)?[component] as f32).to_bits() } else { reader.bits(image, at)?[component] };
        }
        Ok(out)
    }
}
