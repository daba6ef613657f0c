//! Speed of the software GPU's interpreter on the benchmark set, beside the same computations compiled.
//!
//! `set.rs` is the set, `kernels/` its PTX, `native.rs` the compiled computations, `device.rs` runs a kernel. Each
//! result is checked in the run that measures it. Instructions are those that active lanes execute (PTX instructions
//! whose guard holds), counted by a run of the interpreter that does nothing else.

mod device;
mod native;
mod set;

use crate::cli::Effort;
use crate::clock::thread_cpu;
use crate::pairs::{self, spread_into};
use crate::progress;
use crate::row::{Row, plain_row};
use crate::samples::Samples;
pub use device::Mode;
pub use set::{MATMUL, Scale, all};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Name of the row that the goal is about.
pub const MEDIAN: &str = "median of the set";

/// Time spent on each case, one core, all cores and compiled together.
const PER_CASE: Duration = Duration::from_millis(1500);
const ROUNDS_MIN: usize = 7;
const ROUNDS_MAX: usize = 200;

/// Measures every case whose name contains `only`.
pub fn run(only: &str, effort: Effort) -> Result<Vec<Row>, String> {
    let (rounds_min, per_case) = effort.pick((2, Duration::ZERO), (ROUNDS_MIN, PER_CASE), (ROUNDS_MIN, PER_CASE));
    let mut rows = Vec::new();
    let mut rates = Vec::new();
    for mut case in set::all(Scale::Full)? {
        if !case.name.contains(only) {
            continue;
        }
        progress::say(&case.name);
        for mode in [Mode::OneCore, Mode::AllCores] {
            case.check(mode)?;
        }
        let instructions = case.run(Mode::Counting)?.instructions as f64;
        let (mut one, mut all, mut native) = (Samples::new(), Samples::new(), Samples::new());
        // Compiled over interpreted, so rate over rate, of each round.
        let (mut one_ratios, mut all_ratios) = (Vec::new(), Vec::new());
        let mut out = case.before();
        let start = Instant::now();
        for round in 0..ROUNDS_MAX {
            if round >= rounds_min && start.elapsed() > per_case {
                break;
            }
            let before = thread_cpu();
            case.run(Mode::OneCore)?;
            let one_time = thread_cpu() - before;
            let before = thread_cpu();
            case.native(black_box(&mut out));
            let native_time = thread_cpu() - before;
            let before = Instant::now();
            case.run(Mode::AllCores)?;
            let all_time = before.elapsed();
            // The first round warms up.
            if round > 0 {
                one.batch(one_time, 1, Duration::ZERO);
                native.batch(native_time, 1, Duration::ZERO);
                all.batch(all_time, 1, Duration::ZERO);
                let native_time = native_time.as_secs_f64();
                one_ratios.push(native_time / one_time.as_secs_f64().max(1e-9));
                all_ratios.push(native_time / all_time.as_secs_f64().max(1e-9));
            }
        }
        let floor = native.ns(0.5);
        for (link, samples, ratios) in [
            ("one core", &one, one_ratios),
            ("all cores", &all, all_ratios),
        ] {
            let mut add = |unit: &str, work: f64| {
                let row = samples.rate_row("softgpu", &case.name, work as usize, floor);
                rows.push(Row {
                    unit: unit.into(),
                    ..spread_into(row, ratios.clone()).on(link)
                });
            };
            add("Ginstr/s", instructions);
            if let Some(flops) = case.flops {
                add("GFLOP/s", flops);
            }
        }
        rates.push(instructions / one.ns(0.5));
    }
    if !only.is_empty() {
        return Ok(rows);
    }
    let median = pairs::median(&rates).map(|rate| vec![rate]);
    rows.extend(
        plain_row("softgpu", MEDIAN, "Ginstr/s", median.unwrap_or_default())
            .map(|row| row.on("one core")),
    );
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_the_set_computes_the_right_numbers() {
        for mut case in set::all(Scale::Small).unwrap() {
            for mode in [Mode::OneCore, Mode::AllCores, Mode::Counting] {
                case.check(mode).unwrap();
            }
        }
    }

    /// The forms for processors without AVX2 are chosen once per process.
    #[test]
    fn and_so_it_does_without_avx2() {
        let name = "softgpu::tests::every_kernel_of_the_set_computes_the_right_numbers";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("RINGWAY_SOFTGPU_BASELINE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&status.stdout);
        assert!(status.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }

    #[test]
    fn instructions_are_counted_by_active_lane() {
        let cases = set::all(Scale::Small).unwrap();
        let count = |name: &str| {
            let case = cases.iter().find(|c| c.name.starts_with(name)).unwrap();
            case.run(Mode::Counting).unwrap().instructions
        };
        // 4 blocks of 256 threads: 10 instructions and the return in each, 9 more in the 1000 inside.
        assert_eq!(count("saxpy 1000"), 1024 * 11 + 1000 * 9);
    }
}
