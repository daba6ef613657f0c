//! `ringway run`: lease, run, release.

use crate::Failure;
use crate::access::{AccessArgs, Server, Way, no_server};
use crate::leases::Leases;
use crate::libraries::{Libraries, Names, PrivateDir};
use crate::pooled::{self, PoolArgs};
use crate::reservation::Use;
use crate::serve::{driver_file, host_name};
use crate::time::Span;
use crate::{signals, stats};
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_link::keeper::{Keeper, Lost};
use ringway_link::{LinkChoice, LinkKind};
use ringway_pool::server::boot_id;
use ringway_secure::hex;
use ringway_wire::control::{Identity, MemoryAsk, Reply, Request, Slice, Terms};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How long the end of `ringway run` waits for the server to free the memory.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of `ringway run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// GPUs to lease.
    #[arg(short = 'n', long = "gpus", default_value_t = 1, value_name = "N")]
    gpus: u32,
    /// Fraction of the memory of each GPU, as 0.25.
    #[arg(
        short = 'p',
        long = "fraction",
        value_name = "FRACTION",
        conflicts_with = "memory"
    )]
    fraction: Option<f64>,
    /// MiB of memory of each GPU.
    #[arg(short = 'm', long = "memory", value_name = "MIB")]
    memory: Option<u64>,
    /// Share of each GPU's time in percent while others want it too; without it as much as of its memory.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    compute: Option<u32>,
    /// Give the lease back when its GPUs were not used for this long, as 90s, 30m or 2h; 0: never. Without it, as the server says.
    #[arg(long, value_name = "TIME")]
    idle: Option<Span>,
    /// Server, or pool of servers, to lease from (HOST:PORT or unix:/PATH) instead of the token file's; without either an embedded
    /// server is started on this machine. Servers may be given several times (in the variable: with commas): the GPUs are then taken from
    /// the first that have them, all or none.
    #[arg(long, env = "RINGWAY_SERVER", value_name = "ADDR", value_delimiter = ',')]
    server: Vec<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
    /// Run in a reservation of this name that `ringway request` made, instead of taking a lease. Several programs may at a time; they share
    /// its GPUs and its memory.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["gpus", "fraction", "memory", "filter", "spread", "one_server", "timeout", "link", "direct"])]
    reservation: Option<String>,
    /// Link to use instead of the best one.
    #[arg(long, value_enum)]
    link: Option<Link>,
    /// GPU of the embedded server: `auto`, `softgpu`, or a libcuda.so.1.
    #[arg(long, default_value = "auto", value_name = "WHICH")]
    driver: String,
    /// Run on this machine's libcuda (or the software GPU) without Ringway in between; for comparison.
    #[arg(long, conflicts_with_all = ["server", "link", "stats", "fraction", "memory", "compute", "idle"])]
    direct: bool,
    /// Write the session's statistics to FILE as JSON.
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Do not print the line that names the GPUs and the link.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The program and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    command: Vec<String>,
}

impl RunArgs {
    /// Whether Ringway is to be left out.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// The program and its arguments.
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The link that is asked for, if one is.
    pub fn link(&self) -> Option<Link> {
        self.link
    }

    /// How many GPUs are wanted.
    pub fn gpus(&self) -> u32 {
        self.gpus
    }

    /// How much memory of each.
    pub fn memory_ask(&self) -> MemoryAsk {
        match (self.fraction, self.memory) {
            (Some(fraction), _) => MemoryAsk::Fraction(fraction),
            (None, Some(mib)) => MemoryAsk::Mib(mib),
            (None, None) => MemoryAsk::Fraction(1.0),
        }
    }
}

/// What the program's library writes down for whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// What `--stats` asks for.
    AsAsked,
    /// Each call besides.
    EachCall,
}

/// How the program ran.
pub struct Ran {
    /// From its start to its end.
    pub wall: Duration,
    /// Name of the link.
    pub link: &'static str,
    /// The server is on this host.
    pub same_host: bool,
}

/// A link by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Link {
    /// Shared memory on one host.
    Shm,
    /// RDMA, by a queue pair.
    Rdma,
    /// TCP.
    Tcp,
}

impl Link {
    /// As the command line and `RINGWAY_LEASE` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Rdma => "rdma",
            Self::Tcp => "tcp",
        }
    }
}

/// Who this process is, for the server's records.
pub fn identity(command: &[String]) -> Identity {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| {
            // SAFETY: getuid cannot fail.
            format!("uid {}", unsafe { libc::getuid() })
        });
    let program: String = command.join(" ").chars().take(120).collect();
    Identity {
        user,
        host: host_name(),
        program,
        pid: std::process::id(),
    }
}

struct Embedded {
    child: Child,
    endpoint: Endpoint,
}

impl Embedded {
    fn start(socket: &Path, driver: &Path, tcp: bool) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "--announce", "--until-eof", "--warm-once", "--driver"])
            .arg(driver);
        if tcp {
            command.args(["--listen", "127.0.0.1:0"]);
        } else {
            command
                .arg("--listen")
                .arg(format!("unix:{}", socket.display()));
        }
        // Its own process group: a terminal's Ctrl-C is for the program, not for the server.
        command
            .env("RINGWAY_EMBEDDED", "1")
            .env_remove("RINGWAY_TOKEN")
            .env_remove("RINGWAY_STATE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let Some(address) = line.trim().strip_prefix("ready ") else {
            let status = child.wait()?;
            return Err(Failure::new(format!(
                "the embedded server did not start ({status}); its own words are above"
            )));
        };
        Ok(Self {
            child,
            endpoint: address.parse()?,
        })
    }

    fn stop(mut self) {
        // Closing its standard input ends it.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A lease, held by its keeper.
pub struct Held {
    keeper: Keeper,
    lease: String,
    secret: String,
    slices: Vec<Slice>,
    pub(crate) server: String,
    pub(crate) target: Target,
    link: Link,
    why: String,
    same_host: bool,
}

/// The link between this machine and a server: which, to where, and why not a better one.
pub fn choose_link(
    endpoint: &Endpoint,
    boot: &str,
    unix_path: Option<&str>,
    way: &Way<'_>,
    forced: Option<Link>,
) -> Result<(Link, Endpoint, String), Failure> {
    let (encrypted, open) = if way.encrypted { ("; encrypted", "; not encrypted") } else { ("", "") };
    let same_host = !boot.is_empty() && boot == boot_id();
    let shm = match endpoint {
        Endpoint::Unix(_) => Ok(endpoint.clone()),
        Endpoint::Tcp(..) if !same_host => Err("the server is another host".to_owned()),
        Endpoint::Tcp(..) => match unix_path {
            None => Err("the server has no Unix socket (its --listen names none)".to_owned()),
            Some(path) => match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => Ok(Endpoint::Unix(path.into())),
                Err(error) => Err(format!(
                    "the server's socket {path} cannot be opened: {error}"
                )),
            },
        },
    };
    match (forced, shm, endpoint) {
        (None | Some(Link::Shm), Ok(socket), _) => Ok((Link::Shm, socket, "same host".into())),
        (Some(Link::Shm), Err(why), _) => {
            Err(Failure::new(format!("--link shm cannot be had: {why}")))
        }
        (Some(forced @ (Link::Tcp | Link::Rdma)), _, Endpoint::Unix(_)) => Err(Failure::new(format!(
            "--link {} cannot be had over a Unix socket; name the server's TCP address with --server",
            forced.name()
        ))),
        (Some(Link::Tcp), ..) => Ok((Link::Tcp, endpoint.clone(), format!("asked for{encrypted}"))),
        (Some(Link::Rdma), ..) => {
            let choice = LinkChoice::remote("asked for", way.local, way.rdma);
            if choice.kind == LinkKind::Rdma {
                Ok((Link::Rdma, endpoint.clone(), choice.reason + open))
            } else {
                Err(Failure::new(format!("--link rdma cannot be had: {}", choice.reason)))
            }
        }
        (None, Err(why), _) => {
            let choice = LinkChoice::remote(&why, way.local, &way.rdma_unasked());
            let link = if choice.kind == LinkKind::Rdma { Link::Rdma } else { Link::Tcp };
            let how = if link == Link::Tcp { encrypted } else { open };
            Ok((link, endpoint.clone(), choice.reason + how))
        }
    }
}

/// Leases `gpus` GPUs of a server or a pool, all that `args` ask for or a part of them: of each server, in the order of the GPUs. None:
/// there are none, and the program is to go without.
pub(crate) fn lease(args: &RunArgs, from: &Server, gpus: u32) -> Result<Option<Vec<Held>>, Failure> {
    let request = Request::Lease {
        token: from.token.clone(),
        gpus,
        memory: args.memory_ask(),
        identity: identity(&args.command),
        terms: Terms {
            compute_percent: args.compute,
            idle_ms: args.idle.map(|Span(idle)| idle.as_millis() as u64),
        },
        wishes: args.pool.wishes(),
    };
    let answer = from.ask(&request)?;
    if pooled::is_pool(&answer.1) {
        return pooled::granted(from, answer, request, args);
    }
    if args.pool.needs_pool() {
        return Err(needs_pool(&format!("{} is a server", answer.2)));
    }
    let which = if gpus < args.gpus { format!(" on {}", answer.2) } else { String::new() };
    Ok(Some(vec![hold(args, answer, which)?]))
}

/// Holds what a server has granted. `which`: what tells it from the program's other leases.
pub(crate) fn hold(args: &RunArgs, (connection, reply, target): (Connection, Reply, Target), which: String) -> Result<Held, Failure> {
    let Reply::Leased {
        lease,
        secret,
        slices,
        server,
        boot_id,
        unix_path,
        rdma,
        grace_ms,
        trusted_network,
    } = reply
    else {
        return Err(Failure::new(format!(
            "{target}: the server answered with something else than a lease"
        )));
    };
    let way = Way::of(&connection, &rdma, trusted_network);
    let keeper = Keeper::start(
        connection,
        target.clone(),
        (lease.clone(), secret.clone()),
        Duration::from_millis(grace_ms),
        || (),
        move |lost| match lost {
            Lost::Ended(_) => eprintln!("ringway: {lost}{which}; the program's CUDA calls fail from now on"),
            // Its session is a process of its own; whether that is gone too is for the program's own library to notice, and to say.
            Lost::Broken(_) => eprintln!("ringway: {lost}{which}; the program goes on for as long as its session does, and its link is not made again if it breaks"),
        },
    )?;
    let (link, endpoint, why) = choose_link(
        &target.endpoint,
        &boot_id,
        unix_path.as_deref(),
        &way,
        args.link,
    )?;
    let target = Target { endpoint, ..target };
    Ok(Held {
        keeper,
        lease,
        secret,
        slices,
        server,
        target,
        link,
        why,
        same_host: !boot_id.is_empty() && boot_id == ringway_pool::server::boot_id(),
    })
}

pub(crate) fn needs_pool(what: &str) -> Failure {
    Failure::new(format!("--filter, --spread and --timeout are for a pool, and {what}; leave them out, or name a pool with --server"))
}

/// Takes a lease for a reservation, all of it on one server: of a server or a pool, not of an embedded server, which would end with its `run`.
///
/// # Errors
/// None is named, or there are no such GPUs.
pub fn reserve(mut args: RunArgs, program: String) -> Result<Held, Failure> {
    args.command = vec![program];
    args.pool.one_server = true;
    let server = args.access.servers(&args.server, true)?.into_iter().next().ok_or_else(no_server)?;
    let held = lease(&args, &server, args.gpus)?.and_then(|held| held.into_iter().next());
    held.ok_or_else(|| Failure::new("no GPUs became free in time"))
}

impl Held {
    /// What is leased, where, and over which link.
    pub fn summary(&self) -> String {
        format!("{} on {} by {}", described(&self.slices), self.server, self.link.name())
    }

    /// The same, and why it is that link.
    pub fn description(&self) -> String {
        format!("{} ({})", self.summary(), self.why)
    }

    /// Identifier of the lease.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// Name of the link.
    pub fn link(&self) -> &'static str {
        self.link.name()
    }

    /// Whether the server is on this host.
    pub fn same_host(&self) -> bool {
        self.same_host
    }

    /// Whether the lease has ended, whoever ended it.
    pub fn is_over(&self) -> bool {
        self.keeper.is_over()
    }

    /// `RINGWAY_LEASE`, by which the program's library finds the lease. What was `forced` may not be replaced by something slower later.
    pub fn variable(&self, forced: Option<Link>) -> String {
        self.line(forced, None)
    }

    /// The same, with the server's name where there are several servers.
    pub(crate) fn line(&self, forced: Option<Link>, name: Option<&str>) -> String {
        let ask = if forced == Some(Link::Rdma) { "rdma-only" } else { self.link.name() };
        let trust = match (&self.target.endpoint, &self.target.trust) {
            (Endpoint::Tcp(..), Some(trust)) => format!("|{}", hex(trust.ca())),
            (_, _) if name.is_some() => "|".to_owned(),
            _ => String::new(),
        };
        let name = name.map_or(String::new(), |name| format!("|{name}"));
        format!("{}|{}|{}|{ask}{trust}{name}", self.target, self.lease, self.secret)
    }

    /// Gives the lease back and waits, at most [`RELEASE_TIMEOUT`], until the server has freed its memory, so that a program
    /// started right after this one finds it.
    pub fn release(self) {
        self.keeper.release(RELEASE_TIMEOUT);
    }

    /// Lets go of a lease whose server ends.
    pub(crate) fn abandon(self) {
        self.keeper.abandon();
    }

    /// How many GPUs it has.
    pub(crate) fn gpus(&self) -> u32 {
        self.slices.len() as u32
    }
}

/// What of GPUs is leased.
fn described(slices: &[Slice]) -> String {
    let gpus: Vec<String> = slices
        .iter()
        .map(|slice| {
            if slice.memory_bytes == slice.memory_bytes_total {
                format!("{} ({} MiB)", slice.name, slice.memory_bytes >> 20)
            } else {
                format!(
                    "{} ({} of {} MiB)",
                    slice.name,
                    slice.memory_bytes >> 20,
                    slice.memory_bytes_total >> 20
                )
            }
        })
        .collect();
    gpus.join(" + ")
}

/// Checks that the program can be started before anything is leased, as a shell would.
fn check_command(program: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![program.into()]
    } else {
        std::env::var_os("PATH")
            .map(|path| {
                std::env::split_paths(&path)
                    .map(|dir| dir.join(program))
                    .collect()
            })
            .unwrap_or_default()
    };
    let mut found = false;
    for candidate in candidates {
        if let Ok(meta) = candidate.metadata() {
            if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
                return Ok(());
            }
            found = true;
        }
    }
    if found {
        Err(Failure::with_code(
            format!("{program}: is not executable; chmod +x it, or name its interpreter"),
            126,
        ))
    } else {
        Err(Failure::with_code(
            format!("{program}: command not found"),
            127,
        ))
    }
}

/// Runs the program and releases the lease.
pub fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    run_with(args, Account::AsAsked, |_, _| Ok(()))
}

/// As [`run`], and when the program has ended calls `then` with the folder of what its processes left.
pub fn run_with(
    mut args: RunArgs,
    account: Account,
    then: impl FnOnce(&Path, &Ran) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    check_command(&args.command[0])?;
    let libraries = Libraries::find()?;
    let private = PrivateDir::create("run")?;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    if args.direct {
        let driver = driver_file(&args.driver, &libraries)?;
        let names = Names::for_program(private.path(), &driver, &libraries.shim)?;
        command.env("RINGWAY_DIRECT", &driver);
        prepare(&mut command, &names, &libraries);
        if !args.quiet {
            eprintln!("ringway: directly on {}", driver.display());
        }
        return Ok(supervise(command)?.into());
    }
    if let Some(name) = &args.reservation {
        let place = Use::of(name)?;
        if !args.quiet {
            eprintln!("ringway: {} (reservation {name})", place.description());
        }
        let way = (place.variable(), place.link(), place.same_host());
        let outcome = execute(&args, account, command, &private, &libraries, way, then);
        drop(place);
        drop(private);
        return outcome.map(|status| ExitCode::from(signals::end_like(status)));
    }
    // Who chooses a driver wants the embedded server, unless a server is named too.
    let servers = if args.driver == "auto" || !args.server.is_empty() || args.access.names_file() {
        args.access.servers(&args.server, true)?
    } else {
        Vec::new()
    };
    let (servers, embedded) = match servers.is_empty() {
        false => (servers, None),
        true if args.access.names_file() => return Err(no_server()),
        true if args.pool.needs_pool() => return Err(needs_pool("none is named")),
        true => {
            if account == Account::EachCall {
                // So that the program's bytes take the way that they would take over a network.
                args.link.get_or_insert(Link::Tcp);
            }
            let driver = driver_file(&args.driver, &libraries)?;
            let embedded = Embedded::start(
                &private.path().join("serve.sock"),
                &driver,
                matches!(args.link, Some(Link::Tcp | Link::Rdma)),
            )?;
            (vec![Server::from(embedded.endpoint.clone())], Some(embedded))
        }
    };
    let outcome = Leases::take(&args, &servers).and_then(|held| {
        let Some(held) = held else {
            return supervise_status(command);
        };
        if !args.quiet {
            eprintln!("ringway: {}", held.description());
        }
        let way = (held.variable(args.link), held.link(), held.same_host());
        let outcome = execute(&args, account, command, &private, &libraries, way, then);
        if embedded.is_none() {
            held.release();
        } else {
            held.abandon();
        }
        outcome
    });
    if let Some(embedded) = embedded {
        embedded.stop();
    }
    drop(private);
    outcome.map(|status| ExitCode::from(signals::end_like(status)))
}

/// Runs the program in the lease that the first of `way` names (`RINGWAY_LEASE`), over the link that the second does; the third: the server is
/// on this host.
fn execute(
    args: &RunArgs,
    account: Account,
    mut command: Command,
    private: &PrivateDir,
    libraries: &Libraries,
    (variable, link, same_host): (String, &'static str, bool),
    then: impl FnOnce(&Path, &Ran) -> Result<(), Failure>,
) -> Result<std::process::ExitStatus, Failure> {
    let names = Names::for_program(private.path(), &libraries.shim, &libraries.shim)?;
    prepare(&mut command, &names, libraries);
    command.env("RINGWAY_LEASE", variable);
    let stats_dir = private.path().join("stats");
    if args.stats.is_some() || account == Account::EachCall {
        std::fs::create_dir(&stats_dir)?;
        command.env("RINGWAY_STATS_DIR", &stats_dir);
    }
    if account == Account::EachCall {
        command.env("RINGWAY_STATS_CALLS", "1");
    }
    let started = Instant::now();
    let status = supervise_status(command)?;
    let ran = Ran { wall: started.elapsed(), link, same_host };
    if let Some(file) = &args.stats {
        stats::write(file, &stats_dir, &ran)?;
    }
    then(&stats_dir, &ran).map(|()| status)
}

fn prepare(command: &mut Command, names: &Names, libraries: &Libraries) {
    command.env("LD_LIBRARY_PATH", names.library_path());
    // Programs that name our libraries by path or RPATH reach them through the auditor.
    let mut audit = libraries.audit.clone().into_os_string();
    if let Some(old) = std::env::var_os("LD_AUDIT").filter(|old| !old.is_empty()) {
        audit.push(":");
        audit.push(old);
    }
    command
        .env("LD_AUDIT", audit)
        .env("RINGWAY_AUDIT", names.audit_map())
        .env("GLIBC_TUNABLES", tunables(std::env::var("GLIBC_TUNABLES").ok()));
}

/// The C library's tunables: `old`, and space for thread-local variables of the libraries that a program is linked with.
///
/// Where there is an auditor, glibc sets up the main thread's variables before it loads those libraries, so they share the space that
/// is meant for libraries loaded later: 512 bytes and a little. Without more, a program whose libraries have larger ones does not start
/// ("cannot allocate memory in static TLS block"). Each thread's stack holds that space, untouched where it is not needed.
fn tunables(old: Option<String>) -> String {
    const SPACE: &str = "glibc.rtld.optional_static_tls";
    const BYTES: usize = 32 << 10;
    match old.filter(|old| !old.is_empty()) {
        Some(old) if old.contains(SPACE) => old,
        Some(old) => format!("{old}:{SPACE}={BYTES}"),
        None => format!("{SPACE}={BYTES}"),
    }
}

fn supervise_status(mut command: Command) -> Result<std::process::ExitStatus, Failure> {
    let mut child = command.spawn().map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound {
            127
        } else {
            126
        };
        Failure::with_code(format!("cannot start the program: {error}"), code)
    })?;
    signals::pass_to(child.id())?;
    Ok(child.wait()?)
}

fn supervise(command: Command) -> Result<u8, Failure> {
    Ok(signals::end_like(supervise_status(command)?))
}

#[cfg(test)]
mod tests {
    use super::tunables;

    #[test]
    fn tunables_of_the_user_are_kept() {
        let ours = "glibc.rtld.optional_static_tls=32768";
        assert_eq!(tunables(None), ours);
        assert_eq!(tunables(Some(String::new())), ours);
        assert_eq!(tunables(Some("glibc.malloc.check=1".into())), format!("glibc.malloc.check=1:{ours}"));
        let larger = "glibc.rtld.optional_static_tls=90000";
        assert_eq!(tunables(Some(larger.into())), larger);
    }
}
