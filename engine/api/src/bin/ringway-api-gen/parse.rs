//! The table's text form.
//!
//! ```text
//! # comment
//! let old = "text used again below as $old"
//! OPCODE NAME[/form](param: type, ...) CLASS BODY SUPPORT [!][suffix]@version ... [wrapped] [arm=hand] [ptds=ROW] [test="name"] [driver=symbol]
//!     (a line that starts with a blank goes on with the row above)
//! OPCODE NAME SUPPORT [suffix]@version ...          a row without description: refused or planned
//! internal OPCODE NAME CLASS                        a record of our own protocol, handled by hand
//! driver_only symbol(param: type, ...)              a symbol that only the worker uses
//! ```
//!
//! CLASS is `local`, `posted`, `called` or `bulk`; BODY `auto` or `hand`; SUPPORT `full`, `partial "note"`,
//! `refused RESULT "reason"` or `planned "reason"`. `!` marks a legacy form that is always refused. A type is one of
//! `u8 u16 u32 i32 u64 i64 usize f32 f64 dptr dev cstr ptr fn`, a kind of handle, `pod(size)`, `val(size)`,
//! `bytes(len=param)`, `array(element, len=param)`, `list(element, len=param)` (an enumeration; a length may be
//! `param-1`), with `out`, `inout`, `new`, `found` or `end` before it and `?`
//! behind it where a null pointer is allowed, then `mask(bits)` or `max(number)`
//! for what the client refuses at once. The name of the structure may stand behind a pod's size; its size is then proved.
//! `ptds=ROW`: the `_ptds` variants are that row with the thread's default stream behind the arguments.
//! `arm=hand`: only the client's end is generated, the server's is `crate::handlers::FAMILY::NAME`.
//! `wrapped`: the export calls `crate::driver::FAMILY::NAME`, which does what it has to and calls the generated
//! `crate::generated::FAMILY::auto_NAME`, both with the same arguments.

use crate::model::*;

type Result<T> = std::result::Result<T, String>;

/// Parses one file. `family` is its name without `.tbl`.
pub fn parse(family: &str, text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text
        .lines()
        .chain(std::iter::once("end-of-file"))
        .enumerate()
    {
        let line = line.trim_end();
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let (_, row) = open
                .as_mut()
                .ok_or(format!("{family}.tbl:{}: nothing to go on with", index + 1))?;
            row.push(' ');
            row.push_str(line.trim());
            continue;
        }
        if let Some((start, row)) = open.take() {
            let place = format!("{family}.tbl:{}", start + 1);
            let located = |e: String| format!("{place}: {e}");
            if let Some(rest) = row.strip_prefix("let ") {
                let (name, value) = rest
                    .split_once('=')
                    .ok_or_else(|| located("let without =".into()))?;
                texts.push((
                    name.trim().to_string(),
                    quoted(value.trim(), &texts).map_err(located)?,
                ));
            } else {
                rows.push(parse_row(family, &place, &row, &texts).map_err(located)?);
            }
        }
        open = Some((index, line.to_string()));
    }
    Ok(rows)
}

fn quoted(word: &str, texts: &[(String, String)]) -> Result<String> {
    if let Some(name) = word.strip_prefix('$') {
        return texts
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, t)| t.clone())
            .ok_or(format!("no text ${name}"));
    }
    word.strip_prefix('"')
        .and_then(|w| w.strip_suffix('"'))
        .filter(|w| !w.contains(['"', '\\']))
        .map(str::to_string)
        .ok_or(format!("a text in quotes expected, not {word}"))
}

/// Splits at blanks outside quotes.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut in_quotes) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        in_quotes ^= c == '"';
        if c.is_whitespace() && !in_quotes {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// The text between the first bracket and its partner, and what is before and behind.
fn brackets(text: &str) -> Result<(&str, Option<&str>, &str)> {
    let quote = text.find('"').unwrap_or(text.len());
    let Some(start) = text.find('(').filter(|s| *s < quote) else {
        return Ok((text, None, ""));
    };
    let mut depth = 0usize;
    for (i, c) in text[start..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Ok((
                        &text[..start],
                        Some(&text[start + 1..start + i]),
                        &text[start + i + 1..],
                    ));
                }
            }
            _ => {}
        }
    }
    Err("bracket not closed".into())
}

/// Splits at commas outside brackets.
fn commas(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        out.push(text[start..].trim());
    }
    out
}

fn parse_row(family: &str, place: &str, text: &str, texts: &[(String, String)]) -> Result<Row> {
    let (head, params, tail) = brackets(text)?;
    let params = params
        .map(|p| {
            commas(p)
                .into_iter()
                .map(parse_param)
                .collect::<Result<Vec<_>>>()
        })
        .transpose()?;
    let mut head: std::collections::VecDeque<String> = words(head).into();
    let mut tail: std::collections::VecDeque<String> = words(tail).into();
    let mut row = Row {
        opcode: 0,
        name: String::new(),
        base: String::new(),
        family: family.to_string(),
        params,
        class: Class::Called,
        hand: true,
        hand_arm: false,
        wrapped: false,
        per_thread: None,
        support: Support::Full,
        exports: Vec::new(),
        test: None,
        driver: None,
        internal: false,
        driver_only: false,
        place: place.to_string(),
    };
    let mut first = head.pop_front().ok_or("empty row")?;
    if first == "driver_only" {
        row.name = head.pop_front().ok_or("a symbol is missing")?;
        row.base = row.name.clone();
        row.driver = Some(row.name.clone());
        row.driver_only = true;
        if row.params.is_none() || !tail.is_empty() {
            return Err("driver_only takes a symbol with parameters and nothing else".into());
        }
        return Ok(row);
    }
    if first == "internal" {
        row.internal = true;
        first = head.pop_front().ok_or("an opcode is missing")?;
    }
    row.opcode = first
        .parse()
        .map_err(|_| format!("opcode expected, not {first}"))?;
    if row.opcode == 0 || row.opcode > 0xffff {
        return Err(format!("opcode {} is out of range", row.opcode));
    }
    let name = head.pop_front().ok_or("a name is missing")?;
    (row.base, row.name) = match name.split_once('/') {
        Some((base, form)) => (base.to_string(), format!("{base}_{form}")),
        None => (name.clone(), name.clone()),
    };
    if row.params.is_none() {
        tail = head;
    } else if !head.is_empty() {
        return Err("text between name and parameters".into());
    }
    if row.internal || row.params.is_some() {
        let class = tail.pop_front().ok_or("a class is missing")?;
        row.class = match class.as_str() {
            "local" => Class::Local,
            "posted" => Class::Posted,
            "called" => Class::Called,
            "bulk" => Class::Bulk,
            _ => return Err(format!("unknown class {class}")),
        };
        if row.internal {
            return if tail.is_empty() {
                Ok(row)
            } else {
                Err("text behind the class".into())
            };
        }
        let body = tail.pop_front().ok_or("a body is missing")?;
        row.hand = match body.as_str() {
            "auto" => false,
            "hand" => true,
            _ => return Err(format!("body is auto or hand, not {body}")),
        };
    } else {
        row.class = Class::Local;
    }
    let support = tail.pop_front().ok_or("support is missing")?;
    let text_next = |tail: &mut std::collections::VecDeque<String>| {
        quoted(&tail.pop_front().unwrap_or_default(), texts)
    };
    row.support = match support.as_str() {
        "full" => Support::Full,
        "partial" => Support::Partial(text_next(&mut tail)?),
        "refused" => {
            let result = tail.pop_front().ok_or("a result is missing")?;
            Support::Refused(result, text_next(&mut tail)?)
        }
        "planned" => Support::Planned(text_next(&mut tail)?),
        _ => return Err(format!("unknown support {support}")),
    };
    for word in tail {
        if word == "wrapped" {
            row.wrapped = true;
        } else if let Some(other) = word.strip_prefix("ptds=") {
            row.per_thread = Some(other.to_string());
        } else if word == "arm=hand" {
            row.hand_arm = true;
        } else if let Some(test) = word.strip_prefix("test=") {
            row.test = Some(quoted(test, texts)?);
        } else if let Some(symbol) = word.strip_prefix("driver=") {
            row.driver = Some(symbol.to_string());
        } else if let Some((suffix, version)) = word.split_once('@') {
            let (legacy, suffix) = suffix
                .strip_prefix('!')
                .map_or((false, suffix), |s| (true, s));
            let (major, minor) = version
                .split_once('.')
                .ok_or(format!("version {version}"))?;
            let number = |s: &str| s.parse::<u32>().map_err(|_| format!("version {version}"));
            row.exports.push(Export {
                symbol: format!("{}{suffix}", row.base),
                version: number(major)? * 1000 + number(minor)? * 10,
                variant: if suffix.ends_with("_ptds") {
                    Variant::Ptds
                } else if suffix.ends_with("_ptsz") {
                    Variant::Ptsz
                } else {
                    Variant::Base
                },
                legacy,
            });
        } else {
            return Err(format!("not understood: {word}"));
        }
    }
    check_row(&row)?;
    Ok(row)
}

fn check_row(row: &Row) -> Result<()> {
    if row.exports.is_empty() {
        return Err("no symbol leads to this row".into());
    }
    let Some(params) = &row.params else {
        return if row.works() {
            Err("a row that works needs its parameters".into())
        } else {
            Ok(())
        };
    };
    for p in params {
        if p.limit.is_some() && p.shape != Shape::Scalar(Scalar::U32, Dir::In) {
            return Err(format!("{}: only a u32 can have a limit", p.name));
        }
        let len = match &p.shape {
            Shape::Bytes(_, len) | Shape::Array(_, _, len) | Shape::List(_, len) => len,
            _ => continue,
        };
        let len = len_param(len);
        let found = params
            .iter()
            .find(|q| q.name == len)
            .ok_or(format!("no parameter {len} for {}'s length", p.name))?;
        let fits = match p.shape {
            Shape::List(..) => found.shape == Shape::Scalar(Scalar::Usize, Dir::InOut),
            _ => matches!(
                found.shape,
                Shape::Scalar(Scalar::U32 | Scalar::I32 | Scalar::Usize, Dir::In)
            ),
        };
        if !fits {
            return Err(format!("{len} cannot be a length"));
        }
    }
    if row.hand {
        return Ok(());
    }
    if !matches!(row.class, Class::Posted | Class::Called) {
        return Err("only posted and called rows have generated bodies".into());
    }
    for p in params {
        let gives_back = match &p.shape {
            Shape::Ptr(_)
            | Shape::HandleOut
            | Shape::Func
            | Shape::Device(Dir::Out | Dir::InOut)
            | Shape::Val(64) => {
                return Err(format!("{} needs a handwritten body", p.name));
            }
            Shape::Array(Dir::InOut, Element::Handle(_), _) => {
                return Err(format!("{} needs a handwritten body", p.name));
            }
            Shape::Scalar(_, dir)
            | Shape::Bytes(dir, _)
            | Shape::Array(dir, _, _)
            | Shape::Pod(dir, _) => *dir != Dir::In,
            Shape::Found(_) | Shape::List(..) => true,
            _ => false,
        };
        if gives_back && row.class == Class::Posted {
            return Err(format!(
                "{} comes back, so the call cannot be posted",
                p.name
            ));
        }
    }
    Ok(())
}

/// The parameter in a length, which is the parameter or the parameter less one.
fn len_param(len: &str) -> &str {
    len.split_once('.').map_or(len, |(param, _)| param)
}

fn parse_param(text: &str) -> Result<Param> {
    let (name, ty) = text
        .split_once(':')
        .ok_or(format!("type missing in {text}"))?;
    let mut ty = ty.trim();
    let mut limit = None;
    if let Some((before, after)) = ty.rsplit_once(' ')
        && let (word, Some(number), "") = brackets(after)?
        && matches!(word, "mask" | "max")
    {
        let value = match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        }
        .map_err(|_| format!("number expected in {text}"))?;
        limit = Some(if word == "mask" {
            Limit::Mask(value)
        } else {
            Limit::Max(value)
        });
        ty = before.trim();
    }
    let nullable = ty.ends_with('?');
    ty = ty.trim_end_matches('?').trim_end();
    let (word, rest) = ty.split_once(' ').map_or(("", ty), |(w, r)| match w {
        "out" | "inout" | "new" | "found" | "end" => (w, r.trim()),
        _ => ("", ty),
    });
    let dir = match word {
        "out" => Dir::Out,
        "inout" => Dir::InOut,
        _ => Dir::In,
    };
    let (atom, inner, _) = brackets(rest)?;
    let atom = atom.trim();
    let mut structure = None;
    let mut pod = |inner: &str| {
        let (size, name) = inner.split_once(' ').unwrap_or((inner, ""));
        let size = size
            .parse::<usize>()
            .map_err(|_| format!("a size is missing in {text}"))?;
        if !name.is_empty() {
            structure = Some((name.trim().to_string(), size));
        }
        Ok::<usize, String>(size)
    };
    let len = |text: &str| {
        text.strip_prefix("len=")
            .map(|len| match len.strip_suffix("-1") {
                Some(param) => format!("{param}.saturating_sub(1)"),
                None => len.to_string(),
            })
            .ok_or(format!("len= expected in {text}"))
    };
    let shape = match (word, atom) {
        ("new", k) => Shape::New(kind(k).ok_or(format!("unknown kind {k}"))?),
        ("found", k) => Shape::Found(kind(k).ok_or(format!("unknown kind {k}"))?),
        ("end", k) => Shape::End(kind(k).ok_or(format!("unknown kind {k}"))?),
        (_, "dev") => Shape::Device(dir),
        (_, "cstr") => Shape::Cstr,
        (_, "bytes") => Shape::Bytes(dir, len(inner.unwrap_or_default())?),
        (_, "array" | "list") => {
            let parts = commas(inner.unwrap_or_default());
            let [element, length] = parts[..] else {
                return Err(format!("array(element, len=param) expected in {text}"));
            };
            let (word, size, _) = brackets(element)?;
            let element = match (word, size) {
                ("pod", Some(size)) => Element::Pod(pod(size)?),
                _ => Scalar::parse(element)
                    .map(Element::Scalar)
                    .or_else(|| kind(element).map(Element::Handle))
                    .ok_or(format!("unknown element {element}"))?,
            };
            if atom == "list" {
                Shape::List(element, len(length)?)
            } else {
                Shape::Array(dir, element, len(length)?)
            }
        }
        (_, "pod") => Shape::Pod(dir, pod(inner.unwrap_or_default())?),
        (_, "val") => Shape::Val(pod(inner.unwrap_or_default()).and_then(|s| {
            if s == 8 || s == 64 {
                Ok(s)
            } else {
                Err("val(8) or val(64)".into())
            }
        })?),
        (_, "ptr") => Shape::Ptr(dir),
        (_, "fn") => Shape::Func,
        (_, word) => match (Scalar::parse(word), kind(word)) {
            (Some(scalar), _) => Shape::Scalar(scalar, dir),
            (None, Some(kind)) if dir == Dir::In => Shape::Handle(kind),
            // A handle that comes back from a handwritten body.
            (None, Some(_)) => Shape::HandleOut,
            _ => return Err(format!("unknown type {word}")),
        },
    };
    Ok(Param {
        name: name.trim().to_string(),
        shape,
        nullable,
        limit,
        structure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_understood() {
        let rows = parse(
            "memory",
            "let why = \"old\"\n300 cuX(a: out dptr, n: usize, s: stream, d: array(u32, len=n)?) posted hand\n    partial $why\n    !@2.0 _v2@3.2 _v2_ptsz@7.0 test=\"t\"\n",
        )
        .unwrap();
        let row = &rows[0];
        assert_eq!(
            (row.opcode, row.name.as_str(), row.class),
            (300, "cuX", Class::Posted)
        );
        assert_eq!(row.support, Support::Partial("old".into()));
        assert_eq!(row.exports[1].symbol, "cuX_v2");
        assert_eq!(row.exports[1].version, 3020);
        assert_eq!(row.exports[2].variant, Variant::Ptsz);
        assert!(row.exports[0].legacy);
        let params = row.params.as_ref().unwrap();
        assert_eq!(params[0].shape, Shape::Scalar(Scalar::U64, Dir::Out));
        assert_eq!(params[2].shape, Shape::Handle("Stream"));
        assert!(params[3].nullable);
        assert_eq!(row.driver_symbol().unwrap(), "cuX_v2");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, part) in [
            ("0 cuX full @2.0", "out of range"),
            ("1 cuX full @2.0", "needs its parameters"),
            ("1 cuX() local auto full @2.0", "only posted and called"),
            (
                "1 cuX(a: out u32) posted auto full @2.0",
                "cannot be posted",
            ),
            ("1 cuX(a: ptr) called auto full @2.0", "handwritten"),
            (
                "1 cuX(a: bytes(len=n)) called auto full @2.0",
                "no parameter n",
            ),
            ("1 cuX(a: what) called auto full @2.0", "unknown type"),
            ("1 cuX(a: u32 called auto full @2.0", "not closed"),
            ("1 cuX() called auto full", "no symbol"),
            ("1 cuX() called auto full 2.0", "not understood"),
            ("1 cuX() called auto planned $none @2.0", "no text"),
        ] {
            let error = parse("f", text).unwrap_err();
            assert!(
                error.starts_with("f.tbl:1: ") && error.contains(part),
                "{error}"
            );
        }
    }

    #[test]
    fn constants_read_well() {
        for (name, constant) in [
            ("cuMemAlloc", "CU_MEM_ALLOC"),
            ("cuMemcpyHtoDAsync", "CU_MEMCPY_HTOD_ASYNC"),
            ("cuMemsetD2D8Async", "CU_MEMSET_D2D8_ASYNC"),
            ("cuGLCtxCreate", "CU_GL_CTX_CREATE"),
            ("cuStreamGetCaptureInfo_v2", "CU_STREAM_GET_CAPTURE_INFO_V2"),
            ("cuMemcpy2DAsync", "CU_MEMCPY2D_ASYNC"),
        ] {
            assert_eq!(constant_case(name), constant);
        }
    }
}
