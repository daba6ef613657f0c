//! The HTTP interface: what a pool tells and does for programs that are not Ringway's, and metrics.
//!
//! | what | where |
//! |---|---|
//! | connections: how many, how long, TLS | `listener.rs` |
//! | who is let in, and how often | `gate.rs`, `rates.rs` |
//! | what is told, what is done | `resources.rs`, `acts.rs`, in the shapes of `model.rs` |
//! | what happens, as it happens | `live.rs` |
//! | metrics | `metrics.rs`, those of one server `server.rs` |
//! | failures | `problem.rs` |
//!
//! An asynchronous runtime with a few threads of its own; it is started only where an address for HTTP is named. Questions go to the
//! pool, which may wait for a lock or a disk, on threads for that, and are answered where those of the control protocol are.
//! The OpenAPI document is made of the same declarations as the routes ([`openapi`]).

mod acts;
mod gate;
mod listener;
mod live;
mod metrics;
mod model;
mod problem;
mod rates;
mod resources;
mod server;

use crate::door::Host;
use crate::pool::Pool;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
pub use server::serve_metrics;

use gate::{Gate, Peer};
use live::Listeners;
use problem::{Problem, make_problems};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a body at the most.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// A request takes no longer, from its head to the head of its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Threads that may wait for the pool.
const WAITING_THREADS: usize = 16;
/// Name of HTTP/1.1 within TLS (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Why HTTP could not be served; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address could not be had.
    #[error("cannot listen on {0} for HTTP: {1}; choose another address")]
    Listen(String, io::Error),
    /// There is no certificate for it.
    #[error("{0} is reachable from other machines, so HTTP needs TLS there: {1}")]
    Tls(String, String),
    /// There is no runtime.
    #[error("HTTP needs threads: {0}")]
    Runtime(io::Error),
}

/// A bound address for HTTP.
pub struct HttpListener {
    listener: TcpListener,
    is_beyond: bool,
}

impl HttpListener {
    /// Binds HOST:PORT.
    ///
    /// # Errors
    /// [`HttpError::Listen`].
    pub fn bind(host: &str, port: u16) -> Result<Self, HttpError> {
        let failed = |error| HttpError::Listen(format!("{host}:{port}"), error);
        let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
        TcpListener::bind(addresses.as_slice()).and_then(Self::of).map_err(failed)
    }

    /// A socket that listens already.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn adopt(socket: OwnedFd) -> io::Result<Self> {
        Self::of(socket.into())
    }

    fn of(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let is_beyond = !listener.local_addr()?.ip().is_loopback();
        Ok(Self { listener, is_beyond })
    }

    /// Another descriptor of its socket.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn handle(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Where it is reached, as a URL.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("{}://{}", if self.is_beyond { "https" } else { "http" }, self.listener.local_addr()?))
    }
}

/// What handlers have.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) pool: Arc<Pool>,
    pub(super) gate: Arc<Gate>,
    pub(super) listeners: Arc<Listeners>,
}

impl AsRef<Arc<Gate>> for Api {
    fn as_ref(&self) -> &Arc<Gate> {
        &self.gate
    }
}

impl Api {
    /// Does something that may wait, on a thread for that.
    pub(super) async fn work<R: Send + 'static>(&self, then: impl FnOnce() -> Result<R, Problem> + Send + 'static) -> Result<R, Problem> {
        let internal = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a thread failed", "see the pool's log");
        tokio::task::spawn_blocking(then).await.map_err(internal)?
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ringway pool",
        description = "GPUs of a network, who has them and who waits for them. Tokens are those of `ringway token create --pool`: `read` looks, `use` \
                       ends its own leases, `admin` administers. Failures are application/problem+json, with a cause (`detail`) and a `cure`."
    ),
    tags(
        (name = "pool", description = "The pool as a whole."),
        (name = "servers", description = "Servers and their GPUs."),
        (name = "leases", description = "Leases, and requests that wait for one."),
        (name = "quotas", description = "Users, groups, what they may have and have had."),
        (name = "administration", description = "Tokens, and the record of who did what."),
    )
)]
struct Document;

fn described() -> OpenApiRouter<Api> {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("rwt_ID_SECRET").build();
    document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    document.security = Some(vec![utoipa::openapi::SecurityRequirement::new("token", [] as [String; 0])]);
    OpenApiRouter::with_openapi(document)
        .routes(routes!(resources::health))
        .routes(routes!(resources::pool_info))
        .routes(routes!(resources::servers))
        .routes(routes!(resources::server, acts::remove_server))
        .routes(routes!(acts::drain))
        .routes(routes!(acts::undrain))
        .routes(routes!(resources::gpus))
        .routes(routes!(resources::leases))
        .routes(routes!(resources::lease, acts::release_lease))
        .routes(routes!(resources::queue))
        .routes(routes!(acts::release_request))
        .routes(routes!(resources::quotas))
        .routes(routes!(acts::set_quota, acts::unset_quota))
        .routes(routes!(acts::set_each_quota, acts::unset_each_quota))
        .routes(routes!(resources::users))
        .routes(routes!(acts::set_user, acts::remove_user))
        .routes(routes!(acts::disable_user))
        .routes(routes!(acts::enable_user))
        .routes(routes!(resources::usage))
        .routes(routes!(resources::tokens, acts::create_token))
        .routes(routes!(acts::revoke_token))
        .routes(routes!(resources::audit))
        .routes(routes!(live::events))
        .routes(routes!(metrics::metrics))
}

/// The OpenAPI document, as JSON.
pub fn openapi() -> String {
    let (_, document) = described().split_for_parts();
    document.to_pretty_json().map_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()), |text| text + "\n")
}

async fn tell_openapi(State(api): State<Api>, axum::Extension(Peer(from)): axum::Extension<Peer>) -> Result<Response, Response> {
    api.gate.count(from.ip())?;
    Ok(([(CONTENT_TYPE, "application/json")], openapi()).into_response())
}

/// What every answer has: it is for its reader alone, and no page that a browser would run.
async fn guard_answers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// A request that takes too long is answered without what it asked for.
async fn bound_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long", "send it whole and at once; if it was, see the pool's log").into_response()
    })
}

async fn count_answers(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    api.pool.watch().counters.http_requests.with_label_values(&[route.as_str(), response.status().as_str()]).inc();
    response
}

/// Around all routes.
fn guarded<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(bound_time))
        .layer(from_fn(make_problems))
        .layer(from_fn(guard_answers))
}

fn routes_of(api: &Api) -> Router {
    let (router, _) = described().split_for_parts();
    let router = router.route("/api/v1/openapi.json", get(tell_openapi)).fallback(|| async { StatusCode::NOT_FOUND });
    guarded(router).layer(from_fn_with_state(api.clone(), count_answers)).with_state(api.clone())
}

/// Serves a pool by HTTP, on threads of its own, for as long as what is returned lives.
///
/// # Errors
/// [`HttpError`].
pub fn serve_pool(pool: &Arc<Pool>, listener: HttpListener) -> Result<Runtime, HttpError> {
    let host: Arc<dyn Host> = Arc::<Pool>::clone(pool);
    let gate = Arc::new(Gate::new(host, Some(Arc::clone(pool.watch()))));
    let api = Api { pool: Arc::clone(pool), gate: Arc::clone(&gate), listeners: Arc::default() };
    let refused = pool.watch().counters.http_refused.clone();
    serve(listener, gate, routes_of(&api), move || refused.inc())
}

fn serve(listener: HttpListener, gate: Arc<Gate>, router: Router, on_refused: impl Fn() + Send + 'static) -> Result<Runtime, HttpError> {
    let tls = listener.is_beyond.then(|| gate.identity().map(|identity| TlsAcceptor::from(identity.for_protocol(ALPN))));
    let tls = tls.transpose().map_err(|why| HttpError::Tls(listener.url().unwrap_or_default(), why))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(WAITING_THREADS)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(HttpError::Runtime)?;
    let entered = runtime.enter();
    let socket = tokio::net::TcpListener::from_std(listener.listener).map_err(HttpError::Runtime)?;
    drop(entered);
    runtime.spawn(listener::serve(socket, tls, gate, router, on_refused));
    Ok(runtime)
}

#[cfg(test)]
mod tests;
