//! One file: sections, keys and values, each checked against the command line's own tree.

use super::files::ConfigFile;
use super::settings::{self, is_flag, is_list, is_secret};
use super::{ConfigError, Place};
use clap::{Arg, Command};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a file says about one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The section: `run`, or `token`, `create`.
    pub section: Vec<String>,
    /// The option.
    pub id: String,
    /// Its values as they would be typed; of a flag `true` or `false`.
    pub values: Vec<String>,
    /// Where.
    pub place: Place,
}

/// Values of one option at the most.
const VALUES_MAX: usize = 256;

/// What all files say, in their order.
///
/// # Errors
/// [`ConfigError`].
pub fn all(tree: &Command, files: &[ConfigFile]) -> Result<Vec<Said>, ConfigError> {
    let sections = settings::sections(tree);
    let mut said = Vec::new();
    for (layer, file) in files.iter().enumerate() {
        let mut reading = Reading { file: Arc::new(file.path.clone()), text: &file.text, layer, said: &mut said };
        reading.file(&sections)?;
    }
    Ok(said)
}

struct Reading<'a> {
    file: Arc<std::path::PathBuf>,
    text: &'a str,
    layer: usize,
    said: &'a mut Vec<Said>,
}

type Table<'a> = DeTable<'a>;

impl Reading<'_> {
    fn place(&self, at: usize) -> Place {
        let line = self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        Place { file: self.file.clone(), layer: self.layer, line }
    }

    fn wrong<T>(&self, at: usize, why: impl Into<String>) -> Result<T, ConfigError> {
        Err(ConfigError::Line(self.place(at), why.into()))
    }

    fn file(&mut self, sections: &[Command]) -> Result<(), ConfigError> {
        let text = self.text;
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            // The parser's own text would show the line, which may hold a secret.
            Err(error) => return self.wrong(error.span().map_or(0, |span| span.start), format!("this is not TOML: {}", error.message())),
        };
        let stem = self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let only = sections.iter().find(|section| section.get_name() == stem);
        for (name, value) in table.get_ref() {
            let (key, at) = (name.get_ref().as_ref(), name.span().start);
            let DeValue::Table(inner) = value.get_ref() else {
                let whose: Vec<String> = sections.iter().filter(|section| find(section, key).is_some()).map(|section| format!("[{}]", section.get_name())).collect();
                let cure = if whose.is_empty() { "sections are named after commands, as [run]".into() } else { format!("write it under {}", whose.join(" or ")) };
                return self.wrong(at, format!("'{key}' stands outside of a section; {cure}"));
            };
            let Some(section) = sections.iter().find(|section| section.get_name() == key) else {
                let known = sections.iter().map(Command::get_name);
                return self.wrong(at, unknown("section", key, known, "`ringway config show` lists the sections"));
            };
            if let Some(only) = only
                && only.get_name() != key
            {
                let cure = format!("only that command reads {}; move [{key}] to a file of another name", self.file.display());
                return self.wrong(at, format!("a file named after `{stem}` holds nothing but [{stem}]: {cure}"));
            }
            self.section(section, vec![key.to_owned()], inner)?;
        }
        Ok(())
    }

    fn section(&mut self, command: &Command, path: Vec<String>, table: &Table<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let (key, at) = (name.get_ref().as_ref(), name.span().start);
            if let DeValue::Table(inner) = value.get_ref()
                && let Some(inner_command) = settings::inside(command).find(|inner| inner.get_name() == key)
            {
                self.section(inner_command, [&path[..], &[key.to_owned()]].concat(), inner)?;
                continue;
            }
            let Some(arg) = find(command, key) else {
                let title = path.join(".");
                if command.get_arguments().any(|arg| arg.get_long() == Some(key)) {
                    return self.wrong(at, format!("'{key}' of [{title}] cannot be set in a file; give it on the command line"));
                }
                let known = settings::of(command).filter_map(Arg::get_long);
                let list = format!("`ringway config show {}` lists what can be set", path.join(" "));
                let list = if path[0] == settings::ACCESS { "it has server, token-file and token".into() } else { list };
                return self.wrong(at, unknown(&format!("setting of [{title}]"), key, known, &list));
            };
            let values = self.values(command, arg, key, value)?;
            self.said.push(Said { section: path.clone(), id: arg.get_id().to_string(), values, place: self.place(at) });
        }
        Ok(())
    }

    fn values(&self, command: &Command, arg: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, ConfigError> {
        let at = value.span().start;
        if is_flag(arg) {
            return match value.get_ref() {
                DeValue::Boolean(on) => Ok(vec![on.to_string()]),
                other => self.wrong(at, format!("'{key}' is on or off, not {}; write {key} = true", kind(other))),
            };
        }
        let parts: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(parts) if is_list(arg) && parts.len() <= VALUES_MAX => parts.iter().collect(),
            DeValue::Array(_) if is_list(arg) => return self.wrong(at, format!("'{key}' has more than {VALUES_MAX} values")),
            _ => vec![value],
        };
        let mut values = Vec::new();
        for part in parts {
            let text = match part.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                DeValue::Integer(_) => return self.wrong(part.span().start, format!("'{key}' is a decimal number")),
                other => {
                    let example = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
                    let several = if is_list(arg) { format!(", or [\"{example}\", ...]") } else { String::new() };
                    return self.wrong(part.span().start, format!("'{key}' takes one value, not {}; write {key} = \"{example}\"{several}", kind(other)));
                }
            };
            let split: Vec<String> = match arg.get_value_delimiter() {
                Some(delimiter) => text.split(delimiter).map(str::to_owned).collect(),
                None => vec![text],
            };
            values.extend(split);
        }
        if values.len() > VALUES_MAX {
            return self.wrong(at, format!("'{key}' has more than {VALUES_MAX} values"));
        }
        for text in &values {
            if let Err(why) = try_value(command, key, text) {
                let shown = if is_secret(arg) { "its value is not one that can be taken".into() } else { why };
                return self.wrong(at, format!("{shown}; `ringway {} --help` says what it takes", help_of(command)));
            }
        }
        Ok(values)
    }
}

fn help_of(command: &Command) -> String {
    if command.get_name() == settings::ACCESS { "list".into() } else { command.get_bin_name().unwrap_or(command.get_name()).to_owned() }
}

fn find<'a>(section: &'a Command, key: &str) -> Option<&'a Arg> {
    settings::of(section).find(|arg| arg.get_long() == Some(key))
}

/// Lets the option's own parser look at a value.
fn try_value(command: &Command, key: &str, text: &str) -> Result<(), String> {
    let trial = command.clone().no_binary_name(true).mut_args(|arg| arg.required(false).env(None::<&str>)).subcommand_required(false);
    // Such as `run`, which takes the rest of the line for its program.
    let trial = trial.mut_args(|arg| if arg.is_positional() { arg.hide(true) } else { arg });
    trial.try_get_matches_from([format!("--{key}={text}")]).map(drop).map_err(|error| {
        let text = error.to_string();
        let lines = text.lines().take_while(|line| !line.starts_with("For more information") && !line.starts_with("Usage:"));
        let words: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
        words.join(" ").trim_start_matches("error: ").to_owned()
    })
}

fn unknown<'a>(what: &str, key: &str, known: impl Iterator<Item = &'a str>, cure: &str) -> String {
    let key: String = key.chars().take(64).filter(|c| !c.is_control()).collect();
    match settings::nearest(&key, known) {
        Some(near) => format!("'{key}' is no {what}; did you mean '{near}'? ({cure})"),
        None => format!("'{key}' is no {what}; {cure}"),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
