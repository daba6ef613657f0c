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
    checks
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
