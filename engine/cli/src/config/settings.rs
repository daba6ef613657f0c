//! Which options files can set: read from the tree of commands.

use crate::access::AccessArgs;
use crate::run::RunArgs;
use clap::{Arg, ArgAction, Args, Command};

/// The section for what all commands that speak to servers have in common.
pub const ACCESS: &str = "access";
/// The command whose options another one (`why`) has too.
const RUN: &str = "run";
/// What reads the files for a person is not itself set by them.
const CONFIG: &str = "config";
/// The option that names a server, and the variable that stands for it: where it does not, files do not either.
const SERVER: (&str, &str) = ("server", "RINGWAY_SERVER");

/// Whether files can set an option: it has a name, is meant for people, takes effect by being there or by its values, and is not what
/// the command is about (those that must be given).
pub fn can_be_set(arg: &Arg) -> bool {
    let by_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
    arg.get_long().is_some() && by_value && !arg.is_hide_set() && !arg.is_required_set()
}

/// An option that is there or not.
pub fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// An option that may have several values.
pub fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some()
}

/// An option whose value nobody else may see.
pub fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

/// The settings of a command or section, by their long names.
pub fn of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| can_be_set(arg))
}

/// The sections inside of a command's.
pub fn inside(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|inner| has_settings(inner))
}

fn has_settings(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != CONFIG && (of(command).next().is_some() || inside(command).next().is_some())
}

/// The sections of a file: `access`, and each command with settings.
pub fn sections(tree: &Command) -> Vec<Command> {
    let mut access = AccessArgs::augment_args(Command::new(ACCESS));
    // The one that takes several servers knows best what may be written.
    let servers = tree.get_subcommands().flat_map(Command::get_arguments).filter(|arg| names_server(arg));
    if let Some(server) = servers.max_by_key(|arg| is_list(arg)) {
        access = access.arg(server.clone());
    }
    std::iter::once(access).chain(inside(tree).cloned()).collect()
}

/// Whether a command has anything that files can set.
pub fn has_any(tree: &Command, name: &str) -> bool {
    tree.find_subcommand(name).is_some_and(has_settings)
}

fn names_server(arg: &Arg) -> bool {
    arg.get_id() == SERVER.0 && arg.get_env().is_some_and(|env| env == SERVER.1)
}

fn has_group<T: Args>(command: &Command) -> bool {
    let group = T::group_id();
    group.is_some() && command.get_groups().any(|known| Some(known.get_id()) == group.as_ref())
}

/// Whether a command speaks to servers, and so takes what `[access]` says.
pub fn speaks_to_servers(command: &Command) -> bool {
    has_group::<AccessArgs>(command)
}

/// Whether a command runs a program as `ringway run` does, and so takes what `[run]` says.
pub fn runs_programs(command: &Command) -> bool {
    command.get_name() != RUN && has_group::<RunArgs>(command)
}

/// The sections that speak of an option of a command, the general ones first: a command's own section says it better.
pub fn sections_of(path: &[String], command: &Command, arg: &Arg) -> Vec<Vec<String>> {
    let group = AccessArgs::group_id();
    let of_access = command.get_groups().any(|known| Some(known.get_id()) == group.as_ref() && known.get_args().any(|id| id == arg.get_id()));
    let mut found = Vec::new();
    if speaks_to_servers(command) && (of_access || names_server(arg)) {
        found.push(vec![ACCESS.to_owned()]);
    }
    if path.len() == 1 && runs_programs(command) {
        found.push(vec![RUN.to_owned()]);
    }
    found.push(path.to_vec());
    found
}

/// Whether a file that is named after a section says anything to a command.
pub fn concerns(section: &str, command: &Command) -> bool {
    section == command.get_name() || section == ACCESS && speaks_to_servers(command) || section == RUN && runs_programs(command)
}

/// What makes a setting of a file void besides options that exclude it, so that `--token-file` on the command line does not meet with
/// another file's server. With true, only the command line and the environment do.
pub fn gives_way(id: &str, other: &str, command: &Command) -> Option<bool> {
    match (id, other) {
        _ if !speaks_to_servers(command) => None,
        ("server", "token_file") | ("token_file", "token") | ("token", "token_file") => Some(false),
        // Who chooses a driver wants the server of this machine.
        ("server" | "token_file", "driver") if has_group::<RunArgs>(command) => Some(true),
        _ => None,
    }
}

/// Whether two options of a command exclude each other.
pub fn exclude(command: &Command, one: &Arg, other: &Arg) -> bool {
    let says = |arg: &Arg, of: &Arg| command.get_arg_conflicts_with(arg).iter().any(|known| known.get_id() == of.get_id());
    says(one, other) || says(other, one)
}

/// The known name that is nearest to a wrong one, if it is near.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|name| (strsim::jaro_winkler(&wrong.replace('_', "-"), name), name));
    near.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
