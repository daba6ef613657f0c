//! In place of `passing.rs` on processors it is not written for: the plain forms alone.

use super::access::Place;
use super::code::OpFn;

pub(crate) fn float(op: OpFn, _name: &str, _flush: bool) -> OpFn {
    op
}
pub(crate) fn integer(op: OpFn, _name: &str, _signed: bool) -> OpFn {
    op
}
pub(crate) fn compare_float(op: OpFn, _name: &str, _flush: bool) -> OpFn {
    op
}
pub(crate) fn compare_integer(op: OpFn, _name: &str, _signed: bool) -> OpFn {
    op
}
pub(crate) fn select(op: OpFn) -> OpFn {
    op
}
pub(crate) fn word_access(op: OpFn, _store: bool, _wide_address: bool, _kind: u8) -> OpFn {
    op
}
pub(super) fn indexed_access<P: Place, const EXACT: bool>(op: OpFn, _store: bool) -> OpFn {
    op
}
pub(crate) fn shuffle(op: OpFn) -> OpFn {
    op
}
