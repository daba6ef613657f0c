//! One suite for every kind of link. Each test takes a function that makes a connected pair of lane ends.

mod suite;

use ringway_link::{ClientLane, LaneConfig, LinkKind, ServerLane, rdma, shm, sim, tcp};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

fn sim_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let (client, server, _) = sim::pair(config, sim::Network::from_seed(11)).expect("pair");
    (client, server)
}

/// Where RDMA is tested: address of the server's device and, where it is another, of the client's.
const RDMA_ADDRESSES: &str = "RINGWAY_TEST_RDMA";

fn rdma_pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let text = std::env::var(RDMA_ADDRESSES).expect("RINGWAY_TEST_RDMA=SERVER[,CLIENT]");
    let (server, client) = text.split_once(',').unwrap_or((&text, &text));
    let listener = TcpListener::bind((server, 0)).expect("listen");
    let client = connect_from(client, listener.local_addr().expect("address"));
    let (server, _) = listener.accept().expect("accept");
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
    (@test $pair:expr, [], $test:ident) => {
        #[test]
        fn $test() {
            crate::suite::$test(&$pair);
        }
    };
    (@test $pair:expr, [$attribute:meta], $test:ident) => {
        #[test]
        #[$attribute]
        fn $test() {
            crate::suite::$test(&$pair);
        }
    };
    ($kind:ident, $pair:expr, $attribute:tt, $($test:ident),+ $(,)?) => {
        mod $kind {
            $(conformance!(@test $pair, $attribute, $test);)+
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
every_test!(over_sim, crate::sim_pair, []);
every_test!(over_rdma, crate::rdma_pair, [ignore = "needs an RDMA device: ci/vm has one"]);
