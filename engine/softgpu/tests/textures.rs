//! Texture instructions against the programming guide's rules: formats, address modes, filters, dimensions, mipmaps, references.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
mod sampling;
use common::*;
use sampling::*;
use half::f16;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "512");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", std::env::temp_dir().join(format!("softgpu-textures-{}", std::process::id())));
    });
}

fn report() -> String {
    std::fs::read_to_string(std::env::temp_dir().join(format!("softgpu-textures-{}", std::process::id()))).unwrap_or_default()
}

const READ_AS_INTEGER: u32 = 1;
const NORMALIZED: u32 = 2;
const SRGB: u32 = 0x10;

fn f(v: f32) -> u32 {
    v.to_bits()
}

#[test]
fn formats_modes_filters_and_dimensions() {
    setup();
    let _ctx = Ctx::new(0);
    let bodies = [
        "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0}];",
        "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0, %c1}];",
        "tex.3d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0, %c1, %c2, %c3}];",
    ];
    let sizes = [[13, 1, 1], [7, 5, 1], [5, 4, 3]];
    let border = [0.25, -1.5, 3.0, 0.5];
    let mut combinations = 0;
    let mut random = Random(7);
    for dims in 1..=3 {
        let program = Program::new("", bodies[dims - 1]);
        for format in FORMATS {
            for channels in [1, 2, 4] {
                let texels = Texels::random(format, channels, sizes[dims - 1], u64::from(format) * 10 + channels as u64);
                let array = array(&texels, dims, 0);
                for mode in [WRAP, CLAMP, MIRROR, BORDER] {
                    for normalized in [false, true] {
                        for (linear, integers) in [(false, false), (true, false), (false, true)] {
                            let word = matches!(format, U32 | S32);
                            let as_integer = integers && !matches!(format, F16 | F32);
                            if word && linear {
                                continue;
                            }
                            let rules = Rules { dims, modes: [mode, (mode + 1) % 4, mode], normalized, linear, border };
                            let d = CUDA_TEXTURE_DESC {
                                addressMode: rules.modes,
                                filterMode: u32::from(linear),
                                flags: if normalized { NORMALIZED } else { 0 } | if integers { READ_AS_INTEGER } else { 0 },
                                borderColor: border,
                                ..CUDA_TEXTURE_DESC::default()
                            };
                            let object = texture(&resource(array), &d);
                            let points: Vec<[f32; 3]> = (0..48)
                                .map(|_| {
                                    let mut at = [0.0; 3];
                                    for (k, c) in at.iter_mut().enumerate().take(dims) {
                                        let n = sizes[dims - 1][k] as f32;
                                        *c = if normalized { random.real(-2.5, 3.5) } else { random.real(-4.0, n + 4.0) };
                                    }
                                    at
                                })
                                .collect();
                            let rows: Vec<[u32; 12]> = points.iter().map(|p| row(&[f(p[0]), f(p[1]), f(p[2]), 0])).collect();
                            let got = program.run(object.0, &rows);
                            for (p, got) in points.iter().zip(got) {
                                for c in 0..4 {
                                    let case = || format!("format {format:#x} x {channels}, {rules:?}, at {p:?}, component {c}: {:#x}", got[c]);
                                    let raw = word || as_integer;
                                    if c >= channels {
                                        let missing = if c < 3 { 0 } else if raw { 1 } else { f(1.0) };
                                        assert_eq!(got[c], missing, "{}", case());
                                    } else if raw {
                                        assert_eq!(got[c], rules.integer(&texels, *p, 0, c), "{}", case());
                                    } else {
                                        let (want, magnitude) = rules.value(&texels, *p, 0, c);
                                        if linear {
                                            assert!(near(got[c], want, magnitude), "{} wanted {want}", case());
                                        } else {
                                            assert_eq!(got[c], f(want as f32), "{} wanted {want}", case());
                                        }
                                    }
                                }
                            }
                            ok!(cuTexObjectDestroy(object));
                            combinations += 1;
                        }
                    }
                }
                ok!(cuArrayDestroy(array));
            }
        }
    }
    assert_eq!(combinations, 3 * 3 * 4 * 2 * (8 * 3 - 2));
}

#[test]
fn weights_have_eight_bits() {
    setup();
    let _ctx = Ctx::new(0);
    let texels = Texels { format: F32, channels: 1, size: [2, 1, 1], bits: vec![f(0.0), f(256.0)] };
    let array = array(&texels, 1, 0);
    let object = texture(&resource(array), &CUDA_TEXTURE_DESC { addressMode: [1; 3], filterMode: 1, ..CUDA_TEXTURE_DESC::default() });
    let program = Program::new("", "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0}];");
    let rows: Vec<[u32; 12]> = (0..=1024).map(|k| row(&[f(0.5 + k as f32 / 1024.0)])).collect();
    for (k, got) in program.run(object.0, &rows).into_iter().enumerate() {
        let value = f32::from_bits(got[0]);
        assert_eq!(value.fract(), 0.0, "{k}");
        assert!((value - k as f32 / 4.0).abs() <= 0.5, "{k}: {value}");
    }
}

#[test]
fn coordinates_far_outside_and_no_numbers() {
    setup();
    let _ctx = Ctx::new(0);
    let texels = Texels { format: F32, channels: 1, size: [4, 1, 1], bits: vec![f(1.0), f(2.0), f(3.0), f(4.0)] };
    let array = array(&texels, 1, 0);
    let program = Program::new("", "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0}];");
    let far = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MAX, f32::MIN, 3e9, -3e9, f32::NAN, -0.0, f32::MIN_POSITIVE];
    for mode in [WRAP, CLAMP, MIRROR, BORDER] {
        for (flags, filter) in [(0, 0), (0, 1), (NORMALIZED, 0), (NORMALIZED, 1)] {
            let d = CUDA_TEXTURE_DESC { addressMode: [mode; 3], filterMode: filter, flags, borderColor: [9.0; 4], ..CUDA_TEXTURE_DESC::default() };
            let object = texture(&resource(array), &d);
            let got = program.run(object.0, &far.map(|x| row(&[f(x)])));
            for (x, got) in far.iter().zip(got) {
                let value = f32::from_bits(got[0]);
                let case = format!("mode {mode}, flags {flags}, filter {filter}, at {x}: {value}");
                let repeats = flags == NORMALIZED && matches!(mode, WRAP | MIRROR);
                if x.is_nan() || (repeats && x.abs() > 1.0) {
                    assert!((1.0..=4.0).contains(&value) || value == 9.0 || (mode == BORDER && value <= 9.0), "{case}");
                } else if x.abs() > 1.0 {
                    let edge = if *x > 0.0 { 4.0 } else { 1.0 };
                    assert_eq!(value, if mode == BORDER { 9.0 } else { edge }, "{case}");
                } else if filter == 0 {
                    assert_eq!(value, 1.0, "{case}");
                }
            }
        }
    }
}

#[test]
fn layers_and_cubes() {
    setup();
    let _ctx = Ctx::new(0);
    // Layered: the layer is chosen, clamped, never filtered.
    for dims in 1..=2usize {
        let size = if dims == 1 { [9, 1, 5] } else { [6, 4, 5] };
        let texels = Texels::random(F32, 2, size, 3);
        let array = array(&texels, dims, 1);
        let d = CUDA_TEXTURE_DESC { addressMode: [1; 3], filterMode: 1, ..CUDA_TEXTURE_DESC::default() };
        let object = texture(&resource(array), &d);
        let program = Program::new("", if dims == 1 {
            "tex.a1d.v4.f32.f32 {%d0, %d1, _, _}, [%object, {%c0, %c1}];"
        } else {
            "tex.a2d.v4.f32.f32 {%d0, %d1, _, _}, [%object, {%c0, %c1, %c2, %c2}];"
        });
        let rules = Rules { dims, modes: [CLAMP; 3], normalized: false, linear: true, border: [0.0; 4] };
        let mut random = Random(11);
        let points: Vec<(u32, [f32; 3])> = (0..64).map(|k| (k % 7, [random.real(-1.0, 10.0), random.real(-1.0, 5.0), 0.0])).collect();
        let rows: Vec<[u32; 12]> = points.iter().map(|(l, p)| row(&[*l, f(p[0]), f(p[1])])).collect();
        for ((layer, p), got) in points.iter().zip(program.run(object.0, &rows)) {
            for c in 0..2 {
                let (want, magnitude) = rules.value(&texels, *p, (*layer as usize).min(4), c);
                assert!(near(got[c], want, magnitude), "{dims} dimensions, layer {layer}, {p:?}");
            }
        }
    }
    // Cubes: the face by the largest coordinate, two coordinates on it.
    for layers in [1usize, 3] {
        let size = [8, 8, 6 * layers];
        let texels = Texels::random(F32, 1, size, 5);
        let array = array(&texels, 2, if layers == 1 { 4 } else { 5 });
        let object = texture(&resource(array), &CUDA_TEXTURE_DESC { addressMode: [1; 3], flags: NORMALIZED, ..CUDA_TEXTURE_DESC::default() });
        let program = Program::new("", if layers == 1 {
            "tex.cube.v4.f32.f32 {%d0, _, _, _}, [%object, {%c1, %c2, %c3, %c3}];"
        } else {
            "tex.acube.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1, %c2, %c3}];"
        });
        // Directions through the middle of each texel of each face, from the table of the guide: (m, s, t) by face.
        let mut rows = Vec::new();
        let mut wanted = Vec::new();
        for layer in 0..layers {
            for face in 0..6 {
                for y in 0..8 {
                    for x in 0..8 {
                        let (s, t) = ((x as f32 + 0.5) / 4.0 - 1.0, (y as f32 + 0.5) / 4.0 - 1.0);
                        let d = match face {
                            0 => [1.0, -t, -s],
                            1 => [-1.0, -t, s],
                            2 => [s, 1.0, t],
                            3 => [s, -1.0, -t],
                            4 => [s, -t, 1.0],
                            _ => [-s, -t, -1.0],
                        };
                        let scale = 1.0 + (x + y) as f32;
                        rows.push(row(&[layer as u32, f(d[0] * scale), f(d[1] * scale), f(d[2] * scale)]));
                        wanted.push(texels.integer([x, y, layer * 6 + face], 0));
                    }
                }
            }
        }
        let got: Vec<u32> = program.run(object.0, &rows).into_iter().map(|g| g[0]).collect();
        assert_eq!(got, wanted, "{layers} layers");
    }
}

fn mipmap(levels: u32) -> (CUmipmappedArray, Vec<Texels>) {
    let d = CUDA_ARRAY3D_DESCRIPTOR { Width: 16, Height: 8, Depth: 0, Format: F32, NumChannels: 1, Flags: 0 };
    let mut mip = CUmipmappedArray(0);
    ok!(cuMipmappedArrayCreate((&mut mip).into(), (&d).into(), levels));
    let mut all = Vec::new();
    for level in 0..5usize.min(levels as usize) {
        let size = [16 >> level, (8usize >> level).max(1), 1];
        let texels = Texels::random(F32, 1, size, 100 + level as u64);
        let mut array = CUarray(0);
        ok!(cuMipmappedArrayGetLevel((&mut array).into(), mip, level as u32));
        let mut found = CUDA_ARRAY3D_DESCRIPTOR::default();
        ok!(cuArray3DGetDescriptor_v2((&mut found).into(), array));
        assert_eq!((found.Width, found.Height), (size[0], size[1]));
        fill(array, &texels.bytes(), 4, size);
        all.push(texels);
    }
    (mip, all)
}

#[test]
fn levels_of_detail() {
    setup();
    let _ctx = Ctx::new(0);
    // Five levels: 16x8 down to 1x1. More are cut.
    let (mip, texels) = mipmap(9);
    let mut array = CUarray(0);
    gives!(INVALID_VALUE, cuMipmappedArrayGetLevel((&mut array).into(), mip, 5));
    let level = Program::new("", "tex.level.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}], %e0;");
    let base = Program::new("", "tex.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}];");
    let grad = Program::new("", "tex.grad.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}], {%e0, %e1}, {%e2, %e3};");
    let r = CUDA_RESOURCE_DESC { resType: 1, address: mip.0, ..CUDA_RESOURCE_DESC::default() };
    let mut object = CUtexObject(0);
    let unnormalized = CUDA_TEXTURE_DESC::default();
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut object).into(), (&r).into(), (&unnormalized).into(), In::NULL));
    let mut random = Random(21);
    for (filter, between) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        for (bias, least, most) in [(0.0, 0.0, 9.0), (0.5, 1.0, 2.75)] {
            let d = CUDA_TEXTURE_DESC {
                addressMode: [1; 3], filterMode: filter, mipmapFilterMode: between, flags: NORMALIZED,
                mipmapLevelBias: bias, minMipmapLevelClamp: least, maxMipmapLevelClamp: most,
                ..CUDA_TEXTURE_DESC::default()
            };
            let object = texture(&r, &d);
            let rules = Rules { dims: 2, modes: [CLAMP; 3], normalized: true, linear: filter == 1, border: [0.0; 4] };
            let at_level = |lod: f64, p: [f32; 3]| -> (f64, f64) {
                let lod = (lod + f64::from(bias)).clamp(f64::from(least), f64::from(most)).clamp(0.0, 4.0);
                if between == 0 {
                    rules.value(&texels[(lod + 0.5).floor() as usize], p, 0, 0)
                } else {
                    let (low, high) = (lod.floor() as usize, (lod.floor() as usize + 1).min(4));
                    let a = ((lod - lod.floor()) * 256.0).round() / 256.0;
                    let (x, y) = (rules.value(&texels[low], p, 0, 0), rules.value(&texels[high], p, 0, 0));
                    (x.0 * (1.0 - a) + y.0 * a, x.1 * (1.0 - a) + y.1 * a)
                }
            };
            let points: Vec<[f32; 3]> = (0..64).map(|_| [random.real(-0.5, 1.5), random.real(-0.5, 1.5), random.real(-1.0, 5.0)]).collect();
            let rows: Vec<[u32; 12]> = points.iter().map(|p| row(&[f(p[0]), f(p[1]), 0, 0, f(p[2])])).collect();
            for (p, got) in points.iter().zip(level.run(object.0, &rows)) {
                let (want, magnitude) = at_level(f64::from(p[2]), *p);
                assert!(near(got[0], want, magnitude), "{p:?} filter {filter} {between}: {} {want}", f32::from_bits(got[0]));
            }
            for (p, got) in points.iter().zip(base.run(object.0, &rows)) {
                let (want, magnitude) = at_level(0.0, *p);
                assert!(near(got[0], want, magnitude), "{p:?} without a level");
            }
            // Gradients of four texels in x, of two in y, and so on: the greater one decides.
            let steps = [(4.0f32, 1.0f32), (1.0, 2.0), (0.5, 8.0), (3.0, 3.0), (0.0, 0.0)];
            let rows: Vec<[u32; 12]> = steps.iter().map(|(x, y)| row(&[f(0.4), f(0.6), 0, 0, f(x / 16.0), f(0.0), f(0.0), f(y / 8.0)])).collect();
            for ((x, y), got) in steps.iter().zip(grad.run(object.0, &rows)) {
                let (want, magnitude) = at_level(f64::from(x.max(*y)).log2(), [0.4, 0.6, 0.0]);
                assert!(near(got[0], want, magnitude), "gradients {x} {y}, filter {filter} {between}");
            }
        }
    }
    // A view of the inner levels.
    let view = CUDA_RESOURCE_VIEW_DESC { format: 22, width: 16, height: 8, firstMipmapLevel: 2, lastMipmapLevel: 3, ..CUDA_RESOURCE_VIEW_DESC::default() };
    let d = CUDA_TEXTURE_DESC { flags: NORMALIZED, maxMipmapLevelClamp: 9.0, ..CUDA_TEXTURE_DESC::default() };
    ok!(cuTexObjectCreate((&mut object).into(), (&r).into(), (&d).into(), (&view).into()));
    let mut back = CUDA_RESOURCE_VIEW_DESC::default();
    ok!(cuTexObjectGetResourceViewDesc((&mut back).into(), object));
    assert_eq!((back.format, back.lastMipmapLevel), (22, 3));
    let got = level.run(object.0, &[row(&[f(0.3), f(0.2), 0, 0, f(0.0)]), row(&[f(0.3), f(0.2), 0, 0, f(7.0)])]);
    let rules = Rules { dims: 2, modes: [WRAP; 3], normalized: true, linear: false, border: [0.0; 4] };
    assert_eq!(got[0][0], f(rules.value(&texels[2], [0.3, 0.2, 0.0], 0, 0).0 as f32));
    assert_eq!(got[1][0], f(rules.value(&texels[3], [0.3, 0.2, 0.0], 0, 0).0 as f32));
    ok!(cuMipmappedArrayDestroy(mip));
}

#[test]
fn linear_memory_and_rows() {
    setup();
    let _ctx = Ctx::new(0);
    let numbers: Vec<[u32; 2]> = (0..1000).map(|i| [i * i, 7 * i]).collect();
    let p = upload(&numbers);
    let r = CUDA_RESOURCE_DESC { resType: 2, address: p.0, format: U32, numChannels: 2, size: 8000, ..CUDA_RESOURCE_DESC::default() };
    // Neither filter nor border count for fetches of linear memory.
    let d = CUDA_TEXTURE_DESC { filterMode: 1, addressMode: [3; 3], borderColor: [9.0; 4], ..CUDA_TEXTURE_DESC::default() };
    let object = texture(&r, &d);
    let fetch = Program::new("", "tex.1d.v4.u32.s32 {%d0, %d1, _, _}, [%object, {%c0}];");
    let places = [0i32, 1, 999, 1000, -1, i32::MAX, i32::MIN, 500];
    let got = fetch.run(object.0, &places.map(|i| row(&[i as u32])));
    for (i, got) in places.iter().zip(got) {
        let want = usize::try_from(*i).ok().and_then(|i| numbers.get(i)).copied().unwrap_or([0, 0]);
        assert_eq!(got[..2], want, "{i}");
    }
    // Rows with a pitch, filtered in both directions.
    let texels = Texels::random(U8, 4, [10, 6, 1], 8);
    let pitch = 64;
    let rows_at = alloc(pitch * 6);
    let bytes = texels.bytes();
    let copy = CUDA_MEMCPY2D { srcMemoryType: 1, srcHost: host(&bytes), srcPitch: 40, dstMemoryType: 2, dstDevice: rows_at, dstPitch: pitch, WidthInBytes: 40, Height: 6, ..CUDA_MEMCPY2D::default() };
    ok!(cuMemcpy2D_v2((&copy).into()));
    let mut r = CUDA_RESOURCE_DESC { resType: 3, address: rows_at.0, format: U8, numChannels: 4, size: 10, height: 6, pitchInBytes: pitch, ..CUDA_RESOURCE_DESC::default() };
    let d = CUDA_TEXTURE_DESC { filterMode: 1, addressMode: [1; 3], ..CUDA_TEXTURE_DESC::default() };
    let object = texture(&r, &d);
    let program = Program::new("", "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%object, {%c0, %c1}];");
    let rules = Rules { dims: 2, modes: [CLAMP; 3], normalized: false, linear: true, border: [0.0; 4] };
    let mut random = Random(5);
    let points: Vec<[f32; 3]> = (0..100).map(|_| [random.real(-2.0, 12.0), random.real(-2.0, 8.0), 0.0]).collect();
    let got = program.run(object.0, &points.iter().map(|p| row(&[f(p[0]), f(p[1])])).collect::<Vec<_>>());
    for (p, got) in points.iter().zip(got) {
        for c in 0..4 {
            let (want, magnitude) = rules.value(&texels, *p, 0, c);
            assert!(near(got[c], want, magnitude), "{p:?}");
        }
    }
    // What CUDA rejects.
    let mut bad = CUtexObject(0);
    r.pitchInBytes = 48;
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut bad).into(), (&r).into(), (&d).into(), In::NULL));
    r.pitchInBytes = 32;
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut bad).into(), (&r).into(), (&d).into(), In::NULL));
    r.pitchInBytes = 64;
    r.address += 32;
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut bad).into(), (&r).into(), (&d).into(), In::NULL));
    r.address -= 32;
    r.height = 7;
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut bad).into(), (&r).into(), (&d).into(), In::NULL));
    r.height = 6;
    r.resType = 4;
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut bad).into(), (&r).into(), (&d).into(), In::NULL));
}

#[test]
fn colours_gathers_offsets_and_halves() {
    setup();
    let _ctx = Ctx::new(0);
    // sRGB: three components are made linear before they are filtered, the fourth is not.
    let texels = Texels { format: U8, channels: 4, size: [2, 1, 1], bits: vec![0, 10, 200, 128, 255, 64, 11, 3] };
    let array1 = array(&texels, 1, 0);
    let object = texture(&resource(array1), &CUDA_TEXTURE_DESC { addressMode: [1; 3], filterMode: 1, flags: SRGB, ..CUDA_TEXTURE_DESC::default() });
    let program = Program::new("", "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}|%p1, [%object, {%c0}]; selp.b32 %e0, 1, 0, %p1;");
    let got = program.run(object.0, &[row(&[f(0.5)]), row(&[f(1.25)])]);
    let linear = |v: u32| { let c = f64::from(v) / 255.0; if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) } };
    for c in 0..4 {
        let at = |i: usize| if c < 3 { linear(texels.bits[4 * i + c]) } else { f64::from(texels.bits[4 * i + c]) / 255.0 };
        assert!(near(got[0][c], at(0), 1.0));
        assert!(near(got[1][c], 0.25 * at(0) + 0.75 * at(1), 1.0));
    }
    // Gathers: counter-clockwise from the lower left, for each component.
    let texels = Texels::random(S16, 4, [6, 5, 1], 77);
    let array2 = array(&texels, 2, 8);
    let object = texture(&resource(array2), &CUDA_TEXTURE_DESC { addressMode: [1; 3], flags: READ_AS_INTEGER, ..CUDA_TEXTURE_DESC::default() });
    let mut random = Random(3);
    let points: Vec<[f32; 2]> = (0..40).map(|_| [random.real(-1.0, 7.0), random.real(-1.0, 6.0)]).collect();
    for (c, name) in ["r", "g", "b", "a"].into_iter().enumerate() {
        let program = Program::new("", &format!("tld4.{name}.2d.v4.s32.f32 {{%d0, %d1, %d2, %d3}}, [%object, {{%c0, %c1}}];"));
        let got = program.run(object.0, &points.iter().map(|p| row(&[f(p[0]), f(p[1])])).collect::<Vec<_>>());
        for (p, got) in points.iter().zip(got) {
            let (i, j) = ((p[0] - 0.5).floor() as i64, (p[1] - 0.5).floor() as i64);
            let at = |x: i64, y: i64| texels.integer([x.clamp(0, 5) as usize, y.clamp(0, 4) as usize, 0], c);
            assert_eq!(got, [at(i, j + 1), at(i + 1, j + 1), at(i + 1, j), at(i, j)], "{p:?} {name}");
        }
    }
    // Offsets count texels, before the address mode.
    let texels = Texels::random(F32, 1, [8, 8, 1], 9);
    let array3 = array(&texels, 2, 0);
    for (mode, normalized) in [(WRAP, true), (CLAMP, false), (BORDER, true)] {
        let d = CUDA_TEXTURE_DESC { addressMode: [mode; 3], flags: if normalized { NORMALIZED } else { 0 }, ..CUDA_TEXTURE_DESC::default() };
        let object = texture(&resource(array3), &d);
        let program = Program::new("", "tex.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}], {%e0, %e1};");
        let scale = if normalized { 8.0 } else { 1.0 };
        let cases: Vec<[i32; 4]> = (0..64).map(|_| [random.next() as i32 % 8, random.next() as i32 % 8, random.next() as i32 % 16 - 8, random.next() as i32 % 16 - 8]).collect();
        let got = program.run(object.0, &cases.iter().map(|c| row(&[f((c[0] as f32 + 0.5) / scale), f((c[1] as f32 + 0.5) / scale), 0, 0, c[2] as u32, c[3] as u32])).collect::<Vec<_>>());
        for (c, got) in cases.iter().zip(got) {
            let at = [index(mode, normalized, i64::from(c[0] + c[2]), 8), index(mode, normalized, i64::from(c[1] + c[3]), 8)];
            let want = if let [Some(x), Some(y)] = at { texels.integer([x, y, 0], 0) } else { 0 };
            assert_eq!(got[0], want, "{c:?}, mode {mode}");
        }
    }
    // Results as halves, alone and in pairs; a guard leaves registers alone.
    let texels = Texels::random(F32, 4, [4, 4, 1], 10);
    let array4 = array(&texels, 2, 0);
    let object = texture(&resource(array4), &CUDA_TEXTURE_DESC::default());
    let pairs = Program::new("", "tex.2d.v2.f16x2.f32 {%d0, %d1}, [%object, {%c0, %c1}];
        tex.2d.v4.f16.f32 {%h0, %h1, %h2, %h3}, [%object, {%c0, %c1}]; mov.b32 %d2, {%h0, %h1}; mov.b32 %d3, {%h2, %h3};");
    let guarded = Program::new("", "mov.b32 %d0, 77; mov.b32 %d1, 78; setp.lt.u32 %p1, %t2, 7; @%p1 tex.2d.v4.f32.s32 {%d0, _, %d1, _}, [%object, {%c0, %c1}];");
    let rows: Vec<[u32; 12]> = (0..16).map(|i| row(&[f((i % 4) as f32), f((i / 4) as f32)])).collect();
    for (i, got) in pairs.run(object.0, &rows).into_iter().enumerate() {
        let half = |c: usize| u32::from(f16::from_f32(f32::from_bits(texels.integer([i % 4, i / 4, 0], c))).to_bits());
        let want = [half(0) | half(1) << 16, half(2) | half(3) << 16];
        assert_eq!(got, [want[0], want[1], want[0], want[1]]);
    }
    let rows: Vec<[u32; 12]> = (0..16).map(|i| row(&[i % 4, i / 4])).collect();
    for (i, got) in guarded.run(object.0, &rows).into_iter().enumerate() {
        let want = if i < 7 { [texels.integer([i % 4, i / 4, 0], 0), texels.integer([i % 4, i / 4, 0], 2)] } else { [77, 78] };
        assert_eq!(got[..2], want, "{i}");
    }
}

#[test]
fn queries() {
    setup();
    let _ctx = Ctx::new(0);
    let texels = Texels::random(U16, 2, [11, 7, 3], 1);
    let volume = array(&texels, 3, 2);
    let layers = array(&texels, 2, 1);
    let d = CUDA_TEXTURE_DESC { addressMode: [0, 1, 2], filterMode: 1, flags: NORMALIZED, ..CUDA_TEXTURE_DESC::default() };
    let (volume_texture, layered_texture) = (texture(&resource(volume), &d), texture(&resource(layers), &d));
    let ask = |object: u64, what: &str| Program::new("", &format!("{what}.b32 %d0, [%object];")).run(object, &[row(&[])])[0][0];
    for (what, want) in [("width", 11), ("height", 7), ("depth", 3), ("array_size", 0), ("num_mipmap_levels", 1), ("num_samples", 1), ("normalized_coords", 1),
        ("filter_mode", 1), ("addr_mode_0", 0), ("addr_mode_1", 1), ("addr_mode_2", 2), ("channel_data_type", 0x10d3), ("channel_order", 0x10b2)] {
        assert_eq!(ask(volume_texture.0, &format!("txq.{what}")), want, "{what}");
    }
    assert_eq!((ask(layered_texture.0, "txq.array_size"), ask(layered_texture.0, "txq.depth")), (3, 0));
    let s = surface(volume);
    for (what, want) in [("width", 11), ("height", 7), ("depth", 3), ("array_size", 0), ("channel_data_type", 0x10db), ("channel_order", 0x10b2), ("memory_layout", 0)] {
        assert_eq!(ask(s.0, &format!("suq.{what}")), want, "{what}");
    }
    let (mip, _) = mipmap(4);
    let r = CUDA_RESOURCE_DESC { resType: 1, address: mip.0, ..CUDA_RESOURCE_DESC::default() };
    let m = texture(&r, &CUDA_TEXTURE_DESC { flags: NORMALIZED, ..CUDA_TEXTURE_DESC::default() });
    assert_eq!(ask(m.0, "txq.num_mipmap_levels"), 4);
    let of_level = Program::new("", "txq.level.width.b32 %d0, [%object], %c0; txq.level.height.b32 %d1, [%object], %c0;");
    let got = of_level.run(m.0, &[row(&[0]), row(&[1]), row(&[3])]);
    assert_eq!(got.iter().map(|g| [g[0], g[1]]).collect::<Vec<_>>(), [[16, 8], [8, 4], [2, 1]]);
    let kinds = Program::new("", "istypep.texref %p1, %object; istypep.surfref %p2, %object; istypep.samplerref %p3, %object;
        selp.b32 %d0, 1, 0, %p1; selp.b32 %d1, 1, 0, %p2; selp.b32 %d2, 1, 0, %p3;");
    assert_eq!(kinds.run(m.0, &[row(&[])])[0], [1, 0, 0, 0]);
    assert_eq!(kinds.run(s.0, &[row(&[])])[0], [0, 1, 0, 0]);
    assert_eq!(kinds.run(12345, &[row(&[])])[0], [0, 0, 0, 0]);
}

#[test]
fn wrong_objects_are_faults_that_say_what_is_wrong() {
    setup();
    let texels = Texels::random(F32, 1, [4, 4, 1], 1);
    let body = "tex.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}];";
    let sample = |object: CUtexObject| Program::new("", body).try_run(object.0, &[row(&[])]).unwrap_err();
    {
        let _ctx = Ctx::new(0);
        assert_eq!(sample(CUtexObject(0x1234)), CUresult::ILLEGAL_ADDRESS);
        assert!(report().contains("0x1234 is the handle of no live texture"), "{}", report());
    }
    {
        let _ctx = Ctx::new(0);
        let array = array(&texels, 2, 0);
        let object = texture(&resource(array), &CUDA_TEXTURE_DESC::default());
        ok!(cuArrayDestroy(array));
        assert_eq!(sample(object), CUresult::ILLEGAL_ADDRESS);
        assert!(report().contains("the array of this texture was destroyed"), "{}", report());
    }
    {
        let _ctx = Ctx::new(0);
        let line = Texels::random(F32, 1, [4, 1, 1], 1);
        let object = texture(&resource(array(&line, 1, 0)), &CUDA_TEXTURE_DESC::default());
        assert_eq!(sample(object), CUresult::ILLEGAL_INSTRUCTION);
        assert!(report().contains("a 1d texture is read by a 2d instruction"), "{}", report());
    }
    {
        let _ctx = Ctx::new(0);
        // At the end of a large allocation: the other tests' threads take what is freed from its beginning.
        let rows = alloc(64 << 20);
        let r = CUDA_RESOURCE_DESC { resType: 3, address: rows.0 + (64 << 20) - 4096, format: F32, numChannels: 1, size: 16, height: 16, pitchInBytes: 64, ..CUDA_RESOURCE_DESC::default() };
        let object = texture(&r, &CUDA_TEXTURE_DESC::default());
        ok!(cuMemFree_v2(rows));
        // The kernel's own buffers may lie where the texture was: a large one takes the place of none of its rows.
        assert_eq!(Program::new("", body).try_run(object.0, &[row(&[f(15.0), f(15.0)])]).unwrap_err(), CUresult::ILLEGAL_ADDRESS);
        assert!(report().contains("texture read at"), "{}", report());
    }
    // An object of another context is none of this one.
    let _first = Ctx::new(0);
    let object = texture(&resource(array(&texels, 2, 0)), &CUDA_TEXTURE_DESC::default());
    {
        let _second = Ctx::new(0);
        assert_eq!(sample(object), CUresult::ILLEGAL_ADDRESS);
    }
}

#[test]
fn objects_are_checked_when_made_and_read_back() {
    setup();
    let _ctx = Ctx::new(0);
    let texels = Texels::random(U8, 1, [4, 4, 1], 1);
    let a = array(&texels, 2, 0);
    let r = resource(a);
    let mut object = CUtexObject(0);
    let mut refused = |d: CUDA_TEXTURE_DESC| gives!(INVALID_VALUE, cuTexObjectCreate((&mut object).into(), (&r).into(), (&d).into(), In::NULL));
    refused(CUDA_TEXTURE_DESC { addressMode: [4, 0, 0], ..CUDA_TEXTURE_DESC::default() });
    refused(CUDA_TEXTURE_DESC { filterMode: 2, ..CUDA_TEXTURE_DESC::default() });
    refused(CUDA_TEXTURE_DESC { flags: 0x1000, ..CUDA_TEXTURE_DESC::default() });
    // Integers cannot be filtered.
    refused(CUDA_TEXTURE_DESC { filterMode: 1, flags: READ_AS_INTEGER, ..CUDA_TEXTURE_DESC::default() });
    gives!(INVALID_VALUE, cuTexObjectCreate((&mut object).into(), (&r).into(), In::NULL, In::NULL));
    let none = resource(CUarray(0x99));
    let d = CUDA_TEXTURE_DESC { maxAnisotropy: 3, filterMode: 1, ..CUDA_TEXTURE_DESC::default() };
    gives!(INVALID_HANDLE, cuTexObjectCreate((&mut object).into(), (&none).into(), (&d).into(), In::NULL));
    let t = texture(&r, &d);
    let mut back = CUDA_TEXTURE_DESC::default();
    ok!(cuTexObjectGetTextureDesc((&mut back).into(), t));
    assert_eq!((back.maxAnisotropy, back.filterMode), (3, 1));
    let mut back = CUDA_RESOURCE_DESC::default();
    ok!(cuTexObjectGetResourceDesc((&mut back).into(), t));
    assert_eq!((back.resType, back.address), (0, a.0));
    let mut view = CUDA_RESOURCE_VIEW_DESC::default();
    gives!(INVALID_VALUE, cuTexObjectGetResourceViewDesc((&mut view).into(), t));
    // No surface of an array that was not made for it.
    let mut s = CUsurfObject(0);
    gives!(INVALID_VALUE, cuSurfObjectCreate((&mut s).into(), (&r).into()));
    ok!(cuTexObjectDestroy(t));
    gives!(INVALID_VALUE, cuTexObjectDestroy(t));
}

#[test]
fn what_is_not_supported_is_refused_with_its_line() {
    setup();
    let _ctx = Ctx::new(0);
    for (head, body, reason) in [
        (".global .samplerref smp;", "tex.2d.v4.f32.f32 {%d0, _, _, _}, [%object, smp, {%c0, %c1}];", "independent texturing mode"),
        ("", "tex.2dms.v4.f32.s32 {%d0, _, _, _}, [%object, {%c0, %c1, %c2, %c3}];", "multi-sample"),
        ("", "tex.2d.v4.f32.f32 {%d0, _, _, _}, [%object, {%c0, %c1}], {%e0, %e1}, %e2;", "depth comparison"),
        (".global .texref old = {addr_mode_0 = wrap, filter_mode = linear};", "tex.2d.v4.f32.f32 {%d0, _, _, _}, [old, {%c0, %c1}];", "initial properties of the reference old"),
    ] {
        let text = std::ffi::CString::new(program(head, body)).unwrap();
        let (mut module, mut function) = (CUmodule(0), CUfunction(0));
        ok!(cuModuleLoadData((&mut module).into(), Host(text.as_ptr() as u64)));
        gives!(NOT_SUPPORTED, cuModuleGetFunction((&mut function).into(), module, Text(c"k".as_ptr())));
        let line = text.to_str().unwrap().lines().position(|l| l.contains("tex.2d")).unwrap() + 1;
        let all = report();
        assert!(all.lines().any(|l| l.contains(reason) && l.contains(&format!("line {line}"))), "{reason}, line {line}: {all}");
    }
}

#[test]
fn references_of_modules() {
    setup();
    let ctx = Ctx::new(0);
    let head = ".global .texref image;\n.tex .u32 old;\n.visible .global .surfref canvas;";
    let program = Program::new(head, "
        tex.2d.v4.f32.f32 {%d0, _, _, _}, [image, {%c0, %c1}];
        mov.u64 %q0, image;
        tex.2d.v4.f32.f32 {%d1, _, _, _}, [%q0, {%c1, %c0}];
        suld.b.2d.b32.zero {%d2}, [canvas, {%e0, %e1}];
        add.u32 %t3, %d2, 1;
        sust.b.2d.b32.zero [canvas, {%e0, %e1}], {%t3};
        istypep.texref %p1, %q0;
        selp.b32 %d3, 1, 0, %p1;");
    let text = |s: &'static std::ffi::CStr| Text(s.as_ptr());
    let (mut image, mut again, mut canvas) = (CUtexref(0), CUtexref(0), CUsurfref(0));
    ok!(cuModuleGetTexRef((&mut image).into(), program.module, text(c"image")));
    ok!(cuModuleGetTexRef((&mut again).into(), program.module, text(c"image")));
    assert_eq!(image, again);
    ok!(cuModuleGetTexRef((&mut again).into(), program.module, text(c"old")));
    assert_ne!(image, again);
    gives!(NOT_FOUND, cuModuleGetTexRef((&mut again).into(), program.module, text(c"canvas")));
    gives!(NOT_FOUND, cuModuleGetTexRef((&mut again).into(), program.module, text(c"nothing")));
    ok!(cuModuleGetSurfRef((&mut canvas).into(), program.module, text(c"canvas")));
    let (mut at, mut size) = (CUdeviceptr(0), 0usize);
    gives!(NOT_FOUND, cuModuleGetGlobal_v2((&mut at).into(), (&mut size).into(), program.module, text(c"image")));

    let texels = Texels::random(U8, 1, [5, 4, 1], 4);
    let a = array(&texels, 2, 0);
    let target = create(CUDA_ARRAY3D_DESCRIPTOR { Width: 8, Height: 2, Depth: 0, Format: U32, NumChannels: 1, Flags: 2 });
    let numbers: Vec<u32> = (100..116).collect();
    fill(target, &numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>(), 4, [8, 2, 1]);
    gives!(INVALID_VALUE, cuTexRefSetArray(image, a, 0));
    ok!(cuTexRefSetArray(image, a, 1));
    for dim in 0..2 {
        ok!(cuTexRefSetAddressMode(image, dim, CLAMP));
    }
    gives!(INVALID_VALUE, cuTexRefSetAddressMode(image, 3, CLAMP));
    ok!(cuTexRefSetFilterMode(image, 1));
    ok!(cuTexRefSetFlags(image, 0));
    gives!(INVALID_VALUE, cuSurfRefSetArray(canvas, a, 0));
    ok!(cuSurfRefSetArray(canvas, target, 0));
    let rows: Vec<[u32; 12]> = (0..16).map(|i| row(&[f(i as f32 / 3.0), f(i as f32 / 5.0), 0, 0, i % 8 * 4, i / 8])).collect();
    let rules = Rules { dims: 2, modes: [CLAMP; 3], normalized: false, linear: true, border: [0.0; 4] };
    for (i, got) in program.run(0, &rows).into_iter().enumerate() {
        let (x, y) = (i as f32 / 3.0, i as f32 / 5.0);
        for (got, p) in [(got[0], [x, y, 0.0]), (got[1], [y, x, 0.0])] {
            let (want, magnitude) = rules.value(&texels, p, 0, 0);
            assert!(near(got, want, magnitude), "{p:?}");
        }
        assert_eq!(got[2..], [100 + i as u32, 1]);
    }
    let after: Vec<u32> = read(target, 4, [8, 2, 1]).chunks(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(after, (101..117).collect::<Vec<u32>>());

    // What was set is given back.
    let (mut mode, mut flags, mut format, mut channels, mut found, mut surface_array) = (9u32, 9u32, 0u32, 0i32, CUarray(0), CUarray(0));
    ok!(cuTexRefGetAddressMode((&mut mode).into(), image, 1));
    ok!(cuTexRefGetFlags((&mut flags).into(), image));
    ok!(cuTexRefGetFormat((&mut format).into(), (&mut channels).into(), image));
    ok!(cuTexRefGetArray((&mut found).into(), image));
    ok!(cuSurfRefGetArray((&mut surface_array).into(), canvas));
    assert_eq!((mode, flags, format, channels, found, surface_array), (CLAMP, 0, U8, 1, a, target));

    // Linear memory, with the offset of an address that is not aligned.
    let fetch = Program::new(".global .texref line;", "tex.1d.v4.s32.s32 {%d0, _, _, _}, [line, {%c0}];");
    let mut line = CUtexref(0);
    ok!(cuModuleGetTexRef((&mut line).into(), fetch.module, text(c"line")));
    let data: Vec<i32> = (0..300).map(|i| 5 - i).collect();
    let p = upload(&data);
    ok!(cuTexRefSetFormat(line, S32, 1));
    ok!(cuTexRefSetFlags(line, READ_AS_INTEGER));
    let mut offset = 0usize;
    gives!(INVALID_VALUE, cuTexRefSetAddress_v2(Out::NULL, line, CUdeviceptr(p.0 + 40), 400));
    ok!(cuTexRefSetAddress_v2((&mut offset).into(), line, CUdeviceptr(p.0 + 40), 400));
    assert_eq!(offset, 40);
    let got = fetch.run(0, &[row(&[10]), row(&[109]), row(&[110])]);
    assert_eq!([got[0][0] as i32, got[1][0] as i32, got[2][0] as i32], [-5, -104, 0]);

    // Nothing bound is a fault.
    let unbound = Program::new(".global .texref line;", "tex.1d.v4.s32.s32 {%d0, _, _, _}, [line, {%c0}];");
    assert_eq!(unbound.try_run(0, &[row(&[1])]).unwrap_err(), CUresult::ILLEGAL_ADDRESS);
    assert!(report().contains("nothing is bound to the texture reference"));
    drop(ctx);
}
