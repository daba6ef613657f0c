//! Connections: how many, how long, and that nobody who is slow is waited for.
//!
//! In clear text on the machine itself; where others can reach the address, by TLS with the certificate of the control protocol.

use super::gate::{Gate, Peer};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 512;
/// Of one address other than the machine's own.
pub const CONNECTIONS_OF_ADDRESS_MAX: usize = 64;
/// A TLS handshake takes no longer, and no head of a request, nor the pause before it.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// One who takes nothing of an answer for so long is cut off.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head at the most.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Connections that are open, by address.
#[derive(Debug, Default)]
struct Open {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among them.
struct Place(Arc<Open>, IpAddr);

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.1);
            }
        }
    }
}

impl Open {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let from = from.to_canonical();
        let mut all = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = all.values().sum();
        let own = all.entry(from).or_default();
        if total >= CONNECTIONS_MAX || !from.is_loopback() && *own >= CONNECTIONS_OF_ADDRESS_MAX {
            if *own == 0 {
                all.remove(&from);
            }
            return None;
        }
        *own += 1;
        Some(Place(Arc::clone(self), from))
    }
}

/// A connection whose other end takes what is written, or is cut off.
struct Impatient<S> {
    stream: S,
    /// How long nothing may be taken.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        if stalled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, from);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, ended)
    }
}

/// Answers connections, for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, gate: Arc<Gate>, router: Router, on_refused: impl Fn() + Send + 'static) {
    let open = Arc::new(Open::default());
    let mut told: Option<Instant> = None;
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("accept (HTTP): {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if gate.is_barred(from.ip()) {
            continue;
        }
        let Some(place) = open.enter(from.ip()) else {
            on_refused();
            if told.is_none_or(|at| at.elapsed() >= Duration::from_secs(10)) {
                told = Some(Instant::now());
                tracing::warn!("too many HTTP connections; one of {} was closed", from.ip());
            }
            continue;
        };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, from, tls, router).await {
                tracing::debug!("HTTP connection of {from}: {error}");
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, from: SocketAddr, tls: Option<TlsAcceptor>, router: Router) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    match tls {
        None => answer(stream, from, router).await,
        Some(tls) => {
            let stream = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await??;
            answer(stream, from, router).await
        }
    }
}

async fn answer<S>(stream: S, from: SocketAddr, router: Router) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(from));
        router.clone().oneshot(request)
    });
    let stream = TokioIo::new(Impatient { stream, patience: STALL_TIMEOUT, stalled: None });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    Ok(builder.serve_connection(stream, service).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_bounded_in_all_and_by_address() {
        let open = Arc::new(Open::default());
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let own: Vec<_> = (0..CONNECTIONS_OF_ADDRESS_MAX).map(|_| open.enter(address(1)).unwrap()).collect();
        assert!(open.enter(address(1)).is_none());
        let other = open.enter(address(2)).unwrap();
        drop(own);
        assert!(open.enter(address(1)).is_some());
        drop(other);
        assert!(open.by_address.lock().unwrap().is_empty());
        let local: Vec<_> = (0..CONNECTIONS_MAX).map(|_| open.enter([127, 0, 0, 1].into()).unwrap()).collect();
        assert!(open.enter(address(3)).is_none());
        assert_eq!(open.by_address.lock().unwrap().len(), 1);
        drop(local);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off() {
        use tokio::io::AsyncWriteExt;
        let (near, _far) = tokio::io::duplex(64);
        let mut near = Impatient { stream: near, patience: Duration::from_millis(20), stalled: None };
        near.write_all(&[0; 64]).await.unwrap();
        let error = near.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
