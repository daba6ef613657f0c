//! Arrays filled with known texels, kernels that run one texture or surface instruction a thread, and the sampling rules of the
//! programming guide written down a second time.
#![allow(dead_code, clippy::undocumented_unsafe_blocks)]
use crate::common::*;
use crate::ok;
use half::f16;
use std::ffi::CString;

pub const U8: u32 = 1;
pub const U16: u32 = 2;
pub const U32: u32 = 3;
pub const S8: u32 = 8;
pub const S16: u32 = 9;
pub const S32: u32 = 10;
pub const F16: u32 = 0x10;
pub const F32: u32 = 0x20;
pub const FORMATS: [u32; 8] = [U8, U16, U32, S8, S16, S32, F16, F32];

pub const WRAP: u32 = 0;
pub const CLAMP: u32 = 1;
pub const MIRROR: u32 = 2;
pub const BORDER: u32 = 3;

/// A generator of numbers that every run repeats.
pub struct Random(pub u64);
impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32
    }
    /// From `low` to `high`, in steps that are no halves of 256ths of anything small.
    pub fn real(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() as f32 / (1u32 << 31) as f32)
    }
}

pub fn channel_bytes(format: u32) -> usize {
    match format {
        U8 | S8 => 1,
        U16 | S16 | F16 => 2,
        _ => 4,
    }
}

/// The bits of one component of texel data, as its type stores them.
pub fn component(format: u32, random: &mut Random) -> u32 {
    let bits = random.next();
    match format {
        F16 => u32::from(f16::from_f32(bits as f32 / 1e9 - 1.0).to_bits()),
        F32 => (bits as f32 / 1e8 - 10.0).to_bits(),
        U8 | S8 => bits & 0xff,
        U16 | S16 => bits & 0xffff,
        _ => bits,
    }
}

/// Texels with their sizes: x fastest, then y, then z (or layers).
pub struct Texels {
    pub format: u32,
    pub channels: usize,
    pub size: [usize; 3],
    pub bits: Vec<u32>,
}

impl Texels {
    pub fn random(format: u32, channels: usize, size: [usize; 3], seed: u64) -> Texels {
        let mut random = Random(seed);
        let count = size.iter().product::<usize>() * channels;
        Texels { format, channels, size, bits: (0..count).map(|_| component(format, &mut random)).collect() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let n = channel_bytes(self.format);
        self.bits.iter().flat_map(|b| b.to_le_bytes()[..n].to_vec()).collect()
    }

    pub fn element(&self) -> usize {
        channel_bytes(self.format) * self.channels
    }

    /// A component as registers hold integers.
    pub fn integer(&self, at: [usize; 3], c: usize) -> u32 {
        let bits = self.bits[((at[2] * self.size[1] + at[1]) * self.size[0] + at[0]) * self.channels + c];
        match self.format {
            S8 => bits as u8 as i8 as u32,
            S16 => bits as u16 as i16 as u32,
            _ => bits,
        }
    }

    /// A component as a number: 8 and 16 bits of integers stand for 0 to 1 or -1 to 1.
    pub fn real(&self, at: [usize; 3], c: usize) -> f64 {
        let bits = self.integer(at, c);
        match self.format {
            U8 => f64::from(bits) / 255.0,
            U16 => f64::from(bits) / 65535.0,
            S8 => (f64::from(bits as i32) / 127.0).max(-1.0),
            S16 => (f64::from(bits as i32) / 32767.0).max(-1.0),
            F16 => f64::from(f16::from_bits(bits as u16).to_f32()),
            F32 => f64::from(f32::from_bits(bits)),
            _ => unreachable!(),
        }
    }
}

pub fn create(d: CUDA_ARRAY3D_DESCRIPTOR) -> CUarray {
    let mut array = CUarray(0);
    ok!(cuArray3DCreate_v2((&mut array).into(), (&d).into()));
    array
}

/// Copies host bytes into the whole of an array.
pub fn fill(array: CUarray, bytes: &[u8], element: usize, size: [usize; 3]) {
    let copy = CUDA_MEMCPY3D {
        srcMemoryType: 1, srcHost: host(bytes), srcPitch: size[0] * element, srcHeight: size[1],
        dstMemoryType: 3, dstArray: array,
        WidthInBytes: size[0] * element, Height: size[1], Depth: size[2],
        ..CUDA_MEMCPY3D::default()
    };
    ok!(cuMemcpy3D_v2((&copy).into()));
}

/// All bytes of an array.
pub fn read(array: CUarray, element: usize, size: [usize; 3]) -> Vec<u8> {
    let mut bytes = vec![0xeeu8; element * size.iter().product::<usize>()];
    let copy = CUDA_MEMCPY3D {
        srcMemoryType: 3, srcArray: array,
        dstMemoryType: 1, dstHost: host_mut(&mut bytes), dstPitch: size[0] * element, dstHeight: size[1],
        WidthInBytes: size[0] * element, Height: size[1], Depth: size[2],
        ..CUDA_MEMCPY3D::default()
    };
    ok!(cuMemcpy3D_v2((&copy).into()));
    bytes
}

/// An array of these texels; `dims` and `flags` say what the third size is.
pub fn array(texels: &Texels, dims: usize, flags: u32) -> CUarray {
    let [w, h, d] = texels.size;
    let layered = flags & 5 != 0;
    let array = create(CUDA_ARRAY3D_DESCRIPTOR {
        Width: w,
        Height: if dims >= 2 { h } else { 0 },
        Depth: if dims == 3 || layered { d } else { 0 },
        Format: texels.format,
        NumChannels: texels.channels as u32,
        Flags: flags,
    });
    fill(array, &texels.bytes(), texels.element(), texels.size);
    array
}

pub fn resource(array: CUarray) -> CUDA_RESOURCE_DESC {
    CUDA_RESOURCE_DESC { address: array.0, ..CUDA_RESOURCE_DESC::default() }
}

pub fn texture(r: &CUDA_RESOURCE_DESC, d: &CUDA_TEXTURE_DESC) -> CUtexObject {
    let mut object = CUtexObject(0);
    ok!(cuTexObjectCreate((&mut object).into(), r.into(), d.into(), In::NULL));
    object
}

pub fn surface(array: CUarray) -> CUsurfObject {
    let mut object = CUsurfObject(0);
    let r = resource(array);
    ok!(cuSurfObjectCreate((&mut object).into(), (&r).into()));
    object
}

/// A module with an entry `k` that runs `body` in each thread, with 12 words of its own in %c0 to %c3 and %e0 to %e7, the object's
/// handle in %object, and four words of result from %d0 to %d3 (of 32 bits), as well as %h0 to %h3 of 16 and %q0, %q1 of 64.
pub fn program(head: &str, body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n{head}
.visible .entry k(.param .u64 pobject, .param .u64 pin, .param .u64 pout, .param .u32 pn) {{
    .reg .pred %p<4>;
    .reg .b16 %h<4>;
    .reg .b32 %c<4>, %e<8>, %d<4>, %t<8>;
    .reg .b64 %object, %in, %out, %o, %q<4>;
    mov.u32 %t0, %ctaid.x;
    mov.u32 %t1, %ntid.x;
    mov.u32 %t2, %tid.x;
    mad.lo.u32 %t0, %t0, %t1, %t2;
    ld.param.u32 %t1, [pn];
    setp.ge.u32 %p0, %t0, %t1;
    @%p0 bra DONE;
    ld.param.u64 %object, [pobject];
    ld.param.u64 %in, [pin];
    ld.param.u64 %out, [pout];
    mul.wide.u32 %o, %t0, 48;
    add.u64 %in, %in, %o;
    mul.wide.u32 %o, %t0, 16;
    add.u64 %out, %out, %o;
    ld.global.v4.b32 {{%c0, %c1, %c2, %c3}}, [%in];
    ld.global.v4.b32 {{%e0, %e1, %e2, %e3}}, [%in+16];
    ld.global.v4.b32 {{%e4, %e5, %e6, %e7}}, [%in+32];
    mov.b32 %d0, 0; mov.b32 %d1, 0; mov.b32 %d2, 0; mov.b32 %d3, 0;
    {body}
    st.global.v4.b32 [%out], {{%d0, %d1, %d2, %d3}};
DONE:
    ret;
}}
"
    )
}

/// A loaded program.
pub struct Program {
    pub module: CUmodule,
    pub function: CUfunction,
}

impl Program {
    pub fn new(head: &str, body: &str) -> Program {
        let text = CString::new(program(head, body)).unwrap();
        let (mut module, mut function) = (CUmodule(0), CUfunction(0));
        ok!(cuModuleLoadData((&mut module).into(), Host(text.as_ptr() as u64)));
        ok!(cuModuleGetFunction((&mut function).into(), module, Text(c"k".as_ptr())));
        Program { module, function }
    }

    /// Runs one thread for each row of words; the code of the launch and its synchronisation.
    pub fn try_run(&self, object: u64, rows: &[[u32; 12]]) -> Result<Vec<[u32; 4]>, CUresult> {
        let input = upload(rows);
        let output = alloc(rows.len() * 16);
        let n = rows.len() as u32;
        let params = [Host::of(&object), Host::of(&input), Host::of(&output), Host::of(&n)];
        let mut code = unsafe { cuLaunchKernel(self.function, n.div_ceil(64), 1, 1, 64, 1, 1, 0, CUstream(0), In(params.as_ptr()), In::NULL) };
        if code == CUresult::SUCCESS {
            code = unsafe { cuCtxSynchronize() };
        }
        if code != CUresult::SUCCESS {
            return Err(code);
        }
        let out = download::<[u32; 4]>(output, rows.len());
        ok!(cuMemFree_v2(input));
        ok!(cuMemFree_v2(output));
        Ok(out)
    }

    pub fn run(&self, object: u64, rows: &[[u32; 12]]) -> Vec<[u32; 4]> {
        self.try_run(object, rows).unwrap()
    }
}

/// Words of one thread.
pub fn row(words: &[u32]) -> [u32; 12] {
    let mut row = [0; 12];
    row[..words.len()].copy_from_slice(words);
    row
}

/// The texel that number `i` of `n` stands for.
pub fn index(mode: u32, normalized: bool, i: i64, n: usize) -> Option<usize> {
    let n = n as i64;
    match mode {
        BORDER => (0..n).contains(&i).then_some(i as usize),
        WRAP if normalized => Some(i.rem_euclid(n) as usize),
        MIRROR if normalized => {
            let m = i.rem_euclid(2 * n);
            Some(if m < n { m } else { 2 * n - 1 - m } as usize)
        }
        _ => Some(i.clamp(0, n - 1) as usize),
    }
}

/// How the rules apply.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub dims: usize,
    pub modes: [u32; 3],
    pub normalized: bool,
    pub linear: bool,
    pub border: [f32; 4],
}

impl Rules {
    /// A component at coordinates `at` of one layer: its value, and the sum of the magnitudes that went into it.
    pub fn value(&self, texels: &Texels, at: [f32; 3], layer: usize, c: usize) -> (f64, f64) {
        let mut corners: Vec<([i64; 3], f64)> = vec![([0, 0, layer as i64], 1.0)];
        for k in 0..self.dims {
            let x = f64::from(at[k]) * if self.normalized { texels.size[k] as f64 } else { 1.0 };
            let steps: Vec<(i64, f64)> = if self.linear {
                let i = (x - 0.5).floor();
                let a = ((x - 0.5 - i) * 256.0).round() / 256.0;
                vec![(i as i64, 1.0 - a), (i as i64 + 1, a)]
            } else {
                vec![(x.floor() as i64, 1.0)]
            };
            corners = corners.iter().flat_map(|(p, w)| steps.iter().map(move |(i, a)| {
                let mut q = *p;
                q[k] = *i;
                (q, w * a)
            })).collect();
        }
        let mut sum = (0.0, 0.0);
        for (p, w) in corners {
            let mut q = [0, 0, layer];
            let mut inside = true;
            for k in 0..self.dims {
                match index(self.modes[k], self.normalized, p[k], texels.size[k]) {
                    Some(i) => q[k] = i,
                    None => inside = false,
                }
            }
            let v = if inside { texels.real(q, c) } else { f64::from(self.border[c]) };
            sum.0 += w * v;
            sum.1 += (w * v).abs();
        }
        sum
    }

    /// A component as an integer: the nearest texel.
    pub fn integer(&self, texels: &Texels, at: [f32; 3], layer: usize, c: usize) -> u32 {
        let mut q = [0, 0, layer];
        for k in 0..self.dims {
            let x = f64::from(at[k]) * if self.normalized { texels.size[k] as f64 } else { 1.0 };
            match index(self.modes[k], self.normalized, x.floor() as i64, texels.size[k]) {
                Some(i) => q[k] = i,
                None => return self.border[c].to_bits(),
            }
        }
        texels.integer(q, c)
    }
}

/// Whether a sampled value is what the rules give: exact but for one rounding of a sum whose terms have this magnitude.
pub fn near(got: u32, want: f64, magnitude: f64) -> bool {
    let got = f64::from(f32::from_bits(got));
    (got - want).abs() <= magnitude * 2f64.powi(-23) + 1e-40
}
