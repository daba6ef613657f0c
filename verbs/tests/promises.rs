//! What the types promise, checked with the compiler's own error codes.
//!
//! Documentation tests only see that an example does not compile; on a stable compiler the code behind `compile_fail` is
//! not looked at. Here every such example of `src/lib.rs` is compiled, and must fail with exactly the code that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Example {
    line: usize,
    /// The error that it must give; none for an example that must compile.
    code: Option<String>,
    text: String,
}

fn examples(source: &str) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let mut inside = false;
    for (number, line) in source.lines().enumerate() {
        let Some(doc) = line.strip_prefix("//!") else {
            continue;
        };
        let doc = doc.strip_prefix(' ').unwrap_or(doc);
        match doc.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(kind) => {
                inside = true;
                all.push(Example {
                    line: number + 1,
                    code: kind.strip_prefix("compile_fail,").map(str::to_owned),
                    text: String::new(),
                });
            }
            None if inside => {
                let text = &mut all.last_mut().expect("inside an example").text;
                // the hidden import is hidden from readers only
                text.push_str(doc.strip_prefix("# ").unwrap_or(doc));
                text.push('\n');
            }
            None => {}
        }
    }
    all
}

/// The library as cargo has just built it for this test, and where its dependencies are.
fn library() -> (PathBuf, PathBuf) {
    let this = std::env::current_exe().expect("the path of this test");
    let folder = this.parent().expect("its folder").to_owned();
    let files = std::fs::read_dir(&folder).expect("its folder").flatten();
    let libraries = files.map(|file| file.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libringway_verbs-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|path| {
        let made = path.metadata().and_then(|metadata| metadata.modified());
        made.expect("when the library was built")
    });
    (newest.expect("the library, built before its tests"), folder)
}

/// The codes of all errors that compiling `file` gives.
fn errors_of(file: &Path, (library, folder): &(PathBuf, PathBuf), out: &Path) -> BTreeSet<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
        ])
        .args(["--error-format", "short", "--cap-lints", "allow"])
        .arg("--extern")
        .arg(format!("ringway_verbs={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", folder.display()))
        .arg("-o")
        .arg(out)
        .arg(file)
        .output()
        .expect("running rustc");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let codes: BTreeSet<String> = text
        .match_indices("error")
        .filter(|(at, _)| text[..*at].ends_with(": "))
        .map(|(at, _)| {
            text[at + 5..]
                .trim_start_matches('[')
                .chars()
                .take_while(|c| c.is_alphanumeric())
                .collect()
        })
        .collect();
    assert_eq!(output.status.success(), codes.is_empty(), "{text}");
    codes
}

#[test]
fn each_broken_promise_is_the_error_that_is_meant() {
    let source = include_str!("../src/lib.rs");
    let all = examples(source);
    assert!(all.iter().filter(|example| example.code.is_some()).count() >= 9);
    assert!(all.iter().any(|example| example.code.is_none()));
    let library = library();
    let folder = std::env::temp_dir().join(format!("verbs-promises-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for example in &all {
        let file = folder.join(format!("line_{}.rs", example.line));
        std::fs::write(&file, &example.text).expect("writing");
        let codes = errors_of(&file, &library, &folder.join("out.rmeta"));
        let wanted: BTreeSet<String> = example.code.iter().cloned().collect();
        assert_eq!(
            codes, wanted,
            "example at line {} of src/lib.rs",
            example.line
        );
    }
    std::fs::remove_dir_all(&folder).expect("removing the folder");
}

#[test]
fn examples_are_found_in_the_text() {
    let source = "//! text\n//! ```compile_fail,E0499\n//! # use x::*;\n//! a();\n//! ```\n//! ```\n//! b();\n//! ```\n";
    let all = examples(source);
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].line, all[0].code.as_deref()), (2, Some("E0499")));
    assert_eq!(all[0].text, "use x::*;\na();\n");
    assert_eq!(
        (all[1].code.as_deref(), all[1].text.as_str()),
        (None, "b();\n")
    );
}
