//! The process that holds a reservation.

use super::RequestArgs;
use super::place::{Answer, Ask, Description, Place};
use crate::Failure;
use crate::run::{Held, reserve};
use ringway_wire::control;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the holder looks whether lease, session and socket are there still.
const LOOK: Duration = Duration::from_millis(250);
/// Who connects has so long to ask.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at a time at the most.
const CONNECTIONS_MAX: u32 = 1024;

/// Programs in a reservation.
struct Uses {
    programs: u32,
    connections: u32,
    /// When the last of them ended, or the reservation began.
    last: Instant,
}

/// What the holder's threads share.
struct Shared {
    gpus: String,
    description: String,
    lease: String,
    variable: String,
    link: &'static str,
    same_host: bool,
    name: String,
    unused: Option<Duration>,
    kept: bool,
    since: Instant,
    uses: Mutex<Uses>,
}

/// What ends a reservation.
enum Event {
    /// Somebody wants that, and waits for it.
    Release(UnixStream),
    /// A signal came.
    Signal,
}

/// Takes the lease, tells `ringway request` that it is there, and holds it.
pub fn hold(args: RequestArgs) -> Result<ExitCode, Failure> {
    let session = if args.keep { None } else { SessionLeader::own() };
    leave_session();
    let is_ready = Arc::new(AtomicBool::new(false));
    give_up_with_request(&is_ready)?;
    let name = args.name.unwrap_or_default();
    let place = Place::of(&name)?;
    let Some(_lock) = place.take()? else {
        return Err(Failure::new(format!("there is a reservation {name} already; choose another name, or end it with `ringway release {name}`")));
    };
    let forced = args.run.link();
    let held = reserve(args.run, format!("reservation {name}"))?;
    // What is there is a killed holder's: the name is this process's.
    let _ = std::fs::remove_file(place.socket());
    place.write_end(None);
    let listener = UnixListener::bind(place.socket()).map_err(|error| Failure::new(format!("{}: {error}", place.socket().display())))?;
    let shared = Arc::new(Shared {
        gpus: held.summary(),
        description: held.description(),
        lease: held.lease().to_owned(),
        variable: held.variable(forced),
        link: held.link(),
        same_host: held.same_host(),
        name,
        unused: args.unused.map(Duration::from_secs),
        kept: session.is_none(),
        since: Instant::now(),
        uses: Mutex::new(Uses { programs: 0, connections: 0, last: Instant::now() }),
    });
    let (events, received) = channel();
    watch_signals(events.clone())?;
    listen(listener, &shared, events)?;
    is_ready.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    writeln!(out, "ready {}", serde_json::to_string(&shared.describe())?)?;
    out.flush()?;
    let_go_of_terminal()?;
    let (why, waiting) = shared.until_end(&held, session.as_ref(), &place, &received);
    place.write_end(why.as_deref());
    // Nobody is to find it from now on.
    let _ = std::fs::remove_file(place.socket());
    held.release();
    if let Some(mut stream) = waiting {
        // Who asked may be gone.
        let _ = control::send(&mut stream, &Answer::Released);
    }
    Ok(ExitCode::SUCCESS)
}

impl Shared {
    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self) -> Description {
        Description {
            name: self.name.clone(),
            lease: self.lease.clone(),
            gpus: self.gpus.clone(),
            pid: std::process::id(),
            age_s: self.since.elapsed().as_secs(),
            programs: self.uses().programs,
            unused_s: self.unused.map(|unused| unused.as_secs()),
            kept: self.kept,
        }
    }

    /// Holds the reservation until it is to end: why, as far as that must be said later, and who waits for it.
    fn until_end(
        &self,
        held: &Held,
        session: Option<&SessionLeader>,
        place: &Place,
        events: &Receiver<Event>,
    ) -> (Option<String>, Option<UnixStream>) {
        loop {
            match events.recv_timeout(LOOK) {
                Ok(Event::Release(stream)) => return (None, Some(stream)),
                Ok(Event::Signal) | Err(RecvTimeoutError::Disconnected) => return (Some("its holder was ended by a signal".into()), None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if held.is_over() {
                return (Some("its lease is gone: it was released, or its server was lost".into()), None);
            }
            if session.is_some_and(|leader| !leader.is_there()) {
                return (Some("the session in which it was made ended (--keep keeps it)".into()), None);
            }
            if !place.socket().exists() {
                return (Some("its socket was removed".into()), None);
            }
            let uses = self.uses();
            if uses.programs == 0 && self.unused.is_some_and(|unused| uses.last.elapsed() >= unused) {
                return (Some("no program ran in it for the time that --unused gave".into()), None);
            }
        }
    }

    /// One connection.
    fn converse(&self, mut stream: UnixStream, events: &Sender<Event>) {
        let asked = stream.set_read_timeout(Some(ASK_TIMEOUT)).is_ok().then(|| control::receive::<Ask>(&mut stream));
        let Some(Ok(ask)) = asked else { return };
        match ask {
            Ask::Describe => {
                // A peer that is gone needs no answer, here and below.
                let _ = control::send(&mut stream, &Answer::Described(self.describe()));
            }
            Ask::Release => {
                let _ = events.send(Event::Release(stream));
            }
            Ask::Use => {
                let answer = Answer::Use {
                    description: self.description.clone(),
                    variable: self.variable.clone(),
                    link: self.link.into(),
                    same_host: self.same_host,
                };
                self.uses().programs += 1;
                if control::send(&mut stream, &answer).is_ok() && stream.set_read_timeout(None).is_ok() {
                    while stream.read(&mut [0; 16]).is_ok_and(|read| read > 0) {}
                }
                let mut uses = self.uses();
                uses.programs -= 1;
                uses.last = Instant::now();
            }
        }
    }
}

fn listen(listener: UnixListener, shared: &Arc<Shared>, events: Sender<Event>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("accept".into()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else {
                // No descriptor is left: those there are end some time.
                std::thread::sleep(LOOK);
                continue;
            };
            if shared.uses().connections >= CONNECTIONS_MAX {
                let _ = control::send(&mut stream, &Answer::Refused(format!("{CONNECTIONS_MAX} programs run in it; wait until some have ended")));
                continue;
            }
            shared.uses().connections += 1;
            let (its, events) = (Arc::clone(&shared), events.clone());
            let spawned = std::thread::Builder::new().name("connection".into()).spawn(move || {
                its.converse(stream, &events);
                its.uses().connections -= 1;
            });
            if spawned.is_err() {
                shared.uses().connections -= 1;
            }
        }
    })?;
    Ok(())
}

fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            let _ = events.send(Event::Signal);
        }
    })?;
    Ok(())
}

/// Ends this process if `ringway request` is ended before the lease is there: standard input ends then.
fn give_up_with_request(is_ready: &Arc<AtomicBool>) -> io::Result<()> {
    let is_ready = Arc::clone(is_ready);
    std::thread::Builder::new().name("request".into()).spawn(move || {
        let mut input = io::stdin();
        while input.read(&mut [0; 16]).is_ok_and(|read| read > 0) {}
        if !is_ready.load(Ordering::SeqCst) {
            // The connection to pool or server ends with the process, and what was asked for with it.
            std::process::exit(i32::from(crate::EXIT_RINGWAY));
        }
    })?;
    Ok(())
}

/// Becomes a session of its own: what the terminal sends to its programs is not for the holder.
fn leave_session() {
    // SAFETY: a plain system call. It fails where this process leads a group, which then is one of its own as well.
    unsafe { libc::setsid() };
}

/// Lets go of the terminal and of the folder that the command was started in.
fn let_go_of_terminal() -> io::Result<()> {
    std::env::set_current_dir("/")?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    for descriptor in 0..3 {
        // SAFETY: an open descriptor, and a number that is one of the standard ones; nothing in this process owns those.
        if unsafe { libc::dup2(nothing.as_raw_fd(), descriptor) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The process that leads the session in which `ringway request` was typed: a login's shell, as a rule.
#[derive(Debug, PartialEq, Eq)]
struct SessionLeader {
    pid: u32,
    /// Of its start, in the kernel's ticks: another process of the same number has another.
    started: u64,
}

/// Of a process: its parent, its session, and when it started.
fn parse_stat(text: &str) -> Option<(u32, u32, u64)> {
    // Behind the name, which may hold anything: state, parent, group, session, ...; the start is field 22 of proc_pid_stat(5).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(3)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

fn stat_of(process: &str) -> Option<(u32, u32, u64)> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

impl SessionLeader {
    /// Of this process. None: it is `ringway request` itself, or not visible, and there is nothing to end with.
    fn own() -> Option<Self> {
        let (parent, session, _) = stat_of("self")?;
        let (_, _, started) = stat_of(&session.to_string())?;
        (session != 0 && session != parent && session != std::process::id()).then_some(Self { pid: session, started })
    }

    fn is_there(&self) -> bool {
        stat_of(&self.pid.to_string()).is_some_and(|(_, _, started)| started == self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_a_process() {
        let text = "12 (a) b) S 1 12 7 34816 12 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 22 33";
        assert_eq!(parse_stat(text), Some((1, 7, 98765)));
        for text in ["", "12 (a) S", "12 a S 1 12 7", "12 (a) S x 12 7 34816 12 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765"] {
            assert_eq!(parse_stat(text), None, "{text}");
        }
        let (_, _, started) = stat_of("self").unwrap();
        let own = SessionLeader { pid: std::process::id(), started };
        assert!(own.is_there());
        assert!(!SessionLeader { started: started + 1, ..own }.is_there());
    }
}
