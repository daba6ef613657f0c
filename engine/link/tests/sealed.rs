//! Somebody on the way who reads, changes, repeats or leaves out sealed records.

use ringway_link::socket::Socket;
use ringway_link::{ClientLane, DownCause, LaneConfig, LinkError, ServerLane, rdma, tcp};
use ringway_secure::record::{ConnectionKeys, HEADER_BYTES, KEYS_BYTES, Opener};
use ringway_wire::layout::Geometry;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const PATTERN: &[u8; 32] = b"RINGWAY-KNOWN-PLAINTEXT-PATTERN!";

fn config() -> LaneConfig {
    LaneConfig { geometry: Geometry::DEFAULT, lane_key: 0x5eed }
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let a = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (a, listener.accept().expect("accept").0)
}

/// What the one on the way does with the client's record of a number.
type Tamper = fn(number: usize, record: Vec<u8>) -> Vec<u8>;

fn forward(mut from: TcpStream, mut to: TcpStream, tamper: Tamper) -> Vec<u8> {
    let mut seen = Vec::new();
    for number in 0.. {
        let mut header = [0; HEADER_BYTES];
        if from.read_exact(&mut header).is_err() {
            break;
        }
        let mut record = header.to_vec();
        record.resize(Opener::length(&header).expect("a sealed record"), 0);
        if from.read_exact(&mut record[HEADER_BYTES..]).is_err() {
            break;
        }
        seen.extend_from_slice(&record);
        if to.write_all(&tamper(number, record)).is_err() {
            break;
        }
    }
    // Whoever is left is told.
    let _ = to.shutdown(std::net::Shutdown::Both);
    seen
}

/// Posts records of a pattern through somebody who tampers; what the server polled before the lane ended, and how it ended,
/// and what was seen on the way.
fn through(tamper: Tamper, records: usize) -> (usize, DownCause, Vec<u8>) {
    let ((client, near), (far, server)) = (sockets(), sockets());
    let keys = ConnectionKeys::from_slice(&ringway_secure::random::<KEYS_BYTES>().expect("random")).expect("keys");
    let client: ClientLane = tcp::client(Socket::sealed(client, &keys, false), &config()).expect("client");
    let mut server: ServerLane = tcp::server(Socket::sealed(server, &keys, true), &config()).expect("server");
    let (near_out, far_out) = (near.try_clone().expect("clone"), far.try_clone().expect("clone"));
    let up = std::thread::spawn(move || forward(near, far, tamper));
    let down = std::thread::spawn(move || forward(far_out, near_out, |_, record| record));
    let posting = std::thread::spawn(move || {
        for _ in 0..records {
            let Ok(mut record) = client.reserve(7, 4096, PATIENCE) else {
                return;
            };
            for at in (0..4096).step_by(32) {
                record.write_at(at, PATTERN);
            }
            record.commit();
        }
        let slot = client.acquire_slot(PATIENCE);
        // The server does not answer: this waits for the end of the lane.
        if let (Ok(mut slot), Ok(record)) = (slot, client.reserve(8, 8, PATIENCE)) {
            let position = record.commit_call(&mut slot);
            let _ = slot.wait(position, PATIENCE, &mut [0; 8]);
        }
    });
    let (mut polled, start) = (0, Instant::now());
    let cause = loop {
        assert!(start.elapsed() < PATIENCE, "the server's end waits for ever; {polled} records came");
        match server.poll() {
            Ok(Some(record)) if record.tag == 7 => {
                let mut bytes = [0; 4096];
                assert!(record.payload.read_at(0, &mut bytes), "a record of 4096 bytes");
                assert!(bytes.chunks(32).all(|piece| piece == PATTERN), "other bytes came than were sent");
                polled += 1;
            }
            // All came: the client's end is what is wanted now.
            Ok(Some(_)) => server.close(),
            Ok(None) => std::thread::yield_now(),
            Err(LinkError::Down(cause)) => break cause,
            Err(error) => panic!("{error}"),
        }
    };
    drop(server);
    posting.join().expect("posting");
    down.join().expect("down");
    (polled, cause, up.join().expect("up"))
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn nothing_of_what_is_sent_is_seen_on_the_way() {
    let (polled, cause, seen) = through(|_, record| record, 100);
    assert_eq!((polled, cause), (100, DownCause::ClosedHere));
    assert!(seen.len() > 100 * 4096, "{} bytes were seen", seen.len());
    assert!(!contains(&seen, &PATTERN[..8]));
}

#[test]
fn a_changed_record_ends_the_link_and_is_not_taken() {
    let (polled, cause, _) = through(
        |number, mut record| {
            if number == 5 {
                let middle = record.len() / 2;
                record[middle] ^= 1;
            }
            record
        },
        2000,
    );
    assert!(polled < 2000);
    assert!(cause.to_string().contains("does not open"), "{cause}");
}

#[test]
fn a_repeated_record_ends_the_link() {
    let (polled, cause, _) = through(|number, record| if number == 5 { record.repeat(2) } else { record }, 2000);
    assert!(polled < 2000);
    assert!(cause.to_string().contains("does not open"), "{cause}");
}

#[test]
fn a_record_left_out_ends_the_link() {
    let (polled, cause, _) = through(|number, record| if number == 5 { Vec::new() } else { record }, 2000);
    assert!(polled < 2000);
    assert!(cause.to_string().contains("does not open"), "{cause}");
}

#[test]
fn clear_text_among_sealed_records_ends_the_link() {
    let (_, cause, _) = through(|number, record| if number == 5 { vec![0x41; 64] } else { record }, 2000);
    assert!(cause.to_string().contains("no sealed record"), "{cause}");
}

#[test]
fn a_lane_is_agreed_on_and_goes_on_over_sealed_connections() {
    // Both ends say whether they have RDMA, in sealed messages; where they have none the lane follows on the same connection.
    let (client, server) = sockets();
    let keys = ConnectionKeys::from_slice(&ringway_secure::random::<KEYS_BYTES>().expect("random")).expect("keys");
    let (client, server) = (Socket::sealed(client, &keys, false), Socket::sealed(server, &keys, true));
    let serving = std::thread::spawn(move || {
        let (mut lane, _) = rdma::server(server, &config(), false).expect("server");
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "no record came");
            if let Some(record) = lane.poll().expect("lane") {
                let position = record.position_end;
                lane.reply(0, position, 7, PATTERN).expect("reply");
                // Until the client ends it.
                while lane.poll().is_ok() {
                    std::thread::yield_now();
                }
                return;
            }
        }
    });
    let (lane, _) = rdma::client(client, &config(), false).expect("client");
    let mut slot = lane.acquire_slot(PATIENCE).expect("slot");
    assert_eq!(slot.index(), 0);
    let mut record = lane.reserve(7, 32, PATIENCE).expect("record");
    record.write_at(0, PATTERN);
    let position = record.commit_call(&mut slot);
    let mut answer = [0; 32];
    slot.wait(position, PATIENCE, &mut answer).expect("answer");
    assert_eq!(&answer, PATTERN);
    drop(slot);
    lane.close();
    serving.join().expect("serving");
}
