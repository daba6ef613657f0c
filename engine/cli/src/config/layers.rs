//! What holds, where several files, the environment and the command line say something.

use super::parse::Said;
use super::settings;
use super::{ConfigError, Place};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeMap;

/// What files decide for the options of one command.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The command's words: `token`, `create`.
    pub path: Vec<String>,
    /// By option: its values, and where they were said.
    pub values: BTreeMap<String, (Vec<String>, Place)>,
}

/// Chooses for each command on the way to the one that was typed.
///
/// # Errors
/// A file that says two things that exclude each other.
pub fn choose(tree: &Command, typed: &ArgMatches, said: &[Said]) -> Result<Vec<Chosen>, ConfigError> {
    let (mut command, mut matches, mut path) = (tree, typed, Vec::new());
    let mut all = Vec::new();
    while let Some((name, inner)) = matches.subcommand() {
        let Some(next) = command.find_subcommand(name) else { break };
        (command, matches) = (next, inner);
        path.push(name.to_owned());
        all.push(choose_for(command, &path, matches, said)?);
    }
    Ok(all)
}

fn choose_for(command: &Command, path: &[String], matches: &ArgMatches, said: &[Said]) -> Result<Chosen, ConfigError> {
    let args: Vec<&Arg> = settings::of(command).collect();
    let mut offers: Vec<(usize, usize, &Arg, &Said)> = Vec::new();
    for arg in &args {
        for (rank, section) in settings::sections_of(path, command, arg).iter().enumerate() {
            offers.extend(said.iter().filter(|said| said.section == *section && arg.get_id() == said.id.as_str()).map(|said| (said.place.layer, rank, *arg, said)));
        }
    }
    offers.sort_by_key(|(layer, rank, _, said)| (*layer, *rank, said.place.line));
    let mut chosen: BTreeMap<String, (&Arg, &Said)> = BTreeMap::new();
    for (_, _, arg, said) in offers {
        let on = |arg: &Arg, said: &Said| !settings::is_flag(arg) || said.values == ["true"];
        if on(arg, said) {
            if let Some((_, other)) = chosen.values().find(|(other, earlier)| {
                earlier.place.layer == said.place.layer && on(other, earlier) && settings::exclude(command, arg, other)
            }) {
                let name = |said: &Said| args.iter().find(|arg| arg.get_id() == said.id.as_str()).and_then(|arg| arg.get_long()).unwrap_or_default();
                let text = format!("'{}' excludes '{}' of line {}; leave one of them out", name(said), name(other), other.place.line);
                return Err(ConfigError::Line(said.place.clone(), text));
            }
            chosen.retain(|id, (other, earlier)| {
                let later = earlier.place.layer < said.place.layer;
                !settings::exclude(command, arg, other) && !(later && settings::gives_way(id, &said.id, command) == Some(false))
            });
        }
        chosen.insert(said.id.clone(), (arg, said));
    }
    let typed = |arg: &&&Arg| matches!(matches.value_source(arg.get_id().as_str()), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
    for arg in args.iter().filter(typed) {
        let id = arg.get_id().as_str();
        chosen.retain(|other, (earlier, _)| other != id && !settings::exclude(command, arg, earlier) && settings::gives_way(other, id, command).is_none());
    }
    let values = chosen.into_iter().map(|(id, (arg, said))| {
        // A command that speaks to one server takes the first of [access].
        let several = settings::is_list(arg);
        (id, (said.values.iter().take(if several { usize::MAX } else { 1 }).cloned().collect(), said.place.clone()))
    });
    Ok(Chosen { path: path.to_vec(), values: values.collect() })
}

/// The tree with what files decide as its options' defaults: what is typed, and the environment, come before these by themselves.
pub fn with_defaults(tree: Command, chosen: &[Chosen]) -> Command {
    chosen.iter().fold(tree, |tree, chosen| at(tree, &chosen.path, &chosen.values))
}

fn at(command: Command, path: &[String], values: &BTreeMap<String, (Vec<String>, Place)>) -> Command {
    match path.split_first() {
        Some((name, rest)) => command.mut_subcommand(name, |inner| at(inner, rest, values)),
        None => values.iter().fold(command, |command, (id, (values, _))| command.mut_arg(id, |arg| arg.default_values(values.clone()))),
    }
}
