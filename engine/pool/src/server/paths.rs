//! Paths between servers of one program (WIRE.md, W35): a worker may not make connections, so serve makes them, and only to where it may.
//!
//! Where a program may lead a server is not the program's word alone: the other servers of its lease, as the pool's ticket names them, or
//! those that the administrator named (`--peer`).

use super::sessions::{Asked, order};
use super::{Server, State};
use crate::door::{refused, same_secret};
use crate::ticket::{Claims, TicketPeer};
use ring::digest::{SHA256, digest};
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_secure::tls::Trust;
use ringway_secure::{hex, path_secret};
use ringway_wire::control::{self, LaneKeys, Reply, Request, WorkerOrder};
use ringway_wire::pool::SERVER_ADDRESSES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Bound on reaching one address of another server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bound on reaching another server by any of its addresses; below what a program waits for the answer.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);
/// Paths that are being made at a time, at the most.
const MAKING_MAX: u32 = 16;
/// Other servers that an administrator names, at the most.
pub const PEERS_MAX: usize = 1024;

/// What a session has been told of paths: requests of attempts before are refused, also when the server has restarted in place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Attempts {
    /// The last that the session was to take itself.
    taken: u64,
    /// The last of each other server.
    by_peer: HashMap<u32, u64>,
}

/// What a program says of the path that it wants.
pub(super) struct Wanted<'a> {
    pub(super) session: u64,
    pub(super) secret: &'a str,
    pub(super) attempt: u64,
    pub(super) peer: u32,
    pub(super) peer_session: u64,
    pub(super) peer_secret: &'a str,
    pub(super) address: &'a str,
    pub(super) authority: Option<&'a [u8]>,
}

/// One path that is being made.
struct Making<'a>(&'a AtomicU32);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn fault(reason: impl Into<String>) -> Reply {
    refused(reason, "this is a fault of the client")
}

impl Server {
    /// Connects a session to another server of its program.
    pub(super) fn take_path(&self, wanted: &Wanted<'_>) -> Reply {
        match self.make_path(wanted) {
            Ok(()) => Reply::PathTaken,
            Err(reply) => {
                if let Reply::Refused { reason, .. } = &reply {
                    tracing::info!(session = wanted.session, peer = wanted.peer, "no path: {reason}");
                }
                reply
            }
        }
    }

    fn make_path(&self, wanted: &Wanted<'_>) -> Result<(), Reply> {
        let making = Making(&self.making_paths);
        if self.making_paths.fetch_add(1, Ordering::AcqRel) >= MAKING_MAX {
            return Err(refused("the server makes its limit of paths at a time", "it goes on without one"));
        }
        let (from, targets) = self.check_path(wanted)?;
        let request = Request::Path { session: wanted.peer_session, secret: wanted.peer_secret.to_owned(), from, attempt: wanted.attempt };
        let mut connection = reach(&targets).map_err(|why| {
            refused(format!("the other server cannot be reached from this one: {why}"), "let them reach each other, or do without: copies go by the program's machine")
        })?;
        let unsaid = |error: &dyn std::fmt::Display| refused(format!("the other server did not hear: {error}"), "try again");
        control::send(&mut connection, &request).map_err(|error| unsaid(&error))?;
        // Who reads the answer is the worker: what is sealed with the connection's keys is sealed by one process.
        let (fd, keys) = match connection {
            Connection::Unix(stream) => (stream.into(), None),
            Connection::Tcp(stream) => (stream.into(), None),
            Connection::Tls(stream) => {
                let (stream, keys) = stream.into_keys().map_err(|error| unsaid(&error))?;
                (std::os::fd::OwnedFd::from(stream), Some(LaneKeys(keys.as_bytes().to_vec())))
            }
        };
        let state = self.lock();
        let session = state.sessions.get(&wanted.session).ok_or_else(no_session)?;
        let path = WorkerOrder::Path { peer: wanted.peer, attempt: wanted.attempt, comes_in: false, keys };
        let taken = order(&session.orders, &path, fd.as_raw_fd());
        drop(making);
        taken.map_err(|error| refused(format!("the worker did not take the connection: {error}"), "see the server's log"))
    }

    /// The number of the session's server among its program's, and where its path may lead.
    fn check_path(&self, wanted: &Wanted<'_>) -> Result<(u32, Vec<Target>), Reply> {
        let mut state = self.lock();
        let State { sessions, leases, .. } = &mut *state;
        let session = sessions.get_mut(&wanted.session).filter(|found| same_secret(&found.secret, wanted.secret)).ok_or_else(no_session)?;
        let share = session.share;
        if wanted.peer >= share.of || wanted.peer == share.number {
            return Err(fault(format!("server {} is no other one of the session's program", wanted.peer)));
        }
        if wanted.attempt <= session.paths.taken {
            return Err(fault("this attempt to make a path was made before"));
        }
        session.paths.taken = wanted.attempt;
        let claims = leases.get(&session.lease).and_then(|lease| lease.pool.as_ref());
        let targets = match claims {
            Some(claims) => of_lease(claims, wanted),
            None => named(&self.options.peers, wanted),
        }?;
        drop(state);
        if !self.options.door.trusted_network && targets.iter().any(leads_beyond_in_clear) {
            return Err(refused(
                "the other server takes connections without encryption, and this one is not to make such to other machines",
                "give the other server an identity (`ringway token create`), or start this one with --trusted-network if the network is trusted",
            ));
        }
        Ok((share.number, targets))
    }

    /// Gives a session's worker a connection by which another server of its program asks for copies.
    pub(super) fn path(&self, session: u64, secret: &str, (from, attempt): (u32, u64), asked: &Asked) -> Result<(), Reply> {
        let mut state = self.lock();
        let is_right = |found: &&mut super::Session| same_secret(&path_secret(&found.secret, from, attempt), secret);
        let found = state.sessions.get_mut(&session).filter(is_right).ok_or_else(no_session)?;
        if from >= found.share.of || from == found.share.number {
            return Err(fault(format!("server {from} is no other one of the session's program")));
        }
        let last = found.paths.by_peer.entry(from).or_insert(0);
        if attempt <= *last {
            return Err(fault("this attempt to make a path was made before"));
        }
        *last = attempt;
        let path = WorkerOrder::Path { peer: from, attempt, comes_in: true, keys: asked.keys.clone() };
        order(&found.orders, &path, asked.stream.fd().as_raw_fd())
            .map_err(|error| refused(format!("the worker did not take the connection: {error}"), "see the server's log"))
    }
}

fn no_session() -> Reply {
    refused("there is no such session", "its worker ended; see the server's log")
}

/// Where another server of a pool's lease is reached: as the pool said, whatever the program says.
fn of_lease(claims: &Claims, wanted: &Wanted<'_>) -> Result<Vec<Target>, Reply> {
    let not_named = || refused("the pool's ticket does not name that server", "use the ringway program of the same release on the pool");
    let peer = claims.peers.get(wanted.peer as usize).filter(|peer| !peer.addresses.is_empty()).ok_or_else(not_named)?;
    let trust = match (&peer.authority, wanted.authority) {
        (None, _) => None,
        (Some(named), Some(brought)) if same_secret(named, &fingerprint(brought)) => Some(trust_in(brought)?),
        (Some(_), _) => return Err(fault("the authority of the other server is not the one that the pool's ticket names")),
    };
    let endpoints = peer.addresses.iter().take(SERVER_ADDRESSES_MAX).map(|address| address.parse::<Endpoint>());
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>().map_err(|error| refused(error.to_string(), "see the pool's log"))?;
    Ok(endpoints.into_iter().map(|endpoint| Target { endpoint, trust: trust.clone() }).collect())
}

/// The other server as the program reaches it, if the administrator has named it.
fn named(peers: &[Endpoint], wanted: &Wanted<'_>) -> Result<Vec<Target>, Reply> {
    let endpoint: Endpoint = wanted.address.parse().map_err(|_| fault("the other server's address is none"))?;
    if !peers.contains(&endpoint) {
        return Err(refused(
            format!("this server may not connect to {endpoint}"),
            "name it there with `ringway serve --peer`, or do without: copies go by the program's machine",
        ));
    }
    let trust = wanted.authority.map(trust_in).transpose()?;
    Ok(vec![Target { endpoint, trust }])
}

fn trust_in(authority: &[u8]) -> Result<Trust, Reply> {
    Trust::in_authority(authority).map_err(|why| fault(format!("the authority of the other server: {why}")))
}

/// By what a ticket names an authority.
pub(crate) fn fingerprint(authority: &[u8]) -> String {
    hex(digest(&SHA256, authority).as_ref())
}

/// Another server as a ticket names it.
pub(crate) fn ticket_peer(addresses: &[String], authority: Option<&[u8]>) -> TicketPeer {
    /// A ticket has a bound, and a server that has many addresses is reached by the first of them.
    const ADDRESSES: usize = 4;
    // A path of a Unix socket would lead to whatever has it on the other host.
    let reachable = addresses.iter().filter(|address| !address.starts_with("unix:"));
    TicketPeer { addresses: reachable.take(ADDRESSES).cloned().collect(), authority: authority.map(fingerprint) }
}

/// Whether what is said to a server could be read on a network.
fn leads_beyond_in_clear(target: &Target) -> bool {
    match &target.endpoint {
        Endpoint::Tcp(host, port) if target.trust.is_none() => match (host.as_str(), *port).to_socket_addrs() {
            Ok(addresses) => addresses.into_iter().any(|address: SocketAddr| !address.ip().to_canonical().is_loopback()),
            // It leads nowhere now; where it will lead when it is connected to, nobody knows.
            Err(_) => true,
        },
        Endpoint::Tcp(..) | Endpoint::Unix(_) => false,
    }
}

/// A connection to the first that answers.
fn reach(targets: &[Target]) -> Result<Connection, String> {
    let deadline = Instant::now() + REACH_TIMEOUT;
    let mut why = "it has no address".to_owned();
    for target in targets {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match target.connect(left.min(CONNECT_TIMEOUT)) {
            Ok(connection) => return Ok(connection),
            Err(error) => why = format!("{target}: {error}"),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::TicketSlice;
    use ringway_wire::control::Terms;

    fn wanted<'a>(peer: u32, address: &'a str, authority: Option<&'a [u8]>) -> Wanted<'a> {
        Wanted { session: 1, secret: "s", attempt: 1, peer, peer_session: 2, peer_secret: "p", address, authority }
    }

    #[test]
    fn a_program_leads_a_server_where_the_administrator_lets_it() {
        let peers: Vec<Endpoint> = ["gpu07", "10.0.0.8:7766", "unix:/run/b.sock"].map(|text| text.parse().unwrap()).to_vec();
        for good in ["gpu07:7766", "gpu07", "10.0.0.8", "unix:/run/b.sock"] {
            assert_eq!(named(&peers, &wanted(1, good, None)).unwrap().len(), 1, "{good}");
        }
        for bad in ["gpu07:22", "gpu08", "10.0.0.8:80", "10.0.0.80", "[::ffff:10.0.0.8]:7766", "unix:/run/docker.sock", "", "http://gpu07", "gpu07 "] {
            assert!(matches!(named(&peers, &wanted(1, bad, None)), Err(Reply::Refused { .. })), "{bad}");
        }
        assert!(named(&[], &wanted(1, "gpu07", None)).is_err());
        assert!(named(&peers, &wanted(1, "gpu07", Some(b"no certificate"))).is_err());
    }

    #[test]
    fn a_pools_ticket_alone_says_where_its_servers_are() {
        let claims = |peers| Claims {
            lease: 1,
            server: "a".into(),
            registration: 1,
            user: "u".into(),
            slices: vec![TicketSlice { ordinal: 0, memory_bytes: 1 }],
            expires_ms: 1,
            group: String::new(),
            since_ms: 0,
            terms: Terms::default(),
            token: String::new(),
            peers,
        };
        let addresses = ["unix:/run/a.sock".to_owned(), "10.0.0.7:7766".to_owned(), "gpu07:1".to_owned()];
        let ticket = claims(vec![ticket_peer(&[], None), ticket_peer(&addresses, None), ticket_peer(&addresses, Some(b"authority"))]);
        let targets = of_lease(&ticket, &wanted(1, "10.9.9.9:22", None)).unwrap();
        assert_eq!(targets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.7:7766", "gpu07:1"]);
        assert!(targets.iter().all(|target| target.trust.is_none()));
        for (peer, authority) in [(0, None), (3, None), (u32::MAX, None), (2, None), (2, Some(&b"another"[..]))] {
            assert!(of_lease(&ticket, &wanted(peer, "10.0.0.7:7766", authority)).is_err(), "{peer}");
        }
        assert!(of_lease(&claims(vec![]), &wanted(1, "10.0.0.7:7766", None)).is_err());
    }

    #[test]
    fn clear_text_stays_on_this_machine() {
        let target = |address: &str| Target::from(address.parse::<Endpoint>().unwrap());
        for stays in ["127.0.0.1:1", "[::1]:1", "unix:/a"] {
            assert!(!leads_beyond_in_clear(&target(stays)), "{stays}");
        }
        for leaves in ["10.0.0.7:1", "[2001:db8::1]:1", "no-such-host.invalid:1"] {
            assert!(leads_beyond_in_clear(&target(leaves)), "{leaves}");
        }
    }
}
