//! What both ends of a session agree on: layouts of memory, records, frames, handles and control messages.
//!
//! Nothing here does input or output but `control`, on a stream it is given. `WIRE.md` numbers the rules that `layout`,
//! `frame` and `path` hold.

#![forbid(unsafe_code)]

pub mod call;
pub mod codec;
pub mod control;
pub mod frame;
pub mod ids;
pub mod immediate;
pub mod layout;
pub mod measure;
pub mod path;
pub mod pool;
pub mod trace;
