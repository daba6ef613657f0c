//! Special registers, and the functions that CUDA provides to device code: printf, malloc, free, assert.

use std::fmt::Write as _;

use super::code::{Inst, OpFn, flag};
use super::lane::{CHUNK, Lanes, Op, for_chunks, next, pick, set_lane, set_pred};
use super::mem::{resolve, space};
use super::shape::Shape;
use super::warp::Warp;
use super::FaultKind;

/// Special registers (PTX ISA section 10); the names are those of the ISA without `%`, components joined by a dot.
const REGISTERS: &[&str] = &[
    "tid.x", "tid.y", "tid.z", "ntid.x", "ntid.y", "ntid.z", "ctaid.x", "ctaid.y", "ctaid.z", "nctaid.x", "nctaid.y",
    "nctaid.z", "laneid", "warpid", "nwarpid", "smid", "nsmid", "gridid", "lanemask_eq", "lanemask_lt", "lanemask_le",
    "lanemask_gt", "lanemask_ge", "clock", "clock_hi", "clock64", "globaltimer", "globaltimer_lo", "globaltimer_hi",
    "dynamic_smem_size", "total_smem_size", "aggr_smem_size", "clusterid.x", "clusterid.y", "clusterid.z",
    "nclusterid.x", "nclusterid.y", "nclusterid.z", "cluster_ctaid.x", "cluster_ctaid.y", "cluster_ctaid.z",
    "cluster_nctaid.x", "cluster_nctaid.y", "cluster_nctaid.z", "cluster_ctarank", "cluster_nctarank", "zero",
    "envreg1", "envreg2", "is_explicit_cluster", "current_graph_exec", "reserved_smem_offset_begin",
];

/// Number of a special register; `name` without `%`.
pub(crate) fn register(name: &str) -> Option<u64> {
    let name = match name {
        "tid.w" | "ntid.w" | "ctaid.w" | "nctaid.w" => "zero",
        n if n.starts_with("envreg") && n != "envreg1" && n != "envreg2" => "zero",
        n if n.starts_with("pm") && n[2..].trim_end_matches("_64").parse::<u32>().is_ok() => "zero",
        n if n.starts_with("reserved_smem_offset") => "zero",
        n => n,
    };
    REGISTERS.iter().position(|r| *r == name).map(|k| k as u64)
}

/// Bits of a special register: 64, 32, or 1 for a predicate.
pub(crate) fn register_bits(number: u64) -> u32 {
    match REGISTERS[number as usize] {
        "clock64" | "globaltimer" | "gridid" | "current_graph_exec" => 64,
        "is_explicit_cluster" => 1,
        _ => 32,
    }
}

/// How long a special register keeps its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    /// The same in all lanes of a warp, for the whole launch.
    InLaunch,
    /// The same in all blocks, for a thread of given index.
    InThread,
}

/// How long special register `number` keeps its value; None if it may change.
pub(crate) fn register_stays(number: u64) -> Option<Stays> {
    Some(match REGISTERS[number as usize % REGISTERS.len()] {
        "tid.x" | "tid.y" | "tid.z" | "laneid" | "lanemask_eq" | "lanemask_lt" | "lanemask_le" | "lanemask_gt"
        | "lanemask_ge" => Stays::InThread,
        "ntid.x" | "ntid.y" | "ntid.z" | "nctaid.x" | "nctaid.y" | "nctaid.z" | "warpid" | "nwarpid" | "nsmid"
        | "gridid" | "dynamic_smem_size" | "total_smem_size" | "zero" | "envreg1" | "envreg2" => Stays::InLaunch,
        _ => return None,
    })
}

fn timer_ns() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// d = special register imm.
struct ReadRegister;
impl Op for ReadRegister {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let s = w.launch();
        let index = w.block().index;
        let lane_mask = |f: fn(u32) -> u32| -> [u64; 32] { std::array::from_fn(|l| u64::from(f(l as u32))) };
        let all = |v: u32| [u64::from(v); 32];
        let clock = || s.start.elapsed().as_nanos() as u64 * 3 / 2;
        let v: [u64; 32] = match REGISTERS[i.imm as usize % REGISTERS.len()] {
            "tid.x" => w.tid[0].map(u64::from),
            "tid.y" => w.tid[1].map(u64::from),
            "tid.z" => w.tid[2].map(u64::from),
            "ntid.x" => all(s.block[0]),
            "ntid.y" => all(s.block[1]),
            "ntid.z" => all(s.block[2]),
            "ctaid.x" | "clusterid.x" => all(index[0]),
            "ctaid.y" | "clusterid.y" => all(index[1]),
            "ctaid.z" | "clusterid.z" => all(index[2]),
            "nctaid.x" | "nclusterid.x" => all(s.grid[0]),
            "nctaid.y" | "nclusterid.y" => all(s.grid[1]),
            "nctaid.z" | "nclusterid.z" => all(s.grid[2]),
            "laneid" => lane_mask(|l| l),
            "warpid" => all(w.index),
            "nwarpid" => all(s.threads.div_ceil(32)),
            "smid" => all((index[0].wrapping_add(index[1].wrapping_mul(s.grid[0]))) % s.args.device.sm_count.max(1)),
            "nsmid" => all(s.args.device.sm_count),
            "gridid" => [s.args.device.grid_id; 32],
            "lanemask_eq" => lane_mask(|l| 1 << l),
            "lanemask_lt" => lane_mask(|l| (1 << l) - 1),
            "lanemask_le" => lane_mask(|l| (2u64 << l).wrapping_sub(1) as u32),
            "lanemask_gt" => lane_mask(|l| !((2u64 << l).wrapping_sub(1) as u32)),
            "lanemask_ge" => lane_mask(|l| !((1u32 << l) - 1)),
            "clock" => all(clock() as u32),
            "clock_hi" => all((clock() >> 32) as u32),
            "clock64" => [clock(); 32],
            "globaltimer" => [timer_ns(); 32],
            "globaltimer_lo" => all(timer_ns() as u32),
            "globaltimer_hi" => all((timer_ns() >> 32) as u32),
            "dynamic_smem_size" => all(s.args.dynamic_shared_bytes),
            "total_smem_size" | "aggr_smem_size" => all(s.shared_size),
            "cluster_nctaid.x" | "cluster_nctaid.y" | "cluster_nctaid.z" | "cluster_nctarank" => all(1),
            "envreg1" => all((s.args.device.grid_workspace >> 32) as u32),
            "envreg2" => all(s.args.device.grid_workspace as u32),
            _ => all(0),
        };
        // SAFETY: d is a slot of the class the flags state.
        unsafe {
            if i.flags & flag::D_PRED != 0 {
                set_pred(w, i.d, if v[0] != 0 { !0 } else { 0 });
            } else {
                for l in Lanes(w.mask) {
                    set_lane(w, i.d, i.flags & flag::D64 != 0, l, v[l]);
                }
            }
            next(i)
        }
    }
}

/// d = block index in dimension imm.
struct ReadBlockIndex;
impl Op for ReadBlockIndex {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let v = w.block().index[i.imm as usize % 3];
        // SAFETY: d is a 32-bit slot.
        unsafe {
            for_chunks::<u32>(w, i.d, |_, _| [v; CHUNK]);
            next(i)
        }
    }
}

/// Functions without PTX body that are provided here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Vprintf,
    Malloc,
    Free,
    AssertFail,
}

impl Builtin {
    pub fn from_name(name: &str) -> Option<Builtin> {
        Some(match name {
            "vprintf" => Builtin::Vprintf,
            "malloc" => Builtin::Malloc,
            "free" => Builtin::Free,
            "__assertfail" => Builtin::AssertFail,
            _ => return None,
        })
    }
}

const STRING_BYTES_MAX: usize = 64 << 10;

/// Reads a NUL-terminated string at a generic address; None after a fault.
unsafe fn read_string(w: &mut Warp, i: &Inst, lane: usize, addr: u64) -> Option<Vec<u8>> {
    let mut s = Vec::new();
    while s.len() < STRING_BYTES_MAX {
        // SAFETY: resolve checks the address.
        let p = unsafe { resolve(w, i, space::GENERIC, lane, addr.wrapping_add(s.len() as u64), 1, false) };
        if p.is_null() {
            return None;
        }
        // SAFETY: one readable byte.
        match unsafe { p.read() } {
            0 => break,
            c => s.push(c),
        }
    }
    Some(s)
}

/// Reads an argument of `bytes` from the argument buffer at `*addr` and moves past it; None after a fault.
unsafe fn read_argument(w: &mut Warp, i: &Inst, lane: usize, addr: &mut u64, bytes: u32) -> Option<u64> {
    *addr = addr.next_multiple_of(u64::from(bytes));
    // SAFETY: resolve checks the address.
    let p = unsafe { resolve(w, i, space::GENERIC, lane, *addr, bytes, false) };
    if p.is_null() {
        return None;
    }
    *addr += u64::from(bytes);
    // SAFETY: `bytes` readable bytes, aligned.
    Some(unsafe { if bytes == 8 { p.cast::<u64>().read_unaligned() } else { u64::from(p.cast::<u32>().read_unaligned()) } })
}

/// One conversion through the C library, which defines what the formats mean.
fn c_format(spec: &str, value: CValue) -> Vec<u8> {
    let mut format = spec.as_bytes().to_vec();
    format.push(0);
    let mut out = vec![0u8; 512];
    for _ in 0..2 {
        // SAFETY: the format holds exactly one conversion, whose type matches the argument; sizes are the buffer's.
        let n = unsafe {
            let (p, len, f) = (out.as_mut_ptr().cast(), out.len(), format.as_ptr().cast());
            match &value {
                CValue::Int(v) => libc::snprintf(p, len, f, *v),
                CValue::Double(v) => libc::snprintf(p, len, f, *v),
                CValue::Text(v) => libc::snprintf(p, len, f, v.as_ptr().cast::<libc::c_char>()),
            }
        };
        let n = usize::try_from(n).unwrap_or(0);
        if n < out.len() {
            out.truncate(n);
            return out;
        }
        out.resize(n + 1, 0);
    }
    out
}

enum CValue {
    Int(i64),
    Double(f64),
    /// NUL-terminated.
    Text(Vec<u8>),
}

/// Formats as CUDA's printf does; the text and how many arguments it took, or None after a fault.
unsafe fn format(w: &mut Warp, i: &Inst, lane: usize, text: &[u8], mut args: u64) -> Option<(Vec<u8>, u32)> {
    let mut out = Vec::with_capacity(text.len() + 32);
    let mut count = 0;
    let mut k = 0;
    while k < text.len() {
        if text[k] != b'%' {
            out.push(text[k]);
            k += 1;
            continue;
        }
        k += 1;
        if text.get(k) == Some(&b'%') {
            out.push(b'%');
            k += 1;
            continue;
        }
        let mut spec = String::from("%");
        while let Some(c @ (b'-' | b'+' | b' ' | b'#' | b'0')) = text.get(k) {
            spec.push(*c as char);
            k += 1;
        }
        for part in 0..2 {
            if part == 1 {
                if text.get(k) != Some(&b'.') {
                    break;
                }
                spec.push('.');
                k += 1;
            }
            if text.get(k) == Some(&b'*') {
                k += 1;
                // SAFETY: the read is checked.
                let v = unsafe { read_argument(w, i, lane, &mut args, 4)? } as i32;
                count += 1;
                let _ = write!(spec, "{}", v.clamp(-4096, 4096));
            } else {
                let mut n = 0u32;
                let mut any = false;
                while let Some(c @ b'0'..=b'9') = text.get(k) {
                    n = (n * 10 + u32::from(*c - b'0')).min(4096);
                    any = true;
                    k += 1;
                }
                if any {
                    let _ = write!(spec, "{n}");
                }
            }
        }
        let (mut longs, mut halves) = (0, 0);
        while let Some(c @ (b'l' | b'h' | b'z' | b'j' | b't' | b'L')) = text.get(k) {
            match c {
                b'h' => halves += 1,
                _ => longs += 1,
            }
            k += 1;
        }
        let Some(&conversion) = text.get(k) else { break };
        k += 1;
        count += 1;
        // SAFETY: reads are checked.
        unsafe {
            match conversion {
                b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
                    let signed = matches!(conversion, b'd' | b'i');
                    let v = read_argument(w, i, lane, &mut args, if longs > 0 { 8 } else { 4 })?;
                    let v = match (longs > 0, halves, signed) {
                        (true, ..) => v as i64,
                        (_, 0, true) => i64::from(v as i32),
                        (_, 0, false) => i64::from(v as u32),
                        (_, 1, true) => i64::from(v as i16),
                        (_, 1, false) => i64::from(v as u16),
                        (_, _, true) => i64::from(v as i8),
                        (_, _, false) => i64::from(v as u8),
                    };
                    spec.push_str("ll");
                    spec.push(conversion as char);
                    out.extend(c_format(&spec, CValue::Int(v)));
                }
                b'c' => {
                    let v = read_argument(w, i, lane, &mut args, 4)?;
                    spec.push('c');
                    out.extend(c_format(&spec, CValue::Int(v as i64 & 0xff)));
                }
                b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
                    let v = read_argument(w, i, lane, &mut args, 8)?;
                    spec.push(conversion as char);
                    out.extend(c_format(&spec, CValue::Double(f64::from_bits(v))));
                }
                b'p' => {
                    let v = read_argument(w, i, lane, &mut args, 8)?;
                    spec.push_str("#llx");
                    let _ = &spec;
                    let shown = if v == 0 { "(nil)".to_string() } else { format!("{v:#x}") };
                    out.extend(shown.into_bytes());
                }
                b's' => {
                    let v = read_argument(w, i, lane, &mut args, 8)?;
                    let mut s = if v == 0 { b"(null)".to_vec() } else { read_string(w, i, lane, v)? };
                    s.push(0);
                    spec.push('s');
                    out.extend(c_format(&spec, CValue::Text(s)));
                }
                other => {
                    count -= 1;
                    out.extend(spec.bytes());
                    out.push(other);
                }
            }
        }
    }
    Some((out, count))
}

/// Call of a provided function: imm says which, x the call site.
struct CallBuiltin;
impl Op for CallBuiltin {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let s = w.launch();
        let site = &s.code.calls[i.x as usize];
        let argument = |w: &mut Warp, lane: usize, n: usize| -> Option<u64> {
            let (off, size) = *site.args.get(n)?;
            let bytes = if size >= 8 { 8 } else { 4 };
            // SAFETY: resolve checks the address.
            let p = unsafe { resolve(w, i, space::FRAME, lane, u64::from(off), bytes, false) };
            if p.is_null() {
                return None;
            }
            // SAFETY: `bytes` readable bytes.
            Some(unsafe { if bytes == 8 { p.cast::<u64>().read() } else { u64::from(p.cast::<u32>().read()) } })
        };
        let give = |w: &mut Warp, lane: usize, v: u64| {
            if let Some((off, size)) = site.returns.first() {
                let bytes = if *size >= 8 { 8 } else { 4 };
                // SAFETY: resolve checks the address.
                let p = unsafe { resolve(w, i, space::FRAME, lane, u64::from(*off), bytes, true) };
                if !p.is_null() {
                    // SAFETY: `bytes` writable bytes.
                    unsafe { if bytes == 8 { p.cast::<u64>().write(v) } else { p.cast::<u32>().write(v as u32) } }
                }
            }
        };
        // SAFETY: every access is checked.
        unsafe {
            for lane in Lanes(w.mask) {
                macro_rules! arg {
                    ($n:expr) => {
                        match argument(w, lane, $n) {
                            Some(v) => v,
                            None if w.fault.is_some() => return std::ptr::null(),
                            None => 0,
                        }
                    };
                }
                match i.imm {
                    0 => {
                        let (text, args) = (arg!(0), arg!(1));
                        let Some(text) = read_string(w, i, lane, text) else { return std::ptr::null() };
                        let Some((out, count)) = format(w, i, lane, &text, args) else { return std::ptr::null() };
                        (s.args.print)(&String::from_utf8_lossy(&out));
                        // Unlike C's, CUDA's printf returns the number of arguments.
                        give(w, lane, u64::from(count));
                    }
                    1 => {
                        let bytes = arg!(0);
                        give(w, lane, s.args.heap.malloc(bytes));
                    }
                    2 => {
                        let p = arg!(0);
                        if p != 0 && !s.args.heap.free(p) {
                            return w.fail_at(
                                FaultKind::IllegalAddress,
                                i,
                                lane,
                                Some(p),
                                format!("free of {p:#x}, which malloc did not return"),
                            );
                        }
                    }
                    _ => {
                        let (what, file, line, function) = (arg!(0), arg!(1), arg!(2), arg!(3));
                        let text = |w: &mut Warp, a| {
                            read_string(w, i, lane, a).map(|s| String::from_utf8_lossy(&s).into_owned())
                        };
                        let (Some(what), Some(file), Some(function)) =
                            (text(w, what), text(w, file), text(w, function))
                        else {
                            return std::ptr::null();
                        };
                        let [bx, by, bz] = w.block().index;
                        let [tx, ty, tz] = w.tid.map(|t| t[lane]);
                        let message = format!(
                            "{file}:{line}: {function}: block: [{bx},{by},{bz}], thread: [{tx},{ty},{tz}] \
                             Assertion `{what}` failed."
                        );
                        (s.args.print)(&format!("{message}\n"));
                        return w.fail(FaultKind::Assert, i, lane, message);
                    }
                }
            }
            if w.fault.is_some() {
                return std::ptr::null();
            }
            next(i)
        }
    }
}

/// Operation that reads special register `number`, and its immediate.
pub(crate) fn read_register(number: u64) -> (OpFn, u64) {
    let block_index = pick::<ReadBlockIndex>().shaped(Some(Shape::BlockIndex));
    match REGISTERS[number as usize % REGISTERS.len()] {
        "ctaid.x" => (block_index, 0),
        "ctaid.y" => (block_index, 1),
        "ctaid.z" => (block_index, 2),
        _ => (pick::<ReadRegister>(), number),
    }
}

pub(crate) fn call_builtin() -> OpFn {
    pick::<CallBuiltin>()
}
