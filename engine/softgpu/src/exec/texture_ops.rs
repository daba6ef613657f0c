//! Texture and surface instructions: tex, tld4, txq, suld, sust, sured, suq, istypep (PTX ISA, "Texture Instructions" and
//! "Surface Instructions"). The handle is operand a; everything else lies in the side list.

use super::FaultKind;
use super::atomic::{AtomicOp, perform};
use super::code::{Inst, NONE, OpFn};
use super::lane::{Lanes, Op, lane32, lane64, next, pick, set_lane, set_pred};
use super::texture::{self, Bound, Channel, Format, Image, Lod, Memory, Object, Place, Shape};
use super::warp::Warp;
use half::f16;
use std::any::Any;
use std::sync::Arc;

const SHAPES: [Shape; 7] = [Shape::D1, Shape::D2, Shape::D3, Shape::Layered1, Shape::Layered2, Shape::Cube, Shape::LayeredCube];

fn shape_number(shape: Shape) -> u64 {
    SHAPES.iter().position(|s| *s == shape).unwrap_or(0) as u64
}

fn shape_of(bits: u64) -> Shape {
    SHAPES[(bits & 7) as usize % SHAPES.len()]
}

/// How a sample is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Four registers of 32 bits.
    Words,
    /// Four halves.
    Halves,
    /// Two pairs of halves.
    HalfPairs,
}

/// tex and tld4, packed into the immediate. Side list: destinations, predicate, coordinates, level or gradients, offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    pub shape: Shape,
    /// Coordinates are integers.
    pub texel: bool,
    /// tld4: of this component.
    pub gather: Option<u32>,
    pub returned: Returned,
    pub destinations: usize,
    pub predicate: bool,
    pub coordinates: usize,
    /// Registers of the level (1) or of both gradients (2, 4 or 8).
    pub lod: usize,
    pub offsets: usize,
}

impl Fetch {
    pub fn pack(self) -> u64 {
        shape_number(self.shape)
            | u64::from(self.texel) << 3
            | self.gather.map_or(0, |c| 8 | u64::from(c)) << 4
            | (self.returned as u64) << 8
            | (self.destinations as u64) << 16
            | u64::from(self.predicate) << 20
            | (self.coordinates as u64) << 24
            | (self.lod as u64) << 28
            | (self.offsets as u64) << 32
    }

    fn unpack(v: u64) -> Fetch {
        let count = |at: u32| (v >> at & 15) as usize;
        Fetch {
            shape: shape_of(v),
            texel: v >> 3 & 1 != 0,
            gather: (v >> 7 & 1 != 0).then_some((v >> 4 & 3) as u32),
            returned: match v >> 8 & 3 {
                0 => Returned::Words,
                1 => Returned::Halves,
                _ => Returned::HalfPairs,
            },
            destinations: count(16),
            predicate: v >> 20 & 1 != 0,
            coordinates: count(24),
            lod: count(28),
            offsets: count(32),
        }
    }
}

/// Coordinates of surface accesses outside the surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Outside {
    Trap,
    Clamp,
    Zero,
}

/// What a surface instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum SurfaceAction {
    Load,
    Store,
    /// sust.p: components are converted to the surface's format.
    StoreFormatted,
    Reduce,
    /// sured.p: the first coordinate is an element's number.
    ReduceElement,
}

const ACTIONS: [SurfaceAction; 5] =
    [SurfaceAction::Load, SurfaceAction::Store, SurfaceAction::StoreFormatted, SurfaceAction::Reduce, SurfaceAction::ReduceElement];

/// suld, sust and sured, packed. Side list: data registers, then coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SurfaceAccess {
    pub shape: Shape,
    pub action: SurfaceAction,
    pub outside: Outside,
    /// Bytes of one data register.
    pub size: u32,
    /// By data register: of 64 bits.
    pub wide: u32,
    pub data: usize,
    pub coordinates: usize,
    /// For sured; its number.
    pub reduction: u32,
}

const REDUCTIONS: [AtomicOp; 7] =
    [AtomicOp::Add, AtomicOp::MinU, AtomicOp::MaxU, AtomicOp::MinS, AtomicOp::MaxS, AtomicOp::And, AtomicOp::Or];

/// Number of a reduction, if it is one of sured's.
pub(crate) fn reduction_number(op: AtomicOp) -> Option<u32> {
    REDUCTIONS.iter().position(|o| *o == op).map(|n| n as u32)
}

impl SurfaceAccess {
    pub fn pack(self) -> u64 {
        shape_number(self.shape)
            | (ACTIONS.iter().position(|a| *a == self.action).unwrap_or(0) as u64) << 4
            | (self.outside as u64) << 8
            | u64::from(self.size) << 12
            | u64::from(self.wide) << 16
            | (self.data as u64) << 20
            | (self.coordinates as u64) << 24
            | u64::from(self.reduction) << 28
    }

    fn unpack(v: u64) -> SurfaceAccess {
        SurfaceAccess {
            shape: shape_of(v),
            action: ACTIONS[(v >> 4 & 7) as usize % ACTIONS.len()],
            outside: match v >> 8 & 3 {
                0 => Outside::Trap,
                1 => Outside::Clamp,
                _ => Outside::Zero,
            },
            size: (v >> 12 & 15) as u32,
            wide: (v >> 16 & 15) as u32,
            data: (v >> 20 & 15) as usize,
            coordinates: (v >> 24 & 15) as usize,
            reduction: (v >> 28 & 7) as u32,
        }
    }
}

/// Keeps an array in place during one instruction; None if it was destroyed.
fn hold(memory: &Memory) -> Option<Option<Arc<dyn Any + Send + Sync>>> {
    match memory {
        Memory::Array(array) => array.upgrade().map(Some),
        Memory::Linear => Some(None),
    }
}

/// The object of a lane's handle; lanes mostly name the same one.
struct Lookup {
    handle: u64,
    bound: Option<Arc<Bound>>,
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Lookup {
    fn new() -> Lookup {
        Lookup { handle: 0, bound: None, held: None }
    }

    /// Finds the object; the fault if there is none of the kind wanted.
    fn find(&mut self, context: u64, handle: u64, surface: bool) -> Result<&Bound, String> {
        if self.bound.is_none() || self.handle != handle {
            let what = if surface { "surface" } else { "texture" };
            let bound = texture::find(handle, context).ok_or_else(|| format!("{handle:#x} is the handle of no live {what} of this context"))?;
            let memory = match &bound.object {
                Object::Texture(t) if !surface => &t.memory,
                Object::Surface(s) if surface => &s.memory,
                Object::Unbound { surface: s } if *s == surface => return Err(format!("nothing is bound to the {what} reference")),
                _ => return Err(format!("{handle:#x} is no {what}")),
            };
            self.held = hold(memory).ok_or_else(|| format!("the array of this {what} was destroyed"))?;
            self.handle = handle;
            self.bound = Some(bound);
        }
        self.bound.as_deref().ok_or_else(String::new)
    }
}

/// Layer and coordinates as lanes give them: layers first, then x, y, z.
fn split(shape: Shape) -> (bool, usize) {
    match shape {
        Shape::D1 => (false, 1),
        Shape::D2 => (false, 2),
        Shape::D3 | Shape::Cube => (false, 3),
        Shape::Layered1 => (true, 1),
        Shape::Layered2 => (true, 2),
        Shape::LayeredCube => (true, 3),
    }
}

/// tex and tld4.
struct FetchOp;
impl Op for FetchOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let fetch = Fetch::unpack(i.imm);
        let context = w.launch().args.device.context;
        let memory = w.launch().args.memory;
        let side = &w.launch().code.side[i.x as usize..];
        let (dest, rest) = side.split_at(fetch.destinations);
        let (pred, rest) = rest.split_at(usize::from(fetch.predicate));
        let (coords, rest) = rest.split_at(fetch.coordinates);
        let (lods, rest) = rest.split_at(fetch.lod);
        let offsets = &rest[..fetch.offsets];
        let (layered, n) = split(fetch.shape);
        let mut lookup = Lookup::new();
        for lane in Lanes(w.mask) {
            // SAFETY: instruction selection put registers of these classes into the side list, as many as `fetch` says.
            let (handle, word) = unsafe { (lane64(w, i.a, lane), |r: &u32| lane32(w, *r, lane)) };
            let number = |r: &u32| {
                let bits = word(r);
                if fetch.texel { f64::from(bits as i32) } else { f64::from(f32::from_bits(bits)) }
            };
            let mut place = Place { layer: 0, at: [0.0; 3], texel: fetch.texel, offset: [0; 3], lod: Lod::Base };
            if layered {
                place.layer = word(&coords[0]);
            }
            for (slot, r) in place.at.iter_mut().zip(&coords[usize::from(layered)..][..n]) {
                *slot = number(r);
            }
            for (slot, r) in place.offset.iter_mut().zip(offsets) {
                *slot = word(r) as i32;
            }
            let gradient = |half: &[u32]| {
                let mut d = [0.0; 3];
                for (slot, r) in d.iter_mut().zip(half) {
                    *slot = f64::from(f32::from_bits(word(r)));
                }
                d
            };
            place.lod = match lods {
                [] => Lod::Base,
                [level] => Lod::Level(number(level)),
                both => {
                    let (x, y) = both.split_at(both.len() / 2);
                    Lod::Gradient(gradient(x), gradient(y))
                }
            };
            let texture = match lookup.find(context, handle, false) {
                Ok(Bound { object: Object::Texture(t), .. }) => t,
                Ok(_) => return w.fail(FaultKind::IllegalInstruction, i, lane, "no texture".into()),
                Err(why) => return w.fail_at(FaultKind::IllegalAddress, i, lane, Some(handle), why),
            };
            if texture.shape != fetch.shape {
                let why = format!("a {} texture is read by a {} instruction", texture.shape.name(), fetch.shape.name());
                return w.fail(FaultKind::IllegalInstruction, i, lane, why);
            }
            let linear = matches!(texture.memory, Memory::Linear);
            let check = |address: u64, bytes: u32| {
                !linear || memory.find(address).is_some_and(|r| r.end - address >= u64::from(bytes))
            };
            let texel = match fetch.gather {
                Some(component) => texture.gather(&place, component as usize, check),
                None => texture.sample(&place, check),
            };
            let texel = match texel {
                Ok(texel) => texel,
                Err(address) => {
                    let why = format!("texture read at {address:#x}, outside every live allocation");
                    return w.fail_at(FaultKind::IllegalAddress, i, lane, Some(address), why);
                }
            };
            let half = |bits: u32| u32::from(f16::from_f32(f32::from_bits(bits)).to_bits());
            let values = match fetch.returned {
                Returned::Words => texel,
                Returned::Halves => texel.map(half),
                Returned::HalfPairs => [half(texel[0]) | half(texel[1]) << 16, half(texel[2]) | half(texel[3]) << 16, 0, 0],
            };
            for (r, value) in dest.iter().zip(values) {
                if *r != NONE {
                    // SAFETY: as above.
                    unsafe { set_lane(w, *r, false, lane, u64::from(value)) };
                }
            }
        }
        for p in pred {
            // Resident: there are no sparse textures.
            // SAFETY: a predicate slot.
            unsafe { set_pred(w, *p, w.mask) };
        }
        // SAFETY: never the last instruction.
        unsafe { next(i) }
    }
}

/// Address of `len` bytes of a surface, or None outside of it.
fn surface_address(image: &Image, format: Format, at: [i64; 3], len: u32, outside: Outside) -> Option<u64> {
    let row = i64::from(image.width) * i64::from(format.bytes());
    let most = [row - i64::from(len), i64::from(image.height) - 1, i64::from(image.depth) - 1];
    let mut place = [0u64; 3];
    for k in 0..3 {
        let c = if outside == Outside::Clamp { at[k].min(most[k]).max(0) } else { at[k] };
        if c < 0 || c > most[k] {
            return None;
        }
        place[k] = c as u64;
    }
    Some(image.base + place[2] * image.slice + place[1] * image.pitch + place[0])
}

/// A component of sust.p in the surface's format: integers are clamped to the format's range.
fn formatted(channel: Channel, bits: u32) -> u32 {
    let signed = bits as i32;
    match channel {
        Channel::U8 => bits.min(255),
        Channel::U16 => bits.min(65535),
        Channel::S8 => signed.clamp(-128, 127) as u32,
        Channel::S16 => signed.clamp(-32768, 32767) as u32,
        Channel::F16 => u32::from(f16::from_f32(f32::from_bits(bits)).to_bits()),
        Channel::U32 | Channel::S32 | Channel::F32 => bits,
    }
}

/// A surface of more dimensions than an instruction may still be what it means: cubes are layers.
fn suits(surface: Shape, access: Shape) -> bool {
    surface == access || (access == Shape::Layered2 && matches!(surface, Shape::Cube | Shape::LayeredCube))
}

/// suld, sust and sured.
struct SurfaceOp;
impl Op for SurfaceOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let access = SurfaceAccess::unpack(i.imm);
        let context = w.launch().args.device.context;
        let side = &w.launch().code.side[i.x as usize..];
        let (data, rest) = side.split_at(access.data);
        let coords = &rest[..access.coordinates];
        let (layered, n) = split(access.shape);
        let mut lookup = Lookup::new();
        for lane in Lanes(w.mask) {
            // SAFETY: instruction selection put registers of these classes into the side list, as many as `access` says.
            let (handle, word) = unsafe { (lane64(w, i.a, lane), |r: &u32| lane32(w, *r, lane)) };
            let surface = match lookup.find(context, handle, true) {
                Ok(Bound { object: Object::Surface(s), .. }) => s,
                Ok(_) => return w.fail(FaultKind::IllegalInstruction, i, lane, "no surface".into()),
                Err(why) => return w.fail_at(FaultKind::IllegalAddress, i, lane, Some(handle), why),
            };
            if !suits(surface.shape, access.shape) {
                let why = format!("a {} surface is accessed by a {} instruction", surface.shape.name(), access.shape.name());
                return w.fail(FaultKind::IllegalInstruction, i, lane, why);
            }
            let format = surface.format;
            let mut at = [0i64; 3];
            for (slot, r) in at.iter_mut().zip(&coords[usize::from(layered)..][..n]) {
                *slot = i64::from(word(r) as i32);
            }
            if layered {
                at[2] = i64::from(word(&coords[0]) as i32);
            }
            let element = matches!(access.action, SurfaceAction::StoreFormatted | SurfaceAction::ReduceElement);
            let len = match access.action {
                SurfaceAction::StoreFormatted => format.bytes(),
                _ => access.size * access.data as u32,
            };
            if access.action == SurfaceAction::ReduceElement && format.bytes() != access.size {
                let why = format!("sured.p of {} bytes on elements of {} bytes", access.size, format.bytes());
                return w.fail(FaultKind::IllegalInstruction, i, lane, why);
            }
            if element {
                at[0] *= i64::from(format.bytes());
            }
            let align = if element { 1 } else { i64::from(len) };
            if at[0] % align != 0 {
                let why = format!("surface access of {len} bytes at byte {} of a row, which is not a multiple of {len}", at[0]);
                return w.fail(FaultKind::MisalignedAddress, i, lane, why);
            }
            let Some(address) = surface_address(&surface.image, format, at, len, access.outside) else {
                if access.outside == Outside::Trap {
                    let image = &surface.image;
                    let why = format!(
                        "surface access of {len} bytes at {at:?} (x in bytes), outside of {} bytes x {} x {}",
                        u64::from(image.width) * u64::from(format.bytes()),
                        image.height,
                        image.depth
                    );
                    return w.fail(FaultKind::Trap, i, lane, why);
                }
                if access.action == SurfaceAction::Load {
                    for (k, r) in data.iter().enumerate().filter(|(_, r)| **r != NONE) {
                        // SAFETY: as above.
                        unsafe { set_lane(w, *r, access.wide >> k & 1 != 0, lane, 0) };
                    }
                }
                continue;
            };
            let p = address as *mut u8;
            // SAFETY: inside the surface's array, which `lookup` holds; aligned as checked, as rows start at multiples of an element and
            // an element is no smaller than an access unless it divides it. Reads and writes are unaligned ones all the same.
            unsafe {
                match access.action {
                    SurfaceAction::Load => {
                        for (k, r) in data.iter().enumerate().filter(|(_, r)| **r != NONE) {
                            let q = p.add(k * access.size as usize);
                            let v = match access.size {
                                1 => u64::from(q.read()),
                                2 => u64::from(q.cast::<u16>().read_unaligned()),
                                4 => u64::from(q.cast::<u32>().read_unaligned()),
                                _ => q.cast::<u64>().read_unaligned(),
                            };
                            set_lane(w, *r, access.wide >> k & 1 != 0, lane, v);
                        }
                    }
                    SurfaceAction::Store => {
                        for (k, r) in data.iter().enumerate() {
                            let q = p.add(k * access.size as usize);
                            let v = if access.wide >> k & 1 != 0 { lane64(w, *r, lane) } else { u64::from(lane32(w, *r, lane)) };
                            match access.size {
                                1 => q.write(v as u8),
                                2 => q.cast::<u16>().write_unaligned(v as u16),
                                4 => q.cast::<u32>().write_unaligned(v as u32),
                                _ => q.cast::<u64>().write_unaligned(v),
                            }
                        }
                    }
                    SurfaceAction::StoreFormatted => {
                        for (k, r) in data.iter().enumerate().take(format.channels as usize) {
                            let v = formatted(format.channel, lane32(w, *r, lane));
                            let q = p.add(k * format.channel.bytes() as usize);
                            match format.channel.bytes() {
                                1 => q.write(v as u8),
                                2 => q.cast::<u16>().write_unaligned(v as u16),
                                _ => q.cast::<u32>().write_unaligned(v),
                            }
                        }
                    }
                    SurfaceAction::Reduce | SurfaceAction::ReduceElement => {
                        let v = if access.wide & 1 != 0 { lane64(w, data[0], lane) } else { u64::from(lane32(w, data[0], lane)) };
                        if address % u64::from(access.size) != 0 {
                            return w.fail(FaultKind::MisalignedAddress, i, lane, "reduction on a row that is not aligned".into());
                        }
                        perform(REDUCTIONS[access.reduction as usize % REDUCTIONS.len()], access.size, p, v, 0);
                    }
                }
            }
        }
        // SAFETY: never the last instruction.
        unsafe { next(i) }
    }
}

/// What txq and suq ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Query {
    Width,
    Height,
    Depth,
    Layers,
    Levels,
    Samples,
    DataType,
    Order,
    NormalizedCoordinates,
    UnnormalizedForced,
    Filter,
    Address(u8),
    MemoryLayout,
}

const QUERIES: [Query; 15] = [
    Query::Width,
    Query::Height,
    Query::Depth,
    Query::Layers,
    Query::Levels,
    Query::Samples,
    Query::DataType,
    Query::Order,
    Query::NormalizedCoordinates,
    Query::UnnormalizedForced,
    Query::Filter,
    Query::Address(0),
    Query::Address(1),
    Query::Address(2),
    Query::MemoryLayout,
];

impl Query {
    /// For the immediate.
    pub fn number(self) -> u64 {
        QUERIES.iter().position(|q| *q == self).unwrap_or(0) as u64
    }

    fn answer(self, object: &Object, level: u32) -> u32 {
        let (format, shape, image) = match object {
            Object::Texture(t) => (t.format, t.shape, t.levels.get(level as usize).copied()),
            Object::Surface(s) => (s.format, s.shape, Some(s.image)),
            Object::Unbound { .. } => return 0,
        };
        let size = |f: fn(&Image) -> u32| image.as_ref().map_or(0, f);
        let texture = if let Object::Texture(t) = object { Some(t) } else { None };
        let sampler = texture.map(|t| t.sampler).unwrap_or_default();
        match self {
            Query::Width => size(|i| i.width),
            Query::Height => if shape.dimensions() >= 2 { size(|i| i.height) } else { 0 },
            Query::Depth => if shape == Shape::D3 { size(|i| i.depth) } else { 0 },
            Query::Layers => match shape {
                Shape::Layered1 | Shape::Layered2 => size(|i| i.depth),
                Shape::LayeredCube => size(|i| i.depth / 6),
                _ => 0,
            },
            Query::Levels => texture.map_or(1, |t| t.levels.len() as u32),
            Query::Samples => 1,
            // The values of OpenCL's cl_channel_type and cl_channel_order, which PTX names as an example.
            Query::DataType => match (format.channel, texture.is_none_or(|t| t.sampler.as_integer)) {
                (Channel::S8, false) => 0x10d0,
                (Channel::S16, false) => 0x10d1,
                (Channel::U8, false) => 0x10d2,
                (Channel::U16, false) => 0x10d3,
                (Channel::S8, true) => 0x10d7,
                (Channel::S16, true) => 0x10d8,
                (Channel::S32, _) => 0x10d9,
                (Channel::U8, true) => 0x10da,
                (Channel::U16, true) => 0x10db,
                (Channel::U32, _) => 0x10dc,
                (Channel::F16, _) => 0x10dd,
                (Channel::F32, _) => 0x10de,
            },
            Query::Order => match format.channels {
                1 => 0x10b0,
                2 => 0x10b2,
                _ => 0x10b5,
            },
            Query::NormalizedCoordinates => u32::from(sampler.normalized),
            Query::UnnormalizedForced => u32::from(!sampler.normalized),
            Query::Filter => u32::from(sampler.linear),
            Query::Address(k) => sampler.address[usize::from(k) % 3] as u32,
            Query::MemoryLayout => 0,
        }
    }
}

/// txq and suq: d = answer about a; level of detail b, or NONE; the immediate is the query, bit 8 a surface.
struct QueryOp;
impl Op for QueryOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let query = QUERIES[(i.imm & 15) as usize % QUERIES.len()];
        let surface = i.imm >> 8 & 1 != 0;
        let context = w.launch().args.device.context;
        let mut lookup = Lookup::new();
        for lane in Lanes(w.mask) {
            // SAFETY: slots of the classes that instruction selection chose.
            let (handle, level) = unsafe { (lane64(w, i.a, lane), if i.b == NONE { 0 } else { lane32(w, i.b, lane) }) };
            match lookup.find(context, handle, surface) {
                // SAFETY: as above.
                Ok(bound) => unsafe { set_lane(w, i.d, false, lane, u64::from(query.answer(&bound.object, level))) },
                Err(why) => return w.fail_at(FaultKind::IllegalAddress, i, lane, Some(handle), why),
            }
        }
        // SAFETY: never the last instruction.
        unsafe { next(i) }
    }
}

/// istypep: predicate d = whether a is the handle of a texture (immediate 0), sampler (1) or surface (2).
struct IsTypeOp;
impl Op for IsTypeOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let context = w.launch().args.device.context;
        let mut bits = 0;
        for lane in Lanes(w.mask) {
            // SAFETY: a 64-bit slot.
            let handle = unsafe { lane64(w, i.a, lane) };
            let yes = texture::find(handle, context).is_some_and(|bound| match &bound.object {
                Object::Texture(_) => i.imm == 0,
                Object::Surface(_) => i.imm == 2,
                Object::Unbound { surface } => i.imm == if *surface { 2 } else { 0 },
            });
            bits |= u32::from(yes) << lane;
        }
        // SAFETY: a predicate slot; never the last instruction.
        unsafe {
            set_pred(w, i.d, bits);
            next(i)
        }
    }
}

pub(crate) fn fetch() -> OpFn {
    pick::<FetchOp>()
}

pub(crate) fn surface() -> OpFn {
    pick::<SurfaceOp>()
}

pub(crate) fn query() -> OpFn {
    pick::<QueryOp>()
}

pub(crate) fn is_type() -> OpFn {
    pick::<IsTypeOp>()
}
