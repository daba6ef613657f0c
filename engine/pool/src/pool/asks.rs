//! What programs ask for, from the question to the tickets.
//!
//! A program's connection is its place in the queue: while it waits it is told where it stands, and if it goes, its request goes. When GPUs
//! are granted it gets a ticket for each server and keeps the connection until it has brought them there; if it goes before, the lease is
//! taken back.

use super::{Pool, State, user_of};
use crate::door::{Stream, answer, refused};
use crate::identity::{Grant, Scope};
use crate::scheduler::{Filter, Lease, Placement, Refusal, Request as Wish, RequestId};
use crate::server::{check_terms, ticket_peer};
use crate::ticket::{self, Claims, TicketSlice};
use crate::watch::Who;
use ringway_secure::{random, unix_now_ms};
use ringway_wire::control::{self, Identity, MemoryAsk, Reply, Request, Terms};
use ringway_wire::pool::{Granted, Part, WAITING_MS, Wishes};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Programs that wait at a time at the most: each has a thread and a connection.
pub(super) const ASKS_MAX: usize = 4096;
/// Of one user.
pub(super) const ASKS_OF_USER_MAX: usize = 512;
/// One that is served sooner is not told that it waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// A server whose line ended while its GPUs were granted has this long to come back: it may restart in place.
const SERVER_PATIENCE: Duration = Duration::from_secs(5);

/// What a program asks for.
pub(super) struct Wanted {
    pub(super) gpus: u32,
    pub(super) memory: MemoryAsk,
    pub(super) identity: Identity,
    pub(super) terms: Terms,
    pub(super) wishes: Wishes,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    Granted(Lease),
    /// Its time was over.
    TimedOut,
    Failed {
        reason: String,
        cure: &'static str,
    },
}

/// A question, and the lease that it became.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) identity: Identity,
    pub(super) terms: Terms,
    pub(super) filters: Vec<String>,
    pub(super) since_ms: u64,
    /// Token of whoever asks; None: they need none.
    pub(super) token: Option<String>,
    /// Who that is, for the record.
    pub(super) who: Who,
    pub(super) outcome: Option<Outcome>,
    /// A byte is written here when there is an outcome; None: nobody waits any more.
    pub(super) wake: Option<UnixStream>,
}

impl Ask {
    /// Tells whoever waits.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        if let Some(mut wake) = self.wake.take() {
            // Its reader may be on its way out.
            let _ = wake.write_all(&[1]);
        }
    }
}

fn refusal(refusal: &Refusal) -> Reply {
    let cure = match refusal {
        Refusal::Invalid(_) => "see `ringway run --help`",
        Refusal::Impossible(_) => "ask for what the pool has: `ringway list`",
        Refusal::Quota(_) => "`ringway quota list` shows what there is",
        Refusal::Disabled(_) => "ask the pool's administrator (`ringway user enable`)",
        Refusal::QueueFull(_) => "try again later",
    };
    refused(refusal.to_string(), cure)
}

/// What a token's leases have now: GPUs and bytes.
fn taken(state: &State, token: &str, but: RequestId) -> (u64, u64) {
    let leases = state.ledger.scheduler().leases().filter(|lease| lease.id != but && lease.token == token);
    leases.fold((0, 0), |(gpus, bytes), lease| {
        let own = lease.slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.memory_bytes));
        (gpus + lease.slices.len() as u64, bytes.saturating_add(own))
    })
}

impl Pool {
    /// The life of a question; the connection is the program's.
    pub(super) fn ask(&self, mut stream: Stream, token: &str, wanted: Wanted) {
        let (id, mut wake, grant) = match self.submit(&stream, token, wanted) {
            Ok(submitted) => submitted,
            Err(reply) => {
                answer(&mut stream, &reply);
                return;
            }
        };
        let is_there = self.wait(id, &mut stream, &mut wake);
        let outcome = self.lock().asks.get_mut(&id).and_then(|ask| ask.outcome.take());
        match outcome {
            Some(Outcome::Granted(lease)) if is_there => {
                let checked = check_granted(&self.lock(), &grant, &lease);
                match checked {
                    Ok(()) => self.hand_over(stream, lease),
                    Err(reply) => {
                        self.take_back(id, "it is more than its token is good for");
                        answer(&mut stream, &reply);
                    }
                }
            }
            Some(Outcome::Granted(_)) => {
                self.take_back(id, "its program went away before it was granted");
            }
            Some(Outcome::TimedOut) => {
                let asked_ms = self.withdraw_ask(id, "its time to wait was over").map_or(0, |ask| ask.since_ms);
                answer(&mut stream, &Reply::TimedOut { waited_ms: unix_now_ms().saturating_sub(asked_ms) });
            }
            Some(Outcome::Failed { reason, cure }) => {
                self.withdraw_ask(id, &reason);
                answer(&mut stream, &refused(reason, cure));
            }
            None => {
                self.withdraw_ask(id, "its program went away");
                let mut state = self.lock();
                state.ledger.cancel(id);
                // What was kept for it is free for others.
                self.stir(state);
                if is_there {
                    answer(&mut stream, &refused("the lease was ended before its program had it", "start the program again"));
                }
            }
        }
    }

    /// Forgets a question that led to no lease.
    fn withdraw_ask(&self, id: RequestId, why: &str) -> Option<Ask> {
        let ask = self.lock().asks.remove(&id)?;
        self.watch.withdrawn(id, &ask.who, why);
        Some(ask)
    }

    fn take_back(&self, id: RequestId, why: &str) {
        let mut state = self.lock();
        state.end(id, why, unix_now_ms());
        self.stir(state);
    }

    /// Puts a question into the queue.
    fn submit(&self, stream: &Stream, token: &str, wanted: Wanted) -> Result<(RequestId, UnixStream, Grant), Reply> {
        let caller = self.admit(token, stream, Scope::may_use)?;
        let who = caller.who(&wanted.identity);
        self.enqueue(caller.grant, wanted, &who).inspect_err(|reply| self.watch.refused(&who, reply))
    }

    fn enqueue(&self, grant: Grant, wanted: Wanted, who: &Who) -> Result<(RequestId, UnixStream, Grant), Reply> {
        let Wanted { gpus, memory, mut identity, terms, wishes } = wanted;
        let internal = |error: std::io::Error| refused(format!("the pool could not take the request: {error}"), "see the pool's log");
        check_terms(&terms)?;
        let filters = wishes.filters.iter().map(|text| text.parse::<Filter>());
        let filters: Vec<Filter> =
            filters.collect::<Result<_, _>>().map_err(|error| refused(error.to_string(), "see `ringway run --help`"))?;
        identity.user = user_of(&grant, &identity);
        bound_texts(&mut identity);
        let now_ms = unix_now_ms();
        let id = u64::from_le_bytes(random::<8>().map_err(internal)?);
        let wish = Wish {
            id,
            user: identity.user.clone(),
            group: String::new(),
            gpus,
            memory,
            filters,
            priority: 0,
            placement: if wishes.spread { Placement::Spread } else { Placement::Pack },
            one_server: wishes.one_server,
            near: identity.host.clone(),
            has_rdma: wishes.has_rdma,
            deadline_ms: wishes.timeout_ms.map(|timeout| now_ms.saturating_add(timeout)),
            token: grant.token.clone().unwrap_or_default(),
        };
        let (wake, woken) = UnixStream::pair().map_err(internal)?;
        let mut state = self.lock();
        let waiting = state.asks.values().filter(|ask| ask.wake.is_some());
        let (all, own) = waiting.fold((0, 0), |(all, own), ask| (all + 1, own + usize::from(ask.identity.user == identity.user)));
        if all >= ASKS_MAX || own >= ASKS_OF_USER_MAX {
            let whose = if own >= ASKS_OF_USER_MAX { format!("{own} of yours") } else { all.to_string() };
            return Err(refused(format!("too many requests are waiting: {whose}"), "wait until some were served"));
        }
        check_token(&state, &grant, id, u64::from(gpus), 0)?;
        state.ledger.submit(wish).map_err(|why| refusal(&why))?;
        state.asks.insert(
            id,
            Ask { identity, terms, filters: wishes.filters, since_ms: now_ms, token: grant.token.clone(), who: who.clone(), outcome: None, wake: Some(wake) },
        );
        self.watch.queued(id, who, gpus);
        self.stir(state);
        Ok((id, woken, grant))
    }

    /// Waits for the outcome, telling the program where it stands; false if it went away.
    fn wait(&self, id: RequestId, stream: &mut Stream, wake: &mut UnixStream) -> bool {
        let mut next = PATIENCE;
        let mut told = (0, Instant::now());
        loop {
            match stream.wait_beside(wake, next) {
                // What a program has to say while it waits is that it does not.
                Ok((true, _)) | Err(_) => return false,
                Ok((_, true)) => {
                    let _ = wake.read(&mut [0]);
                    return true;
                }
                Ok((false, false)) => {}
            }
            next = Duration::from_millis(250);
            let state = self.lock();
            let scheduler = state.ledger.scheduler();
            let Some(place) = scheduler.position(id) else { continue };
            let (place, waiting) = (place as u32, scheduler.waiting_count() as u32);
            if told.0 == place && told.1.elapsed() < Duration::from_millis(WAITING_MS) {
                continue;
            }
            let why = scheduler.why_waiting(id, unix_now_ms()).unwrap_or_else(|| "its turn".into());
            drop(state);
            told = (place, Instant::now());
            if control::send(stream, &Reply::Waiting { place, waiting, why }).is_err() {
                return false;
            }
        }
    }

    /// Gives a program the tickets, and sees that it brings them to their servers.
    fn hand_over(&self, mut stream: Stream, lease: Lease) {
        let id = lease.id;
        let granted = match self.tickets(&lease) {
            Ok(granted) => granted,
            Err(reply) => {
                self.take_back(id, "no ticket could be made");
                answer(&mut stream, &reply);
                return;
            }
        };
        let until = Duration::from_millis(ticket::LIFETIME_MS);
        let is_brought = control::send(&mut stream, &Reply::Granted(Box::new(granted))).is_ok()
            && stream.time_out(Some(until)).is_ok()
            && matches!(control::receive::<Request>(&mut stream), Ok(Request::Farewell));
        let is_confirmed = self.lock().ledger.is_confirmed(id);
        if !is_brought && !is_confirmed {
            self.take_back(id, "its program did not bring the tickets to the servers");
        }
    }

    fn tickets(&self, lease: &Lease) -> Result<Granted, Reply> {
        let is_away = |state: &mut State| lease.slices.iter().any(|slice| !state.lines.contains_key(&slice.server));
        let waited = self.changed.wait_timeout_while(self.lock(), SERVER_PATIENCE, is_away);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let terms = state.asks.get(&lease.id).map(|ask| ask.terms).unwrap_or_default();
        let mut parts: Vec<Part> = Vec::new();
        let mut slices: Vec<Vec<TicketSlice>> = Vec::new();
        for slice in &lease.slices {
            let place = match parts.iter().position(|part| part.server == slice.server) {
                Some(place) => place,
                None => {
                    let Some(line) = state.lines.get(&slice.server) else {
                        return Err(refused(
                            format!("the server '{}' was lost while its GPUs were granted", slice.server),
                            "ask again: start the program anew",
                        ));
                    };
                    parts.push(Part {
                        server: slice.server.clone(),
                        addresses: line.addresses.clone(),
                        authority: line.authority.clone(),
                        ticket: String::new(),
                    });
                    slices.push(Vec::new());
                    parts.len() - 1
                }
            };
            slices[place].push(TicketSlice { ordinal: slice.ordinal, memory_bytes: slice.memory_bytes });
        }
        let peers = match &parts[..] {
            [_] => Vec::new(),
            all => all.iter().map(|part| ticket_peer(&part.addresses, part.authority.as_deref())).collect(),
        };
        for (part, slices) in parts.iter_mut().zip(slices) {
            let registration = state.lines.get(&part.server).map_or(0, |line| line.registration);
            let mut claims = Claims {
                lease: lease.id,
                server: part.server.clone(),
                registration,
                user: lease.user.clone(),
                slices,
                expires_ms: unix_now_ms().saturating_add(ticket::LIFETIME_MS),
                group: lease.group.clone(),
                since_ms: lease.since_ms,
                terms,
                token: lease.token.clone(),
                peers: peers.clone(),
            };
            part.ticket = claims.sign(&self.key);
            if part.ticket.len() > ticket::TICKET_BYTES_MAX {
                // Of very many servers with long names: the program goes without paths between them.
                claims.peers = Vec::new();
                part.ticket = claims.sign(&self.key);
            }
        }
        Ok(Granted { lease: format!("{:016x}", lease.id), pool: self.options.name.clone(), parts })
    }
}

/// Whether a lease that was decided on is within its token's bounds; why not.
fn check_granted(state: &State, grant: &Grant, lease: &Lease) -> Result<(), Reply> {
    let bytes = lease.slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.memory_bytes));
    check_token(state, grant, lease.id, lease.slices.len() as u64, bytes)
}

/// Whether a token is good for this much more.
fn check_token(state: &State, grant: &Grant, id: RequestId, gpus: u64, bytes: u64) -> Result<(), Reply> {
    const CURE: &str = "ask for less, end other programs with this token, or ask for a token with more";
    let Some(token) = &grant.token else { return Ok(()) };
    let (have_gpus, have_bytes) = taken(state, token, id);
    match (grant.max_gpus, grant.max_memory_bytes) {
        (Some(max), _) if have_gpus + gpus > u64::from(max) => Err(refused(
            format!("the token '{}' is good for {max} GPUs at a time; its leases have {have_gpus}, and {gpus} were asked for", grant.name),
            CURE,
        )),
        (_, Some(max)) if have_bytes.saturating_add(bytes) > max => Err(refused(
            format!(
                "the token '{}' is good for {} MiB at a time; its leases have {}, and {} were asked for",
                grant.name,
                max >> 20,
                have_bytes >> 20,
                bytes >> 20
            ),
            CURE,
        )),
        _ => Ok(()),
    }
}

/// What a program says of itself is shown to others: as long as a line, and without what moves a terminal's cursor.
pub(super) fn bound_texts(identity: &mut Identity) {
    for text in [&mut identity.user, &mut identity.host, &mut identity.program] {
        *text = text.chars().filter(|c| !c.is_control()).take(120).collect();
    }
}
