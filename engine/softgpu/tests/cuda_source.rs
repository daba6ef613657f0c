//! CUDA C++ compiled by nvcc (RINGWAY_NVCC, else nvcc on PATH; without one the test says so and passes) and run here.

mod support;
use ringway_softgpu::exec::*;
use support::*;
use std::process::Command;

fn compiled() -> Option<Loaded> {
    let nvcc = std::env::var("RINGWAY_NVCC").unwrap_or_else(|_| "nvcc".into());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cuda/kernels.cu");
    let out = std::env::temp_dir().join(format!("ringway-kernels-{}.ptx", std::process::id()));
    let r = Command::new(&nvcc).args(["-ptx", "-arch=sm_80", "-std=c++17", "-o"]).arg(&out).arg(source).output();
    match r {
        Err(_) => {
            eprintln!("no nvcc; not run");
            None
        }
        Ok(o) => {
            assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
            let text = std::fs::read_to_string(&out).unwrap();
            let _ = std::fs::remove_file(&out);
            let l = load(&text);
            for (name, k) in &l.program.kernels {
                assert!(k.is_ok(), "{name}: {}", k.as_ref().unwrap_err());
            }
            Some(l)
        }
    }
}

#[test]
fn nvcc_kernels_compute() {
    let Some(l) = compiled() else { return };
    math(&l);
    language(&l);
    warps(&l);
    matrices(&l);
}

fn math(l: &Loaded) {
    let a: Vec<f32> = (0..256).map(|k| (k as f32 - 128.0) * 0.037).collect();
    let (ba, bo, bd) = (Buffer::from(&a), Buffer::new(1024), Buffer::new(2048));
    let p = Params::new().u64(bo.address()).u64(ba.address()).u64(bd.address()).u32(256);
    l.run("math", &Run { grid: [4, 1, 1], block: [64, 1, 1], ..Run::default() }, &p, &[&ba, &bo, &bd]);
    // erf, gamma and log-gamma by the C library.
    unsafe extern "C" {
        safe fn erf(x: f64) -> f64;
        safe fn tgamma(x: f64) -> f64;
        safe fn lgamma(x: f64) -> f64;
    }
    let (o, d) = (bo.read::<f32>(), bd.read::<f64>());
    for k in 0..256 {
        let x = f64::from(a[k]);
        let w = x.sin() + x.cos() + x.exp() + (x.abs() + 1.0).ln() + x.abs().powf(f64::from(1.3f32)) + x.tanh() + erf(x)
            + x.abs().sqrt() + x.cbrt() + x.atan2(2.0) + tgamma(x.abs() + 1.0) + f64::from(a[k] % 0.7f32);
        assert!((f64::from(o[k]) - w).abs() <= 2e-5 * w.abs().max(1.0), "{x}: {} {w}", o[k]);
        let w = x.sin() + x.cos() + x.exp() + (x.abs() + 1.0).ln() + x.abs().powf(1.3) + x.tanh() + erf(x) + lgamma(x.abs() + 2.0) + x.cbrt();
        assert!((d[k] - w).abs() <= 1e-13 * w.abs().max(1.0), "{x}: {} {w}", d[k]);
    }
    // 128-bit integers.
    let mut u = Buffer::new(64);
    let (hi, lo, q) = (0u64, 0x7edc_ba98_7654_3210u64, 12345678u64);
    u.write(&[hi, lo, q]);
    l.run("i128", &Run { block: [1, 1, 1], ..Run::default() }, &Params::new().u64(u.address()), &[&u]);
    let x = (i128::from(hi) << 64) | i128::from(lo);
    let w = x.wrapping_mul(x) / (i128::from(q) + 1);
    assert_eq!(u.read::<u64>()[3..5], [w as u64, (w >> 64) as u64]);
    let o: Vec<u32> = (0..32u32).map(|k| k.wrapping_mul(0x9e37_79b9)).collect();
    let v: Vec<u64> = (0..32u64).map(|k| (k + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let (bo, bu) = (Buffer::from(&o), Buffer::from(&v));
    l.run("bitops", &Run::default(), &Params::new().u64(bo.address()).u64(bu.address()), &[&bo, &bu]);
    let got = bo.read::<u32>();
    for k in 0..32 {
        let x = o[k];
        let bytes = |f: fn(u8, u8) -> u8, p: u32, q: u32| {
            let (p, q) = (p.to_le_bytes(), q.to_le_bytes());
            u32::from_le_bytes(std::array::from_fn(|i| f(p[i], q[i])))
        };
        let perm = {
            let all = (u64::from(!x) << 32 | u64::from(x)).to_le_bytes();
            u32::from_le_bytes([all[4], all[3], all[2], all[1]])
        };
        let dp4a = (0..4).fold(x as i32, |s, i| s.wrapping_add(i32::from(x.to_le_bytes()[i] as i8).pow(2))) as u32;
        let dp4a_u = (0..4).fold(x, |s, i| s.wrapping_add(u32::from(x.to_le_bytes()[i]).pow(2)));
        let vabs = (0..4).fold(0u32, |s, i| s | u32::from(x.to_le_bytes()[i].abs_diff((!x).to_le_bytes()[i])) << (8 * i));
        let max2 = (0..2).fold(0u32, |s, i| s | u32::from(((x >> (16 * i)) as i16).max((!x >> (16 * i)) as i16) as u16) << (16 * i));
        let terms = [
            x.count_ones(), x.leading_zeros(), if x == 0 { 0 } else { x.trailing_zeros() + 1 }, x.reverse_bits(), perm,
            (!x << 7) | (x >> 25), ((i64::from(x as i32) * i64::from(x as i32)) >> 32) as u32, vabs,
            x.wrapping_add((x as i32).abs_diff(3)), x.wrapping_add(x.abs_diff(4)), (x & 0xff_ffff).wrapping_mul(x & 0xff_ffff),
            bytes(u8::wrapping_add, x, x), max2, !0,
        ];
        // __mulhi and __dp4a are overloaded; unsigned arguments take the unsigned ones, __mulhi has only the signed.
        let base = terms.iter().fold(0u32, |s, t| s.wrapping_add(*t));
        assert!([dp4a, dp4a_u].iter().any(|d| base.wrapping_add(*d) == got[k]), "{k}");
    }
}

fn language(l: &Loaded) {
    let arena = Buffer::new(1 << 16);
    let heap = FreeListHeap::new(arena.address(), arena.address() + (1 << 16));
    let o = Buffer::new(256 * 4);
    let p = || Params::new().u64(o.address());
    let block = |n| Run { block: [n, 1, 1], heap: &heap, ..Run::default() };
    l.run("virt", &block(64), &p(), &[&o, &arena]);
    for t in 0..64 {
        assert_eq!(o.read::<u32>()[t], if t % 2 == 1 { 2 * t as u32 } else { t as u32 + 100 });
    }
    l.run("recurse", &block(32), &p(), &[&o]);
    for t in 0..32 {
        assert_eq!(o.read::<u32>()[t], 2 * (t as u32 % 4) + 3);
    }
    assert_eq!(l.run("print", &block(2), &Params::new().u32(3), &[]), "thread 0 of block 1.500000 25769803776\nthread 1 of block 1.500000 25769803776\n");
    let (r, _) = l.launch("print", &block(2), &Params::new().u32(7), &[]);
    assert_eq!(r.unwrap_err().kind, FaultKind::Assert);
    l.run("sws", &block(40), &p(), &[&o]);
    let want = [5u32, 9, 6, 77, 4u32.wrapping_sub(9), 31, 36, 2, 100, !0];
    assert!(o.read::<u32>()[..40].iter().enumerate().all(|(t, v)| *v == want[t % 10]));
    l.run("alloca_", &block(32), &p().u32(20), &[&o]);
    assert!((0..32).all(|t| o.read::<u32>()[t] == 190 * t as u32));
    // A structure by value: 20 ints, a double, 5 chars.
    let mut q = Params(Vec::new());
    for k in 0..20u32 {
        q = q.u32(k * k);
    }
    q.0.extend(1000f64.to_le_bytes());
    q.0.extend([1u8, 2, 3, 4, 5, 0, 0, 0]);
    q = q.u64(o.address());
    l.run("structs", &block(32), &q, &[&o]);
    for t in 0..32usize {
        let s: u32 = (0..20).map(|k| ((k * 7 + t) % 20).pow(2) as u32).sum();
        let tab = if t % 16 < 8 { t as u32 % 16 + 1 } else { 0 };
        assert_eq!(o.read::<u32>()[t], s + 1000 + t as u32 % 5 + 1 + tab + 5 + 3);
    }
    l.run("dynshared", &Run { block: [100, 1, 1], shared: 400, ..Run::default() }, &p(), &[&o]);
    for t in 0..100 {
        assert_eq!(o.read::<u32>()[t], (99 - t as u32) * 3 + 5 + 1 + 1);
    }
    let (u, f, d, c) = (Buffer::new(64), Buffer::new(4), Buffer::new(8), Buffer::new(8));
    let q = Params::new().u64(u.address()).u64(f.address()).u64(d.address()).u64(c.address());
    l.run("atomics", &Run { grid: [4, 1, 1], block: [64, 1, 1], ..Run::default() }, &q, &[&u, &f, &d, &c]);
    let v = u.read::<u32>();
    assert_eq!((v[0], v[1], v[2], f.read::<f32>()[0], d.read::<f64>()[0], c.read::<u64>()[0]), (256, 63, 5, 256.0, 128.0, 256));
    assert_eq!(v[4], 256 % 8);
}

fn warps(l: &Loaded) {
    let o = Buffer::new(8192 * 4);
    let a: Vec<i32> = (0..1000).map(|k| k * 7 % 31).collect();
    let ba = Buffer::from(&a);
    let q = Params::new().u64(o.address()).u64(ba.address()).u32(1000);
    l.run("reduce", &Run { block: [256, 1, 1], ..Run::default() }, &q, &[&o, &ba]);
    assert_eq!(o.read::<i32>()[0], a.iter().sum::<i32>());
    let o = Buffer::new(8192 * 4);
    let q = Params::new().u64(o.address()).u64(ba.address()).u32(64);
    l.run("coalesced", &Run { block: [64, 1, 1], ..Run::default() }, &q, &[&o, &ba]);
    let want: Vec<i32> = (0..64).filter(|i| a[*i as usize] > 3).collect();
    let mut got = o.read::<i32>()[1..=want.len()].to_vec();
    got.sort_unstable();
    assert_eq!((o.read::<i32>()[0], got), (want.len() as i32, want));
    let o = Buffer::new(8192 * 4);
    let workspace = Buffer::new(256);
    let run = Run { grid: [20, 1, 1], block: [64, 1, 1], cooperative: true, workspace: workspace.address(), ..Run::default() };
    l.run("gridsync", &run, &Params::new().u64(o.address()), &[&o, &workspace]);
    assert!(o.read::<u32>()[..2 + 1280].iter().all(|v| *v == 1280));
    l.run("warpops", &Run::default(), &Params::new().u64(o.address()), &[&o]);
    let v = o.read::<i32>();
    for t in 0..32i32 {
        let same = (0..32).filter(|k| k % 3 == t % 3).fold(0u32, |m, k| m | 1 << k) as i32;
        let up = if t % 8 >= 2 { t - 2 } else { t };
        let down = if t < 31 { t + 1 } else { t };
        let w = ((t ^ 3) * 2)
            .wrapping_add(up + down)
            .wrapping_add(0xaaaa_aaaau32 as i32)
            .wrapping_add(1 + 1)
            .wrapping_add(same)
            .wrapping_add(496 + 31)
            .wrapping_add(-1)
            .wrapping_add(-1 + 1)
            .wrapping_add(5);
        assert_eq!(v[t as usize], w, "{t}");
    }
    // Half precision: h2[0] gathers the sum of all by atomics, so only the first two outputs are compared.
    let h = |x: f32| half::f16::from_f32(x).to_bits();
    let x: Vec<u16> = (0..32).map(|k| h(k as f32 / 32.0)).collect();
    let b: Vec<u16> = (0..32).map(|k| half::bf16::from_f32(k as f32 / 8.0).to_bits()).collect();
    let (bx, bo, bb, h2) = (Buffer::from(&x), Buffer::new(64), Buffer::from(&b), Buffer::new(128));
    let q = Params::new().u64(bo.address()).u64(bx.address()).u64(bb.address()).u64(h2.address());
    l.run("halfs", &Run::default(), &q, &[&bx, &bo, &bb, &h2]);
    for k in 0..32 {
        let x = k as f32 / 32.0;
        let w = if x > 0.5 { x.sqrt() } else { x * x + x.exp() };
        let g = half::f16::from_bits(bo.read::<u16>()[k]).to_f32();
        assert!((g - w).abs() <= 2e-3 * w, "{k}: {g} {w}");
        let x = k as f32 / 8.0;
        assert_eq!(bb.read::<u16>()[k], half::bf16::from_f32(x * x + x).to_bits());
    }
}

fn matrices(l: &Loaded) {
    let n = 64;
    let a: Vec<f32> = (0..n * n).map(|k| ((k * 7) % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..n * n).map(|k| ((k * 5) % 11) as f32 - 5.0).collect();
    let (ba, bb, bc) = (Buffer::from(&a), Buffer::from(&b), Buffer::new(n * n * 4));
    let p = Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()).u32(n as u32);
    for (name, t) in [("mm16", 16u32), ("mm32", 32), ("mmnaive", 16)] {
        l.run(name, &Run { grid: [n as u32 / t, n as u32 / t, 1], block: [t, t, 1], ..Run::default() }, &p, &[&ba, &bb, &bc]);
        let c = bc.read::<f32>();
        for i in 0..n {
            for j in 0..n {
                assert_eq!(c[i * n + j], (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum::<f32>(), "{name}");
            }
        }
    }
}
