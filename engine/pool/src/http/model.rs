//! What is sent and received over HTTP. Names and units stay as they are: programs of others depend on them. Leases and requests are
//! named by 16 hexadecimal digits, since not every reader of JSON keeps 64 bits of a number.

use crate::identity::{Scope, Token, TokenState};
use crate::watch::id_text;
use ringway_secure::unix_now;
use ringway_wire::control::{MemoryAsk, SliceUse};
use ringway_wire::pool::{AuditRow, LeaseRow, Limits, Principal, QueueRow, QuotaRow, ServerRow, ServerState, UsageRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Where a list goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// `next` of the answer before; without it from the beginning.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// At most 200.
    pub items: Vec<T>,
    /// What to give as `after` for the next part; null: there is none.
    pub next: Option<String>,
}

/// How the pool is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded`: the pool works, but not all of it.
    pub status: String,
    /// What is wrong; empty: nothing.
    pub problems: Vec<String>,
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolInfo {
    /// Its name.
    pub name: String,
    /// Version of its software.
    pub version: String,
    /// Servers by state: up, draining, down.
    pub servers: BTreeMap<String, u64>,
    /// GPUs of all servers.
    pub gpus: u64,
    /// Bytes of their memory.
    pub memory_bytes: u64,
    /// Bytes that are leased.
    pub memory_leased_bytes: u64,
    /// Leases.
    pub leases: u64,
    /// Requests that wait.
    pub waiting: u64,
}

/// A server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// `up`, `draining` (its leases go on, new ones go elsewhere) or `down` (not heard of lately; its leases stay).
    pub state: String,
    /// Where programs reach it.
    pub address: String,
    /// Name of its host.
    pub hostname: String,
    /// It has an RDMA device that programs can use.
    pub has_rdma: bool,
    /// Version of its software; empty: unknown.
    pub version: String,
    /// Version of its GPU driver.
    pub driver_version: String,
    /// Greatest CUDA version that the driver serves.
    pub cuda_version: String,
    /// Labels that its administrator gave it.
    pub labels: BTreeMap<String, String>,
    /// How long ago it was heard of, in milliseconds; null: not since the pool began.
    pub silent_ms: Option<u64>,
    /// Its GPUs.
    pub gpus: Vec<Gpu>,
}

/// A GPU.
#[derive(Debug, Serialize, ToSchema)]
pub struct Gpu {
    /// Its server.
    pub server: String,
    /// Its ordinal there.
    pub ordinal: u32,
    /// Name.
    pub name: String,
    /// Compute capability, as `9.0`.
    pub compute_capability: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes that are leased.
    pub memory_leased_bytes: u64,
    /// Bytes kept for requests that wait.
    pub memory_kept_bytes: u64,
    /// Bytes that programs have allocated.
    pub memory_used_bytes: u64,
    /// Part of the last second in which there was something to do for it, from 0 to 1.
    pub busy: f64,
    /// Leases that have a slice of it.
    pub leases: u32,
}

fn busy(used: SliceUse) -> f64 {
    f64::from(used.busy_thousandths) / 1000.0
}

fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Up => "up",
        ServerState::Draining => "draining",
        ServerState::Down => "down",
    }
}

impl From<ServerRow> for Server {
    fn from(row: ServerRow) -> Self {
        let ServerRow { info, state, silent_ms, version, gpus } = row;
        let gpus = info.gpus.iter().zip(gpus).enumerate().map(|(ordinal, (gpu, used))| Gpu {
            server: info.name.clone(),
            ordinal: ordinal as u32,
            name: gpu.name.clone(),
            compute_capability: format!("{}.{}", gpu.compute_capability.0, gpu.compute_capability.1),
            memory_bytes: gpu.memory_bytes,
            memory_leased_bytes: used.leased_bytes,
            memory_kept_bytes: used.kept_bytes,
            memory_used_bytes: used.used.allocated_bytes,
            busy: busy(used.used),
            leases: used.leases,
        });
        let gpus = gpus.collect();
        Self {
            name: info.name,
            state: state_name(state).into(),
            address: info.address,
            hostname: info.hostname,
            has_rdma: info.has_rdma,
            version,
            driver_version: info.driver_version,
            cuda_version: info.cuda_version,
            labels: info.labels,
            silent_ms,
            gpus,
        }
    }
}

/// One GPU of a lease.
#[derive(Debug, Serialize, ToSchema)]
pub struct Slice {
    /// Its server.
    pub server: String,
    /// Its ordinal there.
    pub ordinal: u32,
    /// Bytes of its memory in the lease.
    pub memory_bytes: u64,
    /// Bytes of them that programs have allocated.
    pub memory_used_bytes: u64,
    /// Part of the last second in which there was something to do for it, from 0 to 1.
    pub busy: f64,
}

/// What goes between programs and servers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Traffic {
    /// Bytes to the servers, over the rings and past them.
    pub up_bytes: u64,
    /// Bytes to the programs.
    pub down_bytes: u64,
    /// Calls that the programs waited for.
    pub round_trips: u64,
}

/// A lease.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lease {
    /// 16 hexadecimal digits.
    pub id: String,
    /// Whose quota it counts in.
    pub user: String,
    /// Group whose quota it counts in too; empty: none.
    pub group: String,
    /// When it was granted, in milliseconds since 1970.
    pub since_ms: u64,
    /// In the order of the ordinals that the program sees.
    pub slices: Vec<Slice>,
    /// The program's host, as it says.
    pub host: String,
    /// The program, as it says.
    pub program: String,
    /// Its process there.
    pub pid: u32,
    /// Processes with a session in it.
    pub sessions: u32,
    /// Its servers have reported it.
    pub is_confirmed: bool,
    /// The connection of its holder broke, and a server waits for it.
    pub is_orphaned: bool,
    /// Since it began.
    pub traffic: Traffic,
    /// In the last second.
    pub traffic_per_second: Traffic,
}

impl From<LeaseRow> for Lease {
    fn from(row: LeaseRow) -> Self {
        let LeaseRow { lease, identity, sessions, is_confirmed, orphaned, used, .. } = row;
        let uses = used.slices.iter().copied().chain(std::iter::repeat(SliceUse::default()));
        let slices = lease.slices.into_iter().zip(uses).map(|(slice, used)| Slice {
            server: slice.server,
            ordinal: slice.ordinal,
            memory_bytes: slice.memory_bytes,
            memory_used_bytes: used.allocated_bytes,
            busy: busy(used),
        });
        Self {
            id: id_text(lease.id),
            user: lease.user,
            group: lease.group,
            since_ms: lease.since_ms,
            slices: slices.collect(),
            host: identity.host,
            program: identity.program,
            pid: identity.pid,
            sessions,
            is_confirmed,
            is_orphaned: orphaned,
            traffic: Traffic { up_bytes: used.up_bytes, down_bytes: used.down_bytes, round_trips: used.waits },
            traffic_per_second: Traffic { up_bytes: used.up_bytes_per_s, down_bytes: used.down_bytes_per_s, round_trips: used.waits_per_s },
        }
    }
}

/// A request that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// 16 hexadecimal digits; the lease's, when it is granted.
    pub id: String,
    /// Place in the queue, from 1.
    pub place: u64,
    /// Whose it is.
    pub user: String,
    /// Their group; empty: none.
    pub group: String,
    /// Greater goes first.
    pub priority: i32,
    /// GPUs.
    pub gpus: u32,
    /// Fraction of the memory of each, where that was asked for.
    pub memory_fraction: Option<f64>,
    /// MiB of each, where that was asked for.
    pub memory_mib: Option<u64>,
    /// Filters.
    pub filters: Vec<String>,
    /// The program's host, as it says.
    pub host: String,
    /// The program, as it says.
    pub program: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// What it waits for.
    pub why: String,
}

impl Waiting {
    /// At this place, from 1.
    pub fn at(place: u64, row: QueueRow) -> Self {
        let (memory_fraction, memory_mib) = match row.memory {
            MemoryAsk::Fraction(fraction) => (Some(fraction), None),
            MemoryAsk::Mib(mib) => (None, Some(mib)),
        };
        Self {
            id: id_text(row.id),
            place,
            user: row.user,
            group: row.group,
            priority: row.priority,
            gpus: row.gpus,
            memory_fraction,
            memory_mib,
            filters: row.filters,
            host: row.identity.host,
            program: row.identity.program,
            since_ms: row.since_ms,
            why: row.why,
        }
    }
}

/// Bounds; null: there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaLimits {
    /// Slices of GPUs at a time.
    pub gpus: Option<u32>,
    /// Bytes of GPU memory at a time.
    pub memory_bytes: Option<u64>,
    /// Leases at a time.
    pub leases: Option<u32>,
    /// Hours of a whole GPU in all.
    pub gpu_hours: Option<u32>,
}

impl From<Limits> for QuotaLimits {
    fn from(limits: Limits) -> Self {
        Self { gpus: limits.gpus, memory_bytes: limits.memory_bytes, leases: limits.sessions, gpu_hours: limits.gpu_hours }
    }
}

impl From<QuotaLimits> for Limits {
    fn from(limits: QuotaLimits) -> Self {
        Self { gpus: limits.gpus, memory_bytes: limits.memory_bytes, sessions: limits.leases, gpu_hours: limits.gpu_hours }
    }
}

/// A quota, and what is used of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quota {
    /// `user`, `group`, `each-user` or `each-group`.
    pub kind: String,
    /// Name of the user or group; empty for `each-user` and `each-group`.
    pub name: String,
    /// Its own limits; null: none of its own, those of each user or group hold.
    pub limits: Option<QuotaLimits>,
    /// Slices of GPUs in use.
    pub gpus: u32,
    /// Bytes of GPU memory in use.
    pub memory_bytes: u64,
    /// Leases.
    pub leases: u32,
    /// Hours of a whole GPU used in all.
    pub gpu_hours: f64,
}

/// As a quota's owner is named in an address, and as it is told where a list goes on.
pub fn principal_text(principal: &Principal) -> (&'static str, &str) {
    match principal {
        Principal::User(name) => ("user", name),
        Principal::Group(name) => ("group", name),
        Principal::EachUser => ("each-user", ""),
        Principal::EachGroup => ("each-group", ""),
    }
}

/// The reverse; None: there is no such owner.
pub fn principal_of(kind: &str, name: &str) -> Option<Principal> {
    match (kind, name) {
        ("user", name) if !name.is_empty() => Some(Principal::User(name.into())),
        ("group", name) if !name.is_empty() => Some(Principal::Group(name.into())),
        ("each-user", "") => Some(Principal::EachUser),
        ("each-group", "") => Some(Principal::EachGroup),
        _ => None,
    }
}

/// Hours of a whole GPU, from thousandths of a GPU times milliseconds.
fn gpu_hours(gpu_time: u64) -> f64 {
    gpu_time as f64 / crate::scheduler::GPU_HOUR as f64
}

impl From<QuotaRow> for Quota {
    fn from(row: QuotaRow) -> Self {
        let (kind, name) = principal_text(&row.principal);
        Self {
            kind: kind.into(),
            name: name.into(),
            limits: row.limits.map(Into::into),
            gpus: row.gpus,
            memory_bytes: row.memory_bytes,
            leases: row.sessions,
            gpu_hours: gpu_hours(row.gpu_time),
        }
    }
}

/// Settings of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    /// Group whose quota the user's leases count in too; empty: none.
    #[serde(default)]
    pub group: String,
    /// Requests of users with a greater one go first.
    #[serde(default)]
    pub priority: i32,
}

/// A user that has settings, limits or leases, or had leases.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserInfo {
    /// Name.
    pub name: String,
    /// What an administrator set; null: nothing.
    pub settings: Option<UserSettings>,
    /// The user gets no new leases.
    pub is_disabled: bool,
    /// Slices of GPUs in use.
    pub gpus: u32,
    /// Bytes of GPU memory in use.
    pub memory_bytes: u64,
    /// Leases.
    pub leases: u32,
    /// Hours of a whole GPU used in all.
    pub gpu_hours: f64,
}

impl UserInfo {
    /// None: it is no user's.
    pub fn of(row: QuotaRow) -> Option<Self> {
        let Principal::User(name) = row.principal else { return None };
        Some(Self {
            name,
            is_disabled: row.settings.as_ref().is_some_and(|settings| settings.is_disabled),
            settings: row.settings.map(|settings| UserSettings { group: settings.group, priority: settings.priority }),
            gpus: row.gpus,
            memory_bytes: row.memory_bytes,
            leases: row.sessions,
            gpu_hours: gpu_hours(row.gpu_time),
        })
    }
}

/// Between which times.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Leases that ended from this time on, in milliseconds since 1970; without it: all.
    pub from_ms: Option<u64>,
    /// And before this one; without it: until now.
    pub until_ms: Option<u64>,
}

/// What leases that ended have used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReport {
    /// One for each user and group, those that used most first; at most 200.
    pub items: Vec<UsageItem>,
    /// There were more leases in that time than are looked at.
    pub is_cut: bool,
}

/// What the leases of a user have used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageItem {
    /// Whose.
    pub user: String,
    /// Their group; empty: none.
    pub group: String,
    /// Leases.
    pub leases: u64,
    /// Hours of a whole GPU.
    pub gpu_hours: f64,
    /// Hours of leases.
    pub lease_hours: f64,
}

impl From<UsageRow> for UsageItem {
    fn from(row: UsageRow) -> Self {
        Self { user: row.user, group: row.group, leases: row.leases, gpu_hours: gpu_hours(row.gpu_time), lease_hours: row.lease_ms as f64 / 3.6e6 }
    }
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenInfo {
    /// Name.
    pub name: String,
    /// Identifier; no secret.
    pub id: String,
    /// Whom its bearer is taken for; null: whom the token is named after.
    pub user: Option<String>,
    /// `read`, `use`, `serve` or `admin`.
    pub scope: String,
    /// `valid`, `expired` or `revoked`.
    pub state: String,
    /// Seconds since 1970.
    pub created_s: u64,
    /// When it ends, in seconds since 1970; null: when it is revoked.
    pub expires_s: Option<u64>,
    /// GPUs in all of its leases at the most; null: any.
    pub max_gpus: Option<u32>,
    /// MiB of GPU memory in all of its leases at the most; null: any.
    pub max_memory_mib: Option<u64>,
}

impl From<&Token> for TokenInfo {
    fn from(token: &Token) -> Self {
        let state = match token.state(unix_now()) {
            TokenState::Valid => "valid",
            TokenState::Expired => "expired",
            TokenState::Revoked => "revoked",
        };
        Self {
            name: token.name.clone(),
            id: token.id.clone(),
            user: token.user.clone(),
            scope: token.scope.name().into(),
            state: state.into(),
            created_s: token.created,
            expires_s: token.expires,
            max_gpus: token.max_gpus,
            max_memory_mib: token.max_memory_mib,
        }
    }
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Look at everything.
    Read,
    /// Look, and use GPUs.
    Use,
    /// Bring a server into the pool, under the token's name.
    Serve,
    /// Everything.
    Admin,
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::Read => Self::Read,
            TokenScope::Use => Self::Use,
            TokenScope::Serve => Self::Serve,
            TokenScope::Admin => Self::Admin,
        }
    }
}

/// What a new token is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Name to list and revoke it by: 1 to 64 letters, digits and . - _ @.
    pub name: String,
    /// Whom its bearer is taken for.
    pub user: Option<String>,
    /// What it allows.
    pub scope: TokenScope,
    /// How many seconds it is good; without it until it is revoked.
    #[schema(minimum = 1)]
    pub life_s: Option<u64>,
    /// GPUs in all of its leases at the most.
    #[schema(minimum = 1)]
    pub max_gpus: Option<u32>,
    /// MiB of GPU memory in all of its leases at the most.
    #[schema(minimum = 1)]
    pub max_memory_mib: Option<u64>,
    /// Where clients reach the pool, HOST:PORT: then the answer has a token file for them.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// A token that was made. Its secret is told here and nowhere else.
#[derive(Serialize, ToSchema)]
pub struct TokenMade {
    /// What the list shows.
    #[serde(flatten)]
    pub info: TokenInfo,
    /// What is to be sent: `Authorization: Bearer` and this.
    pub token: String,
    /// The token file for `ringway --token-file`; null where no addresses were named.
    pub token_file: Option<String>,
}

/// One line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditLine {
    /// Each line's is one more than that of the line before.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// What was done, as `lease.granted` or `server.drain`.
    pub act: String,
    /// To what.
    pub subject: String,
    /// `asked` (an administrator's act, before it is done), `done` or `refused`.
    pub outcome: String,
    /// Name of the token with which it was done; empty: none was needed, or the pool did it by itself.
    pub token: String,
    /// User whom that counts for.
    pub user: String,
    /// Address that it was asked from; empty: a Unix socket, or the pool itself.
    pub address: String,
    /// What else is to be said.
    pub detail: String,
}

impl From<AuditRow> for AuditLine {
    fn from(row: AuditRow) -> Self {
        let AuditRow { number, time_ms, act, subject, outcome, token, user, address, detail } = row;
        Self { number, time_ms, act, subject, outcome, token, user, address, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_quotas_have_names() {
        for principal in [Principal::User("a".into()), Principal::Group("b".into()), Principal::EachUser, Principal::EachGroup] {
            let (kind, name) = principal_text(&principal);
            assert_eq!(principal_of(kind, name), Some(principal.clone()));
        }
        for (kind, name) in [("user", ""), ("each-user", "a"), ("users", "a"), ("", "")] {
            assert_eq!(principal_of(kind, name), None, "{kind} {name}");
        }
    }

    #[test]
    fn gpu_hours_are_hours_of_a_whole_gpu() {
        assert_eq!(gpu_hours(1000 * 3_600_000 / 2), 0.5);
    }
}
