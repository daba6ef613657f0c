//! Servers: how they join, what they report, and what they are told.

use super::asks::bound_texts;
use super::{Pool, State};
use crate::door::{Stream, answer, refused, shut};
use crate::identity::{Scope, check_name};
use crate::ledger::{Heard, SILENCE_MS};
use crate::scheduler::{Lease, SERVER_GPUS_MAX};
use crate::watch::Watch;
use ringway_link::endpoint::Endpoint;
use ringway_secure::tls::Trust;
use ringway_secure::unix_now_ms;
use ringway_wire::control::{self, Identity, Reply, SliceUse};
use ringway_wire::pool::{
    LINE_FRAME_BYTES_MAX, PoolReply, PoolSays, Registration, Running, SERVER_ADDRESSES_MAX, ServerInfo, ServerSays,
};
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Words that wait to be written on a line; a server that does not read them is cut off.
const WORDS_MAX: usize = 4096;
/// Labels of a server at the most.
const LABELS_MAX: usize = 64;
/// Bytes of a text that a server says of itself at the most.
const TEXT_BYTES_MAX: usize = 256;

/// A server that is connected.
#[derive(Debug)]
pub(super) struct Line {
    /// Tells it from the server's other lines.
    number: u64,
    pub(super) registration: u64,
    pub(super) addresses: Vec<String>,
    pub(super) authority: Option<Vec<u8>>,
    pub(super) version: String,
    /// What runs there, as it said last.
    pub(super) running: HashMap<u64, Running>,
    words: SyncSender<PoolSays>,
    socket: OwnedFd,
}

impl Line {
    /// Has something written on the line, in time; a line that is full is cut.
    pub(super) fn say(&self, what: PoolSays) {
        if let Err(TrySendError::Full(_)) = self.words.try_send(what) {
            self.shut();
        }
    }

    /// Has leases ended that the server reports and that are over.
    fn say_over(&self, heard: &Heard) {
        for lease in &heard.over {
            self.say(PoolSays::End { lease: *lease, why: "the pool has ended it".into() });
        }
    }

    pub(super) fn shut(&self) {
        shut(&self.socket);
    }
}

/// Checks what a server says of itself; its name is given.
fn check(registration: &mut Registration, from: Option<IpAddr>) -> Result<(), String> {
    let ServerInfo { name, address, hostname, driver_version, cuda_version, labels, gpus, .. } = &registration.info;
    let texts = [name, address, hostname, driver_version, cuda_version, &registration.version, &registration.driver];
    let texts = texts.into_iter().chain(labels.iter().flat_map(|(key, value)| [key, value])).chain(gpus.iter().map(|gpu| &gpu.name));
    for text in texts {
        if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(format!("a text of its own is longer than {TEXT_BYTES_MAX} bytes, or no line"));
        }
    }
    if labels.len() > LABELS_MAX {
        return Err(format!("it has {} labels; at most {LABELS_MAX} can be used", labels.len()));
    }
    if registration.addresses.is_empty() || registration.addresses.len() > SERVER_ADDRESSES_MAX {
        return Err(format!("it has {} addresses; 1 to {SERVER_ADDRESSES_MAX} can be used", registration.addresses.len()));
    }
    if let Some(authority) = &registration.authority {
        Trust::in_authority(authority)?;
    }
    for address in &mut registration.addresses {
        let endpoint: Endpoint = address.parse().map_err(|error| format!("{error}"))?;
        *address = match endpoint {
            // It listens on all its addresses; this is one by which others reach it.
            Endpoint::Tcp(host, port) if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) => {
                let from = from.map_or_else(|| "127.0.0.1".to_owned(), |from| from.to_canonical().to_string());
                Endpoint::Tcp(from, port).to_string()
            }
            endpoint => endpoint.to_string(),
        };
    }
    registration.info.address.clone_from(&registration.addresses[0]);
    Ok(())
}

/// Checks what a server says that runs on it.
fn check_running(running: Vec<Running>, server: &str) -> Result<HashMap<u64, Running>, String> {
    let mut all = HashMap::new();
    for mut one in running {
        bound_texts(&mut one.identity);
        for name in [&one.lease.user, &one.lease.group] {
            if name.len() > TEXT_BYTES_MAX || name.chars().any(char::is_control) {
                return Err("a lease's user or group is no name".into());
            }
        }
        if one.lease.slices.is_empty() || one.lease.slices.len() > SERVER_GPUS_MAX {
            return Err(format!("a lease has {} slices", one.lease.slices.len()));
        }
        one.used.slices.resize(one.lease.slices.len(), SliceUse::default());
        for (slice, used) in one.lease.slices.iter().zip(&mut one.used.slices) {
            used.allocated_bytes = used.allocated_bytes.min(slice.memory_bytes);
            used.busy_thousandths = used.busy_thousandths.min(1000);
        }
        // It can speak for itself only.
        for slice in &mut one.lease.slices {
            server.clone_into(&mut slice.server);
        }
        all.insert(one.lease.id, one);
    }
    Ok(all)
}

fn leases_of(running: &HashMap<u64, Running>) -> Vec<Lease> {
    running.values().map(|one| one.lease.clone()).collect()
}

impl Pool {
    /// The life of a server's line.
    pub(super) fn keep_line(&self, mut stream: Stream, token: &str, registration: Registration) {
        let (name, number, words) = match self.join(&stream, token, registration) {
            Ok(joined) => joined,
            Err(reply) => {
                answer(&mut stream, &reply);
                return;
            }
        };
        let why = self.speak(&name, number, &mut stream, words);
        let mut state = self.lock();
        if state.lines.get(&name).is_some_and(|line| line.number == number) {
            state.lines.remove(&name);
            state.ledger.lose(&name);
            self.watch.lost(&name, &why);
            tracing::warn!(server = name, "the server's line ended: {why}; what runs there goes on");
        }
        self.stir(state);
    }

    fn join(&self, stream: &Stream, token: &str, mut registration: Registration) -> Result<(String, u64, Receiver<PoolSays>), Reply> {
        let caller = self.admit(token, stream, Scope::may_serve)?;
        let (who, grant) = (caller.who(&Identity::default()), caller.grant);
        // A token is good for one name; else a server could take another's place.
        if grant.token.is_some() && grant.scope == Scope::Serve {
            registration.info.name.clone_from(&grant.name);
        }
        let name = registration.info.name.clone();
        let refuse = |why: String| refused(format!("the pool does not take this server: {why}"), "use `ringway serve` of the same release");
        check_name("name of a server", &name).map_err(|error| refused(error.to_string(), "name the server with `ringway serve --name`"))?;
        check(&mut registration, stream.from()).map_err(refuse)?;
        let running = check_running(std::mem::take(&mut registration.running), &name).map_err(refuse)?;
        let internal = |error: std::io::Error| refused(format!("the pool could not take the server: {error}"), "see the pool's log");
        let socket = stream.handle().map_err(internal)?;
        let number = u64::from_le_bytes(ringway_secure::random::<8>().map_err(internal)?);
        let mut state = self.lock();
        if let Some(other) = state.lines.get(&name)
            && grant.scope != Scope::Serve
            && other.registration != registration.registration
        {
            return Err(refused(
                format!("there is a server '{name}' already, at {}", other.addresses.join(", ")),
                "name this one with `ringway serve --name`, or stop the other",
            ));
        }
        let heard = state
            .ledger
            .hear(registration.info.clone(), &leases_of(&running), unix_now_ms())
            .map_err(|conflict| refused(conflict.to_string(), "wait for the end of its leases, or name the server anew with `ringway serve --name`"))?;
        say_heard(&self.watch, &name, &heard);
        let (words, receiver) = sync_channel(WORDS_MAX);
        self.watch.joined(&who, &name, registration.info.gpus.len());
        tracing::info!(server = name, gpus = registration.info.gpus.len(), at = registration.addresses.join(", "), "server joined");
        let line = Line {
            number,
            registration: registration.registration,
            addresses: registration.addresses,
            authority: registration.authority,
            version: registration.version,
            running,
            words,
            socket,
        };
        line.say_over(&heard);
        if let Some(old) = state.lines.insert(name.clone(), line) {
            old.shut();
        }
        state.order_ends(&heard);
        self.stir(state);
        Ok((name, number, receiver))
    }

    /// Reads and writes a line until it ends; why.
    fn speak(&self, name: &str, number: u64, stream: &mut Stream, words: Receiver<PoolSays>) -> String {
        let joined = Reply::Pool(Box::new(PoolReply::Joined {
            pool: self.options.name.clone(),
            name: name.into(),
            key: self.key.public(),
            silence_s: SILENCE_MS / 1000,
        }));
        if let Err(error) = control::send(stream, &joined) {
            return error.to_string();
        }
        let mut writer = match stream.try_clone() {
            Ok(writer) => writer,
            Err(error) => return error.to_string(),
        };
        if let Err(error) = stream.time_out(Some(Duration::from_millis(SILENCE_MS))) {
            return error.to_string();
        }
        let spawned = std::thread::Builder::new().name("line".into()).spawn(move || {
            for word in words {
                if control::send(&mut writer, &word).is_err() {
                    break;
                }
            }
            // Its reader need not wait for its silence.
            if let Ok(socket) = writer.handle() {
                shut(&socket);
            }
        });
        if let Err(error) = spawned {
            return error.to_string();
        }
        loop {
            let running = match control::receive_within::<ServerSays>(stream, LINE_FRAME_BYTES_MAX) {
                Ok(ServerSays::Running(running)) => running,
                Ok(ServerSays::Ended(leases)) => {
                    self.hear_of_ends(name, &leases);
                    continue;
                }
                Err(error) => return error.to_string(),
            };
            let running = match check_running(running, name) {
                Ok(running) => running,
                Err(why) => return why,
            };
            if let Err(why) = self.hear(name, number, running) {
                return why;
            }
        }
    }

    /// Leases have ended on a server, which may never have been in a report.
    fn hear_of_ends(&self, name: &str, leases: &[u64]) {
        let mut state = self.lock();
        for id in leases {
            let is_there = |lease: &Lease| lease.slices.iter().any(|slice| slice.server == name);
            if state.ledger.scheduler().lease(*id).is_some_and(is_there) {
                state.end(*id, "it has ended on its server", unix_now_ms());
            }
        }
        self.stir(state);
    }

    fn hear(&self, name: &str, number: u64, running: HashMap<u64, Running>) -> Result<(), String> {
        let mut state = self.lock();
        if state.lines.get(name).is_none_or(|line| line.number != number) {
            return Err("the server has another line".into());
        }
        let Some(info) = state.ledger.server(name).cloned() else {
            return Err("the server was removed from the pool".into());
        };
        let heard = state.ledger.hear(info, &leases_of(&running), unix_now_ms()).map_err(|conflict| conflict.to_string())?;
        say_heard(&self.watch, name, &heard);
        state.order_ends(&heard);
        if let Some(line) = state.lines.get_mut(name) {
            line.running = running;
            line.say(PoolSays::Heard);
            line.say_over(&heard);
        }
        if heard.ended.is_empty() && heard.adopted.is_empty() {
            return Ok(());
        }
        self.stir(state);
        Ok(())
    }
}

impl State {
    /// Of leases that have ended as a server's report shows, the rest on other servers ends too, and tickets that were not used open nothing.
    fn order_ends(&mut self, heard: &Heard) {
        for ended in &heard.ended {
            self.asks.remove(&ended.lease.id);
            self.order_end(&ended.lease, "a part of the lease has ended");
        }
    }
}

fn say_heard(watch: &Watch, server: &str, heard: &Heard) {
    for ended in &heard.ended {
        tracing::info!(server, lease = format!("{:016x}", ended.lease.id), user = ended.lease.user, "lease ended");
    }
    for id in &heard.adopted {
        watch.adopted(*id, server);
        tracing::warn!(server, lease = format!("{id:016x}"), "a lease that the pool did not know runs there: taken in");
    }
    for conflict in &heard.conflicts {
        tracing::error!(server, "{conflict}");
    }
    if let Some(error) = &heard.unread {
        tracing::error!(server, "{error}; leases that are not known are looked at with the next report");
    }
    if let Some(error) = &heard.unwritten {
        tracing::error!("{error}; it is written later");
    }
}
