//! What the tests share: calls that must succeed, and contexts that end with the test.
#![allow(dead_code, unused_imports, clippy::undocumented_unsafe_blocks)]

pub use ringway_softgpu::driver::abi::*;
pub use ringway_softgpu::driver::exports::{arrays::*, textures::*, captures::*, contexts::*, copies::*, devices::*, events::*, graphs::*, launches::*, memory::*, modules::*, streams::*, vmm::*};
pub use ringway_softgpu::driver::result::CUresult;

/// Calls a driver function that must succeed.
#[macro_export]
macro_rules! ok {
    ($f:ident ( $($arg:expr),* $(,)? )) => {{
        let result = unsafe { $f($($arg),*) };
        assert_eq!(result, CUresult::SUCCESS, "{}", stringify!($f($($arg),*)));
    }};
}

/// Calls a driver function that must give this code.
#[macro_export]
macro_rules! gives {
    ($code:ident, $f:ident ( $($arg:expr),* $(,)? )) => {{
        let result = unsafe { $f($($arg),*) };
        assert_eq!(result, CUresult::$code, "{}", stringify!($f($($arg),*)));
    }};
}

/// A context of a device, current in this thread until dropped.
pub struct Ctx(pub CUcontext);

impl Ctx {
    pub fn new(device: i32) -> Ctx {
        let mut ctx = CUcontext(0);
        ok!(cuInit(0));
        ok!(cuCtxCreate_v2((&mut ctx).into(), 0, CUdevice(device)));
        Ctx(ctx)
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        unsafe { cuCtxDestroy_v2(self.0) };
    }
}

pub fn alloc(len: usize) -> CUdeviceptr {
    let mut ptr = CUdeviceptr(0);
    ok!(cuMemAlloc_v2((&mut ptr).into(), len));
    ptr
}

pub fn stream(flags: u32) -> CUstream {
    let mut stream = CUstream(0);
    ok!(cuStreamCreate((&mut stream).into(), flags));
    stream
}

pub fn event(flags: u32) -> CUevent {
    let mut event = CUevent(0);
    ok!(cuEventCreate((&mut event).into(), flags));
    event
}

pub fn host<T>(slice: &[T]) -> Host {
    Host(slice.as_ptr() as u64)
}

pub fn host_mut<T>(slice: &mut [T]) -> Host {
    Host(slice.as_mut_ptr() as u64)
}

pub fn upload<T: Copy>(data: &[T]) -> CUdeviceptr {
    let ptr = alloc(size_of_val(data));
    ok!(cuMemcpyHtoD_v2(ptr, host(data), size_of_val(data)));
    ptr
}

pub fn download<T: Copy + Default>(ptr: CUdeviceptr, count: usize) -> Vec<T> {
    let mut out = vec![T::default(); count];
    ok!(cuMemcpyDtoH_v2(host_mut(&mut out), ptr, count * size_of::<T>()));
    out
}

/// A host function that blocks a stream until told otherwise.
pub struct Gate(std::sync::Arc<(std::sync::Mutex<bool>, std::sync::Condvar)>);

unsafe extern "C" fn pass(user: *mut std::ffi::c_void) {
    let gate = unsafe { std::sync::Arc::from_raw(user.cast::<(std::sync::Mutex<bool>, std::sync::Condvar)>()) };
    let open = gate.0.lock().unwrap();
    let (_open, timeout) = gate.1.wait_timeout_while(open, std::time::Duration::from_secs(30), |open| !*open).unwrap();
    assert!(!timeout.timed_out(), "a gate was never opened");
}

impl Gate {
    /// Puts a closed gate into a stream.
    pub fn close(stream: CUstream) -> Gate {
        let gate = Gate(Default::default());
        let raw = std::sync::Arc::into_raw(gate.0.clone());
        ok!(cuLaunchHostFunc(stream, Some(pass), Host(raw as u64)));
        gate
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
