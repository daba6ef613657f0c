//! Events: waiting and asking.

use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, handle};
use ringway_wire::codec::Writer as _;

pub unsafe fn cuEventQuery(hEvent: u64) -> Result<(), CudaError> {
    let event = handle(Kind::Event, hEvent)?;
    called(
        op::CU_EVENT_QUERY,
        event.target,
        8,
        |w| w.u64(event.id),
        |_| Ok(()),
    )
}

pub unsafe fn cuEventSynchronize(hEvent: u64) -> Result<(), CudaError> {
    let event = handle(Kind::Event, hEvent)?;
    called(
        op::CU_EVENT_SYNCHRONIZE,
        event.target,
        8,
        |w| w.u64(event.id),
        |_| Ok(()),
    )
}
