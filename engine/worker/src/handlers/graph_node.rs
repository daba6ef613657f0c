//! Graph nodes with parameters that hold pointers: kernels, copies within the device, host functions. Structures of the
//! driver are put together here from the record; no pointer comes from the client.

use super::array_copy::read_box;
use super::launch::{BUFFER_POINTER, BUFFER_SIZE, Shape, function, host_request, shape};
use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Malformed, Reader, Writer as _};
use std::ffi::c_void;

/// What every new node begins with: its id, the graph, the nodes before it.
struct Head {
    id: u64,
    graph: u64,
    after: Vec<u64>,
}

fn head(cx: &Cx<'_>, r: &mut Reader<'_>) -> Result<Head, Failure> {
    let id = r.u64()?;
    let graph = cx.handle(Kind::Graph, r.u64()?)?;
    let count = r.u32()? as usize;
    if r.left() / 8 < count {
        return Err(Malformed::TooShort {
            wanted: count.saturating_mul(8),
            left: r.left(),
        }
        .into());
    }
    let after = (0..count)
        .map(|_| Ok(cx.handle(Kind::GraphNode, r.u64()?)?))
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(Head { id, graph, after })
}

/// `CUDA_KERNEL_NODE_PARAMS`, version 2.
#[repr(C)]
struct KernelNodeParams {
    function: u64,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    kernel_params: *mut c_void,
    extra: *mut c_void,
    kernel: u64,
    context: u64,
}

/// Reads a kernel node's parameters and hands them to `use_them` in the driver's form.
fn with_kernel<T>(
    cx: &mut Cx<'_>,
    r: &mut Reader<'_>,
    use_them: impl FnOnce(&mut Cx<'_>, *const c_void) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let function = function(cx, r.u64()?)?;
    let Shape {
        grid,
        block,
        shared,
    } = shape(r)?;
    let params = r.bytes()?;
    r.end()?;
    let size = params.len();
    let mut extra = [
        BUFFER_POINTER,
        params.as_ptr() as usize,
        BUFFER_SIZE,
        (&raw const size) as usize,
        0,
    ];
    let node = KernelNodeParams {
        function,
        grid,
        block,
        shared,
        kernel_params: std::ptr::null_mut(),
        extra: extra.as_mut_ptr().cast(),
        kernel: 0,
        context: 0,
    };
    use_them(cx, (&raw const node).cast())
}

pub fn cuGraphAddKernelNode_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let Head { id, graph, after } = head(cx, r)?;
        with_kernel(cx, r, |cx, params| {
            let mut node = 0u64;
            driver_call!(
                cx.driver,
                cuGraphAddKernelNode_v2(
                    &raw mut node,
                    graph,
                    after.as_ptr().cast(),
                    after.len(),
                    params
                )
            )?;
            Ok(cx.insert(Kind::GraphNode, id, node)?)
        })
    };
    body(cx, r).into()
}

pub fn cuGraphKernelNodeSetParams_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let _of = r.u64()?;
        let node = cx.handle(Kind::GraphNode, r.u64()?)?;
        with_kernel(cx, r, |cx, params| {
            Ok(driver_call!(
                cx.driver,
                cuGraphKernelNodeSetParams_v2(node, params)
            )?)
        })
    };
    body(cx, r).into()
}

pub fn cuGraphExecKernelNodeSetParams_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let exec = cx.handle(Kind::GraphExec, r.u64()?)?;
        let node = cx.handle(Kind::GraphNode, r.u64()?)?;
        with_kernel(cx, r, |cx, params| {
            Ok(driver_call!(
                cx.driver,
                cuGraphExecKernelNodeSetParams_v2(exec, node, params)
            )?)
        })
    };
    body(cx, r).into()
}

pub fn cuGraphAddMemcpyNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let Head { id, graph, after } = head(cx, r)?;
        let context = cx.session.context(r.u32()?)?.raw;
        let copy = read_box(cx, r)?;
        r.end()?;
        let mut node = 0u64;
        let list = after.as_ptr().cast();
        driver_call!(
            cx.driver,
            cuGraphAddMemcpyNode(
                &raw mut node,
                graph,
                list,
                after.len(),
                (&raw const copy).cast(),
                context
            )
        )?;
        Ok(cx.insert(Kind::GraphNode, id, node)?)
    };
    body(cx, r).into()
}

pub fn cuGraphExecMemcpyNodeSetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let exec = cx.handle(Kind::GraphExec, r.u64()?)?;
        let node = cx.handle(Kind::GraphNode, r.u64()?)?;
        let context = cx.session.context(r.u32()?)?.raw;
        let copy = read_box(cx, r)?;
        r.end()?;
        Ok(driver_call!(
            cx.driver,
            cuGraphExecMemcpyNodeSetParams(exec, node, (&raw const copy).cast(), context)
        )?)
    };
    body(cx, r).into()
}

pub fn cuGraphAddHostNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let Head { id, graph, after } = head(cx, r)?;
        let function = r.u64()?;
        r.end()?;
        let (call, argument) = host_request(cx, function, true);
        // CUDA_HOST_NODE_PARAMS: function, argument.
        let params = [call as u64, argument as u64];
        let mut node = 0u64;
        driver_call!(
            cx.driver,
            cuGraphAddHostNode(
                &raw mut node,
                graph,
                after.as_ptr().cast(),
                after.len(),
                params.as_ptr().cast()
            )
        )?;
        Ok(cx.insert(Kind::GraphNode, id, node)?)
    };
    body(cx, r).into()
}

/// `CUgraphNodeParams` of a conditional node.
#[repr(C)]
struct ConditionalParams {
    kind: u32,
    reserved: [u32; 3],
    condition: u64,
    choice: u32,
    size: u32,
    bodies: *const u64,
    context: u64,
    rest: [u64; 25],
    end: u64,
}

const _: () = assert!(size_of::<ConditionalParams>() == 256);

/// Bodies that one conditional node may have.
const BODIES_MAX: u32 = 1024;

/// A conditional node; all other kinds have calls of their own.
pub fn cuGraphAddNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        /// `CU_GRAPH_NODE_TYPE_CONDITIONAL`.
        const CONDITIONAL: u32 = 13;
        let Head { id, graph, after } = head(cx, r)?;
        let (condition, choice, size) = (r.u64()?, r.u32()?, r.u32()?);
        let context = cx.session.context(r.u32()?)?.raw;
        r.end()?;
        if !(1..=BODIES_MAX).contains(&size) {
            return Err(CudaError::INVALID_VALUE.into());
        }
        let mut params = ConditionalParams {
            kind: CONDITIONAL,
            reserved: [0; 3],
            condition,
            choice,
            size,
            bodies: std::ptr::null(),
            context,
            rest: [0; 25],
            end: 0,
        };
        let mut node = 0u64;
        driver_call!(
            cx.driver,
            cuGraphAddNode(
                &raw mut node,
                graph,
                after.as_ptr().cast(),
                after.len(),
                (&raw mut params).cast()
            )
        )?;
        if params.bodies.is_null() {
            return Err(CudaError::UNKNOWN.into());
        }
        cx.insert(Kind::GraphNode, id, node)?;
        for index in 0..size as usize {
            // SAFETY: the driver's array of the node's bodies, as many as were asked for.
            let body = unsafe { params.bodies.add(index).read() };
            let found = cx.found(Kind::Graph, body)?;
            cx.reply.u64(found);
        }
        Ok(())
    };
    body(cx, r).into()
}
