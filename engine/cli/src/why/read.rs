//! The files that the processes of a program leave, checked: they are the program's, and may end anywhere.

use super::model::Recording;
use crate::Failure;
use ringway_api::{TABLE, op};
use ringway_wire::call::TAG_BLOB;
use ringway_wire::layout::{RING_BYTES_DEFAULT, RING_BYTES_MAX, RING_BYTES_MIN};
use ringway_wire::trace::{CALL_BYTES, CALLS_AT, CALLS_MAX, Call, HEADER_BYTES, INTERNAL, MAGIC, SITE_BYTES, SITES, Site, header, opcode_of};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Processes that are looked at; further ones are counted.
const PROCESSES_MAX: usize = 4096;
/// Longest recorded time that is believed, and most bytes of one call: ten years, 1 TiB.
const TIME_NS_MAX: u64 = 10 * 365 * 86_400 * 1_000_000_000;
const BYTES_MAX: u64 = 1 << 40;

/// What one process left.
#[derive(Debug, Clone)]
pub struct Trace {
    pub pid: u64,
    pub name: String,
    /// It ended in order; else it was killed, or crashed.
    pub ended: bool,
    pub begun_ns: u64,
    pub ended_ns: u64,
    /// What making the file took.
    pub own_ns: u64,
    /// Of the call that waited least, so what the two ends do is in it; 0: none waited.
    pub round_trip_ns: u64,
    /// Calls that went to the server; at least as many as `recording` has.
    pub calls_made: u64,
    pub recording: Recording,
    /// By their index in the file.
    pub sites: Vec<Option<Site>>,
}

/// CUDA's name of an opcode in a trace.
pub fn name(opcode: u16) -> &'static str {
    if opcode & INTERNAL != 0 {
        return if opcode == opcode_of(TAG_BLOB) { "module data" } else { "internal" };
    }
    TABLE.iter().find(|row| row.opcode == u32::from(opcode)).map_or("unknown", |row| row.name)
}

/// Which waiting calls wait for an event, and which call recorded it last.
fn events(calls: &[Call]) -> HashMap<usize, usize> {
    let is = |call: &Call, tag: u32| u32::from(call.opcode) == tag;
    let (mut recorded, mut waits) = (HashMap::new(), HashMap::new());
    for (index, call) in calls.iter().enumerate() {
        if is(call, op::CU_EVENT_RECORD) || is(call, op::CU_EVENT_RECORD_WITH_FLAGS) {
            recorded.insert(call.object, index);
        } else if call.waits && (is(call, op::CU_EVENT_SYNCHRONIZE) || is(call, op::CU_EVENT_QUERY)) {
            waits.extend(recorded.get(&call.object).map(|event| (index, *event)));
        }
    }
    waits
}

/// Reads all traces of a folder; and how many files could not be used.
pub fn all(folder: &Path) -> Result<(Vec<Trace>, usize), Failure> {
    let (mut traces, mut unusable) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "calls") {
            continue;
        }
        match (traces.len() < PROCESSES_MAX).then(|| one(&path)).transpose()?.flatten() {
            Some(trace) => traces.push(trace),
            None => unusable += 1,
        }
    }
    traces.sort_by_key(|trace| trace.begun_ns);
    Ok((traces, unusable))
}

/// Reads one; None: its session never opened, or it is no trace.
fn one(path: &Path) -> Result<Option<Trace>, Failure> {
    let mut file = File::open(path)?;
    let mut head = vec![0; CALLS_AT];
    if file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let word = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    if word(header::MAGIC) != MAGIC {
        return Ok(None);
    }
    let calls_made = word(header::CALLS);
    let kept = usize::try_from(calls_made).unwrap_or(CALLS_MAX).min(CALLS_MAX);
    let mut bytes = Vec::new();
    file.take((kept * CALL_BYTES) as u64).read_to_end(&mut bytes)?;
    Ok(Some(decode(&head, &bytes, calls_made)))
}

/// `head` has [`CALLS_AT`] bytes.
fn decode(head: &[u8], bytes: &[u8], calls_made: u64) -> Trace {
    let word = |at: usize| head.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (begun_ns, ready_ns) = (word(header::BEGUN_NS), word(header::READY_NS));
    let sound = |call: &Call| {
        call.start_ns.checked_sub(begun_ns).is_some_and(|since| since < TIME_NS_MAX) && call.time_ns < TIME_NS_MAX && call.bytes_down <= BYTES_MAX
    };
    // What a process that was killed was about to write is left out.
    let mut calls: Vec<Call> = bytes.as_chunks::<CALL_BYTES>().0.iter().filter_map(Call::decode).filter(sound).collect();
    calls.sort_by_key(|call| call.start_ns);
    let last_ns = calls.iter().map(|call| call.start_ns + call.time_ns).max().unwrap_or(ready_ns).max(begun_ns);
    let ended = word(header::ENDED_NS);
    let ring_bytes = usize::try_from(word(header::RING_BYTES)).ok().filter(|bytes| (RING_BYTES_MIN..=RING_BYTES_MAX).contains(bytes));
    let name = &head[header::NAME..header::NAME + 16];
    let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())];
    Trace {
        pid: word(header::PID),
        name: String::from_utf8_lossy(name).into_owned(),
        ended: ended != 0,
        begun_ns,
        ended_ns: if ended == 0 { last_ns } else { ended.max(last_ns) },
        own_ns: ready_ns.saturating_sub(word(header::OPENED_NS)).min(1_000_000_000),
        round_trip_ns: calls.iter().filter(|call| call.waits).map(|call| call.time_ns).min().unwrap_or(0),
        calls_made: calls_made.max(calls.len() as u64),
        recording: Recording {
            events: events(&calls),
            calls,
            round_trip_ns: 0.0,
            ends_ns: 0.0,
            opening_trips: word(header::OPENING_TRIPS).min(1024) as f64,
            ring_bytes: ring_bytes.unwrap_or(RING_BYTES_DEFAULT) as f64,
        },
        sites: head[HEADER_BYTES..].as_chunks::<SITE_BYTES>().0.iter().take(SITES).map(Site::decode).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(calls: &[Call]) -> Vec<u8> {
        calls.iter().flat_map(|call| call.encode().into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    fn head(words: &[(usize, u64)]) -> Vec<u8> {
        let mut head = vec![0; CALLS_AT];
        for (at, word) in words {
            head[*at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        head
    }

    #[test]
    fn calls_are_put_in_order_and_what_is_torn_is_left_out() {
        let call = |start_ns| Call { start_ns, time_ns: 5, opcode: 7, waits: true, site: Some(2), ..Call::default() };
        let mut body = bytes(&[call(300), call(200), Call { start_ns: 10, ..call(0) }, Call { time_ns: u64::MAX, ..call(400) }]);
        body.extend([0; CALL_BYTES]);
        body.extend(&bytes(&[call(500)])[..CALL_BYTES - 1]);
        let trace = decode(&head(&[(header::BEGUN_NS, 100), (header::PID, 42), (header::CALLS, 9), (header::RING_BYTES, 3)]), &body, 9);
        assert_eq!(trace.recording.calls, [call(200), call(300)], "one before the beginning and one of all time are nonsense");
        assert_eq!((trace.pid, trace.ended, trace.ended_ns, trace.calls_made), (42, false, 305, 9));
        assert_eq!(trace.recording.ring_bytes, RING_BYTES_DEFAULT as f64);
        assert_eq!((trace.sites.len(), trace.sites[2].clone()), (SITES, None));
    }

    #[test]
    fn waits_for_events_are_known_by_the_event() {
        let call = |tag: u32, object| Call { opcode: opcode_of(tag), object, waits: tag == op::CU_EVENT_SYNCHRONIZE, ..Call::default() };
        let record = op::CU_EVENT_RECORD;
        let wait = op::CU_EVENT_SYNCHRONIZE;
        let calls = [call(record, 7), call(record, 8), call(wait, 7), call(record, 7), call(wait, 7), call(wait, 9), call(wait, 8)];
        assert_eq!(events(&calls), HashMap::from([(2, 0), (4, 3), (6, 1)]));
    }

    #[test]
    fn files_that_are_no_traces_are_counted() {
        let folder = std::env::temp_dir().join(format!("ringway-why-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let whole = head(&[(header::MAGIC, MAGIC), (header::CALLS, u64::MAX)]);
        for (file, bytes) in [("1.calls", &whole[..]), ("2.calls", &whole[..100]), ("3.calls", &[0u8; CALLS_AT]), ("4.json", &[])] {
            std::fs::write(folder.join(file), bytes).expect("a file");
        }
        let read = all(&folder);
        std::fs::remove_dir_all(&folder).expect("it goes away");
        let (traces, unusable) = read.expect("it is read");
        assert_eq!((traces.len(), unusable), (1, 2));
        assert!(traces[0].recording.calls.is_empty());
    }

    #[test]
    fn opcodes_have_names() {
        let launch = TABLE.iter().find(|row| row.name == "cuLaunchKernel").expect("a row");
        assert_eq!(name(launch.opcode as u16), "cuLaunchKernel");
        assert_eq!(name(opcode_of(TAG_BLOB)), "module data");
        assert_eq!(name(0x7fff), "unknown");
    }
}
