//! Memory sets: what CUDA rejects at once is rejected here, the rest is generated.

use super::across;
use crate::generated::memset as generated;
use ringway_api::CudaError;
use ringway_client::memory;
use ringway_client::servers::are_several;

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

/// A set in the default stream is made where the memory is; one in a stream, where that is.
macro_rules! where_it_is {
    ($address:ident, ($stream:ident), $set:expr) => {
        $set()
    };
    ($address:ident, (), $set:expr) => {
        if are_several()
            && let Some(context) = across::owner($address)?
        {
            across::within(context, $set)
        } else {
            $set()
        }
    };
}

macro_rules! memset {
    ($($name:ident = $auto:ident($value:ty $(, $stream:ident)?);)*) => {$(
        pub unsafe fn $name(dstDevice: u64, value: $value, N: usize $(, $stream: u64)?) -> Result<(), CudaError> {
            if N == 0 {
                return Ok(());
            }
            check(dstDevice, 0, size_of::<$value>(), N, 1)?;
            where_it_is!(dstDevice, ($($stream)?), || unsafe { generated::$auto(dstDevice, value, N $(, $stream)?) })
        }
    )*};
}

macro_rules! memset_rows {
    ($($name:ident = $auto:ident($value:ty $(, $stream:ident)?);)*) => {$(
        pub unsafe fn $name(
            dstDevice: u64,
            dstPitch: usize,
            value: $value,
            Width: usize,
            Height: usize
            $(, $stream: u64)?
        ) -> Result<(), CudaError> {
            if Width == 0 || Height == 0 {
                return Ok(());
            }
            check(dstDevice, dstPitch, size_of::<$value>(), Width, Height)?;
            where_it_is!(dstDevice, ($($stream)?), || unsafe { generated::$auto(dstDevice, dstPitch, value, Width, Height $(, $stream)?) })
        }
    )*};
}

memset! {
    cuMemsetD8 = auto_cuMemsetD8(u8);
    cuMemsetD16 = auto_cuMemsetD16(u16);
    cuMemsetD32 = auto_cuMemsetD32(u32);
    cuMemsetD8Async = auto_cuMemsetD8Async(u8, hStream);
    cuMemsetD16Async = auto_cuMemsetD16Async(u16, hStream);
    cuMemsetD32Async = auto_cuMemsetD32Async(u32, hStream);
}

memset_rows! {
    cuMemsetD2D8 = auto_cuMemsetD2D8(u8);
    cuMemsetD2D16 = auto_cuMemsetD2D16(u16);
    cuMemsetD2D32 = auto_cuMemsetD2D32(u32);
    cuMemsetD2D8Async = auto_cuMemsetD2D8Async(u8, hStream);
    cuMemsetD2D16Async = auto_cuMemsetD2D16Async(u16, hStream);
    cuMemsetD2D32Async = auto_cuMemsetD2D32Async(u32, hStream);
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
