//! `ringway usage`: what leases of a pool that ended have used.

use crate::Failure;
use crate::output::{Rows, age, clean, gpu_hours, print_json, print_styled};
use crate::overview::{SourceArgs, ask_pool, unexpected};
use crate::token::life;
use ringway_secure::unix_now;
use ringway_wire::pool::{PoolReply, PoolRequest, UsageRow};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// Options of `ringway usage`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway usage                                        the last seven days
  ringway usage --since 30d
  ringway usage --since 2026-01-01 --until 2026-02-01  a month (days and times are in UTC)
  ringway usage --since 2026-01-01T08:00:00Z --csv > usage.csv

Leases that still run are not in it: `ringway quota list` has what is used of the quotas by all.")]
pub struct UsageArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Leases that ended from then on: a time ago (90m, 12h, 7d, 4w), a day (2026-01-31) or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Leases that ended before then, said in the same way; without it until now.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A time as milliseconds since 1970: so long before `now_s`, a day, or a time.
fn moment(text: &str, now_s: u64) -> Result<u64, Failure> {
    if let Ok(ago_s) = life(text) {
        return Ok(now_s.saturating_sub(ago_s) * 1000);
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    time.map(|since: Duration| since.as_millis() as u64).ok_or_else(|| {
        Failure::new(format!("'{text}' is no time; write a time ago as 90m, 12h, 7d or 4w, a day as 2026-01-31, or a time as 2026-01-31T08:00:00Z (UTC)"))
    })
}

/// Shows it.
pub fn usage(args: &UsageArgs) -> Result<ExitCode, Failure> {
    let now_s = unix_now();
    let from_ms = moment(&args.since, now_s)?;
    let until_ms = match &args.until {
        Some(text) => moment(text, now_s)?,
        // What ends at this moment is in it too.
        None => (now_s + 1) * 1000,
    };
    if until_ms <= from_ms {
        return Err(Failure::new("--until is not after --since; the first is the later time"));
    }
    let pool = args.source.first()?;
    let PoolReply::Usage { mut rows, cut } = ask_pool(&pool, PoolRequest::Usage { from_ms, until_ms })? else { return Err(unexpected(&pool)) };
    for row in &mut rows {
        (row.user, row.group) = (clean(&row.user), clean(&row.group));
    }
    if cut {
        eprintln!("ringway: there were more leases in that time than a pool looks at; the sums are too small, ask for less time");
    }
    if args.csv {
        crate::print(&csv_text(&rows)?)?;
    } else if args.json {
        print_json(&serde_json::json!({ "from_ms": from_ms, "until_ms": until_ms, "cut": cut, "rows": rows.iter().map(json_of).collect::<Vec<_>>() }))?;
    } else {
        print_styled(&text(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(row: &UsageRow) -> serde_json::Value {
    serde_json::json!({
        "user": row.user, "group": row.group, "leases": row.leases, "gpu_hours": gpu_hours(row.gpu_time), "lease_seconds": row.lease_ms as f64 / 1000.0,
    })
}

/// A text that a spreadsheet takes for a text, whatever it begins with.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() }
}

fn csv_text(rows: &[UsageRow]) -> Result<String, Failure> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["user", "group", "leases", "gpu_hours", "lease_seconds"])?;
    for row in rows {
        let hours = format!("{:.6}", gpu_hours(row.gpu_time));
        let seconds = format!("{:.3}", row.lease_ms as f64 / 1000.0);
        out.write_record([&cell(&row.user), &cell(&row.group), &row.leases.to_string(), &hours, &seconds])?;
    }
    let bytes = out.into_inner().map_err(|error| Failure::new(error.to_string()))?;
    Ok(String::from_utf8(bytes)?)
}

fn text(rows: &[UsageRow]) -> String {
    let mut table = Rows::new(&["!user", "group", ">leases", ">GPU hours", ">time of leases"]);
    for row in rows {
        let group = if row.group.is_empty() { "-" } else { &row.group };
        let hours = format!("{:.3}", gpu_hours(row.gpu_time));
        table.add([row.user.clone(), group.to_owned(), row.leases.to_string(), hours, age(row.lease_ms / 1000)]);
    }
    if table.is_empty() { "no lease ended in that time\n".into() } else { table.text() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |text: &str| moment(text, 1_000_000).map_err(|failure| failure.message().to_owned());
        assert_eq!(at("10s"), Ok(999_990_000));
        assert_eq!(at("7d"), Ok((1_000_000 - 604_800) * 1000));
        assert_eq!(at("30d"), Ok(0));
        assert_eq!(at("1970-01-02"), Ok(86_400_000));
        assert_eq!(at("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(at("1970-01-01 00:00:01.5"), Ok(1500));
        for text in ["", "yesterday", "2026-13-01", "1969-12-31", "7", "é026-01-01", "2026-01-31T08:00:00+01:00"] {
            assert!(at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_separated_by_commas() {
        let row = |user: &str| UsageRow { user: user.into(), group: "lab".into(), leases: 2, gpu_time: 1000 * 1_800_000, lease_ms: 1_800_500 };
        let text = csv_text(&[row("alice"), row("=cmd,\"x\"")]).unwrap();
        assert_eq!(text, "user,group,leases,gpu_hours,lease_seconds\nalice,lab,2,0.500000,1800.500\n\"'=cmd,\"\"x\"\"\",lab,2,0.500000,1800.500\n");
    }
}
