//! One suite for every kind of link. Each test takes a function that makes a connected pair of lane ends.

mod suite;

use ringway_link::{ClientLane, LaneConfig, ServerLane, shm, sim, tcp};
use std::net::{TcpListener, TcpStream};
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

macro_rules! conformance {
    ($kind:ident, $pair:expr, $($test:ident),+ $(,)?) => {
        mod $kind {
            $(#[test] fn $test() { crate::suite::$test(&$pair); })+
        }
    };
}

macro_rules! every_test {
    ($kind:ident, $pair:expr) => {
        conformance!(
            $kind,
            $pair,
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

every_test!(over_shm, crate::shm_pair);
every_test!(over_tcp, crate::tcp_pair);
every_test!(over_sim, crate::sim_pair);
