//! `ringway coverage`: which functions of the driver API work, and what the others answer.

use crate::Failure;
use ringway_api::{Coverage, Support, Totals, totals};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `ringway coverage`.
#[derive(Debug, clap::Args)]
pub struct CoverageArgs {
    /// Only functions whose name or family contains this, in any case.
    filter: Option<String>,
    /// Only functions with this support: full, partial, planned or refused; may be given several times.
    #[arg(long, value_name = "WORD", value_parser = ["full", "partial", "planned", "refused"])]
    support: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the functions and their sums.
///
/// # Errors
/// Standard output cannot be written; a filter that no function matches.
pub fn coverage(args: &CoverageArgs) -> Result<ExitCode, Failure> {
    let found = select(args);
    if found.is_empty() {
        return Err(Failure::new("no function of the CUDA driver API matches"));
    }
    let text = if args.json {
        json(&found)
    } else {
        table(&found)
    };
    crate::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn select(args: &CoverageArgs) -> Vec<Coverage> {
    let filter = args.filter.as_deref().unwrap_or_default().to_lowercase();
    ringway_api::coverage()
        .into_iter()
        .filter(|f| f.name.to_lowercase().contains(&filter) || f.family.contains(&filter))
        .filter(|f| args.support.is_empty() || args.support.iter().any(|s| s == f.support.word()))
        .collect()
}

fn version(number: u32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

fn note(support: Support) -> String {
    match support {
        Support::Refused(result, why) => format!("{} ({why})", result.name().unwrap_or("an error")),
        other => other.note().to_string(),
    }
}

fn table(functions: &[Coverage]) -> String {
    let width = functions.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut family = "";
    for f in functions {
        if f.family != family {
            family = f.family;
            let _ = writeln!(out, "{}{family}", if out.is_empty() { "" } else { "\n" });
        }
        let line = format!(
            "  {:width$}  {:7}  {:6}  {:>4}  {}",
            f.name,
            f.support.word(),
            f.class.map_or("", |c| c.word()),
            version(f.since),
            note(f.support)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let Totals {
        full,
        partial,
        planned,
        refused,
    } = totals(functions);
    let _ = writeln!(
        out,
        "\n{} functions: {full} full, {partial} partial, {planned} planned, {refused} refused. \
         What is not there returns an error, and with RINGWAY_LOG=warn says why.",
        functions.len()
    );
    out
}

fn json(functions: &[Coverage]) -> String {
    let functions: Vec<serde_json::Value> = functions
        .iter()
        .map(|f| {
            serde_json::json!({
                "name": f.name,
                "family": f.family,
                "support": f.support.word(),
                "class": f.class.map(|c| c.word()),
                "since": version(f.since),
                "result": match f.support {
                    Support::Refused(result, _) => result.code(),
                    Support::Planned(_) => ringway_api::CudaError::NOT_SUPPORTED.code(),
                    _ => 0,
                },
                "note": f.support.note(),
                "test": f.test,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(functions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(filter: &str, support: &[&str]) -> CoverageArgs {
        CoverageArgs {
            filter: Some(filter.to_string()),
            support: support.iter().map(|s| s.to_string()).collect(),
            json: false,
        }
    }

    #[test]
    fn functions_are_found_by_name_and_family() {
        let found = select(&args("MEMSETD8", &[]));
        assert_eq!(
            found.iter().map(|f| f.name).collect::<Vec<_>>(),
            ["cuMemsetD8", "cuMemsetD8Async"]
        );
        assert!(select(&args("green", &["refused"])).len() > 10);
        assert!(select(&args("green", &["full"])).is_empty());
    }

    #[test]
    fn refusals_say_their_result_and_reason() {
        let text = table(&select(&args("cuDeviceGetLuid", &[])));
        assert!(
            text.contains("CUDA_ERROR_NOT_SUPPORTED (") && text.contains("1 functions: 0 full"),
            "{text}"
        );
        let json: serde_json::Value =
            serde_json::from_str(&json(&select(&args("cuDeviceGetLuid", &[])))).unwrap();
        assert_eq!(json[0]["result"], 801);
    }
}
