//! Metrics of one server (`ringway serve --metrics`): the same door, the same tokens, and nothing but `/metrics`.

use super::gate::{Gate, Reader};
use super::metrics::{Gauges, answer};
use super::problem::Problem;
use super::{HttpError, HttpListener, guarded, serve};
use crate::door::Host;
use crate::server::Server;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use ringway_wire::control::{GpuStatus, LeaseStatus};
use std::sync::Arc;
use tokio::runtime::Runtime;

#[derive(Clone)]
struct Served {
    server: Arc<Server>,
    gate: Arc<Gate>,
}

impl AsRef<Arc<Gate>> for Served {
    fn as_ref(&self) -> &Arc<Gate> {
        &self.gate
    }
}

fn text(server: &str, gpus: &[GpuStatus], leases: &[LeaseStatus]) -> prometheus::Result<String> {
    let gauges = Gauges::new();
    gauges.tell("ringway_server_info", "The server and its version; always 1.", &["server", "version"], [(vec![server.into(), env!("CARGO_PKG_VERSION").into()], 1.0)])?;
    let labels = ["gpu", "name"];
    let of = |value: fn(&GpuStatus) -> u64| gpus.iter().map(move |gpu| (vec![gpu.ordinal.to_string(), gpu.name.clone()], value(gpu) as f64));
    gauges.tell("ringway_server_gpu_memory_bytes", "Memory of a GPU.", &labels, of(|gpu| gpu.memory_bytes))?;
    gauges.tell("ringway_server_gpu_memory_leased_bytes", "Memory of a GPU that is leased.", &labels, of(|gpu| gpu.memory_bytes_leased))?;
    gauges.tell("ringway_server_gpu_leases", "Leases that have a slice of a GPU.", &labels, of(|gpu| gpu.leases.into()))?;
    gauges.tell("ringway_server_gpu_memory_used_bytes", "Memory of a GPU that programs have allocated.", &labels, of(|gpu| gpu.used.allocated_bytes))?;
    let busy = gpus.iter().map(|gpu| (vec![gpu.ordinal.to_string(), gpu.name.clone()], f64::from(gpu.used.busy_thousandths) / 1000.0));
    gauges.tell("ringway_server_gpu_busy_ratio", "Part of the last second in which there was something to do for a GPU.", &labels, busy)?;
    let sum = |value: fn(&LeaseStatus) -> u64| leases.iter().map(value).sum();
    gauges.tell_one("ringway_server_leases", "Leases.", leases.len() as u64)?;
    gauges.tell_one("ringway_server_leases_orphaned", "Leases whose holder's connection broke.", sum(|lease| lease.orphaned.into()))?;
    gauges.tell_one("ringway_server_sessions", "Processes with a session in a lease.", sum(|lease| lease.sessions.into()))?;
    gauges.tell_one("ringway_server_links_suspended", "Lanes without a link at present.", sum(|lease| lease.links.suspended.into()))?;
    gauges.tell_one("ringway_server_links_resumed", "Times that lanes of the present leases got another link.", sum(|lease| lease.links.resumed.into()))?;
    gauges.tell_one("ringway_server_up_bytes_per_second", "Bytes that programs sent here in the last second.", sum(|lease| lease.used.up_bytes_per_s))?;
    gauges.tell_one("ringway_server_down_bytes_per_second", "Bytes that were sent to programs in the last second.", sum(|lease| lease.used.down_bytes_per_s))?;
    gauges.tell_one("ringway_server_round_trips_per_second", "Calls that programs waited for in the last second.", sum(|lease| lease.used.waits_per_s))?;
    gauges.text(None)
}

async fn metrics(State(served): State<Served>, Reader(_): Reader) -> Result<Response, Problem> {
    let told = tokio::task::spawn_blocking(move || {
        let (gpus, leases) = served.server.status();
        text(served.server.name(), &gpus, &leases)
    });
    answer(told.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a thread failed", "see the server's log"))?)
}

/// Serves a server's metrics, on threads of its own, for as long as what is returned lives.
///
/// # Errors
/// [`HttpError`].
pub fn serve_metrics(server: &Arc<Server>, listener: HttpListener) -> Result<Runtime, HttpError> {
    let host: Arc<dyn Host> = Arc::<Server>::clone(server);
    let gate = Arc::new(Gate::new(host, None));
    let router = Router::new().route("/metrics", get(metrics)).fallback(|| async { StatusCode::NOT_FOUND });
    let router = guarded(router).with_state(Served { server: Arc::clone(server), gate: Arc::clone(&gate) });
    serve(listener, gate, router, || {})
}
