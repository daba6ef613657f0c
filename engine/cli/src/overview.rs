//! What runs where: a pool's servers, leases and requests, or those of single servers, in one shape.
//!
//! What a peer writes is shown on terminals, so control characters are taken out of all texts here.
//!
//! One question tells which of the two answers: a server gives its inventory, a pool the first of its servers.

use crate::Failure;
use crate::access::{AccessArgs, Server, no_server};
use crate::output::{clean, since};
use ringway_link::endpoint::Endpoint;
use ringway_wire::control::{GpuStatus, LeaseStatus, LeaseUse, MemoryAsk, Reply, Request, SliceUse};
use ringway_wire::pool::{LeaseRow, PoolReply, PoolRequest, Principal, QueueRow, QuotaRow, ServerRow, ServerState, UserSettings};
use serde::Serialize;
use std::collections::BTreeMap;

/// Rows of one kind that are fetched at the most: more than anybody reads.
const ALL_MAX: usize = 100_000;

/// Whom a command asks.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// Pool or server to ask (HOST:PORT or unix:/PATH), instead of the token file's.
    #[arg(long, env = "RINGWAY_SERVER", value_delimiter = ',', value_name = "ADDR")]
    server: Vec<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
}

impl SourceArgs {
    /// All that are named, or the token file's.
    ///
    /// # Errors
    /// There is none, or the token file is not usable.
    pub fn all(&self) -> Result<Vec<Server>, Failure> {
        let servers = self.access.servers(&self.server, true)?;
        if servers.is_empty() { Err(no_server()) } else { Ok(servers) }
    }

    /// The one; of several the first.
    ///
    /// # Errors
    /// As [`SourceArgs::all`].
    pub fn first(&self) -> Result<Server, Failure> {
        self.all()?.into_iter().next().ok_or_else(no_server)
    }

    /// The shared secret or token that was given for servers without a token file.
    pub fn plain(&self, target: ringway_link::endpoint::Target) -> Server {
        Server::of(vec![target], self.access.plain_token().to_owned())
    }
}

/// A server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerView {
    pub name: String,
    pub state: ServerState,
    pub address: String,
    pub hostname: String,
    pub version: String,
    /// Which libcuda it uses, or its version.
    pub driver: String,
    /// None: not since the pool began.
    pub silent_ms: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub gpus: Vec<GpuView>,
}

impl ServerView {
    /// Sums one number over its GPUs.
    pub fn sum(&self, of: impl Fn(&GpuView) -> u64) -> u64 {
        self.gpus.iter().fold(0u64, |sum, gpu| sum.saturating_add(of(gpu)))
    }
}

/// A GPU, and what of its memory is in use.
#[derive(Debug, Clone, Serialize)]
pub struct GpuView {
    pub ordinal: u32,
    pub name: String,
    /// None: a pool does not say.
    pub uuid: Option<String>,
    pub compute_capability: (u32, u32),
    pub memory_bytes: u64,
    pub leased_bytes: u64,
    /// Kept for requests that wait.
    pub kept_bytes: u64,
    pub leases: u32,
    pub used: SliceUse,
}

impl GpuView {
    /// Bytes that are neither leased nor kept.
    pub fn free_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.leased_bytes).saturating_sub(self.kept_bytes)
    }
}

/// A part of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SliceView {
    pub server: String,
    pub ordinal: u32,
    pub memory_bytes: u64,
}

/// How it is with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// A process uses it.
    Running,
    /// No process uses it now.
    Held,
    /// Granted, and not yet seen on its servers.
    Granted,
    /// The connection of its holder broke, and it is waited for.
    Orphaned,
}

impl LeaseState {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Held => "held",
            Self::Granted => "granted",
            Self::Orphaned => "orphaned",
        }
    }
}

/// A lease.
#[derive(Debug, Clone, Serialize)]
pub struct LeaseView {
    pub id: String,
    pub user: String,
    pub group: String,
    pub host: String,
    pub program: String,
    pub pid: u32,
    pub state: LeaseState,
    pub sessions: u32,
    pub age_s: u64,
    pub slices: Vec<SliceView>,
    /// What its sessions do; by slice, in their order.
    pub used: LeaseUse,
}

impl LeaseView {
    /// Its servers, each once, in the order of its slices.
    pub fn servers(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for slice in &self.slices {
            if !names.contains(&slice.server.as_str()) {
                names.push(&slice.server);
            }
        }
        names
    }

    /// Its slices, as `GPU 0 1024 MiB`; their servers are a column of their own.
    pub fn slices_text(&self) -> String {
        self.slices.iter().map(|slice| format!("GPU {} {} MiB", slice.ordinal, slice.memory_bytes >> 20)).collect::<Vec<_>>().join(" + ")
    }

    /// Bytes of them that programs have allocated.
    pub fn allocated_bytes(&self) -> u64 {
        self.used.slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.allocated_bytes))
    }

    /// How busy its GPUs are with it, in the mean, as `37 %`.
    pub fn busy_text(&self) -> String {
        let sum: u32 = self.used.slices.iter().map(|slice| slice.busy_thousandths.min(1000)).fold(0, u32::saturating_add);
        format!("{:.0} %", f64::from(sum) / 10.0 / self.slices.len().max(1) as f64)
    }

    /// Bytes of all its slices.
    pub fn memory_bytes(&self) -> u64 {
        self.slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.memory_bytes))
    }
}

/// A request that waits in a pool.
#[derive(Debug, Clone, Serialize)]
pub struct QueueView {
    pub id: String,
    /// From 1.
    pub place: u32,
    pub user: String,
    pub group: String,
    pub host: String,
    pub program: String,
    pub pid: u32,
    pub priority: i32,
    pub gpus: u32,
    pub memory: MemoryAsk,
    pub filters: Vec<String>,
    pub age_s: u64,
    pub why: String,
}

impl QueueView {
    /// What it asks for, as `2 x 512 MiB` or `2 x 0.5`.
    pub fn wants_text(&self) -> String {
        match self.memory {
            MemoryAsk::Fraction(fraction) => format!("{} x {fraction}", self.gpus),
            MemoryAsk::Mib(mib) => format!("{} x {mib} MiB", self.gpus),
        }
    }
}

/// A pool, or servers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overview {
    /// Name of the pool; None: these are single servers.
    pub pool: Option<String>,
    pub address: String,
    pub version: String,
    pub servers: Vec<ServerView>,
    pub leases: Vec<LeaseView>,
    pub queue: Vec<QueueView>,
}

/// Asks a pool something.
///
/// # Errors
/// It cannot be reached, or refuses.
pub fn ask_pool(pool: &Server, ask: PoolRequest) -> Result<PoolReply, Failure> {
    let (_, reply, target) = pool.ask(&Request::Pool { token: pool.token.clone(), ask })?;
    match reply {
        Reply::Pool(reply) => Ok(*reply),
        _ => Err(unexpected(&target)),
    }
}

/// An answer that fits no question.
pub fn unexpected(from: &impl std::fmt::Display) -> Failure {
    Failure::new(format!("{from}: the answer does not fit the question; use the ringway program of the same release"))
}

/// Fetches rows page by page: `page` is given the last row there is.
fn pages<T>(first: Vec<T>, first_more: bool, mut page: impl FnMut(&T) -> Result<(Vec<T>, bool), Failure>) -> Result<Vec<T>, Failure> {
    let (mut all, mut more) = (first, first_more);
    while more && all.len() < ALL_MAX {
        let Some(last) = all.last() else { break };
        let (rows, again) = page(last)?;
        more = again && !rows.is_empty();
        all.extend(rows);
    }
    Ok(all)
}

/// All servers of a pool, where the first are known.
pub fn all_servers(pool: &Server, first: Vec<ServerRow>, more: bool) -> Result<Vec<ServerRow>, Failure> {
    pages(first, more, |last| match ask_pool(pool, PoolRequest::Servers { after: Some(last.info.name.clone()) })? {
        PoolReply::Servers { rows, more, .. } => Ok((rows, more)),
        _ => Err(unexpected(pool)),
    })
}

/// All leases of a pool.
pub fn all_leases(pool: &Server) -> Result<Vec<LeaseRow>, Failure> {
    let page = |after| match ask_pool(pool, PoolRequest::Leases { after })? {
        PoolReply::Leases { rows, more } => Ok((rows, more)),
        _ => Err(unexpected(pool)),
    };
    let (first, more) = page(None)?;
    pages(first, more, |last| page(Some(last.lease.id)))
}

/// Ends leases of a pool; how many. One that has ended meanwhile is none.
pub fn end_leases_of(pool: &Server, which: impl Fn(&LeaseRow) -> bool) -> Result<usize, Failure> {
    let leases: Vec<u64> = all_leases(pool)?.iter().filter(|lease| which(lease)).map(|lease| lease.lease.id).collect();
    for lease in &leases {
        if let Err(failure) = ask_pool(pool, PoolRequest::Release { lease: *lease }) {
            let is_there = all_leases(pool)?.iter().any(|row| row.lease.id == *lease);
            if is_there {
                return Err(failure);
            }
        }
    }
    Ok(leases.len())
}

/// All requests that wait in a pool.
pub fn all_waiting(pool: &Server) -> Result<Vec<QueueRow>, Failure> {
    let mut all: Vec<QueueRow> = Vec::new();
    loop {
        let PoolReply::Queue { rows, waiting } = ask_pool(pool, PoolRequest::Queue { from: all.len() as u32 })? else {
            return Err(unexpected(pool));
        };
        let is_last = rows.is_empty() || all.len() + rows.len() >= (waiting as usize).min(ALL_MAX);
        all.extend(rows);
        if is_last {
            return Ok(all);
        }
    }
}

/// All quotas of a pool.
pub fn all_quotas(pool: &Server) -> Result<Vec<QuotaRow>, Failure> {
    let page = |after| match ask_pool(pool, PoolRequest::Quotas { after })? {
        PoolReply::Quotas { rows, more } => Ok((rows, more)),
        _ => Err(unexpected(pool)),
    };
    let (first, more) = page(None)?;
    let mut rows = pages(first, more, |last| page(Some(last.principal.clone())))?;
    for row in &mut rows {
        if let Principal::User(name) | Principal::Group(name) = &mut row.principal {
            *name = clean(name);
        }
        if let Some(UserSettings { group, .. }) = &mut row.settings {
            *group = clean(group);
        }
    }
    Ok(rows)
}

/// A server of a pool.
pub fn server_view(row: ServerRow) -> ServerView {
    let info = row.info;
    let nothing = ringway_wire::pool::GpuRow { leased_bytes: 0, kept_bytes: 0, leases: 0, used: SliceUse::default() };
    let uses = row.gpus.into_iter().chain(std::iter::repeat(nothing));
    let gpus = info.gpus.iter().zip(uses).enumerate().map(|(ordinal, (gpu, used))| GpuView {
        ordinal: ordinal as u32,
        name: clean(&gpu.name),
        uuid: None,
        compute_capability: gpu.compute_capability,
        memory_bytes: gpu.memory_bytes,
        leased_bytes: used.leased_bytes,
        kept_bytes: used.kept_bytes,
        leases: used.leases,
        used: used.used,
    });
    ServerView {
        gpus: gpus.collect(),
        name: clean(&info.name),
        state: row.state,
        address: clean(&info.address),
        hostname: clean(&info.hostname),
        version: clean(&row.version),
        driver: clean(&info.driver_version),
        silent_ms: row.silent_ms,
        labels: info.labels.iter().map(|(key, value)| (clean(key), clean(value))).collect(),
    }
}

fn lease_state(sessions: u32, is_confirmed: bool, orphaned: bool) -> LeaseState {
    match (orphaned, sessions, is_confirmed) {
        (true, ..) => LeaseState::Orphaned,
        (_, 1.., _) => LeaseState::Running,
        (_, 0, true) => LeaseState::Held,
        (_, 0, false) => LeaseState::Granted,
    }
}

fn lease_view(row: LeaseRow) -> LeaseView {
    LeaseView {
        id: format!("{:016x}", row.lease.id),
        user: clean(&row.lease.user),
        group: clean(&row.lease.group),
        host: clean(&row.identity.host),
        program: clean(&row.identity.program),
        pid: row.identity.pid,
        state: lease_state(row.sessions, row.is_confirmed, row.orphaned),
        sessions: row.sessions,
        age_s: since(row.lease.since_ms),
        used: row.used,
        slices: row
            .lease
            .slices
            .into_iter()
            .map(|slice| SliceView { server: clean(&slice.server), ordinal: slice.ordinal, memory_bytes: slice.memory_bytes })
            .collect(),
    }
}

fn queue_view((index, row): (usize, QueueRow)) -> QueueView {
    QueueView {
        id: format!("{:016x}", row.id),
        place: index as u32 + 1,
        user: clean(&row.user),
        group: clean(&row.group),
        host: clean(&row.identity.host),
        program: clean(&row.identity.program),
        pid: row.identity.pid,
        priority: row.priority,
        gpus: row.gpus,
        memory: row.memory,
        filters: row.filters.iter().map(|filter| clean(filter)).collect(),
        age_s: if row.since_ms == 0 { 0 } else { since(row.since_ms) },
        why: clean(&row.why),
    }
}

fn own_gpu_view(gpu: GpuStatus) -> GpuView {
    GpuView {
        ordinal: gpu.ordinal,
        name: clean(&gpu.name),
        uuid: Some(clean(&gpu.uuid)),
        compute_capability: gpu.compute_capability,
        memory_bytes: gpu.memory_bytes,
        leased_bytes: gpu.memory_bytes_leased,
        kept_bytes: 0,
        leases: gpu.leases,
        used: gpu.used,
    }
}

fn own_lease_view(server: &str, lease: LeaseStatus) -> LeaseView {
    LeaseView {
        user: clean(&lease.identity.user),
        group: String::new(),
        host: clean(&lease.identity.host),
        program: clean(&lease.identity.program),
        pid: lease.identity.pid,
        state: lease_state(lease.sessions, true, lease.orphaned),
        sessions: lease.sessions,
        age_s: lease.age_s,
        used: lease.used,
        slices: lease
            .slices
            .into_iter()
            .map(|slice| SliceView { server: server.into(), ordinal: slice.server_ordinal, memory_bytes: slice.memory_bytes })
            .collect(),
        id: clean(&lease.lease),
    }
}

impl Overview {
    /// Looks at a pool or a server. Of a pool, leases and requests are asked for beside its servers if `with_leases`.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub fn of(from: &Server, with_leases: bool) -> Result<Self, Failure> {
        let (_, reply, target) = from.ask(&Request::Inventory { token: from.token.clone() })?;
        match reply {
            Reply::Inventory { server, version, driver, gpus, leases, .. } => {
                let (server, version, driver) = (clean(&server), clean(&version), clean(&driver));
                let mut leases: Vec<_> = leases.into_iter().map(|lease| own_lease_view(&server, lease)).collect();
                leases.sort_by(|a, b| b.age_s.cmp(&a.age_s).then_with(|| a.id.cmp(&b.id)));
                let view = ServerView {
                    name: server,
                    state: ServerState::Up,
                    address: target.to_string(),
                    hostname: String::new(),
                    version: version.clone(),
                    driver,
                    silent_ms: Some(0),
                    labels: BTreeMap::new(),
                    gpus: gpus.into_iter().map(own_gpu_view).collect(),
                };
                Ok(Self { pool: None, address: target.to_string(), version, servers: vec![view], leases, queue: Vec::new() })
            }
            Reply::Pool(reply) => {
                let PoolReply::Servers { pool, version, rows, more } = *reply else { return Err(unexpected(&target)) };
                let servers = all_servers(from, rows, more)?.into_iter().map(server_view).collect();
                let (mut leases, mut queue) = (Vec::new(), Vec::new());
                if with_leases {
                    leases = all_leases(from)?.into_iter().map(lease_view).collect();
                    leases.sort_by(|a: &LeaseView, b| b.age_s.cmp(&a.age_s).then_with(|| a.id.cmp(&b.id)));
                    queue = all_waiting(from)?.into_iter().enumerate().map(queue_view).collect();
                }
                Ok(Self { pool: Some(clean(&pool)), address: target.to_string(), version: clean(&version), servers, leases, queue })
            }
            _ => Err(unexpected(&target)),
        }
    }

    /// Looks at all of these; what of them did not answer is left out, with the reasons.
    pub fn of_all(from: &[Server]) -> (Self, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut all: Vec<Self> = Vec::new();
        for server in from {
            match Self::of(server, true) {
                Ok(one) => all.push(one),
                Err(failure) => failures.push(failure),
            }
        }
        let together = all.into_iter().reduce(|mut sum, one| {
            sum.pool = sum.pool.or(one.pool);
            sum.address = format!("{}, {}", sum.address, one.address);
            sum.servers.extend(one.servers);
            sum.leases.extend(one.leases);
            sum.queue.extend(one.queue);
            sum
        });
        (together.unwrap_or_default(), failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_wire::pool::{GpuInfo, GpuRow, ServerInfo};

    #[test]
    fn states_of_leases() {
        assert_eq!(lease_state(0, false, false), LeaseState::Granted);
        assert_eq!(lease_state(0, true, false), LeaseState::Held);
        assert_eq!(lease_state(2, true, false), LeaseState::Running);
        assert_eq!(lease_state(2, true, true), LeaseState::Orphaned);
    }

    #[test]
    fn a_server_that_says_less_of_its_use_than_of_its_gpus_is_shown_whole() {
        let gpu = GpuInfo { name: "g".into(), memory_bytes: 100 << 20, compute_capability: (8, 0) };
        let info = ServerInfo {
            name: "s\x1b[2J".into(),
            address: "h:1".into(),
            hostname: "h".into(),
            has_rdma: false,
            driver_version: String::new(),
            cuda_version: String::new(),
            labels: BTreeMap::new(),
            gpus: vec![gpu.clone(), gpu],
        };
        let used = GpuRow { leased_bytes: 30 << 20, kept_bytes: 20 << 20, leases: 1, used: SliceUse::default() };
        let view = server_view(ServerRow { info, state: ServerState::Up, silent_ms: None, version: String::new(), gpus: vec![used] });
        let free: Vec<u64> = view.gpus.iter().map(|gpu| gpu.free_bytes() >> 20).collect();
        assert_eq!(free, [50, 100]);
        assert_eq!(view.sum(|gpu| gpu.leased_bytes) >> 20, 30);
        assert_eq!(view.name, "s [2J", "a name moves no cursor");
    }

    #[test]
    fn pages_end_with_the_last_or_with_an_empty_one() {
        let all = pages(vec![1, 2], true, |last| Ok((vec![last + 1], *last < 4))).ok();
        assert_eq!(all, Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(pages(vec![1], true, |_| Ok((Vec::new(), true))).ok(), Some(vec![1]));
        assert_eq!(pages(Vec::<u8>::new(), true, |_| Ok((Vec::new(), true))).ok(), Some(Vec::new()));
    }

    #[test]
    fn servers_of_a_lease_are_named_once() {
        let slice = |server: &str, ordinal| SliceView { server: server.into(), ordinal, memory_bytes: 64 << 20 };
        let lease = LeaseView {
            id: "1".into(),
            user: "u".into(),
            group: String::new(),
            host: "h".into(),
            program: "p".into(),
            pid: 1,
            state: LeaseState::Held,
            sessions: 0,
            age_s: 1,
            used: LeaseUse::default(),
            slices: vec![slice("a", 0), slice("b", 0), slice("a", 1)],
        };
        assert_eq!(lease.servers(), ["a", "b"]);
        assert_eq!(lease.memory_bytes() >> 20, 192);
        assert_eq!(lease.slices_text(), "GPU 0 64 MiB + GPU 0 64 MiB + GPU 1 64 MiB");
    }
}
