//! With added latency a program can see that work is not finished yet.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

#[test]
fn asynchronous_work_is_seen_unfinished() {
    unsafe { std::env::set_var("RINGWAY_SOFTGPU_LATENCY_US", "50000") };
    let _ctx = Ctx::new(0);
    let s = stream(1);
    let p = alloc(4);
    let e = event(2);
    ok!(cuMemsetD32Async(p, 1, 1, s));
    ok!(cuEventRecord(e, s));
    gives!(NOT_READY, cuStreamQuery(s));
    gives!(NOT_READY, cuEventQuery(e));
    ok!(cuEventSynchronize(e));
    ok!(cuStreamQuery(s));
    assert_eq!(download::<u32>(p, 1), [1]);
}
