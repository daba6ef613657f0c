//! Nothing that was acknowledged is lost: the store on a disk that forgets and tears what was not synced when it crashes, at each of its
//! writes in turn; and a process that is killed again and again.

mod disk;
mod records;

use disk::Crashing;
use proptest::prelude::*;
use records::{Model, changes, lease, server};
use ringway_pool::scheduler::{Limits, Principal};
use ringway_pool::store::{Change, FILE, Store, StoreError};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A store on a disk that crashes after so many operations; what must be there, and what may be there too.
fn until_crash(disk: &Crashing, first: u64) -> (Model, Option<Model>, u64) {
    let mut acknowledged = Model::default();
    let Ok(store) = Store::on(disk.clone()) else { return (acknowledged, None, first) };
    for n in first.. {
        let mut with = acknowledged.clone();
        with.apply(&changes(n));
        if store.apply(&changes(n)).is_err() {
            return (acknowledged, Some(with), n);
        }
        acknowledged = with;
    }
    unreachable!("the disk crashes")
}

#[test]
fn a_crash_at_any_write_loses_nothing_that_was_acknowledged() {
    let mut crashes = 0;
    let mut most = 0;
    // At each of the first operations, then at some of many.
    for operations in (0..400).chain((400..2400).step_by(37)) {
        let disk = Crashing::with(Vec::new(), operations);
        let (acknowledged, perhaps, reached) = until_crash(&disk, 1);
        most = most.max(reached);
        for seed in 0..3 {
            let disk = disk.0.lock().unwrap();
            assert!(disk.crashed);
            let after = Crashing::with(disk.after_crash(seed * 7919 + operations), u64::MAX);
            let store = match Store::on(after) {
                Ok(store) => store,
                // A store whose very making was interrupted may be worthless: nothing was acknowledged.
                Err(error) => {
                    assert!(perhaps.is_none(), "after {operations} operations: {error}");
                    continue;
                }
            };
            let found = Model::of(&store);
            let is_right = found == acknowledged || perhaps.as_ref() == Some(&found);
            assert!(is_right, "after {operations} operations, seed {seed}: {found:?}\ninstead of {acknowledged:?}\nor {perhaps:?}");
            // And it goes on.
            store.apply(&[Change::Begin(lease(u64::MAX, 1))]).unwrap();
            assert!(store.contents().unwrap().leases.contains_key(&u64::MAX));
            crashes += 1;
        }
    }
    assert!(crashes > 1000 && most > 30, "{crashes} crashes, {most} changes: too few to prove anything");
}

#[test]
fn a_disk_that_lies_about_syncing_is_found_out() {
    // The test above would be worthless if it accepted what such a disk leaves.
    let mut lost = 0;
    for operations in (100..400).step_by(7) {
        let disk = Crashing::with(Vec::new(), operations);
        let (acknowledged, perhaps, _) = until_crash(&disk, 1);
        let half = disk.0.lock().unwrap().synced.len() / 2;
        let mut bytes = disk.0.lock().unwrap().synced.clone();
        bytes[half..].fill(0);
        let found = Store::on(Crashing::with(bytes, u64::MAX)).and_then(|store| store.contents());
        lost +=
            u32::from(found.map_or(true, |found| found != acknowledged.contents && perhaps.is_none_or(|model| model.contents != found)));
    }
    assert!(lost > 0);
}

const CHILD: &str = "RINGWAY_TEST_STORE_FOLDER";

/// Not a test: the process that is killed. Says the number of each change after it was acknowledged.
#[test]
#[ignore = "started by the test below"]
fn process_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = Store::open(folder.as_ref()).unwrap();
    let first = store.contents().unwrap().leases.keys().next_back().map_or(1, |last| last + 1);
    for id in first..first + 100_000 {
        let mut changes = vec![Change::Begin(lease(id, id % 4))];
        if id > 50 {
            changes.push(Change::End { id: id - 50, end_ms: id, gpu_time: 3 });
        }
        store.apply(&changes).unwrap();
        println!("acknowledged {id}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut before = 0;
    for round in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process_that_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        // Killed in the middle of whatever it does then, a while after some changes.
        let wanted = 5 + round * 3;
        let mut seen = 0;
        let number = |line: &str| line.rsplit_once("acknowledged ").and_then(|(_, id)| id.trim().parse::<u64>().ok());
        while seen < wanted {
            let line = lines.next().expect("the process ended by itself").unwrap();
            if let Some(id) = number(&line) {
                (acknowledged, seen) = (id, seen + 1);
            }
        }
        std::thread::sleep(Duration::from_micros(137 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died and was not read yet.
        for line in lines.map_while(Result::ok) {
            acknowledged = number(&line).unwrap_or(acknowledged);
        }
        let store = Store::open(folder.path()).unwrap();
        let leases = store.contents().unwrap().leases;
        let last = *leases.keys().next_back().unwrap();
        assert!(last == acknowledged || last == acknowledged + 1, "acknowledged {acknowledged}, found {last}");
        assert!(last > before, "the rounds do not go on from each other");
        before = last;
        // Each change was made whole, and nothing before it is missing.
        let first = last.saturating_sub(50) + 1;
        assert_eq!(leases.keys().copied().collect::<Vec<_>>(), (first..=last).collect::<Vec<_>>());
        let ended = store.history(0, u64::MAX).unwrap();
        assert_eq!(ended.iter().map(|row| row.lease.id).collect::<Vec<_>>(), (1..first).collect::<Vec<_>>());
        assert_eq!(
            store.contents().unwrap().gpu_time.values().sum::<u64>(),
            3 * ended.iter().map(|row| 1 + u64::from(!row.lease.group.is_empty())).sum::<u64>()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn does_as_the_plain_model_does(numbers in proptest::collection::vec(1u64..60, 1..40)) {
        let store = Store::on(Crashing::with(Vec::new(), u64::MAX)).unwrap();
        let mut model = Model::default();
        for n in numbers {
            store.apply(&changes(n)).unwrap();
            model.apply(&changes(n));
            prop_assert_eq!(&Model::of(&store), &model);
        }
    }
}

#[test]
fn a_scheduler_begins_where_another_ended() {
    let store = Store::on(Crashing::with(Vec::new(), u64::MAX)).unwrap();
    let user = Principal::User("user0".into());
    store
        .apply(&[
            Change::PutServer(server(0, 1)),
            Change::Begin(lease(3, 0)),
            Change::Begin(lease(6, 0)),
            Change::Limits(user.clone(), Some(Limits { sessions: Some(1), ..Limits::default() })),
        ])
        .unwrap();
    store.apply(&[Change::End { id: 6, end_ms: 5000, gpu_time: 77 }]).unwrap();
    let (scheduler, conflicts) = store.contents().unwrap().scheduler();
    assert_eq!(conflicts, []);
    assert_eq!(scheduler.leases().cloned().collect::<Vec<_>>(), [lease(3, 0)]);
    let (_, usage) = scheduler.usages(1003).find(|(principal, _)| **principal == user).unwrap();
    assert_eq!((usage.sessions, usage.gpus, usage.gpu_time), (1, 1, 77));
    assert_eq!(scheduler.limits().count(), 1);
    // A lease on a server that is not known is told, not swallowed.
    store.apply(&[Change::Begin(lease(4, 1))]).unwrap();
    assert_eq!(store.contents().unwrap().scheduler().1.len(), 1);
}

#[test]
fn the_file_is_private_and_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool");
    let store = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse(_))));
    let file = path.join(FILE);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    store.apply(&[Change::Begin(lease(1, 1))]).unwrap();
    drop(store);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Open(_, 0o644))));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Store::open(&path).unwrap().contents().unwrap().leases.len(), 1);
    // A file that is something else is refused, not overwritten.
    for bytes in [&b"something else"[..], &[0xff; 100_000]] {
        std::fs::write(&file, bytes).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Failed(..))));
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
}
