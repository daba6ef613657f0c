//! Access between devices: none between those of different servers, whose memory no kernel can reach.

use crate::generated::peer as generated;
use ringway_api::{CudaError, op};
use ringway_client::contexts::{self, Target};
use ringway_client::servers::are_apart;
use ringway_client::{called, device};
use ringway_wire::codec::{SliceWriter, Writer as _};

pub unsafe fn cuDeviceCanAccessPeer(canAccessPeer: *mut i32, dev: i32, peerDev: i32) -> Result<(), CudaError> {
    if are_apart(device(dev)?.target.lane, device(peerDev)?.target.lane) {
        return unsafe { super::put(canAccessPeer, 0) };
    }
    unsafe { generated::auto_cuDeviceCanAccessPeer(canAccessPeer, dev, peerDev) }
}

pub unsafe fn cuDeviceGetP2PAttribute(value: *mut i32, attrib: u32, srcDevice: i32, dstDevice: i32) -> Result<(), CudaError> {
    if are_apart(device(srcDevice)?.target.lane, device(dstDevice)?.target.lane) {
        return unsafe { super::put(value, 0) };
    }
    unsafe { generated::auto_cuDeviceGetP2PAttribute(value, attrib, srcDevice, dstDevice) }
}

/// The context whose memory is meant, and the current one, which is to reach it; whether they are on different servers.
fn contexts_of(peer: u64) -> Result<(u64, Target, bool), CudaError> {
    let (mine, theirs) = (contexts::current()?, Target::of_context(contexts::number(peer)?));
    Ok((peer, mine, are_apart(mine.lane, theirs.lane)))
}

pub unsafe fn cuCtxEnablePeerAccess(peerContext: u64, Flags: u32) -> Result<(), CudaError> {
    let (peer, mine, apart) = contexts_of(peerContext)?;
    if apart {
        return Err(CudaError::PEER_ACCESS_UNSUPPORTED);
    }
    let write = |w: &mut SliceWriter<'_>| {
        w.u64(peer);
        w.u32(Flags);
    };
    called(op::CU_CTX_ENABLE_PEER_ACCESS, mine, 12, write, |_| Ok(()))
}

pub unsafe fn cuCtxDisablePeerAccess(peerContext: u64) -> Result<(), CudaError> {
    let (peer, mine, apart) = contexts_of(peerContext)?;
    if apart {
        return Err(CudaError::PEER_ACCESS_NOT_ENABLED);
    }
    called(op::CU_CTX_DISABLE_PEER_ACCESS, mine, 8, |w| w.u64(peer), |_| Ok(()))
}
