//! Our queue pair as the other end of perftest's ib_write_lat, whose exchange over TCP is that of its version 5.70 and later: a few words
//! about the host, then a line of hexadecimal numbers, sent and answered four times; then both ends write the last byte of their message to the other in turn.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const TOOL: &str = "ib_write_lat";
/// The release whose exchange this is.
const VERSION: &[u8; 16] = b"5.70\0\0\0\0\0\0\0\0\0\0\0\0";
/// Bytes of a line with its zero byte.
const LINE_BYTES: usize = 108;
/// Bytes of a message, and how many each end writes.
const MESSAGE: usize = 64;
const MESSAGES: usize = 1000;
/// Where this end's messages lie in its region; perftest's arrive at its beginning.
const SOURCE: usize = 4096;

/// What an end tells in a line.
struct Line {
    qp_number: u32,
    psn: u32,
    key: u32,
    address: u64,
    gid: [u8; 16],
}

impl Line {
    fn write(&self) -> [u8; LINE_BYTES] {
        let gid: String = self.gid.iter().map(|byte| format!("{byte:02x}:")).collect();
        let text = format!(
            "{:04x}:{:04x}:{:06x}:{:06x}:{:08x}:{:016x}:{gid}{:08x}:",
            0, 1, self.qp_number, self.psn, self.key, self.address, 0
        );
        let mut line = [0; LINE_BYTES];
        line[..text.len()].copy_from_slice(text.as_bytes());
        line
    }

    fn read(line: &[u8; LINE_BYTES]) -> Option<Self> {
        let text = std::str::from_utf8(line.split(|byte| *byte == 0).next()?).ok()?;
        let words: Vec<u64> = text.split(':').map_while(|word| u64::from_str_radix(word, 16).ok()).collect();
        let (head, rest) = words.split_first_chunk::<6>()?;
        let gid: Vec<u8> = rest.get(..16)?.iter().map(|byte| *byte as u8).collect();
        Some(Self {
            qp_number: head[2] as u32,
            psn: head[3] as u32,
            key: head[4] as u32,
            address: head[5],
            gid: gid.try_into().ok()?,
        })
    }
}

/// perftest's program as the server; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or is to end now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn write_latency(rig: &Rig) -> Outcome {
    let (ours, theirs) = rig.routes()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let started = Command::new(TOOL)
        .args(["-d", theirs.context.name(), "-x", &theirs.gid.index.to_string(), "-p", &port.to_string()])
        .args(["-F", "-m", "4096"])
        .args(["-s", &MESSAGE.to_string(), "-n", &MESSAGES.to_string()])
        .stdout(Stdio::piped())
        .spawn();
    let mut server = match started {
        Ok(child) => Server(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("        ({TOOL} is not installed)");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let deadline = Instant::now() + SOON;
    let mut tcp = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(tcp) => break tcp,
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    tcp.set_read_timeout(Some(SOON))?;
    // Version, bytes of a page and of a cache line, and the path MTU by the number of its attribute.
    for told in [&VERSION[..], &4096u32.to_be_bytes(), &64u32.to_be_bytes(), b"5\0"] {
        tcp.write_all(told)?;
        tcp.read_exact(&mut vec![0; told.len()])?;
    }
    let half = half(&ours, &QueuePairOptions::default(), 2 * SOURCE)?;
    let endpoint = half.qp.endpoint()?;
    let region = half.region.remote();
    let line = Line {
        qp_number: endpoint.qp_number,
        psn: endpoint.psn,
        key: region.key,
        address: region.address,
        gid: endpoint.gid.0,
    };
    let mut exchange = || -> std::result::Result<Line, Failure> {
        tcp.write_all(&line.write())?;
        let mut answer = [0; LINE_BYTES];
        tcp.read_exact(&mut answer)?;
        Line::read(&answer).ok_or_else(|| format!("not a line: {:?}", String::from_utf8_lossy(&answer)).into())
    };
    // The first time as a greeting.
    exchange()?;
    let peer = exchange()?;
    let connected = Endpoint {
        qp_number: peer.qp_number,
        psn: peer.psn,
        gid: Gid(peer.gid),
        ..endpoint
    };
    let mut a = finish(half, &connected, &patient())?;
    // Both are ready; the second time since its end needs it.
    exchange()?;
    exchange()?;
    let theirs = RemoteRegion {
        address: peer.address,
        len: MESSAGE as u64,
        key: peer.key,
    };
    let to = theirs.slice(0, theirs.len).ok_or("a slice")?;
    for message in 1..=MESSAGES {
        let wanted = message as u8;
        let deadline = Instant::now() + SOON;
        let mut last = [0];
        loop {
            a.region.read(MESSAGE - 1, &mut last)?;
            if last[0] == wanted {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("message {message} of perftest did not come").into());
            }
            std::hint::spin_loop();
        }
        a.region.write(SOURCE + MESSAGE - 1, &[wanted])?;
        let from = a.region.slice(SOURCE..SOURCE + MESSAGE).ok_or("a slice")?;
        let mut batch = a.qp.send_queue().batch();
        batch.write(from, to, Options::new().signalled())?;
        batch.post()?;
        a.sent()?;
    }
    let deadline = Instant::now() + SOON;
    let status = loop {
        match server.0.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => return Err(format!("{TOOL} did not end").into()),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    server.0.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
    let row = format!("{MESSAGE} ");
    let measured = said.lines().any(|line| line.trim_start().starts_with(&row) && line.contains(&MESSAGES.to_string()));
    assert!(status.success() && measured, "{TOOL} ended with {status}: {said}");
    Ok(())
}
