//! Leases and those who hold them.

use super::usage::Use;
use super::{Server, State, idle, not_resumed};
use crate::door::{Busy, Stream, answer, random_hex, rdma_state, refused, same_secret};
use crate::identity::{Grant, Scope};
use crate::lease::{Inventory, LeaseError};
use crate::scheduler::RequestId;
use crate::ticket::Claims;
use ringway_link::account::Account;
use ringway_link::shares::{self, LEASES};
use ringway_link::tcp::bound_silence;
use ringway_wire::control::{self, ControlError, Identity, LinkStatus, MemoryAsk, RESTART_PATIENCE_MS, Reply, Request, Slice, Terms};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A lease that asks for memory which others are giving back waits this long for it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a holder that does not read is waited for, when its lease has ended.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is looked whether the tokens of leases are good still.
const TOKENS_LOOK: Duration = Duration::from_secs(1);

pub(super) struct Lease {
    pub(super) secret: String,
    pub(super) slices: Vec<Slice>,
    pub(super) identity: Identity,
    pub(super) account: Arc<Account>,
    pub(super) slots_taken: u64,
    pub(super) since: Instant,
    pub(super) holder: Holder,
    /// What its bearer may do.
    pub(super) grant: Grant,
    /// The socket of its holder.
    pub(super) line: Option<OwnedFd>,
    /// Its token is worthless now, it was not used, or its pool has ended it: nobody may hold it any more.
    pub(super) ended: bool,
    /// Its workers are being ended.
    pub(super) closing: bool,
    /// What its holder is told about that.
    pub(super) last_word: Option<Reply>,
    /// Its terms, as they are in force.
    pub(super) terms: Terms,
    /// Its number in the block of shares.
    pub(super) place: u32,
    /// When it was used last by a session that has ended, or was granted; on the clock of [`shares::now`].
    pub(super) used: u64,
    /// What its sessions do.
    pub(super) used_by: Use,
    /// What its pool said of it, where a pool granted it.
    pub(super) pool: Option<Claims>,
}

impl Lease {
    /// Nobody may hold it any more; its holder is told why.
    pub(super) fn end(&mut self, reason: String, cure: String) {
        self.ended = true;
        self.last_word = Some(Reply::Ended { reason, cure });
        if let Some(line) = &self.line {
            stop_reading(line);
        }
    }
}

/// A lease that is to be.
struct Wanted {
    id: String,
    gpus: u32,
    grant: Grant,
    identity: Identity,
    terms: Terms,
    pool: Option<Claims>,
}

fn not_made(error: io::Error) -> Reply {
    refused(
        format!("the server could not make the lease: {error}"),
        "see the server's log",
    )
}

/// What a pool's lease is called on its servers.
pub(super) fn pool_lease_name(id: RequestId) -> String {
    format!("{id:016x}")
}

/// Who holds a lease.
pub(super) enum Holder {
    /// Its connection is open, as far as is known.
    There,
    /// Its connection broke: it may come back until then.
    Awaited(Instant),
    /// It came back over this connection, which the lease's thread takes.
    Back(Stream),
}

/// How a holder's connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HolderEnd {
    /// The lease is not wanted any more.
    Released,
    /// The connection was closed in order: the holder died, or something between closed.
    EndOfStream,
    /// It broke.
    Broken,
    /// This server ended it, because it restarts, or it ended with the server before this one.
    Restarted,
}

impl Server {
    pub(super) fn lease(
        &self,
        token: &str,
        gpus: u32,
        (memory, terms): (MemoryAsk, Terms),
        mut identity: Identity,
        stream: &Stream,
    ) -> Result<(String, Reply), Reply> {
        if let Some(reply) = self.refuse_for_pool() {
            return Err(reply);
        }
        let grant = self.door.admit(token, stream, Scope::may_use)?;
        if let Some(user) = &grant.user {
            identity.user.clone_from(user);
        }
        let id = random_hex(8).map_err(not_made)?;
        let wanted = Wanted { id, gpus, grant, identity, terms, pool: None };
        self.make_lease(wanted, stream, |inventory| inventory.grant(gpus, memory))
    }

    /// The lease that a ticket of the pool is good for.
    pub(super) fn redeem(&self, ticket: &str, mut identity: Identity, stream: &Stream) -> Result<(String, Reply), Reply> {
        let claims = self.admit_ticket(ticket, stream)?;
        identity.user.clone_from(&claims.user);
        let slices: Vec<(u32, u64)> = claims.slices.iter().map(|slice| (slice.ordinal, slice.memory_bytes)).collect();
        let wanted = Wanted {
            id: pool_lease_name(claims.lease),
            gpus: slices.len() as u32,
            grant: Grant { user: Some(claims.user.clone()), ..Grant::unbounded() },
            identity,
            terms: claims.terms,
            pool: Some(claims),
        };
        self.make_lease(wanted, stream, |inventory| inventory.take(&slices))
    }

    fn make_lease(
        &self,
        wanted: Wanted,
        stream: &Stream,
        choose: impl Fn(&mut Inventory) -> Result<Vec<Slice>, LeaseError>,
    ) -> Result<(String, Reply), Reply> {
        let Wanted { id, gpus, grant, identity, terms, pool } = wanted;
        check_terms(&terms)?;
        let secret = random_hex(32).map_err(not_made)?;
        let account =
            Arc::new(Account::create(gpus.clamp(1, control::LEASE_GPUS_MAX)).map_err(not_made)?);
        let line = stream.handle().map_err(not_made)?;
        let mut state = self.lock();
        check_gpus(&state, &grant, gpus)?;
        // Memory that is being freed right now is waited for: it is as good as free. So is all that a pool grants: it counts a lease as
        // ended when it orders that, and a part of a lease when another part has ended, which may not have come here yet.
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        let granted = loop {
            let granted = choose(&mut state.inventory);
            let left = deadline.saturating_duration_since(Instant::now());
            let is_awaited = state.ending > 0 || pool.is_some();
            if !matches!(granted, Err(LeaseError::NoMemory { .. })) || !is_awaited || left.is_zero() {
                break granted;
            }
            state = self
                .released
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        let slices = granted.map_err(|error| {
            refused(
                error.to_string(),
                "ask for less with -n, -p or -m, or wait until others release (ringway list)",
            )
        })?;
        if let Err(reply) = check_memory(&state, &grant, &slices).and_then(|()| check_gpus(&state, &grant, gpus)) {
            state.inventory.release(&slices);
            return Err(reply);
        }
        let Some(place) = state.places.begin_lease(&slices, &terms) else {
            state.inventory.release(&slices);
            return Err(refused(format!("the server has its limit of {LEASES} leases"), "wait until others end"));
        };
        let terms = Terms {
            compute_percent: terms.compute_percent.or_else(|| slices.iter().map(|slice| super::shares::percent(&terms, slice)).min()),
            idle_ms: Some(terms.idle_ms.unwrap_or(self.options.idle.as_millis() as u64)),
        };
        tracing::info!(
            lease = id,
            token = grant.name,
            user = identity.user,
            host = identity.host,
            program = identity.program,
            gpus,
            "lease granted"
        );
        let reply = Reply::Leased {
            lease: id.clone(),
            secret: secret.clone(),
            slices: slices.clone(),
            server: self.name().into(),
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.door.trusted_network,
            grace_ms: self.options.grace.as_millis() as u64,
        };
        state.leases.insert(
            id.clone(),
            Lease {
                secret,
                slices,
                identity,
                account,
                slots_taken: 0,
                since: Instant::now(),
                holder: Holder::There,
                grant,
                line: Some(line),
                ended: false,
                closing: false,
                last_word: None,
                terms,
                place,
                used: shares::now(),
                used_by: Use::new(gpus as usize),
                pool,
            },
        );
        if terms.idle_ms != Some(0) {
            self.idling.notify_all();
        }
        self.leased.notify_all();
        self.tell_pool();
        Ok((id, reply))
    }

    /// Answers, then waits for the holder to release (or die, or stay away for too long after its connection broke); then ends
    /// the lease's sessions and takes the slices back.
    pub(super) fn hold(&self, id: &str, mut stream: Stream, reply: &Reply, busy: Busy) {
        let sent = control::send(&mut stream, reply).is_ok();
        drop(busy);
        let end = if sent { self.held_until(&mut stream) } else { HolderEnd::Released };
        self.hold_on(id, Some(stream), end);
    }

    /// Goes on with a lease of the server before this one, whose holder is awaited.
    pub(super) fn hold_after_restart(&self, id: &str) {
        let is_closing = self.lock().leases.get(id).is_none_or(|lease| lease.closing);
        self.hold_on(id, None, if is_closing { HolderEnd::Released } else { HolderEnd::Restarted });
    }

    /// The life of a lease from the end of its holder's first connection on.
    fn hold_on(&self, id: &str, mut stream: Option<Stream>, mut end: HolderEnd) {
        loop {
            if end == HolderEnd::Restarted
                && let Some(mut stream) = stream.take()
                && stream.time_out(Some(LAST_WORD_TIMEOUT)).is_ok()
            {
                answer(&mut stream, &Reply::Restarting { back_ms: RESTART_PATIENCE_MS });
            }
            let Some(mut back) = self.await_holder(id, end) else { break };
            end = if control::send(&mut back, &Reply::Held).is_ok() {
                self.held_until(&mut back)
            } else {
                HolderEnd::Broken
            };
            // The last connection stays open: its holder may wait for the end of the lease.
            stream = Some(back);
        }
        if let Some(stream) = &mut stream {
            self.say_last_word(id, stream);
        }
        let mut state = self.lock();
        state.ending += 1;
        if let Some(lease) = state.leases.get_mut(id) {
            lease.closing = true;
        }
        drop(state);
        for session in self.lock().sessions.values().filter(|s| s.lease == id) {
            // SAFETY: a signal to a child that has not been reaped: its session is listed, the lock is held, and a session
            // is unlisted before its worker is reaped.
            unsafe { libc::kill(session.pid as libc::pid_t, libc::SIGTERM) };
        }
        // Workers end within their own bound; the slices must not be granted again before their memory is free.
        self.wait_for_workers(id);
        for session in self.lock().sessions.values().filter(|s| s.lease == id) {
            // SAFETY: as above.
            unsafe { libc::kill(session.pid as libc::pid_t, libc::SIGKILL) };
        }
        self.wait_for_workers(id);
        let mut state = self.lock();
        let removed = state.leases.remove(id);
        let of_pool = removed.as_ref().and_then(|lease| lease.pool.as_ref()).map(|claims| claims.lease);
        if let Some(lease) = removed {
            state.inventory.release(&lease.slices);
            state.places.end_lease(lease.place);
            tracing::info!(
                lease = id,
                held_s = lease.since.elapsed().as_secs(),
                "lease released"
            );
        }
        state.ending -= 1;
        drop(state);
        self.released.notify_all();
        if let Some(lease) = of_pool {
            self.tell_pool_of_end(lease);
        }
        // Now the holder, should it wait, sees that all is free.
        drop(stream);
    }

    /// Reads a holder's connection until it ends.
    fn held_until(&self, stream: &mut Stream) -> HolderEnd {
        if stream.time_out(None).is_err() {
            return HolderEnd::Broken;
        }
        if let Some(tcp) = stream.tcp()
            && let Err(error) = bound_silence(tcp)
        {
            tracing::warn!("a holder that is silent may stay unnoticed: {error}");
        }
        let mut meant = false;
        loop {
            match control::receive::<Request>(stream) {
                Ok(Request::Farewell) => meant = true,
                Err(ControlError::Io(_)) if meant => return HolderEnd::Released,
                Err(ControlError::Io(_)) if self.lock().restarting => return HolderEnd::Restarted,
                Err(ControlError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return HolderEnd::EndOfStream;
                }
                Err(ControlError::Io(_)) => return HolderEnd::Broken,
                // Nobody can say what the holder wants.
                _ => return HolderEnd::Released,
            }
        }
    }

    /// Tells the holder why the server ended the lease, if it did.
    fn say_last_word(&self, id: &str, stream: &mut Stream) {
        let word = self.lock().leases.get_mut(id).and_then(|lease| lease.last_word.take());
        if let Some(word) = word
            && stream.time_out(Some(LAST_WORD_TIMEOUT)).is_ok()
        {
            answer(stream, &word);
        }
    }

    /// Waits for the holder of a lease to come back; None if it does not.
    fn await_holder(&self, id: &str, end: HolderEnd) -> Option<Stream> {
        let patience = match end {
            HolderEnd::Released => return None,
            HolderEnd::EndOfStream => self.grace_after_end(),
            HolderEnd::Broken => self.options.grace,
            HolderEnd::Restarted => Duration::from_millis(RESTART_PATIENCE_MS),
        };
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        let lease = state.leases.get_mut(id)?;
        if lease.ended {
            return None;
        }
        // One that was awaited by the server before this one is so no longer than it would have been.
        let deadline = match lease.holder {
            Holder::Awaited(until) if end == HolderEnd::Restarted => until,
            _ => deadline,
        };
        // It may be back before this thread was there.
        if !matches!(lease.holder, Holder::Back(_)) {
            lease.holder = Holder::Awaited(deadline);
            lease.line = None;
        }
        // What is most probably about to be freed is waited for by those who want it.
        let ending = u32::from(matches!(end, HolderEnd::EndOfStream | HolderEnd::Restarted));
        state.ending += ending;
        if end == HolderEnd::Restarted {
            self.held.notify_all();
        } else {
            tracing::info!(
                lease = id,
                "the connection of the lease's holder broke; waiting for it for {patience:.1?}"
            );
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let lease = state.leases.get_mut(id)?;
            if left.is_zero() || lease.ended || matches!(lease.holder, Holder::Back(_)) {
                // After this nobody can come back any more.
                let holder = std::mem::replace(&mut lease.holder, Holder::There);
                state.ending -= ending;
                self.released.notify_all();
                return match holder {
                    Holder::Back(stream) => Some(stream),
                    Holder::There | Holder::Awaited(_) => None,
                };
            }
            state = self
                .held
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// How long to wait after a connection that was closed in order, without a word.
    fn grace_after_end(&self) -> Duration {
        self.options
            .grace
            .min(Duration::from_millis(control::GRACE_AFTER_END_MS))
    }

    /// Gives a lease's thread the connection over which its holder came back.
    pub(super) fn hold_again(&self, id: &str, secret: &str, stream: Stream) -> Result<(), (Stream, Reply)> {
        let mut state = self.lock();
        let found = state
            .leases
            .get_mut(id)
            .filter(|lease| same_secret(&lease.secret, secret));
        match found {
            None => Err((
                stream,
                not_resumed(
                    "there is no such lease",
                    "it ended, or the server was restarted; start the program again with ringway run",
                    false,
                ),
            )),
            Some(lease) if matches!(lease.holder, Holder::Awaited(_)) && !lease.ended => {
                lease.line = stream.handle().ok();
                lease.holder = Holder::Back(stream);
                self.held.notify_all();
                Ok(())
            }
            Some(_) => Err((
                stream,
                not_resumed(
                    "the lease has a holder",
                    "if its connection broke, the server will know in some seconds",
                    true,
                ),
            )),
        }
    }

    /// Ends the leases whose token was revoked or has expired, again and again.
    pub(super) fn watch_tokens(&self) {
        loop {
            let mut state = self.lock();
            let tokens = loop {
                let leases = state.leases.values().filter(|lease| !lease.ended);
                let tokens: HashSet<String> = leases.filter_map(|lease| lease.grant.token.clone()).collect();
                if !tokens.is_empty() {
                    break tokens;
                }
                state = self.leased.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            for token in tokens.into_iter().filter(|token| !self.door.still_good(token)) {
                for (id, lease) in &mut self.lock().leases {
                    if lease.grant.token.as_ref() == Some(&token) && !lease.ended {
                        tracing::info!(lease = id, token = lease.grant.name, "the token is not good any more: its lease ends");
                        lease.end(format!("the token '{}' is not good any more", lease.grant.name), "ask for another token".into());
                    }
                }
                self.held.notify_all();
            }
            std::thread::sleep(TOKENS_LOOK);
        }
    }

    /// Ends a lease, whoever holds it, and tells them why; whether it was there.
    pub(super) fn end_lease(&self, id: &str, reason: &str, cure: &str) -> bool {
        let mut state = self.lock();
        let Some(lease) = state.leases.get_mut(id).filter(|lease| !lease.ended) else { return false };
        tracing::info!(lease = id, "the lease ends: {reason}");
        lease.end(reason.into(), cure.into());
        self.held.notify_all();
        true
    }

    /// Waits until the lease has no worker any more, for at most ten seconds.
    fn wait_for_workers(&self, id: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.lock().sessions.values().any(|s| s.lease == id) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Ends the reading of a socket, whoever reads it; it can be written still.
pub(super) fn stop_reading(socket: &OwnedFd) {
    // SAFETY: an open descriptor of a socket. If it is closed by the peer already, its reader knows.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RD) };
}

/// Bytes and GPUs that a token's leases have now.
fn taken(state: &State, grant: &Grant) -> (u64, u32) {
    let mut sum = (0u64, 0u32);
    for lease in state.leases.values().filter(|lease| grant.token.is_some() && lease.grant.token == grant.token) {
        sum.0 = lease.slices.iter().fold(sum.0, |sum, slice| sum.saturating_add(slice.memory_bytes));
        sum.1 = sum.1.saturating_add(lease.slices.len() as u32);
    }
    sum
}

/// Whether terms make sense.
pub(crate) fn check_terms(terms: &Terms) -> Result<(), Reply> {
    if let Some(percent) = terms.compute_percent
        && !(1..=100).contains(&percent)
    {
        return Err(refused(format!("a share of {percent} % of a GPU's time cannot be had"), "ask for 1 to 100 with --compute"));
    }
    if let Some(idle_ms) = terms.idle_ms
        && idle_ms != 0
        && !(idle::MS_MIN..=idle::MS_MAX).contains(&idle_ms)
    {
        return Err(refused(
            format!("a lease that ends after {idle_ms} ms without use cannot be had"),
            format!("ask with --idle for {} s to {} days, or 0 for never", idle::MS_MIN / 1000, idle::MS_MAX / 86_400_000),
        ));
    }
    Ok(())
}

const ASK_FOR_LESS: &str = "ask for less, end other programs with this token, or ask for a token with more";

fn check_gpus(state: &State, grant: &Grant, gpus: u32) -> Result<(), Reply> {
    let have = taken(state, grant).1;
    match grant.max_gpus {
        Some(max) if have.saturating_add(gpus) > max => Err(refused(
            format!("the token '{}' is good for {max} GPUs at a time; its leases have {have}, and {gpus} were asked for", grant.name),
            ASK_FOR_LESS,
        )),
        _ => Ok(()),
    }
}

fn check_memory(state: &State, grant: &Grant, slices: &[Slice]) -> Result<(), Reply> {
    let have = taken(state, grant).0;
    let asked = slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.memory_bytes));
    match grant.max_memory_bytes {
        Some(max) if have.saturating_add(asked) > max => Err(refused(
            format!(
                "the token '{}' is good for {} MiB at a time; its leases have {}, and {} were asked for",
                grant.name,
                max >> 20,
                have >> 20,
                asked >> 20
            ),
            "ask for less with -m, end other programs with this token, or ask for a token with more",
        )),
        _ => Ok(()),
    }
}

/// State of the links of a lease, over all its sessions.
pub(super) fn links_of(state: &State, id: &str, lease: &Lease) -> LinkStatus {
    let mut sum = LinkStatus::default();
    for session in state.sessions.values().filter(|s| s.lease == id) {
        let links = lease.account.links(session.slot);
        sum.suspended += links.suspended;
        sum.resumed += links.resumed;
        if links.resumed > 0 {
            sum.pause_ms_last = links.pause_ms_last;
            sum.kind_last = links.kind_last;
        }
    }
    sum
}
