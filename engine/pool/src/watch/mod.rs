//! What happens in a pool, for those who look on: told at once (`events.rs`), counted (`counters.rs`), written down (`audit.rs`).
//!
//! The pool calls a method of [`Watch`] where something happens; each is short, waits for nobody, and changes nothing of what the pool
//! decides. Two do wait: [`Watch::asked`] and [`Watch::answered`], since what an administrator does is
//! written down before it is done, or not done.

pub mod audit;
pub mod counters;
pub mod events;

use crate::door::refused;
use crate::identity::{Token, TokenState};
use audit::Audit;
use counters::Counters;
use events::Events;
use ringway_secure::{hex, random, unix_now, unix_now_ms};
use ringway_wire::control::Reply;
use ringway_wire::pool::{AuditRow, Lease};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Characters of a text in the audit log at the most.
const TEXT_CHARS_MAX: usize = 256;
/// Refusals that are written down within [`REFUSALS_WINDOW`] at the most: whoever is not let in must not fill the disk.
const REFUSALS_MAX: u32 = 100;
const REFUSALS_WINDOW: Duration = Duration::from_secs(10);

/// By whom something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Name of the token; empty: none was needed.
    pub token: String,
    /// As whom the bearer counts.
    pub user: String,
    /// Where it was asked from; None: a Unix socket, or the pool itself.
    pub address: Option<IpAddr>,
}

/// See the module.
#[derive(Debug)]
pub struct Watch {
    /// For listeners.
    pub events: Events,
    /// For Prometheus.
    pub counters: Counters,
    /// For the record.
    pub audit: Audit,
    refusals: Mutex<Refusals>,
    /// Tokens that were seen, by identifier, and whether they were good; None: not looked yet.
    tokens: Mutex<Option<HashMap<String, bool>>>,
}

#[derive(Debug)]
struct Refusals {
    since: Instant,
    count: u32,
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

fn line(who: &Who, act: &str, subject: &str, outcome: &str, detail: &str) -> AuditRow {
    AuditRow {
        number: 0,
        time_ms: unix_now_ms(),
        act: act.into(),
        subject: bounded(subject),
        outcome: outcome.into(),
        token: bounded(&who.token),
        user: bounded(&who.user),
        address: who.address.map_or_else(String::new, |address| address.to_canonical().to_string()),
        detail: bounded(detail),
    }
}

/// A reply's cause.
pub fn cause(reply: &Reply) -> &str {
    match reply {
        Reply::Refused { reason, .. } => reason,
        _ => "it was refused",
    }
}

/// A lease or a request as it is written.
pub fn id_text(id: u64) -> String {
    format!("{id:016x}")
}

impl Watch {
    /// Of the pool whose folder this is.
    ///
    /// # Errors
    /// There is no thread for the audit log, or no random number.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let counters = Counters::default();
        let audit = Audit::open(folder, counters.audit_lost.clone())?;
        Ok(Self {
            events: Events::new(hex(&random::<4>()?)),
            counters,
            audit,
            refusals: Mutex::new(Refusals { since: Instant::now(), count: 0 }),
            tokens: Mutex::new(None),
        })
    }

    fn note(&self, who: &Who, act: &str, subject: &str, outcome: &str, detail: &str) {
        self.audit.write(line(who, act, subject, outcome, detail));
    }

    /// An administrator's act is to be done: it is on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written down, so it must not be done.
    pub fn asked(&self, who: &Who, act: &str, subject: &str, detail: &str) -> Result<(), Reply> {
        self.audit.write_now(line(who, act, subject, "asked", detail)).map_err(|why| {
            refused(format!("the pool's audit log cannot be written, so nothing is administered: {why}"), "make room on the pool's disk, or mend its folder")
        })
    }

    /// What came of it: on the disk before it is told, if it can be written.
    pub fn answered(&self, who: &Who, act: &str, subject: &str, refusal: Option<&Reply>) {
        let (outcome, detail) = refusal.map_or(("done", ""), |reply| ("refused", cause(reply)));
        // It has been done: a failure is in the log, and keeps the next act from being done.
        let _ = self.audit.write_now(line(who, act, subject, outcome, detail));
    }

    /// A request has been put into the queue.
    pub fn queued(&self, id: u64, who: &Who, gpus: u32) {
        self.counters.requests.inc();
        self.events.tell(unix_now_ms(), "request.queued", json!({ "id": id_text(id), "user": who.user, "gpus": gpus }));
    }

    /// A request has left the queue without a lease.
    pub fn withdrawn(&self, id: u64, who: &Who, why: &str) {
        self.counters.withdrawals.inc();
        self.events.tell(unix_now_ms(), "request.withdrawn", json!({ "id": id_text(id), "user": who.user, "why": why }));
        self.note(who, "lease.withdrawn", &id_text(id), "done", why);
    }

    /// A request was refused.
    pub fn refused(&self, who: &Who, reply: &Reply) {
        self.counters.refusals.inc();
        self.note_refusal(who, "lease.refused", "", cause(reply));
    }

    /// A token was not accepted, or not for what was asked; `id` is its identifier, which is no secret.
    pub fn token_refused(&self, id: &str, from: Option<IpAddr>, reply: &Reply) {
        self.counters.tokens_refused.inc();
        self.note_refusal(&Who { address: from, ..Who::default() }, "token.refused", id, cause(reply));
    }

    fn note_refusal(&self, who: &Who, act: &str, subject: &str, why: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.since.elapsed() >= REFUSALS_WINDOW {
            if refusals.count > REFUSALS_MAX {
                let more = format!("{} more were refused", refusals.count - REFUSALS_MAX);
                self.note(&Who::default(), "refusals.left-out", "", "refused", &more);
            }
            *refusals = Refusals { since: Instant::now(), count: 0 };
        }
        refusals.count = refusals.count.saturating_add(1);
        if refusals.count <= REFUSALS_MAX {
            self.note(who, act, subject, "refused", why);
        }
    }

    /// A lease was granted; `waited_ms`: since it was asked for.
    pub fn granted(&self, lease: &Lease, who: &Who, waited_ms: u64) {
        self.counters.grants.inc();
        self.counters.wait_seconds.observe(waited_ms as f64 / 1000.0);
        let slices: Vec<_> = lease.slices.iter().map(|slice| json!({ "server": slice.server, "gpu": slice.ordinal, "memory_bytes": slice.memory_bytes })).collect();
        let data = json!({ "id": id_text(lease.id), "user": lease.user, "group": lease.group, "slices": slices, "waited_ms": waited_ms });
        self.events.tell(unix_now_ms(), "lease.granted", data);
        self.note(who, "lease.granted", &id_text(lease.id), "done", &places(lease));
    }

    /// A lease has ended, and that is kept; if not, it may be: whoever leads next knows.
    pub fn ended(&self, lease: &Lease, why: &str, is_kept: bool) {
        if is_kept {
            self.counters.ends.inc();
            self.events.tell(unix_now_ms(), "lease.ended", json!({ "id": id_text(lease.id), "user": lease.user, "why": why }));
        }
        let outcome = if is_kept { "done" } else { "unresolved" };
        self.note(&Who { user: lease.user.clone(), ..Who::default() }, "lease.ended", &id_text(lease.id), outcome, why);
    }

    /// A lease may have been granted: whoever leads next knows. Nobody has it.
    pub fn may_be_granted(&self, lease: &Lease, who: &Who) {
        self.note(who, "lease.granted", &id_text(lease.id), "unresolved", &places(lease));
    }

    /// A server reported a lease that the pool did not know.
    pub fn adopted(&self, id: u64, server: &str) {
        self.counters.adoptions.inc();
        self.events.tell(unix_now_ms(), "lease.adopted", json!({ "id": id_text(id), "server": server }));
        self.note(&Who::default(), "lease.adopted", &id_text(id), "done", &format!("reported by {server}"));
    }

    /// A server has joined.
    pub fn joined(&self, who: &Who, server: &str, gpus: usize) {
        self.counters.joins.inc();
        self.events.tell(unix_now_ms(), "server.joined", json!({ "server": server, "gpus": gpus }));
        self.note(who, "server.joined", server, "done", &format!("{gpus} GPUs"));
    }

    /// A server was lost.
    pub fn lost(&self, server: &str, why: &str) {
        self.counters.losses.inc();
        self.events.tell(unix_now_ms(), "server.lost", json!({ "server": server, "why": why }));
        self.note(&Who::default(), "server.lost", server, "done", why);
    }

    /// A server was drained, undrained or removed by hand.
    pub fn administered(&self, kind: &'static str, server: &str) {
        self.events.tell(unix_now_ms(), kind, json!({ "server": server }));
    }

    /// Notes tokens that others than this pool have made or revoked since it was looked last: `ringway token` writes the file itself.
    pub fn look_at_tokens(&self, tokens: &[Token]) {
        // Who holds it changes tokens now, and notes that.
        let Ok(mut seen) = self.tokens.try_lock() else { return };
        let now = state_of(tokens);
        if let Some(seen) = &*seen
            && *seen != now
        {
            let local = "with the pool's folder, by `ringway token`";
            for token in tokens {
                match (seen.get(&token.id), token.state(unix_now()) == TokenState::Valid) {
                    (None, true) => self.note(&Who::default(), "token.created", &token.name, "done", &format!("scope {}, {local}", token.scope.name())),
                    (Some(true), false) if token.revoked.is_some() => self.note(&Who::default(), "token.revoked", &token.name, "done", local),
                    (Some(true), false) => self.note(&Who::default(), "token.expired", &token.name, "done", ""),
                    _ => {}
                }
            }
        }
        *seen = Some(now);
    }

    /// Changes a token, which the caller notes itself; what `then` gives is also its identifier, and whether it is good now.
    pub fn changing_tokens<R>(&self, then: impl FnOnce() -> (R, Option<(String, bool)>)) -> R {
        let mut seen = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, changed) = then();
        if let (Some(seen), Some((id, is_good))) = (&mut *seen, changed) {
            seen.insert(id, is_good);
        }
        result
    }
}

/// What a lease has, for people.
fn places(lease: &Lease) -> String {
    let places: Vec<_> = lease.slices.iter().map(|slice| format!("{}:{} {} MiB", slice.server, slice.ordinal, slice.memory_bytes >> 20)).collect();
    places.join(", ")
}

fn state_of(tokens: &[Token]) -> HashMap<String, bool> {
    tokens.iter().map(|token| (token.id.clone(), token.state(unix_now()) == TokenState::Valid)).collect()
}
