//! What is said to a pool, and what it says: by programs that want GPUs, by servers that have some, by administrators.
//!
//! All of it travels in the frames of [`crate::control`]. A program asks a pool as it asks a server, by
//! [`Request::Lease`](crate::control::Request::Lease); the pool answers with [`Reply::Waiting`](crate::control::Reply::Waiting), as often
//! as its place in the queue changes, and at last with tickets ([`Granted`]), which the program brings to the servers
//! ([`Request::Redeem`](crate::control::Request::Redeem)). It keeps its connection to the pool until it has done that: if the connection ends
//! before a server has reported the lease, the pool takes it back.
//!
//! A server stays connected: it says what it has and what runs on it ([`ServerSays`]), the pool answers with [`PoolSays`].

use crate::control::{Identity, LeaseUse, LinkStatus, MemoryAsk, SliceUse, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a frame between a pool and its servers at the most: a server may have a thousand leases.
pub const LINE_FRAME_BYTES_MAX: usize = 4 << 20;
/// How often a server reports where nothing changes, in milliseconds.
pub const REPORT_MS: u64 = 3000;
/// How often one that waits in the queue hears from the pool at the least, in milliseconds.
pub const WAITING_MS: u64 = 2000;
/// Addresses by which one server is reached at the most.
pub const SERVER_ADDRESSES_MAX: usize = 16;
/// Rows of one answer at the most; what follows is asked for by the last row's name.
pub const ROWS_MAX: usize = 200;

/// Where a lease may be, and how long to wait for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// Filters, as `device.memory>=40GiB`; all must hold.
    pub filters: Vec<String>,
    /// The emptiest GPUs that fit, not the fullest.
    pub spread: bool,
    /// All GPUs on one server, or not at all.
    pub one_server: bool,
    /// How long to wait for GPUs, in milliseconds; None: as long as it takes.
    pub timeout_ms: Option<u64>,
    /// The program's host has an RDMA device.
    pub has_rdma: bool,
}

/// One GPU as its server describes it to a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuInfo {
    /// Name.
    pub name: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Compute capability, major and minor.
    pub compute_capability: (u32, u32),
}

/// A server as it describes itself to a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its name, by which it is known in the pool.
    pub name: String,
    /// Where programs reach it.
    pub address: String,
    /// Name of its host.
    pub hostname: String,
    /// It has an RDMA device that programs can use.
    pub has_rdma: bool,
    /// Version of its GPU driver, as `550.54.15`; empty where it does not say.
    pub driver_version: String,
    /// Greatest CUDA version that the driver serves, as `12.4`; empty where it does not say.
    pub cuda_version: String,
    /// Labels that its administrator gave it.
    pub labels: BTreeMap<String, String>,
    /// Its GPUs, in the order of their ordinals.
    pub gpus: Vec<GpuInfo>,
}

/// Whether a server takes new leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It does.
    Up,
    /// Its leases go on, new ones go elsewhere: an administrator wants it empty.
    Draining,
    /// It was not heard of lately. Its leases stay: its programs may run on unharmed.
    Down,
}

/// One GPU of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSlice {
    /// Its server.
    pub server: String,
    /// Its ordinal on that server.
    pub ordinal: u32,
    /// Bytes of its memory.
    pub memory_bytes: u64,
}

/// A lease in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Names it; the request's.
    pub id: u64,
    /// Whose quota it counts in.
    pub user: String,
    /// Group whose quota it counts in too; empty: none.
    pub group: String,
    /// When it was granted, in milliseconds since 1970.
    pub since_ms: u64,
    /// Its GPUs, in the order of the ordinals that the program sees.
    pub slices: Vec<LeasedSlice>,
    /// Identifier of the token that it was asked for with; empty: none was needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
}

/// Bounds; None: there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Slices of GPUs at a time.
    pub gpus: Option<u32>,
    /// Bytes of GPU memory at a time.
    pub memory_bytes: Option<u64>,
    /// Leases at a time.
    pub sessions: Option<u32>,
    /// Hours of a whole GPU in all. A lease that runs when they are used up goes on; no other begins.
    pub gpu_hours: Option<u32>,
}

/// Whose quota.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// That of a user.
    User(String),
    /// That of all users of a group together.
    Group(String),
    /// That of each user who has none of their own.
    EachUser,
    /// That of each group which has none of its own.
    EachGroup,
}

/// What a program gets that was granted GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// The lease, 16 hexadecimal digits.
    pub lease: String,
    /// Name of the pool.
    pub pool: String,
    /// Its parts, by server, in the order of the ordinals that the program will see.
    pub parts: Vec<Part>,
}

/// What of a lease is on one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the server.
    pub server: String,
    /// Where it is reached: HOST:PORT or unix:/PATH; the first that answers.
    pub addresses: Vec<String>,
    /// Certificate of the authority that vouches for it (DER); None: it is reached in clear text.
    pub authority: Option<Vec<u8>>,
    /// What lets the program in there, once.
    pub ticket: String,
}

/// What a server says when it joins a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// What it has.
    pub info: ServerInfo,
    /// A number chosen when the server was started; tickets are bound to it.
    pub registration: u64,
    /// Where programs reach it; a host that stands for all addresses is replaced by the one that the pool sees.
    pub addresses: Vec<String>,
    /// Certificate of its authority (DER); None: it takes programs in clear text.
    pub authority: Option<Vec<u8>>,
    /// Version of its software.
    pub version: String,
    /// Which libcuda it uses.
    pub driver: String,
    /// What runs on it.
    pub running: Vec<Running>,
}

/// A lease that runs on a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The lease, as far as it is on this server.
    pub lease: Lease,
    /// Who has it.
    pub identity: Identity,
    /// Processes with a session in it.
    pub sessions: u32,
    /// The connection of its holder broke, and the server waits for it.
    pub orphaned: bool,
    /// How it was asked for.
    pub terms: Terms,
    /// Links of its sessions.
    pub links: LinkStatus,
    /// What its sessions do here.
    #[serde(default)]
    pub used: LeaseUse,
}

/// What a server says on its line to a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerSays {
    /// What runs on it now.
    Running(Vec<Running>),
    /// Leases that have ended there; some ended so soon that no report had them.
    Ended(Vec<u64>),
}

/// What a pool says on a server's line, after [`PoolReply::Joined`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolSays {
    /// A report was taken in.
    Heard,
    /// The lease is to end, and its ticket is worth nothing any more.
    End {
        /// Which.
        lease: u64,
        /// Why, for its program's user.
        why: String,
    },
}

/// What else is asked of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolRequest {
    /// A server joins; the connection is its line from then on.
    Join(Box<Registration>),
    /// Its servers, after the one of this name.
    Servers {
        /// Last name of the answer before.
        after: Option<String>,
    },
    /// Its leases, after this one.
    Leases {
        /// Last lease of the answer before.
        after: Option<u64>,
    },
    /// Requests that wait, in their order, from this place on.
    Queue {
        /// Place of the first, from 0.
        from: u32,
    },
    /// Ends a lease, or takes a waiting request back: one's own, or as an administrator any.
    Release {
        /// Which.
        lease: u64,
    },
    /// Quotas and what is used of them, after this one.
    Quotas {
        /// Last of the answer before.
        after: Option<Principal>,
    },
    /// Leases that ended between two times (milliseconds since 1970), oldest first, summed up by user, group and server.
    Usage {
        /// From this time on.
        from_ms: u64,
        /// Until before this one.
        until_ms: u64,
    },
    /// As whom the pool takes whoever asks, and what they may do.
    Who,
    /// What was written down of who did what, after this line; for administrators.
    Audit {
        /// Number of the last line of the answer before; None: from the oldest that is kept.
        after: Option<u64>,
    },
    /// What administrators do.
    Admin(AdminRequest),
}

/// What an administrator set for a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserSettings {
    /// Group that the user belongs to; empty: none.
    pub group: String,
    /// Priority of the user's requests.
    pub priority: i32,
    /// The user gets no new leases.
    pub is_disabled: bool,
}

/// What administrators do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRequest {
    /// Sets the limits of a user, a group, or all; None: none of their own any more.
    SetLimits {
        /// Whose.
        principal: Principal,
        /// Which.
        limits: Option<Limits>,
    },
    /// Sets a user's group and priority, for requests to come; None: forgets them.
    SetUser {
        /// Who.
        user: String,
        /// Group (empty: none) and priority.
        settings: Option<(String, i32)>,
    },
    /// Gives a user no new leases, and takes the user's requests out of the queue; or lets the user have leases again.
    EnableUser {
        /// Who.
        user: String,
        /// Whether there are to be leases.
        enable: bool,
    },
    /// Has a server take no new leases, or take them again.
    Drain {
        /// Which.
        server: String,
        /// Whether it is to be emptied.
        drain: bool,
    },
    /// Forgets a server that is down and has no leases.
    RemoveServer {
        /// Which.
        server: String,
    },
}

/// What a pool answers to a [`PoolRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolReply {
    /// It is done.
    Done,
    /// The server is one of the pool's.
    Joined {
        /// Name of the pool.
        pool: String,
        /// Name by which the server is known in it.
        name: String,
        /// Ed25519 public key that tickets are checked with, 32 bytes.
        key: Vec<u8>,
        /// How many seconds may pass without a report before the server is taken for down.
        silence_s: u64,
    },
    /// Whoever asked.
    Who {
        /// The user that they count as; None: as they say themselves.
        user: Option<String>,
        /// `read`, `use`, `serve` or `admin`.
        scope: String,
    },
    /// Servers, by name; also the answer to [`Request::Inventory`](crate::control::Request::Inventory), so that one question tells a pool
    /// from a server.
    Servers {
        /// Name of the pool.
        pool: String,
        /// Version of its software.
        version: String,
        /// At most [`ROWS_MAX`].
        rows: Vec<ServerRow>,
        /// There are more.
        more: bool,
    },
    /// Leases, by number.
    Leases {
        /// At most [`ROWS_MAX`].
        rows: Vec<LeaseRow>,
        /// There are more.
        more: bool,
    },
    /// Requests that wait.
    Queue {
        /// At most [`ROWS_MAX`].
        rows: Vec<QueueRow>,
        /// How many wait in all.
        waiting: u32,
    },
    /// Quotas.
    Quotas {
        /// At most [`ROWS_MAX`].
        rows: Vec<QuotaRow>,
        /// There are more.
        more: bool,
    },
    /// What leases that ended have used.
    Usage {
        /// One for each user, group and server, those that used most first; [`ROWS_MAX`] at the most.
        rows: Vec<UsageRow>,
        /// There were more leases in that time than are looked at.
        cut: bool,
    },
    /// Lines of the audit log, oldest first.
    Audit {
        /// At most [`ROWS_MAX`].
        rows: Vec<AuditRow>,
        /// There are more.
        more: bool,
    },
}

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerRow {
    /// What it says of itself.
    pub info: ServerInfo,
    /// Whether it takes leases.
    pub state: ServerState,
    /// How long ago it was heard of, in milliseconds; None: not since the pool began.
    pub silent_ms: Option<u64>,
    /// Version of its software; empty: unknown.
    pub version: String,
    /// What of its GPUs is in use, in the order of their ordinals.
    pub gpus: Vec<GpuRow>,
}

/// What of a GPU is in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuRow {
    /// Bytes that are leased.
    pub leased_bytes: u64,
    /// Bytes kept for requests that wait.
    pub kept_bytes: u64,
    /// Leases that have a slice of it.
    pub leases: u32,
    /// What they do with it, as its server said last.
    #[serde(default)]
    pub used: SliceUse,
}

/// A lease of a pool, with what its servers say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// What it is.
    pub lease: Lease,
    /// Who has it.
    pub identity: Identity,
    /// Processes with a session in it, on all its servers.
    pub sessions: u32,
    /// Its servers have reported it.
    pub is_confirmed: bool,
    /// The connection of its holder broke, and a server waits for it.
    pub orphaned: bool,
    /// How it was asked for.
    pub terms: Terms,
    /// What its sessions do on all its servers, as those said last; in the order of its slices.
    #[serde(default)]
    pub used: LeaseUse,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Names it.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// Their group; empty: none.
    pub group: String,
    /// Greater goes first.
    pub priority: i32,
    /// GPUs.
    pub gpus: u32,
    /// Slice of each.
    pub memory: MemoryAsk,
    /// Filters.
    pub filters: Vec<String>,
    /// Who asks.
    pub identity: Identity,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// What it waits for.
    pub why: String,
}

/// A quota, and what is used of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuotaRow {
    /// Whose.
    pub principal: Principal,
    /// Its own limits; None: none of its own, those of each user or group hold.
    pub limits: Option<Limits>,
    /// Of a user that has some.
    pub settings: Option<UserSettings>,
    /// Slices of GPUs in use.
    pub gpus: u32,
    /// Bytes of GPU memory in use.
    pub memory_bytes: u64,
    /// Leases.
    pub sessions: u32,
    /// GPU time used in all: thousandths of a GPU times milliseconds.
    pub gpu_time: u64,
}

/// What leases that ended have used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Whose.
    pub user: String,
    /// Their group; empty: none.
    pub group: String,
    /// Leases.
    pub leases: u64,
    /// Thousandths of a GPU times milliseconds.
    pub gpu_time: u64,
    /// Time of the leases, in milliseconds.
    pub lease_ms: u64,
}

/// One line of a pool's audit log: who did what, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditRow {
    /// Its number: each line's is one more than that of the line before, over restarts too.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// What was done, as `lease.granted` or `server.drain`.
    pub act: String,
    /// To what: a lease (16 hexadecimal digits), the name of a server, a user or a token.
    pub subject: String,
    /// `asked` (an administrator's act, before it is done), `done` or `refused`.
    pub outcome: String,
    /// Name of the token with which it was done; empty: none was needed, or the pool did it by itself.
    pub token: String,
    /// User whom that counts for; empty where it is none.
    pub user: String,
    /// Address that it was asked from; empty: a Unix socket, or the pool itself.
    pub address: String,
    /// What else is to be said.
    pub detail: String,
}
