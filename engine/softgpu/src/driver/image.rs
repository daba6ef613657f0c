//! What programs hand over as a module: PTX text, a fatbin with several entries, or machine code that cannot run here.
//!
//! A fatbin is reached through a wrapper (magic 0x466243b1, then a pointer) or directly (magic 0xBA55ED50). Entries are PTX (kind 1) or machine
//! code (kind 2), plain or compressed (flag 0x2000: an LZ4 block, 0x8000: zstd). The best PTX is the one for the highest architecture
//! that the device still covers.

use super::result::{CUresult, R, ensure};
use std::io::Read;

/// The PTX texts that make up one module (more than one after `cuLinkComplete`).
pub type Sources = Vec<String>;

/// A failure: the code and a sentence for the JIT log.
pub type ImageError = (CUresult, String);

const WRAPPER: u32 = 0x4662_43b1;
const CONTAINER: u32 = 0xba55_ed50;
const ELF: u32 = 0x464c_457f;
/// PTX texts to link, made by [`linked`].
const LINKED: u64 = u64::from_le_bytes(*b"RWGLINK\x01");
/// Length of a container's header.
const CONTAINER_HEADER: usize = 16;
/// Length of what precedes the texts: magic, length of the whole, bound on registers (0: none).
const LINKED_HEADER: usize = 24;
/// No image may be larger than this, bytes.
const MAX: u64 = 1 << 30;
/// No PTX text may be larger than this when it is unpacked, bytes.
const TEXT_MAX: u64 = 1 << 28;
/// LZ4 cannot shrink further than to one byte of this many.
const LZ4_RATIO_MAX: u64 = 255;

const KIND_PTX: u16 = 1;
const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;

/// An image that is not one.
pub fn bad(text: impl Into<String>) -> ImageError {
    (CUresult::INVALID_IMAGE, text.into())
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
/// Little-endian, at a place that may be beyond the end.
pub fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ImageError> {
    read(bytes, at).map(u16::from_le_bytes).ok_or_else(|| bad("the image is cut off"))
}
/// Little-endian, at a place that may be beyond the end.
pub fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ImageError> {
    read(bytes, at).map(u32::from_le_bytes).ok_or_else(|| bad("the image is cut off"))
}
/// Little-endian, at a place that may be beyond the end.
pub fn u64_at(bytes: &[u8], at: usize) -> Result<u64, ImageError> {
    read(bytes, at).map(u64::from_le_bytes).ok_or_else(|| bad("the image is cut off"))
}

/// The bytes of an image of which only the address is known, as `cuModuleLoadData` gets it.
///
/// # Safety
/// `address` points to a NUL-terminated text or to a complete fatbin, wrapper or ELF image, as the CUDA driver API requires.
pub unsafe fn bytes_at(address: u64) -> R<Vec<u8>> {
    ensure(address != 0, CUresult::INVALID_VALUE)?;
    // Byte by byte, as even a text of three characters is valid input.
    // SAFETY: the image is at least a NUL-terminated text; reading stops at its NUL, before any further byte.
    let head: Vec<u8> = unsafe { (0..16).map(|i| *(address as *const u8).add(i)).take_while(|&b| b != 0).collect() };
    let magic = read(&head, 0).map_or(0, u32::from_le_bytes);
    let copy = |from: u64, len: u64| -> R<Vec<u8>> {
        ensure(len <= MAX, CUresult::INVALID_IMAGE)?;
        // SAFETY: the image's own header states this length.
        Ok(unsafe { std::slice::from_raw_parts(from as *const u8, len as usize) }.to_vec())
    };
    match magic {
        WRAPPER => {
            // SAFETY: a wrapper is 24 bytes; the container's address is at offset 8.
            let inner = unsafe { ((address + 8) as *const u64).read_unaligned() };
            ensure(inner != 0, CUresult::INVALID_IMAGE)?;
            // SAFETY: the wrapper points to a container by its format, which begins with its magic.
            let magic = unsafe { (inner as *const u32).read_unaligned() };
            ensure(magic != WRAPPER, CUresult::INVALID_IMAGE)?;
            // SAFETY: the wrapper points to a container by its format; `bytes_at` checks its magic.
            unsafe { bytes_at(inner) }
        }
        CONTAINER => {
            // SAFETY: a container's header is 16 bytes: header size at offset 6, length of what follows at 8.
            let (header, len) = unsafe { (((address + 6) as *const u16).read_unaligned(), ((address + 8) as *const u64).read_unaligned()) };
            copy(address, len.checked_add(u64::from(header)).ok_or(CUresult::INVALID_IMAGE)?)
        }
        ELF => copy(address, 16),
        _ => {
            // SAFETY: anything else must be a NUL-terminated text.
            Ok(unsafe { std::ffi::CStr::from_ptr(address as *const std::ffi::c_char) }.to_bytes().to_vec())
        }
    }
}

/// Whether these bytes begin as a fatbin.
pub fn is_container(bytes: &[u8]) -> bool {
    read(bytes, 0).map_or(0, u32::from_le_bytes) == CONTAINER
}

/// Finds the PTX for a device of compute capability `capability` (80 for 8.0).
pub fn sources(bytes: &[u8], capability: u32) -> Result<Sources, ImageError> {
    let magic = read(bytes, 0).map_or(0, u32::from_le_bytes);
    if let Some(body) = linked_part(bytes) {
        return unlink(body);
    }
    match magic {
        CONTAINER => Ok(vec![best(bytes, capability)?]),
        ELF => Err(no_binary("machine code (a cubin) only")),
        _ => Ok(vec![text(bytes)?]),
    }
}

fn no_binary(what: &str) -> ImageError {
    let cure = "the software GPU runs PTX: build with PTX included (nvcc -gencode arch=compute_80,code=compute_80, or NVRTC with --gpu-architecture=compute_80)";
    (CUresult::NO_BINARY_FOR_GPU, format!("the module has {what}; {cure}"))
}

fn text(bytes: &[u8]) -> Result<String, ImageError> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("the image is neither PTX text nor a fatbin"))?;
    if !text.contains(".version") {
        return Err(bad("the image is neither PTX text (no .version directive) nor a fatbin"));
    }
    Ok(text.to_owned())
}

struct Entry<'a> {
    arch: u32,
    flags: u64,
    payload: &'a [u8],
    unpacked_len: u64,
}

/// The PTX for the highest architecture of a fatbin, whatever the device; None where it has none.
pub fn newest(container: &[u8]) -> Option<String> {
    best(container, u32::MAX).ok()
}

fn best(bytes: &[u8], capability: u32) -> Result<String, ImageError> {
    let mut at = usize::from(u16_at(bytes, 6)?);
    let end = at.checked_add(usize::try_from(u64_at(bytes, 8)?).map_err(|_| bad("the fatbin is too long"))?).filter(|&e| e <= bytes.len());
    let end = end.ok_or_else(|| bad("the fatbin is cut off"))?;
    let (mut best, mut machine, mut newer): (Option<Entry>, Vec<u32>, Vec<u32>) = (None, Vec::new(), Vec::new());
    while at + 64 <= end {
        let kind = u16_at(bytes, at)?;
        let header = u32_at(bytes, at + 4)? as usize;
        let size = usize::try_from(u64_at(bytes, at + 8)?).map_err(|_| bad("a fatbin entry is too long"))?;
        let packed_len = u32_at(bytes, at + 16)? as usize;
        let arch = u32_at(bytes, at + 28)?;
        let flags = u64_at(bytes, at + 40)?;
        let unpacked_len = u64_at(bytes, at + 56)?;
        let next = at.checked_add(header).and_then(|n| n.checked_add(size)).filter(|&n| header >= 64 && n <= end && n > at);
        let next = next.ok_or_else(|| bad("a fatbin entry is cut off"))?;
        let mut payload = &bytes[at + header..next];
        if flags & (FLAG_LZ4 | FLAG_ZSTD) != 0 {
            payload = payload.get(..packed_len).ok_or_else(|| bad("a fatbin entry is cut off"))?;
        }
        at = next;
        if kind != KIND_PTX {
            machine.push(arch);
        } else if arch > capability {
            newer.push(arch);
        } else if best.as_ref().is_none_or(|b| arch > b.arch) {
            best = Some(Entry { arch, flags, payload, unpacked_len });
        }
    }
    match best {
        Some(entry) => text(&unpack(&entry)?),
        None if !newer.is_empty() => Err(no_binary(&format!("PTX for {newer:?} only, and the device is {capability} (RINGWAY_SOFTGPU_CC raises it)"))),
        None => Err(no_binary(&format!("machine code for {machine:?} only"))),
    }
}

fn unpack(entry: &Entry<'_>) -> Result<Vec<u8>, ImageError> {
    if entry.unpacked_len >= TEXT_MAX {
        return Err(bad("a fatbin entry is too long"));
    }
    let len = entry.unpacked_len as usize;
    let short = || bad("a fatbin entry does not hold what its header states");
    if entry.flags & FLAG_LZ4 != 0 {
        if entry.unpacked_len > entry.payload.len() as u64 * LZ4_RATIO_MAX {
            return Err(short());
        }
        return lz4_flex::block::decompress(entry.payload, len).map_err(|e| bad(format!("a fatbin entry's LZ4 data is damaged: {e}")));
    }
    if entry.flags & FLAG_ZSTD != 0 {
        let damaged = |e: &dyn std::fmt::Display| bad(format!("a fatbin entry's zstd data is damaged: {e}"));
        let mut out = Vec::new();
        let reader = ruzstd::decoding::StreamingDecoder::new(entry.payload).map_err(|e| damaged(&e))?;
        // One byte more than stated is enough to see that there is more.
        reader.take(entry.unpacked_len + 1).read_to_end(&mut out).map_err(|e| damaged(&e))?;
        if out.len() != len {
            return Err(short());
        }
        return Ok(out);
    }
    Ok(entry.payload.to_vec())
}

/// The image of several texts linked together; `registers` bounds what a thread of its kernels may use, 0 does not. Of one text without a
/// bound it is that text itself.
pub fn linked(sources: &[String], registers: u32) -> Vec<u8> {
    if let ([one], 0) = (sources, registers) {
        let mut bytes = one.as_bytes().to_vec();
        bytes.push(0);
        return bytes;
    }
    let mut bytes = LINKED.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&u64::from(registers).to_le_bytes());
    for source in sources {
        bytes.extend_from_slice(&(source.len() as u64).to_le_bytes());
        bytes.extend_from_slice(source.as_bytes());
    }
    let len = bytes.len() as u64;
    bytes[8..16].copy_from_slice(&len.to_le_bytes());
    // In a container, so that whoever passes modules on knows how long it is.
    let mut image = CONTAINER.to_le_bytes().to_vec();
    image.extend_from_slice(&1u16.to_le_bytes());
    image.extend_from_slice(&(CONTAINER_HEADER as u16).to_le_bytes());
    image.extend_from_slice(&len.to_le_bytes());
    image.extend_from_slice(&bytes);
    image
}

/// What [`linked`] put into its container; None for other images.
fn linked_part(bytes: &[u8]) -> Option<&[u8]> {
    let body = bytes.get(CONTAINER_HEADER..).filter(|_| is_container(bytes))?;
    (read(body, 0).map(u64::from_le_bytes) == Some(LINKED)).then_some(body)
}

/// The bound on registers that an image made by [`linked`] carries; 0 for other images and without one.
pub fn register_bound(bytes: &[u8]) -> u32 {
    linked_part(bytes).and_then(|body| read(body, 16)).map_or(0, u64::from_le_bytes).try_into().unwrap_or(0)
}

fn unlink(bytes: &[u8]) -> Result<Sources, ImageError> {
    let (mut at, mut sources) = (LINKED_HEADER, Vec::new());
    while at < bytes.len() {
        let len = usize::try_from(u64_at(bytes, at)?).map_err(|_| bad("the image is cut off"))?;
        let end = (at + 8).checked_add(len).ok_or_else(|| bad("the image is cut off"))?;
        sources.push(text(bytes.get(at + 8..end).ok_or_else(|| bad("the image is cut off"))?)?);
        at = end;
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX80: &str = ".version 7.0\n.target sm_80\n.address_size 64\n// eighty\n";
    const PTX75: &str = ".version 7.0\n.target sm_75\n.address_size 64\n// seventy-five\n";
    const PTX90: &str = ".version 8.0\n.target sm_90\n.address_size 64\n// ninety\n";

    fn entry(kind: u16, arch: u32, flags: u64, payload: &[u8], unpacked: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let padded = payload.len().next_multiple_of(8);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(0x101u16.to_le_bytes());
        bytes.extend(64u32.to_le_bytes());
        bytes.extend((padded as u64).to_le_bytes());
        bytes.extend((if unpacked > 0 { payload.len() as u32 } else { 0 }).to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend([0, 0, 7, 0]);
        bytes.extend(arch.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(flags.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(unpacked.to_le_bytes());
        bytes.extend(payload);
        bytes.resize(64 + padded, 0);
        bytes
    }

    fn container(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = CONTAINER.to_le_bytes().to_vec();
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(16u16.to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// An LZ4 block of literals only.
    fn lz4(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if bytes.len() < 15 {
            out.push((bytes.len() as u8) << 4);
        } else {
            out.push(0xf0);
            let mut rest = bytes.len() - 15;
            while rest >= 255 {
                out.push(255);
                rest -= 255;
            }
            out.push(rest as u8);
        }
        out.extend(bytes);
        out
    }

    #[test]
    fn the_best_ptx_is_chosen() {
        let image = container(&[
            entry(2, 80, 0, b"\x7fELF machine code", 0),
            entry(1, 75, 0, PTX75.as_bytes(), 0),
            entry(1, 80, 0, PTX80.as_bytes(), 0),
            entry(1, 90, 0, PTX90.as_bytes(), 0),
        ]);
        assert_eq!(sources(&image, 80).unwrap(), [PTX80]);
        assert_eq!(sources(&image, 75).unwrap(), [PTX75]);
        assert_eq!(sources(&image, 120).unwrap(), [PTX90]);
    }

    #[test]
    fn compressed_entries() {
        let zstd = ruzstd::encoding::compress_to_vec(PTX80.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        for (flag, packed) in [(FLAG_LZ4, lz4(PTX80.as_bytes())), (FLAG_ZSTD, zstd)] {
            let image = container(&[entry(1, 80, flag | 0x11, &packed, PTX80.len() as u64)]);
            assert_eq!(sources(&image, 80).unwrap(), [PTX80], "flag {flag:#x}");
            // Cut and damaged images are refused, whatever the place.
            for cut in 0..image.len() {
                assert!(sources(&image[..cut], 80).is_err());
            }
            for at in 16..image.len() {
                let mut damaged = image.clone();
                damaged[at] ^= 0xff;
                let _ = sources(&damaged, 80);
            }
        }
    }

    #[test]
    fn what_cannot_run_says_why() {
        let machine = container(&[entry(2, 90, 0, b"\x7fELF", 0)]);
        let (code, text) = sources(&machine, 80).unwrap_err();
        assert_eq!(code, CUresult::NO_BINARY_FOR_GPU);
        assert!(text.contains("code=compute_80"));
        assert_eq!(sources(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", 80).unwrap_err().0, CUresult::NO_BINARY_FOR_GPU);
        assert!(sources(&container(&[entry(1, 90, 0, PTX90.as_bytes(), 0)]), 80).unwrap_err().1.contains("[90]"));
        assert_eq!(sources(b"hello", 80).unwrap_err().0, CUresult::INVALID_IMAGE);
        assert_eq!(sources(b"", 80).unwrap_err().0, CUresult::INVALID_IMAGE);
    }

    #[test]
    fn addresses_lead_to_the_same_bytes() {
        let image = container(&[entry(1, 80, 0, PTX80.as_bytes(), 0)]);
        let mut wrapper = WRAPPER.to_le_bytes().to_vec();
        wrapper.extend(1u32.to_le_bytes());
        wrapper.extend((image.as_ptr() as u64).to_le_bytes());
        wrapper.extend([0; 8]);
        // SAFETY: a complete wrapper, a complete container, a NUL-terminated text.
        unsafe {
            assert_eq!(bytes_at(wrapper.as_ptr() as u64).unwrap(), image);
            assert_eq!(bytes_at(image.as_ptr() as u64).unwrap(), image);
            assert_eq!(bytes_at(c"abc".as_ptr() as u64).unwrap(), b"abc");
        }
    }

    #[test]
    fn linked_texts_come_apart_again() {
        let texts = [PTX80.to_owned(), PTX75.to_owned()];
        for bound in [0, 40] {
            for count in [1, 2] {
                let image = linked(&texts[..count], bound);
                assert_eq!(sources(&image, 80).unwrap(), texts[..count]);
                assert_eq!(register_bound(&image), bound);
                // SAFETY: a NUL-terminated text or a complete container.
                let found = unsafe { bytes_at(image.as_ptr() as u64) }.unwrap();
                assert_eq!(sources(&found, 80).unwrap(), texts[..count]);
                for cut in 0..image.len() {
                    let _ = (sources(&image[..cut], 80), register_bound(&image[..cut]));
                }
            }
        }
    }
}
