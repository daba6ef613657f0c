//! The race checker of shared memory: finds what lacks an order, and says nothing of kernels that have one.

mod support;
use ringway_softgpu::exec::{CompileOptions, Race};
use support::*;

const TOP: &str = ".version 8.4\n.target sm_80\n.address_size 64\n";

/// Runs a block of `threads` on `body` with the checker; %a is the address of this thread's word of `data`, %t its number.
fn races(threads: u32, body: &str) -> Vec<Race> {
    let text = format!(
        "{TOP}.visible .entry k(.param .u64 p) {{
 .shared .align 16 .b32 data[512]; .shared .align 8 .b64 bar; .shared .b32 flag; .shared .align 1 .b8 bytes[512];
 .reg .b32 %t, %a, %x, %y, %z, %lane, %i; .reg .pred %p, %q; .reg .b64 %g, %s; .reg .b16 %h;
 ld.param.u64 %g, [p]; mov.u32 %t, %tid.x; mov.u32 %lane, %laneid; mov.u32 %a, data; mad.lo.u32 %a, %t, 4, %a; mad.wide.u32 %g, %t, 16, %g;
{body}
 st.global.u32 [%g], %x; ret; }}"
    );
    let l = load_with(&text, &CompileOptions { compute_capability: 90, races: true });
    let b = Buffer::new(512 * 16);
    l.run("k", &Run { block: [threads, 1, 1], ..Run::default() }, &Params::new().u64(b.address()), &[&b]);
    l.races.into_inner().unwrap()
}

const REDUCTION: &str = " st.shared.u32 [%a], %t;
 bar.sync 0;
 mov.u32 %i, 64;
LOOP: setp.ge.u32 %p, %t, %i; @%p bra SKIP;
 mad.lo.u32 %y, %i, 4, %a; ld.shared.u32 %x, [%y]; ld.shared.u32 %z, [%a]; add.u32 %x, %x, %z; st.shared.u32 [%a], %x;
SKIP: SYNC
 shr.u32 %i, %i, 1; setp.ne.u32 %p, %i, 0; @%p bra LOOP;
 ld.shared.u32 %x, [%a];";

#[test]
fn a_reduction_without_its_barrier() {
    let clean = races(128, &REDUCTION.replace("SYNC", "bar.sync 0;"));
    assert_eq!(clean, []);
    let found = races(128, &REDUCTION.replace("SYNC", ""));
    assert!(!found.is_empty());
    let r = &found[0];
    assert_eq!((r.kernel.as_str(), r.variable.as_ref().map(|v| v.0.as_str())), ("k", Some("data")));
    // A load and a store of line 12, or the store and the first load.
    assert!(r.accesses.iter().all(|a| [8, 12, 15].contains(&a.1)), "{r}");
    assert!(r.accesses[0].0 || r.accesses[1].0);
    assert_ne!(r.accesses[0].2, r.accesses[1].2);
    assert!(r.to_string().contains("race in kernel k, block [0, 0, 0]") && r.to_string().contains("data + "), "{r}");
}

#[test]
fn both_lines_threads_and_the_place_are_named() {
    // Thread 40 reads what thread 3 writes.
    let found = races(64, "mov.u32 %x, 0; setp.ne.u32 %p, %t, 3; @%p bra L;\n st.shared.u32 [data+20], %t;\nL: setp.ne.u32 %p, %t, 40; @%p bra M;\n ld.shared.u32 %x, [data+20];\nM: ");
    assert_eq!(found.len(), 1);
    let r = &found[0];
    assert_eq!(r.accesses, [(true, 9, [3, 0, 0]), (false, 11, [40, 0, 0])]);
    assert_eq!((r.variable.clone(), r.block), (Some(("data".to_string(), 20)), [0, 0, 0]));
}

#[test]
fn a_missing_second_barrier() {
    // Read after one barrier, overwritten by the owner without another.
    let body = "st.shared.u32 [%a], %t; bar.sync 0; xor.b32 %y, %a, 256; ld.shared.u32 %x, [%y]; SYNC st.shared.u32 [%a], %x;";
    assert_eq!(races(128, &body.replace("SYNC", "bar.sync 0;")), []);
    let found = races(128, &body.replace("SYNC", ""));
    assert!(found.iter().any(|r| r.accesses[0].0 != r.accesses[1].0), "{found:?}");
}

#[test]
fn two_writers_and_neighbouring_bytes() {
    assert_eq!(races(64, "st.shared.u32 [data], %t; mov.u32 %x, 0;").len(), 1);
    assert_eq!(races(64, "mov.u32 %y, bytes; add.u32 %y, %y, %t; st.shared.u8 [%y], %t; mov.u32 %x, 0;"), []);
    // Through generic addresses.
    assert_eq!(races(64, "mov.u64 %s, data; cvta.shared.u64 %s, %s; st.u32 [%s], %t; mov.u32 %x, 0;").len(), 1);
}

#[test]
fn lanes_of_a_warp() {
    let body = "st.shared.u32 [%a], %t; SYNC xor.b32 %y, %a, 4; ld.shared.u32 %x, [%y];";
    assert_eq!(races(32, &body.replace("SYNC", "bar.warp.sync -1;")), []);
    assert_eq!(races(32, &body.replace("SYNC", "shfl.sync.idx.b32 %z, %t, 0, 31, -1;")), []);
    assert_eq!(races(32, &body.replace("SYNC", "vote.sync.ballot.b32 %z, %p, -1;")), []);
    assert!(!races(32, &body.replace("SYNC", "")).is_empty());
    // Lanes that came apart meet at the barrier.
    let apart = "and.b32 %y, %t, 1; setp.eq.u32 %p, %y, 0; @%p bra EVEN; st.shared.u32 [%a], %t; bra MEET; EVEN: st.shared.u32 [%a], 7; MEET: bar.warp.sync -1; xor.b32 %y, %a, 4; ld.shared.u32 %x, [%y];";
    assert_eq!(races(64, apart), []);
    // The barrier of one warp does not order another.
    assert!(!races(64, "st.shared.u32 [%a], %t; bar.warp.sync -1; xor.b32 %y, %a, 128; ld.shared.u32 %x, [%y];").is_empty());
}

#[test]
fn atomics_and_flags_order() {
    // A histogram by atomics, read after a barrier.
    assert_eq!(races(128, "and.b32 %y, %t, 7; mov.u32 %z, data; mad.lo.u32 %y, %y, 4, %z; red.shared.add.u32 [%y], 1; bar.sync 0; ld.shared.u32 %x, [data];"), []);
    // A plain write beside an atomic.
    assert!(!races(64, "mov.u32 %x, 0; setp.lt.u32 %p, %t, 32; @%p red.shared.add.u32 [data], 1; @!%p st.shared.u32 [data], 5;").is_empty());
    // A lock taken by all lanes guards a plain counter.
    let lock = "mov.u32 %x, 0;
AGAIN: atom.shared.cas.b32 %y, [flag], 0, 1; setp.ne.u32 %p, %y, 0; @%p bra AGAIN;
 membar.cta; ld.shared.u32 %z, [data]; add.u32 %z, %z, 1; st.shared.u32 [data], %z; membar.cta; atom.shared.exch.b32 %y, [flag], 0;";
    assert_eq!(races(96, lock), []);
    // One warp publishes by a volatile flag, the other waits for it.
    let publish = "mov.u32 %x, 0; setp.ge.u32 %p, %t, 32; @%p bra WAIT; setp.ne.u32 %q, %t, 0; @%q bra END; st.shared.u32 [data], 5; membar.cta; st.volatile.shared.u32 [flag], 1; bra END;
WAIT: ld.volatile.shared.u32 %y, [flag]; setp.eq.u32 %p, %y, 0; @%p bra WAIT; ld.shared.u32 %x, [data]; END:";
    assert_eq!(races(64, publish), []);
    // The same by a lock in global memory.
    assert_eq!(races(64, "atom.global.add.u32 %y, [%g], 0; mov.u32 %x, 0;"), []);
}

#[test]
fn producers_and_consumers_by_named_barriers() {
    let body = "mov.u32 %x, 0; setp.ge.u32 %p, %t, 64; @%p bra CONSUME; st.shared.u32 [%a], %t; bar.arrive 3, 128; bra END; CONSUME: bar.sync 3, 128; sub.u32 %y, %a, 256; ld.shared.u32 %x, [%y]; END:";
    assert_eq!(races(128, body), []);
    let other = body.replace("bar.sync 3, 128;", "bar.sync 4, 64;").replace("bar.arrive 3, 128;", "");
    assert!(!races(128, &other).is_empty());
}

#[test]
fn asynchronous_copies_and_mbarriers() {
    let body = "cp.async.ca.shared.global [%a], [%g], 4; cp.async.commit_group; cp.async.wait_group 0; SYNC xor.b32 %y, %a, 128; ld.shared.u32 %x, [%y];";
    assert_eq!(races(64, &body.replace("SYNC", "bar.sync 0;")), []);
    assert!(!races(64, &body.replace("SYNC", "")).is_empty());
    let body = "setp.eq.u32 %p, %t, 0; @%p mbarrier.init.shared.b64 [bar], 64; bar.sync 0; st.shared.u32 [%a], %t; mbarrier.arrive.shared.b64 %s, [bar];
WAIT: mbarrier.try_wait.shared.b64 %q, [bar], %s; @!%q bra WAIT; xor.b32 %y, %a, 128; ld.shared.u32 %x, [%y];";
    assert_eq!(races(64, body), []);
}

#[test]
fn nothing_is_reported_when_it_is_not_asked_for() {
    let text = format!("{TOP}.visible .entry k() {{ .shared .b32 s; st.shared.u32 [s], 1; ret; }}");
    let l = load(&text);
    l.run("k", &Run { block: [64, 1, 1], ..Run::default() }, &Params::new(), &[]);
    assert_eq!(*l.races.lock().unwrap(), []);
    let l = load_with(&text, &CompileOptions { races: true, ..CompileOptions::default() });
    l.run("k", &Run { block: [64, 1, 1], ..Run::default() }, &Params::new(), &[]);
    assert_eq!(l.races.lock().unwrap().len(), 1);
}
