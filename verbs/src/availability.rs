//! Whether this machine can do RDMA, and if not, why and what to do about it.

use crate::device::{self, Context, DeviceInfo, PortState};
use crate::gid;
use std::net::IpAddr;
use std::path::Path;

/// Where the kernel shows its verbs devices.
const SYSFS_DEVICES: &str = "/sys/class/infiniband_verbs";
/// `CAP_IPC_LOCK` of `capabilities(7)`: with it, the limit of locked memory does not count.
const CAP_IPC_LOCK: u32 = 14;

/// Why there is no RDMA, on this machine or by this address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyNot {
    /// The library is not there.
    #[error("libibverbs is not installed")]
    NoLibrary,
    /// The library is there but lacks a function.
    #[error("libibverbs lacks {0}")]
    OldLibrary(&'static str),
    /// The kernel has no RDMA subsystem, or its modules are not loaded.
    #[error("the kernel has no RDMA support (ib_uverbs is not loaded)")]
    NoKernelSupport,
    /// Library and kernel are there, a device is not.
    #[error("there is no RDMA device")]
    NoDevice,
    /// Devices exist, but this process may not open them.
    #[error("RDMA devices cannot be opened: {0}")]
    NotPermitted(String),
    /// No port has an identifier for the address in question.
    #[error("no RDMA port has a GID for {local} (devices: {devices})")]
    NoUsableGid {
        /// The local address that reaches the peer, or "any address".
        local: String,
        /// The devices looked at.
        devices: String,
    },
    /// The port that would be used does not carry traffic.
    #[error("port {port} of {device} is {state}")]
    PortDown {
        /// The device.
        device: String,
        /// The port, from 1.
        port: u8,
        /// Its state.
        state: PortState,
    },
    /// Registering memory would exceed `RLIMIT_MEMLOCK`.
    #[error("the limit of locked memory is {limit} bytes, {needed} are needed")]
    LockedMemory {
        /// `RLIMIT_MEMLOCK`, in bytes.
        limit: u64,
        /// What is to be registered, in bytes.
        needed: u64,
    },
    /// The connection manager is missing, in part.
    #[error("there is no RDMA connection manager: {0}")]
    NoConnectionManager(&'static str),
    /// The library reported an error.
    #[error("listing RDMA devices failed: {0}")]
    Failed(String),
}

impl WhyNot {
    /// What a user can do about it.
    pub fn cure(&self) -> &'static str {
        match self {
            WhyNot::NoLibrary => {
                "install libibverbs and its drivers: Debian and Ubuntu `ibverbs-providers`, Red Hat `libibverbs`"
            }
            WhyNot::OldLibrary(_) => "install rdma-core 32 or later",
            WhyNot::NoKernelSupport => {
                "load the modules: `modprobe ib_uverbs`, and the adapter's driver; in a container, on its host"
            }
            WhyNot::NoDevice => {
                "load the adapter's driver (mlx5_ib, irdma, bnxt_re, ...), or make a Soft-RoCE device: \
                 `rdma link add rxe0 type rxe netdev eth0`"
            }
            WhyNot::NotPermitted(_) => {
                "give this user read and write permission for /dev/infiniband/uverbs*, and pass /dev/infiniband into \
                 containers (`docker run --device /dev/infiniband`)"
            }
            WhyNot::NoUsableGid { .. } => {
                "give the adapter's network interface an IP address by which the peer is reached, or connect by the \
                 address that it has; `rdma link` and `show_gids` list what there is"
            }
            WhyNot::PortDown { .. } => {
                "bring the link up: `ip link set DEV up` for RoCE, a subnet manager (opensm) for InfiniBand, and look \
                 at the cable and the switch"
            }
            WhyNot::LockedMemory { .. } => {
                "raise the limit: `ulimit -l unlimited`, `LimitMEMLOCK=infinity` in a systemd unit, \
                 `--ulimit memlock=-1` for a container"
            }
            WhyNot::NoConnectionManager(_) => {
                "install librdmacm (Debian and Ubuntu: `librdmacm1`) and load the module: `modprobe rdma_ucm`"
            }
            WhyNot::Failed(_) => {
                "look at the kernel's log: `dmesg | grep -iE 'rdma|infiniband|mlx'`"
            }
        }
    }
}

/// The RDMA devices of this machine that can be used: they open, and one port at least is active and has a GID.
///
/// Errors: the reason why there are none.
pub fn probe() -> Result<Vec<DeviceInfo>, WhyNot> {
    let devices = list_openable()?;
    let mut why = None;
    let mut usable = Vec::new();
    for info in devices {
        match Context::open(&info.name)
            .map_err(why_of)
            .and_then(|context| has_usable_port(&context))
        {
            Ok(()) => usable.push(info),
            Err(reason) => why = Some(reason),
        }
    }
    match why {
        Some(why) if usable.is_empty() => Err(why),
        _ => Ok(usable),
    }
}

/// Devices whose files this process may open.
pub(crate) fn list_openable() -> Result<Vec<DeviceInfo>, WhyNot> {
    let devices = device::list()?;
    if devices.is_empty() {
        return Err(if Path::new(SYSFS_DEVICES).exists() {
            WhyNot::NoDevice
        } else {
            WhyNot::NoKernelSupport
        });
    }
    openable()?;
    Ok(devices)
}

pub(crate) fn why_of(error: crate::Error) -> WhyNot {
    match error {
        crate::Error::Unavailable(why) => why,
        crate::Error::System {
            errno: libc::EACCES | libc::EPERM,
            ..
        } => WhyNot::NotPermitted(error.to_string()),
        error => WhyNot::Failed(error.to_string()),
    }
}

fn has_usable_port(context: &Context) -> Result<(), WhyNot> {
    let ports = context.ports().map_err(why_of)?;
    let gids = context.gids().map_err(why_of)?;
    let mut why = WhyNot::NoUsableGid {
        local: "any address".into(),
        devices: context.name().into(),
    };
    for port in ports {
        if port.state != PortState::Active {
            why = WhyNot::PortDown {
                device: context.name().into(),
                port: port.number,
                state: port.state,
            };
        } else if gids
            .iter()
            .any(|entry| entry.port == port.number && gid::usable(entry))
        {
            return Ok(());
        }
    }
    Err(why)
}

/// Whether the device files may be opened by this process.
fn openable() -> Result<(), WhyNot> {
    let mut refused = None;
    let Ok(entries) = std::fs::read_dir("/dev/infiniband") else {
        return Err(WhyNot::NotPermitted(
            "/dev/infiniband is not there (not passed into this container?)".into(),
        ));
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("uverbs"))
    {
        match std::fs::File::options()
            .read(true)
            .write(true)
            .open(entry.path())
        {
            Ok(_) => return Ok(()),
            Err(error) => refused = Some(format!("{}: {error}", entry.path().display())),
        }
    }
    Err(WhyNot::NotPermitted(
        refused.unwrap_or_else(|| "no uverbs device file".into()),
    ))
}

/// How many bytes this process may lock, and thus register: `RLIMIT_MEMLOCK` of `getrlimit(2)`, or `u64::MAX` if there
/// is no limit or `CAP_IPC_LOCK` lifts it.
pub fn locked_memory_limit() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if has_capability(&status, CAP_IPC_LOCK) {
        return u64::MAX;
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: an out parameter of the right type.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    if result != 0 || limit.rlim_cur == libc::RLIM_INFINITY {
        u64::MAX
    } else {
        limit.rlim_cur
    }
}

/// Whether `needed` bytes, of all regions together, may be locked; before anything is registered, so that the reason is
/// known and not guessed from `ENOMEM`.
pub fn check_locked_memory(needed: u64) -> Result<(), WhyNot> {
    let limit = locked_memory_limit();
    if needed > limit {
        Err(WhyNot::LockedMemory { limit, needed })
    } else {
        Ok(())
    }
}

fn has_capability(status: &str, capability: u32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> capability & 1 == 1)
}

pub(crate) fn no_gid(local: IpAddr, devices: &[String]) -> WhyNot {
    WhyNot::NoUsableGid {
        local: local.to_string(),
        devices: devices.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library_is_there() -> bool {
        // SAFETY: libibverbs has an initialiser without requirements on its caller.
        let handle = unsafe { libc::dlopen(c"libibverbs.so.1".as_ptr(), libc::RTLD_LAZY) };
        !handle.is_null()
    }

    /// Whatever the machine has, the answer must agree with what can be seen without the library.
    #[test]
    fn the_answer_agrees_with_the_system() {
        let shown = std::fs::read_dir(SYSFS_DEVICES).map(|entries| {
            entries
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("uverbs"))
                .count()
        });
        match probe() {
            Ok(devices) => {
                assert!(shown.is_ok_and(|shown| shown >= devices.len()) && !devices.is_empty());
                assert!(devices.iter().all(|device| !device.name.is_empty()));
            }
            Err(WhyNot::NoLibrary) => assert!(!library_is_there()),
            Err(WhyNot::NoKernelSupport) => assert!(library_is_there() && shown.is_err()),
            Err(WhyNot::NoDevice) => assert!(shown.is_ok()),
            Err(other) => assert!(!other.to_string().is_empty()),
        }
    }

    #[test]
    fn every_reason_has_a_cure() {
        let reasons = [
            WhyNot::NoLibrary,
            WhyNot::OldLibrary("ibv_query_gid_table"),
            WhyNot::NoKernelSupport,
            WhyNot::NoDevice,
            WhyNot::NotPermitted("uverbs0".into()),
            no_gid("10.0.0.1".parse().unwrap(), &["rxe0".into()]),
            WhyNot::PortDown {
                device: "rxe0".into(),
                port: 1,
                state: PortState::Down,
            },
            WhyNot::LockedMemory {
                limit: 8 << 20,
                needed: 64 << 20,
            },
            WhyNot::NoConnectionManager("librdmacm is not installed"),
            WhyNot::Failed("?".into()),
        ];
        for (i, reason) in reasons.iter().enumerate() {
            assert!(reason.cure().len() > 20);
            let same = |other: &WhyNot| other.cure() == reason.cure();
            assert_eq!(reasons.iter().position(same), Some(i), "{reason}");
        }
        assert_eq!(reasons[6].to_string(), "port 1 of rxe0 is down");
        assert!(reasons[5].to_string().contains("10.0.0.1"));
    }

    #[test]
    fn capabilities_are_read_from_the_effective_set() {
        let status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000004000\n";
        assert!(has_capability(status, CAP_IPC_LOCK));
        assert!(!has_capability(status, 13));
        assert!(!has_capability("CapEff:\t0000000000000000\n", CAP_IPC_LOCK));
        assert!(!has_capability("CapEff:\tx\n", CAP_IPC_LOCK));
        assert!(!has_capability("", CAP_IPC_LOCK));
    }

    #[test]
    fn more_than_the_limit_is_refused_with_both_numbers() {
        match locked_memory_limit() {
            u64::MAX => assert_eq!(check_locked_memory(u64::MAX), Ok(())),
            limit => assert_eq!(
                check_locked_memory(limit + 1),
                Err(WhyNot::LockedMemory {
                    limit,
                    needed: limit + 1
                })
            ),
        }
    }
}
