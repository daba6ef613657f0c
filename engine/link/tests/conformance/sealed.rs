//! Lanes over a TCP connection whose bytes are sealed.

use crate::resumption::Network;
use crate::reset;
use ringway_link::socket::Socket;
use ringway_link::{ClientLane, LaneConfig, LinkError, Resumption, ServerLane, tcp};
use ringway_secure::record::{ConnectionKeys, KEYS_BYTES};
use std::net::TcpStream;

/// Two ends with keys of their own.
pub fn sockets() -> (Socket, Socket) {
    let (client, server) = crate::sockets();
    let keys = ConnectionKeys::from_slice(&ringway_secure::random::<KEYS_BYTES>().expect("random bytes")).expect("keys");
    (Socket::sealed(client, &keys, false), Socket::sealed(server, &keys, true))
}

pub fn pair(config: &LaneConfig) -> (ClientLane, ServerLane) {
    let (client, server) = sockets();
    (tcp::client(client, config).expect("client"), tcp::server(server, config).expect("server"))
}

pub fn breakable(config: &LaneConfig) -> (ClientLane, ServerLane, Box<dyn Network>) {
    let (a, b) = sockets();
    let network = SealedNetwork(a.stream().try_clone().expect("clone"));
    let client = tcp::client(a, config).expect("client");
    let server = tcp::server(b, config).expect("server");
    (client, server, Box::new(network))
}

struct SealedNetwork(TcpStream);

impl Network for SealedNetwork {
    fn cut(&mut self) {
        reset(&self.0);
    }

    fn close(&mut self) {
        self.0.shutdown(std::net::Shutdown::Both).expect("shutdown");
    }

    fn resume(self: Box<Self>, client: Resumption<'_>, server: Resumption<'_>) -> Result<Box<dyn Network>, LinkError> {
        let (a, b) = sockets();
        let network = SealedNetwork(a.stream().try_clone().expect("clone"));
        let (of_client, of_server) = (client.positions(), server.positions());
        tcp::resume(server, b, of_client)?;
        tcp::resume(client, a, of_server)?;
        Ok(Box::new(network))
    }
}
