//! What the environment decides about the software GPU. Read once, at the first use.

use std::sync::OnceLock;
use std::time::Duration;

/// Settings of this process; see each field for the variable it comes from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `RINGWAY_SOFTGPU_DEVICES`: number of devices, 0 to 16 (default 1).
    pub devices: u32,
    /// `RINGWAY_SOFTGPU_CC`: compute capability, 7.5 to 12.1 (default 8.0).
    pub compute_capability: (u32, u32),
    /// `RINGWAY_SOFTGPU_MEMORY_MIB`: memory of each device in MiB, 16 to 262144 (default 4096).
    pub memory_bytes: u64,
    /// `RINGWAY_SOFTGPU_LATENCY_US`: added before each launch and copy, so that work is seen unfinished (default 0).
    pub latency: Duration,
    /// `RINGWAY_SOFTGPU_TIMEOUT_S`: a kernel that runs longer ends with CUDA_ERROR_LAUNCH_TIMEOUT (default 0: never).
    pub kernel_timeout: Option<Duration>,
    /// `RINGWAY_SOFTGPU_RACES`: `1`: kernels check their accesses to shared memory for races.
    pub races: bool,
    /// `RINGWAY_SOFTGPU_REPORT`: where the memory checker's report goes: unset is stderr, `quiet` is nowhere, else a file.
    pub report: Option<String>,
    /// `RINGWAY_SOFTGPU_PRINTF`: a file for device printf output; unset is stdout.
    pub printf: Option<String>,
    /// `RINGWAY_SOFTGPU_SHARE`: `N/M`: of M processes (1 to 16) whose devices give out different addresses this is number N, from 0 on
    /// (default 0/1). `ringway serve` sets it for programs with several servers.
    pub share: (u32, u32),
    /// CUDA's own `CUDA_MODULE_LOADING=EAGER`: kernels are compiled when their module is loaded, not when they are first asked for.
    pub eager_loading: bool,
    /// `RINGWAY_SOFTGPU_JOURNAL`: a file that gets one JSON line per driver call; `%p` stands for the process id.
    pub journal: Option<String>,
}

fn number(name: &str, default: u64, low: u64, high: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => match text.trim().parse::<u64>() {
            Ok(value) if (low..=high).contains(&value) => value,
            _ => {
                tracing::warn!("{name}={text} is not a number from {low} to {high}; using {default}");
                default
            }
        },
        Err(_) => default,
    }
}

const CAPABILITIES: &[(u32, u32)] =
    &[(7, 5), (8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1)];

fn capability() -> (u32, u32) {
    let Ok(text) = std::env::var("RINGWAY_SOFTGPU_CC") else { return (8, 0) };
    let parsed = match text.trim().split_once('.') {
        Some((major, minor)) => major.parse().ok().zip(minor.parse().ok()),
        None => None,
    };
    match parsed.filter(|cc| CAPABILITIES.contains(cc)) {
        Some(cc) => cc,
        None => {
            tracing::warn!("RINGWAY_SOFTGPU_CC={text} is not a compute capability from 7.5 to 12.1; using 8.0");
            (8, 0)
        }
    }
}

fn share() -> (u32, u32) {
    let Some(text) = text("RINGWAY_SOFTGPU_SHARE") else { return (0, 1) };
    let parsed = text.split_once('/').and_then(|(number, of)| number.parse().ok().zip(of.parse().ok()));
    match parsed {
        Some((number, of)) if (1..=16).contains(&of) && number < of => (number, of),
        _ => {
            tracing::warn!("RINGWAY_SOFTGPU_SHARE={text} is not N/M with N below M and M from 1 to 16; using 0/1");
            (0, 1)
        }
    }
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The settings of this process.
pub fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        start_log();
        Settings {
            devices: number("RINGWAY_SOFTGPU_DEVICES", 1, 0, 16) as u32,
            compute_capability: capability(),
            memory_bytes: number("RINGWAY_SOFTGPU_MEMORY_MIB", 4096, 16, 262_144) << 20,
            latency: Duration::from_micros(number("RINGWAY_SOFTGPU_LATENCY_US", 0, 0, 60_000_000)),
            kernel_timeout: match number("RINGWAY_SOFTGPU_TIMEOUT_S", 0, 0, 86_400) {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            races: text("RINGWAY_SOFTGPU_RACES").as_deref() == Some("1"),
            report: text("RINGWAY_SOFTGPU_REPORT"),
            printf: text("RINGWAY_SOFTGPU_PRINTF"),
            share: share(),
            eager_loading: text("CUDA_MODULE_LOADING").is_some_and(|mode| mode == "EAGER"),
            journal: text("RINGWAY_SOFTGPU_JOURNAL"),
        }
    })
}

/// This library is loaded into programs that know nothing of `tracing`; with RINGWAY_LOG set it writes its own log to stderr.
fn start_log() {
    if let Some(filter) = text("RINGWAY_LOG")
        && let Ok(filter) = tracing_subscriber::EnvFilter::try_new(filter)
    {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
}
