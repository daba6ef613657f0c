//! By which addresses servers are reached, and with what: a token file, a shared secret, or nothing.

use crate::Failure;
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_secure::tls::Trust;
use ringway_secure::token::TokenFile;
use ringway_secure::unix_now;
use ringway_wire::control::{self, RdmaState, Reply, Request};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bound on connecting to a server and getting its answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bound on connecting to one of several addresses.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of all commands that speak to servers.
#[derive(Debug, clap::Args)]
pub struct AccessArgs {
    /// Token file of the server, as `ringway token create` makes it; connections are then encrypted and the server is proved to
    /// be the right one. Without it ~/.config/ringway/token.toml, if it is there and no shared secret is given.
    #[arg(long, env = "RINGWAY_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Shared secret of the server; it crosses the network in clear text.
    #[arg(long, env = "RINGWAY_TOKEN", hide_env_values = true, default_value = "")]
    token: String,
}

/// A server to speak to.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is; the first that can be reached.
    targets: Vec<Target>,
    /// What lets this user in.
    pub token: String,
}

/// What is known of the way to a server.
pub struct Way<'a> {
    /// This end's address.
    pub local: Option<IpAddr>,
    /// RDMA at the server's end.
    pub rdma: &'a RdmaState,
    /// The connection has TLS.
    pub encrypted: bool,
    /// The server's operator vouches for the network.
    pub trusted_network: bool,
}

impl<'a> Way<'a> {
    /// From a connection and the server's answer on it.
    pub fn of(connection: &Connection, rdma: &'a RdmaState, trusted_network: bool) -> Self {
        let encrypted = matches!(connection, Connection::Tls(_));
        Self { local: connection.local_ip(), rdma, encrypted, trusted_network }
    }

    /// RDMA at the server's end, as far as it may be taken without being asked for: what it carries is not encrypted.
    pub fn rdma_unasked(&self) -> RdmaState {
        match self.rdma {
            RdmaState::Usable(_) if self.encrypted && !self.trusted_network => RdmaState::Unusable(
                "what RDMA carries is not encrypted; --link rdma takes it nevertheless, and `ringway serve --trusted-network` does for all".into(),
            ),
            state => state.clone(),
        }
    }
}

fn default_file() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")))?;
    Some(base.join("ringway/token.toml")).filter(|path| path.exists())
}

impl AccessArgs {
    /// Whether a token file is named, not only found.
    pub fn names_file(&self) -> bool {
        self.token_file.is_some()
    }

    /// The servers to speak to: those named, else the token file's. What there is to say about the token's end is said if `warn`.
    pub fn servers(&self, named: &[Endpoint], warn: bool) -> Result<Vec<Server>, Failure> {
        let path = match &self.token_file {
            Some(path) => Some(path.clone()),
            None if self.token.is_empty() => default_file(),
            None => None,
        };
        let plain = |endpoint: &Endpoint| Server { targets: vec![endpoint.clone().into()], token: self.token.clone() };
        let Some(path) = path else {
            return Ok(named.iter().map(plain).collect());
        };
        let file = TokenFile::read(&path)?;
        let addresses = file
            .addresses
            .iter()
            .map(|address| address.parse().map_err(|error| Failure::new(format!("{}: {error}", path.display()))))
            .collect::<Result<Vec<Endpoint>, Failure>>()?;
        let is_its = |endpoint: &Endpoint| self.names_file() || addresses.contains(endpoint);
        if !named.is_empty() && !named.iter().any(is_its) {
            return Ok(named.iter().map(plain).collect());
        }
        if warn && let Some(text) = file.expiry_warning(unix_now()) {
            eprintln!("ringway: {text}");
        }
        let trust = Trust::in_authority(&file.ca_der()).map_err(|why| Failure::new(format!("{}: {why}", path.display())))?;
        let secured = |endpoints: &[Endpoint]| Server {
            targets: endpoints.iter().map(|endpoint| Target { endpoint: endpoint.clone(), trust: Some(trust.clone()) }).collect(),
            token: file.presented(),
        };
        if named.is_empty() {
            return Ok(if addresses.is_empty() { Vec::new() } else { vec![secured(&addresses)] });
        }
        Ok(named.iter().map(|endpoint| if is_its(endpoint) { secured(std::slice::from_ref(endpoint)) } else { plain(endpoint) }).collect())
    }

    /// The one server to speak to.
    pub fn server(&self, named: Option<&Endpoint>) -> Result<Server, Failure> {
        let named = named.map_or(&[][..], std::slice::from_ref);
        self.servers(named, false)?.into_iter().next().ok_or_else(no_server)
    }
}

/// Nothing says which server.
pub fn no_server() -> Failure {
    Failure::new("no server is named; name one with --server or RINGWAY_SERVER, or give a token file that has its address")
}

impl From<Endpoint> for Server {
    /// In clear text, without a token.
    fn from(endpoint: Endpoint) -> Self {
        Self { targets: vec![endpoint.into()], token: String::new() }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.targets.iter().map(Target::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

impl Server {
    /// Connects to the first address that can be reached; which.
    fn connect(&self) -> Result<(Connection, Target), Failure> {
        let timeout = if self.targets.len() > 1 { ADDRESS_TIMEOUT } else { ANSWER_TIMEOUT };
        let mut why = Vec::new();
        for target in &self.targets {
            match target.connect(timeout) {
                Ok(connection) => return Ok((connection, target.clone())),
                Err(error) => why.push(format!(
                    "cannot reach the server at {target}: {error}; check the address and that `ringway serve` runs there (and no firewall is between)"
                )),
            }
        }
        Err(Failure::new(why.join("; ")))
    }

    /// Asks something and gets the answer; which address gave it.
    pub fn ask(&self, request: &Request) -> Result<(Connection, Reply, Target), Failure> {
        let (mut connection, target) = self.connect()?;
        let asked = connection
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .map_err(Into::into)
            .and_then(|()| control::send(&mut connection, request))
            .and_then(|()| control::receive_reply(&mut connection));
        let reply = asked.map_err(|error| Failure::new(format!("{target}: {error}")))?;
        Ok((connection, reply, target))
    }
}
