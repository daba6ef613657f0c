//! The control protocol: what `ringway run`, the shim and a worker say to `ringway serve`, and each other, before
//! (and beside) the data plane.
//!
//! A message is a frame: a 12-byte header (`magic`, `version`, `kind` = 0, `length`, little endian) and `length`
//! bytes of JSON, at most [`FRAME_BYTES_MAX`]. A frame with another magic or version is answered with
//! [`Reply::Refused`] and the connection is closed. Over TCP the frames may be within TLS; then what follows the request for
//! a lane is sealed with keys that TLS agreed on (WIRE.md, W31). Unknown JSON fields are ignored, so that either end may be newer.

use crate::pool::{Granted, PoolReply, PoolRequest, Wishes};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// `RWCT` in little endian: the first four bytes of every control frame.
pub const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"RWCT");
/// Version of this protocol and of everything on the data plane; both ends must have the same.
pub const PROTOCOL_VERSION: u16 = 1;
/// The largest payload of a frame in bytes.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// How long a server keeps a session whose link broke, unless it is told otherwise, in seconds.
pub const GRACE_SECONDS_DEFAULT: u32 = 30;
/// Longest time that can be asked for, in seconds: one day.
pub const GRACE_SECONDS_MAX: u32 = 86_400;
/// The same, at the most, after a connection that was closed in order but without a farewell, in milliseconds. A killed
/// process leaves that; so does a proxy that ends, but then both ends learn it at once, and the client is back soon.
pub const GRACE_AFTER_END_MS: u64 = 2000;
/// How long a server that restarts in place waits for the holders of its leases to come back, in milliseconds.
pub const RESTART_PATIENCE_MS: u64 = 8000;
/// Longest time that a holder tries to come back to a server that restarts, whatever the server said, in milliseconds.
pub const RESTART_PATIENCE_MS_MAX: u64 = 60_000;
/// Version of all that a server and a worker of a session have between them: [`WorkerOrder`], the layouts of the lease's account and of the
/// block of shares. A server that restarts in place may be newer than the workers that it finds.
pub const ORDERS_VERSION: u32 = 1;
/// What a spare worker says on its connection with `ringway serve` when it is ready for a session, as one byte.
pub const SPARE_IS_READY: u8 = 1;
/// GPUs in one lease at the most.
pub const LEASE_GPUS_MAX: u32 = 64;
/// Servers of one program at the most.
pub const SERVERS_MAX: u32 = 16;

/// Why a control message could not be exchanged; each text names the cause.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The connection failed or timed out.
    #[error("control connection: {0}")]
    Io(#[from] io::Error),
    /// The peer is something else than Ringway.
    #[error("the peer does not speak Ringway's protocol (its first bytes were {0:#010x})")]
    Magic(u32),
    /// The peer is another version of Ringway.
    #[error(
        "the peer speaks protocol version {theirs}, this program speaks {PROTOCOL_VERSION}; install the same release on both ends"
    )]
    Version {
        /// Version that the peer sent.
        theirs: u16,
    },
    /// The frame's length is over the limit.
    #[error("a control frame of {0} bytes is over the limit (as a rule {FRAME_BYTES_MAX})")]
    TooLong(usize),
    /// The payload is no message of this protocol.
    #[error("malformed control message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The server refused; `reason` names the cause and `cure` what to do.
    #[error("{reason}; {cure}")]
    Refused {
        /// Cause.
        reason: String,
        /// What to do about it.
        cure: String,
    },
    /// The peer answered with a message that does not fit the question.
    #[error("unexpected answer from the peer: {0}")]
    Unexpected(String),
}

/// How much memory of each GPU a lease asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryAsk {
    /// A fraction of each GPU's memory, above 0 and at most 1.
    Fraction(f64),
    /// MiB of each GPU.
    Mib(u64),
}

/// On what terms a lease is held, beside how much of each GPU it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Share of each GPU's time in percent, 1 to 100, while others want it too; None: as much as of its memory.
    pub compute_percent: Option<u32>,
    /// The lease ends when its GPUs were not used for this long, in milliseconds. 0: never; None: as the server says.
    pub idle_ms: Option<u64>,
}

/// Who asks: for display, accounting and error messages; nothing is granted because of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// User name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Program, the first words of its command line.
    pub program: String,
    /// Process id on that host.
    pub pid: u32,
}

/// Which of a program's sessions one is, where the program has one on each of several servers. What servers name (ids of objects that
/// the driver made, and addresses where they have a choice) is then of the session's own part of the whole (WIRE.md, W33).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Number of the session, from 0 on.
    pub number: u32,
    /// Sessions of the program: 1 to [`SERVERS_MAX`].
    pub of: u32,
}

impl Default for Share {
    /// The only one.
    fn default() -> Self {
        Self { number: 0, of: 1 }
    }
}

impl Share {
    /// Whether the program has no other session.
    pub fn is_alone(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there can be such a session.
    pub fn is_possible(&self) -> bool {
        (1..=SERVERS_MAX).contains(&self.of) && self.number < self.of
    }

    /// The session's part of `count` things, as first and length; without a remainder all parts are equally long.
    pub fn part(&self, count: u32) -> (u32, u32) {
        let length = count / self.of.max(1);
        (self.number * length, length)
    }
}

/// Which link a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkAsk {
    /// Shared memory; the connection must be a Unix socket.
    Shm,
    /// The connection itself, a TCP stream.
    Tcp,
    /// A queue pair set up over the connection, a TCP stream; the connection itself where one end finds that it cannot.
    Rdma,
    /// A queue pair or nothing: the lane is refused where one end cannot.
    RdmaOnly,
}

/// Whether an end can carry a lane by RDMA at the address in question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RdmaState {
    /// It can, with this device.
    Usable(String),
    /// It cannot, and why, with the cure.
    Unusable(String),
}

impl Default for RdmaState {
    fn default() -> Self {
        Self::Unusable("the server's release has no RDMA".into())
    }
}

/// What each end says first, after [`Reply::Opened`], where [`LinkAsk::Rdma`] was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuePairOffer {
    /// A queue pair that waits to be connected, and the window that the peer writes.
    Offer {
        /// What the peer's queue pair must know of this one: 40 bytes, laid out as `ringway_verbs::Endpoint` says.
        endpoint: Vec<u8>,
        /// Address, size and key of the window that the peer writes: 24 bytes, as `ringway_verbs::RemoteRegion` says.
        window: Vec<u8>,
        /// A second queue pair, for transfers past the ring (WIRE.md, W25): laid out as `endpoint`. None where this end has
        /// none, and in releases that know of none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transfers: Option<Vec<u8>>,
    },
    /// This end cannot; why, with the cure.
    Unable(String),
}

/// What each end says when its queue pair is connected, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuePairState {
    /// Ready to send and to receive.
    Ready,
    /// Not connected; why.
    Failed(String),
}

/// What a client asks of `ringway serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Reserve slices; the lease lives as long as this connection.
    Lease {
        /// Shared secret of the server, empty where it has none.
        token: String,
        /// Number of GPUs.
        gpus: u32,
        /// Slice of each.
        memory: MemoryAsk,
        /// Who asks.
        identity: Identity,
        /// How it is to be held.
        #[serde(default)]
        terms: Terms,
        /// Where it may be; for a pool.
        #[serde(default)]
        wishes: Wishes,
    },
    /// Take the part of a lease that a pool granted on this server; it lives as long as this connection.
    Redeem {
        /// The ticket, as the pool gave it.
        ticket: String,
        /// Who asks.
        identity: Identity,
    },
    /// For a pool.
    Pool {
        /// Token, or shared secret of the pool; empty where it has none.
        token: String,
        /// What is wanted.
        ask: PoolRequest,
    },
    /// Open a session (one a process) in a lease: lane 0 of it.
    Open {
        /// Lease identifier and its secret, as [`Reply::Leased`] gave them.
        lease: String,
        /// See `lease`.
        secret: String,
        /// Who asks.
        identity: Identity,
        /// The link wanted.
        link: LinkAsk,
        /// Which of the program's sessions it is.
        #[serde(default, skip_serializing_if = "Share::is_alone")]
        share: Share,
    },
    /// Add a lane to a session.
    Join {
        /// Session identifier as [`Reply::Opened`] gave it.
        session: u64,
        /// Its secret.
        secret: String,
        /// Lane, which is the ordinal of the GPU in the lease: 1 and above.
        lane: u32,
        /// The link wanted.
        link: LinkAsk,
    },
    /// Measure the link: the answer is [`Reply::Measuring`], then a lane is set up on which no GPU is served but the
    /// records of [`crate::measure`].
    Measure {
        /// Shared secret of the server, empty where it has none.
        token: String,
        /// The link wanted.
        link: LinkAsk,
    },
    /// What does the server have?
    Inventory {
        /// Shared secret of the server, empty where it has none.
        token: String,
    },
    /// How is the server?
    Health {
        /// Shared secret of the server, empty where it has none.
        token: String,
    },
    /// Continue a lane whose link broke, over this connection.
    Resume {
        /// Session identifier as [`Reply::Opened`] gave it.
        session: u64,
        /// Its secret.
        secret: String,
        /// Lane.
        lane: u32,
        /// The link wanted; it may be of another kind than the one that broke.
        link: LinkAsk,
        /// Number of the attempt, greater than those of all attempts before for this lane: a repeated request is refused.
        attempt: u64,
        /// Bytes of the notice ring that the client has received (WIRE.md, W17).
        received: u64,
    },
    /// Take the path to another server of the program for a session (WIRE.md, W35): this server connects to that one, and gives the
    /// connection to the session's worker.
    TakePath {
        /// Session identifier as [`Reply::Opened`] gave it.
        session: u64,
        /// Its secret.
        secret: String,
        /// Number of the attempt, greater than those of all attempts before of this session: a repeated request is refused.
        attempt: u64,
        /// Number of the other server among the program's.
        peer: u32,
        /// Session of the program there.
        peer_session: u64,
        /// What lets this server in there, once.
        peer_secret: String,
        /// Where the program reaches the other server.
        address: String,
        /// Certificate of the authority that vouches for it (DER); None: it is reached in clear text.
        authority: Option<Vec<u8>>,
    },
    /// Another server of the program, to the one that its path leads to: this connection is a path to the session.
    Path {
        /// Session identifier.
        session: u64,
        /// What the program made of the session's secret for this (`ringway_secure::path_secret`).
        secret: String,
        /// Number of the server that asks, among the program's.
        from: u32,
        /// Number of the attempt, greater than those of all attempts of that server before.
        attempt: u64,
    },
    /// Hold a lease again whose connection broke: it lives as long as this connection then.
    Hold {
        /// Lease identifier and its secret.
        lease: String,
        /// See `lease`.
        secret: String,
    },
    /// On a lease's connection: its end, however it comes, is meant, and the end of the lease.
    Farewell,
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, but slower or less than it could.
    Marginal,
    /// It does not work.
    Fail,
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub subject: String,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing is.
    pub cure: String,
}

/// State of the links of a lease's sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Lanes that have no link at present.
    pub suspended: u32,
    /// Times that a lane got another link.
    pub resumed: u32,
    /// How long the last of them was without one, in milliseconds.
    pub pause_ms_last: u64,
    /// Kind of the link that the last of them got.
    pub kind_last: String,
}

/// A GPU's UUID as nvidia-smi writes it: `GPU-` and 8-4-4-4-12 hexadecimal digits.
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "GPU-{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

impl SliceUse {
    /// What two leases do with one GPU: it is not busier than always.
    pub fn plus(self, other: SliceUse) -> SliceUse {
        SliceUse {
            allocated_bytes: self.allocated_bytes.saturating_add(other.allocated_bytes),
            busy_thousandths: self.busy_thousandths.saturating_add(other.busy_thousandths).min(1000),
        }
    }
}

/// What the sessions of a lease do on one server, as that measures it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaseUse {
    /// For each of its slices there, in their order.
    pub slices: Vec<SliceUse>,
    /// Bytes that went from its programs to the server, over the rings and past them, since it began.
    pub up_bytes: u64,
    /// Bytes that went back.
    pub down_bytes: u64,
    /// Calls that its programs waited for: round trips.
    pub waits: u64,
    /// The same three of the last second.
    pub up_bytes_per_s: u64,
    /// See above.
    pub down_bytes_per_s: u64,
    /// See above.
    pub waits_per_s: u64,
}

/// What is done with a slice of a GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceUse {
    /// Bytes of its memory that programs have allocated.
    pub allocated_bytes: u64,
    /// Thousandths of the last second in which there was something to do for it: calls to execute, or work under way on the GPU.
    pub busy_thousandths: u32,
}

/// One GPU of a lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Ordinal of the GPU on its server.
    pub server_ordinal: u32,
    /// Name of the GPU.
    pub name: String,
    /// Bytes of its memory in this slice.
    pub memory_bytes: u64,
    /// Bytes of its memory in all.
    pub memory_bytes_total: u64,
}

/// A GPU as `ringway list` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuStatus {
    /// Ordinal on its server.
    pub ordinal: u32,
    /// Name.
    pub name: String,
    /// UUID as `GPU-...`.
    pub uuid: String,
    /// Compute capability, major and minor.
    pub compute_capability: (u32, u32),
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of it that are leased.
    pub memory_bytes_leased: u64,
    /// Leases that hold a slice of it.
    pub leases: u32,
    /// What all of them do with it together.
    #[serde(default)]
    pub used: SliceUse,
}

/// A lease as `ringway list` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Lease identifier.
    pub lease: String,
    /// Holder.
    pub identity: Identity,
    /// Its slices.
    pub slices: Vec<Slice>,
    /// Processes with a session in it.
    pub sessions: u32,
    /// Seconds since it was granted.
    pub age_s: u64,
    /// The connection of its holder broke, and the server waits for it.
    #[serde(default)]
    pub orphaned: bool,
    /// Links of its sessions.
    #[serde(default)]
    pub links: LinkStatus,
    /// Its terms, as they are in force.
    #[serde(default)]
    pub terms: Terms,
    /// How long its GPUs have not been used, in milliseconds; 0: they are now.
    #[serde(default)]
    pub unused_ms: u64,
    /// What its sessions do.
    #[serde(default)]
    pub used: LeaseUse,
}

/// What `ringway serve` or a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A lease was granted.
    Leased {
        /// Identifier.
        lease: String,
        /// Secret that opens sessions in it.
        secret: String,
        /// Its slices, in the order of the ordinals that the program will see.
        slices: Vec<Slice>,
        /// Name of the server.
        server: String,
        /// Identity of the server's running kernel: equal to the client's means the same host.
        boot_id: String,
        /// Path of the server's Unix socket, where it has one.
        unix_path: Option<String>,
        /// RDMA at the address that the client reached.
        #[serde(default)]
        rdma: RdmaState,
        /// How long the lease is kept when its connection breaks, in milliseconds; 0: not at all.
        #[serde(default)]
        grace_ms: u64,
        /// The server's operator vouches for the network: what RDMA carries need not be encrypted.
        #[serde(default)]
        trusted_network: bool,
    },
    /// A session was opened, or a lane added; link establishment follows on the same connection.
    Opened(Box<Opened>),
    /// Answer to [`Request::Measure`]; link establishment follows on the same connection.
    Measuring {
        /// Key of the commit words of the lane's rings.
        ring_key: u64,
    },
    /// Answer to [`Request::Inventory`].
    Inventory {
        /// Name of the server.
        server: String,
        /// Version of its software.
        version: String,
        /// Which libcuda it uses.
        driver: String,
        /// Its GPUs.
        gpus: Vec<GpuStatus>,
        /// Its leases.
        leases: Vec<LeaseStatus>,
        /// Identity of the server's running kernel.
        boot_id: String,
        /// Path of the server's Unix socket, where it has one.
        unix_path: Option<String>,
        /// RDMA at the address that the client reached.
        #[serde(default)]
        rdma: RdmaState,
        /// The server's operator vouches for the network: what RDMA carries need not be encrypted.
        #[serde(default)]
        trusted_network: bool,
    },
    /// Answer to [`Request::Health`].
    Health {
        /// Name of the server.
        server: String,
        /// Version of its software.
        version: String,
        /// What it found out about itself.
        checks: Vec<Check>,
        /// Its clock, in milliseconds since 1970.
        unix_ms: u64,
        /// Identity of the server's running kernel.
        boot_id: String,
        /// Path of the server's Unix socket, where it has one.
        unix_path: Option<String>,
        /// RDMA at the address that the client reached.
        rdma: RdmaState,
        /// The server's operator vouches for the network: what RDMA carries need not be encrypted.
        #[serde(default)]
        trusted_network: bool,
    },
    /// The lane goes on: the connection is its link from here on.
    Resumed {
        /// Bytes of the submission ring that the server has received (WIRE.md, W17).
        received: u64,
    },
    /// The lane, or the lease, does not go on over this connection.
    NotResumed {
        /// Cause.
        reason: String,
        /// What to do about it.
        cure: String,
        /// A later attempt may succeed.
        again: bool,
    },
    /// Answer to [`Request::TakePath`]: the worker has the connection, and the other end will have said there whether it is a path.
    PathTaken,
    /// Answer to [`Request::Path`], by the worker: the connection is a path from here on.
    Path,
    /// The lease is held by this connection.
    Held,
    /// The pool has no GPUs for the request now: it waits in the queue. Said again when its place changes, and at times.
    Waiting {
        /// Place in the queue, from 1.
        place: u32,
        /// How many wait in all.
        waiting: u32,
        /// What it waits for.
        why: String,
    },
    /// The pool had no GPUs for the request within the time that it gave.
    TimedOut {
        /// How long it waited, in milliseconds.
        waited_ms: u64,
    },
    /// The pool granted GPUs; the tickets are to be brought to the servers at once.
    Granted(Box<Granted>),
    /// Answer to [`Request::Pool`].
    Pool(Box<PoolReply>),
    /// To the holder of a lease: the server restarts in place, and this connection ends. The lease is kept for who says
    /// [`Request::Hold`] in time.
    Restarting {
        /// How long it is kept, in milliseconds.
        back_ms: u64,
    },
    /// To the holder of a lease: the server has ended it.
    Ended {
        /// Cause.
        reason: String,
        /// What to do about it.
        cure: String,
    },
    /// Not granted.
    Refused {
        /// Cause.
        reason: String,
        /// What to do about it.
        cure: String,
    },
}

/// A session as its worker describes it to the client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Session identifier.
    pub session: u64,
    /// Secret for further lanes.
    pub secret: String,
    /// Key of the commit words of this lane's rings (see `layout`).
    pub ring_key: u64,
    /// Driver version, as cuDriverGetVersion gives it.
    pub driver_version: i32,
    /// The GPUs, in the order of the lease; empty in the answer to [`Request::Join`].
    pub devices: Vec<DeviceSnapshot>,
    /// How long the session is kept when its link breaks, in milliseconds; 0: not at all.
    #[serde(default)]
    pub grace_ms: u64,
}

/// All that a program may ask of a device without a round trip; taken once, when the session opens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceSnapshot {
    /// Name as cuDeviceGetName gives it.
    pub name: String,
    /// UUID, 16 bytes.
    pub uuid: [u8; 16],
    /// PCI bus id as cuDeviceGetPCIBusId gives it.
    pub pci_bus_id: String,
    /// Bytes of memory in the slice.
    pub memory_bytes: u64,
    /// Value of CUdevice_attribute `i` at index `i`; None where the driver refused it.
    pub attributes: Vec<Option<i32>>,
    /// Least and greatest stream priority.
    pub stream_priorities: (i32, i32),
}

/// The keys that the bytes of a lane are sealed with (`ringway_secure::record`); a TLS handshake made them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneKeys(pub Vec<u8>);

impl std::fmt::Debug for LaneKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaneKeys(..)")
    }
}

/// What `ringway serve` says to a worker; connections are passed beside the message as file descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerOrder {
    /// First message; file descriptor: the lease's account (see `ringway_link::account`).
    Configure {
        /// Session identifier.
        session: u64,
        /// Secret for further lanes.
        secret: String,
        /// The slices.
        slices: Vec<Slice>,
        /// Index of this worker in the lease's account.
        account_slot: u32,
        /// Cores that GPU threads are pinned to; empty: not pinned.
        cores: Vec<u32>,
        /// How long the session is kept when its link breaks, in milliseconds; 0: not at all.
        grace_ms: u64,
        /// Which of the program's sessions it is.
        #[serde(default)]
        share: Share,
    },
    /// Second message; file descriptor: the block of the server's shares (see `ringway_link::shares`).
    Shares {
        /// GPUs in it.
        gpus: u32,
        /// This worker's seat.
        seat: u32,
        /// Number of its lease there.
        lease: u32,
    },
    /// First and only message: measure the link; file descriptor: the client's connection.
    Measure {
        /// The link asked for.
        link: LinkAsk,
        /// Keys of the connection; None: it is in clear text.
        keys: Option<LaneKeys>,
    },
    /// A client's connection for a lane; file descriptor: the connection.
    Attach {
        /// Lane, 0 first.
        lane: u32,
        /// The link asked for.
        link: LinkAsk,
        /// Keys of the connection; None: it is in clear text.
        keys: Option<LaneKeys>,
    },
    /// A client's connection to continue a lane with; file descriptor: the connection. The fields are those of
    /// [`Request::Resume`]; the secret was checked.
    Resume {
        /// Lane.
        lane: u32,
        /// The link asked for.
        link: LinkAsk,
        /// Number of the attempt.
        attempt: u64,
        /// Bytes of the notice ring that the client has received.
        received: u64,
        /// Keys of the connection; None: it is in clear text.
        keys: Option<LaneKeys>,
    },
    /// A path with another server of the program; file descriptor: the connection. The fields are those of [`Request::TakePath`] or
    /// [`Request::Path`]; the secret was checked.
    Path {
        /// Number of the other server among the program's.
        peer: u32,
        /// Number of the attempt.
        attempt: u64,
        /// The other end took it, and is to be answered; else this one did, and the other end has been asked.
        comes_in: bool,
        /// Keys of the connection; None: it is in clear text.
        keys: Option<LaneKeys>,
    },
}

/// Writes one frame.
///
/// # Errors
/// [`ControlError::Io`] when the connection fails; [`ControlError::TooLong`] when the message is over the limit.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), ControlError> {
    send_within(to, message, FRAME_BYTES_MAX)
}

/// As [`send`], of a payload of at most `bytes_max`.
///
/// # Errors
/// As [`send`].
pub fn send_within<T: Serialize>(to: &mut impl Write, message: &T, bytes_max: usize) -> Result<(), ControlError> {
    let payload = serde_json::to_vec(message)?;
    if payload.len() > bytes_max {
        return Err(ControlError::TooLong(payload.len()));
    }
    let mut frame = Vec::with_capacity(12 + payload.len());
    frame.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
    frame.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    frame.extend_from_slice(&0u16.to_le_bytes());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&payload);
    to.write_all(&frame)?;
    to.flush()?;
    Ok(())
}

/// Checks a frame's 12-byte header and returns the payload's length in bytes.
///
/// # Errors
/// [`ControlError::Magic`], [`ControlError::Version`], [`ControlError::TooLong`].
pub fn check_header(header: &[u8; 12]) -> Result<usize, ControlError> {
    check_header_within(header, FRAME_BYTES_MAX)
}

fn check_header_within(header: &[u8; 12], bytes_max: usize) -> Result<usize, ControlError> {
    let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if magic != FRAME_MAGIC {
        return Err(ControlError::Magic(magic));
    }
    let theirs = u16::from_le_bytes([header[4], header[5]]);
    if theirs != PROTOCOL_VERSION {
        return Err(ControlError::Version { theirs });
    }
    let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    if length > bytes_max {
        return Err(ControlError::TooLong(length));
    }
    Ok(length)
}

/// Reads one frame; reads nothing beyond it.
///
/// # Errors
/// Every [`ControlError`] but `Refused`; a time-out set on the connection shows as `Io`.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, ControlError> {
    receive_within(from, FRAME_BYTES_MAX)
}

/// As [`receive`], of a payload of at most `bytes_max`.
///
/// # Errors
/// As [`receive`].
pub fn receive_within<T: DeserializeOwned>(from: &mut impl Read, bytes_max: usize) -> Result<T, ControlError> {
    let mut header = [0u8; 12];
    from.read_exact(&mut header)?;
    let length = check_header_within(&header, bytes_max)?;
    let mut payload = vec![0u8; length];
    from.read_exact(&mut payload)?;
    Ok(serde_json::from_slice(&payload)?)
}

/// Reads a [`Reply`] and turns a refusal into an error.
///
/// # Errors
/// As [`receive`], and [`ControlError::Refused`].
pub fn receive_reply(from: &mut impl Read) -> Result<Reply, ControlError> {
    match receive(from)? {
        Reply::Refused { reason, cure } => Err(ControlError::Refused { reason, cure }),
        reply => Ok(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let message = Request::Lease {
            token: String::new(),
            gpus: 2,
            memory: MemoryAsk::Fraction(0.5),
            identity: Identity {
                user: "u".into(),
                host: "h".into(),
                program: "p".into(),
                pid: 7,
            },
            terms: Terms { compute_percent: Some(30), idle_ms: None },
            wishes: Wishes { filters: vec!["label.rack=7".into()], timeout_ms: Some(5), ..Wishes::default() },
        };
        let mut bytes = Vec::new();
        send(&mut bytes, &message).unwrap();
        assert_eq!(receive::<Request>(&mut bytes.as_slice()).unwrap(), message);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let mut bytes = Vec::new();
        send(
            &mut bytes,
            &Request::Inventory {
                token: String::new(),
            },
        )
        .unwrap();
        let mut wrong_magic = bytes.clone();
        wrong_magic[0] ^= 1;
        assert!(matches!(
            receive::<Request>(&mut wrong_magic.as_slice()),
            Err(ControlError::Magic(_))
        ));
        let mut wrong_version = bytes.clone();
        wrong_version[4] = 99;
        assert!(matches!(
            receive::<Request>(&mut wrong_version.as_slice()),
            Err(ControlError::Version { theirs: 99 })
        ));
        let mut long = bytes.clone();
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            receive::<Request>(&mut long.as_slice()),
            Err(ControlError::TooLong(_))
        ));
        for cut in 0..bytes.len() {
            assert!(receive::<Request>(&mut &bytes[..cut]).is_err());
        }
        let garbage = b"RWCT\x01\0\0\0\x04\0\0\0{]}{";
        assert!(matches!(
            receive::<Request>(&mut &garbage[..]),
            Err(ControlError::Malformed(_))
        ));
    }
}
