//! Who is let in by HTTP: bearers of the tokens of the control protocol, and nobody without.
//!
//! On the machine itself the control protocol lets everyone in while there are no tokens. HTTP does not: a browser asks there in the name
//! of every page that it shows.

use super::problem::Problem;
use super::rates::Rates;
use crate::door::{Host, not_allowed};
use crate::identity::{Grant, Scope};
use crate::pool::Caller;
use crate::watch::Watch;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ringway_secure::hex;
use ringway_secure::tls::ServerIdentity;
use ringway_secure::token::parse_presented;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a token at the most.
const TOKEN_BYTES_MAX: usize = 512;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// See the module.
pub struct Gate {
    host: Arc<dyn Host>,
    /// Who is told of refusals; None: nobody.
    watch: Option<Arc<Watch>>,
    rates: Rates,
}

/// Too much was asked.
fn too_often(wait: std::time::Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests", "ask less often; the header Retry-After says when").into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Who is counted together among those that are not known: an address, of IPv6 the 64 bits that name a network.
fn counted(from: IpAddr) -> String {
    match from.to_canonical() {
        IpAddr::V4(from) => from.to_string(),
        IpAddr::V6(from) => format!("{:x}", from.to_bits() >> 64),
    }
}

impl Gate {
    pub(crate) fn new(host: Arc<dyn Host>, watch: Option<Arc<Watch>>) -> Self {
        Self { host, watch, rates: Rates::default() }
    }

    /// Whether an address is not listened to.
    pub fn is_barred(&self, from: IpAddr) -> bool {
        self.host.door().is_barred(from)
    }

    /// What is shown to those who ask by TLS; made if it is not there yet.
    pub fn identity(&self) -> Result<ServerIdentity, String> {
        self.host.door().own_identity()
    }

    /// Counts a request that needs no token.
    pub fn count(&self, from: IpAddr) -> Result<(), Response> {
        self.rates.take(&counted(from), Instant::now()).map_err(too_often)
    }

    /// Whether what was begun with a token may go on.
    pub fn still_good(&self, grant: &Grant) -> bool {
        grant.token.as_deref().is_none_or(|token| self.host.door().still_good(token))
    }

    /// Reads files.
    fn admit(&self, token: &str, from: IpAddr, is_enough: fn(Scope) -> bool) -> Result<Caller, Response> {
        let refuse = |status, reply| {
            // Whoever brings worthless tokens is counted by address, so that nobody can spend the requests of others.
            self.count(from)?;
            if let Some(watch) = &self.watch {
                let id = parse_presented(token).map_or_else(String::new, |(id, _)| hex(&id));
                watch.token_refused(&id, Some(from), &reply);
            }
            Err(Problem::of(status, reply).into_response())
        };
        let grant = match self.host.door().admit_bearer(token, from) {
            Ok(grant) => grant,
            Err(reply) => return refuse(StatusCode::UNAUTHORIZED, reply),
        };
        if !is_enough(grant.scope) {
            return refuse(StatusCode::FORBIDDEN, not_allowed(&grant));
        }
        let who = grant.token.as_ref().map_or_else(|| format!("secret {}", counted(from)), |token| format!("token {token}"));
        self.rates.take(&who, Instant::now()).map_err(too_often)?;
        Ok(Caller { grant, from: Some(from) })
    }

    async fn let_in(self: Arc<Self>, parts: &Parts, is_enough: fn(Scope) -> bool) -> Result<Caller, Response> {
        let internal = |what: &str| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, what, "see the log").into_response();
        let Some(Peer(from)) = parts.extensions.get::<Peer>().copied() else {
            return Err(internal("a connection without an address"));
        };
        let mut presented = parts.headers.get_all(AUTHORIZATION).iter();
        let token = match (presented.next(), presented.next()) {
            (Some(one), None) => one.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")),
            _ => None,
        };
        let Some(token) = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty() && token.len() <= TOKEN_BYTES_MAX) else {
            self.count(from.ip())?;
            let cure = "send `Authorization: Bearer rwt_...`; `ringway token create` makes a token, and its file has what is to be sent";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "no token was sent", cure).into_response());
        };
        let token = zeroize::Zeroizing::new(token.to_owned());
        let admitted = tokio::task::spawn_blocking(move || self.admit(&token, from.ip(), is_enough)).await;
        admitted.map_err(|_| internal("a thread failed"))?
    }
}

/// One who may look.
pub struct Reader(pub(crate) Caller);
/// One who may use GPUs.
pub struct User(pub(crate) Caller);
/// An administrator.
pub struct Admin(pub(crate) Caller);

macro_rules! let_in_by {
    ($who:ident, $is_enough:expr) => {
        impl<S: AsRef<Arc<Gate>> + Sync> FromRequestParts<S> for $who {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
                Arc::clone(state.as_ref()).let_in(parts, $is_enough).await.map($who)
            }
        }
    };
}

let_in_by!(Reader, Scope::may_read);
let_in_by!(User, Scope::may_use);
let_in_by!(Admin, |scope| scope == Scope::Admin);
