//! What programs say about managed memory: advice and prefetches, remembered page by page for `cuMemRangeGetAttribute`.
//!
//! Managed memory of this device is memory that the host and every device reach at any time, so advice changes nothing but the answers.

use super::{Kind, space};
use crate::driver::abi::CUmemLocation;
use crate::driver::device::{device, driver};
use crate::driver::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::collections::BTreeMap;

const PAGE: u64 = 4096;
/// `CU_DEVICE_CPU`.
const CPU: i32 = -1;
/// `CU_DEVICE_INVALID`.
const NOWHERE: i32 = -2;
/// Bit of the host in [`Advice::accessed_by`]; the bits below are devices.
const HOST_BIT: u32 = 31;

/// A place for memory: a `CUmemLocationType` (0 none, 1 device, 2 host, 3 a NUMA node of the host) and its number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Place {
    kind: u32,
    id: i32,
}

impl Place {
    const HOST: Place = Place { kind: 2, id: 0 };

    /// CUDA_ERROR_INVALID_DEVICE for a device that does not exist, CUDA_ERROR_INVALID_VALUE for what is no place.
    fn of(location: CUmemLocation) -> R<Place> {
        match location.kind {
            1 => device(location.id).map(|d| Place { kind: 1, id: d.ordinal as i32 }),
            2 => Ok(Place::HOST),
            3 if location.id >= 0 => Ok(Place { kind: 3, id: location.id }),
            4 => Ok(Place { kind: 3, id: 0 }),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }

    fn number(self) -> i32 {
        match self.kind {
            1 => self.id,
            2 | 3 => CPU,
            _ => NOWHERE,
        }
    }
}

/// The location that a device number of the first forms means: -1 is the host.
pub fn location_of(number: i32) -> CUmemLocation {
    if number == CPU { CUmemLocation { kind: 2, id: 0 } } else { CUmemLocation { kind: 1, id: number } }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Advice {
    read_mostly: bool,
    preferred: Place,
    accessed_by: u32,
    prefetched: Place,
}

/// Pages about which something was said: first address to (one past the last, what was said).
type Pages = BTreeMap<u64, (u64, Advice)>;

static PAGES: Mutex<Pages> = Mutex::new(BTreeMap::new());

/// CUDA_ERROR_INVALID_VALUE unless the range is live managed memory.
pub fn check(address: u64, len: u64) -> R {
    driver()?;
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    space().check(address, len)?;
    ensure(space().find(address).is_some_and(|a| a.kind == Kind::Managed), CUresult::INVALID_VALUE)
}

fn whole_pages(address: u64, len: u64) -> (u64, u64) {
    (address & !(PAGE - 1), (address + len + PAGE - 1) & !(PAGE - 1))
}

/// The parts of `from .. to`, each with what was said about it.
fn parts(pages: &Pages, from: u64, to: u64) -> Vec<(u64, u64, Advice)> {
    let (mut out, mut at) = (Vec::new(), from);
    let first = pages.range(..from).next_back().filter(|(_, (end, _))| *end > from).map_or(from, |(&start, _)| start);
    for (&start, &(end, advice)) in pages.range(first..to) {
        if start > at {
            out.push((at, start, Advice::default()));
        }
        out.push((start.max(from), end.min(to), advice));
        at = end.min(to);
    }
    if at < to {
        out.push((at, to, Advice::default()));
    }
    out
}

fn change(address: u64, len: u64, change: impl Fn(&mut Advice)) {
    let (from, to) = whole_pages(address, len);
    let mut pages = PAGES.lock();
    let new = parts(&pages, from, to);
    cut(&mut pages, from, to);
    for (start, end, mut advice) in new {
        change(&mut advice);
        if advice != Advice::default() {
            pages.insert(start, (end, advice));
        }
    }
}

/// Takes a range out, leaving what lies beside it.
fn cut(pages: &mut Pages, from: u64, to: u64) {
    let touched: Vec<u64> = pages.range(..to).rev().take_while(|(_, (end, _))| *end > from).map(|(&start, _)| start).collect();
    for start in touched {
        if let Some((end, advice)) = pages.remove(&start) {
            if start < from {
                pages.insert(start, (from, advice));
            }
            if end > to {
                pages.insert(to, (end, advice));
            }
        }
    }
}

/// `cuMemAdvise`.
pub fn advise(address: u64, len: u64, advice: u32, location: CUmemLocation) -> R {
    check(address, len)?;
    let bit = || -> R<u32> {
        let place = Place::of(location)?;
        ensure(place.kind != 3, CUresult::INVALID_VALUE)?;
        Ok(1 << if place.kind == 1 { place.id as u32 } else { HOST_BIT })
    };
    match advice {
        1 | 2 => change(address, len, |a| a.read_mostly = advice == 1),
        3 => {
            let place = Place::of(location)?;
            change(address, len, |a| a.preferred = place);
        }
        4 => change(address, len, |a| a.preferred = Place::default()),
        5 => {
            let bit = bit()?;
            change(address, len, |a| a.accessed_by |= bit);
        }
        6 => {
            let bit = bit()?;
            change(address, len, |a| a.accessed_by &= !bit);
        }
        _ => return Err(CUresult::INVALID_VALUE),
    }
    Ok(())
}

/// What `cuMemPrefetchAsync` leaves behind: the last place asked for.
pub fn prefetch(address: u64, len: u64, location: CUmemLocation) -> R {
    check(address, len)?;
    let place = Place::of(location)?;
    change(address, len, |a| a.prefetched = place);
    Ok(())
}

/// A `CUmem_range_attribute` as words. All but the third (the devices that access the range, as many as there is room for) are one word.
pub fn attribute(address: u64, len: u64, attribute: u32, bytes: usize) -> R<Vec<i32>> {
    check(address, len)?;
    ensure(if attribute == 3 { bytes >= 4 && bytes.is_multiple_of(4) } else { bytes == 4 }, CUresult::INVALID_VALUE)?;
    let (from, to) = whole_pages(address, len);
    let parts = parts(&PAGES.lock(), from, to);
    let common = |of: fn(&Advice) -> Place| {
        let first = of(&parts[0].2);
        if parts.iter().all(|(.., a)| of(a) == first) { first } else { Place::default() }
    };
    let (preferred, prefetched) = (common(|a| a.preferred), common(|a| a.prefetched));
    Ok(match attribute {
        1 => vec![i32::from(parts.iter().all(|(.., a)| a.read_mostly))],
        2 => vec![preferred.number()],
        3 => {
            let mask = parts.iter().fold(u32::MAX, |mask, (.., a)| mask & a.accessed_by);
            let mut list: Vec<i32> = (0..HOST_BIT).filter(|n| mask >> n & 1 == 1).map(|n| n as i32).collect();
            if mask >> HOST_BIT & 1 == 1 {
                list.push(CPU);
            }
            list.resize(bytes / 4, NOWHERE);
            list
        }
        4 => vec![prefetched.number()],
        5 => vec![preferred.kind as i32],
        6 => vec![if preferred.kind == 2 { 0 } else { preferred.id }],
        7 => vec![prefetched.kind as i32],
        8 => vec![if prefetched.kind == 2 { 0 } else { prefetched.id }],
        _ => return Err(CUresult::INVALID_VALUE),
    })
}

/// Drops what was said about memory that is freed.
pub fn forget(address: u64, len: u64) {
    let (from, to) = whole_pages(address, len);
    cut(&mut PAGES.lock(), from, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_split_and_go() {
        const BASE: u64 = 0x7000_0000;
        let said = |from: u64, to: u64| parts(&PAGES.lock(), BASE + from, BASE + to).iter().map(|(a, b, x)| (a - BASE, b - BASE, x.read_mostly)).collect::<Vec<_>>();
        change(BASE, 4 * PAGE, |a| a.read_mostly = true);
        change(BASE + PAGE, 1, |a| a.read_mostly = false);
        assert_eq!(said(0, 4 * PAGE), [(0, PAGE, true), (PAGE, 2 * PAGE, false), (2 * PAGE, 4 * PAGE, true)]);
        assert_eq!(said(3 * PAGE, 6 * PAGE), [(3 * PAGE, 4 * PAGE, true), (4 * PAGE, 6 * PAGE, false)]);
        forget(BASE, 3 * PAGE);
        assert_eq!(said(0, 4 * PAGE), [(0, 3 * PAGE, false), (3 * PAGE, 4 * PAGE, true)]);
        forget(BASE, 4 * PAGE);
    }
}
