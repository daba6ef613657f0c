//! `ringway user`: groups and priorities of a pool's users.

use crate::Failure;
use crate::output::{BAD, Rows, gpu_hours, print_json, print_styled, styled};
use crate::overview::{SourceArgs, all_quotas, end_leases_of};
use crate::quota::administer;
use ringway_wire::pool::{AdminRequest, Principal, UserSettings};
use serde::Serialize;
use std::process::ExitCode;

/// Options of `ringway user`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway user list
  ringway user set alice --group lab --priority 10   requests of alice go before those of lower priority
  ringway user remove alice                          no group, priority 0
  ringway user disable alice --end-leases            no leases any more, and those there are end
  ringway user enable alice

What is set holds for requests to come. Setting takes a token of the scope admin.")]
pub struct UserArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show users that have settings, quotas or leases, or have used GPUs.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a user's group and priority.
    Set {
        /// The user.
        name: String,
        /// Group, in whose quota the user's leases count too; without it none.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        group: String,
        /// Requests of a greater priority go first.
        #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
        priority: i32,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Give a user no new leases, and take the user's requests out of the queue; leases go on.
    Disable {
        /// The user.
        name: String,
        /// End the user's leases too.
        #[arg(long)]
        end_leases: bool,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Let a user have leases again.
    Enable {
        /// The user.
        name: String,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Forget a user's group and priority; quota and leases stay.
    Remove {
        /// The user.
        name: String,
        #[command(flatten)]
        source: SourceArgs,
    },
}

#[derive(Debug, Serialize)]
struct User {
    name: String,
    group: String,
    priority: i32,
    is_disabled: bool,
    gpus: u32,
    leases: u32,
    gpu_hours: f64,
}

/// Does it.
pub fn user(args: &UserArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        What::List { source, json } => list(source, *json)?,
        What::Set { name, group, priority, source } => {
            administer(source, AdminRequest::SetUser { user: name.clone(), settings: Some((group.clone(), *priority)) })?;
        }
        What::Disable { name, end_leases, source } => {
            administer(source, AdminRequest::EnableUser { user: name.clone(), enable: false })?;
            if *end_leases {
                end_leases_of(&source.first()?, |lease| lease.lease.user == *name)?;
            }
        }
        What::Enable { name, source } => administer(source, AdminRequest::EnableUser { user: name.clone(), enable: true })?,
        What::Remove { name, source } => administer(source, AdminRequest::SetUser { user: name.clone(), settings: None })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(source: &SourceArgs, json: bool) -> Result<(), Failure> {
    let users: Vec<User> = all_quotas(&source.first()?)?
        .into_iter()
        .filter_map(|row| {
            let Principal::User(name) = row.principal else { return None };
            let UserSettings { group, priority, is_disabled } = row.settings.unwrap_or_default();
            Some(User { name, group, priority, is_disabled, gpus: row.gpus, leases: row.sessions, gpu_hours: gpu_hours(row.gpu_time) })
        })
        .collect();
    if json {
        return print_json(&users);
    }
    let mut rows = Rows::new(&["!user", "state", "group", ">priority", ">GPUs", ">leases", ">GPU hours"]);
    for user in users {
        let group = if user.group.is_empty() { "-".into() } else { user.group };
        let hours = format!("{:.2}", user.gpu_hours);
        let state = if user.is_disabled { styled(BAD, "disabled") } else { "enabled".into() };
        rows.add([user.name, state, group, user.priority.to_string(), user.gpus.to_string(), user.leases.to_string(), hours]);
    }
    print_styled(&if rows.is_empty() { "no users are known\n".into() } else { rows.text() })
}
