//! How long a program's module image is. CUDA gives a pointer without a size; the formats tell it.

use core::ffi::c_void;
use ringway_api::CudaError;

const FATBIN_WRAPPER: u32 = 0x4662_43b1;
const FATBIN: u32 = 0xba55_ed50;
const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");
/// No image is longer.
const BYTES_MAX: u64 = ringway_wire::call::BLOB_BYTES_MAX;

/// A module image in the program's memory.
pub struct Image {
    /// Its bytes: PTX text with its terminator, a cubin, or a fatbin container.
    pub bytes: &'static [u8],
    /// The program gave a wrapper around a fatbin container.
    pub wrapped: bool,
}

unsafe fn bytes(at: *const u8, length: u64) -> Result<&'static [u8], CudaError> {
    if length == 0 || length > BYTES_MAX {
        return Err(CudaError::INVALID_IMAGE);
    }
    // SAFETY: the image's own headers say that it is so long; the caller uses it before it returns to the program.
    Ok(unsafe { core::slice::from_raw_parts(at, length as usize) })
}

/// Finds the image that a pointer is to.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for null, `CUDA_ERROR_INVALID_IMAGE` for something that is no image.
///
/// # Safety
/// `image` must be what CUDA allows as a module image: text with a terminator, a cubin, a fatbin or its wrapper. The
/// result must not be used after the caller has returned to the program.
pub unsafe fn find(image: *const c_void) -> Result<Image, CudaError> {
    if image.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let at = image.cast::<u8>();
    let first = unsafe { at.read() };
    // Text can be shorter than a magic number.
    let is_binary = matches!(first, 0xb1 | 0x50 | 0x7f);
    if is_binary {
        match unsafe { at.cast::<u32>().read_unaligned() } {
            FATBIN_WRAPPER => {
                let container = unsafe { at.add(8).cast::<*const u8>().read_unaligned() };
                if container.is_null()
                    || unsafe { container.cast::<u32>().read_unaligned() } != FATBIN
                {
                    return Err(CudaError::INVALID_IMAGE);
                }
                return Ok(Image {
                    bytes: unsafe { fatbin(container) }?,
                    wrapped: true,
                });
            }
            FATBIN => {
                return Ok(Image {
                    bytes: unsafe { fatbin(at) }?,
                    wrapped: false,
                });
            }
            ELF => {
                return Ok(Image {
                    bytes: unsafe { elf(at) }?,
                    wrapped: false,
                });
            }
            _ => {}
        }
    }
    let text = unsafe { core::ffi::CStr::from_ptr(at.cast()) }.to_bytes_with_nul();
    Ok(Image {
        bytes: unsafe { bytes(at, text.len() as u64) }?,
        wrapped: false,
    })
}

/// Container: magic u32, version u16, header bytes u16, bytes behind the header u64.
unsafe fn fatbin(at: *const u8) -> Result<&'static [u8], CudaError> {
    let header = u64::from(unsafe { at.add(6).cast::<u16>().read_unaligned() });
    let body = unsafe { at.add(8).cast::<u64>().read_unaligned() };
    unsafe {
        bytes(
            at,
            header.checked_add(body).ok_or(CudaError::INVALID_IMAGE)?,
        )
    }
}

/// A 64-bit ELF file ends with its last section, program header or header table.
unsafe fn elf(at: *const u8) -> Result<&'static [u8], CudaError> {
    let half = |offset: usize| u64::from(unsafe { at.add(offset).cast::<u16>().read_unaligned() });
    let word = |offset: usize| unsafe { at.add(offset).cast::<u64>().read_unaligned() };
    let (programs, sections) = (word(32), word(40));
    let (program_bytes, program_count) = (half(54), half(56));
    let (section_bytes, section_count) = (half(58), half(60));
    let mut end =
        (programs + program_bytes * program_count).max(sections + section_bytes * section_count);
    if end > BYTES_MAX || section_bytes < 64 && section_count > 0 {
        return Err(CudaError::INVALID_IMAGE);
    }
    for index in 0..section_count {
        let header = (sections + index * section_bytes) as usize;
        // Type 8: no bytes in the file.
        if unsafe { at.add(header + 4).cast::<u32>().read_unaligned() } != 8 {
            end = end.max(word(header + 24).saturating_add(word(header + 32)));
        }
    }
    unsafe { bytes(at, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_containers() {
        let text = c".version 7.0";
        let image = unsafe { find(text.as_ptr().cast()) }.unwrap();
        assert_eq!(image.bytes, b".version 7.0\0");
        let mut container = Vec::new();
        container.extend_from_slice(&FATBIN.to_le_bytes());
        container.extend_from_slice(&1u16.to_le_bytes());
        container.extend_from_slice(&16u16.to_le_bytes());
        container.extend_from_slice(&4u64.to_le_bytes());
        container.extend_from_slice(b"abcd");
        let image = unsafe { find(container.as_ptr().cast()) }.unwrap();
        assert_eq!((image.bytes.len(), image.wrapped), (20, false));
        let wrapper: [u64; 3] = [
            u64::from(FATBIN_WRAPPER) | 1 << 32,
            container.as_ptr() as u64,
            0,
        ];
        let image = unsafe { find(wrapper.as_ptr().cast()) }.unwrap();
        assert_eq!((image.bytes, image.wrapped), (&container[..], true));
        container[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(unsafe { find(container.as_ptr().cast()) }.is_err());
        assert!(unsafe { find(core::ptr::null()) }.is_err());
    }
}
