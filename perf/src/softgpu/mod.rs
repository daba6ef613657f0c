//! Speed of the software GPU's interpreter on the benchmark set, beside the same computations compiled.
//!
//! `set.rs` is the set, `kernels/` its PTX, `native.rs` the compiled computations, `device.rs` runs a kernel. Each
//! result is checked in the run that measures it. Instructions are those that active lanes execute (PTX instructions
//! whose guard holds), counted by a run of the interpreter that does nothing else.

mod device;
mod native;
mod set;

use crate::row::{Row, Samples, plain_row};
use device::Mode;
use set::Scale;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Name of the row that the goal is about.
pub const MEDIAN: &str = "median of the set";

/// Time spent on each case, one core, all cores and compiled together.
const PER_CASE: Duration = Duration::from_millis(1500);
const ROUNDS_MIN: usize = 7;
const ROUNDS_MAX: usize = 200;

/// CPU time of this thread, which other programs on the machine do not change.
fn cpu_time() -> Duration {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the structure given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Measures every case whose name contains `only`. `progress` hears the name of each.
pub fn run(only: &str, mut progress: impl FnMut(&str)) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut rates = Vec::new();
    for mut case in set::all(Scale::Full)? {
        if !case.name.contains(only) {
            continue;
        }
        progress(&case.name);
        for mode in [Mode::OneCore, Mode::AllCores] {
            case.check(mode)?;
        }
        let instructions = case.run(Mode::Counting)?.instructions as f64;
        let (mut one, mut all, mut native) = (Samples::new(), Samples::new(), Samples::new());
        let mut out = case.before();
        let start = Instant::now();
        for round in 0..ROUNDS_MAX {
            if round >= ROUNDS_MIN && start.elapsed() > PER_CASE {
                break;
            }
            let before = cpu_time();
            case.run(Mode::OneCore)?;
            let one_time = cpu_time() - before;
            let before = cpu_time();
            case.native(black_box(&mut out));
            let native_time = cpu_time() - before;
            let before = Instant::now();
            case.run(Mode::AllCores)?;
            let all_time = before.elapsed();
            // The first round warms up.
            if round > 0 {
                one.batch(one_time, 1, Duration::ZERO);
                native.batch(native_time, 1, Duration::ZERO);
                all.batch(all_time, 1, Duration::ZERO);
            }
        }
        let floor = native.ns(0.5);
        for (link, samples) in [("one core", &one), ("all cores", &all)] {
            let mut add = |unit: &str, work: f64| {
                let row = samples.rate_row("softgpu", &case.name, work as usize, floor);
                rows.push(Row {
                    link: link.into(),
                    unit: unit.into(),
                    ..row
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
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    rows.extend(
        plain_row("softgpu", MEDIAN, "Ginstr/s", vec![median(rates)]).map(|row| Row {
            link: "one core".into(),
            ..row
        }),
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
