//! The per-thread default stream: what `CU_STREAM_PER_THREAD` and the `_ptsz`/`_ptds` variants mean on this thread.

use crate::contexts;
use crate::objects::{self, Object};
use crate::submit::posted;
use ringway_api::{CudaError, Kind, op};
use ringway_wire::codec::Writer as _;
use std::cell::RefCell;

thread_local! {
    /// Context handle and stream handle.
    static OWN: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
}

/// This thread's own stream in the current context, made when it is first needed. It synchronises with the legacy
/// default stream, as CUDA's does (CUDA runtime API, "Stream synchronization behavior").
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT`; what posting the creation gives.
pub fn own_stream() -> Result<Object, CudaError> {
    let target = contexts::current()?;
    let context = contexts::current_handle();
    let known = OWN.with_borrow(|own| {
        own.iter()
            .find(|(of, _)| *of == context)
            .map(|(_, stream)| *stream)
    });
    if let Some(id) = known
        && let Ok(object) = objects::handle(Kind::Stream, id)
    {
        return Ok(object);
    }
    let new = objects::create(Kind::Stream, target)?;
    // CU_STREAM_DEFAULT
    posted(op::CU_STREAM_CREATE, target, 12, |w| {
        w.u64(new.id());
        w.u32(0);
    })?;
    let id = new.keep();
    OWN.with_borrow_mut(|own| {
        own.retain(|(of, _)| *of != context);
        own.push((context, id));
    });
    objects::handle(Kind::Stream, id)
}
