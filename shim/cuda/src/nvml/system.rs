//! Versions, processes' names, and what the machine as a whole has (nothing beyond its devices).
//!
//! Source: NVML API Reference Guide, "System Queries", "Unit Queries".

use super::{
    INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, Outcome, api, check, driver, put, put_text,
};
use std::ffi::c_char;

/// The CUDA version that each driver branch introduced, as the CUDA release notes list them. The branch of the serving machine's
/// driver is at least the one of the CUDA version it reports; more is not known here.
const BRANCHES: [(i32, &str); 11] = [
    (11080, "520"),
    (12000, "525"),
    (12010, "530"),
    (12020, "535"),
    (12030, "545"),
    (12040, "550"),
    (12050, "555"),
    (12060, "560"),
    (12080, "570"),
    (12090, "575"),
    (13000, "580"),
];

fn cuda_version() -> Outcome<i32> {
    let mut version = 0;
    // SAFETY: one output.
    check(unsafe { (driver()?.cuDriverGetVersion)(&raw mut version) })?;
    Ok(version)
}

api! {
    fn nvmlSystemGetDriverVersion(text: *mut c_char, len: u32) {
        let version = cuda_version()?;
        let branch = BRANCHES.iter().rev().find(|(cuda, _)| *cuda <= version).map(|&(_, branch)| branch).ok_or(NOT_SUPPORTED)?;
        put_text(text, len, branch)
    }

    fn nvmlSystemGetNVMLVersion(text: *mut c_char, len: u32) {
        let version = cuda_version()?;
        put_text(text, len, &format!("{}.{}", version / 1000, version % 1000 / 10))
    }

    fn nvmlSystemGetCudaDriverVersion(version: *mut i32) {
        put(version, cuda_version()?)
    }

    fn nvmlSystemGetCudaDriverVersion_v2(version: *mut i32) {
        put(version, cuda_version()?)
    }

    fn nvmlSystemGetProcessName(pid: u32, name: *mut c_char, len: u32) {
        driver()?;
        if name.is_null() || len == 0 {
            return Err(INVALID_ARGUMENT);
        }
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| NOT_FOUND)?;
        let command = String::from_utf8_lossy(command.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        let end = (0..=command.len().min(len as usize - 1)).rev().find(|&end| command.is_char_boundary(end)).unwrap_or(0);
        put_text(name, len, &command[..end])
    }

    fn nvmlUnitGetCount(count: *mut u32) {
        driver()?;
        put(count, 0)
    }

    fn nvmlGetExcludedDeviceCount(count: *mut u32) {
        driver()?;
        put(count, 0)
    }
}
