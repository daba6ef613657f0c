//! Lanes over a reliable-connected queue pair. Setting up is here, what happens at every call in `link.rs`.
//!
//! The two ends agree over the connection on which the lane was asked for: each offers a queue pair and its window, or
//! says why it cannot; then each says whether it is connected. Where one end cannot, the connection itself becomes the
//! lane, and both know why.

mod ends;
mod link;

use crate::client::ClientLane;
use crate::link::Link;
use crate::server::ServerLane;
use crate::{DownCause, LaneConfig, LinkChoice, LinkError, LinkKind, Result, tcp};
use ends::Ends;
use link::RdmaLink;
use ringway_shm_ring::{Region, Span};
use ringway_wire::control::{self, ControlError, QueuePairOffer, QueuePairState};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

/// Bound of each wait for the peer while the queue pairs are set up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// The device and port that RDMA from and to `local`, an address of this machine, would use.
///
/// # Errors
/// Why there is none, and what to do about it.
pub fn usable_at(local: IpAddr) -> std::result::Result<String, String> {
    ends::find(local).map(|port| port.to_string())
}

/// The client's end over a connected and authenticated socket; TCP where a queue pair cannot be had, unless `only`.
/// Errors: `System` (also, if `only`, that there is no RDMA and why), `Down`.
pub fn client(socket: TcpStream, config: &LaneConfig, only: bool) -> Result<(ClientLane, LinkChoice)> {
    let own = window(config.geometry.client_window_bytes())?;
    let shadow = window(config.geometry.server_window_bytes())?;
    match set_up(&socket, (&own, &shadow), only)? {
        Ok((ends, choice)) => {
            let link = RdmaLink::new(socket, ends, (own.clone(), shadow.clone()), config, false)?;
            let link: Box<dyn Link> = Box::new(link);
            Ok((ClientLane::new(link, own, shadow, config), choice))
        }
        Err(choice) => Ok((tcp::client(socket, config)?, choice)),
    }
}

/// The server's end; as [`client`].
/// Errors: as [`client`].
pub fn server(socket: TcpStream, config: &LaneConfig, only: bool) -> Result<(ServerLane, LinkChoice)> {
    let own = window(config.geometry.server_window_bytes())?;
    let shadow = window(config.geometry.client_window_bytes())?;
    match set_up(&socket, (&own, &shadow), only)? {
        Ok((ends, choice)) => {
            let link = RdmaLink::new(socket, ends, (own.clone(), shadow.clone()), config, true)?;
            let link: Box<dyn Link> = Box::new(link);
            Ok((ServerLane::new(link, own, shadow, config), choice))
        }
        Err(choice) => Ok((tcp::server(socket, config)?, choice)),
    }
}

fn window(bytes: usize) -> Result<Span> {
    Region::anonymous(bytes).map(|region| region.span()).map_err(|error| LinkError::System {
        what: "window",
        error: error.to_string(),
    })
}

/// The queue pair, connected; or why the connection itself has to do.
fn set_up(
    socket: &TcpStream,
    (own, shadow): (&Span, &Span),
    only: bool,
) -> Result<std::result::Result<(Ends, LinkChoice), LinkChoice>> {
    let time_out = |timeout| {
        let set = socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout));
        set.map_err(|error| LinkError::system("time-out of the connection", error))
    };
    time_out(Some(SETUP_TIMEOUT))?;
    let outcome = agree(socket, (own, shadow))?;
    time_out(None)?;
    match outcome {
        Ok((ends, reason)) => {
            let choice = LinkChoice { kind: LinkKind::Rdma, reason };
            Ok(Ok((ends, choice)))
        }
        Err(reason) if only => Err(LinkError::System { what: "RDMA", error: reason }),
        Err(reason) => Ok(Err(LinkChoice { kind: LinkKind::Tcp, reason: format!("no RDMA: {reason}") })),
    }
}

fn agree(socket: &TcpStream, (own, shadow): (&Span, &Span)) -> Result<std::result::Result<(Ends, String), String>> {
    let local = socket.local_addr().map_err(|error| LinkError::system("address of the connection", error))?;
    let prepared = ends::prepare(local.ip(), own, shadow);
    let offer = match &prepared {
        Ok(prepared) => prepared.offer(),
        Err(why) => QueuePairOffer::Unable(why.clone()),
    };
    control::send(&mut &*socket, &offer).map_err(control_error)?;
    let theirs: QueuePairOffer = control::receive(&mut &*socket).map_err(control_error)?;
    let (prepared, theirs) = match (prepared, theirs) {
        (Err(why), _) => return Ok(Err(why)),
        (_, QueuePairOffer::Unable(why)) => return Ok(Err(format!("at the other end: {}", ends::printable(&why)))),
        (Ok(prepared), theirs) => (prepared, theirs),
    };
    let connected = prepared.connect(&theirs, shadow.len());
    let state = match &connected {
        Ok(_) => QueuePairState::Ready,
        Err(why) => QueuePairState::Failed(why.clone()),
    };
    control::send(&mut &*socket, &state).map_err(control_error)?;
    let theirs: QueuePairState = control::receive(&mut &*socket).map_err(control_error)?;
    Ok(match (connected, theirs) {
        (Ok(connected), QueuePairState::Ready) => Ok(connected),
        (Err(why), _) => Err(why),
        (_, QueuePairState::Failed(why)) => Err(format!("at the other end: {}", ends::printable(&why))),
    })
}

fn control_error(error: ControlError) -> LinkError {
    match error {
        ControlError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            LinkError::Down(DownCause::PeerClosed)
        }
        ControlError::Io(error) => LinkError::Down(DownCause::Transport(error.to_string())),
        ControlError::Malformed(_) | ControlError::TooLong(_) | ControlError::Magic(_) | ControlError::Version { .. } => {
            LinkError::misbehaved("W24", "an offer of a queue pair that makes no sense")
        }
        error => LinkError::Down(DownCause::Transport(error.to_string())),
    }
}
