//! Texture and surface instructions.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Lowered, V};
use super::operand::{Entity, Result, class_of};
use crate::exec::atomic::AtomicOp;
use crate::exec::texture::Shape;
use crate::exec::texture_ops::{self, Fetch, Outside, Query, Returned, SurfaceAccess, SurfaceAction};
use crate::ptx::{Operand, Type};

fn shape(op: &Opcode<'_>) -> Option<Shape> {
    op.mods.iter().find_map(|m| {
        Some(match *m {
            "1d" => Shape::D1,
            "2d" => Shape::D2,
            "3d" => Shape::D3,
            "a1d" => Shape::Layered1,
            "a2d" => Shape::Layered2,
            "cube" => Shape::Cube,
            "acube" => Shape::LayeredCube,
            _ => return None,
        })
    })
}

/// Coordinate registers an instruction must name; more are padding.
fn coordinates(shape: Shape) -> usize {
    match shape {
        Shape::D1 => 1,
        Shape::D2 | Shape::Layered1 => 2,
        Shape::D3 | Shape::Layered2 | Shape::Cube => 3,
        Shape::LayeredCube => 4,
    }
}

impl Lowerer<'_, '_> {
    /// The handle of `[a, ...]` or `[a]`, and the operands behind it.
    fn handle<'o>(&mut self, o: &'o Operand) -> Result<(V, &'o [Operand])> {
        let Operand::Address(base, 0, more) = o else { return self.invalid("a texture or surface in brackets is missing") };
        if more.len() > 1 {
            return self.unsupported("independent texturing mode (a sampler beside the texture) is not implemented");
        }
        Ok((self.opaque(base)?, more))
    }

    /// A texture or surface handle: a 64-bit register, a module's reference (its address stands for it), or a kernel parameter.
    fn opaque(&mut self, o: &Operand) -> Result<V> {
        if let Operand::Name(name, None) = o
            && let Entity::Param(..) = self.lookup(name)?
        {
            let v = self.temp(Class::W64);
            let place = Operand::Address(Box::new(o.clone()), 0, Vec::new());
            self.load_parameter(v, &place)?;
            return Ok(v);
        }
        self.source(o, Type::U64)
    }

    /// At least `least` registers of 32 bits.
    fn words(&mut self, o: &Operand, ty: Type, least: usize) -> Result<Vec<V>> {
        let mut given = None;
        let list = match o {
            Operand::Vector(items) => {
                given = Some(items.len());
                let mut list = Vec::new();
                for item in items.iter().take(least) {
                    list.push(self.source_any(item, ty)?);
                }
                list
            }
            Operand::Name(name, None) => match self.lookup(name)? {
                Entity::Register(v, t) => v.into_iter().map(|v| (v, t)).collect(),
                _ => return self.invalid("coordinates are registers"),
            },
            _ => vec![self.source_any(o, ty)?],
        };
        // The vector may be padded to four.
        if list.len() < least || given.is_some_and(|n| n > 4) {
            return self.invalid(format!("{} coordinates, of which this geometry has {least}", list.len()));
        }
        let list = &list[..least];
        if list.iter().any(|(_, t)| class_of(*t) != Class::W32 || t.size() != 4) {
            return self.invalid("coordinates are registers of 32 bits");
        }
        Ok(list.iter().map(|(v, _)| *v).collect())
    }

    /// Destinations of a sample, and the predicate of `d|p`.
    fn sampled(&mut self, o: &Operand, count: usize, bytes: u32) -> Result<(Vec<Option<V>>, Option<V>)> {
        let (registers, predicate) = match o {
            Operand::Pair(d, p) => (&**d, Some(self.destination(p, Type::Pred)?)),
            d => (d, None),
        };
        let list = self.register_list(registers)?;
        if list.len() != count {
            return self.invalid(format!("{} destinations, of which there are {count}", list.len()));
        }
        if list.iter().any(|(v, t)| v.is_some() && t.size() != bytes) {
            return self.invalid(format!("destinations are registers of {} bits", bytes * 8));
        }
        Ok((list.into_iter().map(|(v, _)| v).collect(), predicate))
    }

    /// tex and tld4.
    fn fetch(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let gather = op.base == "tld4";
        if op.one_of(&["2dms", "a2dms"]).is_some() {
            return self.unsupported("multi-sample textures (no array of this device has samples)");
        }
        let Some(shape) = shape(op) else { return self.invalid("geometry missing") };
        let [returned, coordinate] = op.types[..] else { return self.invalid("types of result and coordinates") };
        let (kind, count, bytes) = match (returned, op.one_of(&["v2", "v4"])) {
            (Type::U32 | Type::S32 | Type::F32 | Type::B32, Some("v4")) => (Returned::Words, 4, 4),
            (Type::F16, Some("v4")) if !gather => (Returned::Halves, 4, 2),
            (Type::F16x2, Some("v2")) if !gather => (Returned::HalfPairs, 2, 4),
            _ => return self.unsupported("this type of result"),
        };
        let texel = match coordinate {
            Type::F32 => false,
            Type::S32 if !gather && !matches!(shape, Shape::Cube | Shape::LayeredCube) => true,
            _ => return self.invalid("type of the coordinates"),
        };
        if gather && !matches!(shape, Shape::D2 | Shape::Layered2 | Shape::Cube | Shape::LayeredCube) {
            return self.invalid("geometry of tld4");
        }
        let (dest, predicate) = self.sampled(self.operand(o, 0)?, count, bytes)?;
        let (handle, more) = self.handle(self.operand(o, 1)?)?;
        let Some(place) = more.first() else { return self.invalid("coordinates missing") };
        let coords = if shape == Shape::Layered1 || shape == Shape::Layered2 || shape == Shape::LayeredCube {
            // The layer is an integer beside coordinates that may not be.
            self.words(place, Type::B32, coordinates(shape))?
        } else {
            self.words(place, coordinate, coordinates(shape))?
        };
        let mut rest = &o[2..];
        let n = shape.dimensions();
        let cube = matches!(shape, Shape::Cube | Shape::LayeredCube);
        let mut lod = Vec::new();
        if op.has("level") {
            let [level, after @ ..] = rest else { return self.invalid("level missing") };
            lod = self.words(level, coordinate, 1)?;
            rest = after;
        } else if op.has("grad") {
            let [x, y, after @ ..] = rest else { return self.invalid("gradients missing") };
            if cube {
                return self.unsupported("gradients of cubes");
            }
            lod = self.words(x, Type::F32, n)?;
            lod.extend(self.words(y, Type::F32, n)?);
            rest = after;
        }
        let mut offsets = Vec::new();
        if let Some(offset) = rest.first() {
            if matches!(offset, Operand::F32(_) | Operand::F64(_)) || cube {
                return self.unsupported("depth comparison");
            }
            if let Operand::Name(..) = offset
                && let Ok((_, Type::F32)) = self.source_any(offset, Type::S32)
            {
                return self.unsupported("depth comparison");
            }
            offsets = self.words(offset, Type::S32, n)?;
            if rest.len() > 1 {
                return self.unsupported("depth comparison");
            }
        }
        let component = match op.one_of(&["r", "g", "b", "a"]) {
            Some("r") => 0,
            Some("g") => 1,
            Some("b") => 2,
            Some(_) => 3,
            None if gather => return self.invalid("component of tld4"),
            None => 0,
        };
        let fetch = Fetch {
            shape,
            texel,
            gather: gather.then_some(component),
            returned: kind,
            destinations: dest.len(),
            predicate: predicate.is_some(),
            coordinates: coords.len(),
            lod: lod.len(),
            offsets: offsets.len(),
        };
        let mut i = Lowered::new(texture_ops::fetch());
        i.a = handle.into();
        i.imm = fetch.pack();
        i.side_def = true;
        i.side_defs = dest.len() + usize::from(predicate.is_some());
        i.side = dest;
        i.side.extend(predicate.map(Some));
        i.side.extend([coords, lod, offsets].concat().into_iter().map(Some));
        self.emit(i);
        Ok(())
    }

    /// txq and suq.
    fn texture_query(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let surface = op.base == "suq";
        let query = op.mods.iter().find_map(|m| {
            Some(match *m {
                "width" => Query::Width,
                "height" => Query::Height,
                "depth" => Query::Depth,
                "array_size" => Query::Layers,
                "channel_data_type" => Query::DataType,
                "channel_order" => Query::Order,
                "memory_layout" if surface => Query::MemoryLayout,
                "num_mipmap_levels" if !surface => Query::Levels,
                "num_samples" if !surface => Query::Samples,
                "normalized_coords" if !surface => Query::NormalizedCoordinates,
                "force_unnormalized_coords" if !surface => Query::UnnormalizedForced,
                "filter_mode" if !surface => Query::Filter,
                "addr_mode_0" if !surface => Query::Address(0),
                "addr_mode_1" if !surface => Query::Address(1),
                "addr_mode_2" if !surface => Query::Address(2),
                _ => return None,
            })
        });
        let Some(query) = query else { return self.invalid("query") };
        let mut i = Lowered::new(texture_ops::query());
        i.d = self.destination(self.operand(o, 0)?, Type::B32)?.into();
        i.a = self.handle(self.operand(o, 1)?)?.0.into();
        if op.has("level") {
            i.b = self.source(self.operand(o, 2)?, Type::B32)?.into();
        }
        i.imm = query.number() | u64::from(surface) << 8;
        self.emit(i);
        Ok(())
    }

    fn outside(&self, op: &Opcode<'_>) -> Result<Outside> {
        match op.one_of(&["trap", "clamp", "zero"]) {
            Some("trap") => Ok(Outside::Trap),
            Some("clamp") => Ok(Outside::Clamp),
            Some(_) => Ok(Outside::Zero),
            None => self.invalid("mode of accesses outside the surface"),
        }
    }

    /// suld, sust and sured.
    fn surface_access(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some(shape) = shape(op) else { return self.invalid("geometry missing") };
        let [ty] = op.types[..] else { return self.invalid("type of the data") };
        if matches!(shape, Shape::Cube | Shape::LayeredCube) {
            return self.invalid("geometry of a surface");
        }
        let outside = self.outside(op)?;
        let formatted = op.has("p");
        let action = match (op.base, formatted) {
            ("suld", false) => SurfaceAction::Load,
            ("sust", false) => SurfaceAction::Store,
            ("sust", true) => SurfaceAction::StoreFormatted,
            ("sured", false) => SurfaceAction::Reduce,
            ("sured", true) => SurfaceAction::ReduceElement,
            _ => return self.unsupported("formatted loads"),
        };
        let count = match op.one_of(&["v2", "v4"]) {
            Some("v2") => 2,
            Some(_) => 4,
            None => 1,
        };
        let size = ty.size();
        let right = match action {
            SurfaceAction::Load | SurfaceAction::Store => matches!(ty, Type::B8 | Type::B16 | Type::B32 | Type::B64) && size * count <= 16,
            SurfaceAction::StoreFormatted => matches!(ty, Type::B32 | Type::U32 | Type::S32 | Type::F32),
            _ => count == 1 && matches!(size, 4 | 8) && !ty.is_float(),
        };
        if !right {
            return self.unsupported("type of the data");
        }
        let mut reduction = 0;
        if op.base == "sured" {
            let signed = ty.is_signed();
            let kind = match op.one_of(&["add", "min", "max", "and", "or"]) {
                Some("add") => AtomicOp::Add,
                Some("min") => if signed { AtomicOp::MinS } else { AtomicOp::MinU },
                Some("max") => if signed { AtomicOp::MaxS } else { AtomicOp::MaxU },
                Some("and") => AtomicOp::And,
                Some(_) => AtomicOp::Or,
                None => return self.invalid("operation"),
            };
            let Some(number) = texture_ops::reduction_number(kind) else { return self.unsupported("operation") };
            reduction = number;
        }
        let (at_data, at_place) = if action == SurfaceAction::Load { (0, 1) } else { (1, 0) };
        let data = self.operand(o, at_data)?;
        let registers: Vec<(Option<V>, Type)> = if action == SurfaceAction::Load {
            self.register_list(data)?
        } else {
            match data {
                Operand::Vector(list) => {
                    let mut out = Vec::new();
                    for x in list {
                        let (v, t) = self.source_any(x, ty)?;
                        out.push((Some(v), t));
                    }
                    out
                }
                Operand::Name(name, None) if count > 1 => match self.lookup(name)? {
                    Entity::Register(v, t) => v.into_iter().map(|v| (Some(v), t)).collect(),
                    _ => return self.invalid("data are registers"),
                },
                x => {
                    let (v, t) = self.source_any(x, ty)?;
                    vec![(Some(v), t)]
                }
            }
        };
        if registers.len() != count as usize {
            return self.invalid(format!("{} registers for {count} elements", registers.len()));
        }
        if registers.iter().any(|(v, t)| v.is_some() && (t.size() < size || *t == Type::Pred || t.size() > 8)) {
            return self.invalid(format!("{ty} does not fit the register"));
        }
        let (handle, more) = self.handle(self.operand(o, at_place)?)?;
        let Some(place) = more.first() else { return self.invalid("coordinates missing") };
        let coords = self.words(place, Type::S32, coordinates(shape))?;
        let wide = registers.iter().enumerate().fold(0, |m, (k, (v, t))| m | u32::from(v.is_some() && class_of(*t) == Class::W64) << k);
        let access = SurfaceAccess { shape, action, outside, size, wide, data: registers.len(), coordinates: coords.len(), reduction };
        let mut i = Lowered::new(texture_ops::surface());
        i.a = handle.into();
        i.imm = access.pack();
        if action == SurfaceAction::Load {
            i.side_def = true;
            i.side_defs = registers.len();
        }
        i.side = registers.into_iter().map(|(v, _)| v).collect();
        i.side.extend(coords.into_iter().map(Some));
        self.emit(i);
        Ok(())
    }

    pub(super) fn texture_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        match op.base {
            "tex" | "tld4" => self.fetch(op, o),
            "txq" | "suq" => self.texture_query(op, o),
            "suld" | "sust" | "sured" => self.surface_access(op, o),
            "istypep" => {
                let kind = match op.types[..] {
                    [Type::TexRef] => 0,
                    [Type::SamplerRef] => 1,
                    [Type::SurfRef] => 2,
                    _ => return self.invalid("type of a reference"),
                };
                let mut i = Lowered::new(texture_ops::is_type());
                i.d = self.destination(self.operand(o, 0)?, Type::Pred)?.into();
                i.a = self.opaque(self.operand(o, 1)?)?.into();
                i.imm = kind;
                self.emit(i);
                Ok(())
            }
            _ => self.unsupported("this operation is not implemented"),
        }
    }

    /// The 64-bit kernel parameter at `place`.
    fn load_parameter(&mut self, v: V, place: &Operand) -> Result<()> {
        let op = Opcode { text: "ld.param.u64", base: "ld", mods: vec!["param", "u64"], types: vec![Type::U64] };
        let (space, base, offset) = self.resolve_place(&op, place)?;
        if base.is_some() || offset.checked_add(8).is_none_or(|end| end > u64::from(self.kernel.param_bytes)) {
            return self.invalid("parameter access out of bounds");
        }
        let Some(f) = crate::exec::mem::param(8, true) else { return self.unsupported("parameters") };
        debug_assert_eq!(space, crate::exec::mem::space::PARAM);
        let mut i = Lowered::new(f);
        i.imm = offset;
        i.d = Field::Reg(v);
        self.emit(i);
        Ok(())
    }
}
