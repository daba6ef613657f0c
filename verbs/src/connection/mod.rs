//! Bringing two queue pairs together.
//!
//! [`exchange`]: both ends send their [`Endpoint`](exchange::Endpoint) over any channel that they share already, a TCP
//! connection for instance. [`cm`]: the connection manager of librdmacm does it by an IP address and a port.

pub mod cm;
pub mod exchange;
