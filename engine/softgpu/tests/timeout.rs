//! A kernel that never ends is ended by the setting, and the context says so.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

#[test]
fn a_runaway_kernel_ends() {
    unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_TIMEOUT_S", "1");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", "quiet");
    }
    let text = c".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry spin() {\nagain:\nbra again;\n}\n";
    let _ctx = Ctx::new(0);
    let (mut module, mut spin) = (CUmodule(0), CUfunction(0));
    ok!(cuModuleLoadData((&mut module).into(), Host(text.as_ptr() as u64)));
    ok!(cuModuleGetFunction((&mut spin).into(), module, Text(c"spin".as_ptr())));
    ok!(cuLaunchKernel(spin, 4, 1, 1, 64, 1, 1, 0, CUstream(0), In::NULL, In::NULL));
    gives!(LAUNCH_TIMEOUT, cuCtxSynchronize());
    drop(_ctx);
    let _fresh = Ctx::new(0);
    assert_eq!(download::<u32>(upload(&[8u32]), 1), [8]);
}
