//! The `ringway` program: everything a user types. Each subcommand is a file of its own.

mod access;
mod clients;
mod config;
mod coverage;
mod health;
mod help;
mod leases;
mod libraries;
mod list;
mod logging;
mod man;
mod netperf;
mod nodes;
mod output;
mod overview;
mod pool;
mod pool_list;
mod pooled;
mod ps;
mod quota;
mod reservation;
mod run;
mod serve;
mod servers;
mod signals;
mod smi;
mod stats;
mod time;
mod token;
mod top;
mod usage;
mod user;
mod why;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of Ringway's own failures (the program that is run keeps all others), as `env` and container tools have it.
pub const EXIT_RINGWAY: u8 = 125;

/// GPUs of the network for unmodified CUDA programs.
#[derive(Debug, Parser)]
#[command(
    name = "ringway",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_long_help = help::RINGWAY
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program on leased GPUs: on a server's, or with no server named on this machine's own or the software GPU.
    #[command(after_long_help = help::RUN)]
    Run(run::RunArgs),
    /// Run a program as `run` does, and say where its time over the network goes, and what it would be over other networks.
    #[command(mut_arg("direct", |arg| arg.hide(true)), after_long_help = help::WHY)]
    Why(why::WhyArgs),
    /// Serve this machine's GPUs to programs.
    #[command(after_long_help = help::SERVE)]
    Serve(serve::ServeArgs),
    /// Give out the GPUs of several servers: to programs by a queue, fractions, filters and quotas.
    Pool(pool::PoolDaemonArgs),
    /// Make, list and revoke the tokens by which programs on other machines may use this server.
    #[command(after_long_help = help::TOKEN)]
    Token(token::TokenArgs),
    /// Show servers, GPUs, what is free and leased, and the link each would use.
    #[command(after_long_help = help::LIST)]
    List(list::ListArgs),
    /// Show leases, and requests that wait: whose, from where, on which GPUs.
    Ps(ps::PsArgs),
    /// Watch servers, GPUs, leases and the queue of a pool or a server on a terminal screen.
    Top(top::TopArgs),
    /// Show GPUs as nvidia-smi shows local ones; within `ringway run`, the program's slices.
    Smi(smi::SmiArgs),
    /// Make a reservation: a lease that stays when this command ends, for programs to come (`ringway run --reservation`).
    #[command(
        mut_arg("command", |arg| arg.required(false).hide(true)), mut_arg("direct", |arg| arg.hide(true)), mut_arg("stats", |arg| arg.hide(true)),
        mut_arg("reservation", |arg| arg.hide(true)), mut_arg("driver", |arg| arg.hide(true)), mut_arg("one_server", |arg| arg.hide(true)), mut_arg("on_timeout", |arg| arg.hide(true))
    )]
    Request(reservation::RequestArgs),
    /// End a lease of a pool, take a waiting request back, or end a reservation.
    Release(ps::ReleaseArgs),
    /// Show and set what users and groups of a pool may have.
    Quota(quota::QuotaArgs),
    /// Show and set groups and priorities of a pool's users.
    User(user::UserArgs),
    /// Show, drain and remove the servers of a pool.
    Server(servers::ServerArgs),
    /// Show what leases of a pool that ended have used.
    Usage(usage::UsageArgs),
    /// Show hosts and users whose programs have leases now.
    Client(clients::ClientArgs),
    /// Check this machine, and servers: what is right, what could be better, what is wrong, and the cure.
    #[command(after_long_help = help::HEALTH)]
    Health(health::HealthArgs),
    /// Measure the links to a server: round trip, cost of a posted call, bandwidth both ways.
    Netperf(netperf::NetperfArgs),
    /// Show which CUDA calls are supported, and how.
    Coverage(coverage::CoverageArgs),
    /// Show the version of this program and, with --server, of a server.
    Version(list::VersionArgs),
    /// Show settings from files, environment and command line, and where each comes from.
    #[command(after_long_help = help::CONFIG)]
    Config(config::ConfigArgs),
    /// Print shell completion.
    Completions {
        /// Shell to print for.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages (for packages).
    #[command(hide = true)]
    Man(man::ManArgs),
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
        /// Get ready before there is a session.
        #[arg(long)]
        spare: bool,
    },
}

fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let config::Parsed { matches, left_out } = match config::parse(&Cli::command(), &words) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("ringway: {error}");
            return ExitCode::from(EXIT_RINGWAY);
        }
    };
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    logging::start(&cli.command);
    left_out.iter().for_each(|file| tracing::warn!("{file}"));
    let outcome = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Why(args) => why::why(args),
        Command::Serve(args) => serve::serve(args),
        Command::Pool(args) => pool::pool(args),
        Command::Token(args) => token::token(&args),
        Command::List(args) => list::list(&args),
        Command::Version(args) => list::version(&args),
        Command::Ps(args) => ps::ps(&args),
        Command::Top(args) => top::top(&args),
        Command::Smi(args) => smi::smi(&args),
        Command::Request(args) => reservation::request(args),
        Command::Release(args) => ps::release(&args),
        Command::Quota(args) => quota::quota(&args),
        Command::User(args) => user::user(&args),
        Command::Server(args) => servers::server(&args),
        Command::Usage(args) => usage::usage(&args),
        Command::Client(args) => clients::client(&args),
        Command::Health(args) => health::health(&args),
        Command::Netperf(args) => netperf::netperf(&args),
        Command::Coverage(args) => coverage::coverage(&args),
        Command::Config(args) => config::config(&args, &Cli::command()),
        Command::Man(args) => man::man(&args, Cli::command()),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "ringway",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker { inventory, uid, gid, groups, unconfined, spare } => {
            let user = uid.zip(gid).map(|(uid, gid)| ringway_worker::User { uid, gid, groups });
            let done = if inventory {
                ringway_worker::print_inventory(user.as_ref())
            } else {
                ringway_worker::serve_session(&ringway_worker::Confinement { user, off: unconfined }, spare)
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
