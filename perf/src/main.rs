//! `ringway-perf`: what Ringway costs, beside what the machine gives in the same run.
//!
//! `main.rs` runs itself as a CUDA program under `ringway run`, once for each suite and link, and reports; `child.rs` is
//! that program, `floors.rs` what it compares with, `driver.rs` the CUDA driver API that it calls.

mod child;
mod driver;
mod environment;
mod floors;
mod goals;
mod idle;
mod rdma;
mod row;
mod softgpu;

use child::{Report, Suite};
use clap::{Parser, Subcommand, ValueEnum};
use row::Row;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// One suite on one link takes seconds; this is for one that hangs.
const SUITE_TIMEOUT: Duration = Duration::from_secs(300);

/// Measures Ringway: submit cost, waiting calls, copies and idle sessions, each beside the machine's own floor.
///
/// Without a subcommand: the numbers that matter, beside their goals.
#[derive(Debug, Parser)]
#[command(name = "ringway-perf", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    what: Option<What>,
    /// Links to measure; `direct` is the driver without Ringway.
    #[arg(long, global = true, value_delimiter = ',', default_values = ["shm", "tcp"], value_name = "LINK")]
    link: Vec<Link>,
    /// Write the rows to FILE as a JSON array.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// GPU of the embedded server: `auto`, `softgpu`, or a libcuda.so.1.
    #[arg(long, global = true, default_value = "softgpu", value_name = "WHICH")]
    driver: String,
    /// Server to measure instead of an embedded one (HOST:PORT or unix:/PATH).
    #[arg(long, global = true, value_name = "ADDR")]
    server: Option<String>,
    /// The ringway program, if not the one beside this one.
    #[arg(long, global = true, value_name = "FILE")]
    ringway: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Posted calls: what a launch costs the thread that makes it.
    Submit,
    /// Waiting calls: there and back.
    Call,
    /// Copies in both directions, 1 byte to 256 MiB, pageable and pinned.
    Copy,
    /// CPU time and memory of a session that does nothing.
    Idle,
    /// Speed of the software GPU's interpreter, beside the same computations compiled.
    Softgpu {
        /// Only cases whose name contains TEXT.
        #[arg(long, value_name = "TEXT", default_value = "")]
        case: String,
    },
    /// Ringway's verbs layer beside perftest, which must be installed, on the same RDMA devices.
    Rdma {
        /// Device to measure with itself, or two (SERVER:CLIENT); the first one if none is named.
        #[arg(long, value_name = "DEVICE[:DEVICE]")]
        device: Vec<rdma::Way>,
        /// Runs of ours and of perftest's, in turn.
        #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u16).range(1..1000))]
        pairs: u16,
        /// A tenth of the rounds: for a test that it works, not for numbers.
        #[arg(long)]
        quick: bool,
    },
    /// Everything but rdma.
    All,
    #[command(hide = true)]
    Child {
        suite: Suite,
        #[arg(long)]
        sockets: bool,
        #[arg(long)]
        rdma: Option<std::net::IpAddr>,
        #[arg(long)]
        full: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Link {
    Shm,
    Tcp,
    Rdma,
    Direct,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Tcp => "tcp",
            Self::Rdma => "rdma",
            Self::Direct => "direct",
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.what {
        Some(What::Child {
            suite,
            sockets,
            rdma,
            full,
        }) => child::run(*suite, *sockets, *rdma, *full)
            .and_then(|report| Ok(serde_json::to_writer(std::io::stdout(), &report)?))
            .map_err(|error| error.to_string()),
        what => {
            let (suites, full): (&[Suite], bool) = match what {
                None => (&Suite::ALL, false),
                Some(What::Submit) => (&[Suite::Submit], true),
                Some(What::Call) => (&[Suite::Call], true),
                Some(What::Copy) => (&[Suite::Copy], true),
                Some(What::Idle) => (&[Suite::Idle], true),
                Some(What::Softgpu { .. } | What::Rdma { .. }) => (&[], true),
                Some(What::All | What::Child { .. }) => (&Suite::ALL, true),
            };
            measure(&cli, suites, full)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ringway-perf: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli, suites: &[Suite], full: bool) -> Result<(), String> {
    if let Some(file) = &cli.json {
        // Found out now rather than after the measurement.
        std::fs::write(file, "[]\n")
            .map_err(|error| format!("--json {}: {error}", file.display()))?;
    }
    print!("{}", environment::describe());
    let mut rows: Vec<Row> = Vec::new();
    let mut told = false;
    let ringway = if suites.is_empty() {
        PathBuf::new()
    } else {
        find_ringway(cli.ringway.as_deref())?
    };
    for suite in suites {
        for link in &cli.link {
            if std::io::stderr().is_terminal() {
                eprint!("\rmeasuring {} on {} ...   ", suite.name(), link.name());
            }
            let report = run_child(cli, &ringway, *suite, *link, full);
            if std::io::stderr().is_terminal() {
                eprint!("\r{:40}\r", "");
            }
            let report = report?;
            if !told {
                println!(
                    "driver {} (CUDA {}) on {}; reading the clock {} ns\n",
                    cli.driver, report.cuda, report.device, report.clock_ns
                );
                told = true;
            }
            rows.extend(report.rows.into_iter().map(|row| Row {
                link: link.name().into(),
                ..row
            }));
        }
    }
    let softgpu = match &cli.what {
        Some(What::Softgpu { case }) => Some(case.as_str()),
        Some(What::All) => Some(""),
        _ => None,
    };
    let say = |case: &str| {
        if std::io::stderr().is_terminal() {
            eprint!("\r{:60}\rmeasuring {case} ...", "");
        }
    };
    if let Some(only) = softgpu {
        rows.extend(softgpu::run(only, say)?);
    }
    if let Some(What::Rdma {
        device,
        pairs,
        quick,
    }) = &cli.what
    {
        rows.extend(rdma::run(device, (*pairs).into(), *quick, say)?);
    }
    if std::io::stderr().is_terminal() {
        eprint!("\r{:60}\r", "");
    }
    if full {
        println!("{}", row::table(&rows));
    }
    print!("{}", goals::summary(&rows));
    if !full {
        println!("\n`ringway-perf all` prints every case with its quantiles.");
    }
    println!("load after the measurement {}", environment::load());
    if let Some(file) = &cli.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        std::fs::write(file, text + "\n")
            .map_err(|error| format!("--json {}: {error}", file.display()))?;
    }
    Ok(())
}

/// The ringway program: named, beside this one, or in `PATH`.
fn find_ringway(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_path_buf());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = own.with_file_name("ringway");
    if beside.is_file() {
        return Ok(beside);
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join("ringway"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "no ringway program beside {} or in PATH; build it (cargo build --release) or name it with --ringway",
                own.display()
            )
        })
}

/// The server's IP address; that of the embedded one is the loopback device's.
fn address_of(server: Option<&str>) -> Result<String, String> {
    let Some(server) = server else {
        return Ok("127.0.0.1".into());
    };
    let mut found = std::net::ToSocketAddrs::to_socket_addrs(server)
        .map_err(|error| format!("--server {server}: {error}"))?;
    found
        .next()
        .map(|address| address.ip().to_string())
        .ok_or_else(|| format!("--server {server}: no address"))
}

/// Runs this program again, as a CUDA program with the asked-for link to its GPU.
fn run_child(
    cli: &Cli,
    ringway: &Path,
    suite: Suite,
    link: Link,
    full: bool,
) -> Result<Report, String> {
    let name = format!("{} on {}", suite.name(), link.name());
    let mut command = Command::new(ringway);
    command.args(["run", "-q", "--driver", &cli.driver]);
    match (link, &cli.server) {
        (Link::Direct, _) => {
            command.arg("--direct");
        }
        (_, server) => {
            command.args(["--link", link.name()]);
            if let Some(server) = server {
                command.args(["--server", server]);
            }
        }
    }
    command
        .arg("--")
        .arg(std::env::current_exe().map_err(|error| error.to_string())?)
        .args(["child", suite.name()]);
    match link {
        Link::Tcp => {
            command.arg("--sockets");
        }
        Link::Rdma => {
            command.args(["--rdma", &address_of(cli.server.as_deref())?]);
        }
        Link::Shm | Link::Direct => {}
    }
    if full {
        command.arg("--full");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", ringway.display()))?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = out.read_to_string(&mut text).map(|_| text);
        let _ = sender.send(read);
    });
    let deadline = Instant::now() + SUITE_TIMEOUT;
    let text = receiver.recv_timeout(SUITE_TIMEOUT);
    if text.is_err() {
        let _ = child.kill();
    }
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline + Duration::from_secs(10) => {
                let _ = child.kill();
                break child.wait().map_err(|error| error.to_string())?;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = match text {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(format!("{name}: {error}")),
        Err(_) => {
            return Err(format!(
                "{name}: not done after {} s",
                SUITE_TIMEOUT.as_secs()
            ));
        }
    };
    if !status.success() {
        return Err(format!("{name}: the measuring program ended with {status}"));
    }
    serde_json::from_str(&text)
        .map_err(|error| format!("{name}: its report is unreadable: {error}"))
}
