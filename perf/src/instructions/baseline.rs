//! Counts that were committed, and what has become of them.

use crate::row::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A case may take so much more than its baseline.
pub const TOLERANCE: f64 = 0.03;
/// Where another compiler built the program.
pub const TOLERANCE_OTHER_COMPILER: f64 = 0.15;
/// So many instructions more are no regression, whatever the part.
const INSTRUCTIONS_MIN: f64 = 2.0;

/// Instructions of one call or operation, by case.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What built the program.
    compiler: String,
    cases: BTreeMap<String, f64>,
}

/// What has changed since.
#[derive(Debug, PartialEq)]
pub struct Compared {
    tolerance: f64,
    other_compiler: Option<String>,
    /// Case, baseline, now.
    more: Vec<(String, f64, f64)>,
    less: Vec<(String, f64, f64)>,
    /// Cases without a baseline, and baselines without a case.
    unknown: Vec<String>,
    gone: Vec<String>,
    same: usize,
}

impl Baseline {
    /// As measured now.
    pub fn of(rows: &[Row]) -> Self {
        Self {
            compiler: env!("BUILT_BY").into(),
            cases: rows.iter().map(|row| (row.case.clone(), row.p50)).collect(),
        }
    }

    /// From a file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("{}: no baseline: {error}", file.display()))
    }

    /// Into a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// What has changed; of a baseline, what contains `only`.
    pub fn compare(&self, rows: &[Row], only: &str) -> Compared {
        let same_compiler = self.compiler == env!("BUILT_BY");
        let tolerance = if same_compiler {
            TOLERANCE
        } else {
            TOLERANCE_OTHER_COMPILER
        };
        let mut compared = Compared {
            tolerance,
            other_compiler: (!same_compiler).then(|| self.compiler.clone()),
            more: Vec::new(),
            less: Vec::new(),
            unknown: Vec::new(),
            gone: Vec::new(),
            same: 0,
        };
        for row in rows {
            let (case, now) = (&row.case, row.p50);
            let Some(&before) = self.cases.get(case) else {
                compared.unknown.push(case.clone());
                continue;
            };
            let change = (case.clone(), before, now);
            let bound = (before * tolerance).max(INSTRUCTIONS_MIN);
            if now > before + bound {
                compared.more.push(change);
            } else if now < before - bound {
                compared.less.push(change);
            } else {
                compared.same += 1;
            }
        }
        let there = |case: &String| rows.iter().any(|row| row.case == *case);
        let gone = self
            .cases
            .keys()
            .filter(|case| case.contains(only) && !there(case));
        compared.gone.extend(gone.cloned());
        compared
    }
}

impl Compared {
    /// # Errors
    /// A case takes more than its baseline allows, or the baseline does not fit the cases.
    pub fn verdict(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        for (many, what) in [
            (
                self.more.len(),
                "take more instructions than their baseline allows",
            ),
            (self.unknown.len(), "have no baseline"),
            (self.gone.len(), "of the baseline were not counted"),
        ] {
            if many > 0 {
                wrong.push(format!("{many} cases {what}"));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}; if that is meant, write the baseline anew (--write-baseline)",
            wrong.join(", ")
        ))
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(compiler) = &self.other_compiler {
            writeln!(
                f,
                "the baseline was built by {compiler}: {:.0} % are allowed",
                self.tolerance * 100.0
            )?;
        }
        for (what, list) in [("more", &self.more), ("less", &self.less)] {
            for (case, before, now) in list {
                writeln!(
                    f,
                    "{what}: {case}: {before} -> {now} ({:+.1} %)",
                    (now / before - 1.0) * 100.0
                )?;
            }
        }
        for case in &self.unknown {
            writeln!(f, "no baseline: {case}")?;
        }
        for case in &self.gone {
            writeln!(f, "not counted: {case}")?;
        }
        writeln!(
            f,
            "{} cases within {:.0} % of the baseline",
            self.same,
            self.tolerance * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::plain_row;

    fn rows(counts: &[(&str, f64)]) -> Vec<Row> {
        let row =
            |(case, count): &(&str, f64)| plain_row("instructions", case, "instr", vec![*count]);
        counts.iter().filter_map(row).collect()
    }

    #[test]
    fn more_than_the_tolerance_is_an_error() {
        let baseline = Baseline::of(&rows(&[
            ("a", 1000.0),
            ("b", 1000.0),
            ("c", 1000.0),
            ("d", 10.0),
        ]));
        let compared = baseline.compare(
            &rows(&[("a", 1029.0), ("b", 1031.0), ("c", 500.0), ("d", 12.0)]),
            "",
        );
        assert_eq!(compared.more, [("b".into(), 1000.0, 1031.0)]);
        assert_eq!(compared.less, [("c".into(), 1000.0, 500.0)]);
        assert_eq!(compared.same, 2);
        assert!(compared.verdict().is_err());
        assert!(
            baseline
                .compare(
                    &rows(&[("a", 990.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]),
                    ""
                )
                .verdict()
                .is_ok()
        );
    }

    #[test]
    fn baseline_and_cases_fit_each_other() {
        let baseline = Baseline::of(&rows(&[("a", 1.0), ("other", 1.0)]));
        assert!(
            baseline
                .compare(&rows(&[("a", 1.0)]), "")
                .verdict()
                .is_err()
        );
        assert!(
            baseline
                .compare(&rows(&[("a", 1.0)]), "a")
                .verdict()
                .is_ok()
        );
        assert!(
            baseline
                .compare(&rows(&[("a", 1.0), ("other", 1.0), ("new", 1.0)]), "")
                .verdict()
                .is_err()
        );
    }

    #[test]
    fn another_compiler_is_allowed_more_and_said() {
        let mut baseline = Baseline::of(&rows(&[("a", 1000.0)]));
        baseline.compiler = "rustc 1.0".into();
        let compared = baseline.compare(&rows(&[("a", 1100.0)]), "");
        assert!(compared.verdict().is_ok());
        assert!(compared.to_string().contains("rustc 1.0"));
        assert!(
            baseline
                .compare(&rows(&[("a", 1200.0)]), "")
                .verdict()
                .is_err()
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("baseline.json");
        let baseline = Baseline::of(&rows(&[("a", 12.5)]));
        baseline.write(&file).expect("written");
        assert_eq!(Baseline::read(&file), Ok(baseline));
        std::fs::write(&file, "{}").expect("written");
        assert!(Baseline::read(&file).is_err());
    }
}
