//! Lanes over one TCP connection.

use crate::{ClientLane, LaneConfig, LinkError, Result, ServerLane};
use std::net::TcpStream;

/// The server's end over a connected and authenticated socket.
pub fn server(_socket: TcpStream, _config: &LaneConfig) -> Result<ServerLane> {
    Err(LinkError::Misuse("the tcp link is not built yet"))
}

/// The client's end over a connected and authenticated socket.
pub fn client(_socket: TcpStream, _config: &LaneConfig) -> Result<ClientLane> {
    Err(LinkError::Misuse("the tcp link is not built yet"))
}
