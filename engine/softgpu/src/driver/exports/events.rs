//! Events.

use crate::driver::abi::*;
use crate::driver::capture;
use crate::driver::context::current;
use crate::driver::entry::export;
use crate::driver::event::{self, EVENTS, Record, Recorded};
use crate::driver::op::Op;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::{self, Mark, Stream};
use std::sync::Arc;

export! {
    cuEventCreate [cuEventCreate] [] |_d| (phEvent: Out<CUevent>, flags: u32) {
        phEvent.required()?;
        phEvent.put(CUevent(event::create(flags)?))
    }
    cuEventRecord [cuEventRecord] [cuEventRecord_ptsz] |d| (hEvent: CUevent, hStream: CUstream) { record(hEvent, hStream, d, 0) }
    cuEventRecordWithFlags [cuEventRecordWithFlags] [cuEventRecordWithFlags_ptsz] |d| (hEvent: CUevent, hStream: CUstream, flags: u32) {
        record(hEvent, hStream, d, flags)
    }
    cuEventQuery [cuEventQuery] [] |_d| (hEvent: CUevent) { EVENTS.get(hEvent.0)?.query() }
    cuEventSynchronize [cuEventSynchronize] [] |_d| (hEvent: CUevent) { EVENTS.get(hEvent.0)?.synchronize() }
    cuEventDestroy [cuEventDestroy cuEventDestroy_v2] [] |_d| (hEvent: CUevent) { event::destroy(hEvent.0) }
    cuIpcGetEventHandle [cuIpcGetEventHandle] [] |_d| (pHandle: Out<CUipcHandle>, event: CUevent) {
        pHandle.required()?;
        current()?;
        let shared = EVENTS.get(event.0)?.shared.clone().ok_or(CUresult::INVALID_VALUE)?;
        pHandle.put(CUipcHandle { bytes: shared.export()? })
    }
    cuIpcOpenEventHandle [cuIpcOpenEventHandle] [] |_d| (phEvent: Out<CUevent>, handle: CUipcHandle) {
        phEvent.required()?;
        phEvent.put(CUevent(event::open(&handle.bytes)?))
    }
    cuEventElapsedTime [cuEventElapsedTime cuEventElapsedTime_v2] [] |_d| (pMilliseconds: Out<f32>, hStart: CUevent, hEnd: CUevent) {
        pMilliseconds.required()?;
        pMilliseconds.put(event::elapsed(hStart.0, hEnd.0)?)
    }
}

fn record(handle: CUevent, stream: CUstream, default: CUstream, flags: u32) -> R {
    ensure(flags & !1 == 0, CUresult::INVALID_VALUE)?;
    let (stream, ctx) = stream::resolve(stream, default)?;
    let event = EVENTS.get(handle.0)?;
    ensure(event.ctx == ctx.handle, CUresult::INVALID_HANDLE)?;
    if capture::record_event(&stream, &event, flags & 1 == 1)? {
        return Ok(());
    }
    record_after(handle, &stream, Vec::new())
}

/// Records into `stream`, after the given marks as well.
pub fn record_after(handle: CUevent, stream: &Arc<Stream>, after: Vec<Mark>) -> R {
    let event = EVENTS.get(handle.0)?;
    let record = Arc::new(Record::of(&event));
    let mut state = event.state.lock();
    let mark = stream.submit(Op::Record(Arc::clone(&record)), after);
    *state = Recorded::Stream(record, mark);
    Ok(())
}
