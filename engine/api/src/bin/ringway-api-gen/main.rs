//! Writes what is made from the CUDA table. `ringway-api-gen` writes; `ringway-api-gen --check` compares and fails
//! where a file is not what the table says. Run it in the repository.

mod data;
mod dispatch;
mod exports;
mod model;
mod parse;
#[cfg(test)]
mod wire_test;

use model::Row;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folders that hold nothing but generated files.
const OWN_FOLDERS: [&str; 2] = ["shim/cuda/src/generated", "engine/worker/src/generated"];

fn read_table(root: &Path) -> Result<Vec<Row>, String> {
    let folder = root.join("engine/api/table");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "tbl"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let family = file
            .file_stem()
            .and_then(|s| s.to_str())
            .ok_or("a table file's name is not text")?;
        rows.extend(parse::parse(family, &text)?);
    }
    let mut names = BTreeMap::new();
    let mut symbols = BTreeMap::new();
    for row in &rows {
        if let Some(other) = names.insert(row.name.clone(), row.place.clone()) {
            return Err(format!("{}: {} is at {other} already", row.place, row.name));
        }
        for export in &row.exports {
            if let Some(other) = symbols.insert(export.symbol.clone(), row.place.clone()) {
                return Err(format!(
                    "{}: symbol {} is at {other} already",
                    row.place, export.symbol
                ));
            }
        }
    }
    Ok(rows)
}

/// Every generated file: path from the root, and text.
fn files(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let rows = read_table(root)?;
    let mut families: Vec<String> = rows.iter().map(|r| r.family.clone()).collect();
    families.dedup();
    let table: Vec<&Row> = rows.iter().filter(|r| !r.driver_only).collect();
    let mut out = BTreeMap::new();
    out.insert(
        "engine/api/src/generated/op.rs".to_string(),
        data::op(&table),
    );
    out.insert(
        "engine/api/src/generated/table.rs".into(),
        data::table(&table),
    );
    let lock = root.join("engine/api/table/opcodes.lock");
    let old = std::fs::read_to_string(&lock).unwrap_or_default();
    out.insert(
        "engine/api/table/opcodes.lock".into(),
        data::lock(&table, &old)?,
    );
    out.insert("docs/coverage.md".into(), data::coverage(&table, &families));
    out.insert("docs/symbols.txt".into(), {
        let mut symbols: Vec<&str> = rows
            .iter()
            .flat_map(|r| r.exports.iter().map(|e| e.symbol.as_str()))
            .collect();
        symbols.sort_unstable();
        symbols.join("\n") + "\n"
    });
    let with_exports: Vec<String> = families
        .iter()
        .filter(|f| {
            rows.iter()
                .any(|r| r.family == **f && !r.exports.is_empty())
        })
        .cloned()
        .collect();
    out.insert(
        "shim/cuda/src/generated/mod.rs".into(),
        exports::module(&with_exports),
    );
    out.insert(
        "engine/worker/src/generated/driver.rs".into(),
        dispatch::driver(&rows),
    );
    out.insert(
        "engine/worker/src/generated/dispatch.rs".into(),
        dispatch::dispatch(&rows, &families),
    );
    out.insert(
        "shim/cuda/src/generated/addresses.rs".into(),
        exports::addresses(&rows),
    );
    out.insert(
        "engine/worker/src/generated/layouts.rs".into(),
        dispatch::layouts(&rows),
    );
    let mut with_arms = Vec::new();
    for family in &families {
        let rows: Vec<&Row> = rows.iter().filter(|r| r.family == *family).collect();
        if with_exports.contains(family) {
            out.insert(
                format!("shim/cuda/src/generated/{family}.rs"),
                exports::family(&rows),
            );
        }
        if dispatch::has_arms(&rows) {
            out.insert(
                format!("engine/worker/src/generated/{family}.rs"),
                dispatch::family(&rows),
            );
            with_arms.push(family);
        }
    }
    out.insert(
        "engine/worker/src/generated/mod.rs".into(),
        dispatch::module(&with_arms),
    );
    Ok(out)
}

/// Differences between the tree and what the table says.
fn differences(root: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut out: Vec<String> = files
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| format!("{path} is not what the table says"))
        .collect();
    out.extend(
        strays(root, files)
            .into_iter()
            .map(|p| format!("{p} is made by no table file")),
    );
    out
}

fn strays(root: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    OWN_FOLDERS
        .iter()
        .flat_map(|folder| {
            std::fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .flatten()
                .map(move |f| (folder, f))
        })
        .map(|(folder, f)| format!("{folder}/{}", f.file_name().to_string_lossy()))
        .filter(|path| !files.contains_key(path))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run() -> Result<(), String> {
    let root = root();
    let files = files(&root)?;
    match std::env::args().nth(1).as_deref() {
        Some("--check") => {
            let differences = differences(&root, &files);
            if differences.is_empty() {
                Ok(())
            } else {
                Err(format!(
                    "{}\nrun: cargo run -p ringway-api --bin ringway-api-gen",
                    differences.join("\n")
                ))
            }
        }
        None => {
            for stray in strays(&root, &files) {
                std::fs::remove_file(root.join(&stray)).map_err(|e| format!("{stray}: {e}"))?;
            }
            for (path, text) in &files {
                let place = root.join(path);
                if std::fs::read_to_string(&place).ok().as_ref() == Some(text) {
                    continue;
                }
                std::fs::create_dir_all(place.parent().ok_or("a file without a folder")?)
                    .map_err(|e| format!("{path}: {e}"))?;
                std::fs::write(&place, text).map_err(|e| format!("{path}: {e}"))?;
                println!("wrote {path}");
            }
            Ok(())
        }
        Some(other) => Err(format!(
            "unknown argument {other}; usage: ringway-api-gen [--check]"
        )),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-api-gen: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_what_the_table_says() {
        let root = root();
        let files = files(&root).unwrap();
        assert_eq!(differences(&root, &files), Vec::<String>::new());
    }

    #[test]
    fn opcodes_cannot_change() {
        let rows = parse::parse("f", "300 cuX refused NOT_SUPPORTED \"no\" @2.0\n").unwrap();
        let rows: Vec<&Row> = rows.iter().collect();
        assert!(data::lock(&rows, "300 cuX\n").is_ok());
        assert!(data::lock(&rows, "").unwrap().contains("300 cuX\n"));
        assert!(
            data::lock(&rows, "300 cuY\n")
                .unwrap_err()
                .contains("for ever")
        );
        assert!(
            data::lock(&rows, "300 cuX\n301 cuY\n")
                .unwrap_err()
                .contains("left the table")
        );
        let twice = [rows[0], rows[0]];
        assert!(data::lock(&twice, "").is_err());
    }
}
