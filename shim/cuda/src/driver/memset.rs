//! Memory sets: what CUDA rejects at once is rejected here, the rest is generated.

use crate::generated::memset as generated;
use ringway_api::CudaError;
use ringway_client::memory;

/// `height` rows of `width` elements, `pitch` bytes apart: within their allocation, aligned, not overlapping.
fn check(at: u64, pitch: usize, element_size: usize, width: usize, height: usize) -> Result<(), CudaError> {
    let row = width.checked_mul(element_size).ok_or(CudaError::INVALID_VALUE)?;
    let rows = height.saturating_sub(1).checked_mul(pitch).ok_or(CudaError::INVALID_VALUE)?;
    let bytes = rows.checked_add(row).ok_or(CudaError::INVALID_VALUE)? as u64;
    let misaligned = at % element_size as u64 != 0 || (height > 1 && pitch % element_size != 0);
    if at == 0 || misaligned || (height > 1 && pitch < row) || memory::exceeds(at, bytes) {
        return Err(CudaError::INVALID_VALUE);
    }
    Ok(())
}

macro_rules! memset {
    ($($flat:ident, $rows:ident, $auto_flat:ident, $auto_rows:ident, $value:ty;)*) => {$(
        pub unsafe fn $flat(dstDevice: u64, value: $value, N: usize, hStream: u64) -> Result<(), CudaError> {
            if N == 0 {
                return Ok(());
            }
            check(dstDevice, 0, size_of::<$value>(), N, 1)?;
            unsafe { generated::$auto_flat(dstDevice, value, N, hStream) }
        }

        pub unsafe fn $rows(
            dstDevice: u64,
            dstPitch: usize,
            value: $value,
            Width: usize,
            Height: usize,
            hStream: u64,
        ) -> Result<(), CudaError> {
            if Width == 0 || Height == 0 {
                return Ok(());
            }
            check(dstDevice, dstPitch, size_of::<$value>(), Width, Height)?;
            unsafe { generated::$auto_rows(dstDevice, dstPitch, value, Width, Height, hStream) }
        }
    )*};
}

memset! {
    cuMemsetD8Async, cuMemsetD2D8Async, auto_cuMemsetD8Async, auto_cuMemsetD2D8Async, u8;
    cuMemsetD16Async, cuMemsetD2D16Async, auto_cuMemsetD16Async, auto_cuMemsetD2D16Async, u16;
    cuMemsetD32Async, cuMemsetD2D32Async, auto_cuMemsetD32Async, auto_cuMemsetD2D32Async, u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sets_are_rejected() {
        assert_eq!(check(0x1000, 0, 4, 16, 1), Ok(()));
        assert_eq!(check(0x1002, 0, 4, 16, 1), Err(CudaError::INVALID_VALUE), "misaligned");
        assert_eq!(check(0, 0, 1, 16, 1), Err(CudaError::INVALID_VALUE), "null");
        assert_eq!(check(0x1000, 0, 4, usize::MAX, 1), Err(CudaError::INVALID_VALUE), "overflow");
        assert_eq!(check(0x1000, 16, 4, 8, 2), Err(CudaError::INVALID_VALUE), "rows overlap");
        assert_eq!(check(0x1000, 32, 4, 8, 2), Ok(()));
        assert_eq!(check(0x1000, 34, 4, 8, 2), Err(CudaError::INVALID_VALUE), "rows misaligned");
        assert_eq!(check(0x1000, usize::MAX, 1, 8, 3), Err(CudaError::INVALID_VALUE), "overflow of rows");
    }
}
