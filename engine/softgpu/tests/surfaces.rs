//! Surface instructions: loads, stores and reductions of all sizes, and accesses outside.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
mod sampling;
use common::*;
use sampling::*;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "256");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", std::env::temp_dir().join(format!("softgpu-surfaces-{}", std::process::id())));
    });
}

fn report() -> String {
    std::fs::read_to_string(std::env::temp_dir().join(format!("softgpu-surfaces-{}", std::process::id()))).unwrap_or_default()
}

/// A surface of bytes with these sizes, as a geometry needs it.
fn canvas(geometry: &str, width: usize) -> (CUarray, [usize; 3], Vec<u8>) {
    let (size, d) = match geometry {
        "1d" => ([width, 1, 1], (0, 0, 2)),
        "2d" => ([width, 6, 1], (6, 0, 2)),
        "3d" => ([width, 6, 4], (6, 4, 2)),
        "a1d" => ([width, 1, 4], (0, 4, 3)),
        _ => ([width, 6, 4], (6, 4, 3)),
    };
    let array = create(CUDA_ARRAY3D_DESCRIPTOR { Width: width, Height: d.0, Depth: d.1, Format: U8, NumChannels: 1, Flags: d.2 });
    let mut random = Random(width as u64);
    let bytes: Vec<u8> = (0..size.iter().product::<usize>()).map(|_| random.next() as u8).collect();
    fill(array, &bytes, 1, size);
    (array, size, bytes)
}

fn place(geometry: &str) -> &'static str {
    match geometry {
        "1d" => "{%c0}",
        "2d" => "{%c0, %c1}",
        "3d" => "{%c0, %c1, %c2, %c2}",
        "a1d" => "{%c2, %c0}",
        _ => "{%c2, %c0, %c1, %c1}",
    }
}

const GEOMETRIES: [&str; 5] = ["1d", "2d", "3d", "a1d", "a2d"];

#[test]
fn loads_and_stores_of_all_sizes() {
    setup();
    let _ctx = Ctx::new(0);
    for geometry in GEOMETRIES {
        for (bits, count) in [(8, 1), (16, 1), (32, 1), (64, 1), (8, 2), (16, 2), (32, 2), (64, 2), (8, 4), (16, 4), (32, 4)] {
            let len = bits / 8 * count;
            let (array, size, before) = canvas(geometry, 64);
            let target = create(CUDA_ARRAY3D_DESCRIPTOR {
                Width: 64, Height: if size[1] > 1 { 6 } else { 0 }, Depth: if size[2] > 1 { 4 } else { 0 }, Format: U8, NumChannels: 1,
                Flags: if geometry.starts_with('a') { 3 } else { 2 },
            });
            let vector = match count {
                1 => "",
                2 => ".v2",
                _ => ".v4",
            };
            let class = match bits {
                8 | 16 => "%h",
                32 => "%t",
                _ => "%q",
            };
            // %t0 to %t2 hold the thread's numbers, %q is free.
            let first = if class == "%t" { 3 } else { 0 };
            let list = (first..first + count).map(|k| format!("{class}{k}")).collect::<Vec<_>>().join(", ");
            let at = place(geometry);
            let program = Program::new("", &format!(
                "mov.b64 %in, {{%e0, %e1}};
                suld.b.{geometry}{vector}.b{bits}.trap {{{list}}}, [%object, {at}];
                sust.b.{geometry}{vector}.b{bits}.trap [%in, {at}], {{{list}}};"
            ));
            let (from, to) = (surface(array), surface(target));
            let mut rows = Vec::new();
            for z in 0..size[2] {
                for y in 0..size[1] {
                    for x in (0..64).step_by(len) {
                        rows.push(row(&[x as u32, y as u32, z as u32, 0, to.0 as u32, (to.0 >> 32) as u32]));
                    }
                }
            }
            program.run(from.0, &rows);
            assert_eq!(read(target, 1, size), before, "{geometry} b{bits} x {count}");
            for object in [from, to] {
                ok!(cuSurfObjectDestroy(object));
            }
            ok!(cuArrayDestroy(array));
            ok!(cuArrayDestroy(target));
        }
    }
}

#[test]
fn outside_of_the_surface() {
    setup();
    for geometry in GEOMETRIES {
        let _ctx = Ctx::new(0);
        let (array, size, before) = canvas(geometry, 32);
        let s = surface(array);
        let at = place(geometry);
        let word = |x: i64, y: i64, z: i64| {
            let at = ((z as usize * size[1] + y as usize) * size[0]) + x as usize;
            u32::from_le_bytes(before[at..at + 4].try_into().unwrap())
        };
        let places: Vec<[i64; 3]> = vec![[0, 0, 0], [28, 0, 0], [32, 0, 0], [-4, 0, 0], [4000, 0, 0], [8, -1, 0], [8, 6, 0], [8, 0, -1], [8, 0, 4], [8, 5, 3], [-4, 9, 9]];
        // Coordinates that the geometry does not have are zero.
        let dims: &[usize] = match geometry {
            "1d" => &[0],
            "2d" => &[0, 1],
            "a1d" => &[0, 2],
            _ => &[0, 1, 2],
        };
        let places: Vec<[i64; 3]> = places.into_iter().map(|p| [0, 1, 2].map(|k| if dims.contains(&k) { p[k] } else { 0 })).collect();
        let rows: Vec<[u32; 12]> = places.iter().map(|p| row(&[p[0] as u32, p[1] as u32, p[2] as u32])).collect();
        let inside = |p: &[i64; 3]| (0..=28).contains(&p[0]) && (0..size[1] as i64).contains(&p[1]) && (0..size[2] as i64).contains(&p[2]);
        let clamped = |p: &[i64; 3]| [p[0].clamp(0, 28), p[1].clamp(0, size[1] as i64 - 1), p[2].clamp(0, size[2] as i64 - 1)];
        let zero = Program::new("", &format!("mov.b32 %d0, 9; suld.b.{geometry}.b32.zero {{%d0}}, [%object, {at}];")).run(s.0, &rows);
        let clamp = Program::new("", &format!("suld.b.{geometry}.b32.clamp {{%d0}}, [%object, {at}];")).run(s.0, &rows);
        for ((p, zero), clamp) in places.iter().zip(zero).zip(clamp) {
            assert_eq!(zero[0], if inside(p) { word(p[0], p[1], p[2]) } else { 0 }, "{geometry} {p:?}");
            let [x, y, z] = clamped(p);
            assert_eq!(clamp[0], word(x, y, z), "{geometry} {p:?}");
        }
        // Stores outside vanish, or go to the nearest place.
        let mut model = before.clone();
        let mut put = |[x, y, z]: [i64; 3], value: u32| {
            let at = ((z as usize * size[1] + y as usize) * size[0]) + x as usize;
            model[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        put([28, 0, 0], 0xabcd);
        put(clamped(&[99, 99, 99]), 0x1234);
        let store = |mode: &str, value: u32, p: [u32; 3]| {
            Program::new("", &format!("mov.b32 %d0, {value}; sust.b.{geometry}.b32.{mode} [%object, {at}], {{%d0}};")).run(s.0, &[row(&p)]);
        };
        store("zero", 0xabcd, [28, 0, 0]);
        store("zero", 0xeeee, [32, 0, 0]);
        store("zero", 0xeeee, [-4i32 as u32, 0, 0]);
        store("clamp", 0x1234, [99, 99, 99].map(|n| n / 4 * 4));
        assert_eq!(read(array, 1, size), model, "{geometry}");
        // Off the element's alignment, and outside where that ends the kernel.
        let load = Program::new("", &format!("suld.b.{geometry}.b32.trap {{%d0}}, [%object, {at}];"));
        assert_eq!(load.try_run(s.0, &[row(&[32, 0, 0])]).unwrap_err(), CUresult::LAUNCH_FAILED);
        assert!(report().contains("surface access of 4 bytes at [32, 0, 0]"), "{}", report());
        gives!(LAUNCH_FAILED, cuCtxSynchronize());
    }
    let _ctx = Ctx::new(0);
    let (array, ..) = canvas("2d", 32);
    let load = Program::new("", "suld.b.2d.b32.zero {%d0}, [%object, {%c0, %c1}];");
    assert_eq!(load.try_run(surface(array).0, &[row(&[2, 0])]).unwrap_err(), CUresult::MISALIGNED_ADDRESS);
}

#[test]
fn formatted_stores_convert() {
    setup();
    let _ctx = Ctx::new(0);
    let values = [0u32, 1, 200, 300, 70_000, -1i32 as u32, -200i32 as u32, i32::MIN as u32];
    for (format, floats) in [(U8, false), (S8, false), (U16, false), (S16, false), (U32, false), (S32, false), (F16, true), (F32, true)] {
        let array = create(CUDA_ARRAY3D_DESCRIPTOR { Width: 8, Height: 2, Depth: 0, Format: format, NumChannels: 2, Flags: 2 });
        let program = Program::new("", "sust.p.2d.v4.b32.trap [%object, {%c0, %c1}], {%e0, %e1, %e2, %e3};");
        let value = |k: usize| if floats { (values[k] as i32 as f32 / 3.0).to_bits() } else { values[k] };
        let rows: Vec<[u32; 12]> = (0..8).map(|k| row(&[k as u32, 1, 0, 0, value(k), value(7 - k), 5, 6])).collect();
        program.run(surface(array).0, &rows);
        let n = channel_bytes(format);
        let bytes = read(array, 2 * n, [8, 2, 1]);
        assert!(bytes[..16 * n].iter().all(|b| *b == 0), "the first row is untouched");
        for k in 0..8 {
            for (c, v) in [value(k), value(7 - k)].into_iter().enumerate() {
                let signed = v as i32;
                let want = match format {
                    U8 => v.min(0xff),
                    U16 => v.min(0xffff),
                    S8 => signed.clamp(-128, 127) as u32,
                    S16 => signed.clamp(-32768, 32767) as u32,
                    F16 => u32::from(half::f16::from_f32(f32::from_bits(v)).to_bits()),
                    _ => v,
                };
                let at = 16 * n + (2 * k + c) * n;
                assert_eq!(bytes[at..at + n], want.to_le_bytes()[..n], "format {format:#x}, {k}, {c}");
            }
        }
    }
}

#[test]
fn reductions() {
    setup();
    let _ctx = Ctx::new(0);
    let start = [100i64, -100];
    let apply = |op: &str, ty: &str, a: u64, b: u64| -> u64 {
        let wide = ty.ends_with("64");
        let mask = if wide { u64::MAX } else { 0xffff_ffff };
        let signed = |v: u64| if wide { v as i64 } else { i64::from(v as u32 as i32) };
        mask & match (op, ty.starts_with('s')) {
            ("add", _) => a.wrapping_add(b),
            ("and", _) => a & b,
            ("or", _) => a | b,
            ("min", true) => signed(a).min(signed(b)) as u64,
            ("max", true) => signed(a).max(signed(b)) as u64,
            ("min", false) => (a & mask).min(b & mask),
            _ => (a & mask).max(b & mask),
        }
    };
    for (op, ty) in [("add", "u32"), ("add", "s32"), ("add", "u64"), ("min", "u32"), ("max", "u32"), ("min", "s32"), ("max", "s32"), ("and", "b32"), ("or", "b32")] {
        let width = if ty.ends_with("64") { 8 } else { 4 };
        let array = create(CUDA_ARRAY3D_DESCRIPTOR { Width: 2 * width / 4, Height: 2, Depth: 0, Format: U32, NumChannels: 1, Flags: 2 });
        let mut bytes = Vec::new();
        for value in [start[0], start[1], start[1], start[0]] {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        fill(array, &bytes, 4, [2 * width / 4, 2, 1]);
        let source = if width == 8 { "mov.b64 %q0, {%e0, %e1};" } else { "" };
        let register = if width == 8 { "%q0" } else { "%e0" };
        let program = Program::new("", &format!("{source} sured.b.{op}.2d.{ty}.trap [%object, {{%c0, %c1}}], {register};"));
        let values = [7u64, -7i64 as u64, 1 << 31, 12345];
        let rows: Vec<[u32; 12]> = (0..64).map(|k| {
            let v = values[k / 4 % 4];
            row(&[(k % 2 * width) as u32, (k / 2 % 2) as u32, 0, 0, v as u32, (v >> 32) as u32])
        }).collect();
        program.run(surface(array).0, &rows);
        let mut want = [start[0], start[1], start[1], start[0]].map(|v| if width == 8 { v as u64 } else { u64::from(v as u32) });
        for k in 0..64 {
            want[k % 4] = apply(op, ty, want[k % 4], values[k / 4 % 4]);
        }
        let got = read(array, 4, [2 * width / 4, 2, 1]);
        for (k, w) in want.iter().enumerate() {
            assert_eq!(got[k * width..][..width], w.to_le_bytes()[..width], "{op} {ty} {k}");
        }
        // By element.
        if width == 4 && ty.ends_with("32") && op != "add" {
            let kind = if ty == "b32" { "b32" } else { ty };
            let program = Program::new("", &format!("sured.p.{op}.2d.{kind}.trap [%object, {{%c0, %c1}}], %e0;"));
            program.run(surface(array).0, &[row(&[1, 1, 0, 0, 0x55])]);
            let got = read(array, 4, [2, 2, 1]);
            assert_eq!(got[12..], (apply(op, ty, want[3], 0x55) as u32).to_le_bytes());
        }
    }
}

#[test]
fn faces_of_cubes_are_layers_of_surfaces() {
    setup();
    let _ctx = Ctx::new(0);
    let array = create(CUDA_ARRAY3D_DESCRIPTOR { Width: 4, Height: 4, Depth: 12, Format: U32, NumChannels: 1, Flags: 7 });
    let program = Program::new("", "mad.lo.u32 %d0, %c2, 100, %c0; mad.lo.u32 %d0, %c1, 10, %d0; sust.b.a2d.b32.trap [%object, {%c2, %c0, %c1, %c1}], {%d0};");
    let mut rows = Vec::new();
    for z in 0..12 {
        for y in 0..4 {
            for x in 0..4 {
                rows.push(row(&[x * 4, y, z]));
            }
        }
    }
    program.run(surface(array).0, &rows);
    let want: Vec<u32> = (0..12).flat_map(|z| (0..4).flat_map(move |y| (0..4).map(move |x| z * 100 + y * 10 + x * 4))).collect();
    let got: Vec<u32> = read(array, 4, [4, 4, 12]).chunks(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(got, want);
}
