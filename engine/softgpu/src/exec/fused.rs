//! Instructions done together with the ones that follow them.
//!
//! The instructions stay in the code as they are: the first one's `f` does all of them where the common case holds,
//! and otherwise runs the first alone, after which the others come by themselves. So faults, jumps into the middle and
//! divergence need no thought here.

use std::marker::PhantomData;

use super::access::{Halves, Mem, Place, Plain, halves};
use super::code::{Inst, OpFn};
use super::float::ftz;
use super::lane::{CHUNK, Op, has_avx2, load, pick, store};
use super::mem::{space, window};
use super::warp::Warp;

type Lanes32 = [[f32; CHUNK]; 4];

/// What a regular load of words from shared memory reads.
///
/// # Safety
/// `i` is such a load; all lanes are active.
#[inline(always)]
unsafe fn read<P: Place, const AVX2: bool>(w: &mut Warp, i: &Inst) -> Option<Lanes32> {
    // SAFETY: caller; addresses are checked.
    unsafe {
        let Halves { first, equal } = halves::<u32, P, AVX2>(w, i)?;
        let win = window::<{ space::SHARED }>(w, i, first[0], false)?;
        let bytes = if equal { u32::SIZE } else { 2 * CHUNK as u64 * u32::SIZE };
        let low = win.at(first[0], bytes, u32::SIZE)?.cast::<f32>();
        let high = win.at(first[1], bytes, u32::SIZE)?.cast::<f32>();
        if equal {
            let (low, high) = ([low.read(); CHUNK], [high.read(); CHUNK]);
            return Some([low, low, high, high]);
        }
        let chunk = |p: *mut f32, c: usize| p.cast::<[f32; CHUNK]>().add(c).read_unaligned();
        Some([chunk(low, 0), chunk(low, 1), chunk(high, 0), chunk(high, 1)])
    }
}

/// ld.shared x; ld.shared y; fma.rn d = x * y + c, where nothing else reads x and y; and the same again and again with
/// one sum.
struct LoadLoadFma<P, const FTZ: bool, const AVX2: bool>(PhantomData<P>);

impl<P: Place, const FTZ: bool, const AVX2: bool> Op for LoadLoadFma<P, FTZ, AVX2> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: the three instructions follow each other (linking).
        unsafe {
            if w.mask != !0 {
                return (i.g)(w, i);
            }
            let mut done = std::ptr::from_ref(i);
            let fma = &*done.add(2);
            let d = fma.d;
            let mut sum: Lanes32 = std::array::from_fn(|c| load::<f32>(w, fma.c, c));
            while let (Some(a), Some(b)) = (read::<P, AVX2>(w, &*done), read::<P, AVX2>(w, &*done.add(1))) {
                for c in 0..4 {
                    for l in 0..CHUNK {
                        let (a, b, s) = (ftz::<FTZ>(a[c][l]), ftz::<FTZ>(b[c][l]), ftz::<FTZ>(sum[c][l]));
                        sum[c][l] = ftz::<FTZ>(a.mul_add(b, s));
                    }
                }
                done = done.add(3);
                let [x, y, fma] = &*done.cast::<[Inst; 3]>();
                if x.f as usize != i.f as usize || fma.d != d || fma.c != d || x.a == d || y.a == d {
                    break;
                }
            }
            if std::ptr::eq(done, i) {
                return (i.g)(w, i);
            }
            for (c, v) in sum.into_iter().enumerate() {
                store(w, d, c, v);
            }
            done
        }
    }
}

/// The form for loads through 32- or 64-bit registers.
pub(crate) fn load_load_fma(wide_address: bool, flush: bool) -> OpFn {
    macro_rules! form {
        ($r:ty) => {
            match (flush, has_avx2()) {
                (false, false) => pick::<LoadLoadFma<Plain<$r>, false, false>>(),
                (false, true) => pick::<LoadLoadFma<Plain<$r>, false, true>>(),
                (true, false) => pick::<LoadLoadFma<Plain<$r>, true, false>>(),
                (true, true) => pick::<LoadLoadFma<Plain<$r>, true, true>>(),
            }
        };
    }
    if wide_address { form!(u64) } else { form!(u32) }
}
