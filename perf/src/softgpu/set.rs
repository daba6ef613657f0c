//! The benchmark set: kernels, their inputs, and the same computations compiled.

use super::device::{Kernel, Memory, Mode, Param, parameters};
use super::native;
use ringway_softgpu::exec::LaunchStats;

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough to touch edges; for tests, and to count instructions.
    Small,
    /// Milliseconds of work.
    Full,
}

/// Numbers that a case yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Compared exactly.
    Words(Vec<u32>),
    /// Compared within the case's tolerance.
    Floats(Vec<f32>),
}

/// One benchmark.
pub struct Case {
    /// What it computes, and its size.
    pub name: String,
    /// Floating-point operations of one run, where they are what counts.
    pub flops: Option<f64>,
    kernel: Kernel,
    params: Vec<u8>,
    memory: Vec<Memory>,
    /// First contents of the output, which is the last of `memory`.
    before: Output,
    native: Box<dyn Fn(&mut Output)>,
    /// Largest difference of a result, relative to its size (absolute below 1).
    tolerance: f32,
}

impl Case {
    /// Runs the kernel.
    pub fn run(&self, mode: Mode) -> Result<LaunchStats, String> {
        self.kernel.run(&self.params, &self.memory, mode)
    }

    /// What the output held before the first run; the form that [`Self::native`] fills.
    pub fn before(&self) -> Output {
        self.before.clone()
    }

    /// The same computation, compiled.
    pub fn native(&self, out: &mut Output) {
        (self.native)(out);
    }

    /// Runs the kernel once from the start and compares with the compiled computation.
    pub fn check(&mut self, mode: Mode) -> Result<(), String> {
        let mut wanted = self.before();
        self.native(&mut wanted);
        let last = self.memory.len() - 1;
        match &self.before {
            Output::Words(v) => self.memory[last].write(v),
            Output::Floats(v) => self.memory[last].write(v),
        }
        self.run(mode)?;
        let wrong = match &wanted {
            Output::Words(v) => {
                let got = self.memory[last].read::<u32>();
                (0..v.len())
                    .find(|&k| got[k] != v[k])
                    .map(|k| format!("{} is {}, not {}", k, got[k], v[k]))
            }
            Output::Floats(v) => {
                let got = self.memory[last].read::<f32>();
                let near =
                    |a: f32, b: f32| (a - b).abs() <= self.tolerance * b.abs().max(1.0);
                (0..v.len())
                    .find(|&k| !near(got[k], v[k]))
                    .map(|k| format!("{} is {}, not {}", k, got[k], v[k]))
            }
        };
        wrong.map_or(Ok(()), |text| {
            Err(format!("{}: wrong result: {text}", self.name))
        })
    }
}

/// Reproducible numbers in [0, 1).
fn uniform(count: usize, seed: u32) -> Vec<f32> {
    words(count, seed)
        .iter()
        .map(|w| (w >> 8) as f32 / 16_777_216.0)
        .collect()
}

fn words(count: usize, seed: u32) -> Vec<u32> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        })
        .collect()
}

/// The text of the products with tiles.
pub const MATMUL: &str = include_str!("../../../engine/softgpu/tests/tiled_matmul.ptx");
const MATMUL_BLOCKED: &str = include_str!("kernels/matmul_blocked.ptx");
const VECTOR: &str = include_str!("kernels/vector.ptx");
const REDUCE: &str = include_str!("kernels/reduce.ptx");
const GRIDS: &str = include_str!("kernels/grids.ptx");
const NUMBERS: &str = include_str!("kernels/numbers.ptx");
const N_BODY: &str = include_str!("kernels/n_body.ptx");
const PHILOX: &str = include_str!("kernels/philox.ptx");

/// Every case.
pub fn all(scale: Scale) -> Result<Vec<Case>, String> {
    let full = scale == Scale::Full;
    let pick = |small: usize, large: usize| if full { large } else { small };
    let mut cases = Vec::new();

    for (kernel, text, tile, threads) in [
        ("matmul16", MATMUL, 16, 16),
        ("matmul32", MATMUL, 32, 32),
        ("matmul_blocked", MATMUL_BLOCKED, 64, 16),
    ] {
        let n = pick(64, 256);
        let (a, b) = (uniform(n * n, 1), uniform(n * n, 2));
        let before = Output::Floats(vec![0.0; n * n]);
        let how = if tile == 64 { "64 x 64, 4 x 4 a thread".into() } else { format!("{tile} x {tile}") };
        let blocks = (n / tile) as u32;
        cases.push(case(
            format!("matrix product {n}^3, tiles {how}"),
            Some(2.0 * (n as f64).powi(3)),
            Kernel::new(text, kernel, [blocks, blocks, 1], [threads, threads, 1])?,
            vec![Memory::of(&a), Memory::of(&b)],
            before,
            |m, out| vec![(&m[0]).into(), (&m[1]).into(), out.into(), (n as u32).into()],
            move |out| native::matmul(&a, &b, n, floats(out)),
            1e-4,
        ));
    }

    let n = pick(1000, 1 << 20);
    let (x, y) = (uniform(n, 3), uniform(n, 4));
    cases.push(case(
        format!("saxpy {n}"),
        Some(2.0 * n as f64),
        Kernel::new(VECTOR, "saxpy", [n.div_ceil(256) as u32, 1, 1], [256, 1, 1])?,
        vec![Memory::of(&x)],
        Output::Floats(y.clone()),
        |m, out| vec![(&m[0]).into(), out.into(), 0.5f32.into(), (n as u32).into()],
        move |out| native::saxpy(0.5, &x, &y, floats(out)),
        1e-6,
    ));

    let n = pick(4 * 1000, 1 << 20);
    let (a, b) = (uniform(n, 5), uniform(n, 6));
    cases.push(case(
        format!("vector add {n}, four at a time"),
        Some(n as f64),
        Kernel::new(VECTOR, "vector_add", [pick(3, 64) as u32, 1, 1], [256, 1, 1])?,
        vec![Memory::of(&a), Memory::of(&b)],
        Output::Floats(vec![0.0; n]),
        |m, out| vec![(&m[0]).into(), (&m[1]).into(), out.into(), (n as u32 / 4).into()],
        move |out| native::vector_add(&a, &b, floats(out)),
        0.0,
    ));

    for (kernel, how) in [("reduce_shared", "shared memory"), ("reduce_shuffle", "shuffles")] {
        let blocks = pick(2, 64);
        let n = blocks * 256 * pick(2, 64);
        let input = uniform(n, 7);
        cases.push(case(
            format!("sum of {n}, {how}"),
            None,
            Kernel::new(REDUCE, kernel, [blocks as u32, 1, 1], [256, 1, 1])?,
            vec![Memory::of(&input)],
            Output::Floats(vec![0.0; blocks]),
            |m, out| vec![(&m[0]).into(), out.into(), (n as u32).into()],
            {
                let shuffle = kernel == "reduce_shuffle";
                move |out| native::block_sums(&input, blocks, shuffle, floats(out))
            },
            1e-5,
        ));
    }

    let blocks = pick(3, 1024);
    let input: Vec<u32> = words(blocks * 1024, 8).iter().map(|w| w & 0xffff).collect();
    cases.push(case(
        format!("prefix sums of {blocks} x 1024"),
        None,
        Kernel::new(REDUCE, "scan", [blocks as u32, 1, 1], [256, 1, 1])?,
        vec![Memory::of(&input)],
        Output::Words(vec![0; blocks * 1024]),
        |m, out| vec![(&m[0]).into(), out.into()],
        move |out| native::scan(&input, to_words(out)),
        0.0,
    ));

    let n = pick(64, 1024);
    let input = uniform(n * n, 9);
    let blocks = (n / 32) as u32;
    cases.push(case(
        format!("transpose {n} x {n}"),
        None,
        Kernel::new(GRIDS, "transpose", [blocks, blocks, 1], [32, 8, 1])?,
        vec![Memory::of(&input)],
        Output::Floats(vec![0.0; n * n]),
        |m, out| vec![(&m[0]).into(), out.into(), (n as u32).into()],
        move |out| native::transpose(&input, n, floats(out)),
        0.0,
    ));

    let n = pick(50, 1024);
    let input = uniform(n * n, 10);
    cases.push(case(
        format!("stencil of 5 points {n} x {n}"),
        Some(5.0 * ((n - 2) * (n - 2)) as f64),
        Kernel::new(
            GRIDS,
            "stencil",
            [n.div_ceil(32) as u32, n.div_ceil(8) as u32, 1],
            [32, 8, 1],
        )?,
        vec![Memory::of(&input)],
        Output::Floats(vec![0.0; n * n]),
        |m, out| vec![(&m[0]).into(), out.into(), (n as u32).into()],
        move |out| native::stencil(&input, n, floats(out)),
        1e-6,
    ));

    let n = pick(48, 256);
    let step = 3.0 / n as f32;
    cases.push(case(
        format!("Mandelbrot set {n} x {n}"),
        None,
        Kernel::new(GRIDS, "mandelbrot", [n as u32 / 16, n as u32 / 16, 1], [16, 16, 1])?,
        vec![],
        Output::Words(vec![0; n * n]),
        |_, out| vec![out.into(), (n as u32).into(), step.into()],
        move |out| native::mandelbrot(n, step, to_words(out)),
        0.0,
    ));

    let n = pick(256, 2048);
    let bodies = uniform(4 * n, 11);
    cases.push(case(
        format!("n-body {n}"),
        Some(20.0 * (n * n) as f64),
        Kernel::new(N_BODY, "n_body", [n as u32 / 256, 1, 1], [256, 1, 1])?,
        vec![Memory::of(&bodies)],
        Output::Floats(vec![0.0; 3 * n]),
        |m, out| vec![(&m[0]).into(), out.into(), (n as u32).into()],
        move |out| native::n_body(&bodies, floats(out)),
        1e-3,
    ));

    let n = pick(5000, 1 << 20);
    let input = words(n, 12);
    cases.push(case(
        format!("histogram of {} bytes", 4 * n),
        None,
        Kernel::new(NUMBERS, "histogram", [pick(3, 64) as u32, 1, 1], [256, 1, 1])?,
        vec![Memory::of(&input)],
        Output::Words(vec![0; 256]),
        |m, out| vec![(&m[0]).into(), out.into(), (n as u32).into()],
        move |out| native::histogram(&input, to_words(out)),
        0.0,
    ));

    let n = pick(700, 1 << 18);
    let [price, strike, years] = [(13, 5.0, 30.0), (14, 1.0, 100.0), (15, 0.25, 10.0)]
        .map(|(seed, low, high)| -> Vec<f32> {
            uniform(n, seed).iter().map(|u| low + (high - low) * u).collect()
        });
    cases.push(case(
        format!("Black-Scholes {n}"),
        None,
        Kernel::new(NUMBERS, "black_scholes", [n.div_ceil(128) as u32, 1, 1], [128, 1, 1])?,
        vec![Memory::of(&price), Memory::of(&strike), Memory::of(&years)],
        Output::Floats(vec![0.0; 2 * n]),
        |m, out| {
            let put = Param::Address(out.address() + 4 * n as u64);
            let [price, strike, years] = [&m[0], &m[1], &m[2]].map(Param::from);
            vec![price, strike, years, out.into(), put, (n as u32).into()]
        },
        move |out| native::black_scholes(&price, &strike, &years, floats(out)),
        2e-4,
    ));

    let threads = pick(300, 1 << 16);
    let rounds = pick(3, 16) as u32;
    let blocks = threads.div_ceil(256);
    cases.push(case(
        format!("Philox 4x32-10, {} counters", blocks * 256 * rounds as usize),
        None,
        Kernel::new(PHILOX, "philox", [blocks as u32, 1, 1], [256, 1, 1])?,
        vec![],
        Output::Words(vec![0; blocks * 256]),
        |_, out| vec![out.into(), 0xdead_beef_u32.into(), 0x1234_5678_u32.into(), rounds.into()],
        move |out| native::philox([0xdead_beef, 0x1234_5678], rounds, to_words(out)),
        0.0,
    ));
    Ok(cases)
}

#[allow(clippy::too_many_arguments)]
fn case(
    name: String,
    flops: Option<f64>,
    kernel: Kernel,
    mut memory: Vec<Memory>,
    before: Output,
    params: impl Fn(&[Memory], &Memory) -> Vec<Param>,
    native: impl Fn(&mut Output) + 'static,
    tolerance: f32,
) -> Case {
    let out = match &before {
        Output::Words(v) => Memory::of(v),
        Output::Floats(v) => Memory::of(v),
    };
    let params = parameters(&params(&memory, &out));
    memory.push(out);
    Case {
        name,
        flops,
        kernel,
        params,
        memory,
        before,
        native: Box::new(native),
        tolerance,
    }
}

fn floats(out: &mut Output) -> &mut [f32] {
    match out {
        Output::Floats(v) => v,
        Output::Words(_) => &mut [],
    }
}

fn to_words(out: &mut Output) -> &mut [u32] {
    match out {
        Output::Words(v) => v,
        Output::Floats(_) => &mut [],
    }
}
