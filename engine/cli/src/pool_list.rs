//! `ringway list` of a pool: its servers and their GPUs.

use crate::Failure;
use crate::access::Server;
use crate::output::{BAD, GOOD, NOTE, Rows, age, clean, mib, styled};
use crate::overview::{GpuView, ServerView, all_servers, ask_pool, server_view, unexpected};
use ringway_pool::scheduler::Filter;
use ringway_wire::pool::{PoolReply, PoolRequest, ServerState};
use std::fmt::Write as _;

/// What a pool has.
pub struct PoolFound {
    pool: String,
    version: String,
    servers: Vec<ServerView>,
    waiting: u32,
}

/// What else a pool has, whose first servers came as an answer; of its GPUs those that all filters accept.
pub fn rest(from: &Server, first: PoolReply, filters: &[Filter]) -> Result<PoolFound, Failure> {
    let PoolReply::Servers { pool, version, rows, more } = first else { return Err(unexpected(from)) };
    let rows = all_servers(from, rows, more)?;
    let PoolReply::Queue { waiting, .. } = ask_pool(from, PoolRequest::Queue { from: u32::MAX })? else { return Err(unexpected(from)) };
    let servers = rows.into_iter().filter_map(|row| {
        let accepted: Vec<bool> = row.info.gpus.iter().map(|gpu| filters.iter().all(|filter| filter.accepts(&row.info, gpu))).collect();
        let mut view = server_view(row);
        view.gpus = view.gpus.into_iter().zip(accepted).filter_map(|(gpu, accepted)| accepted.then_some(gpu)).collect();
        // One without GPUs is shown where nothing was asked for.
        (filters.is_empty() || !view.gpus.is_empty()).then_some(view)
    });
    Ok(PoolFound { pool: clean(&pool), version: clean(&version), servers: servers.collect(), waiting })
}

/// Whether a server takes leases, in its colour.
pub fn state_text(server: &ServerView) -> String {
    match (server.state, server.silent_ms) {
        (ServerState::Up, _) => styled(GOOD, "up"),
        (ServerState::Draining, _) => styled(NOTE, "draining"),
        (ServerState::Down, Some(silent_ms)) => styled(BAD, format!("down for {}", age(silent_ms / 1000))),
        (ServerState::Down, None) => styled(BAD, "down"),
    }
}

/// A row for each GPU.
pub fn gpu_rows<'a>(servers: impl IntoIterator<Item = &'a ServerView>) -> Rows {
    let heads = ["!server", ">GPU", "name", "cc", ">memory MiB", ">leased MiB", ">kept MiB", ">free MiB", ">leases"];
    let mut rows = Rows::new(&heads);
    for server in servers {
        for gpu in &server.gpus {
            rows.add(gpu_row(&server.name, gpu));
        }
    }
    rows
}

fn gpu_row(server: &str, gpu: &GpuView) -> [String; 9] {
    [
        server.to_owned(),
        gpu.ordinal.to_string(),
        gpu.name.clone(),
        format!("{}.{}", gpu.compute_capability.0, gpu.compute_capability.1),
        mib(gpu.memory_bytes),
        mib(gpu.leased_bytes),
        mib(gpu.kept_bytes),
        mib(gpu.free_bytes()),
        gpu.leases.to_string(),
    ]
}

/// A number of things.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The labels of a server, as they were given.
pub fn labels_text(server: &ServerView) -> String {
    server.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

impl PoolFound {
    /// For programs.
    pub fn json(&self, address: &str) -> serde_json::Value {
        serde_json::json!({
            "address": address, "pool": self.pool, "version": self.version, "servers": self.servers, "queue_length": self.waiting,
        })
    }

    /// Which software it runs.
    pub fn version_text(&self, address: &str) -> String {
        format!("pool {} at {address}: ringway {}\n", self.pool, self.version)
    }

    /// For people.
    pub fn text(&self, address: &str, by_gpu: bool) -> String {
        let gpus: usize = self.servers.iter().map(|server| server.gpus.len()).sum();
        let mut text = String::new();
        let _ = writeln!(
            text,
            "pool {} at {address}: {}, {}, {} in the queue",
            self.pool,
            count(self.servers.len(), "server"),
            count(gpus, "GPU"),
            count(self.waiting as usize, "request")
        );
        let rows = if by_gpu { gpu_rows(&self.servers) } else { self.server_rows() };
        if !rows.is_empty() {
            text += &rows.text();
        }
        text
    }

    fn server_rows(&self) -> Rows {
        let heads = ["!server", "state", ">GPUs", "name", ">memory MiB", ">leased MiB", ">kept MiB", ">free MiB", ">leases", "labels"];
        let mut rows = Rows::new(&heads);
        for server in &self.servers {
            let mut names: Vec<&str> = server.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
            names.dedup();
            rows.add([
                server.name.clone(),
                state_text(server),
                server.gpus.len().to_string(),
                names.join(", "),
                mib(server.sum(|gpu| gpu.memory_bytes)),
                mib(server.sum(|gpu| gpu.leased_bytes)),
                mib(server.sum(|gpu| gpu.kept_bytes)),
                mib(server.sum(GpuView::free_bytes)),
                server.sum(|gpu| u64::from(gpu.leases)).to_string(),
                labels_text(server),
            ]);
        }
        rows
    }
}
