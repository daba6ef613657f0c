//! Copies between the first and the last device.

use super::{Driver, Result, check};
use std::ffi::{c_int, c_uint, c_void};

type DeviceCount = unsafe extern "C" fn(*mut c_int) -> c_uint;
type CopyPeer = unsafe extern "C" fn(u64, *mut c_void, u64, *mut c_void, usize, *mut c_void) -> c_uint;

/// Memory of both devices, for copies in the first one's stream.
pub struct Peers<'a> {
    driver: &'a Driver,
    copy: CopyPeer,
    contexts: [*mut c_void; 2],
    memory: [u64; 2],
}

impl Driver {
    /// So many bytes on the first and on the last device.
    pub fn peers(&self, bytes: usize) -> Result<Peers<'_>> {
        let missing = |error: libloading::Error| super::Failed { what: "libcuda.so.1", why: error.to_string() };
        // SAFETY: the prototypes are those that the CUDA driver API documents for these symbols.
        let (count, copy) = unsafe {
            let count = self.library.get::<DeviceCount>(b"cuDeviceGetCount\0").map_err(missing)?;
            (*count, *self.library.get::<CopyPeer>(b"cuMemcpyPeerAsync\0").map_err(missing)?)
        };
        let mut devices = 0;
        // SAFETY: an out-pointer to a local.
        check("cuDeviceGetCount", unsafe { count(&raw mut devices) })?;
        if devices < 2 {
            return Err(super::Failed { what: "cuDeviceGetCount", why: "there is one device, and two are copied between".into() });
        }
        let mut peers = Peers { driver: self, copy, contexts: [self.context, std::ptr::null_mut()], memory: [0; 2] };
        // SAFETY: out-pointers to places of the structure; the first device's context is current again at the end.
        unsafe {
            check("cuDevicePrimaryCtxRetain", (self.f.ctx_retain)(&raw mut peers.contexts[1], devices - 1))?;
            for place in [1, 0] {
                check("cuCtxSetCurrent", (self.f.ctx_set_current)(peers.contexts[place]))?;
                check("cuMemAlloc", (self.f.mem_alloc)(&raw mut peers.memory[place], bytes))?;
            }
        }
        Ok(peers)
    }
}

impl Peers<'_> {
    /// Copies from the first device to the last, or back, and waits until it is done.
    pub fn copy(&self, back: bool, bytes: usize) -> Result<()> {
        let (to, from) = if back { (0, 1) } else { (1, 0) };
        // SAFETY: memory of these contexts, of at least as many bytes by the one caller; a stream of the current context.
        check("cuMemcpyPeerAsync", unsafe {
            (self.copy)(self.memory[to], self.contexts[to], self.memory[from], self.contexts[from], bytes, self.driver.stream)
        })?;
        self.driver.synchronize()
    }
}
