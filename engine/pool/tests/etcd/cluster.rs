//! Real etcd for the tests: members on loopback addresses with data in a folder that goes with them.

use crate::proxy::Proxy;
use base64::Engine as _;
use ringway_pool::scheduler::{Limits, Principal};
use ringway_pool::store::etcd::{Election, Etcd, EtcdSettings, Leader, Leadership};
use ringway_pool::store::{Change, Store};
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The variable with the path of the program etcd.
pub const PROGRAM: &str = "RINGWAY_TEST_ETCD";
/// No wait of these tests is longer; none should come near it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ports of the loopback interface that nobody listens on.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

pub struct Member {
    child: Option<Child>,
    words: Vec<String>,
    log: PathBuf,
    pub port: u16,
    scheme: &'static str,
}

impl Member {
    pub fn start(&mut self) {
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| panic!("{PROGRAM} has to name the program etcd"));
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(program).args(&self.words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.unwrap());
    }

    fn signal(&self, signal: i32) {
        let id = self.child.as_ref().unwrap().id();
        // SAFETY: a plain system call, for a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(id as i32, signal) }, 0);
    }

    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        self.child.take().unwrap().wait().unwrap();
    }

    pub fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// One call of the gateway, past the code under test. None: it does not answer, or not with success.
    pub fn ask(&self, path: &str, body: &Value) -> Option<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).proxy(None).build().into();
        let answer = agent.post(format!("{}/v3/{path}", self.address())).send(body.to_string()).ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&answer).ok()
    }

    /// Whether it answers, and most of the members with it.
    pub fn is_ready(&self) -> bool {
        self.ask("kv/range", &json!({ "key": "YQ==" })).is_some()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

pub struct Cluster {
    pub members: Vec<Member>,
    /// What they have goes with it.
    _folder: TempDir,
}

impl Cluster {
    pub fn of<const N: usize>() -> Self {
        let cluster = Self::unready::<N>("http", &[]);
        for member in &cluster.members {
            until("a member of etcd", || member.is_ready().then_some(()));
        }
        cluster
    }

    pub fn unready<const N: usize>(scheme: &'static str, more: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ports, peers) = (free_ports::<N>(), free_ports::<N>());
        let all: Vec<String> = peers.iter().enumerate().map(|(n, port)| format!("m{n}=http://127.0.0.1:{port}")).collect();
        let mut members = Vec::new();
        for n in 0..N {
            let (client, peer) = (format!("{scheme}://127.0.0.1:{}", ports[n]), format!("http://127.0.0.1:{}", peers[n]));
            let data = folder.path().join(format!("m{n}"));
            let words = [
                ["--name", &format!("m{n}")],
                ["--data-dir", data.to_str().unwrap()],
                ["--listen-client-urls", &client],
                ["--advertise-client-urls", &client],
                ["--listen-peer-urls", &peer],
                ["--initial-advertise-peer-urls", &peer],
                ["--initial-cluster", &all.join(",")],
            ];
            let words = words.concat().into_iter().map(str::to_owned).chain(more.iter().cloned()).collect();
            let mut member = Member { child: None, words, log: folder.path().join(format!("m{n}.log")), port: ports[n], scheme };
            member.start();
            members.push(member);
        }
        Self { members, _folder: folder }
    }

    pub fn settings(&self) -> EtcdSettings {
        EtcdSettings { endpoints: self.members.iter().map(Member::address).collect(), pool: "test".into(), ..EtcdSettings::default() }
    }

    pub fn etcd(&self) -> Etcd {
        Etcd::new(&self.settings()).unwrap()
    }

    /// The same by way of a proxy before one of the members.
    pub fn through(&self, proxy: &Proxy) -> Etcd {
        Etcd::new(&EtcdSettings { endpoints: vec![format!("http://127.0.0.1:{}", proxy.port)], ..self.settings() }).unwrap()
    }

    /// Place of the member that leads etcd.
    pub fn first(&self) -> usize {
        until("a leader of etcd", || {
            self.members.iter().position(|member| {
                let status = member.child.as_ref().and_then(|_| member.ask("maintenance/status", &json!({})));
                status.is_some_and(|status| status["leader"].as_str().is_some() && status["leader"] == status["header"]["member_id"])
            })
        })
    }
}

pub fn node(name: &str) -> Leader {
    Leader { name: name.into(), addresses: vec![format!("{name}:7799")] }
}

/// A node that leads, by this connection.
pub fn leading(etcd: &Etcd, name: &str) -> (Election, Leadership) {
    let election = Election::new(etcd, node(name)).unwrap();
    let leadership = election.campaign().unwrap().unwrap();
    (election, leadership)
}

/// A store of a new leader.
pub fn opened(etcd: &Etcd) -> (Store, Leadership, Election) {
    let (election, leadership) = leading(etcd, "node");
    (Store::in_etcd(etcd, &leadership).unwrap(), leadership, election)
}

/// Keys and values as the gateway wants them.
pub fn encoded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A change that can be told from others like it.
pub fn change(gpus: u32) -> [Change; 1] {
    [Change::Limits(Principal::EachUser, Some(Limits { gpus: Some(gpus), ..Limits::default() }))]
}

/// Which of them was the last.
pub fn written(store: &Store) -> Option<u32> {
    store.contents().unwrap().limits.get(&Principal::EachUser)?.gpus
}
