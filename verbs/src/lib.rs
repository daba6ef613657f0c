//! RDMA: whether this machine can do it, found out at run time.
//!
//! `libibverbs` is loaded when asked, never linked, so the product runs on machines without it; and where it cannot
//! be used, [`probe`] says why in words a user can act on. Queue pairs, memory regions and completion queues are not
//! here yet: no lane runs over RDMA so far, a link choice says so.

use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;

/// Names under which distributions install the library.
const LIBRARY_NAMES: [&str; 2] = ["libibverbs.so.1", "libibverbs.so"];
/// Where the kernel shows its verbs devices.
const SYSFS_DEVICES: &str = "/sys/class/infiniband_verbs";
/// More devices than this are not looked at.
const DEVICES_MAX: c_int = 256;

/// A verbs device that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// As the system calls it, `mlx5_0` or `rxe0`.
    pub name: String,
    /// Node GUID in network byte order, as `ibv_get_device_guid` gives it.
    pub guid: u64,
}

/// Why there is no RDMA on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The library reported an error.
    #[error("listing RDMA devices failed: {0}")]
    Failed(String),
}

/// The RDMA devices of this machine.
///
/// `ibv_get_device_list(3)`: allocates an array that ends with a null pointer, freed by `ibv_free_device_list(3)`.
/// Errors: the reason why there are none.
pub fn probe() -> Result<Vec<DeviceInfo>, WhyNot> {
    let library = load().ok_or(WhyNot::NoLibrary)?;
    if !Path::new(SYSFS_DEVICES).exists() {
        return Err(WhyNot::NoKernelSupport);
    }
    let devices = list(&library)?;
    if devices.is_empty() {
        return Err(WhyNot::NoDevice);
    }
    openable(devices)
}

fn load() -> Option<Library> {
    // SAFETY: libibverbs has an initialiser that registers providers and has no requirement on its caller.
    LIBRARY_NAMES
        .iter()
        .find_map(|name| unsafe { Library::new(name) }.ok())
}

fn list(library: &Library) -> Result<Vec<DeviceInfo>, WhyNot> {
    type Device = *mut c_void;
    type GetList = unsafe extern "C" fn(*mut c_int) -> *mut Device;
    type FreeList = unsafe extern "C" fn(*mut Device);
    type GetName = unsafe extern "C" fn(Device) -> *const c_char;
    type GetGuid = unsafe extern "C" fn(Device) -> u64;
    fn get<'a, T>(library: &'a Library, name: &'static str) -> Result<Symbol<'a, T>, WhyNot> {
        // SAFETY: the types above are the prototypes of verbs.h.
        unsafe { library.get(name.as_bytes()) }.map_err(|_| WhyNot::OldLibrary(name))
    }
    let get_list: Symbol<GetList> = get(library, "ibv_get_device_list")?;
    let free_list: Symbol<FreeList> = get(library, "ibv_free_device_list")?;
    let get_name: Symbol<GetName> = get(library, "ibv_get_device_name")?;
    let get_guid: Symbol<GetGuid> = get(library, "ibv_get_device_guid")?;

    let mut count = 0;
    // SAFETY: an out parameter, and the array it tells the length of; each device is valid until the list is freed.
    unsafe {
        let devices = get_list(&raw mut count);
        if devices.is_null() {
            let error = std::io::Error::last_os_error();
            return Err(match error.raw_os_error() {
                Some(38) => WhyNot::NoKernelSupport, // ENOSYS: "No kernel support for RDMA"
                Some(1 | 13) => WhyNot::NotPermitted(error.to_string()),
                _ => WhyNot::Failed(error.to_string()),
            });
        }
        let mut found = Vec::new();
        for i in 0..count.clamp(0, DEVICES_MAX) {
            let device = *devices.add(i as usize);
            if device.is_null() {
                break;
            }
            let name = get_name(device);
            if !name.is_null() {
                let name = CStr::from_ptr(name).to_string_lossy().into_owned();
                found.push(DeviceInfo {
                    name,
                    guid: get_guid(device),
                });
            }
        }
        free_list(devices);
        Ok(found)
    }
}

/// Whether the device files may be opened by this process.
fn openable(devices: Vec<DeviceInfo>) -> Result<Vec<DeviceInfo>, WhyNot> {
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
            Ok(_) => return Ok(devices),
            Err(error) => refused = Some(format!("{}: {error}", entry.path().display())),
        }
    }
    Err(WhyNot::NotPermitted(
        refused.unwrap_or_else(|| "no uverbs device file".into()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Err(WhyNot::NoLibrary) => assert!(load().is_none()),
            Err(WhyNot::NoKernelSupport) => assert!(shown.is_err()),
            Err(WhyNot::NoDevice) => assert!(shown.is_ok()),
            Err(other) => assert!(!other.to_string().is_empty()),
        }
    }
}
