//! Kernels' attributes: setting them. Reading is answered in the client, from what `module::describe` told it.

use super::launch::function;
use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use ringway_wire::codec::Reader;

pub fn cuFuncSetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let function = function(cx, r.u64()?)?;
        let (attribute, value) = (r.u32()?, r.i32()?);
        r.end()?;
        Ok(driver_call!(
            cx.driver,
            cuFuncSetAttribute(function, attribute, value)
        )?)
    };
    body(cx, r).into()
}
