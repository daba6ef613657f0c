//! The interface as a whole, over a socket.

use super::*;
use crate::door::DoorOptions;
use crate::identity::{NewToken, Scope, Tokens};
use crate::pool::PoolOptions;
use ringway_link::endpoint::Endpoint;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const LIMIT: Duration = Duration::from_secs(60);

struct Served {
    address: SocketAddr,
    pool: Arc<Pool>,
    state: PathBuf,
    _folder: tempfile::TempDir,
    _runtime: Runtime,
}

struct Answered {
    status: u16,
    head: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name))).map(|(_, value)| value)
    }
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let door = DoorOptions {
            listen: vec![Endpoint::Tcp("127.0.0.1".into(), 0)],
            secret: None,
            trusted_network: false,
            state: Some(state.clone()),
            by_ticket: false,
        };
        let (pool, _) = Pool::start(PoolOptions { door, state: state.clone(), name: "p".into() }).unwrap();
        let listener = HttpListener::bind("127.0.0.1", 0).unwrap();
        let address = listener.listener.local_addr().unwrap();
        let runtime = serve_pool(&pool, listener).unwrap();
        Self { address, pool, state, _folder: folder, _runtime: runtime }
    }

    fn token(&self, name: &str, scope: Scope) -> String {
        let (token, secret) = Tokens::of(self.state.clone()).create(NewToken { name: name.into(), scope, ..NewToken::default() }).unwrap();
        format!("rwt_{}_{}", token.id, secret.as_str())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn send(&self, text: &str) -> Answered {
        let mut stream = self.connect();
        // The other end may answer, and close, before it has read everything.
        let _ = stream.write_all(text.as_bytes());
        let mut all = Vec::new();
        if let Err(error) = stream.read_to_end(&mut all) {
            assert!(!all.is_empty(), "{error}");
        }
        let all = String::from_utf8(all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answered { status, head: head.into(), body: body.into() }
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Answered {
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let body = body.map_or_else(String::new, |body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let end = if body.is_empty() { "\r\n" } else { "" };
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}{body}{end}"))
    }
}

/// A path of the document with something in its places.
fn filled(path: &str) -> String {
    path.replace("{id}", "00000000000000ff").replace("{name}", "nobody").replace("{kind}", "user")
}

#[test]
fn the_document_is_the_file_and_hangs_together() {
    let text = openapi();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(text == written, "docs/openapi.json is not what the code says; write it anew: ringway pool --print-openapi > docs/openapi.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    // Whatever is referred to is there.
    fn refs(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match value {
                Value::String(text) if key == "$ref" => drop(into.insert(text.clone())),
                value => refs(value, into),
            }),
            Value::Array(all) => all.iter().for_each(|value| refs(value, into)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    refs(&document, &mut all);
    assert!(all.len() > 15, "{all:?}");
    for reference in all {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            let named: BTreeSet<&str> = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
            let wanted: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            assert_eq!(named, wanted, "{method} {path}");
        }
    }
}

#[test]
fn each_route_wants_a_token_and_the_right_one() {
    let served = Served::new();
    let (read, serve) = (served.token("read", Scope::Read), served.token("serve", Scope::Serve));
    let (usable, admin) = (served.token("use", Scope::Use), served.token("admin", Scope::Admin));
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let (method, path) = (method.to_uppercase(), filled(path));
            if path == "/api/v1/health" || path == "/api/v1/events" {
                continue;
            }
            seen += 1;
            let status = |token: Option<&str>| served.ask(&method, &path, token, None).status;
            assert_eq!(status(None), 401, "{method} {path}");
            assert_eq!(status(Some("rwt_00_00")), 401, "{method} {path}");
            assert_eq!(status(Some(&serve)), 403, "{method} {path}");
            let is_release = method == "DELETE" && (path.contains("/leases/") || path.contains("/queue/"));
            let is_secret = path.contains("/tokens") || path.contains("/audit");
            let is_open = method == "GET" && !is_secret;
            assert_eq!(status(Some(&read)) == 403, !is_open, "{method} {path}");
            assert_eq!(status(Some(&usable)) == 403, !is_open && !is_release, "{method} {path}");
            assert!(![401, 403, 405].contains(&status(Some(&admin))), "{method} {path}");
        }
    }
    assert!(seen >= 25, "{seen}");
    let health = served.ask("GET", "/api/v1/health", None, None);
    assert_eq!((health.status, &health.json()["status"]), (200, &Value::from("ok")));
    // What was refused is written down: by the token's identifier, never its secret.
    let served_rows = served.pool.watch().audit.read(None).unwrap().0;
    assert!(served_rows.iter().any(|row| row.act == "token.refused" && row.outcome == "refused" && row.address == "127.0.0.1"));
    let secret = serve.rsplit('_').next().unwrap();
    assert!(!std::fs::read_to_string(served.state.join("audit.jsonl")).unwrap().contains(secret));
}

#[test]
fn failures_have_a_cause_and_a_cure() {
    let served = Served::new();
    let admin = served.token("admin", Scope::Admin);
    let long = format!("{{\"group\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let cases = [
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/", None, 404),
        ("POST", "/api/v1/servers", None, 405),
        ("GET", "/api/v1/servers/nobody", None, 404),
        ("POST", "/api/v1/servers/nobody/drain", None, 404),
        ("DELETE", "/api/v1/leases/00000000000000ff", None, 404),
        ("DELETE", "/api/v1/leases/xyz", None, 400),
        ("GET", "/api/v1/leases?after=zz", None, 400),
        ("GET", "/api/v1/servers?afterwards=1", None, 400),
        ("PUT", "/api/v1/users/alice", None, 415),
        ("PUT", "/api/v1/users/alice", Some("{"), 400),
        ("PUT", "/api/v1/users/alice", Some("{\"group\":1}"), 422),
        ("PUT", "/api/v1/users/alice", Some("{\"grup\":\"a\"}"), 422),
        ("PUT", "/api/v1/users/alice", Some(&long), 413),
        ("PUT", "/api/v1/users/a%20b", Some("{}"), 409),
        ("PUT", "/api/v1/quotas/nobody/x", Some("{}"), 404),
        ("PUT", "/api/v1/quotas/each-user/x", Some("{}"), 404),
        ("DELETE", "/api/v1/tokens/nobody", None, 409),
        ("POST", "/api/v1/tokens", Some("{\"name\":\"a b\",\"scope\":\"read\"}"), 409),
        ("POST", "/api/v1/tokens", Some("{\"name\":\"a\",\"scope\":\"read\",\"life_s\":0}"), 400),
        ("POST", "/api/v1/tokens", Some("{\"name\":\"a\",\"scope\":\"root\"}"), 422),
        ("POST", "/api/v1/tokens", Some("{\"name\":\"a\",\"scope\":\"read\",\"addresses\":[\"unix:/x\"]}"), 400),
    ];
    for (method, path, body, status) in cases {
        let answered = served.ask(method, path, Some(&admin), body);
        assert_eq!(answered.status, status, "{method} {path}: {}", answered.body);
        assert_eq!(answered.header("content-type"), Some("application/problem+json"), "{method} {path}");
        let problem = answered.json();
        assert_eq!(problem["status"], status, "{method} {path}");
        assert!(["title", "detail", "cure"].iter().all(|part| problem[part].as_str().is_some_and(|text| !text.is_empty())), "{method} {path}: {problem}");
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")] {
            assert_eq!(answered.header(name), Some(value), "{method} {path}");
        }
        assert_eq!(answered.header("access-control-allow-origin"), None);
    }
    assert_eq!(served.ask("GET", "/api/v1/pool", None, None).header("www-authenticate"), Some("Bearer realm=\"ringway\""));
    assert!(served.ask("POST", "/api/v1/servers", Some(&admin), None).header("allow").unwrap().contains("GET"));
    // Two answers to who asks are none.
    let twice = format!("GET /api/v1/pool HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\nAuthorization: Bearer {admin}\r\n\r\n");
    assert_eq!(served.send(&twice).status, 401);
    assert_eq!(served.send("\x16\x03\x01\x00\x05hello\r\n\r\n").status, 400);
}

#[test]
fn quotas_users_and_tokens_are_what_was_set() {
    let served = Served::new();
    let admin = served.token("admin", Scope::Admin);
    let ask = |method: &str, path: &str, body: Option<&str>| served.ask(method, path, Some(&admin), body);
    assert_eq!(ask("PUT", "/api/v1/quotas/user/alice", Some("{\"gpus\":2,\"memory_bytes\":1073741824,\"leases\":3,\"gpu_hours\":4}")).status, 204);
    assert_eq!(ask("PUT", "/api/v1/quotas/each-group", Some("{\"gpus\":9}")).status, 204);
    assert_eq!(ask("PUT", "/api/v1/users/bob", Some("{\"group\":\"lab\",\"priority\":-3}")).status, 204);
    let quotas = ask("GET", "/api/v1/quotas", None).json();
    let of = |kind: &str, name: &str| quotas["items"].as_array().unwrap().iter().find(|row| row["kind"] == kind && row["name"] == name).cloned().unwrap();
    assert_eq!(of("user", "alice")["limits"], serde_json::json!({ "gpus": 2, "memory_bytes": 1_073_741_824, "leases": 3, "gpu_hours": 4 }));
    assert_eq!(of("each-group", "")["limits"]["gpus"], 9);
    let users = ask("GET", "/api/v1/users", None).json();
    let bob = users["items"].as_array().unwrap().iter().find(|row| row["name"] == "bob").cloned().unwrap();
    assert_eq!(bob["settings"], serde_json::json!({ "group": "lab", "priority": -3 }));
    assert_eq!(ask("DELETE", "/api/v1/users/bob", None).status, 204);
    assert_eq!(ask("DELETE", "/api/v1/quotas/user/alice", None).status, 204);
    assert_eq!(ask("DELETE", "/api/v1/quotas/each-group", None).status, 204);
    assert_eq!(ask("GET", "/api/v1/quotas", None).json()["items"], serde_json::json!([]));

    let made = ask("POST", "/api/v1/tokens", Some("{\"name\":\"ci\",\"scope\":\"read\",\"user\":\"carol\",\"life_s\":600,\"addresses\":[\"pool:7767\"]}"));
    assert_eq!(made.status, 201);
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(served.ask("GET", "/api/v1/pool", Some(token), None).status, 200);
    let file = ringway_secure::token::TokenFile::parse(made["token_file"].as_str().unwrap()).unwrap();
    assert_eq!((file.presented(), file.addresses.as_slice()), (token.to_owned(), &["pool:7767".to_owned()][..]));
    let listed = ask("GET", "/api/v1/tokens", None);
    assert!(!listed.body.contains(&file.secret));
    let row = listed.json().as_array().unwrap().iter().find(|row| row["name"] == "ci").cloned().unwrap();
    assert_eq!((row["scope"].as_str(), row["state"].as_str(), row["user"].as_str()), (Some("read"), Some("valid"), Some("carol")));
    assert_eq!(ask("DELETE", "/api/v1/tokens/ci", None).status, 204);
    assert_eq!(served.ask("GET", "/api/v1/pool", Some(token), None).status, 401);
    let acts = |outcome: &str| {
        let rows = ask("GET", "/api/v1/audit", None).json()["items"].as_array().unwrap().clone();
        rows.iter().filter(|row| row["outcome"] == outcome && row["token"] == "admin").map(|row| row["act"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wanted = ["quota.set", "quota.set", "user.set", "user.remove", "quota.unset", "quota.unset", "token.create", "token.revoke"];
    assert_eq!(acts("asked"), wanted);
    assert_eq!(acts("done"), wanted);
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let served = Served::new();
    let admin = served.token("admin", Scope::Admin);
    assert_eq!(served.ask("PUT", "/api/v1/users/a", Some(&admin), Some("{\"priority\":1}")).status, 204);
    // Another pool, that has written nothing yet: others can read what is in the file's place.
    let broken = Served::new();
    std::fs::copy(served.state.join("tokens.json"), broken.state.join("tokens.json")).unwrap();
    let file = broken.state.join("audit.jsonl");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = broken.ask("PUT", "/api/v1/users/b", Some(&admin), Some("{\"priority\":1}"));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.json()["detail"].as_str().unwrap().contains("audit log"));
    for (method, path, body) in [("POST", "/api/v1/tokens", Some("{\"name\":\"x\",\"scope\":\"admin\"}")), ("DELETE", "/api/v1/tokens/admin", None)] {
        assert_eq!(broken.ask(method, path, Some(&admin), body).status, 503, "{method} {path}");
    }
    let health = broken.ask("GET", "/api/v1/health", None, None);
    assert_eq!((health.status, &health.json()["status"]), (503, &Value::from("degraded")));
    let users = broken.ask("GET", "/api/v1/users", Some(&admin), None).json();
    assert!(users["items"].as_array().unwrap().iter().all(|row| row["name"] != "b"), "{users}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(broken.ask("PUT", "/api/v1/users/b", Some(&admin), Some("{\"priority\":1}")).status, 204);
    assert_eq!(broken.ask("GET", "/api/v1/health", None, None).status, 200);
}

#[test]
fn who_asks_too_often_has_to_wait() {
    let served = Served::new();
    let (read, other) = (served.token("read", Scope::Read), served.token("other", Scope::Read));
    let mut stream = served.connect();
    let one = format!("GET /api/v1/pool HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {read}\r\n\r\n");
    let count = 2 * rates::BURST as usize;
    // All at once, over one connection.
    let mut writing = stream.try_clone().unwrap();
    let many = one.repeat(count);
    let writer = std::thread::spawn(move || writing.write_all(many.as_bytes()));
    let (mut all, mut buffer) = (String::new(), [0; 65536]);
    while all.matches("HTTP/1.1 ").count() < count {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "it ended after {} answers", all.matches("HTTP/1.1 ").count());
        all.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    writer.join().unwrap().unwrap();
    assert!(all.matches("HTTP/1.1 200").count() >= rates::BURST as usize);
    assert!(all.contains("HTTP/1.1 429") && all.contains("retry-after: 1"), "nobody was told to wait");
    // Another token's bearer is not touched by it.
    assert_eq!(served.ask("GET", "/api/v1/pool", Some(&other), None).status, 200);
}

#[test]
fn events_come_in_order_and_go_on_after_a_break() {
    let served = Served::new();
    let read = served.token("read", Scope::Read);
    let listen = |last: Option<&str>| {
        let mut stream = served.connect();
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {read}\r\n{last}\r\n").unwrap();
        stream
    };
    let until = |stream: &mut TcpStream, text: &str| {
        let (mut all, mut buffer) = (String::new(), [0; 4096]);
        while !all.contains(text) {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "the stream ended: {all}");
            all.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
        all
    };
    let watch = Arc::clone(served.pool.watch());
    let mut stream = listen(None);
    assert!(until(&mut stream, "ringway").contains("text/event-stream"));
    watch.lost("s1", "a test");
    watch.joined(&crate::watch::Who::default(), "s1", 2);
    let told = until(&mut stream, "server.joined");
    assert!(told.contains("event: server.lost") && told.contains("\"server\":\"s1\""), "{told}");
    let first = told.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(stream);
    watch.lost("s2", "a test");
    let again = until(&mut listen(Some(&first)), "\"server\":\"s2\"");
    assert!(again.contains("server.joined") && !again.contains("event: gap") && !again.contains(&format!("id: {first}\n")), "{again}");
    assert!(until(&mut listen(Some("other-5")), "\"server\":\"s2\"").contains("event: gap"));
    // The end of its token is the end of the stream.
    let mut stream = listen(None);
    until(&mut stream, "ringway");
    Tokens::of(served.state.clone()).revoke("read").unwrap();
    watch.lost("s3", "a test");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("s3"), "{rest}");
}
