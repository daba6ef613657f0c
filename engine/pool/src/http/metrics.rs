//! `/metrics`: counters and histograms, and what is so now, in Prometheus' text format.
//!
//! Labels are bounded in number: GPUs by what a pool has, users by [`USERS_MAX`].

use super::Api;
use super::gate::Reader;
use super::problem::Problem;
use crate::pool::Numbers;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry, TEXT_FORMAT, TextEncoder};

/// Users that have a line of their own, those with most GPUs; the others are summed up as `(others)`, which is no user's name.
pub const USERS_MAX: usize = 100;
/// GPUs that have lines of their own; of those of a larger pool only sums are told.
pub const GPUS_MAX: usize = 4096;

/// Gauges of one moment.
pub(super) struct Gauges(Registry);

impl Gauges {
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    /// One gauge with labels.
    pub(super) fn tell(&self, name: &str, help: &str, labels: &[&str], rows: impl IntoIterator<Item = (Vec<String>, f64)>) -> prometheus::Result<()> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        for (values, value) in rows {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            gauge.get_metric_with_label_values(&values)?.set(value);
        }
        self.0.register(Box::new(gauge))
    }

    /// One without.
    pub(super) fn tell_one(&self, name: &str, help: &str, value: u64) -> prometheus::Result<()> {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &[])?;
        gauge.get_metric_with_label_values::<&str>(&[])?.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.0.register(Box::new(gauge))
    }

    /// All of them, and those of another registry.
    pub(super) fn text(&self, counters: Option<&Registry>) -> prometheus::Result<String> {
        let mut families = self.0.gather();
        families.extend(counters.into_iter().flat_map(Registry::gather));
        TextEncoder::new().encode_to_string(&families)
    }
}

/// As an answer.
pub(super) fn answer(text: prometheus::Result<String>) -> Result<Response, Problem> {
    let text = text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), "this is a fault of Ringway"))?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

fn gauges(name: &str, numbers: &Numbers, audit_is_broken: bool) -> prometheus::Result<Gauges> {
    let gauges = Gauges::new();
    let [up, draining, down] = numbers.servers;
    gauges.tell("ringway_pool_info", "The pool and its version; always 1.", &["pool", "version"], [(vec![name.into(), env!("CARGO_PKG_VERSION").into()], 1.0)])?;
    let states = [("up", up), ("draining", draining), ("down", down)];
    gauges.tell("ringway_servers", "Servers by state.", &["state"], states.map(|(state, count)| (vec![state.to_owned()], count as f64)))?;
    let sum = |of: fn(&crate::pool::GpuNumbers) -> u64| numbers.gpus.iter().map(of).sum();
    gauges.tell_one("ringway_pool_gpus", "GPUs of all servers.", numbers.gpus.len() as u64)?;
    gauges.tell_one("ringway_pool_memory_bytes", "Memory of all GPUs.", sum(|gpu| gpu.memory_bytes))?;
    gauges.tell_one("ringway_pool_memory_leased_bytes", "Memory of all GPUs that is leased.", sum(|gpu| gpu.leased_bytes))?;
    let gpu = |of: fn(&crate::pool::GpuNumbers) -> u64| {
        numbers.gpus.iter().take(GPUS_MAX).map(move |gpu| (vec![gpu.server.clone(), gpu.ordinal.to_string()], of(gpu) as f64))
    };
    let labels = ["server", "gpu"];
    gauges.tell("ringway_gpu_memory_bytes", "Memory of a GPU.", &labels, gpu(|gpu| gpu.memory_bytes))?;
    gauges.tell("ringway_gpu_memory_leased_bytes", "Memory of a GPU that is leased.", &labels, gpu(|gpu| gpu.leased_bytes))?;
    gauges.tell("ringway_gpu_memory_kept_bytes", "Memory of a GPU that is kept for requests that wait.", &labels, gpu(|gpu| gpu.kept_bytes))?;
    gauges.tell("ringway_gpu_memory_used_bytes", "Memory of a GPU that programs have allocated.", &labels, gpu(|gpu| gpu.used.allocated_bytes))?;
    let busy = numbers.gpus.iter().take(GPUS_MAX);
    let busy = busy.map(|gpu| (vec![gpu.server.clone(), gpu.ordinal.to_string()], f64::from(gpu.used.busy_thousandths) / 1000.0));
    gauges.tell("ringway_gpu_busy_ratio", "Part of the last second in which there was something to do for a GPU.", &labels, busy)?;
    gauges.tell("ringway_gpu_leases", "Leases that have a slice of a GPU.", &labels, gpu(|gpu| gpu.leases))?;
    gauges.tell_one("ringway_queue_length", "Requests that wait.", numbers.waiting)?;
    gauges.tell_one("ringway_leases", "Leases.", numbers.leases)?;
    gauges.tell_one("ringway_leases_orphaned", "Leases whose holder's connection broke.", numbers.orphaned)?;
    gauges.tell_one("ringway_sessions", "Processes with a session in a lease.", numbers.sessions)?;
    gauges.tell_one("ringway_links_suspended", "Lanes without a link at present.", numbers.suspended)?;
    gauges.tell_one("ringway_links_resumed", "Times that lanes of the present leases got another link.", numbers.resumed)?;
    gauges.tell_one("ringway_up_bytes_per_second", "Bytes that programs sent to servers in the last second.", numbers.up_bytes_per_s)?;
    gauges.tell_one("ringway_down_bytes_per_second", "Bytes that servers sent to programs in the last second.", numbers.down_bytes_per_s)?;
    gauges.tell_one("ringway_round_trips_per_second", "Calls that programs waited for in the last second.", numbers.waits_per_s)?;
    let mut users = numbers.users.clone();
    users.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others = users.split_off(users.len().min(USERS_MAX));
    if !others.is_empty() {
        let (gpus, bytes) = others.iter().fold((0, 0), |(gpus, bytes), user| (gpus + user.1, bytes + user.2));
        users.push(("(others)".into(), gpus, bytes));
    }
    let user = |of: fn(&(String, u64, u64)) -> u64| users.iter().map(move |user| (vec![user.0.clone()], of(user) as f64));
    gauges.tell("ringway_user_gpus", "Slices of GPUs that a user has.", &["user"], user(|user| user.1))?;
    gauges.tell("ringway_user_memory_bytes", "GPU memory that a user has.", &["user"], user(|user| user.2))?;
    gauges.tell_one("ringway_pool_audit_writable", "1: the audit log can be written.", u64::from(!audit_is_broken))?;
    Ok(gauges)
}

/// Metrics of the pool.
#[utoipa::path(get, path = "/metrics", tag = "pool", responses((status = 200, description = "Prometheus' text format.", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(api): State<Api>, Reader(_): Reader) -> Result<Response, Problem> {
    let pool = api.pool.clone();
    let text = api.work(move || {
        let watch = pool.watch();
        let gauges = gauges(pool.name(), &pool.numbers(), watch.audit.broken().is_some());
        Ok(gauges.and_then(|gauges| gauges.text(Some(&watch.counters.registry))))
    });
    answer(text.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        let users = (0..500u64).map(|i| (format!("user-{i:03}"), 1 + u64::from(i < 3), 10)).collect();
        let numbers = Numbers { users, waiting: 7, ..Numbers::default() };
        let text = gauges("p\"o\\ol\n", &numbers, true).unwrap().text(None).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("ringway_user_gpus{")).collect();
        assert_eq!(lines.len(), USERS_MAX + 1);
        assert!(lines.contains(&"ringway_user_gpus{user=\"(others)\"} 400"), "{lines:?}");
        assert!(text.contains("\nringway_user_memory_bytes{user=\"(others)\"} 4000\n") && text.contains("\nringway_queue_length 7\n"));
        assert!(text.contains("ringway_pool_info{pool=\"p\\\"o\\\\ol\\n\","), "{text}");
        assert!(text.contains("\nringway_pool_audit_writable 0\n"));
    }
}
