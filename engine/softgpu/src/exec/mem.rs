//! Loads and stores: addresses, checks, and the forms for any number and width of elements.
//!
//! Every access is checked: against the allocation the warp hit last, else against the launch's memory map; shared
//! and local accesses against their sizes. [`super::access`] has the common forms.

use std::marker::PhantomData;

use super::code::{Inst, NONE, flag};
use super::lane::{CHUNK, Elem, Lanes, Op, lane32, lane64, next, set_lane};
use super::access;
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
pub(super) const WINDOW_MASK: u64 = !0xfff_ffff_ffff;

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
        } else if i.flags & flag::INDEXED != 0 {
            let index = lane32(w, i.a, lane);
            let index = if i.flags & flag::INDEX_SIGNED != 0 { index as i32 as u64 } else { u64::from(index) };
            lane64(w, i.c, 0).wrapping_add(index << (i.flags >> flag::INDEX_SHIFT & 15)).wrapping_add(i.imm)
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

/// Whether an address lies in an allocation of global memory. A vector that begins there, at a multiple of its length, may be loaded
/// whole: it ends in the page of its first byte at the latest, and compilers load the last elements of an array so, with what lies
/// behind them and is not used (NVRTC 12: three words as four).
fn begins_in_allocation(w: &mut Warp, i: &Inst, kind: u8, addr: u64) -> bool {
    if kind != space::GLOBAL && (kind != space::GENERIC || matches!(addr & WINDOW_MASK, SHARED_WINDOW | LOCAL_WINDOW | PARAM_WINDOW)) {
        return false;
    }
    let slot = range_slot(i);
    let holds = |r: &super::MemoryRange| addr >= r.start && addr < r.end;
    if !holds(&w.ranges[slot]) {
        let Some(found) = w.launch().args.memory.find(addr).filter(holds) else { return false };
        w.ranges[slot] = found;
    }
    true
}

/// Which of the warp's remembered allocations an instruction uses.
#[inline(always)]
pub(super) fn range_slot(i: &Inst) -> usize {
    (std::ptr::from_ref(i) as usize / size_of::<Inst>()) % super::warp::RANGES
}

fn verb(write: bool) -> &'static str {
    if write { "store" } else { "load" }
}

/// A value as it lies in memory, and the register value it becomes.
pub(super) trait Mem: Copy + Default + 'static {
    type D: Elem;
    fn widen(self) -> Self::D;
}
macro_rules! mem {
    ($m:ty, $d:ty) => {
        impl Mem for $m {
            type D = $d;
            #[inline(always)]
            fn widen(self) -> $d {
                self as $d
            }
        }
    };
}
mem!(u8, u32);
mem!(u16, u32);
mem!(u32, u32);
mem!(u64, u64);

/// Contiguous memory that addresses `first..first + len` name.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub first: u64,
    pub len: u64,
    pub host: *mut u8,
}

impl Window {
    /// Host address of `len` bytes at `addr`, if they lie inside and the address is a multiple of `align`.
    #[inline(always)]
    pub fn at(&self, addr: u64, len: u64, align: u64) -> Option<*mut u8> {
        let off = addr.wrapping_sub(self.first);
        if off < self.len && self.len - off >= len && addr & (align - 1) == 0 {
            Some(self.host.wrapping_add(off as usize))
        } else {
            None
        }
    }
}

/// The memory that `addr` lies in, when lanes may share it (not local memory).
#[inline(always)]
pub(super) fn window<const KIND: u8>(w: &mut Warp, i: &Inst, addr: u64, write: bool) -> Option<Window> {
    window_of::<KIND>(w, range_slot(i), addr, write)
}

/// As [`window`], the allocation remembered in `slot`.
#[inline(always)]
pub(super) fn window_of<const KIND: u8>(w: &mut Warp, slot: usize, addr: u64, write: bool) -> Option<Window> {
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
pub(super) struct LoadAny<const AVX2: bool>;
impl<const AVX2: bool> Op for LoadAny<AVX2> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Load; side holds `count` register slots.
        unsafe {
            let k = Access::unpack(i.e);
            let regs = w.launch().code.side.as_ptr().add(i.x as usize);
            let bytes = k.count * k.size;
            if w.mask == !0 && k.size == 4 && !k.wide && matches!(k.count, 2 | 4) && access::load_words::<AVX2>(w, i, k, regs) {
                return next(i);
            }
            // Addresses first: a destination may be the address register.
            let mut host = [std::ptr::null_mut::<u8>(); 32];
            for lane in Lanes(w.mask) {
                let addr = address(w, i, lane);
                if k.count > 1 && addr & u64::from(bytes - 1) == 0 && begins_in_allocation(w, i, k.space, addr) {
                    host[lane] = addr as *mut u8;
                    continue;
                }
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
            if w.mask == !0 && k.size == 4 && !k.wide && matches!(k.count, 2 | 4) && access::store_words(w, i, k, regs) {
                return next(i);
            }
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

/// Whether address a lies in the variable at b; imm: its size.
fn is_inside(v: &[u64; 4], imm: u64) -> u64 {
    u64::from(v[0].wrapping_sub(v[1]) < imm)
}

pub(crate) fn is_inside_fn() -> super::code::ScalarFn {
    is_inside
}

pub(crate) fn is_space_fn() -> super::code::ScalarFn {
    is_space
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
        "load" => if super::lane::has_avx2() { pick::<LoadAny<true>>() } else { pick::<LoadAny<false>>() },
        "store" => pick::<StoreAny>(),
        "frame" => pick::<FrameAddress>(),
        "alloca" => pick::<Alloca>(),
        _ => pick::<StackTop>(),
    }
}
