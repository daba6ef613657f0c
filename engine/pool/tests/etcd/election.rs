//! Which node of a pool leads, by a real etcd: one at a time, another one when it is gone, and never two that write.

use crate::cluster::{Cluster, PATIENCE, PROGRAM, change, encoded, leading, node, opened, until, written};
use crate::proxy::{Fate, Proxy};
use ringway_pool::store::etcd::{Election, Etcd, EtcdSettings, TTL_SECONDS};
use ringway_pool::store::{Store, StoreError};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn one_leads_at_a_time_and_all_know_which() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let (first, leadership) = leading(&etcd, "first");
    let second = Election::new(&etcd, node("second")).unwrap();
    for election in [&first, &second] {
        assert_eq!(election.watch(None, PATIENCE), Some(node("first")));
        assert_eq!(election.leader(), Some(node("first")));
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.campaign().unwrap().unwrap());
        // Well beyond what the leadership would last unrenewed.
        let renewed = Instant::now() + Duration::from_secs(u64::from(TTL_SECONDS) + 2);
        assert!(leadership.wait(renewed - Instant::now()) && leadership.is_valid() && !waiting.is_finished());
        assert_eq!(second.watch(Some(&node("first")), Duration::ZERO), Some(node("first")));
        leadership.resign();
        assert!(!leadership.is_valid() && !leadership.wait(PATIENCE));
        let next = waiting.join().unwrap();
        assert!(next.is_valid());
        let told = until("the first one to see it", || first.watch(Some(&node("first")), PATIENCE));
        assert_eq!(told, node("second"));
        // Dropping it is enough.
        drop(next);
        assert!(first.campaign().unwrap().unwrap().is_valid());
    });
    // Told to stop, nobody waits any more.
    let (_leading, _leadership) = leading(&etcd, "third");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.campaign().unwrap().is_none());
        second.stop();
        assert!(waiting.join().unwrap());
    });
    assert!(second.campaign().unwrap().is_none());
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn of_many_candidates_one_is_elected() {
    let cluster = Cluster::of::<1>();
    let candidates: Vec<Election> = (0..5).map(|n| Election::new(&cluster.etcd(), node(&format!("node{n}"))).unwrap()).collect();
    let leads = std::sync::Mutex::new(None::<String>);
    std::thread::scope(|scope| {
        for (n, election) in candidates.iter().enumerate() {
            let leads = &leads;
            scope.spawn(move || {
                for _ in 0..3 {
                    let leadership = election.campaign().unwrap().unwrap();
                    let me = format!("node{n}");
                    assert_eq!(leads.lock().unwrap().replace(me.clone()), None, "{me} leads beside another");
                    assert!(leadership.wait(Duration::from_millis(50)));
                    assert_eq!(leads.lock().unwrap().take(), Some(me));
                    leadership.resign();
                }
            });
        }
    });
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn a_leader_that_cannot_renew_stops_before_another_is_elected() {
    let cluster = Cluster::of::<1>();
    let proxy = Proxy::before(cluster.members[0].port);
    let cut_off = cluster.through(&proxy);
    let (store, leadership, election) = opened(&cut_off);
    store.apply(&change(1)).unwrap();
    let other = Election::new(&cluster.etcd(), node("other")).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let next = other.campaign().unwrap().unwrap();
            (next, leadership.is_valid())
        });
        proxy.decide_all(Fate::RequestLost);
        assert!(!leadership.wait(PATIENCE), "it leads on without etcd");
        // By itself: nobody else has been elected yet.
        assert!(!waiting.is_finished());
        let (next, both) = waiting.join().unwrap();
        assert!(!both && next.is_valid());
        assert!(matches!(store.apply(&change(2)), Err(StoreError::NotLeader)));
        assert_eq!(written(&Store::in_etcd(&cluster.etcd(), &next).unwrap()), Some(1));
        // After a while without a word from etcd it is not known who leads.
        until("its ignorance", || election.leader().is_none().then_some(()));
        proxy.decide_all(Fate::Delivered);
        assert_eq!(election.watch(None, PATIENCE), Some(node("other")));
    });
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn a_leader_that_does_not_know_yet_that_it_is_deposed_writes_nothing() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    let proxy = Proxy::before(cluster.members[0].port);
    // It is not told: its own calls, but for the store's, do not come through.
    let (_election, leadership) = leading(&cluster.through(&proxy), "first");
    let store = Store::in_etcd(&etcd, &leadership).unwrap();
    store.apply(&change(1)).unwrap();
    proxy.decide_all(Fate::RequestLost);
    cluster.members[0].ask("kv/deleterange", &json!({ "key": encoded("/ringway/test/leader") })).unwrap();
    let (next, _second, _) = opened(&etcd);
    assert!(leadership.is_valid(), "the machine was too slow for this test to prove anything");
    assert!(matches!(store.apply(&change(3)), Err(StoreError::NotLeader)));
    assert!(!leadership.is_valid());
    assert_eq!(written(&next), Some(1));
    next.apply(&change(2)).unwrap();
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn somebody_who_removes_the_key_ends_the_leadership() {
    let cluster = Cluster::of::<1>();
    let (_election, leadership) = leading(&cluster.etcd(), "first");
    cluster.members[0].ask("kv/deleterange", &json!({ "key": encoded("/ringway/test/leader") })).unwrap();
    assert!(!leadership.wait(PATIENCE));
}

const CHILD: &str = "RINGWAY_TEST_NODE";

/// Not a test: a node in a process of its own. Leads, writes, and says what it does.
#[test]
#[ignore = "started by the tests below"]
fn node_in_a_process() {
    let Some(endpoint) = std::env::var_os(CHILD) else { return };
    let settings = EtcdSettings { endpoints: vec![endpoint.into_string().unwrap()], pool: "test".into(), ..EtcdSettings::default() };
    let etcd = Etcd::new(&settings).unwrap();
    let (_election, leadership) = leading(&etcd, "child");
    let store = Store::in_etcd(&etcd, &leadership).unwrap();
    for n in 1..1_000_000 {
        let was_valid = leadership.is_valid();
        match store.apply(&change(n)) {
            Ok(()) => println!("\nwrote {n}"),
            Err(StoreError::NotLeader | StoreError::Unresolved) => {
                println!("\nended, valid before {was_valid}, after {}", leadership.is_valid());
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

struct Node(Child);

impl Node {
    fn start(cluster: &Cluster) -> (Self, std::io::Lines<BufReader<std::process::ChildStdout>>) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "election::node_in_a_process", "--ignored", "--nocapture"])
            .env(CHILD, cluster.members[0].address())
            .env_remove(PROGRAM)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (Self(child), lines)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a plain system call, for a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn a_leader_that_was_stopped_or_killed_is_followed_by_another() {
    let cluster = Cluster::of::<1>();
    let etcd = cluster.etcd();
    for signal in [libc::SIGSTOP, libc::SIGKILL] {
        let (child, mut lines) = Node::start(&cluster);
        let mut wrote = 0;
        while wrote < 20 {
            let line = lines.next().expect("the node ended by itself").unwrap();
            wrote = line.strip_prefix("wrote ").map_or(wrote, |number| number.parse().unwrap());
        }
        let other = Election::new(&etcd, node("other")).unwrap();
        assert_eq!(other.watch(None, PATIENCE), Some(node("child")));
        child.signal(signal);
        let next = other.campaign().unwrap().unwrap();
        let store = Store::in_etcd(&etcd, &next).unwrap();
        let found = written(&store).unwrap();
        assert!(found >= wrote);
        store.apply(&change(7_000_000)).unwrap();
        if signal == libc::SIGSTOP {
            child.signal(libc::SIGCONT);
        }
        // All that it was told was written is there; what it wrote after that it knows for not written.
        let mut ended = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("wrote ") {
                wrote = number.parse().unwrap();
            }
            if line.starts_with("ended") {
                ended = line;
            }
        }
        assert!(wrote <= found && found <= wrote + 1, "it was told that {wrote} was written, {found} was there");
        // It may have been stopped between its look and its write; afterwards it knows in any case.
        assert!(signal == libc::SIGKILL || ended.ends_with("after false"), "{ended}");
        assert_eq!(written(&store), Some(7_000_000));
        assert!(next.is_valid());
        next.resign();
    }
}
