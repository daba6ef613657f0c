//! `ringway health`: checks of this machine, of servers, and of what lies between.

use crate::libraries::{Libraries, Names, PrivateDir};
use crate::access::{AccessArgs, Server, Way};
use crate::run::{Link, choose_link};
use crate::serve::{driver_file, host_name};
use crate::Failure;
use ringway_link::endpoint::{Connection, Endpoint};
use ringway_pool::health::{self, Role, fail, marginal, pass};
use ringway_pool::server::{WorkerProgram, read_inventory};
use ringway_wire::control::{Check, Reply, Request, Verdict};
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Clocks of two machines that are further apart than this are worth a word.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(1);
/// Packets of an Ethernet with jumbo frames have at least so many bytes.
const JUMBO_BYTES: u32 = 8900;

/// Options of `ringway health`.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Server to check as well (HOST:PORT or unix:/PATH); may be given several times.
    #[arg(long, env = "RINGWAY_SERVER", value_delimiter = ',', value_name = "ADDR", conflicts_with = "local")]
    server: Vec<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
    /// Check this machine only, whatever RINGWAY_SERVER says.
    #[arg(long)]
    local: bool,
    /// GPU that this machine would serve: `auto`, `softgpu`, or a libcuda.so.1.
    #[arg(long, default_value = "auto", value_name = "WHICH")]
    driver: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was found of one machine.
struct Report {
    /// What the machine is to this one, and its name.
    of: &'static str,
    name: String,
    address: Option<String>,
    checks: Vec<Check>,
}

/// Checks and prints. The exit code is 1 where something does not work.
pub fn health(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let servers = if args.local { Vec::new() } else { args.access.servers(&args.server, false)? };
    let mut reports = vec![own(&args.driver, servers.is_empty())];
    reports.extend(servers.iter().map(of_server));
    if args.json {
        let rows: Vec<_> = reports
            .iter()
            .map(|report| json!({"machine": report.of, "name": report.name, "address": report.address, "checks": report.checks}))
            .collect();
        crate::print(&(serde_json::to_string_pretty(&rows)? + "\n"))?;
    } else {
        anstream::print!("{}", text(&reports));
    }
    let failed = reports.iter().flat_map(|report| &report.checks).any(|check| check.verdict == Verdict::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// This machine; with its GPUs where no server is asked, since programs then run on them.
fn own(driver: &str, with_gpus: bool) -> Report {
    let libraries = Libraries::find();
    let installed = match &libraries {
        Ok(found) => pass("libraries", found.shim.parent().unwrap_or(&found.shim).display().to_string()),
        Err(failure) => fail("libraries", failure.message(), "install Ringway again, or set RINGWAY_LIBDIR"),
    };
    let mut checks = vec![installed];
    if with_gpus {
        let found = libraries.and_then(|libraries| {
            let private = PrivateDir::create("health")?;
            let driver = driver_file(driver, &libraries)?;
            let names = Names::for_worker(private.path(), &driver, &libraries.softgpu)?;
            let worker = WorkerProgram { exe: std::env::current_exe()?, driver_dir: Some(names.dir().to_path_buf()), user: None, unconfined: false };
            Ok(read_inventory(&worker)?)
        });
        checks.extend(match &found {
            Ok((driver, devices)) => health::check(Role::Server, Ok((driver, devices))),
            Err(failure) => health::check(Role::Server, Err(failure.message())),
        });
    } else {
        checks.extend(health::check(Role::Client, Err("")));
    }
    Report { of: "this machine", name: host_name(), address: None, checks }
}

/// A server as it describes itself, and the way to it.
fn of_server(server: &Server) -> Report {
    let asked = Instant::now();
    let address = Some(server.to_string());
    let answer = server.ask(&Request::Health { token: server.token.clone() });
    let round_trip = asked.elapsed();
    let unanswered = |found: &str| Report {
        of: "server",
        name: server.to_string(),
        address: address.clone(),
        checks: vec![fail("answer", found, "the cause says what to do; `ringway serve` writes what it refused, and why")],
    };
    match answer {
        Ok((connection, Reply::Health { server, version, checks, unix_ms, boot_id, unix_path, rdma, trusted_network }, target)) => {
            let way = Way::of(&connection, &rdma, trusted_network);
            let mut all = vec![release(&version), clocks(unix_ms, round_trip), packets(&connection)];
            all.push(match choose_link(&target.endpoint, &boot_id, unix_path.as_deref(), &way, None) {
                Ok((Link::Tcp, _, why)) => {
                    marginal("link", format!("tcp: {why}"), "the reason names the cure; `ringway netperf` shows what each link costs")
                }
                Ok((link, _, why)) => pass("link", format!("{}: {why}", link.name())),
                Err(failure) => fail("link", failure.message(), "name an address of the server that this machine reaches"),
            });
            all.extend(checks);
            Report { of: "server", name: server, address, checks: all }
        }
        Ok(_) => unanswered("the server answered with something else than its health"),
        Err(failure) => unanswered(failure.message()),
    }
}

fn release(theirs: &str) -> Check {
    match env!("CARGO_PKG_VERSION") {
        own if own == theirs => pass("release", format!("{theirs} at both ends")),
        own => marginal("release", format!("{theirs}, here {own}"), "install the same release at both ends"),
    }
}

/// The server's clock was read somewhere between question and answer.
fn clocks(unix_ms: u64, round_trip: Duration) -> Check {
    let apart = Duration::from_millis(ringway_secure::unix_now_ms().abs_diff(unix_ms)).saturating_sub(round_trip);
    if apart > CLOCKS_APART_MAX {
        let found = format!("{:.1} s apart", apart.as_secs_f64());
        marginal("clocks of both ends", found, "run chrony, ntpd or systemd-timesyncd at both ends")
    } else {
        pass("clocks of both ends", format!("less than {} s apart", CLOCKS_APART_MAX.as_secs()))
    }
}

fn packets(connection: &Connection) -> Check {
    const SUBJECT: &str = "packet size (MTU)";
    match connection.path_mtu() {
        None => pass(SUBJECT, "of no matter here"),
        Some(mtu) if mtu >= JUMBO_BYTES => pass(SUBJECT, format!("{mtu} bytes")),
        Some(mtu) => marginal(
            SUBJECT,
            format!("{mtu} bytes"),
            "larger packets take less of the processor: `ip link set DEV mtu 9000` at both ends, if the switch carries them",
        ),
    }
}

fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    let width = reports.iter().flat_map(|report| &report.checks).map(|check| check.subject.chars().count()).max().unwrap_or(0);
    let mut counts = [0; 3];
    for report in reports {
        let address = report.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
        let _ = writeln!(text, "\x1b[1m{} {}{address}\x1b[0m", report.of, printable(&report.name));
        for check in &report.checks {
            let (word, colour) = match check.verdict {
                Verdict::Pass => ("pass", 32),
                Verdict::Marginal => ("marginal", 33),
                Verdict::Fail => ("fail", 31),
            };
            counts[check.verdict as usize] += 1;
            let _ = writeln!(text, "  \x1b[{colour}m{word:<8}\x1b[0m  {:<width$}  {}", printable(&check.subject), printable(&check.found));
            if !check.cure.is_empty() {
                let _ = writeln!(text, "            {:<width$}  cure: {}", "", printable(&check.cure));
            }
        }
    }
    let _ = writeln!(text, "{} passed, {} marginal, {} failed", counts[0], counts[1], counts[2]);
    text
}

/// A server's words, on one line and without what a terminal would obey.
fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_judged() {
        let now = ringway_secure::unix_now_ms();
        assert_eq!(clocks(now, Duration::ZERO).verdict, Verdict::Pass);
        assert_eq!(clocks(now - 5000, Duration::from_secs(1)).verdict, Verdict::Marginal);
        assert_eq!(clocks(now - 5000, Duration::from_secs(5)).verdict, Verdict::Pass);
        assert_eq!(release(env!("CARGO_PKG_VERSION")).verdict, Verdict::Pass);
        assert_eq!(release("0.0.0").verdict, Verdict::Marginal);
    }

    #[test]
    fn a_server_that_is_not_there_fails_with_a_cure() {
        let report = of_server(&Server::from("127.0.0.1:1".parse::<Endpoint>().unwrap()));
        assert_eq!(report.checks.len(), 1);
        assert_eq!(report.checks[0].verdict, Verdict::Fail);
        assert!(report.checks[0].found.contains("cannot reach"), "{:?}", report.checks[0]);
    }

    #[test]
    fn a_server_cannot_write_to_the_terminal() {
        let evil = Check { subject: "x".into(), verdict: Verdict::Fail, found: "a\x1b[2Jb\nc".into(), cure: "\x07".into() };
        let shown = text(&[Report { of: "server", name: "s".into(), address: None, checks: vec![evil] }]);
        assert!(shown.contains("a [2Jb c") && !shown.contains('\x07'), "{shown:?}");
        assert!(shown.ends_with("0 passed, 0 marginal, 1 failed\n"));
    }
}
