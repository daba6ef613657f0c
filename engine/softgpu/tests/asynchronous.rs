//! Asynchronous copies and the barriers that track them.

mod support;
use ringway_softgpu::exec::FaultKind;
use support::*;

/// Runs one warp on 64 input words; the words of out.
fn run(body: &str) -> Vec<u32> {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 po, .param .u64 pi) {{
 .reg .b64 %o, %i, %s, %q<4>, %m; .reg .b32 %t, %a, %r<8>, %bar; .reg .pred %p<4>; .shared .align 128 .b8 s[1024]; .shared .align 8 .b64 m;
 ld.param.u64 %o, [po]; ld.param.u64 %i, [pi]; mov.u32 %t, %tid.x; mov.u32 %bar, m; mov.u32 %a, s; mov.u64 %m, m;
 setp.eq.u32 %p0, %t, 0;
 {body}
 ret; }}"
    );
    let l = load(&text);
    let input: Vec<u32> = (0..64).map(|k| k * 5 + 3).collect();
    let (bi, bo) = (Buffer::from(&input), Buffer::new(256));
    l.run("k", &Run::default(), &Params::new().u64(bo.address()).u64(bi.address()), &[&bi, &bo]);
    bo.read()
}

#[test]
fn copies_arrive_at_barriers() {
    // 32 threads arrive by themselves and by their copies (.noinc: these count); without .noinc nothing changes.
    let got = run("@%p0 mbarrier.init.shared.b64 [%bar], 64; bar.sync 0;
 mul.wide.u32 %s, %t, 8; add.u64 %i, %i, %s; mad.lo.u32 %a, %t, 8, %a;
 cp.async.ca.shared.global [%a], [%i], 8;
 cp.async.mbarrier.arrive.shared.b64 [%bar];
 mbarrier.test_wait.parity.shared.b64 %p1, [%bar], 0; selp.u32 %r0, 1, 0, %p1;
 cp.async.mbarrier.arrive.noinc.shared::cta.b64 [m];
 mbarrier.arrive.noComplete.shared.b64 %q0, [%bar], 1;
 W: mbarrier.try_wait.shared::cta.b64 %p2, [%bar], %q0; @!%p2 bra W;
 ld.shared.u32 %r1, [%a+4]; mad.lo.u32 %r1, %r0, 1000, %r1;
 mul.wide.u32 %s, %t, 4; add.u64 %o, %o, %s; st.global.u32 [%o], %r1;");
    assert_eq!(got[..32], (0..32).map(|k| (2 * k + 1) * 5 + 3).collect::<Vec<u32>>());
}

#[test]
fn bulk_copies_complete_transactions() {
    // One thread expects 256 bytes and copies them in two parts; the others wait for the phase.
    let got = run("@%p0 mbarrier.init.shared::cta.b64 [%bar], 1; bar.sync 0;
 @!%p0 bra W;
 mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 %q0, [%bar], 256;
 mov.u32 %r0, 192; add.u32 %r1, %a, 64; mov.u32 %r2, 64;
 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%i], %r0, [%bar];
 mbarrier.test_wait.parity.shared.b64 %p1, [%bar], 0; @%p1 trap;
 cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [s], [%i+192], %r2, [m];
 W: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%bar], 0, 1000; @!%p2 bra W;
 fence.proxy.async.shared::cta;
 mad.lo.u32 %r4, %t, 8, %a; ld.shared.u32 %r3, [%r4]; add.u32 %r3, %r3, 1; st.shared.u32 [%r4], %r3; bar.sync 0;
 mov.u32 %r0, 256;
 @%p0 cp.async.bulk.global.shared::cta.bulk_group [%o], [%a], %r0;
 cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0;");
    let want: Vec<u32> = (0..64u32).map(|k| (k + 48) % 64 * 5 + 3 + u32::from(k % 2 == 0)).collect();
    assert_eq!(got, want);
}

#[test]
fn bytes_may_come_before_they_are_expected() {
    let got = run("@!%p0 exit;
 mbarrier.init.shared.b64 [m], 2;
 mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [m], 48;
 mbarrier.arrive.shared.b64 _, [m];
 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [m], 64;
 mbarrier.arrive_drop.shared.b64 %q0, [m];
 mbarrier.test_wait.parity.shared.b64 %p1, [m], 0; selp.u32 %r0, 1, 0, %p1; st.global.u32 [%o], %r0;
 mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [m], 16;
 mbarrier.test_wait.parity.shared.b64 %p1, [m], 0; selp.u32 %r0, 1, 0, %p1; st.global.u32 [%o+4], %r0;
 mbarrier.arrive.shared.b64 %q1, [m];
 mbarrier.pending_count.b64 %r1, %q1; st.global.u32 [%o+8], %r1;
 mbarrier.test_wait.parity.shared.b64 %p1, [m], 1; selp.u32 %r0, 1, 0, %p1; st.global.u32 [%o+12], %r0;");
    // One of two threads has dropped out, so one arrival ends the second phase.
    assert_eq!(got[..4], [0, 1, 1, 1]);
}

#[test]
fn bulk_copies_are_checked() {
    for (size, kind) in [(24, FaultKind::MisalignedAddress), (512, FaultKind::IllegalAddress)] {
        let text = format!(
            "{HEAD}.visible .entry k(.param .u64 po) {{ .reg .b64 %o; .reg .b32 %n; .shared .align 16 .b8 s[64];
 ld.param.u64 %o, [po]; mov.u32 %n, {size}; cp.async.bulk.global.shared::cta.bulk_group [%o], [s], %n; ret; }}"
        );
        let l = load(&text);
        let out = Buffer::new(64);
        let (r, _) = l.launch("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
        assert_eq!(r.unwrap_err().kind, kind, "{size}");
    }
}
