//! A server that is reached by TLS, without GPUs: what it takes, what it refuses, and that it lives on.

mod daemons;

use daemons::Scratch;
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_pool::door::DoorOptions;
use ringway_pool::identity::{Certificates, Folder, NewToken, Tokens};
use ringway_pool::server::{ServeOptions, Server};
use ringway_secure::tls::{TlsStream, Trust};
use ringway_secure::token::TokenFile;
use ringway_wire::control::{self, Reply, Request};
use ringway_wire::pool::Wishes;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

fn named(name: &str) -> NewToken {
    NewToken { name: name.into(), ..NewToken::default() }
}

fn target(endpoint: &Endpoint, file: &TokenFile) -> Target {
    Target { endpoint: endpoint.clone(), trust: Some(Trust::in_authority(&file.ca_der()).expect("authority")) }
}

fn ask(target: &Target, token: String) -> Result<Reply, String> {
    let mut connection = target.connect(LIMIT).map_err(|error| error.to_string())?;
    control::send(&mut connection, &Request::Inventory { token }).map_err(|error| error.to_string())?;
    control::receive_reply(&mut connection).map_err(|error| error.to_string())
}

fn raw(endpoint: &Endpoint) -> TcpStream {
    let Ok(Connection::Tcp(stream)) = endpoint.connect(LIMIT) else {
        panic!("{endpoint} is not reached by TCP");
    };
    stream
}

/// Reads until the end, however it comes; what.
fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn a_token_lets_in_and_nothing_else_does() {
    let scratch = Scratch::new();
    let address = scratch.serve();
    // Without tokens, a server of this machine alone is open, and has no identity.
    let plain = Target::from(address.clone());
    assert!(matches!(ask(&plain, String::new()), Ok(Reply::Inventory { .. })));
    // From the first on it asks for one, without a restart.
    let file = scratch.token(named("a"));
    let secured = target(&address, &file);
    assert!(matches!(ask(&secured, file.presented()), Ok(Reply::Inventory { .. })));
    assert!(matches!(ask(&plain, file.presented()), Ok(Reply::Inventory { .. })));
    for (target, token) in [(&plain, String::new()), (&secured, String::new()), (&secured, "x".repeat(1000))] {
        let why = ask(target, token).expect_err("refused");
        assert!(why.contains("did not accept the token"), "{why}");
    }
    Tokens::of(scratch.state()).revoke("a").expect("revoked");
    assert!(ask(&secured, file.presented()).expect_err("refused").contains("was revoked"));
}

#[test]
fn every_cut_of_a_handshake_is_closed_and_the_server_lives_on() {
    let scratch = Scratch::new();
    let file = scratch.token(named("a"));
    let address = scratch.serve();
    // A client's hello, taken from the wire.
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let to_me = Target { endpoint: listener.local_addr().expect("address").to_string().parse().expect("address"), ..target(&address, &file) };
    let client = std::thread::spawn(move || to_me.connect(LIMIT).is_ok());
    let (mut caught, _) = listener.accept().expect("client");
    let mut hello = vec![0; 5];
    caught.read_exact(&mut hello).expect("header");
    hello.resize(5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])), 0);
    caught.read_exact(&mut hello[5..]).expect("hello");
    drop(caught);
    assert!(!client.join().expect("client"), "a connection that was dropped");
    for cut in (1..hello.len()).step_by(17) {
        let mut stream = raw(&address);
        stream.write_all(&hello[..cut]).expect("written");
        stream.shutdown(Shutdown::Write).expect("shut");
        assert!(!to_the_end(stream).starts_with(b"RWCT"), "cut at {cut}");
    }
    for at in (0..hello.len()).step_by(13) {
        let mut changed = hello.clone();
        changed[at] ^= 0x55;
        let mut stream = raw(&address);
        stream.write_all(&changed).expect("written");
        // A server that has seen enough may have closed it before.
        let _ = stream.shutdown(Shutdown::Write);
        to_the_end(stream);
    }
    assert!(matches!(ask(&target(&address, &file), file.presented()), Ok(Reply::Inventory { .. })));
}

#[test]
fn a_handshake_that_comes_by_drops_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let scratch = Scratch::new();
    let certificates = Certificates::load_or_make(&Folder::make(&scratch.state()).expect("folder")).expect("certificates");
    let mut slow = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let dropping = std::thread::spawn(move || {
        // The beginning of a long record, then a byte at a time, for ever.
        let mut sent = slow.write_all(b"\x16\x03\x01\x40\x00");
        while sent.is_ok() && stopped.recv_timeout(Duration::from_millis(20)).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout) {
            sent = slow.write_all(b"x");
        }
    });
    let (server, _) = listener.accept().expect("accept");
    let (told, tells) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(TlsStream::accept(server, &certificates.identity, Duration::from_millis(500)).is_err()));
    assert_eq!(tells.recv_timeout(LIMIT), Ok(true), "the handshake goes on for ever");
    stop.send(()).expect("stop");
    dropping.join().expect("dropping");
}

#[test]
fn clients_get_in_among_many_silent_connections() {
    let scratch = Scratch::new();
    let file = scratch.token(named("a"));
    let address = scratch.serve();
    let mut silent: Vec<TcpStream> = (0..300).map(|_| raw(&address)).collect();
    for stream in silent.iter_mut().step_by(2) {
        // Some of the oldest are closed already.
        let _ = stream.write_all(b"\x16\x03\x01");
    }
    for _ in 0..5 {
        assert!(matches!(ask(&target(&address, &file), file.presented()), Ok(Reply::Inventory { .. })));
    }
    // Not all were closed for that: the youngest waits still.
    let youngest = silent.last_mut().expect("one");
    youngest.set_nonblocking(true).expect("option");
    let waits = youngest.read(&mut [0]).expect_err("nothing comes");
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_token_bounds_what_its_leases_have_together() {
    let scratch = Scratch::new();
    let file = scratch.token(NewToken { max_gpus: Some(1), max_memory_mib: Some(512), user: Some("u".into()), ..named("a") });
    let secured = target(&scratch.serve(), &file);
    let lease = |mib| {
        let mut connection = secured.connect(LIMIT).expect("connection");
        let identity = control::Identity { user: "somebody else".into(), ..Default::default() };
        let request = Request::Lease { token: file.presented(), gpus: 1, memory: control::MemoryAsk::Mib(mib), identity, terms: control::Terms::default(), wishes: Wishes::default() };
        control::send(&mut connection, &request).expect("asked");
        control::receive_reply(&mut connection).map(|reply| (connection, reply)).map_err(|error| error.to_string())
    };
    assert!(lease(600).expect_err("refused").contains("good for 512 MiB"));
    let (held, _) = lease(256).expect("leased");
    let Ok(Reply::Inventory { leases, .. }) = ask(&secured, file.presented()) else {
        panic!("no inventory");
    };
    assert_eq!(leases.iter().map(|lease| lease.identity.user.as_str()).collect::<Vec<_>>(), ["u"]);
    assert!(lease(16).expect_err("refused").contains("good for 1 GPUs"));
    drop(held);
    let start = Instant::now();
    while let Err(why) = lease(16) {
        assert!(start.elapsed() < LIMIT, "the lease is not given back: {why}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn beyond_loopback_a_shared_secret_is_not_enough() {
    let scratch = Scratch::new();
    let beyond = vec![Endpoint::Tcp("0.0.0.0".into(), 0)];
    let start = |token: Option<&str>, state: bool| {
        let state = state.then(|| scratch.state());
        let options = ServeOptions {
            door: DoorOptions { listen: beyond.clone(), secret: token.map(str::to_owned), trusted_network: false, state, by_ticket: false },
            ..scratch.options()
        };
        Server::start(options).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(start(Some("secret"), true).expect_err("refused").contains("clear text"));
    assert!(!scratch.state().exists());
    assert!(start(None, false).expect_err("refused").contains("--state"));
    assert_eq!(start(None, true), Ok(()));
    // What others can read is not used.
    std::fs::set_permissions(scratch.state().join("server.pem"), std::fs::Permissions::from_mode(0o644)).expect("mode");
    assert!(start(None, true).expect_err("refused").contains("chmod 600"));
}
