//! Copies with attributes: when the source is read, which entries of a batch are wrong, boxes.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

fn attributes(order: u32) -> CUmemcpyAttributes {
    CUmemcpyAttributes { srcAccessOrder: order, ..Default::default() }
}

#[test]
fn the_source_is_read_when_its_order_says() {
    let _ctx = Ctx::new(0);
    let (s, p) = (stream(1), alloc(12));
    let mut source = [1u32, 2, 3];
    let base = host_mut(&mut source).0;
    let at = |i: usize| CUdeviceptr(base + 4 * i as u64);
    let gate = Gate::close(s);
    let dsts = [p, CUdeviceptr(p.0 + 4), CUdeviceptr(p.0 + 8)];
    let srcs = [at(0), at(1), at(2)];
    let (attrs, firsts) = ([attributes(1), attributes(2)], [0usize, 2]);
    ok!(cuMemcpyBatchAsync_v2(In(dsts.as_ptr()), In(srcs.as_ptr()), In([4usize; 3].as_ptr()), 3, In(attrs.as_ptr()), In(firsts.as_ptr()), 2, s));
    gives!(NOT_READY, cuStreamQuery(s));
    // The first two are read in stream order, so later; the last one was read before the call returned.
    for (i, value) in [10u32, 20, 30].into_iter().enumerate() {
        unsafe { (at(i).0 as *mut u32).write_volatile(value) };
    }
    gate.open();
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 3), [10, 20, 3]);
    ok!(cuMemcpyWithAttributesAsync(p, CUdeviceptr(p.0 + 8), 4, (&attributes(3)).into(), s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 1), [3]);
}

#[test]
fn what_is_wrong_is_named_and_nothing_of_the_batch_runs() {
    let _ctx = Ctx::new(0);
    let (s, p) = (stream(1), upload(&[5u32, 6]));
    let q = alloc(8);
    let (dsts, srcs, attrs) = ([q, CUdeviceptr(q.0 + 8)], [p, p], [attributes(1)]);
    let mut at = 9usize;
    gives!(INVALID_VALUE, cuMemcpyBatchAsync(In(dsts.as_ptr()), In(srcs.as_ptr()), In([4usize, 4].as_ptr()), 2, In(attrs.as_ptr()), In(&0usize), 1, (&mut at).into(), s));
    assert_eq!(at, 1);
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(q, 2), [0, 0]);
    let sizes = [4usize, 0];
    let run = |attrs: &[CUmemcpyAttributes], firsts: &[usize], stream: CUstream| unsafe {
        cuMemcpyBatchAsync_v2(In(dsts.as_ptr()), In(srcs.as_ptr()), In(sizes.as_ptr()), 2, In(attrs.as_ptr()), In(firsts.as_ptr()), attrs.len(), stream)
    };
    assert_eq!(run(&attrs, &[0], CUstream(0)), CUresult::INVALID_VALUE);
    assert_eq!(run(&attrs, &[1], s), CUresult::INVALID_VALUE);
    assert_eq!(run(&[attributes(0)], &[0], s), CUresult::INVALID_VALUE);
    assert_eq!(run(&[attrs[0]; 2], &[0, 0], s), CUresult::INVALID_VALUE);
    assert_eq!(run(&[], &[], s), CUresult::INVALID_VALUE);
    assert_eq!(run(&attrs, &[0], s), CUresult::SUCCESS);
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(q, 2), [5, 0]);
}

#[test]
fn boxes_between_pointers() {
    let _ctx = Ctx::new(0);
    let s = stream(1);
    // 4 layers of 6 rows of 10 bytes; a box of 2 x 3 x 4 of it, densely.
    let volume: Vec<u8> = (0..240).collect();
    let (p, q) = (upload(&volume), alloc(24));
    let pointer = |address: u64, row: u64, layer: u64| CUmemcpy3DOperand { kind: 1, words: [address, row, layer, 0] };
    let op = CUDA_MEMCPY3D_BATCH_OP { src: pointer(p.0 + 60 + 20 + 5, 10, 6), dst: pointer(q.0, 0, 0), extent: [4, 3, 2], srcAccessOrder: 1, flags: 0 };
    ok!(cuMemcpy3DBatchAsync_v2(1, (&op).into(), 0, s));
    ok!(cuStreamSynchronize(s));
    let want: Vec<u8> = (0..2).flat_map(|z| (0..3).flat_map(move |y| (0..4).map(move |x| (60 * (z + 1) + 10 * (y + 2) + x + 5) as u8))).collect();
    assert_eq!(download::<u8>(q, 24), want);
    ok!(cuMemsetD8Async(q, 0, 24, s));
    ok!(cuMemcpy3DWithAttributesAsync((&op).into(), 0, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u8>(q, 24), want);
    let mut at = 7usize;
    let bad = [op, CUDA_MEMCPY3D_BATCH_OP { extent: [4, 0, 2], ..op }];
    gives!(INVALID_VALUE, cuMemcpy3DBatchAsync(2, In(bad.as_ptr()), (&mut at).into(), 0, s));
    assert_eq!(at, 1);
    let narrow = CUDA_MEMCPY3D_BATCH_OP { src: pointer(p.0, 3, 6), ..op };
    gives!(INVALID_VALUE, cuMemcpy3DWithAttributesAsync((&narrow).into(), 0, s));
}

#[test]
fn batches_are_captured() {
    let _ctx = Ctx::new(0);
    let (s, p, q) = (stream(1), upload(&[5u32, 6]), alloc(8));
    let (dsts, srcs) = ([q, CUdeviceptr(q.0 + 4)], [CUdeviceptr(p.0 + 4), p]);
    ok!(cuStreamBeginCapture_v2(s, 2));
    ok!(cuMemcpyBatchAsync_v2(In(dsts.as_ptr()), In(srcs.as_ptr()), In([4usize, 4].as_ptr()), 2, (&attributes(1)).into(), In(&0usize), 1, s));
    let (mut graph, mut exec) = (CUgraph(0), CUgraphExec(0));
    ok!(cuStreamEndCapture(s, (&mut graph).into()));
    ok!(cuGraphInstantiateWithFlags((&mut exec).into(), graph, 0));
    assert_eq!(download::<u32>(q, 2), [0, 0]);
    ok!(cuGraphLaunch(exec, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(q, 2), [6, 5]);
}

#[test]
fn boxes_between_pointers_and_arrays() {
    let _ctx = Ctx::new(0);
    let s = stream(1);
    // An array of 8 x 6 elements of two 16-bit integers.
    let descriptor = CUDA_ARRAY_DESCRIPTOR { Width: 8, Height: 6, Format: 2, NumChannels: 2 };
    let mut array = CUarray(0);
    ok!(cuArrayCreate_v2((&mut array).into(), (&descriptor).into()));
    let texels: Vec<u32> = (0..48).map(|i| i * 0x0001_0003).collect();
    let (p, q) = (upload(&texels), alloc(4 * 6));
    let pointer = |address: u64, row: u64| CUmemcpy3DOperand { kind: 1, words: [address, row, 0, 0] };
    let place = |x: u64, y: u64| CUmemcpy3DOperand { kind: 2, words: [array.0, x, y, 0] };
    let ops = [
        CUDA_MEMCPY3D_BATCH_OP { src: pointer(p.0, 8), dst: place(0, 0), extent: [8, 6, 1], srcAccessOrder: 1, flags: 0 },
        CUDA_MEMCPY3D_BATCH_OP { src: place(2, 1), dst: pointer(q.0, 0), extent: [3, 2, 1], srcAccessOrder: 1, flags: 0 },
    ];
    ok!(cuMemcpy3DBatchAsync_v2(1, In(ops.as_ptr()), 0, s));
    ok!(cuMemcpy3DBatchAsync_v2(1, In(&raw const ops[1]), 0, s));
    ok!(cuStreamSynchronize(s));
    let want: Vec<u32> = (1..3).flat_map(|y| (2..5).map(move |x| (y * 8 + x) * 0x0001_0003)).collect();
    assert_eq!(download::<u32>(q, 6), want);
    let outside = CUDA_MEMCPY3D_BATCH_OP { src: place(6, 1), ..ops[1] };
    gives!(INVALID_VALUE, cuMemcpy3DWithAttributesAsync((&outside).into(), 0, s));
    let none = CUDA_MEMCPY3D_BATCH_OP { src: CUmemcpy3DOperand { kind: 2, words: [array.0 + 16, 0, 0, 0] }, ..ops[1] };
    gives!(INVALID_HANDLE, cuMemcpy3DWithAttributesAsync((&none).into(), 0, s));
    ok!(cuArrayDestroy(array));
}
