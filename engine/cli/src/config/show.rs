//! `ringway config`: what is set, by whom, and which files have a say.

use super::files::{Folders, Owner, find};
use super::settings::{self, is_list, is_secret};
use super::{layers, parse};
use crate::{Failure, print};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `ringway config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show each setting, its value, and where it comes from.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// A command, and what would be typed behind it; without it all commands.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Show which files are read, in their order: a later one wins.
    Path {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// One setting as it is now.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Row {
    command: String,
    setting: String,
    /// None where it has none.
    value: Option<Vec<String>>,
    /// The value is there and not shown.
    secret: bool,
    /// `default`, `file`, `environment`, `command line` or `not set`.
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    #[serde(skip)]
    list: bool,
}

/// Shows it.
pub fn config(args: &ConfigArgs, tree: &Command) -> Result<ExitCode, Failure> {
    let folders = Folders::of_this_user();
    match &args.what {
        What::Show { json, command } => show(tree, &folders, command, *json)?,
        What::Path { json } => path(tree, &folders, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(tree: &Command, folders: &Folders, words: &[String], json: bool) -> Result<(), Failure> {
    let lines = match words.split_first() {
        None => settings::inside(tree).flat_map(|command| leaves(command, &[])).collect(),
        Some((name, rest)) => {
            let known = settings::inside(tree).map(Command::get_name);
            let Some(command) = settings::inside(tree).find(|command| command.get_name() == name) else {
                let near = settings::nearest(name, known).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                return Err(Failure::with_code(format!("'{name}' is no command with settings{near}"), 2));
            };
            if rest.is_empty() { leaves(command, &[]) } else { vec![words.to_vec()] }
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        for row in rows_of(tree, folders, &line)? {
            if !rows.iter().any(|known| known.command == row.command && known.setting == row.setting) {
                rows.push(row);
            }
        }
    }
    if json {
        return print(&(serde_json::to_string_pretty(&rows)? + "\n"));
    }
    print(&text_of(&rows))
}

fn leaves(command: &Command, before: &[String]) -> Vec<Vec<String>> {
    let path = [before, &[command.get_name().to_owned()]].concat();
    let inner: Vec<Vec<String>> = settings::inside(command).flat_map(|inner| leaves(inner, &path)).collect();
    if inner.is_empty() { vec![path] } else { inner }
}

/// The tree without what must be given: a program to run, a token's name.
fn relaxed(command: Command) -> Command {
    let command = command.mut_args(|arg| arg.required(false)).subcommand_required(false).arg_required_else_help(false);
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, relaxed))
}

/// The settings of a command line's commands, one after the other.
pub(super) fn rows_of(tree: &Command, folders: &Folders, line: &[String]) -> Result<Vec<Row>, Failure> {
    let words: Vec<&str> = std::iter::once("ringway").chain(line.iter().map(String::as_str)).collect();
    let parse = |tree: &Command| tree.clone().try_get_matches_from(&words).unwrap_or_else(|error| error.exit());
    let typed = parse(&relaxed(tree.clone()));
    let found = find(folders, tree, line.first().map(String::as_str))?;
    let chosen = layers::choose(tree, &typed, &parse::all(tree, &found.files)?)?;
    let whole = parse(&relaxed(layers::with_defaults(tree.clone(), &chosen)));
    let (mut command, mut matches) = (tree, &whole);
    let mut rows = Vec::new();
    for level in &chosen {
        let name = level.path.last().map(String::as_str).unwrap_or_default();
        let (Some(next), Some(inner)) = (command.find_subcommand(name), matches.subcommand_matches(name)) else { break };
        (command, matches) = (next, inner);
        for arg in settings::of(command) {
            rows.push(row(&level.path.join(" "), arg, matches, level));
        }
    }
    Ok(rows)
}

fn row(command: &str, arg: &Arg, matches: &ArgMatches, level: &layers::Chosen) -> Row {
    let id = arg.get_id().as_str();
    let place = level.values.get(id).map(|(_, place)| place);
    let source = matches.value_source(id);
    let mut value: Option<Vec<String>> = matches.get_raw(id).map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect());
    let secret = is_secret(arg) && value.as_ref().is_some_and(|values| values.iter().any(|value| !value.is_empty()));
    if is_secret(arg) {
        value = None;
    }
    let (from, place, variable) = match (source, place) {
        (Some(ValueSource::CommandLine), _) => ("command line", None, None),
        (Some(ValueSource::EnvVariable), _) => ("environment", None, arg.get_env().map(|name| name.to_string_lossy().into_owned())),
        (Some(_), Some(place)) => ("file", Some(place), None),
        // A secret's default is that there is none.
        (Some(_), None) if is_secret(arg) => ("not set", None, None),
        (Some(_), None) => ("default", None, None),
        (None, _) => ("not set", None, None),
    };
    Row {
        command: command.into(),
        setting: arg.get_long().unwrap_or_default().into(),
        value,
        secret,
        from,
        file: place.map(|place| place.file.display().to_string()),
        line: place.map(|place| place.line),
        variable,
        list: is_list(arg),
    }
}

fn text_of(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut section = "";
    for row in rows {
        if row.command != section {
            let between = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{between}[{}]", row.command.replace(' ', "."));
            section = &row.command;
        }
        let value = match &row.value {
            _ if row.secret => "(not shown)".into(),
            None => "-".into(),
            Some(values) if row.list => format!("[{}]", values.join(", ")),
            Some(values) => values.join(" "),
        };
        let from = match (&row.file, row.line, &row.variable) {
            (Some(file), Some(line), _) => format!("{file}:{line}"),
            (_, _, Some(variable)) => variable.clone(),
            _ => row.from.to_owned(),
        };
        let _ = writeln!(text, "  {:<16} {value:<32} {from}", row.setting);
    }
    text
}

fn path(tree: &Command, folders: &Folders, json: bool) -> Result<(), Failure> {
    let found = find(folders, tree, None)?;
    if json {
        let folders: Vec<_> = folders.0.iter().map(|(folder, _)| folder.display().to_string()).collect();
        let files: Vec<_> = found.files.iter().map(|file| file.path.display().to_string()).collect();
        let left_out: Vec<_> = found.left_out.iter().map(|file| serde_json::json!({"file": file.path.display().to_string(), "why": file.why})).collect();
        let all = serde_json::json!({"folders": folders, "files": files, "left_out": left_out});
        return print(&(serde_json::to_string_pretty(&all)? + "\n"));
    }
    let mut text = String::new();
    for (folder, owner) in &folders.0 {
        let whose = match owner {
            Owner::System => "of this machine",
            Owner::User => "of this user",
        };
        let _ = writeln!(text, "{}  ({whose}{})", folder.display(), if folder.is_dir() { "" } else { "; not there" });
        for file in found.files.iter().filter(|file| file.path.parent() == Some(folder)) {
            let _ = writeln!(text, "  {}", file.path.display());
        }
        for file in found.left_out.iter().filter(|file| file.path.parent() == Some(folder)) {
            let _ = writeln!(text, "  {}  (not read: {})", file.path.display(), file.why);
        }
    }
    print(&text)
}
