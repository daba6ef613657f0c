//! Arrays and mipmapped arrays: creation, limits, descriptors, copies of all forms, accounts.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
mod sampling;
use common::*;
use sampling::*;

/// One device of 64 MiB; the tests that look at free memory run alone.
fn setup() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe { std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "64") });
    turn
}

fn free_memory() -> usize {
    let (mut free, mut total) = (0usize, 0usize);
    ok!(cuMemGetInfo_v2((&mut free).into(), (&mut total).into()));
    free
}

fn bytes(n: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..n).map(|_| random.next() as u8).collect()
}

fn descriptor(width: usize, height: usize, depth: usize, format: u32, channels: u32, flags: u32) -> CUDA_ARRAY3D_DESCRIPTOR {
    CUDA_ARRAY3D_DESCRIPTOR { Width: width, Height: height, Depth: depth, Format: format, NumChannels: channels, Flags: flags }
}

#[test]
fn what_cuda_rejects() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let mut array = CUarray(0);
    let mut rejected = |d: CUDA_ARRAY3D_DESCRIPTOR| unsafe { cuArray3DCreate_v2((&mut array).into(), (&d).into()) };
    for d in [
        descriptor(0, 4, 0, F32, 1, 0),
        descriptor(4, 0, 4, F32, 1, 0),
        descriptor(4, 4, 0, F32, 3, 0),
        descriptor(4, 4, 0, F32, 0, 0),
        descriptor(4, 4, 0, 0x44, 1, 0),
        descriptor(4, 4, 0, F32, 1, 0x1000),
        descriptor(4, 4, 0, F32, 1, 1),
        descriptor(4, 5, 6, F32, 1, 4),
        descriptor(4, 4, 5, F32, 1, 4),
        descriptor(4, 4, 12, F32, 1, 4),
        descriptor(4, 4, 8, F32, 1, 5),
        descriptor(4, 4, 4, F32, 1, 8),
        descriptor(131_073, 0, 0, U8, 1, 0),
        descriptor(32_769, 0, 0, U8, 1, 2),
        descriptor(4, 65_537, 0, U8, 1, 0),
        descriptor(16_385, 1, 1, U8, 1, 0),
        descriptor(4, 4, 2049, U8, 1, 1),
    ] {
        assert_eq!(rejected(d), CUresult::INVALID_VALUE, "{} {} {} {:#x} {} {:#x}", d.Width, d.Height, d.Depth, d.Format, d.NumChannels, d.Flags);
    }
    // Known to CUDA, not to this device: planar and compressed formats, depth textures, sparse arrays, deferred mapping.
    for d in [descriptor(4, 4, 0, 0xb0, 1, 0), descriptor(4, 4, 0, 0x91, 1, 0), descriptor(4, 4, 0, F32, 1, 0x10), descriptor(4, 4, 0, F32, 1, 0x40), descriptor(4, 4, 0, F32, 1, 0x80)] {
        assert_eq!(rejected(d), CUresult::NOT_SUPPORTED);
    }
    assert_eq!(rejected(descriptor(16384, 16384, 0, F32, 4, 0)), CUresult::OUT_OF_MEMORY);
    gives!(INVALID_VALUE, cuArray3DCreate_v2((&mut array).into(), In::NULL));
    gives!(INVALID_HANDLE, cuArrayDestroy(CUarray(77)));
    let mut d = CUDA_ARRAY3D_DESCRIPTOR::default();
    gives!(INVALID_HANDLE, cuArray3DGetDescriptor_v2((&mut d).into(), CUarray(77)));
}

#[test]
fn descriptors_and_accounts() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let before = free_memory();
    let all = [
        (descriptor(100, 0, 0, U8, 1, 0), 100),
        (descriptor(64, 32, 0, F32, 4, 2), 64 * 32 * 16),
        (descriptor(16, 8, 4, U16, 2, 0), 16 * 8 * 4 * 4),
        (descriptor(16, 0, 5, F32, 1, 1), 16 * 5 * 4),
        (descriptor(16, 8, 5, F32, 1, 3), 16 * 8 * 5 * 4),
        (descriptor(16, 16, 6, F32, 1, 4), 16 * 16 * 6 * 4),
        (descriptor(16, 16, 12, F32, 1, 5), 16 * 16 * 12 * 4),
    ];
    let mut arrays = Vec::new();
    let mut least = 0;
    for (d, size) in all {
        let array = create(d);
        let mut back = CUDA_ARRAY3D_DESCRIPTOR::default();
        ok!(cuArray3DGetDescriptor_v2((&mut back).into(), array));
        assert_eq!((back.Width, back.Height, back.Depth, back.Format, back.NumChannels, back.Flags), (d.Width, d.Height, d.Depth, d.Format, d.NumChannels, d.Flags));
        least += size;
        arrays.push(array);
    }
    let used = before - free_memory();
    assert!(used >= least && used <= least + 1024 * all.len(), "{used} of {least}");
    let mut flat = CUDA_ARRAY_DESCRIPTOR::default();
    ok!(cuArrayGetDescriptor_v2((&mut flat).into(), arrays[1]));
    assert_eq!((flat.Width, flat.Height, flat.Format, flat.NumChannels), (64, 32, F32, 4));
    // What only other kinds of arrays have.
    let mut requirements = CUDA_ARRAY_MEMORY_REQUIREMENTS::default();
    gives!(INVALID_VALUE, cuArrayGetMemoryRequirements((&mut requirements).into(), arrays[1], CUdevice(0)));
    let mut sparse = CUDA_ARRAY_SPARSE_PROPERTIES::default();
    gives!(INVALID_VALUE, cuArrayGetSparseProperties((&mut sparse).into(), arrays[1]));
    let mut plane = CUarray(0);
    gives!(INVALID_VALUE, cuArrayGetPlane((&mut plane).into(), arrays[1], 0));
    for array in arrays {
        ok!(cuArrayDestroy(array));
        gives!(INVALID_HANDLE, cuArrayDestroy(array));
    }
    assert_eq!(free_memory(), before);
    // A mipmapped array's levels belong to it.
    let mut mip = CUmipmappedArray(0);
    let d = descriptor(64, 64, 0, U8, 4, 0);
    gives!(INVALID_VALUE, cuMipmappedArrayCreate((&mut mip).into(), (&d).into(), 0));
    ok!(cuMipmappedArrayCreate((&mut mip).into(), (&d).into(), 7));
    let used = before - free_memory();
    assert!((21844..21844 + 1024).contains(&used), "{used}");
    let (mut level, mut again) = (CUarray(0), CUarray(0));
    ok!(cuMipmappedArrayGetLevel((&mut level).into(), mip, 3));
    ok!(cuMipmappedArrayGetLevel((&mut again).into(), mip, 3));
    assert_eq!(level, again);
    gives!(INVALID_HANDLE, cuArrayDestroy(level));
    ok!(cuMipmappedArrayDestroy(mip));
    let mut back = CUDA_ARRAY3D_DESCRIPTOR::default();
    gives!(INVALID_HANDLE, cuArray3DGetDescriptor_v2((&mut back).into(), level));
    gives!(INVALID_HANDLE, cuMipmappedArrayDestroy(mip));
    assert_eq!(free_memory(), before);
}

#[test]
fn a_context_takes_its_arrays_along() {
    let _turn = setup();
    let watch = Ctx::new(0);
    let before = free_memory();
    {
        let _ctx = Ctx::new(0);
        let array = create(descriptor(256, 256, 0, F32, 1, 0));
        let copy = CUDA_MEMCPY2D { srcMemoryType: 3, srcArray: array, dstMemoryType: 3, dstArray: array, dstY: 128, WidthInBytes: 1024, Height: 128, ..CUDA_MEMCPY2D::default() };
        ok!(cuMemcpy2DAsync_v2((&copy).into(), CUstream(0)));
        assert!(free_memory() < before);
    }
    assert_eq!(free_memory(), before);
    drop(watch);
}

#[test]
fn linear_copies() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let (a, b) = (create(descriptor(1000, 0, 0, U32, 1, 0)), create(descriptor(500, 0, 0, U32, 1, 0)));
    let data = bytes(4000, 1);
    ok!(cuMemcpyHtoA_v2(a, 0, host(&data), 4000));
    let mut back = vec![0u8; 2000];
    ok!(cuMemcpyAtoH_v2(host_mut(&mut back), a, 400, 2000));
    assert_eq!(back, data[400..2400]);
    ok!(cuMemcpyAtoA_v2(b, 8, a, 1000, 1992));
    ok!(cuMemcpyAtoH_v2(host_mut(&mut back), b, 0, 2000));
    assert_eq!(back[..8], [0; 8], "new arrays are zero");
    assert_eq!(back[8..], data[1000..2992]);
    let p = alloc(1200);
    ok!(cuMemcpyAtoD_v2(p, a, 2800, 1200));
    assert_eq!(download::<u8>(p, 1200), data[2800..]);
    ok!(cuMemcpyDtoA_v2(b, 0, p, 1200));
    // A copy inside the device does not wait, so the stream must.
    let s = stream(0);
    ok!(cuMemcpyAtoHAsync_v2(host_mut(&mut back), b, 0, 1200, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(back[..1200], data[2800..]);
    ok!(cuMemcpyHtoAAsync_v2(b, 100, host(&data), 1000, s));
    ok!(cuStreamSynchronize(s));
    ok!(cuMemcpyAtoH_v2(host_mut(&mut back), b, 100, 1000));
    assert_eq!(back[..1000], data[..1000]);
    // Beyond the end, off an element, of two dimensions, of nothing.
    gives!(INVALID_VALUE, cuMemcpyHtoA_v2(b, 4, host(&data), 2000));
    gives!(INVALID_VALUE, cuMemcpyHtoA_v2(b, 2, host(&data), 8));
    gives!(INVALID_VALUE, cuMemcpyAtoD_v2(p, a, 0, 1204));
    gives!(INVALID_HANDLE, cuMemcpyHtoA_v2(CUarray(5), 0, host(&data), 8));
    let flat = create(descriptor(10, 10, 0, U32, 1, 0));
    gives!(INVALID_VALUE, cuMemcpyHtoA_v2(flat, 0, host(&data), 8));
}

#[test]
fn boxes_go_between_arrays_memory_and_host() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let mut random = Random(99);
    for (d, size) in [
        (descriptor(24, 0, 0, U16, 1, 0), [24usize, 1, 1]),
        (descriptor(13, 9, 0, U8, 1, 0), [13, 9, 1]),
        (descriptor(13, 9, 5, F32, 2, 0), [13, 9, 5]),
        (descriptor(17, 0, 4, U8, 4, 1), [17, 1, 4]),
        (descriptor(7, 6, 4, U16, 4, 1), [7, 6, 4]),
        (descriptor(8, 8, 6, U8, 2, 4), [8, 8, 6]),
    ] {
        let element = channel_bytes(d.Format) * d.NumChannels as usize;
        let (a, b) = (create(d), create(d));
        let mut model = bytes(element * size.iter().product::<usize>(), 7);
        fill(a, &model, element, size);
        assert_eq!(read(a, element, size), model);
        let at = |x: usize, y: usize, z: usize| ((z * size[1] + y) * size[0] + x) * element;
        for round in 0..30 {
            // A box of any place and size, from the host or from device memory with a pitch and a height of its own.
            let mut low = [0usize; 3];
            let mut extent = [0usize; 3];
            for k in 0..3 {
                low[k] = random.next() as usize % size[k];
                extent[k] = 1 + random.next() as usize % (size[k] - low[k]);
            }
            let [w, h, depth] = extent;
            let (pitch, height) = (w * element + 3 * (round % 4), h + round % 3);
            let source = bytes(pitch * height * depth, 1000 + round as u64);
            let on_device = round % 2 == 1;
            let p = if on_device { upload(&source) } else { CUdeviceptr(0) };
            let copy = CUDA_MEMCPY3D {
                srcMemoryType: if on_device { 2 } else { 1 }, srcHost: host(&source), srcDevice: p, srcPitch: pitch, srcHeight: height,
                dstMemoryType: 3, dstArray: a, dstXInBytes: low[0] * element, dstY: low[1], dstZ: low[2],
                WidthInBytes: w * element, Height: h, Depth: depth,
                ..CUDA_MEMCPY3D::default()
            };
            if round % 3 == 0 { ok!(cuMemcpy3DAsync_v2((&copy).into(), CUstream(0))) } else { ok!(cuMemcpy3D_v2((&copy).into())) }
            for z in 0..depth {
                for y in 0..h {
                    let from = (z * height + y) * pitch;
                    let to = at(low[0], low[1] + y, low[2] + z);
                    model[to..to + w * element].copy_from_slice(&source[from..from + w * element]);
                }
            }
            // There and back through another array, into device memory, then whole to the host.
            let whole = CUDA_MEMCPY3D {
                srcMemoryType: 3, srcArray: a, dstMemoryType: 3, dstArray: b, WidthInBytes: size[0] * element, Height: size[1], Depth: size[2], ..CUDA_MEMCPY3D::default()
            };
            ok!(cuMemcpy3D_v2((&whole).into()));
            assert_eq!(read(b, element, size), model, "round {round}");
            let q = alloc(model.len());
            let out = CUDA_MEMCPY3D {
                srcMemoryType: 3, srcArray: b, dstMemoryType: 2, dstDevice: q, dstPitch: size[0] * element, dstHeight: size[1],
                WidthInBytes: size[0] * element, Height: size[1], Depth: size[2], ..CUDA_MEMCPY3D::default()
            };
            ok!(cuMemcpy3D_v2((&out).into()));
            assert_eq!(download::<u8>(q, model.len()), model);
            ok!(cuMemFree_v2(q));
        }
        let beyond = CUDA_MEMCPY3D {
            srcMemoryType: 3, srcArray: a, dstMemoryType: 3, dstArray: b, srcZ: 1, WidthInBytes: size[0] * element, Height: size[1], Depth: size[2], ..CUDA_MEMCPY3D::default()
        };
        gives!(INVALID_VALUE, cuMemcpy3D_v2((&beyond).into()));
        let wide = CUDA_MEMCPY3D { srcZ: 0, dstXInBytes: element, ..beyond };
        gives!(INVALID_VALUE, cuMemcpy3D_v2((&wide).into()));
        let gone = CUDA_MEMCPY3D { srcZ: 0, ..beyond };
        ok!(cuArrayDestroy(b));
        gives!(INVALID_HANDLE, cuMemcpy3D_v2((&gone).into()));
        ok!(cuArrayDestroy(a));
    }
}

#[test]
fn two_dimensional_copies_and_graphs() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let a = create(descriptor(16, 8, 0, U32, 1, 0));
    let data = bytes(16 * 8 * 4, 3);
    let copy = CUDA_MEMCPY2D { srcMemoryType: 1, srcHost: host(&data), srcPitch: 64, dstMemoryType: 3, dstArray: a, WidthInBytes: 64, Height: 8, ..CUDA_MEMCPY2D::default() };
    ok!(cuMemcpy2D_v2((&copy).into()));
    let mut part = vec![0u8; 32 * 3];
    let back = CUDA_MEMCPY2D { srcMemoryType: 3, srcArray: a, srcXInBytes: 16, srcY: 2, dstMemoryType: 1, dstHost: host_mut(&mut part), dstPitch: 32, WidthInBytes: 32, Height: 3, ..CUDA_MEMCPY2D::default() };
    ok!(cuMemcpy2DUnaligned_v2((&back).into()));
    for y in 0..3 {
        assert_eq!(part[y * 32..][..32], data[(y + 2) * 64 + 16..][..32]);
    }
    // A captured copy out of the array runs at each launch, with what is there then.
    let s = stream(1);
    let q = alloc(16 * 8 * 4);
    ok!(cuStreamBeginCapture_v2(s, 0));
    let out = CUDA_MEMCPY3D { srcMemoryType: 3, srcArray: a, srcY: 1, dstMemoryType: 2, dstDevice: q, dstPitch: 64, WidthInBytes: 64, Height: 7, Depth: 1, ..CUDA_MEMCPY3D::default() };
    ok!(cuMemcpy3DAsync_v2((&out).into(), s));
    let mut graph = CUgraph(0);
    ok!(cuStreamEndCapture(s, (&mut graph).into()));
    let mut nodes = [CUgraphNode(0); 2];
    let mut count = 2usize;
    ok!(cuGraphGetNodes(graph, List::from(&mut nodes[0]), (&mut count).into()));
    assert_eq!(count, 1);
    let mut found = CUDA_MEMCPY3D::default();
    ok!(cuGraphMemcpyNodeGetParams(nodes[0], (&mut found).into()));
    assert_eq!((found.srcMemoryType, found.srcArray, found.srcY, found.dstMemoryType, found.dstDevice, found.Height), (3, a, 1, 2, q, 7));
    let mut exec = CUgraphExec(0);
    ok!(cuGraphInstantiateWithFlags((&mut exec).into(), graph, 0));
    let newer = bytes(16 * 8 * 4, 4);
    fill(a, &newer, 4, [16, 8, 1]);
    ok!(cuGraphLaunch(exec, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u8>(q, 7 * 64), newer[64..]);
}
