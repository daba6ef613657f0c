//! Where the numbers were taken.

use std::fs;

fn first_line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.to_owned())
}

/// The machine in a few lines.
pub fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let virtual_machine = if cpuinfo.contains("hypervisor") {
        ", virtual machine"
    } else {
        ""
    };
    format!(
        "ringway-perf {}; {cores} cores, {model}{virtual_machine}\nLinux {}; load {}\n",
        env!("CARGO_PKG_VERSION"),
        first_line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
        load(),
    )
}

/// Load averages; above 0 before a measurement something else was running.
pub fn load() -> String {
    first_line("/proc/loadavg")
        .map(|line| {
            line.split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_else(|| "unknown".into())
}
