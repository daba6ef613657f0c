//! `ringway run`: lease, run, release.

use crate::Failure;
use crate::access::{AccessArgs, Server, Way, no_server};
use crate::libraries::{Libraries, Names, PrivateDir};
use crate::serve::{driver_file, host_name};
use crate::{signals, stats};
use ringway_link::endpoint::{Endpoint, Target};
use ringway_link::keeper::Keeper;
use ringway_link::{LinkChoice, LinkKind};
use ringway_pool::server::boot_id;
use ringway_secure::hex;
use ringway_wire::control::{Identity, MemoryAsk, Reply, Request, Slice};
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
    /// Server to lease from (HOST:PORT or unix:/PATH) instead of the token file's; without either an embedded server is started
    /// on this machine.
    #[arg(long, env = "RINGWAY_SERVER", value_name = "ADDR")]
    server: Option<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
    /// Link to use instead of the best one.
    #[arg(long, value_enum)]
    link: Option<Link>,
    /// GPU of the embedded server: `auto`, `softgpu`, or a libcuda.so.1.
    #[arg(long, default_value = "auto", value_name = "WHICH")]
    driver: String,
    /// Run on this machine's libcuda (or the software GPU) without Ringway in between; for comparison.
    #[arg(long, conflicts_with_all = ["server", "link", "stats", "fraction", "memory"])]
    direct: bool,
    /// Write the session's statistics to FILE as JSON.
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Do not print the line that names the GPUs and the link.
    #[arg(short, long)]
    quiet: bool,
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
            .args(["serve", "--announce", "--until-eof", "--driver"])
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
    server: String,
    target: Target,
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

fn lease(args: &RunArgs, from: &Server) -> Result<Held, Failure> {
    let memory = match (args.fraction, args.memory) {
        (Some(fraction), _) => MemoryAsk::Fraction(fraction),
        (None, Some(mib)) => MemoryAsk::Mib(mib),
        (None, None) => MemoryAsk::Fraction(1.0),
    };
    let request = Request::Lease {
        token: from.token.clone(),
        gpus: args.gpus,
        memory,
        identity: identity(&args.command),
    };
    let (connection, reply, target) = from.ask(&request)?;
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
        |why| {
            eprintln!(
                "ringway: the lease is gone ({why}); the program's CUDA calls fail from now on"
            )
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

impl Held {
    /// Gives the lease back and waits, at most [`RELEASE_TIMEOUT`], until the server has freed its memory, so that a program
    /// started right after this one finds it.
    fn release(self) {
        self.keeper.release(RELEASE_TIMEOUT);
    }
}

fn announce(held: &Held) {
    let gpus: Vec<String> = held
        .slices
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
    let link = held.link.name();
    eprintln!(
        "ringway: {} on {} by {link} ({})",
        gpus.join(" + "),
        held.server,
        held.why
    );
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
    // Who chooses a driver wants the embedded server, unless a server is named too.
    let servers = if args.driver == "auto" || args.server.is_some() || args.access.names_file() {
        args.access.servers(args.server.as_slice(), true)?
    } else {
        Vec::new()
    };
    let (server, embedded) = match servers.into_iter().next() {
        Some(server) => (server, None),
        None if args.access.names_file() => return Err(no_server()),
        None => {
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
            (Server::from(embedded.endpoint.clone()), Some(embedded))
        }
    };
    let outcome = lease(&args, &server).and_then(|held| {
        if !args.quiet {
            announce(&held);
        }
        let names = Names::for_program(private.path(), &libraries.shim, &libraries.shim)?;
        prepare(&mut command, &names, &libraries);
        let link = held.link.name();
        // What was forced may not be replaced by something slower later.
        let ask = if args.link == Some(Link::Rdma) { "rdma-only" } else { link };
        let trust = match (&held.target.endpoint, &held.target.trust) {
            (Endpoint::Tcp(..), Some(trust)) => format!("|{}", hex(trust.ca())),
            _ => String::new(),
        };
        command.env(
            "RINGWAY_LEASE",
            format!("{}|{}|{}|{ask}{trust}", held.target, held.lease, held.secret),
        );
        let stats_dir = private.path().join("stats");
        if args.stats.is_some() || account == Account::EachCall {
            std::fs::create_dir(&stats_dir)?;
            command.env("RINGWAY_STATS_DIR", &stats_dir);
        }
        if account == Account::EachCall {
            command.env("RINGWAY_STATS_CALLS", "1");
        }
        let started = Instant::now();
        let code = supervise_status(command)?;
        let ran = Ran { wall: started.elapsed(), link, same_host: held.same_host };
        if let Some(file) = &args.stats {
            stats::write(file, &stats_dir, &ran)?;
        }
        let told = then(&stats_dir, &ran);
        if embedded.is_none() {
            held.release();
        } else {
            held.keeper.abandon();
        }
        told.map(|()| code)
    });
    if let Some(embedded) = embedded {
        embedded.stop();
    }
    drop(private);
    outcome.map(|status| ExitCode::from(signals::end_like(status)))
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
