//! What happens, as it happens: Server-Sent Events (WHATWG HTML, 9.2).
//!
//! Each event has an `id` by which a client that comes back says what it had last. An event `gap` says that some are missing: the client
//! then has to ask for everything anew.

use super::Api;
use super::gate::{Gate, Reader};
use super::problem::Problem;
use crate::identity::Grant;
use crate::watch::Watch;
use crate::watch::events::Event;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Listeners at a time.
pub const LISTENERS_MAX: usize = 128;
/// Of one token.
pub const LISTENERS_OF_TOKEN_MAX: usize = 16;
/// How often a silent stream says that it is there, and it is looked whether its token is good.
const PULSE: Duration = Duration::from_secs(10);
/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// Who listens, by token.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<HashMap<String, usize>>);

struct Place(Arc<Listeners>, String);

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.1);
            }
        }
    }
}

impl Listeners {
    fn enter(self: &Arc<Self>, token: &str) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, own) = (all.values().sum::<usize>(), all.get(token).copied().unwrap_or(0));
        if total >= LISTENERS_MAX || own >= LISTENERS_OF_TOKEN_MAX {
            return None;
        }
        all.insert(token.into(), own + 1);
        Some(Place(Arc::clone(self), token.into()))
    }
}

struct Listening {
    receiver: Receiver<Arc<Event>>,
    missed: VecDeque<Arc<Event>>,
    has_gap: bool,
    watch: Arc<Watch>,
    gate: Arc<Gate>,
    grant: Grant,
    _place: Place,
}

impl Listening {
    fn told(&self, event: &Event) -> sse::Event {
        let data = serde_json::json!({ "time_ms": event.time_ms, "data": event.data });
        sse::Event::default().id(self.watch.events.name(event)).event(event.kind).data(data.to_string())
    }

    /// The next to be sent; None: the end.
    async fn next(&mut self) -> Option<sse::Event> {
        if std::mem::take(&mut self.has_gap) {
            return Some(sse::Event::default().event("gap").data("{}"));
        }
        if let Some(event) = self.missed.pop_front() {
            return Some(self.told(&event));
        }
        match tokio::time::timeout(PULSE, self.receiver.recv()).await {
            Ok(Ok(event)) if self.gate.still_good(&self.grant) => Some(self.told(&event)),
            Err(_) if self.gate.still_good(&self.grant) => Some(sse::Event::default().comment("")),
            Ok(Err(RecvError::Lagged(_))) => {
                self.watch.counters.listeners_dropped.inc();
                tracing::info!(token = self.grant.name, "a listener to events was too slow: its connection is closed");
                None
            }
            Ok(Ok(_) | Err(RecvError::Closed)) | Err(_) => None,
        }
    }
}

fn stream(listening: Listening) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    unfold(listening, |mut listening| async move { listening.next().await.map(|event| (Ok(event), listening)) })
}

/// What happens from now on, or since the event that the header `Last-Event-ID` names.
#[utoipa::path(get, path = "/api/v1/events", tag = "pool", params(("Last-Event-ID" = Option<String>, Header, description = "`id` of the last event that is known.")),
    responses((status = 200, description = "Events: request.queued, request.withdrawn, lease.granted, lease.ended, lease.adopted, server.joined, server.lost, server.drained, server.undrained, server.removed, and gap.", body = String, content_type = "text/event-stream"), (status = 429, body = Problem)))]
pub(super) async fn events(State(api): State<Api>, Reader(caller): Reader, headers: HeaderMap) -> Response {
    let token = caller.grant.token.clone().unwrap_or_default();
    let Some(place) = api.listeners.enter(&token) else {
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many listen to events", "close other streams of this token").into_response();
    };
    let after = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let watch = Arc::clone(api.pool.watch());
    let subscription = watch.events.subscribe(after);
    let listening = Listening {
        receiver: subscription.receiver,
        missed: subscription.missed.into(),
        has_gap: subscription.has_gap,
        watch,
        gate: Arc::clone(&api.gate),
        grant: caller.grant,
        _place: place,
    };
    use futures_util::StreamExt as _;
    let hello = futures_util::stream::once(async { Ok(sse::Event::default().retry(RETRY).comment("ringway")) });
    Sse::new(hello.chain(stream(listening))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_bounded_in_all_and_by_token() {
        let listeners = Arc::new(Listeners::default());
        let mut places: Vec<_> = (0..LISTENERS_OF_TOKEN_MAX).map(|_| listeners.enter("a").unwrap()).collect();
        assert!(listeners.enter("a").is_none());
        places.pop();
        places.push(listeners.enter("a").unwrap());
        for i in 0..LISTENERS_MAX - LISTENERS_OF_TOKEN_MAX {
            places.push(listeners.enter(&i.to_string()).unwrap());
        }
        assert!(listeners.enter("other").is_none());
        drop(places);
        assert!(listeners.0.lock().unwrap().is_empty());
    }
}
