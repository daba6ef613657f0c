//! A pool's way of granting GPUs: a place in the queue, then tickets, which are brought to the servers.

use crate::Failure;
use crate::access::Server;
use crate::run::{Held, RunArgs, hold};
use indicatif::{ProgressBar, ProgressStyle};
use ringway_link::endpoint::{Connection, Target};
use ringway_secure::tls::Trust;
use ringway_wire::control::{self, ControlError, Reply, Request, SERVERS_MAX};
use ringway_wire::pool::{Granted, Part, SERVER_ADDRESSES_MAX, WAITING_MS, Wishes};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A pool that is gone is asked again for this long: it is started again, or another of its nodes takes its place.
const AGAIN: Duration = Duration::from_secs(60);
/// First and longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// A pool that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_millis(10 * WAITING_MS);

/// Options that a pool serves.
#[derive(Debug, clap::Args)]
pub struct PoolArgs {
    /// GPUs to take, as device.memory>=40GiB, server.hostname=gpu* or label.rack=7; may be given several times, all must hold.
    /// Keys: server.addr, server.hostname, server.has-rdma, server.driver-version, server.cuda-version, device.name, device.memory,
    /// device.cc, label.NAME; with = != < <= > >=. For a pool.
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Take the emptiest GPUs that fit, not the fullest. For a pool.
    #[arg(long)]
    spread: bool,
    /// All GPUs on one server, or none. Without it they are on one where that can be.
    #[arg(long)]
    pub(crate) one_server: bool,
    /// How long to wait for GPUs, as 90s, 10m or 2h; without it as long as it takes. For a pool.
    #[arg(long, value_name = "TIME", value_parser = crate::token::life)]
    timeout: Option<u64>,
    /// When that time is over: end with an error, or start the program without GPUs.
    #[arg(long, value_enum, default_value_t = OnTimeout::Fail, requires = "timeout", value_name = "WHAT")]
    on_timeout: OnTimeout,
}

/// See [`PoolArgs::on_timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnTimeout {
    /// End with an error.
    Fail,
    /// Start the program without GPUs.
    Continue,
}

impl PoolArgs {
    /// As it is said to a pool.
    pub fn wishes(&self) -> Wishes {
        Wishes {
            filters: self.filter.clone(),
            spread: self.spread,
            one_server: self.one_server,
            timeout_ms: self.timeout.map(|seconds| seconds.saturating_mul(1000)),
            has_rdma: std::fs::read_dir("/sys/class/infiniband").is_ok_and(|mut entries| entries.next().is_some()),
        }
    }

    /// Whether something was asked for that only a pool has.
    pub fn needs_pool(&self) -> bool {
        !self.filter.is_empty() || self.spread || self.timeout.is_some()
    }
}

/// Whether an answer to [`Request::Lease`] is a pool's.
pub fn is_pool(reply: &Reply) -> bool {
    matches!(reply, Reply::Waiting { .. } | Reply::TimedOut { .. } | Reply::Granted(_))
}

/// Waits for a pool's grant, and brings its tickets to the servers: a lease of each, in the order of the GPUs. None: there were no GPUs in
/// time, and the program is to go without.
///
/// # Errors
/// Nothing is held then, also where only one of the servers does not take its ticket.
pub fn granted(
    from: &Server,
    (mut pool, mut reply, mut target): (Connection, Reply, Target),
    mut request: Request,
    args: &RunArgs,
) -> Result<Option<Vec<Held>>, Failure> {
    let began = Instant::now();
    let mut progress = Progress::new(args.quiet);
    let granted = loop {
        match reply {
            Reply::Granted(granted) => break *granted,
            Reply::Waiting { place, waiting, why } => progress.say(place, waiting, &why),
            Reply::TimedOut { waited_ms } => {
                // The pool that says so may not be the first that was asked.
                let waited = Duration::from_millis(waited_ms).max(began.elapsed());
                let why = format!("no GPUs became free within {:.0} s", waited.as_secs_f64());
                if args.pool.on_timeout == OnTimeout::Continue {
                    drop(progress);
                    eprintln!("ringway: {why}; the program goes without");
                    return Ok(None);
                }
                return Err(Failure::new(format!("{why}; wait for longer (--timeout), ask for less, or see who has them (`ringway list`)")));
            }
            _ => return Err(Failure::new(format!("{target}: the pool answered with something else than GPUs"))),
        }
        let next = pool.set_read_timeout(Some(SILENCE)).map_err(ControlError::from).and_then(|()| control::receive_reply(&mut pool));
        match next {
            Ok(next) => reply = next,
            Err(error @ ControlError::Io(_)) => {
                progress.say_gone(&format!("{target}: {error}"));
                (pool, reply, target) = ask_again(from, &mut request, began, args)?;
            }
            Err(error) => return Err(Failure::new(format!("{target}: {error}"))),
        }
    };
    drop(progress);
    let Granted { parts, pool: name, .. } = granted;
    if parts.is_empty() || parts.len() > SERVERS_MAX as usize {
        return Err(Failure::new(format!(
            "the pool {name} granted GPUs of {} servers; a program can have those of 1 to {SERVERS_MAX}: ask for fewer, or for --one-server",
            parts.len()
        )));
    }
    let Request::Lease { identity, .. } = &request else {
        return Err(Failure::new("a lease was not asked for; this is a fault of Ringway"));
    };
    let mut held = Vec::with_capacity(parts.len());
    for part in &parts {
        let which = if parts.len() > 1 { format!(" on {}", part.server) } else { String::new() };
        let redeemed = server_of(part).and_then(|server| server.ask(&Request::Redeem { ticket: part.ticket.clone(), identity: identity.clone() }));
        match redeemed.and_then(|answer| hold(args, answer, which)) {
            Ok(one) => held.push(one),
            Err(failure) => {
                // The pool takes back what is left when its connection ends.
                held.into_iter().for_each(Held::release);
                return Err(failure);
            }
        }
    }
    // The pool may forget the connection now; should it not hear that, the servers' reports tell it.
    let _ = control::send(&mut pool, &Request::Farewell);
    Ok(Some(held))
}

/// Asks anew where the pool was lost from which GPUs were waited for; the place in the queue is another. What is left of the time to wait stays
/// as it was.
fn ask_again(from: &Server, request: &mut Request, began: Instant, args: &RunArgs) -> Result<(Connection, Reply, Target), Failure> {
    let (lost, mut pause) = (Instant::now(), PAUSE.0);
    loop {
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE.1);
        if let Request::Lease { wishes, .. } = &mut *request {
            let left = |timeout: u64| timeout.saturating_sub(began.elapsed().as_millis() as u64);
            wishes.timeout_ms = args.pool.wishes().timeout_ms.map(left);
        }
        match from.try_to_ask(request) {
            Ok(answer) if is_pool(&answer.1) => return Ok(answer),
            Ok((.., target)) => return Err(Failure::new(format!("{target} is a pool no more; start the program again"))),
            Err((failure, is_passing)) if !is_passing || lost.elapsed() > AGAIN => return Err(failure),
            Err(_) => {}
        }
    }
}

fn server_of(part: &Part) -> Result<Server, Failure> {
    let bad = |why: &dyn std::fmt::Display| Failure::new(format!("what the pool says of the server '{}' is of no use: {why}", part.server));
    let trust = part.authority.as_ref().map(|ca| Trust::in_authority(ca)).transpose().map_err(|why| bad(&why))?;
    let targets = part.addresses.iter().take(SERVER_ADDRESSES_MAX).map(|address| {
        let endpoint = address.parse().map_err(|error| bad(&error))?;
        Ok(Target { endpoint, trust: trust.clone() })
    });
    Ok(Server::of(targets.collect::<Result<_, Failure>>()?, String::new()))
}

/// What people see while they wait.
struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    last: u32,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { bar: None, quiet, last: 0 }
    }

    fn say_gone(&mut self, why: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("the pool is gone ({why}); asking again"));
        } else if !self.quiet {
            eprintln!("ringway: the pool is gone ({why}); asking again");
        }
        self.last = 0;
    }

    fn say(&mut self, place: u32, waiting: u32, why: &str) {
        if self.quiet {
            return;
        }
        let text = format!("place {place} of {waiting} in the queue: {why}");
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} ringway: waiting for GPUs, {elapsed}; {msg}");
                let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            });
            bar.set_message(text);
        } else if self.last != place {
            eprintln!("ringway: waiting for GPUs: {text}");
        }
        self.last = place;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
