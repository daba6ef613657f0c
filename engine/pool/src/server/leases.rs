//! Leases and those who hold them.

use super::connection::{Stream, rdma_state};
use super::pending::shut;
use super::{Server, State, not_resumed, random_hex, refused, same_secret};
use crate::identity::Grant;
use crate::lease::LeaseError;
use ringway_link::account::Account;
use ringway_link::tcp::bound_silence;
use ringway_wire::control::{self, ControlError, Identity, LinkStatus, MemoryAsk, Reply, Request, Slice};
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A lease that asks for memory which others are giving back waits this long for it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// Its token is worthless now: nobody may hold it any more.
    pub(super) ended: bool,
}

/// Who holds a lease.
pub(super) enum Holder {
    /// Its connection is open, as far as is known.
    There,
    /// Its connection broke: it may come back.
    Awaited,
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
}

impl Server {
    pub(super) fn lease(
        &self,
        token: &str,
        gpus: u32,
        memory: MemoryAsk,
        mut identity: Identity,
        stream: &Stream,
    ) -> Result<(String, Reply), Reply> {
        let grant = self.admission.admit(token, stream)?;
        if let Some(user) = &grant.user {
            identity.user.clone_from(user);
        }
        let internal = |error: io::Error| {
            refused(
                format!("the server could not make the lease: {error}"),
                "see the server's log",
            )
        };
        let id = random_hex(8).map_err(internal)?;
        let secret = random_hex(32).map_err(internal)?;
        let account =
            Arc::new(Account::create(gpus.clamp(1, control::LEASE_GPUS_MAX)).map_err(internal)?);
        let line = stream.handle().map_err(internal)?;
        let mut state = self.lock();
        check_gpus(&state, &grant, gpus)?;
        // Memory that is being freed right now is waited for: it is as good as free.
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        let granted = loop {
            let granted = state.inventory.grant(gpus, memory);
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(granted, Err(LeaseError::NoMemory { .. }))
                || state.ending == 0
                || left.is_zero()
            {
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
            server: self.options.name.clone(),
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.trusted_network,
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
            },
        );
        self.leased.notify_all();
        Ok((id, reply))
    }

    /// Answers, then waits for the holder to release (or die, or stay away for too long after its connection broke); then ends
    /// the lease's sessions and takes the slices back.
    pub(super) fn hold(&self, id: &str, mut stream: Stream, reply: &Reply) {
        let mut end = if control::send(&mut stream, reply).is_ok() {
            held_until(&mut stream)
        } else {
            HolderEnd::Released
        };
        while let Some(mut back) = self.await_holder(id, end) {
            end = if control::send(&mut back, &Reply::Held).is_ok() {
                held_until(&mut back)
            } else {
                HolderEnd::Broken
            };
            // The last connection stays open: its holder may wait for the end of the lease.
            stream = back;
        }
        self.lock().ending += 1;
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
        if let Some(lease) = state.leases.remove(id) {
            state.inventory.release(&lease.slices);
            tracing::info!(
                lease = id,
                held_s = lease.since.elapsed().as_secs(),
                "lease released"
            );
        }
        state.ending -= 1;
        self.released.notify_all();
        // Now the holder, should it wait, sees that all is free.
        drop(stream);
    }

    /// Waits for the holder of a lease to come back; None if it does not.
    fn await_holder(&self, id: &str, end: HolderEnd) -> Option<Stream> {
        let patience = match end {
            HolderEnd::Released => return None,
            HolderEnd::EndOfStream => self.grace_after_end(),
            HolderEnd::Broken => self.options.grace,
        };
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        if state.leases.get(id)?.ended {
            return None;
        }
        // What is most probably about to be freed is waited for by those who want it.
        let ending = u32::from(end == HolderEnd::EndOfStream);
        state.ending += ending;
        state.leases.get_mut(id)?.holder = Holder::Awaited;
        tracing::info!(
            lease = id,
            "the connection of the lease's holder broke; waiting for it for {patience:.1?}"
        );
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
                    Holder::There | Holder::Awaited => None,
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
            Some(lease) if matches!(lease.holder, Holder::Awaited) && !lease.ended => {
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
            for token in tokens.into_iter().filter(|token| !self.admission.still_good(token)) {
                for (id, lease) in &mut self.lock().leases {
                    if lease.grant.token.as_ref() == Some(&token) && !lease.ended {
                        tracing::info!(lease = id, token = lease.grant.name, "the token is not good any more: its lease ends");
                        lease.ended = true;
                        if let Some(line) = &lease.line {
                            shut(line);
                        }
                    }
                }
                self.held.notify_all();
            }
            std::thread::sleep(TOKENS_LOOK);
        }
    }

    /// Waits until the lease has no worker any more, for at most ten seconds.
    fn wait_for_workers(&self, id: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.lock().sessions.values().any(|s| s.lease == id) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
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

/// Reads a holder's connection until it ends.
fn held_until(stream: &mut Stream) -> HolderEnd {
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
            Err(ControlError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return HolderEnd::EndOfStream;
            }
            Err(ControlError::Io(_)) => return HolderEnd::Broken,
            // Nobody can say what the holder wants.
            _ => return HolderEnd::Released,
        }
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
