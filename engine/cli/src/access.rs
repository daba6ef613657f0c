//! By which addresses servers are reached, and with what: a token file, a shared secret, or nothing.

use crate::Failure;
use ringway_link::endpoint::{Connection, Endpoint, Target};
use ringway_secure::tls::Trust;
use ringway_secure::token::TokenFile;
use ringway_secure::unix_now;
use ringway_wire::control::{self, ControlError, RdmaState, Reply, Request};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bound on connecting to a server and getting its answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bound on connecting to one of several addresses.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of all commands that speak to servers.
#[derive(Debug, clap::Args)]
pub struct AccessArgs {
    /// Token file of the server, as `ringway token create` makes it; connections are then encrypted and the server is proved to
    /// be the right one. Without it ~/.config/ringway/token.toml, if it is there and no shared secret is given. Given several times, each
    /// is for the servers whose addresses it has.
    #[arg(long, env = "RINGWAY_TOKEN_FILE", value_name = "FILE")]
    token_file: Vec<PathBuf>,
    /// Shared secret of the server; it crosses the network in clear text.
    #[arg(long, env = "RINGWAY_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
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
        !self.token_file.is_empty()
    }

    /// What lets this user in where no token file does; empty: nothing was given.
    pub fn plain_token(&self) -> &str {
        &self.token
    }

    /// The servers to speak to: those named, else the token file's. What there is to say about the token's end is said if `warn`.
    pub fn servers(&self, named: &[Endpoint], warn: bool) -> Result<Vec<Server>, Failure> {
        let path = match &self.token_file[..] {
            [path] => Some(path.clone()),
            [] if self.token.is_empty() => default_file(),
            [] => None,
            several => return Self::by_files(several, named, warn),
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

    /// The servers to speak to where there are several token files: those named, each by the file that has its address, else all files'.
    fn by_files(files: &[PathBuf], named: &[Endpoint], warn: bool) -> Result<Vec<Server>, Failure> {
        let alone = |path: &PathBuf| Self { token_file: vec![path.clone()], token: String::new() };
        let mut found = Vec::new();
        for path in files {
            found.extend(alone(path).servers(&[], warn)?.into_iter().map(|server| (server, path)));
        }
        if named.is_empty() {
            return Ok(found.into_iter().map(|(server, _)| server).collect());
        }
        let by_its_file = |endpoint: &Endpoint| {
            let has_it = |server: &Server| server.targets.iter().any(|target| target.endpoint == *endpoint);
            let (_, path) = found.iter().find(|(server, _)| has_it(server)).ok_or_else(|| {
                Failure::new(format!("none of the token files has the address {endpoint}; name a server as its token file does"))
            })?;
            alone(path).servers(std::slice::from_ref(endpoint), false)
        };
        Ok(named.iter().map(by_its_file).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The one server to speak to.
    pub fn server(&self, named: Option<&Endpoint>) -> Result<Server, Failure> {
        let named = named.map_or(&[][..], std::slice::from_ref);
        self.servers(named, false)?.into_iter().next().ok_or_else(no_server)
    }
}

/// A pool to bring a server into: by its address, its token file, or both.
pub fn pool(named: Option<&Endpoint>, token_file: Option<&Path>) -> Result<Option<Server>, Failure> {
    match (named, token_file) {
        (None, None) => Ok(None),
        (Some(named), None) => Ok(Some(named.clone().into())),
        (named, Some(file)) => {
            let access = AccessArgs { token_file: vec![file.into()], token: String::new() };
            access.server(named).map(Some)
        }
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
    /// At these addresses, let in by this.
    pub fn of(targets: Vec<Target>, token: String) -> Self {
        Self { targets, token }
    }

    /// Its addresses.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

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
        self.try_to_ask(request).map_err(|(failure, _)| failure)
    }

    /// As [`Server::ask`]; a failure comes with whether it may be another the next time: nobody was reached, or did not answer.
    pub fn try_to_ask(&self, request: &Request) -> Result<(Connection, Reply, Target), (Failure, bool)> {
        let (mut connection, target) = self.connect().map_err(|failure| (failure, true))?;
        let asked = connection
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .map_err(Into::into)
            .and_then(|()| control::send(&mut connection, request))
            .and_then(|()| control::receive_reply(&mut connection));
        match asked {
            Ok(reply) => Ok((connection, reply, target)),
            Err(error) => Err((Failure::new(format!("{target}: {error}")), matches!(error, ControlError::Io(_)))),
        }
    }
}
