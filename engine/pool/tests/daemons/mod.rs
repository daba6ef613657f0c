//! Servers and pools within the process of a test: real ones, but for the worker, which shows one GPU and serves nothing.

use ringway_link::endpoint::{Endpoint, Target};
use ringway_pool::door::{DoorOptions, Listener, bound};
use ringway_pool::identity::{Certificates, Folder, NewToken, Tokens};
use ringway_pool::pool::{Pool, PoolOptions};
use ringway_pool::server::{MembershipOptions, ServeOptions, Server, WorkerProgram};
use ringway_secure::token::TokenFile;
use ringway_secure::{hex, pem, random};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the GPU's memory.
pub const GPU_BYTES: u64 = 1 << 30;

/// A folder that goes with the test.
pub struct Scratch(pub PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringway-pool-{}", hex(&random::<8>().expect("random"))));
        std::fs::create_dir(&folder).expect("folder");
        let scratch = Self(folder);
        let gpu = ringway_wire::control::DeviceSnapshot { name: "Test GPU".into(), memory_bytes: GPU_BYTES, ..Default::default() };
        let inventory = serde_json::to_string(&("no driver", [gpu])).expect("JSON");
        let script = format!("#!/bin/sh\ncat <<'END'\n{inventory}\nEND\n");
        std::fs::write(scratch.worker(), script).expect("worker");
        std::fs::set_permissions(scratch.worker(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        scratch
    }

    fn worker(&self) -> PathBuf {
        self.0.join("worker")
    }

    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    pub fn options(&self) -> ServeOptions {
        ServeOptions {
            door: door(self.state()),
            worker: WorkerProgram { exe: self.worker(), driver_dir: None, user: None, unconfined: false },
            name: "test".into(),
            cores: Vec::new(),
            grace: Duration::ZERO,
            idle: Duration::ZERO,
            pool: None,
            spares: 0,
            replaces_spares: false,
            peers: Vec::new(),
        }
    }

    /// Starts a server for as long as the process lives; its address.
    pub fn serve(&self) -> Endpoint {
        run(self.options())
    }

    /// Starts a server of a pool; its address.
    #[allow(dead_code, reason = "not each test has a pool")]
    pub fn serve_in(&self, pool: &Endpoint, name: &str) -> Endpoint {
        let mut options = self.options();
        options.name = name.into();
        options.door.state = Some(self.0.join(name));
        options.door.by_ticket = true;
        options.pool = Some(MembershipOptions {
            pool: vec![Target::from(pool.clone())],
            token: String::new(),
            labels: Default::default(),
            advertise: Vec::new(),
            hostname: "host".into(),
        });
        run(options)
    }

    /// Starts a pool for as long as the process lives; its address.
    #[allow(dead_code, reason = "not each test has a pool")]
    pub fn pool(&self) -> Endpoint {
        let options = PoolOptions { door: door(self.state()), state: self.state(), name: "pool".into() };
        let (pool, listeners) = Pool::start(options).expect("pool");
        let address = address_of(&listeners);
        std::thread::spawn(move || pool.run(listeners));
        address
    }

    pub fn token(&self, new: NewToken) -> TokenFile {
        token_in(&self.state(), new)
    }
}

fn run(options: ServeOptions) -> Endpoint {
    let (server, listeners) = Server::start(options).expect("server");
    let address = address_of(&listeners);
    std::thread::spawn(move || server.run(listeners));
    address
}

fn door(state: PathBuf) -> DoorOptions {
    DoorOptions {
        listen: vec![Endpoint::Tcp("127.0.0.1".into(), 0)],
        secret: None,
        trusted_network: false,
        state: Some(state),
        by_ticket: false,
    }
}

fn address_of(listeners: &[Listener]) -> Endpoint {
    bound(listeners).expect("address")[0].parse().expect("an address")
}

fn token_in(state: &Path, new: NewToken) -> TokenFile {
    let certificates = Certificates::load_or_make(&Folder::make(state).expect("folder")).expect("certificates");
    let (token, secret) = Tokens::of(state.into()).create(new).expect("token");
    TokenFile {
        name: token.name,
        id: token.id,
        secret: secret.to_string(),
        expires: token.expires,
        addresses: Vec::new(),
        ca: pem::encode("CERTIFICATE", &certificates.authority).to_string(),
    }
}
