//! Loading of modules: logs and figures of the JIT, kernels compiled when they are first asked for.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use ringway_softgpu::exec::{CompileOptions, compile_text};
use std::ffi::CString;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe { std::env::set_var("RINGWAY_SOFTGPU_REPORT", "quiet") });
}

/// Loads a text with options; the values afterwards.
fn load_with(text: &str, options: &[u32], mut values: Vec<Host>) -> (CUresult, CUmodule, Vec<Host>) {
    let text = CString::new(text).unwrap();
    let mut module = CUmodule(0);
    let code = unsafe { cuModuleLoadDataEx((&mut module).into(), Host(text.as_ptr() as u64), options.len() as u32, In(options.as_ptr()), List(Out(values.as_mut_ptr()))) };
    (code, module, values)
}

fn text_of(buffer: &[u8], len: u64) -> &str {
    std::str::from_utf8(&buffer[..len as usize]).unwrap()
}

const WRONG: &str = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry k()\n{\n.reg .b32 %r<2>;\nadd.u32 %r1, %r1, %none;\nret;\n}\n";

#[test]
fn logs_say_what_is_wrong_and_where() {
    setup();
    let _ctx = Ctx::new(0);
    let (mut info, mut error) = ([0xffu8; 200], [0xffu8; 200]);
    let options = [3u32, 4, 5, 6, 2, 0, 14];
    let values = |info: &mut [u8], error: &mut [u8]| vec![host_mut(info), Host(200), host_mut(error), Host(200), Host(0), Host(64), Host(0)];
    let (code, _, out) = load_with(WRONG, &options, values(&mut info, &mut error));
    assert_eq!(code, CUresult::INVALID_PTX);
    assert_eq!(out[1], Host(0));
    let text = text_of(&error, out[3].0);
    assert!(text.contains("line 7") && text.contains("none"), "{text}");
    assert_eq!(error[out[3].0 as usize], 0);
    // The time is a float in the place of the value.
    let milliseconds = f32::from_bits(out[4].0 as u32);
    assert!(milliseconds > 0.0 && milliseconds < 60_000.0);
    // A short buffer gets what fits.
    let mut short = [0xffu8; 10];
    let (code, _, out) = load_with(WRONG, &[5, 6], vec![host_mut(&mut short), Host(10)]);
    assert_eq!((code, out[1], short[9]), (CUresult::INVALID_PTX, Host(9), 0));
    assert!(text.starts_with(text_of(&short, 9)));
    // What is right leaves both logs empty, and says what was asked for.
    let (code, module, out) = load_with(STEP, &options, values(&mut info, &mut error));
    assert_eq!((code, out[1], out[3], info[0], error[0]), (CUresult::SUCCESS, Host(0), Host(0), 0, 0));
    ok!(cuModuleUnload(module));
    let (code, _, out) = load_with(STEP, &[3, 4, 12], vec![host_mut(&mut info), Host(200), Host(1)]);
    assert_eq!(code, CUresult::SUCCESS);
    assert!(text_of(&info, out[1].0).contains("kernel step: ") && text_of(&info, out[1].0).contains(" registers"));
    // Machine code says what to do about it.
    let mut module = CUmodule(0);
    let cubin = *b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let mut values = vec![host_mut(&mut error), Host(200)];
    gives!(NO_BINARY_FOR_GPU, cuModuleLoadDataEx((&mut module).into(), host(&cubin), 2, In([5u32, 6].as_ptr()), List(Out(values.as_mut_ptr()))));
    assert!(text_of(&error, values[1].0).contains("code=compute_80"));
}

#[test]
fn options_are_checked() {
    setup();
    let _ctx = Ctx::new(0);
    assert_eq!(load_with(STEP, &[32], vec![Host(0)]).0, CUresult::INVALID_VALUE);
    let text = CString::new(STEP).unwrap();
    gives!(INVALID_VALUE, cuModuleLoadDataEx((&mut CUmodule(0)).into(), Host(text.as_ptr() as u64), 1, In::NULL, List::NULL));
    assert_eq!(load_with(STEP, &[19], vec![Host(1)]).0, CUresult::NOT_SUPPORTED);
    // The architecture: one that the device covers, or not.
    assert_eq!(load_with(STEP, &[9], vec![Host(75)]).0, CUresult::SUCCESS);
    assert_eq!(load_with(STEP, &[9], vec![Host(90)]).0, CUresult::NO_BINARY_FOR_GPU);
    assert_eq!(load_with(STEP, &[0, 1, 7, 8, 10, 11, 13, 15, 16], vec![Host(32), Host(128), Host(4), Host(0), Host(1), Host(0), Host(0), Host(0), Host(0)]).0, CUresult::SUCCESS);
    let mut mode = 0;
    ok!(cuModuleGetLoadingMode((&mut mode).into()));
    assert_eq!(mode, 2);
}

/// A module of many kernels: kernel `kN` stores N * 7 + x, computed in so many steps.
fn many(count: usize, extra: &str) -> String {
    let mut text = String::from(PTX_HEAD);
    for k in 0..count {
        text += &format!(".visible .entry k{k}(.param .u64 out, .param .u32 x)\n{{\n.reg .b32 %r<40>; .reg .b64 %rd<2>;\nld.param.u64 %rd1, [out]; ld.param.u32 %r1, [x];\n");
        for i in 1..30 {
            text += &format!("add.u32 %r{}, %r{i}, {};\n", i + 1, if i == 1 { k * 7 } else { 0 });
        }
        text += "st.global.u32 [%rd1], %r30;\nret;\n}\n";
    }
    text + extra
}

#[test]
fn kernels_of_large_modules_are_compiled_when_asked_for() {
    setup();
    let text = many(1500, "");
    let began = std::time::Instant::now();
    let program = compile_text(&text, &CompileOptions::default()).unwrap();
    let loaded = began.elapsed();
    assert_eq!((program.kernels.len(), program.kernels.compiled()), (1500, 0));
    assert!(program.kernels["k7"].is_ok());
    assert!(program.kernels.get("none").is_none());
    assert_eq!(program.kernels.compiled(), 1);
    let began = std::time::Instant::now();
    assert!(program.kernels.values().all(Result::is_ok));
    println!("a module of {} KiB with 1500 kernels: loaded in {:.1} ms, all kernels compiled in another {:.1} ms", text.len() >> 10, loaded.as_secs_f64() * 1e3, began.elapsed().as_secs_f64() * 1e3);
    assert_eq!(program.kernels.compiled(), 1500);
}

#[test]
fn a_wrong_kernel_of_a_large_module_leaves_the_others() {
    setup();
    let _ctx = Ctx::new(0);
    let text = many(700, ".visible .entry wrong()\n{\n.reg .b32 %r<2>;\nadd.u32 %r1, %r1, %none;\nret;\n}\n");
    assert!(text.len() > 256 << 10);
    let module = load(&text);
    let mut f = CUfunction(0);
    gives!(INVALID_PTX, cuModuleGetFunction((&mut f).into(), module, Text(c"wrong".as_ptr())));
    gives!(NOT_FOUND, cuModuleGetFunction((&mut f).into(), module, Text(c"k700".as_ptr())));
    let out = alloc(4);
    let x = 5u32;
    assert_eq!(launch(function(module, "k699"), 1, 1, CUstream(0), &[Host::of(&out), Host::of(&x)]), CUresult::SUCCESS);
    assert_eq!(download::<u32>(out, 1), [699 * 7 + 5]);
    let mut loaded = 0;
    ok!(cuFuncIsLoaded((&mut loaded).into(), function(module, "k699")));
    assert_eq!(loaded, 1);
    let mut count = 0;
    ok!(cuModuleGetFunctionCount((&mut count).into(), module));
    assert_eq!(count, 700);
}
