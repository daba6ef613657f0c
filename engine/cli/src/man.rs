//! `ringway man`: the manual pages, written from the tree of commands. For those who make packages.

use crate::Failure;
use clap::Command;
use clap_mangen::Man;
use std::path::Path;
use std::process::ExitCode;

/// Options of `ringway man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Folder to write ringway.1, ringway-run.1 and the others to; it must be there.
    #[arg(value_name = "DIR")]
    folder: std::path::PathBuf,
    /// Date to print, as 2026-01-31.
    #[arg(long, default_value = "", value_name = "DATE")]
    date: String,
}

/// Writes them.
pub fn man(args: &ManArgs, tree: Command) -> Result<ExitCode, Failure> {
    let mut tree = tree.disable_help_subcommand(true);
    tree.build();
    page(&tree, args, &mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

fn page(command: &Command, args: &ManArgs, above: &mut Vec<String>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let file = args.folder.join(format!("{name}.1"));
    std::fs::write(&file, text(command, &args.date, above)?).map_err(|error| cannot_write(&file, &error))?;
    above.push(name);
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        page(inner, args, above)?;
    }
    above.pop();
    Ok(())
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}; name a folder that is there and can be written", file.display()))
}

/// Sections in the order of other manual pages; what stands behind the help has sections of its own there.
fn text(command: &Command, date: &str, above: &[String]) -> Result<Vec<u8>, Failure> {
    // What `--help` says behind the options becomes sections, so it is taken out of the page that clap_mangen writes.
    let behind = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone()).date(date).source(format!("ringway {}", env!("CARGO_PKG_VERSION"))).manual("Ringway");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(sections(&behind).into_bytes());
    let related = above.iter().cloned().chain(command.get_subcommands().filter(|inner| !inner.is_hide_set()).filter_map(|inner| inner.get_display_name().map(str::to_owned)));
    let related: Vec<String> = related.map(|name| format!("\\fB{}\\fR(1)", escaped(&name))).collect();
    if !related.is_empty() {
        page.extend(format!(".SH \"SEE ALSO\"\n{}\n", related.join(",\n")).into_bytes());
    }
    Ok(page)
}

/// Text in blocks, each a title with a colon and indented lines, as manual sections with the lines as they are.
fn sections(behind: &str) -> String {
    let mut text = String::new();
    let mut open = false;
    for line in behind.lines() {
        match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            Some(title) => {
                text.push_str(if open { ".fi\n" } else { "" });
                text.push_str(&format!(".SH \"{}\"\n.nf\n", escaped(&title.to_uppercase())));
                open = true;
            }
            None => text.push_str(&format!("{}\n", escaped(line.strip_prefix("  ").unwrap_or(line)))),
        }
    }
    text.push_str(if open { ".fi\n" } else { "" });
    text
}

/// What roff would take for itself.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::{escaped, sections};

    #[test]
    fn blocks_become_sections() {
        let text = "Examples:\n  ringway run -- a\n    .x\n\nExit codes:\n  125  b\n";
        assert_eq!(sections(text), ".SH \"EXAMPLES\"\n.nf\nringway run \\-\\- a\n  .x\n\n.fi\n.SH \"EXIT CODES\"\n.nf\n125  b\n.fi\n");
        assert_eq!(sections(""), "");
    }

    #[test]
    fn what_roff_would_take_for_itself_is_escaped() {
        assert_eq!(escaped(".SH 'x' \\n"), "\\&.SH \\(aqx\\(aq \\en");
    }
}
