//! Hostile input: whatever the text or the image, reading it ends with a result or an error, soon and without much memory;
//! and what compiles can be run without leaving its own memory. Seeds are fixed; PROPTEST_CASES asks for more cases.
#![allow(clippy::undocumented_unsafe_blocks)]

mod support;

use std::sync::mpsc;
use std::time::Duration;

use ringway_softgpu::driver::image;
use ringway_softgpu::exec::{CompileOptions, Limits, compile_text};
use ringway_softgpu::ir::OPCODES;
use support::*;

/// Rounds of a test; `PROPTEST_CASES` multiplies what is done by default.
fn rounds(default: usize) -> usize {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|v| v.parse::<usize>().ok());
    asked.map_or(default, |n| default.saturating_mul(n.div_ceil(256)))
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }
    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// Runs `work` in a thread of an ordinary stack; it must end in time.
fn in_time(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        work();
        let _ = done.send(());
    });
    let thread = thread.unwrap();
    match wait.recv_timeout(Duration::from_secs(120)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} does not end"),
        _ => assert!(thread.join().is_ok(), "{what} panicked"),
    }
}

fn compile(text: &str) -> Result<(), String> {
    for races in [false, true] {
        let options = CompileOptions { compute_capability: 121, races };
        let program = compile_text(text, &options).map_err(|e| e.to_string())?;
        // Kernels are compiled when they are asked for.
        for kernel in program.kernels.values() {
            let _ = kernel.as_ref().map_err(ToString::to_string);
        }
    }
    Ok(())
}

const TOP: &str = ".version 9.0\n.target sm_120\n.address_size 64\n";

const MODIFIERS: &[&str] = &[
    "s8", "u8", "b8", "s16", "u16", "b16", "s32", "u32", "b32", "s64", "u64", "b64", "b128", "f16", "f16x2", "bf16", "bf16x2", "f32", "f64", "f32x2", "tf32", "pred", "u16x2", "s16x2",
    "e4m3x2", "e5m2x2", "rn", "rz", "rm", "rp", "rna", "rni", "rzi", "ftz", "sat", "satfinite", "relu", "approx", "full", "lo", "hi", "wide", "cc", "NaN", "xorsign", "abs", "and", "or", "xor",
    "eq", "ne", "lt", "geu", "nan", "global", "shared", "local", "const", "param", "shared::cta", "shared::cluster", "v2", "v4", "v8", "volatile", "relaxed", "acquire", "release", "gpu", "cta", "sys",
    "add", "min", "max", "inc", "dec", "cas", "exch", "noftz", "sync", "aligned", "warp", "cluster", "arrive", "wait", "red", "popc", "idx", "up", "down", "bfly", "all", "any", "uni", "ballot",
    "wrap", "clamp", "l", "r", "pack", "shiftamt", "row", "col", "m16n8k16", "m16n16k16", "m8n8k4", "m8n8", "x1", "x2", "x4", "trans", "load", "store", "mma", "a", "b", "c", "d", "async", "ca", "cg",
    "commit_group", "wait_group", "mbarrier", "init", "inval", "try_wait", "test_wait", "parity", "expect_tx", "pending_count", "bulk", "to", "finite", "normal", "f4e", "rc16", "2d", "3d", "a1d",
];

const OPERANDS: &[&str] = &[
    "%r1", "%r2", "%w1", "%w2", "%h1", "%h2", "%f1", "%d1", "%p1", "%p2", "!%p1", "%q1", "0", "1", "-1", "7", "0xffffffff", "0f3f800000", "0d3ff0000000000000", "[%w1]", "[%w2+8]", "[%r1]", "[s+4]", "[g]",
    "[%w1+-4]", "[a]", "[l+8]", "s", "g", "l", "_", "%tid.x", "%laneid", "%clock64", "{%r1, %r2}", "{%r1, %r2, %r3, %r4}", "{%w1, %w2}", "{%h1, %h2}", "%p1|%p2", "%r1|%p1", "L", "fn", "(%r1)", "%v.x", "%r1.b0",
    "%r1.h1", "-%r1", "{%f1, %f2, %f3, %f4}", "{%d1, %d2}", "[%w1, {%r1, %r2}]", "TS", "{_, %r1}", "%undeclared", "{}", "[]", "WARP_SZ", "%r99", "1.5",
];

/// An instruction of opcodes that exist with whatever may follow them.
fn instruction(r: &mut Random) -> String {
    let guard = r.of(&["", "", "", "@%p1 ", "@!%p2 "]);
    let mut text = format!("{guard}{}", OPCODES[r.below(OPCODES.len())].0);
    for _ in 0..r.below(6) {
        text += ".";
        text += r.of(MODIFIERS);
    }
    for k in 0..r.below(6) {
        text += if k == 0 { " " } else { ", " };
        text += r.of(OPERANDS);
    }
    text + ";\n"
}

fn kernel(instructions: &str) -> String {
    format!(
        "{TOP}.global .align 16 .b8 g[64];\n.func (.reg .b32 %o) fn(.reg .b32 %i) {{ add.u32 %o, %i, 1; ret; }}\n.visible .entry k(.param .u64 a, .param .u32 b) {{
.reg .b32 %r<9>; .reg .b64 %w<5>; .reg .b16 %h<5>; .reg .f32 %f<5>; .reg .f64 %d<5>; .reg .pred %p<4>; .reg .b128 %q<3>; .reg .v4 .b32 %v;
.shared .align 16 .b8 s[64]; .local .align 8 .b8 l[64];
ld.param.u64 %w1, [a]; mov.u64 %w2, g; mov.u32 %r1, %tid.x; mov.u32 %r2, 3; setp.eq.u32 %p1, %r1, 2;
{instructions}L: ret;\nTS: .branchtargets L;\n}}\n"
    )
}

/// Runs a kernel that compiled; faults are fine, leaving its memory is not.
fn run(text: &str) {
    let Ok(program) = compile_text(text, &options()) else { return };
    if !matches!(program.kernels.get("k"), Some(Ok(_))) {
        return;
    }
    let l = load(text);
    let b = Buffer::new(4096);
    let limits = Limits { max_back_edges: 2000, stack_bytes: 4096, ..Limits::default() };
    let _ = l.launch("k", &Run { block: [48, 1, 1], limits, ..Run::default() }, &Params::new().u64(b.address()).u32(5), &[&b]);
}

#[test]
fn single_instructions() {
    let mut r = Random(0x1234_5678_9abc_def1);
    let mut compiled = 0;
    for _ in 0..rounds(12_000) {
        let text = kernel(&instruction(&mut r));
        if compile(&text).is_ok() {
            compiled += 1;
            run(&text);
        }
    }
    assert!(compiled > 50, "only {compiled} of the generated kernels are modules");
}

#[test]
fn kernels_of_many_instructions() {
    let mut r = Random(0xfeed_beef_dead_1111);
    // Instructions that can be lowered one by one, then in any order and number.
    let mut good = Vec::new();
    for _ in 0..rounds(8000) {
        let i = instruction(&mut r);
        let text = kernel(&i);
        if compile_text(&text, &options()).is_ok_and(|p| matches!(p.kernels.get("k"), Some(Ok(_)))) {
            good.push(i);
        }
    }
    assert!(good.len() > 50, "only {} instructions", good.len());
    for _ in 0..rounds(400) {
        let body: String = (0..1 + r.below(30)).map(|_| good[r.below(good.len())].as_str()).collect();
        let text = kernel(&body);
        let _ = compile(&text);
        run(&text);
    }
}

/// Bytes and words of a text replaced, removed, doubled, moved.
fn mutate(r: &mut Random, seed: &str) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..1 + r.below(8) {
        if bytes.is_empty() {
            break;
        }
        let (at, other) = (r.below(bytes.len()), r.below(bytes.len()));
        let n = 1 + r.below(24);
        match r.below(6) {
            0 => bytes[at] = r.next() as u8,
            1 => drop(bytes.drain(at..(at + n).min(bytes.len()))),
            2 => {
                let part = bytes[other..(other + n).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes.insert(at, b"{}[]()%.,;:@!-+0x<>|_\" \n"[r.below(24)]),
            4 => {
                let number = ["4294967295", "18446744073709551615", "-1", "0", "1073741824", "0x7fffffff"][r.below(6)];
                bytes.splice(at..at, number.bytes());
            }
            _ => bytes.swap(at, other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn mutated_texts() {
    let mut r = Random(77);
    let seeds = [include_str!("tiled_matmul.ptx").to_string(), kernel("call (%r1), fn, (%r2); bar.sync 0; atom.global.add.u32 %r1, [%w1], 1; brx.idx %r1, TS;\n")];
    for _ in 0..rounds(1500) {
        let seed = &seeds[r.below(2)];
        let text = mutate(&mut r, seed);
        let _ = compile(&text);
    }
}

#[test]
fn nothing_grows_without_bound() {
    let deep = |s: &str, n: usize| s.repeat(n);
    let body = |b: String| format!("{TOP}.visible .entry k() {{ .reg .b32 %r<4>; .reg .pred %p; {b} ret; }}");
    let texts: Vec<(&str, String)> = vec![
        ("blocks", body(deep("{", 200_000))),
        ("negations", body(format!("and.pred %p, {}%p, %p;", deep("!", 300_000)))),
        ("brackets", body(format!("ld.u32 %r1, {}", deep("[", 300_000)))),
        ("vectors", body(format!("mov.b32 %r1, {}", deep("{", 300_000)))),
        ("lists", body(format!("call {}", deep("(", 300_000)))),
        ("minus", body(format!("mov.b32 %r1, {}1;", deep("-", 300_000)))),
        ("sums", body(format!("mov.b32 %r1, {}1;", deep("~(", 300_000)))),
        ("operators", format!("{TOP}.global .u32 x = {}1;", deep("1+", 300_000))),
        ("initialisers", format!("{TOP}.global .u32 x[2] = {}1;", deep("{", 300_000))),
        ("registers", body(".reg .b32 %big<4294967295>; mov.u32 %big4294967294, 1; mov.u32 %r1, %big4294967294;".into())),
        ("local ranges", body(".local .b32 big<4294967295>;".into())),
        ("local arrays", body(deep(".local .b8 big[67108863];", 1).replace("big", "a") + ".local .b8 b[67108863];")),
        ("shared arrays", body(".shared .b8 a[1099511627775];".into())),
        ("global arrays", format!("{TOP}.global .b8 a[1099511627775]; .global .b8 b[1099511627775][1099511627775];")),
        ("parameters", format!("{TOP}.visible .entry k(.param .b8 a[4294967295]) {{ ret; }}")),
        ("alignment", format!("{TOP}.global .align 4294967295 .b8 a[4];")),
        ("targets", body(format!("TS: .branchtargets {}L; brx.idx %r1, TS; L:", deep("L, ", 100_000)))),
        ("labels", body((0..40_000).map(|k| format!("L{k}: add.u32 %r1, %r1, 1; @%p bra L{};", (k * 7) % 40_000)).collect())),
        ("functions", format!("{TOP}{}.visible .entry k() {{ call f0; ret; }}", (0..20_000).map(|k| if k < 19_999 { format!(".func f{}; .func f{k}() {{ call f{}; ret; }}\n", k + 1, k + 1) } else { format!(".func f{k}() {{ ret; }}\n") }).collect::<String>())),
        ("kernels", format!("{TOP}{}{}", (0..3000).map(|k| if k < 2999 { format!(".func f{}; .func f{k}() {{ call f{}; ret; }}\n", k + 1, k + 1) } else { format!(".func f{k}() {{ ret; }}\n") }).collect::<String>(), (0..3000).map(|k| format!(".visible .entry k{k}() {{ call f0; ret; }}\n")).collect::<String>())),
        ("comment", format!("{TOP}/*{}", deep("*", 1 << 20))),
        ("string", format!("{TOP}.pragma \"{}", deep("x", 1 << 20))),
        ("identifier", format!("{TOP}.global .u32 {};", deep("x", 1 << 20))),
        ("number", format!("{TOP}.global .u32 x = {};", deep("9", 1 << 20))),
        ("attributes", format!("{TOP}.global .attribute({}", deep("(", 300_000))),
        ("components", body("mov.u32 %r1, %r1.b99999; mov.u32 %r1, %r1.h;".into())),
    ];
    for (what, text) in texts {
        in_time(what, move || {
            let _ = compile(&text);
        });
    }
}

const CONTAINER: u32 = 0xba55_ed50;
const PTX: &str = ".version 7.0\n.target sm_80\n.address_size 64\n";

fn entry(kind: u16, arch: u32, flags: u64, payload: &[u8], unpacked: u64) -> Vec<u8> {
    let padded = payload.len().next_multiple_of(8);
    let mut b = Vec::new();
    b.extend(kind.to_le_bytes());
    b.extend(0x101u16.to_le_bytes());
    b.extend(64u32.to_le_bytes());
    b.extend((padded as u64).to_le_bytes());
    b.extend((payload.len() as u32).to_le_bytes());
    b.extend(0u32.to_le_bytes());
    b.extend([0, 0, 7, 0]);
    b.extend(arch.to_le_bytes());
    b.extend([0; 8]);
    b.extend(flags.to_le_bytes());
    b.extend([0; 8]);
    b.extend(unpacked.to_le_bytes());
    b.extend(payload);
    b.resize(64 + padded, 0);
    b
}

fn container(entries: &[Vec<u8>]) -> Vec<u8> {
    let body = entries.concat();
    let mut b = CONTAINER.to_le_bytes().to_vec();
    b.extend(1u16.to_le_bytes());
    b.extend(16u16.to_le_bytes());
    b.extend((body.len() as u64).to_le_bytes());
    b.extend(body);
    b
}

/// An LZ4 block: `literals`, then `n` times the last of them.
fn lz4(literals: &[u8], n: usize) -> Vec<u8> {
    let length = |out: &mut Vec<u8>, mut v: usize| {
        while v >= 255 {
            out.push(255);
            v -= 255;
        }
        out.push(v as u8);
    };
    let mut out = vec![0xff];
    length(&mut out, literals.len() - 15);
    out.extend(literals);
    out.extend(1u16.to_le_bytes());
    length(&mut out, n - 19);
    out.extend([0x50, b' ', b' ', b' ', b' ', b' ']);
    out
}

#[test]
fn damaged_images() {
    let zstd = ruzstd_frame(PTX.as_bytes());
    let packed = lz4(PTX.as_bytes(), 100);
    let unpacked = (PTX.len() + 105) as u64;
    let good = container(&[entry(2, 80, 0, b"\x7fELF", 0), entry(1, 80, 0x2000, &packed, unpacked), entry(1, 75, 0x8000, &zstd, PTX.len() as u64), entry(1, 70, 0, PTX.as_bytes(), 0)]);
    let text = image::sources(&good, 80).unwrap();
    assert!(text[0].starts_with(PTX) && text[0].len() == unpacked as usize);
    assert_eq!(image::sources(&good, 75).unwrap(), [PTX]);
    let mut r = Random(4242);
    for _ in 0..rounds(20_000) {
        let mut bytes = good.clone();
        for _ in 0..1 + r.below(4) {
            let at = r.below(bytes.len());
            match r.below(4) {
                0 => bytes[at] = r.next() as u8,
                1 => bytes[at] = [0, 0xff, 0x7f, 0x80][r.below(4)],
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let v = [u64::MAX, 1 << 40, 0, 1 << 31, 64][r.below(5)].to_le_bytes();
                    for (k, b) in v.iter().enumerate() {
                        if let Some(slot) = bytes.get_mut((at & !7) + k) {
                            *slot = *b;
                        }
                    }
                }
            }
        }
        for capability in [75, 80] {
            let _ = image::sources(&bytes, capability);
        }
    }
}

/// One raw block in a zstd frame (RFC 8878, 3.1.1).
fn ruzstd_frame(bytes: &[u8]) -> Vec<u8> {
    let mut f = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.len() as u8];
    f.extend(&((bytes.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    f.extend(bytes);
    f
}

/// A zstd frame of blocks that repeat one byte: 128 KiB from four bytes each.
fn zstd_bomb(blocks: usize) -> Vec<u8> {
    // Window of 128 KiB, no content size.
    let mut f = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for k in 0..blocks {
        let last = u32::from(k + 1 == blocks);
        f.extend(&((128u32 << 10) << 3 | 1 << 1 | last).to_le_bytes()[..3]);
        f.push(b' ');
    }
    f
}

#[test]
fn images_that_claim_or_hold_too_much() {
    let refused = |image: Vec<u8>, what: &str| {
        let error = image::sources(&image, 80).expect_err(what);
        assert_eq!(error.0, ringway_softgpu::driver::result::CUresult::INVALID_IMAGE, "{what}: {}", error.1);
    };
    // A few bytes that state gigabytes.
    for claimed in [1 << 28, 1 << 30, 1 << 40, u64::MAX] {
        refused(container(&[entry(1, 80, 0x2000, &lz4(PTX.as_bytes(), 100), claimed)]), "LZ4 that claims too much");
        refused(container(&[entry(1, 80, 0x8000, &ruzstd_frame(PTX.as_bytes()), claimed)]), "zstd that claims too much");
    }
    // More than stated: it is not unpacked any further.
    refused(container(&[entry(1, 80, 0x8000, &zstd_bomb(20_000), 1000)]), "zstd that holds more than it states");
    refused(container(&[entry(1, 80, 0x2000, &lz4(PTX.as_bytes(), 1_000_000), 200)]), "LZ4 that holds more than it states");
    // Less than stated.
    refused(container(&[entry(1, 80, 0x8000, &ruzstd_frame(PTX.as_bytes()), PTX.len() as u64 + 1)]), "zstd that holds less than it states");
    // A wrapper that leads to itself, or to another.
    let mut wrapper = vec![0u8; 24];
    wrapper[..4].copy_from_slice(&0x4662_43b1u32.to_le_bytes());
    let mut second = wrapper.clone();
    let at = second.as_ptr() as u64;
    second[8..16].copy_from_slice(&(wrapper.as_ptr() as u64).to_le_bytes());
    wrapper[8..16].copy_from_slice(&at.to_le_bytes());
    assert!(unsafe { image::bytes_at(wrapper.as_ptr() as u64) }.is_err());
}
