//! What happens in a pool, told at once to whoever listens.
//!
//! The last [`KEPT_MAX`] events are kept, so that a listener whose connection broke goes on where it was. Nobody is waited for: a listener
//! that is [`BEHIND_MAX`] events behind is dropped.

use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Events that are kept for those who come back.
pub const KEPT_MAX: usize = 4096;
/// Events that a listener may be behind.
pub const BEHIND_MAX: usize = 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Number since the pool began, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// What, as `lease.granted`.
    pub kind: &'static str,
    /// About what.
    pub data: Value,
}

/// See the module.
#[derive(Debug)]
pub struct Events {
    /// Tells the numbers of this run of the pool from those of others.
    run: String,
    kept: Mutex<Kept>,
    sender: Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Arc<Event>>,
}

/// What a listener gets.
#[derive(Debug)]
pub struct Subscription {
    /// What it missed, oldest first.
    pub missed: Vec<Arc<Event>>,
    /// It missed more than is kept, or is from another run of the pool: it has to look at everything anew.
    pub has_gap: bool,
    /// What comes.
    pub receiver: Receiver<Arc<Event>>,
}

impl Events {
    /// None yet; `run` is a text of digits and letters that no other run of the pool has.
    pub fn new(run: String) -> Self {
        Self { run, kept: Mutex::default(), sender: channel(BEHIND_MAX).0 }
    }

    /// Tells of something.
    pub fn tell(&self, time_ms: u64, kind: &'static str, data: Value) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let event = Arc::new(Event { number: kept.last, time_ms, kind, data });
        if kept.events.len() == KEPT_MAX {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        // Under the lock, so that listeners get them in order. Nobody need listen.
        let _ = self.sender.send(event);
    }

    /// As an event is named to listeners.
    pub fn name(&self, event: &Event) -> String {
        format!("{}-{}", self.run, event.number)
    }

    /// From after the event of this name on; None: from now on.
    pub fn subscribe(&self, after: Option<&str>) -> Subscription {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(after) = after else {
            return Subscription { missed: Vec::new(), has_gap: false, receiver };
        };
        let number = after.strip_prefix(&self.run).and_then(|rest| rest.strip_prefix('-')).and_then(|number| number.parse::<u64>().ok());
        let first = kept.events.front().map_or(kept.last + 1, |event| event.number);
        match number.filter(|number| *number <= kept.last) {
            Some(number) => {
                let missed: Vec<_> = kept.events.iter().filter(|event| event.number > number).cloned().collect();
                Subscription { missed, has_gap: number + 1 < first, receiver }
            }
            None => Subscription { missed: kept.events.iter().cloned().collect(), has_gap: true, receiver },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::sync::broadcast::error::TryRecvError;

    fn numbers(subscription: &Subscription) -> Vec<u64> {
        subscription.missed.iter().map(|event| event.number).collect()
    }

    #[test]
    fn who_comes_back_goes_on_where_it_was() {
        let events = Events::new("a1".into());
        for i in 0..5 {
            events.tell(i, "lease.granted", json!({ "i": i }));
        }
        let mut back = events.subscribe(Some("a1-3"));
        assert_eq!((numbers(&back), back.has_gap), (vec![4, 5], false));
        events.tell(9, "lease.ended", json!({}));
        assert_eq!(back.receiver.try_recv().unwrap().number, 6);
        assert!(numbers(&events.subscribe(None)).is_empty());
        assert_eq!(numbers(&events.subscribe(Some("a1-6"))), Vec::<u64>::new());
        // Of another run, of the future, or no name at all: what is there, and the word that it is not all.
        for name in ["b2-3", "a1-7", "a1-x", "a1", "", "a1--1"] {
            let all = events.subscribe(Some(name));
            assert_eq!((numbers(&all).len(), all.has_gap), (6, true), "{name}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_slow_are_dropped() {
        let events = Events::new("a1".into());
        let mut slow = events.subscribe(None);
        for i in 0..KEPT_MAX as u64 + 10 {
            events.tell(i, "lease.granted", json!({}));
        }
        assert_eq!(events.kept.lock().unwrap().events.len(), KEPT_MAX);
        assert!(matches!(slow.receiver.try_recv(), Err(TryRecvError::Lagged(_))));
        assert!(!events.subscribe(Some("a1-10")).has_gap);
        assert!(events.subscribe(Some("a1-9")).has_gap);
    }
}
