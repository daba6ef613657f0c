//! Not run by default: `cargo test --release -p ringway-softgpu --test speed -- --ignored --nocapture`.

mod support;
use std::time::Instant;
use support::*;

/// Processor time of this thread, which other programs on the machine do not change.
fn cpu_s() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

fn median(by_cpu: bool, mut f: impl FnMut()) -> f64 {
    f();
    let mut v: Vec<f64> = (0..7)
        .map(|_| {
            let (t, c) = (Instant::now(), cpu_s());
            f();
            if by_cpu { cpu_s() - c } else { t.elapsed().as_secs_f64() }
        })
        .collect();
    v.sort_by(f64::total_cmp);
    v[3]
}

#[test]
#[ignore = "measures"]
fn matmul_and_instruction_rate() {
    let l = load(include_str!("tiled_matmul.ptx"));
    let n = 256usize;
    let a = vec![1.0f32; n * n];
    let (ba, bb, bc) = (Buffer::from(&a), Buffer::from(&a), Buffer::new(n * n * 4));
    let p = Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()).u32(n as u32);
    for deterministic in [true, false] {
        for tile in [16u32, 32] {
            let run = Run { grid: [n as u32 / tile, n as u32 / tile, 1], block: [tile, tile, 1], deterministic, ..Run::default() };
            let t = median(deterministic, || {
                l.run(&format!("matmul{tile}"), &run, &p, &[&ba, &bb, &bc]);
            });
            let threads = if deterministic { "one thread" } else { "all threads" };
            println!("tile {tile}, {threads}: {:.2} GFLOP/s, {:.2} ms", 2.0 * (n as f64).powi(3) / t / 1e9, t * 1e3);
        }
    }
    let mut body = String::new();
    for k in 0..16 {
        body += &format!("fma.rn.f32 %f{}, %f{}, %f20, %f21;\nadd.s32 %r{}, %r{}, %r20;\n", k % 8, k % 8, k % 8, k % 8);
    }
    let l = load(&format!(
        "{HEAD}.visible .entry k() {{ .reg .f32 %f<32>; .reg .b32 %r<32>; .reg .pred %p; mov.u32 %r30, 0;
         mov.f32 %f20, 0f3F000000; mov.f32 %f21, 0f3F000000; mov.u32 %r20, 3;
         L: {body} add.s32 %r30, %r30, 1; setp.lt.s32 %p, %r30, 10000; @%p bra L; ret; }}"
    ));
    let run = Run { grid: [1, 1, 1], block: [256, 1, 1], ..Run::default() };
    let t = median(true, || {
        l.run("k", &run, &Params::new(), &[]);
    });
    println!("{:.2} billion thread-instructions a second", 256.0 * 10000.0 * 35.0 / t / 1e9);
}
