//! Priorities of streams: of blocks that wait, those of the higher priority go first.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

/// `ticket(counter, order, slot)`: each block takes the next number, notes it in order[slot + block], and works a while.
const TICKETS: &str = ".version 7.0\n.target sm_75\n.address_size 64
.visible .entry ticket(.param .u64 counter, .param .u64 order, .param .u32 rounds)
{
    .reg .pred %p<2>; .reg .b32 %r<6>; .reg .b64 %rd<6>;
    ld.param.u64 %rd1, [counter]; ld.param.u64 %rd2, [order]; ld.param.u32 %r3, [rounds];
    atom.global.add.u32 %r1, [%rd1], 1;
    mov.u32 %r2, %ctaid.x;
    mul.wide.u32 %rd3, %r2, 4; add.u64 %rd4, %rd2, %rd3; st.global.u32 [%rd4], %r1;
again:
    sub.u32 %r3, %r3, 1; setp.ne.u32 %p1, %r3, 0; @%p1 bra again;
    ret;
}
";

#[test]
fn blocks_of_the_higher_priority_go_first() {
    unsafe { std::env::set_var("RINGWAY_SOFTGPU_THREADS", "1") };
    let _ctx = Ctx::new(0);
    let (mut least, mut greatest) = (9, 9);
    ok!(cuCtxGetStreamPriorityRange((&mut least).into(), (&mut greatest).into()));
    assert_eq!((least, greatest), (0, -5));
    let with = |priority: i32| {
        let (mut s, mut got) = (CUstream(0), 9);
        ok!(cuStreamCreateWithPriority((&mut s).into(), 1, priority));
        ok!(cuStreamGetPriority(s, (&mut got).into()));
        (s, got)
    };
    assert_eq!((with(7).1, with(-99).1), (0, -5));
    let ((low, _), (high, priority)) = (with(0), with(-3));
    assert_eq!(priority, -3);
    let f = function(load(TICKETS), "ticket");
    const BLOCKS: u32 = 600;
    const FEW: u32 = 40;
    let (counter, lows, highs) = (alloc(4), alloc(4 * BLOCKS as usize), alloc(4 * FEW as usize));
    let rounds = 3000u32;
    let start = |s: CUstream, order: CUdeviceptr, blocks: u32| assert_eq!(launch(f, blocks, 1, s, &[Host::of(&counter), Host::of(&order), Host::of(&rounds)]), CUresult::SUCCESS);
    start(low, lows, BLOCKS);
    // When the first blocks have run.
    let begin = std::time::Instant::now();
    while unsafe { (counter.0 as *const u32).read_volatile() } < 20 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(30));
        std::thread::yield_now();
    }
    start(high, highs, FEW);
    ok!(cuStreamSynchronize(high));
    let at_end = unsafe { (counter.0 as *const u32).read_volatile() };
    ok!(cuStreamSynchronize(low));
    let (lows, highs) = (download::<u32>(lows, BLOCKS as usize), download::<u32>(highs, FEW as usize));
    // Every block got a number of its own.
    let mut all: Vec<u32> = lows.iter().chain(&highs).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..BLOCKS + FEW).collect::<Vec<_>>());
    let (first, last) = (*highs.iter().min().unwrap(), *highs.iter().max().unwrap());
    if at_end < BLOCKS + FEW {
        // The low launch was still under way: at most the block it was about to start came in between.
        let between = lows.iter().filter(|&&n| first < n && n < last).count();
        assert!(between <= 1, "{between} blocks of the lower priority started before the higher one's");
        assert!(lows.iter().any(|&n| n > last));
    }
}

#[test]
fn a_launch_can_have_a_priority_of_its_own() {
    let _ctx = Ctx::new(0);
    let p = upload(&[1u32]);
    let f = function(load(STEP), "step");
    let (n, k) = (1u32, 5u32);
    let params = [Host::of(&p), Host::of(&n), Host::of(&k)];
    let mut value = [0u8; 64];
    value[..4].copy_from_slice(&(-2i32).to_le_bytes());
    let attribute = CUlaunchAttribute { id: 8, pad: [0; 4], value };
    let config = CUlaunchConfig { gridDimX: 1, gridDimY: 1, gridDimZ: 1, blockDimX: 1, blockDimY: 1, blockDimZ: 1, attrs: (&attribute).into(), numAttrs: 1, ..Default::default() };
    ok!(cuLaunchKernelEx((&config).into(), f, In(params.as_ptr()), In::NULL));
    assert_eq!(download::<u32>(p, 1), [8]);
    // A cluster of one block is every launch; of two, none here.
    for (size, code) in [(1u32, CUresult::SUCCESS), (2, CUresult::NOT_SUPPORTED)] {
        let mut value = [0u8; 64];
        (0..3).for_each(|i| value[i * 4..][..4].copy_from_slice(&(if i == 0 { size } else { 1 }).to_le_bytes()));
        let attribute = CUlaunchAttribute { id: 4, pad: [0; 4], value };
        let config = CUlaunchConfig { attrs: (&attribute).into(), gridDimX: 2, ..config };
        assert_eq!(unsafe { cuLaunchKernelEx((&config).into(), f, In(params.as_ptr()), In::NULL) }, code);
        let mut clusters = 0;
        assert_eq!(unsafe { cuOccupancyMaxActiveClusters((&mut clusters).into(), f, (&config).into()) }, code);
        assert!(size != 1 || clusters > 0);
    }
}

#[test]
fn attributes_of_streams_are_kept_and_copied() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(1));
    let get = |s: CUstream, attribute: u32| {
        let mut value = CUattributeValue { bytes: [0xee; 64] };
        ok!(cuStreamGetAttribute(s, attribute, (&mut value).into()));
        value.bytes
    };
    let word = |n: i32| {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        CUattributeValue { bytes }
    };
    assert_eq!((get(a, 3)[0], get(a, 8), get(a, 9)[..2].to_vec()), (1, [0; 64], vec![0, 1]));
    ok!(cuStreamSetAttribute(a, 3, (&word(4)).into()));
    ok!(cuStreamSetAttribute(a, 8, (&word(-9)).into()));
    ok!(cuStreamSetAttribute(a, 10, (&word(1)).into()));
    gives!(INVALID_VALUE, cuStreamSetAttribute(a, 3, (&word(7)).into()));
    gives!(INVALID_VALUE, cuStreamSetAttribute(a, 2, (&word(1)).into()));
    ok!(cuStreamCopyAttributes(b, a));
    let mut priority = 0;
    ok!(cuStreamGetPriority(b, (&mut priority).into()));
    assert_eq!((priority, get(b, 3)[0], get(b, 10)[0], get(b, 8)[..4].to_vec()), (-5, 4, 1, (-5i32).to_le_bytes().to_vec()));
}
