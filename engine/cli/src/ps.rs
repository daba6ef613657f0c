//! `ringway ps` and `ringway release`: leases, and requests that wait.

use crate::output::{BAD, FAINT, GOOD, NOTE, Rows, age, bytes, cut, mib, print_json, print_styled, styled};
use crate::overview::{LeaseState, LeaseView, Overview, QueueView, SourceArgs, ask_pool, unexpected};
use crate::{EXIT_RINGWAY, Failure, reservation};
use ringway_wire::pool::{PoolReply, PoolRequest};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Characters of a program's command line that a table shows.
const PROGRAM_MAX: usize = 48;

/// Options of `ringway ps`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway ps --server poolhost:7767            all leases of a pool, and who waits for what
  ringway ps --mine                            one's own
  ringway ps --json | jq -r '.leases[].id'     for programs

States of a lease: running (processes use it), held (none does now), granted (not yet seen on its servers), orphaned (the connection of
its holder broke, and it is waited for).")]
pub struct PsArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Leases and requests of all users; this is what is shown without it too.
    #[arg(long, conflicts_with = "mine")]
    all: bool,
    /// One's own alone: of the user that the token stands for, else of the user of this machine.
    #[arg(long)]
    mine: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `ringway release`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway release work                         ends the reservation 'work' (see `ringway request`)
  ringway release 1f3a90c2d4e5b677             ends a lease of a pool, or takes a waiting request back

Ending another user's lease takes a token of the scope admin. The program's CUDA calls fail from then on.")]
pub struct ReleaseArgs {
    /// A lease or a waiting request of a pool, as `ringway ps` shows it (16 hexadecimal digits), or a reservation's name.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    source: SourceArgs,
}

/// The number of a lease, where a text is one.
pub fn lease_id(text: &str) -> Option<u64> {
    let is_one = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_one { u64::from_str_radix(text, 16).ok() } else { None }
}

/// The user of this machine, as a pool that asks for no token knows them.
fn local_user(of_pool: bool) -> String {
    let user = crate::run::identity(&[]).user;
    let is_known = !of_pool || ringway_pool::identity::check_name("name of a user", &user).is_ok();
    if is_known { user } else { "unknown".into() }
}

/// Shows leases and requests.
pub fn ps(args: &PsArgs) -> Result<ExitCode, Failure> {
    let servers = args.source.all()?;
    let (mut found, failures) = Overview::of_all(&servers);
    for failure in &failures {
        eprintln!("ringway: {}", failure.message());
    }
    if args.mine && failures.len() < servers.len() {
        let mut users = vec![local_user(found.pool.is_some())];
        if found.pool.is_some() {
            for pool in &servers {
                // Of the servers among them, none knows.
                if let Ok(PoolReply::Who { user: Some(user), .. }) = ask_pool(pool, PoolRequest::Who) {
                    users = vec![user];
                }
            }
        }
        found.leases.retain(|lease| users.contains(&lease.user));
        found.queue.retain(|request| users.contains(&request.user));
    }
    if args.json {
        print_json(&serde_json::json!({ "pool": found.pool, "leases": found.leases, "queue": found.queue }))?;
    } else {
        print_styled(&text(&found))?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_RINGWAY) })
}

/// A lease's state in its colour.
pub fn state_text(state: LeaseState) -> String {
    let style = match state {
        LeaseState::Running => GOOD,
        LeaseState::Held => FAINT,
        LeaseState::Granted => NOTE,
        LeaseState::Orphaned => BAD,
    };
    styled(style, state.name())
}

/// Bytes to its servers and back in a second.
fn traffic(lease: &LeaseView) -> String {
    format!("{} / {}", bytes(lease.used.up_bytes_per_s), bytes(lease.used.down_bytes_per_s))
}

fn lease_row(lease: &LeaseView) -> [String; 13] {
    [
        lease.id.clone(),
        cut(&lease.user, 24),
        cut(&lease.host, 24),
        state_text(lease.state),
        lease.sessions.to_string(),
        age(lease.age_s),
        lease.servers().join(", "),
        lease.slices_text(),
        format!("{} MiB", mib(lease.allocated_bytes())),
        lease.busy_text(),
        traffic(lease),
        lease.used.waits_per_s.to_string(),
        cut(&lease.program, PROGRAM_MAX),
    ]
}

fn queue_row(request: &QueueView) -> [String; 8] {
    [
        request.place.to_string(),
        request.id.clone(),
        cut(&request.user, 24),
        cut(&request.host, 24),
        age(request.age_s),
        [vec![request.wants_text()], request.filters.clone()].concat().join(", "),
        cut(&request.program, PROGRAM_MAX),
        request.why.clone(),
    ]
}

fn text(found: &Overview) -> String {
    let mut text = String::new();
    let mut leases = Rows::new(&["!lease", "user", "host", "state", ">sessions", "age", "server", "GPUs", ">used", ">busy", ">to / from it, a second", ">waits", "program"]);
    found.leases.iter().for_each(|lease| leases.add(lease_row(lease)));
    text += &if leases.is_empty() { "no leases\n".to_owned() } else { leases.text() };
    if !found.queue.is_empty() {
        let mut queue = Rows::new(&[">place", "!request", "user", "host", "waits", "for", "program", "why"]);
        found.queue.iter().for_each(|request| queue.add(queue_row(request)));
        let _ = write!(text, "\n{}", queue.text());
    }
    text
}

/// Ends a lease, takes a request back, or ends a reservation of this machine.
pub fn release(args: &ReleaseArgs) -> Result<ExitCode, Failure> {
    let Some(lease) = lease_id(&args.id) else {
        reservation::release(&args.id)?;
        return Ok(ExitCode::SUCCESS);
    };
    let pool = args.source.first()?;
    match ask_pool(&pool, PoolRequest::Release { lease })? {
        PoolReply::Done => Ok(ExitCode::SUCCESS),
        _ => Err(unexpected(&pool)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::SliceView;
    use ringway_wire::control::{LeaseUse, MemoryAsk, SliceUse};

    #[test]
    fn ids() {
        assert_eq!(lease_id("00000000000000ff"), Some(255));
        assert_eq!(lease_id("ffffffffffffffff"), Some(u64::MAX));
        for text in ["", "ff", "work", "00000000000000fg", "+0000000000000ff", "00000000000000fff"] {
            assert_eq!(lease_id(text), None, "{text}");
        }
    }

    #[test]
    fn tables_name_what_is_leased_and_who_waits() {
        let lease = LeaseView {
            id: "00000000000000ff".into(),
            user: "alice".into(),
            group: String::new(),
            host: "laptop".into(),
            program: "python train.py".into(),
            pid: 7,
            state: LeaseState::Running,
            sessions: 2,
            age_s: 61,
            slices: vec![SliceView { server: "s1".into(), ordinal: 1, memory_bytes: 512 << 20 }],
            used: LeaseUse {
                slices: vec![SliceUse { allocated_bytes: 100 << 20, busy_thousandths: 374 }],
                up_bytes_per_s: 3 << 20,
                waits_per_s: 12,
                ..LeaseUse::default()
            },
        };
        let waiting = QueueView {
            id: "00000000000000fe".into(),
            place: 1,
            user: "bob".into(),
            group: String::new(),
            host: "desk".into(),
            program: "./a.out".into(),
            pid: 8,
            priority: 0,
            gpus: 2,
            memory: MemoryAsk::Fraction(0.5),
            filters: vec!["label.rack=7".into()],
            age_s: 3,
            why: "GPUs that fit are leased".into(),
        };
        let found = Overview { leases: vec![lease], queue: vec![waiting], ..Overview::default() };
        let plain = anstream::adapter::strip_str(&text(&found)).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        let words = |line: &str| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[1]), ["00000000000000ff", "alice", "laptop", "running", "2", "1 min 1 s", "s1", "GPU 1 512 MiB", "100 MiB", "37 %", "3.00 MiB / 0 B", "12", "python train.py"]);
        assert_eq!(words(lines[4]), ["1", "00000000000000fe", "bob", "desk", "3 s", "2 x 0.5, label.rack=7", "./a.out", "GPUs that fit are leased"]);
        assert_eq!(text(&Overview::default()), "no leases\n");
    }
}
