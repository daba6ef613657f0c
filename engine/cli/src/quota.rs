//! `ringway quota`: what users and groups of a pool may have, and what they have.

use crate::Failure;
use crate::output::{FAINT, Rows, gpu_hours, mib, print_json, print_styled, styled};
use crate::overview::{SourceArgs, all_quotas, ask_pool, unexpected};
use ringway_wire::pool::{AdminRequest, Limits, PoolReply, PoolRequest, Principal, QuotaRow};
use std::process::ExitCode;

/// Options of `ringway quota`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway quota list                                   what there is, and what is used of it
  ringway quota set --user alice --gpus 4 --leases 8   at most 4 GPUs in at most 8 leases at a time
  ringway quota set --each-user --gpu-hours 100        for each user who has no quota of their own
  ringway quota unset --user alice                     from now on what is set for each user holds for alice

`set` replaces the whole quota: what is not named is without a bound. Setting takes a token of the scope admin.")]
pub struct QuotaArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show quotas, and what is used of them.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set the quota of a user, a group, or of each that has none of its own.
    Set {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Take a quota away; those of each user or group hold then.
    Unset {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        source: SourceArgs,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Of all users of this group together.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Of each user who has no quota of their own.
    #[arg(long)]
    each_user: bool,
    /// Of each group which has no quota of its own.
    #[arg(long)]
    each_group: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct LimitArgs {
    /// Slices of GPUs at a time.
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// MiB of GPU memory at a time.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=u64::MAX >> 20))]
    memory: Option<u64>,
    /// Leases at a time.
    #[arg(long, value_name = "N")]
    leases: Option<u32>,
    /// Hours of a whole GPU in all. A lease that runs when they are used up goes on; no other begins.
    #[arg(long, value_name = "N")]
    gpu_hours: Option<u32>,
}

impl Whose {
    fn principal(&self) -> Principal {
        match (&self.user, &self.group) {
            (Some(user), _) => Principal::User(user.clone()),
            (_, Some(group)) => Principal::Group(group.clone()),
            _ if self.each_user => Principal::EachUser,
            _ => Principal::EachGroup,
        }
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits { gpus: self.gpus, memory_bytes: self.memory.map(|mib| mib << 20), sessions: self.leases, gpu_hours: self.gpu_hours }
    }
}

/// Does it.
pub fn quota(args: &QuotaArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        What::List { source, json } => {
            let rows = all_quotas(&source.first()?)?;
            if *json {
                print_json(&rows.iter().map(json_of).collect::<Vec<_>>())?;
            } else {
                print_styled(&text(&rows))?;
            }
        }
        What::Set { whose, limits, source } => administer(source, AdminRequest::SetLimits { principal: whose.principal(), limits: Some(limits.limits()) })?,
        What::Unset { whose, source } => administer(source, AdminRequest::SetLimits { principal: whose.principal(), limits: None })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a pool changed.
///
/// # Errors
/// It refuses, or cannot be reached.
pub fn administer(source: &SourceArgs, ask: AdminRequest) -> Result<(), Failure> {
    let pool = source.first()?;
    match ask_pool(&pool, PoolRequest::Admin(ask))? {
        PoolReply::Done => Ok(()),
        _ => Err(unexpected(&pool)),
    }
}

fn names(principal: &Principal) -> (&'static str, &str) {
    match principal {
        Principal::User(name) => ("user", name),
        Principal::Group(name) => ("group", name),
        Principal::EachUser => ("each user", ""),
        Principal::EachGroup => ("each group", ""),
    }
}

fn json_of(row: &QuotaRow) -> serde_json::Value {
    let (kind, name) = names(&row.principal);
    let limits = row.limits.map(|limits| {
        serde_json::json!({
            "gpus": limits.gpus, "memory_bytes": limits.memory_bytes, "leases": limits.sessions, "gpu_hours": limits.gpu_hours,
        })
    });
    serde_json::json!({
        "kind": kind.replace(' ', "_"), "name": name, "limits": limits,
        "used": { "gpus": row.gpus, "memory_bytes": row.memory_bytes, "leases": row.sessions, "gpu_hours": gpu_hours(row.gpu_time) },
    })
}

/// What is used, and of how much.
fn of(used: impl std::fmt::Display, bound: Option<impl std::fmt::Display>) -> String {
    bound.map_or_else(|| format!("{used}"), |bound| format!("{used} of {bound}"))
}

fn text(rows: &[QuotaRow]) -> String {
    let mut table = Rows::new(&["of", "!name", ">GPUs", ">memory MiB", ">leases", ">GPU hours", "quota"]);
    for row in rows {
        let (kind, name) = names(&row.principal);
        let is_each = matches!(row.principal, Principal::EachUser | Principal::EachGroup);
        let limits = row.limits.unwrap_or_default();
        let numbers = if is_each {
            // It is used by nobody; each has their own.
            let bound = |bound: Option<u64>| bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string());
            let memory = limits.memory_bytes.map(|bytes| bytes >> 20);
            [bound(limits.gpus.map(u64::from)), bound(memory), bound(limits.sessions.map(u64::from)), bound(limits.gpu_hours.map(u64::from))]
        } else {
            [
                of(row.gpus, limits.gpus),
                of(mib(row.memory_bytes), limits.memory_bytes.map(mib)),
                of(row.sessions, limits.sessions),
                of(format!("{:.2}", gpu_hours(row.gpu_time)), limits.gpu_hours),
            ]
        };
        let whose = match (is_each, row.limits) {
            (true, _) => String::new(),
            (false, Some(_)) => "its own".into(),
            (false, None) => styled(FAINT, "as each"),
        };
        table.add([kind.to_owned(), name.to_owned()].into_iter().chain(numbers).chain([whose]));
    }
    if table.is_empty() { "no quotas, and nothing is used\n".into() } else { table.text() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: QuotaArgs,
    }

    fn parsed(words: &[&str]) -> Result<(Principal, Option<Limits>), clap::Error> {
        match Line::try_parse_from([&["quota"], words].concat())?.args.what {
            What::Set { whose, limits, .. } => Ok((whose.principal(), Some(limits.limits()))),
            What::Unset { whose, .. } => Ok((whose.principal(), None)),
            What::List { .. } => panic!("no quota"),
        }
    }

    #[test]
    fn options_are_limits() {
        let words = ["set", "--user", "alice", "--gpus", "4", "--memory", "2048", "--leases", "8", "--gpu-hours", "100"];
        let limits = Limits { gpus: Some(4), memory_bytes: Some(2 << 30), sessions: Some(8), gpu_hours: Some(100) };
        assert_eq!(parsed(&words).unwrap(), (Principal::User("alice".into()), Some(limits)));
        let few = parsed(&["set", "--each-group", "--gpus", "0"]).unwrap();
        assert_eq!(few, (Principal::EachGroup, Some(Limits { gpus: Some(0), ..Limits::default() })));
        assert_eq!(parsed(&["unset", "--group", "lab"]).unwrap(), (Principal::Group("lab".into()), None));
    }

    #[test]
    fn one_quota_at_a_time_and_with_a_bound() {
        for words in [
            &["set", "--user", "a"][..],
            &["set", "--gpus", "1"],
            &["set", "--user", "a", "--group", "b", "--gpus", "1"],
            &["set", "--user", "a", "--gpus", "-1"],
            &["set", "--user", "a", "--memory", "18446744073709551615"],
            &["unset"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn what_is_used_stands_beside_its_bound() {
        let row = |principal, limits| QuotaRow {
            principal,
            limits,
            settings: None,
            gpus: 2,
            memory_bytes: 64 << 20,
            sessions: 1,
            gpu_time: 1000 * 3_600_000 / 2,
        };
        let limits = Some(Limits { gpus: Some(4), gpu_hours: Some(9), ..Limits::default() });
        let rows = [row(Principal::User("alice".into()), limits), row(Principal::EachUser, limits), row(Principal::User("bob".into()), None)];
        let plain = anstream::adapter::strip_str(&text(&rows)).to_string();
        let lines: Vec<String> = plain.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[1], "user alice 2 of 4 64 1 0.50 of 9 its own");
        assert_eq!(lines[2], "each user 4 - - 9");
        assert_eq!(lines[3], "user bob 2 64 1 0.50 as each");
        assert_eq!(json_of(&rows[0])["limits"]["gpus"], 4);
        assert_eq!(json_of(&rows[0])["used"]["gpu_hours"], 0.5);
    }
}
