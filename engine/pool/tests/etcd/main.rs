//! The store in etcd and the election of a leader, with a real etcd: `RINGWAY_TEST_ETCD` names the program. `scripts/test --only etcd`
//! installs it and runs these; without it they are left out.

mod access;
mod cluster;
mod election;
mod proxy;
#[path = "../records/mod.rs"]
mod records;
mod store;
