//! Processors, memory, limits, clocks.

use super::{Role, fail, marginal, pass, text_of};
use ringway_wire::control::{Check, DeviceSnapshot};
use ringway_wire::layout::Geometry;

/// Descriptors that 64 sessions over RDMA take on a server, with room for the rest (12 for both ends of a lane).
const FILES_WANTED: u64 = 4096;
/// Lanes whose windows should be registrable.
const LANES_WANTED: u64 = 8;

pub(super) fn checks(role: Role) -> Vec<Check> {
    let mut checks = vec![cores(), frequency(), huge_pages(), locked_memory(), files(), clock_source(), clock(), loader(role)];
    if role == Role::Server {
        checks.push(confinement());
    }
    checks
}

/// Whether this kernel filters system calls as workers want it.
///
/// # Errors
/// What it lacks.
pub fn can_confine() -> Result<(), &'static str> {
    if !text_of("/proc/self/status").lines().any(|line| line.starts_with("Seccomp:")) {
        return Err("no seccomp (CONFIG_SECCOMP)");
    }
    let actions = text_of("/proc/sys/kernel/seccomp/actions_avail");
    match actions.split_whitespace().any(|action| action == "errno") {
        true => Ok(()),
        false => Err("no filters of system calls (CONFIG_SECCOMP_FILTER, Linux 4.17)"),
    }
}

fn confinement() -> Check {
    const SUBJECT: &str = "confinement of workers";
    match can_confine() {
        Ok(()) => pass(SUBJECT, "system calls can be filtered"),
        Err(lack) => marginal(SUBJECT, lack, "use a kernel that has them; else sessions work with `ringway serve --unconfined` only, and who takes a worker over has all rights of its user"),
    }
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match cores {
        1 => marginal("processor cores", "1", "give the machine (or its container) two cores or more: with one, nothing is ever polled and each wait costs two wake-ups"),
        n => pass("processor cores", n.to_string()),
    }
}

fn frequency() -> Check {
    match text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").as_str() {
        "" => pass("frequency governor", "none (a virtual machine, or the firmware's)"),
        slow @ ("powersave" | "conservative") => {
            marginal("frequency governor", slow, "`cpupower frequency-set -g performance`: polling threads do not raise the clock by themselves on every processor")
        }
        other => pass("frequency governor", other),
    }
}

fn memory_info(field: &str) -> Option<u64> {
    number_of(&text_of("/proc/meminfo"), field)
}

/// A field of `/proc/meminfo`, as it stands there (KiB, or a number of pages).
fn number_of(text: &str, field: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn huge_pages() -> Check {
    let reserved = memory_info("HugePages_Free").unwrap_or(0);
    let transparent = text_of("/sys/kernel/mm/transparent_hugepage/enabled");
    let mode = transparent.split(['[', ']']).nth(1).unwrap_or("not there");
    let found = format!("transparent: {mode}; reserved and free: {reserved}");
    if reserved > 0 || matches!(mode, "always" | "madvise") {
        pass("huge pages", found)
    } else {
        marginal("huge pages", found, "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`: large copies of small pages cost more address translation, in the processor and in the adapter")
    }
}

fn locked_memory() -> Check {
    let limit = ringway_verbs::locked_memory_limit();
    let lane = (Geometry::DEFAULT.server_window_bytes() + Geometry::DEFAULT.client_window_bytes()) as u64;
    let wanted = LANES_WANTED * lane;
    match limit {
        u64::MAX => pass("locked memory", "unlimited"),
        limit if limit >= wanted => pass("locked memory", format!("{} MiB", limit >> 20)),
        limit => marginal(
            "locked memory",
            format!("{} KiB; the windows of one lane over RDMA take {} KiB", limit >> 10, lane >> 10),
            "raise the limit, or programs run over TCP: `ulimit -l unlimited`, `LimitMEMLOCK=infinity` in a systemd unit, `--ulimit memlock=-1` for a container",
        ),
    }
}

fn files() -> Check {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: an out parameter of the right type.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    match (result, limit.rlim_max) {
        (0, libc::RLIM_INFINITY) => pass("open files", "unlimited"),
        (0, most) if most >= FILES_WANTED => pass("open files", format!("at most {most}")),
        (0, most) => marginal("open files", format!("at most {most}"), "`LimitNOFILE=65536` in a systemd unit, `ulimit -Hn 65536` in a shell: a session takes some 12"),
        _ => marginal("open files", std::io::Error::last_os_error().to_string(), "look at `ulimit -n`"),
    }
}

fn clock_source() -> Check {
    match text_of("/sys/devices/system/clocksource/clocksource0/current_clocksource").as_str() {
        "" => marginal("clock source", "not shown", "mount /sys"),
        fast @ ("tsc" | "arch_sys_counter" | "kvm-clock" | "hyperv_clocksource_tsc_page") => pass("clock source", fast),
        slow => marginal(
            "clock source",
            slow,
            "`echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource`, if it is offered there: reading another clock takes a system call or a device access, and every wait reads it",
        ),
    }
}

fn clock() -> Check {
    // SAFETY: all zeroes are a valid timex, and modes of 0 only read.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: an in and out parameter of the right type.
    match unsafe { libc::adjtimex(&raw mut state) } {
        -1 => marginal("clock", std::io::Error::last_os_error().to_string(), "allow adjtimex(2) in the container's seccomp profile, to read the clock's state"),
        libc::TIME_ERROR => marginal("clock", "not synchronised", "run chrony, ntpd or systemd-timesyncd: logs and tokens of several machines compare times"),
        _ => pass("clock", format!("synchronised, within {} ms", state.maxerror / 1000)),
    }
}

/// Whether the loader takes our libraries: `ringway run` uses `LD_AUDIT`, which is glibc's.
fn loader(role: Role) -> Check {
    const SUBJECT: &str = "dynamic loader";
    // SAFETY: a static string of the C library.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) }.to_string_lossy();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version_is = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match (version_is >= (2, 31), role) {
        (true, _) => pass(SUBJECT, format!("glibc {version}")),
        (false, Role::Client) => fail(SUBJECT, format!("glibc {version}"), "run programs in a container of a release with glibc 2.31 or later"),
        (false, Role::Server) => marginal(SUBJECT, format!("glibc {version}"), "programs that run on this machine need glibc 2.31 or later"),
    }
}

/// Host memory against GPU memory: programs and their drivers stage what a GPU holds.
pub(super) fn host_memory(devices: &[DeviceSnapshot]) -> Check {
    const SUBJECT: &str = "host memory";
    let host = memory_info("MemTotal").unwrap_or(0) << 10;
    let gpus: u64 = devices.iter().fold(0, |sum, device| sum.saturating_add(device.memory_bytes));
    let found = format!("{} MiB, GPUs {} MiB", host >> 20, gpus >> 20);
    if host >= gpus {
        pass(SUBJECT, found)
    } else {
        marginal(SUBJECT, found, "lease less at a time, or add memory: pinned and staged copies of what the GPUs hold do not fit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_meminfo_are_found_by_their_whole_name() {
        let text = "MemTotal:       24689948 kB\nMemFree: 1 kB\nHugePages_Total:       3\nHugePages_Free:        2\n";
        assert_eq!(number_of(text, "MemTotal"), Some(24_689_948));
        assert_eq!(number_of(text, "HugePages_Free"), Some(2));
        assert_eq!(number_of(text, "HugePages"), None);
        assert_eq!(number_of(text, "Mem"), None);
        assert_eq!(number_of("MemTotal: x", "MemTotal"), None);
    }
}
