//! The program that callgrind runs: every case in sections, of which each is counted by itself.

use crate::api::{self, Call};
use crate::child::{self, print};
use crate::driver::Driver;
use crate::parts;
use ringway_api::Class;
use serde::{Deserialize, Serialize};

/// The function inside which instructions are counted; at its end callgrind writes what it counted.
pub const COUNTED: &str = "ringway_perf_counted";
/// Sections of a case.
const ROUNDS: usize = 7;
/// Calls of a section; few beside what the ring holds.
const CALLS: u32 = 16;
/// Operations of a section: of a compiler that hashes with another key each time, so many have the same count.
const OPERATIONS: u32 = 8;
/// Calls that the table has as `local` because they are made of others, some of which wait: waiting has no count.
const WAIT: [&str; 7] = [
    "cuCtxSynchronize_v2",
    "cuMemcpy",
    "cuMemcpy2D_v2",
    "cuMemcpy2DUnaligned_v2",
    "cuMemcpy2DAsync_v2",
    "cuOccupancyMaxPotentialBlockSize",
    "cuOccupancyMaxPotentialBlockSizeWithFlags",
];

/// What was counted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Section {
    /// Empty for the first one, in which nothing is done.
    pub case: String,
    /// `shm` for calls, `-` for parts by themselves.
    pub link: String,
    /// How often.
    pub calls: u32,
}

/// See [`COUNTED`].
// SAFETY: no other symbol of this program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn ringway_perf_counted(work: &mut dyn FnMut()) {
    work();
    // Not the function's last act: that would be a jump, which leaves the function too early.
    std::hint::black_box(());
}

/// Runs every case whose name contains `only`, and prints the sections.
pub fn run(only: &str) -> child::Result<()> {
    let mut counted = Counted {
        only,
        sections: Vec::new(),
    };
    counted.section("", "-", 1, &mut || ());
    let driver = Driver::open()?;
    let ready = || driver.synchronize_all().map_err(|error| error.to_string());
    for params in [0, 4, 16] {
        let kernel = driver.kernel(params)?;
        let case = format!("cuLaunchKernel, {params} parameters (posted)");
        counted.calls(&case, ready, || {
            driver.launch(&kernel).map_err(|error| error.to_string())
        })?;
    }
    let memory = driver.device_memory(4096)?;
    let stream = driver.stream()?;
    for bytes in [4, 256, 4096] {
        let source = driver.pinned_memory(bytes)?;
        let case = format!("cuMemcpyHtoDAsync, {bytes} bytes (bulk)");
        counted.calls(&case, ready, || {
            driver
                .upload_later(&memory, &source, &stream)
                .map_err(|error| error.to_string())
        })?;
    }
    api::with_calls(&driver, |calls| {
        for cycle in &calls.cycles {
            let [call] = &cycle[..] else { continue };
            let class = api::class_of(call.symbol);
            let waits = WAIT.contains(&call.symbol);
            if call.measured && !waits && matches!(class, Some(Class::Local | Class::Posted)) {
                counted.call(call, ready)?;
            }
        }
        Ok::<_, String>(())
    })??;
    for mut part in parts::all()? {
        let name = part.name.clone();
        part.once();
        for _ in 0..ROUNDS {
            counted.section(&name, "-", OPERATIONS, &mut || (0..OPERATIONS).for_each(|_| part.once()));
        }
    }
    ready()?;
    print(&counted.sections)
}

struct Counted<'a> {
    only: &'a str,
    sections: Vec<Section>,
}

impl Counted<'_> {
    fn section(&mut self, case: &str, link: &str, calls: u32, work: &mut dyn FnMut()) {
        if !case.is_empty() && !case.contains(self.only) {
            return;
        }
        ringway_perf_counted(work);
        self.sections.push(Section {
            case: case.into(),
            link: link.into(),
            calls,
        });
    }

    /// A call that does not wait, in sections, each after the device has caught up. What the driver refuses is left out.
    fn call(&mut self, call: &Call, ready: impl Fn() -> Result<(), String>) -> Result<(), String> {
        if call.make().is_err() {
            return Ok(());
        }
        self.calls(&api::case_of(call.symbol), ready, || {
            call.make()
                .map_err(|code| format!("{}: CUDA result {code}", call.symbol))
        })
    }

    fn calls(
        &mut self,
        case: &str,
        ready: impl Fn() -> Result<(), String>,
        mut work: impl FnMut() -> Result<(), String>,
    ) -> Result<(), String> {
        // The first time builds something.
        work()?;
        for _ in 0..ROUNDS {
            ready()?;
            let mut outcome = Ok(());
            self.section(case, "shm", CALLS, &mut || {
                for _ in 0..CALLS {
                    if let Err(why) = work() {
                        outcome = Err(why);
                    }
                }
            });
            outcome?;
        }
        Ok(())
    }
}
