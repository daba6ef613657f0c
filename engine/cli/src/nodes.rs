//! A pool of several nodes: what it keeps lies in etcd, one node leads, the others wait for their turn.

use crate::Failure;
use crate::serve::host_name;
use ringway_link::endpoint::Endpoint;
use ringway_pool::identity::Tokens;
use ringway_pool::pool::Pool;
use ringway_pool::store::Store;
use ringway_pool::store::etcd::{Election, Etcd, EtcdSettings, Leader, Leadership, SharedTokens};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Exit code of a node that leads no more: started again, it waits for its turn (`EX_TEMPFAIL` of sysexits.h).
const EXIT_DEPOSED: i32 = 75;

/// Options of a pool of several nodes.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// Keep what the pool must not forget in etcd at these addresses (https://HOST:2379, several with commas), not in its folder: for a pool
    /// of several nodes, of which one leads and the others wait. All have the same --name, and began with copies of the same folder.
    #[arg(long, env = "RINGWAY_POOL_ETCD", value_name = "URL", value_delimiter = ',', requires = "name")]
    etcd: Vec<String>,
    /// File with the certificates of the authority that etcd's own is of (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd")]
    etcd_ca: Option<PathBuf>,
    /// File with this node's certificate for etcd (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_key")]
    etcd_cert: Option<PathBuf>,
    /// File with its key (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
    /// Name of the user that etcd knows this pool by; the password is in RINGWAY_POOL_ETCD_PASSWORD.
    #[arg(long, value_name = "NAME", requires = "etcd")]
    etcd_user: Option<String>,
}

/// This node, before it leads.
pub struct Node {
    etcd: Etcd,
    me: Leader,
}

/// This node, if the pool has several; `name` is the pool's.
pub fn node(args: &NodeArgs, name: Option<&str>, listen: &[Endpoint], trusted_network: bool) -> Result<Option<Node>, Failure> {
    let (false, Some(name)) = (args.etcd.is_empty(), name) else { return Ok(None) };
    let password = || {
        let password = std::env::var("RINGWAY_POOL_ETCD_PASSWORD");
        password.map(Zeroizing::new).map_err(|_| Failure::new("--etcd-user needs a password in RINGWAY_POOL_ETCD_PASSWORD"))
    };
    let settings = EtcdSettings {
        endpoints: args.etcd.clone(),
        pool: name.into(),
        ca_file: args.etcd_ca.clone(),
        certificate_files: args.etcd_cert.clone().zip(args.etcd_key.clone()),
        user: args.etcd_user.clone().map(|user| Ok::<_, Failure>((user, password()?))).transpose()?,
        trusted_network,
    };
    let addresses = listen.iter().map(Endpoint::to_string).collect();
    Ok(Some(Node { etcd: Etcd::new(&settings)?, me: Leader { name: host_name(), addresses } }))
}

impl Node {
    /// Waits until this node leads; its leadership, and what the pool keeps. From now on the tokens in `state` are those of all nodes.
    pub fn lead(self, state: &Path, announce: bool) -> Result<(Arc<Leadership>, Store), Failure> {
        let tokens = || SharedTokens::new(&self.etcd, Tokens::of(state.into()));
        let keeper = tokens();
        std::thread::Builder::new().name("tokens".into()).spawn(move || keeper.keep_aligned())?;
        let election = Election::new(&self.etcd, self.me)?;
        let known = election.watch(None, Duration::from_secs(2));
        if let Some(leader) = known {
            tracing::info!("{} at {} leads; this node waits for its turn", leader.name, leader.addresses.join(", "));
            if announce {
                let mut out = std::io::stdout();
                writeln!(out, "waiting")?;
                out.flush()?;
            }
        }
        let Some(leadership) = election.campaign()? else {
            return Err(Failure::new("the election was stopped; this is a fault of Ringway"));
        };
        tracing::info!("this node leads: {}", self.etcd);
        let store = Store::in_etcd(&self.etcd, &leadership)?;
        // Nobody is let in with a token that another node has revoked.
        tokens().align()?;
        Ok((Arc::new(leadership), store))
    }
}

/// Ends this process when it leads no more: what it holds may not be so any more. Its programs and servers go to the next one.
pub fn end_with(leadership: &Leadership, pool: &Pool) {
    while leadership.wait(Duration::from_secs(60)) {}
    pool.settle();
    tracing::error!("this node leads no more, so it ends; started again it waits for its turn");
    std::process::exit(EXIT_DEPOSED);
}
