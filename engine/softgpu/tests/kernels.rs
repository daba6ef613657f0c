//! Whole kernels: results compared with the same computation in Rust.

mod support;
use support::*;

const TILED: &str = include_str!("tiled_matmul.ptx");

#[test]
fn adds_vectors() {
    let l = load(&format!(
        "{HEAD}
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n) {{
 .reg .pred %p; .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %rd<10>;
 ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.u64 %rd3, [c]; ld.param.u32 %r1, [n];
 mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
 mad.lo.s32 %r5, %r2, %r3, %r4;
 setp.ge.s32 %p, %r5, %r1;
 @%p bra $done;
 cvta.to.global.u64 %rd4, %rd1;
 mul.wide.s32 %rd5, %r5, 4;
 add.s64 %rd6, %rd4, %rd5; ld.global.f32 %f1, [%rd6];
 add.s64 %rd7, %rd2, %rd5; ld.global.f32 %f2, [%rd7];
 add.f32 %f3, %f1, %f2;
 add.s64 %rd8, %rd3, %rd5; st.global.f32 [%rd8], %f3;
$done: ret;
}}"
    ));
    let n = 1000;
    let a: Vec<f32> = (0..n).map(|k| k as f32 * 0.5).collect();
    let b: Vec<f32> = (0..n).map(|k| 3.0 - k as f32).collect();
    let (ba, bb, bc) = (Buffer::from(&a), Buffer::from(&b), Buffer::new(n * 4));
    let p = Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()).u32(n as u32);
    let run = Run { grid: [8, 1, 1], block: [128, 1, 1], ..Run::default() };
    l.run("add", &run, &p, &[&ba, &bb, &bc]);
    let want: Vec<f32> = a.iter().zip(&b).map(|(x, y)| x + y).collect();
    assert_eq!(bc.read::<f32>(), want);
}

#[test]
fn multiplies_matrices_in_tiles() {
    let l = load(TILED);
    let n = 64usize;
    let a: Vec<f32> = (0..n * n).map(|k| ((k * 7) % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..n * n).map(|k| ((k * 5) % 11) as f32 - 5.0).collect();
    let (ba, bb, bc) = (Buffer::from(&a), Buffer::from(&b), Buffer::new(n * n * 4));
    let p = Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()).u32(n as u32);
    for tile in [16u32, 32] {
        let run = Run { grid: [n as u32 / tile, n as u32 / tile, 1], block: [tile, tile, 1], ..Run::default() };
        l.run(&format!("matmul{tile}"), &run, &p, &[&ba, &bb, &bc]);
        let c = bc.read::<f32>();
        for i in 0..n {
            for j in 0..n {
                let want: f32 = (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
                assert_eq!(c[i * n + j], want, "{tile}: {i},{j}");
            }
        }
    }
}
