//! One suite for every kind of link. Each test takes a function that makes a connected pair of lane ends.

mod resumption;
mod sealed;
mod suite;

use resumption::Network;
use ringway_link::{ClientLane, LaneConfig, LinkError, LinkKind, Resumption, ServerLane, rdma, shm, sim, tcp};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

fn shm_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let (a, b) = UnixStream::pair().expect("socket pair");
    let server = shm::offer(a, config).expect("offer");
    let client = shm::accept(b, config).expect("accept");
    (client, server)
}

fn tcp_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    (
        tcp::client(client, config).expect("client"),
        tcp::server(server, config).expect("server"),
    )
}

/// As if the network was one of 200 us and 5 Gbit/s, sealed or not.
fn delayed_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let network = "200us,5Gbit".parse().expect("a network");
    let (client, server) = sockets();
    (
        tcp::client_over(client, config, network).expect("client"),
        tcp::server_over(server, config, network).expect("server"),
    )
}

fn delayed_sealed_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let network = "50us".parse().expect("a network");
    let (client, server) = sealed::sockets();
    (
        tcp::client_over(client, config, network).expect("client"),
        tcp::server_over(server, config, network).expect("server"),
    )
}

fn sim_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let (client, server, _) = sim::pair(config, sim::Network::from_seed(11)).expect("pair");
    (client, server)
}

/// Where RDMA is tested: address of the server's device and, where it is another, of the client's.
const RDMA_ADDRESSES: &str = "RINGWAY_TEST_RDMA";

fn rdma_sockets() -> (TcpStream, TcpStream) {
    let text = std::env::var(RDMA_ADDRESSES).expect("RINGWAY_TEST_RDMA=SERVER[,CLIENT]");
    let (server, client) = text.split_once(',').unwrap_or((&text, &text));
    let listener = TcpListener::bind((server, 0)).expect("listen");
    let client = connect_from(client, listener.local_addr().expect("address"));
    let (server, _) = listener.accept().expect("accept");
    (client, server)
}

fn rdma_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let (client, server) = rdma_sockets();
    rdma_ends(client, server, config)
}

fn rdma_ends(client: TcpStream, server: TcpStream, config: &LaneConfig) -> (ClientLane, ServerLane) {
    let config = *config;
    let server = std::thread::spawn(move || rdma::server(server, &config, true));
    let (client, choice) = rdma::client(client, &config, true).expect("client");
    let (server, _) = server.join().expect("thread").expect("server");
    assert_eq!(choice.kind, LinkKind::Rdma, "{choice}");
    (client, server)
}

/// A connection from a certain address of this host: it decides which device is used.
fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None).expect("socket");
    let from: std::net::IpAddr = from.parse().expect("an address");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("bind");
    socket.connect(&to.into()).expect("connect");
    socket.into()
}

macro_rules! conformance {
    (@run $body:block, [], $test:ident) => {
        #[test]
        fn $test() $body
    };
    (@run $body:block, [$attribute:meta], $test:ident) => {
        #[test]
        #[$attribute]
        fn $test() $body
    };
    ($kind:ident, $pair:expr, $attribute:tt, $($test:ident),+ $(,)?) => {
        mod $kind {
            $(conformance!(@run { crate::suite::$test(&$pair) }, $attribute, $test);)+
        }
    };
}

macro_rules! every_test {
    ($kind:ident, $pair:expr, $attribute:tt) => {
        conformance!(
            $kind,
            $pair,
            $attribute,
            records_arrive_in_order_whole_and_once,
            many_threads_call_and_post,
            a_full_ring_times_out_and_recovers,
            the_largest_records_pass_both_ways,
            a_late_answer_is_never_taken_for_another,
            payloads_stay_until_released,
            downloads_larger_than_the_ring_arrive_before_their_reply,
            notices_are_flow_controlled,
            the_service_thread_gets_notices_and_sends_tails,
            the_service_thread_hears_notices_after_waiters_have_slept,
            the_board_is_readable_without_asking,
            a_dying_server_ends_every_wait,
            a_dying_client_is_polled_out_then_reported,
            a_sleeping_server_is_woken,
            nonsense_from_the_client_is_its_own_end,
            dropped_reservations_post_nothing,
            all_slots_taken_is_a_timeout,
        );
    };
}

every_test!(over_shm, crate::shm_pair, []);
every_test!(over_tcp, crate::tcp_pair, []);
every_test!(over_sealed_tcp, crate::sealed::pair, []);
every_test!(over_a_delayed_network, crate::delayed_pair, []);
every_test!(over_a_delayed_network_sealed, crate::delayed_sealed_pair, []);
every_test!(over_sim, crate::sim_pair, []);
every_test!(over_rdma, crate::rdma_pair, [ignore = "needs an RDMA device: ci/vm has one"]);

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    (client, server)
}

fn reset(socket: &TcpStream) {
    // Connecting a stream to nowhere resets it (tcp(7) leaves it out, connect(2) says "dissolve the association").
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as _,
        sa_data: [0; 14],
    };
    // SAFETY: an address of this size and an owned socket.
    let rc = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            &raw const nowhere,
            size_of_val(&nowhere) as _,
        )
    };
    assert_eq!(rc, 0, "{}", std::io::Error::last_os_error());
}

/// A second handle of the client's socket, to break the connection with.
struct TcpNetwork(TcpStream);

impl Network for TcpNetwork {
    fn cut(&mut self) {
        reset(&self.0);
    }

    fn close(&mut self) {
        self.0.shutdown(std::net::Shutdown::Both).expect("shutdown");
    }

    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError> {
        over_tcp_now(client, server)
    }
}

fn over_tcp_now(
    client: Resumption<'_>,
    server: Resumption<'_>,
) -> Result<Box<dyn Network>, LinkError> {
    let (a, b) = sockets();
    let network = TcpNetwork(a.try_clone().expect("clone"));
    let (of_client, of_server) = (client.positions(), server.positions());
    tcp::resume(server, b, of_client)?;
    tcp::resume(client, a, of_server)?;
    Ok(Box::new(network))
}

fn breakable_tcp(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    let (a, b) = sockets();
    let network = TcpNetwork(a.try_clone().expect("clone"));
    let client = tcp::client(a, config).expect("client");
    let server = tcp::server(b, config).expect("server");
    (client, server, Box::new(network))
}

struct SimNetwork {
    observer: sim::Observer,
    seed: u64,
    /// The next link is of the other kind.
    changes: bool,
}

impl Network for SimNetwork {
    fn cut(&mut self) {
        self.observer.cut();
    }

    fn close(&mut self) {
        self.observer.end();
    }

    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError> {
        let SimNetwork { seed, changes, .. } = *self;
        if changes {
            let network = over_tcp_now(client, server)?;
            return Ok(Box::new(Alternating(network, seed + 1)));
        }
        over_sim_now(client, server, seed + 1, changes)
    }
}

fn over_sim_now(
    client: Resumption<'_>,
    server: Resumption<'_>,
    seed: u64,
    changes: bool,
) -> Result<Box<dyn Network>, LinkError> {
    let observer = sim::resume(client, server, sim::Network::from_seed(seed))?;
    Ok(Box::new(SimNetwork {
        observer,
        seed,
        changes,
    }))
}

/// Over tcp now, over sim next.
struct Alternating(Box<dyn Network>, u64);

impl Network for Alternating {
    fn cut(&mut self) {
        self.0.cut();
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError> {
        over_sim_now(client, server, self.1, true)
    }
}

fn breakable_sim(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    breakable(config, false)
}

fn breakable_by_turns(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    breakable(config, true)
}

fn breakable(config: &LaneConfig, changes: bool) -> (ClientLane, ServerLane, Box<dyn Network>) {
    let seed = 23;
    let (client, server, observer) =
        sim::pair(config, sim::Network::from_seed(seed)).expect("pair");
    let network = SimNetwork {
        observer,
        seed,
        changes,
    };
    (client, server, Box::new(network))
}

/// Two queue pairs, or a queue pair and then a connection of tcp by turns, and a second handle of the client's socket.
struct RdmaNetwork {
    socket: TcpStream,
    /// The next link is of the other kind.
    changes: bool,
}

impl Network for RdmaNetwork {
    fn cut(&mut self) {
        reset(&self.socket);
    }

    fn close(&mut self) {
        self.socket.shutdown(std::net::Shutdown::Both).expect("shutdown");
    }

    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError> {
        if self.changes {
            let network = over_tcp_now(client, server)?;
            return Ok(Box::new(RdmaNext(network)));
        }
        over_rdma_now(client, server, false)
    }
}

fn over_rdma_now(
    client: Resumption<'_>,
    server: Resumption<'_>,
    changes: bool,
) -> Result<Box<dyn Network>, LinkError> {
    let (a, b) = rdma_sockets();
    let socket = a.try_clone().expect("clone");
    let (of_client, of_server) = (client.positions(), server.positions());
    std::thread::scope(|scope| {
        let other = scope.spawn(move || rdma::resume(server, b, of_client, true));
        let ours = rdma::resume(client, a, of_server, true);
        other.join().expect("thread")?;
        ours.map(|_| ())
    })?;
    Ok(Box::new(RdmaNetwork { socket, changes }))
}

/// Over tcp now, over rdma next.
struct RdmaNext(Box<dyn Network>);

impl Network for RdmaNext {
    fn cut(&mut self) {
        self.0.cut();
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn resume(
        self: Box<Self>,
        client: Resumption<'_>,
        server: Resumption<'_>,
    ) -> Result<Box<dyn Network>, LinkError> {
        over_rdma_now(client, server, true)
    }
}

fn breakable_rdma(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    let (a, b) = rdma_sockets();
    let socket = a.try_clone().expect("clone");
    let (client, server) = rdma_ends(a, b, config);
    let network = RdmaNetwork {
        socket,
        changes: false,
    };
    (client, server, Box::new(network))
}

fn breakable_rdma_and_tcp(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    let (a, b) = rdma_sockets();
    let socket = a.try_clone().expect("clone");
    let (client, server) = rdma_ends(a, b, config);
    let network = RdmaNetwork {
        socket,
        changes: true,
    };
    (client, server, Box::new(network))
}

macro_rules! resumption {
    ($kind:ident, $breakable:expr, $attribute:tt, $($test:ident),+ $(,)?) => {
        mod $kind {
            $(conformance!(@run { crate::resumption::$test(&$breakable) }, $attribute, $test);)+
        }
    };
}

macro_rules! every_resumption {
    ($kind:ident, $breakable:expr, $attribute:tt) => {
        resumption!(
            $kind,
            $breakable,
            $attribute,
            threads_that_call_and_post_notice_only_a_pause,
            downloads_go_on_where_they_were,
            a_call_made_while_there_is_no_link_waits,
            a_full_ring_waits_without_a_link,
            a_farewell_makes_every_end_meant,
            after_the_grace_period_both_ends_are_down,
            an_orderly_end_without_farewell_is_kept_more_briefly,
            attempts_that_are_refused_change_nothing,
            w17_positions_that_are_refused,
            an_idle_lane_without_a_link_sleeps,
        );
    };
}

every_resumption!(resumed_over_tcp, crate::breakable_tcp, []);
every_resumption!(resumed_over_sealed_tcp, crate::sealed::breakable, []);
every_resumption!(resumed_over_sim, crate::breakable_sim, []);
every_resumption!(resumed_by_turns, crate::breakable_by_turns, []);
every_resumption!(over_rdma_resumed, crate::breakable_rdma, [ignore = "needs an RDMA device: ci/vm has one"]);
every_resumption!(over_rdma_and_tcp_by_turns, crate::breakable_rdma_and_tcp, [ignore = "needs an RDMA device: ci/vm has one"]);

#[test]
fn memory_that_is_shared_is_not_resumed() {
    let (client, server) = shm_pair(&LaneConfig {
        geometry: ringway_wire::layout::Geometry::DEFAULT,
        lane_key: 5,
    });
    client.keep();
    assert!(matches!(
        client.begin_resume().map(|_| ()),
        Err(ringway_link::NotResumed::Never)
    ));
    drop(server);
    let error = client
        .wait_notices(std::time::Duration::from_secs(30))
        .expect_err("the server is gone");
    assert_eq!(error, LinkError::Down(ringway_link::DownCause::PeerClosed));
}
