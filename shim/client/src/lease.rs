//! The leases that a session is opened in: those that `ringway run` took, or one of this process's own.

use crate::say::Line;
use crate::session::{ENDING, LOST, OPEN_TIMEOUT, block_signals};
use ringway_api::CudaError;
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_link::keeper::Keeper;
use ringway_link::{LinkChoice, LinkKind};
use ringway_secure::tls::Trust;
use ringway_secure::token::TokenFile;
use ringway_secure::unhex;
use ringway_wire::control::{self, Identity, LinkAsk, MemoryAsk, Reply, Request, SERVERS_MAX, Terms};
use ringway_wire::pool::Wishes;
use std::sync::atomic::Ordering;
use std::time::Duration;

static BAD_GRACE: Line = Line::new();

pub(crate) type Refusal = (CudaError, String);

pub(crate) fn not_ready(why: impl std::fmt::Display) -> Refusal {
    (
        CudaError::SYSTEM_NOT_READY,
        format!("cannot open a GPU session: {why}"),
    )
}

pub(crate) struct Lease {
    pub(crate) server: Target,
    /// What the server calls itself; known where there are several.
    pub(crate) name: Option<String>,
    pub(crate) lease: String,
    pub(crate) secret: String,
    pub(crate) link: LinkAsk,
    pub(crate) held: Option<Keeper>,
}

pub(crate) fn identity() -> Identity {
    let program = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let program: String = String::from_utf8_lossy(&program)
        .replace('\0', " ")
        .trim()
        .chars()
        .take(120)
        .collect();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned();
    Identity {
        user: std::env::var("USER").unwrap_or_default(),
        host,
        program,
        pid: std::process::id(),
    }
}

/// The leases that `ringway run` took, or, without any, one of our own from `RINGWAY_SERVER`; one or more.
pub(crate) fn leases() -> Result<Vec<Lease>, Refusal> {
    let Ok(text) = std::env::var("RINGWAY_LEASE") else {
        return own().map(|lease| vec![lease]);
    };
    let leases = text.lines().map(parse).collect::<Result<Vec<_>, _>>()?;
    if leases.is_empty() || leases.len() > SERVERS_MAX as usize {
        return Err(not_ready(format_args!("RINGWAY_LEASE names {} leases; 1 to {SERVERS_MAX} can be", leases.len())));
    }
    Ok(leases)
}

/// One line of `RINGWAY_LEASE`: address, lease, secret, link; then the server's authority, and then its name, each of which may be absent.
fn parse(line: &str) -> Result<Lease, Refusal> {
    let malformed = || not_ready("RINGWAY_LEASE is malformed; start the program with ringway run");
    let parts: Vec<&str> = line.split('|').collect();
    let [endpoint, lease, secret, link, ref more @ ..] = parts[..] else {
        return Err(malformed());
    };
    let (ca, name) = match *more {
        [] => ("", None),
        [ca] => (ca, None),
        [ca, name] => (ca, Some(name.to_owned())),
        _ => return Err(malformed()),
    };
    let trust = match ca {
        "" => None,
        ca => Some(Trust::in_authority(&unhex(ca).ok_or_else(malformed)?).map_err(not_ready)?),
    };
    let endpoint = endpoint.parse().map_err(not_ready)?;
    let link = match link {
        "shm" => LinkAsk::Shm,
        "rdma" => LinkAsk::Rdma,
        "rdma-only" => LinkAsk::RdmaOnly,
        _ => LinkAsk::Tcp,
    };
    Ok(Lease {
        server: Target { endpoint, trust },
        name,
        lease: lease.to_owned(),
        secret: secret.to_owned(),
        link,
        held: None,
    })
}

/// A lease of this process's own.
fn own() -> Result<Lease, Refusal> {
    let (servers, token) = own_servers()?;
    let request = Request::Lease {
        token,
        gpus: 1,
        memory: MemoryAsk::Fraction(1.0),
        identity: identity(),
        terms: Terms::default(),
        wishes: Wishes::default(),
    };
    let (connection, reply, server) = ask_any(&servers, &request)?;
    let local = connection.local_ip();
    let encrypted = matches!(connection, Connection::Tls(_));
    let Reply::Leased {
        lease,
        secret,
        rdma,
        grace_ms,
        trusted_network,
        ..
    } = reply
    else {
        return Err(not_ready(
            "the server answered with something else than a lease; of a pool programs get GPUs by ringway run",
        ));
    };
    let keeper = Keeper::start(
        connection,
        server.clone(),
        (lease.clone(), secret.clone()),
        grace(grace_ms),
        block_signals,
        |lost| {
            if !ENDING.load(Ordering::Relaxed) {
                LOST.say(format_args!("{lost}; the GPU session is lost"));
            }
        },
    )
    .map_err(not_ready)?;
    let link = if matches!(server.endpoint, Endpoint::Unix(_)) {
        LinkAsk::Shm
    } else if encrypted && !trusted_network {
        // What RDMA carries is not encrypted.
        LinkAsk::Tcp
    } else if LinkChoice::remote("", local, &rdma).kind == LinkKind::Rdma {
        LinkAsk::Rdma
    } else {
        LinkAsk::Tcp
    };
    Ok(Lease {
        server,
        name: None,
        lease,
        secret,
        link,
        held: Some(keeper),
    })
}

/// How long to try to continue over another link: what the server keeps the session for, or less if `RINGWAY_GRACE` (seconds)
/// says so.
pub(crate) fn grace(server_ms: u64) -> Duration {
    let server = Duration::from_millis(server_ms);
    match std::env::var("RINGWAY_GRACE").ok().map(|text| text.parse()) {
        None => server,
        Some(Ok(seconds)) => server.min(Duration::from_secs(seconds)),
        Some(Err(_)) => {
            BAD_GRACE.say(format_args!(
                "RINGWAY_GRACE is not a whole number of seconds and was ignored"
            ));
            server
        }
    }
}

/// The servers that this process may lease from by itself, one after the other, and what lets it in: those of a token file, or
/// the one that is named.
fn own_servers() -> Result<(Vec<Target>, String), Refusal> {
    let named = std::env::var("RINGWAY_SERVER").ok();
    let Some(path) = std::env::var_os("RINGWAY_TOKEN_FILE") else {
        let Some(named) = named else {
            return Err((
                CudaError::NO_DEVICE,
                "this program uses Ringway's CUDA library but no GPU is leased; start it with `ringway run -- CMD`, or set RINGWAY_SERVER or RINGWAY_TOKEN_FILE".into(),
            ));
        };
        let endpoints = named.split(',').map(str::parse::<Endpoint>).collect::<Result<Vec<_>, _>>().map_err(not_ready)?;
        let token = std::env::var("RINGWAY_TOKEN").unwrap_or_default();
        return Ok((endpoints.into_iter().map(Target::from).collect(), token));
    };
    let file = TokenFile::read(path.as_ref()).map_err(not_ready)?;
    let trust = Trust::in_authority(&file.ca_der()).map_err(not_ready)?;
    let named: Vec<String> = named.iter().flat_map(|named| named.split(',')).map(str::to_owned).collect();
    let addresses = if named.is_empty() { &file.addresses } else { &named };
    let secured = |address: &String| {
        let endpoint = address.parse().map_err(not_ready)?;
        Ok(Target { endpoint, trust: Some(trust.clone()) })
    };
    let servers = addresses.iter().map(secured).collect::<Result<_, Refusal>>()?;
    Ok((servers, file.presented()))
}

/// Asks the first of the servers that can be reached.
fn ask_any(servers: &[Target], request: &Request) -> Result<(Connection, Reply, Target), Refusal> {
    let mut why = not_ready("no server is named; set RINGWAY_SERVER, or use a token file that has its address");
    for server in servers {
        match server.connect(OPEN_TIMEOUT) {
            Ok(mut connection) => {
                control::send(&mut connection, request).map_err(not_ready)?;
                let reply = control::receive_reply(&mut connection)
                    .map_err(|error| not_ready(format_args!("{server}: {error}")))?;
                return Ok((connection, reply, server.clone()));
            }
            Err(error) => why = not_ready(format_args!("{server}: {error}")),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_lease() {
        let plain = parse("127.0.0.1:7766|l1|s1|tcp").map_err(|(_, why)| why).unwrap();
        assert_eq!((plain.lease.as_str(), plain.secret.as_str(), plain.link, plain.name), ("l1", "s1", LinkAsk::Tcp, None));
        let named = parse("unix:/run/a b.sock|l2|s2|shm||gpu07").map_err(|(_, why)| why).unwrap();
        assert_eq!((named.link, named.name.as_deref()), (LinkAsk::Shm, Some("gpu07")));
        assert!(named.server.trust.is_none());
        for wrong in ["", "a", "127.0.0.1:1|l|s", "127.0.0.1:1|l|s|tcp|zz", "127.0.0.1:1|l|s|tcp||n|more"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
