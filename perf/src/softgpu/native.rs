//! The computations of the benchmark set as plain loops for one core: what results are compared with, and the floor.

use std::hint::black_box;

/// c = a b, n x n.
pub fn matmul(a: &[f32], b: &[f32], n: usize, c: &mut [f32]) {
    for row in 0..n {
        for column in 0..n {
            let mut sum = 0.0;
            for k in 0..n {
                sum += a[row * n + k] * b[k * n + column];
            }
            c[row * n + column] = sum;
        }
    }
}

/// out = a x + y.
pub fn saxpy(a: f32, x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = a * x + y;
    }
}

/// c = a + b.
pub fn vector_add(a: &[f32], b: &[f32], c: &mut [f32]) {
    for ((c, a), b) in c.iter_mut().zip(a).zip(b) {
        *c = a + b;
    }
}

/// The sums that the blocks of 256 threads make of elements a grid apart; with `shuffle` each warp's 32 elements are
/// added first, which changes the rounding.
pub fn block_sums(input: &[f32], blocks: usize, shuffle: bool, out: &mut [f32]) {
    let grid = blocks * 256;
    for (block, out) in out.iter_mut().enumerate() {
        let mut sum = 0.0;
        let chunk = if shuffle { 32 } else { 256 };
        for start in (block * 256..input.len()).step_by(grid) {
            for part in input[start..start + 256].chunks(chunk) {
                sum += part.iter().sum::<f32>();
            }
        }
        *out = sum;
    }
}

/// Inclusive sums, in parts of 1024.
pub fn scan(input: &[u32], out: &mut [u32]) {
    for (out, input) in out.chunks_mut(1024).zip(input.chunks(1024)) {
        let mut sum = 0u32;
        for (out, value) in out.iter_mut().zip(input) {
            sum = sum.wrapping_add(*value);
            *out = sum;
        }
    }
}

/// out = in transposed, n x n.
pub fn transpose(input: &[f32], n: usize, out: &mut [f32]) {
    for row in 0..n {
        for column in 0..n {
            out[column * n + row] = input[row * n + column];
        }
    }
}

/// A fifth of the sum of centre and neighbours; the border stays.
pub fn stencil(input: &[f32], n: usize, out: &mut [f32]) {
    for row in 0..n {
        for column in 0..n {
            let at = row * n + column;
            out[at] = if row == 0 || column == 0 || row == n - 1 || column == n - 1 {
                input[at]
            } else {
                (input[at] + input[at - 1] + input[at + 1] + input[at - n] + input[at + n]) * 0.2
            };
        }
    }
}

/// Iterations until |z| > 2, at most 128. Rounded as the kernel does (fused multiply-add), so that counts are the same.
pub fn mandelbrot(n: usize, step: f32, out: &mut [u32]) {
    // A product of two floats is exact in double precision. The sum is then rounded twice, which differs from once
    // only where the first rounding ends exactly half way between two floats; the results say whether that happens.
    let fma = |a: f32, b: f32, c: f32| (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
    for row in 0..n {
        for column in 0..n {
            let cx = fma(column as f32, step, -2.0);
            let cy = fma(row as f32, step, -1.5);
            let (mut x, mut y, mut xx, mut yy) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
            let mut count = 0;
            loop {
                y = fma(x + x, y, cy);
                x = xx - yy + cx;
                xx = x * x;
                yy = y * y;
                count += 1;
                if xx + yy > 4.0 || count >= 128 {
                    break;
                }
            }
            out[row * n + column] = count;
        }
    }
}

/// Accelerations of bodies (x, y, z, mass) on each other.
pub fn n_body(bodies: &[f32], out: &mut [f32]) {
    for (me, out) in bodies.chunks_exact(4).zip(out.chunks_exact_mut(3)) {
        let mut sum = [0.0f32; 3];
        for other in bodies.chunks_exact(4) {
            let d = [other[0] - me[0], other[1] - me[1], other[2] - me[2]];
            let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-4;
            let inverse = 1.0 / square.sqrt();
            let force = inverse * inverse * inverse * other[3];
            for (sum, d) in sum.iter_mut().zip(d) {
                *sum += d * force;
            }
        }
        out.copy_from_slice(&sum);
    }
}

/// Counts of the bytes.
pub fn histogram(input: &[u32], out: &mut [u32]) {
    out.fill(0);
    for word in input {
        for byte in word.to_le_bytes() {
            out[usize::from(byte)] += 1;
        }
    }
}

/// Call prices, then put prices; r = 0.02, sigma = 0.30.
pub fn black_scholes(price: &[f32], strike: &[f32], years: &[f32], out: &mut [f32]) {
    let cumulative = |d: f32| {
        let k = 1.0 / (1.0 + 0.231_641_9 * d.abs());
        let density = 0.398_942_3 * (-0.5 * d * d).exp();
        let series = 1.330_274_4f32;
        let series = series * k - 1.821_255_9;
        let series = series * k + 1.781_478;
        let series = series * k - 0.356_563_8;
        let series = series * k + 0.319_381_54;
        let tail = density * series * k;
        if d > 0.0 { 1.0 - tail } else { tail }
    };
    let n = price.len();
    let (call, put) = out.split_at_mut(n);
    for k in 0..n {
        let (s, x, t) = (price[k], strike[k], years[k]);
        let root = 0.30 * t.sqrt();
        let d1 = ((s / x).ln() + (0.02 + 0.5 * 0.30 * 0.30) * t) / root;
        let d2 = d1 - root;
        let discounted = x * (-0.02 * t).exp();
        call[k] = s * cumulative(d1) - discounted * cumulative(d2);
        put[k] = call[k] - s + discounted;
    }
}

/// The generator of Salmon et al. (2011) with ten rounds.
pub fn philox(key: [u32; 2], rounds: u32, out: &mut [u32]) {
    let threads = out.len() as u32;
    for (index, out) in out.iter_mut().enumerate() {
        let mut sum = 0u32;
        for round in 0..rounds {
            let mut c = [index as u32 + round * threads, 0, 0, 0];
            let mut k = key;
            for _ in 0..10 {
                let a = u64::from(c[0]) * 0xd251_1f53;
                let b = u64::from(c[2]) * 0xcd9e_8d57;
                c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
                k = [k[0].wrapping_add(0x9e37_79b9), k[1].wrapping_add(0xbb67_ae85)];
            }
            sum = sum.wrapping_add(c[0] ^ c[1] ^ c[2] ^ c[3]);
        }
        *out = black_box(sum);
    }
}
