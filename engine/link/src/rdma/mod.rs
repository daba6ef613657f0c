//! Lanes over a reliable-connected queue pair. Setting up is here and in `ends.rs`, what happens at every call in `link/`.
//!
//! The two ends agree over the connection on which the lane was asked for: each offers a queue pair and its window, or
//! says why it cannot; then each says whether it is connected. Where one end cannot, the connection itself becomes the
//! link, and both know why (rule W24).

mod chain;
mod ends;
mod link;
mod transfer;

pub use transfer::{Direction, Job, Part, Registration, TransferError, Transfers};

use crate::client::ClientLane;
use crate::lane::{Positions, Resumption, Start, Windows};
use crate::link::Link;
use crate::server::ServerLane;
use crate::socket::Socket;
use crate::{DownCause, LaneConfig, LinkChoice, LinkError, LinkKind, Result, tcp};
use ends::Ends;
use link::RdmaLink;
use ringway_wire::control::{self, ControlError, QueuePairOffer, QueuePairState};
use std::net::IpAddr;
use std::time::Duration;

/// Bound of each wait for the peer while the queue pairs are set up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// The device and port that RDMA from and to `local`, an address of this machine, would use.
///
/// # Errors
/// Why there is none, and what to do about it.
pub fn usable_at(local: IpAddr) -> std::result::Result<String, String> {
    ends::find(local).map(|route| route.to_string())
}

/// The client's end over a connected and authenticated socket; TCP where a queue pair cannot be had, unless `only`.
/// Errors: `System` (also, if `only`, that there is no RDMA and why), `Down`.
pub fn client(socket: impl Into<Socket>, config: &LaneConfig, only: bool) -> Result<(ClientLane, LinkChoice)> {
    let windows = Windows::private(false, config)?;
    let (link, choice) = connect(socket.into(), &windows, Start::default(), only)?;
    Ok((ClientLane::new(link, windows), choice))
}

/// The server's end; as [`client`].
/// Errors: as [`client`].
pub fn server(socket: impl Into<Socket>, config: &LaneConfig, only: bool) -> Result<(ServerLane, LinkChoice)> {
    let windows = Windows::private(true, config)?;
    let (link, choice) = connect(socket.into(), &windows, Start::default(), only)?;
    Ok((ServerLane::new(link, windows), choice))
}

/// Either end: continues a lane whose link broke; as [`client`], and as [`tcp::resume`]. How long the lane was suspended.
/// Errors: as [`client`]; `Down` also if the lane ended meanwhile or the peer broke rule W17.
pub fn resume(
    resumption: Resumption<'_>,
    socket: impl Into<Socket>,
    peer: Positions,
    only: bool,
) -> Result<(Duration, LinkChoice)> {
    let mut chosen = None;
    let pause = resumption.with(peer, |windows, start| {
        let (link, choice) = connect(socket.into(), windows, start, only)?;
        chosen = Some(choice);
        Ok(link)
    })?;
    match chosen {
        Some(choice) => Ok((pause, choice)),
        None => Err(LinkError::Misuse("a lane resumed without a link")),
    }
}

/// A link over a queue pair; or, if one end cannot and not `only`, over the socket itself.
fn connect(
    mut socket: Socket,
    windows: &Windows,
    start: Start,
    only: bool,
) -> Result<(Box<dyn Link>, LinkChoice)> {
    tcp::settle(socket.stream())?;
    let time_out = |socket: &Socket, timeout| {
        let set = socket.set_timeouts(timeout);
        set.map_err(|error| LinkError::system("time-outs", error))
    };
    time_out(&socket, Some(SETUP_TIMEOUT))?;
    let scanner = RdmaLink::scanner(windows, start)?;
    let agreed = agree(&mut socket, windows, start.number)?;
    time_out(&socket, None)?;
    match agreed {
        Ok((ends, reason)) => {
            let link = RdmaLink::new(socket.into_parts().0, ends, windows, start, scanner)?;
            let choice = LinkChoice {
                kind: LinkKind::Rdma,
                reason,
            };
            Ok((Box::new(link), choice))
        }
        Err(why) if only => Err(LinkError::System {
            what: "RDMA",
            error: why,
        }),
        Err(why) => {
            let choice = LinkChoice {
                kind: LinkKind::Tcp,
                reason: format!("no RDMA: {why}"),
            };
            Ok((tcp::link(socket, windows, start)?, choice))
        }
    }
}

/// The queue pair, connected, and how its bytes travel; or why there is none.
/// Errors: the connection failed, or the peer makes no sense.
fn agree(
    socket: &mut Socket,
    windows: &Windows,
    number: u64,
) -> Result<std::result::Result<(Ends, String), String>> {
    let local = socket
        .stream()
        .local_addr()
        .map_err(|error| LinkError::system("address of the connection", error))?;
    let prepared = ends::prepare(local.ip(), windows);
    let offer = match &prepared {
        Ok(prepared) => prepared.offer(),
        Err(why) => QueuePairOffer::Unable(why.clone()),
    };
    control::send(socket, &offer).map_err(control_error)?;
    let theirs = control::receive(socket).map_err(control_error)?;
    let at_the_other_end = |why: &str| format!("at the other end: {}", ends::printable(why));
    let (prepared, endpoint, window, transfers) = match (prepared, theirs) {
        (Ok(prepared), QueuePairOffer::Offer { endpoint, window, transfers }) => (prepared, endpoint, window, transfers),
        (Err(why), _) => return Ok(Err(why)),
        (_, QueuePairOffer::Unable(why)) => return Ok(Err(at_the_other_end(&why))),
    };
    let connected = prepared.connect((&endpoint, &window, transfers.as_deref()), windows.peer.len(), number);
    let state = match &connected {
        Ok(_) => QueuePairState::Ready,
        Err(why) => QueuePairState::Failed(why.clone()),
    };
    control::send(socket, &state).map_err(control_error)?;
    let theirs = control::receive(socket).map_err(control_error)?;
    Ok(match (connected, theirs) {
        (Ok(connected), QueuePairState::Ready) => Ok(connected),
        (Err(why), _) => Err(why),
        (_, QueuePairState::Failed(why)) => Err(at_the_other_end(&why)),
    })
}

fn control_error(error: ControlError) -> LinkError {
    match error {
        ControlError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            LinkError::Down(DownCause::PeerClosed)
        }
        ControlError::Malformed(_)
        | ControlError::TooLong(_)
        | ControlError::Magic(_)
        | ControlError::Version { .. } => {
            LinkError::misbehaved("W24", "an offer of a queue pair that makes no sense")
        }
        error => LinkError::Down(DownCause::Transport(error.to_string())),
    }
}
