use super::*;
use serde_json::{Value, json};

fn slice() -> Value {
    json!({ "server_ordinal": 0, "name": "GPU", "memory_bytes": 1 << 30, "memory_bytes_total": 4u64 << 30 })
}

fn lease(id: &str, account: i32, place: u32) -> Value {
    json!({
        "id": id, "secret": "s", "slices": [slice()], "identity": { "user": "u", "host": "h", "program": "p", "pid": 7 }, "account": account,
        "age_ms": 5, "patience_ms": 9, "grant": { "token": null, "name": "", "user": null, "max_gpus": null, "max_memory_bytes": null, "scope": "use" },
        "ended": false, "closing": false, "last_word": null, "terms": {}, "place": place, "used": 1, "used_by": {}, "pool": null
    })
}

fn session(number: u64, pid: u32, slot: u32, orders: i32) -> Value {
    json!({
        "session": number, "lease": "l1", "secret": "s", "lanes": 1, "pid": pid, "slot": slot, "seat": slot, "since": 1, "orders": orders,
        "orders_version": ORDERS_VERSION, "share": { "number": 0, "of": 1 }, "paths": { "taken": 0, "by_peer": { "1": 7 } }
    })
}

fn state() -> Value {
    let device = DeviceSnapshot { memory_bytes: 4 << 30, ..Default::default() };
    json!({
        "release": "0.1.0", "kept": { "folder": "/run/x", "driver": "/lib/libcuda.so.1" }, "driver": "CUDA 13.0", "devices": [device],
        "listeners": [{ "endpoint": "127.0.0.1:7766", "fd": 10 }], "metrics": { "endpoint": "127.0.0.1:9000", "fd": 11 }, "shares": 12,
        "leases": [lease("l1", 13, 0), lease("l2", 14, 1)], "sessions": [session(1, 100, 0, 15), session(2, 101, 1, 16)], "others": [102],
        "pool": [], "membership": null
    })
}

fn text(state: &Value) -> Vec<u8> {
    format!("{HEAD}{STATE_VERSION}\n{state}").into_bytes()
}

fn why(text: &[u8]) -> String {
    Handover::parse(text).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_state_is_read() {
    let handover = Handover::parse(&text(&state())).map_err(|error| error.to_string()).unwrap();
    assert_eq!((handover.counts(), handover.version(), handover.release()), ((2, 2), STATE_VERSION, "0.1.0"));
    assert_eq!(handover.kept().folder, PathBuf::from("/run/x"));
    assert!(handover.listens_at(&"127.0.0.1:7766".parse().unwrap()) && handover.listens_at(&"127.0.0.1:9000".parse().unwrap()));
    assert!(!handover.listens_at(&"127.0.0.1:7767".parse().unwrap()));
}

#[test]
fn another_version_and_no_state_are_refused() {
    let good = text(&state());
    for version in ["0", "2", "01", "", "x"] {
        let other = format!("{HEAD}{version}\n{}", state());
        assert!(matches!(Handover::parse(other.as_bytes()), Err(HandoverError::Version { .. })), "{version}");
    }
    for other in [&b""[..], b"\n", b"ringway serve state 1", b"something else\n{}", b"ringway serve state 1\n{}", b"ringway serve state 1\n\xff"] {
        assert!(matches!(Handover::parse(other), Err(HandoverError::Useless(_))), "{other:?}");
    }
    // Wherever it is cut.
    for cut in 0..good.len() {
        assert!(Handover::parse(&good[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    type Change = fn(&mut Value);
    let changes: &[(&str, Change)] = &[
        ("no GPUs", |state| state["devices"] = json!([])),
        ("descriptor 10 twice", |state| state["shares"] = json!(10)),
        ("descriptor 13 twice", |state| state["sessions"][0]["orders"] = json!(13)),
        ("the descriptor 2", |state| state["leases"][0]["account"] = json!(2)),
        ("the descriptor -1", |state| state["metrics"]["fd"] = json!(-1)),
        ("lease \"l1\" twice", |state| state["leases"][1]["id"] = json!("l1")),
        ("session 1 twice", |state| state["sessions"][1]["session"] = json!(1)),
        ("process 100 twice", |state| state["others"] = json!([100])),
        ("cannot be a worker", |state| state["sessions"][0]["pid"] = json!(1)),
        ("cannot be a worker", |state| state["others"] = json!([0])),
        ("cannot be a worker", |state| state["others"] = json!([u32::MAX])),
        ("slot (\"l1\", 0) twice", |state| state["sessions"][1]["slot"] = json!(0)),
        ("session 1 cannot be", |state| state["sessions"][0]["slot"] = json!(ACCOUNT_SLOTS)),
        ("session 1 cannot be", |state| state["sessions"][0]["seat"] = json!(SEATS)),
        ("session 2 cannot be", |state| state["sessions"][1]["lanes"] = json!(2)),
        ("session 1 cannot be", |state| state["sessions"][0]["secret"] = json!("")),
        ("session 1 cannot be", |state| state["sessions"][0]["share"]["number"] = json!(1)),
        ("orders of version 99", |state| state["sessions"][0]["orders_version"] = json!(99)),
        ("lease l1 cannot be", |state| state["leases"][0]["slices"] = json!([])),
        ("lease l1 cannot be", |state| state["leases"][0]["place"] = json!(LEASES)),
        ("lease l1 cannot be", |state| state["leases"][0]["secret"] = json!("")),
        ("lease l1 cannot be", |state| state["leases"][0]["terms"]["compute_percent"] = json!(101)),
        ("invalid type", |state| state["leases"][0]["used"] = json!("long ago")),
        ("missing field", |state| state.as_object_mut().map(|state| state.remove("sessions")).map_or((), drop)),
        ("4097", |state| state["others"] = json!((1000..1000 + 4097).collect::<Vec<_>>())),
    ];
    for (wanted, change) in changes {
        let mut state = state();
        change(&mut state);
        let why = why(&text(&state));
        assert!(why.contains(wanted) || *wanted == "4097" && why.contains("leases"), "{wanted}: {why}");
    }
}

#[test]
fn only_a_sealed_memory_file_is_read() {
    assert!(Handover::read(sealed(&text(&state())).unwrap()).is_ok());
    let mut plain = tempfile::tempfile().unwrap();
    plain.write_all(&text(&state())).unwrap();
    assert!(matches!(Handover::read(plain.into()), Err(HandoverError::Useless(_))));
    let (socket, _) = UnixStream::pair().unwrap();
    assert!(Handover::read(socket.into()).is_err());
    assert!(inherited(-1).is_err() && inherited(0).is_err() && inherited(1 << 20).is_err());
}

#[test]
fn descriptors_that_are_something_else_are_refused() {
    // What is named is not there.
    let handover = Handover::parse(&text(&json!({
        "release": "0.1.0", "kept": { "folder": "/run/x", "driver": "/lib/libcuda.so.1" }, "driver": "CUDA 13.0",
        "devices": [DeviceSnapshot { memory_bytes: 4 << 30, ..Default::default() }], "listeners": [], "metrics": null, "shares": 1 << 20,
        "leases": [], "sessions": [], "others": [], "pool": [], "membership": null
    })));
    let error = handover.ok().map(Handover::take).and_then(Result::err).map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("inherited no descriptor"), "{error}");
    let (near, _far) = UnixStream::pair().unwrap();
    assert!(regular(near.into()).is_err());
    assert!(socket(sealed(b"x").unwrap()).is_err());
}
