//! What a session costs while it does nothing: CPU time and memory of both ends.

use crate::processes;
use crate::row::{Row, plain_row};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// The ends have gone to sleep after this time.
const SETTLE: Duration = Duration::from_millis(500);

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    private_kib: f64,
    shared_kib: f64,
}

impl Usage {
    fn of(pid: u32) -> Option<Self> {
        let field = |name| processes::kib(&format!("/proc/{pid}/status"), name);
        Some(Self {
            private_kib: field("RssAnon:")?,
            shared_kib: field("RssShmem:")?,
        })
    }

    /// Of this process.
    pub fn of_self() -> Self {
        Self::of(std::process::id()).unwrap_or_default()
    }
}

/// CPU time in microseconds of the threads of a process; in this process without the first thread, which is the one that
/// looks (and otherwise sleeps).
fn cpu_us(pid: u32) -> Option<f64> {
    let mut ns = 0.0;
    let own = std::process::id();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?;
        if pid == own && task.file_name().to_str() == Some(&own.to_string()) {
            continue;
        }
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        ns += text
            .split_whitespace()
            .next()
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0);
    }
    Some(ns / 1000.0)
}

/// The worker of this session, where it runs under the same `ringway run`.
fn worker() -> Option<u32> {
    let family = processes::family(std::os::unix::process::parent_id());
    family.into_iter().skip(1).find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|arg| arg == b"worker"))
    })
}

/// Watches the session for some seconds. `before`: this process before it attached.
pub fn rows(before: &Usage, seconds: u32) -> Vec<Row> {
    thread::sleep(SETTLE);
    let worker = worker();
    let own = std::process::id();
    let usage = |pid| cpu_us(pid).unwrap_or_default();
    let (mut client_cpu, mut worker_cpu) = (Vec::new(), Vec::new());
    for _ in 0..seconds {
        let worker_start = worker.map(usage);
        let (start, client_start) = (Instant::now(), usage(own));
        thread::sleep(Duration::from_secs(1));
        let client = usage(own) - client_start;
        let per_second = |us: f64| us / start.elapsed().as_secs_f64();
        client_cpu.push(per_second(client));
        if let (Some(pid), Some(start)) = (worker, worker_start) {
            worker_cpu.push(per_second(usage(pid) - start));
        }
    }
    let after = Usage::of_self();
    let mut rows = vec![
        plain_row("idle", "client CPU", "us/s", client_cpu),
        plain_row("idle", "worker CPU", "us/s", worker_cpu),
        plain_row(
            "idle",
            "client memory, private, added",
            "KiB",
            vec![(after.private_kib - before.private_kib).max(0.0)],
        ),
        plain_row(
            "idle",
            "client memory, windows in use",
            "KiB",
            vec![(after.shared_kib - before.shared_kib).max(0.0)],
        ),
    ];
    if let Some(usage) = worker.and_then(Usage::of) {
        // The driver's own memory is in these.
        rows.push(plain_row(
            "idle",
            "worker memory, private, with the driver's",
            "KiB",
            vec![usage.private_kib],
        ));
        rows.push(plain_row(
            "idle",
            "worker memory, shared",
            "KiB",
            vec![usage.shared_kib],
        ));
    }
    rows.into_iter().flatten().collect()
}
