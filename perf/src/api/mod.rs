//! Suite `api`: calls of the driver API one by one, over Ringway beside directly, with their class in the API table.
//!
//! `objects.rs` and `memory.rs` say which calls, and with what; `calls.rs` how a call is declared. A call that this or that
//! driver refuses is left out, and said.

mod calls;
mod memory;
mod objects;

use crate::child::{self, print};
use crate::cli::{Cli, Effort};
use crate::clock;
use crate::driver::{Driver, PTX};
use crate::floors;
use crate::progress;
use crate::remote::{Runner, Running};
use crate::row::Row;
use crate::samples::Samples;
use crate::turns;
pub use calls::{Call, Calls};
use calls::{Cycle, Scratch, call};
use ringway_api::{Class, TABLE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::{c_int, c_uint, c_void};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// For a program that hangs.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Calls of one sample, where the call does not wait: the clock would weigh.
const BATCH: u32 = 16;
/// Samples between two synchronisations, so that no call waits for space in the ring.
const SAMPLES_UNTIL_DRAINED: usize = 8;

type Handle = *mut c_void;

/// What one run measured.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    measured: Vec<(String, Samples)>,
    /// Calls that were refused or that the driver lacks, and why.
    left_out: Vec<String>,
}

/// What calls are made with.
pub struct Given<'a> {
    scratch: &'a Scratch,
    context: Handle,
    module: Handle,
    /// A kernel of four parameters.
    function: Handle,
    stream: Handle,
    other_stream: Handle,
    /// An event that has been recorded.
    event: Handle,
    /// Two with times that have happened.
    timed_events: [Handle; 2],
    /// A library, and a kernel of it: where they are kept; null in a driver without libraries.
    library: *mut Handle,
    kernel: *mut Handle,
    /// The device's default memory pool.
    pool: Handle,
    /// The device's PCI bus identifier.
    bus_id: Handle,
    device: u64,
    device_bytes: u64,
    pinned: Handle,
    /// A page that can be pinned.
    page: Handle,
}

/// The row of the table that a symbol leads to.
fn row_of(symbol: &str) -> Option<&'static ringway_api::Row> {
    TABLE.iter().find(|row| {
        row.support.works()
            && row
                .exports
                .iter()
                .any(|export| export.symbol == symbol && !export.legacy)
    })
}

/// As in a row: the table's name of the function, and its class.
pub fn case_of(symbol: &str) -> String {
    row_of(symbol).map_or_else(
        || symbol.to_owned(),
        |row| format!("{} ({})", row.name, row.class.word()),
    )
}

/// Its class in the table.
pub fn class_of(symbol: &str) -> Option<Class> {
    row_of(symbol).map(|row| row.class)
}

/// Hands over the calls of `objects.rs` and `memory.rs`, with what they are made with.
pub fn with_calls<T>(driver: &Driver, work: impl FnOnce(&Calls<'_>) -> T) -> child::Result<T> {
    let scratch = Scratch::default();
    let device = driver.device_memory(DEVICE_BYTES as usize)?;
    let mut pinned = driver.pinned_memory(64 << 10)?;
    let page = Page::new();
    let given = given(
        driver,
        &scratch,
        device.address(),
        pinned.bytes().as_mut_ptr().cast(),
        page.0,
    )?;
    let mut calls = Calls {
        library: driver.library(),
        cycles: Vec::new(),
        missing: Vec::new(),
    };
    objects::add(&mut calls, &given);
    memory::add(&mut calls, &given);
    let outcome = work(&calls);
    // Nothing that is under way uses what is freed now.
    driver.synchronize_all()?;
    Ok(outcome)
}

/// The program: every call that works here.
pub fn run(filter: &str, samples: usize) -> child::Result<()> {
    let driver = Driver::open()?;
    let report = with_calls(&driver, |calls| times(&driver, calls, filter, samples))?;
    print(&report)
}

/// The times of every call whose symbol contains `filter`.
fn times(driver: &Driver, calls: &Calls<'_>, filter: &str, samples: usize) -> Report {
    let mut left_out: Vec<String> = calls
        .missing
        .iter()
        .map(|symbol| format!("{symbol}: not in this driver"))
        .collect();
    let clock = floors::clock();
    let mut measured = Vec::new();
    for cycle in &calls.cycles {
        let wanted = |call: &Call| call.measured && call.symbol.contains(filter);
        if !cycle.iter().any(wanted) {
            continue;
        }
        match time(driver, cycle, samples, clock) {
            Ok(times) => measured.extend(
                cycle
                    .iter()
                    .zip(times)
                    .filter(|(call, _)| wanted(call))
                    .map(|(call, times)| (case_of(call.symbol), times)),
            ),
            Err(why) => left_out.push(why),
        }
    }
    Report { measured, left_out }
}

/// Makes a cycle again and again; the times of each of its calls.
fn time(
    driver: &Driver,
    cycle: &Cycle,
    samples: usize,
    clock: Duration,
) -> Result<Vec<Samples>, String> {
    let mut times = vec![Samples::new(); cycle.len()];
    let class = class_of(cycle[0].symbol);
    let at_once = matches!(class, Some(Class::Local | Class::Posted));
    let calls = if cycle.len() == 1 && at_once {
        BATCH
    } else {
        1
    };
    let failed = |call: &Call, code| format!("{}: CUDA result {code}", call.symbol);
    // The first time may build something, or be refused.
    for call in cycle {
        call.make().map_err(|code| failed(call, code))?;
    }
    let drain = || driver.synchronize_all().map_err(|error| error.to_string());
    let mut left = samples;
    while left > 0 {
        let group = left.min(SAMPLES_UNTIL_DRAINED);
        left -= group;
        drain()?;
        let cpu = clock::thread_cpu();
        for _ in 0..group {
            for (call, times) in cycle.iter().zip(&mut times) {
                let start = Instant::now();
                for _ in 0..calls {
                    call.make().map_err(|code| failed(call, code))?;
                }
                times.batch(start.elapsed(), calls, clock);
            }
        }
        // Reading CPU time takes longer than most calls, so that of each call of a cycle is not known.
        if let [only] = &mut times[..] {
            only.cpu(clock::thread_cpu() - cpu, group as u64 * u64::from(calls));
        }
    }
    drain()?;
    Ok(times)
}

const DEVICE_BYTES: u64 = 1 << 20;

/// A page of the program's own memory.
struct Page(Handle);

impl Page {
    const LAYOUT: std::alloc::Layout = match std::alloc::Layout::from_size_align(4096, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("a page is a valid layout"),
    };

    fn new() -> Self {
        // SAFETY: the layout is not empty.
        Self(unsafe { std::alloc::alloc_zeroed(Self::LAYOUT) }.cast())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; nothing has it pinned any more.
        unsafe { std::alloc::dealloc(self.0.cast(), Self::LAYOUT) };
    }
}

/// Makes what calls are made with.
fn given<'a>(
    driver: &Driver,
    scratch: &'a Scratch,
    device: u64,
    pinned: Handle,
    page: Handle,
) -> child::Result<Given<'a>> {
    type P = Handle;
    let (context, stream, module) = driver.handles();
    let library = driver.library();
    let slot = || scratch.slot().cast::<P>();
    let (function, other_stream, event, pool) = (slot(), slot(), slot(), slot());
    let (first, last, bus_id) = (slot(), slot(), scratch.slot());
    let name: *const std::ffi::c_char = c"empty4".as_ptr();
    for call in [
        call!(library, cuModuleGetFunction(function.cast() => P, module => P, name => *const std::ffi::c_char)),
        call!(library, cuStreamCreate(other_stream.cast() => P, 1 => c_uint)),
        call!(library, cuEventCreate(event.cast() => P, 2 => c_uint)),
        call!(library, cuEventCreate(first.cast() => P, 0 => c_uint)),
        call!(library, cuEventCreate(last.cast() => P, 0 => c_uint)),
        call!(library, cuEventRecord(*event => P, stream => P)),
        call!(library, cuEventRecord(*first => P, stream => P)),
        call!(library, cuEventRecord(*last => P, stream => P)),
        call!(library, cuStreamSynchronize(stream => P)),
        call!(library, cuDeviceGetDefaultMemPool(pool.cast() => P, 0 => c_int)),
        call!(library, cuDeviceGetPCIBusId(bus_id => P, 32 => c_int, 0 => c_int)),
    ] {
        let call = call.map_err(|symbol| format!("{symbol}: not in this driver"))?;
        call.make()
            .map_err(|code| format!("{}: CUDA result {code}", call.symbol))?;
    }
    let (library_at, kernel_at, null) = (slot(), slot(), std::ptr::null_mut::<c_void>());
    let image: P = PTX.as_ptr().cast_mut().cast();
    for call in [
        call!(library, cuLibraryLoadData(
            library_at.cast() => P, image => P, null => P, null => P, 0 => c_uint, null => P, null => P, 0 => c_uint,
        )),
        call!(library, cuLibraryGetKernel(kernel_at.cast() => P, *library_at => P, name => *const std::ffi::c_char)),
    ] {
        // Where this fails, what takes a library is refused and left out.
        let _ = call.map(|call| call.make());
    }
    // SAFETY: slots of the scratch, which the calls above filled.
    let at = |slot: *mut P| unsafe { *slot };
    Ok(Given {
        scratch,
        context,
        module,
        function: at(function),
        stream,
        other_stream: at(other_stream),
        event: at(event),
        timed_events: [at(first), at(last)],
        library: library_at,
        kernel: kernel_at,
        pool: at(pool),
        bus_id,
        device,
        device_bytes: DEVICE_BYTES,
        pinned,
        page,
    })
}

/// Makes every call on every link, and directly, in turn. Says how many of the table's calls that are.
pub fn measure(cli: &Cli, filter: &str, effort: Effort) -> Result<Vec<Row>, String> {
    let runner = Runner::new(cli)?;
    let server = runner.serve()?;
    let samples = effort.pick(4, 100, 300).to_string();
    let mut left_out = BTreeSet::new();
    let rows = turns::beside_direct(
        "api",
        &cli.link,
        effort.pick(1, 3, 5),
        effort != Effort::Quick,
        |link| {
            let name = format!("api on {}", link.name());
            progress::say(&name);
            let task = ["api", "--samples", &samples, "--filter", filter];
            let mut command = runner.command(link, server.as_ref(), &[], &task)?;
            command.stdin(Stdio::null());
            let text = Running::start(command, &name)?.output(TIMEOUT)?;
            let report: Report = serde_json::from_str(&text)
                .map_err(|error| format!("{name}: its report is unreadable: {error}"))?;
            left_out.extend(
                report
                    .left_out
                    .into_iter()
                    .map(|why| format!("{} ({})", why, link.name())),
            );
            Ok(report.measured)
        },
    )?;
    progress::done();
    let cases: BTreeSet<&str> = rows.iter().map(|row| row.case.as_str()).collect();
    println!("{}", coverage(cases.len()));
    for why in &left_out {
        println!("not measured: {why}");
    }
    println!();
    Ok(rows)
}

/// How many calls of the table are measured.
fn coverage(measured: usize) -> String {
    let forms = TABLE.iter().filter(|row| !row.exports.is_empty());
    let supported = forms.clone().filter(|row| row.support.works()).count();
    format!(
        "measured {measured} of the {supported} supported calls (of {} in the table)",
        forms.count()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every symbol of the lists, read from their text: the calls themselves take a driver.
    fn symbols() -> Vec<&'static str> {
        let mut symbols = Vec::new();
        for text in [include_str!("objects.rs"), include_str!("memory.rs")] {
            for (at, _) in text.match_indices("cu") {
                let before = text[..at].chars().next_back();
                let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let symbol = end.map_or("", |end| &text[at..at + end]);
                let called = text[at + symbol.len()..].starts_with('(');
                let aside = text[..at].ends_with("@aside ");
                if matches!(before, Some('[' | ' ')) && called && !aside {
                    symbols.push(symbol);
                }
            }
        }
        symbols
    }

    #[test]
    fn every_call_is_supported_in_the_table_and_measured_once() {
        let symbols = symbols();
        assert!(symbols.len() > 100, "{}", symbols.len());
        let mut cases = BTreeSet::new();
        for symbol in symbols {
            assert!(row_of(symbol).is_some(), "{symbol} is not a supported call");
            assert!(cases.insert(case_of(symbol)), "{symbol} is there twice");
        }
    }

    #[test]
    fn a_case_names_its_class() {
        assert_eq!(case_of("cuLaunchKernel"), "cuLaunchKernel (posted)");
        assert_eq!(
            case_of("cuStreamSynchronize"),
            "cuStreamSynchronize (called)"
        );
        assert_eq!(case_of("cuMemcpyHtoD_v2"), "cuMemcpyHtoD (bulk)");
    }

    #[test]
    fn a_call_that_is_refused_tells_its_result() {
        assert_eq!(Call::new("cuInit", || 0).make(), Ok(()));
        assert_eq!(Call::new("cuEventQuery", || 600).make(), Ok(()));
        assert_eq!(Call::new("cuInit", || 801).make(), Err(801));
        assert!(!Call::new("cuInit", || 0).aside().measured);
    }
}
