//! Libraries and their kernels. Loading may compile, so it runs on a waiter thread, and so does the first look at a kernel.

use super::module::{Image, Jit, LIST_MAX, describe, describe_function, names, send};
use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use ringway_api::Kind;
use ringway_wire::call::Status;
use ringway_wire::codec::{Reader, Writer as _};

pub fn cuLibraryLoadData(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        let image = Image::read(cx, r)?;
        let mut jit = Jit::read(r)?;
        r.end()?;
        cx.offload(move |session, reply| {
            let mut raw = 0u64;
            let null = std::ptr::null_mut();
            let result = driver_call!(
                session.driver,
                cuLibraryLoadData(
                    &raw mut raw,
                    image.at(),
                    jit.options(),
                    jit.values(),
                    jit.count(),
                    std::ptr::null_mut(),
                    null,
                    0
                )
            )
            // A library belongs to no context.
            .and_then(|()| session.handles.insert(Kind::Library, id, raw, 0));
            reply.send(session, Status::of(0), jit.answer(result).as_slice());
        })
    };
    body(cx, r).into()
}

pub fn cuLibraryUnload(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        r.end()?;
        let raw = cx.handle(Kind::Library, id)?;
        cx.remove(Kind::Library, id);
        cx.offload(move |session, reply| {
            reply.result(session, driver_call!(session.driver, cuLibraryUnload(raw)))
        })
    };
    body(cx, r).into()
}

pub fn cuLibraryGetKernel(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let library = cx.handle(Kind::Library, r.u64()?)?;
        let id = r.u64()?;
        let name = r.c_string()?;
        r.end()?;
        let device = cx.session.slices[cx.context()?.gpu].server_ordinal as i32;
        // The driver may load (and compile) the kernel only now.
        cx.offload(move |session, reply| {
            let driver = &session.driver;
            let mut kernel = 0u64;
            let mut writer = Cx::answer();
            let result = driver_call!(
                driver,
                cuLibraryGetKernel(&raw mut kernel, library, name.as_ptr())
            )
            .and_then(|()| {
                describe(
                    &mut writer,
                    |value, number| {
                        driver_call!(driver, cuKernelGetAttribute(value, number, kernel, device))
                    },
                    |index, offset, bytes| {
                        driver_call!(driver, cuKernelGetParamInfo(kernel, index, offset, bytes))
                    },
                )
            })
            .and_then(|()| session.handles.insert(Kind::Kernel, id, kernel, 0));
            send(reply, session, result, &writer);
        })
    };
    body(cx, r).into()
}

pub fn cuLibraryEnumerateKernels(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let library = cx.handle(Kind::Library, r.u64()?)?;
        let room = r.u32()?.min(LIST_MAX);
        r.end()?;
        let mut list = vec![0u64; room as usize];
        driver_call!(
            cx.driver,
            cuLibraryEnumerateKernels(list.as_mut_ptr(), room, library)
        )?;
        let driver = cx.driver;
        names(cx, &list, |text, raw| {
            driver_call!(
                driver,
                cuKernelGetName(std::ptr::from_mut(text).cast(), raw)
            )
        })
    };
    body(cx, r).into()
}

pub fn cuLibraryGetModule(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let library = cx.handle(Kind::Library, r.u64()?)?;
        let id = r.u64()?;
        r.end()?;
        let mut module = 0u64;
        driver_call!(cx.driver, cuLibraryGetModule(&raw mut module, library))?;
        Ok(cx.insert(Kind::Module, id, module)?)
    };
    body(cx, r).into()
}

pub fn cuKernelGetFunction(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let kernel = cx.handle(Kind::Kernel, r.u64()?)?;
        let id = r.u64()?;
        r.end()?;
        let mut function = 0u64;
        driver_call!(cx.driver, cuKernelGetFunction(&raw mut function, kernel))?;
        describe_function(cx.session, &mut cx.reply, function)?;
        Ok(cx.insert(Kind::Function, id, function)?)
    };
    body(cx, r).into()
}

pub fn cuLibraryGetGlobal(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let library = cx.handle(Kind::Library, r.u64()?)?;
        let name = r.c_string()?;
        r.end()?;
        let (mut address, mut bytes) = (0u64, 0usize);
        driver_call!(
            cx.driver,
            cuLibraryGetGlobal(&raw mut address, &raw mut bytes, library, name.as_ptr())
        )?;
        cx.reply.u64(address);
        cx.reply.usize(bytes);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuKernelSetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let (attribute, value) = (r.u32()?, r.i32()?);
        let kernel = cx.handle(Kind::Kernel, r.u64()?)?;
        let device = cx.device(r.i32()?)?;
        r.end()?;
        Ok(driver_call!(
            cx.driver,
            cuKernelSetAttribute(attribute, value, kernel, device)
        )?)
    };
    body(cx, r).into()
}
