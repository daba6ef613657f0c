//! Writes `engine/worker/src/generated/`: the driver's function pointers, and the arm of every remote row.

use crate::model::*;
use std::fmt::Write;

/// Type of a parameter in the driver's function.
fn driver_type(p: &Param) -> String {
    crate::exports::c_type(p)
}

fn has_driver(row: &Row) -> bool {
    row.params.is_some() && row.driver_symbol().is_some()
}

fn field(row: &Row) -> &str {
    &row.name
}

pub fn driver(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|r| has_driver(r)).collect();
    let mut out = String::from(
        "\
//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! `Driver` holds the functions of the server's libcuda.so.1, one field a described row, named as the row. Integers
//! and pointers only: handles are `u64`. A symbol that the installed driver lacks is `None`.
#![allow(non_snake_case)]
// Rows that the client answers by itself have their field too: attach and tests use some of them.
#![allow(dead_code)]

use core::ffi::{c_char, c_void};

/// The functions of the server's driver library.
#[derive(Default, Clone, Copy)]
pub struct Driver {
",
    );
    for row in &rows {
        let types = row
            .params
            .iter()
            .flatten()
            .map(driver_type)
            .collect::<Vec<_>>()
            .join(", ");
        let _ = writeln!(
            out,
            "    /// `{}`.\n    pub {}: Option<unsafe extern \"C\" fn({types}) -> u32>,",
            row.driver_symbol().unwrap_or_default(),
            field(row)
        );
    }
    out.push_str(
        "}

impl Driver {
    /// Fills every field from `get`, which gives the address of a symbol, or `None` where the library lacks it.
    ///
    /// # Safety
    /// Each address must be that of the CUDA driver API's function of that name, and stay valid.
    pub unsafe fn load(mut get: impl FnMut(&'static str) -> Option<*const c_void>) -> Self {
        // SAFETY: by the caller's promise each address is a function of the field's signature.
        unsafe {
            Self {
",
    );
    for row in &rows {
        let types = vec!["_"; row.params.iter().flatten().count()].join(", ");
        let _ = writeln!(
            out,
            "                {}: get(\"{}\").map(|p| core::mem::transmute::<*const c_void, unsafe extern \"C\" fn({types}) -> u32>(p)),",
            field(row),
            row.driver_symbol().unwrap_or_default()
        );
    }
    out.push_str("            }\n        }\n    }\n}\n");
    out
}

const HEAD: &str = "\
//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::cx::Cx`, with the fields `driver: Driver` and `reply: VecWriter` (empty when an arm starts), and the
//!   methods `handle(Kind, id)`, `handle_or_null(Kind, id)`, `stream(id)`, `device(ordinal)`: what the driver calls it;
//!   `insert(Kind, id, raw)`: an object made under the client's id; `remove(Kind, id)`: a destroyed one;
//!   `found(Kind, raw) -> id`: the id of an object that the driver named. All but `remove` give `Result<_, CudaError>`.
//! - `crate::cx::{Outcome, Failure, REPLY_SIZE_MAX}`; `Failure` is from `CudaError` or `Malformed`, and
//!   `Outcome::from(Result<(), Failure>)` makes the outcome of an arm.
//! - `crate::translate`: what in an argument means something else to the driver than to the client.
//! - `crate::handlers::<family>::<function>(cx, r) -> Outcome`: handwritten arms.
//! The context of the call's header is current before an arm runs.
";

pub fn dispatch(rows: &[Row], families: &[String]) -> String {
    let mut out = String::from(HEAD);
    out.push_str(
        "
use crate::cx::{Cx, Outcome};
use ringway_api::op;
use ringway_wire::codec::{Malformed, Reader};

/// Runs one record: `r` stands behind the header.
pub fn dispatch(cx: &mut Cx<'_>, opcode: u32, r: &mut Reader<'_>) -> Outcome {
    match opcode {
",
    );
    for row in rows
        .iter()
        .filter(|r| r.is_remote() && (r.is_auto() || (r.works() && r.hand && !r.driver_only)))
    {
        let _ = if row.hand || row.hand_arm {
            writeln!(
                out,
                "        op::{} => crate::handlers::{}::{}(cx, r),",
                row.op(),
                row.family,
                row.name
            )
        } else {
            writeln!(
                out,
                "        op::{} => super::{}::{}(cx, r).into(),",
                row.op(),
                row.family,
                row.name
            )
        };
    }
    out.push_str("        unknown => Outcome::Malformed(Malformed::Opcode(unknown)),\n    }\n}\n");
    let _ = families;
    out
}

pub fn has_arms(rows: &[&Row]) -> bool {
    rows.iter().any(|r| r.has_auto_arm())
}

pub fn family(rows: &[&Row]) -> String {
    let mut out = String::from(HEAD);
    out.push_str(
        "#![allow(non_snake_case, unused_mut)]
// Every call below passes live locals of the types in the table, and handles that the driver gave to this process.
// Structures in arrays are byte arrays in memory from the system's allocator, which aligns it for any of them.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::cx::{Cx, Failure, REPLY_SIZE_MAX};
{TRANSLATE}
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Malformed, Reader, Writer as _};
",
    );
    for row in rows.iter().filter(|r| r.has_auto_arm()) {
        arm(&mut out, row);
    }
    let uses = |name: &str| {
        out.split_once("{TRANSLATE}")
            .is_some_and(|(_, code)| code.contains(name))
    };
    let translate = match (uses("translate::"), uses("Aligned(")) {
        (true, true) => "use crate::translate::{self, Aligned};\n",
        (true, false) => "use crate::translate;\n",
        (false, true) => "use crate::translate::Aligned;\n",
        (false, false) => "",
    };
    let out = out.replace("{TRANSLATE}\n", translate);
    // Families without some of the shapes would leave imports unused.
    let mut text = out;
    for (name, line, less) in [
        (
            "REPLY_SIZE_MAX",
            "use crate::cx::{Cx, Failure, REPLY_SIZE_MAX};",
            "use crate::cx::{Cx, Failure};",
        ),
        (
            "Kind::",
            "use ringway_api::{CudaError, Kind};",
            "use ringway_api::CudaError;",
        ),
        (
            "Malformed",
            "use ringway_wire::codec::{Malformed, Reader, Writer as _};",
            "use ringway_wire::codec::{Reader, Writer as _};",
        ),
        ("cx.reply", ", Writer as _};", "};"),
    ] {
        let code = text.split_once("Writer as _").map_or("", |(_, c)| c);
        if !code.contains(name) {
            text = text.replace(line, less);
        }
    }
    text
}

fn arm(out: &mut String, row: &Row) {
    let params = row.params.as_ref().expect("checked by the parser");
    let _ = writeln!(
        out,
        "\npub(super) fn {}(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {{",
        row.name
    );
    let mut after = String::new();
    let mut arguments = Vec::new();
    // Lengths may stand behind their arrays in the argument list; arrays are checked against them once all are read.
    let mut checks = String::new();
    let mut outs = String::new();
    for p in params {
        let n = &p.name;
        match &p.shape {
            Shape::Scalar(s, Dir::In) => {
                let _ = writeln!(out, "    let {n} = r.{}()?;", s.rust());
                arguments.push(n.clone());
            }
            Shape::Scalar(s, dir) => {
                let t = s.rust();
                let _ = if *dir == Dir::InOut {
                    writeln!(out, "    let mut {n} = r.{t}()?;")
                } else {
                    writeln!(outs, "    let mut {n}: {t} = {};", s.zero())
                };
                arguments.push(format!("&mut {n}"));
                let _ = writeln!(after, "    cx.reply.{t}({n});");
            }
            Shape::Device(_) => {
                let _ = writeln!(out, "    let {n} = cx.device(r.i32()?)?;");
                arguments.push(n.clone());
            }
            Shape::Handle(k) | Shape::End(k) => {
                let _ = match *k {
                    "Stream" if matches!(p.shape, Shape::Handle(_)) => {
                        writeln!(out, "    let {n} = cx.stream(r.u64()?)?;")
                    }
                    _ if matches!(p.shape, Shape::End(_)) => {
                        let _ = writeln!(after, "    cx.remove(Kind::{k}, {n}_id);");
                        writeln!(
                            out,
                            "    let {n}_id = r.u64()?;\n    let {n} = cx.handle(Kind::{k}, {n}_id)?;"
                        )
                    }
                    "Function" => {
                        writeln!(out, "    let {n} = translate::function(cx, r.u64()?)?;")
                    }
                    "Context" => {
                        writeln!(out, "    let {n} = translate::context(cx, r.u64()?)?;")
                    }
                    _ => writeln!(
                        out,
                        "    let {n} = cx.handle{}(Kind::{k}, r.u64()?)?;",
                        if p.nullable { "_or_null" } else { "" }
                    ),
                };
                arguments.push(n.clone());
            }
            Shape::New(k) => {
                let _ = writeln!(out, "    let {n}_id = r.u64()?;");
                let _ = writeln!(outs, "    let mut {n} = 0u64;");
                arguments.push(format!("&mut {n}"));
                let _ = writeln!(after, "    cx.insert(Kind::{k}, {n}_id, {n})?;");
            }
            Shape::Found(k) => {
                let _ = writeln!(outs, "    let mut {n} = 0u64;");
                arguments.push(format!("&mut {n}"));
                let _ = writeln!(
                    after,
                    "    let {n} = if {n} == 0 {{ 0 }} else {{ cx.found(Kind::{k}, {n})? }};\n    cx.reply.u64({n});"
                );
            }
            Shape::Cstr => {
                let _ = writeln!(out, "    let {n} = r.c_string()?;");
                arguments.push(format!("{n}.as_ptr()"));
            }
            Shape::Bytes(dir, len) => {
                if *dir != Dir::Out {
                    let _ = writeln!(out, "    let mut {n} = r.bytes()?.to_vec();");
                    let _ = writeln!(
                        checks,
                        "    if {n}.len() as u64 != {len} as u64 {{\n        return Err(Malformed::Count {{ count: {n}.len() as u64, limit: {len} as u64 }}.into());\n    }}"
                    );
                } else {
                    bound(&mut checks, len, 1);
                    let _ = writeln!(outs, "    let mut {n} = vec![0u8; {len} as usize];");
                }
                arguments.push(if *dir == Dir::In {
                    format!("if {n}.is_empty() {{ core::ptr::null() }} else {{ {n}.as_ptr() }}")
                } else {
                    format!(
                        "if {n}.is_empty() {{ core::ptr::null_mut() }} else {{ {n}.as_mut_ptr() }}"
                    )
                });
                if *dir != Dir::In {
                    let _ = writeln!(after, "    cx.reply.put(&{n});");
                }
            }
            Shape::Array(dir, element, len) => {
                let (size, read, zero) = match element {
                    Element::Scalar(s) => (
                        s.size(),
                        format!("r.{}()?", s.rust()),
                        format!("{}{}", s.zero(), s.rust()),
                    ),
                    Element::Handle("Stream") => (8, "cx.stream(r.u64()?)?".into(), "0u64".into()),
                    Element::Handle(k) => {
                        (8, format!("cx.handle(Kind::{k}, r.u64()?)?"), "0u64".into())
                    }
                    Element::Pod(size) => (
                        *size,
                        format!("r.array::<{size}>()?"),
                        format!("[0u8; {size}]"),
                    ),
                };
                if *dir != Dir::Out {
                    let _ = writeln!(
                        out,
                        "    let {n}_count = r.u32()?;\n    if (r.left() / {size}) < {n}_count as usize {{\n        return Err(Malformed::TooShort {{ wanted: ({n}_count as usize).saturating_mul({size}), left: r.left() }}.into());\n    }}"
                    );
                    let _ = writeln!(
                        out,
                        "    let mut {n} = Vec::with_capacity({n}_count as usize);\n    for _ in 0..{n}_count {{\n        {n}.push({read});\n    }}"
                    );
                    if let Some(offset) = p.location() {
                        let _ = writeln!(
                            out,
                            "    for v in &mut {n} {{\n        translate::to_driver(cx, v, {offset})?;\n    }}"
                        );
                    }
                    let empty = if p.nullable {
                        format!("{n}_count != 0 && ")
                    } else {
                        String::new()
                    };
                    let _ = writeln!(
                        checks,
                        "    if {empty}u64::from({n}_count) != {len} as u64 {{\n        return Err(Malformed::Count {{ count: u64::from({n}_count), limit: {len} as u64 }}.into());\n    }}"
                    );
                } else {
                    bound(&mut checks, len, size);
                    let _ = writeln!(outs, "    let mut {n} = vec![{zero}; {len} as usize];");
                }
                let cast = if matches!(element, Element::Pod(_)) {
                    ".cast()"
                } else {
                    ""
                };
                let pointer = format!(
                    "{n}.as_{}ptr(){cast}",
                    if *dir == Dir::In { "" } else { "mut_" }
                );
                // An empty vector's pointer points nowhere; null says so.
                arguments.push(match dir {
                    Dir::In => {
                        format!("if {n}.is_empty() {{ core::ptr::null() }} else {{ {pointer} }}")
                    }
                    _ => format!(
                        "if {n}.is_empty() {{ core::ptr::null_mut() }} else {{ {pointer} }}"
                    ),
                });
                if *dir != Dir::In {
                    let put = match element {
                        Element::Scalar(s) => format!("cx.reply.{}(*v)", s.rust()),
                        Element::Handle(k) => format!(
                            "let id = if *v == 0 {{ 0 }} else {{ cx.found(Kind::{k}, *v)? }};\n        cx.reply.u64(id)"
                        ),
                        Element::Pod(_) => "cx.reply.put(v)".into(),
                    };
                    let _ = writeln!(after, "    for v in &{n} {{\n        {put};\n    }}");
                }
            }
            Shape::List(element, len) => {
                let (size, zero, put) = match element {
                    Element::Scalar(s) => (
                        s.size(),
                        format!("{}{}", s.zero(), s.rust()),
                        format!("cx.reply.{}(*v)", s.rust()),
                    ),
                    Element::Handle(k) => (
                        8,
                        "0u64".to_string(),
                        format!(
                            "let id = if *v == 0 {{ 0 }} else {{ cx.found(Kind::{k}, *v)? }};\n        cx.reply.u64(id)"
                        ),
                    ),
                    Element::Pod(size) => (
                        *size,
                        format!("[0u8; {size}]"),
                        "cx.reply.put(v)".to_string(),
                    ),
                };
                let _ = writeln!(out, "    let {n}_given = r.u8()? != 0;");
                let _ = writeln!(
                    outs,
                    "    if {n}_given {{\n        {len} = {len}.min(REPLY_SIZE_MAX / {});\n    }}",
                    size * 4
                );
                let _ = writeln!(
                    outs,
                    "    let mut {n} = vec![{zero}; if {n}_given {{ {len} }} else {{ 0 }}];"
                );
                let cast = if matches!(element, Element::Pod(_)) {
                    ".cast()"
                } else {
                    ""
                };
                arguments.push(format!(
                    "if {n}_given {{ {n}.as_mut_ptr(){cast} }} else {{ core::ptr::null_mut() }}"
                ));
                let _ = writeln!(
                    after,
                    "    {n}.truncate({len});\n    cx.reply.u32({n}.len() as u32);\n    for v in &{n} {{\n        {put};\n    }}"
                );
            }
            Shape::Pod(dir, size) => {
                // The driver may want the structure's natural alignment, which is 64 for tensor maps and 8 for the rest.
                let words = size.div_ceil(8);
                if *dir != Dir::Out {
                    if p.nullable {
                        let _ = writeln!(out, "    let {n}_given = r.u8()? != 0;");
                    }
                    let _ = match p.location() {
                        Some(offset) => writeln!(
                            out,
                            "    let mut {n} = r.array::<{size}>()?;\n    translate::to_driver(cx, &mut {n}, {offset})?;\n    let mut {n} = Aligned(crate::cx::aligned::<{words}>(&{n}));"
                        ),
                        None if p
                            .structure
                            .as_ref()
                            .is_some_and(|(name, _)| name == RESOURCE) =>
                        {
                            writeln!(
                                out,
                                "    let mut {n} = Aligned(crate::cx::aligned::<{words}>(r.take({size})?));\n    translate::resource(cx, &mut {n}.0)?;"
                            )
                        }
                        None => writeln!(
                            out,
                            "    let mut {n} = Aligned(crate::cx::aligned::<{words}>(r.take({size})?));"
                        ),
                    };
                } else {
                    let _ = writeln!(outs, "    let mut {n} = Aligned([0u64; {words}]);");
                }
                let pointer = if *dir == Dir::In {
                    format!("{n}.0.as_ptr().cast()")
                } else {
                    format!("{n}.0.as_mut_ptr().cast()")
                };
                let null = if *dir == Dir::In {
                    "core::ptr::null()"
                } else {
                    "core::ptr::null_mut()"
                };
                arguments.push(if p.nullable && *dir != Dir::Out {
                    format!("if {n}_given {{ {pointer} }} else {{ {null} }}")
                } else {
                    pointer
                });
                if *dir != Dir::In {
                    let _ = match p.location() {
                        Some(offset) => writeln!(
                            after,
                            "    let mut {n} = crate::cx::bytes_of(&{n}.0);\n    translate::to_client(cx, &mut {n}, {offset});\n    cx.reply.put({n}.get(..{size}).unwrap_or_default());"
                        ),
                        None => writeln!(
                            after,
                            "    cx.reply.put(crate::cx::bytes_of(&{n}.0).get(..{size}).unwrap_or_default());"
                        ),
                    };
                }
            }
            Shape::Val(_) => {
                let _ = writeln!(out, "    let {n} = r.u64()?;");
                arguments.push(n.clone());
            }
            Shape::Ptr(_) | Shape::HandleOut | Shape::Func => unreachable!("refused by the parser"),
        }
    }
    let _ = writeln!(out, "    r.end()?;");
    out.push_str(&checks);
    out.push_str(&outs);
    let _ = writeln!(
        out,
        "    let call = cx.driver.{}.ok_or(CudaError::NOT_SUPPORTED)?;",
        field(row)
    );
    let _ = writeln!(
        out,
        "    CudaError::check(unsafe {{ call({}) }})?;",
        arguments.join(", ")
    );
    let _ = writeln!(out, "{after}    Ok(())\n}}");
}

fn bound(checks: &mut String, len: &str, size: usize) {
    let _ = writeln!(
        checks,
        "    if {len} as u64 > (REPLY_SIZE_MAX / {size}) as u64 {{\n        return Err(Malformed::Count {{ count: {len} as u64, limit: (REPLY_SIZE_MAX / {size}) as u64 }}.into());\n    }}"
    );
}

/// Proofs that the structures that travel as bytes have the sizes in the table.
pub fn layouts(rows: &[Row]) -> String {
    let mut sizes: Vec<(&str, usize)> = rows
        .iter()
        .flat_map(|r| r.params.iter().flatten())
        .filter_map(|p| {
            p.structure
                .as_ref()
                .map(|(name, size)| (name.as_str(), *size))
        })
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut out = String::from(
        "//! Sizes of the structures that travel as bytes. Written by ringway-api-gen from engine/api/table; do not edit.\n\nuse cudarc::driver::sys;\n\n",
    );
    for (name, size) in sizes {
        let _ = writeln!(
            out,
            "const _: () = assert!(size_of::<sys::{name}>() == {size});"
        );
    }
    out
}

pub fn module(families: &[&String]) -> String {
    let mut out = String::from(
        "//! Written by ringway-api-gen from engine/api/table; do not edit.\n\n#[rustfmt::skip]\npub mod dispatch;\n#[rustfmt::skip]\npub mod driver;\n#[rustfmt::skip]\nmod layouts;\n",
    );
    for family in families {
        let _ = writeln!(out, "#[rustfmt::skip]\nmod {family};");
    }
    out.push_str("\npub use dispatch::dispatch;\npub use driver::Driver;\n");
    out
}
