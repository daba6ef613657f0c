//! Loads and stores.
//!
//! Every access is checked: against the allocation the warp hit last, else against the launch's memory map; shared
//! and local accesses against their sizes. Lanes that read consecutive or equal addresses are served together, the
//! whole warp or eight lanes at a time.

use std::marker::PhantomData;

use super::code::{Inst, NONE, flag};
use super::lane::{CHUNK, Elem, Lanes, Op, lane32, lane64, load, next, set_lane, store};
use super::warp::Warp;
use super::{FaultKind, LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};

/// Address spaces as operations see them.
pub(crate) mod space {
    pub const GLOBAL: u8 = 0;
    pub const SHARED: u8 = 1;
    pub const LOCAL: u8 = 2;
    /// The kernel's parameter buffer.
    pub const PARAM: u8 = 3;
    /// Local memory relative to the current activation (variables and call parameters).
    pub const FRAME: u8 = 4;
    pub const GENERIC: u8 = 5;
}

/// Bits that select a window of generic addresses.
const WINDOW_MASK: u64 = !0xfff_ffff_ffff;

/// Address of a lane: register a plus the immediate.
///
/// # Safety
/// `i.a` is a slot of the class its flags state, or NONE.
#[inline(always)]
pub(super) unsafe fn address(w: &Warp, i: &Inst, lane: usize) -> u64 {
    // SAFETY: caller.
    unsafe {
        if i.a == NONE {
            i.imm
        } else if i.flags & flag::A64 != 0 {
            lane64(w, i.a, lane).wrapping_add(i.imm)
        } else {
            u64::from(lane32(w, i.a, lane).wrapping_add(i.imm as u32))
        }
    }
}

/// Host address of `len` bytes at `addr` of space `kind` for one lane; null after recording a fault.
///
/// # Safety
/// The warp runs code of its launch; `i` is the current instruction.
pub(super) unsafe fn resolve(w: &mut Warp, i: &Inst, kind: u8, lane: usize, addr: u64, len: u32, write: bool) -> *mut u8 {
    // SAFETY: offsets are checked against the size of the memory they index.
    unsafe { resolve_aligned(w, i, kind, lane, addr, len, len, write) }
}

/// As [`resolve`] with an alignment other than the length.
///
/// # Safety
/// As [`resolve`].
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn resolve_aligned(
    w: &mut Warp,
    i: &Inst,
    kind: u8,
    lane: usize,
    addr: u64,
    len: u32,
    align: u32,
    write: bool,
) -> *mut u8 {
    let (mut kind, mut off) = (kind, addr);
    if kind == space::GENERIC {
        match addr & WINDOW_MASK {
            SHARED_WINDOW => (kind, off) = (space::SHARED, addr - SHARED_WINDOW),
            LOCAL_WINDOW => (kind, off) = (space::LOCAL, addr - LOCAL_WINDOW),
            PARAM_WINDOW => (kind, off) = (space::PARAM, addr - PARAM_WINDOW),
            _ => kind = space::GLOBAL,
        }
    } else if kind == space::FRAME {
        (kind, off) = (space::LOCAL, addr.wrapping_add(u64::from(w.local_base)));
    }
    if addr & u64::from(align - 1) != 0 {
        w.fail_at(
            FaultKind::MisalignedAddress,
            i,
            lane,
            Some(addr),
            format!("{} of {len} bytes at {addr:#x}, which is not a multiple of {align}", verb(write)),
        );
        return std::ptr::null_mut();
    }
    let len64 = u64::from(len);
    let inside = |size: u64| off.checked_add(len64).is_some_and(|e| e <= size);
    let (name, size) = match kind {
        space::SHARED => {
            if inside(u64::from(w.shared_size)) {
                // SAFETY: checked.
                return unsafe { w.shared.add(off as usize) };
            }
            ("shared memory", u64::from(w.shared_size))
        }
        space::LOCAL => {
            if inside(u64::from(w.local_stride)) {
                // SAFETY: checked; every lane has local_stride bytes.
                return unsafe { w.local.add(lane * w.local_stride as usize + off as usize) };
            }
            ("local memory", u64::from(w.local_stride))
        }
        space::PARAM => {
            let launch = w.launch();
            let size = u64::from(launch.args.kernel.param_bytes);
            if !write && inside(size) {
                // SAFETY: checked; the copy of the parameters is at least that long.
                return unsafe { launch.params.as_ptr().cast::<u8>().add(off as usize).cast_mut() };
            }
            ("the parameter buffer", size)
        }
        _ => {
            let fits = |r: &super::MemoryRange| {
                off >= r.start && off < r.end && r.end - off >= len64 && (r.writable || !write)
            };
            let slot = range_slot(i);
            if fits(&w.ranges[slot]) {
                return off as *mut u8;
            }
            match w.launch().args.memory.find(off) {
                Some(r) if fits(&r) => {
                    w.ranges[slot] = r;
                    return off as *mut u8;
                }
                found => {
                    let why = match found {
                        Some(r) if !r.writable && write => "in read-only memory",
                        Some(_) => "across the end of an allocation",
                        None => "outside every live allocation",
                    };
                    w.fail_at(
                        FaultKind::IllegalAddress,
                        i,
                        lane,
                        Some(addr),
                        format!("{} of {len} bytes at {addr:#x} {why}", verb(write)),
                    );
                    return std::ptr::null_mut();
                }
            }
        }
    };
    w.fail_at(
        FaultKind::IllegalAddress,
        i,
        lane,
        Some(addr),
        format!("{} of {len} bytes at offset {off:#x} of {name}, which has {size:#x} bytes", verb(write)),
    );
    std::ptr::null_mut()
}

/// Which of the warp's remembered allocations an instruction uses.
#[inline(always)]
fn range_slot(i: &Inst) -> usize {
    (std::ptr::from_ref(i) as usize / size_of::<Inst>()) % super::warp::RANGES
}

fn verb(write: bool) -> &'static str {
    if write { "store" } else { "load" }
}

/// A value as it lies in memory, and the register value it becomes.
pub(super) trait Mem: Copy + Default + 'static {
    type D: Elem;
    fn widen(self) -> Self::D;
    fn narrow(d: Self::D) -> Self;
}
macro_rules! mem {
    ($m:ty, $d:ty) => {
        impl Mem for $m {
            type D = $d;
            #[inline(always)]
            fn widen(self) -> $d {
                self as $d
            }
            #[inline(always)]
            fn narrow(d: $d) -> $m {
                d as $m
            }
        }
    };
}
mem!(u8, u32);
mem!(u16, u32);
mem!(u32, u32);
mem!(u64, u64);

/// Register type of an address.
pub(super) trait Address: Elem {
    fn from_u64(v: u64) -> Self;
    fn to_u64(self) -> u64;
    fn add(self, b: Self) -> Self;
}
macro_rules! address {
    ($t:ty) => {
        impl Address for $t {
            #[inline(always)]
            fn from_u64(v: u64) -> Self {
                v as $t
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
        }
    };
}
address!(u32);
address!(u64);

/// Contiguous memory that addresses `first..first + len` name.
struct Window {
    first: u64,
    len: u64,
    host: *mut u8,
}

/// The memory that `addr` lies in, when lanes may share it (not local memory).
#[inline(always)]
fn window<const KIND: u8>(w: &mut Warp, i: &Inst, addr: u64, write: bool) -> Option<Window> {
    let shared = |w: &Warp, first| Window { first, len: u64::from(w.shared_size), host: w.shared };
    match KIND {
        space::SHARED => Some(shared(w, 0)),
        space::GLOBAL | space::GENERIC => {
            if KIND == space::GENERIC && addr & WINDOW_MASK != 0 {
                match addr & WINDOW_MASK {
                    SHARED_WINDOW => return Some(shared(w, SHARED_WINDOW)),
                    LOCAL_WINDOW | PARAM_WINDOW => return None,
                    _ => {}
                }
            }
            let slot = range_slot(i);
            let mut r = w.ranges[slot];
            if addr.wrapping_sub(r.start) >= r.end - r.start {
                r = w.launch().args.memory.find(addr)?;
                w.ranges[slot] = r;
            }
            if write && !r.writable {
                return None;
            }
            Some(Window { first: r.start, len: r.end - r.start, host: r.start as *mut u8 })
        }
        _ => None,
    }
}

/// Whether `n` addresses at `p` are `first`, `first + STEP`, `first + 2 STEP` and so on.
///
/// # Safety
/// `p` points to `n` values of the storage type of `A`; `n` is a multiple of 4.
#[inline(always)]
unsafe fn evenly_spaced<A: Address, const STEP: u64, const AVX2: bool>(p: *const A, n: usize, first: u64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: this form is only selected on processors with AVX2; reads stay inside the n values.
        return unsafe { evenly_spaced_avx2::<A, STEP>(p, n, first) };
    }
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: SSE2 is part of x86-64; reads stay inside the n values.
        unsafe {
            let mut acc = _mm_setzero_si128();
            let q = p.cast::<__m128i>();
            if size_of::<A>() == 4 {
                let step = STEP as i32;
                let iota = _mm_set_epi32(3 * step, 2 * step, step, 0);
                let mut want = _mm_add_epi32(_mm_set1_epi32(first as i32), iota);
                for k in 0..n / 4 {
                    acc = _mm_or_si128(acc, _mm_xor_si128(_mm_loadu_si128(q.add(k)), want));
                    if STEP != 0 {
                        want = _mm_add_epi32(want, _mm_set1_epi32(4 * step));
                    }
                }
            } else {
                let step = STEP as i64;
                let mut want = _mm_add_epi64(_mm_set1_epi64x(first as i64), _mm_set_epi64x(step, 0));
                for k in 0..n / 2 {
                    acc = _mm_or_si128(acc, _mm_xor_si128(_mm_loadu_si128(q.add(k)), want));
                    if STEP != 0 {
                        want = _mm_add_epi64(want, _mm_set1_epi64x(2 * step));
                    }
                }
            }
            _mm_movemask_epi8(_mm_cmpeq_epi8(acc, _mm_setzero_si128())) == 0xffff
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: caller.
        (0..n).all(|l| unsafe { p.add(l).read() }.to_u64() == A::from_u64(first.wrapping_add(l as u64 * STEP)).to_u64())
    }
}

/// As [`evenly_spaced`] in vectors of 32 bytes.
///
/// # Safety
/// As [`evenly_spaced`], and the processor has AVX2; `n` is a multiple of 8.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn evenly_spaced_avx2<A: Address, const STEP: u64>(p: *const A, n: usize, first: u64) -> bool {
    use std::arch::x86_64::*;
    // SAFETY: reads stay inside the n values.
    unsafe {
        let mut acc = _mm256_setzero_si256();
        let q = p.cast::<__m256i>();
        if size_of::<A>() == 4 {
            let step = STEP as i32;
            let iota = _mm256_mullo_epi32(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), _mm256_set1_epi32(step));
            let mut want = _mm256_add_epi32(_mm256_set1_epi32(first as i32), iota);
            for k in 0..n / 8 {
                acc = _mm256_or_si256(acc, _mm256_xor_si256(_mm256_loadu_si256(q.add(k)), want));
                if STEP != 0 {
                    want = _mm256_add_epi32(want, _mm256_set1_epi32(8 * step));
                }
            }
        } else {
            let step = STEP as i64;
            let iota = _mm256_set_epi64x(3 * step, 2 * step, step, 0);
            let mut want = _mm256_add_epi64(_mm256_set1_epi64x(first as i64), iota);
            for k in 0..n / 4 {
                acc = _mm256_or_si256(acc, _mm256_xor_si256(_mm256_loadu_si256(q.add(k)), want));
                if STEP != 0 {
                    want = _mm256_add_epi64(want, _mm256_set1_epi64x(4 * step));
                }
            }
        }
        _mm256_testz_si256(acc, acc) == 1
    }
}

/// As [`evenly_spaced`] with the size of `M` as step.
///
/// # Safety
/// As [`evenly_spaced`].
#[inline(always)]
unsafe fn stepped<M: Mem, A: Address, const AVX2: bool>(p: *const A, n: usize, first: u64) -> bool {
    // SAFETY: caller.
    unsafe {
        match size_of::<M>() {
            1 => evenly_spaced::<A, 1, AVX2>(p, n, first),
            2 => evenly_spaced::<A, 2, AVX2>(p, n, first),
            4 => evenly_spaced::<A, 4, AVX2>(p, n, first),
            _ => evenly_spaced::<A, 8, AVX2>(p, n, first),
        }
    }
}

/// Addresses of eight lanes.
///
/// # Safety
/// `i.a` is a slot of the class of `A`.
#[inline(always)]
unsafe fn addresses<A: Address>(w: &Warp, i: &Inst, c: usize) -> [A; CHUNK] {
    let imm = A::from_u64(i.imm);
    // SAFETY: caller.
    unsafe { load::<A>(w, i.a, c) }.map(|v| v.add(imm))
}

/// Copies eight consecutive elements from memory into a register.
///
/// # Safety
/// `p` is readable for eight elements; `d` is a slot of the class of `M::D`.
#[inline(always)]
unsafe fn copy_in<M: Mem>(w: &Warp, d: u32, c: usize, p: *const u8) {
    // SAFETY: caller.
    unsafe {
        let m = p.cast::<[M; CHUNK]>().read_unaligned();
        store(w, d, c, m.map(M::widen));
    }
}

/// d = [a + imm], one element per lane.
pub(super) struct Load<M, A, const KIND: u8, const AVX2: bool>(PhantomData<(M, A)>);

impl<M: Mem, A: Address, const KIND: u8, const AVX2: bool> Op for Load<M, A, KIND, AVX2> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: operand slots of the classes of A and M::D; host ranges are checked before use.
        unsafe {
            if w.mask != !0 {
                return load_lanes::<M, KIND>(w, i, w.mask);
            }
            let size = size_of::<M>() as u64;
            let registers = w.base.add(i.a as usize).cast::<A::S>();
            let raw = A::get(registers.read());
            let distance = A::get(registers.add(31).read()).to_u64().wrapping_sub(raw.to_u64());
            let first = raw.add(A::from_u64(i.imm)).to_u64();
            let Some(win) = window::<KIND>(w, i, first, false) else { return load_lanes::<M, KIND>(w, i, !0) };
            let off = first.wrapping_sub(win.first);
            let aligned = first & (size - 1) == 0;
            let lanes = registers.cast::<A>().cast_const();
            if distance == 0
                && aligned
                && off < win.len
                && win.len - off >= size
                && evenly_spaced::<A, 0, AVX2>(lanes, 32, raw.to_u64())
            {
                let v = win.host.add(off as usize).cast::<M>().read().widen();
                for c in 0..32 / CHUNK {
                    store(w, i.d, c, [v; CHUNK]);
                }
                return next(i);
            }
            if distance == 31 * size
                && aligned
                && off < win.len
                && win.len - off >= 32 * size
                && stepped::<M, A, AVX2>(lanes, 32, raw.to_u64())
            {
                let p = win.host.add(off as usize);
                for c in 0..32 / CHUNK {
                    copy_in::<M>(w, i.d, c, p.add(c * CHUNK * size_of::<M>()));
                }
                return next(i);
            }
            #[cfg(target_arch = "x86_64")]
            if AVX2 {
                return load_mixed_avx2::<M, A, KIND>(w, i, &win);
            }
            load_mixed_base::<M, A, KIND>(w, i, &win)
        }
    }
}

/// A load whose lanes are neither all equal nor all consecutive: sixteen lanes at a time, else eight.
#[inline(always)]
unsafe fn load_mixed<M: Mem, A: Address, const KIND: u8, const AVX2: bool>(w: &mut Warp, i: &Inst, win: &Window) -> *const Inst {
    // SAFETY: as Load.
    unsafe {
        let size = size_of::<M>() as u64;
        // The destination may be the address register: all addresses are read before anything is written.
        let mut all = [A::default(); 32];
        for c in 0..32 / CHUNK {
            all[c * CHUNK..(c + 1) * CHUNK].copy_from_slice(&addresses::<A>(w, i, c));
        }
        let limit = win.len.wrapping_sub(size);
        let d = i.d;
        let fits = |first: u64, bytes: u64| {
            let off = first.wrapping_sub(win.first);
            first & (size - 1) == 0 && off < win.len && win.len - off >= bytes
        };
        for half in 0..2 {
            let a = &all[half * 16..half * 16 + 16];
            let (first, last) = (a[0].to_u64(), a[15].to_u64());
            if last == first && fits(first, size) && evenly_spaced::<A, 0, AVX2>(a.as_ptr(), 16, first) {
                let v = win.host.add(first.wrapping_sub(win.first) as usize).cast::<M>().read().widen();
                store(w, d, half * 2, [v; CHUNK]);
                store(w, d, half * 2 + 1, [v; CHUNK]);
                continue;
            }
            if last == first.wrapping_add(15 * size) && fits(first, 16 * size) && stepped::<M, A, AVX2>(a.as_ptr(), 16, first) {
                let p = win.host.add(first.wrapping_sub(win.first) as usize);
                copy_in::<M>(w, d, half * 2, p);
                copy_in::<M>(w, d, half * 2 + 1, p.add(CHUNK * size as usize));
                continue;
            }
            for c in [half * 2, half * 2 + 1] {
                let a: &[A; CHUNK] = &*all.as_ptr().add(c * CHUNK).cast();
                let (first, last) = (a[0].to_u64(), a[CHUNK - 1].to_u64());
                if last == first && fits(first, size) && evenly_spaced::<A, 0, AVX2>(a.as_ptr(), CHUNK, first) {
                    let v = win.host.add(first.wrapping_sub(win.first) as usize).cast::<M>().read().widen();
                    store(w, d, c, [v; CHUNK]);
                    continue;
                }
                if last == first.wrapping_add((CHUNK as u64 - 1) * size)
                    && fits(first, CHUNK as u64 * size)
                    && stepped::<M, A, AVX2>(a.as_ptr(), CHUNK, first)
                {
                    copy_in::<M>(w, d, c, win.host.add(first.wrapping_sub(win.first) as usize));
                    continue;
                }
                // One test for the eight lanes, then eight plain reads.
                let mut bad = win.len < size;
                for v in a {
                    let v = v.to_u64();
                    bad |= v.wrapping_sub(win.first) > limit || v & (size - 1) != 0;
                }
                if bad {
                    if load_lanes::<M, KIND>(w, i, 255 << (c * CHUNK)).is_null() {
                        return std::ptr::null();
                    }
                    continue;
                }
                let mut r = [M::D::default(); CHUNK];
                for l in 0..CHUNK {
                    r[l] = win.host.add(a[l].to_u64().wrapping_sub(win.first) as usize).cast::<M>().read().widen();
                }
                store(w, d, c, r);
            }
        }
        next(i)
    }
}

#[inline(never)]
unsafe fn load_mixed_base<M: Mem, A: Address, const KIND: u8>(w: &mut Warp, i: &Inst, win: &Window) -> *const Inst {
    // SAFETY: caller.
    unsafe { load_mixed::<M, A, KIND, false>(w, i, win) }
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn load_mixed_avx2<M: Mem, A: Address, const KIND: u8>(w: &mut Warp, i: &Inst, win: &Window) -> *const Inst {
    // SAFETY: caller.
    unsafe { load_mixed::<M, A, KIND, true>(w, i, win) }
}

#[inline(never)]
unsafe fn load_lanes<M: Mem, const KIND: u8>(w: &mut Warp, i: &Inst, lanes: u32) -> *const Inst {
    // SAFETY: as Load.
    unsafe {
        for lane in Lanes(lanes) {
            let addr = address(w, i, lane);
            let p = resolve(w, i, KIND, lane, addr, size_of::<M>() as u32, false);
            if p.is_null() {
                return std::ptr::null();
            }
            let v = p.cast::<M>().read().widen();
            w.base.add(i.d as usize).cast::<<M::D as Elem>::S>().add(lane).write(v.put());
        }
        next(i)
    }
}

/// [a + imm] = b, one element per lane.
pub(super) struct Store<M, A, const KIND: u8, const AVX2: bool>(PhantomData<(M, A)>);

impl<M: Mem, A: Address, const KIND: u8, const AVX2: bool> Op for Store<M, A, KIND, AVX2> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Load.
        unsafe {
            if w.mask != !0 {
                return store_lanes::<M, KIND>(w, i, w.mask);
            }
            let size = size_of::<M>() as u64;
            let first = A::get(w.base.add(i.a as usize).cast::<A::S>().read()).add(A::from_u64(i.imm)).to_u64();
            let Some(win) = window::<KIND>(w, i, first, true) else { return store_lanes::<M, KIND>(w, i, !0) };
            let limit = win.len.wrapping_sub(size);
            for c in 0..32 / CHUNK {
                let a = addresses::<A>(w, i, c);
                let first = a[0].to_u64();
                let off = first.wrapping_sub(win.first);
                let v = load::<M::D>(w, i.b, c);
                if a[CHUNK - 1].to_u64() == first.wrapping_add((CHUNK as u64 - 1) * size)
                    && first & (size - 1) == 0
                    && off < win.len
                    && win.len - off >= CHUNK as u64 * size
                    && stepped::<M, A, AVX2>(a.as_ptr(), CHUNK, first)
                {
                    win.host.add(off as usize).cast::<[M; CHUNK]>().write_unaligned(v.map(M::narrow));
                    continue;
                }
                let mut bad = win.len < size;
                for v in &a {
                    let v = v.to_u64();
                    bad |= v.wrapping_sub(win.first) > limit || v & (size - 1) != 0;
                }
                if bad {
                    if store_lanes::<M, KIND>(w, i, 255 << (c * CHUNK)).is_null() {
                        return std::ptr::null();
                    }
                    continue;
                }
                for l in 0..CHUNK {
                    let off = a[l].to_u64().wrapping_sub(win.first);
                    win.host.add(off as usize).cast::<M>().write(M::narrow(v[l]));
                }
            }
            next(i)
        }
    }
}

#[inline(never)]
unsafe fn store_lanes<M: Mem, const KIND: u8>(w: &mut Warp, i: &Inst, lanes: u32) -> *const Inst {
    // SAFETY: as Load.
    unsafe {
        for lane in Lanes(lanes) {
            let addr = address(w, i, lane);
            let p = resolve(w, i, KIND, lane, addr, size_of::<M>() as u32, true);
            if p.is_null() {
                return std::ptr::null();
            }
            let v = w.base.add(i.b as usize).cast::<<M::D as Elem>::S>().add(lane).read();
            p.cast::<M>().write(M::narrow(M::D::get(v)));
        }
        next(i)
    }
}

/// d = parameter at constant offset imm (checked when the kernel was compiled).
pub(super) struct LoadParam<M>(PhantomData<M>);

impl<M: Mem> Op for LoadParam<M> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: imm + size lies inside the parameter buffer (instruction selection; the launch checks its length).
        unsafe {
            let p = w.launch().params.as_ptr().cast::<u8>().add(i.imm as usize);
            let v = p.cast::<M>().read_unaligned().widen();
            super::lane::for_chunks::<M::D>(w, i.d, |_, _| [v; CHUNK]);
            next(i)
        }
    }
}

/// Packed description of a general load or store in `Inst::e`.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    /// Elements per lane (1 to 8).
    pub count: u32,
    /// Bytes of one element in memory.
    pub size: u32,
    /// Sign-extend on load.
    pub signed: bool,
    /// The registers are 64-bit slots.
    pub wide: bool,
    /// Width of the destination register in bits for sign extension (8, 16, 32, 64).
    pub register_bits: u32,
    pub space: u8,
}

impl Access {
    pub fn pack(self) -> u32 {
        self.count | self.size << 4 | u32::from(self.signed) << 9 | u32::from(self.wide) << 10
            | self.register_bits << 11 | u32::from(self.space) << 24
    }

    fn unpack(e: u32) -> Access {
        Access {
            count: e & 15,
            size: e >> 4 & 31,
            signed: e >> 9 & 1 != 0,
            wide: e >> 10 & 1 != 0,
            register_bits: e >> 11 & 127,
            space: (e >> 24) as u8,
        }
    }
}

/// Any load: registers at side[x..], NONE for `_`. 16-byte elements take two 64-bit registers.
pub(super) struct LoadAny;
impl Op for LoadAny {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Load; side holds `count` register slots.
        unsafe {
            let k = Access::unpack(i.e);
            let regs = w.launch().code.side.as_ptr().add(i.x as usize);
            let bytes = k.count * k.size;
            // Addresses first: a destination may be the address register.
            let mut host = [std::ptr::null_mut::<u8>(); 32];
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                let p = resolve(w, i, k.space, lane, addr, bytes, bytes);
                if p.is_null() {
                    return std::ptr::null();
                }
                host[lane] = p;
            }
            for n in 0..k.count as usize {
                let r = *regs.add(n);
                if r == NONE {
                    continue;
                }
                let skip = n * k.size as usize;
                if !k.signed && k.size == 4 && !k.wide {
                    let to = w.base.add(r as usize).cast::<u32>();
                    for lane in Lanes(w.mask) {
                        to.add(lane).write(host[lane].add(skip).cast::<u32>().read());
                    }
                    continue;
                }
                if k.size == 8 {
                    let to = w.base.add(r as usize).cast::<u64>();
                    for lane in Lanes(w.mask) {
                        to.add(lane).write(host[lane].add(skip).cast::<u64>().read());
                    }
                    continue;
                }
                for lane in Lanes(w.mask) {
                    let p = host[lane].add(skip);
                    let v = match (k.size, k.signed) {
                        (1, false) => u64::from(p.read()),
                        (1, true) => p.cast::<i8>().read() as u64,
                        (2, false) => u64::from(p.cast::<u16>().read()),
                        (2, true) => p.cast::<i16>().read() as u64,
                        (4, false) => u64::from(p.cast::<u32>().read()),
                        _ => p.cast::<i32>().read() as u64,
                    };
                    let v = if k.register_bits < 32 { v & ((1 << k.register_bits) - 1) } else { v };
                    set_lane(w, r, k.wide, lane, v);
                }
            }
            return next(i);

            unsafe fn resolve(w: &mut Warp, i: &Inst, kind: u8, lane: usize, addr: u64, len: u32, align: u32) -> *mut u8 {
                // SAFETY: caller.
                unsafe { resolve_aligned(w, i, kind, lane, addr, len, align, false) }
            }
        }
    }
}

/// Any store: registers at side[x..].
pub(super) struct StoreAny;
impl Op for StoreAny {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as LoadAny.
        unsafe {
            let k = Access::unpack(i.e);
            let regs = w.launch().code.side.as_ptr().add(i.x as usize);
            let bytes = k.count * k.size;
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                let p = resolve_aligned(w, i, k.space, lane, addr, bytes, bytes, true);
                if p.is_null() {
                    return std::ptr::null();
                }
                for n in 0..k.count as usize {
                    let r = *regs.add(n);
                    let v = if k.wide { lane64(w, r, lane) } else { u64::from(lane32(w, r, lane)) };
                    let p = p.add(n * k.size as usize);
                    match k.size {
                        1 => p.write(v as u8),
                        2 => p.cast::<u16>().write(v as u16),
                        4 => p.cast::<u32>().write(v as u32),
                        _ => p.cast::<u64>().write(v),
                    }
                }
            }
            next(i)
        }
    }
}

/// d = generic address of the 64- or 32-bit offset a in window imm (cvta), or the address of a variable in the
/// current activation when a is NONE (e: 1 to add the activation's base).
pub(super) struct FrameAddress;
impl Op for FrameAddress {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: d is a slot of the class its flags state.
        unsafe {
            let v = i.imm.wrapping_add(u64::from(w.local_base));
            for lane in Lanes(w.mask) {
                set_lane(w, i.d, i.flags & flag::D64 != 0, lane, v);
            }
            next(i)
        }
    }
}

/// Dynamic stack allocation: d = address of a (64-bit or 32-bit size register) bytes, aligned to imm, in local memory.
pub(super) struct Alloca;
impl Op for Alloca {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the classes the flags state.
        unsafe {
            let function = w.node_of(w.node).function as usize;
            let floor = u64::from(w.local_base) + u64::from(w.launch().code.functions[function].local_bytes);
            for lane in Lanes(w.mask) {
                let size = if i.flags & flag::A64 != 0 { lane64(w, i.a, lane) } else { u64::from(lane32(w, i.a, lane)) };
                let top = u64::from(w.alloca[lane]).saturating_sub(size) & !(i.imm.max(8) - 1);
                if top < floor || size > u64::from(w.local_stride) {
                    return w.fail(FaultKind::HardwareStackError, i, lane, format!("alloca of {size} bytes"));
                }
                w.alloca[lane] = top as u32;
                set_lane(w, i.d, i.flags & flag::D64 != 0, lane, top);
            }
            next(i)
        }
    }
}

/// stacksave (imm 0: d = top of stack) and stackrestore (imm 1: from a).
pub(super) struct StackTop;
impl Op for StackTop {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the classes the flags state.
        unsafe {
            for lane in Lanes(w.mask) {
                if i.imm == 0 {
                    set_lane(w, i.d, i.flags & flag::D64 != 0, lane, u64::from(w.alloca[lane]));
                } else {
                    let v = if i.flags & flag::A64 != 0 { lane64(w, i.a, lane) } else { u64::from(lane32(w, i.a, lane)) };
                    w.alloca[lane] = v.min(u64::from(w.local_stride)) as u32;
                }
            }
            next(i)
        }
    }
}

/// isspacep; imm: the space, sizes do not matter.
fn is_space(v: &[u64; 4], imm: u64) -> u64 {
    let window = v[0] & WINDOW_MASK;
    u64::from(match imm as u8 {
        space::SHARED => window == SHARED_WINDOW,
        space::LOCAL => window == LOCAL_WINDOW,
        space::PARAM => window == PARAM_WINDOW,
        _ => !matches!(window, SHARED_WINDOW | LOCAL_WINDOW | PARAM_WINDOW),
    })
}

pub(crate) fn is_space_fn() -> super::code::ScalarFn {
    is_space
}

/// The fast form of a one-element load or store, if there is one.
pub(crate) fn fast(store: bool, size: u32, wide_value: bool, wide_address: bool, kind: u8) -> Option<super::code::OpFn> {
    use super::lane::pick;
    macro_rules! form {
        ($op:ident, $m:ty, $a:ty, $space:block) => {
            if super::lane::has_avx2() { pick::<$op<$m, $a, $space, true>>() } else { pick::<$op<$m, $a, $space, false>>() }
        };
    }
    macro_rules! by_space {
        ($op:ident, $m:ty) => {
            match (kind, wide_address) {
                (space::GLOBAL, true) => form!($op, $m, u64, { space::GLOBAL }),
                (space::GENERIC, true) => form!($op, $m, u64, { space::GENERIC }),
                (space::SHARED, true) => form!($op, $m, u64, { space::SHARED }),
                (space::SHARED, false) => form!($op, $m, u32, { space::SHARED }),
                (space::LOCAL, true) => form!($op, $m, u64, { space::LOCAL }),
                (space::LOCAL, false) => form!($op, $m, u32, { space::LOCAL }),
                _ => return None,
            }
        };
    }
    Some(match (store, size, wide_value) {
        (false, 1, false) => by_space!(Load, u8),
        (false, 2, false) => by_space!(Load, u16),
        (false, 4, false) => by_space!(Load, u32),
        (false, 8, true) => by_space!(Load, u64),
        (true, 1, false) => by_space!(Store, u8),
        (true, 2, false) => by_space!(Store, u16),
        (true, 4, false) => by_space!(Store, u32),
        (true, 8, true) => by_space!(Store, u64),
        _ => return None,
    })
}

/// Load of a kernel parameter at a constant place.
pub(crate) fn param(size: u32, wide: bool) -> Option<super::code::OpFn> {
    use super::lane::pick;
    Some(match (size, wide) {
        (1, false) => pick::<LoadParam<u8>>(),
        (2, false) => pick::<LoadParam<u16>>(),
        (4, false) => pick::<LoadParam<u32>>(),
        (8, true) => pick::<LoadParam<u64>>(),
        _ => return None,
    })
}

/// Operations without variants.
pub(crate) fn op(name: &str) -> super::code::OpFn {
    use super::lane::pick;
    match name {
        "load" => pick::<LoadAny>(),
        "store" => pick::<StoreAny>(),
        "frame" => pick::<FrameAddress>(),
        "alloca" => pick::<Alloca>(),
        _ => pick::<StackTop>(),
    }
}
