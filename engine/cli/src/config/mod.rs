//! Configuration files: every long option of a command can be set in TOML, under the command's name.
//!
//! Nothing is declared here: which options there are, what they take, which exclude each other and which are secret is read from the
//! command line's own tree (`settings.rs`). `files.rs` finds the files and says which may be trusted, `parse.rs` reads one,
//! `layers.rs` decides between them and makes what is left the options' defaults, so that environment and command line come before
//! files without further ado. `show.rs` is `ringway config`.

mod files;
mod layers;
mod parse;
mod settings;
mod show;

#[cfg(test)]
mod tests;

pub use show::{ConfigArgs, config};

use clap::{ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the configuration cannot be used; texts name file, line, cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder cannot be read.
    #[error("{0}: {1}; make it readable, or take it away")]
    Read(PathBuf, std::io::Error),
    /// Somebody else can write a file.
    #[error("{0}: {1}, who could choose what Ringway does; {2}")]
    Untrusted(PathBuf, String, String),
    /// A file that cannot be one of configuration.
    #[error("{0}: {1}")]
    File(PathBuf, String),
    /// A line that says something wrong.
    #[error("{0}: {1}")]
    Line(Place, String),
}

/// Where in which file something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Its position among the files: a later one wins.
    pub layer: usize,
    /// Line, from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What was typed, with what files say where neither the command line nor the environment says anything.
pub struct Parsed {
    /// As clap has it.
    pub matches: ArgMatches,
    /// Files that would have been read for this command, and why they were not.
    pub left_out: Vec<String>,
}

/// Parses the command line. What is wrong with it, and what asks for help, ends the program as clap does it.
///
/// # Errors
/// [`ConfigError`].
pub fn parse(tree: &Command, words: &[OsString]) -> Result<Parsed, ConfigError> {
    let typed = tree.clone().try_get_matches_from(words).unwrap_or_else(|error| error.exit());
    let Some((name, _)) = typed.subcommand() else {
        return Ok(Parsed { matches: typed, left_out: Vec::new() });
    };
    // A server for one program is told everything by the program that starts it.
    if std::env::var_os("RINGWAY_EMBEDDED").is_some() || !settings::has_any(tree, name) {
        return Ok(Parsed { matches: typed, left_out: Vec::new() });
    }
    let found = files::find(&files::Folders::of_this_user(), tree, Some(name))?;
    let left_out = found.left_out.iter().map(ToString::to_string).collect();
    if found.files.is_empty() {
        return Ok(Parsed { matches: typed, left_out });
    }
    let said = parse::all(tree, &found.files)?;
    let chosen = layers::choose(tree, &typed, &said)?;
    let matches = layers::with_defaults(tree.clone(), &chosen).try_get_matches_from(words).unwrap_or_else(|error| error.exit());
    Ok(Parsed { matches, left_out })
}
