//! `ringway pool`: gives out the GPUs of many servers.
//!
//! Programs ask (`asks.rs`), servers say what they have and what runs on them (`lines.rs`), administrators look and change
//! (`answers.rs`); one thread decides (`decider.rs`). What is decided on, and what is remembered, is the [`Ledger`]'s. All
//! state lies behind one lock, which is held for the length of a decision and of its way to the disk, and never while a peer is waited for.
//!
//! Not on the way of anything that runs: a pool that is gone keeps new programs waiting, and no running one.

mod answers;
mod asks;
mod decider;
mod lines;
mod onlookers;

use crate::door::{Busy, Door, DoorError, DoorOptions, Host, Listener, Stream, answer, refused};
use crate::identity::{Folder, Grant, IdentityError, SigningKey, check_name};
use crate::ledger::Ledger;
use crate::scheduler::{Lease, RequestId};
use crate::store::{Store, StoreError};
use crate::watch::{Who, Watch};
use asks::Ask;
pub(crate) use onlookers::{GpuNumbers, Numbers};
use lines::Line;
use ringway_wire::control::{ControlError, Identity, LeaseUse, Request, SliceUse};
use ringway_wire::pool::{PoolRequest, PoolSays};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a process that ends waits for what is being done.
const SETTLE: Duration = Duration::from_secs(1);

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Where programs, servers and administrators come in.
    pub door: DoorOptions,
    /// Folder of its identity, tokens, key and store.
    pub state: PathBuf,
    /// Name shown to users.
    pub name: String,
}

/// Why a pool did not start; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Clients could not come in.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// Its key is not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its store is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct State {
    ledger: Ledger,
    /// Programs that asked, until their lease ends.
    asks: HashMap<RequestId, Ask>,
    /// Servers that are connected, by name.
    lines: HashMap<String, Line>,
    /// Something changed on which a decision may depend.
    is_stale: bool,
}

impl State {
    /// What the sessions of a lease do on all its servers, as those said last.
    fn use_of(&self, lease: &Lease) -> LeaseUse {
        let mut all = LeaseUse { slices: vec![SliceUse::default(); lease.slices.len()], ..LeaseUse::default() };
        for one in self.lines.values().filter_map(|line| line.running.get(&lease.id)) {
            let used = &one.used;
            for (slice, of_slice) in one.lease.slices.iter().zip(&used.slices) {
                if let Some(place) = lease.slices.iter().position(|known| (&known.server, known.ordinal) == (&slice.server, slice.ordinal)) {
                    all.slices[place] = *of_slice;
                }
            }
            let sums = [
                (&mut all.up_bytes, used.up_bytes),
                (&mut all.down_bytes, used.down_bytes),
                (&mut all.waits, used.waits),
                (&mut all.up_bytes_per_s, used.up_bytes_per_s),
                (&mut all.down_bytes_per_s, used.down_bytes_per_s),
                (&mut all.waits_per_s, used.waits_per_s),
            ];
            sums.into_iter().for_each(|(sum, one)| *sum = sum.saturating_add(one));
        }
        all
    }

    /// What all leases do with the GPUs of a server, as that said last; by ordinal.
    fn use_on(&self, server: &str, gpus: usize) -> Vec<SliceUse> {
        let mut all = vec![SliceUse::default(); gpus];
        for one in self.lines.get(server).into_iter().flat_map(|line| line.running.values()) {
            for (slice, used) in one.lease.slices.iter().zip(&one.used.slices) {
                if let Some(gpu) = all.get_mut(slice.ordinal as usize) {
                    *gpu = gpu.plus(*used);
                }
            }
        }
        all
    }

    /// Has the servers of a lease end it, as far as they are reached.
    fn order_end(&self, lease: &Lease, why: &str) {
        for slice in &lease.slices {
            if let Some(line) = self.lines.get(&slice.server) {
                line.say(PoolSays::End { lease: lease.id, why: why.into() });
            }
        }
    }

    /// Ends a lease: here, and on its servers. Whether there was one.
    fn end(&mut self, id: RequestId, why: &str, now_ms: u64) -> bool {
        self.asks.remove(&id);
        let (ended, written) = self.ledger.end(id, why, now_ms);
        if let Err(error) = written {
            tracing::error!("{error}; that the lease {id:016x} has ended is written later");
        }
        self.is_stale = true;
        let Some(ended) = ended else { return false };
        tracing::info!(lease = format!("{id:016x}"), user = ended.lease.user, "lease ended: {why}");
        self.order_end(&ended.lease, why);
        true
    }
}

/// A running pool.
pub struct Pool {
    options: PoolOptions,
    door: Door,
    key: SigningKey,
    state: Mutex<State>,
    /// There is something to decide.
    changed: Condvar,
    watch: Arc<Watch>,
}

/// Who asks, and what they may.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) grant: Grant,
    /// None: a Unix socket.
    pub(crate) from: Option<IpAddr>,
}

impl Caller {
    /// For the record; `identity` is what they say of themselves.
    pub(crate) fn who(&self, identity: &Identity) -> Who {
        Who { token: self.grant.name.clone(), user: user_of(&self.grant, identity), address: self.from }
    }
}

/// As whom a bearer counts: its token says so, and only where there is none it says so itself.
fn user_of(grant: &Grant, identity: &Identity) -> String {
    match (&grant.user, &grant.token) {
        (Some(user), _) => user.clone(),
        (None, Some(_)) => grant.name.clone(),
        (None, None) if check_name("name of a user", &identity.user).is_ok() => identity.user.clone(),
        (None, None) => "unknown".into(),
    }
}

impl Pool {
    /// Binds the addresses and reads the store of the pool's folder; [`Pool::run`] then serves.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn start(options: PoolOptions) -> Result<(Arc<Self>, Vec<Listener>), PoolError> {
        let store = Store::open(&options.state)?;
        Self::start_on(options, store)
    }

    /// As [`Pool::start`], on a store elsewhere.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn start_on(options: PoolOptions, store: Store) -> Result<(Arc<Self>, Vec<Listener>), PoolError> {
        let key = SigningKey::load_or_make(&Folder::make(&options.state)?)?;
        let (door, listeners) = Door::open(&options.door, |_| None)?;
        let (mut ledger, conflicts) = Ledger::open(store)?;
        let watch = Arc::new(Watch::open(&options.state)?);
        ledger.measure_commits(watch.counters.commit_seconds.clone());
        let told = Arc::clone(&watch);
        ledger.tell_ends(Box::new(move |lease, why, is_kept| told.ended(lease, why, is_kept)));
        for conflict in conflicts {
            tracing::error!("in the store: {conflict}");
        }
        let state = State { ledger, asks: HashMap::new(), lines: HashMap::new(), is_stale: true };
        Ok((Arc::new(Self { options, door, key, state: Mutex::new(state), changed: Condvar::new(), watch }), listeners))
    }

    /// Text for people: what the pool knows.
    pub fn describe(&self) -> String {
        let state = self.lock();
        let (servers, leases) = (state.ledger.scheduler().servers().count(), state.ledger.scheduler().leases().count());
        format!("{}: {servers} servers and {leases} leases are known", self.options.name)
    }

    /// Accepts connections on every listener and decides, for ever.
    ///
    /// # Errors
    /// There is no thread for the decisions.
    pub fn run(self: Arc<Self>, listeners: Vec<Listener>) -> io::Result<()> {
        let pool = Arc::clone(&self);
        std::thread::Builder::new().name("decider".into()).spawn(move || pool.decide_for_ever())?;
        Door::serve(&self, listeners);
        Ok(())
    }

    /// Before the process ends: what is being done is done, nothing is begun any more, and the audit log is on the disk. Waits a moment
    /// at the most.
    pub fn settle(&self) {
        let until = Instant::now() + SETTLE;
        loop {
            match self.state.try_lock() {
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                Err(TryLockError::WouldBlock) => break,
                Ok(state) => break std::mem::forget(state),
                Err(TryLockError::Poisoned(state)) => break std::mem::forget(state.into_inner()),
            }
        }
        if let Err(why) = self.watch.audit.settle() {
            tracing::error!("the last lines of the audit log may be lost: {why}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a decision made soon.
    fn stir(&self, mut state: MutexGuard<'_, State>) {
        state.is_stale = true;
        drop(state);
        self.changed.notify_all();
    }
}

impl Host for Pool {
    fn door(&self) -> &Door {
        &self.door
    }

    /// One control connection: one request; a server's, and that of a program that waits, stay.
    fn converse(self: Arc<Self>, mut stream: Stream, request: Result<Request, ControlError>, _busy: Busy) {
        let reply = match request {
            Err(error) => refused(error.to_string(), "use the ringway program of the same release"),
            Ok(Request::Lease { token, gpus, memory, identity, terms, wishes }) => {
                self.ask(stream, &token, asks::Wanted { gpus, memory, identity, terms, wishes });
                return;
            }
            Ok(Request::Pool { token, ask: PoolRequest::Join(registration) }) => {
                self.keep_line(stream, &token, *registration);
                return;
            }
            Ok(Request::Pool { token, ask }) => self.answer(&stream, &token, ask).unwrap_or_else(|reply| reply),
            // So that whoever lists learns by one question what is there.
            Ok(Request::Inventory { token }) => {
                self.answer(&stream, &token, PoolRequest::Servers { after: None }).unwrap_or_else(|reply| reply)
            }
            Ok(Request::Farewell) => refused("a farewell without a lease", "this is a fault of the client"),
            Ok(_) => refused(
                "this is a pool, and that is asked of a server",
                "name a server's address with --server; `ringway list` shows those of the pool",
            ),
        };
        answer(&mut stream, &reply);
    }
}
