//! A pool and its servers over real connections: a lease from the question to its end, tickets that open nothing, and who may do what.

mod daemons;

use daemons::{GPU_BYTES, Scratch};
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_pool::identity::{Folder, NewToken, Scope, SigningKey};
use ringway_pool::ticket::{Claims, LIFETIME_MS, TicketSlice};
use ringway_wire::control::{self, ControlError, Identity, MemoryAsk, Reply, Request, Terms};
use ringway_wire::pool::{
    AdminRequest, GpuInfo, Granted, Limits, PoolReply, PoolRequest, PoolSays, Principal, Registration, ServerInfo, ServerSays,
    ServerState, Wishes,
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LIMIT: Duration = Duration::from_secs(30);

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

fn send(to: &Endpoint, request: &Request) -> Connection {
    let mut connection = Target::from(to.clone()).connect(LIMIT).expect("connected");
    control::send(&mut connection, request).expect("sent");
    connection
}

fn ask(to: &Endpoint, request: &Request) -> Result<Reply, String> {
    control::receive_reply(&mut send(to, request)).map_err(|error| error.to_string())
}

fn pool_ask(to: &Endpoint, token: &str, ask_for: PoolRequest) -> Result<PoolReply, String> {
    match ask(to, &Request::Pool { token: token.into(), ask: ask_for })? {
        Reply::Pool(reply) => Ok(*reply),
        other => panic!("{other:?}"),
    }
}

fn lease(fraction: f64, token: &str, user: &str, wishes: Wishes) -> Request {
    let identity = Identity { user: user.into(), host: "elsewhere".into(), program: "test".into(), pid: 1 };
    Request::Lease { token: token.into(), gpus: 1, memory: MemoryAsk::Fraction(fraction), identity, terms: Terms::default(), wishes }
}

fn redeem(ticket: &str) -> Request {
    Request::Redeem { ticket: ticket.into(), identity: Identity::default() }
}

/// Until something is so, for at most [`LIMIT`].
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn servers_up(pool: &Endpoint, count: usize) {
    until("servers", || match pool_ask(pool, "", PoolRequest::Servers { after: None }) {
        Ok(PoolReply::Servers { rows, .. }) => (rows.iter().filter(|row| row.state == ServerState::Up).count() == count).then_some(()),
        other => panic!("{other:?}"),
    });
}

fn leases(pool: &Endpoint) -> Vec<ringway_wire::pool::LeaseRow> {
    match pool_ask(pool, "", PoolRequest::Leases { after: None }) {
        Ok(PoolReply::Leases { rows, more: false }) => rows,
        other => panic!("{other:?}"),
    }
}

fn granted(pool: &Endpoint, request: &Request) -> (Connection, Granted) {
    let mut connection = send(pool, request);
    loop {
        match control::receive_reply(&mut connection).expect("an answer") {
            Reply::Granted(granted) => return (connection, *granted),
            Reply::Waiting { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A pool with two servers, one GPU each.
fn pool_of_two(scratch: &Scratch) -> (Endpoint, [Endpoint; 2]) {
    let pool = scratch.pool();
    let servers = ["gpu01", "gpu02"].map(|name| scratch.serve_in(&pool, name));
    servers_up(&pool, 2);
    (pool, servers)
}

#[test]
fn a_lease_from_the_question_to_its_end() {
    let scratch = Scratch::new();
    let (pool, _) = pool_of_two(&scratch);
    let (mut line, granted) = granted(&pool, &lease(0.5, "", "alice", Wishes::default()));
    let [part] = &granted.parts[..] else { panic!("{granted:?}") };
    let server: Endpoint = part.addresses[0].parse().expect("an address");
    let mut holder = send(&server, &redeem(&part.ticket));
    let Ok(Reply::Leased { slices, lease: name, .. }) = control::receive_reply(&mut holder) else { panic!("not leased") };
    assert_eq!((slices.len(), slices[0].memory_bytes, &name), (1, GPU_BYTES / 2, &granted.lease));
    control::send(&mut line, &Request::Farewell).expect("sent");
    let row = until("the server's report", || leases(&pool).into_iter().find(|row| row.is_confirmed));
    assert_eq!((row.lease.user.as_str(), row.identity.host.as_str()), ("alice", "elsewhere"));
    assert_eq!(format!("{:016x}", row.lease.id), name);
    // It goes on without the connection to the pool, and ends with its holder.
    drop(line);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(leases(&pool).len(), 1);
    drop(holder);
    until("the lease's end", || leases(&pool).is_empty().then_some(()));
    let usage = pool_ask(&pool, "", PoolRequest::Usage { from_ms: 0, until_ms: now_ms() + 1000 }).expect("usage");
    let PoolReply::Usage { rows, cut: false } = usage else { panic!("{usage:?}") };
    assert_eq!((rows.len(), rows[0].user.as_str(), rows[0].leases), (1, "alice", 1));
    assert!(rows[0].gpu_time <= 500 * rows[0].lease_ms && rows[0].gpu_time >= 400 * rows[0].lease_ms, "{rows:?}");
}

#[test]
fn what_is_not_brought_to_its_server_is_taken_back() {
    let scratch = Scratch::new();
    let (pool, _) = pool_of_two(&scratch);
    let (line, first) = granted(&pool, &lease(1.0, "", "alice", Wishes::default()));
    let (_other, _) = granted(&pool, &lease(1.0, "", "bob", Wishes::default()));
    // All is leased: the next waits, and gets what the first, which goes away, never used.
    let waiting = std::thread::spawn({
        let pool = pool.clone();
        move || granted(&pool, &lease(1.0, "", "carol", Wishes::default()))
    });
    until("a request that waits", || match pool_ask(&pool, "", PoolRequest::Queue { from: 0 }) {
        Ok(PoolReply::Queue { rows, waiting: 1 }) => (rows[0].user == "carol").then_some(()),
        _ => None,
    });
    drop(line);
    let (_line, second) = waiting.join().expect("granted");
    assert_eq!(second.parts[0].server, first.parts[0].server);
    // The ticket of the first is worth nothing any more.
    let server: Endpoint = first.parts[0].addresses[0].parse().expect("an address");
    let why = ask(&server, &redeem(&first.parts[0].ticket)).expect_err("refused");
    assert!(why.contains("was ended by the pool"), "{why}");
}

#[test]
fn tickets_that_open_nothing() {
    let scratch = Scratch::new();
    let (pool, [one, two]) = pool_of_two(&scratch);
    let (_line, granted) = granted(&pool, &lease(0.25, "", "mallory", Wishes::default()));
    let ticket = &granted.parts[0].ticket;
    let (own, other) = if granted.parts[0].server == "gpu01" { (&one, &two) } else { (&two, &one) };
    let refused = |to: &Endpoint, ticket: &str| ask(to, &redeem(ticket)).expect_err("refused");
    // For another server, changed, cut.
    assert!(refused(other, ticket).contains("is for the server"));
    assert!(refused(own, &ticket.replace('7', "8")).contains("not signed"));
    assert!(refused(own, &ticket[..ticket.len() - 2]).contains("not signed"));
    assert!(refused(own, "").contains("no ticket"));
    // Signed by the pool's own key, and yet wrong.
    let key = SigningKey::load_or_make(&Folder::make(&scratch.state()).expect("folder")).expect("key");
    let server = granted.parts[0].server.clone();
    let claims: Claims = serde_json::from_slice(&ringway_secure::unhex(ticket.split('_').nth(1).expect("claims")).expect("hexadecimal")).expect("claims");
    assert_eq!((claims.user.as_str(), claims.server == server), ("mallory", true));
    let next = std::cell::Cell::new(0);
    let signed = |change: fn(&mut Claims)| {
        next.set(next.get() + 1);
        let mut claims = Claims { lease: next.get(), ..claims.clone() };
        change(&mut claims);
        claims.sign(&key)
    };
    assert!(refused(own, &signed(|claims| claims.expires_ms -= 2 * LIFETIME_MS)).contains("expired"));
    assert!(refused(own, &signed(|claims| claims.registration ^= 1)).contains("started anew"));
    // More memory than the GPU has, a GPU that is not there, one twice, nothing.
    assert!(refused(own, &signed(|claims| claims.slices[0].memory_bytes = 2 << 30)).contains("not enough free GPU memory"));
    assert!(refused(own, &signed(|claims| claims.slices[0].ordinal = 1)).contains("there is no GPU 1"));
    assert!(refused(own, &signed(|claims| claims.slices.push(TicketSlice { ordinal: 0, memory_bytes: 1 }))).contains("one slice"));
    assert!(refused(own, &signed(|claims| claims.slices.clear())).contains("no ticket"));
    // A key that is not the pool's.
    let stranger = SigningKey::load_or_make(&Folder::make(&scratch.0.join("stranger")).expect("folder")).expect("key");
    assert!(refused(own, &claims.sign(&stranger)).contains("not signed"));
    // None of that used the true one up, and it is good once.
    let mut holder = send(own, &redeem(ticket));
    assert!(matches!(control::receive_reply(&mut holder), Ok(Reply::Leased { .. })));
    assert!(refused(own, ticket).contains("used already"));
    // A server of a pool grants nothing itself, and one without takes no tickets.
    assert!(ask(own, &lease(0.1, "", "mallory", Wishes::default())).expect_err("refused").contains("given out by the pool"));
    let alone = Scratch::new().serve();
    assert!(refused(&alone, ticket).contains("belongs to no pool"));
    assert!(ask(&alone, &Request::Pool { token: String::new(), ask: PoolRequest::Servers { after: None } }).expect_err("refused").contains("not a pool"));
}

#[test]
fn what_each_scope_allows() {
    let scratch = Scratch::new();
    let (pool, _) = pool_of_two(&scratch);
    let token = |name: &str, scope| scratch.token(NewToken { name: name.into(), scope, ..NewToken::default() }).presented();
    let [read, user, serve, admin] = [("r", Scope::Read), ("u", Scope::Use), ("s", Scope::Serve), ("a", Scope::Admin)].map(|(name, scope)| token(name, scope));
    let servers = || PoolRequest::Servers { after: None };
    let drain = |drain| PoolRequest::Admin(AdminRequest::Drain { server: "gpu01".into(), drain });
    // Now that there are tokens, nobody is let in without.
    assert!(pool_ask(&pool, "", servers()).expect_err("refused").contains("did not accept"));
    for (who, may_look, may_change, may_use) in [(&read, true, false, false), (&user, true, false, true), (&serve, false, false, false), (&admin, true, true, true)] {
        assert_eq!(pool_ask(&pool, who, servers()).is_ok(), may_look);
        assert_eq!(pool_ask(&pool, who, drain(false)).is_ok(), may_change);
        let asked = ask(&pool, &lease(0.1, who, "somebody", Wishes::default()));
        assert_eq!(asked.is_ok(), may_use, "{asked:?}");
        if !may_look {
            assert!(pool_ask(&pool, who, servers()).expect_err("refused").contains("scope is 'serve'"));
        }
    }
    // Whose a lease is, the token says, not its bearer; who has not got it cannot end it.
    let (_line, granted) = granted(&pool, &lease(0.1, &user, "root", Wishes::default()));
    let id = u64::from_str_radix(&granted.lease, 16).expect("a number");
    let PoolReply::Leases { rows, .. } = pool_ask(&pool, &admin, PoolRequest::Leases { after: None }).expect("leases") else { panic!() };
    assert_eq!(rows.iter().find(|row| row.lease.id == id).expect("the lease").lease.user, "u");
    let stranger = token("v", Scope::Use);
    assert!(pool_ask(&pool, &stranger, PoolRequest::Release { lease: id }).expect_err("refused").contains("is u's"));
    assert_eq!(pool_ask(&pool, &user, PoolRequest::Release { lease: id }), Ok(PoolReply::Done));
    // A server that is drained takes nothing new.
    assert_eq!(pool_ask(&pool, &admin, drain(true)), Ok(PoolReply::Done));
    let (_line, granted) = self::granted(&pool, &lease(0.1, &user, "", Wishes::default()));
    assert_eq!(granted.parts[0].server, "gpu02");
    let filtered = Wishes { filters: vec!["server.hostname=other".into()], ..Wishes::default() };
    assert!(ask(&pool, &lease(0.1, &user, "", filtered)).expect_err("refused").contains("server.hostname=other"));
    // A quota is asked for the token's user.
    let limits = Some(Limits { gpus: Some(1), ..Limits::default() });
    let set = PoolRequest::Admin(AdminRequest::SetLimits { principal: Principal::User("u".into()), limits });
    assert_eq!(pool_ask(&pool, &admin, set), Ok(PoolReply::Done));
    let short = Wishes { timeout_ms: Some(50), ..Wishes::default() };
    assert!(matches!(ask(&pool, &lease(0.1, &user, "", short)), Ok(Reply::TimedOut { .. })));
}

fn registration(name: &str) -> Registration {
    let gpu = GpuInfo { name: "GPU".into(), memory_bytes: GPU_BYTES, compute_capability: (9, 0) };
    Registration {
        info: ServerInfo {
            name: name.into(),
            address: String::new(),
            hostname: "h".into(),
            has_rdma: false,
            driver_version: String::new(),
            cuda_version: String::new(),
            labels: Default::default(),
            gpus: vec![gpu],
        },
        registration: 1,
        addresses: vec!["0.0.0.0:1".into()],
        authority: None,
        version: String::new(),
        driver: String::new(),
        running: Vec::new(),
    }
}

fn join(pool: &Endpoint, token: &str, registration: Registration) -> (Connection, Result<Reply, ControlError>) {
    let mut line = send(pool, &Request::Pool { token: token.into(), ask: PoolRequest::Join(Box::new(registration)) });
    let reply = control::receive_reply(&mut line);
    (line, reply)
}

#[test]
fn servers_that_are_hostile_or_in_each_others_way() {
    let scratch = Scratch::new();
    let (pool, _) = pool_of_two(&scratch);
    let why = |registration| join(&pool, "", registration).1.expect_err("refused").to_string();
    assert!(why(registration("gpu01")).contains("there is a server 'gpu01' already"));
    assert!(why(registration("a b")).contains("name of a server"));
    let broken: [(fn(&mut Registration), &str); 7] = [
        (|r| r.info.gpus.clear(), "0 GPUs"),
        (|r| r.info.gpus = vec![r.info.gpus[0].clone(); 100], "100 GPUs"),
        (|r| r.info.gpus[0].memory_bytes = u64::MAX, "impossible amount"),
        (|r| r.info.hostname = "x".repeat(1000), "longer than"),
        (|r| r.addresses.clear(), "0 addresses"),
        (|r| r.addresses = vec!["not an address".into()], "no server address"),
        (|r| r.authority = Some(vec![1, 2, 3]), "of no use"),
    ];
    for (spoil, text) in broken {
        let mut registration = registration("gpu03");
        spoil(&mut registration);
        let why = why(registration);
        assert!(why.contains(text), "{why}");
    }
    // A good one is reached where the pool sees it; a report that makes no sense ends its line, and no other.
    let (mut line, reply) = join(&pool, "", registration("gpu03"));
    assert!(matches!(reply, Ok(Reply::Pool(_))), "{reply:?}");
    servers_up(&pool, 3);
    let Ok(PoolReply::Servers { rows, .. }) = pool_ask(&pool, "", PoolRequest::Servers { after: Some("gpu02".into()) }) else { panic!() };
    assert_eq!((rows.len(), rows[0].info.address.as_str()), (1, "127.0.0.1:1"));
    control::send(&mut line, &ServerSays::Running(Vec::new())).expect("sent");
    assert!(matches!(control::receive::<PoolSays>(&mut line), Ok(PoolSays::Heard)));
    control::send(&mut line, &"nonsense").expect("sent");
    assert!(control::receive::<PoolSays>(&mut line).is_err());
    servers_up(&pool, 2);
    // By tokens of the scope `serve` a server has its token's name, whatever it says.
    let token = scratch.token(NewToken { name: "gpu09".into(), scope: Scope::Serve, ..NewToken::default() }).presented();
    let (_line, reply) = join(&pool, &token, registration("gpu01"));
    let Ok(Reply::Pool(reply)) = reply else { panic!("{reply:?}") };
    assert!(matches!(*reply, PoolReply::Joined { name, .. } if name == "gpu09"));
}
