//! The software GPU's interpreter: a kernel compiled from its text, kernels run.

use super::Part;
use crate::softgpu::{MATMUL, Mode, Scale, all};
use ringway_softgpu::exec::{CompileOptions, compile_text};
use std::hint::black_box;

/// Kernels of the benchmark set that keep different parts of the interpreter busy.
const KERNELS: [&str; 5] = [
    "matrix product 64^3, tiles 16 x",
    "sum of",
    "Mandelbrot",
    "histogram",
    "saxpy",
];

/// The smallest form of these kernels, on the calling thread.
pub fn parts() -> Result<Vec<Part>, String> {
    let mut parts = vec![Part::new(
        "interpreter: compile a module of two kernels",
        || {
            let program = compile_text(black_box(MATMUL), &CompileOptions::default());
            black_box(program.expect("a text that compiles"));
        },
    )];
    for mut case in all(Scale::Small)? {
        if KERNELS.iter().any(|name| case.name.starts_with(name)) {
            case.check(Mode::OneCore)?;
            let name = format!("interpreter: {}", case.name);
            parts.push(Part::new(&name, move || {
                case.run(Mode::OneCore).expect("a kernel that ran before");
            }));
        }
    }
    Ok(parts)
}
