//! GPUs: driver, devices, and how near they are to the adapters.

use super::{fail, marginal, pass, text_of};
use ringway_wire::control::{Check, DeviceSnapshot};

pub(super) fn checks(gpus: Result<(&str, &[DeviceSnapshot]), &str>) -> Vec<Check> {
    const SUBJECT: &str = "GPUs";
    let (driver, devices) = match gpus {
        Err(why) => return vec![fail(SUBJECT, why, "install a driver, or serve the software GPU: `--driver softgpu`")],
        Ok(found) => found,
    };
    let names: Vec<_> = devices.iter().map(|device| format!("{} ({} MiB)", device.name, device.memory_bytes >> 20)).collect();
    let software = devices.iter().any(|device| device.name.contains("Software GPU"));
    let mut checks = vec![pass(SUBJECT, names.join(", "))];
    checks.push(if software {
        marginal("driver", driver, "for a real GPU install NVIDIA's driver: the software GPU computes on the processor")
    } else {
        pass("driver", driver)
    });
    checks.push(wiping(software, &text_of("/proc/driver/nvidia/params")));
    checks
}

/// Version of NVIDIA's kernel module, as `550.54.15`; None: there is none, or it does not say.
pub(crate) fn driver_version() -> Option<String> {
    version_in(&text_of("/proc/driver/nvidia/version"))
}

/// Finds `550.54.15` in `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024`.
fn version_in(text: &str) -> Option<String> {
    let is_version = |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

/// CUDA version in a driver's description, as `CUDA 13.0`; None: it does not say.
pub(crate) fn cuda_version(driver: &str) -> Option<String> {
    let (_, rest) = driver.rsplit_once("CUDA ")?;
    let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!version.is_empty()).then_some(version)
}

/// Whether this machine has an RDMA adapter.
pub(crate) fn has_adapter() -> bool {
    std::fs::read_dir("/sys/class/infiniband").is_ok_and(|mut entries| entries.next().is_some())
}

/// Whether what a session leaves in memory is wiped before another one gets it. NVIDIA's driver does so unless one of two
/// parameters of its module forbids it (`nvrm_registry.h` and `nv-reg.h` of its published source).
fn wiping(software: bool, parameters: &str) -> Check {
    const SUBJECT: &str = "memory between sessions";
    const BY_HAND: [(&str, &str); 2] = [("RMDisableScrubOnFree=1", "GPU memory"), ("InitializeSystemMemoryAllocations: 0", "host memory of the driver")];
    if software {
        return pass(SUBJECT, "wiped by the software GPU");
    }
    if parameters.is_empty() {
        return marginal(SUBJECT, "not known of this driver", "ask its vendor whether memory is wiped between processes; else lease to one tenant at a time");
    }
    let left: Vec<_> = BY_HAND.iter().filter(|(parameter, _)| parameters.contains(parameter)).collect();
    match left.as_slice() {
        [] => pass(SUBJECT, "wiped by the driver when it is freed"),
        [(parameter, what), ..] => fail(SUBJECT, format!("{parameter}: {what} is not wiped"), "take this parameter from the nvidia module (`grep -r NVreg_ /etc/modprobe.d`) and load it again"),
    }
}

/// The NUMA node of a PCI device, where the kernel names one.
fn node_of(device: &std::path::Path) -> Option<u32> {
    text_of(device.join("numa_node")).parse().ok()
}

/// Distance between two nodes as the firmware gives it: 10 within one node.
fn distance(from: u32, to: u32) -> u32 {
    let row = text_of(format!("/sys/devices/system/node/node{from}/distance"));
    row.split_whitespace().nth(to as usize).and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Whether each GPU has an RDMA adapter on its own NUMA node.
pub(super) fn nearness(devices: &[DeviceSnapshot]) -> Check {
    const SUBJECT: &str = "NUMA distance of GPUs and adapters";
    let adapters: Vec<u32> = std::fs::read_dir("/sys/class/infiniband")
        .map(|entries| entries.flatten().filter_map(|entry| node_of(&entry.path().join("device"))).collect())
        .unwrap_or_default();
    let mut far = Vec::new();
    let mut known = 0;
    for (ordinal, device) in devices.iter().enumerate() {
        let path = std::path::Path::new("/sys/bus/pci/devices").join(device.pci_bus_id.to_lowercase());
        let Some(node) = node_of(&path) else { continue };
        let Some(nearest) = adapters.iter().map(|adapter| distance(node, *adapter)).min() else { continue };
        known += 1;
        if nearest > 10 {
            far.push(format!("GPU {ordinal} {nearest}"));
        }
    }
    match (known, far.is_empty()) {
        (0, _) => pass(SUBJECT, "one node, or none of them shows one"),
        (_, true) => pass(SUBJECT, "10, each on its adapter's node"),
        _ => marginal(
            SUBJECT,
            far.join(", "),
            "serve these GPUs by an adapter on their own node if there is one: traffic between nodes costs latency and bandwidth; `nvidia-smi topo -m` shows which",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_wire::control::Verdict;

    #[test]
    fn a_driver_that_does_not_wipe_fails() {
        let usual = "ResmanDebugLevel: 4294967295\nInitializeSystemMemoryAllocations: 1\nRegistryDwords: \"\"\n";
        assert_eq!(wiping(false, usual).verdict, Verdict::Pass);
        assert_eq!(wiping(true, "").verdict, Verdict::Pass);
        assert_eq!(wiping(false, "").verdict, Verdict::Marginal);
        assert_eq!(wiping(false, &usual.replace("Allocations: 1", "Allocations: 0")).verdict, Verdict::Fail);
        assert_eq!(wiping(false, &usual.replace("\"\"", "\"RMDisableScrubOnFree=1\"")).verdict, Verdict::Fail);
    }

    #[test]
    fn versions_are_found_where_drivers_say_them() {
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: gcc 12.2.0";
        assert_eq!(version_in(text).as_deref(), Some("550.54.15"));
        assert_eq!(version_in(""), None);
        assert_eq!(cuda_version("CUDA 13.0").as_deref(), Some("13.0"));
        assert_eq!(cuda_version("softgpu"), None);
    }
}
