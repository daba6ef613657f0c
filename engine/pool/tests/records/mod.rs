//! Changes of all kinds and what they come to, for the tests of the store in a file and of that in etcd.

use ringway_pool::scheduler::{GpuInfo, Lease, LeasedSlice, Limits, Principal, ServerInfo};
use ringway_pool::store::{Change, Contents, HistoryRow, ServerRecord, Store, UserRecord};
use std::collections::BTreeMap;

pub fn lease(id: u64, user: u64) -> Lease {
    Lease {
        id,
        user: format!("user{user}"),
        group: if user % 2 == 0 { "even".into() } else { String::new() },
        since_ms: 1000 + id,
        slices: vec![LeasedSlice { server: format!("server{}", id % 3), ordinal: 0, memory_bytes: (1 + id) << 21 }],
        token: format!("t{user}"),
    }
}

pub fn server(name: u64, gpus: usize) -> ServerRecord {
    let gpu = GpuInfo { name: "GPU".into(), memory_bytes: 1 << 40, compute_capability: (9, 0) };
    let info = ServerInfo {
        name: format!("server{name}"),
        address: "127.0.0.1:1".into(),
        hostname: "host".into(),
        has_rdma: false,
        driver_version: String::new(),
        cuda_version: String::new(),
        labels: BTreeMap::from([("rack".to_owned(), name.to_string())]),
        gpus: vec![gpu; gpus],
    };
    ServerRecord { info, is_draining: gpus == 2 }
}

/// Change number `n` of a run; a mix that depends on nothing else.
pub fn changes(n: u64) -> Vec<Change> {
    let limits = Limits { gpus: Some(n as u32), ..Limits::default() };
    match n % 8 {
        0 => vec![Change::PutServer(server(n % 5, 1 + n as usize % 3)), Change::Begin(lease(n, n % 4))],
        1 => vec![Change::Begin(lease(n, n % 4)), Change::End { id: n - 1, end_ms: n, gpu_time: n }],
        2 => vec![Change::Limits(Principal::User(format!("user{}", n % 4)), Some(limits))],
        3 => vec![Change::Limits(Principal::EachGroup, (n % 3 != 0).then_some(limits))],
        4 => vec![Change::User(format!("user{}", n % 4), (n % 5 != 0).then(|| UserRecord { group: "even".into(), priority: n as i32, is_disabled: n % 3 == 0 }))],
        5 => (0..20).map(|k| Change::Begin(lease(1000 * n + k, k))).collect(),
        6 => (0..15).map(|k| Change::End { id: 1000 * (n - 1) + k, end_ms: n + k, gpu_time: 7 }).collect(),
        _ => vec![Change::RemoveServer(format!("server{}", n % 5)), Change::ForgetHistory(n / 2)],
    }
}

/// The same without a database.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Model {
    pub contents: Contents,
    pub history: BTreeMap<(u64, u64), HistoryRow>,
}

impl Model {
    pub fn apply(&mut self, changes: &[Change]) {
        let contents = &mut self.contents;
        for change in changes.iter().cloned() {
            match change {
                Change::PutServer(record) => drop(contents.servers.insert(record.info.name.clone(), record)),
                Change::RemoveServer(name) => drop(contents.servers.remove(&name)),
                Change::Begin(lease) => drop(contents.leases.insert(lease.id, lease)),
                Change::End { id, end_ms, gpu_time } => {
                    if let Some(lease) = contents.leases.remove(&id) {
                        *contents.gpu_time.entry(Principal::User(lease.user.clone())).or_default() += gpu_time;
                        if !lease.group.is_empty() {
                            *contents.gpu_time.entry(Principal::Group(lease.group.clone())).or_default() += gpu_time;
                        }
                        self.history.insert((end_ms, id), HistoryRow { lease, end_ms, gpu_time });
                    }
                }
                Change::Limits(principal, Some(limits)) => drop(contents.limits.insert(principal, limits)),
                Change::Limits(principal, None) => drop(contents.limits.remove(&principal)),
                Change::User(name, Some(record)) => drop(contents.users.insert(name, record)),
                Change::User(name, None) => drop(contents.users.remove(&name)),
                Change::ForgetHistory(before_ms) => self.history.retain(|(end_ms, _), _| *end_ms >= before_ms),
            }
        }
    }

    pub fn of(store: &Store) -> Self {
        let history = store.history(0, u64::MAX).unwrap();
        Self { contents: store.contents().unwrap(), history: history.into_iter().map(|row| ((row.end_ms, row.lease.id), row)).collect() }
    }
}
