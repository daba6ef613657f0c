//! `ringway request`: reservations, leases that stay for programs to come.
//!
//! A process of its own holds the lease, as `ringway run` does while its program runs (`holder.rs`), and tells programs of the same user by
//! which lease to run, over a Unix socket in a folder of theirs (`place.rs`). When that process ends, however it does, the lease ends: it
//! lives by the holder's connection to its server.

mod holder;
mod place;

use crate::output::{Rows, age, print_json, print_styled};
use crate::ps::lease_id;
use crate::run::RunArgs;
use crate::token::life;
use crate::{EXIT_RINGWAY, Failure};
use place::{Answer, Ask, Description, Place};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bound on the answer of a holder: it looks at its socket at all times.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bound on the end of a reservation: the server frees its memory.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(20);

/// Options of `ringway request`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway request --server poolhost:7767 -n 2 -p 0.5 --name work   a reservation of two halves
  ringway run --reservation work -- python train.py                a program in it; several may run at a time
  ringway request --list                                           this user's reservations on this machine
  ringway release work                                             its end
  name=$(ringway request -p 0.25 --unused 10m)                     one that ends by itself when it is not used

A reservation ends when it is released, when its lease ends, with `--unused` when no program ran in it for so long, when its holder gets
SIGTERM, and with the login session that made it unless --keep is given.")]
pub struct RequestArgs {
    /// Name to run in it by; without it the first of r1, r2, ... that is free. It is printed.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Show this user's reservations on this machine.
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// With --list, print JSON.
    #[arg(long, requires = "list")]
    json: bool,
    /// End the reservation when no program ran in it for this long, as 90s, 10m or 2h.
    #[arg(long, value_name = "TIME", value_parser = life)]
    unused: Option<u64>,
    /// Keep the reservation when the session (terminal, login, script) that this command runs in ends.
    #[arg(long)]
    keep: bool,
    /// This process is the holder (used by `ringway request` itself).
    #[arg(long, hide = true, requires = "name")]
    holder: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// Makes a reservation, or shows those there are.
pub fn request(args: RequestArgs) -> Result<ExitCode, Failure> {
    if args.list {
        return list(args.json);
    }
    if !args.run.command().is_empty() {
        return Err(Failure::new("`ringway request` runs no program; make the reservation, then `ringway run --reservation NAME -- CMD`"));
    }
    if args.holder {
        return holder::hold(args);
    }
    let name = match &args.name {
        Some(name) => checked(name)?.to_owned(),
        None => place::free_name()?,
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("--holder").stdin(Stdio::piped()).stdout(Stdio::piped());
    if args.name.is_none() {
        command.args(["--name", &name]);
    }
    // The holder gives up when its standard input ends before it is ready: when this process is ended.
    let mut child = command.spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).take(1 << 16).read_line(&mut line)?;
    }
    let Some(description) = line.strip_prefix("ready ").and_then(|text| serde_json::from_str::<Description>(text).ok()) else {
        // It has said why.
        let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
        return Ok(ExitCode::from(code.unwrap_or(EXIT_RINGWAY)));
    };
    eprintln!("ringway: reserved {}; run in it with `ringway run --reservation {name} -- CMD`", description.gpus);
    crate::print(&format!("{name}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A name that a reservation can have: no lease of a pool is called like it.
fn checked(name: &str) -> Result<&str, Failure> {
    ringway_pool::identity::check_name("name of a reservation", name)?;
    if lease_id(name).is_some() {
        return Err(Failure::new(format!("'{name}' could be the number of a lease; choose another name")));
    }
    Ok(name)
}

/// Ends a reservation, and returns when what it had is free.
pub fn release(name: &str) -> Result<(), Failure> {
    let place = Place::of(checked(name)?)?;
    match place.ask(&Ask::Release, RELEASE_TIMEOUT)?.1 {
        Answer::Released => Ok(()),
        _ => Err(place.unexpected()),
    }
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut all: Vec<Description> = Vec::new();
    for place in Place::all()? {
        // One that ends at this moment is no failure of the list.
        if let Ok((_, Answer::Described(description))) = place.ask(&Ask::Describe, ANSWER_TIMEOUT) {
            all.push(description);
        }
    }
    if json {
        print_json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Rows::new(&["!reservation", "!lease", "age", ">programs", "ends", "holder", "GPUs"]);
    for one in all {
        let ends = match (one.unused_s, one.kept) {
            (Some(unused_s), _) => format!("after {} unused", age(unused_s)),
            (None, false) => "with its session".into(),
            (None, true) => "when released".into(),
        };
        rows.add([one.name, one.lease, age(one.age_s), one.programs.to_string(), ends, one.pid.to_string(), one.gpus]);
    }
    print_styled(&if rows.is_empty() { "no reservations\n".into() } else { rows.text() })?;
    Ok(ExitCode::SUCCESS)
}

/// A program's place in a reservation, until it is dropped.
pub struct Use {
    description: String,
    variable: String,
    link: String,
    same_host: bool,
    stream: UnixStream,
    over: Arc<AtomicBool>,
}

impl Use {
    /// In the reservation of this name. If the reservation ends meanwhile, that is said on standard error.
    ///
    /// # Errors
    /// There is none, or it just ends.
    pub fn of(name: &str) -> Result<Self, Failure> {
        let place = Place::of(checked(name)?)?;
        let (stream, answer) = place.ask(&Ask::Use, ANSWER_TIMEOUT)?;
        let Answer::Use { description, variable, link, same_host } = answer else { return Err(place.unexpected()) };
        let over = Arc::new(AtomicBool::new(false));
        stream.set_read_timeout(None)?;
        let (mut watched, is_over, name) = (stream.try_clone()?, Arc::clone(&over), name.to_owned());
        std::thread::Builder::new().name("reservation".into()).spawn(move || {
            while watched.read(&mut [0; 16]).is_ok_and(|read| read > 0) {}
            if !is_over.load(Ordering::Relaxed) {
                let why = place.why_ended().map_or(String::new(), |why| format!(" ({why})"));
                eprintln!("ringway: the reservation {name} has ended{why}; the program's CUDA calls fail from now on");
            }
        })?;
        Ok(Self { description, variable, link, same_host, stream, over })
    }

    /// What is leased, where, over which link, and why it is that one.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// `RINGWAY_LEASE`.
    pub fn variable(&self) -> String {
        self.variable.clone()
    }

    /// Name of the link.
    pub fn link(&self) -> &'static str {
        ["shm", "rdma", "tcp"].into_iter().find(|name| *name == self.link).unwrap_or("several")
    }

    /// Whether the server is on this host.
    pub fn same_host(&self) -> bool {
        self.same_host
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Its end is how the holder learns; one that is gone need not.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_reservations_are_no_leases_and_no_paths() {
        for name in ["work", "r1", "a.b-c_d@e"] {
            assert!(checked(name).is_ok(), "{name}");
        }
        for name in ["", "a/b", "../x", "00000000000000ff", "a b", "é"] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}
