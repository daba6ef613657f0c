//! Records and control messages: written and read.

use super::Part;
use ringway_wire::codec::{CallHeader, Reader, SliceWriter, Writer};
use ringway_wire::control::{self, Identity, LinkAsk, Request, Share};
use std::hint::black_box;

/// A record's header with 16 words behind it, as a launch has; a control request.
pub fn parts() -> Vec<Part> {
    let header = CallHeader {
        ctx: 1,
        reply_slot: CallHeader::NO_REPLY,
        flags: 0,
        sequence: 0,
    };
    let words: [u64; 16] = std::array::from_fn(|at| at as u64);
    let mut space = [0u8; 256];
    let mut written = [0u8; 256];
    let length = write(&mut written, &header, &words);
    let open = Request::Open {
        lease: "lease".into(),
        secret: "0123456789abcdef0123456789abcdef".into(),
        identity: Identity {
            user: "user".into(),
            host: "host".into(),
            program: "python train.py".into(),
            pid: 1,
        },
        link: LinkAsk::Tcp,
        share: Share::default(),
    };
    let mut text = Vec::new();
    control::send(&mut text, &open).expect("a message within the limit");
    let message = text.clone();
    vec![
        Part::new("codec: write a record of 16 words", move || {
            black_box(write(
                black_box(&mut space),
                black_box(&header),
                black_box(&words),
            ));
        }),
        Part::new("codec: read a record of 16 words", move || {
            black_box(read(black_box(&written[..length])));
        }),
        Part::new("codec: write a control request", move || {
            text.clear();
            control::send(&mut text, black_box(&open)).expect("a message within the limit");
        }),
        Part::new("codec: read a control request", move || {
            let request: Request = control::receive(&mut black_box(message.as_slice()))
                .expect("what was just written");
            black_box(request);
        }),
    ]
}

#[inline(never)]
fn write(space: &mut [u8], header: &CallHeader, words: &[u64; 16]) -> usize {
    let mut w = SliceWriter::new(space);
    header.write(&mut w);
    for word in words {
        w.u64(*word);
    }
    w.len()
}

#[inline(never)]
fn read(record: &[u8]) -> u64 {
    let mut r = Reader::new(record);
    let header = CallHeader::read(&mut r).expect("a header");
    let mut sum = u64::from(header.ctx);
    for _ in 0..16 {
        sum += r.u64().expect("a word");
    }
    sum
}
