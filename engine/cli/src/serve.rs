//! `ringway serve`: options of the daemon.

use crate::logging::LogFormat;
use crate::{Failure, access, pool, print};
use crate::libraries::{self, Libraries, Names, PrivateDir};
use crate::time::Span;
use ringway_link::endpoint::{DEFAULT_PORT, Endpoint};
use ringway_pool::door::{DoorOptions, bound};
use ringway_pool::identity::{Folder, IdentityError, default_folder};
use ringway_pool::health::can_confine;
use ringway_pool::http::{HttpListener, serve_metrics};
use ringway_pool::server::{
    Handover, Kept, MembershipOptions, PEERS_MAX, RESTART_SIGNAL, SPARES_MAX, ServeOptions, Server, Successor, WorkerProgram, WorkerUser, agreement,
    inherited, keep_restart_signal_back, let_restart_signal_in,
};
use ringway_wire::control::{GRACE_SECONDS_DEFAULT, GRACE_SECONDS_MAX};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Options of `ringway serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Address to listen on: HOST:PORT or unix:/PATH; may be given several times.
    /// Without it: 127.0.0.1:7766 and a Unix socket in the runtime folder.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<Endpoint>,
    /// Shared secret that programs must bring; beyond loopback only with --trusted-network.
    #[arg(long, env = "RINGWAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Take connections that are not encrypted from other machines too: by the shared secret, or by tokens; and let programs use
    /// RDMA, which is not encrypted, without asking for it.
    #[arg(long)]
    trusted_network: bool,
    /// Folder of this server's identity and tokens (see `ringway token`).
    /// Without it: /var/lib/ringway for root, else ~/.local/state/ringway.
    #[arg(long, env = "RINGWAY_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// `auto` (this machine's GPU, else the software GPU), `softgpu`, or the folder or file of a libcuda.so.1.
    #[arg(long, default_value = "auto", value_name = "WHICH")]
    driver: String,
    /// Cores that GPU threads are pinned to, one after the other, as 0,2,4.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<u32>,
    /// Seconds that sessions and leases are kept when their connection breaks; 0: they end with it.
    #[arg(long, env = "RINGWAY_GRACE", value_name = "SECONDS", default_value_t = GRACE_SECONDS_DEFAULT,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(GRACE_SECONDS_MAX)))]
    grace: u32,
    /// Leases that do not say otherwise end when their GPUs were not used for this long, as 90s, 30m or 2h; 0: they do not.
    #[arg(long, value_name = "TIME", default_value = "0")]
    idle: Span,
    /// Workers that are started ahead, with the driver loaded, so that programs start faster; at most 16.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=i64::from(SPARES_MAX)))]
    warm: u32,
    /// User that workers run as, where the server runs as root; without it they are root, with no capability but that to lock memory.
    #[arg(long, value_name = "NAME")]
    worker_user: Option<String>,
    /// Let workers make all system calls and keep their privileges: for a driver that does not work else, or a kernel without seccomp.
    #[arg(long)]
    unconfined: bool,
    /// Name shown to users, and in a pool (there a token of the scope `serve` decides).
    #[arg(long)]
    name: Option<String>,
    /// Pool that gives these GPUs out (HOST:PORT or unix:/PATH), or with `--pool-token-file` alone the one that the file names.
    #[arg(long, env = "RINGWAY_POOL", value_name = "ADDR")]
    pool: Option<Endpoint>,
    /// Token file of the pool, of the scope `serve`.
    #[arg(long, env = "RINGWAY_POOL_TOKEN_FILE", value_name = "FILE")]
    pool_token_file: Option<PathBuf>,
    /// Label for filters of the pool, as rack=7; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Address by which programs of the pool reach this server (HOST:PORT); may be given several times. Without it: where it listens.
    #[arg(long, value_name = "ADDR")]
    advertise: Vec<Endpoint>,
    /// Other server to which programs with GPUs of both may make this one connect, so that copies go straight between them: as programs name
    /// it (HOST:PORT or unix:/PATH); may be given several times. In a pool the servers of a lease may without it.
    #[arg(long, value_name = "ADDR")]
    peer: Vec<Endpoint>,
    /// Serve metrics for Prometheus there (HOST:PORT/metrics), to bearers of this server's tokens: in clear text on this machine, by TLS with
    /// the server's certificate where other machines reach it.
    #[arg(long, env = "RINGWAY_METRICS", value_name = "ADDR")]
    metrics: Option<Endpoint>,
    /// How the log is written: a line of text or of JSON each.
    #[arg(long, env = "RINGWAY_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Print `ready` and the addresses on standard output once programs can connect.
    #[arg(long)]
    announce: bool,
    /// End when standard input ends (used by `ringway run` for its embedded server).
    #[arg(long, hide = true)]
    until_eof: bool,
    /// Replace no worker of `--warm` that was taken: one program has most often one session (used by `ringway run`, as above).
    #[arg(long, hide = true)]
    warm_once: bool,
    /// Take the place of the server that left its state in this descriptor.
    #[arg(long, hide = true, value_name = "FD")]
    handover: Option<i32>,
    /// Say whether this program would take the place of a server, whose state is on standard input.
    #[arg(long, hide = true, conflicts_with = "handover")]
    check_handover: bool,
}

/// A label's key and value.
fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err(format!("'{text}' is no label; write KEY=VALUE, as rack=7")),
    }
}

/// Which libcuda: the file.
pub fn driver_file(which: &str, libraries: &Libraries) -> Result<PathBuf, Failure> {
    match which {
        "auto" => Ok(libraries::own_driver().unwrap_or_else(|| libraries.softgpu.clone())),
        "softgpu" => Ok(libraries.softgpu.clone()),
        path => {
            let path = PathBuf::from(path);
            let file = if path.is_dir() {
                path.join("libcuda.so.1")
            } else {
                path
            };
            file.canonicalize().map_err(|error| {
                Failure::new(format!(
                    "--driver: {}: {error}; name a libcuda.so.1, its folder, 'softgpu' or 'auto'",
                    file.display()
                ))
            })
        }
    }
}

/// The host's name.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "localhost".into())
}

/// Where a server listens that was not told.
fn listen_or_default(listen: &[Endpoint], folder: &Path) -> Vec<Endpoint> {
    if listen.is_empty() {
        vec![Endpoint::Tcp("127.0.0.1".into(), DEFAULT_PORT), Endpoint::Unix(folder.join("serve.sock"))]
    } else {
        listen.to_vec()
    }
}

/// What the command line and the files say, for a server whose own files lie in a certain folder.
fn options(args: &ServeArgs, folder: &Path) -> Result<ServeOptions, Failure> {
    let membership = membership(&args.pool, &args.pool_token_file, args.label.clone(), &args.advertise)?;
    Ok(ServeOptions {
        door: DoorOptions {
            listen: listen_or_default(&args.listen, folder),
            secret: args.token.clone(),
            trusted_network: args.trusted_network,
            state: match &args.state {
                // A server for one program, of its user, has no use for either.
                _ if args.until_eof => None,
                Some(folder) => Some(folder.clone()),
                None => usable_default(),
            },
            by_ticket: membership.is_some(),
        },
        worker: WorkerProgram {
            exe: std::env::current_exe()?,
            driver_dir: Some(Names::dir_for_worker(folder)),
            user: args.worker_user.as_deref().map(WorkerUser::named).transpose()?,
            // A server for one program has no tenants to keep apart.
            unconfined: args.unconfined || args.until_eof && can_confine().is_err(),
        },
        name: args.name.clone().unwrap_or_else(host_name),
        cores: args.cores.clone(),
        grace: Duration::from_secs(args.grace.into()),
        pool: membership,
        idle: args.idle.0,
        peers: args.peer.clone(),
        spares: args.warm,
        replaces_spares: !args.warm_once,
    })
}

/// Runs the daemon.
pub fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    keep_restart_signal_back();
    keep_to_itself();
    if args.peer.len() > PEERS_MAX {
        return Err(Failure::new(format!("{} servers are named with --peer; there may be {PEERS_MAX}", args.peer.len())));
    }
    let libraries = Libraries::find()?;
    let driver = driver_file(&args.driver, &libraries)?;
    if args.check_handover {
        return check_handover(&args, driver);
    }
    // A server for one program ends with it, and is not restarted.
    let restart_signals = (!args.until_eof).then(|| Signals::new([RESTART_SIGNAL])).transpose()?;
    if restart_signals.is_some() {
        let_restart_signal_in();
    }
    let mut handover = args.handover.map(|fd| inherited(fd).and_then(Handover::read)).transpose()?;
    let private = match &handover {
        Some(handover) => PrivateDir::adopt(&handover.kept().folder)?,
        None => PrivateDir::create("serve")?,
    };
    // Workers of the program before this one may be about to load what the links lead to: another driver is refused below.
    if handover.as_ref().is_none_or(|handover| handover.kept().driver == driver) {
        Names::for_worker(private.path(), &driver, &libraries.softgpu)?;
    }
    let kept = Kept { folder: private.path().to_path_buf(), driver };
    let options = options(&args, private.path())?;
    let metrics = args.metrics.as_ref().map(|address| metrics_listener(address, handover.as_mut())).transpose()?;
    let is_first = handover.is_none();
    let (server, listeners) = match handover {
        None => Server::start(options)?,
        Some(handover) => {
            let (release, (leases, sessions)) = (handover.release().to_owned(), handover.counts());
            let taken = Server::take_over(options, &kept, handover)?;
            tracing::info!("release {} took the place of release {release}: {leases} leases, {sessions} sessions go on", env!("CARGO_PKG_VERSION"));
            taken
        }
    };
    let mut addresses = bound(&listeners)?;
    let metrics_socket = args.metrics.as_ref().zip(metrics.as_ref()).map(|(address, metrics)| Ok::<_, Failure>((address.to_string(), metrics.handle()?)));
    let successor = Successor { exe: own_path()?, words: words_again(), kept, metrics: metrics_socket.transpose()? };
    let _runtime = match metrics {
        None => None,
        Some(metrics) => {
            addresses.push(metrics.url()?);
            Some(serve_metrics(&server, metrics)?)
        }
    };
    tracing::info!(
        "{}; listening on {}",
        server.describe(),
        addresses.join(", ")
    );
    if args.announce && is_first {
        let mut out = std::io::stdout();
        writeln!(out, "ready {}", addresses.join(" "))?;
        out.flush()?;
    }
    let sockets: Vec<PathBuf> = addresses
        .iter()
        .filter_map(|a| a.strip_prefix("unix:"))
        .map(PathBuf::from)
        .collect();
    let folder = private.path().to_path_buf();
    let ending = Arc::clone(&server);
    let clean = move || {
        ending.end_spares();
        for socket in &sockets {
            let _ = std::fs::remove_file(socket);
        }
        let _ = std::fs::remove_dir_all(&folder);
    };
    if args.until_eof {
        let clean = clean.clone();
        std::thread::Builder::new()
            .name("until-eof".into())
            .spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                clean();
                std::process::exit(0);
            })?;
    }
    if let Some(signals) = restart_signals {
        restart_when_told(&server, successor, signals)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                clean();
                std::process::exit(128 + signal);
            }
        })?;
    server.run(listeners);
    Ok(ExitCode::SUCCESS)
}

/// A thread that restarts the server in place at each signal; those that come meanwhile are one.
fn restart_when_told(server: &Arc<Server>, successor: Successor, mut signals: Signals) -> Result<(), Failure> {
    let server = Arc::clone(server);
    std::thread::Builder::new().name("restart".into()).spawn(move || {
        for _ in signals.forever() {
            tracing::info!("restarting in place");
            let why = server.restart(&successor);
            tracing::error!("not restarted: {why}; this server goes on as it is");
        }
    })?;
    Ok(())
}

/// Where the program lies that takes this one's place: where this one was found, which may be a link that leads elsewhere later.
fn own_path() -> Result<PathBuf, Failure> {
    let exe = std::env::current_exe()?;
    let named = std::env::args_os().next().map(PathBuf::from).filter(|named| named.is_absolute());
    Ok(named.filter(|named| named.canonicalize().is_ok_and(|found| found == exe)).unwrap_or(exe))
}

/// The words with which this program was started, but for those of a restart.
fn words_again() -> Vec<OsString> {
    std::env::args_os().filter(|word| !word.as_encoded_bytes().starts_with(b"--handover=")).collect()
}

/// The socket for metrics: the one that the server before this one had, if it is the same address.
fn metrics_listener(address: &Endpoint, handover: Option<&mut Handover>) -> Result<HttpListener, Failure> {
    match handover.map(|handover| handover.metrics(address)).transpose()?.flatten() {
        Some(socket) => Ok(HttpListener::adopt(socket)?),
        None => pool::http(address, "--metrics"),
    }
}

/// Says whether this program, with the settings as they are, would take the place of the server whose state is on standard input.
fn check_handover(args: &ServeArgs, driver: PathBuf) -> Result<ExitCode, Failure> {
    let handover = Handover::read(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    let folder = &handover.kept().folder;
    PrivateDir::check(folder)?;
    Server::check(&options(args, folder)?, &Kept { folder: folder.clone(), driver }, &handover)?;
    if let Some(address) = args.metrics.as_ref().filter(|address| !handover.listens_at(address)) {
        pool::http(address, "--metrics")?;
    }
    print(&agreement()).map(|()| ExitCode::SUCCESS)
}

/// How the server joins a pool, if it does.
fn membership(
    pool: &Option<Endpoint>,
    token_file: &Option<PathBuf>,
    labels: Vec<(String, String)>,
    advertise: &[Endpoint],
) -> Result<Option<MembershipOptions>, Failure> {
    let Some(pool) = access::pool(pool.as_ref(), token_file.as_deref())? else {
        if !labels.is_empty() || !advertise.is_empty() {
            return Err(Failure::new("--label and --advertise are for a server of a pool; name the pool with --pool or --pool-token-file"));
        }
        return Ok(None);
    };
    Ok(Some(MembershipOptions {
        pool: pool.targets().to_vec(),
        token: pool.token.clone(),
        labels: labels.into_iter().collect(),
        advertise: advertise.iter().map(Endpoint::to_string).collect(),
        hostname: host_name(),
    }))
}

/// Lets no other process of this user read the daemon's memory, a worker's least of all: it holds keys and tokens.
pub fn keep_to_itself() {
    // SAFETY: sets an attribute of this process; no memory is passed.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        tracing::warn!("this server's memory can be read by its user's other processes: {}", std::io::Error::last_os_error());
    }
}

/// The default folder for identity and tokens; None where this user cannot look there: a service started with another user's HOME.
fn usable_default() -> Option<PathBuf> {
    let folder = default_folder().ok()?;
    match Folder::find(&folder) {
        Err(IdentityError::Io(_, error)) if error.kind() == ErrorKind::PermissionDenied => {
            tracing::warn!(
                "{} is out of this user's reach: this server has no identity and no tokens; --state names another folder",
                folder.display()
            );
            None
        }
        _ => Some(folder),
    }
}
