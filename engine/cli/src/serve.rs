//! `ringway serve`: options of the daemon.

use crate::Failure;
use crate::libraries::{self, Libraries, Names, PrivateDir};
use ringway_link::endpoint::{DEFAULT_PORT, Endpoint};
use ringway_pool::identity::{Folder, IdentityError, default_folder};
use ringway_pool::health::can_confine;
use ringway_pool::server::{ServeOptions, Server, WorkerProgram, WorkerUser, bound};
use ringway_wire::control::{GRACE_SECONDS_DEFAULT, GRACE_SECONDS_MAX};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
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
    /// User that workers run as, where the server runs as root; without it they are root, with no capability but that to lock memory.
    #[arg(long, value_name = "NAME")]
    worker_user: Option<String>,
    /// Let workers make all system calls and keep their privileges: for a driver that does not work else, or a kernel without seccomp.
    #[arg(long)]
    unconfined: bool,
    /// Name shown to users.
    #[arg(long)]
    name: Option<String>,
    /// Print `ready` and the addresses on standard output once programs can connect.
    #[arg(long)]
    announce: bool,
    /// End when standard input ends (used by `ringway run` for its embedded server).
    #[arg(long, hide = true)]
    until_eof: bool,
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

/// Runs the daemon.
pub fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    keep_to_itself();
    let libraries = Libraries::find()?;
    let private = PrivateDir::create("serve")?;
    let driver = driver_file(&args.driver, &libraries)?;
    let names = Names::for_worker(private.path(), &driver)?;
    let listen = if args.listen.is_empty() {
        vec![
            Endpoint::Tcp("127.0.0.1".into(), DEFAULT_PORT),
            Endpoint::Unix(private.path().join("serve.sock")),
        ]
    } else {
        args.listen
    };
    let options = ServeOptions {
        listen,
        token: args.token,
        trusted_network: args.trusted_network,
        state: match args.state {
            // A server for one program, of its user, has no use for either.
            _ if args.until_eof => None,
            Some(folder) => Some(folder),
            None => usable_default(),
        },
        worker: WorkerProgram {
            exe: std::env::current_exe()?,
            driver_dir: Some(names.dir().to_path_buf()),
            user: args.worker_user.as_deref().map(WorkerUser::named).transpose()?,
            // A server for one program has no tenants to keep apart.
            unconfined: args.unconfined || args.until_eof && can_confine().is_err(),
        },
        name: args.name.unwrap_or_else(host_name),
        cores: args.cores,
        grace: Duration::from_secs(args.grace.into()),
    };
    let (server, listeners) = Server::start(options)?;
    let addresses = bound(&listeners)?;
    tracing::info!(
        "{}; listening on {}",
        server.describe(),
        addresses.join(", ")
    );
    if args.announce {
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
    let clean = move || {
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
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
    ])?;
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

/// Lets no other process of this user read the daemon's memory, a worker's least of all: it holds keys and tokens.
fn keep_to_itself() {
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
