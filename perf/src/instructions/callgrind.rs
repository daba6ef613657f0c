//! valgrind's callgrind: how it is called, and what it writes.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Name of the files that it writes; a number follows.
const NAME: &str = "counted";

/// Its version, as it says it.
///
/// # Errors
/// It is not installed.
pub fn version() -> Result<String, String> {
    let said = Command::new("valgrind").arg("--version").output();
    let output =
        said.map_err(|error| format!("valgrind: {error}; install the package valgrind"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().to_owned())
}

/// The words before those of the program: counts inside `function` only, and writes a file into `folder` each time it returns.
pub fn command(folder: &Path, function: &str) -> Vec<OsString> {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(folder.join(NAME));
    let mut words: Vec<OsString> = ["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no"]
        .map(OsString::from)
        .into();
    words.push(format!("--toggle-collect={function}").into());
    words.push(format!("--dump-after={function}").into());
    words.push(file);
    words
}

/// The total of each file that was written when the function returned, in that order.
///
/// # Errors
/// A file cannot be read, or says nothing.
pub fn totals(folder: &Path) -> Result<Vec<u64>, String> {
    let mut totals = Vec::new();
    loop {
        let file = folder.join(format!("{NAME}.{}", totals.len() + 1));
        if !file.exists() {
            return Ok(totals);
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        match total(&text) {
            Some(total) => totals.push(total),
            // The last file is that of the program's end.
            None => return Ok(totals),
        }
    }
}

/// What a file says was counted, if it was written when a function returned.
fn total(text: &str) -> Option<u64> {
    text.lines()
        .find(|line| line.starts_with("desc: Trigger: ") && line.contains("dump-after"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_total_is_read() {
        let text = "version: 1\npart: 1\ndesc: Timerange: Basic block 0 - 5\ndesc: Trigger: --dump-after=f\nevents: Ir\nsummary: 12\ntotals: 12\n";
        assert_eq!(total(text), Some(12));
        assert_eq!(
            total(&text.replace("--dump-after=f", "Program termination")),
            None
        );
        assert_eq!(total("desc: Trigger: --dump-after=f\ntotals: many\n"), None);
    }

    #[test]
    fn files_are_read_in_order_up_to_the_last() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 1..=11u64 {
            let text = format!("desc: Trigger: --dump-after=f\ntotals: {}\n", number * 10);
            std::fs::write(folder.path().join(format!("{NAME}.{number}")), text).expect("written");
        }
        let wanted: Vec<u64> = (1..=11).map(|number| number * 10).collect();
        assert_eq!(totals(folder.path()), Ok(wanted));
    }
}
