//! What the tests share: calls that must succeed, and contexts that end with the test.
#![allow(dead_code, unused_imports, clippy::undocumented_unsafe_blocks)]

pub use ringway_softgpu::driver::abi::*;
pub use ringway_softgpu::driver::exports::{
    arrays::*, batches::*, captures::*, contexts::*, copies::*, devices::*, events::*, graph_nodes::*, graphs::*, ipc::*, launches::*, managed::*, memory::*, misc::*, modules::*, pools::*, streams::*, textures::*, vmm::*,
};
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

/// Loads a module of PTX text.
pub fn load(text: &str) -> CUmodule {
    let text = std::ffi::CString::new(text).unwrap();
    let mut module = CUmodule(0);
    ok!(cuModuleLoadData((&mut module).into(), Host(text.as_ptr() as u64)));
    module
}

/// A function of a module.
pub fn function(module: CUmodule, name: &str) -> CUfunction {
    let name = std::ffi::CString::new(name).unwrap();
    let mut function = CUfunction(0);
    ok!(cuModuleGetFunction((&mut function).into(), module, Text(name.as_ptr())));
    function
}

/// Launches a one-dimensional grid.
pub fn launch(f: CUfunction, grid: u32, block: u32, stream: CUstream, params: &[Host]) -> CUresult {
    unsafe { cuLaunchKernel(f, grid, 1, 1, block, 1, 1, 0, stream, In(params.as_ptr()), In::NULL) }
}

/// The head of PTX texts.
pub const PTX_HEAD: &str = ".version 7.0\n.target sm_75\n.address_size 64\n";

/// PTX of a kernel `step(data, n, k)`: data[i] = data[i] * 3 + k for the n elements from `data`.
pub const STEP: &str = ".version 7.0\n.target sm_75\n.address_size 64
.visible .entry step(.param .u64 data, .param .u32 n, .param .u32 k)
{
    .reg .pred %p<2>; .reg .b32 %r<8>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [data]; ld.param.u32 %r1, [n]; ld.param.u32 %r2, [k];
    mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x;
    mad.lo.u32 %r6, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r6, %r1;
    @%p1 bra done;
    mul.wide.u32 %rd2, %r6, 4; add.u64 %rd3, %rd1, %rd2;
    ld.global.u32 %r7, [%rd3]; mad.lo.u32 %r7, %r7, 3, %r2; st.global.u32 [%rd3], %r7;
done:
    ret;
}
";

/// Runs `step` over `n` words at `data` in a stream.
pub fn step(data: CUdeviceptr, n: u32, k: u32, stream: CUstream) {
    let f = function(load(STEP), "step");
    assert_eq!(launch(f, n.div_ceil(128), 128, stream, &[Host::of(&data), Host::of(&n), Host::of(&k)]), CUresult::SUCCESS);
}

/// The bytes of a plain structure, as hexadecimal text for a child's environment.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes that [`hex`] wrote.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// Runs a test of this program again in a process of its own, with variables that tell it that it is the child; panics unless it succeeds.
pub fn child(test: &str, variables: &[(&str, String)]) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("RINGWAY_TEST_CHILD", test)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .spawn()
        .unwrap()
}

/// Waits for a child, but not for ever.
pub fn finish(mut child: std::process::Child) {
    let begin = std::time::Instant::now();
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return assert!(status.success(), "the other process failed: {status}"),
            None if begin.elapsed() > std::time::Duration::from_secs(60) => {
                let _ = child.kill();
                panic!("the other process did not end");
            }
            None => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
}

/// Whether this process is the child for a test.
pub fn is_child(test: &str) -> bool {
    std::env::var("RINGWAY_TEST_CHILD").is_ok_and(|name| name == test)
}

/// A variable from the parent.
pub fn given(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Waits until a word that others write has a value.
pub fn await_word(address: u64, value: u32) {
    let begin = std::time::Instant::now();
    while unsafe { (address as *const u32).read_volatile() } != value {
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "the other side never wrote {value}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
