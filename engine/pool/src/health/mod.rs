//! Health checks of one machine: what a server or a client needs to run well, with a verdict and a cure.
//!
//! Every check reads what the kernel, the driver and the RDMA library show; none changes anything, and none waits for
//! another machine.

mod fabric;
pub(crate) mod gpu;
mod machine;

pub use machine::can_confine;

use ringway_wire::control::{Check, DeviceSnapshot, Verdict};

/// What is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A machine on which programs run.
    Client,
    /// A machine whose GPUs are leased.
    Server,
}

/// Checks this machine; `driver` and `devices` are what its libcuda shows, or why it shows nothing.
pub fn check(role: Role, gpus: Result<(&str, &[DeviceSnapshot]), &str>) -> Vec<Check> {
    let devices = gpus.map_or(&[][..], |(_, devices)| devices);
    let mut checks = machine::checks(role);
    checks.extend(fabric::checks());
    if role == Role::Server {
        checks.extend(gpu::checks(gpus));
        checks.push(machine::host_memory(devices));
        checks.push(gpu::nearness(devices));
    }
    checks
}

/// Something that is as it should be.
pub fn pass(subject: &str, found: impl Into<String>) -> Check {
    Check { subject: subject.into(), verdict: Verdict::Pass, found: found.into(), cure: String::new() }
}

/// Something that works, but not as well as it could.
pub fn marginal(subject: &str, found: impl Into<String>, cure: impl Into<String>) -> Check {
    Check { subject: subject.into(), verdict: Verdict::Marginal, found: found.into(), cure: cure.into() }
}

/// Something that does not work.
pub fn fail(subject: &str, found: impl Into<String>, cure: impl Into<String>) -> Check {
    Check { subject: subject.into(), verdict: Verdict::Fail, found: found.into(), cure: cure.into() }
}

/// A file's text without the space around it; empty if it cannot be read.
fn text_of(path: impl AsRef<std::path::Path>) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn snapshot(memory_bytes: u64) -> DeviceSnapshot {
        DeviceSnapshot { name: "GPU".into(), pci_bus_id: "0000:01:00.0".into(), memory_bytes, ..DeviceSnapshot::default() }
    }

    #[test]
    fn whatever_is_not_right_has_a_cure() {
        let devices = [snapshot(1 << 20)];
        for (role, gpus) in [(Role::Client, Err("")), (Role::Server, Ok(("softgpu (CUDA 13.0)", &devices[..]))), (Role::Server, Err("no driver"))] {
            let checks = check(role, gpus);
            let subjects: HashSet<_> = checks.iter().map(|check| &check.subject).collect();
            assert_eq!(subjects.len(), checks.len(), "a subject twice: {checks:?}");
            for check in checks {
                assert!(!check.found.is_empty(), "{check:?}");
                assert_eq!(check.cure.is_empty(), check.verdict == Verdict::Pass, "{check:?}");
            }
        }
    }

    #[test]
    fn a_server_without_gpus_fails_and_a_client_needs_none() {
        let failed = |checks: Vec<Check>| checks.iter().any(|check| check.verdict == Verdict::Fail && check.subject == "GPUs");
        assert!(failed(check(Role::Server, Err("libcuda.so.1 is not there"))));
        assert!(!failed(check(Role::Client, Err("libcuda.so.1 is not there"))));
    }

    #[test]
    fn gpus_with_more_memory_than_the_host_are_marginal() {
        let verdict = |bytes| machine::host_memory(&[snapshot(bytes)]).verdict;
        assert_eq!(verdict(1 << 20), Verdict::Pass);
        assert_eq!(verdict(1 << 60), Verdict::Marginal);
    }
}
