//! The independent peer of the test "the ibverbs crate's queue pairs talk to ours": the `ibverbs` crate at the other end of
//! a reliable connection.
//!
//! usage: ringway-ci-verbs-peer TCP_ADDRESS LOCAL_IP
//!
//! Takes an endpoint from TCP, answers with its own (both as `verbs/src/connection/exchange.rs` documents them, written
//! here anew), then answers each message with the same bytes, each plus one. A message of no more than the byte 255 ends it.

use ibverbs::{CompletionQueue, Gid, QueuePairEndpoint, ibv_qp_type, ibv_wc};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const BYTES_MAX: usize = 1 << 16;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("no TCP address")?;
    let local: IpAddr = arguments.next().ok_or("no local address")?.parse()?;
    let wanted = match local {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };

    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(SOON))?;
    let mut theirs = [0; 40];
    tcp.read_exact(&mut theirs)?;
    if theirs[..6] != *b"RWqp\x01\x02" {
        return Err("not an endpoint of version 1 for RoCE v2".into());
    }
    let word = |at: usize| u32::from_le_bytes([theirs[at], theirs[at + 1], theirs[at + 2], theirs[at + 3]]);
    let mut gid = Gid::default();
    gid.as_mut().raw = theirs[24..40].try_into()?;
    let peer = QueuePairEndpoint {
        num: word(12),
        lid: 0,
        gid: Some(gid),
    };

    // RoCE v2, by address
    let mut found = None;
    for device in ibverbs::devices()?.iter() {
        let Ok(context) = device.open() else {
            continue;
        };
        let entry = context.gid_table().iter().find(|entry| {
            // SAFETY: every bit pattern is a valid array of bytes.
            entry.gid_type == 2 && unsafe { entry.gid.as_ref().raw } == wanted
        });
        if let Some(index) = entry.map(|entry| entry.gid_index) {
            found = Some((context, index));
            break;
        }
    }
    let (context, index) = found.ok_or("no device has this address")?;
    let (sent, received) = (context.create_cq(16, 0)?, context.create_cq(16, 1)?);
    let domain = context.alloc_pd()?;
    let prepared = domain
        .create_qp(&sent, &received, ibv_qp_type::IBV_QPT_RC)
        .set_gid_index(index)
        .set_rq_psn(word(16))
        .set_path_mtu(3)
        .set_timeout(14)
        .set_max_send_wr(4)
        .set_max_recv_wr(4)
        .build()?;
    let own = prepared.endpoint();
    let mut mine = [0; 40];
    mine[..9].copy_from_slice(b"RWqp\x01\x02\x03\x01\x01");
    mine[12..16].copy_from_slice(&own.num.to_le_bytes());
    mine[24..40].copy_from_slice(&wanted);
    tcp.write_all(&mine)?;

    let mut incoming = domain.allocate::<u8>(BYTES_MAX)?;
    let mut outgoing = domain.allocate::<u8>(BYTES_MAX)?;
    let mut qp = prepared.handshake(peer)?;
    // SAFETY: not touched before its completion, and dropped after the queue pair has done all work.
    unsafe { qp.post_receive(&mut incoming, .., RECEIVE) }?;
    tcp.write_all(b"R")?;

    let mut messages = 0;
    loop {
        let len = wait(&received, RECEIVE)?;
        if len == 1 && incoming[0] == 255 {
            println!("{messages} messages answered");
            return Ok(());
        }
        for (out, byte) in outgoing[..len].iter_mut().zip(&incoming[..len]) {
            *out = byte.wrapping_add(1);
        }
        // SAFETY: as above.
        unsafe {
            qp.post_receive(&mut incoming, .., RECEIVE)?;
            qp.post_send(&mut outgoing, ..len, SEND)?;
        }
        wait(&sent, SEND)?;
        messages += 1;
    }
}

/// Waits for one completion, which must be `wanted`, and gives its length.
fn wait(cq: &CompletionQueue<'_>, wanted: u64) -> Result<usize, Box<dyn Error>> {
    let mut room = [ibv_wc::default()];
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(done) = cq.poll(&mut room)?.first() {
            if let Some((status, vendor)) = done.error() {
                return Err(format!("request {}: status {status}, vendor {vendor}", done.wr_id()).into());
            }
            if done.wr_id() != wanted {
                return Err(format!("request {} completed instead of {wanted}", done.wr_id()).into());
            }
            return Ok(done.len());
        }
        if Instant::now() > deadline {
            return Err("nothing came".into());
        }
        std::thread::yield_now();
    }
}
