//! The `ringway` program: everything a user types. Each subcommand is a file of its own.

mod access;
mod coverage;
mod health;
mod libraries;
mod list;
mod netperf;
mod run;
mod serve;
mod signals;
mod stats;
mod token;
mod why;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of Ringway's own failures (the program that is run keeps all others), as `env` and container tools have it.
pub const EXIT_RINGWAY: u8 = 125;

/// GPUs of the network for unmodified CUDA programs.
#[derive(Debug, Parser)]
#[command(
    name = "ringway",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program on leased GPUs: on a server's, or with no server named on this machine's own or the software GPU.
    Run(run::RunArgs),
    /// Run a program as `run` does, and say where its time over the network goes, and what it would be over other networks.
    #[command(mut_arg("direct", |arg| arg.hide(true)))]
    Why(why::WhyArgs),
    /// Serve this machine's GPUs to programs.
    Serve(serve::ServeArgs),
    /// Make, list and revoke the tokens by which programs on other machines may use this server.
    Token(token::TokenArgs),
    /// Show servers, GPUs, what is free and leased, and the link each would use.
    List(list::ListArgs),
    /// Check this machine, and servers: what is right, what could be better, what is wrong, and the cure.
    Health(health::HealthArgs),
    /// Measure the links to a server: round trip, cost of a posted call, bandwidth both ways.
    Netperf(netperf::NetperfArgs),
    /// Show which CUDA calls are supported, and how.
    Coverage(coverage::CoverageArgs),
    /// Show the version of this program and, with --server, of a server.
    Version(list::VersionArgs),
    /// Print shell completion.
    Completions {
        /// Shell to print for.
        shell: clap_complete::Shell,
    },
    /// Serve one session (started by `ringway serve`, not by people).
    #[command(hide = true)]
    Worker {
        /// Print the GPUs as JSON and end.
        #[arg(long)]
        inventory: bool,
        /// User to become.
        #[arg(long, requires = "gid")]
        uid: Option<u32>,
        /// Its group.
        #[arg(long, requires = "uid")]
        gid: Option<u32>,
        /// Its other groups.
        #[arg(long, value_delimiter = ',')]
        groups: Vec<u32>,
        /// Keep all system calls and privileges.
        #[arg(long)]
        unconfined: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = tracing_subscriber::EnvFilter::try_from_env("RINGWAY_LOG").unwrap_or_else(|_| {
        // A daemon tells what it does; a command says nothing that was not asked for.
        let level = if matches!(cli.command, Command::Serve(_) | Command::Worker { .. }) {
            "info"
        } else {
            "warn"
        };
        tracing_subscriber::EnvFilter::new(if std::env::var_os("RINGWAY_EMBEDDED").is_some() {
            "warn"
        } else {
            level
        })
    });
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let outcome = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Why(args) => why::why(args),
        Command::Serve(args) => serve::serve(args),
        Command::Token(args) => token::token(&args),
        Command::List(args) => list::list(&args),
        Command::Version(args) => list::version(&args),
        Command::Health(args) => health::health(&args),
        Command::Netperf(args) => netperf::netperf(&args),
        Command::Coverage(args) => coverage::coverage(&args),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "ringway",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker { inventory, uid, gid, groups, unconfined } => {
            let user = uid.zip(gid).map(|(uid, gid)| ringway_worker::User { uid, gid, groups });
            let done = if inventory {
                ringway_worker::print_inventory(user.as_ref())
            } else {
                ringway_worker::serve_session(&ringway_worker::Confinement { user, off: unconfined })
            };
            done.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("ringway: {}", failure.message);
        ExitCode::from(failure.code)
    })
}

/// A failure that ends the program: one line for people, and the exit code.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// With [`EXIT_RINGWAY`].
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: EXIT_RINGWAY,
        }
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With another exit code.
    pub fn with_code(message: impl Into<String>, code: u8) -> Self {
        Self {
            message: message.into(),
            code,
        }
    }
}

/// Writes a command's result. A reader that has seen enough (`ringway list | head`) is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}
