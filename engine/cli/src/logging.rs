//! The log, on standard error: what is written and how.

use crate::Command;
use tracing_subscriber::EnvFilter;

/// Environment variable that has the format, as `--log-format`.
const FORMAT_VARIABLE: &str = "RINGWAY_LOG_FORMAT";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object each, with `timestamp`, `level` and `fields`.
    Json,
}

/// Sets the log up. Called once, before there are threads.
pub fn start(command: &Command) {
    let filter = EnvFilter::try_from_env("RINGWAY_LOG").unwrap_or_else(|_| {
        // A daemon tells what it does; a command says nothing that was not asked for.
        let level = if matches!(command, Command::Serve(_) | Command::Pool(_) | Command::Worker { .. }) { "info" } else { "warn" };
        EnvFilter::new(if std::env::var_os("RINGWAY_EMBEDDED").is_some() { "warn" } else { level })
    });
    let format = match command {
        Command::Serve(args) => args.log_format,
        Command::Pool(args) => args.log_format,
        // A worker writes into the log of its server.
        Command::Worker { .. } if std::env::var_os(FORMAT_VARIABLE).is_some_and(|format| format == "json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    if format == LogFormat::Json && matches!(command, Command::Serve(_)) {
        // SAFETY: there are no other threads yet. Its workers inherit it.
        unsafe { std::env::set_var(FORMAT_VARIABLE, "json") };
    }
}
