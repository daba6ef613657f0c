//! Writes `shim/cuda/src/generated/`: every symbol of libcuda.so.1, the encoding of generated bodies, and the map for
//! cuGetProcAddress.

use crate::model::*;
use std::fmt::Write;

const HEAD: &str = "\
//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::guard(op, || -> Result<(), CudaError>) -> u32`: runs a body, turns a panic into CUDA_ERROR_UNKNOWN.
//! - `crate::refused(op) -> u32`: result of a function that is refused or planned; says the reason once.
//! - `crate::refused_legacy(op, symbol) -> u32`: the same for a form of CUDA 3.1 and before.
//! - `crate::stream_arg(stream, per_thread) -> u64`: a null stream handle of a per-thread variant becomes 2.
//! - `crate::driver::<family>::<function>`: handwritten bodies, `unsafe fn` with the same arguments (a stream already
//!   through `stream_arg`; `per_thread: bool` behind them where there are per-thread variants and no stream).
//! - `ringway_client::{posted, called, current, handle, handle_or_null, stream, device, create, destroyed, found}`, `ringway_client::functions::object`: of a CUfunction or CUkernel.
#![allow(non_snake_case, unsafe_op_in_unsafe_fn, unused_imports, clippy::missing_safety_doc, clippy::too_many_arguments)]
// Every block here is sound if the program keeps CUDA's contract for the call: each pointer is null or valid for what
// CUDA says the call reads and writes there. Null is checked before use.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::{guard, refused, refused_legacy, stream_arg};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client as client;
use ringway_wire::codec::{Malformed, Writer as _};
";

/// Type of a parameter in the exported function.
pub fn c_type(p: &Param) -> String {
    let pointer = |dir: Dir, t: &str| match dir {
        Dir::In => format!("*const {t}"),
        _ => format!("*mut {t}"),
    };
    match &p.shape {
        Shape::Scalar(s, Dir::In) => s.rust().into(),
        Shape::Scalar(s, dir) => pointer(*dir, s.rust()),
        Shape::Device(Dir::In) => "i32".into(),
        Shape::Device(dir) => pointer(*dir, "i32"),
        Shape::Handle(_) | Shape::End(_) | Shape::Val(8) => "u64".into(),
        Shape::Val(_) => "[u64; 8]".into(),
        Shape::New(_) | Shape::Found(_) => "*mut u64".into(),
        Shape::Cstr => "*const c_char".into(),
        Shape::Bytes(dir, _) => pointer(*dir, "u8"),
        Shape::HandleOut => "*mut u64".into(),
        Shape::Pod(dir, _) | Shape::Ptr(dir) => pointer(*dir, "c_void"),
        Shape::Array(dir, Element::Scalar(s), _) => pointer(*dir, s.rust()),
        Shape::Array(dir, Element::Handle(_), _) => pointer(*dir, "u64"),
        Shape::Array(dir, Element::Pod(_), _) => pointer(*dir, "c_void"),
        Shape::List(Element::Scalar(s), _) => pointer(Dir::Out, s.rust()),
        Shape::List(Element::Handle(_), _) => pointer(Dir::Out, "u64"),
        Shape::List(Element::Pod(_), _) => pointer(Dir::Out, "c_void"),
        Shape::Func => "*const c_void".into(),
    }
}

fn signature(params: &[Param]) -> String {
    params
        .iter()
        .map(|p| format!("{}: {}", p.name, c_type(p)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One file of a family.
pub fn family(rows: &[&Row]) -> String {
    let mut out = String::from(HEAD);
    for row in rows.iter().filter(|r| !r.internal && !r.driver_only) {
        for export in &row.exports {
            symbol(&mut out, row, export, |name| {
                rows.iter().any(|r| r.name == name && r.wrapped)
            });
        }
        if row.is_auto() {
            body(&mut out, row);
        }
    }
    out
}

fn symbol(out: &mut String, row: &Row, export: &Export, wrapped: impl Fn(&str) -> bool) {
    let empty = Vec::new();
    let params = row.params.as_ref().unwrap_or(&empty);
    let op = row.op();
    let described = !export.legacy && row.params.is_some();
    let _ = writeln!(
        out,
        "\n/// `{}`, CUDA {}.{}.",
        row.name,
        export.version / 1000,
        export.version % 1000 / 10
    );
    let _ = writeln!(out, "#[unsafe(no_mangle)]");
    if !described || !row.works() {
        // A function that takes nothing can be called with any arguments under the platform's C convention.
        let _ = writeln!(out, "pub extern \"C\" fn {}() -> u32 {{", export.symbol);
        if export.legacy {
            let _ = writeln!(
                out,
                "    refused_legacy(op::{op}, \"{}\")\n}}",
                export.symbol
            );
        } else {
            let _ = writeln!(out, "    refused(op::{op})\n}}");
        }
        return;
    }
    let per_thread = export.variant != Variant::Base;
    let stream = row.stream_param().map(|p| p.name.as_str());
    let mut arguments: Vec<String> = params
        .iter()
        .map(|p| {
            if row.has_per_thread() && Some(p.name.as_str()) == stream {
                format!("stream_arg({}, {per_thread})", p.name)
            } else {
                p.name.clone()
            }
        })
        .collect();
    if row.hand && row.has_per_thread() && stream.is_none() {
        arguments.push(per_thread.to_string());
    }
    let other = row
        .per_thread
        .as_deref()
        .filter(|_| export.variant == Variant::Ptds);
    if other.is_some() {
        arguments.push("stream_arg(0, true)".into());
    }
    let name = other.unwrap_or(&row.name);
    let path = if row.hand || row.wrapped || other.is_some_and(&wrapped) {
        format!("crate::driver::{}::{name}", row.family)
    } else {
        format!("auto_{name}")
    };
    let _ = writeln!(
        out,
        "pub unsafe extern \"C\" fn {}({}) -> u32 {{",
        export.symbol,
        signature(params)
    );
    let _ = writeln!(
        out,
        "    guard(op::{op}, || unsafe {{ {path}({}) }})\n}}",
        arguments.join(", ")
    );
}

/// A generated body: check, encode, send, take the answer.
fn body(out: &mut String, row: &Row) {
    let params = row.params.as_ref().expect("checked by the parser");
    let _ = writeln!(
        out,
        "\n{}unsafe fn auto_{}({}) -> Result<(), CudaError> {{",
        if row.wrapped { "pub(crate) " } else { "" },
        row.name,
        signature(params)
    );
    let mut size: Vec<String> = Vec::new();
    let mut fixed = 0usize;
    let mut encode = String::new();
    let mut decode = String::new();
    let mut after = String::new();
    let mut target = None;
    let mut target_rank = 0;
    for p in params {
        let n = &p.name;
        let mut aim = |rank: u8| {
            if rank > target_rank {
                target_rank = rank;
                target = Some(format!("{n}.target"));
            }
        };
        match p.limit {
            Some(Limit::Mask(bits)) => {
                let _ = writeln!(
                    out,
                    "    if {n} & !{bits:#x} != 0 {{\n        return Err(CudaError::INVALID_VALUE);\n    }}"
                );
            }
            Some(Limit::Max(max)) => {
                let _ = writeln!(
                    out,
                    "    if {n} > {max} {{\n        return Err(CudaError::INVALID_VALUE);\n    }}"
                );
            }
            None => {}
        }
        let not_null = !p.nullable
            && !matches!(
                p.shape,
                Shape::Scalar(_, Dir::In)
                    | Shape::Device(Dir::In)
                    | Shape::Handle(_)
                    | Shape::End(_)
                    | Shape::Val(_)
            );
        if not_null {
            match &p.shape {
                Shape::Bytes(_, len) | Shape::Array(_, _, len) => {
                    let _ = writeln!(
                        out,
                        "    if {n}.is_null() && {len} != 0 {{\n        return Err(CudaError::INVALID_VALUE);\n    }}"
                    );
                }
                _ => {
                    let _ = writeln!(
                        out,
                        "    if {n}.is_null() {{\n        return Err(CudaError::INVALID_VALUE);\n    }}"
                    );
                }
            }
        }
        match &p.shape {
            Shape::Scalar(s, Dir::In) => {
                fixed += s.size();
                let _ = writeln!(encode, "        w.{}({n});", s.rust());
            }
            Shape::Scalar(s, dir) => {
                let t = s.rust();
                if *dir == Dir::InOut {
                    fixed += s.size();
                    let _ = writeln!(encode, "        w.{t}({n}.read_unaligned());");
                }
                let store = format!("{n}.write_unaligned(v);");
                let _ = writeln!(decode, "        let v = r.{t}()?;");
                let _ = match p.nullable {
                    true => writeln!(
                        decode,
                        "        if !{n}.is_null() {{\n            {store}\n        }}"
                    ),
                    false => writeln!(decode, "        {store}"),
                };
            }
            Shape::Device(_) => {
                aim(1);
                fixed += 4;
                let _ = writeln!(out, "    let {n} = client::device({n})?;");
                let _ = writeln!(encode, "        w.i32({n}.ordinal);");
            }
            Shape::Handle("Stream") => {
                aim(3);
                fixed += 8;
                let _ = writeln!(out, "    let {n} = client::stream({n})?;");
                let _ = writeln!(encode, "        w.u64({n}.id);");
            }
            Shape::Handle(k) | Shape::End(k) => {
                aim(2);
                fixed += 8;
                let check = if p.nullable {
                    "handle_or_null"
                } else {
                    "handle"
                };
                let _ = match *k {
                    // CUDA takes a CUkernel wherever it takes a CUfunction.
                    "Function" => writeln!(out, "    let {n} = client::functions::object({n})?;"),
                    _ => writeln!(out, "    let {n} = client::{check}(Kind::{k}, {n})?;"),
                };
                let _ = writeln!(encode, "        w.u64({n}.id);");
                if matches!(p.shape, Shape::End(_)) {
                    let _ = writeln!(after, "    client::destroyed(Kind::{k}, {n}.id);");
                }
            }
            Shape::New(k) => {
                fixed += 8;
                let _ = writeln!(encode, "        w.u64({n}_new.id());");
                let _ = writeln!(after, "    {n}.write_unaligned({n}_new.keep());");
                let _ = k;
            }
            Shape::Found(k) => {
                let _ = writeln!(
                    decode,
                    "        let v = r.u64()?;\n        let v = if v == 0 {{ 0 }} else {{ client::found(Kind::{k}, v, aim).map_err(|_| Malformed::Value(v))? }};"
                );
                let store = format!("{n}.write_unaligned(v);");
                let _ = match p.nullable {
                    true => writeln!(
                        decode,
                        "        if !{n}.is_null() {{\n            {store}\n        }}"
                    ),
                    false => writeln!(decode, "        {store}"),
                };
            }
            Shape::Cstr => {
                let _ = writeln!(out, "    let {n} = CStr::from_ptr({n}).to_bytes();");
                size.push(format!("4 + {n}.len()"));
                let _ = writeln!(encode, "        w.bytes({n});");
            }
            Shape::Bytes(dir, len) => {
                if *dir != Dir::Out {
                    let _ = writeln!(out, "    let {n}_in = client::slice({n}, {len} as usize)?;");
                    size.push(format!("4 + {n}_in.len()"));
                    let _ = writeln!(encode, "        w.bytes({n}_in);");
                }
                if *dir != Dir::In {
                    let _ = writeln!(decode, "        let v = r.take({len} as usize)?;");
                    let _ = writeln!(
                        decode,
                        "        if !{n}.is_null() {{\n            {n}.copy_from_nonoverlapping(v.as_ptr(), v.len());\n        }}"
                    );
                }
            }
            Shape::Array(dir, element, len) => {
                let element_size = match element {
                    Element::Scalar(s) => s.size(),
                    Element::Handle(_) => 8,
                    Element::Pod(size) => *size,
                };
                if *dir != Dir::Out {
                    let source = match element {
                        Element::Pod(size) => {
                            format!("client::slice({n}.cast::<[u8; {size}]>(), {len} as usize)?")
                        }
                        _ => format!("client::slice({n}, {len} as usize)?"),
                    };
                    let _ = writeln!(out, "    let {n}_in = {source};");
                    if p.nullable {
                        // A null pointer travels as an empty array.
                        let _ = writeln!(
                            out,
                            "    let {n}_in = if {n}.is_null() {{ &[][..] }} else {{ {n}_in }};"
                        );
                    }
                    if let Element::Handle(k) = element {
                        let check = if *k == "Stream" {
                            "stream(*v)".to_string()
                        } else {
                            format!("handle(Kind::{k}, *v)")
                        };
                        let _ = writeln!(
                            out,
                            "    let {n}_in = {n}_in.iter().map(|v| Ok(client::{check}?.id)).collect::<Result<Vec<u64>, CudaError>>()?;"
                        );
                    }
                    size.push(format!("4 + {n}_in.len().saturating_mul({element_size})"));
                    let _ = writeln!(
                        encode,
                        "        w.u32(u32::try_from({n}_in.len()).unwrap_or(u32::MAX));"
                    );
                    let put = match element {
                        Element::Scalar(s) => format!("w.{}(*v)", s.rust()),
                        Element::Handle(_) => "w.u64(*v)".into(),
                        Element::Pod(_) => "w.put(v)".into(),
                    };
                    let _ = writeln!(
                        encode,
                        "        for v in {n}_in.iter() {{\n            {put};\n        }}"
                    );
                }
                if *dir != Dir::In {
                    let store = match element {
                        Element::Scalar(s) => format!(
                            "let v = r.{}()?;\n            if !{n}.is_null() {{\n                {n}.add(i).write_unaligned(v);\n            }}",
                            s.rust()
                        ),
                        Element::Pod(size) => format!(
                            "let v = r.take({size})?;\n            if !{n}.is_null() {{\n                {n}.cast::<u8>().add(i * {size}).copy_from_nonoverlapping(v.as_ptr(), {size});\n            }}"
                        ),
                        Element::Handle(k) => format!(
                            "let v = r.u64()?;\n            let v = if v == 0 {{ 0 }} else {{ client::found(Kind::{k}, v, aim).map_err(|_| Malformed::Value(v))? }};\n            if !{n}.is_null() {{\n                {n}.add(i).write_unaligned(v);\n            }}"
                        ),
                    };
                    let _ = writeln!(
                        decode,
                        "        for i in 0..{len} as usize {{\n            {store}\n        }}"
                    );
                }
            }
            Shape::List(element, len) => {
                fixed += 1;
                let (take, store, none) = match element {
                    Element::Scalar(s) => (
                        format!("r.{}()?", s.rust()),
                        format!("{n}.add(i).write_unaligned(v)"),
                        s.zero().to_string(),
                    ),
                    Element::Handle(k) => (
                        format!(
                            "match r.u64()? {{\n                0 => 0,\n                v => client::found(Kind::{k}, v, aim).map_err(|_| Malformed::Value(v))?,\n            }}"
                        ),
                        format!("{n}.add(i).write_unaligned(v)"),
                        "0".to_string(),
                    ),
                    Element::Pod(size) => (
                        format!("r.array::<{size}>()?"),
                        format!("{n}.cast::<[u8; {size}]>().add(i).write(v)"),
                        format!("[0; {size}]"),
                    ),
                };
                // The count behind `len` means something only where there is room to count.
                let _ = writeln!(
                    out,
                    "    let {n}_room = if {n}.is_null() || {len}.is_null() {{ 0 }} else {{ {len}.read_unaligned() }};"
                );
                let _ = writeln!(encode, "        w.u8(u8::from(!{n}.is_null()));");
                let _ = writeln!(
                    decode,
                    "        let count = r.u32()? as usize;\n        for i in 0..count {{\n            let v = {take};\n            if i < {n}_room {{\n                {store};\n            }}\n        }}"
                );
                let _ = writeln!(
                    decode,
                    "        for i in count..{n}_room {{\n            let v = {none};\n            {store};\n        }}"
                );
            }
            Shape::Pod(dir, pod) => {
                if *dir != Dir::Out {
                    fixed += pod;
                    if p.nullable {
                        fixed += 1;
                        let _ = writeln!(encode, "        w.u8(u8::from(!{n}.is_null()));");
                        let _ = writeln!(
                            encode,
                            "        w.put(&if {n}.is_null() {{ [0; {pod}] }} else {{ {n}.cast::<[u8; {pod}]>().read() }});"
                        );
                    } else {
                        let _ =
                            writeln!(encode, "        w.put(&{n}.cast::<[u8; {pod}]>().read());");
                    }
                }
                if *dir != Dir::In {
                    let _ = writeln!(decode, "        let v = r.array::<{pod}>()?;");
                    let store = format!("{n}.cast::<[u8; {pod}]>().write(v);");
                    let _ = match p.nullable {
                        true => writeln!(
                            decode,
                            "        if !{n}.is_null() {{\n            {store}\n        }}"
                        ),
                        false => writeln!(decode, "        {store}"),
                    };
                }
            }
            Shape::Val(_) => {
                fixed += 8;
                let _ = writeln!(encode, "        w.u64({n});");
            }
            Shape::Ptr(_) | Shape::HandleOut | Shape::Func => unreachable!("refused by the parser"),
        }
    }
    // To make an event or to end one gives no stream anything to do.
    let is_no_work = row.class == Class::Posted && params.iter().any(|p| matches!(p.shape, Shape::New("Event") | Shape::End("Event")));
    let _ = writeln!(
        out,
        "    let aim = {}{};",
        target.unwrap_or("client::current()?".into()),
        if is_no_work { ".without_work()" } else { "" }
    );
    for p in params {
        if let Shape::New(k) = p.shape {
            let _ = writeln!(
                out,
                "    let {}_new = client::create(Kind::{k}, aim)?;",
                p.name
            );
        }
    }
    size.insert(0, fixed.to_string());
    let verb = if row.class == Class::Posted {
        "posted"
    } else {
        "called"
    };
    let _ = writeln!(
        out,
        "    client::{verb}(op::{}, aim, {}, {}{}",
        row.op(),
        size.join(" + "),
        if encode.is_empty() {
            "|_| ()".to_string()
        } else {
            format!("|w| {{\n{encode}    }}")
        },
        if row.class == Class::Posted {
            ")?;".to_string()
        } else if decode.is_empty() {
            ", |_| Ok(()))?;".to_string()
        } else {
            format!(", |r| {{\n{decode}        Ok(())\n    }})?;")
        }
    );
    let _ = writeln!(out, "{after}    Ok(())\n}}");
}

/// The modules.
pub fn module(families: &[String]) -> String {
    let mut out =
        String::from("//! Written by ringway-api-gen from engine/api/table; do not edit.\n\n");
    for family in families {
        let _ = writeln!(out, "#[rustfmt::skip]\npub mod {family};");
    }
    out.push_str("\n#[rustfmt::skip]\nmod addresses;\n\npub use addresses::address;\n");
    out
}

/// The map from symbol to address.
pub fn addresses(rows: &[Row]) -> String {
    let mut out = String::from(
        "//! Written by ringway-api-gen from engine/api/table; do not edit.

use core::ffi::c_void;

/// Address of an exported function.
struct Address(*const c_void);
// SAFETY: the address of a function is the same for all threads.
unsafe impl Sync for Address {}

/// Address of an exported symbol of libcuda.so.1, for cuGetProcAddress.
pub fn address(symbol: &str) -> Option<*const c_void> {
    ADDRESSES.binary_search_by_key(&symbol, |(s, _)| s).ok().map(|i| ADDRESSES[i].1.0)
}

static ADDRESSES: &[(&str, Address)] = &[
",
    );
    let mut all: Vec<(&str, &str)> = rows
        .iter()
        .filter(|r| !r.internal && !r.driver_only)
        .flat_map(|r| {
            r.exports
                .iter()
                .map(|e| (e.symbol.as_str(), r.family.as_str()))
        })
        .collect();
    all.sort_unstable();
    for (symbol, family) in all {
        let _ = writeln!(
            out,
            "    (\"{symbol}\", Address(super::{family}::{symbol} as *const c_void)),"
        );
    }
    out.push_str("];\n");
    out
}
