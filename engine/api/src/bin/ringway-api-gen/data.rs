//! Writes what `ringway_api` itself is made of (opcodes, the table as data), the lock file and the coverage page.

use crate::model::*;
use std::collections::BTreeMap;
use std::fmt::Write;

pub fn op(rows: &[&Row]) -> String {
    let mut out = String::from(
        "//! Opcodes: one constant a row. Written by ringway-api-gen from engine/api/table; do not edit.\n\n",
    );
    for row in rows {
        let _ = writeln!(
            out,
            "/// `{}`.\npub const {}: u32 = {};",
            row.name,
            row.op(),
            row.opcode
        );
    }
    out
}

fn text(s: &str) -> String {
    format!("{s:?}")
}

pub fn table(rows: &[&Row]) -> String {
    let mut out = String::from(
        "//! The table as data. Written by ringway-api-gen from engine/api/table; do not edit.\n\nuse crate::Body::{Auto, Hand};\nuse crate::Class::{Bulk, Called, Local, Posted};\n#[allow(unused_imports)]\nuse crate::Support::{Full, Partial, Planned, Refused};\nuse crate::Variant::{Base, Ptds, Ptsz};\nuse crate::{CudaError, Export, Row};\n\nconst fn e(symbol: &'static str, version: u32, variant: crate::Variant, legacy: bool) -> Export {\n    Export { symbol, version, variant, legacy }\n}\n\n/// Every row of the table, by family.\npub static TABLE: &[Row] = &[\n",
    );
    for row in rows {
        let support = match &row.support {
            Support::Full => "Full".to_string(),
            Support::Partial(note) => format!("Partial({})", text(note)),
            Support::Refused(result, why) => format!("Refused(CudaError::{result}, {})", text(why)),
            Support::Planned(why) => format!("Planned({})", text(why)),
        };
        let exports = row
            .exports
            .iter()
            .map(|e| {
                format!(
                    "e(\"{}\", {}, {:?}, {})",
                    e.symbol, e.version, e.variant, e.legacy
                )
            })
            .collect::<Vec<_>>()
            .join(", ");
        let _ = writeln!(
            out,
            "    Row {{ name: \"{}\", base: \"{}\", family: \"{}\", opcode: {}, class: {:?}, body: {}, support: {support}, test: {:?}, exports: &[{exports}] }},",
            row.name,
            row.base,
            row.family,
            row.opcode,
            row.class,
            if row.hand { "Hand" } else { "Auto" },
            row.test,
        );
    }
    out.push_str("];\n\n/// Base name and row, sorted by name.\npub(crate) static BY_BASE: &[(&str, u16)] = &[\n");
    let mut bases: Vec<(&str, usize)> = rows
        .iter()
        .enumerate()
        .filter(|(_, r)| !r.internal)
        .map(|(i, r)| (r.base.as_str(), i))
        .collect();
    bases.sort_unstable();
    for (base, i) in bases {
        let _ = writeln!(out, "    (\"{base}\", {i}),");
    }
    out.push_str("];\n\n/// Opcode and row, sorted by opcode.\npub(crate) static BY_OPCODE: &[(u32, u16)] = &[\n");
    let mut ops: Vec<(u32, usize)> = rows
        .iter()
        .enumerate()
        .map(|(i, r)| (r.opcode, i))
        .collect();
    ops.sort_unstable();
    for (op, i) in ops {
        let _ = writeln!(out, "    ({op}, {i}),");
    }
    out.push_str("];\n");
    out
}

/// The lock with the new rows behind the old; an error where a number was changed or dropped.
pub fn lock(rows: &[&Row], old: &str) -> Result<String, String> {
    let mut known = BTreeMap::new();
    for line in old
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
    {
        let (number, name) = line
            .split_once(' ')
            .ok_or(format!("opcodes.lock: not understood: {line}"))?;
        known.insert(
            number
                .parse::<u32>()
                .map_err(|_| format!("opcodes.lock: not understood: {line}"))?,
            name.to_string(),
        );
    }
    let mut now = BTreeMap::new();
    for row in rows {
        if let Some(other) = now.insert(row.opcode, row.name.clone()) {
            return Err(format!(
                "{}: opcode {} belongs to {other}",
                row.place, row.opcode
            ));
        }
        match known.get(&row.opcode) {
            Some(name) if *name != row.name => {
                return Err(format!(
                    "{}: opcode {} is {name}'s for ever (opcodes.lock)",
                    row.place, row.opcode
                ));
            }
            _ => known.insert(row.opcode, row.name.clone()),
        };
    }
    if let Some((number, name)) = known.iter().find(|(n, _)| !now.contains_key(n)) {
        return Err(format!(
            "opcode {number} ({name}) has left the table; keep the row and refuse it"
        ));
    }
    let mut out = String::from(
        "# Opcodes given out. Append-only: a number keeps its meaning for ever. Written by ringway-api-gen.\n",
    );
    for (number, name) in known {
        let _ = writeln!(out, "{number} {name}");
    }
    Ok(out)
}

pub fn coverage(rows: &[&Row], families: &[String]) -> String {
    let symbols: usize = rows.iter().map(|r| r.exports.len()).sum();
    let bases: std::collections::BTreeSet<&str> = rows
        .iter()
        .filter(|r| !r.internal)
        .map(|r| r.base.as_str())
        .collect();
    let count = |rows: &[&Row], f: fn(&Support) -> bool| {
        rows.iter().filter(|r| !r.internal && f(&r.support)).count()
    };
    let mut out = format!(
        "# Coverage of the CUDA driver API\n\n\
         Written by ringway-api-gen from engine/api/table; do not edit. `ringway coverage` prints the same from the program.\n\n\
         {} functions in {} forms, {symbols} symbols. Every symbol is exported; what is not there yet, or will not be,\n\
         returns a CUDA error, and with `RINGWAY_LOG=warn` says its reason once.\n\n\
         | family | full | partial | planned | refused |\n|---|---|---|---|---|\n",
        bases.len(),
        rows.iter().filter(|r| !r.internal).count(),
    );
    let full = |s: &Support| matches!(s, Support::Full);
    let partial = |s: &Support| matches!(s, Support::Partial(_));
    let planned = |s: &Support| matches!(s, Support::Planned(_));
    let refused = |s: &Support| matches!(s, Support::Refused(..));
    let line = |rows: &[&Row]| {
        format!(
            "{} | {} | {} | {} |",
            count(rows, full),
            count(rows, partial),
            count(rows, planned),
            count(rows, refused)
        )
    };
    for family in families {
        let rows: Vec<&Row> = rows
            .iter()
            .filter(|r| r.family == *family && !r.internal)
            .copied()
            .collect();
        if !rows.is_empty() {
            let _ = writeln!(out, "| [{family}](#{family}) | {}", line(&rows));
        }
    }
    let _ = writeln!(out, "| all | {}", line(rows));
    for family in families {
        let rows: Vec<&&Row> = rows
            .iter()
            .filter(|r| r.family == *family && !r.internal)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "\n## {family}\n\n| function | support | class | since | note |\n|---|---|---|---|---|"
        );
        for row in rows {
            let since = row.exports.iter().map(|e| e.version).min().unwrap_or(0);
            let (support, note) = match &row.support {
                Support::Full => ("full", String::new()),
                Support::Partial(note) => ("partial", note.clone()),
                Support::Planned(why) => ("planned", why.clone()),
                Support::Refused(result, why) => {
                    ("refused", format!("{why} (CUDA_ERROR_{result})"))
                }
            };
            let class = match (row.works(), row.class) {
                (false, _) => "",
                (_, Class::Local) => "local",
                (_, Class::Posted) => "posted",
                (_, Class::Called) => "called",
                (_, Class::Bulk) => "bulk",
            };
            let _ = writeln!(
                out,
                "| {} | {support} | {class} | {}.{} | {note} |",
                row.name,
                since / 1000,
                since % 1000 / 10
            );
        }
    }
    out
}
