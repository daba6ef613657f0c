//! What is counted while a pool runs, for Prometheus: counters and histograms. What is so at a moment is asked for when it is wanted
//! (`http/metrics.rs`).

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// Bounds of buckets for what takes the pool itself a moment, in seconds.
const MOMENTS: [f64; 13] = [5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 2.5];
/// Bounds of buckets for what programs wait, in seconds.
const WAITS: [f64; 13] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// See the module.
#[derive(Debug)]
pub struct Counters {
    /// All of them.
    pub registry: Registry,
    /// Leases granted.
    pub grants: IntCounter,
    /// Leases that ended.
    pub ends: IntCounter,
    /// Leases that servers reported and the pool did not know.
    pub adoptions: IntCounter,
    /// Requests put into the queue.
    pub requests: IntCounter,
    /// Requests that ended without a lease.
    pub withdrawals: IntCounter,
    /// Requests that were refused.
    pub refusals: IntCounter,
    /// From the request to the lease.
    pub wait_seconds: Histogram,
    /// A pass over those that wait, with its way to the disk.
    pub decision_seconds: Histogram,
    /// A write to the store.
    pub commit_seconds: Histogram,
    /// Tokens that were refused.
    pub tokens_refused: IntCounter,
    /// Servers that joined, again or for the first time.
    pub joins: IntCounter,
    /// Servers that were lost.
    pub losses: IntCounter,
    /// Lines of the audit log that could not be written.
    pub audit_lost: IntCounter,
    /// HTTP requests by route and status.
    pub http_requests: IntCounterVec,
    /// HTTP connections refused because there were too many.
    pub http_refused: IntCounter,
    /// Listeners to events that were too slow.
    pub listeners_dropped: IntCounter,
}

impl Default for Counters {
    #[allow(clippy::expect_used, reason = "names and labels are those of this file; a test makes them all")]
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a name of this file");
            registry.register(Box::new(counter.clone())).expect("a name of its own");
            counter
        };
        let histogram = |name: &str, help: &str, bounds: &[f64]| {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())).expect("bounds of this file");
            registry.register(Box::new(histogram.clone())).expect("a name of its own");
            histogram
        };
        let http_requests = IntCounterVec::new(Opts::new("ringway_pool_http_requests_total", "HTTP requests answered, by route and status."), &["route", "status"])
            .expect("labels of this file");
        registry.register(Box::new(http_requests.clone())).expect("a name of its own");
        Self {
            grants: counter("ringway_lease_grants_total", "Leases granted."),
            ends: counter("ringway_lease_ends_total", "Leases that ended."),
            adoptions: counter("ringway_lease_adoptions_total", "Leases that a server reported and the pool did not know."),
            requests: counter("ringway_queue_requests_total", "Requests put into the queue."),
            withdrawals: counter("ringway_queue_withdrawals_total", "Requests that left the queue without a lease."),
            refusals: counter("ringway_lease_refusals_total", "Requests for GPUs that were refused."),
            wait_seconds: histogram("ringway_queue_wait_seconds", "Time from a request to its lease.", &WAITS),
            decision_seconds: histogram("ringway_pool_decision_seconds", "Time of a pass over the queue, with its write to the store.", &MOMENTS),
            commit_seconds: histogram("ringway_pool_store_commit_seconds", "Time of a write to the pool's store.", &MOMENTS),
            tokens_refused: counter("ringway_pool_token_refusals_total", "Tokens that were not accepted, or not for what was asked."),
            joins: counter("ringway_server_joins_total", "Servers that joined, for the first time or again."),
            losses: counter("ringway_server_losses_total", "Servers whose connection ended or that fell silent."),
            audit_lost: counter("ringway_pool_audit_lost_total", "Lines of the audit log that could not be written."),
            http_refused: counter("ringway_pool_http_connections_refused_total", "HTTP connections closed because there were too many."),
            listeners_dropped: counter("ringway_pool_event_listeners_dropped_total", "Listeners to events that were too slow."),
            http_requests,
            registry,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_can_be_registered() {
        let counters = super::Counters::default();
        counters.grants.inc();
        let all = counters.registry.gather();
        let grants = all.iter().find(|family| family.name() == "ringway_lease_grants_total").unwrap();
        assert_eq!(grants.get_metric()[0].get_counter().get_value(), 1.0);
        assert!(all.iter().all(|family| family.name().starts_with("ringway_") && !family.help().is_empty()));
    }
}
