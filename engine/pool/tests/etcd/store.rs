//! The store in etcd, a real one: the same comes of changes as in a file, whatever is lost, late or killed on the way.

use crate::cluster::{Cluster, encoded, leading, opened, until};
use crate::proxy::{Fate, Proxy};
use crate::records::{Model, changes, lease, server};
use proptest::prelude::*;
use ringway_pool::ledger::Ledger;
use ringway_pool::scheduler::{Lease, LeasedSlice, Principal};
use ringway_pool::store::etcd::{Etcd, EtcdSettings};
use ringway_pool::store::{Change, Store, StoreError};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Puts a key past the code under test; keys and values in base64.
fn put(cluster: &Cluster, key: &str, value: &str) {
    cluster.members[0].ask("kv/put", &json!({ "key": encoded(&format!("/ringway/test/{key}")), "value": encoded(value) })).unwrap();
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn does_as_the_plain_model_does() {
    let cluster = Cluster::of::<1>();
    let strategy = proptest::collection::vec(1u64..60, 1..40);
    let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
    let case = std::cell::Cell::new(0);
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |numbers| {
            // A pool of its own for each case.
            case.set(case.get() + 1);
            let etcd = Etcd::new(&EtcdSettings { pool: format!("case{}", case.get()), ..cluster.settings() }).unwrap();
            let (store, leadership, _election) = opened(&etcd);
            let mut model = Model::default();
            for n in numbers {
                store.apply(&changes(n)).unwrap();
                model.apply(&changes(n));
                prop_assert_eq!(&Model::of(&store), &model);
            }
            // The next leader finds the same.
            leadership.resign();
            prop_assert!(matches!(store.apply(&changes(1)), Err(StoreError::NotLeader)));
            let (store, ..) = opened(&etcd);
            prop_assert_eq!(&Model::of(&store), &model);
            Ok(())
        })
        .unwrap();
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn what_several_changes_do_to_one_key_comes_to_one() {
    let cluster = Cluster::of::<1>();
    let (store, _leadership, _election) = opened(&cluster.etcd());
    let mut model = Model::default();
    let end = |id, end_ms| Change::End { id, end_ms, gpu_time: 5 };
    let lists = [
        vec![Change::Begin(lease(1, 2)), Change::Begin(lease(2, 2)), Change::Begin(lease(3, 2))],
        // Rows that are forgotten where they were just made, and rows that are made where others were just forgotten.
        vec![end(1, 10), Change::ForgetHistory(50), end(2, 20), end(3, 30)],
        vec![Change::Begin(lease(4, 2)), end(4, 40), end(4, 41), Change::Begin(lease(4, 0)), end(4, 60)],
        vec![Change::ForgetHistory(25), Change::ForgetHistory(20), end(9, 9)],
        vec![Change::PutServer(server(1, 1)), Change::RemoveServer("server1".into()), Change::PutServer(server(1, 2))],
        vec![],
        vec![end(77, 1)],
    ];
    for list in lists {
        store.apply(&list).unwrap();
        model.apply(&list);
        assert_eq!(Model::of(&store), model, "after {list:?}");
    }
    assert_eq!(model.history.len(), 3);
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn all_or_nothing_of_more_than_etcd_takes_side_by_side() {
    let cluster = Cluster::of::<1>();
    let (store, leadership, _election) = opened(&cluster.etcd());
    let mut model = Model::default();
    // Each ends in a lease removed, a row of history, and a sum for one of 900 users.
    let begun: Vec<Change> = (1..900).map(|id| Change::Begin(lease(id, id))).collect();
    let ended: Vec<Change> = (1..900).map(|id| Change::End { id, end_ms: 1000 + id, gpu_time: id }).collect();
    for list in [&begun, &ended] {
        store.apply(list).unwrap();
        model.apply(list);
        assert_eq!(Model::of(&store), model);
    }
    // More than one page.
    assert_eq!((model.history.len(), model.contents.gpu_time.len()), (899, 900));
    // What is too much is refused whole.
    let too_many: Vec<Change> = (0..5000).map(|id| Change::Begin(lease(10_000 + id, id))).collect();
    assert!(matches!(store.apply(&too_many), Err(StoreError::TooLarge(_))));
    let too_long: Vec<Change> = (0..40).map(|id| Change::Begin(Lease { user: "u".repeat(30_000), ..lease(10_000 + id, id) })).collect();
    assert!(matches!(store.apply(&too_long), Err(StoreError::TooLarge(_))));
    assert_eq!(Model::of(&store), model);
    assert!(leadership.is_valid());
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn a_ledger_writes_much_in_parts() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (store, leadership, _election) = opened(&etcd);
    let (mut ledger, _) = Ledger::open(store).unwrap();
    let info = server(1, 50).info;
    let running: Vec<Lease> = (0..5000u32)
        .map(|id| Lease {
            id: id.into(),
            user: format!("user{}", id % 700),
            group: "lab".into(),
            since_ms: 0,
            slices: vec![LeasedSlice { server: info.name.clone(), ordinal: id % 50, memory_bytes: 1 << 30 }],
            token: String::new(),
        })
        .collect();
    let heard = ledger.hear(info.clone(), &running, 10).unwrap();
    assert!(heard.unwritten.is_none() && heard.adopted.len() == 5000, "{:?}", heard.unwritten);
    assert_eq!(ledger.store().contents().unwrap().leases.len(), 5000);
    let heard = ledger.hear(info, &running[..1], 1_000_000).unwrap();
    assert!(heard.unwritten.is_none() && heard.ended.len() == 4999, "{:?}", heard.unwritten);
    leadership.resign();
    let (store, ..) = opened(&etcd);
    let contents = store.contents().unwrap();
    assert_eq!(contents.leases.into_values().collect::<Vec<_>>(), &running[..1]);
    assert_eq!(store.history(0, u64::MAX).unwrap().len(), 4999);
    let of_all = contents.gpu_time[&Principal::Group("lab".into())];
    assert_eq!(of_all, heard.ended.iter().map(|ended| ended.gpu_time).sum::<u64>());
}

/// A ledger on a store, and what it tells of ends.
fn listened(store: Store) -> (Ledger, Arc<Mutex<Vec<(u64, bool)>>>) {
    let (mut ledger, _) = Ledger::open(store).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ends = Arc::clone(&told);
    ledger.tell_ends(Box::new(move |lease, why, is_kept| {
        assert_eq!(why, "it is over");
        ends.lock().unwrap().push((lease.id, is_kept));
    }));
    (ledger, told)
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn the_end_of_a_lease_is_told_by_whoever_kept_it() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (election, first) = leading(&etcd, "node");
    let proxy = Proxy::before(cluster.members[0].port);
    let store = Store::in_etcd(&cluster.through(&proxy), &first).unwrap();
    store.apply(&[0, 1, 2].map(|id| Change::PutServer(server(id, 1)))).unwrap();
    store.apply(&[1, 2, 3].map(|id| Change::Begin(lease(id, id)))).unwrap();
    let (mut ledger, told) = listened(store);
    assert!(ledger.end(1, "it is over", 10).1.is_ok());
    assert_eq!(*told.lock().unwrap(), [(1, true)]);
    // The answers to two reads and to the write are lost once each.
    proxy.decide([Fate::AnswerLost, Fate::Delivered, Fate::AnswerLost, Fate::Delivered, Fate::AnswerLost]);
    assert!(ledger.end(2, "it is over", 11).1.is_ok());
    assert_eq!(*told.lock().unwrap(), [(1, true), (2, true)]);
    // Deposed before anything was written: nothing is told, here.
    first.resign();
    assert!(matches!(ledger.end(3, "it is over", 12).1, Err(StoreError::NotLeader)));
    assert!(matches!(ledger.set_limits(Principal::EachUser, None), Err(StoreError::NotLeader)));
    assert_eq!(*told.lock().unwrap(), [(1, true), (2, true)]);
    let next = election.campaign().unwrap().unwrap();
    let (mut ledger, told) = listened(Store::in_etcd(&etcd, &next).unwrap());
    assert!(ledger.scheduler().lease(2).is_none() && ledger.end(3, "it is over", 13).1.is_ok());
    assert_eq!(*told.lock().unwrap(), [(3, true)]);
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn an_end_that_may_be_kept_is_told_as_that() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (election, first) = leading(&etcd, "node");
    let proxy = Proxy::before(cluster.members[0].port);
    let store = Store::in_etcd(&cluster.through(&proxy), &first).unwrap();
    store.apply(&[Change::PutServer(server(1, 1)), Change::Begin(lease(1, 1))]).unwrap();
    let (mut ledger, told) = listened(store);
    // The reads are answered, the write is carried out, and whoever wrote it never hears of that.
    proxy.decide([[Fate::Delivered; 2].as_slice(), &[Fate::AnswerLost; 1000]].concat());
    let before = proxy.requests();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| ledger.end(1, "it is over", 10).1);
        until("three requests", || (proxy.requests() > before + 3).then_some(()));
        first.resign();
        assert!(matches!(ending.join().unwrap(), Err(StoreError::Unresolved)));
    });
    assert_eq!(*told.lock().unwrap(), [(1, false)]);
    // And it is told once.
    assert!(ledger.set_limits(Principal::EachUser, None).is_err());
    assert_eq!(*told.lock().unwrap(), [(1, false)]);
    let next = election.campaign().unwrap().unwrap();
    assert!(Store::in_etcd(&etcd, &next).unwrap().contents().unwrap().leases.is_empty());
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn lost_requests_and_answers_are_found_out() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (_election, leadership) = leading(&etcd, "node");
    let proxy = Proxy::before(cluster.members[0].port);
    let store = Store::in_etcd(&cluster.through(&proxy), &leadership).unwrap();
    let mut model = Model::default();
    let fates = [Fate::Delivered, Fate::RequestLost, Fate::AnswerLost];
    for n in 0..81u64 {
        let list = vec![Change::Begin(lease(n, n % 4))];
        store.apply(&list).unwrap();
        model.apply(&list);
        // An end takes two reads and a write: all combinations of what may become of the first four requests.
        proxy.decide([n % 3, n / 3 % 3, n / 9 % 3, n / 27].map(|fate| fates[fate as usize]));
        let before = proxy.requests();
        let list = vec![Change::End { id: n, end_ms: n, gpu_time: 3 }];
        store.apply(&list).unwrap();
        assert!(proxy.requests() >= before + 3);
        proxy.decide([]);
        model.apply(&list);
        assert_eq!(Model::of(&store), model, "{n}");
    }
    assert!(leadership.is_valid());
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn a_write_that_comes_late_changes_nothing() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (election, leadership) = leading(&etcd, "node");
    let proxy = Proxy::before(cluster.members[0].port);
    let store = Store::in_etcd(&cluster.through(&proxy), &leadership).unwrap();
    let mut model = Model::default();
    // Under the same leader: what is said again overtakes what was said first.
    proxy.decide([Fate::RequestKept]);
    for list in [vec![Change::Begin(lease(1, 1))], vec![Change::End { id: 1, end_ms: 5, gpu_time: 7 }]] {
        store.apply(&list).unwrap();
        model.apply(&list);
    }
    let answers = proxy.deliver();
    assert!(answers.len() == 1 && answers[0].contains(" 200 ") && !answers[0].contains("\"succeeded\":true"), "{answers:?}");
    assert_eq!(Model::of(&store), model);
    // Under the next one: whether it was written is not known, and so it is said.
    proxy.decide_all(Fate::RequestKept);
    let before = proxy.requests();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| store.apply(&[Change::Begin(lease(2, 1))]));
        until("a request", || (proxy.requests() > before).then_some(()));
        leadership.resign();
        assert!(matches!(writing.join().unwrap(), Err(StoreError::Unresolved)));
    });
    assert!(matches!(store.apply(&[]), Err(StoreError::NotLeader) | Ok(())));
    assert!(matches!(store.apply(&[Change::Begin(lease(3, 1))]), Err(StoreError::NotLeader)));
    let next = election.campaign().unwrap().unwrap();
    let store = Store::in_etcd(&etcd, &next).unwrap();
    assert_eq!(Model::of(&store), model);
    let answers = proxy.deliver();
    assert!(!answers.is_empty() && answers.iter().all(|answer| !answer.contains("\"succeeded\":true")), "{answers:?}");
    assert_eq!(Model::of(&store), model);
    // What was carried out before the leadership ended is there, though its writer was not told.
    let store = Store::in_etcd(&cluster.through(&proxy), &next);
    assert!(store.is_err(), "nothing comes through");
    proxy.decide_all(Fate::Delivered);
    let store = Store::in_etcd(&cluster.through(&proxy), &next).unwrap();
    proxy.decide_all(Fate::AnswerLost);
    let list = [Change::Begin(lease(4, 1))];
    std::thread::scope(|scope| {
        let before = proxy.requests();
        let writing = scope.spawn(|| store.apply(&list));
        until("two requests", || (proxy.requests() > before + 1).then_some(()));
        next.resign();
        assert!(matches!(writing.join().unwrap(), Err(StoreError::Unresolved)));
    });
    model.apply(&list);
    let next = election.campaign().unwrap().unwrap();
    assert_eq!(Model::of(&Store::in_etcd(&etcd, &next).unwrap()), model);
}

/// Writes until told to stop; what was acknowledged, and what was not and may be there nevertheless.
fn write_until(store: &Store, stop: &AtomicBool, first: u64) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut acknowledged, mut open) = (BTreeSet::new(), BTreeSet::new());
    for id in first.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        match store.apply(&[Change::Begin(lease(id, id % 4))]) {
            Ok(()) => drop(acknowledged.insert(id)),
            Err(_) => drop(open.insert(id)),
        }
    }
    (acknowledged, open)
}

/// Kills and starts members of etcd while a leader of the pool writes, which may lose its leadership over it.
fn kill_under_writes<const N: usize>(rounds: usize) {
    let mut cluster = Cluster::of::<N>();
    let etcd = cluster.etcd();
    let (mut acknowledged, mut open) = (BTreeSet::new(), BTreeSet::new());
    let mut kept = 0;
    for round in 0..rounds as u64 {
        let (store, leadership, _election) = opened(&etcd);
        let stop = AtomicBool::new(false);
        let (told, untold) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| write_until(&store, &stop, 1 + round * 1_000_000));
            let revision = |cluster: &Cluster| {
                cluster.members.iter().find_map(|member| {
                    let found = member.ask("kv/range", &json!({ "key": "YQ==" }))?;
                    found["header"]["revision"].as_str()?.parse::<u64>().ok()
                })
            };
            let before = until("etcd", || revision(&cluster));
            until("writes", || revision(&cluster).filter(|now| *now > before + 20));
            let first = cluster.first();
            cluster.members[first].kill();
            if N == 1 {
                cluster.members[first].start();
            }
            // It goes on: with the members that are left, or with the one that came back. By then the leadership may be lost, and all is
            // refused.
            let before = until("etcd after a member was killed", || revision(&cluster));
            until("writes", || (revision(&cluster)? > before + 20 || !leadership.is_valid()).then_some(()));
            stop.store(true, Ordering::SeqCst);
            if N > 1 {
                cluster.members[first].start();
                until("the member that was killed", || cluster.members[first].is_ready().then_some(()));
            }
            writing.join().unwrap()
        });
        kept += usize::from(leadership.is_valid());
        acknowledged.extend(told);
        open.extend(untold);
        leadership.resign();
        let (store, ..) = opened(&etcd);
        let found: BTreeSet<u64> = store.contents().unwrap().leases.into_keys().collect();
        let lost: Vec<&u64> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let invented: Vec<u64> = found.difference(&acknowledged).filter(|id| !open.contains(id)).copied().collect();
        assert!(invented.is_empty(), "never written: {invented:?}");
    }
    println!("{} acknowledged, {} open, the leadership outlived {kept} of {rounds} kills", acknowledged.len(), open.len());
    assert!(acknowledged.len() > 20 * rounds);
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn the_only_member_is_killed_and_nothing_acknowledged_is_lost() {
    kill_under_writes::<1>(4);
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn the_first_of_three_members_is_killed_and_nothing_acknowledged_is_lost() {
    kill_under_writes::<3>(4);
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn what_is_not_a_pools_is_not_taken_for_one() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (store, leadership, _election) = opened(&etcd);
    let open = || Store::in_etcd(&etcd, &leadership).map(drop).map_err(|error| error.to_string());
    store.apply(&[Change::Begin(lease(1, 1))]).unwrap();
    for (key, value, why) in [
        ("leases/0000000000000001", "{}", "missing field"),
        ("leases/1", "{}", "no pool makes"),
        ("gpu_time/somebody", "1", "no pool makes"),
        ("version", "2", "version 2"),
    ] {
        open().unwrap();
        put(&cluster, key, value);
        let error = open().unwrap_err();
        assert!(error.contains(why), "{key}: {error}");
        let key = json!({ "key": encoded(&format!("/ringway/test/{key}")) });
        cluster.members[0].ask("kv/deleterange", &key).unwrap();
    }
    // Somebody else writes as if it led: this node does not go on beside it.
    store.apply(&[Change::Begin(lease(2, 1))]).unwrap();
    put(&cluster, "transaction", "another");
    assert!(matches!(store.apply(&[Change::Begin(lease(3, 1))]), Err(StoreError::Etcd(why)) if why.contains("something else")));
    assert!(!leadership.is_valid());
}
