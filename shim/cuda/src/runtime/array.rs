//! CUDA arrays: allocation and description.
//!
//! Source: CUDA Runtime API, "Memory Management" (`cudaMallocArray` and relatives). Extents in elements.

use super::context::ready;
use super::entry::{api, present, put};
use super::error::{self, Outcome, check};
use super::types::Extent;
use crate::driver_table::Driver;

/// `cudaChannelFormatDesc`: bits of each component; `kind` is a `cudaChannelFormatKind`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelDesc {
    pub x: i32,
    pub y: i32,
    pub z: i32,
    pub w: i32,
    pub kind: u32,
}

/// `CUDA_ARRAY3D_DESCRIPTOR`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ArrayDescriptor {
    pub width: usize,
    pub height: usize,
    pub depth: usize,
    pub format: u32,
    pub channels: u32,
    pub flags: u32,
}

/// `cudaChannelFormatKind`, `CUarray_format` and bits of a component, for each format that both know.
const FORMATS: [(u32, u32, i32); 8] = [
    (1, 0x01, 8),
    (1, 0x02, 16),
    (1, 0x03, 32),
    (0, 0x08, 8),
    (0, 0x09, 16),
    (0, 0x0a, 32),
    (2, 0x10, 16),
    (2, 0x20, 32),
];

/// The driver's format and count of channels.
///
/// # Errors
/// `cudaErrorInvalidChannelDescriptor` where the components differ in size or no such format exists.
pub fn driver_format(channels: &ChannelDesc) -> Outcome<(u32, u32)> {
    let bits = [channels.x, channels.y, channels.z, channels.w];
    let count = bits.iter().take_while(|&&size| size != 0).count();
    if count == 0
        || count == 3
        || bits[..count].iter().any(|&size| size != bits[0])
        || bits[count..].iter().any(|&size| size != 0)
    {
        return Err(error::INVALID_CHANNEL_DESCRIPTOR);
    }
    FORMATS
        .iter()
        .find(|(kind, _, size)| *kind == channels.kind && *size == bits[0])
        .map(|&(_, format, _)| {
            (
                format,
                if count == 1 {
                    1
                } else if count == 2 {
                    2
                } else {
                    4
                },
            )
        })
        .ok_or(error::INVALID_CHANNEL_DESCRIPTOR)
}

/// The runtime's description of a driver format.
fn runtime_format(descriptor: &ArrayDescriptor) -> Outcome<ChannelDesc> {
    let &(kind, _, bits) = FORMATS
        .iter()
        .find(|(_, format, _)| *format == descriptor.format)
        .ok_or(error::INVALID_CHANNEL_DESCRIPTOR)?;
    let component = |index: u32| if index < descriptor.channels { bits } else { 0 };
    Ok(ChannelDesc {
        x: component(0),
        y: component(1),
        z: component(2),
        w: component(3),
        kind,
    })
}

/// Bytes of one element.
pub fn element_bytes(descriptor: &ArrayDescriptor) -> Outcome<usize> {
    let &(_, _, bits) = FORMATS
        .iter()
        .find(|(_, format, _)| *format == descriptor.format)
        .ok_or(error::INVALID_CHANNEL_DESCRIPTOR)?;
    Ok(usize::try_from(bits / 8).unwrap_or(0) * descriptor.channels as usize)
}

/// What an array is.
pub fn descriptor(driver: &Driver, array: u64) -> Outcome<ArrayDescriptor> {
    let mut descriptor = ArrayDescriptor::default();
    // SAFETY: one output of the documented layout.
    check(unsafe { (driver.cuArray3DGetDescriptor_v2)((&raw mut descriptor).cast(), array) })?;
    Ok(descriptor)
}

/// The driver's description of an array to be made.
unsafe fn described(
    channels: *const ChannelDesc,
    extent: Extent,
    flags: u32,
) -> Outcome<ArrayDescriptor> {
    present(channels)?;
    // SAFETY: present, and otherwise the caller's promise.
    let (format, count) = driver_format(unsafe { &*channels })?;
    Ok(ArrayDescriptor {
        width: extent.width,
        height: extent.height,
        depth: extent.depth,
        format,
        channels: count,
        flags,
    })
}

unsafe fn create(
    array: *mut u64,
    channels: *const ChannelDesc,
    extent: Extent,
    flags: u32,
) -> Outcome {
    present(array)?;
    // SAFETY: as the caller promises.
    let descriptor = unsafe { described(channels, extent, flags) }?;
    let driver = ready()?;
    // SAFETY: a complete description and one output.
    check(unsafe { (driver.cuArray3DCreate_v2)(array, (&raw const descriptor).cast()) })
}

api! {
    fn cudaMallocArray(array: *mut u64, channels: *const ChannelDesc, width: usize, height: usize, flags: u32) {
        create(array, channels, Extent { width, height, depth: 0 }, flags)
    }

    fn cudaMalloc3DArray(array: *mut u64, channels: *const ChannelDesc, extent: Extent, flags: u32) {
        create(array, channels, extent, flags)
    }

    fn cudaFreeArray(array: u64) {
        let driver = ready()?;
        if array == 0 {
            return Ok(());
        }
        check((driver.cuArrayDestroy)(array))
    }

    fn cudaMallocMipmappedArray(mipmap: *mut u64, channels: *const ChannelDesc, extent: Extent, levels: u32, flags: u32) {
        present(mipmap)?;
        let descriptor = described(channels, extent, flags)?;
        check((ready()?.cuMipmappedArrayCreate)(mipmap, (&raw const descriptor).cast(), levels))
    }

    fn cudaGetMipmappedArrayLevel(array: *mut u64, mipmap: u64, level: u32) {
        present(array)?;
        check((ready()?.cuMipmappedArrayGetLevel)(array, mipmap, level))
    }

    fn cudaFreeMipmappedArray(mipmap: u64) {
        let driver = ready()?;
        if mipmap == 0 {
            return Ok(());
        }
        check((driver.cuMipmappedArrayDestroy)(mipmap))
    }

    fn cudaGetChannelDesc(channels: *mut ChannelDesc, array: u64) {
        put(channels, runtime_format(&descriptor(ready()?, array)?)?)
    }

    fn cudaArrayGetInfo(channels: *mut ChannelDesc, extent: *mut Extent, flags: *mut u32, array: u64) {
        let descriptor = descriptor(ready()?, array)?;
        if !channels.is_null() {
            *channels = runtime_format(&descriptor)?;
        }
        if !extent.is_null() {
            *extent = Extent { width: descriptor.width, height: descriptor.height, depth: descriptor.depth };
        }
        if !flags.is_null() {
            *flags = descriptor.flags;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_pass_to_the_driver_and_back() {
        for (kind, format, bits) in FORMATS {
            let channels = ChannelDesc {
                x: bits,
                y: bits,
                z: 0,
                w: 0,
                kind,
            };
            assert_eq!(driver_format(&channels), Ok((format, 2)));
            let descriptor = ArrayDescriptor {
                format,
                channels: 2,
                ..ArrayDescriptor::default()
            };
            assert_eq!(runtime_format(&descriptor), Ok(channels));
            assert_eq!(
                element_bytes(&descriptor),
                Ok(usize::try_from(bits).unwrap() / 4)
            );
        }
        assert_eq!(
            driver_format(&ChannelDesc {
                x: 8,
                y: 16,
                z: 0,
                w: 0,
                kind: 1
            }),
            Err(error::INVALID_CHANNEL_DESCRIPTOR)
        );
        assert_eq!(
            driver_format(&ChannelDesc {
                x: 8,
                y: 8,
                z: 8,
                w: 0,
                kind: 1
            }),
            Err(error::INVALID_CHANNEL_DESCRIPTOR)
        );
    }
}
