//! The thread that decides: who gets GPUs, whose time to wait is over, which servers are silent, which tokens are worthless.

use super::asks::Outcome;
use super::{Pool, State};
use crate::store::StoreError;
use crate::watch::Who;
use ringway_secure::unix_now_ms;
use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often it is looked for silent servers and worthless tokens.
const LOOK: Duration = Duration::from_secs(1);

impl Pool {
    pub(super) fn decide_for_ever(&self) {
        let mut next_look = Instant::now();
        loop {
            self.wait_for_change(next_look);
            let mut state = self.lock();
            if Instant::now() >= next_look {
                next_look = Instant::now() + LOOK;
                self.look_around(&mut state);
            }
            self.expire(&mut state);
            let more = self.decide(&mut state);
            state.is_stale |= more;
        }
    }

    /// Until something has changed, a request's time is over, or it is time to look around.
    fn wait_for_change(&self, next_look: Instant) {
        let state = self.lock();
        let now_ms = unix_now_ms();
        let deadline = state.ledger.scheduler().next_deadline_ms().map(|deadline| Duration::from_millis(deadline.saturating_sub(now_ms)));
        let look = next_look.saturating_duration_since(Instant::now());
        let wait = deadline.map_or(look, |deadline| deadline.min(look));
        let waited = self.changed.wait_timeout_while(state, wait, |state| !state.is_stale);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_stale = false;
    }

    fn expire(&self, state: &mut State) {
        for id in state.ledger.expire(unix_now_ms()) {
            if let Some(ask) = state.asks.get_mut(&id) {
                ask.settle(Outcome::TimedOut);
            }
        }
    }

    /// One pass over those that wait; whether there is more to look at.
    fn decide(&self, state: &mut State) -> bool {
        let timer = (state.ledger.scheduler().waiting_count() > 0).then(|| self.watch.counters.decision_seconds.start_timer());
        let decision = match state.ledger.decide(unix_now_ms()) {
            Ok(decision) => decision,
            Err((error, lost)) => {
                tracing::error!("{error}");
                // A node that leads no more is about to end, and whoever waits asks the next one.
                let is_deposed = matches!(error, StoreError::NotLeader | StoreError::Unresolved);
                for lease in lost {
                    let Some(ask) = state.asks.get_mut(&lease.id) else { continue };
                    if matches!(error, StoreError::Unresolved) {
                        self.watch.may_be_granted(&lease, &ask.who);
                    }
                    if !is_deposed {
                        ask.settle(Outcome::Failed { reason: format!("the pool cannot write its decisions down: {error}"), cure: "tell the pool's administrator" });
                    }
                }
                return true;
            }
        };
        drop(timer);
        for lease in decision.granted {
            tracing::info!(
                lease = format!("{:016x}", lease.id),
                user = lease.user,
                gpus = lease.slices.len(),
                servers = lease.slices.iter().map(|slice| slice.server.as_str()).collect::<Vec<_>>().join(","),
                "lease granted"
            );
            match state.asks.get_mut(&lease.id) {
                Some(ask) => {
                    self.watch.granted(&lease, &ask.who, unix_now_ms().saturating_sub(ask.since_ms));
                    ask.settle(Outcome::Granted(lease));
                }
                // Its program went away and could not take the request back in time.
                None => {
                    self.watch.granted(&lease, &Who { user: lease.user.clone(), ..Who::default() }, 0);
                    state.end(lease.id, "nobody waits for it", unix_now_ms());
                }
            }
        }
        decision.more
    }

    fn look_around(&self, state: &mut State) {
        for name in state.ledger.find_silent(unix_now_ms()) {
            tracing::warn!(server = name, "the server is silent: it gets no new leases until it is heard of again");
            self.watch.lost(&name, "it was silent");
            if let Some(line) = state.lines.remove(&name) {
                line.shut();
            }
        }
        // Leases tell their tokens themselves: those that were granted before this pool began have nobody else who knows.
        let leases = || state.ledger.scheduler().leases().filter(|lease| !lease.token.is_empty());
        let tokens: HashSet<String> = state.asks.values().filter_map(|ask| ask.token.clone()).chain(leases().map(|lease| lease.token.clone())).collect();
        for token in tokens.into_iter().filter(|token| !self.door.still_good(token)) {
            let asks = state.asks.iter().filter(|(_, ask)| ask.token.as_ref() == Some(&token)).map(|(id, _)| *id);
            let leases = state.ledger.scheduler().leases().filter(|lease| lease.token == token).map(|lease| lease.id);
            let ids: HashSet<u64> = asks.chain(leases).collect();
            for id in ids {
                if state.ledger.cancel(id) {
                    if let Some(ask) = state.asks.get_mut(&id) {
                        ask.settle(Outcome::Failed { reason: "the token is not good any more".into(), cure: "ask for another" });
                    }
                } else {
                    state.end(id, "the token is not good any more", unix_now_ms());
                }
            }
        }
        if let Some(tokens) = self.door.tokens() {
            self.watch.look_at_tokens(&tokens);
        }
        // Of a lease that has ended nobody asks any more.
        let State { asks, ledger, .. } = state;
        asks.retain(|id, ask| ask.wake.is_some() || ask.outcome.is_some() || ledger.scheduler().lease(*id).is_some());
    }
}
