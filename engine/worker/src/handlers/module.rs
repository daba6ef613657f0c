//! Modules: loaded from blobs, checked to end where their formats say, on a waiter thread because the driver may compile.
//! Kernels are described to the client (attributes, layout of parameters) when they are first looked up.

use crate::cx::{Cx, Failure, Handled, Outcome, ReplyTo};
use crate::driver_call;
use crate::overhead::When;
use crate::session::Session;
use ringway_api::{CudaError, Kind};
use ringway_wire::call::Status;
use ringway_wire::codec::{Malformed, Reader, VecWriter, Writer as _};
use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

/// Attributes of a function that the client learns: numbers below this.
const ATTRIBUTES: u32 = 16;
/// Bytes of each of the JIT's logs.
const LOG_BYTES: usize = 16 * 1024;
/// JIT options of one load at the most.
const OPTIONS_MAX: u32 = 64;

/// JIT options as the driver takes them, with logs of our own.
pub(super) struct Jit {
    options: Vec<u32>,
    values: Vec<u64>,
    info: Vec<u8>,
    error: Vec<u8>,
}

impl Jit {
    /// Reads the client's numbers and adds the logs.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Failure> {
        let count = r.u32()?;
        if count > OPTIONS_MAX {
            return Err(Malformed::Count {
                count: u64::from(count),
                limit: u64::from(OPTIONS_MAX),
            }
            .into());
        }
        let mut jit = Self {
            options: Vec::new(),
            values: Vec::new(),
            info: vec![0; LOG_BYTES],
            error: vec![0; LOG_BYTES],
        };
        for _ in 0..count {
            let (option, value) = (r.u32()?, r.u64()?);
            // Options with buffers or addresses are never the client's.
            if matches!(option, 3..=6 | 16..=18) {
                return Err(Malformed::Value(u64::from(option)).into());
            }
            jit.options.push(option);
            jit.values.push(value);
        }
        jit.options.extend([3, 4, 5, 6]);
        let (info, error) = (jit.info.as_mut_ptr() as u64, jit.error.as_mut_ptr() as u64);
        jit.values
            .extend([info, LOG_BYTES as u64, error, LOG_BYTES as u64]);
        Ok(jit)
    }

    pub(super) fn count(&self) -> u32 {
        self.options.len() as u32
    }

    pub(super) fn options(&mut self) -> *mut u32 {
        self.options.as_mut_ptr()
    }

    pub(super) fn values(&mut self) -> *mut c_void {
        self.values.as_mut_ptr().cast()
    }

    fn text(log: &[u8]) -> &[u8] {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        &log[..end]
    }

    /// The answer: result and both logs.
    pub(super) fn answer(&self, result: Result<(), CudaError>) -> VecWriter {
        let mut writer = Cx::answer();
        writer.u32(result.err().map_or(0, CudaError::code));
        writer.bytes(Self::text(&self.info));
        writer.bytes(Self::text(&self.error));
        writer
    }
}

const FATBIN_WRAPPER: u32 = 0x4662_43b1;

/// An image as the driver wants it: the blob, or a wrapper around it.
pub(super) struct Image {
    blob: Arc<Vec<u8>>,
    wrapper: Option<[u64; 3]>,
}

impl Image {
    pub(super) fn read(cx: &Cx<'_>, r: &mut Reader<'_>) -> Result<Self, Failure> {
        let wrapped = r.u8()? != 0;
        let hash = r.array::<32>()?;
        let blob = cx.session.blob(&hash).ok_or(CudaError::INVALID_IMAGE)?;
        // Text must be terminated where the driver looks for its end; the other formats tell their length, and a driver
        // that trusts a wrong one reads beyond it: those are checked here.
        if !well_formed(&blob, wrapped) {
            return Err(CudaError::INVALID_IMAGE.into());
        }
        if !cx.session.output.is_expected() && may_print(&blob) {
            cx.session.output.expect();
        }
        let wrapper =
            wrapped.then(|| [u64::from(FATBIN_WRAPPER) | 1 << 32, blob.as_ptr() as u64, 0]);
        Ok(Self { blob, wrapper })
    }

    pub(super) fn at(&self) -> *const c_void {
        match &self.wrapper {
            Some(wrapper) => wrapper.as_ptr().cast(),
            None => self.blob.as_ptr().cast(),
        }
    }
}

/// Whether an image may hold code that prints. Device code prints through `vprintf`, a name that PTX and the symbols of
/// a cubin show; a fatbin may be compressed, so it may always.
fn may_print(blob: &[u8]) -> bool {
    const NAME: &[u8] = b"vprintf";
    blob.starts_with(&[0x50, 0xed, 0x55, 0xba]) || blob.windows(NAME.len()).any(|part| part == NAME)
}

/// Whether a blob is an image that ends where it says.
fn well_formed(blob: &[u8], wrapped: bool) -> bool {
    let word = |at: usize| {
        blob.get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map(u64::from_le_bytes)
    };
    match blob.get(..4) {
        Some([0x50, 0xed, 0x55, 0xba]) => {
            let header = blob
                .get(6..8)
                .map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
            header
                .zip(word(8))
                .and_then(|(header, body)| header.checked_add(body))
                == Some(blob.len() as u64)
        }
        Some(b"\x7fELF") => !wrapped && blob.len() >= 64,
        _ => !wrapped && blob.last() == Some(&0),
    }
}

pub fn cuModuleLoadDataEx(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        let image = Image::read(cx, r)?;
        let mut jit = Jit::read(r)?;
        r.end()?;
        let (context, gpu) = (cx.header.ctx, cx.context()?.gpu);
        // Compiling may take long.
        cx.offload(move |session, reply| {
            let mut raw = 0u64;
            let result = driver_call!(
                session.driver,
                cuModuleLoadDataEx(
                    &raw mut raw,
                    image.at(),
                    jit.count(),
                    jit.options(),
                    jit.values()
                )
            )
            .and_then(|()| {
                if session.has_room(gpu) {
                    return Ok(());
                }
                // Its variables and code do not fit into the slice.
                let _ = driver_call!(session.driver, cuModuleUnload(raw));
                session.count_overhead(gpu, When::Now);
                Err(CudaError::OUT_OF_MEMORY)
            })
            .and_then(|()| session.handles.insert(Kind::Module, id, raw, context));
            reply.send(session, Status::of(0), jit.answer(result).as_slice());
        })
    };
    body(cx, r).into()
}

pub fn cuModuleUnload(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        r.end()?;
        let raw = cx.handle(Kind::Module, id)?;
        let gpu = cx.context()?.gpu;
        cx.remove(Kind::Module, id);
        // Unloading waits for the module's kernels.
        let unloading = cx.session.unload_begins();
        cx.offload(move |session, reply| {
            let result = driver_call!(session.driver, cuModuleUnload(raw));
            session.count_overhead(gpu, When::Now);
            drop(unloading);
            reply.result(session, result);
        })
    };
    body(cx, r).into()
}

/// Writes what the client learns of a kernel: attributes, then parameters.
pub(super) fn describe(
    writer: &mut VecWriter,
    attribute: impl Fn(&mut i32, u32) -> Result<(), CudaError>,
    param: impl Fn(usize, &mut usize, &mut usize) -> Result<(), CudaError>,
) -> Result<(), CudaError> {
    for number in 0..ATTRIBUTES {
        let mut value = 0;
        let known = attribute(&mut value, number).is_ok();
        writer.i32(if known { value } else { i32::MIN });
    }
    let mut params = Vec::new();
    // CUDA allows 4 KiB to 32 KiB of parameters, so there is an end.
    for index in 0..32768 {
        let (mut offset, mut bytes) = (0, 0);
        match param(index, &mut offset, &mut bytes) {
            Ok(()) => params.push((offset as u32, bytes as u32)),
            Err(CudaError::INVALID_VALUE) => break,
            Err(code) => return Err(code),
        }
    }
    writer.u32(params.len() as u32);
    for (offset, bytes) in params {
        writer.u32(offset);
        writer.u32(bytes);
    }
    Ok(())
}

/// Describes a driver's function.
pub(super) fn describe_function(
    session: &Session,
    writer: &mut VecWriter,
    function: u64,
) -> Result<(), CudaError> {
    let driver = &session.driver;
    describe(
        writer,
        |value, number| driver_call!(driver, cuFuncGetAttribute(value, number, function)),
        |index, offset, bytes| {
            driver_call!(driver, cuFuncGetParamInfo(function, index, offset, bytes))
        },
    )
}

pub fn cuModuleGetFunction(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let module = cx.handle(Kind::Module, r.u64()?)?;
        let id = r.u64()?;
        let name = r.c_string()?;
        r.end()?;
        let mut function = 0u64;
        driver_call!(
            cx.driver,
            cuModuleGetFunction(&raw mut function, module, name.as_ptr())
        )?;
        describe_function(cx.session, &mut cx.reply, function)?;
        Ok(cx.insert(Kind::Function, id, function)?)
    };
    body(cx, r).into()
}

pub fn cuModuleGetGlobal(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let module = cx.handle(Kind::Module, r.u64()?)?;
        let name = r.c_string()?;
        r.end()?;
        let (mut address, mut bytes) = (0u64, 0usize);
        driver_call!(
            cx.driver,
            cuModuleGetGlobal(&raw mut address, &raw mut bytes, module, name.as_ptr())
        )?;
        cx.reply.u64(address);
        cx.reply.usize(bytes);
        Ok(())
    };
    body(cx, r).into()
}

/// Writes the names of kernels.
pub(super) fn names(
    cx: &mut Cx<'_>,
    list: &[u64],
    name: impl Fn(&mut *const c_char, u64) -> Result<(), CudaError>,
) -> Result<(), Failure> {
    let list: Vec<u64> = list.iter().copied().filter(|raw| *raw != 0).collect();
    cx.reply.u32(list.len() as u32);
    for raw in list {
        let mut text = std::ptr::null();
        name(&mut text, raw)?;
        if text.is_null() {
            return Err(CudaError::UNKNOWN.into());
        }
        // SAFETY: the driver gives a terminated string that lives as long as the module.
        cx.reply.bytes(unsafe { CStr::from_ptr(text) }.to_bytes());
    }
    Ok(())
}

/// Kernels that are listed in one call at the most.
pub(super) const LIST_MAX: u32 = 1 << 16;

pub fn cuModuleEnumerateFunctions(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let module = cx.handle(Kind::Module, r.u64()?)?;
        let room = r.u32()?.min(LIST_MAX);
        r.end()?;
        let mut list = vec![0u64; room as usize];
        driver_call!(
            cx.driver,
            cuModuleEnumerateFunctions(list.as_mut_ptr(), room, module)
        )?;
        let driver = cx.driver;
        names(cx, &list, |text, raw| {
            driver_call!(driver, cuFuncGetName(std::ptr::from_mut(text).cast(), raw))
        })
    };
    body(cx, r).into()
}

/// Sends an answer that was written on a waiter thread.
pub(super) fn send(
    reply: &ReplyTo,
    session: &Session,
    result: Result<(), CudaError>,
    writer: &VecWriter,
) {
    match result {
        Ok(()) => reply.send(session, Status::of(0), writer.as_slice()),
        Err(code) => reply.send(session, Status::of(code.code()), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::{may_print, well_formed};

    #[test]
    fn code_that_may_print_is_known() {
        assert!(may_print(b".extern .func (.param .b32 r) vprintf (\0"));
        assert!(may_print(b"\x7fELF...vprintf\0"));
        assert!(may_print(&[0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0]));
        assert!(!may_print(b".visible .entry f() { ret; }\0"));
        assert!(!may_print(b""));
    }

    #[test]
    fn images_end_where_they_say() {
        assert!(well_formed(b".version 8.0\0", false));
        assert!(!well_formed(b".version 8.0", false));
        assert!(!well_formed(b"", false));
        let mut fatbin = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
        fatbin.extend_from_slice(&4u64.to_le_bytes());
        fatbin.extend_from_slice(b"abcd");
        assert!(well_formed(&fatbin, true) && well_formed(&fatbin, false));
        fatbin[8] = 5;
        assert!(!well_formed(&fatbin, true));
        assert!(!well_formed(b".text\0", true));
    }
}
